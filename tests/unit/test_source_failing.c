/* The source of a stream where the machine has no memory for its copies of names: it says so, holds nothing behind its end, and the next one
 * has all. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/read/source.h"
#include "daemon/runtime/thread.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

/* Names are longer than whatever else a source allocates but lists of them. */
enum { CHAIN = 1, NAMES = 40, NAME_BYTES = 1000, VALUE_BYTES = 10 };

static struct directory directory;
static struct engine *engine;
static struct pending *pending;
static struct slice names[NAMES];
static struct fetch fetch;

static void setup(void)
{
    static char texts[NAMES][NAME_BYTES + 1];
    thread_set_role(THREAD_LOOP);
    directory = directory_new();
    engine = engine_opened(directory.path, true);
    pending = pending_new(NAMES, 1 << 20);
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(texts[i], sizeof texts[i], "%0*u", NAME_BYTES, i);
        names[i] = slice_of(texts[i], NAME_BYTES);
        struct metadata_operation operation = {
            .kind = METADATA_SET, .name = names[i], .value = slice_of(texts[i], VALUE_BYTES)};
        pending_add(pending, pending_request_of(CHAIN, &operation, 1), i + 1, 0);
    }
    fetch = (struct fetch){.engine = engine, .point = engine_point_take(engine), .chain = CHAIN};
}

static void teardown(void)
{
    engine_point_release(fetch.point);
    pending_free(pending);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

static struct source *source_of_all_names(void)
{
    return source_of_names(&fetch, pending, names, NAMES, CAIRN__METADATA_PART__METADATA_VALUE);
}

static struct source *source_of_whole_list(void)
{
    struct source_list list = {.parts = CAIRN__METADATA_PART__METADATA_VALUE};
    return source_of_list(&fetch, pending, &list);
}

/* How many messages it gives; -1: it is busy. */
static int count_messages(struct source *source)
{
    struct fetched fetched;
    struct failure failure;
    enum source_result result;
    int count = 0;
    thread_set_role(THREAD_POOL);
    while ((result = source_next(source, 0, &fetched, &failure)) == SOURCE_MESSAGE) {
        free(fetched.frame);
        count++;
    }
    thread_set_role(THREAD_LOOP);
    ck_assert(result == SOURCE_END || failure.status == STATUS_BUSY);
    source_free(source);
    return result == SOURCE_END ? count : -1;
}

/* Each allocation fails once. */
static unsigned fail_each(struct source *make(void))
{
    unsigned points = 0;
    bool is_met;
    do {
        failing_plan_malloc(++points, NAME_BYTES);
        struct source *source = make();
        is_met = failing_end();
        ck_assert_int_eq(count_messages(source), is_met ? -1 : NAMES);
        ck_assert_uint_eq(pending_held_bytes(pending), 0);
    } while (is_met);
    return points - 1;
}

START_TEST(a_list_without_memory_for_its_names_is_busy)
{
    ck_assert_uint_gt(fail_each(source_of_whole_list), NAMES); /* each name, and the list of them */
}
END_TEST

START_TEST(a_read_of_many_names_without_memory_for_them_is_busy)
{
    ck_assert_uint_gt(fail_each(source_of_all_names), 1);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("source_failing", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_list_without_memory_for_its_names_is_busy);
    tcase_add_test(tests, a_read_of_many_names_without_memory_for_them_is_busy);
    return suite_run(suite, true);
}
