/* A claim: who may write to a chain. Pure: it is told the time and who asks, and says what the rules are. Loop only.
 *
 * - A chain without a claim, or whose last one was released, takes everybody's writes.
 * - Otherwise it takes those of sessions that have presented the last claim's epoch, and no others. Time has no part in that.
 * - The claim is held while such a session is open, and for a while after the last has closed, after the claim, and after a start. While it
 *   is held only who may take over may claim.
 *
 * A session is known here by its address alone. Nothing here fails or is written: order and serve act on the answers. */
#ifndef DAEMON_CHAIN_CLAIM_H
#define DAEMON_CHAIN_CLAIM_H

#include <stdbool.h>

#include "daemon/runtime/failure.h"
#include "daemon/schema/record.h"
#include "proto/limits.h"

struct session;

/* Zeroed: the chain was never claimed. Not to be copied: last.name leads into it. */
struct chain_claim {
    struct claim_record last; /* as of the view */
    uint8_t name[WRITER_NAME_BYTES_MAX];
    /* claims and releases in the commit lane: until they are decided no write to the chain is judged */
    uint32_t changes_queued;
    /* the greatest number under the last epoch that may have been applied: before this run, or accepted in it */
    uint64_t number_max;
    /* the session that was the last to present the last epoch for numbers; NULL: it has closed, or there was none */
    const struct session *numbers_from;
    uint32_t presented; /* how many open sessions have presented the last epoch */
    /* while that is 0: when the last of them closed, the claim was made, or the daemon started */
    uint64_t since_us;
};

/* There is a new claim, or the one that a start found: no session has presented it yet. The name is copied. */
void chain_claim_begin(struct chain_claim *claim, const struct claim_record *record, uint64_t last_number,
                       uint64_t now_us);
/* The last claim was released by the write of that number. */
void chain_claim_end(struct chain_claim *claim, uint64_t sequence);
/* The chain was dropped, and made anew. */
void chain_claim_clear(struct chain_claim *claim);

/* A session has presented the last epoch, which it had not presented before; and it sends the numbered writes from here on. */
void chain_claim_join(struct chain_claim *claim);
void chain_claim_take_numbers(struct chain_claim *claim, const struct session *session);
/* One that had joined presents another epoch, or closes. */
void chain_claim_leave(struct chain_claim *claim, const struct session *session, uint64_t now_us);

/* Whether the chain has a claim that was not released. */
bool chain_claim_stands(const struct chain_claim *claim);
/* Whether the last claim has that epoch. */
bool chain_claim_is_of(const struct chain_claim *claim, struct epoch epoch);
bool chain_claim_is_held(const struct chain_claim *claim, uint64_t grace_us, uint64_t now_us);

/* `presented`: the epoch that a session has presented last for the chain's name; a sequence of 0: none. */
bool chain_claim_admits_write(const struct chain_claim *claim, struct epoch presented);

/* Who wants to claim. */
struct chain_claim_wish {
    struct epoch presented; /* as above */
    bool takes_over;
    uint32_t uid;
    bool is_admin;
};
bool chain_claim_admits_claim(const struct chain_claim *claim, const struct chain_claim_wish *wish,
                              uint64_t grace_us, uint64_t now_us);

/* Whether a number may have been applied: then nothing but the writer may judge it. */
bool chain_claim_may_have_applied(const struct chain_claim *claim, uint64_t number);
void chain_claim_note_number(struct chain_claim *claim, uint64_t number);

#endif
