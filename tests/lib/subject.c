#include "tests/lib/subject.h"

#include <check.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/directory.h"

static const struct {
    const struct engine_type *type;
    bool is_in_memory; /* and so ends with its process */
} subjects[SUBJECTS] = {
    [SUBJECT_ROCKSDB] = {&engine_rocksdb, false},
    [SUBJECT_FAKE] = {&engine_fake, true},
};

struct subject subject;

static struct directory directory;
static struct fake_disk *disk;
static bool is_in_memory;

void subject_begin_closed(int number)
{
    directory = directory_new();
    is_in_memory = subjects[number].is_in_memory;
    subject = (struct subject){.type = subjects[number].type, .path = directory.path};
    disk = is_in_memory ? fake_disk_new(directory.path, 1) : NULL;
}

void subject_begin(int number)
{
    subject_begin_closed(number);
    subject_open(true);
}

void subject_end(void)
{
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
    directory_remove(&directory);
}

void subject_open(bool create)
{
    struct engine_config config = {
        .path = subject.path,
        .create = create,
        .cache_bytes_max = SUBJECT_CACHE_BYTES,
    };
    enum engine_result result = engine_open(subject.type, &config, &subject.engine, &subject.failure);
    ck_assert_msg(result == ENGINE_OK, "%s", subject.failure.text);
}

void subject_reopen(void)
{
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject_open(false);
}

/* ---- whole lives ---- */

static void run_to_the_end(void (*body)(void), enum run_end end)
{
    subject_open(true);
    body();
    if (end != RUN_KILLED) {
        engine_close(subject.engine, end == RUN_CLOSED_FAST ? ENGINE_CLOSE_FAST : ENGINE_CLOSE_CLEAN);
    } else if (is_in_memory) {
        fake_disk_kill(disk);
        engine_close(subject.engine, ENGINE_CLOSE_FAST);
    }
    subject.engine = NULL;
}

void subject_run(void (*body)(void), enum run_end end)
{
    ck_assert_ptr_null(subject.engine);
    if (is_in_memory) {
        run_to_the_end(body, end);
        return;
    }
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        run_to_the_end(body, end);
        _exit(EXIT_SUCCESS);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* ---- shorthand ---- */

struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

void subject_write(struct engine_edit *edits, size_t count)
{
    enum engine_outcome outcome = engine_write(subject.engine, edits, count, ENGINE_LOGGED, &subject.failure);
    ck_assert_msg(outcome == ENGINE_DONE, "%s", subject.failure.text);
}

void subject_put(struct slice key, struct slice value)
{
    subject_write(&(struct engine_edit){ENGINE_PUT, key, value}, 1);
}

void subject_delete(struct slice key)
{
    subject_write(&(struct engine_edit){.kind = ENGINE_DELETE, .key = key}, 1);
}

void subject_delete_range(struct slice from, struct slice to)
{
    subject_write(&(struct engine_edit){ENGINE_DELETE_RANGE, from, to}, 1);
}

uint64_t subject_reclaim(struct slice from, struct slice to)
{
    uint64_t freed_bytes = 0;
    ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE);
    enum engine_result result =
        engine_reclaim(subject.engine, from, to, false, &freed_bytes, &subject.failure);
    ck_assert_msg(result == ENGINE_OK, "%s", subject.failure.text);
    return freed_bytes;
}

static void expect(struct engine_point *point, enum engine_reach reach, struct slice key,
                   const struct slice *expected)
{
    struct engine_value untouched = {.bytes = {NULL, 77}}, value = untouched;
    enum engine_result result = engine_get(subject.engine, point, reach, key, &value, &subject.failure);
    ck_assert_msg(result != ENGINE_FAILED, "%s", subject.failure.text);
    ck_assert(result != ENGINE_WOULD_BLOCK || reach == ENGINE_NO_IO);
    bool can_answer = engine_traits(subject.type)->reads_without_io;
    ck_assert(reach == ENGINE_MAY_BLOCK || can_answer || result == ENGINE_WOULD_BLOCK);
    if (result != ENGINE_OK) {
        ck_assert(result == ENGINE_WOULD_BLOCK || expected == NULL);
        ck_assert_mem_eq(&value, &untouched, sizeof value);
        return;
    }
    ck_assert(expected != NULL && slice_equal(value.bytes, *expected));
    engine_value_release(&value);
    engine_value_release(&value); /* a released one is as good as none */
}

void subject_expect_bytes(struct engine_point *point, struct slice key, const struct slice *expected)
{
    expect(point, ENGINE_NO_IO, key, expected);
    expect(point, ENGINE_MAY_BLOCK, key, expected);
    expect(point, ENGINE_NO_IO, key, expected);
}

void subject_expect(struct engine_point *point, const char *key, const char *expected)
{
    struct slice value = expected == NULL ? slice_of(NULL, 0) : text(expected);
    subject_expect_bytes(point, text(key), expected == NULL ? NULL : &value);
}

void subject_expect_walk(struct engine_cursor *cursor, const char *expected, const char *value)
{
    struct slice key_found = {0}, value_found = {0};
    enum engine_result result = ENGINE_OK;
    for (; *expected != '\0'; expected++) {
        result = engine_cursor_next(cursor, &key_found, &value_found, &subject.failure);
        ck_assert_msg(result == ENGINE_OK, "at '%s': %d %s", expected, result, subject.failure.text);
        ck_assert_msg(slice_equal(key_found, slice_of(expected, 1)), "'%.*s' where '%s' is to come",
                      (int)key_found.bytes, (const char *)key_found.data, expected);
        ck_assert(slice_equal(value_found, text(value)));
    }
    for (int i = 0; i < 2; i++) { /* it stays at the end */
        result = engine_cursor_next(cursor, &key_found, &value_found, &subject.failure);
        ck_assert_int_eq(result, ENGINE_NOT_FOUND);
    }
}

struct engine_cursor *subject_cursor(struct engine_point *point, const char *from, const char *to,
                                     bool is_reverse)
{
    return engine_cursor_open(
        subject.engine, point,
        &(struct engine_range){.from = text(from), .to = text(to), .is_reverse = is_reverse});
}
