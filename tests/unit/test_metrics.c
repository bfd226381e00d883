/* The catalogue of numbers: each has a name of its own and says what it is, and counts from any thread. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/observe/metrics.h"
#include "tests/lib/suite.h"

struct walk {
    const char *names[METRICS];
    uint64_t values[METRICS];
    size_t count;
};

static void add(void *context, const struct metric *metric, uint64_t value)
{
    struct walk *walk = context;
    ck_assert_uint_lt(walk->count, METRICS);
    ck_assert(metric->kind == METRIC_COUNTER || metric->kind == METRIC_GAUGE);
    ck_assert_uint_gt(strlen(metric->help), 0);
    ck_assert_int_eq(strstr(metric->name, "bytes") != NULL, strcmp(metric->unit, "bytes") == 0);
    walk->names[walk->count] = metric->name;
    walk->values[walk->count++] = value;
}

static struct walk walk_all(void)
{
    struct walk walk = {.count = 0};
    metrics_each(add, &walk);
    ck_assert_uint_eq(walk.count, METRICS);
    return walk;
}

START_TEST(every_number_has_a_plain_name_and_no_two_the_same)
{
    struct walk walk = walk_all();
    for (size_t i = 0; i < METRICS; i++) {
        ck_assert_uint_gt(strlen(walk.names[i]), 0);
        ck_assert_uint_eq(strspn(walk.names[i], "abcdefghijklmnopqrstuvwxyz_."), strlen(walk.names[i]));
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(walk.names[i], walk.names[k]);
        }
    }
}
END_TEST

START_TEST(number_is_what_was_set_or_counted_and_its_neighbours_stay)
{
    metrics_add(METRIC_FRAMES_BAD, 2);
    metrics_add(METRIC_FRAMES_BAD, 3);
    metrics_set(METRIC_CONNECTIONS, 7);
    metrics_set(METRIC_CONNECTIONS, 4);
    struct walk walk = walk_all();
    for (size_t i = 0; i < METRICS; i++) {
        ck_assert_uint_eq(walk.values[i], i == METRIC_FRAMES_BAD ? 5 : i == METRIC_CONNECTIONS ? 4 : 0);
        ck_assert_uint_eq(walk.values[i], metrics_get((enum metric_id)i));
    }
}
END_TEST

enum { COUNTING_THREADS = 4, COUNTS = 10000 };

static void *count(void *nothing)
{
    for (int i = 0; i < COUNTS; i++) {
        metrics_add(METRIC_FRAMES_BAD, 1);
    }
    return nothing;
}

START_TEST(counts_of_several_threads_all_count)
{
    pthread_t threads[COUNTING_THREADS];
    for (int i = 0; i < COUNTING_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    for (int i = 0; i < COUNTING_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(metrics_get(METRIC_FRAMES_BAD), COUNTING_THREADS * COUNTS);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("metrics", 30, &tests);
    tcase_add_test(tests, every_number_has_a_plain_name_and_no_two_the_same);
    tcase_add_test(tests, number_is_what_was_set_or_counted_and_its_neighbours_stay);
    tcase_add_test(tests, counts_of_several_threads_all_count);
    return suite_run(suite, true);
}
