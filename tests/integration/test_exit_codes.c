/* The exit codes of the daemon: each is provoked, what a person must act on has one that the unit does not restart, and the documents
 * have the same list. Codes 74 and 75 are also those of test_moved and of tests/fault/test_stalls. */
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

enum {
    EXIT_STOPPED = 0,
    EXIT_FAILED = 1,
    EXIT_DAMAGED = 65,
    EXIT_TAKEN = 73,
    EXIT_WRITE_FAILED = 74,
    EXIT_REFUSED = 78,
    RUN_MS = 30000,
};

/* A start that is to end by itself: what the shell does before, the daemon's words behind --data D/d --socket D/s, where D is the
 * directory it is in, its code, and a word of what it says. */
static const struct {
    const char *before, *words;
    int code;
    const char *says;
} starts[] = {
    {"", "--no-such-flag", EXIT_REFUSED, "--no-such-flag"},
    {"", "--flush-delay never", EXIT_REFUSED, "never"},
    {"", "extra", EXIT_REFUSED, "extra"},
    {"export CAIRND_STREAMS_MAX=x;", "", EXIT_REFUSED, "STREAMS_MAX"},
    {"export CAIRND_NONSENSE=x;", "", EXIT_REFUSED, "NONSENSE"},
    {"echo cache_size=5 >c;", "--config c", EXIT_REFUSED, "cache_bytes"},
    {"echo cache_bytes=64MB >c;", "--config c", EXIT_REFUSED, "64MB"},
    {"echo requests_bytes_max=128KiB >c;", "--config c", EXIT_REFUSED, "requests_bytes_max"},
    {"echo 'socket_group = nosuchgroup' >c;", "--config c --create", EXIT_REFUSED, "nosuchgroup"},
    {"", "--config none", EXIT_REFUSED, "none"},
    {"", "--config .", EXIT_REFUSED, "directory"},
    {"", "--config /proc/self/mem", EXIT_FAILED, "Input/output error"}, /* a device may come back */
    {"", "", EXIT_REFUSED, "--create"},
    {"mkdir d;", "", EXIT_REFUSED, "--create"},
    {"mkdir d; touch d/x;", "--create", EXIT_REFUSED, "not a cairn store"},
    {"", "--create-only", EXIT_STOPPED, "store_made"},
    {"", "--create-only --socket a/s", EXIT_STOPPED, "store_made"},
    {"", "--create-only --data a/b", EXIT_REFUSED, "no directory a"},
    {"$CAIRND --data d --create-only; ln -sf CURRENT d/db/CURRENT;", "", EXIT_REFUSED, "cannot be seen"},
    {"$CAIRND --data d --create-only; rm -r d/db; ln -s db d/db;", "", EXIT_REFUSED, "cannot be seen"},
    {"mkdir d; touch d/x;", "--create-only", EXIT_REFUSED, "not a cairn store"},
    {"export CAIRND_CREATE=yes;", "", EXIT_REFUSED, "cairnd-create"},
    {"export SYSTEMD_EXEC_PID=$$;", "", EXIT_REFUSED, "type systemctl start cairnd-create"},
    {"export SYSTEMD_EXEC_PID=$$;", "--data /var/lib/cairn-absent", EXIT_REFUSED,
     "start cairnd-create@absent to"},
    {"touch d;", "--create", EXIT_REFUSED, "not a directory"},
    {"", "--create --data a/b", EXIT_REFUSED, "no directory a"},
    {"", "--create --socket a/s", EXIT_REFUSED, "No such file"},
    {"touch s;", "--create", EXIT_REFUSED, "no socket"},
    {"", "--create --readers no-such-user", EXIT_REFUSED, "no-such-user"},
    {"", "--create --admins %no-such-group", EXIT_REFUSED, "no-such-group"},
    {"ulimit -n 500;", "--create", EXIT_REFUSED, "descriptors"},
    {"ulimit -f 16384;", "--create", EXIT_REFUSED, "raise LimitFSIZE"},
    {"ulimit -S -f 16384;", "--create-only", EXIT_STOPPED, "store_made"}, /* the soft limit is raised */
    {"ulimit -v 262144;", "--create", EXIT_REFUSED, "raise LimitAS"},
    {"ulimit -S -v 262144;", "--create-only", EXIT_STOPPED, "store_made"}, /* as above */
    {"export LISTEN_FDS=2 LISTEN_PID=$$;", "--create", EXIT_REFUSED, "sockets"},
    {"mkdir d; printf 'cairn store\\nformat' >d/cairn.store;", "", EXIT_DAMAGED, "cairn.store"},
};

START_TEST(test_start_that_is_refused_says_why_by_its_code)
{
    const char *words = starts[_i].words;
    if (under_sanitizer() &&
        strstr(starts[_i].before, " -v ") != NULL) { /* which takes address space as it likes */
        return;
    }
    struct directory place = directory_new();
    struct program program =
        shell_run(RUN_MS, "cd %s; unset NOTIFY_SOCKET; %s exec %s --data d --socket s %s", place.path,
                  starts[_i].before, getenv("CAIRND"), words);
    ck_assert_msg(program.exit_code == starts[_i].code, "%s %s: exit %d: %s", starts[_i].before, words,
                  program.exit_code, program.errors);
    ck_assert_msg(strstr(program.errors, starts[_i].says) != NULL, "%s %s: %s", starts[_i].before, words,
                  program.errors);
    directory_remove(&place);
}
END_TEST

START_TEST(test_codes_of_a_daemon_that_served)
{
    struct rig rig = rig_start("");
    struct daemon second = daemon_new();
    snprintf(second.data, sizeof second.data, "%s", rig.daemon.data);
    daemon_launch(&second, "");
    ck_assert_int_eq(daemon_wait(&second, RUN_MS), EXIT_TAKEN);
    daemon_close(&second);
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), EXIT_STOPPED);
    daemon_start(&rig.daemon, "");
    (void)shell_run(RUN_MS, "rm -rf %s", rig.daemon.data); /* the daemon may make files meanwhile */
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), EXIT_WRITE_FAILED);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_store_that_is_there_is_not_made_again)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    struct program program =
        shell_run(RUN_MS, "exec %s --data %s --create-only", getenv("CAIRND"), rig.daemon.data);
    ck_assert_int_eq(program.exit_code, EXIT_STOPPED);
    ck_assert_ptr_nonnull(strstr(program.errors, "store_exists"));
    rig_restart(&rig, "");
    ck_assert(block_is(&rig.wire, 1, "one"));
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), EXIT_STOPPED);
    unsigned long before = directory_digest(rig.daemon.data);
    program = shell_run(RUN_MS, "exec %s --data %s --create-only", getenv("CAIRND"), rig.daemon.data);
    ck_assert_int_eq(program.exit_code, EXIT_STOPPED);
    ck_assert(directory_digest(rig.daemon.data) == before);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_store_that_was_made_is_served)
{
    struct daemon daemon = daemon_new();
    struct program program =
        shell_run(RUN_MS, "exec %s --data %s --create-only", getenv("CAIRND"), daemon.data);
    ck_assert_msg(program.exit_code == EXIT_STOPPED, "%s", program.errors);
    daemon.made = true;
    daemon_start(&daemon, "");
    struct wire wire = wire_open(daemon.socket);
    commit_ok(&wire, commit_of_block(1, "one"));
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(&daemon), EXIT_STOPPED);
    daemon_close(&daemon);
}
END_TEST

/* The list in the help, by which the unit and the document are judged: "  65* the store is damaged". */
START_TEST(test_unit_and_document_have_the_same_list)
{
    char *unit = file_read("scripts/systemd/cairnd.service.in"), *document = file_read("daemon/README.md");
    char *help = shell_run(RUN_MS, "exec %s --help", getenv("CAIRND")).output,
         *list = strstr(help, "Exit codes");
    char prevented[256] = "RestartPreventExitStatus=";
    size_t codes = 0;
    ck_assert_ptr_nonnull(list);
    for (char *line = strtok(list, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        int code;
        if (sscanf(line, " %d", &code) != 1) {
            continue;
        }
        const char *meaning = strpbrk(line, "abcdefghijklmnopqrstuvwxyz");
        bool needs_person = strchr(line, '*') != NULL;
        size_t used = strlen(prevented);
        if (needs_person) {
            snprintf(prevented + used, sizeof prevented - used, "%s%d", prevented[used - 1] == '=' ? "" : " ",
                     code);
        }
        const char *mends = code == 0 ? "nobody" : needs_person ? "a person" : "a restart";
        char *row = kept_format("\n| %d | %s | %s |\n", code, mends, meaning);
        ck_assert_msg(strstr(document, row) != NULL, "daemon/README.md lacks: %s", row);
        codes++;
    }
    ck_assert_uint_ge(codes, 7);
    ck_assert_msg(strstr(unit, kept_format("\n%s\n", prevented)) != NULL, "the unit lacks: %s", prevented);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("exit_codes", 60, &tests);
    tcase_add_loop_test(tests, test_start_that_is_refused_says_why_by_its_code, 0,
                        sizeof starts / sizeof starts[0]);
    tcase_add_test(tests, test_codes_of_a_daemon_that_served);
    tcase_add_test(tests, test_store_that_is_there_is_not_made_again);
    tcase_add_test(tests, test_store_that_was_made_is_served);
    tcase_add_test(tests, test_unit_and_document_have_the_same_list);
    return suite_run(suite, false);
}
