/* What all verbs have in common: general options, which of them a verb takes, and groups of verbs with the same first word. */
#ifndef TOOL_VERB_H
#define TOOL_VERB_H

#include "client/tool/tool.h"

extern const struct tool_option verb_general_options[]; /* ends with an empty one */
extern const char verb_levels[], verb_outputs[];        /* what --level and --output take, blanks between */

/* Whether the option is one of the general ones, and not a verb's own. */
bool verb_option_is_general(const struct tool_option *option);

/* Whether the verb takes this general option. */
bool verb_takes(const struct tool_verb *verb, const struct tool_option *option);

/* The level's name; "unknown" for a number that is not a level. */
const char *verb_level_text(enum cairn_level level);

/* The verb of that name, NULL: there is none. */
const struct tool_verb *verb_named(const struct tool_verb *verbs, const char *name);

/* How many of the words are this verb's name; 0: they name another verb. */
int verb_words(const struct tool_verb *verb, int count, char *const *words);

/* The verb whose name has the most of the words, and how many these are; NULL and 0: they name none. */
const struct tool_verb *verb_find(const struct tool_verb *verbs, int count, char *const *words,
                                  int *ret_words);

/* Whether the verb has two words, of which this is the first. */
bool verb_in_group(const struct tool_verb *verb, const char *group);

/* Whether any of the verbs is in that group. */
bool verb_is_group(const struct tool_verb *verbs, const char *group);

#endif
