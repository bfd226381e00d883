/* The reserve: it grows while there is room, gives back what is lacking and no more, and says what is free. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/reserve.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/kept.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

#define MIB (UINT64_C(1) << 20)

enum { DISK_MIB = 64, BTRFS_MIB = 128, WANTED_MIB = 24 };

static struct directory home;
static const char *disk;
static int directory_fd;
static struct reserve *reserve;

static void open_reserve(void)
{
    directory_fd = open(disk, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(directory_fd, 0);
    reserve = reserve_open(directory_fd);
}

static void close_reserve(void)
{
    reserve_close(reserve);
    close(directory_fd);
}

static bool mount_disk(void)
{
    home = directory_new();
    disk = directory_path(&home, "disk");
    if (!small_disk_tmpfs(disk, DISK_MIB)) {
        directory_remove(&home);
        return false;
    }
    open_reserve();
    return true;
}

static void unmount_disk(void)
{
    close_reserve();
    small_disk_unmount(disk);
    directory_remove(&home);
    kept_clear();
}

static void grow(uint64_t wanted, uint64_t spared)
{
    while (reserve_set_aside(reserve, wanted, spared)) {
    }
}

START_TEST(it_grows_to_what_is_wanted_and_what_it_holds_is_not_free)
{
    if (!mount_disk()) {
        return;
    }
    uint64_t before = reserve_look(reserve).free_bytes;
    ck_assert_uint_eq(before, small_disk_free(disk));
    ck_assert_uint_eq(reserve_look(reserve).all_bytes, DISK_MIB * MIB);
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    grow(WANTED_MIB * MIB, 0);
    ck_assert_uint_eq(reserve_held_bytes(reserve), WANTED_MIB * MIB);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, before - WANTED_MIB * MIB);
    ck_assert(!reserve_set_aside(reserve, WANTED_MIB * MIB, 0));
    unmount_disk();
}
END_TEST

START_TEST(it_leaves_free_what_is_to_be_spared)
{
    if (!mount_disk()) {
        return;
    }
    grow(DISK_MIB * MIB, 40 * MIB);
    ck_assert_uint_ge(reserve_look(reserve).free_bytes, 40 * MIB);
    ck_assert_uint_le(reserve_look(reserve).free_bytes, 56 * MIB);
    unmount_disk();
}
END_TEST

START_TEST(on_a_full_disk_it_gives_back_what_is_lacking_and_keeps_its_end)
{
    if (!mount_disk()) {
        return;
    }
    grow(40 * MIB, 0);
    small_disk_fill(disk, 0);
    ck_assert_uint_lt(reserve_look(reserve).free_bytes, MIB);
    ck_assert(reserve_make_room(reserve, 2 * MIB, 8 * MIB));
    ck_assert_uint_ge(reserve_look(reserve).free_bytes, 2 * MIB);
    ck_assert_uint_ge(reserve_held_bytes(reserve), 36 * MIB);
    uint64_t held = reserve_held_bytes(reserve);
    /* all of it would not do, so nothing is given */
    ck_assert(!reserve_make_room(reserve, 60 * MIB, 8 * MIB));
    ck_assert_uint_eq(reserve_held_bytes(reserve), held);
    ck_assert(reserve_make_room(reserve, 30 * MIB, 8 * MIB));
    ck_assert_uint_ge(reserve_held_bytes(reserve), 8 * MIB);
    small_disk_fill(disk, 0);
    ck_assert(!reserve_make_room(reserve, 2 * MIB, reserve_held_bytes(reserve)));
    ck_assert(reserve_make_room(reserve, 2 * MIB, 0));
    small_disk_heal(disk);
    grow(40 * MIB, 0);
    ck_assert_uint_eq(reserve_held_bytes(reserve), 40 * MIB);
    unmount_disk();
}
END_TEST

START_TEST(on_btrfs_what_it_gives_back_can_be_written)
{
    static const char bytes[2 * MIB];
    home = directory_new();
    disk = directory_path(&home, "disk");
    if (!small_disk_btrfs(disk, BTRFS_MIB)) {
        directory_remove(&home);
        return;
    }
    open_reserve();
    grow(WANTED_MIB * MIB, 0);
    small_disk_fill(disk, 0);
    int fd = open(kept_format("%s/log", disk), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert(reserve_make_room(reserve, sizeof bytes + MIB, 8 * MIB));
    ck_assert_uint_ge(reserve_held_bytes(reserve), (WANTED_MIB - 8) * MIB);
    ck_assert_int_eq(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_int_eq(close(fd), 0);
    unmount_disk();
}
END_TEST

START_TEST(the_next_run_finds_what_this_one_set_aside_but_nothing_in_holes)
{
    if (!mount_disk()) {
        return;
    }
    grow(WANTED_MIB * MIB, 0);
    close_reserve();
    open_reserve();
    ck_assert_uint_eq(reserve_held_bytes(reserve), WANTED_MIB * MIB);
    close_reserve();
    ck_assert_int_eq(truncate(kept_format("%s/%s", disk, RESERVE_NAME), 0), 0);
    ck_assert_int_eq(truncate(kept_format("%s/%s", disk, RESERVE_NAME), 16 * MIB), 0);
    open_reserve();
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    unmount_disk();
}
END_TEST

START_TEST(ample_is_what_is_free_behind_what_was_written)
{
    if (!mount_disk()) {
        return;
    }
    (void)reserve_look(reserve);
    ck_assert(reserve_is_ample(reserve, 0, 50 * MIB));
    ck_assert(!reserve_is_ample(reserve, 0, 70 * MIB));
    ck_assert(reserve_is_ample(reserve, 20 * MIB, 40 * MIB));
    ck_assert(!reserve_is_ample(reserve, 20 * MIB, 40 * MIB)); /* of 44 MiB, 20 are counted */
    (void)reserve_look(reserve);
    ck_assert(reserve_is_ample(reserve, 20 * MIB, 40 * MIB)); /* nothing was really written */
    unmount_disk();
}
END_TEST

START_TEST(without_a_file_it_holds_nothing)
{
    home = directory_new();
    disk = home.path;
    ck_assert_int_eq(mkdir(kept_format("%s/%s", disk, RESERVE_NAME), 0700), 0);
    open_reserve();
    ck_assert(!reserve_set_aside(reserve, MIB, 0));
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    ck_assert(reserve_make_room(reserve, 1, 0));
    ck_assert(!reserve_make_room(reserve, UINT64_MAX - 1, 0));
    close_reserve();
    reserve_close(NULL);
    directory_remove(&home);
}
END_TEST

START_TEST(without_files_there_is_no_room_and_nothing_is_given)
{
    home = directory_new();
    disk = directory_path(&home, "disk");
    if (!small_disk_tmpfs_files(disk, DISK_MIB, 40)) {
        directory_remove(&home);
        return;
    }
    open_reserve();
    grow(WANTED_MIB * MIB, 0);
    ck_assert_uint_le(reserve_look(reserve).free_files, 40);
    ck_assert(reserve_make_room(reserve, MIB, 0));
    small_disk_fill_files(disk, 2);
    ck_assert_uint_eq(reserve_look(reserve).free_files, 2);
    ck_assert(!reserve_make_room(reserve, MIB, 0));
    ck_assert(!reserve_is_ample(reserve, 0, MIB));
    ck_assert_uint_eq(reserve_held_bytes(reserve), WANTED_MIB * MIB);
    small_disk_heal_files(disk);
    ck_assert(reserve_make_room(reserve, MIB, 0));
    unmount_disk();
}
END_TEST

START_TEST(files_that_come_out_of_free_space_are_there_once_some_is_given)
{
    if (!mount_disk()) {
        return;
    }
    grow(40 * MIB, 0);
    small_disk_fill(disk, 0);
    failing_files_of_blocks();
    ck_assert_uint_lt(reserve_look(reserve).free_files, 8);
    ck_assert(reserve_make_room(reserve, 2 * MIB, 8 * MIB));
    ck_assert_uint_ge(reserve_held_bytes(reserve), 36 * MIB);
    (void)failing_end(); /* nothing was to fail */
    unmount_disk();
}
END_TEST

START_TEST(all_is_given_once_where_the_system_knows_of_no_lack)
{
    if (!mount_disk()) {
        return;
    }
    ck_assert(!reserve_give(reserve)); /* it holds nothing */
    grow(WANTED_MIB * MIB, 0);
    uint64_t before = reserve_look(reserve).free_bytes;
    ck_assert(reserve_give(reserve));
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    ck_assert_uint_ge(reserve_look(reserve).free_bytes, before + WANTED_MIB * MIB);
    ck_assert(!reserve_give(reserve));
    unmount_disk();
}
END_TEST

static void open_in_directory(void)
{
    home = directory_new();
    disk = home.path;
    open_reserve();
}

static void close_in_directory(void)
{
    close_reserve();
    directory_remove(&home);
    kept_clear();
}

static void expect_size(uint64_t bytes)
{
    struct stat found;
    ck_assert_int_eq(stat(kept_format("%s/%s", disk, RESERVE_NAME), &found), 0);
    ck_assert_int_eq(found.st_size, (off_t)bytes);
    ck_assert_uint_eq(reserve_held_bytes(reserve), bytes);
}

START_TEST(where_nothing_is_allocated_unasked_it_holds_zeros)
{
    open_in_directory();
    failing_plan(FAILING_ALLOCATE, 1, EOPNOTSUPP);
    ck_assert(reserve_set_aside(reserve, MIB + 1, 0));
    ck_assert(failing_end());
    expect_size(MIB + 1);
    close_in_directory();
}
END_TEST

START_TEST(what_cannot_be_set_aside_leaves_what_it_held)
{
    open_in_directory();
    ck_assert(reserve_set_aside(reserve, MIB, 0));
    failing_plan(FAILING_ALLOCATE, 1, ENOSPC);
    ck_assert(!reserve_set_aside(reserve, 2 * MIB, 0));
    ck_assert(failing_end());
    expect_size(MIB);
    ck_assert(!reserve_set_aside(reserve, 2 * MIB, UINT64_MAX - 1)); /* more is to be spared than there is */
    expect_size(MIB);
    close_in_directory();
}
END_TEST

START_TEST(what_the_system_does_not_say_counts_as_free_and_a_file_that_failed_is_opened_again)
{
    open_in_directory();
    failing_plan(FAILING_STATVFS, 1, EIO);
    ck_assert(!reserve_set_aside(reserve, MIB, 0));
    ck_assert(failing_end());
    ck_assert(reserve_is_ample(reserve, MIB, UINT64_MAX - 1));
    close_reserve();
    failing_plan(FAILING_FSTAT, 1, EIO);
    open_reserve();
    ck_assert(failing_end());
    ck_assert(reserve_set_aside(reserve, MIB, 0)); /* by then the file can be opened */
    close_in_directory();
}
END_TEST

START_TEST(a_step_that_is_refused_where_there_is_room_is_told_until_all_is_to_be_had)
{
    static const int errors[] = {EDQUOT, ENOSPC};
    open_in_directory();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        failing_plan(FAILING_ALLOCATE, 1, errors[i]);
        ck_assert(!reserve_set_aside(reserve, (i + 1) * MIB, 0));
        ck_assert(failing_end());
        ck_assert(reserve_is_refused(reserve));
        ck_assert(!reserve_set_aside(reserve, (i + 1) * MIB, 0));
        ck_assert(!reserve_is_ample(reserve, 0, 1));
        expect_size(i * MIB);
        reserve_measure(reserve, (i + 1) * MIB, (i + 2) * MIB, 0, true);
        ck_assert(!reserve_is_refused(reserve));
        expect_size((i + 1) * MIB);
    }
    ck_assert(!reserve_set_aside(reserve, 3 * MIB, UINT64_MAX - 1));
    ck_assert(!reserve_is_refused(reserve)); /* there is no room, and nobody was asked */
    close_in_directory();
}
END_TEST

/* The quota leaves nothing beside what the file has then. */
static bool mount_behind_a_quota(void)
{
    if (!mount_disk()) {
        return false;
    }
    grow(WANTED_MIB * MIB, 0);
    failing_quota(WANTED_MIB * MIB);
    ck_assert(!reserve_set_aside(reserve, (WANTED_MIB + 1) * MIB, 0));
    ck_assert(reserve_is_refused(reserve));
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, 0);
    ck_assert_uint_ge(small_disk_free(disk), 30 * MIB);
    return true;
}

START_TEST(behind_a_quota_room_comes_from_the_file_and_is_not_given_twice)
{
    if (!mount_behind_a_quota()) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        ck_assert(reserve_make_room(reserve, 2 * MIB, 8 * MIB));
        ck_assert_uint_eq(reserve_held_bytes(reserve), (WANTED_MIB - 2) * MIB);
        ck_assert_uint_eq(reserve_look(reserve).free_bytes, 2 * MIB);
    }
    small_disk_fill(disk, small_disk_free(disk) - MIB); /* takes one of them */
    ck_assert_uint_le(reserve_look(reserve).free_bytes, MIB);
    ck_assert(!reserve_make_room(reserve, 20 * MIB, 8 * MIB));
    ck_assert_uint_eq(reserve_held_bytes(reserve), (WANTED_MIB - 2) * MIB);
    ck_assert(reserve_make_room(reserve, 3 * MIB, 8 * MIB));
    ck_assert_uint_ge(reserve_held_bytes(reserve), (WANTED_MIB - 5) * MIB);
    small_disk_heal(disk); /* others gave that back: the quota need not have */
    ck_assert_uint_le(reserve_look(reserve).free_bytes, 4 * MIB);
    ck_assert(reserve_give(reserve));
    ck_assert_uint_ge(reserve_look(reserve).free_bytes, (WANTED_MIB - 1) * MIB);
    (void)failing_end();
    unmount_disk();
}
END_TEST

START_TEST(what_a_quota_leaves_is_measured_while_nobody_uses_it)
{
    if (!mount_behind_a_quota()) {
        return;
    }
    reserve_measure(reserve, WANTED_MIB * MIB, 60 * MIB, 0, true);
    ck_assert_uint_eq(reserve_held_bytes(reserve), WANTED_MIB * MIB);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, 0);
    failing_quota((WANTED_MIB + 20) * MIB); /* one step */
    reserve_measure(reserve, WANTED_MIB * MIB, 60 * MIB, 0, false);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, 0);
    reserve_measure(reserve, WANTED_MIB * MIB, 60 * MIB, 0, true);
    ck_assert_uint_eq(reserve_held_bytes(reserve), WANTED_MIB * MIB);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, 16 * MIB);
    reserve_measure(reserve, (WANTED_MIB + 8) * MIB, 60 * MIB, 12 * MIB, true);
    ck_assert_uint_eq(reserve_held_bytes(reserve), (WANTED_MIB + 4) * MIB);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, 12 * MIB);
    ck_assert(reserve_is_refused(reserve));
    (void)failing_end();
    reserve_measure(reserve, (WANTED_MIB + 8) * MIB, 40 * MIB, 0, false);
    ck_assert(!reserve_is_refused(reserve));
    ck_assert_uint_eq(reserve_held_bytes(reserve), (WANTED_MIB + 8) * MIB);
    ck_assert_uint_eq(reserve_look(reserve).free_bytes, small_disk_free(disk));
    unmount_disk();
}
END_TEST

static atomic_bool is_measured;

static void *measure(void *unused)
{
    reserve_measure(reserve, MIB, 2 * MIB, 0, true);
    atomic_store(&is_measured, true);
    return unused;
}

START_TEST(nothing_is_measured_while_room_is_used)
{
    pthread_t thread;
    open_in_directory();
    reserve_begin_use(reserve);
    ck_assert_int_eq(pthread_create(&thread, NULL, measure, NULL), 0);
    sleep_ms(50);
    ck_assert(!atomic_load(&is_measured));
    ck_assert_uint_eq(reserve_held_bytes(reserve), 0);
    reserve_end_use(reserve);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(atomic_load(&is_measured));
    expect_size(MIB);
    close_in_directory();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("reserve", 60, &tests);
    tcase_add_test(tests, it_grows_to_what_is_wanted_and_what_it_holds_is_not_free);
    tcase_add_test(tests, it_leaves_free_what_is_to_be_spared);
    tcase_add_test(tests, on_a_full_disk_it_gives_back_what_is_lacking_and_keeps_its_end);
    tcase_add_test(tests, on_btrfs_what_it_gives_back_can_be_written);
    tcase_add_test(tests, the_next_run_finds_what_this_one_set_aside_but_nothing_in_holes);
    tcase_add_test(tests, ample_is_what_is_free_behind_what_was_written);
    tcase_add_test(tests, without_files_there_is_no_room_and_nothing_is_given);
    tcase_add_test(tests, files_that_come_out_of_free_space_are_there_once_some_is_given);
    tcase_add_test(tests, all_is_given_once_where_the_system_knows_of_no_lack);
    tcase_add_test(tests, without_a_file_it_holds_nothing);
    tcase_add_test(tests, where_nothing_is_allocated_unasked_it_holds_zeros);
    tcase_add_test(tests, what_cannot_be_set_aside_leaves_what_it_held);
    tcase_add_test(tests, what_the_system_does_not_say_counts_as_free_and_a_file_that_failed_is_opened_again);
    tcase_add_test(tests, a_step_that_is_refused_where_there_is_room_is_told_until_all_is_to_be_had);
    tcase_add_test(tests, behind_a_quota_room_comes_from_the_file_and_is_not_given_twice);
    tcase_add_test(tests, what_a_quota_leaves_is_measured_while_nobody_uses_it);
    tcase_add_test(tests, nothing_is_measured_while_room_is_used);
    return suite_run(suite, true);
}
