/* What fails in RocksDB's own threads: a compaction that meets damage, a flush that cannot be written, and that writes go on. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/random.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum {
    KEYS = 64,
    VALUE_BYTES = 1000,
    LARGE_BYTES = 8000,   /* lies in a blob file */
    TABLES_SLOWING = 20,  /* with so many young ones RocksDB slows down writes, */
    TABLES_STOPPING = 36, /* and with so many it stops them, while compactions run */
    BUFFER_BYTES = 48 << 20,
    NUMBERS = 400, /* of files that are made in the way of RocksDB's next ones */
    WAIT_MS = 60000,
};

static struct random_source source;
static uint8_t value[BUFFER_BYTES];

static void setup(void)
{
    source = random_from(1);
    random_fill(&source, value, sizeof value);
    subject_begin(SUBJECT_ROCKSDB);
}

static struct rocks *rocks(void)
{
    return rocks_of(subject.engine);
}

static void pause_ms(unsigned milliseconds)
{
    (void)nanosleep(
        &(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000},
        NULL);
}

static struct slice key_of(unsigned number)
{
    static char key[16];
    int bytes = snprintf(key, sizeof key, "key%06u", number);
    return slice_of(key, (size_t)bytes);
}

static void put_all(size_t value_bytes)
{
    for (unsigned i = 0; i < KEYS; i++) {
        subject_put(key_of(i), slice_of(value + i, value_bytes));
    }
}

/* A young table of all that was written. */
static void flush(void)
{
    char *error = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flush(rocks()->db, options, &error);
    rocksdb_flushoptions_destroy(options);
    ck_assert_msg(error == NULL, "%s", error);
}

/* Flips a byte in the middle of each file that ends so; the store is closed. */
static void damage_files(const char *ending)
{
    char path[512];
    DIR *directory = opendir(subject.path);
    const struct dirent *entry;
    unsigned damaged = 0;
    while ((entry = readdir(directory)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, ending) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", subject.path, entry->d_name);
        FILE *file = fopen(path, "r+");
        ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
        long middle = ftell(file) / 3;
        ck_assert_int_eq(fseek(file, middle, SEEK_SET), 0);
        int byte = fgetc(file);
        ck_assert_int_eq(fseek(file, middle, SEEK_SET), 0);
        fputc(byte ^ 0xff, file);
        ck_assert_int_eq(fclose(file), 0);
        damaged++;
    }
    closedir(directory);
    ck_assert_uint_gt(damaged, 0);
}

static unsigned count_unreadable(enum status *ret_status)
{
    unsigned unreadable = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        struct engine_value read = {0};
        enum engine_result result =
            engine_get(subject.engine, NULL, ENGINE_MAY_BLOCK, key_of(i), &read, &subject.failure);
        ck_assert(result == ENGINE_OK || result == ENGINE_FAILED); /* damage is never absence */
        if (result == ENGINE_FAILED) {
            unreadable++;
            *ret_status = subject.failure.status;
        }
        engine_value_release(&read);
    }
    return unreadable;
}

/* Writes and flushes keys beside those that are damaged until more young tables are there than RocksDB allows while it compacts. */
static void write_many_tables(const char *named)
{
    bool was_told = false;
    struct failure failure;
    for (unsigned i = 0; i < TABLES_STOPPING + 4; i++) {
        subject_put(text("aaa"), text("before all others"));
        subject_put(text("zzz"), text("behind all others"));
        flush();
        was_told |= engine_background_failed(subject.engine, &failure);
        for (int wait = 0; !was_told && i >= 4 && wait < WAIT_MS; wait += 10) {
            pause_ms(10); /* the compaction is on its way */
            subject_put(text("aaa"), text("before all others"));
            was_told |= engine_background_failed(subject.engine, &failure);
        }
    }
    ck_assert(was_told);
    if (rocks()->info_log.text_fd >= 0) { /* else nobody says why it failed */
        ck_assert_int_eq(failure.status, STATUS_DAMAGED);
        ck_assert_msg(strstr(failure.text, named) != NULL, "%s", failure.text);
    }
    ck_assert_uint_ge(rocks_young_tables(rocks()), TABLES_STOPPING);
}

START_TEST(a_compaction_that_meets_damage_is_given_up_and_writes_go_on)
{
    enum status status = STATUS_OK;
    put_all(_i == 0 ? VALUE_BYTES : LARGE_BYTES);
    flush();
    subject_reclaim(text("a"), text("z")); /* down from the young tables */
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject.engine = NULL;
    damage_files(_i == 0 ? ".sst" : ".blob");
    for (int start = 0; start < 2; start++) {
        subject_open(false);
        if (_i == 1) { /* the large values move with the next compaction, so that it reads them */
            char *error = NULL;
            rocksdb_set_options(rocks()->db, 1, (const char *const[]){"blob_garbage_collection_age_cutoff"},
                                (const char *const[]){"1.0"}, &error);
            ck_assert_ptr_null(error);
        }
        write_many_tables(_i == 0 ? ".sst" : "Blob"); /* a blob file is not named */
        unsigned unreadable = count_unreadable(&status);
        ck_assert_uint_gt(unreadable, 0);
        ck_assert_uint_lt(unreadable, KEYS);
        ck_assert_int_eq(status, STATUS_DAMAGED);
        subject_expect(NULL, "zzz", "behind all others");
        engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
        subject.engine = NULL;
    }
    subject_open(false);
}
END_TEST

/* Directories in the way of RocksDB's next files, so that it can make neither tables nor blob files; or none of them. */
static void block_files(bool are_blocked)
{
    static const char *const endings[] = {"sst", "blob"};
    char path[512];
    for (unsigned number = 1; number < NUMBERS; number++) {
        for (size_t i = 0; i < 2; i++) {
            snprintf(path, sizeof path, "%s/%06u.%s", subject.path, number, endings[i]);
            (void)(are_blocked ? mkdir(path, 0700) : rmdir(path));
        }
    }
}

static enum engine_outcome put_large(unsigned number)
{
    struct engine_edit edit = {ENGINE_PUT, key_of(number), slice_of(value, sizeof value)};
    return engine_write(subject.engine, &edit, 1, ENGINE_LOGGED, &subject.failure);
}

/* Until a flush has failed, if one is to come. */
static void await_failed_flush(void)
{
    pause_ms(200);
    for (int wait = 0; wait < WAIT_MS && rocks_number(rocks(), "rocksdb.num-immutable-mem-table") > 0 &&
                       rocks_number(rocks(), "rocksdb.background-errors") == 0;
         wait += 10) {
        pause_ms(10);
    }
}

START_TEST(while_tables_cannot_be_written_writes_are_refused_and_go_on_once_they_can)
{
    enum engine_outcome outcome = ENGINE_DONE;
    unsigned done = 0;
    block_files(true);
    while (outcome == ENGINE_DONE) {
        outcome = put_large(done);
        done += outcome == ENGINE_DONE;
        ck_assert_uint_lt(done, 20); /* the write buffers hold no more */
        if (outcome == ENGINE_DONE && done > 1) {
            await_failed_flush(); /* before they are full */
        }
    }
    ck_assert_int_eq(outcome, ENGINE_NOT_APPLIED);
    ck_assert_int_eq(subject.failure.status, STATUS_NO_SPACE);
    ck_assert_int_eq(put_large(done), ENGINE_NOT_APPLIED);
    ck_assert_uint_le(rocks_number(rocks(), "rocksdb.size-all-mem-tables"),
                      (uint64_t)WRITE_BUFFERS * WRITE_BUFFER_BYTES);
    subject_expect_bytes(NULL, key_of(0), &(struct slice){value, sizeof value});
    block_files(false);
    for (int wait = 0; outcome == ENGINE_NOT_APPLIED && wait < WAIT_MS; wait += 100) {
        pause_ms(100);
        outcome = put_large(done);
    }
    ck_assert_int_eq(outcome, ENGINE_DONE);
    subject_reopen();
    for (unsigned i = 0; i <= done; i++) {
        subject_expect_bytes(NULL, key_of(i), &(struct slice){value, sizeof value});
    }
}
END_TEST

/* Long before they have filled the write buffers. */
START_TEST(what_hindered_tables_is_gone_and_small_writes_have_them_written)
{
    struct failure failure;
    put_all(VALUE_BYTES);
    block_files(true);
    ck_assert(rocks_close_write_buffer(rocks(), &failure));
    await_failed_flush();
    subject_put(text("a"), text("1"));
    ck_assert(engine_background_failed(subject.engine, &failure));
    block_files(false);
    for (int wait = 0; rocks_background_has_news(rocks()) && wait < WAIT_MS; wait += 100) {
        pause_ms(100);
        subject_put(text("a"), text("2"));
    }
    ck_assert(!rocks_background_has_news(rocks()));
    ck_assert_uint_le(rocks_number(rocks(), "rocksdb.num-immutable-mem-table"), 1);
    ck_assert_uint_eq(rocks()->background.flush_wait_us, 0);
}
END_TEST

static void let_compactions_run(bool run)
{
    char *error = NULL;
    rocksdb_set_options(rocks()->db, 1, (const char *const[]){"disable_auto_compactions"},
                        (const char *const[]){run ? "false" : "true"}, &error);
    ck_assert_ptr_null(error);
}

/* The same hinders compactions, so that the tables do not become fewer: RocksDB would have whoever closes a write buffer wait for that. */
START_TEST(while_tables_cannot_be_written_no_write_waits_for_those_that_are_there)
{
    struct failure failure;
    let_compactions_run(false);
    for (unsigned i = 0; i < (_i == 0 ? TABLES_SLOWING - 1 : TABLES_STOPPING); i++) {
        subject_put(text("a"), text("before all others"));
        subject_put(text("z"), text("behind all others"));
        flush();
    }
    block_files(true);
    put_all(VALUE_BYTES);
    ck_assert(rocks_close_write_buffer(rocks(), &failure));
    await_failed_flush();
    let_compactions_run(true);
    subject_put(text("b"), text("1"));
    ck_assert(engine_background_failed(subject.engine, &failure));
    block_files(false);
    for (int wait = 0; rocks_background_has_news(rocks()) && wait < WAIT_MS; wait += 100) {
        pause_ms(100);
        subject_put(text("b"), text("2"));
    }
    ck_assert(!rocks_background_has_news(rocks()));
    subject_expect(NULL, "z", "behind all others");
    subject_expect(NULL, "b", "2");
}
END_TEST

static void *reclaim_all(void *unused)
{
    (void)unused;
    struct failure own;
    uint64_t freed_bytes;
    (void)!engine_reclaim(subject.engine, text("0"), text("z"), false, &freed_bytes, &own);
    return NULL;
}

/* No write has seen that flushes fail, so the reclaim begins, and waits for one that goes well. */
START_TEST(a_reclaim_that_waits_for_tables_that_cannot_be_written_ends_with_maintenance)
{
    pthread_t thread;
    put_all(VALUE_BYTES);
    block_files(true);
    ck_assert_int_eq(pthread_create(&thread, NULL, reclaim_all, NULL), 0);
    for (int wait = 0; wait < WAIT_MS && rocks_number(rocks(), "rocksdb.background-errors") == 0;
         wait += 10) {
        pause_ms(10);
    }
    engine_stop_maintenance(subject.engine);
    struct timespec until;
    int joined = ETIMEDOUT;
    for (int wait = 0; wait < WAIT_MS && joined == ETIMEDOUT; wait += 100) {
        engine_end_maintenance(subject.engine);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        joined = pthread_timedjoin_np(thread, NULL, &until);
    }
    ck_assert_int_eq(joined, 0);
    block_files(false);
    subject_reopen();
    for (unsigned i = 0; i < KEYS; i++) {
        subject_expect_bytes(NULL, key_of(i), &(struct slice){value + i, VALUE_BYTES});
    }
}
END_TEST

START_TEST(while_space_is_low_compactions_pause_and_writes_go_on)
{
    engine_note_space(subject.engine, ENGINE_TIGHT);
    for (unsigned i = 0; i < TABLES_STOPPING + 4; i++) {
        put_all(VALUE_BYTES);
        flush();
    }
    ck_assert_uint_ge(rocks_young_tables(rocks()), TABLES_STOPPING);
    ck_assert(!engine_background_failed(subject.engine, &subject.failure));
    engine_note_space(subject.engine, ENGINE_LOW);
    for (int wait = 0; rocks_young_tables(rocks()) >= TABLES_STOPPING && wait < WAIT_MS; wait += 10) {
        pause_ms(10);
        put_all(VALUE_BYTES);
    }
    ck_assert_uint_lt(rocks_young_tables(rocks()), TABLES_STOPPING);
}
END_TEST

/* One more young table would have RocksDB slow down writes, and a flush wait until it does not. */
START_TEST(a_start_whose_flush_would_wait_for_a_compaction_that_fails_serves)
{
    engine_note_space(subject.engine, ENGINE_TIGHT); /* so that none are compacted */
    for (unsigned i = 0; i < TABLES_SLOWING - 1; i++) {
        put_all(VALUE_BYTES);
        flush();
    }
    ck_assert_uint_eq(rocks_young_tables(rocks()), TABLES_SLOWING - 1);
    struct engine_edit edits[] = {{ENGINE_PUT, text("a"), slice_of(value, BUFFER_BYTES)},
                                  {ENGINE_PUT, text("b"), slice_of(value, BUFFER_BYTES)}};
    subject_write(edits, 2); /* more than a write buffer, so that the start flushes it */
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject.engine = NULL;
    damage_files(".sst");
    subject_open(false);
    subject_put(text("c"), text("1"));
    subject_expect_bytes(NULL, text("a"), &edits[0].value);
}
END_TEST

START_TEST(want_of_space_is_told_from_damage)
{
    ck_assert(rocks_is_no_space("IO error: No space left on device: While appending to file: /a.sst"));
    ck_assert(rocks_is_no_space("IO error: While open a file for appending: /a.sst: Disk quota exceeded"));
    ck_assert(!rocks_is_no_space("IO error: While fdatasync: /a.log: Input/output error"));
}
END_TEST

START_TEST(a_batch_with_nothing_wrong_behind_it_is_allowed_and_nothing_is_told)
{
    struct failure failure;
    put_all(VALUE_BYTES);
    flush();
    put_all(VALUE_BYTES);
    ck_assert(!engine_background_failed(subject.engine, &failure));
    ck_assert(!rocks_background_has_news(rocks()));
}
END_TEST

START_TEST(compactions_that_were_paused_are_tried_again_and_then_run_as_before)
{
    struct rocks_background *background = &rocks()->background;
    background->compactions = ROCKS_COMPACTIONS_PAUSED; /* as behind a failure a minute ago */
    background->pause_us = 60000000;
    background->compact_at_us = thread_now_us() + 3600000000;
    subject_put(text("a"), text("1"));
    ck_assert_int_eq(background->compactions, ROCKS_COMPACTIONS_PAUSED);
    background->compact_at_us = thread_now_us();
    subject_put(text("a"), text("2"));
    ck_assert_int_eq(background->compactions, ROCKS_COMPACTIONS_TRIED);
    subject_put(text("a"), text("3"));
    ck_assert_int_eq(background->compactions, ROCKS_COMPACTIONS_RUN); /* few young tables are there */
    ck_assert_uint_eq(background->pause_us, 0);
    subject_expect(NULL, "a", "3");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_background", 300, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_loop_test(tests, a_compaction_that_meets_damage_is_given_up_and_writes_go_on, 0, 2);
    tcase_add_test(tests, what_hindered_tables_is_gone_and_small_writes_have_them_written);
    tcase_add_test(tests, while_tables_cannot_be_written_writes_are_refused_and_go_on_once_they_can);
    tcase_add_loop_test(tests, while_tables_cannot_be_written_no_write_waits_for_those_that_are_there, 0, 2);
    tcase_add_test(tests, a_reclaim_that_waits_for_tables_that_cannot_be_written_ends_with_maintenance);
    tcase_add_test(tests, while_space_is_low_compactions_pause_and_writes_go_on);
    tcase_add_test(tests, a_start_whose_flush_would_wait_for_a_compaction_that_fails_serves);
    tcase_add_test(tests, want_of_space_is_told_from_damage);
    tcase_add_test(tests, a_batch_with_nothing_wrong_behind_it_is_allowed_and_nothing_is_told);
    tcase_add_test(tests, compactions_that_were_paused_are_tried_again_and_then_run_as_before);
    return suite_run(suite, true);
}
