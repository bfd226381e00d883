/* Claims in the client library (contract §12): what a lost connection leaves open and how it ends, and when a claim has ended. The daemon
 * is the test's own. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/suite.h"

START_TEST(a_lost_connection_does_not_show)
{
    struct result results[5] = {{.count = 0}};
    for (uint64_t i = 0; i < 4; i++) {
        claims_commit(0, i + 1, &results[i]);
        struct fake_frame frame = claims_expect_commit(0, i + 1, i + 1);
        if (i == 0) {
            claims_answer(0, &frame, 60, CAIRN__LEVEL__LEVEL_DURABLE);
        }
    }
    claims_lose(0);
    ck_assert(result_is_open(&results[1]) && cairn_connection_timeout_us(claims.connections[0]) > 0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_commit(0, 5, &results[4]);
    ck_assert_int_eq(claims_run(0), CAIRN_OK);
    ck_assert(fake_quiet(claims.fds[0])); /* nothing is known yet */
    claims_answer_present(0, &present, 2);
    ck_assert(result_is(&results[1], CAIRN_OK, CAIRN_REASON_NONE) && results[1].write.repeated);
    ck_assert(results[1].write.level == CAIRN_DURABLE && results[1].write.sequence == 0);
    for (uint64_t i = 2; i < 5; i++) {
        ck_assert(result_is_open(&results[i]));
        struct fake_frame frame = claims_expect_commit(0, i + 1, i + 1);
        claims_answer(0, &frame, 70 + i, CAIRN__LEVEL__LEVEL_DURABLE);
        ck_assert(result_is(&results[i], CAIRN_OK, CAIRN_REASON_NONE) && !results[i].write.repeated);
    }
    ck_assert(result_is(&results[0], CAIRN_OK, CAIRN_REASON_NONE));
}
END_TEST

/* Also before the Present of the first reconnect was answered, and while nobody listens. */
START_TEST(it_may_be_lost_again_and_again)
{
    struct result results[2] = {{.count = 0}};
    for (uint64_t i = 0; i < 2; i++) {
        claims_commit(0, i + 1, &results[i]);
        (void)claims_expect_commit(0, i + 1, i + 1);
    }
    claims_lose(0);
    claims_reconnect(0);
    (void)claims_expect_present(0, true);
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 0);
    (void)claims_expect_commit(0, 1, 1);
    claims_restart(0);
    claims_reconnect(0);
    present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 1);
    ck_assert(result_is(&results[0], CAIRN_OK, CAIRN_REASON_NONE) && result_is_open(&results[1]));
    struct fake_frame frame = claims_expect_commit(0, 2, 2);
    claims_answer(0, &frame, 90, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(result_is(&results[1], CAIRN_OK, CAIRN_REASON_NONE) && !results[1].write.repeated);
}
END_TEST

START_TEST(a_claim_that_was_taken_over_ends_what_is_open_and_all_later_writes)
{
    struct result results[3] = {{.count = 0}}, read = {.count = 0};
    for (uint64_t i = 0; i < 3; i++) {
        claims_commit(0, i + 1, &results[i]);
        (void)claims_expect_commit(0, i + 1, i + 1);
    }
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_refuse(0, &present, CAIRN__CONFLICT_REASON__REASON_CLAIMED, 1);
    ck_assert(result_is(&results[0], CAIRN_OK, CAIRN_REASON_NONE));
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_CLAIMED));
    ck_assert(result_is(&results[2], CAIRN_CONFLICT, CAIRN_REASON_CLAIMED));
    const struct cairn_commit_request request = {.rise_to = 9};
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        ck_assert_int_eq(cairn_submit_commit(claims.connections[i], &request, NULL, NULL), CAIRN_CONFLICT);
        ck_assert_ptr_nonnull(strstr(cairn_connection_error(claims.connections[i]), "claim"));
    }
    const struct cairn_read_height_request height = {.timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_read_height(claims.connections[0], &height, result_completed, &read),
                     CAIRN_OK);
    (void)claims_expect(0, FRAME_HEIGHT);
    claims_lose(0);
    claims_reconnect(0);
    ck_assert(fake_quiet(claims.fds[0])); /* there is nothing to ask for */
    claims_claim(0);
    claims_commit(0, 9, &read);
    (void)claims_expect_commit(0, 9, 1);
}
END_TEST

START_TEST(a_write_that_is_refused_as_claimed_ends_the_claim)
{
    struct result first = {.count = 0};
    claims_set(1, 'a', &first);
    struct fake_frame frame = claims_expect_set(1, 'a', 0);
    claims_refuse(1, &frame, CAIRN__CONFLICT_REASON__REASON_CLAIMED, -1);
    ck_assert(result_is(&first, CAIRN_CONFLICT, CAIRN_REASON_CLAIMED));
    const struct cairn_commit_request request = {.rise_to = 9};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, NULL, NULL), CAIRN_CONFLICT);
}
END_TEST

START_TEST(a_chain_that_does_not_know_the_epoch_leaves_all_unknown)
{
    struct result results[2] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_commit(0, 2, &results[1]);
    claims_refuse(0, &present, CAIRN__CONFLICT_REASON__REASON_CLAIMED, -1);
    ck_assert(result_is(&results[0], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_CLAIMED)); /* never sent */
}
END_TEST

START_TEST(another_store_leaves_all_unknown_and_gets_nothing)
{
    struct result results[2] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_set(1, 'a', &results[1]);
    (void)claims_expect_set(1, 'a', 0);
    claims_restart(0);
    claims.fake.store_changed = true;
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        ck_assert_int_eq(cairn_connection_reconnect(claims.connections[i]), CAIRN_OK);
        (void)claims_run(i);
        claims.fds[i] = fake_daemon_meet(&claims.fake);
        ck_assert_int_eq(claims_run(i), CAIRN_STORE_CHANGED);
        ck_assert(result_is(&results[i], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    }
    ck_assert_int_eq(cairn_client_forget(claims.client), CAIRN_OK);
    claims.fake.store_changed = false;
    claims.fake.features = 0;
    claims_reconnect(0);
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 0); /* the claim is forgotten */
}
END_TEST

START_TEST(released_and_dropped_it_has_ended)
{
    struct result result = {.count = 0};
    const struct cairn_release_request release = {.timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_release(claims.connections[1], &release, result_completed, &result),
                     CAIRN_OK);
    struct fake_frame frame = claims_expect(1, FRAME_RELEASE);
    claims_answer(1, &frame, 60, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(result_is(&result, CAIRN_OK, CAIRN_REASON_NONE));
    const struct cairn_commit_request request = {.rise_to = 9};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, NULL, NULL), CAIRN_CONFLICT);
    claims_claim(0);
    struct fake_frame present = claims_expect_present(1, false);
    claims_answer_present(1, &present, 0);
    const struct cairn_drop_chain_request drop = {.chain = cairn_text("default")};
    ck_assert_int_eq(cairn_submit_drop_chain(claims.connections[0], &drop, NULL, NULL), CAIRN_OK);
    frame = claims_expect(0, FRAME_DROP_CHAIN);
    claims_answer(0, &frame, 61, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, NULL, NULL), CAIRN_CONFLICT);
}
END_TEST

START_TEST(a_deadline_passes_also_while_the_connection_is_lost)
{
    struct result results[2] = {{.count = 0}};
    const struct cairn_commit_request request = {.rise_to = 1, .timeout_us = 300000};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, result_completed, &results[0]),
                     CAIRN_OK);
    struct fake_frame frame;
    ck_assert_int_eq(claims_run(0), CAIRN_OK);
    if (!result_is_open(&results[0])) {
        return; /* the machine was too slow to send it in time */
    }
    fake_receive(claims.fds[0], &frame);
    claims_lose(0);
    while (result_is_open(&results[0])) {
        int64_t wait_us = cairn_connection_timeout_us(claims.connections[0]);
        ck_assert_int_ge(wait_us, 0);
        poll(NULL, 0, (int)(wait_us / 1000) + 1);
        ck_assert_int_eq(cairn_connection_process(claims.connections[0], 0), CAIRN_CONNECTION_LOST);
    }
    ck_assert_int_eq(results[0].status, CAIRN_TIMEOUT);
    ck_assert_int_eq(cairn_connection_timeout_us(claims.connections[0]), -1);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_commit(0, 2, &results[1]);
    claims_answer_present(0, &present, 1); /* it was applied after all */
    (void)claims_expect_commit(0, 2, 2);
    ck_assert_int_eq(results[0].count, 1);
}
END_TEST

/* An I/O error says that the daemon ends, and nothing of the write. */
START_TEST(an_io_error_is_found_out_about)
{
    struct result result = {.count = 0};
    claims_commit(0, 1, &result);
    struct fake_frame frame = claims_expect_commit(0, 1, 1);
    fake_send_error(claims.fds[0], &frame, STATUS_IO_ERROR, "sync failed");
    ck_assert_int_eq(claims_run(0), CAIRN_CONNECTION_LOST);
    ck_assert(result_is_open(&result));
    close(claims.fds[0]);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 1);
    ck_assert(result_is(&result, CAIRN_OK, CAIRN_REASON_NONE) && result.write.repeated);
}
END_TEST

/* Processes the connection until something comes, as its caller does who polls it. */
static void wait_for_frame(int which)
{
    while (fake_quiet(claims.fds[which])) {
        int64_t wait_us = cairn_connection_timeout_us(claims.connections[which]);
        ck_assert(wait_us >= 0); /* it has something to do by itself */
        poll(NULL, 0, (int)(wait_us / 1000) + 1);
        ck_assert_int_eq(claims_run(which), CAIRN_OK);
    }
}

/* As on a daemon that started without space. */
START_TEST(while_a_present_is_refused_for_now_reads_go_on_and_writes_wait)
{
    struct result results[2] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_restart(0);
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        claims_reconnect(i);
        struct fake_frame present = claims_expect_present(i, i == 0);
        if (i == 1) {
            claims_set(1, 'a', &results[1]);
        }
        for (int refusals = 0; refusals < 3; refusals++) {
            struct result read = {.count = 0};
            const struct cairn_read_height_request height = {.timeout_us = CLAIMS_LONG_US};
            Cairn__HeightReply answer = CAIRN__HEIGHT_REPLY__INIT;
            answer.has_height = true;
            fake_send_error(claims.fds[i], &present, STATUS_NO_SPACE, "the disk is full");
            ck_assert_int_eq(claims_run(i), CAIRN_OK);
            ck_assert_int_eq(
                cairn_submit_read_height(claims.connections[i], &height, result_completed, &read), CAIRN_OK);
            struct fake_frame frame;
            ck_assert_int_eq(claims_run(i), CAIRN_OK);
            fake_receive(claims.fds[i], &frame);
            bool is_late = frame.type == FRAME_PRESENT; /* the pause is over already */
            if (is_late) {
                present = frame;
                fake_receive(claims.fds[i], &frame);
            }
            ck_assert_int_eq(frame.type, FRAME_HEIGHT);
            fake_send_message(claims.fds[i], &frame, 0, &answer.base);
            ck_assert_int_eq(claims_run(i), CAIRN_OK);
            ck_assert(result_is(&read, CAIRN_OK, CAIRN_REASON_NONE));
            if (!is_late) {
                wait_for_frame(i);
                present = claims_expect_present(i, i == 0);
            }
        }
        claims_answer_present(i, &present, 0);
    }
    (void)claims_expect_commit(0, 1, 1);
    (void)claims_expect_set(1, 'a', 0);
}
END_TEST

START_TEST(a_blocking_write_sees_the_answer_to_a_claim_on_another_connection)
{
    struct result result = {.count = 0};
    const struct cairn_claim_request anew = {.writer_name = cairn_text("test"), .timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_claim(claims.connections[1], &anew, result_completed, &result), CAIRN_OK);
    struct fake_frame frame = claims_expect(1, FRAME_CLAIM);
    claims_send_granted(1, &frame);
    const struct cairn_commit_request request = {.rise_to = 1, .timeout_us = CLAIMS_LONG_US};
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_commit(claims.connections[0], &request, &reply), CAIRN_CONFLICT);
    ck_assert_int_eq(reply->reason, CAIRN_REASON_CLAIMED);
    ck_assert(result_is(&result, CAIRN_OK, CAIRN_REASON_NONE));
}
END_TEST

/* Its refusal comes when the claim is another already. */
START_TEST(the_present_of_an_epoch_that_is_replaced_does_not_end_the_new_claim)
{
    struct result result = {.count = 0};
    claims_lose(1);
    claims_reconnect(1);
    struct fake_frame present = claims_expect_present(1, false);
    claims_claim(0);
    (void)claims_expect_present(1, false);
    claims_refuse(1, &present, CAIRN__CONFLICT_REASON__REASON_CLAIMED, 0);
    claims_commit(0, 1, &result);
    (void)claims_expect_commit(0, 1, 1);
}
END_TEST

START_TEST(an_earlier_daemon_in_its_place_leaves_all_unknown)
{
    struct result results[2] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_restart(0);
    claims.fake.features = 0;
    ck_assert_int_eq(cairn_connection_reconnect(claims.connections[0]), CAIRN_OK);
    claims_commit(0, 2, &results[1]);
    claims_meet(0);
    ck_assert(result_is(&results[0], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_CLAIMED)); /* never sent */
    ck_assert(fake_quiet(claims.fds[0]));
}
END_TEST

/* While the connection that numbers is lost, the chain is claimed anew on the other. */
START_TEST(claimed_anew_the_writes_of_the_claim_before_are_unknown)
{
    struct result results[2] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_lose(0);
    claims_claim(1);
    ck_assert(result_is(&results[0], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, false);
    claims_answer_present(0, &present, 0);
    claims_commit(1, 2, &results[1]);
    (void)claims_expect_commit(1, 2, 1);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("claim", 30, &tests);
    tcase_add_checked_fixture(tests, claims_start, claims_stop);
    tcase_add_test(tests, a_lost_connection_does_not_show);
    tcase_add_test(tests, it_may_be_lost_again_and_again);
    tcase_add_test(tests, a_claim_that_was_taken_over_ends_what_is_open_and_all_later_writes);
    tcase_add_test(tests, a_write_that_is_refused_as_claimed_ends_the_claim);
    tcase_add_test(tests, a_chain_that_does_not_know_the_epoch_leaves_all_unknown);
    tcase_add_test(tests, another_store_leaves_all_unknown_and_gets_nothing);
    tcase_add_test(tests, released_and_dropped_it_has_ended);
    tcase_add_test(tests, a_deadline_passes_also_while_the_connection_is_lost);
    tcase_add_test(tests, an_io_error_is_found_out_about);
    tcase_add_test(tests, while_a_present_is_refused_for_now_reads_go_on_and_writes_wait);
    tcase_add_test(tests, a_blocking_write_sees_the_answer_to_a_claim_on_another_connection);
    tcase_add_test(tests, the_present_of_an_epoch_that_is_replaced_does_not_end_the_new_claim);
    tcase_add_test(tests, an_earlier_daemon_in_its_place_leaves_all_unknown);
    tcase_add_test(tests, claimed_anew_the_writes_of_the_claim_before_are_unknown);
    return suite_run(suite, true);
}
