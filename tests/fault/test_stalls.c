/* A disk that hangs or is slow (contract 9): syncs, log writes, tables and reads, one each, and all of it. What memory can do goes on,
 * health says what is stalled, systemd is not told that all is well, at stall_timeout the process ends by itself with a code of its own,
 * and what was acknowledged is there after the next start. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/manager.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    EXIT_STALLED = 75,
    WAIT_MS = 60000,
    LARGE_BYTES = 1 << 20, /* of a block's data: it lies in a file of large values */
    LARGE_BLOCKS = 160,    /* more than two write buffers */
    BUFFER_BLOCKS = 60,    /* less than one of 64 MiB */
};

static struct manager manager;

/* ---- the fault ---- */

struct hung {
    struct rig rig;
    char control[96];
    char variables[4][256]; /* not kept: the tests clear what is */
};

static void hung_start(struct hung *hung, const char *arguments)
{
    const char *libraries = getenv("CAIRN_FAULT");
    ck_assert_msg(libraries != NULL, "CAIRN_FAULT names no directory");
    *hung = (struct hung){.rig = {.daemon = daemon_new()}};
    struct daemon *daemon = &hung->rig.daemon;
    snprintf(hung->control, sizeof hung->control, "%s/hang", daemon->home.path);
    snprintf(hung->variables[0], sizeof hung->variables[0], "LD_PRELOAD=%s/preload_hang.so", libraries);
    snprintf(hung->variables[1], sizeof hung->variables[1], "CAIRN_HANG=%s", hung->control);
    snprintf(hung->variables[2], sizeof hung->variables[2], "NOTIFY_SOCKET=%s", manager.name);
    snprintf(hung->variables[3], sizeof hung->variables[3], "WATCHDOG_USEC=2000000");
    for (int i = 0; i < 4; i++) {
        daemon->environment[i] = hung->variables[i];
    }
    daemon_start(daemon, arguments);
    hung->rig.wire = wire_open(daemon->socket);
}

/* `what` as the library's control file has it. */
static void begin(const struct hung *hung, const char *what)
{
    char next[128];
    snprintf(next, sizeof next, "%s.next", hung->control);
    file_write(next, what);
    ck_assert_int_eq(rename(next, hung->control), 0);
}

static void end(const struct hung *hung)
{
    ck_assert_int_eq(remove(hung->control), 0);
}

/* ---- what is looked at ---- */

static void wait_for_health(struct wire *wire, const char *health)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (strncmp(status_string(wire, "health"), health, strlen(health)) != 0) {
        ck_assert_msg(clock_ms() < until, "health says %s, not %s", status_string(wire, "health"), health);
        sleep_ms(20);
    }
}

/* From here on three intervals pass without a word, while all that memory can do goes on. */
static void assert_not_fed(struct wire *wire)
{
    manager_forget(&manager);
    uint64_t until = clock_ms() + 2000;
    while (clock_ms() < until) {
        set(wire, "beside", "x");
        ck_assert(metadata_is(wire, "beside", "x"));
        sleep_ms(1);
    }
    ck_assert(!manager_has_heard(&manager, "WATCHDOG=1"));
}

static uint64_t send_commit(struct wire *wire, uint64_t height)
{
    return wire_send(wire, FRAME_COMMIT, commit_of_block(height, kept_format("block %d", (int)height)));
}

/* The blocks have their headers, all of them. */
static void assert_blocks(struct wire *wire, uint64_t last)
{
    for (uint64_t height = 1; height <= last; height++) {
        ck_assert(block_is(wire, height, kept_format("block %d", (int)height)));
    }
    ck_assert_uint_ge(get_height(wire), last);
}

/* ---- syncs and log writes ---- */

/* The last is the whole disk. */
static const char *const log_calls[] = {"sync .log 0\n", "write .log 0\n",
                                        "read /data/ 0\nwrite /data/ 0\nsync /data/ 0\n"};

START_TEST(a_log_that_hangs_stalls_the_writer_and_all_is_well_when_it_moves)
{
    struct hung hung;
    hung_start(&hung, "--stall-timeout 1h --flush-delay 1ms");
    struct wire *wire = &hung.rig.wire, other = rig_open(&hung.rig);
    ck_assert(manager_hears(&manager, "WATCHDOG=1", WAIT_MS));
    for (uint64_t height = 1; height <= 10; height++) {
        ck_assert_int_eq(written_reply(wire, send_commit(wire, height)).status, STATUS_OK);
    }
    begin(&hung, log_calls[_i]);
    uint64_t id = send_commit(&other, 11);
    wait_for_health(wire, "stalled: writer");
    ck_assert(daemon_says(&hung.rig.daemon, "stalled"));
    assert_not_fed(wire);
    assert_blocks(wire, 10);
    ck_assert_uint_ge(status_number(wire, "stalls"), 1);
    ck_assert_ptr_null(wire_try_frame(&other, id, 0)); /* nothing was acknowledged meanwhile */
    end(&hung);
    ck_assert_int_eq(written_reply(&other, id).status, STATUS_OK);
    wait_for_health(wire, "ok");
    ck_assert(manager_hears(&manager, "WATCHDOG=1", WAIT_MS));
    ck_assert(daemon_says(&hung.rig.daemon, "moves_again"));
    wire_close(&other);
    rig_end(&hung.rig);
}
END_TEST

START_TEST(a_log_that_hangs_for_stall_timeout_ends_the_process_and_nothing_acknowledged_is_lost)
{
    struct hung hung;
    hung_start(&hung, "--stall-timeout 3s --flush-delay 1ms");
    struct wire *wire = &hung.rig.wire;
    for (uint64_t height = 1; height <= 10; height++) {
        ck_assert_int_eq(written_reply(wire, send_commit(wire, height)).status, STATUS_OK);
    }
    begin(&hung, log_calls[_i]);
    uint64_t id = send_commit(wire, 11);
    ck_assert_int_eq(daemon_wait(&hung.rig.daemon, WAIT_MS), EXIT_STALLED); /* it hangs still */
    struct wire_frame *frame = wire_try_frame(wire, id, 0);
    ck_assert(frame == NULL || frame->header.status != STATUS_OK);
    ck_assert(daemon_says(&hung.rig.daemon, "stall_timed_out"));
    wire_close(wire);
    end(&hung);
    daemon_start(&hung.rig.daemon, "");
    hung.rig.wire = rig_open(&hung.rig);
    assert_blocks(wire, 10);
    commit_ok(wire, commit_of_block(12, "block 12"));
    rig_end(&hung.rig);
}
END_TEST

/* The last that a stop writes, when no thread of the daemon is left that could hang instead. */
START_TEST(a_stop_whose_last_sync_hangs_ends_by_itself)
{
    struct hung hung;
    hung_start(&hung, "--stall-timeout 3s");
    struct wire *wire = &hung.rig.wire;
    begin(&hung,
          "sync db.state 0"); /* which hangs a step of maintenance that comes before the stop as well */
    ck_assert_int_eq(written_reply(wire, send_commit(wire, 1)).status, STATUS_OK);
    wire_close(wire);
    daemon_signal(&hung.rig.daemon, SIGTERM);
    ck_assert_int_eq(daemon_wait(&hung.rig.daemon, WAIT_MS), EXIT_STALLED);
    ck_assert(daemon_says(&hung.rig.daemon, "stall_timed_out"));
    end(&hung);
    daemon_start(&hung.rig.daemon, "");
    hung.rig.wire = rig_open(&hung.rig);
    assert_blocks(wire, 1);
    rig_end(&hung.rig);
}
END_TEST

START_TEST(signals_while_a_stop_closes_the_store_change_nothing)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct hung hung;
    hung_start(&hung, "");
    struct wire *wire = &hung.rig.wire;
    ck_assert_int_eq(written_reply(wire, send_commit(wire, 1)).status, STATUS_OK);
    wire_close(wire);
    begin(&hung, "sync db.state 1000"); /* behind the end of the loop */
    daemon_signal(&hung.rig.daemon, SIGTERM);
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
         !daemon_says(&hung.rig.daemon, "\"stopped\"");) {
        ck_assert_uint_lt(clock_ms(), until);
        sleep_ms(5);
    }
    daemon_signal(&hung.rig.daemon, numbers[_i]);
    ck_assert_int_eq(daemon_wait(&hung.rig.daemon, WAIT_MS), 0);
    end(&hung);
    daemon_start(&hung.rig.daemon, "");
    hung.rig.wire = rig_open(&hung.rig);
    assert_blocks(wire, 1);
    rig_end(&hung.rig);
}
END_TEST

START_TEST(a_slow_log_is_waited_for_and_nothing_is_stalled)
{
    struct hung hung;
    enum { COMMITS = 22 };
    hung_start(&hung, "--stall-timeout 6s --flush-delay 1ms");
    struct wire *wire = &hung.rig.wire;
    begin(&hung, _i == 0 ? "sync .log 300\n" : "write .log 300\n");
    for (uint64_t height = 1; height <= COMMITS; height++) { /* longer than stall_timeout, all in all */
        ck_assert_int_eq(written_reply(wire, send_commit(wire, height)).status, STATUS_OK);
    }
    assert_blocks(wire, COMMITS);
    end(&hung);
    rig_end(&hung.rig);
}
END_TEST

/* ---- tables ---- */

static void commit_large(struct wire *wire, uint64_t first, uint64_t last)
{
    for (uint64_t height = first; height <= last; height++) {
        Cairn__Commit *commit = commit_of_block(height, kept_format("block %d", (int)height));
        commit->blocks[0]->data = bytes_random(height, LARGE_BYTES);
        ck_assert_int_eq(written_reply(wire, wire_send(wire, FRAME_COMMIT, commit)).status, STATUS_OK);
        kept_clear();
    }
}

/* The engine waits for tables once its write buffers are full; until then commits go on. */
START_TEST(tables_that_hang_hold_up_commits_only_when_write_buffers_are_full)
{
    struct hung hung;
    hung_start(&hung, "--stall-timeout 1h");
    struct wire *wire = &hung.rig.wire, other = rig_open(&hung.rig);
    const ProtobufCBinaryData large = bytes_random(1, LARGE_BYTES);
    begin(&hung, "write .sst 0\nwrite .blob 0\nsync .sst 0\nsync .blob 0\n");
    uint64_t sent = 0, ids[4 * LARGE_BLOCKS], answered = 0;
    while (sent < 4 * LARGE_BLOCKS &&
           (answered < BUFFER_BLOCKS || strcmp(status_string(wire, "health"), "ok") == 0)) {
        sent++;
        Cairn__Commit *commit = commit_of_block(sent, kept_format("block %d", (int)sent));
        commit->blocks[0]->data = large;
        ids[sent - 1] = wire_send(&other, FRAME_COMMIT, commit);
        while (answered < sent && wire_try_frame(&other, ids[answered], 100) != NULL) {
            answered++;
        }
    }
    ck_assert_uint_ge(answered, BUFFER_BLOCKS);
    wait_for_health(wire, "stalled: writer");
    assert_not_fed(wire);
    assert_blocks(wire, answered);
    end(&hung);
    for (; answered < sent; answered++) {
        ck_assert_int_eq(written_reply(&other, ids[answered]).status, STATUS_OK);
    }
    wait_for_health(wire, "ok");
    assert_blocks(wire, sent);
    wire_close(&other);
    rig_end(&hung.rig);
}
END_TEST

/* ---- reads ---- */

/* Blocks that only the device has, and reads of them that hang: as many as one client may have under way, and more. */
static void hang_reads(struct hung *hung, const char *arguments, struct wire *reader, uint64_t ids[16])
{
    commit_large(&hung->rig.wire, 1, LARGE_BLOCKS);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (status_number(&hung->rig.wire, "engine.values.bytes") < 16 * LARGE_BYTES) {
        ck_assert_msg(clock_ms() < until, "no values were written to files of their own");
        sleep_ms(10);
    }
    rig_restart(&hung->rig, arguments);
    *reader = rig_open(&hung->rig);
    begin(hung, "read .blob 0\n");
    for (uint64_t i = 0; i < 16; i++) {
        Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
        read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
        read.height = i + 1;
        read.has_parts = true;
        read.parts = 15;
        ids[i] = wire_send(reader, FRAME_READ_BLOCK, &read);
    }
}

START_TEST(reads_that_hang_stall_the_pool_and_hold_up_neither_commits_nor_other_reads)
{
    struct hung hung;
    hung_start(&hung, "");
    struct wire *wire = &hung.rig.wire, reader;
    uint64_t ids[16];
    hang_reads(&hung, "--cache-bytes 64KiB", &reader, ids);
    wait_for_health(wire, "stalled: pool");
    assert_not_fed(wire);
    for (uint64_t height = LARGE_BLOCKS; height > 0; height--) { /* from tables: those do not hang */
        ck_assert(block_is(wire, height, kept_format("block %d", (int)height)));
    }
    commit_ok(wire, commit_of_block(LARGE_BLOCKS + 1, "block beside"));
    ck_assert_ptr_null(wire_try_frame(&reader, ids[0], 0));
    end(&hung);
    for (int i = 0; i < 16; i++) {
        ck_assert_int_eq(reply_to(&reader, ids[i]).status, STATUS_OK);
    }
    wait_for_health(wire, "ok");
    wire_close(&reader);
    rig_end(&hung.rig);
}
END_TEST

START_TEST(reads_that_hang_for_stall_timeout_end_the_process_and_a_reload_sets_it)
{
    struct hung hung;
    hung_start(&hung, "");
    struct wire *wire = &hung.rig.wire, reader;
    uint64_t ids[16];
    char config[128], arguments[256];
    snprintf(config, sizeof config, "%s/cairnd.conf", hung.rig.daemon.home.path);
    snprintf(arguments, sizeof arguments, "--cache-bytes 64KiB --config %s", config);
    file_write(config, "stall_timeout = 1h\n");
    hung.rig.daemon.environment[4] = "CAIRND_STALL_TIMEOUT"; /* it would go before the file */
    hang_reads(&hung, arguments, &reader, ids);
    wait_for_health(wire, "stalled: pool");
    file_write(config, "stall_timeout = 2s\n");
    daemon_signal(&hung.rig.daemon, SIGHUP);
    ck_assert_int_eq(daemon_wait(&hung.rig.daemon, WAIT_MS), EXIT_STALLED);
    wire_close(wire);
    wire_close(&reader);
    end(&hung);
    daemon_start(&hung.rig.daemon, "");
    hung.rig.wire = rig_open(&hung.rig);
    assert_blocks(wire, LARGE_BLOCKS);
    rig_end(&hung.rig);
}
END_TEST

static void setup(void)
{
    manager = manager_open();
}

static void teardown(void)
{
    manager_close(&manager);
    tell_points(1);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stalls", 300, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_log_that_hangs_stalls_the_writer_and_all_is_well_when_it_moves, 0, 3);
    tcase_add_loop_test(
        tests, a_log_that_hangs_for_stall_timeout_ends_the_process_and_nothing_acknowledged_is_lost, 0, 3);
    tcase_add_test(tests, a_stop_whose_last_sync_hangs_ends_by_itself);
    tcase_add_loop_test(tests, signals_while_a_stop_closes_the_store_change_nothing, 0, 3);
    tcase_add_loop_test(tests, a_slow_log_is_waited_for_and_nothing_is_stalled, 0, 2);
    tcase_add_test(tests, tables_that_hang_hold_up_commits_only_when_write_buffers_are_full);
    tcase_add_test(tests, reads_that_hang_stall_the_pool_and_hold_up_neither_commits_nor_other_reads);
    tcase_add_test(tests, reads_that_hang_for_stall_timeout_end_the_process_and_a_reload_sets_it);
    return suite_run(suite, true); /* no other disk is to be slow */
}
