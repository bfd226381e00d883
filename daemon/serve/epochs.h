/* The epochs that a session has presented: for each name of a chain the last one. What the session writes to the chain is under it, also if
 * the chain of that name is another one by now. Loop only. */
#ifndef DAEMON_EPOCHS_H
#define DAEMON_EPOCHS_H

#include "daemon/serve/session.h"

/* The epoch that was presented last for a chain of that name; a sequence number of 0: none was. */
struct epoch epochs_of(const struct session *session, struct slice chain_name);

/* Whether the session may present an epoch of that chain. False: *failure is STATUS_TOO_LARGE, or STATUS_BUSY for what others have. */
bool epochs_have_room(const struct session *session, const struct chain *chain,
                      struct failure *failure) MUST_CHECK;

/* The session presents the epoch, which is that of the chain's last claim. */
void epochs_present(struct session *session, struct chain *chain, struct epoch epoch, bool for_numbers);
/* The session is to end with the epoch that it has just presented, unless it presents one of that chain again. */
void epochs_end_session_with(struct session *session, const struct chain *chain);

/* Ends the sessions that asked for it and whose epoch is replaced, released or dropped by now. The one that is to be told that it did so to
 * the chain of that name stays, and is not ended for that epoch later either. Called before it is told: who finds its connection open knows
 * that nobody has got another epoch. */
void epochs_end_sessions(struct service *service, const struct session *told, struct slice chain);

/* The session ends: the claims whose epochs it presented are held by the others that did, or by the grace from now on. */
void epochs_leave(struct session *session, uint64_t now_us);

enum epochs_verdict {
    EPOCHS_ADMIT,
    EPOCHS_REFUSE,    /* the failure says why: STATUS_CONFLICT, STATUS_INVALID, STATUS_PERMISSION */
    EPOCHS_UNDECIDED, /* a claim or release in the commit lane decides: ask again in a later iteration */
};

/* Whether the session may write to the chain.
 *
 * number    of the write; 0: it has none
 * is_large  it prunes, rolls back or drops: that is for an admin, or under an epoch */
enum epochs_verdict epochs_judge(const struct session *session, const struct chain *chain, uint64_t number,
                                 bool is_large, struct failure *failure) MUST_CHECK;

/* Says whose claim is in the way. STATUS_CONFLICT. */
enum status epochs_say_claimed(const struct chain *chain, struct failure *failure);

#endif
