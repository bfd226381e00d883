/* Stages: each has a name of its own and a histogram of its own, and one request in STAGE_SAMPLE is timed. */
#include <stdlib.h>
#include <string.h>

#include "daemon/observe/stage.h"
#include "tests/lib/suite.h"

static struct stages stages;

START_TEST(every_stage_has_a_name_and_no_two_the_same)
{
    for (int stage = 0; stage < STAGES; stage++) {
        const char *text = stage_text((enum stage)stage);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz_"), strlen(text));
        for (int other = 0; other < stage; other++) {
            ck_assert_str_ne(stage_text((enum stage)other), text);
        }
    }
}
END_TEST

START_TEST(duration_counts_in_its_stage_alone)
{
    for (int stage = 0; stage < STAGES; stage++) {
        memset(&stages, 0, sizeof stages);
        stage_add(&stages, (enum stage)stage, 1000);
        for (int other = 0; other < STAGES; other++) {
            ck_assert_uint_eq(stages.histograms[other].count, other == stage);
        }
        ck_assert_uint_eq(stages.histograms[stage].max_ns, 1000);
    }
}
END_TEST

START_TEST(one_request_in_a_sample_is_timed_from_the_first_on)
{
    unsigned timed = 0;
    ck_assert(stage_is_sampled(&stages));
    for (int i = 0; i < 100 * STAGE_SAMPLE; i++) {
        timed += stage_is_sampled(&stages);
    }
    ck_assert_uint_eq(timed, 100);
    stages.requests = UINT32_MAX - 2 * STAGE_SAMPLE; /* and across the end of the counter */
    timed = 0;
    for (int i = 0; i < 100 * STAGE_SAMPLE; i++) {
        timed += stage_is_sampled(&stages);
    }
    ck_assert_uint_eq(timed, 100);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stage", 30, &tests);
    tcase_add_test(tests, every_stage_has_a_name_and_no_two_the_same);
    tcase_add_test(tests, duration_counts_in_its_stage_alone);
    tcase_add_test(tests, one_request_in_a_sample_is_timed_from_the_first_on);
    return suite_run(suite, true);
}
