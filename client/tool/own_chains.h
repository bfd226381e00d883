/* Chains that a verb makes for its own use, and drops at its end. While there may be some, SIGINT, SIGTERM and SIGHUP only ask the verb to
 * end; a second one, half a second later or more, ends the process at once, and the chains stay. A closed output does not end it. */
#ifndef TOOL_OWN_CHAINS_H
#define TOOL_OWN_CHAINS_H

#include "client/tool/tool.h"

struct own_chains {
    struct tool *tool; /* connected */
    bool is_kept;      /* they are not dropped */
    struct cairn_slice *names;
    size_t count, capacity;
};

void own_chains_begin(struct own_chains *own, struct tool *tool, size_t count_max, bool is_kept);

/* Makes a chain. Not TOOL_OK: stderr says why, unless `ret_existed` is true: there is a chain of that name already, of which nothing
 * was said. */
enum tool_exit own_chains_make(struct own_chains *own, struct cairn_slice chain,
                               bool *ret_existed) CAIRN_MUST_CHECK;

/* Whether a signal asked to end. */
bool own_chains_interrupted(void);

/* For a verb that takes signals in another way: what is done when this one comes. */
void own_chains_interrupt(int number);

/* Drops what was made, unless it is kept; what cannot be dropped is told, and changes no result. Returns the verb's result: `result`, or
 * TOOL_INTERRUPTED if it was TOOL_OK and a signal came. */
enum tool_exit own_chains_end(struct own_chains *own, enum tool_exit result) CAIRN_MUST_CHECK;

#endif
