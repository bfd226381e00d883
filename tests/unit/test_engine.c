/* What engine.h promises of reads, writes and read points, of every engine alike. What it says of cursors is in
 * test_engine_cursor, of opening, closing and space in test_engine_life; test_engine_model draws all of it at random. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/random.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum {
    KEY_BYTES_MAX = 5000,
    WHOLE_KEYS = 40,
    WHOLE_WRITES = 400,
    WHOLE_WRITES_SANITIZED = 60,
    PAGE_BYTES = 4096,
    EDITS_MANY = 5000,
    READERS = 3,
    READS = 20000,
    READS_SANITIZED = 3000,
};

START_TEST(what_is_written_is_read)
{
    subject_begin(_i);
    subject_expect(NULL, "a", NULL);
    subject_put(text("a"), text("1"));
    subject_put(text("b"), slice_of("\0x\0", 3));
    subject_expect(NULL, "a", "1");
    subject_expect_bytes(NULL, text("b"), &(struct slice){(const uint8_t *)"\0x\0", 3});
    subject_expect(NULL, "ab", NULL);
    subject_put(text("a"), text("another"));
    subject_expect(NULL, "a", "another");
    subject_delete(text("a"));
    subject_expect(NULL, "a", NULL);
    subject_delete(text("a")); /* what is absent may be deleted */
    subject_put(text("a"), text("again"));
    subject_expect(NULL, "a", "again");
}
END_TEST

START_TEST(an_empty_value_is_not_absence)
{
    subject_begin(_i);
    subject_put(text("empty"), slice_of(NULL, 0));
    subject_put(text("emptied"), text("full"));
    subject_put(text("emptied"), text(""));
    for (int i = 0; i < 2; i++) {
        subject_expect(NULL, "empty", "");
        subject_expect(NULL, "emptied", "");
        subject_expect(NULL, "absent", NULL);
        subject_reclaim(text("a"), text("z"));
    }
}
END_TEST

/* A length from each order of magnitude, and bytes that a C string or a signed comparison would get wrong. */
START_TEST(a_key_is_any_bytes_of_any_length)
{
    static const size_t lengths[] = {0, 1, 2, 3, 15, 16, 127, 128, 255, 256, 1024, 4096, KEY_BYTES_MAX};
    enum { LENGTHS = sizeof lengths / sizeof *lengths };
    static uint8_t keys[3][KEY_BYTES_MAX];
    memset(keys[0], 0, KEY_BYTES_MAX);
    memset(keys[1], 0xff, KEY_BYTES_MAX);
    struct random_source random = random_from(random_seed("key"));
    random_fill(&random, keys[2], KEY_BYTES_MAX);
    subject_begin(_i);
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < 3 * LENGTHS; i++) {
            struct slice key = slice_of(keys[i / LENGTHS], lengths[i % LENGTHS]);
            struct slice value = slice_of(key.bytes == 0 ? keys[0] : keys[i / LENGTHS], key.bytes);
            if (pass == 0) {
                subject_put(key, value);
            } else {
                subject_expect_bytes(NULL, key, &value);
            }
        }
        if (pass == 1) {
            subject_reclaim(slice_of(keys[0], 0), slice_of(keys[1], KEY_BYTES_MAX));
        }
    }
}
END_TEST

START_TEST(each_byte_is_a_key_of_its_own)
{
    subject_begin(_i);
    for (int byte = 0; byte < 256; byte++) {
        uint8_t key = (uint8_t)byte, value = (uint8_t)~byte;
        subject_put(slice_of(&key, 1), slice_of(&value, 1));
    }
    for (int byte = 0; byte < 256; byte++) {
        uint8_t key = (uint8_t)byte, value = (uint8_t)~byte;
        subject_expect_bytes(NULL, slice_of(&key, 1), &(struct slice){&value, 1});
    }
}
END_TEST

START_TEST(a_value_of_any_size_comes_back_whole)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 64 << 10, 1 << 20, 20 << 20};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    size_t bytes_max = sizes[SIZES - 1];
    uint8_t *bytes = calloc(1, bytes_max);
    struct random_source random = random_from(random_seed("value"));
    for (size_t i = 0; i < bytes_max; i += PAGE_BYTES) {
        random_fill(&random, bytes + i, PAGE_BYTES / 64);
    }
    subject_begin(_i);
    for (uint8_t i = 0; i < SIZES; i++) {
        subject_put(slice_of(&i, 1), slice_of(bytes, sizes[i]));
    }
    for (int pass = 0; pass < 3; pass++) {
        for (uint8_t i = 0; i < SIZES; i++) {
            subject_expect_bytes(NULL, slice_of(&i, 1), &(struct slice){bytes, sizes[i]});
        }
        if (pass == 0) {
            subject_reclaim(text(""), text("z"));
        } else {
            subject_reopen();
        }
    }
    free(bytes);
}
END_TEST

START_TEST(a_value_stays_until_it_is_released)
{
    subject_begin(_i);
    subject_put(text("a"), text("first"));
    subject_put(text("b"), text("first"));
    struct engine_value values[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(engine_get(subject.engine, NULL, ENGINE_MAY_BLOCK, text(i == 0 ? "a" : "b"),
                                    &values[i], &subject.failure),
                         ENGINE_OK);
    }
    subject_put(text("a"), text("other"));
    subject_delete_range(text("b"), text("c"));
    subject_reclaim(text("a"), text("z"));
    for (int i = 0; i < 2; i++) {
        ck_assert(slice_equal(values[i].bytes, text("first")));
        engine_value_release(&values[i]);
    }
}
END_TEST

/* ---- writes ---- */

START_TEST(within_a_list_ranges_come_first)
{
    for (int order = 0; order < 3; order++) {
        subject_begin(_i);
        subject_put(text("a"), text("old"));
        subject_put(text("b"), text("old"));
        subject_put(text("c"), text("old"));
        subject_put(text("d"), text("old"));
        struct engine_edit edits[] = {
            {ENGINE_PUT, text("b"), text("new")},
            {ENGINE_DELETE_RANGE, text("a"), text("c")},
            {ENGINE_PUT, text("bb"), text("new")},
            {ENGINE_DELETE_RANGE, text("b"), text("bz")}, /* overlaps the other */
            {.kind = ENGINE_DELETE, .key = text("d")},
            {ENGINE_PUT, text("e"), text("new")},
        };
        size_t count = sizeof edits / sizeof *edits;
        for (size_t i = 0; order == 1 && i < count / 2; i++) { /* the other way round */
            struct engine_edit edit = edits[i];
            edits[i] = edits[count - 1 - i];
            edits[count - 1 - i] = edit;
        }
        struct engine_point *before = engine_point_take(subject.engine);
        subject_write(edits, count);
        subject_expect(before, "a", "old");
        subject_expect(before, "bb", NULL);
        engine_point_release(before);
        if (order == 2) {
            subject_reclaim(text("a"), text("z"));
        }
        subject_expect(NULL, "a", NULL);
        subject_expect(NULL, "b", "new");
        subject_expect(NULL, "bb", "new");
        subject_expect(NULL, "c", "old"); /* the end is not part of the range */
        subject_expect(NULL, "d", NULL);
        subject_expect(NULL, "e", "new");
        if (order < 2) {
            subject_end();
        }
    }
}
END_TEST

START_TEST(packed_keys_are_deleted_and_no_other)
{
    uint8_t first[64], second[64];
    subject_begin(_i);
    for (const char *key = "abcdefg"; *key != '\0'; key++) {
        subject_put(slice_of(key, 1), text("old"));
    }
    uint8_t *first_end = engine_pack_key(engine_pack_key(first, text("f")), text("b"));
    uint8_t *second_end = engine_pack_key(second, text("absent, and longer"));
    struct engine_edit edits[] = {
        {.kind = ENGINE_DELETE_EACH, .value = slice_of(first, (size_t)(first_end - first))},
        {ENGINE_PUT, text("g"), text("new")},
        {.kind = ENGINE_DELETE_EACH, .value = slice_of(second, (size_t)(second_end - second))},
        {ENGINE_DELETE_RANGE, text("c"), text("d")},
        {.kind = ENGINE_DELETE_EACH},
    };
    subject_write(edits, sizeof edits / sizeof *edits);
    static const char *const expected[] = {"old", NULL, NULL, "old", "old", NULL, "new"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char key[] = {(char)('a' + i), '\0'};
        subject_expect(NULL, key, expected[i]);
    }
}
END_TEST

START_TEST(a_range_without_keys_deletes_nothing)
{
    subject_begin(_i);
    subject_delete_range(text("a"), text("z"));
    subject_put(text("a"), text("1"));
    subject_delete_range(text("a"), text("a"));
    subject_delete_range(text("b"), text("z"));
    subject_delete_range(text(""), text("a"));
    subject_expect(NULL, "a", "1");
}
END_TEST

START_TEST(edits_are_borrowed_during_the_call_only)
{
    subject_begin(_i);
    char bytes[] = "abczv";
    struct engine_edit edits[] = {
        {ENGINE_PUT, slice_of(bytes, 1), slice_of(bytes + 4, 1)},
        {ENGINE_DELETE_RANGE, slice_of(bytes + 1, 1), slice_of(bytes + 3, 1)},
        {ENGINE_PUT, slice_of(bytes + 2, 1), slice_of(bytes + 4, 1)},
    };
    subject_put(text("b"), text("old"));
    subject_write(edits, sizeof edits / sizeof *edits);
    memset(bytes, 'X', sizeof bytes);
    memset(edits, 0, sizeof edits);
    subject_expect(NULL, "a", "v");
    subject_expect(NULL, "b", NULL);
    subject_expect(NULL, "c", "v");
    subject_expect(NULL, "X", NULL);
}
END_TEST

START_TEST(a_list_may_be_long)
{
    subject_begin(_i);
    static char keys[EDITS_MANY][16];
    struct engine_edit *edits = calloc(EDITS_MANY, sizeof *edits);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < EDITS_MANY; i++) {
            snprintf(keys[i], sizeof keys[i], "%07d", i * 7919 % EDITS_MANY);
            edits[i] = (struct engine_edit){ENGINE_PUT, text(keys[i]), text(keys[i])};
            if (round == 1 && i % 2 == 0) {
                edits[i] = (struct engine_edit){.kind = ENGINE_DELETE, .key = text(keys[i])};
            }
        }
        subject_write(edits, EDITS_MANY);
        for (int i = 0; i < EDITS_MANY; i += 97) {
            subject_expect(NULL, keys[i], round == 1 && i % 2 == 0 ? NULL : keys[i]);
        }
    }
    free(edits);
}
END_TEST

static uint32_t whole_writes(void)
{
    return under_sanitizer() ? WHOLE_WRITES_SANITIZED : WHOLE_WRITES;
}

/* Each write gives all keys one number, half of them by way of a range. */
static void *write_whole_lists(void *is_over)
{
    static uint8_t keys[WHOLE_KEYS];
    for (uint32_t number = 1; number <= whole_writes(); number++) {
        struct engine_edit edits[WHOLE_KEYS + 1];
        struct slice value = slice_of(&number, sizeof number);
        for (uint8_t i = 0; i < WHOLE_KEYS; i++) {
            keys[i] = i;
            edits[i] = (struct engine_edit){ENGINE_PUT, slice_of(&keys[i], 1), value};
        }
        edits[WHOLE_KEYS] = (struct engine_edit){ENGINE_DELETE_RANGE, slice_of(&keys[0], 1),
                                                 slice_of(&keys[WHOLE_KEYS / 2], 1)};
        subject_write(edits, WHOLE_KEYS + 1);
    }
    atomic_store((atomic_bool *)is_over, true);
    return NULL;
}

START_TEST(a_list_is_seen_whole_or_not_at_all)
{
    subject_begin(_i);
    atomic_bool is_over = false;
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_whole_lists, &is_over), 0);
    uint32_t last = 0;
    for (bool is_last = false; !is_last;) {
        is_last = atomic_load(&is_over);
        struct engine_cursor *cursor = subject_cursor(NULL, "", "\xff", false);
        struct slice key, value;
        struct failure failure;
        uint32_t number = 0;
        size_t seen = 0;
        while (engine_cursor_next(cursor, &key, &value, &failure) == ENGINE_OK) {
            uint32_t found;
            ck_assert_uint_eq(value.bytes, sizeof found);
            memcpy(&found, value.data, sizeof found);
            ck_assert_msg(seen == 0 || found == number, "parts of write %u and of %u", number, found);
            number = found;
            seen++;
        }
        engine_cursor_close(cursor);
        ck_assert_uint_eq(seen, number == 0 ? 0 : WHOLE_KEYS);
        ck_assert_uint_ge(number, last); /* the newest state never goes back */
        last = number;
    }
    ck_assert_uint_eq(last, whole_writes());
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
}
END_TEST

/* ---- read points ---- */

START_TEST(a_point_sees_what_was_there_when_it_was_taken)
{
    subject_begin(_i);
    struct engine_point *empty = engine_point_take(subject.engine);
    subject_put(text("a"), text("1"));
    subject_put(text("b"), text("1"));
    struct engine_point *first = engine_point_take(subject.engine);
    subject_put(text("a"), text("2"));
    subject_delete(text("b"));
    subject_put(text("c"), text("2"));
    struct engine_point *second = engine_point_take(subject.engine);
    subject_delete_range(text("a"), text("z"));
    subject_put(text("d"), text("3"));
    for (int i = 0; i < 2; i++) {
        subject_expect(empty, "a", NULL);
        subject_expect(empty, "d", NULL);
        subject_expect(first, "a", "1");
        subject_expect(first, "b", "1");
        subject_expect(first, "c", NULL);
        subject_expect(second, "a", "2");
        subject_expect(second, "b", NULL);
        subject_expect(second, "c", "2");
        subject_expect(second, "d", NULL);
        subject_expect(NULL, "a", NULL);
        subject_expect(NULL, "d", "3");
        subject_reclaim(text("a"), text("z"));
    }
    engine_point_release(first);
    subject_reclaim(text("a"), text("z"));
    subject_expect(empty, "a", NULL);
    subject_expect(second, "a", "2");
    engine_point_release(empty);
    engine_point_release(second);
    engine_point_release(NULL);
}
END_TEST

static void *release_point(void *point)
{
    engine_point_release(point);
    return NULL;
}

START_TEST(a_point_lasts_until_its_last_holder_releases_it)
{
    subject_begin(_i);
    subject_put(text("a"), text("1"));
    struct engine_point *point = engine_point_take(subject.engine);
    ck_assert_ptr_eq(engine_point_hold(point), point);
    ck_assert_ptr_eq(engine_point_hold(point), point);
    subject_delete_range(text("a"), text("b"));
    for (int i = 0; i < 3; i++) {
        subject_reclaim(text("a"), text("z"));
        subject_expect(point, "a", "1");
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, release_point, point), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    subject_expect(NULL, "a", NULL);
}
END_TEST

/* What the writer hands to readers: a point, held once for the slot, and the number that all keys have there. */
struct slot {
    struct mutex mutex;
    struct engine_point *point; /* under the mutex, as the next */
    uint32_t number;
    atomic_uint reading; /* readers that have not had enough */
};

static void expect_number(struct engine_value *value, uint32_t number)
{
    uint32_t found;
    ck_assert_uint_eq(value->bytes.bytes, sizeof found);
    memcpy(&found, value->bytes.data, sizeof found);
    ck_assert_uint_eq(found, number);
    engine_value_release(value);
}

/* Holds the writer's newest point, reads all keys by it, and releases it. */
static void *read_by_points(void *slot_)
{
    struct slot *slot = slot_;
    for (int reads = under_sanitizer() ? READS_SANITIZED : READS; reads > 0;) {
        mutex_lock(&slot->mutex);
        struct engine_point *point = engine_point_hold(slot->point);
        uint32_t number = slot->number;
        mutex_unlock(&slot->mutex);
        for (uint8_t i = 0; i < WHOLE_KEYS; i++, reads--) {
            struct engine_value value = {0};
            struct failure failure;
            enum engine_reach reach = reads % 3 == 0 ? ENGINE_NO_IO : ENGINE_MAY_BLOCK;
            enum engine_result result =
                engine_get(subject.engine, point, reach, slice_of(&i, 1), &value, &failure);
            ck_assert(result == ENGINE_OK || (reach == ENGINE_NO_IO && result == ENGINE_WOULD_BLOCK));
            if (result == ENGINE_OK) {
                expect_number(&value, number);
            }
        }
        engine_point_release(point);
    }
    atomic_fetch_sub(&slot->reading, 1);
    return NULL;
}

static void write_number(uint32_t number)
{
    struct engine_edit edits[WHOLE_KEYS];
    uint8_t keys[WHOLE_KEYS];
    for (uint8_t i = 0; i < WHOLE_KEYS; i++) {
        keys[i] = i;
        edits[i] = (struct engine_edit){ENGINE_PUT, slice_of(&keys[i], 1), slice_of(&number, sizeof number)};
    }
    subject_write(edits, WHOLE_KEYS);
}

START_TEST(many_threads_read_by_the_writers_points)
{
    subject_begin(_i);
    write_number(0);
    struct slot slot = {.point = engine_point_take(subject.engine), .reading = READERS};
    mutex_init(&slot.mutex);
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_by_points, &slot), 0);
    }
    for (uint32_t number = 1; atomic_load(&slot.reading) > 0; number++) {
        write_number(number);
        struct engine_point *point = engine_point_take(subject.engine);
        mutex_lock(&slot.mutex);
        struct engine_point *before = slot.point;
        slot.point = point;
        slot.number = number;
        mutex_unlock(&slot.mutex);
        engine_point_release(before);
        if (number % 100 == 0) {
            subject_reclaim(text(""), text("z"));
        }
    }
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
    }
    engine_point_release(slot.point);
    mutex_close(&slot.mutex);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("engine", 120, &tests);
    tcase_add_checked_fixture(tests, NULL, subject_end);
    tcase_add_loop_test(tests, what_is_written_is_read, 0, SUBJECTS);
    tcase_add_loop_test(tests, an_empty_value_is_not_absence, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_key_is_any_bytes_of_any_length, 0, SUBJECTS);
    tcase_add_loop_test(tests, each_byte_is_a_key_of_its_own, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_value_of_any_size_comes_back_whole, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_value_stays_until_it_is_released, 0, SUBJECTS);
    tcase_add_loop_test(tests, within_a_list_ranges_come_first, 0, SUBJECTS);
    tcase_add_loop_test(tests, packed_keys_are_deleted_and_no_other, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_range_without_keys_deletes_nothing, 0, SUBJECTS);
    tcase_add_loop_test(tests, edits_are_borrowed_during_the_call_only, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_list_may_be_long, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_list_is_seen_whole_or_not_at_all, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_point_sees_what_was_there_when_it_was_taken, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_point_lasts_until_its_last_holder_releases_it, 0, SUBJECTS);
    tcase_add_loop_test(tests, many_threads_read_by_the_writers_points, 0, SUBJECTS);
    return suite_run(suite, true);
}
