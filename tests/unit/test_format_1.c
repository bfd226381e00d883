/* What a store of format 1 has in its database, read for the file of numbers, and then deleted. */
#include <stdlib.h>
#include <string.h>

#include "daemon/order/format_1.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"
#include "daemon/schema/record.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

static struct fake_disk *disk;
static struct engine *engine;
static struct failure failure;
static struct numbers numbers;

static void setup(void)
{
    thread_set_role(THREAD_WRITER);
    struct engine_config config = {.path = "disk", .create = true, .cache_bytes_max = 1 << 20};
    disk = fake_disk_new("disk", 1);
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
}

static void teardown(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

static void put(const struct key *key, const uint8_t *bytes, size_t n)
{
    struct engine_edit edit = {ENGINE_PUT, key_slice(key), slice_of(bytes, n)};
    ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
}

static void put_reserved(uint64_t through)
{
    uint8_t bytes[8];
    struct key key = key_of_kind(0, KEY_SEQUENCE);
    record_put_u64(through, bytes);
    put(&key, bytes, sizeof bytes);
}

static void put_run(uint64_t run, uint64_t first_sequence, uint64_t metadata_on_disk)
{
    uint8_t bytes[RECORD_RUN_BYTES];
    struct key key = key_of_height(0, KEY_RUN, run);
    record_write_run(&(struct run_record){first_sequence, metadata_on_disk}, bytes);
    put(&key, bytes, sizeof bytes);
}

START_TEST(a_store_that_was_never_served_has_none)
{
    ck_assert_int_eq(format_1_read(engine, &numbers, &failure), STATUS_OK);
    ck_assert_uint_eq(numbers.run, 0);
    ck_assert_uint_eq(numbers.reserved_through, 0);
    ck_assert_int_eq(numbers.file.fd, -1);
    ck_assert_int_eq(format_1_forget(engine, &failure), STATUS_OK);
}
END_TEST

START_TEST(the_last_runs_and_the_reserved_numbers_are_read)
{
    enum { RUNS = 4096 };
    for (uint64_t run = 1000; run < 1000 + RUNS; run++) {
        put_run(run, run << 32, run);
    }
    put_reserved((1000 + RUNS) * (UINT64_C(1) << 32));
    ck_assert_int_eq(format_1_read(engine, &numbers, &failure), STATUS_OK);
    ck_assert_uint_eq(numbers.run, 1000 + RUNS - 1);
    ck_assert_uint_eq(numbers.reserved_through, (1000 + RUNS) * (UINT64_C(1) << 32));
    for (uint64_t run = 1000 + RUNS - NUMBERS_RUNS; run < 1000 + RUNS; run++) {
        ck_assert_uint_eq(numbers_run(&numbers, run)->first_sequence, run << 32);
        ck_assert_uint_eq(numbers_run(&numbers, run)->metadata_on_disk, run);
        ck_assert_uint_eq(numbers_run(&numbers, run)->random, 0);
    }
    ck_assert_ptr_null(numbers_run(&numbers, 1000 + RUNS - NUMBERS_RUNS - 1));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(format_1_forget(engine, &failure), STATUS_OK);
        ck_assert_int_eq(format_1_read(engine, &numbers, &failure), STATUS_OK);
        ck_assert_uint_eq(numbers.run, 0);
        ck_assert_uint_eq(numbers.reserved_through, 0);
    }
}
END_TEST

START_TEST(what_cannot_be_understood_is_named)
{
    static const char *const texts[] = {"the reserved numbers", "the reserved numbers", "the list of runs",
                                        "the list of runs", "the list of runs"};
    struct key sequence = key_of_kind(0, KEY_SEQUENCE), run = key_of_height(0, KEY_RUN, 1);
    numbers.run = 77;
    if (_i == 0) {
        put(&sequence, (const uint8_t *)"bad", 3);
    } else if (_i == 1) {
        put_reserved(NUMBERS_MAX + 1);
    } else if (_i == 2) {
        put(&run, (const uint8_t *)"bad", 3);
    } else {
        put_run(_i == 3 ? 0 : NUMBERS_MAX + 1, 1, 1);
    }
    ck_assert_int_eq(format_1_read(engine, &numbers, &failure), STATUS_DAMAGED);
    ck_assert_msg(strstr(failure.text, texts[_i]) != NULL, "%s", failure.text);
    ck_assert_uint_eq(numbers.run, 77);
}
END_TEST

START_TEST(a_read_or_write_that_fails_is_told)
{
    put_reserved(5);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    ck_assert_int_eq(format_1_read(engine, &numbers, &failure), STATUS_IO_ERROR);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    ck_assert_int_eq(format_1_forget(engine, &failure), STATUS_IO_ERROR);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    ck_assert_int_eq(format_1_forget(engine, &failure), STATUS_IO_ERROR);
    ck_assert_int_eq(format_1_forget(engine, &failure), STATUS_OK);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("format_1", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_store_that_was_never_served_has_none);
    tcase_add_test(tests, the_last_runs_and_the_reserved_numbers_are_read);
    tcase_add_loop_test(tests, what_cannot_be_understood_is_named, 0, 5);
    tcase_add_test(tests, a_read_or_write_that_fails_is_told);
    return suite_run(suite, true);
}
