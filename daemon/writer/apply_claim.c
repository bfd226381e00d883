/* Claims in the writer. An epoch's life here:
 *
 * - A claim puts its record, and the epoch's, whose last number is 0. It is the chain's last epoch until the next claim.
 * - Each numbered job that is applied raises the number in the epoch's record, in the batch of what it changes.
 * - A release only notes itself in the claim's record; who may write is the loop's to say.
 * - The epoch's record stays as long as the chain, so that who presents the epoch is told how far its writes have come.
 *
 * Failures: a number that is not the next one is refused. An epoch's record that cannot be read or understood is STATUS_DAMAGED. */
#include <assert.h>

#include "daemon/writer/apply_internal.h"

static void put_epoch(struct apply *apply, uint32_t chain)
{
    const struct apply_chain *next = &apply->next;
    assert(next->epoch.sequence != 0); /* the key of another record would be its own */
    struct key key;
    key_set_height(&key, chain, KEY_EPOCH, next->epoch.sequence);
    record_write_epoch(&(struct epoch_record){next->epoch.random, next->last_number},
                       write_set_put_new(apply->set, &key, RECORD_EPOCH_BYTES));
}

static void put_claim(struct apply *apply, const struct job *job)
{
    struct key key = key_of_kind(job->chain, KEY_CLAIM);
    record_write_claim(&job->claim, write_set_put_new(apply->set, &key, record_claim_bytes(&job->claim)));
}

void apply_claim_take(struct apply *apply, const struct job *job)
{
    assert(job->claim.epoch.sequence == job->sequence && job->claim.released == 0);
    put_claim(apply, job);
    apply->next.epoch = job->claim.epoch;
    apply->next.last_number = 0;
    put_epoch(apply, job->chain);
}

void apply_claim_release(struct apply *apply, const struct job *job)
{
    if (job->claim.epoch.sequence == 0) {
        return;
    }
    assert(epoch_equal(job->claim.epoch, apply->next.epoch)); /* no claim overtook it */
    put_claim(apply, job);
}

enum status apply_claim_present(struct apply *apply, struct job *job, struct failure *failure)
{
    struct key key = key_of_height(job->chain, KEY_EPOCH, job->present.epoch.sequence);
    struct engine_value value = {0};
    struct epoch_record record = {0};
    enum status status = write_set_get(apply->set, &key, &value, failure);
    if (status == STATUS_OK && !record_read_epoch(value.bytes, &record)) {
        status = apply_damaged(failure, "epoch", job->chain);
    }
    engine_value_release(&value);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    job->present.is_known = status == STATUS_OK && record.random == job->present.epoch.random;
    job->present.last_number = job->present.is_known ? record.last_number : 0;
    return STATUS_OK;
}

enum status apply_claim_number(struct apply *apply, const struct job *job, struct failure *failure)
{
    struct apply_chain *next = &apply->next;
    assert(next->epoch.sequence != 0);       /* the loop takes numbers only under the chain's last epoch */
    assert(job->number > next->last_number); /* or it would be repeated */
    if (job->number != next->last_number + 1) {
        return failure_set_conflict(failure, REASON_NUMBER,
                                    "number %lu is not the next: the last one that was applied under this "
                                    "epoch is %lu, and what came between was refused",
                                    job->number, next->last_number);
    }
    next->last_number = job->number;
    put_epoch(apply, job->chain);
    return STATUS_OK;
}
