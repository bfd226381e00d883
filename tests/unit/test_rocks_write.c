/* Writing to RocksDB: the order in which a list of edits takes effect, and which lists are refused before RocksDB sees them. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/lib/engine_edits.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { LARGE_BYTES = 2 << 20 };

static void setup(void)
{
    subject_begin(SUBJECT_ROCKSDB);
}

static void assert_bytes(const char *key, struct slice expected)
{
    subject_expect_bytes(NULL, text(key), &expected);
}

/* However the list is ordered, and whatever goes last for its size. */
START_TEST(a_list_of_edits_takes_effect_at_once)
{
    uint8_t *large = calloc(1, LARGE_BYTES);
    struct engine_edits edits = {0};
    subject_put(text("gone"), text("1"));
    subject_put(text("z"), text("1"));
    engine_edits_put(&edits, text("z"), slice_of(large, LARGE_BYTES));
    engine_edits_put(&edits, text("a"), slice_of(large, LARGE_BYTES));
    engine_edits_put(&edits, text("m"), text("small"));
    engine_edits_delete(&edits, text("gone"));
    engine_edits_delete(&edits, text("absent"));
    engine_edits_delete_range(&edits, text("a"), text("zz"));
    subject_expect(NULL, "a", NULL);
    subject_expect(NULL, "gone", "1");
    engine_edits_write(&edits, subject.engine);
    for (int i = 0; i < 2; i++) {
        assert_bytes("z", slice_of(large, LARGE_BYTES));
        assert_bytes("a", slice_of(large, LARGE_BYTES));
        subject_expect(NULL, "m", "small");
        subject_expect(NULL, "gone", NULL);
        subject_put(text("m"), text("small")); /* nothing is left of it in what the next write brings */
        subject_reopen();
    }
    free(large);
}
END_TEST

START_TEST(a_put_into_a_range_that_the_same_list_deletes_stays)
{
    struct engine_edits edits = {0};
    subject_put(text("a"), text("old"));
    subject_put(text("b"), text("old"));
    subject_put(text("c"), text("old"));
    engine_edits_put(&edits, text("b"), text("new"));
    engine_edits_delete_range(&edits, text("a"), text("c"));
    engine_edits_write(&edits, subject.engine);
    for (int i = 0; i < 2; i++) {
        subject_expect(NULL, "a", NULL);
        subject_expect(NULL, "b", "new");
        subject_expect(NULL, "c", "old"); /* the end is not part of the range */
        subject_reopen();
    }
    engine_edits_delete_range(&edits, text("b"), text("b"));
    engine_edits_write(&edits, subject.engine);
    subject_expect(NULL, "b", "new");
}
END_TEST

START_TEST(a_sync_without_anything_to_write_is_fine)
{
    struct engine_edit edit = {ENGINE_PUT, text("b"), text("v")};
    ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE);
    subject_put(text("a"), text("v"));
    ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE);
    ck_assert_int_eq(engine_write(subject.engine, &edit, 1, ENGINE_SYNCED, &subject.failure), ENGINE_DONE);
    subject_reopen();
    struct engine_cursor *cursor = subject_cursor(NULL, "", "z", false);
    subject_expect_walk(cursor, "ab", "v"); /* and no key for the syncs */
    engine_cursor_close(cursor);
}
END_TEST

START_TEST(two_edits_of_one_key_abort)
{
    struct engine_edit edits[] = {{ENGINE_PUT, text("a"), text("1")}, {ENGINE_PUT, text("a"), text("2")}};
    subject_write(edits, 2);
}
END_TEST

START_TEST(a_range_that_ends_before_it_begins_aborts)
{
    subject_delete_range(text("b"), text("a"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_write", 60, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_test(tests, a_list_of_edits_takes_effect_at_once);
    tcase_add_test(tests, a_put_into_a_range_that_the_same_list_deletes_stays);
    tcase_add_test(tests, a_sync_without_anything_to_write_is_fine);
    tcase_add_test_raise_signal(tests, two_edits_of_one_key_abort, SIGABRT);
    tcase_add_test_raise_signal(tests, a_range_that_ends_before_it_begins_aborts, SIGABRT);
    return suite_run(suite, true);
}
