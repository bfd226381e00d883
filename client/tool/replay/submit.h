/* A recorded call, sent to a daemon. */
#ifndef TOOL_SUBMIT_H
#define TOOL_SUBMIT_H

#include "client/tool/replay/trace.h"

/* Submits the call to that chain. Items are those of a list. As all submits: not CAIRN_OK means it never completes. */
enum cairn_status submit_call(struct cairn_connection *connection, const struct trace_call *call,
                              struct cairn_slice chain, cairn_metadata_item item, cairn_completion completion,
                              void *context) CAIRN_MUST_CHECK;

#endif
