/* A rollback drops all that lies above a height in one write, in time proportional to what it drops: what heights are keys of as
 * ranges, entries of the hash index and bound names one by one.
 *
 * It is validated first: the target, the state there, the guards. The queued metadata that it carries is in the write set by
 * then, so guards see it, and what of it is bound above the target is dropped with what is on disk.
 *
 * Failures: a refusal is STATUS_CONFLICT, STATUS_INVALID or STATUS_TOO_LARGE, a failed read STATUS_DAMAGED; apply.c takes back what was
 * added. */
#include "daemon/writer/apply_internal.h"

#include <assert.h>

#include "daemon/lanes/rollback_rule.h"

/* Memory for the changes of a rollback, which have to be in one write; chosen: a million blocks and more, of each of which it holds
 * the hash, or some hundred thousand names. */
enum { ROLLBACK_BYTES_MAX = 64 << 20 };

static enum status has_any_state(struct apply *apply, const struct job *job, bool *ret_has,
                                 struct failure *failure)
{
    struct key from = key_of_height(job->chain, KEY_STATE, apply->next.marks.states_from);
    struct key to = key_behind_kind(job->chain, KEY_STATE);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(apply->engine, NULL, &range);
    struct slice first, value;
    enum engine_result result = apply_cursor_next(cursor, &first, &value, failure);
    engine_cursor_close(cursor);
    if (result == ENGINE_FAILED) {
        return STATUS_DAMAGED;
    }
    *ret_has = result == ENGINE_OK;
    return STATUS_OK;
}

static enum status validate_state(struct apply *apply, const struct job *job, struct failure *failure)
{
    /* the target was validated: a pruned state is not looked for */
    assert(job->rollback.to >= apply->next.marks.states_from);
    struct key key = key_of_height(job->chain, KEY_STATE, job->rollback.to);
    struct engine_value value = {0};
    enum status status = write_set_get(apply->set, &key, &value, failure);
    engine_value_release(&value);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    bool has_any;
    status = has_any_state(apply, job, &has_any, failure);
    return status == STATUS_OK ? rollback_rule_no_state(has_any, job->rollback.to, failure) : status;
}

/* Whether the guard holds a height above the target: it then refuses, or is to be lowered. */
static enum status validate_guard(struct apply *apply, const struct job *job, const struct job_guard *guard,
                                  bool *ret_is_above, struct failure *failure)
{
    struct metadata_value metadata;
    struct engine_value value;
    enum status status = apply_metadata_read(apply, job->chain, guard->name, apply->next.marks.blocks_pruned,
                                             &metadata, &value, failure);
    if (status != STATUS_OK) {
        return status;
    }
    status = rollback_rule_guard(guard, metadata, job->rollback.to, ret_is_above, failure);
    engine_value_release(&value);
    return status;
}

static enum status lower_guard(struct apply *apply, struct job *job, const struct job_guard *guard,
                               struct failure *failure)
{
    uint8_t lowered[8];
    metadata_put_number(job->rollback.to, lowered);
    struct metadata_change change = {METADATA_SET, 0, slice_of(lowered, sizeof lowered), 0};
    job->counts.lowered++;
    return apply_metadata_change(apply, job->chain, guard->name, change, apply->next.marks.blocks_pruned,
                                 failure);
}

/* All are validated by what is there before the rollback, so that none passes because an earlier one lowered its name. */
static enum status apply_guards(struct apply *apply, struct job *job, struct failure *failure)
{
    const struct job_rollback *rollback = &job->rollback;
    enum status status = STATUS_OK;
    bool is_above;
    for (size_t i = 0; i < rollback->guard_count && status == STATUS_OK; i++) {
        status = validate_guard(apply, job, &rollback->guards[i], &is_above, failure);
    }
    for (size_t i = 0; i < rollback->guard_count && status == STATUS_OK; i++) {
        status = validate_guard(apply, job, &rollback->guards[i], &is_above, failure);
        if (status == STATUS_OK && is_above) { /* not if the name was lowered already */
            status = lower_guard(apply, job, &rollback->guards[i], failure);
        }
    }
    return status;
}

/* Calls `drop` for each key of that kind above the target, then has the range deleted. */
typedef enum status (*drop_fn)(struct apply *apply, struct job *job, struct slice key, struct slice value,
                               struct failure *failure);

static enum status drop_above(struct apply *apply, struct job *job, enum key_kind kind, drop_fn drop,
                              struct failure *failure)
{
    assert(job->rollback.to <= apply->next.marks.height); /* it was validated */
    struct key from = key_behind_height(job->chain, kind, job->rollback.to);
    struct key to = key_behind_kind(job->chain, kind);
    write_set_delete_range(apply->set, &from, &to);
    if (drop == NULL) {
        return STATUS_OK;
    }
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(apply->engine, NULL, &range);
    struct slice key, value;
    enum engine_result result = ENGINE_OK;
    enum status status = STATUS_OK;
    while (result == ENGINE_OK && status == STATUS_OK) {
        result = apply_cursor_next(cursor, &key, &value, failure);
        if (result == ENGINE_OK) {
            status = drop(apply, job, key, value, failure);
        }
        if (status == STATUS_OK && write_set_memory(apply->set) > ROLLBACK_BYTES_MAX) {
            status = failure_set(failure, STATUS_TOO_LARGE,
                                 "going back to height %lu changes more than the %d MiB that one write "
                                 "holds: go back to a greater height first",
                                 job->rollback.to, ROLLBACK_BYTES_MAX >> 20);
        }
    }
    engine_cursor_close(cursor);
    return result == ENGINE_FAILED ? STATUS_DAMAGED : status;
}

static enum status drop_block(struct apply *apply, struct job *job, struct slice key, struct slice value,
                              struct failure *failure)
{
    uint64_t height;
    struct header_record record;
    if (!key_read_height(key, &height) || !record_read_header(value, &record)) {
        return apply_damaged(failure, "header record", job->chain);
    }
    struct key hash_key;
    bool leads;
    enum status status = apply_find_hash(apply, job->chain, record.hash, height, &hash_key, &leads, failure);
    if (status == STATUS_OK && leads) {
        write_set_drop(apply->set, &hash_key); /* of several blocks with that hash it leads to one */
    }
    job->counts.blocks++;
    return status;
}

static enum status drop_state(struct apply *apply, struct job *job, struct slice key, struct slice value,
                              struct failure *failure)
{
    (void)apply;
    (void)key;
    (void)value;
    (void)failure;
    job->counts.states++;
    return STATUS_OK;
}

/* The index of bound names also holds bindings that were replaced since: the name itself decides. */
static enum status drop_bound(struct apply *apply, struct job *job, struct slice key, struct slice value,
                              struct failure *failure)
{
    (void)value;
    uint64_t height;
    struct slice name;
    struct metadata_value metadata;
    struct engine_value stored;
    if (!key_read_bound(key, &height, &name)) {
        return failure_set(failure, STATUS_DAMAGED, "damaged store: a bound name's key of %zu bytes",
                           key.bytes);
    }
    enum status status = apply_metadata_read(apply, job->chain, name, apply->next.marks.blocks_pruned,
                                             &metadata, &stored, failure);
    if (status == STATUS_OK) {
        engine_value_release(&stored);
        if (metadata.present && metadata.of_height > job->rollback.to) {
            struct metadata_change change = {.kind = METADATA_DELETE};
            status = apply_metadata_change(apply, job->chain, name, change, 0, failure);
            job->counts.metadata++;
        }
    }
    return status;
}

struct drop_carried {
    struct apply *apply;
    struct job *job;
};

/* Drops what was carried into the write set and is bound above the target; its entries of the index went with the range. */
static void drop_carried(void *context, const struct key *key, bool present, struct slice value)
{
    struct drop_carried *drop = context;
    struct key metadata = key_of_kind(drop->job->chain, KEY_METADATA);
    if (present && slice_has_prefix(key_slice(key), key_slice(&metadata))) {
        uint64_t of_height;
        struct slice content;
        bool read = record_read_metadata(value, &of_height, &content);
        assert(read);
        if (of_height > drop->job->rollback.to) {
            write_set_delete(drop->apply->set, key);
            drop->job->counts.metadata++;
        }
    }
}

enum status rollback_apply(struct apply *apply, struct job *job, struct failure *failure)
{
    assert(job->kind == JOB_ROLLBACK && job->sequence != 0); /* re-sent writes are compared with its number */
    job->counts = (struct job_counts){0};
    enum status status = rollback_rule_target(&apply->next.marks, job->rollback.to, failure);
    if (status == STATUS_OK) {
        status = validate_state(apply, job, failure);
    }
    if (status == STATUS_OK) {
        status = apply_guards(apply, job, failure);
    }
    if (status == STATUS_OK) {
        status = drop_above(apply, job, KEY_HEADER, drop_block, failure);
    }
    if (status == STATUS_OK) {
        status = drop_above(apply, job, KEY_DATA, NULL, failure);
    }
    if (status == STATUS_OK) {
        status = drop_above(apply, job, KEY_STATE, drop_state, failure);
    }
    if (status == STATUS_OK) {
        status = drop_above(apply, job, KEY_BOUND, drop_bound, failure);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct drop_carried drop = {apply, job};
    write_set_each(apply->set, drop_carried, &drop);
    apply->next.marks.height = job->rollback.to;
    apply->next.marks.cut_sequence = job->sequence;
    if (apply->next.block_height_max > job->rollback.to) {
        apply->next.block_height_max = job->rollback.to;
    }
    return apply_metadata_own(apply, job, failure);
}
