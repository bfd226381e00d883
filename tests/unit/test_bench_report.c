/* The report of a benchmark: CSV, JSON and table have the same numbers. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/bench/bench_report.h"
#include "tests/lib/suite.h"

static const struct bench_workload workload = {.word = "commit,clients=2", .clients = 2, .depth = 3};
static const struct bench_daemon daemon_told = {.version = "1", .engine = "an engine"};

/* What is printed for 1,500,000 operations in 2 s, each in 1 us; for the caller to free. */
static char *printed(enum bench_format format)
{
    static struct bench_thread thread;
    thread = (struct bench_thread){.workload = &workload};
    thread.result =
        (struct bench_result){.seconds = 2, .requests = 1500000, .operations = 1500000, .failed = 1};
    for (int i = 0; i < 10; i++) {
        histogram_add(&thread.result.latency, 1000);
    }
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
    bench_report_print(format, &daemon_told, &thread, 1);
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    close(before);
    char *text = calloc(1, 10000);
    rewind(file);
    ck_assert_uint_gt(fread(text, 1, 9999, file), 0);
    fclose(file);
    return text;
}

START_TEST(csv_has_a_column_for_each_of_its_heading)
{
    char *text = printed(BENCH_CSV);
    char *row = strchr(text, '\n') + 1;
    size_t headings = 0, columns = 0;
    for (const char *at = text; at < row; at++) {
        headings += *at == ',';
    }
    for (const char *at = row; *at != '\0'; at++) {
        columns += *at == ',';
    }
    ck_assert_uint_eq(columns, headings);
    ck_assert_ptr_nonnull(strstr(row, "commit;clients=2,2,3,0,2.000000,1500000,1500000,1,750000.000,"));
    free(text);
}
END_TEST

START_TEST(json_has_the_rate_and_the_percentiles)
{
    char *text = printed(BENCH_JSON);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert(json_real_value(json_object_get(json, "rate")) == 750000);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "failed")), 1);
    double p99_us = json_real_value(json_object_get(json, "p99_us"));
    ck_assert(p99_us > 0.9 && p99_us < 1.1);
    json_decref(json);
    free(text);
}
END_TEST

START_TEST(the_table_groups_thousands_and_names_the_engine)
{
    char *text = printed(BENCH_TABLE);
    ck_assert_ptr_nonnull(strstr(text, "750,000"));
    ck_assert_ptr_nonnull(strstr(text, "an engine"));
    free(text);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bench_report", 20, &tests);
    tcase_add_test(tests, csv_has_a_column_for_each_of_its_heading);
    tcase_add_test(tests, json_has_the_rate_and_the_percentiles);
    tcase_add_test(tests, the_table_groups_thousands_and_names_the_engine);
    return suite_run(suite, true);
}
