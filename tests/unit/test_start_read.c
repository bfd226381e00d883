/* Reading chain 0 at a start: each kind whole and alone, and whatever fails is told. */
#include <stdlib.h>
#include <string.h>

#include "daemon/order/start_read.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/record.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

enum { KEYS = 5 };

static struct fake_disk *disk;
static struct engine *engine;
static struct failure failure;

static void setup(void)
{
    thread_set_role(THREAD_WRITER);
    struct engine_config config = {.path = "disk", .create = true, .cache_bytes_max = 1 << 20};
    disk = fake_disk_new("disk", 1);
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
    for (uint64_t i = 1; i <= KEYS; i++) {
        struct key keys[] = {key_of_height(0, KEY_RUN, i), key_of_height(1, KEY_RUN, i),
                             key_of_height(0, KEY_DATA, i)};
        for (size_t k = 0; k < 3; k++) {
            struct engine_edit edit = {ENGINE_PUT, key_slice(&keys[k]), slice_of("value", 5)};
            ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
        }
    }
}

static void teardown(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

/* The keys come in order; the last one that is asked for is refused. */
static enum status count(void *context, struct slice key, struct slice value, struct failure *ret_failure)
{
    uint64_t height, *seen = context;
    ck_assert(key_read_height(key, &height));
    ck_assert_uint_eq(height, ++*seen);
    ck_assert_uint_eq(value.bytes, 5);
    return *seen < KEYS ? STATUS_OK : start_damaged(ret_failure, "the last one");
}

START_TEST(each_key_of_the_kind_comes_until_one_is_refused)
{
    uint64_t seen = 0;
    ck_assert_int_eq(start_read_each(engine, KEY_RUN, count, &seen, &failure), STATUS_DAMAGED);
    ck_assert_uint_eq(seen, KEYS);
    ck_assert_ptr_nonnull(strstr(failure.text, "the last one"));
    ck_assert_int_eq(start_read_each(engine, KEY_CHAIN_NAME, count, &seen, &failure), STATUS_OK);
    seen = 0;
    fake_disk_fault(disk, FAKE_NEXT, FAKE_FAILS, 3);
    ck_assert_int_eq(start_read_each(engine, KEY_RUN, count, &seen, &failure), STATUS_IO_ERROR);
    ck_assert_uint_eq(seen, 2);
}
END_TEST

START_TEST(a_number_is_read_and_an_absent_one_is_0)
{
    struct key key = key_of_kind(0, KEY_METADATA_ON_DISK), other = key_of_height(0, KEY_RUN, 1);
    uint8_t bytes[8];
    uint64_t number = 9;
    ck_assert_int_eq(start_read_number(engine, &key, "it", &number, &failure), STATUS_OK);
    ck_assert_uint_eq(number, 0);
    record_put_u64(12345, bytes);
    struct engine_edit edit = {ENGINE_PUT, key_slice(&key), slice_of(bytes, sizeof bytes)};
    ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
    ck_assert_int_eq(start_read_number(engine, &key, "it", &number, &failure), STATUS_OK);
    ck_assert_uint_eq(number, 12345);
    ck_assert_int_eq(start_read_number(engine, &other, "that thing", &number, &failure), STATUS_DAMAGED);
    ck_assert_ptr_nonnull(strstr(failure.text, "that thing"));
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    ck_assert_int_eq(start_read_number(engine, &key, "it", &number, &failure), STATUS_IO_ERROR);
    ck_assert_uint_eq(number, 12345);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("start_read", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, each_key_of_the_kind_comes_until_one_is_refused);
    tcase_add_test(tests, a_number_is_read_and_an_absent_one_is_0);
    return suite_run(suite, true);
}
