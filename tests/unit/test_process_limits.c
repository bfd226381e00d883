/* The limits on descriptors, on a file's size and on address space: raised as far as it is useful, told when it is too low. Each in a
 * child, whose limits go with it. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/process_limits.h"
#include "tests/lib/suite.h"

/* Runs in a child with that soft and hard limit; `judge` returns whether all is as it should be. */
static bool with_limits_of(int which, rlim_t soft, rlim_t hard, bool (*judge)(void))
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {soft, hard};
        _exit(setrlimit(which, &limit) == 0 && judge() ? 0 : 1);
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool with_limits(rlim_t soft, rlim_t hard, bool (*judge)(void))
{
    return with_limits_of(RLIMIT_NOFILE, soft, hard, judge);
}

static bool raises(void)
{
    struct process_limits_files limit;
    struct rlimit now;
    return process_limits_raise_files(100, UINT64_MAX, &limit) && limit.needed > 100 && limit.limit == 2000 &&
           limit.spare == 2000 - limit.needed && getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == 2000;
}

static bool refuses(void)
{
    struct process_limits_files limit;
    return !process_limits_raise_files(100, UINT64_MAX, &limit) && limit.limit == 200 && limit.needed > 200 &&
           limit.spare == 0;
}

static bool goes_by_the_unit(void)
{
    struct process_limits_files limit;
    return !process_limits_raise_files(100, 500, &limit) && limit.limit == 500 &&
           process_limits_raise_files(100, 1500, &limit) && limit.limit == 1500;
}

static bool raises_size(void)
{
    uint64_t bytes = 5;
    struct rlimit now;
    return process_limits_raise_file_size(&bytes) && bytes == 5 && getrlimit(RLIMIT_FSIZE, &now) == 0 &&
           now.rlim_cur >= PROCESS_LIMITS_FILE_SIZE_MIN;
}

static bool refuses_size(void)
{
    uint64_t bytes = 0;
    return !process_limits_raise_file_size(&bytes) && bytes == PROCESS_LIMITS_FILE_SIZE_MIN - 1;
}

START_TEST(a_limit_on_the_size_of_files_is_raised_or_told)
{
    ck_assert(with_limits_of(RLIMIT_FSIZE, PROCESS_LIMITS_FILE_SIZE_MIN, PROCESS_LIMITS_FILE_SIZE_MIN,
                             raises_size));
    ck_assert(with_limits_of(RLIMIT_FSIZE, 4096, PROCESS_LIMITS_FILE_SIZE_MIN, raises_size));
    ck_assert(with_limits_of(RLIMIT_FSIZE, 4096, PROCESS_LIMITS_FILE_SIZE_MIN - 1, refuses_size));
}
END_TEST

static bool raises_memory(void)
{
    uint64_t bytes = 5;
    return process_limits_raise_memory(&bytes) && bytes == 5;
}

static bool refuses_memory(void)
{
    uint64_t bytes = 0;
    return !process_limits_raise_memory(&bytes) && bytes == PROCESS_LIMITS_MEMORY_MIN - 1;
}

START_TEST(a_limit_on_address_space_is_raised_or_told)
{
    const rlim_t needed = PROCESS_LIMITS_MEMORY_MIN;
    ck_assert(with_limits_of(RLIMIT_AS, needed, needed, raises_memory));
    ck_assert(with_limits_of(RLIMIT_AS, needed / 2, needed, raises_memory));
    ck_assert(with_limits_of(RLIMIT_AS, needed / 2, needed - 1, refuses_memory));
}
END_TEST

/* From here on the system refuses to set limits, or also to say them. False: it has no such filter here. */
static bool filter(bool refuses_all)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 3),
        /* what is to be set; NULL: nothing */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, !refuses_all, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof lines / sizeof lines[0], lines};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool is_not_raised(void)
{
    struct process_limits_files limit;
    return !filter(false) || (!process_limits_raise_files(100, UINT64_MAX, &limit) && limit.limit == 64);
}

static bool is_not_known(void)
{
    struct process_limits_files limit;
    return !filter(true) || (process_limits_raise_files(100, UINT64_MAX, &limit) &&
                             limit.limit == UINT64_MAX && limit.needed > 100 && limit.spare == 0);
}

START_TEST(a_filter_of_system_calls_that_refuses_refuses_no_start_by_itself)
{
    ck_assert(with_limits(64, 2000, is_not_raised));
    ck_assert(with_limits(64, 2000, is_not_known));
}
END_TEST

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
    Suite *suite = suite_new("process_limits", 30, &tests);
    tcase_add_test(tests, a_limit_on_the_size_of_files_is_raised_or_told);
    tcase_add_test(tests, a_limit_on_address_space_is_raised_or_told);
    tcase_add_test(tests, soft_limit_is_raised_to_the_hard_one);
    tcase_add_test(tests, limit_that_is_too_low_is_told);
    tcase_add_test(tests, a_filter_of_system_calls_that_refuses_refuses_no_start_by_itself);
    tcase_add_test(tests, lower_limit_of_a_unit_counts);
    return suite_run(suite, true);
}
