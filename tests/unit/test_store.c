/* The store on its real engine: what the modules above rely on, pinned so that another version cannot change it
 * unnoticed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/engine/rocksdb/store.h"
#include "tests/lib/directory.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { CACHE_BYTES = 8 << 20, BLOB_BYTES = 100 << 10, MANY_FILES = 60 };

static struct directory directory;
static struct store *store;
static struct failure failure;

static void open_store(bool create)
{
    store = NULL;
    enum status status = store_open(directory.path, create, CACHE_BYTES, &store, &failure);
    ck_assert_msg(status == STATUS_OK, "%s", failure.text);
}

static void reopen(void)
{
    store_close(store);
    open_store(false);
}

static void setup(void)
{
    directory = directory_new();
    open_store(true);
}

static void teardown(void)
{
    store_close(store);
    directory_remove(&directory);
}

static struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

static void write_batch(struct store_batch *batch)
{
    ck_assert_msg(store_write(store, batch, false, &failure) == STATUS_OK, "%s", failure.text);
    store_batch_clear(batch);
}

static void put_bytes(const char *key, struct slice value)
{
    struct store_batch *batch = store_batch_new();
    store_batch_put(batch, text(key), value);
    write_batch(batch);
    store_batch_free(batch);
}

static void put(const char *key, const char *value)
{
    put_bytes(key, text(value));
}

static enum status get_status(const struct store_snapshot *snapshot, enum store_reach reach, const char *key)
{
    struct store_value value = {0};
    enum status status = store_get(store, snapshot, reach, text(key), &value, &failure);
    store_value_release(&value);
    return status;
}

/* NULL expected: not there. */
static void assert_value_in(const struct store_snapshot *snapshot, const char *key, const char *expected)
{
    struct store_value value = {0};
    enum status status = store_get(store, snapshot, STORE_DEVICE, text(key), &value, &failure);
    ck_assert_int_eq(status, expected == NULL ? STATUS_NOT_FOUND : STATUS_OK);
    ck_assert(expected == NULL || slice_equal(value.bytes, text(expected)));
    store_value_release(&value);
}

static void assert_value(const char *key, const char *expected)
{
    assert_value_in(NULL, key, expected);
}

START_TEST(a_store_is_made_only_when_asked_for)
{
    struct directory empty = directory_new();
    struct store *none = NULL;
    ck_assert_int_eq(store_open(empty.path, false, CACHE_BYTES, &none, &failure), STATUS_IO_ERROR);
    ck_assert_ptr_null(none);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: Invalid argument"));
    ck_assert_ptr_nonnull(strstr(failure.text, "does not exist"));
    ck_assert_int_eq(store_open("/dev/null/store", true, CACHE_BYTES, &none, &failure), STATUS_IO_ERROR);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: IO error"));
    ck_assert_ptr_null(none);
    store_close(NULL);
    directory_remove(&empty);
}
END_TEST

START_TEST(a_second_open_is_refused)
{
    struct store *second = NULL;
    ck_assert_int_eq(store_open(directory.path, false, CACHE_BYTES, &second, &failure), STATUS_IO_ERROR);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: IO error: lock "));
}
END_TEST

START_TEST(what_is_written_is_read_and_survives_reopening)
{
    put("a", "1");
    put("empty", "");
    put_bytes("nul", slice_of("\0x\0", 3));
    for (int i = 0; i < 2; i++) {
        assert_value("a", "1");
        assert_value("empty", "");
        assert_value("absent", NULL);
        struct store_value value = {0};
        ck_assert_int_eq(store_get(store, NULL, STORE_DEVICE, text("nul"), &value, &failure), STATUS_OK);
        ck_assert(slice_equal(value.bytes, slice_of("\0x\0", 3)));
        store_value_release(&value);
        store_value_release(&value);
        reopen();
    }
}
END_TEST

START_TEST(memory_answers_for_what_was_just_written)
{
    put("a", "1");
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "a"), STATUS_OK);
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "absent"), STATUS_NOT_FOUND);
}
END_TEST

/* A start leaves in memory what it replays of the log: what is to be on the device has to be brought into tables. */
static void reopen_from_tables(const char *from, const char *to)
{
    store_reclaim(store, text(from), text(to));
    reopen();
}

/* The engine says "Result incomplete" then, for keys and for values kept apart in blob files. */
START_TEST(memory_alone_does_not_answer_for_what_is_on_the_device)
{
    uint8_t *blob = calloc(1, BLOB_BYTES);
    put("a", "1");
    put_bytes("blob", slice_of(blob, BLOB_BYTES));
    reopen_from_tables("a", "z");
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "a"), STATUS_BUSY);
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "blob"), STATUS_BUSY);
    assert_value("a", "1");
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "a"), STATUS_OK);
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "blob"), STATUS_BUSY);
    ck_assert_int_eq(get_status(NULL, STORE_DEVICE, "blob"), STATUS_OK);
    ck_assert_int_eq(get_status(NULL, STORE_MEMORY, "blob"), STATUS_OK);
    free(blob);
}
END_TEST

/* A start opens only some of the tables; what lies in others is unknown to memory, and is neither absent nor empty. */
START_TEST(memory_alone_never_makes_up_a_value_of_a_table_that_is_not_open)
{
    char key[16];
    for (int i = 0; i < MANY_FILES; i++) {
        snprintf(key, sizeof key, "key %03d", i);
        put(key, "value");
        reopen_from_tables(key, key); /* each leaves a table of its own */
    }
    int answered = 0;
    for (int i = 0; i < MANY_FILES; i++) {
        struct store_value value = {0};
        snprintf(key, sizeof key, "key %03d", i);
        enum status status = store_get(store, NULL, STORE_MEMORY, text(key), &value, &failure);
        ck_assert_msg(status == STATUS_OK || status == STATUS_BUSY, "%s: %s", key, status_text(status));
        ck_assert_msg(status != STATUS_OK || slice_equal(value.bytes, text("value")),
                      "%s: answered with %zu bytes that were never written", key, value.bytes.bytes);
        answered += status == STATUS_OK;
        store_value_release(&value);
        assert_value(key, "value");
    }
    printf("%d of %d answered from memory\n", answered, MANY_FILES);
}
END_TEST

START_TEST(a_batch_takes_effect_in_order_and_at_once)
{
    put("gone", "1");
    struct store_batch *batch = store_batch_new();
    ck_assert(store_batch_is_empty(batch));
    store_batch_put(batch, text("a"), text("first"));
    store_batch_put(batch, text("a"), text("second"));
    store_batch_put(batch, text("b"), text("1"));
    store_batch_delete(batch, text("b"));
    store_batch_delete(batch, text("c"));
    store_batch_put(batch, text("c"), text("kept"));
    store_batch_delete(batch, text("gone"));
    ck_assert(!store_batch_is_empty(batch));
    assert_value("a", NULL);
    assert_value("gone", "1");
    write_batch(batch);
    ck_assert(store_batch_is_empty(batch));
    for (int i = 0; i < 2; i++) {
        assert_value("a", "second");
        assert_value("b", NULL);
        assert_value("c", "kept");
        assert_value("gone", NULL);
        reopen();
    }
    store_batch_free(batch);
    store_batch_free(NULL);
}
END_TEST

START_TEST(a_cleared_batch_writes_nothing)
{
    struct store_batch *batch = store_batch_new();
    store_batch_put(batch, text("a"), text("1"));
    store_batch_delete_range(batch, text("a"), text("z"));
    store_batch_clear(batch);
    ck_assert(store_batch_is_empty(batch));
    write_batch(batch);
    store_batch_free(batch);
    assert_value("a", NULL);
}
END_TEST

START_TEST(a_put_behind_a_deleted_range_in_one_batch_stays)
{
    put("a", "old");
    put("b", "old");
    put("c", "old");
    struct store_batch *batch = store_batch_new();
    store_batch_put(batch, text("b2"), text("before"));
    store_batch_delete_range(batch, text("a"), text("c"));
    store_batch_put(batch, text("b"), text("new"));
    write_batch(batch);
    for (int i = 0; i < 2; i++) {
        assert_value("a", NULL);
        assert_value("b", "new");
        assert_value("b2", NULL);
        assert_value("c", "old"); /* the end is not part of the range */
        reopen();
    }
    store_batch_delete_range(batch, text("b"), text("b"));
    write_batch(batch);
    assert_value("b", "new");
    store_batch_free(batch);
}
END_TEST

START_TEST(a_snapshot_sees_what_was_deleted_later)
{
    put("a", "1");
    put("b", "1");
    struct store_snapshot *snapshot = store_snapshot_take(store);
    struct store_batch *batch = store_batch_new();
    store_batch_delete(batch, text("a"));
    store_batch_delete_range(batch, text("b"), text("c"));
    store_batch_put(batch, text("d"), text("later"));
    write_batch(batch);
    put("a", "2");
    store_reclaim(store, text("a"), text("z"));
    assert_value("a", "2");
    assert_value("b", NULL);
    assert_value_in(snapshot, "a", "1");
    assert_value_in(snapshot, "b", "1");
    assert_value_in(snapshot, "d", NULL);
    struct store_iterator *iterator = store_iterator_new(store, snapshot, text("a"), text("z"));
    ck_assert(slice_equal(store_iterator_value(iterator), text("1")));
    store_iterator_next(iterator);
    ck_assert(slice_equal(store_iterator_key(iterator), text("b")));
    store_iterator_next(iterator);
    ck_assert(!store_iterator_valid(iterator));
    ck_assert_int_eq(store_iterator_status(iterator, &failure), STATUS_OK);
    store_iterator_free(iterator);
    store_snapshot_release(store, snapshot);
    store_batch_free(batch);
}
END_TEST

/* The keys from..to, one letter each. */
static void assert_walk(const char *from, const char *to, const char *expected)
{
    char end[8];
    snprintf(end, sizeof end, "%s", to);
    struct store_iterator *iterator = store_iterator_new(store, NULL, text(from), text(end));
    memset(end, 'z', sizeof end); /* the end is copied */
    for (; *expected != '\0'; expected++) {
        ck_assert(store_iterator_valid(iterator));
        ck_assert(slice_equal(store_iterator_key(iterator), slice_of(expected, 1)));
        ck_assert(slice_equal(store_iterator_value(iterator), text("v")));
        store_iterator_next(iterator);
    }
    ck_assert(!store_iterator_valid(iterator));
    ck_assert_int_eq(store_iterator_status(iterator, &failure), STATUS_OK);
    store_iterator_free(iterator);
}

START_TEST(an_iterator_keeps_to_its_bounds)
{
    store_iterator_free(NULL);
    assert_walk("a", "z", "");
    put("f", "v");
    put("b", "v");
    put("d", "v");
    for (int i = 0; i < 2; i++) {
        assert_walk("a", "z", "bdf");
        assert_walk("b", "f", "bd");
        assert_walk("b1", "f1", "df");
        assert_walk("d", "d", "");
        assert_walk("d", "d1", "d");
        assert_walk("g", "z", "");
        reopen();
    }
}
END_TEST

static void assert_last(const char *from, const char *to, const char *expected)
{
    uint8_t key[8] = "????????";
    size_t bytes = 99;
    enum status status = store_last_key(store, text(from), text(to), key, sizeof key, &bytes, &failure);
    ck_assert_int_eq(status, expected == NULL ? STATUS_NOT_FOUND : STATUS_OK);
    ck_assert(expected == NULL || slice_equal(slice_of(key, bytes), text(expected)));
    ck_assert(expected != NULL || (bytes == 99 && key[0] == '?'));
}

START_TEST(the_last_key_is_the_greatest_of_the_range)
{
    assert_last("a", "z", NULL);
    put("b", "v");
    put("d", "v");
    put("dd", "v");
    put("f", "v");
    for (int i = 0; i < 2; i++) {
        assert_last("a", "z", "f");
        assert_last("a", "f", "dd");
        assert_last("a", "dd", "d");
        assert_last("d", "d1", "d");
        assert_last("c", "d", NULL); /* what lies before the range is not in it */
        assert_last("g", "z", NULL);
        assert_last("a", "b", NULL);
        reopen();
    }
    struct store_batch *batch = store_batch_new();
    store_batch_delete_range(batch, text("d"), text("z"));
    write_batch(batch);
    store_batch_free(batch);
    assert_last("a", "z", "b");
}
END_TEST

START_TEST(a_sync_without_anything_to_write_is_fine)
{
    ck_assert_int_eq(store_sync(store, &failure), STATUS_OK);
    put("a", "1");
    ck_assert_int_eq(store_sync(store, &failure), STATUS_OK);
    struct store_batch *batch = store_batch_new();
    store_batch_put(batch, text("b"), text("2"));
    ck_assert_int_eq(store_write(store, batch, true, &failure), STATUS_OK);
    store_batch_free(batch);
    reopen();
    assert_value("a", "1");
    assert_value("b", "2");
    assert_walk("sync", "sync1", "");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("store", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_store_is_made_only_when_asked_for);
    tcase_add_test(tests, a_second_open_is_refused);
    tcase_add_test(tests, what_is_written_is_read_and_survives_reopening);
    tcase_add_test(tests, memory_answers_for_what_was_just_written);
    tcase_add_test(tests, memory_alone_does_not_answer_for_what_is_on_the_device);
    tcase_add_test(tests, memory_alone_never_makes_up_a_value_of_a_table_that_is_not_open);
    tcase_add_test(tests, a_batch_takes_effect_in_order_and_at_once);
    tcase_add_test(tests, a_cleared_batch_writes_nothing);
    tcase_add_test(tests, a_put_behind_a_deleted_range_in_one_batch_stays);
    tcase_add_test(tests, a_snapshot_sees_what_was_deleted_later);
    tcase_add_test(tests, an_iterator_keeps_to_its_bounds);
    tcase_add_test(tests, the_last_key_is_the_greatest_of_the_range);
    tcase_add_test(tests, a_sync_without_anything_to_write_is_fine);
    return suite_run(suite, true);
}
