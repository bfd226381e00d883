/* A store of format 1 is converted once: its numbers go on, nothing of its contents changes, and a death at any step of the
 * conversion leaves a store that the next start converts, or one that is converted.
 *
 * tests/data/format-1.tar.gz is a store that cairnd 0.1.0 made in four runs. Each set a name and committed a block; the first three
 * were stopped, the last one was killed. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { RUN = 4 };
#define RESERVED ((uint64_t)RUN << 32)

static struct rig new_format_1(void)
{
    struct rig rig = {.daemon = daemon_new()};
    struct program tar =
        shell_run(20000, "tar -xzf %s/format-1.tar.gz -C %s && mv %s/format-1 %s", getenv("CAIRN_TEST_DATA"),
                  rig.daemon.home.path, rig.daemon.home.path, rig.daemon.data);
    ck_assert_msg(tar.exit_code == 0, "%s", tar.errors);
    rig.daemon.made = true;
    return rig;
}

static bool has_format_2(const struct rig *rig)
{
    return strstr(file_read(kept_format("%s/cairn.store", rig->daemon.data)), "\nformat 2\n") != NULL;
}

static const Cairn__HelloReply *hello(const struct rig *rig, uint64_t resume_run)
{
    struct wire wire = wire_try_connect(rig->daemon.socket);
    Cairn__Hello message = CAIRN__HELLO__INIT;
    message.has_resume_run = resume_run != 0;
    message.resume_run = resume_run;
    const Cairn__HelloReply *reply = ask_hello(&wire, &message);
    wire_close(&wire);
    return reply;
}

static void check_contents(struct rig *rig)
{
    ck_assert_uint_eq(get_height(&rig->wire), RUN);
    for (int i = 1; i <= RUN; i++) {
        ck_assert(block_is(&rig->wire, (uint64_t)i, kept_format("h%d", i)));
        ck_assert(metadata_is(&rig->wire, kept_format("name-%d", i), kept_format("value-%d", i)));
    }
    ck_assert_uint_gt(commit_ok(&rig->wire, commit_of_block(RUN, "h4")).sequence, RESERVED);
}

/* The daemon serves the converted store, in that run. */
static void check_converted(struct rig *rig, uint64_t run)
{
    ck_assert(has_format_2(rig));
    ck_assert_uint_eq(hello(rig, 0)->run, run);
    for (uint64_t before = 1; before <= RUN; before++) { /* the first write of each was its metadata */
        ck_assert_uint_eq(hello(rig, before)->metadata_on_disk, ((before - 1) << 32) + 1);
    }
    rig->wire = rig_open(rig);
    check_contents(rig);
}

START_TEST(test_a_store_of_format_1_goes_on_with_its_numbers)
{
    struct rig rig = new_format_1();
    daemon_start(&rig.daemon, "");
    check_converted(&rig, RUN + 1);
    rig_crash(&rig, "");
    ck_assert_uint_eq(hello(&rig, 0)->run, RUN + 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_what_a_death_in_the_conversion_leaves_is_converted)
{
    struct rig rig = new_format_1();
    char *numbers = kept_format("%s/cairn.numbers", rig.daemon.data);
    char *stamp = kept_format("%s/cairn.store", rig.daemon.data);
    file_write(_i == 0   ? kept_format("%s.tmp", numbers)
               : _i == 1 ? numbers
                         : kept_format("%s.tmp", stamp),
               "half");
    daemon_start(&rig.daemon, "");
    check_converted(&rig, RUN + 1);
    rig_end(&rig);
}
END_TEST

/* The stamp says format 1 again, while the numbers lie where format 2 has them. */
START_TEST(test_an_older_stamp_does_not_have_numbers_given_again)
{
    struct rig rig = new_format_1();
    char *stamp = kept_format("%s/cairn.store", rig.daemon.data);
    char *copy = kept_format("%s/stamp", rig.daemon.home.path);
    ck_assert_int_eq(shell_run(20000, "cp %s %s", stamp, copy).exit_code, 0);
    daemon_start(&rig.daemon, "");
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    ck_assert_int_eq(shell_run(20000, "cp %s %s", copy, stamp).exit_code, 0);
    daemon_start(&rig.daemon, "");
    check_converted(&rig, RUN + 2);
    rig_end(&rig);
}
END_TEST

/* The socket takes connections before the start is over. */
static bool serves(const struct rig *rig)
{
    struct wire wire = wire_try_connect(rig->daemon.socket);
    bool is_served = wire.fd >= 0 && wire_try_hello(&wire);
    wire_close(&wire);
    return is_served;
}

/* Killed at each call that touches the stamp, the numbers or their directory, one after the other, until a start gets through. */
START_TEST(test_a_kill_at_any_call_of_the_conversion_loses_nothing)
{
    static const char *const calls[] = {"openat",    "pwrite64", "fsync", "rename,renameat,renameat2",
                                        "fdatasync", "write"};
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = new_format_1();
    const char *data = rig.daemon.data;
    int kills = 0;
    for (bool is_up = false; !is_up; kills += !is_up) {
        ck_assert_int_lt(kills, 100);
        const char *inject = kept_format("inject=%s:signal=SIGKILL:when=%d", calls[_i], kills + 1);
        const char *const prefix[] = {"strace",
                                      "-f",
                                      "-qq",
                                      "-o",
                                      "/dev/null",
                                      "-e",
                                      inject,
                                      "-P",
                                      data,
                                      "-P",
                                      kept_format("%s/cairn.store.tmp", data),
                                      "-P",
                                      kept_format("%s/cairn.numbers.tmp", data),
                                      "-P",
                                      kept_format("%s/cairn.numbers", data),
                                      NULL};
        rig.daemon.prefix = prefix;
        bool is_served = daemon_try_start(&rig.daemon, "") && serves(&rig);
        if (is_served) {
            daemon_signal(&rig.daemon, SIGTERM);
        }
        int code = daemon_wait(&rig.daemon, 20000);
        is_up = is_served && code == 0; /* a look at the directory makes such calls too */
        ck_assert_msg(is_up || code == 128 + SIGKILL, "%d: %s", code, daemon_errors(&rig.daemon));
    }
    ck_assert_int_gt(kills, 0);
    rig.daemon.prefix = NULL;
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(has_format_2(&rig));
    ck_assert_uint_gt(hello(&rig, 0)->run, RUN + 1);
    check_contents(&rig);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("format_1", 120, &tests);
    tcase_add_test(tests, test_a_store_of_format_1_goes_on_with_its_numbers);
    tcase_add_loop_test(tests, test_what_a_death_in_the_conversion_leaves_is_converted, 0, 3);
    tcase_add_test(tests, test_an_older_stamp_does_not_have_numbers_given_again);
    tcase_add_loop_test(tests, test_a_kill_at_any_call_of_the_conversion_loses_nothing, 0, 6);
    return suite_run(suite, true);
}
