/* Edits of names and of the hash index, as of what was edited before. */
#include "daemon/writer/change.h"

#include "daemon/runtime/memory.h"

enum status change_damaged(struct failure *failure, const char *what, uint32_t chain)
{
    return failure_set(failure, STATUS_IO_ERROR,
                       "damaged store: a %s of chain number %u cannot be understood", what, chain);
}

enum status change_next(struct engine_cursor *cursor, struct slice *ret_key, struct slice *ret_value,
                        struct failure *failure)
{
    switch (engine_cursor_next(cursor, ret_key, ret_value, failure)) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
}

enum status change_read_metadata(struct apply *apply, uint32_t chain, struct slice name,
                                 uint64_t blocks_pruned, struct metadata_value *ret_metadata,
                                 struct engine_value *ret_value, struct failure *failure)
{
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, name);
    struct engine_value value = {0};
    struct metadata_value metadata = {0};
    enum status status = edit_get(apply->edits, &key, &value, failure);
    if (status == STATUS_OK) {
        metadata.present = true;
        if (!record_read_metadata(value.bytes, &metadata.of_height, &metadata.value)) {
            engine_value_release(&value);
            return change_damaged(failure, "metadata record", chain);
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
    size_t bytes = RECORD_METADATA_HEAD_BYTES + metadata.value.bytes;
    uint8_t *record = edit_put_new(apply->edits, &key, bytes);
    record_put_u64(metadata.of_height, record);
    if (metadata.value.bytes > 0) {
        memcpy(record + RECORD_METADATA_HEAD_BYTES, metadata.value.data, metadata.value.bytes);
    }
    if (metadata.of_height != 0) {
        struct key bound = key_of_bound(chain, metadata.of_height, name);
        edit_put(apply->edits, &bound, slice_of(NULL, 0));
    }
}

enum status change_metadata(struct apply *apply, uint32_t chain, struct slice name,
                            struct metadata_change change, uint64_t blocks_pruned, struct failure *failure)
{
    struct metadata_value before = {0};
    struct engine_value value = {0};
    if (change.kind == METADATA_NONE) {
        enum status status =
            change_read_metadata(apply, chain, name, blocks_pruned, &before, &value, failure);
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
        edit_delete(apply->edits, &key);
    }
    engine_value_release(&value);
    return STATUS_OK;
}

enum status change_own_metadata(struct apply *apply, const struct job *job, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < job->metadata_count && status == STATUS_OK; i++) {
        const struct metadata_operation *operation = &job->metadata[i];
        struct metadata_change change = {
            .kind = operation->kind == METADATA_RAISE ? METADATA_NONE : operation->kind,
            .of_height = operation->of_height,
            .value = operation->value,
            .raise = operation->kind == METADATA_RAISE ? operation->raise : 0,
        };
        status = change_metadata(apply, job->chain, operation->name, change, apply->next.marks.blocks_pruned,
                                 failure);
    }
    return status;
}

enum status change_drop_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                             struct failure *failure)
{
    struct key key;
    key_set_name(&key, chain, KEY_HASH, hash);
    struct engine_value value = {0};
    enum status status = edit_get(apply->edits, &key, &value, failure);
    if (status == STATUS_OK && value.bytes.bytes == 8 && record_get_u64(value.bytes.data) == height) {
        edit_delete(apply->edits, &key);
    }
    engine_value_release(&value);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
