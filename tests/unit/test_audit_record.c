/* Reading files in RocksDB's log format: what is whole is handed out as it was written, however it is damaged behind that. */
#include <check.h>

#include "daemon/engine/rocksdb/audit_record.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/wal_builder.h"

enum { RECORDS = 40, KEPT_BYTES = 16 };

static struct wal_builder file;
static uint64_t ends[RECORDS + 1]; /* of each record; the first is the file's beginning */
static size_t lengths[RECORDS];

/* What a reader handed out. */
static struct {
    size_t taken;
    size_t taken_max; /* so many records are taken, and no more */
    size_t found;
    uint64_t found_last; /* where the last one of these begins */
} seen;

static bool take(void *context, const struct audit_record *record)
{
    ck_assert_ptr_eq(context, &seen);
    if (seen.taken == seen.taken_max) {
        return false;
    }
    size_t length = lengths[seen.taken];
    ck_assert_uint_eq(record->to, ends[seen.taken + 1]);
    ck_assert_uint_ge(record->from, ends[seen.taken]);
    ck_assert_uint_eq(record->bytes.bytes, length < KEPT_BYTES ? length : KEPT_BYTES);
    for (size_t i = 0; i < record->bytes.bytes; i++) {
        ck_assert_uint_eq(record->bytes.data[i], (uint8_t)(seen.taken + i));
    }
    seen.taken++;
    return true;
}

static void find(void *context, const struct audit_record *record)
{
    (void)context;
    seen.found++;
    seen.found_last = record->from;
}

static struct audit_reader read_file(const uint8_t *bytes, size_t n, size_t taken_max)
{
    const struct audit_receiver receiver = {take, find, &seen, KEPT_BYTES};
    struct audit_reader reader;
    seen.taken = seen.found = 0;
    seen.taken_max = taken_max;
    audit_reader_init(&reader, &receiver);
    for (size_t at = 0; at < n; at += AUDIT_BLOCK_BYTES) {
        audit_reader_take(&reader,
                          slice_of(bytes + at, n - at < AUDIT_BLOCK_BYTES ? n - at : AUDIT_BLOCK_BYTES));
    }
    audit_reader_end(&reader);
    return reader;
}

/* Records of all lengths, a few of several blocks. */
static void setup(void)
{
    struct random_source random = random_from(random_seed("records"));
    for (size_t i = 0; i < RECORDS; i++) {
        static uint8_t bytes[3 * AUDIT_BLOCK_BYTES];
        lengths[i] = random_below(&random, random_chance(&random, 20) ? sizeof bytes : 5000);
        for (size_t at = 0; at < lengths[i]; at++) {
            bytes[at] = (uint8_t)(i + at);
        }
        wal_builder_add(&file, bytes, lengths[i]);
        ends[i + 1] = file.count;
    }
}

static void teardown(void)
{
    wal_builder_clear(&file);
}

/* How many records end at or before that byte. */
static size_t records_to(uint64_t to)
{
    size_t count = 0;
    while (count < RECORDS && ends[count + 1] <= to) {
        count++;
    }
    return count;
}

START_TEST(a_whole_file_is_handed_out)
{
    struct audit_reader reader = read_file(file.bytes, file.count, RECORDS);
    ck_assert(!reader.has_ended && reader.reason == NULL);
    ck_assert_uint_eq(reader.whole_to, file.count);
    ck_assert_uint_eq(seen.taken, RECORDS);
    ck_assert_uint_eq(seen.found, 0);
}
END_TEST

START_TEST(a_file_that_is_cut_off_is_whole_up_to_there)
{
    struct random_source random = random_from(random_seed("cuts"));
    for (int i = 0; i < 400; i++) {
        size_t to = i < RECORDS ? ends[i + 1] : random_below(&random, file.count + 1);
        size_t count = records_to(to);
        struct audit_reader reader = read_file(file.bytes, to, RECORDS);
        ck_assert_uint_eq(seen.taken, count);
        ck_assert_uint_eq(reader.whole_to, ends[count]);
        ck_assert(!reader.has_ended || reader.reason != NULL);
        ck_assert(reader.has_ended || to - ends[count] < 7); /* the padding of a block is no tail */
        ck_assert_uint_le(seen.found, 1);
    }
}
END_TEST

START_TEST(a_damaged_byte_ends_it_and_the_records_behind_are_found)
{
    struct random_source random = random_from(random_seed("damage"));
    for (int i = 0; i < 400; i++) {
        size_t at = random_below(&random, file.count);
        size_t count = records_to(at);
        uint8_t flip = (uint8_t)(1 + random_below(&random, 255));
        file.bytes[at] ^= flip;
        struct audit_reader reader = read_file(file.bytes, file.count, RECORDS);
        if (reader.has_ended) { /* else it lies in the padding of a block */
            ck_assert_uint_eq(seen.taken, count);
            ck_assert_uint_eq(reader.whole_to, ends[count]);
            ck_assert_uint_le(reader.ended_at, at);
            ck_assert_uint_ge(seen.found, RECORDS - count - 1);
            if (count + 1 < RECORDS) {
                ck_assert_uint_ge(seen.found_last, ends[RECORDS - 1]);
            }
        }
        file.bytes[at] ^= flip;
    }
}
END_TEST

START_TEST(zeros_are_no_records)
{
    size_t from = ends[RECORDS / 2];
    memset(file.bytes + from, 0, 4096 < file.count - from ? 4096 : file.count - from);
    struct audit_reader reader = read_file(file.bytes, file.count, RECORDS);
    ck_assert(reader.has_ended);
    ck_assert_uint_eq(reader.whole_to, from);
    ck_assert_uint_eq(seen.taken, RECORDS / 2);
}
END_TEST

START_TEST(a_refused_record_ends_it_and_is_found)
{
    struct audit_reader reader = read_file(file.bytes, file.count, 3);
    ck_assert(reader.has_ended);
    ck_assert_uint_eq(seen.taken, 3);
    ck_assert_uint_eq(reader.whole_to, ends[3]);
    ck_assert_uint_eq(seen.found, RECORDS - 3);
}
END_TEST

START_TEST(pieces_that_do_not_belong_together_end_it)
{
    struct wal_builder other = {0};
    static uint8_t bytes[2 * AUDIT_BLOCK_BYTES];
    lengths[0] = 0;
    ends[1] = 7;
    wal_builder_add(&other, bytes, 0);
    wal_builder_add(&other, bytes, sizeof bytes); /* a first, a middle and a last piece */
    struct audit_reader whole = read_file(other.bytes, AUDIT_BLOCK_BYTES, 1);
    ck_assert(whole.has_ended && seen.found == 1); /* a first piece alone */
    memmove(other.bytes + AUDIT_BLOCK_BYTES, other.bytes + 2 * AUDIT_BLOCK_BYTES,
            other.count - 2 * AUDIT_BLOCK_BYTES);
    memmove(other.bytes + 7, other.bytes + AUDIT_BLOCK_BYTES, 100);
    struct audit_reader lonely = read_file(other.bytes, other.count - AUDIT_BLOCK_BYTES, 1);
    ck_assert(lonely.has_ended);
    ck_assert_uint_eq(lonely.whole_to, 7);
    wal_builder_clear(&other);
    wal_builder_add(&other, bytes, 0);
    wal_builder_add(&other, bytes, sizeof bytes);
    memcpy(other.bytes + AUDIT_BLOCK_BYTES, other.bytes,
           AUDIT_BLOCK_BYTES); /* a record begins inside another */
    struct audit_reader twice = read_file(other.bytes, other.count, 1);
    ck_assert(twice.has_ended);
    ck_assert_uint_eq(twice.whole_to, 7);
    ck_assert_uint_eq(seen.found, 3); /* the first one, the second one, and the empty one between them */
    wal_builder_clear(&other);
}
END_TEST

/* Less than a header before the end of a block is left empty. */
START_TEST(padding_is_no_record)
{
    enum { LEFT_BYTES = 6 };
    static uint8_t bytes[AUDIT_BLOCK_BYTES - 7 - LEFT_BYTES];
    struct wal_builder other = {0};
    for (size_t i = 0; i < 2; i++) {
        lengths[i] = i == 0 ? sizeof bytes : 3;
        for (size_t at = 0; at < lengths[i]; at++) {
            bytes[at] = (uint8_t)(i + at);
        }
        wal_builder_add(&other, bytes, lengths[i]);
        ends[i + 1] = other.count;
    }
    ck_assert_uint_eq(other.count, AUDIT_BLOCK_BYTES + 7 + 3);
    struct audit_reader reader = read_file(other.bytes, other.count, 2);
    ck_assert(!reader.has_ended);
    ck_assert_uint_eq(seen.taken, 2);
    wal_builder_clear(&other);
}
END_TEST

START_TEST(a_piece_without_a_type_is_none)
{
    struct wal_builder other = {0};
    lengths[0] = 3;
    ends[1] = 10;
    wal_builder_add(&other, "\0\1\2", 3);
    wal_builder_add(&other, "\1\2\3", 3);
    other.bytes[10 + 6] = 0; /* its length is still there */
    struct audit_reader reader = read_file(other.bytes, other.count, 2);
    ck_assert(reader.has_ended);
    ck_assert_str_eq(reader.reason, "a record has an unknown type");
    ck_assert_uint_eq(reader.whole_to, 10);
    wal_builder_clear(&other);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit_record", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_whole_file_is_handed_out);
    tcase_add_test(tests, a_file_that_is_cut_off_is_whole_up_to_there);
    tcase_add_test(tests, a_damaged_byte_ends_it_and_the_records_behind_are_found);
    tcase_add_test(tests, zeros_are_no_records);
    tcase_add_test(tests, a_refused_record_ends_it_and_is_found);
    tcase_add_test(tests, pieces_that_do_not_belong_together_end_it);
    tcase_add_test(tests, padding_is_no_record);
    tcase_add_test(tests, a_piece_without_a_type_is_none);
    return suite_run(suite, true);
}
