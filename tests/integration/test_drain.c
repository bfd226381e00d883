/* Drain (`cairn drain`): the daemon accepts nobody, finishes what it had accepted, says how many, and ends with 0. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { RUN_MS = 30000, NAMES = 37 };

static struct program drain(const struct rig *rig, const char *more)
{
    return shell_run(RUN_MS, "exec %s --socket %s drain %s", getenv("CAIRN"), rig->daemon.socket, more);
}

START_TEST(test_what_was_accepted_is_written_counted_and_there_after_the_next_start)
{
    struct rig rig = rig_start("--flush-delay 1h --sync-interval 1h");
    for (int i = 0; i < NAMES; i++) {
        set(&rig.wire, kept_format("%d", i), "x");
    }
    struct program program = drain(&rig, "");
    ck_assert_msg(program.exit_code == 0, "exit %d: %s", program.exit_code, program.errors);
    ck_assert_ptr_nonnull(strstr(program.output, " operations"));
    ck_assert_ptr_nonnull(strstr(program.output, "2 connections"));
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), 0);
    ck_assert(daemon_says(&rig.daemon, "\"connections\":2,\"operations\":"));
    ck_assert(daemon_says(&rig.daemon, "\"event\":\"stopped\""));
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    for (int i = 0; i < NAMES; i++) {
        ck_assert(metadata_is(&rig.wire, kept_format("%d", i), "x"));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_answer_comes_when_all_is_written_and_others_are_told_to_come_later)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct wire asking = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    for (int i = 0; i < NAMES; i++) {
        set(&rig.wire, kept_format("%d", i), "x");
    }
    uint64_t id = wire_send(&asking, FRAME_DRAIN, NULL);
    bool is_refused = false;
    unsigned before = 0; /* accepted before the drain came */
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(RUN_MS); !is_refused && clock_ms() < until;) {
        is_refused =
            ask_metadata(&rig.wire, metadata_new(operation_set("b", "x"))).status == STATUS_SHUTTING_DOWN;
        before += !is_refused;
    }
    ck_assert(is_refused);
    ck_assert_ptr_null(wire_try_frame(&asking, id, 0)); /* the writer stands */
    uint64_t second = wire_send(&rig.wire, FRAME_DRAIN, NULL);
    ck_assert_int_eq(wire_frame(&rig.wire, second)->header.status, STATUS_SHUTTING_DOWN);
    trouble_thaw(&frozen);
    struct wire_frame *frame = wire_frame(&asking, id);
    ck_assert_int_eq(frame->header.status, STATUS_OK);
    const Cairn__DrainReply *reply =
        wire_unpack(&cairn__drain_reply__descriptor, frame->body, frame->header.body_bytes);
    ck_assert_uint_ge(reply->operations, NAMES);
    ck_assert_uint_le(reply->operations, NAMES + before + 1); /* with the frozen commit */
    ck_assert(frame->header.durable_through == frame->header.written_through);
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), 0);
    wire_close(&asking);
    wire_close(&rig.wire);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_client_that_does_not_wait_for_the_answer_has_drained_all_the_same)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct wire asking = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    set(&rig.wire, "a", "x");
    (void)wire_send(&asking, FRAME_DRAIN, NULL);
    while (ask_metadata(&rig.wire, metadata_new(operation_set("b", "x"))).status != STATUS_SHUTTING_DOWN) {
    }
    wire_close(&asking);
    trouble_thaw(&frozen);
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), 0);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(metadata_is(&rig.wire, "a", "x"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_drain_that_takes_too_long_is_no_success)
{
    struct rig rig = rig_start("--flush-delay 1h --stop-timeout 300ms");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    set(&rig.wire, "a", "x");
    struct program program = drain(&rig, "");
    ck_assert_int_ne(program.exit_code, 0);
    ck_assert_msg(trouble_buried(&frozen, RUN_MS), "it does not end: %s", daemon_errors(&rig.daemon));
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), 1);
    wire_close(&rig.wire);
    daemon_close(&rig.daemon);
}
END_TEST

START_TEST(test_json_has_the_counts)
{
    struct rig rig = rig_start("");
    struct program program = drain(&rig, "-o json");
    ck_assert_int_eq(program.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(program.output, "\"operations\":"));
    ck_assert_int_eq(daemon_wait(&rig.daemon, RUN_MS), 0);
    wire_close(&rig.wire);
    daemon_close(&rig.daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("drain", 60, &tests);
    tcase_add_test(tests, test_what_was_accepted_is_written_counted_and_there_after_the_next_start);
    tcase_add_test(tests, test_answer_comes_when_all_is_written_and_others_are_told_to_come_later);
    tcase_add_test(tests, test_client_that_does_not_wait_for_the_answer_has_drained_all_the_same);
    tcase_add_test(tests, test_drain_that_takes_too_long_is_no_success);
    tcase_add_test(tests, test_json_has_the_counts);
    return suite_run(suite, false);
}
