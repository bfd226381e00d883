/* The running part of a replay. */
#ifndef TOOL_REPLAY_RUN_H
#define TOOL_REPLAY_RUN_H

#include "client/tool/replay/report.h"
#include "client/tool/tool.h"

struct replay {
    struct tool *tool; /* with its client */
    const char *file;  /* for messages */
    const struct trace *trace;
    const struct cairn_slice *chains; /* the daemon's names of the trace's chains */
    bool pace;
};

/* Makes all calls by the recording's rules and notes in the report what came of them. Not TOOL_OK: it could not go on,
 * and said why; differences alone are none of its matter. No connection of its own is left open. */
enum tool_exit replay_run(const struct replay *replay, struct report *report) CAIRN_MUST_CHECK;

#endif
