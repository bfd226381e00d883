/* Memory: never NULL, zeroed where that is promised, and large blocks return to the system when they are freed. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { MIB = 1 << 20, ROUNDS = 300 };

START_TEST(new_block_is_zeroed_also_where_another_was_freed)
{
    struct random_source random = random_from(random_seed("memory"));
    static const uint8_t zeros[4096];
    for (int i = 0; i < ROUNDS; i++) {
        size_t bytes = random_below(&random, sizeof zeros + 1);
        uint8_t *block = memory_new(bytes);
        ck_assert_ptr_nonnull(block);
        ck_assert_int_eq(memcmp(block, zeros, bytes), 0);
        memset(block, 0xa5, bytes);
        free(block);
    }
}
END_TEST

START_TEST(no_bytes_are_a_block_too)
{
    void *blocks[] = {memory_new(0), memory_raw(0), memory_copy(NULL, 0), memory_resize(NULL, 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        ck_assert_ptr_nonnull(blocks[i]);
        free(blocks[i]);
    }
}
END_TEST

START_TEST(copy_and_resize_keep_the_bytes)
{
    struct random_source random = random_from(random_seed("memory"));
    uint8_t bytes[1000];
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = random_below(&random, sizeof bytes + 1), larger = n + random_below(&random, 100000);
        random_fill(&random, bytes, n);
        uint8_t *copy = memory_copy(bytes, n);
        ck_assert_int_eq(memcmp(copy, bytes, n), 0);
        copy = memory_resize(copy, larger);
        ck_assert_int_eq(memcmp(copy, bytes, n), 0);
        free(copy);
    }
}
END_TEST

static long resident_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / MIB;
}

START_TEST(large_blocks_return_to_the_system_in_whatever_order_they_are_freed)
{
    enum { BLOCKS = 6, BLOCK_MIB = 9 };
    struct random_source random = random_from(random_seed("memory"));
    memory_init();
    long before = resident_mib();
    for (int round = 0; round < 3; round++) {
        void *blocks[BLOCKS], *small[BLOCKS];
        for (int i = 0; i < BLOCKS; i++) {
            size_t bytes = (size_t)(BLOCK_MIB + round) * MIB;
            blocks[i] = memory_raw(bytes);
            memset(blocks[i], 1, bytes);
            small[i] = memory_new(100); /* pins the heap's end */
        }
        ck_assert_int_ge(resident_mib() - before, BLOCKS * BLOCK_MIB);
        for (int i = BLOCKS; i > 0; i--) {
            int at = (int)random_below(&random, (uint64_t)i);
            free(blocks[at]);
            blocks[at] = blocks[i - 1];
        }
        ck_assert_int_lt(resident_mib() - before, BLOCK_MIB);
        for (int i = 0; i < BLOCKS; i++) {
            free(small[i]);
        }
    }
}
END_TEST

START_TEST(what_cannot_be_had_ends_the_process)
{
    volatile size_t bytes = PTRDIFF_MAX; /* the compiler must not see it */
    free(memory_raw(bytes));
}
END_TEST

START_TEST(size_below_zero_ends_the_process)
{
    volatile size_t bytes = (size_t)-5;
    free(memory_new(bytes));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("memory", 60, &tests);
    tcase_add_test(tests, new_block_is_zeroed_also_where_another_was_freed);
    tcase_add_test(tests, no_bytes_are_a_block_too);
    tcase_add_test(tests, copy_and_resize_keep_the_bytes);
    tcase_add_test_raise_signal(tests, size_below_zero_ends_the_process, SIGABRT);
    if (!under_sanitizer()) { /* which has an allocator of its own */
        tcase_add_test(tests, large_blocks_return_to_the_system_in_whatever_order_they_are_freed);
        tcase_add_test_raise_signal(tests, what_cannot_be_had_ends_the_process, SIGABRT);
    }
    return suite_run(suite, true);
}
