/* cairn.numbers, which keeps runs and sequence numbers from being given twice: any one damage of it is mended, a lost one stops the
 * start before anything is touched, and is made anew only where that is asked for. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { EXIT_DAMAGED = 65, EXIT_NOT_SERVED = 78, RUN_MS = 20000 };

static const Cairn__HelloReply *resume(const struct daemon *daemon, const Cairn__HelloReply *before)
{
    struct wire wire = wire_try_connect(daemon->socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_resume_run = hello.has_resume_random = before != NULL;
    hello.resume_run = before != NULL ? before->run : 0;
    hello.resume_random = before != NULL ? before->run_random : 0;
    const Cairn__HelloReply *reply = ask_hello(&wire, &hello);
    wire_close(&wire);
    return reply;
}

/* Zeroes the copies that are asked for; the file is there. */
static void damage(const char *path, bool first, bool second)
{
    static const char zeros[4096];
    struct stat status;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert(!first || pwrite(fd, zeros, sizeof zeros, 0) == sizeof zeros);
    ck_assert(!second || pwrite(fd, zeros, sizeof zeros, status.st_size / 2) == sizeof zeros);
    close(fd);
}

START_TEST(test_either_copy_may_be_damaged_at_every_start)
{
    struct rig rig = rig_start("");
    char *path = kept_format("%s/cairn.numbers", rig.daemon.data);
    uint64_t last = commit_ok(&rig.wire, commit_of_block(1, "one")).sequence;
    for (uint64_t run = 2; run < 6; run++) {
        wire_close(&rig.wire);
        ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
        damage(path, run % 2 == 0, run % 2 != 0);
        daemon_start(&rig.daemon, "");
        rig.wire = rig_open(&rig);
        ck_assert_uint_eq(resume(&rig.daemon, NULL)->run, run);
        uint64_t sequence = commit_ok(&rig.wire, commit_of_block(run, "next")).sequence;
        ck_assert_uint_gt(sequence, last);
        last = sequence;
    }
    rig_end(&rig);
}
END_TEST

/* Put back alone from a copy, it would give numbers twice, whatever was written since. */
START_TEST(test_an_older_file_stops_the_start_and_is_renewed_only_when_asked)
{
    struct rig rig = rig_start("");
    struct daemon *daemon = &rig.daemon;
    char *path = kept_format("%s/cairn.numbers", daemon->data),
         *copy = kept_format("%s/copy", daemon->home.path);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(daemon), 0);
    ck_assert_int_eq(shell_run(RUN_MS, "cp %s %s", path, copy).exit_code, 0);
    daemon_start(daemon, "");
    rig.wire = rig_open(&rig);
    uint64_t last = _i % 2 == 0 ? commit_ok(&rig.wire, commit_of_block(2, "two")).sequence
                                : set(&rig.wire, "name", "value").sequence;
    const Cairn__HelloReply *before = resume(daemon, NULL);
    wire_close(&rig.wire);
    if (_i < 2) {
        ck_assert_int_eq(daemon_stop(daemon), 0);
    } else {
        daemon_kill(daemon);
    }
    ck_assert_int_eq(shell_run(RUN_MS, "cp %s %s", copy, path).exit_code, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert(!daemon_try_start(daemon, ""));
        ck_assert_int_eq(daemon_wait(daemon, RUN_MS), EXIT_DAMAGED);
    }
    ck_assert(daemon_says(daemon, "cairn.numbers is older than the database"));
    ck_assert(daemon_says(daemon, "--accept-loss"));
    daemon_start(daemon, "--accept-loss");
    const Cairn__HelloReply *after = resume(daemon, before);
    ck_assert_uint_gt(after->run, before->run);
    rig_crash(&rig, "");
    ck_assert_uint_gt(commit_ok(&rig.wire, commit_of_block(3, "three")).sequence, last);
    ck_assert(block_is(&rig.wire, 1, "one"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_lost_file_stops_the_start_untouched_and_is_renewed_only_when_asked)
{
    struct rig rig = rig_start("");
    struct daemon *daemon = &rig.daemon;
    char *path = kept_format("%s/cairn.numbers", daemon->data);
    uint64_t last = commit_ok(&rig.wire, commit_of_block(1, "one")).sequence;
    const Cairn__HelloReply *before = resume(daemon, NULL);
    wire_close(&rig.wire);
    daemon_kill(daemon);
    if (_i == 0) {
        ck_assert_int_eq(unlink(path), 0);
    } else {
        damage(path, true, true);
    }
    unsigned long contents = directory_digest(kept_format("%s/db", daemon->data));
    for (int i = 0; i < 2; i++) {
        ck_assert(!daemon_try_start(daemon, ""));
        ck_assert_int_eq(daemon_wait(daemon, RUN_MS), EXIT_DAMAGED);
    }
    ck_assert(daemon_says(daemon, "cairn.numbers"));
    ck_assert(daemon_says(daemon, "--accept-loss"));
    ck_assert_uint_eq(directory_digest(kept_format("%s/db", daemon->data)), contents);

    daemon_start(daemon, "--accept-loss");
    ck_assert(resume(daemon, before)->store_changed);
    const Cairn__HelloReply *renewed = resume(daemon, NULL);
    ck_assert_uint_gt(renewed->run, before->run);
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 1, "one"));
    ck_assert_uint_gt(commit_ok(&rig.wire, commit_of_block(2, "two")).sequence, last);
    rig_restart(&rig, "");
    ck_assert(!resume(daemon, renewed)->store_changed);
    ck_assert_uint_eq(resume(daemon, NULL)->run, renewed->run + 1);
    rig_end(&rig);
}
END_TEST

/* A start overwrites the file in place. */
START_TEST(test_the_file_neither_grows_nor_moves_over_any_number_of_starts)
{
    struct rig rig = rig_start("");
    struct stat first, last;
    char *path = kept_format("%s/cairn.numbers", rig.daemon.data);
    ck_assert_int_eq(stat(path, &first), 0);
    for (int i = 0; i < 5; i++) {
        rig_crash(&rig, "");
    }
    ck_assert_int_eq(stat(path, &last), 0);
    ck_assert_int_eq(last.st_size, first.st_size);
    ck_assert_int_eq(last.st_blocks, first.st_blocks);
    ck_assert_uint_eq(last.st_ino, first.st_ino);
    rig_end(&rig);
}
END_TEST

/* What no restart changes is told by its own exit code. */
START_TEST(test_a_read_only_file_system_is_named_and_not_restarted_on)
{
    struct rig rig = rig_start("");
    const char *data = rig.daemon.data;
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    const char *const prefix[] = {
        "unshare",
        "--mount",
        "sh",
        "-c",
        kept_format("mount --bind %s %s && mount -o remount,ro,bind %s || exit 99; exec \"$@\"", data, data,
                    data),
        "sh",
        NULL};
    rig.daemon.prefix = prefix;
    ck_assert(!daemon_try_start(&rig.daemon, ""));
    int code = daemon_wait(&rig.daemon, RUN_MS);
    if (strstr(daemon_errors(&rig.daemon), "Read-only file system; mount it for writing") != NULL) {
        ck_assert_int_eq(code, EXIT_NOT_SERVED);
    } else {
        ck_assert_msg(code == 1 || code == 99, "%d: %s", code, daemon_errors(&rig.daemon));
        ck_assert_ptr_null(strstr(daemon_errors(&rig.daemon), "directory_refused"));
        printf("skipped: no mounts can be made here\n");
    }
    rig.daemon.prefix = NULL;
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("numbers", 120, &tests);
    tcase_add_test(tests, test_either_copy_may_be_damaged_at_every_start);
    tcase_add_loop_test(tests, test_an_older_file_stops_the_start_and_is_renewed_only_when_asked, 0, 4);
    tcase_add_loop_test(tests, test_a_lost_file_stops_the_start_untouched_and_is_renewed_only_when_asked, 0,
                        2);
    tcase_add_test(tests, test_the_file_neither_grows_nor_moves_over_any_number_of_starts);
    tcase_add_test(tests, test_a_read_only_file_system_is_named_and_not_restarted_on);
    return suite_run(suite, true);
}
