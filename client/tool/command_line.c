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
#include "client/tool/nearest.h"
#include "client/tool/output.h"
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

/* Says that the value is not one of the words, and which of them was probably meant. */
static enum tool_exit not_one_of(const char *option, const char *words, const char *value)
{
    char best[64];
    nearest_of_words(value, words, best, sizeof best);
    return tool_fail(TOOL_USAGE, "%s is one of: %s; not \"%s\"%s%s%s", option, words, value,
                     best[0] != '\0' ? "; did you mean " : "", best, best[0] != '\0' ? "?" : "");
}

static enum tool_exit take_level(struct tool *tool, const char *value)
{
    for (int level = CAIRN_ACCEPTED; level <= CAIRN_DURABLE; level++) {
        if (strcmp(value, verb_level_text((enum cairn_level)level)) == 0) {
            tool->level = (enum cairn_level)level;
            return TOOL_OK;
        }
    }
    return not_one_of("--level", verb_levels, value);
}

static enum tool_exit take_general(struct tool *tool, const struct tool_option *option, const char *value)
{
    assert(option->argument == NULL || value != NULL); /* getopt refuses an option without its value */
    switch (option->letter) {
    case 's':
        tool->socket_path = value;
        tool->socket_origin = "the path is from --socket";
        tool->has_socket = true;
        return TOOL_OK;
    case 'c':
        tool->chain = cairn_text(value);
        return value[0] != '\0' ? TOOL_OK
                                : tool_fail(TOOL_USAGE, "--chain: a name has at least one character");
    case 'o':
        tool->json = strcmp(value, "json") == 0 || strcmp(value, "csv") == 0;
        output_as_csv(strcmp(value, "csv") == 0);
        return tool->json || strcmp(value, "table") == 0 ? TOOL_OK
                                                         : not_one_of("--output", verb_outputs, value);
    case 'l':
        return take_level(tool, value);
    case 'd':
        return argument_duration("--deadline", value, &tool->deadline_us);
    case 'V':
        tool->version = true;
        return TOOL_OK;
    default:
        assert(option->letter == 'h');
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

/* Says what is wrong with an option that getopt refused. */
static enum tool_exit unknown_option(const struct tool *tool, const struct option_table *table,
                                     const char *word)
{
    struct nearest nearest = nearest_to(word + (word[0] == '-') + (word[0] == '-' && word[1] == '-'));
    const char *verb = tool->verb != NULL ? tool->verb->name : "";
    for (int i = 0; i < table->count; i++) {
        nearest_offer(&nearest, table->options[i]->name);
    }
    char meant[64] = "";
    if (nearest.best != NULL) {
        snprintf(meant, sizeof meant, "did you mean --%s? ", nearest.best);
    }
    const char *for_verb = tool->verb != NULL ? " for " : "", *before_verb = tool->verb != NULL ? " " : "";
    return tool_fail(TOOL_USAGE, "unknown option %s%s%s; %ssee cairn help%s%s", word, for_verb, verb, meant,
                     before_verb, verb);
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
        if (found == '?' && optopt >= FIRST_LONG) {
            return tool_fail(TOOL_USAGE, "option --%s takes no value: %s",
                             table->options[optopt - FIRST_LONG]->name, word);
        }
        const struct tool_option *option = table_find(table, found);
        if (option == NULL) {
            return unknown_option(tool, table, word);
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

enum tool_exit command_line_unknown_verb(const struct tool *tool, int count, char **words)
{
    char others[256] = "", both[80];
    assert(count > 0);
    bool two = count > 1 && words[1][0] != '-';
    snprintf(both, sizeof both, "%.32s%s%.32s", words[0], two ? " " : "", two ? words[1] : "");
    struct nearest nearest = nearest_to(both), nearest_first = nearest_to(words[0]);
    for (const struct tool_verb *verb = tool->verbs; verb->name != NULL; verb++) {
        nearest_offer(&nearest, verb->name);
        nearest_offer(&nearest_first, verb->name);
        if (verb_in_group(verb, words[0])) {
            size_t used = strlen(others);
            snprintf(others + used, sizeof others - used, "%s%s", used > 0 ? ", " : "", verb->name);
        }
    }
    if (count == 1 && others[0] != '\0') {
        return tool_fail(TOOL_USAGE, "%s needs another word: there are %s", words[0], others);
    }
    const char *best = nearest.best != NULL ? nearest.best : nearest_first.best;
    if (best != NULL && strcmp(best, words[0]) != 0) {
        return tool_fail(TOOL_USAGE, "unknown verb \"%s\"; did you mean %s? see cairn help", both, best);
    }
    return others[0] != '\0' ? tool_fail(TOOL_USAGE, "unknown verb \"%s\"; there are %s", both, others)
                             : tool_fail(TOOL_USAGE, "unknown verb \"%s\"; see cairn help", both);
}

/* Whether the words ask for the help of all verbs that start with the first of them. */
static bool asks_for_group(const struct tool *tool, int count, char **words)
{
    bool asks = tool->help;
    for (int i = 1; i < count && !asks; i++) {
        asks = strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
    }
    return asks && verb_is_group(tool->verbs, words[0]);
}

/* Finds the verb that has the most words in common with the command line. */
static enum tool_exit find_verb(struct tool *tool, int count, char **words, int *ret_words)
{
    tool->verb = verb_find(tool->verbs, count, words, ret_words);
    /* "chains" is a verb without arguments and a group as well: another word behind it is a verb that the group lacks. */
    if (tool->verb != NULL && tool->verb->arguments_max == 0 && *ret_words == 1 && count > 1 &&
        words[1][0] != '-' && verb_is_group(tool->verbs, words[0])) {
        tool->verb = NULL;
    }
    if (tool->verb == NULL && asks_for_group(tool, count, words)) {
        tool->help = true;
        tool->group = words[0];
        return TOOL_OK;
    }
    return tool->verb != NULL ? TOOL_OK : command_line_unknown_verb(tool, count, words);
}

/* Checks what was given against what the verb takes, and fills in its default level. */
static enum tool_exit check(struct tool *tool)
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
    if (tool->level != CAIRN_LEVEL_DEFAULT && verb->level == CAIRN_LEVEL_DEFAULT) {
        return tool_fail(TOOL_USAGE, "cairn %s takes no --level", verb->name);
    }
    tool->level = tool->level != CAIRN_LEVEL_DEFAULT ? tool->level : verb->level;
    return TOOL_OK;
}

/* Whether the words ask for JSON. Read before all else, so that what is wrong with them is said so too. */
static bool asks_for_json(int count, char **words)
{
    for (int i = 1; i < count && strcmp(words[i], "--") != 0; i++) {
        bool apart = (strcmp(words[i], "-o") == 0 || strcmp(words[i], "--output") == 0) && i + 1 < count;
        if (strcmp(words[i], "-ojson") == 0 || strcmp(words[i], "--output=json") == 0 ||
            (apart && strcmp(words[i + 1], "json") == 0)) {
            return true;
        }
    }
    return false;
}

/* The path if no option names one. */
static void take_environment(struct tool *tool)
{
    const char *socket_path = getenv("CAIRN_SOCKET");
    bool is_set = socket_path != NULL && socket_path[0] != '\0';
    tool->socket_path = is_set ? socket_path : TOOL_SOCKET_DEFAULT;
    tool->socket_origin = is_set ? "the path is from CAIRN_SOCKET"
                                 : "the path is the default; --socket or CAIRN_SOCKET names another";
    tool->deadline_us = TOOL_DEADLINE_US_DEFAULT;
}

/* Reads what follows the verb's words; `words` starts with the last of them, where getopt expects the program's name. */
static enum tool_exit read_verb(struct tool *tool, int count, char **words)
{
    struct option_table all = {.letters = ""};
    int next = 1;
    assert(tool->verb != NULL);
    snprintf(all.letters, sizeof all.letters, "%s:", tool->verb->ends_options ? "+" : "");
    table_add(&all, verb_general_options);
    table_add(&all, tool->verb->options);
    enum tool_exit result = read_options(tool, &all, count, words, &next);
    tool->arguments = words + next;
    tool->argument_count = result == TOOL_OK ? count - next : 0;
    assert(tool->argument_count >= 0);
    return result != TOOL_OK || tool->help || tool->version ? result : check(tool);
}

enum tool_exit command_line_read(struct tool *tool, int count, char **words)
{
    struct option_table general = {.letters = "+:"};
    int next = 1;
    tool_say_json(asks_for_json(count, words));
    take_environment(tool);
    tool->given = region_allocate(&tool->region, (size_t)count, sizeof tool->given[0]);
    table_add(&general, verb_general_options);
    enum tool_exit result = read_options(tool, &general, count, words, &next);
    if (result != TOOL_OK || (next == count && (tool->help || tool->version))) {
        return result;
    }
    if (next == count) {
        if (!tool->json) {
            help_print(stderr, tool->verbs);
            return TOOL_USAGE;
        }
        return tool_fail(TOOL_USAGE, "no verb; see cairn help");
    }
    int verb_count;
    result = find_verb(tool, count - next, words + next, &verb_count);
    return result != TOOL_OK || tool->verb == NULL
               ? result
               : read_verb(tool, count - next - verb_count + 1, words + next + verb_count - 1);
}
