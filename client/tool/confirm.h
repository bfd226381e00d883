/* Asks the operator before something is removed that cannot be restored. */
#ifndef TOOL_CONFIRM_H
#define TOOL_CONFIRM_H

#include "client/tool/tool.h"

enum confirm_kind {
    CONFIRM_NEEDED,   /* where nobody can be asked, --yes must be given */
    CONFIRM_IF_ASKED, /* where nobody can be asked, the command line says enough */
};

/* The option of verbs that ask, for the table of verbs. */
#define CONFIRM_OPTION {"yes", 'y', NULL, "do not ask", NULL}

/* Asks on the terminal, unless --yes was given. The text says what will be removed and how much of it; the chain, the socket and the
 * question are added. TOOL_USAGE: nobody can be asked; TOOL_FAILURE: the answer is no. Both are said on stderr. */
enum tool_exit confirm(const struct tool *tool, enum confirm_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4))) CAIRN_MUST_CHECK;

#endif
