/* What the order refuses for want of space, and what it goes by: the last look at the file system. Loop only.
 *
 * Metadata is refused below the soft mark, but for what is re-sent and what only deletes; commits, and the making of chains, below the
 * hard one, but for those that only delete. Prunes, rollbacks and drops of chains pass. While the writer finds no room for what is
 * queued, no metadata joins it, since nobody could say when it is written. Where the engine only reads, nothing passes. */
#ifndef DAEMON_ORDER_SPACE_H
#define DAEMON_ORDER_SPACE_H

#include "daemon/order/order.h"
#include "daemon/order/space.h"

/* Whether there is space for the job, which is to be submitted next. False: *failure is STATUS_NO_SPACE. */
bool order_admits(struct order *order, struct job *job, struct failure *failure) MUST_CHECK;

/* A look at the file system: what was counted when it began, and what it found. */
uint64_t order_space_counted(const struct order *order);
void order_note_space(struct order *order, const struct space_look *look, uint64_t counted);

/* Whether what is queued waits for space, so that nobody can say when it is written. */
bool order_queue_lacks_room(const struct order *order);

/* The state of space as of the last look. */
enum space_state order_space_state(const struct order *order);

#endif
