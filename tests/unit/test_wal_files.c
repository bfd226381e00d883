/* The logs on their way to the device: what is synced, what is written anew, and what is said when that fails. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/wal_files.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

enum { LOG_BYTES = (1 << 20) + 12345 };

static struct directory directory;
static int directory_fd;
static struct failure failure;
static struct audit_log logs[] = {{.number = 3}, {.number = 12}};
static const struct audit audit = {.logs = logs, .log_count = 2};

static char *log_path(const char *name)
{
    return directory_path(&directory, name);
}

static void write_log(const char *name, char byte)
{
    static char bytes[LOG_BYTES];
    memset(bytes, byte, sizeof bytes);
    int fd = open(log_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);
    ck_assert_int_eq(write(fd, bytes, sizeof bytes), LOG_BYTES);
    close(fd);
}

static void setup(void)
{
    directory = directory_new();
    directory_fd = open(directory.path, O_RDONLY | O_DIRECTORY);
    write_log("000003.log", 'a');
    write_log("000012.log", 'b');
}

static void teardown(void)
{
    close(directory_fd);
    directory_remove(&directory);
}

static ino_t file_of(const char *name)
{
    struct stat found;
    ck_assert_int_eq(stat(log_path(name), &found), 0);
    ck_assert_int_eq(found.st_size, LOG_BYTES);
    ck_assert_int_eq(found.st_mode & 0777, 0640);
    return found.st_ino;
}

START_TEST(a_sync_changes_nothing)
{
    unsigned long before = directory_digest(directory.path);
    ck_assert(wal_files_sync(directory_fd, &audit, &failure));
    ck_assert_uint_eq(directory_digest(directory.path), before);
}
END_TEST

START_TEST(logs_written_anew_are_other_files_with_the_same_bytes)
{
    ino_t first = file_of("000003.log"), second = file_of("000012.log");
    unsigned long before = directory_digest(directory.path);
    file_write(log_path("000003.log.new"), "of an attempt that did not end");
    ck_assert(wal_files_renew(directory_fd, &audit, &failure));
    ck_assert_uint_eq(directory_digest(directory.path), before);
    ck_assert_uint_ne(file_of("000003.log"), first);
    ck_assert_uint_ne(file_of("000012.log"), second);
}
END_TEST

START_TEST(a_log_that_is_missing_fails_both)
{
    ck_assert_int_eq(unlink(log_path("000012.log")), 0);
    ck_assert(!wal_files_sync(directory_fd, &audit, &failure));
    ck_assert_ptr_nonnull(
        strstr(failure.text, "000012.log cannot be synced before it is read: No such file"));
    ck_assert(!wal_files_renew(directory_fd, &audit, &failure));
    ck_assert_ptr_nonnull(
        strstr(failure.text, "000012.log cannot be written anew before it is read: No such file"));
    (void)file_of("000003.log");
    ck_assert(!file_exists(log_path("000012.log")) && !file_exists(log_path("000012.log.new")));
}
END_TEST

/* Whatever fails, the logs have the bytes that they had, and no unfinished one is left. */
START_TEST(each_call_that_fails_leaves_the_logs)
{
    unsigned long before = directory_digest(directory.path);
    bool is_met = true;
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            failure.text[0] = '\0';
            failing_plan(call, nth, EIO);
            bool is_done = wal_files_renew(directory_fd, &audit, &failure) &&
                           wal_files_sync(directory_fd, &audit, &failure);
            is_met = failing_end();
            ck_assert_int_eq(is_done, !is_met);
            ck_assert(is_done || strstr(failure.text, "Input/output error") != NULL);
            /* where the rename failed; the next attempt removes it */
            (void)unlink(log_path("000003.log.new"));
            (void)unlink(log_path("000012.log.new"));
            ck_assert_uint_eq(directory_digest(directory.path), before);
        }
    }
}
END_TEST

START_TEST(an_interrupted_copy_goes_on)
{
    static const enum failing_call calls[] = {FAILING_READ, FAILING_WRITE, FAILING_FSYNC};
    unsigned long before = directory_digest(directory.path);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        failing_plan(calls[i], 1, EINTR);
        ck_assert(wal_files_renew(directory_fd, &audit, &failure));
        ck_assert(failing_end());
        ck_assert_uint_eq(directory_digest(directory.path), before);
    }
}
END_TEST

/* A log that is only there to be read is not written here: who asks begins anew. */
START_TEST(an_interrupted_sync_of_what_is_not_written_here_is_a_failure)
{
    failing_plan(FAILING_FDATASYNC, 2, EINTR);
    ck_assert(!wal_files_sync(directory_fd, &audit, &failure));
    ck_assert(failing_end());
    ck_assert_ptr_nonnull(strstr(failure.text, "Interrupted system call"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("wal_files", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_sync_changes_nothing);
    tcase_add_test(tests, logs_written_anew_are_other_files_with_the_same_bytes);
    tcase_add_test(tests, a_log_that_is_missing_fails_both);
    tcase_add_test(tests, each_call_that_fails_leaves_the_logs);
    tcase_add_test(tests, an_interrupted_copy_goes_on);
    tcase_add_test(tests, an_interrupted_sync_of_what_is_not_written_here_is_a_failure);
    return suite_run(suite, true);
}
