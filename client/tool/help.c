/* The help. It is made from the table of verbs, so that it cannot differ from what is read. */
#include "client/tool/help.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/verb.h"

static void print_options(FILE *file, const struct tool_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char left[96];
        assert(options->help != NULL);
        char letter[] = {'-', options->letter, ',', ' ', '\0'};
        snprintf(left, sizeof left, "%s--%s%s%s", options->letter != 0 ? letter : "    ", options->name,
                 options->argument != NULL ? " " : "", options->argument != NULL ? options->argument : "");
        if (strlen(left) > 24) {
            fprintf(file, "  %s\n  %-24s  %s\n", left, "", options->help);
        } else {
            fprintf(file, "  %-24s  %s\n", left, options->help);
        }
    }
}

static void print_exit_codes(FILE *file)
{
    static const struct {
        int code;
        const char *text;
    } codes[] = {
#define TOOL_EXIT_ROW(name, code, text) {code, text},
        TOOL_EXIT_LIST(TOOL_EXIT_ROW)
#undef TOOL_EXIT_ROW
    };
    fputs("\nExit codes:\n", file);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fprintf(file, "  %d  %s\n", codes[i].code, codes[i].text);
    }
}

static void print_verb(FILE *file, const struct tool_verb *verb)
{
    assert(verb->arguments != NULL && verb->summary != NULL); /* the table has both of each verb */
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments);
    fprintf(file, "  %-24s  %s\n", left, verb->summary);
}

/* Prints the verbs of a group; nothing if there are none. */
static void print_group(FILE *file, const struct tool_verb *verbs, const char *group)
{
    bool is_headed = false;
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        if (verb_in_group(verb, group)) {
            if (!is_headed) {
                fprintf(file, "\nVerbs (cairn %s VERB --help tells more):\n", group);
            }
            is_headed = true;
            print_verb(file, verb);
        }
    }
}

void help_print_group(FILE *file, const struct tool_verb *verbs, const char *group)
{
    fprintf(file, "usage: cairn %s VERB [ARGUMENTS]\n", group);
    print_group(file, verbs, group);
    fputs("\nOptions of all verbs:\n", file);
    print_options(file, verb_general_options);
    print_exit_codes(file);
}

void help_print(FILE *file, const struct tool_verb *verbs)
{
    fputs("usage: cairn [--socket PATH] VERB [ARGUMENTS]\n\nVerbs (cairn VERB --help tells more):\n", file);
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        print_verb(file, verb);
    }
    fputs("\nOptions of all verbs:\n", file);
    print_options(file, verb_general_options);
    print_exit_codes(file);
    fputs("\n-o json prints one object a line. Bytes are {\"base64\": ...}, with \"text\" where they are "
          "printable\n"
          "UTF-8 and \"u64\" where they are 8 bytes, little-endian. A number above 2^63-1 is a string.\n",
          file);
}

void help_print_verb(FILE *file, const struct tool_verb *verbs, const struct tool_verb *verb)
{
    assert(verb->name != NULL); /* the empty one at the table's end has no help */
    fprintf(file, "usage: cairn %s%s%s%s\n\n%s.\n", verb->name, verb->options != NULL ? " [OPTIONS]" : "",
            verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->summary);
    if (verb->details != NULL) {
        fputs(verb->details, file);
    }
    print_group(file, verbs, verb->name);
    if (verb->options != NULL) {
        fputs("\nOptions:\n", file);
        print_options(file, verb->options);
    }
    fputs("\nOptions of all verbs:\n", file);
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        struct tool_option one[] = {*option, {0}};
        if (verb_takes(verb, option)) {
            print_options(file, one);
        }
    }
    print_exit_codes(file);
}
