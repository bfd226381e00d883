/* Held requests: what the hello's answer lets go, and in which order. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/suite.h"

static void submit_height(struct result *result)
{
    const struct cairn_read_height_request request = {.timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_read_height(claims.connections[0], &request, result_completed, result),
                     CAIRN_OK);
}

/* The Present is not answered yet: a commit waits, with what was submitted behind it; a read does not. */
START_TEST(a_read_passes_what_a_held_commit_holds_up)
{
    struct result results[3] = {{.count = 0}};
    claims_lose(0);
    ck_assert_int_eq(cairn_connection_reconnect(claims.connections[0]), CAIRN_OK);
    claims_commit(0, 1, &results[0]);
    claims_set(0, 'a', &results[1]);
    submit_height(&results[2]);
    claims_meet(0);
    struct fake_frame present = claims_expect_present(0, true);
    (void)claims_expect(0, FRAME_HEIGHT);
    ck_assert(fake_quiet(claims.fds[0]));
    claims_answer_present(0, &present, 4);
    (void)claims_expect_commit(0, 1, 5);
    (void)claims_expect_set(0, 'a', 0);
}
END_TEST

START_TEST(what_the_daemon_does_not_take_ends_and_the_others_go)
{
    struct result results[2] = {{.count = 0}};
    const struct cairn_read_blocks_request any = {.first = 1, .last = 2};
    const struct cairn_list_request list = {.reverse = true};
    claims_lose(0);
    ck_assert_int_eq(cairn_connection_reconnect(claims.connections[0]), CAIRN_OK);
    ck_assert_int_eq(cairn_submit_list(claims.connections[0], &list, NULL, result_completed, &results[0]),
                     CAIRN_OK);
    ck_assert_int_eq(
        cairn_submit_read_blocks(claims.connections[0], &any, NULL, result_completed, &results[1]), CAIRN_OK);
    claims_meet(0); /* it has claims, and no lists in reverse */
    ck_assert(result_is(&results[0], CAIRN_UNSUPPORTED, CAIRN_REASON_NONE));
    (void)claims_expect_present(0, true);
    (void)claims_expect(0, FRAME_READ_BLOCKS);
    ck_assert(result_is_open(&results[1]));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("release", 30, &tests);
    tcase_add_checked_fixture(tests, claims_start, claims_stop);
    tcase_add_test(tests, a_read_passes_what_a_held_commit_holds_up);
    tcase_add_test(tests, what_the_daemon_does_not_take_ends_and_the_others_go);
    return suite_run(suite, true);
}
