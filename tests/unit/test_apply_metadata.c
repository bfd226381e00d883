/* What jobs and metadata groups do to names and to the hash index, read as of the write set. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "daemon/writer/apply_internal.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

enum { CHAIN = 1 };

static const char path[] = "apply-metadata";

static struct fake_disk *disk;
static struct engine *engine;
static struct apply *apply;
static struct failure failure;

static void open_all(void)
{
    struct engine_config config = {.path = path, .create = true, .cache_bytes_max = 1 << 20};
    thread_set_role(THREAD_WRITER);
    disk = fake_disk_new(path, 1);
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
    apply = apply_new(engine, 4);
}

static void close_all(void)
{
    apply_free(apply);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

static struct slice name(void)
{
    return slice_of("name", 4);
}

/* Writes the write set. */
static void write_out(void)
{
    size_t count;
    struct engine_edit *edits = apply_list(apply, &count);
    ck_assert_int_eq(engine_write(engine, edits, count, ENGINE_LOGGED, &failure), ENGINE_DONE);
    apply_written(apply);
}

static void change(struct metadata_change change)
{
    ck_assert_int_eq(apply_metadata_change(apply, CHAIN, name(), change, 0, &failure), STATUS_OK);
}

static void set(const char *value, uint64_t of_height)
{
    change((struct metadata_change){METADATA_SET, of_height, slice_of(value, strlen(value)), 0});
}

static void raise_to(uint64_t number)
{
    change((struct metadata_change){.raise = number});
}

/* NULL expected: the name is absent. */
static void check_value(const char *expected, uint64_t blocks_pruned)
{
    struct metadata_value metadata;
    struct engine_value value;
    ck_assert_int_eq(apply_metadata_read(apply, CHAIN, name(), blocks_pruned, &metadata, &value, &failure),
                     STATUS_OK);
    ck_assert_int_eq(metadata.present, expected != NULL);
    ck_assert(expected == NULL || slice_equal(metadata.value, slice_of(expected, strlen(expected))));
    engine_value_release(&value);
}

static uint64_t read_number(void)
{
    struct metadata_value metadata;
    struct engine_value value;
    ck_assert_int_eq(apply_metadata_read(apply, CHAIN, name(), 0, &metadata, &value, &failure), STATUS_OK);
    uint64_t number = metadata_number(metadata);
    engine_value_release(&value);
    return number;
}

START_TEST(a_change_reads_so_before_and_after_it_is_written)
{
    check_value(NULL, 0);
    set("first", 0);
    check_value("first", 0);
    write_out();
    check_value("first", 0);
    set("", 0);
    check_value("", 0); /* empty is a value */
    change((struct metadata_change){.kind = METADATA_DELETE});
    check_value(NULL, 0);
    write_out();
    check_value(NULL, 0);
}
END_TEST

START_TEST(what_is_bound_to_a_pruned_height_reads_as_absent)
{
    set("bound", 5);
    check_value("bound", 4);
    check_value(NULL, 5);
    write_out();
    check_value("bound", 4);
    check_value(NULL, 5);
}
END_TEST

START_TEST(a_raise_counts_the_set_and_the_store_and_never_goes_back)
{
    raise_to(7);
    ck_assert_uint_eq(read_number(), 7);
    write_out();
    raise_to(5);
    size_t count;
    (void)apply_list(apply, &count);
    ck_assert_uint_eq(count, 0); /* a raise that changes nothing writes nothing */
    raise_to(0);
    raise_to(9);
    raise_to(8);
    ck_assert_uint_eq(read_number(), 9);
    write_out();
    ck_assert_uint_eq(read_number(), 9);
}
END_TEST

START_TEST(what_cannot_be_read_or_understood_is_damaged_and_adds_nothing)
{
    struct key key = key_of_name(CHAIN, KEY_METADATA, name());
    struct metadata_change raise = {.raise = 3};
    set("there", 0);
    write_out();
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    ck_assert_int_eq(apply_metadata_change(apply, CHAIN, name(), raise, 0, &failure), STATUS_DAMAGED);
    ck_assert(!write_set_has(apply->set, &key));
    struct engine_edit edit = {ENGINE_PUT, key_slice(&key), slice_of("bad", 3)};
    ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_LOGGED, &failure), ENGINE_DONE);
    ck_assert_int_eq(apply_metadata_change(apply, CHAIN, name(), raise, 0, &failure), STATUS_DAMAGED);
    ck_assert_ptr_nonnull(strstr(failure.text, "metadata record"));
    ck_assert(!write_set_has(apply->set, &key));
    set("anew", 0); /* does not read, so it heals the record */
    check_value("anew", 0);
}
END_TEST

START_TEST(a_jobs_own_operations_take_effect_one_after_the_other)
{
    struct metadata_operation operations[] = {
        {.kind = METADATA_SET, .name = name(), .value = slice_of("set", 3)},
        {.kind = METADATA_DELETE, .name = name()},
        {.kind = METADATA_RAISE, .name = name(), .raise = 4},
        {.kind = METADATA_RAISE, .name = name(), .raise = 2},
    };
    struct job job = {.kind = JOB_COMMIT, .chain = CHAIN, .metadata = operations, .metadata_count = 4};
    ck_assert_int_eq(apply_metadata_own(apply, &job, &failure), STATUS_OK);
    ck_assert_uint_eq(read_number(), 4);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    operations[0] =
        (struct metadata_operation){.kind = METADATA_RAISE, .name = slice_of("other", 5), .raise = 1};
    ck_assert_int_eq(apply_metadata_own(apply, &job, &failure), STATUS_DAMAGED);
}
END_TEST

START_TEST(the_hash_index_loses_an_entry_only_if_it_leads_to_that_height)
{
    struct slice hash = slice_of("hash", 4);
    struct key key = key_of_name(CHAIN, KEY_HASH, hash);
    struct engine_value value;
    record_put_u64(5, write_set_put_new(apply->set, &key, 8));
    write_out();
    ck_assert_int_eq(apply_drop_hash(apply, CHAIN, hash, 4, &failure), STATUS_OK);
    ck_assert(!write_set_has(apply->set, &key));
    ck_assert_int_eq(apply_drop_hash(apply, CHAIN, slice_of("none", 4), 5, &failure), STATUS_OK);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    ck_assert_int_eq(apply_drop_hash(apply, CHAIN, hash, 5, &failure), STATUS_DAMAGED);
    ck_assert(!write_set_has(apply->set, &key));
    ck_assert_int_eq(apply_drop_hash(apply, CHAIN, hash, 5, &failure), STATUS_OK);
    ck_assert_int_eq(write_set_get(apply->set, &key, &value, &failure), STATUS_NOT_FOUND);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("apply_metadata", 20, &tests);
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, a_change_reads_so_before_and_after_it_is_written);
    tcase_add_test(tests, what_is_bound_to_a_pruned_height_reads_as_absent);
    tcase_add_test(tests, a_raise_counts_the_set_and_the_store_and_never_goes_back);
    tcase_add_test(tests, what_cannot_be_read_or_understood_is_damaged_and_adds_nothing);
    tcase_add_test(tests, a_jobs_own_operations_take_effect_one_after_the_other);
    tcase_add_test(tests, the_hash_index_loses_an_entry_only_if_it_leads_to_that_height);
    return suite_run(suite, true);
}
