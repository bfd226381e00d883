/* The verb bench: measures how fast the daemon answers. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include "client/tool/tool.h"

enum tool_exit verb_bench(struct tool *tool);

#endif
