/* How a command line is read: options of all verbs may come first; then the verb, of one or two words; then its arguments and all
 * its options in any order. What is wrong is said on stderr, with the words that would be right. */
#include "client/tool/command_line.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/help.h"
#include "client/tool/verb.h"

enum {
    OPTIONS_MAX = 40, /* of a verb, with the general ones; the table of verbs stays below */
    FIRST_LONG = 256, /* what getopt returns for the first long option: above all letters */
};

/* The tables in getopt's form. */
struct option_table {
    const struct tool_option *options[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 3];
    int count;
};

static void table_add(struct option_table *table, const struct tool_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        assert(table->count < OPTIONS_MAX);
        int argument = options->argument != NULL ? required_argument : no_argument;
        table->options[table->count] = options;
        table->longs[table->count] =
            (struct option){options->name, argument, NULL, FIRST_LONG + table->count};
        table->count++;
        if (options->letter != 0) {
            size_t length = strlen(table->letters);
            assert(length + 2 < sizeof table->letters);
            table->letters[length] = options->letter;
            table->letters[length + 1] = argument == required_argument ? ':' : '\0';
        }
    }
}

static const struct tool_option *table_find(const struct option_table *table, int found)
{
    assert(table->count > 0 && table->count <= OPTIONS_MAX);
    for (int i = 0; i < table->count; i++) {
        if (found == FIRST_LONG + i || (found != 0 && found == table->options[i]->letter)) {
            return table->options[i];
        }
    }
    return NULL;
}

static enum tool_exit take_level(struct tool *tool, const char *value)
{
    static const char *const levels[] = {
        [CAIRN_ACCEPTED] = "accepted", [CAIRN_WRITTEN] = "written", [CAIRN_DURABLE] = "durable"};
    for (int level = CAIRN_ACCEPTED; level <= CAIRN_DURABLE; level++) {
        if (strcmp(value, levels[level]) == 0) {
            tool->level = (enum cairn_level)level;
            return TOOL_OK;
        }
    }
    return tool_fail(TOOL_USAGE, "--level is accepted, written or durable, not \"%s\"", value);
}

static enum tool_exit take_general(struct tool *tool, const struct tool_option *option, const char *value)
{
    assert(option->argument == NULL || value != NULL); /* getopt refuses an option without its value */
    switch (option->letter) {
    case 's':
        tool->socket_path = value;
        return TOOL_OK;
    case 'c':
        tool->chain = cairn_text(value);
        return value[0] != '\0' ? TOOL_OK
                                : tool_fail(TOOL_USAGE, "--chain: a name has at least one character");
    case 'o':
        tool->json = strcmp(value, "json") == 0;
        return tool->json || strcmp(value, "table") == 0
                   ? TOOL_OK
                   : tool_fail(TOOL_USAGE, "--output is table or json, not \"%s\"", value);
    case 'l':
        return take_level(tool, value);
    case 'd':
        return argument_duration("--deadline", value, &tool->deadline_us);
    default:
        tool->help = true;
        return TOOL_OK;
    }
}

static enum tool_exit take(struct tool *tool, const struct tool_option *option, const char *value)
{
    if (verb_option_is_general(option)) {
        return take_general(tool, option, value);
    }
    assert(option->argument == NULL || value != NULL);
    tool->given[tool->given_count++] = (struct tool_given){option, value};
    return TOOL_OK;
}

/* Reads the options among the words. getopt moves the arguments behind them or, if `letters` starts with a plus, stops at the
 * first argument. *ret_next is the index of the first argument. */
static enum tool_exit read_options(struct tool *tool, const struct option_table *table, int count,
                                   char **words, int *ret_next)
{
    optind = 0;
    opterr = 0;
    for (;;) {
        int found = getopt_long(count, words, table->letters, table->longs, NULL);
        if (found == -1) {
            break;
        }
        const char *word = words[optind > 0 ? optind - 1 : 0];
        if (found == ':') {
            return tool_fail(TOOL_USAGE, "option %s needs a value", word);
        }
        const struct tool_option *option = table_find(table, found);
        if (option == NULL) {
            return tool_fail(TOOL_USAGE, "unknown option %s%s%s; see cairn %s%s--help", word,
                             tool->verb != NULL ? " for " : "", tool->verb != NULL ? tool->verb->name : "",
                             tool->verb != NULL ? tool->verb->name : "", tool->verb != NULL ? " " : "");
        }
        enum tool_exit result = take(tool, option, optarg);
        if (result != TOOL_OK) {
            return result;
        }
    }
    assert(optind > 0 && optind <= count);
    *ret_next = optind;
    return TOOL_OK;
}

/* How many of the words are this verb's name; 0: they name another verb. */
static int verb_words(const struct tool_verb *verb, int count, char **words)
{
    assert(verb->name != NULL);
    const char *space = strchr(verb->name, ' ');
    size_t first = space != NULL ? (size_t)(space - verb->name) : strlen(verb->name);
    if (count < 1 || strlen(words[0]) != first || strncmp(words[0], verb->name, first) != 0) {
        return 0;
    }
    if (space == NULL) {
        return 1;
    }
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

/* Says that there is no such verb, and names those that start with the first word. */
static enum tool_exit unknown_verb(const struct tool *tool, int count, char **words)
{
    char others[256] = "";
    assert(count > 0);
    for (const struct tool_verb *verb = tool->verbs; verb->name != NULL; verb++) {
        if (verb_in_group(verb, words[0])) {
            size_t used = strlen(others);
            snprintf(others + used, sizeof others - used, "%s%s", used > 0 ? ", " : "", verb->name);
        }
    }
    if (others[0] != '\0') {
        return tool_fail(TOOL_USAGE, "unknown verb \"%s%s%s\"; there are %s", words[0], count > 1 ? " " : "",
                         count > 1 ? words[1] : "", others);
    }
    return tool_fail(TOOL_USAGE, "unknown verb \"%s\"; see cairn --help", words[0]);
}

/* Whether the words ask for the help of all verbs that start with the first of them. */
static bool asks_for_group(const struct tool *tool, int count, char **words)
{
    bool asks = tool->help;
    for (int i = 1; i < count && !asks; i++) {
        asks = strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
    }
    const struct tool_verb *verb = tool->verbs;
    while (verb->name != NULL && !verb_in_group(verb, words[0])) {
        verb++;
    }
    return asks && verb->name != NULL;
}

/* Finds the verb that has the most words in common with the command line. */
static enum tool_exit find_verb(struct tool *tool, int count, char **words, int *ret_words)
{
    int most = 0;
    for (const struct tool_verb *verb = tool->verbs; verb->name != NULL; verb++) {
        int common = verb_words(verb, count, words);
        if (common > most) {
            most = common;
            tool->verb = verb;
        }
    }
    *ret_words = most;
    if (most == 0 && asks_for_group(tool, count, words)) {
        tool->help = true;
        tool->group = words[0];
        return TOOL_OK;
    }
    return most > 0 ? TOOL_OK : unknown_verb(tool, count, words);
}

static enum tool_exit check(const struct tool *tool)
{
    const struct tool_verb *verb = tool->verb;
    assert(verb != NULL && verb->run != NULL && verb->arguments_min <= verb->arguments_max);
    if (tool->argument_count < verb->arguments_min || tool->argument_count > verb->arguments_max) {
        bool few = tool->argument_count < verb->arguments_min;
        return tool_fail(TOOL_USAGE, "too %s arguments; usage: cairn %s%s%s", few ? "few" : "many",
                         verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments);
    }
    if (tool->chain.bytes > 0 && !verb->has_chain) {
        return tool_fail(TOOL_USAGE, "cairn %s takes no --chain", verb->name);
    }
    if (tool->level != CAIRN_LEVEL_DEFAULT && !verb->has_level) {
        return tool_fail(TOOL_USAGE, "cairn %s takes no --level", verb->name);
    }
    return TOOL_OK;
}

enum tool_exit command_line_read(struct tool *tool, int count, char **words)
{
    struct option_table general = {.letters = "+:"};
    int next = 1;
    const char *socket_path = getenv("CAIRN_SOCKET");
    tool->socket_path = socket_path != NULL && socket_path[0] != '\0' ? socket_path : NULL;
    tool->deadline_us = TOOL_DEADLINE_US_DEFAULT;
    tool->given = region_allocate(&tool->region, (size_t)count, sizeof tool->given[0]);
    table_add(&general, verb_general_options);
    enum tool_exit result = read_options(tool, &general, count, words, &next);
    if (result != TOOL_OK || (next == count && tool->help)) {
        return result;
    }
    if (next == count) {
        help_print(stderr, tool->verbs);
        return TOOL_USAGE;
    }
    int verb_count;
    result = find_verb(tool, count - next, words + next, &verb_count);
    if (result != TOOL_OK || tool->verb == NULL) {
        return result;
    }
    struct option_table all = {.letters = ":"};
    table_add(&all, verb_general_options);
    table_add(&all, tool->verb->options);
    words += next + verb_count - 1; /* the verb's last word stands where getopt expects the program's name */
    count -= next + verb_count - 1;
    result = read_options(tool, &all, count, words, &next);
    tool->arguments = words + next;
    tool->argument_count = result == TOOL_OK ? count - next : 0;
    assert(tool->argument_count >= 0);
    return result != TOOL_OK || tool->help ? result : check(tool);
}
