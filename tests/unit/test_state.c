/* The tables of legal moves: what follows from them, whichever way a connection or a request goes. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "client/connection/state.h"

static bool connection_may(int from, int to)
{
    return connection_state_may_move((enum connection_state)from, (enum connection_state)to);
}

static bool request_may(int from, int to)
{
    return request_state_may_move((enum request_state)from, (enum request_state)to);
}

/* The states that can come after this one, as bits. */
static unsigned reach(bool (*may)(int from, int to), int count, int from)
{
    unsigned reached = 0, before;
    do {
        before = reached;
        for (int via = 0; via < count; via++) {
            for (int to = 0; to < count; to++) {
                if ((via == from || reached & 1u << via) && may(via, to)) {
                    reached |= 1u << to;
                }
            }
        }
    } while (reached != before);
    return reached;
}

static unsigned request_reach(int from)
{
    return reach(request_may, REQUEST_STATES, from);
}

/* The moves of a request on one connection. */
static bool request_may_on_one(int from, int to)
{
    return from != REQUEST_ASIDE && request_may(from, to);
}

START_TEST(a_request_passes_each_state_once_at_most_for_each_connection_that_it_outlives)
{
    for (int state = 0; state < REQUEST_STATES; state++) {
        unsigned reached = reach(request_may_on_one, REQUEST_STATES, state);
        ck_assert_msg(!(reached & 1u << state), "state %d", state);
    }
    ck_assert(!(request_reach(REQUEST_STOPPED) & 1u << REQUEST_STOPPED)); /* streams outlive none */
}
END_TEST

START_TEST(a_request_can_be_in_every_state_and_can_always_end)
{
    ck_assert_uint_eq(request_reach(REQUEST_NEW), (1u << REQUEST_STATES) - 1 - (1u << REQUEST_NEW));
    for (int state = 0; state < REQUEST_ENDED; state++) {
        ck_assert_msg(request_reach(state) & 1u << REQUEST_ENDED, "state %d", state);
    }
    ck_assert_uint_eq(request_reach(REQUEST_ENDED), 0);
}
END_TEST

START_TEST(a_request_that_has_completed_can_only_end)
{
    ck_assert_uint_eq(request_reach(REQUEST_ABANDONED), 1u << REQUEST_ENDED);
}
END_TEST

START_TEST(a_connection_can_always_be_lost_and_is_ready_only_after_a_hello)
{
    for (int state = 0; state < CONNECTION_STATES; state++) {
        bool lost = connection_state_is_lost((enum connection_state)state);
        ck_assert_uint_eq(reach(connection_may, CONNECTION_STATES, state), (1u << CONNECTION_STATES) - 1);
        ck_assert_int_eq(connection_may(state, CONNECTION_READY), state == CONNECTION_CONNECTING);
        ck_assert_int_eq(connection_may(state, CONNECTION_LOST), !lost);
        ck_assert_int_eq(connection_may(state, CONNECTION_CONNECTING), lost);
    }
}
END_TEST

START_TEST(an_illegal_move_ends_the_process)
{
    enum request_state state = REQUEST_ABANDONED;
    request_state_move(&state, REQUEST_SENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *moves = tcase_create("moves");
    tcase_add_test(moves, a_request_passes_each_state_once_at_most_for_each_connection_that_it_outlives);
    tcase_add_test(moves, a_request_can_be_in_every_state_and_can_always_end);
    tcase_add_test(moves, a_request_that_has_completed_can_only_end);
    tcase_add_test(moves, a_connection_can_always_be_lost_and_is_ready_only_after_a_hello);
    tcase_add_test_raise_signal(moves, an_illegal_move_ends_the_process, SIGABRT);
    suite_add_tcase(suite, moves);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
