/* The report of a replay: exact percentiles, and no difference lost. */
#include <stdlib.h>

#include "client/tool/replay/report.h"
#include "tests/lib/suite.h"

START_TEST(percentiles_are_values_that_occurred)
{
    uint32_t values[200];
    for (uint32_t i = 0; i < 200; i++) {
        values[i] = i + 1;
    }
    ck_assert_uint_eq(report_percentile(values, 200, 500), 100);
    ck_assert_uint_eq(report_percentile(values, 200, 990), 198);
    ck_assert_uint_eq(report_percentile(values, 200, 1000), 200);
    ck_assert_uint_eq(report_percentile(values, 200, 0), 1);
    ck_assert_uint_eq(report_percentile(values, 1, 500), 1);
    ck_assert_uint_eq(report_percentile(values, 1, 990), 1);
}
END_TEST

START_TEST(differences_beyond_those_told_are_counted)
{
    struct trace_call calls[REPORT_SHOWN_MAX + 5] = {0};
    struct trace trace = {.calls = calls, .count = REPORT_SHOWN_MAX + 5};
    struct report report;
    report_init(&report, "a file", &trace);
    for (size_t i = 0; i < trace.count; i++) {
        calls[i].number = i + 1;
        report_time(&report, TRACE_HEIGHT, (int64_t)UINT32_MAX + 1);
        report_mismatch(&report, &calls[i], "other", i == 0);
    }
    ck_assert_uint_eq(report.answered, trace.count);
    ck_assert_uint_eq(report.mismatches, trace.count);
    ck_assert_uint_eq(report.failed, 1);
    ck_assert_uint_eq(report.shown[REPORT_SHOWN_MAX - 1].number, REPORT_SHOWN_MAX);
    ck_assert_uint_eq(report.times_us[TRACE_HEIGHT][0], UINT32_MAX);
    report_close(&report);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("report", 20, &tests);
    tcase_add_test(tests, percentiles_are_values_that_occurred);
    tcase_add_test(tests, differences_beyond_those_told_are_counted);
    return suite_run(suite, true);
}
