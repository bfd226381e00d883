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

START_TEST(a_read_that_fails_tells_damage_from_a_device_that_does_not_read)
{
    static const struct {
        const char *text;
        enum status status;
    } errors[] = {
        {"Corruption: block checksum mismatch: stored = 1, computed = 2, type = 1  in db/000012.sst offset 0 "
         "size 99",
         STATUS_DAMAGED},
        {"IO error: No such file or directory: While open a file for random read: db/000012.sst: "
         "No such file or directory",
         STATUS_DAMAGED},
        {"IO error: While pread offset 0 len 99: db/000012.sst: Input/output error", STATUS_IO_ERROR},
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        rocks_fail_read("reading a key", strdup(errors[i].text), &subject.failure);
        ck_assert_int_eq(subject.failure.status, errors[i].status);
        ck_assert_ptr_nonnull(strstr(subject.failure.text, "000012.sst"));
    }
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
    tcase_add_test(tests, a_read_that_fails_tells_damage_from_a_device_that_does_not_read);
    tcase_add_test(tests, a_property_is_its_number_or_0);
    return suite_run(suite, true);
}
