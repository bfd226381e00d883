/* Files are read whole, whatever the system makes of each call, and holes in them are found. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit_file.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"
#include "tests/lib/wal_builder.h"

enum { PAGE = 4096, FILE_BYTES = 4 * PAGE };

static struct directory directory;
static int directory_fd;

static void setup(void)
{
    directory = directory_new();
    directory_fd = open(directory.path, O_RDONLY | O_DIRECTORY);
}

static void teardown(void)
{
    close(directory_fd);
    directory_remove(&directory);
}

static void write_file(const void *bytes, size_t n)
{
    int fd = openat(directory_fd, "file", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static bool take(void *context, const struct audit_record *record)
{
    *(uint64_t *)context += record->bytes.bytes;
    return true;
}

static void find(void *context, const struct audit_record *record)
{
    ck_abort_msg("all is whole, but %p found something at %lu", context, record->from);
}

static bool read_records(uint64_t *ret_taken, uint64_t *ret_bytes)
{
    struct audit_reader reader;
    *ret_taken = 0;
    audit_reader_init(&reader, &(struct audit_receiver){take, find, ret_taken, SIZE_MAX});
    return audit_file_read_records(directory_fd, "file", &reader, ret_bytes);
}

START_TEST(a_file_is_read_to_its_end_or_the_failure_is_told)
{
    static const size_t record_bytes = AUDIT_READ_BYTES_MAX + 12345;
    struct wal_builder file = {0};
    uint8_t *record = calloc(1, record_bytes);
    uint64_t taken, bytes = 0;
    ck_assert(!read_records(&taken, &bytes));
    ck_assert_int_eq(errno, ENOENT);
    wal_builder_add(&file, record, record_bytes);
    write_file(file.bytes, file.count);
    ck_assert(read_records(&taken, &bytes));
    ck_assert_uint_eq(taken, record_bytes);
    ck_assert_uint_eq(bytes, file.count);
    failing_plan(FAILING_PREAD, 2, EINTR);
    ck_assert(read_records(&taken, &bytes) && failing_end());
    ck_assert_uint_eq(taken, record_bytes);
    failing_plan(FAILING_PREAD, 1, EIO);
    ck_assert(!read_records(&taken, &bytes));
    ck_assert_int_eq(errno, EIO);
    ck_assert(failing_end());
    wal_builder_clear(&file);
    free(record);
}
END_TEST

/* Pages that hold something, and zeros from one place to another. */
static bool has_hole(uint64_t zeros_from, uint64_t zeros_to, uint64_t from, uint64_t to)
{
    static uint8_t bytes[FILE_BYTES];
    bool ret_has_hole = false;
    memset(bytes, 'x', sizeof bytes);
    memset(bytes + zeros_from, 0, zeros_to - zeros_from);
    write_file(bytes, sizeof bytes);
    ck_assert(audit_file_look_for_hole(directory_fd, "file", from, to, &ret_has_hole));
    return ret_has_hole;
}

START_TEST(a_hole_is_a_page_of_zeros_or_what_is_left_of_one)
{
    ck_assert(has_hole(PAGE, 2 * PAGE, 100, 2 * PAGE));
    ck_assert(has_hole(PAGE, 2 * PAGE, PAGE, 3 * PAGE));
    ck_assert(has_hole(PAGE + 70, 2 * PAGE, PAGE + 70, 2 * PAGE + 5));
    ck_assert(has_hole(2 * PAGE - 16, 2 * PAGE, 2 * PAGE - 16, 2 * PAGE + 5));
    ck_assert(!has_hole(2 * PAGE - 15, 2 * PAGE, 2 * PAGE - 15, 2 * PAGE + 5)); /* too little to tell */
    ck_assert(!has_hole(PAGE + 70, 2 * PAGE, PAGE + 69, 3 * PAGE));             /* it begins with a byte */
    ck_assert(!has_hole(PAGE + 70, 2 * PAGE - 1, PAGE + 70, 3 * PAGE));         /* and ends with one */
    ck_assert(!has_hole(PAGE, 2 * PAGE, PAGE, 2 * PAGE - 1)); /* the page goes on behind that */
    ck_assert(!has_hole(PAGE, 2 * PAGE, 100, PAGE + 100));
    ck_assert(!has_hole(0, 0, 0, FILE_BYTES));
}
END_TEST

START_TEST(a_hole_that_cannot_be_looked_for_is_a_failure)
{
    struct failure failure;
    bool has_hole = false;
    ck_assert(!audit_file_look_for_hole(directory_fd, "file", 0, PAGE, &has_hole));
    ck_assert_int_eq(errno, ENOENT);
    write_file("x", 1);
    failing_plan(FAILING_PREAD, 1, EIO);
    ck_assert(!audit_file_look_for_hole(directory_fd, "file", 0, PAGE, &has_hole));
    ck_assert(failing_end());
    ck_assert(!audit_file_fail("file", "read", &failure));
    ck_assert_str_eq(failure.text, "opening the store: file cannot be read: Input/output error");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit_file", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_is_read_to_its_end_or_the_failure_is_told);
    tcase_add_test(tests, a_hole_is_a_page_of_zeros_or_what_is_left_of_one);
    tcase_add_test(tests, a_hole_that_cannot_be_looked_for_is_a_failure);
    return suite_run(suite, true);
}
