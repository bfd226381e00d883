/* A claim's life:
 *
 * - It begins when its record is on disk and published, or when a start finds it.
 * - Sessions present its epoch, and close.
 * - It ends when its release is published, and what it was stays for those who still write under it: they are refused.
 * - The next claim takes its place; a drop of the chain clears it. */
#include "daemon/order/chain_claim.h"

#include <assert.h>

void chain_claim_begin(struct chain_claim *claim, const struct claim_record *record, uint64_t last_number,
                       uint64_t now_us)
{
    assert(record->epoch.sequence >
           claim->last.epoch.sequence); /* so no earlier epoch is taken for its own */
    assert(record->name.bytes <= sizeof claim->name);
    claim->last = *record;
    memcpy(claim->name, record->name.data, record->name.bytes);
    claim->last.name = slice_of(claim->name, record->name.bytes);
    claim->number_max = last_number;
    claim->numbers_from = NULL;
    claim->presented = 0;
    claim->since_us = now_us;
}

void chain_claim_end(struct chain_claim *claim, uint64_t sequence)
{
    assert(chain_claim_stands(claim) && sequence > claim->last.epoch.sequence);
    claim->last.released = sequence;
}

void chain_claim_clear(struct chain_claim *claim)
{
    assert(claim->changes_queued == 0); /* a drop is accepted when none is under way */
    *claim = (struct chain_claim){0};
}

void chain_claim_join(struct chain_claim *claim)
{
    assert(claim->last.epoch.sequence != 0 && claim->presented < UINT32_MAX);
    claim->presented++;
}

void chain_claim_take_numbers(struct chain_claim *claim, const struct session *session)
{
    assert(claim->presented > 0); /* by that session at least */
    claim->numbers_from = session;
}

void chain_claim_leave(struct chain_claim *claim, const struct session *session, uint64_t now_us)
{
    assert(claim->presented > 0);
    claim->presented--;
    claim->since_us = now_us;
    if (claim->numbers_from == session) {
        claim->numbers_from = NULL; /* another session may have its address */
    }
}

bool chain_claim_stands(const struct chain_claim *claim)
{
    return claim->last.epoch.sequence != 0 && claim->last.released == 0;
}

bool chain_claim_is_of(const struct chain_claim *claim, struct epoch epoch)
{
    return claim->last.epoch.sequence != 0 && epoch_equal(claim->last.epoch, epoch);
}

bool chain_claim_is_held(const struct chain_claim *claim, uint64_t grace_us, uint64_t now_us)
{
    uint64_t elapsed_us = now_us > claim->since_us ? now_us - claim->since_us : 0;
    return chain_claim_stands(claim) && (claim->presented > 0 || elapsed_us < grace_us);
}

bool chain_claim_admits_write(const struct chain_claim *claim, struct epoch presented)
{
    assert(claim->changes_queued == 0); /* it is judged when they are decided */
    if (presented.sequence == 0) {
        return !chain_claim_stands(claim);
    }
    return chain_claim_stands(claim) && chain_claim_is_of(claim, presented);
}

bool chain_claim_admits_claim(const struct chain_claim *claim, const struct chain_claim_wish *wish,
                              uint64_t grace_us, uint64_t now_us)
{
    assert(claim->changes_queued == 0);
    bool may_take_over = wish->is_admin || wish->uid == claim->last.uid;
    return !chain_claim_is_held(claim, grace_us, now_us) || chain_claim_is_of(claim, wish->presented) ||
           (wish->takes_over && may_take_over);
}

bool chain_claim_may_have_applied(const struct chain_claim *claim, uint64_t number)
{
    return number != 0 && number <= claim->number_max;
}

void chain_claim_note_number(struct chain_claim *claim, uint64_t number)
{
    assert(number == 0 || chain_claim_stands(claim));    /* it was judged */
    if (number > 0 && number - 1 == claim->number_max) { /* one further ahead is never applied */
        claim->number_max = number;
    }
}
