/* cairn, the operator's tool. A run's life: the command line is read, its verb runs, and the result is the exit code. Values from
 * the command line live until the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/command_line.h"
#include "client/tool/help.h"
#include "client/tool/verbs/table.h"

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
    return tool->verb->run(tool);
}

int main(int count, char **words)
{
    struct tool tool = {.verbs = table_of_verbs};
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is reported as an error below */
    enum tool_exit result = run(&tool, count, words);
    cairn_client_free(tool.client);
    region_close(&tool.region);
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == TOOL_OK) {
        result = tool_fail(TOOL_FAILURE, "cannot write the output: %s", strerror(errno));
    }
    return (int)result;
}
