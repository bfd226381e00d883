/* What a look says of files' sizes is done, on the device, or told. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

enum { WHOLE_BYTES = 40, BYTES = 100 };

static struct directory directory;
static int directory_fd;
static struct failure failure;

/* A log that is whole, the next one and a manifest with a torn tail, and a file of large values that is gone. */
static struct audit_log logs[] = {{.number = 5, .bytes = BYTES, .whole_to = BYTES},
                                  {.number = 7, .bytes = BYTES, .whole_to = WHOLE_BYTES}};
static struct audit_log blobs[] = {{.number = 9, .whole_to = BYTES}};
static const struct audit audit = {
    .verdict = AUDIT_DAMAGED,
    .logs = logs,
    .log_count = 2,
    .blobs = blobs,
    .blob_count = 1,
    .manifest = {.number = 4, .bytes = BYTES, .whole_to = WHOLE_BYTES},
};

static const char *const names[] = {"000005.log", "000007.log", "MANIFEST-000004"};

static void setup(void)
{
    directory = directory_new();
    directory_fd = open(directory.path, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = openat(directory_fd, names[i], O_WRONLY | O_CREAT, 0600);
        ck_assert_int_eq(ftruncate(fd, BYTES), 0);
        close(fd);
    }
}

static void teardown(void)
{
    close(directory_fd);
    directory_remove(&directory);
}

static void expect_size(const char *name, off_t bytes)
{
    struct stat found;
    ck_assert_int_eq(fstatat(directory_fd, name, &found, 0), 0);
    ck_assert_int_eq(found.st_size, bytes);
}

static void expect_all_cut(void)
{
    ck_assert_msg(audit_cut(directory_fd, &audit, &failure), "%s", failure.text);
    expect_size("000005.log", BYTES);
    expect_size("000007.log", WHOLE_BYTES);
    expect_size("MANIFEST-000004", WHOLE_BYTES);
    expect_size("000009.blob", BYTES);
}

START_TEST(what_is_not_whole_is_cut_and_large_values_get_their_size)
{
    expect_all_cut();
    expect_all_cut(); /* as behind a death in the middle of it */
}
END_TEST

START_TEST(a_file_that_is_gone_cannot_be_cut)
{
    static const char *const texts[] = {NULL, "000007.log cannot be cut off behind its last whole record: ",
                                        "MANIFEST-000004 cannot be cut off"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(unlinkat(directory_fd, names[i], 0), 0);
        ck_assert(audit_cut(directory_fd, &audit, &failure) == (texts[i] == NULL));
        ck_assert(texts[i] == NULL || strstr(failure.text, texts[i]) != NULL);
        int fd = openat(directory_fd, names[i], O_WRONLY | O_CREAT, 0600);
        close(fd);
    }
}
END_TEST

/* The calls that change something, in their order: of the log, the large values, their directory, the manifest. */
START_TEST(a_change_that_is_not_on_the_device_is_a_failure)
{
    static const struct {
        enum failing_call call;
        unsigned nth;
        const char *name;
    } cases[] = {
        {FAILING_OPEN, 1, "000007.log cannot be cut off"},
        {FAILING_TRUNCATE, 1, "000007.log cannot be cut off"},
        {FAILING_FSYNC, 1, "000007.log cannot be cut off"},
        {FAILING_OPEN, 2, "000009.blob cannot be given the size that it had"},
        {FAILING_TRUNCATE, 2, "000009.blob cannot be given the size that it had"},
        {FAILING_FSYNC, 2, "000009.blob cannot be given the size that it had"},
        {FAILING_FSYNC, 3, "its directory cannot be synced"},
        {FAILING_TRUNCATE, 3, "MANIFEST-000004 cannot be cut off"},
        {FAILING_FSYNC, 4, "MANIFEST-000004 cannot be cut off"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        failing_plan(cases[i].call, cases[i].nth, EIO);
        ck_assert(!audit_cut(directory_fd, &audit, &failure));
        ck_assert(failing_end());
        ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
        ck_assert_msg(strstr(failure.text, cases[i].name) != NULL, "%s", failure.text);
        ck_assert_ptr_nonnull(strstr(failure.text, "Input/output error"));
    }
    expect_all_cut();
}
END_TEST

START_TEST(an_interrupted_change_is_made_once_more)
{
    failing_plan(FAILING_FSYNC, (unsigned)_i + 1, EINTR);
    ck_assert_msg(audit_cut(directory_fd, &audit, &failure), "%s", failure.text);
    ck_assert(failing_end());
    expect_all_cut();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit_cut", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_not_whole_is_cut_and_large_values_get_their_size);
    tcase_add_test(tests, a_file_that_is_gone_cannot_be_cut);
    tcase_add_loop_test(tests, an_interrupted_change_is_made_once_more, 0, 4);
    tcase_add_test(tests, a_change_that_is_not_on_the_device_is_a_failure);
    return suite_run(suite, true);
}
