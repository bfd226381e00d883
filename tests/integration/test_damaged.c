/* A damaged store (contract 9): the start is refused in an exit code of its own, says where the damage is, and touches nothing; it can
 * be opened once without what is lost. A torn tail is none. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { EXIT_DAMAGED = 65, BLOCKS = 20 };

static struct rig rig_with_blocks(void)
{
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "block"));
    }
    return rig;
}

static char *database_path(const struct rig *rig, const char *name)
{
    return kept_format("%s/db/%s", rig->daemon.data, name);
}

/* The log, which is the only one. */
static char *log_path(const struct rig *rig)
{
    char *path = NULL;
    DIR *stream = opendir(database_path(rig, ""));
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".log") == 0) {
            ck_assert_ptr_null(path);
            path = database_path(rig, entry->d_name);
        }
    }
    closedir(stream);
    ck_assert_ptr_nonnull(path);
    return path;
}

static off_t size_of(const char *path)
{
    struct stat found;
    ck_assert_int_eq(stat(path, &found), 0);
    return found.st_size;
}

static unsigned long file_digest(const char *path)
{
    uint8_t bytes[8192];
    unsigned long digest = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof bytes);
    ck_assert_int_gt(n, 0);
    close(fd);
    for (ssize_t i = 0; i < n; i++) {
        digest = digest * 31 + bytes[i];
    }
    return digest;
}

static void flip_byte(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void end_daemon(struct rig *rig, bool kill)
{
    if (kill) {
        daemon_kill(&rig->daemon);
    } else {
        ck_assert_int_eq(daemon_stop(&rig->daemon), 0);
    }
    wire_close(&rig->wire);
}

static void expect_refusal(struct rig *rig, const char *text)
{
    unsigned long before = directory_digest(database_path(rig, ""));
    daemon_launch(&rig->daemon, "");
    ck_assert_int_eq(daemon_wait(&rig->daemon, 20000), EXIT_DAMAGED);
    ck_assert(daemon_says(&rig->daemon, "store_refused"));
    ck_assert_msg(strstr(daemon_errors(&rig->daemon), text) != NULL, "%s", daemon_errors(&rig->daemon));
    ck_assert_ptr_nonnull(strstr(daemon_errors(&rig->daemon), "Nothing was touched: restore a copy"));
    ck_assert_uint_eq(directory_digest(database_path(rig, "")), before);
}

START_TEST(test_a_flipped_byte_is_refused_and_its_loss_can_be_accepted)
{
    struct rig rig = rig_with_blocks();
    end_daemon(&rig, _i == 0);
    char *log = log_path(&rig);
    flip_byte(log, size_of(log) / 2);
    expect_refusal(&rig, "were synced and are gone");
    daemon_start(&rig.daemon, "--accept-loss");
    ck_assert(daemon_says(&rig.daemon, "store_cut"));
    rig.wire = rig_open(&rig);
    uint64_t height = get_height(&rig.wire);
    ck_assert(height > 1 && height < BLOCKS);
    ck_assert(block_is(&rig.wire, height, "block"));
    commit_ok(&rig.wire, commit_of_block(height + 1, "again"));
    rig_restart(&rig, "");
    ck_assert(block_is(&rig.wire, height + 1, "again"));
    rig_end(&rig);
}
END_TEST

/* Under load too: what says that the log was there is written beside it again and again. */
START_TEST(test_a_log_that_is_missing_behind_a_kill_is_refused)
{
    struct rig rig = rig_with_blocks();
    char *path = kept_format("%s/db.state", rig.daemon.data);
    unsigned long before = file_digest(path);
    uint64_t height = BLOCKS, started = clock_ms();
    while (file_digest(path) == before) {
        commit_ok(&rig.wire, commit_of_block(++height, "block"));
        ck_assert_uint_lt(clock_ms() - started, (uint64_t)patience_ms(60000));
    }
    end_daemon(&rig, true);
    ck_assert_int_eq(unlink(log_path(&rig)), 0);
    expect_refusal(&rig, "a log is missing");
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_a_log_that_is_missing_behind_a_stop_is_refused)
{
    struct rig rig = rig_with_blocks();
    end_daemon(&rig, false);
    ck_assert_int_eq(unlink(log_path(&rig)), 0);
    expect_refusal(&rig, "a log is missing");
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_without_current_it_is_refused)
{
    struct rig rig = rig_with_blocks();
    end_daemon(&rig, false);
    ck_assert_int_eq(unlink(database_path(&rig, "CURRENT")), 0);
    expect_refusal(&rig, "CURRENT, which names the manifest, is missing");
    daemon_launch(&rig.daemon, "--accept-loss"); /* nothing can be opened, and nothing is made anew */
    ck_assert_int_eq(daemon_wait(&rig.daemon, 20000), EXIT_DAMAGED);
    daemon_close(&rig.daemon);
}
END_TEST

/* Not even the last one passes for a torn tail: that it was synced is noted beside the log before it is answered. */
START_TEST(test_the_last_durable_commit_before_a_kill_is_missed)
{
    struct rig rig = rig_with_blocks();
    sleep_ms(100); /* the note is made a few times a millisecond at most */
    commit_ok(&rig.wire, commit_of_block(BLOCKS + 1, "last"));
    end_daemon(&rig, true);
    char *log = log_path(&rig);
    ck_assert_int_eq(truncate(log, size_of(log) - 3), 0);
    expect_refusal(&rig, "were synced and are gone");
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_a_torn_tail_is_cut_off_and_said)
{
    struct rig rig = rig_start("--sync-interval 1h");
    Cairn__Commit *commit = commit_of_block(BLOCKS, "written");
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    commit_ok(&rig.wire, commit_of_block(BLOCKS - 1, "durable"));
    commit_ok(&rig.wire, commit);
    end_daemon(&rig, true);
    char *log = log_path(&rig);
    ck_assert_int_eq(truncate(log, size_of(log) - 3), 0);
    daemon_start(&rig.daemon, "");
    ck_assert(daemon_says(&rig.daemon, "store_cut"));
    ck_assert(daemon_says(&rig.daemon, "torn tail, "));
    rig.wire = rig_open(&rig);
    ck_assert_uint_ge(get_height(&rig.wire), BLOCKS - 1);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("damaged", 120, &tests);
    tcase_add_loop_test(tests, test_a_flipped_byte_is_refused_and_its_loss_can_be_accepted, 0, 2);
    tcase_add_test(tests, test_a_log_that_is_missing_behind_a_kill_is_refused);
    tcase_add_test(tests, test_a_log_that_is_missing_behind_a_stop_is_refused);
    tcase_add_test(tests, test_without_current_it_is_refused);
    tcase_add_test(tests, test_the_last_durable_commit_before_a_kill_is_missed);
    tcase_add_test(tests, test_a_torn_tail_is_cut_off_and_said);
    return suite_run(suite, false);
}
