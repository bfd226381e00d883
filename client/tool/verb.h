/* What all verbs have in common: general options, which of them a verb takes, and groups of verbs with the same first word. */
#ifndef TOOL_VERB_H
#define TOOL_VERB_H

#include "client/tool/tool.h"

extern const struct tool_option verb_general_options[]; /* ends with an empty one */

/* Whether the option is one of the general ones, and not a verb's own. */
bool verb_option_is_general(const struct tool_option *option);

/* Whether the verb takes this general option. */
bool verb_takes(const struct tool_verb *verb, const struct tool_option *option);

/* Whether the verb has two words, of which this is the first. */
bool verb_in_group(const struct tool_verb *verb, const char *group);

#endif
