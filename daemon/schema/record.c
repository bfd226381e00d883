/* A record's life: it is written into bytes of the caller's, of the length that its header file names, and read back as numbers
 * and slices into the bytes that the engine gave.
 *
 * Way to fail: only the reading, for the disk may hold any bytes. A value of another length than its layout allows is damage. */
#include "daemon/schema/record.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "proto/limits.h"

void record_put_u64(uint64_t value, uint8_t *ret_bytes)
{
    uint64_t big = htobe64(value);
    memcpy(ret_bytes, &big, sizeof big);
}

uint64_t record_get_u64(const uint8_t *bytes)
{
    uint64_t big;
    memcpy(&big, bytes, sizeof big);
    return be64toh(big);
}

void record_write_marks(const struct chain_marks *marks, uint8_t *ret_bytes)
{
    record_put_u64(marks->height, ret_bytes);
    record_put_u64(marks->blocks_pruned, ret_bytes + 8);
    record_put_u64(marks->states_from, ret_bytes + 16);
    record_put_u64(marks->blocks_swept, ret_bytes + 24);
    record_put_u64(marks->cut_sequence, ret_bytes + 32);
}

bool record_read_marks(struct slice bytes, struct chain_marks *ret_marks)
{
    if (bytes.bytes != RECORD_MARKS_BYTES) {
        return false;
    }
    ret_marks->height = record_get_u64(bytes.data);
    ret_marks->blocks_pruned = record_get_u64(bytes.data + 8);
    ret_marks->states_from = record_get_u64(bytes.data + 16);
    ret_marks->blocks_swept = record_get_u64(bytes.data + 24);
    ret_marks->cut_sequence = record_get_u64(bytes.data + 32);
    return true;
}

size_t record_claim_bytes(const struct claim_record *record)
{
    /* record_read_claim takes no other */
    assert(record->name.bytes >= 1 && record->name.bytes <= WRITER_NAME_BYTES_MAX);
    return RECORD_CLAIM_HEAD_BYTES + record->name.bytes;
}

void record_write_claim(const struct claim_record *record, uint8_t *ret_bytes)
{
    assert(record->epoch.sequence != 0 && record->epoch.random != 0); /* likewise */
    record_put_u64(record->epoch.sequence, ret_bytes);
    record_put_u64(record->epoch.random, ret_bytes + 8);
    record_put_u64(record->released, ret_bytes + 16);
    record_put_u64(record->uid, ret_bytes + 24);
    record_put_u64(record->pid, ret_bytes + 32);
    memcpy(ret_bytes + RECORD_CLAIM_HEAD_BYTES, record->name.data, record->name.bytes);
}

bool record_read_claim(struct slice bytes, struct claim_record *ret_record)
{
    if (bytes.bytes <= RECORD_CLAIM_HEAD_BYTES ||
        bytes.bytes > RECORD_CLAIM_HEAD_BYTES + WRITER_NAME_BYTES_MAX) {
        return false;
    }
    struct epoch epoch = {record_get_u64(bytes.data), record_get_u64(bytes.data + 8)};
    uint64_t released = record_get_u64(bytes.data + 16);
    uint64_t uid = record_get_u64(bytes.data + 24), pid = record_get_u64(bytes.data + 32);
    bool is_released_before = released != 0 && released <= epoch.sequence;
    if (epoch.sequence == 0 || epoch.random == 0 || is_released_before || uid > UINT32_MAX ||
        pid > UINT32_MAX) {
        return false;
    }
    ret_record->epoch = epoch;
    ret_record->released = released;
    ret_record->uid = (uint32_t)uid;
    ret_record->pid = (uint32_t)pid;
    ret_record->name = slice_of(bytes.data + RECORD_CLAIM_HEAD_BYTES, bytes.bytes - RECORD_CLAIM_HEAD_BYTES);
    return true;
}

void record_write_epoch(const struct epoch_record *record, uint8_t *ret_bytes)
{
    assert(record->random != 0); /* record_read_epoch takes no other */
    record_put_u64(record->random, ret_bytes);
    record_put_u64(record->last_number, ret_bytes + 8);
}

bool record_read_epoch(struct slice bytes, struct epoch_record *ret_record)
{
    if (bytes.bytes != RECORD_EPOCH_BYTES || record_get_u64(bytes.data) == 0) {
        return false;
    }
    ret_record->random = record_get_u64(bytes.data);
    ret_record->last_number = record_get_u64(bytes.data + 8);
    return true;
}

enum { HEADER_HEAD_BYTES = 8 + 8 + 1 }; /* the three lengths */

static_assert(HASH_BYTES_MAX <= UINT8_MAX, "a hash's length is one byte");
static_assert(sizeof(struct chain_marks) == RECORD_MARKS_BYTES, "every mark is in the record");
static_assert(sizeof(struct run_record) == RECORD_RUN_BYTES, "all of a run is in its record");

size_t record_header_bytes(const struct header_record *record)
{
    assert(record->hash.bytes <= HASH_BYTES_MAX); /* its length has one byte in the record */
    /* the sum fits */
    assert(record->header.bytes <= SIZE_MAX / 4 && record->signature.bytes <= SIZE_MAX / 4);
    return HEADER_HEAD_BYTES + record->hash.bytes + record->header.bytes + record->signature.bytes;
}

/* Returns the place behind the part. */
static uint8_t *append(uint8_t *bytes, struct slice part)
{
    if (part.bytes > 0) {
        memcpy(bytes, part.data, part.bytes);
    }
    return bytes + part.bytes;
}

void record_write_header(const struct header_record *record, uint8_t *ret_bytes)
{
    /* record_read_header takes no other */
    assert(record->hash.bytes >= 1 && record->hash.bytes <= HASH_BYTES_MAX);
    record_put_u64(record->data_bytes, ret_bytes);
    record_put_u64(record->header.bytes, ret_bytes + 8);
    ret_bytes[16] = (uint8_t)record->hash.bytes;
    uint8_t *next = append(ret_bytes + HEADER_HEAD_BYTES, record->hash);
    next = append(next, record->header);
    next = append(next, record->signature);
    assert(next == ret_bytes + record_header_bytes(record)); /* what the caller made room for */
}

bool record_read_header(struct slice bytes, struct header_record *ret_record)
{
    if (bytes.bytes < HEADER_HEAD_BYTES) {
        return false;
    }
    uint64_t header_bytes = record_get_u64(bytes.data + 8);
    size_t hash_bytes = bytes.data[16];
    size_t rest = bytes.bytes - HEADER_HEAD_BYTES;
    if (hash_bytes < 1 || hash_bytes > HASH_BYTES_MAX || hash_bytes > rest ||
        header_bytes > rest - hash_bytes) {
        return false;
    }
    const uint8_t *hash = bytes.data + HEADER_HEAD_BYTES;
    ret_record->data_bytes = record_get_u64(bytes.data);
    ret_record->hash = slice_of(hash, hash_bytes);
    ret_record->header = slice_of(hash + hash_bytes, header_bytes);
    ret_record->signature = slice_of(hash + hash_bytes + header_bytes, rest - hash_bytes - header_bytes);
    assert(record_header_bytes(ret_record) == bytes.bytes); /* no byte is left out */
    return true;
}

bool record_read_metadata(struct slice bytes, uint64_t *ret_of_height, struct slice *ret_value)
{
    if (bytes.bytes < RECORD_METADATA_HEAD_BYTES) {
        return false;
    }
    *ret_of_height = record_get_u64(bytes.data);
    *ret_value = slice_of(bytes.data + RECORD_METADATA_HEAD_BYTES, bytes.bytes - RECORD_METADATA_HEAD_BYTES);
    return true;
}

void record_write_run(const struct run_record *run, uint8_t *ret_bytes)
{
    record_put_u64(run->first_sequence, ret_bytes);
    record_put_u64(run->metadata_on_disk, ret_bytes + 8);
}

bool record_read_run(struct slice bytes, struct run_record *ret_run)
{
    if (bytes.bytes != RECORD_RUN_BYTES) {
        return false;
    }
    ret_run->first_sequence = record_get_u64(bytes.data);
    ret_run->metadata_on_disk = record_get_u64(bytes.data + 8);
    return true;
}
