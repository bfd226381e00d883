/* The watch over space: it tells the order before anything is accepted, sets the reserve aside while there is room, and looks again
 * soon while space is low. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/host/reserve.h"
#include "daemon/maintain/space_watch.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "daemon/runtime/turns.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/order_fixture.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

#define MIB (UINT64_C(1) << 20)

enum { DISK_MIB = 64, FILES = 200, LOOK_US = 100000, BLOCK_BYTES = 4096 };

static struct directory home;
static const char *disk;
static unsigned files; /* that it has room for; 0: any number */
static int disk_fd;
static uv_loop_t loop;
static struct budget *budget;
static struct turns *turns;
static struct pool *pool;
static struct reserve *reserve;
static struct space_watch *watch;
static uint64_t queue_bytes_max;

/* A quota, in the place of libc's calls: of a file system of DISK_LARGE bytes, all free, it leaves so many. 0: there is none, and the small
 * disk is asked. What is allocated behind a quota is not: the file only counts as large. */
#define DISK_LARGE (UINT64_C(1) << 40)
static _Atomic uint64_t quota_bytes;

int fallocate(int fd, int mode, off_t from, off_t bytes)
{
    uint64_t quota = atomic_load(&quota_bytes);
    if (quota == 0) {
        return (int)syscall(SYS_fallocate, fd, mode, from, bytes);
    }
    errno = EDQUOT;
    return (uint64_t)(from + bytes) <= quota ? 0 : -1;
}

int fstatvfs(int fd, struct statvfs *status)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (atomic_load(&quota_bytes) == 0) {
        return statvfs(path, status);
    }
    uint64_t blocks = DISK_LARGE / BLOCK_BYTES;
    *status = (struct statvfs){
        .f_frsize = BLOCK_BYTES, .f_blocks = blocks, .f_bavail = blocks, .f_files = FILES, .f_favail = FILES};
    return 0;
}

static void make_watch(void)
{
    watch = space_watch_new(&(struct space_watch_config){
        .reserve = reserve,
        .engine = order_fixture.engine,
        .order = order_fixture.order,
        .pool = pool,
        .queue_bytes_max = queue_bytes_max,
        .frame_bytes_max = 2 * MIB,
    });
}

static void setup_watch(const char *directory)
{
    const struct budget_limits limits = {
        .frame_bytes_max = 1 << 20, .requests_bytes_max = 2 << 20, .replies_bytes_max = 1 << 20};
    disk_fd = open(directory, O_RDONLY | O_DIRECTORY);
    reserve = reserve_open(disk_fd);
    order_fixture_open();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    budget = budget_new(&limits);
    turns = turns_new();
    pool = pool_new(&loop, budget, turns, NULL);
    make_watch();
}

static bool setup_disk(uint64_t free_bytes)
{
    home = directory_new();
    disk = directory_path(&home, "disk");
    queue_bytes_max = 4 * MIB;
    if (!(files == 0 ? small_disk_tmpfs(disk, DISK_MIB) : small_disk_tmpfs_files(disk, DISK_MIB, files))) {
        directory_remove(&home);
        return false;
    }
    small_disk_fill(disk, free_bytes);
    setup_watch(disk);
    return true;
}

static void teardown_watch(void)
{
    space_watch_stop(watch);
    ck_assert_uint_eq(space_watch_iterate(watch, UINT64_MAX), UINT64_MAX);
    uv_run(&loop, UV_RUN_DEFAULT);
    space_watch_free(watch);
    pool_free(pool);
    turns_free(turns);
    budget_free(budget);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    order_fixture_close();
    reserve_close(reserve);
    close(disk_fd);
    kept_clear();
}

static void teardown_disk(void)
{
    teardown_watch();
    small_disk_unmount(disk);
    directory_remove(&home);
}

/* A look, at a time when one is due. */
static void look(void)
{
    ck_assert_uint_eq(space_watch_iterate(watch, thread_now_us() + 10 * LOOK_US), UINT64_MAX);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(space_watch_is_idle(watch));
}

static enum space_state state(void)
{
    return order_space_state(order_fixture.order);
}

START_TEST(the_order_knows_before_anything_is_accepted)
{
    if (!setup_disk(0)) {
        return;
    }
    ck_assert_int_eq(state(), SPACE_SOFT); /* the fake takes nothing, so its hard mark is 0 */
    ck_assert_uint_lt(metrics_get(METRIC_SPACE_FREE), MIB);
    ck_assert_uint_gt(metrics_get(METRIC_SPACE_HARD), 0);
    ck_assert_uint_le(metrics_get(METRIC_SPACE_HARD), metrics_get(METRIC_SPACE_SOFT));
    teardown_disk();
}
END_TEST

START_TEST(the_reserve_is_set_aside_and_counts_as_free)
{
    if (!setup_disk(50 * MIB)) {
        return;
    }
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    look();
    ck_assert_uint_eq(reserve_held_bytes(reserve), 6 * MIB); /* a queue and a frame: the fake has no log */
    ck_assert_uint_eq(metrics_get(METRIC_SPACE_RESERVE), 6 * MIB);
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    teardown_disk();
}
END_TEST

/* As of a run that was killed while it tried how much a quota leaves, or that had larger bounds. */
START_TEST(what_the_reserve_holds_beyond_its_size_is_given_back)
{
    if (!setup_disk(50 * MIB)) {
        return;
    }
    while (reserve_set_aside(reserve, 20 * MIB, 0)) {
    }
    ck_assert_uint_eq(reserve_held_bytes(reserve), 20 * MIB);
    look();
    ck_assert_uint_eq(reserve_held_bytes(reserve), 6 * MIB);
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    teardown_disk();
}
END_TEST

START_TEST(space_that_goes_and_comes_back_is_seen_by_the_next_look)
{
    if (!setup_disk(50 * MIB)) {
        return;
    }
    look();
    small_disk_fill(disk, 0);
    uint64_t before_us = thread_now_us();
    look();
    ck_assert_int_eq(state(), SPACE_SOFT);
    uint64_t next_us = space_watch_iterate(watch, before_us); /* when none is due, whatever the time is */
    ck_assert_uint_le(next_us, LOOK_US + thread_now_us() - before_us);
    ck_assert_uint_eq(reserve_held_bytes(reserve), 6 * MIB);
    small_disk_heal(disk);
    look();
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    teardown_disk();
}
END_TEST

/* One file that comes and goes does not change the state each time. */
START_TEST(few_files_are_too_few_until_half_as_many_more_are_free)
{
    static const unsigned lefts[] = {40, 20, 40, 60, 40};
    static const enum space_state states[] = {SPACE_ENOUGH, SPACE_SOFT, SPACE_SOFT, SPACE_ENOUGH,
                                              SPACE_ENOUGH};
    files = FILES;
    if (!setup_disk(50 * MIB)) {
        return;
    }
    for (size_t i = 0; i < sizeof lefts / sizeof lefts[0]; i++) {
        small_disk_fill_files(disk, lefts[i]);
        look();
        ck_assert_msg(state() == states[i], "%u files left: state %d", lefts[i], state());
        small_disk_heal_files(disk);
    }
    teardown_disk();
}
END_TEST

/* Whatever the bounds are, of which the reserve and the marks are made. */
START_TEST(a_quota_that_is_lifted_is_seen_by_the_next_look)
{
    home = directory_new();
    queue_bytes_max = (uint64_t)_i * 1024 * MIB;
    atomic_store(&quota_bytes, 100 * MIB);
    setup_watch(home.path);
    ck_assert_int_eq(state(), SPACE_SOFT); /* the fake's hard mark is 0 */
    look();
    ck_assert_int_eq(state(), SPACE_SOFT);
    atomic_store(&quota_bytes, DISK_LARGE);
    look();
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    ck_assert_uint_eq(reserve_held_bytes(reserve), queue_bytes_max + 2 * MIB);
    teardown_watch();
    directory_remove(&home);
    atomic_store(&quota_bytes, 0);
}
END_TEST

START_TEST(without_a_reserve_nothing_is_watched)
{
    order_fixture_open();
    reserve = NULL;
    make_watch();
    ck_assert_uint_eq(space_watch_iterate(watch, UINT64_MAX), UINT64_MAX);
    ck_assert(space_watch_is_idle(watch));
    ck_assert_int_eq(state(), SPACE_ENOUGH);
    space_watch_free(watch);
    space_watch_free(NULL);
    order_fixture_close();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("space_watch", 60, &tests);
    tcase_add_test(tests, the_order_knows_before_anything_is_accepted);
    tcase_add_test(tests, the_reserve_is_set_aside_and_counts_as_free);
    tcase_add_test(tests, what_the_reserve_holds_beyond_its_size_is_given_back);
    tcase_add_test(tests, space_that_goes_and_comes_back_is_seen_by_the_next_look);
    tcase_add_test(tests, few_files_are_too_few_until_half_as_many_more_are_free);
    tcase_add_loop_test(tests, a_quota_that_is_lifted_is_seen_by_the_next_look, 1, 17); /* GiB */
    tcase_add_test(tests, without_a_reserve_nothing_is_watched);
    return suite_run(suite, true);
}
