/* Reads the words that a run was started with. */
#ifndef TOOL_COMMAND_LINE_H
#define TOOL_COMMAND_LINE_H

#include "client/tool/tool.h"

/* Finds the verb among the tool's, and reads its arguments and all options. TOOL_USAGE: the command line is wrong, and stderr says
 * why. */
enum tool_exit command_line_read(struct tool *tool, int count, char **words) CAIRN_MUST_CHECK;

/* Says that the words name no verb, and which was probably meant; returns TOOL_USAGE. */
enum tool_exit command_line_unknown_verb(const struct tool *tool, int count, char **words);

#endif
