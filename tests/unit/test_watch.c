/* The watch: a data directory that stays is looked at again and again, and one that loses something is known as lost for good. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/host/directory.h"
#include "daemon/maintain/watch.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

enum { INTERVAL_US = 500000 };

static char root[64];
static char lock[96];
static struct directory directory;
static uv_loop_t loop;
static struct budget *budget;
static struct turns *turns;
static struct pool *pool;
static struct watch *watch;
static uint64_t now_us;
static unsigned looks; /* of the pool, for the database */

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    (void)database;
    (void)ret_error;
    looks += thread_is(THREAD_POOL);
    return DIRECTORY_OK;
}

static void setup(void)
{
    const struct budget_limits limits = {
        .frame_bytes_max = 1 << 20, .requests_bytes_max = 2 << 20, .replies_bytes_max = 1 << 20};
    struct directory_error error;
    snprintf(root, sizeof root, "%s", "/tmp/cairn-watch.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(lock, sizeof lock, "%s/cairn.lock", root);
    ck_assert_msg(directory_open(root, true, look, &directory, &error) == DIRECTORY_OK, "%s", error.text);
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    thread_set_role(THREAD_LOOP);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    budget = budget_new(&limits);
    turns = turns_new();
    pool = pool_new(&loop, budget, turns, NULL);
    watch = watch_new(&directory, pool);
    now_us = thread_now_us();
    looks = 0;
}

static void teardown(void)
{
    watch_stop(watch);
    uv_run(&loop, UV_RUN_DEFAULT);
    watch_free(watch);
    pool_free(pool);
    turns_free(turns);
    budget_free(budget);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    directory_close(&directory);
    shell("rm -rf %s", root);
}

/* An iteration, with what it gives the pool, at a time that is due. */
static uint64_t iterate_when_due(void)
{
    now_us = thread_now_us() + 2 * INTERVAL_US;
    uint64_t next_us = watch_iterate(watch, now_us);
    uv_run(&loop, UV_RUN_DEFAULT);
    return next_us;
}

START_TEST(a_directory_that_stays_is_looked_at_again_and_again)
{
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t before_us = thread_now_us();
        ck_assert_uint_eq(iterate_when_due(), UINT64_MAX); /* the look's end says when the next one is due */
        ck_assert_uint_eq(looks, i);
        ck_assert_ptr_null(watch_error(watch));
        uint64_t next_us = watch_iterate(watch, before_us); /* when none is due, whatever the time is */
        ck_assert_uint_ge(next_us, INTERVAL_US);
        ck_assert_uint_le(next_us, INTERVAL_US + thread_now_us() - before_us);
        ck_assert(watch_is_idle(watch));
    }
}
END_TEST

START_TEST(what_is_removed_is_known_for_good)
{
    (void)iterate_when_due();
    ck_assert_int_eq(unlink(lock), 0);
    ck_assert_ptr_null(watch_error(watch)); /* nobody has looked yet */
    (void)iterate_when_due();
    ck_assert_ptr_nonnull(watch_error(watch));
    ck_assert_ptr_nonnull(strstr(watch_error(watch), lock));
    unsigned before = looks;
    ck_assert_uint_eq(iterate_when_due(), UINT64_MAX);
    ck_assert_uint_eq(looks, before);
    ck_assert_ptr_nonnull(watch_error(watch));
}
END_TEST

START_TEST(nothing_is_looked_at_once_it_is_stopped_or_where_there_is_no_directory)
{
    watch_stop(watch);
    ck_assert_uint_eq(iterate_when_due(), UINT64_MAX);
    struct watch *none = watch_new(NULL, pool);
    ck_assert_uint_eq(watch_iterate(none, now_us), UINT64_MAX);
    ck_assert(watch_is_idle(none) && watch_is_idle(watch));
    ck_assert_ptr_null(watch_error(none));
    watch_free(none);
    watch_free(NULL);
    ck_assert_uint_eq(looks, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("watch", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_directory_that_stays_is_looked_at_again_and_again);
    tcase_add_test(tests, what_is_removed_is_known_for_good);
    tcase_add_test(tests, nothing_is_looked_at_once_it_is_stopped_or_where_there_is_no_directory);
    return suite_run(suite, false);
}
