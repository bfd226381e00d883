/* A copy of a store, whose files cp(1) has made, is started on a full disk where an overwrite takes space: on btrfs. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum {
    DISK_MIB = 256,
    BLOCKS = 20,
    WAIT_MS = 60000,
};

static struct rig rig;

static enum status write_block(uint64_t height)
{
    if (!rig_reconnect(&rig)) {
        return STATUS_COUNT;
    }
    uint64_t id = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(height, "h"));
    const struct wire_frame *frame = wire_try_frame(&rig.wire, id, WAIT_MS);
    return frame != NULL ? (enum status)frame->header.status : STATUS_COUNT;
}

static void await_write(uint64_t height)
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (write_block(height) != STATUS_OK) {
        ck_assert_msg(clock_ms() < until_ms, "never taken: %s", daemon_errors(&rig.daemon));
        sleep_ms(5);
    }
}

START_TEST(a_start_on_a_full_disk_reads_a_copy_and_heals)
{
    rig = (struct rig){.daemon = daemon_new()};
    const char *disk = directory_path(&rig.daemon.home, "disk"), *data = rig.daemon.data;
    if (!small_disk_btrfs(disk, DISK_MIB)) {
        daemon_close(&rig.daemon);
        return;
    }
    snprintf(rig.daemon.data, sizeof rig.daemon.data, "%s/data", disk);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        await_write(height);
    }
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    const char *copy = kept_format("mv %s %s.it && cp -a --reflink=never %s.it %s && rm -r %s.it", data, data,
                                   data, data, data);
    ck_assert_int_eq(system(copy), 0);
    small_disk_fill(disk, 0);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        ck_assert_ptr_nonnull(get_block(&rig.wire, height, 1));
    }
    small_disk_heal(disk);
    await_write(BLOCKS + 1);
    small_disk_unmount(disk);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("full_copy", 120, &tests);
    tcase_add_test(tests, a_start_on_a_full_disk_reads_a_copy_and_heals);
    return suite_run(suite, false);
}
