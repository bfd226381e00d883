/* A file system that has room and no files (inodes) left is a full disk: writes are refused and not applied, nothing ends, a start serves
 * reads and is not tried again and again, and all heals without a restart. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum {
    DISK_MIB = 400,
    FILES = 100, /* a store takes some 20 */
    WAIT_MS = 60000,
    LOOKS_MS =
        1200, /* of the daemon at its file system: several, and longer than it waited between two starts */
};

static struct rig rig;
static const char *disk;
static uint64_t height; /* up to here blocks were acknowledged */

static bool start_on_disk(void)
{
    rig = (struct rig){.daemon = daemon_new()};
    disk = directory_path(&rig.daemon.home, "disk");
    height = 0;
    if (!small_disk_tmpfs_files(disk, DISK_MIB, FILES)) {
        daemon_close(&rig.daemon);
        return false;
    }
    snprintf(rig.daemon.data, sizeof rig.daemon.data, "%s/data", disk);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    return true;
}

/* STATUS_COUNT: the connection ended, or is about to, as when the store is opened anew. */
static enum status write_block(void)
{
    if (!rig_reconnect(&rig)) {
        return STATUS_COUNT;
    }
    uint64_t id = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(height + 1, "one of few"));
    const struct wire_frame *frame = wire_try_frame(&rig.wire, id, WAIT_MS);
    bool has_answer = frame != NULL && frame->header.status != STATUS_SHUTTING_DOWN;
    enum status status = has_answer ? (enum status)frame->header.status : STATUS_COUNT;
    ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE || status == STATUS_COUNT, "status %d",
                  status);
    height += status == STATUS_OK;
    return status;
}

static void write_until(enum status status)
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (write_block() != status) {
        ck_assert_msg(clock_ms() < until_ms, "never %d: %s", status, daemon_errors(&rig.daemon));
        sleep_ms(5);
    }
    ck_assert_int_eq(daemon_wait(&rig.daemon, 0), -1); /* it is the same process */
}

static void expect_blocks(void)
{
    for (uint64_t at = 1; at <= height; at++) {
        ck_assert_ptr_nonnull(get_block(&rig.wire, at, 1));
    }
}

START_TEST(writes_are_refused_and_taken_again_without_an_end_of_the_daemon)
{
    if (!start_on_disk()) {
        return;
    }
    ck_assert_int_eq(write_block(), STATUS_OK);
    small_disk_fill_files(disk, 2);
    write_until(STATUS_NO_SPACE);
    expect_blocks();
    small_disk_heal_files(disk);
    write_until(STATUS_OK);
    rig_restart(&rig, "");
    expect_blocks();
    small_disk_unmount(disk);
    rig_end(&rig);
}
END_TEST

/* Each start would end all connections, and use up a run of those that the store remembers. */
START_TEST(a_start_reads_and_is_not_tried_again_until_there_are_some)
{
    if (!start_on_disk()) {
        return;
    }
    ck_assert_int_eq(write_block(), STATUS_OK);
    small_disk_fill_files(disk, 2);
    rig_crash(&rig, "");
    ck_assert(daemon_says(&rig.daemon, "space_none"));
    expect_blocks();
    sleep_ms(LOOKS_MS);
    ck_assert_int_eq(write_block(), STATUS_NO_SPACE); /* over the same connection */
    ck_assert_ptr_null(strstr(daemon_errors(&rig.daemon), "space_reopened"));
    small_disk_heal_files(disk);
    write_until(STATUS_OK);
    ck_assert(daemon_says(&rig.daemon, "space_reopened"));
    expect_blocks();
    small_disk_unmount(disk);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("few_files", 200, &tests);
    tcase_add_test(tests, writes_are_refused_and_taken_again_without_an_end_of_the_daemon);
    tcase_add_test(tests, a_start_reads_and_is_not_tried_again_until_there_are_some);
    return suite_run(suite, false);
}
