/* `cairn bench`: each workload measures something, what it prints can be read by a program, and what cannot be measured is
 * told. $CAIRN is the tool. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/suite.h"
#include "tests/lib/tool_fixture.h"

enum { RUN_MS = 60000, ROWS_MAX = 8, ATTEMPTS = 8 /* the machine may stand still in one */ };

/* Where a test looks at what was written. */
#define KEPT "--chain kept --keep "

static const char heading[] = "workload,clients,depth,rate_asked,seconds,requests,operations,failed,rate,p50_"
                              "us,p90_us,p99_us,p999_us,max_us\n";

struct row {
    char workload[128];
    unsigned long clients, depth, rate_asked, requests, operations, failed;
    double seconds, rate, p50, p90, p99, p999, max;
};

static struct program bench(const struct rig *rig, const char *arguments)
{
    return shell_run(RUN_MS, "exec %s -s %s bench %s", getenv("CAIRN"), rig->daemon.socket, arguments);
}

static char *tool(const struct rig *rig, const char *arguments)
{
    return cairn(rig, DONE, "%s", arguments);
}

static unsigned long kept_height(const struct rig *rig)
{
    return strtoul(tool(rig, "--chain kept height"), NULL, 10);
}

static bool is_chain(const struct rig *rig, const char *name)
{
    return strstr(tool(rig, "-o json chains"), kept_format("\"%s\"", name)) != NULL;
}

/* What bench made is gone. */
static void assert_only_default(const struct rig *rig)
{
    char *chains = tool(rig, "-o json chains");
    ck_assert_msg(strchr(chains, '\n') == strrchr(chains, '\n') && is_chain(rig, "default"), "%s", chains);
}

/* Reads the CSV of a run that ended in this way; each row must agree with itself. Returns how many there are. */
static size_t rows_read_of(const struct program *program, int exit_code, struct row rows[static ROWS_MAX])
{
    size_t count = 0;
    ck_assert_msg(program->exit_code == exit_code, "exit %d: %s", program->exit_code, program->errors);
    ck_assert_msg(strncmp(program->output, heading, strlen(heading)) == 0, "%s", program->output);
    for (const char *line = program->output + strlen(heading); *line != '\0'; line = strchr(line, '\n') + 1) {
        struct row *row = &rows[count++];
        int end = 0;
        ck_assert_uint_le(count, ROWS_MAX);
        int got = sscanf(line, "%127[^,],%lu,%lu,%lu,%lf,%lu,%lu,%lu,%lf,%lf,%lf,%lf,%lf,%lf%n",
                         row->workload, &row->clients, &row->depth, &row->rate_asked, &row->seconds,
                         &row->requests, &row->operations, &row->failed, &row->rate, &row->p50, &row->p90,
                         &row->p99, &row->p999, &row->max, &end);
        ck_assert_msg(got == 14 && line[end] == '\n', "%s", line);
        ck_assert(row->p50 <= row->p90 && row->p90 <= row->p99 && row->p99 <= row->p999 &&
                  row->p999 <= row->max);
        ck_assert_uint_ge(row->operations, row->requests);
        if (row->seconds > 0) {
            ck_assert_double_eq_tol(row->rate, (double)row->operations / row->seconds, row->rate / 100 + 1);
        }
    }
    return count;
}

/* In the shell, beside a run: until so much of it is done that there is something to report. */
static const char *until_at_work(const struct rig *rig)
{
    return kept_format(
        "until %s -s %s status commits metadata.accepted | grep -q '[0-9][0-9]$'; do sleep 0.1; done",
        getenv("CAIRN"), rig->daemon.socket);
}

static size_t rows_read(const struct program *program, struct row rows[static ROWS_MAX])
{
    return rows_read_of(program, DONE, rows);
}

/* A run in which every workload gets something done and nothing fails. */
static size_t rows_of(const struct rig *rig, const char *arguments, struct row rows[static ROWS_MAX])
{
    struct program program = bench(rig, arguments);
    size_t count = rows_read(&program, rows);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(rows[i].failed == 0 && rows[i].rate > 0 && rows[i].p50 > 0, "%s: %s%s", arguments,
                      program.output, program.errors);
    }
    return count;
}

static struct row row_of(const struct rig *rig, const char *arguments)
{
    struct row rows[ROWS_MAX];
    ck_assert_uint_eq(rows_of(rig, arguments, rows), 1);
    return rows[0];
}

/* The row of a workload that ran for 100 ms, or longer where the machine has so much else to do that nothing got done. */
static struct row short_row_of(const struct rig *rig, const char *arguments)
{
    struct row rows[ROWS_MAX];
    for (int ms = 100; ms < patience_ms(5000); ms *= 4) {
        struct program program =
            bench(rig, kept_format("--csv --warmup 20ms --duration %dms %s", ms, arguments));
        ck_assert_uint_eq(rows_read(&program, rows), 1);
        if (rows[0].operations > 0 || rows[0].failed > 0) {
            ck_assert_msg(rows[0].failed == 0 && rows[0].p50 > 0, "%s%s", program.output, program.errors);
            return rows[0];
        }
    }
    ck_abort_msg("%s: nothing was measured", arguments);
}

START_TEST(test_each_workload_measures_something_and_nothing_fails)
{
    static const char *const words[] = {
        "commit,level=written",
        "commit,batch=3,clients=2,depth=2,size=20k,header=16",
        "metadata",
        "metadata,depth=64,clients=4",
        "metadata,batch=512,names=100,level=written",
        "metadata,names=new,batch=2",
        "get",
        "get,names=2k,size=0,depth=8",
        "height,clients=20",
        "header,depth=4",
        "header,heights=2",
        "block",
        "stream",
        "stream,heights=3,depth=2",
        "evnode,depth=8",
        "evnode,clients=2,rate=500",
        "height,nice=1",
    };
    struct rig rig = rig_start("");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        short_row_of(&rig, words[i]);
    }
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    assert_only_default(&rig);
    rig_end(&rig);
}
END_TEST

START_TEST(test_evnode_begins_with_an_empty_chain)
{
    struct rig rig = rig_start("");
    short_row_of(&rig, KEPT "evnode,depth=4");
    ck_assert_uint_ge(kept_height(&rig), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_several_workloads_run_at_the_same_time_on_one_chain)
{
    struct rig rig = rig_start("");
    struct row rows[ROWS_MAX];
    const char *arguments =
        KEPT "--csv commit,level=written,depth=2,count=200 commit,level=written,count=200 "
             "metadata,rate=1k,count=200 evnode,count=200";
    ck_assert_uint_eq(rows_of(&rig, arguments, rows), 4);
    ck_assert_str_eq(rows[0].workload, "commit;level=written;depth=2;count=200");
    ck_assert_str_eq(rows[3].workload, "evnode;count=200");
    ck_assert_uint_ge(kept_height(&rig), rows[0].operations + rows[1].operations);
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_count_ends_after_so_many)
{
    struct rig rig = rig_start("");
    struct row row = row_of(&rig, KEPT "--csv commit,count=50,batch=5,level=written,depth=3");
    ck_assert(row.operations == 50 && row.requests == 10 && row.seconds > 0);
    ck_assert_uint_eq(kept_height(&rig), 50);
    row = row_of(&rig, KEPT "--csv commit,count=7,level=written");
    ck_assert_uint_eq(row.operations, 7);
    ck_assert_uint_eq(kept_height(&rig), 57);
    row = row_of(&rig, KEPT "--csv stream,heights=57,count=114");
    ck_assert(row.operations == 114 && row.requests == 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_its_chain_is_made_and_dropped_or_kept)
{
    struct rig rig = rig_start("");
    row_of(&rig, "-c other --csv commit,count=20,level=written");
    assert_only_default(&rig);
    row_of(&rig, KEPT "--csv commit,count=20,level=written");
    short_row_of(&rig, "-c kept block"); /* a chain that another run made is not dropped */
    row_of(&rig, "-c kept --csv commit,count=20,level=written");
    ck_assert_uint_eq(kept_height(&rig), 40);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_chain_that_bench_did_not_make_is_only_read)
{
    static const char *const words[] = {"commit", "metadata", "evnode", "get", "height commit,count=1"};
    struct rig rig = rig_start("");
    tool(&rig, "chains create node");
    tool(&rig, "-c node meta set a b");
    tool(&rig, "-c node commit --block 1:/dev/null:/dev/null --rise-to 1");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct program program = bench(&rig, kept_format("-c node %s", words[i]));
        ck_assert_int_eq(program.exit_code, REFUSED);
        expect_in(program.errors, "chains that it made, and node is not one of them");
        ck_assert_str_eq(program.output, "");
    }
    short_row_of(&rig, "-c node block");
    short_row_of(&rig, "-c node height");
    ck_assert_str_eq(tool(&rig, "-c node height"), "1\n");
    ck_assert(is_chain(&rig, "node"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_an_open_loop_keeps_the_rate)
{
    struct rig rig = rig_start("");
    struct row row = {.rate = 0};
    for (int i = 0; i < ATTEMPTS && row.rate < 400; i++) {
        row = row_of(&rig, "--csv --warmup 100ms --duration 1s metadata,rate=500,depth=64");
        ck_assert_uint_eq(row.rate_asked, 500);
        ck_assert_double_le(row.rate, 600);
    }
    ck_assert_double_ge(row.rate, 400);
    rig_end(&rig);
}
END_TEST

/* What is due waits when the depth is used up, and the wait is part of the latency: a closed loop would hide it. */
START_TEST(test_an_open_loop_counts_the_waiting)
{
    struct rig rig = rig_start("");
    bool is_counted = false;
    for (int i = 0; i < ATTEMPTS && !is_counted; i++) {
        struct row closed = row_of(&rig, "--csv --warmup 0 --duration 1s metadata");
        struct row open = row_of(&rig, "--csv --warmup 0 --duration 1s metadata,rate=10M");
        is_counted = open.p50 > 10 * closed.p50 && open.p99 > 500000;
    }
    ck_assert(is_counted);
    rig_end(&rig);
}
END_TEST

/* The requests that are due during a stall count with the time they were due at. */
START_TEST(test_a_stall_of_the_daemon_shows_in_an_open_loop)
{
    struct rig rig = rig_start("");
    bool is_shown = false;
    for (int i = 0; i < ATTEMPTS && !is_shown;
         i++) { /* a slow machine may begin or end the run beside the stall */
        struct program program =
            shell_run(RUN_MS,
                      "%s -s %s bench --csv --warmup 0 --duration 2s height,rate=100,depth=1 & "
                      "sleep 0.8; kill -STOP %d; sleep 0.6; kill -CONT %d; wait $!",
                      getenv("CAIRN"), rig.daemon.socket, (int)rig.daemon.pid, (int)rig.daemon.pid);
        struct row rows[ROWS_MAX];
        ck_assert_uint_eq(rows_read(&program, rows), 1);
        /* of 200, the 60 of the stall waited 300 ms on average */
        is_shown = rows[0].max >= 500000 && rows[0].p90 >= 100000;
    }
    ck_assert(is_shown);
    rig_end(&rig);
}
END_TEST

START_TEST(test_names_of_another_run_are_not_met_again)
{
    struct rig rig = rig_start("");
    uint64_t before = status_number(&rig.wire, "metadata.accepted");
    row_of(&rig, KEPT "--csv metadata,names=new,count=30");
    row_of(&rig, KEPT "--csv metadata,names=new,count=30,batch=10");
    ck_assert_uint_eq(status_number(&rig.wire, "metadata.accepted") - before, 61); /* and the mark */
    struct program list =
        shell_run(RUN_MS, "%s -s %s -c kept meta list | wc -l", getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(atoi(list.output), 61);
    rig_end(&rig);
}
END_TEST

START_TEST(test_what_there_is_to_read_must_be_there)
{
    struct rig rig = rig_start("");
    static const char *const words[] = {"header", "block", "stream"};
    for (size_t i = 0; i < 3; i++) {
        struct program program = bench(&rig, kept_format("-c default %s", words[i]));
        ck_assert_int_eq(program.exit_code, REFUSED);
        expect_in(program.errors, "no blocks");
        ck_assert_str_eq(program.output, "");
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_pruned_heights_are_not_read)
{
    struct rig rig = rig_start("");
    row_of(&rig, KEPT "--csv commit,count=20,batch=20,level=written");
    ck_assert_int_eq(
        shell_run(RUN_MS, "%s -s %s -c kept prune --blocks 15 --yes", getenv("CAIRN"), rig.daemon.socket)
            .exit_code,
        0);
    short_row_of(&rig, "-c kept block");
    ck_assert_uint_eq(row_of(&rig, KEPT "--csv stream,count=5,heights=5").operations, 5);
    rig_end(&rig);
}
END_TEST

START_TEST(test_bad_words_exit_2_and_are_named)
{
    static const struct {
        const char *arguments, *named;
    } bad[] = {
        {"comit", "comit"},
        {"height commit,fast=1", "fast=1"},
        {"metadata,depth=0", "depth=0"},
        {"--duration never height", "never"},
        {"--warmup x height", "--warmup"},
        {"--seed x height", "--seed"},
        {"--csv -o json height", "json"},
        {"", "WORKLOAD"},
    };
    struct rig rig = rig_start("");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct program program = bench(&rig, bad[i].arguments);
        ck_assert_int_eq(program.exit_code, USAGE);
        expect_in(program.errors, bad[i].named);
    }
    struct program nobody =
        shell_run(RUN_MS, "exec %s -s %s.none bench height", getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(nobody.exit_code, NOBODY);
    rig_end(&rig);
}
END_TEST

START_TEST(test_sigint_ends_early_and_reports)
{
    struct rig rig = rig_start("");
    struct program program = shell_run(RUN_MS,
                                       "(trap - INT; exec %s -s %s bench --csv --warmup 0 --duration 1h "
                                       "height commit,level=written,count=1000M) & "
                                       "%s; sleep 1; kill -INT $!; wait $!",
                                       getenv("CAIRN"), rig.daemon.socket, until_at_work(&rig));
    struct row rows[ROWS_MAX];
    ck_assert_uint_eq(rows_read_of(&program, INTERRUPTED, rows), 2);
    assert_only_default(&rig);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(rows[i].operations > 0 && rows[i].failed == 0 && rows[i].seconds > 0.1);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_its_chain_is_dropped_where_nobody_reads_the_report)
{
    struct rig rig = rig_start("");
    shell_run(RUN_MS, "%s -s %s bench --csv commit,count=10 | exec true", getenv("CAIRN"), rig.daemon.socket);
    assert_only_default(&rig);
    rig_end(&rig);
}
END_TEST

START_TEST(test_sigint_before_anything_is_measured_reports_nothing)
{
    struct rig rig = rig_start("");
    struct program program = shell_run(RUN_MS,
                                       "(trap - INT; exec %s -s %s bench --csv --warmup 50s height commit) & "
                                       "sleep 1; kill -INT $!; wait $!",
                                       getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(program.exit_code, INTERRUPTED);
    ck_assert_str_eq(program.output, "");
    assert_only_default(&rig);
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_killed_daemon_ends_the_run_with_a_word)
{
    struct rig rig = rig_start("");
    struct program program = shell_run(
        RUN_MS,
        "%s -s %s bench --csv --warmup 0 --duration 1h height metadata,depth=8 & %s; kill -KILL %d; wait $!",
        getenv("CAIRN"), rig.daemon.socket, until_at_work(&rig), (int)rig.daemon.pid);
    ck_assert_msg(program.exit_code != DONE && program.exit_code < 126, "exit %d", program.exit_code);
    expect_in(program.errors, "connection");
    ck_assert_str_eq(program.output, "");
    wire_close(&rig.wire);
    daemon_wait(&rig.daemon, RUN_MS);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_a_daemon_that_does_not_answer_is_not_waited_for)
{
    struct rig rig = rig_start("");
    struct program program = shell_run(
        RUN_MS, "%s -s %s -d 1s bench --csv --duration 50s height & sleep 0.5; kill -STOP %d; wait $!",
        getenv("CAIRN"), rig.daemon.socket, (int)rig.daemon.pid);
    daemon_signal(&rig.daemon, SIGCONT);
    get_height(&rig.wire); /* it goes on */
    ck_assert_msg(program.exit_code != DONE && program.exit_code < 126, "exit %d", program.exit_code);
    wire_close(&rig.wire);
    /* Killed: ThreadSanitizer may keep a signal back from a program that was stopped and is idle. */
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_refusals_are_counted_and_told)
{
    struct rig rig = rig_start("");
    struct program program = bench(&rig, "--csv metadata,size=20M,count=3 height,count=3");
    struct row rows[ROWS_MAX];
    ck_assert_uint_eq(rows_read(&program, rows), 2);
    ck_assert(rows[0].failed == 3 && rows[0].operations == 0 && rows[1].failed == 0);
    expect_in(program.errors, "3 requests failed");
    program = bench(&rig, "commit,size=80M,count=1"); /* longer than any frame: not even sent */
    ck_assert_int_eq(program.exit_code, REFUSED);
    expect_in(program.errors, "commit,size=80M");
    rig_end(&rig);
}
END_TEST

START_TEST(test_many_connections_or_a_word_about_their_bound)
{
    struct rig rig = rig_start("--connections-max 500");
    struct row row = row_of(&rig, "--csv height,clients=400,count=2k");
    ck_assert(row.clients == 400 && row.operations == 2000);
    struct program program = bench(&rig, "-d 2s height,clients=600");
    /* A machine that is too slow for a hello in two seconds meets no refusal. */
    ck_assert_msg(program.exit_code == BUSY || program.exit_code == NOBODY, "exit %d: %s", program.exit_code,
                  program.errors);
    expect_in(program.errors, "connections_max");
    rig_end(&rig);
}
END_TEST

START_TEST(test_the_table_and_json_say_the_same_things)
{
    struct rig rig = rig_start("");
    struct program table = bench(&rig, "--warmup 0 --duration 100ms height metadata,rate=2k");
    ck_assert_int_eq(table.exit_code, DONE);
    expect_in(table.output, "cairnd ");
    expect_in(table.output, "engine");
    expect_in(table.output, "metadata,rate=2k");
    expect_in(table.output, "p999 us");
    struct program json = bench(&rig, "-o json --warmup 0 --duration 100ms height metadata,rate=2k");
    ck_assert_int_eq(json.exit_code, DONE);
    expect_in(
        json.output,
        "{\"schema\":2,\"workload\":\"height\",\"clients\":1,\"depth\":1,\"rate_asked\":0,\"seconds\":");
    expect_in(json.output, "\"failed\":0");
    expect_in(json.output, "\"p999_us\":");
    expect_in(json.output, "\n{\"schema\":2,\"workload\":\"metadata,rate=2k\"");
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bench", 90, &tests);
    tcase_add_test(tests, test_each_workload_measures_something_and_nothing_fails);
    tcase_add_test(tests, test_evnode_begins_with_an_empty_chain);
    tcase_add_test(tests, test_several_workloads_run_at_the_same_time_on_one_chain);
    tcase_add_test(tests, test_a_count_ends_after_so_many);
    tcase_add_test(tests, test_its_chain_is_made_and_dropped_or_kept);
    tcase_add_test(tests, test_a_chain_that_bench_did_not_make_is_only_read);
    tcase_add_test(tests, test_an_open_loop_keeps_the_rate);
    tcase_add_test(tests, test_an_open_loop_counts_the_waiting);
    tcase_add_test(tests, test_a_stall_of_the_daemon_shows_in_an_open_loop);
    tcase_add_test(tests, test_names_of_another_run_are_not_met_again);
    tcase_add_test(tests, test_what_there_is_to_read_must_be_there);
    tcase_add_test(tests, test_pruned_heights_are_not_read);
    tcase_add_test(tests, test_bad_words_exit_2_and_are_named);
    tcase_add_test(tests, test_sigint_ends_early_and_reports);
    tcase_add_test(tests, test_its_chain_is_dropped_where_nobody_reads_the_report);
    tcase_add_test(tests, test_sigint_before_anything_is_measured_reports_nothing);
    tcase_add_test(tests, test_a_killed_daemon_ends_the_run_with_a_word);
    tcase_add_test(tests, test_a_daemon_that_does_not_answer_is_not_waited_for);
    tcase_add_test(tests, test_refusals_are_counted_and_told);
    tcase_add_test(tests, test_many_connections_or_a_word_about_their_bound);
    tcase_add_test(tests, test_the_table_and_json_say_the_same_things);
    return suite_run(suite, false);
}
