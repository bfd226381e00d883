/* Any bytes as a log and as a manifest: never a byte read beyond the end, however they are cut into blocks the result is one that
 * holds, and what is whole stays whole when the rest is cut off. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/engine/rocksdb/audit_manifest.h"
#include "daemon/engine/rocksdb/audit_record.h"
#include "daemon/engine/rocksdb/crc32c.h"
#include "daemon/engine/rocksdb/wal_mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_BYTES = 7 };

/* What a reader gave. */
struct given {
    uint64_t last_to; /* where the last record that was taken ends */
    size_t taken;
    size_t found;
    struct audit_manifest manifest;
};

static bool take(void *context, const struct audit_record *record)
{
    struct given *given = context;
    struct wal_batch batch;
    assert(record->from >= given->last_to && record->to > record->from);
    assert(given->found == 0);
    bool is_batch = wal_batch_read(record->bytes, &batch);
    if (audit_manifest_take(&given->manifest, record->bytes) != NULL && !is_batch) {
        return false;
    }
    given->last_to = record->to;
    given->taken++;
    return true;
}

static void find(void *context, const struct audit_record *record)
{
    struct given *given = context;
    struct wal_batch batch;
    assert(record->to >= record->from);
    (void)wal_batch_read(record->bytes, &batch);
    given->found++;
}

static struct audit_reader read_all(const uint8_t *data, size_t size, struct given *given)
{
    struct audit_reader reader;
    *given = (struct given){0};
    audit_reader_init(&reader, &(struct audit_receiver){take, find, given, size});
    for (size_t at = 0; at < size; at += AUDIT_BLOCK_BYTES) {
        size_t left = size - at;
        size_t n = left < AUDIT_BLOCK_BYTES ? left : AUDIT_BLOCK_BYTES;
        uint8_t *block = malloc(n); /* its end is the memory's: a sanitizer sees what reads on */
        memcpy(block, data + at, n);
        audit_reader_take(&reader, slice_of(block, n));
        free(block);
    }
    audit_reader_end(&reader);
    assert(reader.whole_to <= size && reader.whole_to >= given->last_to);
    assert(!reader.has_ended ||
           (reader.reason != NULL && reader.ended_at >= reader.whole_to && reader.ended_at <= size));
    assert(reader.has_ended || given->found == 0);
    audit_manifest_end(&given->manifest);
    audit_manifest_free(&given->manifest);
    return reader;
}

/* Sets the checksums of pieces that are whole otherwise: else hardly an input would get past the first one. */
static void mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + HEADER_BYTES <= size;) {
        size_t length = (size_t)bytes[at + 4] | (size_t)bytes[at + 5] << 8;
        bool fits = length <= size - at - HEADER_BYTES &&
                    length + HEADER_BYTES <= AUDIT_BLOCK_BYTES - at % AUDIT_BLOCK_BYTES;
        if (fits) {
            uint32_t crc = crc32c_masked(crc32c_extend(0, bytes + at + 6, length + 1));
            for (int i = 0; i < 4; i++) {
                bytes[at + (size_t)i] = (uint8_t)(crc >> (8 * i));
            }
        }
        at += HEADER_BYTES + (fits ? length : 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct given given, again;
    (void)read_all(data, size, &given);
    uint8_t *bytes = malloc(size + 1);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    mend(bytes, size);
    struct audit_reader reader = read_all(bytes, size, &given);
    struct audit_reader cut = read_all(bytes, (size_t)reader.whole_to, &again);
    assert(!cut.has_ended && cut.whole_to == reader.whole_to && again.taken == given.taken);
    free(bytes);
    return 0;
}
