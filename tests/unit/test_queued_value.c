/* Queued values: bytes live until their last holder, and what only streams hold is counted once. */
#include <check.h>
#include <stdlib.h>

#include "daemon/lanes/queued_value.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static struct slice text(const char *bytes)
{
    return slice_of(bytes, strlen(bytes));
}

static struct slice bytes_of(const struct queued_value *value)
{
    return slice_of(value->data, value->bytes);
}

START_TEST(a_value_is_a_copy_that_its_bytes_lead_back_to)
{
    char own[] = "value";
    struct queued_value *value = queued_value_new(text(own));
    own[0] = '?';
    ck_assert(slice_equal(bytes_of(value), text("value")));
    ck_assert_ptr_eq(queued_value_of(bytes_of(value)), value);
    queued_value_drop(value);
    queued_value_drop(NULL);
}
END_TEST

START_TEST(only_a_value_that_nobody_else_holds_is_overwritten)
{
    struct queued_value *value = queued_value_new(text("first"));
    ck_assert(!queued_value_may_overwrite(value, 4));
    ck_assert(queued_value_may_overwrite(value, 5));
    queued_value_overwrite(value, text("other"));
    ck_assert(slice_equal(bytes_of(value), text("other")));
    ck_assert_uint_eq(queued_value_hold(value), 5);
    ck_assert(!queued_value_may_overwrite(value, 5));
    ck_assert_uint_eq(queued_value_release(value), 5);
    ck_assert(queued_value_may_overwrite(value, 5));
    queued_value_drop(value);
}
END_TEST

START_TEST(the_bytes_outlive_the_entry_while_a_stream_holds_them)
{
    struct queued_value *value = queued_value_new(text("kept"));
    ck_assert_uint_eq(queued_value_hold(value), 4);
    queued_value_drop(value);
    ck_assert(slice_equal(bytes_of(value), text("kept")));
    ck_assert_uint_eq(queued_value_release(value), 4);
}
END_TEST

/* Whoever comes and goes in whatever order: what streams hold is the value's bytes while there is a stream, and 0 else. */
START_TEST(what_streams_hold_is_counted_once)
{
    struct random_source random = random_from(random_seed("queued_value"));
    for (int round = 0; round < 1000; round++) {
        struct queued_value *value = queued_value_new(text("bytes"));
        uint64_t held = 0, streams = 0;
        for (uint64_t steps = random_below(&random, 20); steps > 0; steps--) {
            if (streams == 0 || random_below(&random, 2) == 0) {
                held += queued_value_hold(value);
                streams++;
            } else {
                held -= queued_value_release(value);
                streams--;
            }
            ck_assert_uint_eq(held, streams > 0 ? 5 : 0);
        }
        queued_value_drop(value); /* frees it if no stream is left */
        for (; streams > 0; streams--) {
            ck_assert_uint_eq(held, 5);
            held -= queued_value_release(value);
        }
        ck_assert_uint_eq(held, 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("queued_value", 60, &tests);
    tcase_add_test(tests, a_value_is_a_copy_that_its_bytes_lead_back_to);
    tcase_add_test(tests, only_a_value_that_nobody_else_holds_is_overwritten);
    tcase_add_test(tests, the_bytes_outlive_the_entry_while_a_stream_holds_them);
    tcase_add_test(tests, what_streams_hold_is_counted_once);
    return suite_run(suite, false);
}
