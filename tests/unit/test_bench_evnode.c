/* A node's mix of calls: its proportions, and which blocks it looks for. */
#include <stdlib.h>

#include "client/tool/bench/bench_evnode.h"
#include "tests/lib/suite.h"

START_TEST(each_call_has_its_share_of_the_draws)
{
    struct bench_evnode evnode;
    unsigned drawn[EVNODE_CALLS] = {0};
    evnode_init(&evnode, 0, 0);
    for (int i = 0; i < EVNODE_DRAWS; i++) {
        ck_assert_int_lt(evnode.draws[i], EVNODE_CALLS);
        drawn[evnode.draws[i]]++;
    }
    for (int call = 0; call < EVNODE_CALLS; call++) {
        ck_assert_uint_gt(drawn[call], 0);
    }
    /* of the recordings' 138,609 calls: 30 % ask for the height, 3 % commit a block */
    ck_assert_int_le(abs((int)drawn[EVNODE_HEIGHT] - EVNODE_DRAWS * 41467 / 138609), 1);
    ck_assert_int_le(abs((int)drawn[EVNODE_COMMIT] - EVNODE_DRAWS * 4181 / 138609), 1);
}
END_TEST

START_TEST(it_reads_the_last_blocks_that_there_are)
{
    struct bench_evnode evnode;
    evnode_init(&evnode, 5, 7);
    ck_assert_uint_eq(evnode.recent_count, 3);
    for (unsigned i = 0; i < evnode.recent_count; i++) {
        ck_assert(evnode.recent[i] >= 5 && evnode.recent[i] <= 7);
    }
    for (uint64_t height = 8; height < 8 + 2 * EVNODE_RECENT; height++) {
        evnode_committed(&evnode, height);
    }
    ck_assert_uint_eq(evnode.recent_count, EVNODE_RECENT);
    for (unsigned i = 0; i < EVNODE_RECENT; i++) {
        ck_assert_uint_ge(evnode.recent[i], 8 + EVNODE_RECENT);
    }
}
END_TEST

START_TEST(block_data_has_the_recordings_deciles)
{
    uint64_t largest = 0;
    for (uint64_t number = 0; number < 10; number++) {
        ck_assert_uint_eq(evnode_data_bytes(number), evnode_data_bytes(number + 10));
        largest = evnode_data_bytes(number) > largest ? evnode_data_bytes(number) : largest;
    }
    ck_assert_uint_eq(largest, EVNODE_DATA_BYTES_MAX);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bench_evnode", 20, &tests);
    tcase_add_test(tests, each_call_has_its_share_of_the_draws);
    tcase_add_test(tests, it_reads_the_last_blocks_that_there_are);
    tcase_add_test(tests, block_data_has_the_recordings_deciles);
    return suite_run(suite, true);
}
