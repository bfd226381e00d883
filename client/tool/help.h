/* The help, printed from the table of verbs. */
#ifndef TOOL_HELP_H
#define TOOL_HELP_H

#include <stdio.h>

#include "client/tool/tool.h"

/* Print the help of the tool, of the verbs whose first word is `group`, and of one verb with those that begin with it. `verbs` ends
 * with an empty one. */
void help_print(FILE *file, const struct tool_verb *verbs);
void help_print_group(FILE *file, const struct tool_verb *verbs, const char *group);
void help_print_verb(FILE *file, const struct tool_verb *verbs, const struct tool_verb *verb);

#endif
