/* The question goes to stderr and the answer comes from stdin, if both are a terminal. Anything but an answer that begins with y is a
 * no, the end of the input too. */
#include "client/tool/confirm.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/encoding.h"
#include "client/tool/fatal.h"

/* Reads a line, and returns whether it begins with y. */
static bool answer_is_yes(void)
{
    int first = getchar();
    for (int c = first; c != '\n' && c != EOF;) {
        c = getchar();
    }
    return first == 'y' || first == 'Y';
}

enum tool_exit confirm(const struct tool *tool, enum confirm_kind kind, const char *format, ...)
{
    assert(tool->socket_path != NULL); /* what would be removed is there */
    if (argument_given(tool, "yes") != NULL) {
        return TOOL_OK;
    }
    bool can_ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (!can_ask && kind == CONFIRM_IF_ASKED) {
        return TOOL_OK;
    }
    char *what = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&what, format, arguments) < 0) {
        fatal("not enough memory");
    }
    va_end(arguments);
    struct cairn_slice chain = tool->chain.bytes > 0 ? tool->chain : cairn_text("default");
    char *what_shown = text_escape(what), *chain_shown = bytes_escape(chain),
         *socket_shown = text_escape(tool->socket_path);
    enum tool_exit result = TOOL_OK;
    fflush(stdout);
    if (!can_ask) {
        result = tool_fail(TOOL_USAGE,
                           "%s, of chain %s: this cannot be undone; give --yes where nobody can be asked",
                           what_shown, chain_shown);
    } else {
        fprintf(stderr, "%s, of chain %s on %s. This cannot be undone. Go on? [y/N] ", what_shown,
                chain_shown, socket_shown);
        result = answer_is_yes() ? TOOL_OK : tool_fail(TOOL_FAILURE, "nothing was done");
    }
    free(what);
    free(what_shown);
    free(chain_shown);
    free(socket_shown);
    return result;
}
