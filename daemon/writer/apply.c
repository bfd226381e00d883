/* A job's way through here:
 *
 * - The metadata that it carries joins the write set first; then the job is validated as of the set, and adds its own changes.
 * - The chain's marks are changed in a copy, which replaces them once the job is applied.
 *
 * Failures: what a refused job added is taken back and the copy is dropped; the metadata that it would have carried stays
 * queued. A queued raise over what cannot be read is noted and left out, since its group is accepted already. Where the engine did not
 * apply a write, the chains go back to what they were before its first job. Where nobody knows whether it did, nothing is validated any
 * more. */
#include "daemon/writer/apply_internal.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "daemon/lanes/prune_rule.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    BLOCK_CHANGES = 4,          /* of a block: header, data, hash index, and the index of a hash before */
    CHANGE_BYTES = 256,         /* of one in the write set, and as an edit, beside what the client gave */
    MEMORY_BYTES_MIN = 1 << 20, /* less is not asked for; chosen */
};

struct apply *apply_new(struct engine *engine, uint32_t chains_max)
{
    assert(chains_max > 0 && chains_max < UINT32_MAX);
    struct apply *apply = memory_new(sizeof *apply);
    apply->engine = engine;
    apply->set = write_set_new(engine);
    apply->chains_max = chains_max;
    apply->chains = memory_new((chains_max + 1) * sizeof apply->chains[0]);
    apply->sweeps = memory_new((chains_max + 1) * sizeof apply->sweeps[0]);
    apply->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); /* looked up once, not for each block */
    if (apply->sha256 == NULL) {
        apply_free(apply);
        return NULL;
    }
    return apply;
}

void apply_free(struct apply *apply)
{
    if (apply == NULL) {
        return;
    }
    write_set_free(apply->set);
    EVP_MD_free(apply->sha256);
    free(apply->chains);
    free(apply->sweeps);
    free(apply->befores);
    free(apply->left_out.entries);
    free(apply);
}

enum status apply_load(struct apply *apply, uint32_t chain, const struct chain_marks *marks,
                       struct failure *failure)
{
    assert(chain >= 1 && chain <= apply->chains_max);
    assert(apply->before_count == 0); /* no job came before: its marks would be lost */
    struct apply_chain *known = &apply->chains[chain];
    *known = (struct apply_chain){.is_there = true, .marks = *marks};
    struct key from = key_of_kind(chain, KEY_HEADER);
    struct key to = key_behind_kind(chain, KEY_HEADER);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to), .is_reverse = true};
    struct engine_cursor *cursor = engine_cursor_open(apply->engine, NULL, &range);
    struct slice last, value;
    enum engine_result result = apply_cursor_next(cursor, &last, &value, failure);
    enum status status = result == ENGINE_FAILED ? STATUS_DAMAGED : STATUS_OK;
    if (result == ENGINE_OK && !key_read_height(last, &known->block_height_max)) {
        status =
            failure_set(failure, STATUS_DAMAGED, "damaged store: a block's key of %zu bytes", last.bytes);
    }
    if (status != STATUS_OK) {
        known->block_height_max = UINT64_MAX; /* so that each commit looks for the block that it replaces */
    }
    engine_cursor_close(cursor);
    return status;
}

void apply_load_epoch(struct apply *apply, uint32_t chain, struct epoch epoch, uint64_t last_number)
{
    assert(chain >= 1 && chain <= apply->chains_max && apply->chains[chain].is_there);
    assert(apply->before_count == 0); /* no job came before: its number would be lost */
    apply->chains[chain].epoch = epoch;
    apply->chains[chain].last_number = last_number;
}

void apply_made(struct apply *apply, uint32_t chain)
{
    assert(chain >= 1 && chain <= apply->chains_max);
    assert(apply->before_count == 0 && !apply->chains[chain].is_there);
    apply->chains[chain] = (struct apply_chain){.is_there = true};
}

/* ---- metadata ---- */

static void leave_out(struct apply *apply, const struct pending_entry *entry)
{
    struct apply_left_out *left_out = &apply->left_out;
    assert(pending_entry_change(entry).kind == METADATA_NONE); /* only a raise reads what is there */
    if (left_out->count == left_out->capacity) {
        left_out->capacity = left_out->capacity == 0 ? 16 : 2 * left_out->capacity;
        left_out->entries =
            memory_resize(left_out->entries, left_out->capacity * sizeof left_out->entries[0]);
    }
    left_out->entries[left_out->count++] = entry;
}

static void apply_each(struct apply *apply, const struct metadata_group *group)
{
    for (const struct pending_entry *entry = group->first; entry != NULL; entry = pending_entry_next(entry)) {
        uint32_t chain = pending_entry_chain(entry);
        assert(chain >= 1 && chain <= apply->chains_max);
        if (apply_metadata_change(apply, chain, pending_entry_name(entry), pending_entry_change(entry),
                                  apply->chains[chain].marks.blocks_pruned,
                                  &apply->left_out.failure) != STATUS_OK) {
            leave_out(apply, entry);
        }
    }
}

/* Every batch that holds queued metadata says how far it goes. */
static void put_metadata_on_disk(struct apply *apply, uint64_t sequence)
{
    assert(sequence > 0); /* 0 on disk says that no metadata was ever written */
    struct key key = key_of_kind(0, KEY_METADATA_ON_DISK);
    record_put_u64(sequence, write_set_put_new(apply->set, &key, 8));
}

static void apply_carried(struct apply *apply, const struct job *job, const struct metadata_group *carried)
{
    uint64_t last = 0;
    for (; carried != NULL && carried->last_sequence <= job->carry_through; carried = carried->next) {
        apply_each(apply, carried);
        last = carried->last_sequence;
    }
    if (last != 0) {
        put_metadata_on_disk(apply, last);
    }
}

/* ---- prune and chains ---- */

static enum status apply_prune(struct apply *apply, const struct job *job, struct failure *failure)
{
    assert(job->kind == JOB_PRUNE); /* which member of the union it is */
    const struct job_prune *prune = &job->prune;
    struct chain_marks *marks = &apply->next.marks;
    uint64_t first, last;
    enum status status = prune_rule(marks, prune, failure);
    if (status != STATUS_OK) {
        return status;
    }
    if (prune_rule_blocks(marks, prune, &first, &last)) {
        struct key from = key_of_height(job->chain, KEY_DATA, first);
        struct key to = key_behind_height(job->chain, KEY_DATA, last);
        write_set_delete_range(apply->set, &from, &to);
        marks->blocks_pruned = last;
    }
    if (prune_rule_states(marks, prune, &first, &last)) {
        struct key from = key_of_height(job->chain, KEY_STATE, first);
        struct key to = key_behind_height(job->chain, KEY_STATE, last);
        write_set_delete_range(apply->set, &from, &to);
        marks->states_from = last + 1;
    }
    return apply_metadata_own(apply, job, failure);
}

/* An empty chain, which notes what made it. */
static void make_chain(struct apply *apply, const struct job *job)
{
    struct key made = key_of_kind(job->chain, KEY_MADE);
    record_put_u64(job->sequence, write_set_put_new(apply->set, &made, 8));
    apply->next = (struct apply_chain){.is_there = true, .marks.cut_sequence = job->sequence};
}

/* Making one that is there changes nothing. */
static void apply_create_chain(struct apply *apply, const struct job *job)
{
    /* a start refuses any other record */
    assert(job->chain >= 1 && job->chain_name.bytes <= CHAIN_NAME_BYTES_MAX);
    if (apply->next.is_there) {
        return;
    }
    struct key key;
    key_set_name(&key, 0, KEY_CHAIN_NAME, job->chain_name);
    record_put_u64(job->chain, write_set_put_new(apply->set, &key, 8));
    make_chain(apply, job);
}

/* All keys of the chain are one range, whatever they are; what was carried for it lies in it. */
static void apply_drop_chain(struct apply *apply, const struct job *job)
{
    uint64_t last_number = apply->next.last_number;
    assert(apply->next.is_there && job->sequence > 0);
    struct key from = key_of_chain(job->chain), to = key_behind_chain(job->chain);
    write_set_delete_range(apply->set, &from, &to);
    struct key dropped = key_of_dropped(job->chain);
    record_put_u64(job->sequence, write_set_put_new(apply->set, &dropped, 8));
    apply->next = (struct apply_chain){0};
    if (job->drop.makes_anew) {
        make_chain(apply, job);
    } else {
        struct key name;
        key_set_name(&name, 0, KEY_CHAIN_NAME, job->drop.name);
        write_set_delete(apply->set, &name);
    }
    apply->next.last_number = last_number; /* for jobs behind it; the next claim begins anew */
}

/* The space of those chains was asked back. */
static void apply_forget_drops(struct apply *apply, const struct job *job)
{
    assert(job->chain == 0 && job->forget.first <= job->forget.last);
    for (uint32_t id = job->forget.first; id <= job->forget.last; id++) {
        struct key key = key_of_dropped(id);
        write_set_delete(apply->set, &key);
    }
}

/* ---- one job, one group ---- */

static void put_marks(struct apply *apply, uint32_t chain)
{
    assert(chain >= 1); /* number 0 has no marks: there are the store's own records */
    struct key key = key_of_kind(chain, KEY_MARKS);
    record_write_marks(&apply->next.marks, write_set_put_new(apply->set, &key, RECORD_MARKS_BYTES));
}

static enum status apply_kind(struct apply *apply, struct job *job)
{
    switch (job->kind) {
    case JOB_COMMIT:
        return apply_commit(apply, job, &job->failure);
    case JOB_PRUNE:
        return apply_prune(apply, job, &job->failure);
    case JOB_ROLLBACK:
        return rollback_apply(apply, job, &job->failure);
    case JOB_SWEEP:
        return sweep_apply(apply, job, &job->failure);
    case JOB_CREATE_CHAIN:
        apply_create_chain(apply, job);
        return STATUS_OK;
    case JOB_DROP_CHAIN:
        apply_drop_chain(apply, job);
        return STATUS_OK;
    case JOB_CLAIM:
        apply_claim_take(apply, job);
        return STATUS_OK;
    case JOB_PRESENT:
        return apply_claim_present(apply, job, &job->failure);
    case JOB_RELEASE:
        apply_claim_release(apply, job);
        return STATUS_OK;
    case JOB_FORGET_DROPS:
        apply_forget_drops(apply, job);
        return STATUS_OK;
    case JOB_RESERVE:
        break; /* changes no record */
    }
    assert(false);
    return STATUS_INVALID;
}

static enum status apply_once(struct apply *apply, struct job *job)
{
    enum status status = STATUS_OK;
    if (job->is_behind_drop) {
        return failure_set_conflict(&job->failure, REASON_DROPPED,
                                    "number %lu was not applied before the chain was dropped", job->number);
    }
    if (job->number != 0) {
        status = apply_claim_number(apply, job, &job->failure);
    }
    return status == STATUS_OK ? apply_kind(apply, job) : status;
}

bool apply_has_applied(const struct apply *apply, const struct job *job)
{
    assert(thread_is(THREAD_WRITER) && job->chain <= apply->chains_max);
    return job->number != 0 && job->number <= apply->chains[job->chain].last_number;
}

/* Notes the chain as it is. It may be noted several times: apply_take_back goes from the newest to the oldest. */
static void keep_before(struct apply *apply, uint32_t chain)
{
    assert(chain <= apply->chains_max); /* taking back writes to that place */
    if (apply->before_count == apply->before_capacity) {
        apply->before_capacity = apply->before_capacity == 0 ? 16 : 2 * apply->before_capacity;
        apply->befores = memory_resize(apply->befores, apply->before_capacity * sizeof apply->befores[0]);
    }
    apply->befores[apply->before_count++] = (struct apply_before){chain, apply->chains[chain]};
}

/* Whether the machine has memory for the changes of a commit of so many parts: if not, making them would end the process. */
static bool has_memory(const struct job *job)
{
    const struct job_commit *commit = &job->commit;
    size_t changes = job->metadata_count;
    if (job->kind == JOB_COMMIT) {
        changes += (commit->block_count + commit->delete_block_count) * BLOCK_CHANGES + commit->state_count +
                   commit->delete_state_count;
    }
    size_t bytes = changes * CHANGE_BYTES + job->bytes;
    return bytes < MEMORY_BYTES_MIN || memory_has(bytes);
}

enum status apply_job(struct apply *apply, struct job *job, const struct metadata_group *carried)
{
    assert(thread_is(THREAD_WRITER));
    assert(job->chain <= apply->chains_max);
    job->is_repeated = apply_has_applied(apply, job);
    if (!job->is_repeated && !has_memory(job)) {
        return failure_set(&job->failure, STATUS_BUSY,
                           "the machine has no memory for a commit of so many parts: try again later");
    }
    /* ranges delete nothing that another job of the set has put */
    assert(!job_deletes_ranges(job) || apply_bytes(apply) == 0);
    struct write_set_mark before = write_set_mark(apply->set);
    size_t left_out_before = apply->left_out.count;
    apply->next = apply->chains[job->chain];
    assert(apply->next.is_there || job->kind == JOB_CREATE_CHAIN || job->is_behind_drop ||
           job_is_own(job->kind));
    apply_carried(apply, job, carried);
    enum status status = job->is_repeated ? STATUS_OK : apply_once(apply, job);
    job->marks = apply->next.marks;
    if (status != STATUS_OK) {
        write_set_take_back(apply->set, before);
        apply->left_out.count = left_out_before; /* what it carried stays queued */
        return status;
    }
    const struct apply_chain *known = &apply->chains[job->chain];
    bool is_changed = !known->is_there || job->kind == JOB_DROP_CHAIN ||
                      memcmp(&apply->next.marks, &known->marks, sizeof apply->next.marks) != 0;
    if (apply->next.is_there && is_changed) {
        put_marks(apply, job->chain);
    }
    keep_before(apply, job->chain);
    apply->chains[job->chain] = apply->next;
    if (job->kind == JOB_DROP_CHAIN) {
        apply->sweeps[job->chain] = (struct sweep){0};
    }
    return STATUS_OK;
}

void apply_group(struct apply *apply, const struct metadata_group *group)
{
    assert(thread_is(THREAD_WRITER));
    /* the group is whole in one write, and alone */
    assert(apply_bytes(apply) == 0 && apply->before_count == 0);
    apply_each(apply, group);
    put_metadata_on_disk(apply, group->last_sequence);
}

const struct apply_left_out *apply_left_out(const struct apply *apply)
{
    assert(thread_is(THREAD_WRITER));
    return &apply->left_out;
}

size_t apply_bytes(const struct apply *apply)
{
    return write_set_bytes(apply->set);
}

struct engine_edit *apply_list(struct apply *apply, size_t *ret_count)
{
    assert(thread_is(THREAD_WRITER));
    return write_set_list(apply->set, ret_count);
}

void apply_written(struct apply *apply)
{
    assert(thread_is(THREAD_WRITER));
    write_set_clear(apply->set);
    apply->before_count = 0;
    apply->left_out.count = 0;
}

/* The sweeps of those chains begin again. */
void apply_take_back(struct apply *apply)
{
    assert(thread_is(THREAD_WRITER));
    write_set_clear(apply->set);
    apply->left_out.count = 0;
    while (apply->before_count > 0) {
        const struct apply_before *before = &apply->befores[--apply->before_count];
        apply->chains[before->chain] = before->known;
        apply->sweeps[before->chain] = (struct sweep){0};
    }
}
