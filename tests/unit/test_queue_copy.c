/* A copy of the queue keeps names and values as they were, in either order; what there is no memory for is missing, and it says so. */
#include <stdlib.h>
#include <string.h>

#include "daemon/read/queue_copy.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

static struct pending *pending;
static struct queue_copy copy;

static void setup(void)
{
    thread_set_role(THREAD_LOOP);
    pending = pending_new(100, 1 << 20);
    copy = (struct queue_copy){.pending = pending};
}

static void teardown(void)
{
    queue_copy_close(&copy);
    pending_free(pending);
}

static struct slice text(const char *text)
{
    return slice_of(text, strlen(text));
}

static void queue(const char *name, const char *value)
{
    static uint64_t sequence;
    struct metadata_operation operation = {.kind = METADATA_SET, .name = text(name), .value = text(value)};
    struct pending_request request = pending_request_of(1, &operation, 1);
    ck_assert(pending_has_room(pending, request) && pending_prepare(pending, request));
    pending_add(pending, request, ++sequence, 1);
}

static void add(void *context, struct slice name, struct metadata_change change)
{
    queue_copy_add(context, name, change);
}

static void expect(size_t at, const char *name, const char *value)
{
    ck_assert_uint_lt(at, copy.count);
    ck_assert(slice_equal(queue_copy_name(&copy.entries[at]), text(name)));
    ck_assert(slice_equal(copy.entries[at].change.value, text(value)));
}

START_TEST(names_and_values_stay_as_they_were)
{
    queue("b", "2");
    queue("a", "1");
    queue("c", "3");
    pending_each(pending, 1, slice_of(NULL, 0), add, &copy);
    queue("b", "another value");
    pending_close_group(pending);
    struct metadata_group *closed = pending_take_closed(pending);
    pending_remove_group(pending, closed);
    queue_copy_sort(&copy, false);
    expect(0, "a", "1");
    expect(1, "b", "2");
    expect(2, "c", "3");
    ck_assert_uint_eq(copy.bytes, 3 * (sizeof copy.entries[0] + 1));
    queue_copy_sort(&copy, true);
    expect(0, "c", "3");
    expect(2, "a", "1");
}
END_TEST

START_TEST(names_are_found_and_absent_ones_are_not)
{
    char name[] = "a";
    for (name[0] = 'a'; name[0] <= 'y'; name[0] += 2) {
        queue(name, name);
    }
    pending_each(pending, 1, slice_of(NULL, 0), add, &copy);
    queue_copy_sort(&copy, false);
    for (name[0] = 'a'; name[0] <= 'z'; name[0]++) {
        const struct queue_copy_entry *found = queue_copy_find(&copy, text(name));
        bool is_there = (name[0] - 'a') % 2 == 0;
        ck_assert_msg((found != NULL) == is_there, "%s", name);
        ck_assert(!is_there || slice_equal(found->change.value, text(name)));
    }
    queue_copy_close(&copy);
    ck_assert_ptr_null(queue_copy_find(&copy, text("a")));
}
END_TEST

START_TEST(entry_without_memory_is_missing_and_said_to_be)
{
    queue("name", "value");
    struct metadata_change change = pending_change(pending, 1, text("name"));
    for (unsigned nth = 1; nth <= 2; nth++) { /* the list, then the name */
        failing_plan_malloc(nth, 1);
        queue_copy_add(&copy, text("name"), change);
        ck_assert(failing_end());
        ck_assert(copy.is_short && copy.count == 0 && copy.bytes == 0);
        queue_copy_close(&copy);
    }
    ck_assert_uint_eq(pending_held_bytes(pending), 0);
    queue_copy_add(&copy, slice_of(NULL, 0), change);
    ck_assert(!copy.is_short && copy.count == 1 && copy.entries[0].name == NULL);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("queue_copy", 10, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, names_and_values_stay_as_they_were);
    tcase_add_test(tests, names_are_found_and_absent_ones_are_not);
    tcase_add_test(tests, entry_without_memory_is_missing_and_said_to_be);
    return suite_run(suite, true);
}
