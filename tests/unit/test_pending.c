/* The pending map: what joins a group and what does not, bounds, numbers, and random runs against a naive list. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lanes/queued_value.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/pending_model.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 60, STEPS = 400, BATCH_MAX = 100 };

static struct metadata_operation set(unsigned name, size_t value_bytes)
{
    return (struct metadata_operation){.kind = METADATA_SET,
                                       .name = pending_model_name(name),
                                       .value = pending_model_value(name, value_bytes)};
}

static struct metadata_operation raise_to(unsigned name, uint64_t number)
{
    return (struct metadata_operation){
        .kind = METADATA_RAISE, .name = pending_model_name(name), .raise = number};
}

static void add(struct pending *pending, struct metadata_operation operation, uint64_t sequence)
{
    struct pending_request request = pending_request_of(1, &operation, 1);
    ck_assert(pending_has_room(pending, request));
    ck_assert(pending_prepare(pending, request));
    pending_add(pending, request, sequence, sequence * 10);
}

static void fill(struct metadata_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        operations[i] = set((unsigned)i, 1);
    }
}

START_TEST(an_empty_map_holds_nothing)
{
    struct pending *pending = pending_new(10, 1000);
    ck_assert_uint_eq(pending_operations(pending), 0);
    ck_assert_uint_eq(pending_bytes(pending), 0);
    ck_assert_uint_eq(pending_oldest_sequence(pending), 0);
    ck_assert_uint_eq(pending_oldest_us(pending), UINT64_MAX);
    ck_assert_uint_eq(pending_oldest_untaken(pending), UINT64_MAX);
    pending_close_group(pending);
    ck_assert_ptr_null(pending_take_closed(pending));
    ck_assert(!pending_holds(pending, 1, pending_model_name(1)));
    struct metadata_change change = pending_change(pending, 1, pending_model_name(1));
    ck_assert(change.kind == METADATA_NONE && change.raise == 0);
    pending_free(pending);
    pending_free(NULL);
}
END_TEST

START_TEST(a_group_is_not_taken_while_it_is_open)
{
    struct pending *pending = pending_new(10, 1000);
    add(pending, set(1, 3), 5);
    ck_assert_ptr_null(pending_take_closed(pending));
    ck_assert_uint_eq(pending_oldest_untaken(pending), 5);
    ck_assert_uint_eq(pending_oldest_us(pending), 50);
    pending_close_group(pending);
    ck_assert_uint_eq(pending_oldest_untaken(pending), 5);
    struct metadata_group *group = pending_take_closed(pending);
    ck_assert_ptr_nonnull(group);
    ck_assert_ptr_null(group->next);
    ck_assert_ptr_null(pending_take_closed(pending));
    ck_assert_uint_eq(pending_oldest_untaken(pending), UINT64_MAX);
    ck_assert_uint_eq(pending_oldest_sequence(pending), 5);
    ck_assert(pending_holds(pending, 1, pending_model_name(1)));
    pending_remove_group(pending, group);
    ck_assert(!pending_holds(pending, 1, pending_model_name(1)));
    ck_assert_uint_eq(pending_oldest_sequence(pending), 0);
    pending_free(pending);
}
END_TEST

/* What is on its way to the disk does not change when a later operation on the name comes. */
START_TEST(a_later_operation_leaves_earlier_groups_alone)
{
    struct pending *pending = pending_new(10, 1000);
    add(pending, set(1, 3), 1);
    pending_close_group(pending);
    struct metadata_group *first = pending_take_closed(pending);
    add(pending, raise_to(1, 7), 2);
    add(pending, set(2, 1), 3);
    ck_assert_uint_eq(pending_operations(pending), 3);
    struct metadata_change written = pending_entry_change(first->first);
    ck_assert(written.kind == METADATA_SET && written.raise == 0 && written.value.bytes == 3);
    struct metadata_change visible = pending_change(pending, 1, pending_model_name(1));
    ck_assert(visible.kind == METADATA_SET && visible.raise == 7 && visible.value.bytes == 3);
    pending_remove_group(pending, first);
    visible = pending_change(pending, 1, pending_model_name(1));
    ck_assert(visible.kind == METADATA_NONE && visible.raise == 7);
    pending_close_group(pending);
    struct metadata_group *second = pending_take_closed(pending);
    ck_assert_uint_eq(second->first_sequence, 2);
    ck_assert_uint_eq(second->last_sequence, 3);
    ck_assert_uint_eq(second->count, 2);
    pending_free(pending);
}
END_TEST

START_TEST(a_group_is_full_at_its_names)
{
    struct pending *pending = pending_new(1000, 1 << 20);
    uint64_t sequence = 0;
    for (unsigned i = 0; i < METADATA_GROUP_OPERATIONS_MAX; i++) {
        add(pending, set(i, 1), ++sequence);
    }
    add(pending, set(3, 2), ++sequence); /* its name is there: it takes no new place */
    ck_assert_ptr_null(pending_take_closed(pending));
    add(pending, set(METADATA_GROUP_OPERATIONS_MAX, 1), ++sequence);
    struct metadata_group *group = pending_take_closed(pending);
    ck_assert_ptr_nonnull(group);
    ck_assert_uint_eq(group->count, METADATA_GROUP_OPERATIONS_MAX);
    ck_assert_uint_eq(group->operations, METADATA_GROUP_OPERATIONS_MAX + 1);
    ck_assert_uint_eq(group->last_sequence, sequence - 1);
    ck_assert_ptr_null(group->next);
    pending_free(pending);
}
END_TEST

START_TEST(a_group_is_full_at_its_bytes)
{
    struct pending *pending = pending_new(1000, 1 << 20);
    add(pending, set(1, 100 << 10), 1);
    add(pending, set(2, 20 << 10), 2);
    ck_assert_ptr_null(pending_take_closed(pending));
    add(pending, set(3, 10 << 10), 3);
    struct metadata_group *group = pending_take_closed(pending);
    ck_assert_ptr_nonnull(group);
    ck_assert_uint_eq(group->last_sequence, 2);
    pending_free(pending);
}
END_TEST

START_TEST(a_larger_request_is_a_group_of_its_own)
{
    struct metadata_operation operations[METADATA_GROUP_OPERATIONS_MAX + 1];
    struct pending *pending = pending_new(1000, 1 << 20);
    fill(operations, sizeof operations / sizeof operations[0]);
    add(pending, set(90, 1), 1);
    pending_add(pending, pending_request_of(1, operations, METADATA_GROUP_OPERATIONS_MAX + 1), 2, 20);
    add(pending, set(90, 1), 3);
    pending_close_group(pending);
    struct metadata_group *group = pending_take_closed(pending);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        ck_assert_ptr_nonnull(group);
        ck_assert_uint_eq(group->first_sequence, sequence);
        ck_assert_uint_eq(group->last_sequence, sequence);
        ck_assert_uint_eq(group->count, sequence == 2 ? METADATA_GROUP_OPERATIONS_MAX + 1 : 1);
        group = group->next;
    }
    ck_assert_ptr_null(group);
    pending_free(pending);
}
END_TEST

START_TEST(the_queue_is_bounded_in_operations)
{
    struct metadata_operation operations[5];
    fill(operations, 5);
    struct pending *pending = pending_new(4, 1000);
    ck_assert(!pending_could_hold(pending, pending_request_of(1, operations, 5)));
    ck_assert(pending_could_hold(pending, pending_request_of(1, operations, 4)));
    ck_assert(pending_has_room(pending, pending_request_of(1, operations, 4)));
    pending_add(pending, pending_request_of(1, operations, 3), 1, 10);
    ck_assert(!pending_has_room(pending, pending_request_of(1, operations + 3, 2)));
    ck_assert(pending_has_room(pending, pending_request_of(1, operations + 3, 1)));
    pending_add(pending, pending_request_of(1, operations + 3, 1), 2, 20);
    ck_assert(!pending_has_room(pending, pending_request_of(1, operations + 4, 1)));
    ck_assert(pending_has_room(pending, pending_request_of(1, operations, 4))); /* folds into what is there */
    ck_assert(!pending_has_room(pending, pending_request_of(2, operations, 1)));
    failing_plan_malloc(1, 5 * sizeof(void *)); /* without memory to look for the names it has none */
    ck_assert(!pending_has_room(pending, pending_request_of(1, operations, 5)));
    ck_assert(failing_end());
    pending_close_group(pending);
    ck_assert(!pending_has_room(pending, pending_request_of(1, operations, 1)));
    pending_remove_group(pending, pending_take_closed(pending));
    ck_assert(pending_has_room(pending, pending_request_of(1, operations, 4)));
    pending_free(pending);
}
END_TEST

START_TEST(the_queue_is_bounded_in_bytes)
{
    struct metadata_operation large = set(0, 1001), fits = set(0, 998), small = set(1, 0);
    struct pending *pending = pending_new(100, 1000);
    ck_assert_uint_eq(fits.name.bytes, 2);
    ck_assert(!pending_could_hold(pending, pending_request_of(1, &large, 1)));
    ck_assert(!pending_has_room(pending, pending_request_of(1, &large, 1)));
    add(pending, fits, 1);
    ck_assert_uint_eq(pending_bytes(pending), 1000);
    ck_assert(!pending_has_room(pending, pending_request_of(1, &small, 1)));
    pending_close_group(pending);
    pending_remove_group(pending, pending_take_closed(pending));
    ck_assert_uint_eq(pending_bytes(pending), 0);
    add(pending, small, 2);
    ck_assert_uint_eq(pending_bytes(pending), small.name.bytes);
    pending_free(pending);
}
END_TEST

START_TEST(what_is_queued_above_a_lower_bound_stays_and_nothing_joins_it)
{
    struct pending *pending = pending_new(10, 10000);
    for (unsigned i = 0; i < 8; i++) {
        add(pending, set(i, 1), i + 1);
    }
    pending_set_bounds(pending, 4, 10000);
    struct metadata_operation operation = set(9, 1), again = set(7, 1);
    ck_assert(pending_could_hold(pending, pending_request_of(1, &operation, 1)));
    ck_assert(!pending_has_room(pending, pending_request_of(1, &operation, 1)));
    /* nor what would replace something */
    ck_assert(!pending_has_room(pending, pending_request_of(1, &again, 1)));
    ck_assert_uint_eq(pending_operations(pending), 8);
    ck_assert(pending_holds(pending, 1, pending_model_name(0)));
    pending_set_bounds(pending, 9, 10000);
    add(pending, set(9, 1), 9);
    pending_set_bounds(pending, 9, 10);
    struct metadata_operation large = set(9, 100);
    ck_assert(!pending_could_hold(pending, pending_request_of(1, &large, 1)));
    pending_free(pending);
}
END_TEST

START_TEST(a_name_of_the_longest_kind_is_held)
{
    uint8_t bytes[METADATA_NAME_BYTES_MAX];
    memset(bytes, 0xff, sizeof bytes);
    struct metadata_operation operation = {.kind = METADATA_SET, .name = slice_of(bytes, sizeof bytes)};
    struct pending *pending = pending_new(10, 10000);
    add(pending, operation, 1);
    ck_assert(pending_holds(pending, 1, operation.name));
    ck_assert(!pending_holds(pending, 1, slice_of(bytes, sizeof bytes - 1)));
    ck_assert(!pending_holds(pending, 2, operation.name));
    ck_assert_uint_eq(pending_bytes(pending), sizeof bytes);
    pending_free(pending);
}
END_TEST

static struct metadata_operation some_operation(struct random_source *random, unsigned names,
                                                size_t value_max)
{
    struct metadata_operation operation = {.name = pending_model_name((unsigned)random_below(random, names))};
    uint64_t kind = random_below(random, 10);
    if (kind < 5) {
        operation.kind = METADATA_SET;
        operation.of_height = random_below(random, 4);
        operation.value =
            pending_model_value((unsigned)random_below(random, 256), random_below(random, value_max + 1));
    } else if (kind < 8) {
        operation.kind = METADATA_RAISE;
        operation.raise = random_below(random, 100);
    } else {
        operation.kind = METADATA_DELETE;
    }
    return operation;
}

static void some_request(struct random_source *random, struct pending_model *model, unsigned names)
{
    struct metadata_operation operations[BATCH_MAX];
    size_t count = random_chance(random, 85) ? 1 : 1 + random_below(random, BATCH_MAX);
    size_t value_max = random_chance(random, 90) ? 40 : PENDING_MODEL_VALUE_BYTES_MAX / count;
    for (size_t i = 0; i < count; i++) {
        operations[i] = some_operation(random, names, value_max);
    }
    uint32_t chain = 1 + (uint32_t)random_below(random, PENDING_MODEL_CHAINS);
    if (!pending_model_request(model, chain, operations, count) && random_chance(random, 50)) {
        pending_model_close(model); /* as one that waits for room has it */
        pending_model_take(model);
    }
}

START_TEST(random_runs_are_as_a_naive_list)
{
    struct random_source random = random_from(random_seed("pending"));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t operations_max = random_chance(&random, 50) ? 30 : 400;
        uint64_t bytes_max = random_chance(&random, 50) ? 2000 : 1 << 20;
        unsigned names = random_chance(&random, 50) ? 6 : PENDING_MODEL_NAMES;
        struct pending_model *model = pending_model_new(operations_max, bytes_max);
        for (int i = 0; i < STEPS; i++) {
            uint64_t what = random_below(&random, 100);
            if (what < 80) {
                some_request(&random, model, names);
            } else if (what < 87) {
                pending_model_close(model);
            } else if (what < 93) {
                pending_model_take(model);
            } else {
                (void)pending_model_finish(model);
                pending_model_check(model);
            }
        }
        pending_model_check(model);
        pending_model_free(model);
    }
}
END_TEST

START_TEST(a_value_that_is_held_outlives_its_entry)
{
    struct pending *pending = pending_new(10, 1000);
    add(pending, set(1, 5), 7);
    struct slice held = pending_change(pending, 1, pending_model_name(1)).value;
    pending_value_hold(pending, held);
    ck_assert_uint_eq(pending_held_bytes(pending), 5);
    pending_value_hold(pending, held); /* by another stream: no more bytes are kept */
    ck_assert_uint_eq(pending_held_bytes(pending), 5);
    add(pending, set(1, 6), 8);
    struct slice expected = pending_model_value(1, 5);
    ck_assert_mem_eq(held.data, expected.data, 5);
    pending_value_release(pending, held);
    ck_assert_uint_eq(pending_held_bytes(pending), 5);
    pending_value_release(pending, held);
    pending_value_hold(pending, slice_of(NULL, 0)); /* nothing is kept of nothing */
    pending_value_release(pending, slice_of(NULL, 0));
    ck_assert_uint_eq(pending_held_bytes(pending), 0);
    pending_free(pending);
}
END_TEST

/* Once there is none for the places that it looks up, once none for its entries. */
START_TEST(a_request_of_so_many_names_that_there_is_no_memory_leaves_nothing)
{
    enum { NAMES = 5000 };
    static struct metadata_operation operations[NAMES];
    static char names[NAMES][5];
    struct pending *pending = pending_new(NAMES, 1 << 20);
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "%04u", i);
        operations[i] = raise_to(0, 1);
        operations[i].name = slice_of(names[i], 4);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert(pending_has_room(pending, pending_request_of(1, operations, NAMES)));
        failing_plan_malloc(1, i == 0 ? NAMES * sizeof(void *) : 1 << 20);
        ck_assert(!pending_prepare(pending, pending_request_of(1, operations, NAMES)));
        ck_assert(failing_end());
        ck_assert_uint_eq(pending_operations(pending), 0);
    }
    ck_assert(pending_prepare(pending, pending_request_of(1, operations, NAMES)));
    pending_add(pending, pending_request_of(1, operations, NAMES), 1, 1);
    ck_assert_uint_eq(pending_operations(pending), NAMES);
    pending_free(pending);
}
END_TEST

START_TEST(a_request_for_whose_values_there_is_no_memory_leaves_nothing)
{
    struct pending *pending = pending_new(10, 8 * QUEUED_VALUE_LARGE_BYTES);
    static uint8_t bytes[2 * QUEUED_VALUE_LARGE_BYTES];
    struct metadata_operation operations[] = {set(1, 1), set(2, 1), set(3, 1)};
    operations[0].value = operations[1].value = slice_of(bytes, QUEUED_VALUE_LARGE_BYTES);
    operations[2].value = slice_of(bytes, sizeof bytes);
    ck_assert(pending_has_room(pending, pending_request_of(1, operations, 3)));
    for (unsigned i = 1; i <= 3; i++) { /* one value after the other */
        failing_plan_malloc(i, QUEUED_VALUE_LARGE_BYTES);
        ck_assert(!pending_prepare(pending, pending_request_of(1, operations, 3)));
        ck_assert(failing_end());
        ck_assert_uint_eq(pending_operations(pending), 0);
    }
    ck_assert(pending_prepare(pending, pending_request_of(1, operations, 3)));
    pending_add(pending, pending_request_of(1, operations, 3), 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        struct slice value = pending_change(pending, 1, operations[i].name).value;
        ck_assert_uint_eq(value.bytes, operations[i].value.bytes);
    }
    pending_free(pending);
}
END_TEST

START_TEST(an_entry_says_its_group)
{
    struct pending *pending = pending_new(10, 1000);
    add(pending, set(1, 3), 5);
    pending_close_group(pending);
    struct metadata_group *group = pending_take_closed(pending);
    ck_assert_ptr_eq(pending_entry_group(group->first), group);
    pending_free(pending);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("pending", 60, &tests);
    tcase_add_test(tests, an_empty_map_holds_nothing);
    tcase_add_test(tests, a_group_is_not_taken_while_it_is_open);
    tcase_add_test(tests, a_later_operation_leaves_earlier_groups_alone);
    tcase_add_test(tests, a_group_is_full_at_its_names);
    tcase_add_test(tests, a_group_is_full_at_its_bytes);
    tcase_add_test(tests, a_larger_request_is_a_group_of_its_own);
    tcase_add_test(tests, the_queue_is_bounded_in_operations);
    tcase_add_test(tests, the_queue_is_bounded_in_bytes);
    tcase_add_test(tests, what_is_queued_above_a_lower_bound_stays_and_nothing_joins_it);
    tcase_add_test(tests, a_name_of_the_longest_kind_is_held);
    tcase_add_test(tests, random_runs_are_as_a_naive_list);
    tcase_add_test(tests, a_value_that_is_held_outlives_its_entry);
    tcase_add_test(tests, a_request_of_so_many_names_that_there_is_no_memory_leaves_nothing);
    tcase_add_test(tests, a_request_for_whose_values_there_is_no_memory_leaves_nothing);
    tcase_add_test(tests, an_entry_says_its_group);
    return suite_run(suite, false);
}
