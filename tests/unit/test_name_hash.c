/* The hash of names: stable in a process, another in the next one, and even over names that differ little. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/runtime/name_hash.h"
#include "tests/lib/suite.h"

enum { NAMES = 1 << 16, BUCKETS = 1 << 10 };

/* The hash that a process has which did not hash before. */
static unsigned hash_in_child(bool without_getrandom)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    int ends[2], code = 0;
    unsigned hash = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (without_getrandom && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                                  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)) {
            _exit(2);
        }
        hash = name_hash("name", 4);
        _exit(name_hash("name", 4) == hash && write(ends[1], &hash, sizeof hash) == sizeof hash ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert_int_eq(code, 0);
    ck_assert_int_eq(read(ends[0], &hash, sizeof hash), sizeof hash);
    close(ends[0]);
    close(ends[1]);
    return hash;
}

START_TEST(another_process_has_another_hash)
{
    unsigned first = hash_in_child(false), second = hash_in_child(false), third = hash_in_child(false);
    ck_assert(first != second || second != third); /* fails by chance once in 2^64 */
}
END_TEST

START_TEST(process_that_may_not_ask_for_random_bytes_has_a_hash)
{
    (void)hash_in_child(true);
}
END_TEST

START_TEST(names_that_count_up_spread_over_the_buckets)
{
    static unsigned filled[BUCKETS];
    for (unsigned i = 0; i < NAMES; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "key-%08x", i);
        filled[name_hash(name, (size_t)n) % BUCKETS]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++) { /* 64 on average, with a deviation of 8 */
        ck_assert_uint_lt(filled[i], 64 + 10 * 8);
    }
}
END_TEST

START_TEST(length_counts_and_no_byte_outside_it_does)
{
    ck_assert_uint_eq(name_hash("name-a", 4), name_hash("name-b", 4));
    ck_assert_uint_ne(name_hash("name\0", 4), name_hash("name\0", 5));
    ck_assert_uint_eq(name_hash("", 0), name_hash("x", 0));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("name_hash", 30, &tests);
    tcase_add_test(tests, another_process_has_another_hash);
    tcase_add_test(tests, process_that_may_not_ask_for_random_bytes_has_a_hash);
    tcase_add_test(tests, names_that_count_up_spread_over_the_buckets);
    tcase_add_test(tests, length_counts_and_no_byte_outside_it_does);
    return suite_run(suite, true);
}
