/* Copies of the fake engine's disk: each has what was there, and goes its own way from then on. What goes wrong on one disk is
 * test_fake_engine's. */
#include <check.h>

#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

static struct engine *engine;
static struct failure failure;

static void open_engine(const char *path)
{
    struct engine_config config = {.path = path, .create = true};
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
}

static void reopen_engine(const char *path)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    open_engine(path);
}

static enum engine_outcome put(const char *key)
{
    struct engine_edit edit = {ENGINE_PUT, slice_of(key, 1), slice_of("value", 5)};
    return engine_write(engine, &edit, 1, ENGINE_LOGGED, &failure);
}

static bool has(const char *key)
{
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(engine, NULL, ENGINE_MAY_BLOCK, slice_of(key, 1), &value, &failure);
    ck_assert(result == ENGINE_OK || result == ENGINE_NOT_FOUND);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

/* What was in doubt is there on both or on neither. */
START_TEST(a_copy_has_what_its_disk_has_and_goes_its_own_way)
{
    struct fake_disk *disk = fake_disk_new("disk", (uint64_t)_i);
    open_engine("disk");
    ck_assert_int_eq(put("a"), ENGINE_DONE);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
    ck_assert_int_eq(put("b"), ENGINE_UNKNOWN);
    engine_begin_run(engine, 7);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    struct fake_disk *copy = fake_disk_copy(disk, "copy", 1);

    open_engine("disk");
    bool is_there = has("b");
    ck_assert_int_eq(put("c"), ENGINE_DONE);
    reopen_engine("copy");
    ck_assert(has("a") && has("b") == is_there && !has("c"));
    ck_assert_uint_eq(engine_found(engine)->last_run, 7);
    ck_assert_int_eq(put("d"), ENGINE_DONE);
    reopen_engine("disk");
    ck_assert(has("a") && has("c") && !has("d"));
    reopen_engine("copy");
    ck_assert(has("d") && !has("c"));
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(copy);
    fake_disk_free(disk);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("fake_disk", 60, &tests);
    tcase_add_loop_test(tests, a_copy_has_what_its_disk_has_and_goes_its_own_way, 0, 8);
    return suite_run(suite, true);
}
