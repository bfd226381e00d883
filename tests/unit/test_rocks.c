/* What the files of the engine on RocksDB share: its errors as failures, and its properties as numbers. */
#include <check.h>
#include <stdlib.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

static void setup(void)
{
    subject_begin(SUBJECT_ROCKSDB);
}

START_TEST(an_error_says_what_was_being_done)
{
    char *error = strdup("IO error: No space left on device");
    rocks_fail("writing the log", error, &subject.failure); /* which frees the text */
    ck_assert_str_eq(subject.failure.text, "writing the log: IO error: No space left on device");
    ck_assert_int_eq(subject.failure.status, STATUS_IO_ERROR);
}
END_TEST

START_TEST(a_property_is_its_number_or_0)
{
    const struct rocks *rocks = rocks_of(subject.engine);
    uint64_t before = rocks_number(rocks, "rocksdb.num-entries-active-mem-table");
    subject_put(text("a"), text("1"));
    ck_assert_uint_eq(rocks_number(rocks, "rocksdb.num-entries-active-mem-table"), before + 1);
    ck_assert_uint_eq(rocks_number(rocks, "rocksdb.no-such-property"), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks", 60, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_test(tests, an_error_says_what_was_being_done);
    tcase_add_test(tests, a_property_is_its_number_or_0);
    return suite_run(suite, true);
}
