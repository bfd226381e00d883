/* A recorded call, sent to a daemon. */
#ifndef TOOL_SUBMIT_H
#define TOOL_SUBMIT_H

#include "client/tool/replay/trace.h"

/* Submits the call to the chain; `item` receives the items of a list. Statuses are those of the submits of cairn.h. */
enum cairn_status submit_call(struct cairn_connection *connection, const struct trace_call *call,
                              struct cairn_slice chain, cairn_metadata_item item, cairn_completion completion,
                              void *context) CAIRN_MUST_CHECK;

#endif
