/* Verbs about the tool itself. In JSON the help is the table of verbs, an object a verb, for documents that are checked against it. */
#include <assert.h>
#include <stdio.h>

#include "client/tool/command_line.h"
#include "client/tool/help.h"
#include "client/tool/output.h"
#include "client/tool/verb.h"
#include "client/tool/verbs/verbs.h"

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *option_json(const struct tool_option *option)
{
    const char letter[] = {option->letter, '\0'};
    return json_pack("{s:s, s:o, s:o, s:s}", "name", option->name, "letter",
                     text_or_null(option->letter != 0 ? letter : NULL), "argument",
                     text_or_null(option->argument), "help", option->help);
}

/* Prints one verb as an object, with its own options and those of the general ones that it takes. */
static void print_verb_json(const struct tool_verb *verb)
{
    json_t *options = json_array();
    assert(verb->name != NULL);
    for (const struct tool_option *own = verb->options; own != NULL && own->name != NULL; own++) {
        json_array_append_new(options, option_json(own));
    }
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        if (verb_takes(verb, option)) {
            json_array_append_new(options, option_json(option));
        }
    }
    bool has_level = verb->level != CAIRN_LEVEL_DEFAULT;
    output_json(json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "verb", verb->name, "arguments",
                          verb->arguments, "summary", verb->summary, "details", text_or_null(verb->details),
                          "example", verb->example, "level",
                          text_or_null(has_level ? verb_level_text(verb->level) : NULL), "options", options));
}

/* Prints the verbs of that group as objects; NULL: all. */
static void print_verbs_json(const struct tool_verb *verbs, const char *group)
{
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        if (group == NULL || verb_in_group(verb, group)) {
            print_verb_json(verb);
        }
    }
}

enum tool_exit verb_help(struct tool *tool)
{
    int words = 0;
    assert(tool->argument_count <= 2); /* so says the table */
    const struct tool_verb *verb = verb_find(tool->verbs, tool->argument_count, tool->arguments, &words);
    const char *group = tool->argument_count > 0 ? tool->arguments[0] : NULL;
    if (verb != NULL && words == tool->argument_count) {
        if (tool->json) {
            print_verb_json(verb);
        } else {
            help_print_verb(stdout, tool->verbs, verb);
        }
    } else if (group != NULL && (tool->argument_count > 1 || !verb_is_group(tool->verbs, group))) {
        return command_line_unknown_verb(tool, tool->argument_count, tool->arguments);
    } else if (tool->json) {
        print_verbs_json(tool->verbs, group);
    } else if (group != NULL) {
        help_print_group(stdout, tool->verbs, group);
    } else {
        help_print(stdout, tool->verbs);
    }
    return TOOL_OK;
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
