/* Turns: each rule by itself, then all of them against a naive implementation that remembers when everybody was last served. */
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/turns.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { MEMBERS = 24, TURNS_EACH = 3, OPERATIONS = 100000 };

static struct turns *turns;

static void setup(void)
{
    turns = turns_new();
}

static void teardown(void)
{
    turns_free(turns);
}

struct wait {
    struct turn turn;
    char name;
};

static void start(enum turns_list list, struct turns_member *member, struct wait *wait, char name)
{
    *wait = (struct wait){.name = name};
    turns_wait(turns, list, member, &wait->turn, wait);
}

static void expect(enum turns_list list, const char *order)
{
    for (; *order != '\0'; order++) {
        struct wait *first = turns_first(turns, list);
        ck_assert_ptr_nonnull(first);
        ck_assert_msg(first->name == *order, "it is the turn of %c, not of %c", *order, first->name);
        turns_take(turns, list, &first->turn);
        ck_assert(!turn_waits(&first->turn));
    }
    ck_assert_ptr_null(turns_first(turns, list));
    ck_assert_uint_eq(turns_count(turns, list), 0);
}

START_TEST(one_connection_is_served_in_the_order_it_asked)
{
    struct turns_member member = {0};
    struct wait waits[3];
    turns_join(turns, &member, 1, 1);
    for (int i = 0; i < 3; i++) {
        start(TURNS_POINTS, &member, &waits[i], "abc"[i]);
    }
    expect(TURNS_POINTS, "abc");
    turns_leave(turns, &member);
}
END_TEST

START_TEST(a_uid_with_many_connections_has_every_other_turn)
{
    struct turns_member many[9] = {{0}}, other = {0};
    struct wait waits[9], others[2];
    for (int i = 0; i < 9; i++) {
        turns_join(turns, &many[i], 1, (uint64_t)i);
        start(TURNS_ROOM, &many[i], &waits[i], 'a');
    }
    turns_join(turns, &other, 2, 0);
    ck_assert_uint_eq(turns_of_uid(&other), 1);
    ck_assert_uint_eq(turns_of_uid(&many[3]), 9);
    start(TURNS_ROOM, &other, &others[0], 'B');
    start(TURNS_ROOM, &other, &others[1], 'C');
    expect(TURNS_ROOM, "aBaCaaaaaaa");
    for (int i = 0; i < 9; i++) {
        turns_leave(turns, &many[i]);
    }
    turns_leave(turns, &other);
}
END_TEST

START_TEST(a_process_with_many_connections_has_every_other_turn_of_its_uid)
{
    struct turns_member many[4] = {{0}}, other = {0};
    struct wait waits[4], others;
    for (int i = 0; i < 4; i++) {
        turns_join(turns, &many[i], 1, 7);
        start(TURNS_STREAMS, &many[i], &waits[i], "abcd"[i]);
    }
    turns_join(turns, &other, 1, 8);
    start(TURNS_STREAMS, &other, &others, 'X');
    expect(TURNS_STREAMS, "aXbcd");
    for (int i = 0; i < 4; i++) {
        turns_leave(turns, &many[i]);
    }
    turns_leave(turns, &other);
}
END_TEST

START_TEST(who_gives_up_changes_no_other_turn)
{
    struct turns_member member[3] = {{0}};
    struct wait waits[3];
    for (int i = 0; i < 3; i++) {
        turns_join(turns, &member[i], (uint64_t)i, 0);
        start(TURNS_ROOM, &member[i], &waits[i], "abc"[i]);
    }
    turns_drop(turns, TURNS_ROOM, &waits[0].turn);
    ck_assert(!turn_waits(&waits[0].turn) && turn_waits(&waits[1].turn));
    start(TURNS_REQUESTS, &member[0], &waits[0], 'x'); /* another list */
    expect(TURNS_ROOM, "bc");
    expect(TURNS_REQUESTS, "x");
    for (int i = 0; i < 3; i++) {
        turns_leave(turns, &member[i]);
    }
}
END_TEST

static bool is_not_of(const void *owner, const void *context)
{
    return ((const struct wait *)owner)->name != *(const char *)context;
}

START_TEST(who_may_not_have_it_now_is_left_out_and_keeps_its_turn)
{
    struct turns_member member[3] = {{0}};
    struct wait waits[3];
    for (int i = 0; i < 3; i++) {
        turns_join(turns, &member[i], (uint64_t)i, 0);
        start(TURNS_POINTS, &member[i], &waits[i], "abc"[i]);
    }
    ck_assert_ptr_eq(turns_find(turns, TURNS_POINTS, is_not_of, "a"), &waits[1]);
    turns_take(turns, TURNS_POINTS, &waits[1].turn);
    start(TURNS_POINTS, &member[1], &waits[1], 'd');
    expect(TURNS_POINTS, "acd");
    ck_assert_ptr_null(turns_find(turns, TURNS_POINTS, is_not_of, "a"));
    for (int i = 0; i < 3; i++) {
        turns_leave(turns, &member[i]);
    }
}
END_TEST

START_TEST(who_never_joined_may_leave)
{
    struct turns_member member = {0};
    turns_leave(turns, &member);
    turns_free(NULL);
}
END_TEST

/* ---- against the naive one ---- */

/* Who waits is next by the time since which its uid has waited without a turn, then its process, then it. */
struct naive_wait {
    bool waits;
    uint64_t since;
};

static struct naive {
    uint64_t clock;
    bool joined[MEMBERS];
    uint64_t uid[MEMBERS], pid[MEMBERS];
    struct naive_wait wait[MEMBERS][TURNS_EACH];
    uint64_t connection_since[MEMBERS], process_since[MEMBERS][MEMBERS],
        uid_since[MEMBERS]; /* 0: nothing waits */
} naive;

static bool same(int level, int a, int b)
{
    return (level > 0 || naive.uid[a] == naive.uid[b]) &&
           (level < 1 || (naive.uid[a] == naive.uid[b] && naive.pid[a] == naive.pid[b])) &&
           (level < 2 || a == b);
}

static uint64_t *since_of(int level, int member)
{
    return level == 0   ? &naive.uid_since[naive.uid[member]]
           : level == 1 ? &naive.process_since[naive.uid[member]][naive.pid[member]]
                        : &naive.connection_since[member];
}

static bool any_waits(int level, int member)
{
    for (int other = 0; other < MEMBERS; other++) {
        for (int i = 0; i < TURNS_EACH; i++) {
            if (naive.joined[other] && same(level, member, other) && naive.wait[other][i].waits) {
                return true;
            }
        }
    }
    return false;
}

static void naive_wait(int member, int i)
{
    for (int level = 0; level < 3; level++) {
        if (!any_waits(level, member)) {
            *since_of(level, member) = ++naive.clock;
        }
    }
    naive.wait[member][i] = (struct naive_wait){true, ++naive.clock};
}

static bool before(int a, int i, int b, int k)
{
    for (int level = 0; level < 3; level++) {
        if (!same(level, a, b)) {
            return *since_of(level, a) < *since_of(level, b);
        }
    }
    return naive.wait[a][i].since < naive.wait[b][k].since;
}

/* The first in the order of turns, the oldest waits of members whose number that divides left out; 0: of none. */
static bool naive_find(int divisor, int *ret_member, int *ret_turn)
{
    bool found = false;
    for (int member = 0; member < MEMBERS; member++) {
        for (int i = 0; i < TURNS_EACH && (divisor == 0 || member % divisor != 0); i++) {
            if (naive.wait[member][i].waits && (!found || before(member, i, *ret_member, *ret_turn))) {
                *ret_member = member;
                *ret_turn = i;
                found = true;
            }
        }
    }
    return found;
}

static void naive_take(int member, int i)
{
    naive.wait[member][i].waits = false;
    for (int level = 0; level < 3; level++) {
        *since_of(level, member) = ++naive.clock;
    }
}

static struct turns_member members[MEMBERS];
static struct turn waits[MEMBERS][TURNS_EACH];

static bool is_not_divided(const void *owner, const void *context)
{
    long member = ((const struct turn *)owner - &waits[0][0]) / TURNS_EACH;
    return member % *(const int *)context != 0;
}

static void compare_first(void)
{
    int member = 0, i = 0;
    void *first = turns_first(turns, TURNS_ROOM);
    ck_assert_ptr_eq(first, naive_find(0, &member, &i) ? &waits[member][i] : NULL);
    for (int divisor = 1; divisor <= 3; divisor++) {
        void *found = turns_find(turns, TURNS_ROOM, is_not_divided, &divisor);
        ck_assert_ptr_eq(found, naive_find(divisor, &member, &i) ? &waits[member][i] : NULL);
    }
}

static void step(struct random_source *random)
{
    int member = (int)random_below(random, MEMBERS), i = (int)random_below(random, TURNS_EACH);
    uint64_t what = random_below(random, 100);
    if (!naive.joined[member]) {
        naive.uid[member] = random_below(random, 4);
        naive.pid[member] = random_below(random, 4);
        naive.joined[member] = true;
        turns_join(turns, &members[member], naive.uid[member], naive.pid[member]);
    } else if (what < 45 && !naive.wait[member][i].waits) {
        naive_wait(member, i);
        turns_wait(turns, TURNS_ROOM, &members[member], &waits[member][i], &waits[member][i]);
    } else if (what < 90) {
        if (naive_find((int)random_below(random, 4), &member, &i)) {
            naive_take(member, i);
            turns_take(turns, TURNS_ROOM, &waits[member][i]);
        }
    } else if (what < 96 && naive.wait[member][i].waits) {
        naive.wait[member][i].waits = false;
        turns_drop(turns, TURNS_ROOM, &waits[member][i]);
    } else if (!any_waits(2, member)) {
        naive.joined[member] = false;
        turns_leave(turns, &members[member]);
    }
}

START_TEST(it_does_what_the_naive_one_does)
{
    struct random_source random = random_from(random_seed("turns"));
    for (int i = 0; i < OPERATIONS; i++) {
        step(&random);
        compare_first();
    }
    for (int member = 0; member < MEMBERS; member++) {
        for (int i = 0; i < TURNS_EACH; i++) {
            if (naive.wait[member][i].waits) {
                turns_drop(turns, TURNS_ROOM, &waits[member][i]);
            }
        }
        turns_leave(turns, &members[member]);
    }
    ck_assert_uint_eq(turns_count(turns, TURNS_ROOM), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("turns", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, one_connection_is_served_in_the_order_it_asked);
    tcase_add_test(tests, a_uid_with_many_connections_has_every_other_turn);
    tcase_add_test(tests, a_process_with_many_connections_has_every_other_turn_of_its_uid);
    tcase_add_test(tests, who_gives_up_changes_no_other_turn);
    tcase_add_test(tests, who_may_not_have_it_now_is_left_out_and_keeps_its_turn);
    tcase_add_test(tests, who_never_joined_may_leave);
    tcase_add_test(tests, it_does_what_the_naive_one_does);
    return suite_run(suite, true);
}
