/* What is repeated, at what pace, and when it ends. No test waits for a clock to show a certain time. */
#include <string.h>

#include "client/cairn.h"
#include "tests/lib/suite.h"

static const enum cairn_request_kind reads[] = {
    CAIRN_PING,       CAIRN_STATUS_PAGE, CAIRN_CHAINS,     CAIRN_READ_HEIGHT,
    CAIRN_READ_BLOCK, CAIRN_READ_BLOCKS, CAIRN_READ_STATE, CAIRN_GET,
    CAIRN_GET_MANY,   CAIRN_LIST,        CAIRN_BARRIER,
};
static const enum cairn_request_kind writes[] = {
    CAIRN_CREATE_CHAIN, CAIRN_WRITE_METADATA, CAIRN_COMMIT,
    CAIRN_PRUNE,        CAIRN_ROLLBACK,       (enum cairn_request_kind)99,
};

static bool repeats(enum cairn_request_kind kind, enum cairn_status status)
{
    struct cairn_retry retry = {.timeout_us = CAIRN_NO_TIMEOUT};
    return cairn_retry_pause_us(&retry, kind, status) >= 0;
}

START_TEST(no_write_that_may_have_been_applied_is_repeated)
{
    for (int status = 0; status < 80; status++) {
        bool applied = cairn_status_applied((enum cairn_status)status) != CAIRN_NOT_APPLIED;
        for (size_t i = 0; applied && i < sizeof writes / sizeof *writes; i++) {
            ck_assert_msg(!repeats(writes[i], (enum cairn_status)status), "kind %d, status %d", writes[i],
                          status);
        }
    }
}
END_TEST

START_TEST(what_time_may_mend_is_repeated_and_what_it_does_not_is_not)
{
    static const enum cairn_status mends[] = {CAIRN_BUSY,     CAIRN_NO_SPACE,       CAIRN_SHUTTING_DOWN,
                                              CAIRN_NOT_SENT, CAIRN_CANNOT_CONNECT, CAIRN_FULL};
    static const enum cairn_status unknown[] = {CAIRN_TIMEOUT, CAIRN_CONNECTION_LOST, CAIRN_IO_ERROR};
    static const enum cairn_status stays[] = {
        CAIRN_OK,       CAIRN_NOT_FOUND,     CAIRN_INVALID,     CAIRN_TOO_LARGE,
        CAIRN_CONFLICT, CAIRN_PERMISSION,    CAIRN_UNSUPPORTED, CAIRN_READ_ONLY,
        CAIRN_DAMAGED,  CAIRN_STORE_CHANGED, CAIRN_USAGE,       CAIRN_NO_MEMORY,
    };
    for (size_t kind = 0; kind < sizeof writes / sizeof *writes; kind++) {
        for (size_t i = 0; i < sizeof mends / sizeof *mends; i++) {
            ck_assert(repeats(writes[kind], mends[i]));
        }
    }
    for (size_t kind = 0; kind < sizeof reads / sizeof *reads; kind++) {
        for (size_t i = 0; i < sizeof mends / sizeof *mends; i++) {
            ck_assert(repeats(reads[kind], mends[i]));
        }
        for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
            ck_assert(repeats(reads[kind], unknown[i])); /* a read changes nothing */
        }
        for (size_t i = 0; i < sizeof stays / sizeof *stays; i++) {
            ck_assert(!repeats(reads[kind], stays[i]) && !repeats(writes[kind % 5], stays[i]));
        }
    }
}
END_TEST

START_TEST(pauses_grow_to_a_bound_and_are_cut_by_up_to_a_half)
{
    struct cairn_retry retry = {.timeout_us = CAIRN_NO_TIMEOUT};
    int64_t longest = 1000;
    bool differ = false;
    for (int i = 0; i < 200; i++) {
        int64_t pause = cairn_retry_pause_us(&retry, CAIRN_COMMIT, CAIRN_BUSY);
        ck_assert_int_ge(pause, longest / 2);
        ck_assert_int_le(pause, longest);
        differ |= longest == 250000 && pause != longest;
        longest = longest * 2 < 250000 ? longest * 2 : 250000;
    }
    ck_assert(differ);
    ck_assert_int_eq(cairn_retry_pause_us(&retry, CAIRN_COMMIT, CAIRN_OK), -1);
    ck_assert_int_le(cairn_retry_pause_us(&retry, CAIRN_COMMIT, CAIRN_BUSY), 1000); /* it began anew */
}
END_TEST

START_TEST(it_ends_with_its_timeout)
{
    struct cairn_retry retry = {.timeout_us = 20000};
    int waits = 0;
    while (cairn_retry_wait(&retry, CAIRN_COMMIT, CAIRN_BUSY)) {
        ck_assert_int_lt(++waits, 100);
    }
    ck_assert_int_gt(waits, 0);
    ck_assert_int_eq(cairn_retry_pause_us(&retry, CAIRN_COMMIT, CAIRN_BUSY), -1); /* and stays ended */
}
END_TEST

START_TEST(reserved_words_are_refused)
{
    struct cairn_retry retry = {.reserved = {0, 0, 0, 1}};
    ck_assert_int_eq(cairn_retry_pause_us(&retry, CAIRN_PING, CAIRN_BUSY), -1);
    ck_assert(!cairn_retry_wait(&retry, CAIRN_PING, CAIRN_BUSY));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("retry", 20, &tests);
    tcase_add_test(tests, no_write_that_may_have_been_applied_is_repeated);
    tcase_add_test(tests, what_time_may_mend_is_repeated_and_what_it_does_not_is_not);
    tcase_add_test(tests, pauses_grow_to_a_bound_and_are_cut_by_up_to_a_half);
    tcase_add_test(tests, it_ends_with_its_timeout);
    tcase_add_test(tests, reserved_words_are_refused);
    return suite_run(suite, true);
}
