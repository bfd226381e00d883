/* Records: what is written reads back equal; bytes cut short, too long or lying are refused and leave the output. */
#include <check.h>
#include <stdlib.h>

#include "daemon/schema/record.h"
#include "proto/limits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { HEADER_HEAD_BYTES = 17, ROUNDS = 5000, PART_BYTES_MAX = 300 };

/* A copy of exact size, so that a byte read behind it is found. */
static uint8_t *copy_of(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length + (length == 0));
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}

START_TEST(numbers_are_big_endian_and_come_back)
{
    const uint8_t expected[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t bytes[8];
    record_put_u64(0x0102030405060708, bytes);
    ck_assert_mem_eq(bytes, expected, 8);
    struct random_source random = random_from(random_seed("numbers"));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t value = random_next(&random) >> random_below(&random, 64);
        record_put_u64(value, bytes);
        ck_assert_uint_eq(record_get_u64(bytes), value);
    }
    record_put_u64(UINT64_MAX, bytes);
    ck_assert_uint_eq(record_get_u64(bytes), UINT64_MAX);
}
END_TEST

START_TEST(marks_come_back)
{
    struct chain_marks marks = {UINT64_MAX, 2, UINT64_C(1) << 63, 4, 5}, back;
    uint8_t bytes[RECORD_MARKS_BYTES];
    record_write_marks(&marks, bytes);
    ck_assert(record_read_marks(slice_of(bytes, sizeof bytes), &back));
    ck_assert_mem_eq(&back, &marks, sizeof marks);
}
END_TEST

START_TEST(a_run_comes_back)
{
    struct run_record run = {UINT64_MAX - 1, 7}, back;
    uint8_t bytes[RECORD_RUN_BYTES];
    record_write_run(&run, bytes);
    ck_assert(record_read_run(slice_of(bytes, sizeof bytes), &back));
    ck_assert_mem_eq(&back, &run, sizeof run);
}
END_TEST

START_TEST(marks_and_runs_of_another_length_are_refused)
{
    const uint8_t bytes[RECORD_MARKS_BYTES + 8] = {1, 2, 3};
    for (size_t length = 0; length <= sizeof bytes; length++) {
        uint8_t *exact = copy_of(bytes, length);
        struct chain_marks marks = {99, 99, 99, 99, 99};
        struct run_record run = {99, 99};
        ck_assert_int_eq(record_read_marks(slice_of(exact, length), &marks), length == RECORD_MARKS_BYTES);
        ck_assert_int_eq(record_read_run(slice_of(exact, length), &run), length == RECORD_RUN_BYTES);
        ck_assert(length == RECORD_MARKS_BYTES || (marks.height == 99 && marks.cut_sequence == 99));
        ck_assert(length == RECORD_RUN_BYTES || (run.first_sequence == 99 && run.metadata_on_disk == 99));
        free(exact);
    }
}
END_TEST

START_TEST(metadata_comes_back_and_is_refused_without_its_head)
{
    uint8_t bytes[RECORD_METADATA_HEAD_BYTES + 20];
    record_put_u64(12345, bytes);
    memset(bytes + RECORD_METADATA_HEAD_BYTES, 'v', 20);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        uint8_t *exact = copy_of(bytes, length);
        uint64_t of_height = 99;
        struct slice value = slice_of("?", 1);
        bool read = record_read_metadata(slice_of(exact, length), &of_height, &value);
        ck_assert_int_eq(read, length >= RECORD_METADATA_HEAD_BYTES);
        ck_assert_uint_eq(of_height, read ? 12345 : 99);
        ck_assert_uint_eq(value.bytes, read ? length - RECORD_METADATA_HEAD_BYTES : 1);
        for (size_t i = 0; read && i < value.bytes; i++) {
            ck_assert_uint_eq(value.data[i], 'v');
        }
        free(exact);
    }
}
END_TEST

START_TEST(claims_and_epochs_come_back_and_nothing_else_is_read_as_one)
{
    struct claim_record claim = {{7, 8}, 9, 1001, 4242, slice_of("a writer's name", 15)};
    struct epoch_record epoch = {11, 12};
    uint8_t bytes[RECORD_CLAIM_HEAD_BYTES + WRITER_NAME_BYTES_MAX + 2] = {0};
    record_write_claim(&claim, bytes);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        uint8_t *exact = copy_of(bytes, length);
        struct claim_record back = {.uid = 99};
        bool fits =
            length > RECORD_CLAIM_HEAD_BYTES && length <= RECORD_CLAIM_HEAD_BYTES + WRITER_NAME_BYTES_MAX;
        ck_assert_int_eq(record_read_claim(slice_of(exact, length), &back), fits);
        ck_assert_uint_eq(back.uid, fits ? 1001 : 99);
        ck_assert(!fits || (epoch_equal(back.epoch, claim.epoch) && back.released == 9 && back.pid == 4242));
        ck_assert(length != record_claim_bytes(&claim) || slice_equal(back.name, claim.name));
        free(exact);
    }
    /* No sequence number, no random bits, released before it was claimed, a uid and a pid that fit no field. */
    static const struct {
        size_t at;
        uint64_t number;
    } wrong[] = {{0, 0}, {8, 0}, {16, 7}, {24, UINT64_C(1) << 32}, {32, UINT64_C(1) << 32}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct claim_record back;
        uint8_t *lie = copy_of(bytes, sizeof bytes);
        record_put_u64(wrong[i].number, lie + wrong[i].at);
        ck_assert(!record_read_claim(slice_of(lie, record_claim_bytes(&claim)), &back));
        free(lie);
    }
    record_write_epoch(&epoch, bytes);
    for (size_t length = 0; length <= RECORD_EPOCH_BYTES + 8; length++) {
        uint8_t *exact = copy_of(bytes, length);
        struct epoch_record back = {0};
        ck_assert_int_eq(record_read_epoch(slice_of(exact, length), &back), length == RECORD_EPOCH_BYTES);
        ck_assert_uint_eq(back.last_number, length == RECORD_EPOCH_BYTES ? 12 : 0);
        free(exact);
    }
    record_put_u64(0, bytes);
    ck_assert(!record_read_epoch(slice_of(bytes, RECORD_EPOCH_BYTES), &epoch));
}
END_TEST

static struct slice some_part(struct random_source *random, uint8_t *bytes, size_t least, size_t most)
{
    size_t length = least + random_below(random, most - least + 1);
    random_fill(random, bytes, length);
    return slice_of(bytes, length);
}

static bool equal(const struct header_record *left, const struct header_record *right)
{
    return left->data_bytes == right->data_bytes && slice_equal(left->hash, right->hash) &&
           slice_equal(left->header, right->header) && slice_equal(left->signature, right->signature);
}

START_TEST(headers_come_back)
{
    uint8_t hash[HASH_BYTES_MAX], header[PART_BYTES_MAX], signature[PART_BYTES_MAX];
    struct random_source random = random_from(random_seed("headers"));
    for (int i = 0; i < ROUNDS; i++) {
        bool bare = random_chance(&random, 20);
        struct header_record record = {
            .data_bytes = random_next(&random) >> random_below(&random, 64),
            .hash = some_part(&random, hash, 1, HASH_BYTES_MAX),
            .header = some_part(&random, header, 0, bare ? 0 : PART_BYTES_MAX),
            .signature = some_part(&random, signature, 0, bare ? 0 : PART_BYTES_MAX),
        };
        size_t length = record_header_bytes(&record);
        uint8_t *bytes = malloc(length);
        record_write_header(&record, bytes);
        struct header_record back;
        ck_assert(record_read_header(slice_of(bytes, length), &back));
        ck_assert(equal(&back, &record));
        ck_assert_ptr_eq(back.signature.data + back.signature.bytes, bytes + length);
        free(bytes);
    }
}
END_TEST

/* Cutting into hash or header is found out; what is cut from the end alone is a shorter signature, as the layout has it. */
START_TEST(a_header_cut_short_is_refused)
{
    struct header_record record = {1000, slice_of("0123456789", 10), slice_of("header", 6),
                                   slice_of("sign", 4)};
    uint8_t bytes[HEADER_HEAD_BYTES + 20];
    ck_assert_uint_eq(record_header_bytes(&record), sizeof bytes);
    record_write_header(&record, bytes);
    for (size_t length = 0; length < sizeof bytes; length++) {
        uint8_t *exact = copy_of(bytes, length);
        struct header_record back = {.data_bytes = 99};
        bool whole = length >= sizeof bytes - record.signature.bytes;
        ck_assert_int_eq(record_read_header(slice_of(exact, length), &back), whole);
        ck_assert(whole || back.data_bytes == 99);
        ck_assert(!whole || back.signature.bytes == length - (HEADER_HEAD_BYTES + 16));
        free(exact);
    }
}
END_TEST

START_TEST(a_header_whose_lengths_lie_is_refused)
{
    struct header_record record = {5, slice_of("hash", 4), slice_of("header", 6), slice_of("s", 1)};
    uint8_t bytes[HEADER_HEAD_BYTES + 11];
    record_write_header(&record, bytes);
    for (unsigned hash_bytes = 0; hash_bytes < 256; hash_bytes++) {
        uint8_t *exact = copy_of(bytes, sizeof bytes);
        struct header_record back;
        exact[16] = (uint8_t)hash_bytes;
        bool legal = hash_bytes >= 1 && hash_bytes <= 5; /* 11 bytes follow, 6 of them the header */
        ck_assert_int_eq(record_read_header(slice_of(exact, sizeof bytes), &back), legal);
        free(exact);
    }
    const uint64_t lies[] = {
        8, 11, 12, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX - 16, UINT64_MAX - 4, UINT64_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t *exact = copy_of(bytes, sizeof bytes);
        struct header_record back;
        record_put_u64(lies[i], exact + 8);
        ck_assert(!record_read_header(slice_of(exact, sizeof bytes), &back));
        free(exact);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("record", 60, &tests);
    tcase_add_test(tests, numbers_are_big_endian_and_come_back);
    tcase_add_test(tests, marks_come_back);
    tcase_add_test(tests, a_run_comes_back);
    tcase_add_test(tests, marks_and_runs_of_another_length_are_refused);
    tcase_add_test(tests, metadata_comes_back_and_is_refused_without_its_head);
    tcase_add_test(tests, claims_and_epochs_come_back_and_nothing_else_is_read_as_one);
    tcase_add_test(tests, headers_come_back);
    tcase_add_test(tests, a_header_cut_short_is_refused);
    tcase_add_test(tests, a_header_whose_lengths_lie_is_refused);
    return suite_run(suite, false);
}
