/* Tells a child of fork() that what it holds is a copy: a page that the kernel clears in the child. */
#ifndef CLIENT_FORK_MARK_H
#define CLIENT_FORK_MARK_H

#include <stdbool.h>

struct fork_mark; /* the page */

/* NULL: no memory. */
struct fork_mark *fork_mark_new(void) __attribute__((warn_unused_result));

/* `mark` may be NULL. */
void fork_mark_free(struct fork_mark *mark);

/* Whether this process is the one that made the mark. Costs no system call. */
bool fork_mark_is_ours(const struct fork_mark *mark);

#endif
