/* An epoch's life in a session:
 *
 * - The session presents it: a Claim when that is decided, a Present when that is accepted. It replaces the epoch that the session had
 *   presented for a chain of that name.
 * - Each write of the session to the chain of that name is judged by it.
 * - It stays until the session ends, so that what is written under an epoch that was replaced, released or dropped is always refused.
 * - A session may ask to end with its epoch: it ends when another session replaces or releases the epoch, or drops the chain, before that
 *   request is answered.
 *
 * Ways to fail: a session has no more than EPOCHS_MAX of them, beside those of claims under way, which are one a chain at most; and what
 * sessions have beyond EPOCHS_OWN of their own is bounded in all, so that what they take stays small. */
#include "daemon/serve/epochs.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/name_hash.h"
#include "daemon/runtime/thread.h"

/* Chosen. One takes some 200 bytes: 12 MB with as many connections as there are by default. */
enum {
    EPOCHS_MAX = 1024,         /* of a session: as many as there are chains by default */
    EPOCHS_OWN = 16,           /* of a session, whatever others have: more than a node has chains */
    EPOCHS_SHARED_MAX = 32768, /* of all sessions, beyond their own */
};

struct presented {
    struct session *session;
    struct epoch epoch;
    bool ends; /* the session ends with the epoch: this is in the list service->ending */
    struct presented *previous, *next; /* in that list */
    uint8_t name_bytes;
    uint8_t name[CHAIN_NAME_BYTES_MAX];
    UT_hash_handle hh;
};

static struct presented *find(const struct session *session, struct slice name)
{
    struct presented *presented = NULL;
    if (session->presented != NULL) {
        HASH_FIND(hh, session->presented, name.data, name.bytes, presented);
    }
    return presented;
}

struct epoch epochs_of(const struct session *session, struct slice chain_name)
{
    const struct presented *presented = find(session, chain_name);
    assert(presented == NULL || presented->epoch.sequence != 0);
    return presented != NULL ? presented->epoch : (struct epoch){0};
}

bool epochs_have_room(const struct session *session, const struct chain *chain, struct failure *failure)
{
    unsigned count = HASH_COUNT(session->presented);
    if (count < EPOCHS_OWN || find(session, chain_name(chain)) != NULL) {
        return true;
    }
    if (count >= EPOCHS_MAX) {
        failure_set(failure, STATUS_TOO_LARGE,
                    "this connection has presented the epochs of %d chains: use another one for more",
                    EPOCHS_MAX);
        return false;
    }
    if (session->service->epochs_shared >= EPOCHS_SHARED_MAX) {
        failure_set(failure, STATUS_BUSY,
                    "this connection has presented the epochs of %u chains, and all connections together as "
                    "many as there may be: use another one for more, or try again later",
                    count);
        return false;
    }
    return true;
}

static void set_ends(struct presented *presented, bool ends)
{
    struct presented **first = &presented->session->service->ending;
    if (ends && !presented->ends) {
        DL_APPEND2(*first, presented, previous, next);
    } else if (!ends && presented->ends) {
        DL_DELETE2(*first, presented, previous, next);
    }
    presented->ends = ends;
}

void epochs_present(struct session *session, struct chain *chain, struct epoch epoch, bool for_numbers)
{
    assert(thread_is(THREAD_LOOP));
    assert(chain_claim_is_of(&chain->claim, epoch)); /* it counts among those that hold the claim */
    struct presented *presented = find(session, chain_name(chain));
    if (presented == NULL) {
        presented = memory_new(sizeof *presented);
        session->service->epochs_shared += HASH_COUNT(session->presented) >= EPOCHS_OWN;
        presented->session = session;
        presented->name_bytes = chain->name_bytes;
        memcpy(presented->name, chain->name, chain->name_bytes);
        HASH_ADD_KEYPTR(hh, session->presented, presented->name, presented->name_bytes, presented);
    }
    if (!epoch_equal(presented->epoch, epoch)) { /* an earlier epoch, not the chain's last, holds no claim */
        presented->epoch = epoch;
        chain_claim_join(&chain->claim);
    }
    if (for_numbers) {
        chain_claim_take_numbers(&chain->claim, session);
    }
    set_ends(presented, false);
}

void epochs_end_session_with(struct session *session, const struct chain *chain)
{
    struct presented *presented = find(session, chain_name(chain));
    assert(presented != NULL); /* the session has presented it just now */
    set_ends(presented, true);
}

void epochs_end_sessions(struct service *service, const struct session *told, struct slice chain)
{
    struct presented *presented, *next;
    assert(thread_is(THREAD_LOOP));
    DL_FOREACH_SAFE2(service->ending, presented, next, next)
    {
        struct slice name = slice_of(presented->name, presented->name_bytes);
        struct chain *found = chain_find(order_chains(service->order), name);
        bool is_in_force = found != NULL && chain_claim_is_of(&found->claim, presented->epoch) &&
                           chain_claim_stands(&found->claim);
        if (!is_in_force && presented->session == told && slice_equal(name, chain)) {
            set_ends(presented, false); /* nor at a later change */
        } else if (!is_in_force) {
            presented->session->end(presented->session);
        }
    }
}

void epochs_leave(struct session *session, uint64_t now_us)
{
    struct presented *presented, *next;
    unsigned count = HASH_COUNT(session->presented);
    assert(thread_is(THREAD_LOOP));
    session->service->epochs_shared -= count > EPOCHS_OWN ? count - EPOCHS_OWN : 0;
    HASH_ITER(hh, session->presented, presented, next)
    {
        struct slice name = slice_of(presented->name, presented->name_bytes);
        struct chain *chain = chain_find(order_chains(session->service->order), name);
        if (chain != NULL && chain_claim_is_of(&chain->claim, presented->epoch)) {
            chain_claim_leave(&chain->claim, session, now_us);
        }
        set_ends(presented, false);
        HASH_DEL(session->presented, presented);
        free(presented);
    }
}

/* ---- judging ---- */

enum status epochs_say_claimed(const struct chain *chain, struct failure *failure)
{
    const struct claim_record *claim = &chain->claim.last;
    if (!chain_claim_stands(&chain->claim)) {
        return failure_set_conflict(failure, REASON_CLAIMED,
                                    "the epoch under which this connection writes to the chain %.*s is not "
                                    "in force any more: claim it",
                                    (int)chain->name_bytes, (const char *)chain->name);
    }
    return failure_set_conflict(
        failure, REASON_CLAIMED,
        "the chain %.*s is claimed by \"%.*s\", pid %u, uid %u: wait until it is free, or run cairn "
        "chains release as an admin",
        (int)chain->name_bytes, (const char *)chain->name, (int)claim->name.bytes,
        (const char *)claim->name.data, claim->pid, claim->uid);
}

static enum epochs_verdict judge_number(const struct session *session, const struct chain *chain,
                                        struct failure *failure)
{
    if (chain->claim.numbers_from == session) {
        return EPOCHS_ADMIT;
    }
    failure_set_conflict(
        failure, REASON_NUMBER,
        "numbered writes come from the connection that last presented the epoch for numbers, which "
        "is another one: present it here first");
    return EPOCHS_REFUSE;
}

enum epochs_verdict epochs_judge(const struct session *session, const struct chain *chain, uint64_t number,
                                 bool is_large, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    struct epoch epoch = epochs_of(session, chain_name(chain));
    bool has_epoch = epoch.sequence != 0;
    if (chain->claim.changes_queued > 0) {
        return EPOCHS_UNDECIDED;
    }
    if (is_large && !has_epoch && session->role < ROLE_ADMIN) {
        failure_set(
            failure, STATUS_PERMISSION,
            "this user is a writer, who may prune, roll back and drop a chain under an epoch of its own "
            "only: claim the chain, or ask as an admin");
        return EPOCHS_REFUSE;
    }
    if (number != 0 && !has_epoch) {
        failure_set(
            failure, STATUS_INVALID,
            "a numbered write on a connection that has presented no epoch of the chain: present it first");
        return EPOCHS_REFUSE;
    }
    if (!chain_claim_admits_write(&chain->claim, epoch)) {
        epochs_say_claimed(chain, failure);
        return EPOCHS_REFUSE;
    }
    return number == 0 ? EPOCHS_ADMIT : judge_number(session, chain, failure);
}
