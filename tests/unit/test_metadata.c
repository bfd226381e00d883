/* What operations do to a name: single ones by the contract, and any run of them folded against one by one. */
#include <check.h>
#include <stdlib.h>

#include "daemon/lanes/pending.h"
#include "daemon/schema/metadata.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { RUN_MAX = 12, ROUNDS = 30000, VALUE_BYTES_MAX = 12, HEIGHTS = 6 };

/* What a name holds, with memory of its own. Written from the contract alone. */
struct held {
    bool present;
    uint64_t of_height;
    size_t length;
    uint8_t bytes[VALUE_BYTES_MAX];
};

static uint64_t number_of(const struct held *held)
{
    uint64_t number = 0;
    if (held->present && held->length == 8) {
        memcpy(&number, held->bytes, 8); /* the tests run on little-endian machines */
    }
    return number;
}

/* What is bound to a pruned height is not there. */
static void prune(struct held *held, uint64_t blocks_pruned)
{
    if (held->of_height >= 1 && held->of_height <= blocks_pruned) {
        *held = (struct held){0};
    }
}

static void carry_out(struct held *held, const struct metadata_operation *operation, uint64_t blocks_pruned)
{
    prune(held, blocks_pruned);
    if (operation->kind == METADATA_DELETE) {
        *held = (struct held){0};
    } else if (operation->kind == METADATA_SET) {
        *held = (struct held){true, operation->of_height, operation->value.bytes, {0}};
        if (operation->value.bytes > 0) {
            memcpy(held->bytes, operation->value.data, operation->value.bytes);
        }
    } else if (operation->raise > number_of(held)) {
        *held = (struct held){.present = true, .length = 8};
        memcpy(held->bytes, &operation->raise, 8);
    }
    prune(held, blocks_pruned);
}

static struct metadata_value value_of(const struct held *held)
{
    return (struct metadata_value){held->present, held->of_height, slice_of(held->bytes, held->length)};
}

static void assert_holds(struct metadata_value value, const struct held *expected)
{
    ck_assert_int_eq(value.present, expected->present);
    if (expected->present) {
        ck_assert_uint_eq(value.of_height, expected->of_height);
        ck_assert(slice_equal(value.value, slice_of(expected->bytes, expected->length)));
    }
}

/* Small numbers and few heights, so that raises and bindings meet. Half of the values are numbers. */
static struct metadata_operation some_operation(struct random_source *random, uint8_t *value_bytes)
{
    struct metadata_operation operation = {.kind = METADATA_DELETE, .name = slice_of("name", 4)};
    uint64_t kind = random_below(random, 10);
    if (kind < 4) {
        operation.kind = METADATA_SET;
        operation.of_height = random_chance(random, 50) ? 0 : random_below(random, HEIGHTS + 1);
        size_t length = random_chance(random, 50) ? 8 : random_below(random, VALUE_BYTES_MAX + 1);
        memset(value_bytes, 0, VALUE_BYTES_MAX);
        value_bytes[random_below(random, 8)] = (uint8_t)random_below(random, 3);
        operation.value = slice_of(value_bytes, length);
    } else if (kind < 9) {
        operation.kind = METADATA_RAISE;
        operation.raise = random_below(random, 4) << (8 * random_below(random, 8));
        if (random_chance(random, 5)) {
            operation.raise = UINT64_MAX;
        }
    }
    return operation;
}

START_TEST(a_number_is_8_bytes_little_endian)
{
    const uint8_t bytes[9] = {1, 2, 3, 4, 5, 6, 7, 0x88, 9};
    uint8_t put[8];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        struct metadata_value value = {true, 0, slice_of(bytes, length)};
        ck_assert_int_eq(metadata_is_number(value), length == 8);
        ck_assert_uint_eq(metadata_number(value), length == 8 ? UINT64_C(0x8807060504030201) : 0);
        value.present = false;
        ck_assert(!metadata_is_number(value));
        ck_assert_uint_eq(metadata_number(value), 0);
    }
    metadata_put_number(UINT64_C(0x8807060504030201), put);
    ck_assert_mem_eq(put, bytes, 8);
}
END_TEST

START_TEST(bound_to_a_pruned_height_means_up_to_the_mark_and_not_unbound)
{
    ck_assert(!metadata_is_pruned(0, 0));
    ck_assert(!metadata_is_pruned(0, UINT64_MAX));
    ck_assert(!metadata_is_pruned(1, 0));
    ck_assert(metadata_is_pruned(1, 1));
    ck_assert(!metadata_is_pruned(2, 1));
    ck_assert(metadata_is_pruned(UINT64_MAX, UINT64_MAX));
    ck_assert(!metadata_is_pruned(UINT64_MAX, UINT64_MAX - 1));
}
END_TEST

START_TEST(a_raise_that_changes_nothing_leaves_value_and_binding)
{
    uint8_t number[8], stored[8];
    metadata_put_number(10, stored);
    struct metadata_value before = {true, 7, slice_of(stored, 8)};
    for (uint64_t raise = 0; raise <= 10; raise++) {
        struct metadata_value after =
            metadata_after((struct metadata_change){.raise = raise}, before, 6, number);
        ck_assert(after.present && after.of_height == 7 && slice_equal(after.value, before.value));
    }
    struct metadata_value after = metadata_after((struct metadata_change){.raise = 11}, before, 6, number);
    ck_assert(after.present && after.of_height == 0);
    ck_assert_uint_eq(metadata_number(after), 11);
}
END_TEST

START_TEST(a_raise_of_what_is_no_number_starts_from_0)
{
    uint8_t number[8];
    struct metadata_value text = {true, 3, slice_of("seven b", 7)};
    struct metadata_value after = metadata_after((struct metadata_change){.raise = 1}, text, 0, number);
    ck_assert(after.present && after.of_height == 0 && metadata_number(after) == 1);
    after = metadata_after((struct metadata_change){.raise = 0}, text, 0, number);
    ck_assert(after.present && after.of_height == 3 && slice_equal(after.value, text.value));
    after = metadata_after((struct metadata_change){.raise = 0}, (struct metadata_value){0}, 0, number);
    ck_assert(!after.present);
    after =
        metadata_after((struct metadata_change){.raise = UINT64_MAX}, (struct metadata_value){0}, 0, number);
    ck_assert_uint_eq(metadata_number(after), UINT64_MAX);
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
    uint8_t number[8];
    struct metadata_change change = {.kind = METADATA_SET};
    struct metadata_value after = metadata_after(change, (struct metadata_value){0}, 0, number);
    ck_assert(after.present);
    ck_assert_uint_eq(after.value.bytes, 0);
}
END_TEST

/* The run goes through the pending map, which folds, in as many groups as chance has it. */
static void check_run(struct random_source *random)
{
    uint8_t values[RUN_MAX + 1][VALUE_BYTES_MAX], number[8];
    uint64_t blocks_pruned = random_chance(random, 30) ? 0 : random_below(random, HEIGHTS + 1);
    struct held before = {0};
    struct metadata_operation first = some_operation(random, values[RUN_MAX]);
    carry_out(&before, &first, 0); /* it may be bound to what is pruned by now */
    struct held expected = before;
    prune(&expected, blocks_pruned);
    struct pending *pending = pending_new(1000, 1 << 20);
    size_t count = random_below(random, RUN_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        struct metadata_operation operation = some_operation(random, values[i]);
        carry_out(&expected, &operation, blocks_pruned);
        pending_add(pending, pending_request_of(1, &operation, 1), i + 1, 0);
        if (random_chance(random, 15)) {
            pending_close_group(pending);
        }
    }
    struct metadata_change change = pending_change(pending, 1, slice_of("name", 4));
    assert_holds(metadata_after(change, value_of(&before), blocks_pruned, number), &expected);

    /* and group by group, as groups reach the disk */
    struct held disk = before;
    pending_close_group(pending);
    for (struct metadata_group *group = pending_take_closed(pending); group != NULL;) {
        struct metadata_group *next = group->next;
        struct metadata_change part = pending_entry_change(group->first);
        struct metadata_value after = metadata_after(part, value_of(&disk), blocks_pruned, number);
        struct held now = {after.present, after.of_height, after.value.bytes, {0}};
        if (after.value.bytes > 0) {
            memcpy(now.bytes, after.value.data, after.value.bytes);
        }
        disk = now;
        pending_remove_group(pending, group);
        change = pending_change(pending, 1, slice_of("name", 4));
        assert_holds(metadata_after(change, value_of(&disk), blocks_pruned, number), &expected);
        group = next;
    }
    pending_free(pending);
}

START_TEST(folding_gives_what_one_after_the_other_gives)
{
    struct random_source random = random_from(random_seed("folding"));
    for (int i = 0; i < ROUNDS; i++) {
        check_run(&random);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("metadata", 60, &tests);
    tcase_add_test(tests, a_number_is_8_bytes_little_endian);
    tcase_add_test(tests, bound_to_a_pruned_height_means_up_to_the_mark_and_not_unbound);
    tcase_add_test(tests, a_raise_that_changes_nothing_leaves_value_and_binding);
    tcase_add_test(tests, a_raise_of_what_is_no_number_starts_from_0);
    tcase_add_test(tests, an_empty_value_is_a_value);
    tcase_add_test(tests, folding_gives_what_one_after_the_other_gives);
    return suite_run(suite, false);
}
