/* What jobs and metadata groups do to names and to the hash index: read as of the write set, and changed there.
 *
 * Failures: what cannot be read or understood is STATUS_DAMAGED with a text, and adds nothing for that name. */
#include <assert.h>

#include "daemon/writer/apply_internal.h"

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum status apply_damaged(struct failure *failure, const char *what, uint32_t chain)
{
    return failure_set(failure, STATUS_DAMAGED, "damaged store: a %s of chain number %u cannot be understood",
                       what, chain);
}

enum engine_result apply_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                     struct slice *ret_value, struct failure *failure)
{
    enum engine_result result = engine_cursor_next(cursor, ret_key, ret_value, failure);
    if (result != ENGINE_OK && result != ENGINE_NOT_FOUND) {
        failure->status = STATUS_DAMAGED;
        return ENGINE_FAILED;
    }
    return result;
}

enum status apply_metadata_read(struct apply *apply, uint32_t chain, struct slice name,
                                uint64_t blocks_pruned, struct metadata_value *ret_metadata,
                                struct engine_value *ret_value, struct failure *failure)
{
    assert(chain >= 1 && chain <= apply->chains_max);
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, name);
    struct engine_value value = {0};
    struct metadata_value metadata = {0};
    enum status status = write_set_get(apply->set, &key, &value, failure);
    if (status == STATUS_OK) {
        metadata.present = true;
        if (!record_read_metadata(value.bytes, &metadata.of_height, &metadata.value)) {
            engine_value_release(&value);
            return apply_damaged(failure, "metadata record", chain);
        }
        if (metadata_is_pruned(metadata.of_height, blocks_pruned)) {
            metadata = (struct metadata_value){0};
        }
    } else if (status != STATUS_NOT_FOUND) {
        return status;
    }
    *ret_metadata = metadata;
    *ret_value = value;
    return STATUS_OK;
}

static void put_metadata(struct apply *apply, uint32_t chain, struct slice name,
                         struct metadata_value metadata)
{
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, name);
    assert(metadata.present);
    size_t bytes = RECORD_METADATA_HEAD_BYTES + metadata.value.bytes;
    uint8_t *record = write_set_put_new(apply->set, &key, bytes);
    record_put_u64(metadata.of_height, record);
    if (metadata.value.bytes > 0) {
        memcpy(record + RECORD_METADATA_HEAD_BYTES, metadata.value.data, metadata.value.bytes);
    }
    if (metadata.of_height != 0) {
        struct key bound = key_of_bound(chain, metadata.of_height, name);
        write_set_put(apply->set, &bound, slice_of(NULL, 0));
    }
}

enum status apply_metadata_change(struct apply *apply, uint32_t chain, struct slice name,
                                  struct metadata_change change, uint64_t blocks_pruned,
                                  struct failure *failure)
{
    assert(chain >= 1 && chain <= apply->chains_max);
    struct metadata_value before = {0};
    struct engine_value value = {0};
    if (change.kind == METADATA_NONE) {
        enum status status = apply_metadata_read(apply, chain, name, blocks_pruned, &before, &value, failure);
        if (status != STATUS_OK) {
            return status;
        }
        if (change.raise <= metadata_number(before)) {
            engine_value_release(&value);
            return STATUS_OK;
        }
    }
    uint8_t number[8];
    struct metadata_value after = metadata_after(change, before, blocks_pruned, number);
    if (after.present) {
        put_metadata(apply, chain, name, after);
    } else {
        struct key key;
        key_set_name(&key, chain, KEY_METADATA, name);
        write_set_delete(apply->set, &key);
    }
    engine_value_release(&value);
    return STATUS_OK;
}

/* Deletes a range of names, those included that were carried or that the job has set so far. Entries in the index of bound names stay, as
 * they do for any deleted name. */
static void delete_names(struct apply *apply, const struct job *job,
                         const struct metadata_operation *operation)
{
    assert(job_deletes_ranges(job)); /* or the job might not carry what is queued for those names */
    struct key from = key_of_name(job->chain, KEY_METADATA, operation->name);
    struct key to = operation->has_to ? key_of_name(job->chain, KEY_METADATA, operation->to)
                                      : key_behind_kind(job->chain, KEY_METADATA);
    write_set_delete_range(apply->set, &from, &to);
}

enum status apply_metadata_own(struct apply *apply, const struct job *job, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < job->metadata_count && status == STATUS_OK; i++) {
        const struct metadata_operation *operation = &job->metadata[i];
        assert(operation->kind != METADATA_NONE); /* NONE would be applied as a raise to 0 */
        if (operation->kind == METADATA_DELETE_RANGE) {
            delete_names(apply, job, operation);
            continue;
        }
        struct metadata_change change = {
            .kind = operation->kind == METADATA_RAISE ? METADATA_NONE : operation->kind,
            .of_height = operation->of_height,
            .value = operation->value,
            .raise = operation->kind == METADATA_RAISE ? operation->raise : 0,
        };
        status = apply_metadata_change(apply, job->chain, operation->name, change,
                                       apply->next.marks.blocks_pruned, failure);
    }
    return status;
}

enum status apply_find_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                            struct key *ret_key, bool *ret_leads, struct failure *failure)
{
    /* record_read_header checked the hash; ranges begin above height 0 */
    assert(height > 0 && hash.bytes <= HASH_BYTES_MAX);
    key_set_name(ret_key, chain, KEY_HASH, hash);
    struct engine_value value = {0};
    enum status status = write_set_get(apply->set, ret_key, &value, failure);
    *ret_leads = status == STATUS_OK && value.bytes.bytes == 8 && record_get_u64(value.bytes.data) == height;
    engine_value_release(&value);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status apply_drop_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                            struct failure *failure)
{
    struct key key;
    bool leads;
    enum status status = apply_find_hash(apply, chain, hash, height, &key, &leads, failure);
    if (status == STATUS_OK && leads) {
        write_set_delete(apply->set, &key);
    }
    return status;
}
