/* `cairn replay`, which must be able to fail, and leaves nothing behind. $CAIRN is the tool, $CAIRN_TEST_DATA the recordings. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/tool_fixture.h"

enum { RUN_MS = TOOL_RUN_MS, REPLAY_MS = 120000 };

static char *recording(const char *name)
{
    const char *place = getenv("CAIRN_TEST_DATA");
    ck_assert_msg(place != NULL, "CAIRN_TEST_DATA does not name the recordings");
    return kept_format("%s/%s.jsonl.zst", place, name);
}

/* The first calls of a recording in a file of the rig's, with a sed script carried out on it. */
static char *shortened(const struct rig *rig, unsigned calls, const char *script)
{
    char *path = directory_path(&rig->daemon.home, "short.jsonl");
    struct program program = shell_run(
        RUN_MS,
        "zstd -dcq %s 2>/dev/null | head -n %u | sed -e '1s/\"calls\":[0-9]*/\"calls\":%u/' -e '%s' > %s",
        recording("aggregator"), calls + 1, calls, script, path);
    ck_assert_msg(program.exit_code == 0, "%s", program.errors);
    return path;
}

static struct program replay(const struct rig *rig, const char *arguments)
{
    return shell_run(REPLAY_MS, "exec %s -s %s replay %s", getenv("CAIRN"), rig->daemon.socket, arguments);
}

static unsigned chains_count(const struct rig *rig)
{
    unsigned count = 0;
    for (const char *at = cairn(rig, DONE, "-o json chains");
         (at = strstr(at, "\"blocks_pruned_through\"")) != NULL; at++) {
        count++;
    }
    return count;
}

static void expect_replay(const char *name)
{
    struct rig rig = rig_start("");
    struct program program = replay(&rig, kept_format("-o json %s", recording(name)));
    ck_assert_msg(program.exit_code == DONE, "exit %d: %s%s", program.exit_code, program.output,
                  program.errors);
    expect_in(program.output, "\"mismatches\":0");
    expect_in(program.output, "p99");
    ck_assert_uint_eq(chains_count(&rig), 1); /* what it made is gone */
    rig_end(&rig);
}

START_TEST(test_replay_of_the_aggregator_has_0_mismatches)
{
    expect_replay("aggregator");
}
END_TEST

START_TEST(test_replay_of_the_follower_has_0_mismatches)
{
    expect_replay("follower");
}
END_TEST

START_TEST(test_replay_of_an_altered_answer_names_the_call_and_exits_1)
{
    static const struct {
        const char *script, *call, *part;
    } alterations[] = {
        {"0,/\"op\":\"height\"/s/\"answer\":{\"height\":0}/\"answer\":{\"height\":4711}/", "call 4", "4711"},
        {"3s/\"answer\":\"not found\"/\"answer\":{\"value\":\"AAAA\"}/", "call 2", "AAAA"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct rig rig = rig_start("");
        char *path = shortened(&rig, 500, "");
        ck_assert_int_eq(replay(&rig, kept_format("--chain-prefix good %s", path)).exit_code, DONE);
        path = shortened(&rig, 500, alterations[i].script);
        struct program program = replay(&rig, kept_format("--chain-prefix bad %s", path));
        ck_assert_msg(program.exit_code == FAILED, "exit %d: %s%s", program.exit_code, program.output,
                      program.errors);
        char *said = kept_format("%s%s", program.output, program.errors);
        expect_in(said, alterations[i].call);
        expect_in(said, alterations[i].part);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(test_replay_of_what_is_not_the_whole_recording_exits_1)
{
    static const struct {
        const char *script, *said;
    } cuts[] = {
        {"$d", "it was cut"},
        {"$p", "n"}, /* a call twice */
        {"1d", "first line"},
        {"1s/\"aux\"/\"other\"/", "no chain"},
        {"1s/\"calls\":100/\"calls\":99/", "lines were added"},
    };
    struct rig rig = rig_start("");
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct program program = replay(&rig, shortened(&rig, 100, cuts[i].script));
        ck_assert_msg(program.exit_code == FAILED, "exit %d: %s%s", program.exit_code, program.output,
                      program.errors);
        expect_in(program.errors, cuts[i].said);
        ck_assert_uint_eq(strlen(program.output), 0);
    }
    ck_assert_uint_eq(chains_count(&rig), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_replay_drops_its_chains_unless_they_are_to_be_kept)
{
    struct rig rig = rig_start("");
    char *path = shortened(&rig, 100, "");
    ck_assert_int_eq(replay(&rig, path).exit_code, DONE);
    ck_assert_int_eq(replay(&rig, path).exit_code, DONE); /* and its names are free again */
    ck_assert_uint_eq(chains_count(&rig), 1);
    ck_assert_int_eq(replay(&rig, kept_format("--keep %s", path)).exit_code, DONE);
    ck_assert_uint_gt(chains_count(&rig), 1);
    struct program program = replay(&rig, path); /* a chain that it did not make is none of its own */
    ck_assert_int_eq(program.exit_code, FAILED);
    expect_in(program.errors, "--chain-prefix");
    ck_assert_uint_gt(chains_count(&rig), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_replay_that_is_interrupted_drops_its_chains)
{
    struct rig rig = rig_start("");
    struct program program =
        shell_run(REPLAY_MS, "timeout --foreground -s INT 0.5 %s -s %s replay --pace %s; exit $?",
                  getenv("CAIRN"), rig.daemon.socket, recording("aggregator"));
    ck_assert_msg(program.exit_code == 124, "exit %d: %s%s", program.exit_code, program.output,
                  program.errors); /* that of timeout */
    program =
        shell_run(REPLAY_MS, "timeout --foreground --preserve-status -s INT 0.5 %s -s %s replay --pace %s",
                  getenv("CAIRN"), rig.daemon.socket, recording("aggregator"));
    ck_assert_int_eq(program.exit_code, 130);
    ck_assert_uint_eq(strlen(program.output), 0);
    ck_assert_uint_eq(chains_count(&rig), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_replay_of_what_is_no_recording_says_so)
{
    struct rig rig = rig_start("");
    char *path = directory_path(&rig.daemon.home, "bad.jsonl");
    file_write(
        path, "{\"trace\":1,\"calls\":1,\"chains\":[\"main\"]}\n{\"n\":1,\"caller\":\"a\",\"op\":\"fly\"}\n");
    struct program program = replay(&rig, path);
    ck_assert_msg(program.exit_code != DONE && program.exit_code < 126, "exit %d", program.exit_code);
    expect_in(program.errors, "bad.jsonl");
    ck_assert_int_ne(replay(&rig, "/nonexistent.jsonl").exit_code, DONE);
    rig_end(&rig);
}
END_TEST

START_TEST(test_replay_ends_and_fails_when_the_daemon_is_killed)
{
    struct rig rig = rig_start("");
    fflush(NULL);
    pid_t killer = fork();
    if (killer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (status_number(&rig.wire, "commits") < 200) {
            kept_clear();
        }
        kill(rig.daemon.pid, SIGKILL);
        _exit(0);
    }
    struct program program;
    int status, tries = 0;
    do { /* a slow machine may end one by its deadline */
        program = replay(&rig, kept_format("-d 2s --chain-prefix t%d %s", tries++, recording("aggregator")));
    } while (waitpid(killer, &status, WNOHANG) == 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_msg(program.exit_code != DONE && program.exit_code < 126, "exit %d", program.exit_code);
    ck_assert_uint_gt(strlen(program.output) + strlen(program.errors), 0);
    wire_close(&rig.wire);
    daemon_wait(&rig.daemon, RUN_MS);
    daemon_start(&rig.daemon, ""); /* and what it left is a good store */
    rig.wire = rig_open(&rig);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("replay", 150, &tests);
    tcase_add_test(tests, test_replay_of_the_aggregator_has_0_mismatches);
    tcase_add_test(tests, test_replay_of_the_follower_has_0_mismatches);
    tcase_add_test(tests, test_replay_of_an_altered_answer_names_the_call_and_exits_1);
    tcase_add_test(tests, test_replay_of_what_is_not_the_whole_recording_exits_1);
    tcase_add_test(tests, test_replay_drops_its_chains_unless_they_are_to_be_kept);
    tcase_add_test(tests, test_replay_that_is_interrupted_drops_its_chains);
    tcase_add_test(tests, test_replay_of_what_is_no_recording_says_so);
    tcase_add_test(tests, test_replay_ends_and_fails_when_the_daemon_is_killed);
    return suite_run(suite, false);
}
