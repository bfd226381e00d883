/* The options that all verbs share; the table of verbs has those of one verb. */
#include "client/tool/verb.h"

#include <assert.h>
#include <string.h>

const char verb_levels[] = "accepted written durable";
const char verb_outputs[] = "table json csv";

const struct tool_option verb_general_options[] = {
    {"socket", 's', "PATH", "the daemon's socket; default: CAIRN_SOCKET, then " TOOL_SOCKET_DEFAULT, "FILE"},
    {"chain", 'c', "NAME", "the chain", "CHAIN"},
    {"output", 'o', "FORMAT", "table, json or csv; default: table", verb_outputs},
    {"level", 'l', "LEVEL", "answer a write when it is accepted, written or durable", verb_levels},
    {"deadline", 'd', "TIME", "give up after it: 500ms, 2s, 1m; a plain number is seconds; default: 30s",
     NULL},
    {"help", 'h', NULL, "print help", NULL},
    {"version", 'V', NULL, "print the tool's version", NULL},
    {0},
};

bool verb_option_is_general(const struct tool_option *option)
{
    for (const struct tool_option *general = verb_general_options; general->name != NULL; general++) {
        if (general == option) {
            return true;
        }
    }
    return false;
}

bool verb_takes(const struct tool_verb *verb, const struct tool_option *option)
{
    assert(verb_option_is_general(option)); /* a verb takes all its own, of any letter */
    switch (option->letter) {
    case 'c':
        return verb->has_chain;
    case 'l':
        return verb->level != CAIRN_LEVEL_DEFAULT;
    case 's':
    case 'd':
        return !verb->is_local;
    case 'V':
        return false;
    default:
        return true;
    }
}

bool verb_in_group(const struct tool_verb *verb, const char *group)
{
    size_t length = strlen(group);
    assert(verb->name != NULL);
    return strncmp(verb->name, group, length) == 0 && verb->name[length] == ' ';
}

const char *verb_level_text(enum cairn_level level)
{
    static const char *const levels[] = {
        [CAIRN_ACCEPTED] = "accepted", [CAIRN_WRITTEN] = "written", [CAIRN_DURABLE] = "durable"};
    return level >= CAIRN_ACCEPTED && level <= CAIRN_DURABLE ? levels[level] : "unknown";
}

const struct tool_verb *verb_named(const struct tool_verb *verbs, const char *name)
{
    while (verbs->name != NULL && strcmp(verbs->name, name) != 0) {
        verbs++;
    }
    return verbs->name != NULL ? verbs : NULL;
}

int verb_words(const struct tool_verb *verb, int count, char *const *words)
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

const struct tool_verb *verb_find(const struct tool_verb *verbs, int count, char *const *words,
                                  int *ret_words)
{
    const struct tool_verb *found = NULL;
    int most = 0;
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        int common = verb_words(verb, count, words);
        if (common > most) {
            most = common;
            found = verb;
        }
    }
    *ret_words = most;
    assert((found != NULL) == (most > 0));
    return found;
}

bool verb_is_group(const struct tool_verb *verbs, const char *group)
{
    while (verbs->name != NULL && !verb_in_group(verbs, group)) {
        verbs++;
    }
    return verbs->name != NULL;
}
