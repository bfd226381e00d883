/* Start and stop (contract 9, 10): SIGTERM, a second daemon, directories that are not ours, the socket, systemd's ways. */
#include <check.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/manager.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { EXIT_FAILED = 1, EXIT_TAKEN = 73, EXIT_NOT_OURS = 78 };
enum { TOLD_MS = 20000, END_MS = 20000 };

START_TEST(test_sigterm_writes_queue_exit_0)
{
    struct rig rig = rig_start("--flush-delay 1h --sync-interval 10s");
    for (int i = 0; i < 1000; i++) {
        set(&rig.wire, kept_format("%d", i), "x");
    }
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    for (int i = 0; i < 1000; i++) {
        ck_assert(metadata_is(&rig.wire, kept_format("%d", i), "x"));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_sigterm_finishes_what_is_in_flight)
{
    struct rig rig = rig_start("");
    uint64_t ids[300];
    for (uint64_t i = 0; i < 300; i++) {
        ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(i + 1, "block"));
    }
    daemon_signal(&rig.daemon, SIGTERM);
    uint64_t answered = 0;
    for (uint64_t i = 0; i < 300; i++) {
        struct wire_frame *frame = wire_try_frame(&rig.wire, ids[i], END_MS);
        if (frame == NULL) {
            break;
        }
        ck_assert(frame->header.status == STATUS_OK || frame->header.status == STATUS_SHUTTING_DOWN);
        answered += frame->header.status == STATUS_OK;
    }
    ck_assert_int_eq(daemon_wait(&rig.daemon, END_MS), 0);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert_uint_ge(get_height(&rig.wire), answered);
    rig_end(&rig);
}
END_TEST

START_TEST(test_sigint_stops_like_sigterm)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "a", "x");
    daemon_signal(&rig.daemon, SIGINT);
    ck_assert_int_eq(daemon_wait(&rig.daemon, END_MS), 0);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(metadata_is(&rig.wire, "a", "x"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_second_sigterm_changes_nothing)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "a", "x");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    daemon_signal(&rig.daemon, SIGTERM);
    sleep_ms(200);
    daemon_signal(&rig.daemon, SIGTERM);
    daemon_signal(&rig.daemon, SIGINT);
    sleep_ms(200);
    ck_assert_int_eq(daemon_wait(&rig.daemon, 0), -1); /* it still waits for its writer */
    trouble_thaw(&frozen);
    ck_assert_int_eq(daemon_wait(&rig.daemon, END_MS), 0);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(metadata_is(&rig.wire, "a", "x"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_stop_deadline_exits_nonzero_and_says_how_many_are_not_written)
{
    struct rig rig = rig_start("--flush-delay 1h --stop-timeout 300ms");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    for (int i = 0; i < 37; i++) {
        set(&rig.wire, kept_format("%d", i), "x");
    }
    daemon_signal(&rig.daemon, SIGTERM);
    ck_assert_msg(trouble_buried(&frozen, END_MS), "it does not end: %s", daemon_errors(&rig.daemon));
    ck_assert_int_eq(daemon_wait(&rig.daemon, END_MS), EXIT_FAILED);
    char *said = daemon_errors(&rig.daemon);
    ck_assert_msg(strstr(said, "37") != NULL || strstr(said, "38") != NULL, "%s",
                  said); /* with the frozen commit */
    wire_close(&rig.wire);
    daemon_close(&rig.daemon);
}
END_TEST

static int count_logs(const char *data)
{
    return atoi(shell_run(END_MS, "ls %s/db | grep -c '[.]log$'", data).output);
}

/* What is to give space back closes a write buffer, which begins a log, and waits for a table of it. */
START_TEST(test_stop_where_tables_cannot_be_written_ends_with_0)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    commit_ok(&rig.wire, commit_of_block(2, "two"));
    (void)shell_run(END_MS, "cd %s/db && for i in $(seq -f %%06.0f 200); do mkdir -p $i.sst $i.blob; done",
                    rig.daemon.data);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(1)).status, STATUS_OK);
    for (int wait = 0; count_logs(rig.daemon.data) < 2; wait += 100) {
        ck_assert_int_lt(wait, patience_ms(60000));
        usleep(100000);
    }
    usleep(500000); /* it fails meanwhile; where it fails later the stop ends as well */
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    wire_close(&rig.wire);
    (void)shell_run(END_MS, "rmdir %s/db/*.sst %s/db/*.blob", rig.daemon.data, rig.daemon.data);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 2, "two"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_new_connections_are_refused_while_stopping)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    daemon_signal(&rig.daemon, SIGTERM);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(END_MS);
    bool refused = false;
    while (!refused && clock_ms() < until) {
        struct wire late = wire_try_connect(rig.daemon.socket);
        refused = late.fd < 0 || !wire_try_hello(&late);
        wire_close(&late);
    }
    ck_assert(refused);
    trouble_thaw(&frozen);
    ck_assert_int_eq(daemon_wait(&rig.daemon, END_MS), 0);
    wire_close(&rig.wire);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_second_daemon_names_pid)
{
    struct rig rig = rig_start("");
    struct daemon second = daemon_new();
    snprintf(second.data, sizeof second.data, "%s", rig.daemon.data);
    daemon_launch(&second, "");
    ck_assert_int_eq(daemon_wait(&second, END_MS), EXIT_TAKEN);
    char *pid = kept_format("%d", (int)daemon_process(&rig.daemon));
    ck_assert_msg(strstr(daemon_errors(&second), pid) != NULL, "%s", daemon_errors(&second));
    commit_ok(&rig.wire, commit_of_block(1, "unharmed"));
    rig_crash(&rig, ""); /* the lock goes with its holder */
    daemon_launch(&second, "");
    ck_assert_int_eq(daemon_wait(&second, END_MS), EXIT_TAKEN);
    daemon_close(&second);
    rig_end(&rig);
}
END_TEST

/* Starts on a directory, with and without --create, and expects it refused and untouched. */
static void expect_refused(const char *data, bool create)
{
    struct daemon daemon = daemon_new();
    snprintf(daemon.data, sizeof daemon.data, "%s", data);
    daemon.made = !create;
    unsigned long before = directory_digest(data);
    daemon_launch(&daemon, "");
    int code = daemon_wait(&daemon, END_MS);
    ck_assert_msg(code == EXIT_NOT_OURS, "exit %d: %s", code, daemon_errors(&daemon));
    ck_assert_uint_gt(strlen(daemon_errors(&daemon)), 20);
    ck_assert_msg(directory_digest(data) == before, "the directory was touched");
    daemon_close(&daemon);
}

START_TEST(test_empty_or_missing_directory_is_refused_without_create)
{
    struct directory place = directory_new();
    expect_refused(place.path, false);
    char *missing = directory_path(&place, "none");
    expect_refused(missing, false);
    ck_assert(!file_exists(missing));
}
END_TEST

/* An operator's configuration of OpenSSL may leave out the hash function: that is told, not aborted on. */
START_TEST(test_start_without_sha256_says_so)
{
    struct daemon daemon = daemon_new();
    char *path = kept_format("%s/openssl.cnf", daemon.home.path);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(fprintf(file,
                             "openssl_conf = all\n[all]\nproviders = providers\n[providers]\nbase = base\n"
                             "[base]\nactivate = 1\n"),
                     0);
    ck_assert_int_eq(fclose(file), 0);
    daemon.environment[0] = kept_format("OPENSSL_CONF=%s", path);
    daemon_launch(&daemon, "--create");
    ck_assert_int_eq(daemon_wait(&daemon, END_MS), EXIT_NOT_OURS);
    ck_assert(daemon_says(&daemon, "OPENSSL_CONF"));
    daemon_close(&daemon);
}
END_TEST

START_TEST(test_foreign_directory_is_refused_untouched)
{
    struct directory place = directory_new();
    file_write(directory_path(&place, "somebody's"), "data");
    expect_refused(place.path, false);
    expect_refused(place.path, true);
}
END_TEST

START_TEST(test_newer_or_damaged_stamp_is_refused_untouched)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    char *stamp = kept_format("%s/cairn.store", rig.daemon.data);
    char *good = file_read(stamp);
    char *format = strstr(good, "format 2");
    ck_assert_ptr_nonnull(format);
    file_write(stamp, kept_format("%.*sformat 99%s", (int)(format - good), good, format + 8));
    expect_refused(rig.daemon.data, false);
    expect_refused(rig.daemon.data, true);
    file_write(stamp, "nonsense");
    expect_refused(rig.daemon.data, false);
    file_write(stamp, "");
    expect_refused(rig.daemon.data, true);
    unlink(stamp); /* a store without its stamp is a foreign directory */
    expect_refused(rig.daemon.data, true);
    file_write(stamp, good);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 1, "one"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_create_on_an_existing_store_opens_it)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    rig_restart(&rig, "--create");
    ck_assert(block_is(&rig.wire, 1, "one"));
    rig_end(&rig);
}
END_TEST

static mode_t socket_mode(const struct daemon *daemon, gid_t *ret_group)
{
    struct stat info;
    ck_assert_int_eq(stat(daemon->socket, &info), 0);
    *ret_group = info.st_gid;
    return info.st_mode & 07777;
}

START_TEST(test_socket_mode_and_group_are_settings)
{
    gid_t group;
    struct rig rig = rig_start("");
    ck_assert_int_eq((int)socket_mode(&rig.daemon, &group), 0660);
    ck_assert_int_eq((int)group, (int)getegid());
    rig_restart(&rig, "--socket-mode 0600");
    ck_assert_int_eq((int)socket_mode(&rig.daemon, &group), 0600);
    struct group *other = getgrnam("daemon");
    if (geteuid() == 0 && other != NULL) {
        gid_t wanted = other->gr_gid;
        rig_restart(&rig, "--socket-mode 0666 --socket-group daemon");
        ck_assert_int_eq((int)socket_mode(&rig.daemon, &group), 0666);
        ck_assert_int_eq((int)group, (int)wanted);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_socket_left_by_a_dead_daemon_is_replaced_and_gone_after_a_clean_stop)
{
    struct rig rig = rig_start("");
    wire_close(&rig.wire);
    daemon_kill(&rig.daemon);
    ck_assert(file_exists(rig.daemon.socket));
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    ck_assert(!file_exists(rig.daemon.socket));
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_socket_of_a_living_daemon_is_not_taken_over)
{
    struct rig rig = rig_start("");
    struct daemon second = daemon_new();
    snprintf(second.socket, sizeof second.socket, "%s", rig.daemon.socket);
    daemon_launch(&second, "");
    ck_assert_int_gt(daemon_wait(&second, END_MS), 0);
    struct wire wire = rig_open(&rig);
    ck_assert_uint_eq(get_height(&wire), 0);
    wire_close(&wire);
    daemon_close(&second);
    rig_end(&rig);
}
END_TEST

START_TEST(test_start_that_fails_at_its_socket_leaves_no_store)
{
    struct daemon daemon = daemon_new();
    for (int i = 0; i < 2; i++) {
        snprintf(daemon.socket, sizeof daemon.socket, "%s", directory_path(&daemon.home, "absent/socket"));
        daemon_launch(&daemon, "");
        ck_assert_int_gt(daemon_wait(&daemon, END_MS), 0);
        ck_assert(daemon_says(&daemon, "socket_refused"));
        ck_assert(!file_exists(daemon.data));
    }
    daemon_close(&daemon);
}
END_TEST

/* Other files than those of a store that runs for long: each start has its log, and the starts before leave few. */
START_TEST(test_starts_leave_few_files)
{
    enum { STARTS = 30, FILES_MAX = 25 };
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= STARTS; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "header"));
        (height % 2 == 0 ? rig_crash : rig_restart)(&rig, "");
    }
    int files = FILES_MAX + 1;
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(30000);
         clock_ms() < until && files > FILES_MAX;) {
        sleep_ms(50);
        files = atoi(shell_run(END_MS, "ls %s/db | wc -l", rig.daemon.data).output);
    }
    ck_assert_int_le(files, FILES_MAX);
    for (uint64_t height = 1; height <= STARTS; height++) {
        ck_assert(block_is(&rig.wire, height, "header"));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_fd3_socket_activation_given_back_untouched)
{
    struct rig rig = {.daemon = daemon_new()};
    rig.daemon.adopt_fd = daemon_listen_at(rig.daemon.socket);
    rig.wire = wire_connect(rig.daemon.socket); /* waits in the backlog */
    for (int start = 0; start < 2; start++) {
        daemon_launch(&rig.daemon, "");
        ck_assert(wire_try_hello(&rig.wire));
        commit_ok(&rig.wire, commit_of_block((uint64_t)start + 1, "block"));
        wire_close(&rig.wire);
        rig.daemon.made = true;
        ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
        ck_assert(file_exists(rig.daemon.socket));
        rig.wire = wire_connect(rig.daemon.socket); /* still listening: nobody is turned away meanwhile */
    }
    wire_close(&rig.wire);
    close(rig.daemon.adopt_fd);
    daemon_close(&rig.daemon);
}
END_TEST

/* ---- systemd's ways ---- */

START_TEST(test_notify_ready_stopping_status)
{
    struct daemon daemon = daemon_new();
    struct manager manager = manager_open();
    daemon.environment[0] = kept_format("NOTIFY_SOCKET=%s", manager.name);
    daemon_launch(&daemon, "");
    ck_assert(manager_hears(&manager, "READY=1", TOLD_MS));
    struct wire wire = wire_open(daemon.socket); /* ready means that it accepts */
    ck_assert(manager_hears(&manager, "STATUS=", TOLD_MS));
    ck_assert(!manager_has_heard(&manager, "STOPPING=1"));
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    ck_assert(manager_hears(&manager, "STOPPING=1", TOLD_MS));
    manager_close(&manager);
    daemon_close(&daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("lifecycle", 60, &tests);
    tcase_add_test(tests, test_sigterm_writes_queue_exit_0);
    tcase_add_test(tests, test_sigterm_finishes_what_is_in_flight);
    tcase_add_test(tests, test_sigint_stops_like_sigterm);
    tcase_add_test(tests, test_second_sigterm_changes_nothing);
    tcase_add_test(tests, test_stop_deadline_exits_nonzero_and_says_how_many_are_not_written);
    tcase_add_test(tests, test_stop_where_tables_cannot_be_written_ends_with_0);
    tcase_add_test(tests, test_new_connections_are_refused_while_stopping);
    tcase_add_test(tests, test_second_daemon_names_pid);
    tcase_add_test(tests, test_empty_or_missing_directory_is_refused_without_create);
    tcase_add_test(tests, test_start_without_sha256_says_so);
    tcase_add_test(tests, test_foreign_directory_is_refused_untouched);
    tcase_add_test(tests, test_newer_or_damaged_stamp_is_refused_untouched);
    tcase_add_test(tests, test_create_on_an_existing_store_opens_it);
    tcase_add_test(tests, test_socket_mode_and_group_are_settings);
    tcase_add_test(tests, test_socket_left_by_a_dead_daemon_is_replaced_and_gone_after_a_clean_stop);
    tcase_add_test(tests, test_socket_of_a_living_daemon_is_not_taken_over);
    tcase_add_test(tests, test_start_that_fails_at_its_socket_leaves_no_store);
    tcase_add_test(tests, test_starts_leave_few_files);
    tcase_add_test(tests, test_fd3_socket_activation_given_back_untouched);
    tcase_add_test(tests, test_notify_ready_stopping_status);
    return suite_run(suite, false);
}
