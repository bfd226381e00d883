/* A commit: its blocks, blocks to delete, states, states to delete, height and metadata, in that order. Writer thread only.
 *
 * Failures: what is refused or cannot be read ends it; apply.c takes back what was added until then. */
#include <assert.h>

#include "daemon/writer/apply_internal.h"

enum { SHA256_BYTES = 32 };

/* The hash index entry of the block that is replaced, or deleted, goes. */
static enum status drop_replaced(struct apply *apply, uint32_t chain, uint64_t height, bool *ret_replaced,
                                 struct failure *failure)
{
    assert(height > 0); /* it was validated, and a block_height_max of 0 says that there is no block */
    struct key key;
    key_set_height(&key, chain, KEY_HEADER, height);
    *ret_replaced = false;
    if (height > apply->chains[chain].block_height_max && !write_set_has(apply->set, &key)) {
        return STATUS_OK;
    }
    struct engine_value value = {0};
    enum status status = write_set_get(apply->set, &key, &value, failure);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    struct header_record record;
    if (status == STATUS_OK && !record_read_header(value.bytes, &record)) {
        status = apply_damaged(failure, "header record", chain);
    }
    if (status == STATUS_OK) {
        *ret_replaced = true;
        status = apply_drop_hash(apply, chain, record.hash, height, failure);
    }
    engine_value_release(&value);
    return status;
}

static void put_block(struct apply *apply, uint32_t chain, const struct job_block *block, bool replaces)
{
    /* else its keys would be swept away with the pruned */
    assert(block->height > apply->next.marks.blocks_pruned);
    assert(block->hash.bytes <= HASH_BYTES_MAX); /* its length has one byte in the header record */
    uint8_t digest[SHA256_BYTES];
    struct slice hash = block->hash;
    if (hash.bytes == 0) {
        int hashed = EVP_Digest(block->header.data, block->header.bytes, digest, NULL, apply->sha256, NULL);
        assert(hashed == 1);
        hash = slice_of(digest, sizeof digest);
    }
    assert(hash.bytes > 0); /* no block is without an entry in the hash index */
    struct header_record record = {block->data.bytes, hash, block->header, block->signature};
    size_t bytes = record_header_bytes(&record);
    struct key header_key;
    key_set_height(&header_key, chain, KEY_HEADER, block->height);
    record_write_header(&record, write_set_put_new(apply->set, &header_key, bytes));

    struct key data_key;
    key_set_height(&data_key, chain, KEY_DATA, block->height);
    if (block->data.bytes > 0) {
        write_set_put(apply->set, &data_key, block->data);
    } else if (replaces) {
        write_set_delete(apply->set, &data_key);
    }

    struct key hash_key;
    key_set_name(&hash_key, chain, KEY_HASH, hash);
    record_put_u64(block->height, write_set_put_new(apply->set, &hash_key, 8));
}

/* What a prune left of a block is the sweep's: it goes by the header to the hash index. */
static enum status delete_block(struct apply *apply, uint32_t chain, uint64_t height, struct failure *failure)
{
    assert(height > 0); /* it was validated */
    if (height <= apply->next.marks.blocks_pruned) {
        return STATUS_OK;
    }
    bool is_there;
    enum status status = drop_replaced(apply, chain, height, &is_there, failure);
    if (status == STATUS_OK && is_there) {
        struct key header, data;
        key_set_height(&header, chain, KEY_HEADER, height);
        key_set_height(&data, chain, KEY_DATA, height);
        write_set_delete(apply->set, &header);
        write_set_delete(apply->set, &data);
    }
    return status;
}

static enum status validate_commit(const struct job *job, const struct chain_marks *marks,
                                   struct failure *failure)
{
    const struct job_commit *commit = &job->commit;
    if (commit->has_expected_height && commit->expected_height != marks->height) {
        return failure_set_conflict(failure, REASON_HEIGHT,
                                    "the chain's height is %lu, not %lu as expected: read it again",
                                    marks->height, commit->expected_height);
    }
    for (size_t i = 0; i < commit->block_count; i++) {
        if (commit->blocks[i].height <= marks->blocks_pruned) {
            return failure_set_conflict(failure, REASON_PRUNED, "block %lu: blocks up to %lu are pruned",
                                        commit->blocks[i].height, marks->blocks_pruned);
        }
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        if (commit->states[i].height < marks->states_from) {
            return failure_set_conflict(failure, REASON_PRUNED, "state %lu: states up to %lu are pruned",
                                        commit->states[i].height, marks->states_from - 1);
        }
    }
    return STATUS_OK;
}

enum status apply_commit(struct apply *apply, const struct job *job, struct failure *failure)
{
    assert(job->kind == JOB_COMMIT); /* which member of the union it is */
    const struct job_commit *commit = &job->commit;
    struct apply_chain *next = &apply->next;
    enum status status = validate_commit(job, &next->marks, failure);
    for (size_t i = 0; i < commit->block_count && status == STATUS_OK; i++) {
        bool replaces;
        status = drop_replaced(apply, job->chain, commit->blocks[i].height, &replaces, failure);
        if (status == STATUS_OK) {
            put_block(apply, job->chain, &commit->blocks[i], replaces);
            if (commit->blocks[i].height > next->block_height_max) {
                next->block_height_max = commit->blocks[i].height;
            }
        }
    }
    for (size_t i = 0; i < commit->delete_block_count && status == STATUS_OK; i++) {
        status = delete_block(apply, job->chain, commit->delete_blocks[i], failure);
    }
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        struct key key;
        key_set_height(&key, job->chain, KEY_STATE, commit->states[i].height);
        write_set_put(apply->set, &key, commit->states[i].value);
    }
    for (size_t i = 0; i < commit->delete_state_count; i++) {
        struct key key;
        key_set_height(&key, job->chain, KEY_STATE, commit->delete_states[i]);
        write_set_delete(apply->set, &key);
    }
    if (commit->rise_to > next->marks.height) {
        next->marks.height = commit->rise_to;
    }
    return apply_metadata_own(apply, job, failure);
}
