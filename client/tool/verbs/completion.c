/* Completion for bash, zsh and fish. A script hands the words of the command line to `cairn completion SHELL -- WORD...`, the last of
 * which may be half typed, and gets what may stand in its place, one a line: so there is one reader of the table of verbs for all
 * shells. Names of chains and of status entries are asked of the daemon, which has a second or what --deadline says; without one there are
 * none. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/encoding.h"
#include "client/tool/verb.h"
#include "client/tool/verbs/completion_scripts.h"
#include "client/tool/verbs/verbs.h"

enum {
    /* for the daemon's answer if no --deadline was typed: somebody waits for the key's effect */
    ASK_US = 1000000,
};

/* What was typed before the word that is completed. */
struct typed {
    const struct tool_verb *verb; /* NULL: none so far */
    char *verb_words[2];
    int verb_count;
    const struct tool_option *pending; /* the option whose value comes next; NULL: none */
    int argument_count;
    bool options_ended;
};

/* The option that the word is, of the verb's and the general ones; NULL: none. */
static const struct tool_option *find_option(const struct tool_verb *verb, const char *word)
{
    const struct tool_option *const tables[] = {verb != NULL ? verb->options : NULL, verb_general_options};
    size_t length = strcspn(word, "=");
    assert(word[0] == '-');
    for (size_t i = 0; i < 2; i++) {
        for (const struct tool_option *option = tables[i]; option != NULL && option->name != NULL; option++) {
            bool is_long = length == strlen(option->name) + 2 && word[1] == '-' &&
                           strncmp(word + 2, option->name, length - 2) == 0;
            if (is_long || (length == 2 && option->letter != 0 && word[1] == option->letter)) {
                return option;
            }
        }
    }
    return NULL;
}

static void take_value(struct tool *tool, struct typed *typed, const struct tool_option *option,
                       const char *value)
{
    if (option->letter == 's') {
        tool->socket_path = value;
    } else if (option->letter == 'd' &&
               argument_duration("--deadline", value, &tool->deadline_us) != TOOL_OK) {
        tool->deadline_us = ASK_US;
    }
    typed->pending = NULL;
}

static void take_option(struct tool *tool, struct typed *typed, const char *word)
{
    const struct tool_option *option = find_option(typed->verb, word);
    const char *equals = strchr(word, '=');
    if (option == NULL || option->argument == NULL) {
        return;
    }
    typed->pending = option;
    if (equals != NULL) {
        take_value(tool, typed, option, equals + 1);
    }
}

/* Whether the word is one of a verb's name. */
static bool take_verb(const struct tool *tool, struct typed *typed, char *word)
{
    int used;
    if (typed->verb_count == 2 || typed->argument_count > 0) {
        return false;
    }
    typed->verb_words[typed->verb_count] = word;
    const struct tool_verb *verb = verb_find(tool->verbs, typed->verb_count + 1, typed->verb_words, &used);
    bool is_group = typed->verb_count == 0 && verb_is_group(tool->verbs, word);
    if (used != typed->verb_count + 1 && !is_group) {
        return false;
    }
    typed->verb = verb;
    typed->verb_count++;
    return true;
}

static void take_word(struct tool *tool, struct typed *typed, char *word)
{
    if (typed->pending != NULL) {
        take_value(tool, typed, typed->pending, word);
    } else if (!typed->options_ended && strcmp(word, "--") == 0) {
        typed->options_ended = true;
    } else if (!typed->options_ended && word[0] == '-') {
        take_option(tool, typed, word);
    } else if (!take_verb(tool, typed, word)) {
        typed->argument_count++;
        typed->options_ended |= typed->verb != NULL && typed->verb->ends_options;
    }
}

/* What is offered: candidates for the part of the word that stands behind its first `prefix_bytes`, each with a description where the
 * shell shows it. */
struct offer {
    const char *shell, *word;
    size_t prefix_bytes; /* of --level=durable, NAME=@FILE or HEIGHT:FILE: what is not completed */
};

static void offer(const struct offer *to, const char *candidate, const char *description)
{
    const char *part = to->word + to->prefix_bytes;
    if (strncmp(candidate, part, strlen(part)) != 0) {
        return;
    }
    printf("%.*s%s", (int)to->prefix_bytes, to->word, candidate);
    if (description[0] != '\0' && strcmp(to->shell, "bash") != 0) {
        printf("%c%s", to->shell[0] == 'z' ? ':' : '\t', description);
    }
    putchar('\n');
}

/* Leaves file names to the shell, for the part behind `prefix_bytes`. */
static void offer_files(const struct offer *to, size_t prefix_bytes)
{
    printf(":files %.*s\n", (int)prefix_bytes, to->word);
}

static void offer_options(const struct offer *to, const struct tool_verb *verb)
{
    char spelled[64];
    for (const struct tool_option *own = verb != NULL ? verb->options : NULL;
         own != NULL && own->name != NULL; own++) {
        snprintf(spelled, sizeof spelled, "--%s", own->name);
        offer(to, spelled, own->help);
    }
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        snprintf(spelled, sizeof spelled, "--%s", option->name);
        if (verb == NULL || verb_takes(verb, option)) {
            offer(to, spelled, option->help);
        }
    }
}

static size_t first_word(const struct tool_verb *verb)
{
    return strcspn(verb->name, " ");
}

/* Offers the first word of each verb, once. */
static void offer_first_words(const struct offer *to, const struct tool_verb *verbs)
{
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        const struct tool_verb *other = verbs;
        while (other < verb && (first_word(other) != first_word(verb) ||
                                strncmp(other->name, verb->name, first_word(verb)) != 0)) {
            other++;
        }
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)first_word(verb), verb->name);
        if (other == verb) {
            offer(to, word, verb->name[first_word(verb)] == '\0' ? verb->summary : "");
        }
    }
}

static void offer_second_words(const struct offer *to, const struct tool_verb *verbs, const char *group)
{
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        if (verb_in_group(verb, group)) {
            offer(to, verb->name + first_word(verb) + 1, verb->summary);
        }
    }
}

static void offer_name(const struct offer *to, struct cairn_slice name)
{
    char *text = bytes_escape(name);
    offer(to, text, "");
    free(text);
}

static void offer_names(const struct offer *to, struct tool *tool, bool chains)
{
    const struct cairn_reply *reply;
    if (tool_try_connect(tool, tool->deadline_us) != CAIRN_OK) {
        return;
    }
    if (chains) {
        enum cairn_status status = cairn_chains(tool->connection, &(struct cairn_chains_request){0}, &reply);
        for (size_t i = 0; status == CAIRN_OK && i < reply->chains.count; i++) {
            offer_name(to, reply->chains.entries[i].name);
        }
        return;
    }
    enum cairn_status status =
        cairn_status_page(tool->connection, &(struct cairn_status_page_request){0}, &reply);
    for (size_t i = 0; status == CAIRN_OK && i < reply->page.count; i++) {
        offer_name(to, reply->page.entries[i].name);
    }
}

/* Offers the words that stand between blanks. */
static void offer_words(const struct offer *to, const char *words)
{
    while (*words != '\0') {
        char word[64];
        size_t length = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, words);
        offer(to, word, "");
        words += length + strspn(words + length, " ");
    }
}

static void offer_choices(const struct offer *to, struct tool *tool, const char *choices)
{
    const char *part = to->word + to->prefix_bytes;
    const char *at = strchr(part, '@'), *colon = strrchr(part, ':');
    assert(to->prefix_bytes <= strlen(to->word));
    if (choices == NULL) {
        return;
    }
    if (strcmp(choices, "FILE") == 0) {
        offer_files(to, to->prefix_bytes);
    } else if (strcmp(choices, "VALUE") == 0) {
        if (at != NULL && (at == part || at[-1] == '=')) {
            offer_files(to, (size_t)(at + 1 - to->word));
        }
    } else if (strcmp(choices, "PARTS") == 0) {
        if (colon != NULL) {
            offer_files(to, (size_t)(colon + 1 - to->word));
        }
    } else if (strcmp(choices, "CHAIN") == 0 || strcmp(choices, "STATUS") == 0) {
        offer_names(to, tool, choices[0] == 'C');
    } else if (strcmp(choices, "VERB") == 0) {
        offer_first_words(to, tool->verbs);
    } else {
        offer_words(to, choices);
    }
}

static void complete(struct tool *tool, const char *shell, int count, char **words)
{
    struct typed typed = {.verb = NULL};
    assert(count > 0);
    tool->deadline_us = ASK_US;
    for (int i = 0; i + 1 < count; i++) {
        take_word(tool, &typed, words[i]);
    }
    const char *last = words[count - 1], *equals = strchr(last, '=');
    struct offer to = {.shell = shell, .word = last};
    bool is_option = last[0] == '-' && !typed.options_ended;
    if (typed.pending != NULL) {
        offer_choices(&to, tool, typed.pending->choices);
    } else if (is_option && equals != NULL) {
        const struct tool_option *option = find_option(typed.verb, last);
        to.prefix_bytes = (size_t)(equals + 1 - last);
        offer_choices(&to, tool, option != NULL ? option->choices : NULL);
    } else if (is_option) {
        offer_options(&to, typed.verb);
    } else if (typed.verb_count == 0) {
        offer_first_words(&to, tool->verbs);
    } else {
        if (typed.verb_count == 1 && typed.argument_count == 0) {
            offer_second_words(&to, tool->verbs, typed.verb_words[0]);
        }
        if (typed.verb != NULL && typed.argument_count < typed.verb->arguments_max) {
            offer_choices(&to, tool, typed.verb->choices);
        }
    }
}

enum tool_exit verb_completion(struct tool *tool)
{
    assert(tool->argument_count >= 1); /* so says the table */
    const char *shell = tool->arguments[0];
    const char *script = completion_script(shell);
    if (script == NULL) {
        return tool_fail(TOOL_USAGE, "completion is there for %s, not for \"%s\"", COMPLETION_SHELLS, shell);
    }
    if (tool->argument_count == 1) {
        fputs(script, stdout);
        return TOOL_OK;
    }
    int first = strcmp(tool->arguments[1], "--") == 0 ? 2 : 1;
    if (tool->argument_count > first) {
        complete(tool, shell, tool->argument_count - first, tool->arguments + first);
    }
    return TOOL_OK;
}
