/* What an open does with what the run before left: damage, torn tails, and logs that a failed sync left in doubt. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/wal_state.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { KEYS = 20, VALUE_BYTES = 500 };

static char told[512];

static void tell(const char *text)
{
    snprintf(told, sizeof told, "%s", text);
}

static void setup(void)
{
    subject_begin_closed(SUBJECT_ROCKSDB);
    told[0] = '\0';
}

/* ---- lives ---- */

static struct slice key_of(int key)
{
    static char name[16];
    snprintf(name, sizeof name, "%05d", key);
    return text(name);
}

static void put(int key, enum engine_durability durability)
{
    static const char value[VALUE_BYTES];
    struct engine_edit edit = {ENGINE_PUT, key_of(key), slice_of(value, sizeof value)};
    ck_assert_int_eq(engine_write(subject.engine, &edit, 1, durability, &subject.failure), ENGINE_DONE);
}

static void put_all(void)
{
    for (int key = 0; key < KEYS; key++) {
        put(key, ENGINE_SYNCED);
    }
}

/* The last of them is not synced, and so is noted nowhere as synced. */
static void put_all_and_one_more(void)
{
    put_all();
    put(KEYS, ENGINE_LOGGED);
}

static void put_all_and_maintain(void)
{
    uint64_t next_us;
    put_all();
    engine_maintain(subject.engine, thread_now_us(), &next_us);
    ck_assert_uint_le(next_us, 1000000);
}

static void put_all_flush_and_put_more(void)
{
    put_all();
    subject_reclaim(text("0"), text("9"));
    put(KEYS, ENGINE_SYNCED);
    put(KEYS + 1, ENGINE_SYNCED);
}

/* ---- files ---- */

/* The newest file with that part in its name, but empty ones. */
static char *path_of(const char *part)
{
    char *path = NULL;
    DIR *stream = opendir(subject.path);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        struct stat found;
        char *candidate = kept_format("%s/%s", subject.path, entry->d_name);
        if (strstr(entry->d_name, part) != NULL && stat(candidate, &found) == 0 && found.st_size > 0) {
            path = path == NULL || strcmp(candidate, path) > 0 ? candidate : path;
        }
    }
    closedir(stream);
    ck_assert_ptr_nonnull(path);
    return path;
}

static off_t size_of(const char *path)
{
    struct stat found;
    ck_assert_int_eq(stat(path, &found), 0);
    return found.st_size;
}

static void cut(const char *path, off_t bytes)
{
    ck_assert_int_eq(truncate(path, size_of(path) - bytes), 0);
}

static void flip(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* ---- opening ---- */

static enum engine_result open_behind_run(uint64_t last_run, bool accept_loss)
{
    struct engine_config config = {
        .path = subject.path,
        .cache_bytes_max = SUBJECT_CACHE_BYTES,
        .accept_loss = accept_loss,
        .last_run = last_run,
        .tell = tell,
    };
    return engine_open(subject.type, &config, &subject.engine, &subject.failure);
}

static enum engine_result open_result(bool accept_loss)
{
    return open_behind_run(0, accept_loss);
}

static void expect_refusal(const char *part)
{
    unsigned long before = directory_digest(subject.path);
    ck_assert_int_eq(open_result(false), ENGINE_FAILED);
    ck_assert_int_eq(subject.failure.status, STATUS_DAMAGED);
    ck_assert_msg(strstr(subject.failure.text, part) != NULL, "%s", subject.failure.text);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "--accept-loss"));
    ck_assert_uint_eq(directory_digest(subject.path), before);
}

static void expect_opened(bool accept_loss)
{
    ck_assert_msg(open_result(accept_loss) == ENGINE_OK, "%s", subject.failure.text);
}

static void expect_keys(int count)
{
    for (int key = 0; key < KEYS + 2; key++) {
        struct engine_value value = {0};
        ck_assert_int_eq(
            engine_get(subject.engine, NULL, ENGINE_MAY_BLOCK, key_of(key), &value, &subject.failure),
            key < count ? ENGINE_OK : ENGINE_NOT_FOUND);
        engine_value_release(&value);
    }
}

static void look_at_torn_bytes(void *context, const struct metric *metric, uint64_t value)
{
    if (strcmp(metric->name, "engine.log.torn_bytes") == 0) {
        *(uint64_t *)context = value;
    }
}

static uint64_t torn_bytes(void)
{
    uint64_t bytes = UINT64_MAX;
    engine_metrics(subject.engine, look_at_torn_bytes, &bytes);
    return bytes;
}

/* ---- tests ---- */

START_TEST(what_is_whole_is_opened_without_a_word)
{
    subject_run(put_all, _i == 0 ? RUN_KILLED : RUN_CLOSED_FAST);
    expect_opened(false);
    expect_keys(KEYS);
    ck_assert_str_eq(told, "");
    ck_assert_uint_eq(torn_bytes(), 0);
}
END_TEST

START_TEST(a_torn_tail_is_cut_off_told_and_counted_once)
{
    subject_run(put_all_and_one_more, RUN_KILLED);
    cut(path_of(".log"), 3);
    expect_opened(false);
    expect_keys(KEYS);
    ck_assert_msg(strstr(told, "torn tail, ") != NULL, "%s", told);
    ck_assert_ptr_nonnull(strstr(told, "numbers from 21 on, none"));
    ck_assert_uint_gt(torn_bytes(), VALUE_BYTES);
    put(KEYS, ENGINE_SYNCED);
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    told[0] = '\0';
    expect_opened(false);
    expect_keys(KEYS + 1);
    ck_assert_str_eq(told, "");
    ck_assert_uint_eq(torn_bytes(), 0);
}
END_TEST

START_TEST(damage_to_what_was_synced_is_refused_and_can_be_accepted)
{
    subject_run(put_all, RUN_KILLED);
    flip(path_of(".log"), size_of(path_of(".log")) / 2);
    expect_refusal("the checksum of a record does not match; engine numbers 11 to ");
    expect_opened(true);
    expect_keys(10);
    ck_assert(engine_found(subject.engine)->has_lost);
    ck_assert_msg(strstr(told, "given up, as --accept-loss asks for: ") != NULL, "%s", told);
    put(10, ENGINE_SYNCED);
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    expect_opened(false);
    expect_keys(11);
    ck_assert(engine_found(subject.engine)
                  ->has_lost); /* no run has begun since, which would tell earlier ones of it */
    engine_begin_run(subject.engine, 1);
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    expect_opened(false);
    ck_assert(!engine_found(subject.engine)->has_lost);
}
END_TEST

START_TEST(a_record_that_is_missing_behind_a_stop_is_damage)
{
    subject_run(put_all, RUN_CLOSED_FAST);
    cut(path_of(".log"), 3);
    expect_refusal("numbers 20 to 20 were synced");
}
END_TEST

START_TEST(a_record_that_is_missing_behind_a_step_of_maintenance_is_damage)
{
    subject_run(put_all_and_maintain, RUN_KILLED);
    cut(path_of(".log"), 3);
    expect_refusal("numbers 20 to 20 were synced");
}
END_TEST

START_TEST(a_log_that_is_missing_is_damage_and_can_be_accepted)
{
    subject_run(put_all, RUN_CLOSED_FAST);
    ck_assert_int_eq(unlink(path_of(".log")), 0);
    expect_refusal("a log is missing; engine numbers 1 to 20 were synced");
    expect_opened(true);
    expect_keys(0);
}
END_TEST

START_TEST(a_manifest_without_its_last_edits_is_damage_and_can_be_accepted)
{
    subject_run(put_all_flush_and_put_more, RUN_KILLED);
    const char *manifest = path_of("MANIFEST"), *log = path_of(".log");
    const char *first = kept_format("%s/000004.log", subject.path);
    ck_assert_str_ne(log, first);
    (void)unlink(first); /* RocksDB may have had no time for that */
    cut(manifest, size_of(manifest) / 2);
    /* to 21, as the last write says, or to 22, if a note beside the log was due */
    expect_refusal("engine numbers 1 to 2");
    expect_opened(true);
    expect_keys(0);
}
END_TEST

static void put_large_and_flush(void)
{
    static const uint8_t large[20000];
    subject_put(text("large"), slice_of(large, sizeof large));
    put_all();
    subject_reclaim(text("0"), text("z"));
}

START_TEST(a_file_of_large_values_that_is_missing_is_damage_and_can_be_accepted)
{
    struct engine_value value = {0};
    subject_run(put_large_and_flush, RUN_CLOSED_FAST);
    ck_assert_int_eq(unlink(path_of(".blob")), 0);
    expect_refusal(".blob is missing");
    expect_opened(true);
    expect_keys(KEYS);
    ck_assert_int_eq(
        engine_get(subject.engine, NULL, ENGINE_MAY_BLOCK, text("large"), &value, &subject.failure),
        ENGINE_FAILED);
    ck_assert_int_eq(subject.failure.status, STATUS_DAMAGED);
}
END_TEST

START_TEST(a_table_that_is_missing_leaves_nothing_to_open)
{
    subject_run(put_large_and_flush, RUN_CLOSED_FAST);
    ck_assert_int_eq(unlink(path_of(".sst")), 0);
    for (int accept_loss = 0; accept_loss < 2; accept_loss++) {
        ck_assert_int_eq(open_result(accept_loss != 0), ENGINE_FAILED);
        ck_assert_int_eq(subject.failure.status, STATUS_DAMAGED);
        ck_assert_ptr_nonnull(
            strstr(subject.failure.text, ".sst is missing. Nothing was touched: restore a copy"));
    }
}
END_TEST

START_TEST(a_log_in_doubt_is_written_anew)
{
    struct wal_state state;
    struct stat before, after;
    subject_run(put_all, RUN_KILLED);
    const char *log = path_of(".log");
    ck_assert(wal_state_open(subject.path, &state, &subject.failure));
    ck_assert(state.is_known);
    wal_state_note_failure(&state);
    wal_state_close(&state);
    ck_assert_int_eq(stat(log, &before), 0);
    expect_opened(false);
    ck_assert_int_eq(stat(log, &after), 0);
    ck_assert_uint_ne(before.st_ino, after.st_ino);
    ck_assert_int_eq(before.st_size, after.st_size);
    expect_keys(KEYS);
    ck_assert(wal_state_open(subject.path, &state, &subject.failure));
    ck_assert(state.is_known && !state.record.has_failed);
    wal_state_close(&state);
}
END_TEST

static void put_all_in_run_3(void)
{
    engine_begin_run(subject.engine, 3);
    put_all();
}

/* An older copy of what is known of the log does not say whether a sync failed since. */
START_TEST(a_log_of_a_run_that_the_state_does_not_know_is_written_anew)
{
    struct stat before, after;
    subject_run(put_all_in_run_3, RUN_KILLED);
    const char *log = path_of(".log");
    ck_assert_int_eq(stat(log, &before), 0);
    ck_assert_int_eq(open_behind_run(3 + (uint64_t)_i, false), ENGINE_OK);
    ck_assert_int_eq(stat(log, &after), 0);
    ck_assert_int_eq(before.st_ino == after.st_ino, _i == 0);
    ck_assert_uint_eq(engine_found(subject.engine)->last_run, 3);
    expect_keys(KEYS);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_recover", 60, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_loop_test(tests, what_is_whole_is_opened_without_a_word, 0, 2);
    tcase_add_test(tests, a_torn_tail_is_cut_off_told_and_counted_once);
    tcase_add_test(tests, damage_to_what_was_synced_is_refused_and_can_be_accepted);
    tcase_add_test(tests, a_record_that_is_missing_behind_a_stop_is_damage);
    tcase_add_test(tests, a_record_that_is_missing_behind_a_step_of_maintenance_is_damage);
    tcase_add_test(tests, a_log_that_is_missing_is_damage_and_can_be_accepted);
    tcase_add_test(tests, a_manifest_without_its_last_edits_is_damage_and_can_be_accepted);
    tcase_add_test(tests, a_file_of_large_values_that_is_missing_is_damage_and_can_be_accepted);
    tcase_add_test(tests, a_table_that_is_missing_leaves_nothing_to_open);
    tcase_add_test(tests, a_log_in_doubt_is_written_anew);
    tcase_add_loop_test(tests, a_log_of_a_run_that_the_state_does_not_know_is_written_anew, 0, 2);
    return suite_run(suite, true);
}
