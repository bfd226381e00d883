/* Heartbeats: what is at work and does not move is stalled after a second, and nothing else is. */
#include <stdlib.h>
#include <string.h>

#include "daemon/observe/heartbeat.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { LOOK = HEARTBEAT_LOOK_INTERVAL_US };

static struct heartbeats heartbeats;
static struct heartbeats_watch watch;

static struct heartbeats_seen look(uint64_t elapsed_us)
{
    return heartbeats_look(&watch, &heartbeats, elapsed_us);
}

START_TEST(idle_stages_are_never_stalled)
{
    for (int i = 0; i < 100; i++) {
        struct heartbeats_seen seen = look(LOOK);
        ck_assert(seen.stalled == 0 && seen.began == 0 && seen.ended == 0);
    }
}
END_TEST

START_TEST(work_that_does_not_move_is_stalled_after_a_second_until_it_moves)
{
    const unsigned writer = 1U << HEARTBEAT_WRITER;
    heartbeat_enter(&heartbeats.writer);
    unsigned began = 0;
    uint64_t first_us = 0;
    for (uint64_t us = 0; us < 3000000; us += LOOK) {
        struct heartbeats_seen seen = look(LOOK);
        ck_assert(seen.stalled == 0 || seen.stalled == writer);
        first_us = first_us == 0 && seen.stalled != 0 ? us : first_us;
        began += seen.began == writer;
    }
    ck_assert_uint_eq(began, 1);
    ck_assert_uint_ge(first_us, HEARTBEAT_STALLED_US);
    ck_assert_uint_le(first_us, HEARTBEAT_STALLED_US + LOOK);
    ck_assert_uint_eq(heartbeats_stalled(&heartbeats), writer);
    heartbeat_go_on();
    ck_assert_uint_eq(heartbeats_stalled(&heartbeats), 0); /* at once, not at the next look */
    struct heartbeats_seen seen = look(LOOK);
    ck_assert(seen.stalled == 0 && seen.ended == writer);
    ck_assert_uint_ge(seen.lasted_us[HEARTBEAT_WRITER], 2000000);
    heartbeat_leave();
    seen = look(LOOK);
    ck_assert(seen.stalled == 0 && seen.ended == 0);
}
END_TEST

START_TEST(long_work_that_moves_is_not_stalled)
{
    heartbeat_enter(&heartbeats.pool[3]);
    for (int i = 0; i < 100; i++) {
        heartbeat_go_on();
        ck_assert_uint_eq(look(LOOK).stalled, 0);
    }
    heartbeat_leave();
    heartbeat_go_on(); /* in nothing: it changes nothing */
    ck_assert_uint_eq(atomic_load(&heartbeats.pool[3].beats) % 2, 0);
}
END_TEST

START_TEST(one_piece_after_the_other_is_not_stalled)
{
    for (int i = 0; i < 100; i++) {
        heartbeat_enter(&heartbeats.pool[0]);
        ck_assert_uint_eq(look(LOOK).stalled, 0);
        heartbeat_leave();
    }
}
END_TEST

START_TEST(work_that_is_handed_over_and_not_taken_is_stalled)
{
    const unsigned writer = 1U << HEARTBEAT_WRITER;
    heartbeat_ask(&heartbeats.writer);
    for (int i = 0; i < 20; i++) {
        (void)look(LOOK);
    }
    heartbeat_ask(&heartbeats.writer); /* more of it does not help */
    ck_assert_uint_eq(look(LOOK).stalled, writer);
    heartbeat_take(&heartbeats.writer);
    ck_assert_uint_eq(look(LOOK).ended, writer);
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(look(LOOK).stalled, 0);
    }
}
END_TEST

START_TEST(the_oldest_piece_of_the_pool_counts_and_each_ends_by_itself)
{
    const unsigned pool = 1U << HEARTBEAT_POOL;
    heartbeat_show(&heartbeats.pool[1], true, 7);
    for (int i = 0; i < 8; i++) {
        (void)look(LOOK);
    }
    heartbeat_show(&heartbeats.pool[2], true, 7);
    struct heartbeats_seen seen = look(LOOK);
    ck_assert(seen.stalled == pool && seen.lasted_us[HEARTBEAT_POOL] == 8 * LOOK);
    for (int i = 0; i < 8; i++) {
        (void)look(LOOK);
    }
    heartbeat_show(&heartbeats.pool[1], false, 8);
    ck_assert(look(LOOK).stalled == pool);
    heartbeat_show(&heartbeats.pool[2], false, 8);
    ck_assert(look(LOOK).ended == pool);
}
END_TEST

START_TEST(a_process_that_stood_still_has_stalled_nothing)
{
    heartbeat_enter(&heartbeats.writer);
    (void)look(LOOK);
    ck_assert_uint_eq(look(3600ULL * 1000000).stalled, 0); /* an hour between two looks */
    heartbeat_leave();
}
END_TEST

/* By the definition: at work at each look of the last second, with the same beats. */
START_TEST(any_history_is_judged_as_the_definition_says)
{
    uint64_t seed = random_seed("heartbeat");
    struct random_source source = random_from(seed);
    uint64_t moves = 0, same_us = 0, last = UINT64_MAX;
    bool is_at_work = false;
    for (int i = 0; i < 100000; i++) {
        if (random_below(&source, 10) == 0) {
            moves++;
        }
        if (random_below(&source, 10) == 0) {
            is_at_work = !is_at_work;
        }
        heartbeat_show(&heartbeats.memory, is_at_work, moves);
        uint64_t now = 2 * moves + is_at_work;
        bool is_same = is_at_work && now == last;
        same_us = is_same ? same_us + LOOK : 0;
        last = now;
        ck_assert_int_eq((look(LOOK).stalled & 1U << HEARTBEAT_MEMORY) != 0, same_us >= HEARTBEAT_STALLED_US);
    }
}
END_TEST

START_TEST(stages_are_named)
{
    char text[HEARTBEAT_TEXT_BYTES];
    ck_assert_str_eq(heartbeat_text(0, text), "");
    ck_assert_str_eq(heartbeat_text(1U << HEARTBEAT_WRITER, text), "writer");
    ck_assert_str_eq(heartbeat_text(1U << HEARTBEAT_WRITER | 1U << HEARTBEAT_MEMORY, text),
                     "writer, memory for requests");
    (void)heartbeat_text((1U << HEARTBEAT_STAGES) - 1, text); /* all have room */
}
END_TEST

static void setup(void)
{
    memset(&heartbeats, 0, sizeof heartbeats);
    memset(&watch, 0, sizeof watch);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("heartbeat", 30, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, idle_stages_are_never_stalled);
    tcase_add_test(tests, work_that_does_not_move_is_stalled_after_a_second_until_it_moves);
    tcase_add_test(tests, long_work_that_moves_is_not_stalled);
    tcase_add_test(tests, one_piece_after_the_other_is_not_stalled);
    tcase_add_test(tests, work_that_is_handed_over_and_not_taken_is_stalled);
    tcase_add_test(tests, the_oldest_piece_of_the_pool_counts_and_each_ends_by_itself);
    tcase_add_test(tests, a_process_that_stood_still_has_stalled_nothing);
    tcase_add_test(tests, any_history_is_judged_as_the_definition_says);
    tcase_add_test(tests, stages_are_named);
    return suite_run(suite, true);
}
