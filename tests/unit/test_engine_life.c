/* What engine.h promises of opening and closing, of what lasts, and of space, of every engine alike. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/directory.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum {
    METRICS_MAX = 256,
    MAINTAIN_CALLS = 200,
    KEYS = 2000,
    VALUE_BYTES = 3000,
    RECLAIMS = 6,
    PLACES = 40, /* more than an engine opens at once, perhaps */
};

START_TEST(a_store_is_made_only_when_asked_for)
{
    subject_begin_closed(_i);
    struct engine *none = NULL;
    struct engine_config config = {.path = subject.path, .cache_bytes_max = SUBJECT_CACHE_BYTES};
    for (int i = 0; i < 2; i++) {
        subject.failure = (struct failure){0};
        ck_assert_int_eq(engine_look(subject.type, subject.path, &subject.failure), ENGINE_NOT_FOUND);
        ck_assert_str_ne(subject.failure.text, "");
        subject.failure = (struct failure){0};
        ck_assert_int_eq(engine_open(subject.type, &config, &none, &subject.failure), ENGINE_FAILED);
        ck_assert_str_ne(subject.failure.text, "");
        ck_assert_ptr_null(none);
    }
    subject_open(true);
    subject_put(text("a"), text("1"));
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject.engine = NULL;
    unsigned long before = directory_digest(subject.path);
    ck_assert_int_eq(engine_look(subject.type, subject.path, &subject.failure), ENGINE_OK);
    ck_assert_uint_eq(directory_digest(subject.path), before);
    subject_open(true); /* what is there is not made anew */
    subject_expect(NULL, "a", "1");
}
END_TEST

START_TEST(where_no_store_can_be_open_fails_and_says_so)
{
    subject_begin_closed(_i);
    struct engine *none = NULL;
    struct engine_config config = {
        .path = "/dev/null/store",
        .create = true,
        .cache_bytes_max = SUBJECT_CACHE_BYTES,
    };
    ck_assert_int_eq(engine_open(subject.type, &config, &none, &subject.failure), ENGINE_FAILED);
    ck_assert_str_ne(subject.failure.text, "");
    ck_assert_ptr_null(none);
    engine_close(NULL, ENGINE_CLOSE_FAST);
    engine_close(NULL, ENGINE_CLOSE_CLEAN);
}
END_TEST

START_TEST(it_says_what_it_is)
{
    subject_begin(_i);
    ck_assert_ptr_eq(engine_traits(subject.type), engine_traits(subject.engine->type));
    ck_assert_ptr_nonnull(engine_traits(subject.type)->text);
    ck_assert_str_ne(engine_traits(subject.type)->text, "");
}
END_TEST

/* ---- what lasts ---- */

static uint8_t large[1 << 20];

static void write_one_of_each(void)
{
    subject_put(text("gone"), text("1"));
    subject_put(text("gone too"), text("1"));
    struct engine_edit edits[] = {
        {ENGINE_PUT, text("a"), text("1")},
        {ENGINE_PUT, text("empty"), text("")},
        {ENGINE_PUT, text("large"), slice_of(large, sizeof large)},
        {ENGINE_DELETE_RANGE, text("gone t"), text("gone u")},
        {.kind = ENGINE_DELETE, .key = text("gone")},
    };
    subject_write(edits, sizeof edits / sizeof *edits);
}

static void expect_one_of_each(void)
{
    subject_expect(NULL, "a", "1");
    subject_expect(NULL, "empty", "");
    subject_expect(NULL, "gone", NULL);
    subject_expect(NULL, "gone too", NULL);
    subject_expect_bytes(NULL, text("large"), &(struct slice){large, sizeof large});
}

static void write_more(void)
{
    expect_one_of_each();
    subject_put(text("more"), text("1"));
}

static void sync_and_write_more(void)
{
    write_more();
    ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE);
    ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE); /* with nothing to do */
    struct engine_edit edit = {ENGINE_PUT, text("synced"), text("1")};
    ck_assert_int_eq(engine_write(subject.engine, &edit, 1, ENGINE_SYNCED, &subject.failure), ENGINE_DONE);
}

static void reclaim_and_write_more(void)
{
    write_more();
    subject_reclaim(text("a"), text("z"));
    subject_put(text("later"), text("1"));
}

/* Each end behind each. */
START_TEST(what_is_written_is_there_however_the_process_ends)
{
    static const enum run_end ends[] = {
        RUN_CLOSED_CLEAN, RUN_CLOSED_CLEAN, RUN_CLOSED_FAST, RUN_CLOSED_CLEAN, RUN_KILLED,
        RUN_CLOSED_FAST,  RUN_CLOSED_FAST,  RUN_KILLED,      RUN_KILLED,       RUN_CLOSED_CLEAN,
    };
    static void (*const bodies[])(void) = {write_more, sync_and_write_more, reclaim_and_write_more};
    subject_begin_closed(_i);
    subject_run(write_one_of_each, RUN_KILLED);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        subject_run(bodies[i % 3], ends[i]);
    }
    subject_open(false);
    expect_one_of_each();
    subject_expect(NULL, "more", "1");
    subject_expect(NULL, "synced", "1");
    subject_expect(NULL, "later", "1");
    subject_expect(NULL, "sync", NULL); /* a sync leaves nothing to be seen */
}
END_TEST

START_TEST(a_list_may_be_empty)
{
    subject_begin(_i);
    subject_put(text("a"), text("1"));
    subject_write(NULL, 0);
    subject_expect(NULL, "a", "1");
    subject_put(text("a"), text("2")); /* what is written next is written as ever */
    subject_expect(NULL, "a", "2");
}
END_TEST

START_TEST(a_life_may_be_empty)
{
    for (enum run_end end = 0; end < RUN_ENDS; end++) {
        subject_begin_closed(_i);
        subject_run(write_one_of_each, end);
        for (int i = 0; i < 3; i++) {
            subject_run(expect_one_of_each, end);
        }
        if (end + 1 < RUN_ENDS) {
            subject_end();
        }
    }
    subject_open(false);
    expect_one_of_each();
}
END_TEST

/* ---- space ---- */

struct readers {
    atomic_bool is_over;
    struct engine_point *point; /* all keys are there */
};

static struct slice name_of(unsigned i, char buffer[static 16])
{
    snprintf(buffer, 16, "%06u", i);
    return text(buffer);
}

static void put_keys(unsigned first, unsigned step, const uint8_t *value)
{
    for (unsigned i = first; i < KEYS; i += step) {
        char name[16];
        subject_put(name_of(i, name), slice_of(value, VALUE_BYTES));
    }
}

static void *read_all_the_time(void *readers_)
{
    struct readers *readers = readers_;
    unsigned i = 0;
    do {
        char name[16];
        struct engine_value value = {0};
        struct failure failure;
        enum engine_result result = engine_get(subject.engine, readers->point, ENGINE_MAY_BLOCK,
                                               name_of(i % KEYS, name), &value, &failure);
        ck_assert_msg(result == ENGINE_OK, "%s: %d", name, result);
        ck_assert_uint_eq(value.bytes.bytes, VALUE_BYTES);
        ck_assert_mem_eq(value.bytes.data, large, VALUE_BYTES);
        engine_value_release(&value);
        i += 7;
    } while (!atomic_load(&readers->is_over));
    return NULL;
}

/* The writer writes and somebody reads meanwhile. */
START_TEST(reclaiming_changes_nothing_that_is_read)
{
    subject_begin(_i);
    static uint8_t other[VALUE_BYTES] = {1};
    put_keys(0, 1, large);
    struct readers readers = {.point = engine_point_take(subject.engine)};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, read_all_the_time, &readers), 0);
    for (int round = 0; round < RECLAIMS; round++) {
        subject_delete_range(text("000100"), text("001500"));
        put_keys(0, 10, other);
        subject_reclaim(text("000000"), text(round % 2 == 0 ? "001000" : "999999"));
    }
    atomic_store(&readers.is_over, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    engine_point_release(readers.point);
    subject_reclaim(text("000000"), text("999999"));
    for (unsigned i = 0; i < KEYS; i++) {
        char name[16];
        struct slice value = slice_of(i % 10 == 0 ? other : large, VALUE_BYTES);
        bool is_deleted = i % 10 != 0 && i >= 100 && i < 1500;
        subject_expect_bytes(NULL, name_of(i, name), is_deleted ? NULL : &value);
    }
}
END_TEST

/* Keys that lie in many places, and large values, in an engine that has just begun and has read nothing yet. */
START_TEST(what_memory_answers_is_never_made_up)
{
    subject_begin(_i);
    char name[16];
    for (unsigned i = 0; i < PLACES; i++) {
        struct slice key = name_of(2 * i, name);
        subject_put(key, i % 4 == 0 ? slice_of(large, sizeof large) : text("value"));
        subject_reclaim(key, key);
        subject_reclaim(key, text("z"));
    }
    subject_put(text("deleted"), text("1"));
    subject_delete_range(text("000040"), text("000050"));
    for (int life = 0; life < 2; life++) {
        subject_reopen();
        for (unsigned i = 0; i < 2 * PLACES; i++) {
            bool is_there = i % 2 == 0 && (i < 40 || i >= 50);
            struct slice value = i % 8 == 0 ? slice_of(large, sizeof large) : text("value");
            subject_expect_bytes(NULL, name_of(i, name), is_there ? &value : NULL);
        }
        subject_delete(text("deleted"));
        subject_expect(NULL, "deleted", NULL);
    }
}
END_TEST

/* A loop that never waits for the device lives by that. */
START_TEST(who_says_that_memory_answers_does_so)
{
    subject_begin(_i);
    put_keys(0, 1, large);
    unsigned answered = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        char name[16];
        struct engine_value value = {0};
        answered += engine_get(subject.engine, NULL, ENGINE_NO_IO, name_of(i, name), &value,
                               &subject.failure) == ENGINE_OK;
        engine_value_release(&value);
    }
    ck_assert(engine_traits(subject.type)->reads_without_io ? answered > KEYS / 2 : answered == 0);
}
END_TEST

START_TEST(a_reclaim_says_what_it_gave_back)
{
    subject_begin(_i);
    put_keys(0, 1, large);
    (void)subject_reclaim(text("0"), text("9")); /* so that what is deleted next takes space */
    subject_delete_range(text("0"), text("9"));
    ck_assert_uint_gt(subject_reclaim(text("0"), text("9")), 0);
    ck_assert_uint_eq(subject_reclaim(text("0"), text("9")), 0);
}
END_TEST

/* A parked cursor is a read, too. */
START_TEST(the_oldest_read_point_or_cursor_holds_back_what_is_reclaimed)
{
    subject_begin(_i);
    subject_put(text("a"), text("1"));
    struct engine_space first = engine_space(subject.engine);
    ck_assert(first.newest_write > 0 && first.oldest_read == first.newest_write);
    struct engine_point *point = engine_point_take(subject.engine);
    struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", false);
    engine_cursor_park(cursor, false);
    subject_put(text("a"), text("2"));
    struct engine_space second = engine_space(subject.engine);
    ck_assert(second.newest_write > first.newest_write && second.oldest_read == first.newest_write);
    engine_point_release(point);
    ck_assert_uint_eq(engine_space(subject.engine).oldest_read, first.newest_write);
    engine_cursor_close(cursor);
    ck_assert_uint_eq(engine_space(subject.engine).oldest_read, second.newest_write);
}
END_TEST

START_TEST(there_may_be_nothing_to_reclaim)
{
    subject_begin(_i);
    subject_reclaim(text("a"), text("z"));
    subject_put(text("b"), text("1"));
    subject_reclaim(text("a"), text("a"));
    subject_reclaim(text("c"), text("z"));
    subject_reclaim(text("a"), text("z"));
    subject_expect(NULL, "b", "1");
}
END_TEST

/* Each call comes when it was asked for, on a clock that the test moves. */
static void maintain(uint64_t *now_us)
{
    for (int i = 0; i < MAINTAIN_CALLS; i++) {
        uint64_t next_us = 0;
        engine_maintain(subject.engine, *now_us, &next_us);
        if (next_us == UINT64_MAX) {
            break;
        }
        *now_us += next_us;
    }
}

START_TEST(maintenance_changes_nothing_that_is_read)
{
    subject_begin(_i);
    uint64_t now_us = 1;
    maintain(&now_us);
    write_one_of_each();
    maintain(&now_us);
    put_keys(0, 1, large);
    subject_delete_range(text("0"), text("9"));
    maintain(&now_us);
    subject_reclaim(text("0"), text("9"));
    maintain(&now_us);
    expect_one_of_each();
}
END_TEST

/* Also where it has not begun yet. */
START_TEST(reading_and_writing_go_on_once_maintenance_is_stopped)
{
    subject_begin(_i);
    write_one_of_each();
    put_keys(0, 1, large);
    engine_stop_maintenance(subject.engine);
    engine_stop_maintenance(subject.engine);
    (void)subject_reclaim(text("0"), text("9"));
    uint64_t now_us = 1;
    maintain(&now_us);
    expect_one_of_each();
    subject_put(text("b"), text("2"));
    subject_expect(NULL, "b", "2");
    subject_reopen();
    expect_one_of_each();
    subject_expect(NULL, "b", "2");
}
END_TEST

static void *reclaim_all(void *unused)
{
    (void)unused;
    struct failure own;
    uint64_t freed_bytes;
    return (void *)(uintptr_t)engine_reclaim(subject.engine, text("0"), text("9"), false, &freed_bytes, &own);
}

START_TEST(a_reclaim_ends_when_maintenance_is_stopped)
{
    subject_begin(_i);
    write_one_of_each();
    put_keys(0, 1, large);
    subject_delete_range(text("000100"), text("001500"));
    pthread_t thread;
    void *result;
    ck_assert_int_eq(pthread_create(&thread, NULL, reclaim_all, NULL), 0);
    engine_stop_maintenance(subject.engine);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_uint_eq((uintptr_t)result, ENGINE_OK);
    subject_expect(NULL, "000100", NULL);
    subject_expect_bytes(NULL, text("000099"), &(struct slice){large, VALUE_BYTES});
    subject_reopen();
    expect_one_of_each();
}
END_TEST

struct metrics {
    const char *names[METRICS_MAX];
    size_t count;
};

static void add_metric(void *metrics_, const struct metric *metric, uint64_t value)
{
    (void)value;
    struct metrics *metrics = metrics_;
    const char *name = metric->name;
    ck_assert_str_ne(name, "");
    ck_assert_str_ne(metric->help, "");
    ck_assert_ptr_nonnull(metric->unit);
    for (size_t i = 0; i < metrics->count; i++) {
        ck_assert_str_ne(name, metrics->names[i]);
    }
    ck_assert_uint_lt(metrics->count, METRICS_MAX);
    metrics->names[metrics->count++] = name;
}

START_TEST(each_metric_has_a_name_of_its_own_that_stays)
{
    subject_begin(_i);
    struct metrics empty = {0}, full = {0};
    engine_metrics(subject.engine, add_metric, &empty);
    write_one_of_each();
    subject_reclaim(text("a"), text("z"));
    engine_metrics(subject.engine, add_metric, &full);
    ck_assert_uint_gt(empty.count, 0);
    ck_assert_uint_eq(full.count, empty.count);
    for (size_t i = 0; i < full.count; i++) {
        ck_assert_ptr_eq(full.names[i], empty.names[i]); /* they are static */
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("engine_life", 120, &tests);
    tcase_add_checked_fixture(tests, NULL, subject_end);
    tcase_add_loop_test(tests, a_store_is_made_only_when_asked_for, 0, SUBJECTS);
    tcase_add_loop_test(tests, where_no_store_can_be_open_fails_and_says_so, 0, SUBJECTS);
    tcase_add_loop_test(tests, it_says_what_it_is, 0, SUBJECTS);
    tcase_add_loop_test(tests, what_is_written_is_there_however_the_process_ends, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_list_may_be_empty, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_life_may_be_empty, 0, SUBJECTS);
    tcase_add_loop_test(tests, reclaiming_changes_nothing_that_is_read, 0, SUBJECTS);
    tcase_add_loop_test(tests, what_memory_answers_is_never_made_up, 0, SUBJECTS);
    tcase_add_loop_test(tests, who_says_that_memory_answers_does_so, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_reclaim_ends_when_maintenance_is_stopped, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_reclaim_says_what_it_gave_back, 0, SUBJECTS);
    tcase_add_loop_test(tests, the_oldest_read_point_or_cursor_holds_back_what_is_reclaimed, 0, SUBJECTS);
    tcase_add_loop_test(tests, there_may_be_nothing_to_reclaim, 0, SUBJECTS);
    tcase_add_loop_test(tests, maintenance_changes_nothing_that_is_read, 0, SUBJECTS);
    tcase_add_loop_test(tests, reading_and_writing_go_on_once_maintenance_is_stopped, 0, SUBJECTS);
    tcase_add_loop_test(tests, each_metric_has_a_name_of_its_own_that_stays, 0, SUBJECTS);
    return suite_run(suite, true);
}
