/* Prune and the clearing up behind it: what goes at once, what goes by and by, and that nothing else ever does. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/applied.h"
#include "tests/lib/suite.h"

enum { SLICES_MAX = 100, SLICE_KEYS_MAX = 1024 };

static struct slice text(const char *string)
{
    return applied_text(string);
}

static enum status prune(struct job_prune prune)
{
    struct job job = {.kind = JOB_PRUNE, .chain = 1, .prune = prune, .carry_through = applied_carry()};
    return applied_job(&job);
}

static void sweep_all(void)
{
    int slices = 0;
    while (!applied_sweep()) {
        ck_assert_int_lt(++slices, SLICES_MAX);
    }
    struct chain_marks marks = applied_marks(1);
    ck_assert_uint_eq(marks.blocks_swept, marks.blocks_pruned);
}

static void set(const char *name, const char *value, uint64_t of_height)
{
    struct metadata_operation metadata = applied_set(name, text(value), of_height);
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .metadata = &metadata, .metadata_count = 1};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
}

START_TEST(a_prune_sets_the_marks_and_drops_data_and_states)
{
    for (uint64_t height = 1; height <= 10; height++) {
        applied_block(height, "hash", "data");
        applied_state(height);
    }
    applied_state(0);
    applied_rise(10);
    ck_assert_int_eq(prune((struct job_prune){true, 4, true, 6}), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(applied_marks(1).blocks_pruned, 4);
        ck_assert_uint_eq(applied_marks(1).states_from, 7);
        ck_assert_uint_eq(applied_marks(1).height, 10);
        for (uint64_t height = 0; height <= 10; height++) {
            ck_assert_int_eq(applied_has(1, KEY_DATA, height), height > 4);
            ck_assert_int_eq(applied_has(1, KEY_STATE, height), height > 6);
        }
        applied_restart();
    }
}
END_TEST

START_TEST(either_part_may_be_left_out_and_repeating_is_fine)
{
    applied_rise(10);
    applied_state(0);
    ck_assert_int_eq(prune((struct job_prune){.has_states = true, .states_through = 0}), STATUS_OK);
    ck_assert(!applied_has(1, KEY_STATE, 0));
    ck_assert_uint_eq(applied_marks(1).states_from, 1);
    ck_assert_uint_eq(applied_marks(1).blocks_pruned, 0);
    ck_assert_int_eq(prune((struct job_prune){.has_blocks = true, .blocks_through = 7}), STATUS_OK);
    ck_assert_uint_eq(applied_marks(1).blocks_pruned, 7);
    ck_assert_uint_eq(applied_marks(1).states_from, 1);
    uint64_t before = applied_digest();
    ck_assert_int_eq(prune((struct job_prune){true, 7, true, 0}), STATUS_OK);
    ck_assert_int_eq(prune((struct job_prune){true, 3, false, 0}), STATUS_OK);
    ck_assert_int_eq(prune((struct job_prune){true, 0, true, 0}), STATUS_OK);
    ck_assert_int_eq(prune((struct job_prune){0}), STATUS_OK);
    ck_assert_uint_eq(applied_digest(), before);
}
END_TEST

START_TEST(above_the_height_it_is_refused_whole)
{
    applied_rise(10);
    applied_block(12, "twelve", "data");
    applied_queue(1, applied_set("queued", text("q"), 0));
    uint64_t before = applied_digest();
    ck_assert_int_eq(prune((struct job_prune){.has_blocks = true, .blocks_through = 11}), STATUS_CONFLICT);
    ck_assert_int_eq(prune((struct job_prune){.has_states = true, .states_through = 10}), STATUS_CONFLICT);
    ck_assert_int_eq(prune((struct job_prune){true, 5, true, 10}), STATUS_CONFLICT);
    ck_assert_int_eq(prune((struct job_prune){true, 11, true, 5}), STATUS_CONFLICT);
    ck_assert_int_eq(prune((struct job_prune){true, UINT64_MAX, true, UINT64_MAX}), STATUS_CONFLICT);
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), 1);
    ck_assert_int_eq(prune((struct job_prune){true, 10, true, 9}), STATUS_OK);
    ck_assert_uint_eq(applied_queued(), 0);
}
END_TEST

START_TEST(metadata_that_comes_with_a_prune_takes_effect_after_it)
{
    applied_rise(10);
    applied_queue(1, applied_set("carried", applied_number(100), 5));
    applied_queue(1, applied_set("unbound", applied_number(100), 0));
    struct metadata_operation metadata[] = {applied_raise("carried", 7), applied_raise("unbound", 7),
                                            applied_set("low", text("v"), 5),
                                            applied_set("high", text("v"), 6)};
    struct job job = {.kind = JOB_PRUNE,
                      .chain = 1,
                      .prune = {.has_blocks = true, .blocks_through = 5},
                      .metadata = metadata,
                      .metadata_count = 4,
                      .carry_through = applied_carry()};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_metadata(1, "carried", applied_number(7), 0);
    applied_assert_metadata(1, "unbound", applied_number(100), 0);
    applied_assert_no_metadata(1, "low");
    applied_assert_metadata(1, "high", text("v"), 6);
    sweep_all();
    applied_assert_metadata(1, "carried", applied_number(7), 0);
}
END_TEST

START_TEST(a_sweep_clears_what_lies_at_pruned_heights_and_nothing_else)
{
    applied_rise(10);
    for (uint64_t height = 1; height <= 10; height++) {
        char hash[8];
        snprintf(hash, sizeof hash, "h%u", (unsigned)height);
        applied_block(height, hash, "data");
    }
    applied_block(2, "shared", "data");
    applied_block(9, "shared", "data"); /* leads above: stays */
    applied_block(8, "again", "data");
    applied_block(3, "again", "data"); /* leads below: goes */
    set("bound low", "v", 5);
    set("bound high", "v", 6);
    set("unbound", "v", 0);
    set("rebound up", "v", 4);
    set("rebound up", "v", 7);
    set("rebound down", "v", 7);
    set("rebound down", "v", 4);
    set("freed", "v", 4);
    set("freed", "v", 0);
    applied_queue(1, applied_set("carried low", text("v"), 5));
    applied_queue(1, applied_set("carried high", text("v"), 6));
    applied_queue(2, applied_set("bound low", text("v"), 5));
    applied_prune(5);
    applied_block(10, "h1", "data"); /* a pruned block's hash, since taken by another */
    sweep_all();
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), 5);
    ck_assert_uint_eq(applied_count(1, KEY_DATA), 5);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 4); /* of 6 to 10; 8 has one that leads below */
    ck_assert_uint_eq(applied_height_of(1, "shared"), 9);
    ck_assert_uint_eq(applied_height_of(1, "again"), 0);
    ck_assert_uint_eq(applied_height_of(1, "h1"), 10);
    applied_assert_header(1, 6, "h6");
    applied_assert_no_metadata(1, "bound low");
    applied_assert_no_metadata(1, "carried low");
    applied_assert_no_metadata(1, "rebound down");
    applied_assert_metadata(1, "bound high", text("v"), 6);
    applied_assert_metadata(1, "carried high", text("v"), 6);
    applied_assert_metadata(1, "rebound up", text("v"), 7);
    applied_assert_metadata(1, "unbound", text("v"), 0);
    applied_assert_metadata(1, "freed", text("v"), 0);
    applied_assert_metadata(2, "bound low", text("v"), 5);
    uint64_t before = applied_digest();
    ck_assert(applied_sweep());
    ck_assert(applied_sweep());
    ck_assert_uint_eq(applied_digest(), before);
}
END_TEST

START_TEST(what_is_written_between_the_slices_stays)
{
    char name[16];
    applied_rise(300);
    for (uint64_t height = 1; height <= 200; height++) {
        snprintf(name, sizeof name, "hash %u", (unsigned)height);
        applied_block(height, name, "data");
        snprintf(name, sizeof name, "name %u", (unsigned)height);
        set(name, "old", height);
    }
    applied_prune(200);
    unsigned at = 0;
    for (int slices = 0; !applied_sweep(); slices++) {
        ck_assert_int_lt(slices, SLICES_MAX);
        for (unsigned i = 0; i < 5; i++) {
            at = at % 200 + 7; /* some behind the sweep and some before it */
            snprintf(name, sizeof name, "hash %u", at);
            applied_block(200 + at, name, "data");
            snprintf(name, sizeof name, "name %u", at);
            set(name, "new", i % 2 == 0 ? 0 : 200 + at);
        }
    }
    ck_assert_uint_gt(at, 0);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), applied_count(1, KEY_HEADER));
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), applied_count(1, KEY_DATA));
    ck_assert_uint_eq(applied_count(1, KEY_METADATA), applied_count(1, KEY_HASH));
    for (; at > 7; at -= 7) {
        snprintf(name, sizeof name, "hash %u", at);
        ck_assert_uint_eq(applied_height_of(1, name), 200 + at);
    }
}
END_TEST

/* Cut short at each slice in turn, and with a further prune under way, it comes to the same. */
START_TEST(cut_short_it_starts_again)
{
    char name[16];
    applied_rise(300);
    for (uint64_t height = 1; height <= 300; height++) {
        snprintf(name, sizeof name, "%u", (unsigned)height);
        applied_block(height, name, "data");
        set(name, "v", height);
    }
    applied_prune(150);
    for (int done = 1; done < 6; done++) {
        bool all = false;
        for (int i = 0; i < done && !all; i++) {
            all = applied_sweep();
        }
        applied_restart();
        ck_assert_uint_eq(applied_marks(1).blocks_swept, all ? 150 : 0);
    }
    (void)applied_sweep();
    applied_prune(250);
    sweep_all();
    ck_assert_uint_eq(applied_marks(1).blocks_swept, 250);
    static const enum key_kind kinds[] = {KEY_HEADER, KEY_DATA, KEY_HASH, KEY_METADATA, KEY_BOUND};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ck_assert_uint_eq(applied_count(1, kinds[i]), 50);
    }
}
END_TEST

/* A commit waits for a slice at most, however much was pruned. */
START_TEST(a_slice_is_small)
{
    enum { HEIGHTS = 2000 };
    char name[16];
    applied_rise(HEIGHTS);
    for (uint64_t height = 1; height <= HEIGHTS; height++) {
        snprintf(name, sizeof name, "%u", (unsigned)height);
        applied_block(height, name, "data");
        set(name, "v", height);
    }
    applied_prune(HEIGHTS);
    size_t left = applied_count(1, KEY_HASH) + applied_count(1, KEY_METADATA);
    ck_assert_uint_eq(left, 2 * HEIGHTS);
    for (bool all = false; !all;) {
        all = applied_sweep();
        size_t now = applied_count(1, KEY_HASH) + applied_count(1, KEY_METADATA);
        ck_assert_uint_le(left - now, SLICE_KEYS_MAX);
        left = now;
    }
    ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(everything_up_to_the_last_height_can_be_pruned)
{
    applied_block(UINT64_MAX, "last", "data");
    applied_block(1, "first", "data");
    applied_state(UINT64_MAX - 1);
    applied_state(UINT64_MAX);
    set("bound", "v", UINT64_MAX);
    set("unbound", "v", 0);
    applied_rise(UINT64_MAX);
    ck_assert_int_eq(prune((struct job_prune){true, UINT64_MAX, true, UINT64_MAX - 1}), STATUS_OK);
    sweep_all();
    ck_assert_uint_eq(applied_count(1, KEY_HEADER) + applied_count(1, KEY_DATA), 0);
    ck_assert_uint_eq(applied_count(1, KEY_HASH) + applied_count(1, KEY_BOUND), 0);
    ck_assert_uint_eq(applied_count(1, KEY_STATE), 1);
    applied_assert_no_metadata(1, "bound");
    applied_assert_metadata(1, "unbound", text("v"), 0);
    applied_restart();
    ck_assert(applied_sweep());
}
END_TEST

/* Where nothing was pruned there is nothing to do. */
START_TEST(a_sweep_without_a_prune_does_nothing)
{
    applied_block(1, "one", "data");
    set("bound", "v", 1);
    uint64_t before = applied_digest();
    for (int i = 0; i < 4; i++) {
        ck_assert(applied_sweep());
    }
    ck_assert_uint_eq(applied_digest(), before);
}
END_TEST

/* A slice ends before it, so that the next would begin there. */
START_TEST(a_block_with_a_key_that_is_too_long_fails_the_sweep)
{
    char hash[16];
    applied_rise(SLICE_KEYS_MAX + 10);
    for (uint64_t height = 1; height <= SLICE_KEYS_MAX; height++) {
        snprintf(hash, sizeof hash, "%u", (unsigned)height);
        applied_block(height, hash, "data");
    }
    applied_put_bad(key_of_height(1, KEY_HEADER, SLICE_KEYS_MAX), 2 * KEY_BYTES_MAX);
    applied_prune(SLICE_KEYS_MAX + 10);
    struct job job = {.kind = JOB_SWEEP, .sweep_ns = UINT64_C(60000000000)};
    applied_assert_damaged(&job, "a key of 2074 bytes");
    applied_block(SLICE_KEYS_MAX + 11, "other", "the rest goes on");
}
END_TEST

START_TEST(a_bound_name_that_is_too_long_fails_the_sweep)
{
    applied_rise(10);
    applied_put_bad(key_of_height(1, KEY_BOUND, 2), KEY_BYTES_MAX + 1);
    applied_prune(5);
    (void)applied_sweep(); /* of the blocks */
    struct job job = {.kind = JOB_SWEEP, .sweep_ns = 1000000000};
    applied_assert_damaged(&job, "a bound name's key of 1038 bytes");
    ck_assert_uint_eq(applied_marks(1).blocks_swept, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("sweep", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, a_prune_sets_the_marks_and_drops_data_and_states);
    tcase_add_test(tests, either_part_may_be_left_out_and_repeating_is_fine);
    tcase_add_test(tests, above_the_height_it_is_refused_whole);
    tcase_add_test(tests, metadata_that_comes_with_a_prune_takes_effect_after_it);
    tcase_add_test(tests, a_sweep_clears_what_lies_at_pruned_heights_and_nothing_else);
    tcase_add_test(tests, what_is_written_between_the_slices_stays);
    tcase_add_test(tests, cut_short_it_starts_again);
    tcase_add_test(tests, a_slice_is_small);
    tcase_add_test(tests, everything_up_to_the_last_height_can_be_pruned);
    tcase_add_test(tests, a_sweep_without_a_prune_does_nothing);
    tcase_add_test(tests, a_block_with_a_key_that_is_too_long_fails_the_sweep);
    tcase_add_test(tests, a_bound_name_that_is_too_long_fails_the_sweep);
    return suite_run(suite, true);
}
