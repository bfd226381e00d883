/* The one table of verbs: dispatch, help and completion all read it. */
#ifndef TOOL_VERBS_TABLE_H
#define TOOL_VERBS_TABLE_H

#include "client/tool/tool.h"

extern const struct tool_verb table_of_verbs[]; /* ends with an empty one */

#endif
