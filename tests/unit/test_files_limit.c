/* The limit on descriptors: raised as far as it is useful, told when it is too low. Each in a child, whose limits go with it. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/files_limit.h"
#include "tests/lib/suite.h"

/* Runs in a child with that soft and hard limit; `judge` returns whether all is as it should be. */
static bool with_limits(rlim_t soft, rlim_t hard, bool (*judge)(void))
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {soft, hard};
        _exit(setrlimit(RLIMIT_NOFILE, &limit) == 0 && judge() ? 0 : 1);
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool raises(void)
{
    struct files_limit limit;
    struct rlimit now;
    return files_limit_raise(100, UINT64_MAX, &limit) && limit.needed > 100 && limit.limit == 2000 &&
           limit.spare == 2000 - limit.needed && getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == 2000;
}

static bool refuses(void)
{
    struct files_limit limit;
    return !files_limit_raise(100, UINT64_MAX, &limit) && limit.limit == 200 && limit.needed > 200 &&
           limit.spare == 0;
}

static bool goes_by_the_unit(void)
{
    struct files_limit limit;
    return !files_limit_raise(100, 500, &limit) && limit.limit == 500 &&
           files_limit_raise(100, 1500, &limit) && limit.limit == 1500;
}

START_TEST(soft_limit_is_raised_to_the_hard_one)
{
    ck_assert(with_limits(64, 2000, raises));
}
END_TEST

START_TEST(limit_that_is_too_low_is_told)
{
    ck_assert(with_limits(64, 200, refuses));
}
END_TEST

START_TEST(lower_limit_of_a_unit_counts)
{
    ck_assert(with_limits(64, 2000, goes_by_the_unit));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("files_limit", 30, &tests);
    tcase_add_test(tests, soft_limit_is_raised_to_the_hard_one);
    tcase_add_test(tests, limit_that_is_too_low_is_told);
    tcase_add_test(tests, lower_limit_of_a_unit_counts);
    return suite_run(suite, true);
}
