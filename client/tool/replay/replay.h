/* The verb replay: a recorded node's calls, made again, every answer compared. */
#ifndef TOOL_REPLAY_H
#define TOOL_REPLAY_H

#include "client/tool/tool.h"

enum tool_exit verb_replay(struct tool *tool);

#endif
