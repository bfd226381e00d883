/* Version edits are tags, each with what belongs to it. The tags are those of RocksDB 7.8 to 9.10; a tag with the bit TAG_OPTIONAL
 * brings its length and may be skipped. A table is live if the last note of it says that it was added. A blob file has to be
 * there if a live table refers to it or to an older one, unless all in it is garbage and nothing refers to it. */
#include "daemon/engine/rocksdb/audit_manifest.h"

#include <stdlib.h>

#include "daemon/engine/rocksdb/coding.h"
#include "daemon/runtime/memory.h"

enum tag {
    TAG_COMPARATOR = 1,
    TAG_LOG_NUMBER = 2,
    TAG_NEXT_FILE = 3,
    TAG_SEQUENCE = 4,
    TAG_COMPACT_CURSOR = 5,
    TAG_TABLE_GONE = 6,
    TAG_PREVIOUS_LOG = 9,
    TAG_LOGS_FROM = 10,
    TAG_TABLE = 103,
    TAG_FAMILY = 200,
    TAG_FAMILY_ADDED = 201,
    TAG_FAMILY_DROPPED = 202,
    TAG_FAMILY_MAX = 203,
    TAG_ATOMIC_GROUP = 300,
    TAG_BLOB = 400,
    TAG_BLOB_GARBAGE = 401,
    TAG_OPTIONAL = 1 << 13,
    TAG_BLOB_OLD = TAG_OPTIONAL + 2, /* not with its length, as the next three */
    TAG_BLOB_GARBAGE_OLD = TAG_OPTIONAL + 3,
    TAG_LOG_OLD = TAG_OPTIONAL + 4,
    TAG_LOG_GONE_OLD = TAG_OPTIONAL + 5,
    TAG_LOG = TAG_OPTIONAL + 7,
    TAG_LOG_GONE = TAG_OPTIONAL + 8,
};

/* Of what is said of a table, by tag and bytes, up to FIELD_END. */
enum table_field {
    FIELD_END = 1,
    FIELD_LOGS_FROM = 3, /* the same as TAG_LOGS_FROM, but of a fixed length */
    FIELD_OLDEST_BLOB = 4,
    FIELD_REQUIRED = 1 << 6, /* who does not know a field with this bit must not go on */
};

enum log_field { LOG_FIELD_END = 1, LOG_FIELD_SYNCED = 2 };

enum {
    BLOB_FIELD_END = 0,
    BLOB_FILE_HEAD_BYTES = 30, /* what a blob file has before its values */
    BLOB_FILE_FOOT_BYTES = 32, /* and behind them */
};

static struct audit_file *note(struct audit_files *files, uint64_t number)
{
    assert(files->count <= files->capacity); /* it grows where both are alike */
    if (files->count == files->capacity) {
        files->capacity = files->capacity == 0 ? 64 : 2 * files->capacity;
        files->list = memory_resize(files->list, files->capacity * sizeof files->list[0]);
    }
    struct audit_file *file = &files->list[files->count];
    *file = (struct audit_file){.number = number, .note = files->count};
    files->count++;
    return file;
}

static void raise(uint64_t value, uint64_t *greatest)
{
    *greatest = value > *greatest ? value : *greatest;
}

/* ---- what belongs to a tag ---- */

static bool skip_number(struct slice *from)
{
    uint64_t ignored;
    return coding_take_varint(from, &ignored);
}

static bool skip_bytes(struct slice *from, int count)
{
    assert(count > 0); /* else what belongs to the tag would be taken for the next one */
    struct slice ignored;
    bool is_read = true;
    for (int i = 0; i < count && is_read; i++) {
        is_read = coding_take_bytes(from, &ignored);
    }
    return is_read;
}

static bool take_table_field(uint64_t field, struct slice bytes, struct audit_manifest *manifest,
                             struct audit_file *table)
{
    assert(field != FIELD_END); /* it has no bytes: what follows it is the next tag */
    uint64_t logs_from;
    switch (field) {
    case FIELD_LOGS_FROM:
        if (!coding_take_fixed(&bytes, 8, &logs_from)) {
            return false;
        }
        raise(logs_from, &manifest->logs_from);
        return true;
    case FIELD_OLDEST_BLOB:
        return coding_take_varint(&bytes, &table->oldest);
    default:
        return (field & FIELD_REQUIRED) == 0;
    }
}

static bool take_table(struct slice *from, struct audit_manifest *manifest)
{
    uint64_t number, bytes, smallest, greatest, field;
    struct slice value;
    if (!skip_number(from) || !coding_take_varint(from, &number) || !coding_take_varint(from, &bytes) ||
        !skip_bytes(from, 2) || !coding_take_varint(from, &smallest) ||
        !coding_take_varint(from, &greatest)) {
        return false;
    }
    struct audit_file *table = note(&manifest->tables, number);
    table->bytes = bytes;
    raise(greatest, &manifest->sequence);
    while (coding_take_varint(from, &field)) {
        if (field == FIELD_END) {
            return true;
        }
        assert(table == &manifest->tables.list[manifest->tables.count - 1]); /* no note has moved the list */
        if (!coding_take_bytes(from, &value) || !take_table_field(field, value, manifest, table)) {
            return false;
        }
    }
    return false;
}

static bool take_table_gone(struct slice *from, struct audit_manifest *manifest)
{
    uint64_t number;
    if (!skip_number(from) || !coding_take_varint(from, &number)) {
        return false;
    }
    note(&manifest->tables, number)->has_gone = true;
    return true;
}

static bool take_blob(struct slice *from, struct audit_manifest *manifest)
{
    uint64_t number, count, bytes, field;
    if (!coding_take_varint(from, &number) || !coding_take_varint(from, &count) ||
        !coding_take_varint(from, &bytes) || !skip_bytes(from, 2)) {
        return false;
    }
    struct audit_file *blob = note(&manifest->blobs, number);
    blob->count = count;
    blob->bytes = bytes + BLOB_FILE_HEAD_BYTES + BLOB_FILE_FOOT_BYTES;
    while (coding_take_varint(from, &field)) {
        if (field == BLOB_FIELD_END) {
            return true;
        }
        if ((field & FIELD_REQUIRED) != 0 || !skip_bytes(from, 1)) {
            return false;
        }
    }
    return false;
}

static bool take_blob_garbage(struct slice *from, struct audit_manifest *manifest)
{
    uint64_t number, count, bytes, field;
    if (!coding_take_varint(from, &number) || !coding_take_varint(from, &count) ||
        !coding_take_varint(from, &bytes)) {
        return false;
    }
    note(&manifest->blobs, number)->dead = count;
    while (coding_take_varint(from, &field)) {
        if (field == BLOB_FIELD_END) {
            return true;
        }
        if ((field & FIELD_REQUIRED) != 0 || !skip_bytes(from, 1)) {
            return false;
        }
    }
    return false;
}

static bool take_log(struct slice *from, struct audit_manifest *manifest)
{
    uint64_t number, field;
    if (!coding_take_varint(from, &number)) {
        return false;
    }
    struct audit_file *log = note(&manifest->logs, number);
    while (coding_take_varint(from, &field)) {
        if (field == LOG_FIELD_END) {
            return true;
        }
        assert(log == &manifest->logs.list[manifest->logs.count - 1]); /* no note has moved the list */
        if (field != LOG_FIELD_SYNCED || !coding_take_varint(from, &log->bytes)) {
            return false;
        }
    }
    return false;
}

static bool take_number(struct slice *from, uint64_t *greatest)
{
    uint64_t number;
    if (!coding_take_varint(from, &number)) {
        return false;
    }
    raise(number, greatest);
    return true;
}

/* The two that newer versions put into bytes of their own. */
static bool take_log_bytes(struct slice *from, struct audit_manifest *manifest)
{
    struct slice bytes;
    return coding_take_bytes(from, &bytes) && take_log(&bytes, manifest);
}

static bool take_log_gone_bytes(struct slice *from, struct audit_manifest *manifest)
{
    struct slice bytes;
    return coding_take_bytes(from, &bytes) && take_number(&bytes, &manifest->logs_told_from);
}

static bool take_tag(uint64_t tag, struct slice *from, struct audit_manifest *manifest)
{
    switch (tag) {
    case TAG_LOG_NUMBER:
    case TAG_LOGS_FROM:
        return take_number(from, &manifest->logs_from);
    case TAG_SEQUENCE:
        manifest->has_sequence = true;
        return take_number(from, &manifest->sequence);
    case TAG_TABLE:
        return take_table(from, manifest);
    case TAG_TABLE_GONE:
        return take_table_gone(from, manifest);
    case TAG_BLOB:
    case TAG_BLOB_OLD:
        return take_blob(from, manifest);
    case TAG_BLOB_GARBAGE:
    case TAG_BLOB_GARBAGE_OLD:
        return take_blob_garbage(from, manifest);
    case TAG_LOG:
        return take_log_bytes(from, manifest);
    case TAG_LOG_OLD:
        return take_log(from, manifest);
    case TAG_NEXT_FILE:
        manifest->has_next_file = true;
        return skip_number(from);
    case TAG_PREVIOUS_LOG:
    case TAG_FAMILY_MAX:
    case TAG_ATOMIC_GROUP:
        return skip_number(from);
    case TAG_LOG_GONE:
        return take_log_gone_bytes(from, manifest);
    case TAG_LOG_GONE_OLD:
        return take_number(from, &manifest->logs_told_from);
    case TAG_COMPARATOR:
        return skip_bytes(from, 1);
    case TAG_COMPACT_CURSOR:
        return skip_number(from) && skip_bytes(from, 1);
    default: /* families besides the first one are no store of ours */
        return (tag & TAG_OPTIONAL) != 0 && skip_bytes(from, 1);
    }
}

const char *audit_manifest_take(struct audit_manifest *manifest, struct slice record)
{
    uint64_t tag;
    while (record.bytes > 0) {
        size_t left = record.bytes;
        if (!coding_take_varint(&record, &tag) || !take_tag(tag, &record, manifest)) {
            return "it has a record that cannot be understood";
        }
        assert(record.bytes < left); /* each tag takes bytes, so it comes to the end */
    }
    return NULL;
}

/* ---- the sum ---- */

static int compare_notes(const void *left, const void *right)
{
    const struct audit_file *one = left, *other = right;
    int order = (one->number > other->number) - (one->number < other->number);
    return order != 0 ? order : (one->note > other->note) - (one->note < other->note);
}

/* Makes one note of all those of a file. The later one counts, but for what adds up. */
static void merge_notes(struct audit_files *files)
{
    size_t count = 0;
    if (files->count > 0) {
        qsort(files->list, files->count, sizeof files->list[0], compare_notes);
    }
    for (size_t i = 0; i < files->count; i++) {
        struct audit_file file = files->list[i];
        if (count > 0 && files->list[count - 1].number == file.number) {
            const struct audit_file *before = &files->list[count - 1];
            file.bytes = file.bytes > 0 ? file.bytes : before->bytes;
            file.count += before->count;
            file.dead += before->dead;
            count--;
        }
        assert(count <= i); /* no note is overwritten before it is read */
        assert(count == 0 || files->list[count - 1].number < file.number); /* one a file */
        files->list[count++] = file;
    }
    files->count = count;
}

static bool is_referred_to(const struct audit_files *tables, uint64_t blob)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->list[i].oldest == blob) {
            return true;
        }
    }
    return false;
}

static void drop_tables_gone(struct audit_files *tables, uint64_t *ret_oldest)
{
    size_t count = 0;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < tables->count; i++) {
        struct audit_file table = tables->list[i];
        if (!table.has_gone) {
            oldest = table.oldest != 0 && table.oldest < oldest ? table.oldest : oldest;
            tables->list[count++] = table;
        }
    }
    assert(oldest != 0); /* it means none, and would keep all blob files */
    tables->count = count;
    *ret_oldest = oldest;
}

static void drop_blobs_gone(struct audit_files *blobs, const struct audit_files *tables, uint64_t oldest)
{
    size_t count = 0;
    for (size_t i = 0; i < blobs->count; i++) {
        struct audit_file blob = blobs->list[i];
        bool is_live =
            blob.number >= oldest && (blob.dead < blob.count || is_referred_to(tables, blob.number));
        if (is_live) {
            blobs->list[count++] = blob;
        }
    }
    blobs->count = count;
}

static void drop_logs_gone(struct audit_files *logs, uint64_t told_from)
{
    size_t count = 0;
    for (size_t i = 0; i < logs->count; i++) {
        if (logs->list[i].number >= told_from && logs->list[i].bytes > 0) {
            logs->list[count++] = logs->list[i];
        }
    }
    logs->count = count;
}

void audit_manifest_end(struct audit_manifest *manifest)
{
    uint64_t oldest;
    merge_notes(&manifest->tables);
    merge_notes(&manifest->blobs);
    merge_notes(&manifest->logs);
    drop_tables_gone(&manifest->tables, &oldest);
    drop_blobs_gone(&manifest->blobs, &manifest->tables, oldest);
    raise(manifest->logs_from, &manifest->logs_told_from);
    drop_logs_gone(&manifest->logs, manifest->logs_told_from);
}

void audit_manifest_free(struct audit_manifest *manifest)
{
    free(manifest->tables.list);
    free(manifest->blobs.list);
    free(manifest->logs.list);
    *manifest = (struct audit_manifest){0};
}
