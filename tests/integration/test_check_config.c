/* `cairnd --check-config`: it finds what a start would meet, as the user and in the sandbox of the unit where root asks, and changes
 * nothing, also beside a daemon that runs. A systemctl of the test's own says what the unit is. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum { EXIT_DAMAGED = 65, EXIT_REFUSED = 78, RUN_MS = 20000 };

static struct directory place;

static void setup(void)
{
    place = directory_new();
}

static void teardown(void)
{
    directory_remove(&place);
}

/* What systemctl says of the unit; root's unless it says otherwise. */
static void make_unit(const char *properties)
{
    char *path = directory_path(&place, "systemctl");
    file_write(path, kept_format("#!/bin/sh\nprintf 'LoadState=loaded\\n%s'\n", properties));
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static struct program check(const char *data, const char *more)
{
    return shell_run(RUN_MS, "PATH=%s:$PATH; exec %s --check-config --data %s --socket %s/s %s", place.path,
                     getenv("CAIRND"), data, place.path, more);
}

static void expect(const char *data, const char *more, int code, const char *text)
{
    struct program program = check(data, more);
    ck_assert_msg(program.exit_code == code, "exit %d: %s", program.exit_code, program.errors);
    ck_assert_msg(strstr(program.errors, text) != NULL, "no '%s' in: %s", text, program.errors);
    ck_assert((strstr(program.output, "is good") != NULL) == (code == 0));
}

START_TEST(test_store_that_is_served_is_found_good_and_untouched)
{
    struct rig rig = rig_start("");
    make_unit("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    siginfo_t stopped;
    daemon_signal(&rig.daemon, SIGSTOP); /* so that nothing but the check could change anything */
    ck_assert_int_eq(waitid(P_PID, (id_t)rig.daemon.pid, &stopped, WSTOPPED), 0);
    unsigned long before = directory_digest(rig.daemon.home.path);
    struct program program = shell_run(RUN_MS, "PATH=%s:$PATH; exec %s --check-config --data %s --socket %s",
                                       place.path, getenv("CAIRND"), rig.daemon.data, rig.daemon.socket);
    ck_assert_msg(program.exit_code == 0, "%s", program.errors);
    ck_assert(directory_digest(rig.daemon.home.path) == before);
    daemon_signal(&rig.daemon, SIGCONT);
    ck_assert_uint_eq(get_height(&rig.wire), 1);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (status_number(&rig.wire, "connections") != 1) { /* the check's has come and gone */
        ck_assert_uint_lt(clock_ms(), until);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_store_that_is_not_made_yet_is_noted_and_nothing_is_made)
{
    make_unit("");
    char *data = directory_path(&place, "d");
    expect(data, "", 0, "--create");
    ck_assert(!file_exists(data) && !file_exists(directory_path(&place, "s")));
}
END_TEST

START_TEST(test_what_a_start_would_meet_is_refused)
{
    make_unit("");
    char *data = directory_path(&place, "d");
    expect(directory_path(&place, "a/b"), "", EXIT_REFUSED, "cannot be made, for there is no directory");
    expect(data, "--socket-group no-such-group", EXIT_REFUSED, "no-such-group");
    expect(data, "--readers no-such-user", EXIT_REFUSED, "no-such-user");
    expect(data, kept_format("--socket %s/a/s", place.path), EXIT_REFUSED, "No such file or directory");
    file_write(directory_path(&place, "f"), "");
    expect(directory_path(&place, "f"), "", EXIT_REFUSED, "not a directory");
    expect(data, kept_format("--socket %s/f", place.path), EXIT_REFUSED, "no socket");
    expect(place.path, "", EXIT_REFUSED, "not a cairn store");
    ck_assert_int_eq(mkdir(data, 0700), 0);
    file_write(directory_path(&place, "d/cairn.store"), "cairn store\nformat");
    expect(data, "", EXIT_DAMAGED, "cairn.store");
    expect(data, kept_format("--config %s/none", place.path), EXIT_REFUSED, "none: cannot be opened");
}
END_TEST

START_TEST(test_several_refusals_come_at_once)
{
    make_unit("");
    struct program program =
        check(directory_path(&place, "a/b"), "--socket-group no-such-group --readers no-such-user");
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_ptr_nonnull(strstr(program.errors, "no-such-group"));
    ck_assert_ptr_nonnull(strstr(program.errors, "no-such-user"));
    ck_assert_ptr_nonnull(strstr(program.errors, "a/b"));
}
END_TEST

START_TEST(test_limits_are_judged)
{
    make_unit("");
    struct program program =
        shell_run(RUN_MS, "PATH=%s:$PATH; ulimit -n 200; exec %s --check-config --data %s/d --socket %s/s",
                  place.path, getenv("CAIRND"), place.path, place.path);
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_ptr_nonnull(strstr(program.errors, "LimitNOFILE"));
}
END_TEST

START_TEST(test_root_judges_as_the_unit_s_user)
{
    char *data = directory_path(&place, "d"), *config = directory_path(&place, "cairnd.conf");
    if (geteuid() != 0) {
        return; /* nobody else can become another user */
    }
    make_unit("User=nobody\\n");
    ck_assert_int_eq(shell_run(RUN_MS, "chmod 755 %s %s/..", place.path, place.path).exit_code, 0);
    expect(data, "", EXIT_REFUSED, "judged as user nobody, in the sandbox of cairnd.service");
    ck_assert_int_eq(shell_run(RUN_MS, "install -d -o nobody %s %s/socket", data, place.path).exit_code, 0);
    char *socket = kept_format("--socket %s/socket/s", place.path);
    expect(data, socket, 0, "judged as user nobody");
    ck_assert_int_eq(shell_run(RUN_MS, "install -m 600 /dev/null %s/cairn.lock", data).exit_code, 0);
    expect(data, socket, EXIT_REFUSED, "cairn.lock: cannot be read and written: Permission denied");
    ck_assert_int_eq(unlink(directory_path(&place, "d/cairn.lock")), 0);
    file_write(config, "flush_delay = 5ms\n");
    ck_assert_int_eq(chmod(config, 0600), 0);
    expect(data, kept_format("%s --config %s", socket, config), EXIT_REFUSED,
           "cairnd.conf: cannot be opened");
    make_unit("User=no-such-user\\n");
    expect(data, socket, EXIT_REFUSED, "no-such-user");
}
END_TEST

START_TEST(test_root_judges_by_the_unit_s_sandbox)
{
    char *data = directory_path(&place, "d");
    if (geteuid() != 0) {
        return; /* others are judged as they are */
    }
    make_unit("ProtectSystem=strict\\nStateDirectory=cairn\\nRuntimeDirectory=cairn\\n");
    expect(data, "", EXIT_REFUSED, kept_format("ReadWritePaths=%s", place.path));
    make_unit(kept_format("ProtectSystem=strict\\nReadWritePaths=%s\\n", place.path));
    expect(data, "", 0, "in the sandbox of cairnd.service");
    make_unit(kept_format("InaccessiblePaths=%s\\n", place.path));
    expect(data, "", EXIT_REFUSED, "hides what is there");
    make_unit("LimitNOFILE=500\\n");
    expect(data, "", EXIT_REFUSED, "LimitNOFILE");
}
END_TEST

START_TEST(test_file_system_without_room_refuses_a_new_store)
{
    char *disk = directory_path(&place, "disk");
    make_unit("");
    if (!small_disk_tmpfs(disk, 3)) {
        return;
    }
    expect(directory_path(&place, "disk/d"), "", EXIT_REFUSED, "KiB are free");
    ck_assert(!file_exists(directory_path(&place, "disk/d")));
    small_disk_unmount(disk);
    if (small_disk_tmpfs_files(disk, 100, 50)) {
        expect(directory_path(&place, "disk/d"), "", EXIT_REFUSED, "files (inodes) are left");
        small_disk_unmount(disk);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("check_config", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_store_that_is_served_is_found_good_and_untouched);
    tcase_add_test(tests, test_store_that_is_not_made_yet_is_noted_and_nothing_is_made);
    tcase_add_test(tests, test_what_a_start_would_meet_is_refused);
    tcase_add_test(tests, test_several_refusals_come_at_once);
    tcase_add_test(tests, test_limits_are_judged);
    tcase_add_test(tests, test_root_judges_as_the_unit_s_user);
    tcase_add_test(tests, test_root_judges_by_the_unit_s_sandbox);
    tcase_add_test(tests, test_file_system_without_room_refuses_a_new_store);
    return suite_run(suite, false);
}
