/* An entry gives what the operations on its name give one by one; small values are overwritten in place, large ones are taken from those
 * that were prepared, in their order. */
#include <stdlib.h>
#include <string.h>

#include "daemon/lanes/pending_internal.h"
#include "daemon/runtime/memory.h"
#include "tests/lib/suite.h"

static struct pending_entry *entry;
static struct queued_value *prepared;

static void setup(void)
{
    struct key key = key_of_name(3, KEY_METADATA, slice_of("name", 4));
    entry = memory_new(sizeof *entry + key.bytes);
    entry->chain = 3;
    entry->key_bytes = key.bytes;
    memcpy(entry->key, key.data, key.bytes);
    prepared = NULL;
}

static void teardown(void)
{
    pending_entry_drop_value(entry);
    free(entry);
}

static void fold(enum metadata_kind kind, struct slice value, uint64_t of_height, uint64_t raise)
{
    struct metadata_operation operation = {
        .kind = kind, .name = slice_of("name", 4), .value = value, .of_height = of_height, .raise = raise};
    pending_entry_fold(entry, &operation, &prepared);
}

static void expect(enum metadata_kind kind, const char *value, uint64_t of_height, uint64_t raise)
{
    struct metadata_change change = pending_entry_change(entry);
    ck_assert_int_eq(change.kind, kind);
    ck_assert(slice_equal(change.value, slice_of(value, strlen(value))));
    ck_assert_uint_eq(change.of_height, of_height);
    ck_assert_uint_eq(change.raise, raise);
    ck_assert_uint_eq(pending_entry_bytes(entry), 4 + strlen(value));
}

START_TEST(last_set_or_delete_counts_and_the_greatest_raise_since)
{
    fold(METADATA_RAISE, slice_of(NULL, 0), 0, 7);
    fold(METADATA_RAISE, slice_of(NULL, 0), 0, 5);
    expect(METADATA_NONE, "", 0, 7);
    fold(METADATA_SET, slice_of("value", 5), 9, 0);
    expect(METADATA_SET, "value", 9, 0);
    fold(METADATA_RAISE, slice_of(NULL, 0), 0, 3);
    expect(METADATA_SET, "value", 9, 3);
    fold(METADATA_DELETE, slice_of(NULL, 0), 0, 0);
    expect(METADATA_DELETE, "", 0, 0);
    fold(METADATA_SET, slice_of(NULL, 0), 0, 0);
    expect(METADATA_SET, "", 0, 0);
    ck_assert(slice_equal(pending_entry_name(entry), slice_of("name", 4)));
    ck_assert_uint_eq(pending_entry_chain(entry), 3);
}
END_TEST

START_TEST(value_is_overwritten_unless_somebody_holds_it)
{
    fold(METADATA_SET, slice_of("first", 5), 0, 0);
    struct queued_value *first = entry->value;
    fold(METADATA_SET, slice_of("again", 5), 0, 0);
    ck_assert_ptr_eq(entry->value, first);
    expect(METADATA_SET, "again", 0, 0);
    (void)queued_value_hold(first);
    fold(METADATA_SET, slice_of("other", 5), 0, 0);
    ck_assert_ptr_ne(entry->value, first);
    ck_assert_mem_eq(first->data, "again", 5);
    expect(METADATA_SET, "other", 0, 0);
    (void)queued_value_release(first);
}
END_TEST

START_TEST(large_values_are_those_that_were_prepared_in_their_order)
{
    uint8_t *bytes = memory_new(QUEUED_VALUE_LARGE_BYTES + 1);
    struct queued_value *one = queued_value_new(slice_of(bytes, QUEUED_VALUE_LARGE_BYTES));
    struct queued_value *two = queued_value_new(slice_of(bytes, QUEUED_VALUE_LARGE_BYTES + 1));
    prepared = one;
    one->next = two;
    fold(METADATA_SET, slice_of(bytes, QUEUED_VALUE_LARGE_BYTES), 0, 0);
    ck_assert(entry->value == one && one->next == NULL && prepared == two);
    fold(METADATA_SET, slice_of("small", 5), 0, 0);
    expect(METADATA_SET, "small", 0, 0);
    ck_assert_ptr_eq(prepared, two);
    fold(METADATA_SET, slice_of(bytes, QUEUED_VALUE_LARGE_BYTES + 1), 0, 0);
    ck_assert(entry->value == two && prepared == NULL);
    ck_assert_uint_eq(pending_entry_bytes(entry), 4 + QUEUED_VALUE_LARGE_BYTES + 1);
    free(bytes);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("pending_entry", 10, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, last_set_or_delete_counts_and_the_greatest_raise_since);
    tcase_add_test(tests, value_is_overwritten_unless_somebody_holds_it);
    tcase_add_test(tests, large_values_are_those_that_were_prepared_in_their_order);
    return suite_run(suite, true);
}
