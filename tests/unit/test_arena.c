/* The arena: aligned pieces that do not overlap, a budget that holds, and one free for all. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/arena.h"

START_TEST(pieces_are_aligned_and_apart)
{
    enum { PIECES = 3000 };
    static uint8_t *pieces[PIECES];
    struct arena arena;
    arena_init(&arena, 64 << 20);
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, i);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % ARENA_ALIGNMENT, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < PIECES; i++) {
        size_t kept = 0; /* not an assert a byte: Check writes each one to a file, in all 4.5 million */
        while (kept < i && pieces[i][kept] == (i & 0xff)) {
            kept++;
        }
        ck_assert_uint_eq(kept, i);
    }
    ck_assert_uint_ge(arena_bytes(&arena), arena.used);
    arena_close(&arena);
}
END_TEST

START_TEST(an_arena_without_pieces_holds_nothing)
{
    struct arena arena;
    arena_init(&arena, 4096);
    ck_assert_uint_eq(arena_bytes(&arena), 0);
    ck_assert_uint_lt(arena_room(&arena), 4096);
    arena_close(&arena);
    arena_close(&arena);
    arena_close(NULL);
    struct arena zeroed = {0};
    arena_close(&zeroed);
    ck_assert_ptr_null(arena_alloc(&zeroed, 1));
}
END_TEST

START_TEST(the_budget_bounds_what_is_held)
{
    for (size_t budget = 0; budget < 5000; budget += 7) {
        struct arena arena;
        arena_init(&arena, budget);
        while (arena_alloc(&arena, 40) != NULL) {
            ck_assert_uint_le(arena_bytes(&arena), budget);
        }
        ck_assert_uint_le(arena_bytes(&arena), budget);
        ck_assert_uint_lt(arena_room(&arena), 48);
        arena_close(&arena);
    }
}
END_TEST

START_TEST(a_piece_over_the_budget_is_refused_and_smaller_ones_are_not)
{
    struct arena arena;
    arena_init(&arena, 10000);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    ck_assert_ptr_null(arena_alloc(&arena, 10000));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - ARENA_ALIGNMENT));
    ck_assert(!arena_reserve(&arena, SIZE_MAX));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    arena_close(&arena);
}
END_TEST

START_TEST(what_has_room_can_be_reserved_and_then_given_out)
{
    struct arena arena;
    arena_init(&arena, 100000);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 5000));
    size_t room = arena_room(&arena);
    ck_assert(!arena_reserve(&arena, room + 1));
    ck_assert(arena_reserve(&arena, room));
    size_t held = arena_bytes(&arena);
    ck_assert_uint_le(held, 100000);
    for (size_t given = 0; given + 32 <= room; given += 32) {
        ck_assert_ptr_nonnull(arena_alloc(&arena, 17));
    }
    ck_assert_uint_eq(arena_bytes(&arena), held);
    arena_close(&arena);
}
END_TEST

START_TEST(a_closed_arena_starts_again_with_its_budget)
{
    struct arena arena;
    arena_init(&arena, 3000);
    for (int round = 0; round < 3; round++) {
        ck_assert_ptr_nonnull(arena_alloc(&arena, 2900));
        ck_assert_ptr_null(arena_alloc(&arena, 100));
        arena_close(&arena);
        ck_assert_uint_eq(arena_bytes(&arena), 0);
        ck_assert_uint_eq(arena.used, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, pieces_are_aligned_and_apart);
    tcase_add_test(tests, an_arena_without_pieces_holds_nothing);
    tcase_add_test(tests, the_budget_bounds_what_is_held);
    tcase_add_test(tests, a_piece_over_the_budget_is_refused_and_smaller_ones_are_not);
    tcase_add_test(tests, what_has_room_can_be_reserved_and_then_given_out);
    tcase_add_test(tests, a_closed_arena_starts_again_with_its_budget);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
