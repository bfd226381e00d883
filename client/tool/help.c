/* The help. It is made from the table of verbs, so that it cannot differ from what is read. */
#include "client/tool/help.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/verb.h"

enum {
    LEFT_COLUMNS = 24, /* of what stands before the help of an option or verb; chosen: most fit */
    LEFT_BYTES = 96,   /* of it; the longest in the tables has 50 */
};

/* Prints what stands left beside its help, or above it if it is too long. */
static void print_row(FILE *file, const char *left, const char *help, const char *more)
{
    if (strlen(left) > LEFT_COLUMNS) {
        fprintf(file, "  %s\n  %-*s  %s%s\n", left, LEFT_COLUMNS, "", help, more);
    } else {
        fprintf(file, "  %-*s  %s%s\n", LEFT_COLUMNS, left, help, more);
    }
}

/* Prints one option; behind its help comes the `more` of a verb, such as its default level. */
static void print_option(FILE *file, const struct tool_option *option, const char *more)
{
    char left[LEFT_BYTES];
    assert(option->help != NULL);
    char letter[] = {'-', option->letter, ',', ' ', '\0'};
    snprintf(left, sizeof left, "%s--%s%s%s", option->letter != 0 ? letter : "    ", option->name,
             option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    print_row(file, left, option->help, more);
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
    fputs("\nExit codes (cairn(1) says where ERRORS.md lies, which has the cause and cure of each):\n", file);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fprintf(file, "  %3d  %s\n", codes[i].code, codes[i].text);
    }
}

static void print_verb(FILE *file, const struct tool_verb *verb)
{
    assert(verb->arguments != NULL && verb->summary != NULL); /* the table has both of each verb */
    char left[LEFT_BYTES];
    snprintf(left, sizeof left, "%s%s%s", verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments);
    print_row(file, left, verb->summary, "");
}

/* Prints the verbs of a group; nothing if there are none. */
static void print_group(FILE *file, const struct tool_verb *verbs, const char *group)
{
    bool is_headed = false;
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        if (verb_in_group(verb, group)) {
            if (!is_headed) {
                fprintf(file, "\nVerbs (cairn help %s VERB tells more):\n", group);
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
}

void help_print(FILE *file, const struct tool_verb *verbs)
{
    fputs("usage: cairn [--socket PATH] VERB [ARGUMENTS]\n\nVerbs (cairn help VERB tells more):\n", file);
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        print_verb(file, verb);
    }
    fputs("\nOptions, which stand before the verb or anywhere behind it:\n", file);
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        print_option(file, option, option->letter == 'c' ? "; default: default" : "");
    }
    print_exit_codes(file);
    fprintf(
        file,
        "\nBytes print as ASCII; one outside 0x20 to 0x7e prints as \\xNN, and a backslash as two.\n"
        "-o json prints an object a line, with \"schema\": %d first. A u64 (heights, numbers, sizes of the\n"
        "daemon) is a string of digits; bytes are {\"base64\": ...}, with \"text\" where they are UTF-8 "
        "without\n"
        "control characters and \"u64\" where they are 8 bytes, little-endian. An error is an object on\n"
        "stderr: {\"schema\": %d, \"error\": {\"exit\": 3, \"name\": \"NOT_FOUND\", \"text\": ...}}.\n"
        "-o csv prints the same objects as rows, below a row of their keys; bytes are base64.\n",
        TOOL_JSON_SCHEMA, TOOL_JSON_SCHEMA);
}

/* Prints the verb's own options, then those of the general ones that it takes. */
static void print_options_of(FILE *file, const struct tool_verb *verb)
{
    fputs("\nOptions:\n", file);
    for (const struct tool_option *own = verb->options; own != NULL && own->name != NULL; own++) {
        print_option(file, own, "");
    }
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        char more[64] = "";
        if (option->letter == 'l') {
            snprintf(more, sizeof more, "; default: %s", verb_level_text(verb->level));
        } else if (option->letter == 'c') {
            snprintf(more, sizeof more, "; default: %s",
                     verb->own_chain != NULL ? verb->own_chain : "default");
        }
        if (verb_takes(verb, option)) {
            print_option(file, option, more);
        }
    }
}

void help_print_verb(FILE *file, const struct tool_verb *verbs, const struct tool_verb *verb)
{
    assert(verb->name != NULL && verb->example != NULL); /* the empty one at the table's end has no help */
    fprintf(file, "usage: cairn %s [OPTIONS]%s%s\n\n%s.\n", verb->name, verb->arguments[0] != '\0' ? " " : "",
            verb->arguments, verb->summary);
    if (verb->details != NULL) {
        fputs(verb->details, file);
    }
    print_group(file, verbs, verb->name);
    fputs("\nExample:\n", file);
    for (const char *line = verb->example; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        fprintf(file, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    print_options_of(file, verb);
}
