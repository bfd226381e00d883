/* Verbs about the tool itself. */
#include <assert.h>
#include <stdio.h>

#include "client/tool/command_line.h"
#include "client/tool/help.h"
#include "client/tool/output.h"
#include "client/tool/verb.h"
#include "client/tool/verbs/verbs.h"

enum tool_exit verb_help(struct tool *tool)
{
    int words;
    assert(tool->argument_count <= 2); /* so says the table */
    if (tool->argument_count == 0) {
        help_print(stdout, tool->verbs);
        return TOOL_OK;
    }
    const struct tool_verb *verb = verb_find(tool->verbs, tool->argument_count, tool->arguments, &words);
    if (verb != NULL && words == tool->argument_count) {
        help_print_verb(stdout, tool->verbs, verb);
        return TOOL_OK;
    }
    if (tool->argument_count == 1 && verb_is_group(tool->verbs, tool->arguments[0])) {
        help_print_group(stdout, tool->verbs, tool->arguments[0]);
        return TOOL_OK;
    }
    return command_line_unknown_verb(tool, tool->argument_count, tool->arguments);
}

enum tool_exit verb_version(struct tool *tool)
{
    if (tool->json) {
        output_json(json_pack("{s:s}", "version", cairn_version()));
    } else {
        printf("cairn %s\n", cairn_version());
    }
    return TOOL_OK;
}
