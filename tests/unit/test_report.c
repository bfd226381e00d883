/* The report of a replay: exact percentiles, and no difference lost. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* A file may have any name, and a daemon may answer any text. */
START_TEST(texts_that_are_not_utf8_leave_the_json_whole)
{
    struct trace_call call = {.number = 1};
    struct trace trace = {.calls = &call, .count = 1};
    struct report report;
    report_init(&report, "a \xFF file", &trace);
    report_time(&report, TRACE_HEIGHT, 1);
    report_mismatch(&report, &call, "other \xFF", true);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
    report_print(&report, true);
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    close(before);
    rewind(file);
    json_t *json = json_loadf(file, 0, NULL);
    ck_assert(json_is_object(json_object_get(json, "file")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "shown")), 1);
    json_decref(json);
    fclose(file);
    report_close(&report);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("report", 20, &tests);
    tcase_add_test(tests, percentiles_are_values_that_occurred);
    tcase_add_test(tests, differences_beyond_those_told_are_counted);
    tcase_add_test(tests, texts_that_are_not_utf8_leave_the_json_whole);
    return suite_run(suite, true);
}
