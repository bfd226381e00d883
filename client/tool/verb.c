/* The options that all verbs share; the table of verbs has those of one verb. */
#include "client/tool/verb.h"

#include <assert.h>
#include <string.h>

const struct tool_option verb_general_options[] = {
    {"socket", 's', "PATH", "the daemon's socket; default: CAIRN_SOCKET of the environment", "FILE"},
    {"chain", 'c', "NAME", "the chain; default: default", NULL},
    {"output", 'o', "FORMAT", "table or json; default: table", "table json"},
    {"level", 'l', "LEVEL", "answer a write when it is accepted, written or durable",
     "accepted written durable"},
    {"deadline", 'd', "TIME", "give up after it: 500ms, 2s, 1m; a plain number is seconds; default: 30s",
     NULL},
    {"help", 'h', NULL, "print help", NULL},
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
    return option->letter == 'c' ? verb->has_chain : option->letter == 'l' ? verb->has_level : true;
}

bool verb_in_group(const struct tool_verb *verb, const char *group)
{
    size_t length = strlen(group);
    assert(verb->name != NULL);
    return strncmp(verb->name, group, length) == 0 && verb->name[length] == ' ';
}
