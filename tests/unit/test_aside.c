/* What becomes of metadata under a claim whose connection was lost before its answer came (contract §12): it goes again, but never behind
 * what was sent after it and may have been applied. The daemon is the test's own. */
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/suite.h"

START_TEST(metadata_that_was_not_answered_goes_again)
{
    struct result results[3] = {{.count = 0}};
    claims_set(1, 'a', &results[0]);
    (void)claims_expect_set(1, 'a', 0);
    claims_set(0, 'b', &results[1]);
    (void)claims_expect_set(0, 'b', 0);
    claims_commit(0, 1, &results[2]);
    (void)claims_expect_commit(0, 1, 1);
    claims_restart(0);
    claims_reconnect(1);
    struct fake_frame present = claims_expect_present(1, false);
    claims_answer_present(1, &present, 0);
    struct fake_frame frame = claims_expect_set(1, 'a', 0);
    claims_answer(1, &frame, 80, CAIRN__LEVEL__LEVEL_ACCEPTED);
    claims_reconnect(0);
    present = claims_expect_present(0, true);
    ck_assert(fake_quiet(claims.fds[0]));
    claims_answer_present(0, &present, 0);
    frame = claims_expect_set(0, 'b', 0);
    (void)claims_expect_commit(0, 1, 1);
    ck_assert(result_is(&results[0], CAIRN_OK, CAIRN_REASON_NONE));
    claims_refuse(0, &frame, CAIRN__CONFLICT_REASON__REASON_DROPPED,
                  -1); /* it may have been applied before */
    ck_assert(result_is(&results[1], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
}
END_TEST

/* Metadata at another level than accepted is not sent again, nor is what has timed out: what went before it would land behind it, and is
 * unknown with it. */
START_TEST(metadata_does_not_go_behind_what_is_unknown)
{
    enum { SHORT_US = 300000 };
    const struct cairn_operation operation = {
        .kind = CAIRN_SET, .name = cairn_text("a"), .value = cairn_text("later")};
    const struct {
        uint64_t timeout_us;
        enum cairn_level level;
    } cases[] = {
        {CLAIMS_LONG_US, CAIRN_WRITTEN}, {CLAIMS_LONG_US, CAIRN_DURABLE}, {SHORT_US, CAIRN_ACCEPTED}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct result results[3] = {{.count = 0}};
        int which = (int)(i % 2);
        const struct cairn_write_metadata_request request = {.operations = &operation,
                                                             .operation_count = 1,
                                                             .level = cases[i / 2].level,
                                                             .timeout_us = cases[i / 2].timeout_us};
        claims_set(which, 'a', &results[0]);
        (void)claims_expect_set(which, 'a', 0);
        ck_assert_int_eq(
            cairn_submit_write_metadata(claims.connections[which], &request, result_completed, &results[1]),
            CAIRN_OK);
        ck_assert_int_eq(claims_run(which), CAIRN_OK);
        if (!result_is_open(&results[1])) {
            return; /* the machine was too slow to send it in time */
        }
        (void)claims_expect_set(which, 'a', 0);
        if (request.timeout_us == SHORT_US) {
            usleep(SHORT_US + 1000);
        }
        claims_set(which, 'a', &results[2]);
        (void)claims_expect_set(which, 'a', 0);
        claims_lose(which);
        ck_assert(result_is(&results[0], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
        ck_assert_int_eq(cairn_status_applied(results[1].status), CAIRN_UNKNOWN);
        claims_reconnect(which);
        struct fake_frame present = claims_expect_present(which, which == 0);
        claims_answer_present(which, &present, 0);
        struct fake_frame frame = claims_expect_set(which, 'a', 0);
        claims_answer(which, &frame, 80 + i, CAIRN__LEVEL__LEVEL_WRITTEN);
        ck_assert(result_is(&results[2], CAIRN_OK, CAIRN_REASON_NONE) && fake_quiet(claims.fds[which]));
    }
}
END_TEST

/* What a commit behind it says of a metadata write whose answer was lost. */
START_TEST(metadata_before_a_commit_that_was_applied_does_not_go_behind_it)
{
    const struct cairn_operation operation = {.kind = CAIRN_DELETE, .name = cairn_text("a")};
    const struct {
        struct cairn_commit_request commit;
        enum cairn_status status;
    } cases[] = {
        {{.rise_to = 1, .carry = true}, CAIRN_OK},
        {{.rise_to = 1, .metadata = &operation, .metadata_count = 1}, CAIRN_CONNECTION_LOST},
        {{.rise_to = 1}, CAIRN_NOT_SENT}, /* goes again: it cannot change what the commit did */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result results[2] = {{.count = 0}};
        claims_set(0, 'a', &results[0]);
        (void)claims_expect_set(0, 'a', 0);
        ck_assert_int_eq(
            cairn_submit_commit(claims.connections[0], &cases[i].commit, result_completed, &results[1]),
            CAIRN_OK);
        (void)claims_expect_commit(0, 1, i + 1);
        claims_lose(0);
        claims_reconnect(0);
        struct fake_frame present = claims_expect_present(0, true);
        claims_answer_present(0, &present, i + 1);
        ck_assert(result_is(&results[1], CAIRN_OK, CAIRN_REASON_NONE));
        if (cases[i].status == CAIRN_NOT_SENT) {
            ck_assert(result_is_open(&results[0]));
            struct fake_frame frame = claims_expect_set(0, 'a', 0);
            claims_answer(0, &frame, 80 + i, CAIRN__LEVEL__LEVEL_WRITTEN);
        } else {
            ck_assert(result_is(&results[0], cases[i].status, CAIRN_REASON_NONE));
        }
    }
}
END_TEST

/* Its refusal was lost with the connection; sent again it would land behind what was sent after it. A later run did not find that
 * metadata: then both go again, in their order. */
START_TEST(a_commit_that_was_overtaken_by_metadata_was_refused)
{
    for (int i = 0; i < 3; i++) {
        struct result results[3] = {{.count = 0}};
        claims_commit(0, 1, &results[0]);
        (void)claims_expect_commit(0, 1, 1);
        claims_commit(0, 2, &results[1]);
        (void)claims_expect_commit(0, 2, 2);
        claims_set(0, 'a', &results[2]);
        struct fake_frame frame = claims_expect_set(0, 'a', 0);
        claims_answer(0, &frame, 60, CAIRN__LEVEL__LEVEL_ACCEPTED);
        if (i == 0) {
            claims_lose(0);
        } else {
            claims_restart(i == 1 ? 60 : 0);
        }
        claims_reconnect(0);
        struct fake_frame present = claims_expect_present(0, true);
        claims_answer_present(0, &present, 0);
        if (i < 2) {
            ck_assert(fake_quiet(claims.fds[0]));
            ck_assert(result_is(&results[0], CAIRN_CONFLICT, CAIRN_REASON_NONE));
            ck_assert_int_eq(results[1].status, CAIRN_CONFLICT);
        } else {
            (void)claims_expect_commit(0, 1, 1);
            (void)claims_expect_commit(0, 2, 2);
            (void)claims_expect_set(0, 'a', 60);
        }
        ck_assert(result_is(&results[2], CAIRN_OK, CAIRN_REASON_NONE));
    }
}
END_TEST

/* Its acceptance is recorded when the other connection meets the later run; then the daemon breaks the protocol before its answer is read. */
START_TEST(what_is_kept_already_is_not_put_aside_too)
{
    struct result result = {.count = 0};
    claims_set(0, 'a', &result);
    struct fake_frame frame = claims_expect_set(0, 'a', 0);
    const struct frame_reply nobodys = {.type = FRAME_PING, .id = 999};
    fake_send(claims.fds[0], &nobodys, "");
    fake_send_written(claims.fds[0], &frame, 60, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    claims_lose(1);
    fake_daemon_restart(&claims.fake, 0);
    claims_reconnect(1);
    ck_assert_int_eq(claims_run(0), CAIRN_CONNECTION_LOST);
    ck_assert(result_is(&result, CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    struct fake_frame present = claims_expect_present(1, false);
    ck_assert(fake_quiet(claims.fds[1])); /* before that is granted it would be refused for good */
    claims_answer_present(1, &present, 0);
    (void)claims_expect_set(1, 'a', 60);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("aside", 30, &tests);
    tcase_add_checked_fixture(tests, claims_start, claims_stop);
    tcase_add_test(tests, metadata_that_was_not_answered_goes_again);
    tcase_add_test(tests, metadata_does_not_go_behind_what_is_unknown);
    tcase_add_test(tests, metadata_before_a_commit_that_was_applied_does_not_go_behind_it);
    tcase_add_test(tests, a_commit_that_was_overtaken_by_metadata_was_refused);
    tcase_add_test(tests, what_is_kept_already_is_not_put_aside_too);
    return suite_run(suite, true);
}
