/* What a daemon replied, in the terms of a recorded answer. */
#ifndef TOOL_COMPARE_H
#define TOOL_COMPARE_H

#include "client/tool/replay/trace.h"

/* Notes an item of a list's stream in the answer; its memory is the region's. */
void compare_entry(struct region *region, struct trace_answer *answer, const struct cairn_metadata *item);

/* Makes the answer of a reply; values are the reply's or the region's. For a list the items are noted already. False: the
 * reply is none that could have been recorded: the call failed. */
bool compare_answer(const struct trace_call *call, const struct cairn_reply *reply,
                    struct trace_answer *answer) CAIRN_MUST_CHECK;

#endif
