/* cairn, the operator's tool. A run's life: the command line is read, its verb runs, and the result is the exit code. Values from
 * the command line live until the end.
 *
 * Ctrl-C ends a run at once, with an exit code of its own, unless a verb has to clean up and takes the signal itself. So does a closed
 * pipe: nobody reads what would be said about it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/command_line.h"
#include "client/tool/help.h"
#include "client/tool/verb.h"
#include "client/tool/verbs/table.h"
#include "proto/standard_files.h"

static void end_by_signal(int number)
{
    _exit(number == SIGINT ? TOOL_INTERRUPTED : TOOL_OUTPUT_CLOSED);
}

static void take_signals(void)
{
    struct sigaction action = {.sa_handler = end_by_signal}, before;
    sigaction(SIGPIPE, &action,
              NULL); /* also where it was ignored: a write would fail instead, and be told */
    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        sigaction(SIGINT, &action, NULL);
    }
}

static enum tool_exit run(struct tool *tool, int count, char **words)
{
    enum tool_exit result = command_line_read(tool, count, words);
    if (result != TOOL_OK) {
        return result;
    }
    if (tool->help) {
        if (tool->verb != NULL) {
            help_print_verb(stdout, tool->verbs, tool->verb);
        } else if (tool->group != NULL) {
            help_print_group(stdout, tool->verbs, tool->group);
        } else {
            help_print(stdout, tool->verbs);
        }
        return TOOL_OK;
    }
    return tool->version ? verb_named(tool->verbs, "version")->run(tool) : tool->verb->run(tool);
}

int main(int count, char **words)
{
    struct tool tool = {.verbs = table_of_verbs};
    standard_files_keep();
    take_signals();
    enum tool_exit result = run(&tool, count, words);
    cairn_client_free(tool.client);
    region_close(&tool.region);
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == TOOL_OK) {
        result = errno == EPIPE ? TOOL_OUTPUT_CLOSED /* of a verb that cleans up, and so ignores SIGPIPE */
                                : tool_fail(TOOL_FAILURE, "cannot write the output: %s", strerror(errno));
    }
    return (int)result;
}
