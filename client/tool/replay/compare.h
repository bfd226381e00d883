/* A daemon's reply in the form of a recorded answer. */
#ifndef TOOL_COMPARE_H
#define TOOL_COMPARE_H

#include "client/tool/replay/trace.h"

/* Adds an item of a list's stream to the answer. It is copied to the region. */
void compare_entry(struct region *region, struct trace_answer *answer, const struct cairn_metadata *item);

/* Makes the answer of a reply. Values are borrowed from the reply or the region; the items of a list are in the answer already.
 * False: the call failed, with a status that no recording has. */
bool compare_answer(const struct trace_call *call, const struct cairn_reply *reply,
                    struct trace_answer *answer) CAIRN_MUST_CHECK;

#endif
