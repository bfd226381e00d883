/* Syncs that were interrupted: a directory's is asked for again, and no loop around one is endless. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/runtime/sync.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

START_TEST(a_directory_is_synced_though_the_call_is_interrupted)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    failing_plan(FAILING_FSYNC, 1, EINTR);
    ck_assert(sync_directory(fd));
    ck_assert(failing_end());
    failing_plan(FAILING_FSYNC, 1, EIO);
    ck_assert(!sync_directory(fd));
    ck_assert_int_eq(errno, EIO);
    ck_assert(failing_end());
    close(fd);
}
END_TEST

START_TEST(only_what_was_interrupted_goes_on_and_not_for_ever)
{
    unsigned tries = 0;
    errno = EINTR;
    while (sync_goes_on(++tries)) {
        ck_assert_uint_lt(tries, SYNC_TRIES_MAX);
    }
    ck_assert_uint_gt(tries, 2);
    errno = EIO;
    ck_assert(!sync_goes_on(1));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("sync", 30, &tests);
    tcase_add_test(tests, a_directory_is_synced_though_the_call_is_interrupted);
    tcase_add_test(tests, only_what_was_interrupted_goes_on_and_not_for_ever);
    return suite_run(suite, true);
}
