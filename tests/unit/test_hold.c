/* Under a claim (contract §12): which writes have numbers, which ones, and in which order all goes again. The daemon is the test's own. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/suite.h"

START_TEST(commits_prunes_and_rollbacks_are_numbered_on_the_connection_of_the_claim)
{
    struct result results[4] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    const struct cairn_prune_request prunes[] = {
        {.blocks = true, .blocks_through = 1},
        {.chain = cairn_text("default"), .blocks = true, .blocks_through = 1}};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(cairn_submit_prune(claims.connections[0], &prunes[i], result_completed, &results[1]),
                         CAIRN_OK);
        struct fake_frame frame = claims_expect(0, FRAME_PRUNE);
        Cairn__Prune *prune = cairn__prune__unpack(NULL, frame.bytes, frame.body);
        ck_assert(prune != NULL && prune->number == 2 + i);
        cairn__prune__free_unpacked(prune, NULL);
    }
    const struct cairn_rollback_request rollbacks[] = {{.to = 1}, {.to = 1, .dry_run = true}};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(
            cairn_submit_rollback(claims.connections[0], &rollbacks[i], result_completed, &results[2]),
            CAIRN_OK);
        struct fake_frame frame = claims_expect(0, FRAME_ROLLBACK);
        Cairn__Rollback *rollback = cairn__rollback__unpack(NULL, frame.bytes, frame.body);
        ck_assert(rollback != NULL && rollback->number == (i == 0 ? 4 : 0));
        cairn__rollback__free_unpacked(rollback, NULL);
    }
    claims_commit(1, 2, &results[3]);
    (void)claims_expect_commit(1, 2, 0);
    const struct cairn_commit_request other = {.chain = cairn_text("aux"), .rise_to = 3};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &other, result_completed, &results[3]),
                     CAIRN_OK);
    (void)claims_expect_commit(0, 3, 0);
}
END_TEST

/* a and c were accepted before and behind commit 1, b behind that. */
START_TEST(kept_metadata_and_commits_go_again_in_the_order_first_sent)
{
    struct result commits[2] = {{.count = 0}}, sets[3] = {{.count = 0}}, later = {.count = 0};
    for (int i = 0; i < 3; i++) {
        claims_set(0, (char)('a' + i), &sets[i]);
        struct fake_frame frame = claims_expect_set(0, (char)('a' + i), 0);
        claims_answer(0, &frame, 60 + (uint64_t)i, CAIRN__LEVEL__LEVEL_ACCEPTED);
        ck_assert(result_is(&sets[i], CAIRN_OK, CAIRN_REASON_NONE));
        if (i < 2) {
            claims_commit(0, 1 + (uint64_t)i, &commits[i]);
            (void)claims_expect_commit(0, 1 + (uint64_t)i, 1 + (uint64_t)i);
        }
    }
    claims_restart(0);
    claims_reconnect(1); /* it is ready first, and must not overtake */
    struct fake_frame present = claims_expect_present(1, false);
    claims_answer_present(1, &present, 0);
    claims_set(1, 'z', &later);
    struct fake_frame a = claims_expect_set(1, 'a', 60);
    ck_assert(fake_quiet(claims.fds[1]));
    claims_reconnect(0);
    present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 0);
    ck_assert(fake_quiet(claims.fds[0])); /* commit 1 waits for the answer to a */
    claims_answer(1, &a, 81, CAIRN__LEVEL__LEVEL_ACCEPTED);
    (void)claims_expect_commit(0, 1, 1);
    struct fake_frame b = claims_expect_set(0, 'b', 61);
    ck_assert(fake_quiet(claims.fds[0]) && fake_quiet(claims.fds[1]));
    claims_answer(0, &b, 83, CAIRN__LEVEL__LEVEL_ACCEPTED);
    (void)claims_expect_commit(0, 2, 2);
    struct fake_frame c = claims_expect_set(0, 'c', 62);
    claims_answer(0, &c, 85, CAIRN__LEVEL__LEVEL_ACCEPTED);
    (void)claims_expect_set(1, 'z', 0);
}
END_TEST

START_TEST(one_that_is_refused_stops_those_behind_it_and_gives_its_number_to_the_next)
{
    struct result results[5] = {{.count = 0}};
    struct fake_frame frames[4];
    for (uint64_t i = 0; i < 3; i++) {
        claims_commit(0, i + 1, &results[i]);
        frames[i] = claims_expect_commit(0, i + 1, i + 1);
    }
    claims_refuse(0, &frames[0], CAIRN__CONFLICT_REASON__REASON_HEIGHT, -1);
    /* numbers 2 and 3 are on their way, and will be refused before it is judged */
    claims_commit(0, 9, &results[3]);
    frames[3] = claims_expect_commit(0, 9, 1);
    claims_refuse(0, &frames[1], CAIRN__CONFLICT_REASON__REASON_NUMBER, -1);
    claims_refuse(0, &frames[2], CAIRN__CONFLICT_REASON__REASON_NUMBER, -1);
    claims_answer(0, &frames[3], 70, CAIRN__LEVEL__LEVEL_DURABLE);
    claims_commit(0, 10, &results[4]);
    (void)claims_expect_commit(0, 10, 2);
    ck_assert(result_is(&results[0], CAIRN_CONFLICT, CAIRN_REASON_HEIGHT));
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
    ck_assert(result_is(&results[2], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
    ck_assert(result_is(&results[3], CAIRN_OK, CAIRN_REASON_NONE));
}
END_TEST

/* The first was refused while the second waited for the other connection. */
static void refuse_before_one_that_waits(struct result *first, struct result *second, struct result *set)
{
    claims_commit(0, 1, first);
    struct fake_frame frame = claims_expect_commit(0, 1, 1);
    claims_set(1, 'z', set);
    (void)claims_expect_set(1, 'z', 0);
    claims_lose(1);
    claims_commit(0, 2, second);
    ck_assert(fake_quiet(claims.fds[0]));
    claims_refuse(0, &frame, CAIRN__CONFLICT_REASON__REASON_HEIGHT, -1);
    ck_assert(result_is(first, CAIRN_CONFLICT, CAIRN_REASON_HEIGHT));
}

START_TEST(one_that_is_refused_stops_those_that_wait_behind_it)
{
    struct result results[4] = {{.count = 0}}, set = {.count = 0};
    refuse_before_one_that_waits(&results[0], &results[1], &set);
    claims_commit(0, 3, &results[2]); /* behind the answer: it may go on from there */
    claims_reconnect(1);
    struct fake_frame present = claims_expect_present(1, false);
    claims_answer_present(1, &present, 0);
    struct fake_frame z = claims_expect_set(1, 'z', 0);
    claims_answer(1, &z, 60, CAIRN__LEVEL__LEVEL_ACCEPTED);
    struct fake_frame second = claims_expect_commit(0, 2, 2); /* number 1 is missing before it */
    struct fake_frame third = claims_expect_commit(0, 3, 1);
    claims_refuse(0, &second, CAIRN__CONFLICT_REASON__REASON_NUMBER, -1);
    claims_answer(0, &third, 61, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
    ck_assert(result_is(&results[2], CAIRN_OK, CAIRN_REASON_NONE));
    claims_commit(0, 4, &results[3]);
    (void)claims_expect_commit(0, 4, 2);
}
END_TEST

START_TEST(one_that_waits_behind_a_refused_one_does_not_go_on_the_next_connection)
{
    struct result results[2] = {{.count = 0}}, set = {.count = 0};
    refuse_before_one_that_waits(&results[0], &results[1], &set);
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 0);
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
}
END_TEST

/* Whose caller has given up keeps its place: what comes behind must not be applied without it. */
START_TEST(one_that_timed_out_unanswered_stops_those_behind_it_unless_it_was_applied)
{
    struct result results[2] = {{.count = 0}};
    const struct cairn_commit_request request = {.rise_to = 1, .timeout_us = 300000};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, result_completed, &results[0]),
                     CAIRN_OK);
    while (result_is_open(&results[0])) {
        ck_assert_int_eq(claims_run(0), CAIRN_OK);
        poll(NULL, 0, 10);
    }
    if (results[0].status == CAIRN_NOT_SENT) {
        return; /* the machine was too slow to send it in time */
    }
    ck_assert_int_eq(results[0].status, CAIRN_TIMEOUT);
    (void)claims_expect_commit(0, 1, 1);
    claims_commit(0, 2, &results[1]);
    (void)claims_expect_commit(0, 2, 2);
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, (uint64_t)_i);
    if (_i == 0) {
        ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
    } else {
        (void)claims_expect_commit(0, 2, 2);
    }
    ck_assert_int_eq(results[0].count, 1);
}
END_TEST

START_TEST(a_freed_connection_leaves_its_writes_unknown_and_another_numbers)
{
    struct result results[3] = {{.count = 0}};
    claims_commit(0, 1, &results[0]);
    (void)claims_expect_commit(0, 1, 1);
    claims_lose(0);
    cairn_connection_free(claims.connections[0]);
    ck_assert(result_is(&results[0], CAIRN_CONNECTION_LOST, CAIRN_REASON_NONE));
    claims_commit(1, 2, &results[1]);
    struct fake_frame present = claims_expect_present(1, true);
    ck_assert(fake_quiet(claims.fds[1]));
    claims_answer_present(1, &present, 1);
    (void)claims_expect_commit(1, 2, 2);
    ck_assert_int_eq(cairn_connection_open(claims.client, &claims.connections[0]), CAIRN_OK);
    claims_meet(0);
    (void)claims_expect_present(0, false);
}
END_TEST

/* Two writes had number 2: the one that was refused with number 1, and the one that got it anew. */
START_TEST(a_number_that_was_given_twice_is_of_the_later_write)
{
    struct result results[4] = {{.count = 0}};
    struct fake_frame first;
    for (uint64_t i = 0; i < 2; i++) {
        claims_commit(0, i + 1, &results[i]);
        struct fake_frame frame = claims_expect_commit(0, i + 1, i + 1);
        first = i == 0 ? frame : first;
    }
    claims_refuse(0, &first, CAIRN__CONFLICT_REASON__REASON_HEIGHT, -1);
    for (uint64_t i = 2; i < 4; i++) {
        claims_commit(0, i + 1, &results[i]);
        (void)claims_expect_commit(0, i + 1, i - 1);
    }
    claims_lose(0);
    claims_reconnect(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 2);
    ck_assert(result_is(&results[1], CAIRN_CONFLICT, CAIRN_REASON_NUMBER));
    ck_assert(result_is(&results[2], CAIRN_OK, CAIRN_REASON_NONE));
    ck_assert(result_is(&results[3], CAIRN_OK, CAIRN_REASON_NONE));
}
END_TEST

/* The daemon judges it under the epoch that the Claim leaves, where its number is of another write. */
START_TEST(a_commit_behind_a_claim_made_anew_waits_for_the_answer)
{
    struct result again = {.count = 0}, results[2] = {{.count = 0}};
    const struct cairn_claim_request request = {.writer_name = cairn_text("test"),
                                                .timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_claim(claims.connections[0], &request, result_completed, &again), CAIRN_OK);
    claims_commit(0, 1, &results[0]);
    struct fake_frame frame = claims_expect(0, FRAME_CLAIM);
    ck_assert(fake_quiet(claims.fds[0]));
    claims_refuse(0, &frame, CAIRN__CONFLICT_REASON__REASON_CLAIMED, -1);
    (void)claims_expect_commit(0, 1, 1); /* the claim stays as it was */
    claims_claim(0);
    claims_commit(0, 2, &results[1]);
    (void)claims_expect_commit(0, 2, 1);
}
END_TEST

START_TEST(a_commit_before_a_claim_made_anew_does_not_wait_for_it)
{
    struct result results[2] = {{.count = 0}};
    const struct cairn_claim_request request = {.writer_name = cairn_text("test"),
                                                .timeout_us = CLAIMS_LONG_US};
    claims_lose(0);
    ck_assert_int_eq(cairn_connection_reconnect(claims.connections[0]), CAIRN_OK);
    claims_commit(0, 1, &results[0]);
    ck_assert_int_eq(cairn_submit_claim(claims.connections[0], &request, result_completed, &results[1]),
                     CAIRN_OK);
    claims_meet(0);
    struct fake_frame present = claims_expect_present(0, true);
    claims_answer_present(0, &present, 0);
    (void)claims_expect_commit(0, 1, 1);
    (void)claims_expect(0, FRAME_CLAIM);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("hold", 30, &tests);
    tcase_add_checked_fixture(tests, claims_start, claims_stop);
    tcase_add_test(tests, commits_prunes_and_rollbacks_are_numbered_on_the_connection_of_the_claim);
    tcase_add_test(tests, kept_metadata_and_commits_go_again_in_the_order_first_sent);
    tcase_add_test(tests, one_that_is_refused_stops_those_behind_it_and_gives_its_number_to_the_next);
    tcase_add_test(tests, one_that_is_refused_stops_those_that_wait_behind_it);
    tcase_add_test(tests, one_that_waits_behind_a_refused_one_does_not_go_on_the_next_connection);
    tcase_add_loop_test(tests, one_that_timed_out_unanswered_stops_those_behind_it_unless_it_was_applied, 0,
                        2);
    tcase_add_test(tests, a_freed_connection_leaves_its_writes_unknown_and_another_numbers);
    tcase_add_test(tests, a_number_that_was_given_twice_is_of_the_later_write);
    tcase_add_test(tests, a_commit_behind_a_claim_made_anew_waits_for_the_answer);
    tcase_add_test(tests, a_commit_before_a_claim_made_anew_does_not_wait_for_it);
    return suite_run(suite, true);
}
