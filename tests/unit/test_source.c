/* The source of a stream: what it says does not depend on when it is parked, nor on what is written meanwhile, and a large
 * block waits until there is room. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/read/source.h"
#include "daemon/runtime/thread.h"
#include "proto/frame.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    CHAIN = 1,
    HEIGHTS = 60,
    NAMES = 40,
    ROUNDS = 30,
    ALL_PARTS = 15,
    MESSAGES_MAX = HEIGHTS + NAMES + 1,
    DATA_BYTES = 300,
};

static struct directory directory;
static struct engine *engine;
static struct pending *pending;
static struct failure failure;
static struct random_source randomness;

static void put_block(struct engine_edits *edits, uint64_t height, size_t data_bytes)
{
    uint8_t bytes[DATA_BYTES * 2];
    ck_assert_uint_le(data_bytes, sizeof bytes);
    random_fill(&randomness, bytes, sizeof bytes);
    struct header_record record = {
        .data_bytes = data_bytes, .hash = slice_of(bytes, 32), .header = slice_of(bytes + 32, 50)};
    uint8_t header[400];
    ck_assert_uint_le(record_header_bytes(&record), sizeof header);
    record_write_header(&record, header);
    struct key key = key_of_height(CHAIN, KEY_HEADER, height);
    engine_edits_put(edits, key_slice(&key), slice_of(header, record_header_bytes(&record)));
    if (data_bytes > 0) {
        key = key_of_height(CHAIN, KEY_DATA, height);
        engine_edits_put(edits, key_slice(&key), slice_of(bytes, data_bytes));
    }
}

static struct slice name_of(char *buffer, size_t bytes, unsigned number)
{
    return slice_of(buffer, (size_t)snprintf(buffer, bytes, "%c%u", 'a' + (int)(number % 3), number));
}

static void put_name(struct engine_edits *edits, unsigned number)
{
    uint8_t record[RECORD_METADATA_HEAD_BYTES + 20] = {0};
    random_fill(&randomness, record + RECORD_METADATA_HEAD_BYTES, 20);
    char name[16];
    struct key key = key_of_name(CHAIN, KEY_METADATA, name_of(name, sizeof name, number));
    engine_edits_put(edits, key_slice(&key), slice_of(record, sizeof record));
}

/* All gets other bytes, and a part of the blocks goes. */
static void change_all(void)
{
    struct engine_edits edits = {0};
    for (uint64_t height = 1; height <= HEIGHTS; height++) {
        put_block(&edits, height, 1 + random_below(&randomness, DATA_BYTES));
    }
    for (unsigned number = 0; number < NAMES; number++) {
        put_name(&edits, number);
    }
    uint64_t gone = 1 + random_below(&randomness, HEIGHTS);
    for (int i = 0; i < 2; i++) {
        enum key_kind kind = i == 0 ? KEY_HEADER : KEY_DATA;
        struct key from = key_of_height(CHAIN, kind, gone);
        struct key to = key_behind_kind(CHAIN, kind);
        engine_edits_delete_range(&edits, key_slice(&from), key_slice(&to));
    }
    engine_edits_write(&edits, engine);
}

static void queue_some(void)
{
    for (unsigned number = 0; number < NAMES; number++) {
        char name[16];
        struct metadata_operation operation = {
            .kind = (enum metadata_kind)(METADATA_SET + random_below(&randomness, 3)),
            .name = name_of(name, sizeof name, number),
            .value = slice_of("queued", 6),
            .raise = 7,
        };
        if (random_chance(&randomness, 30)) {
            pending_add(pending, pending_request_of(CHAIN, &operation, 1), number + 1, 0);
        }
    }
}

static void setup(void)
{
    randomness = random_from(random_seed("source"));
    thread_set_role(THREAD_LOOP);
    directory = directory_new();
    engine = engine_opened(directory.path, true);
    pending = pending_new(1000, 1 << 20);
    struct engine_edits edits = {0};
    for (uint64_t height = 1; height <= HEIGHTS; height++) {
        if (random_chance(&randomness, 80)) {
            put_block(&edits, height,
                      random_chance(&randomness, 20) ? 0 : random_below(&randomness, DATA_BYTES));
        }
    }
    for (unsigned number = 0; number < NAMES; number++) {
        if (random_chance(&randomness, 60)) {
            put_name(&edits, number);
        }
    }
    engine_edits_write(&edits, engine);
    queue_some();
}

static void teardown(void)
{
    pending_free(pending);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

/* ---- what a source says ---- */

/* As a thread of the pool asks for it. */
static enum source_result next_message(struct source *source, uint64_t data_bytes_max,
                                       struct fetched *ret_fetched, struct failure *ret_failure)
{
    thread_set_role(THREAD_POOL);
    enum source_result result = source_next(source, data_bytes_max, ret_fetched, ret_failure);
    thread_set_role(THREAD_LOOP);
    return result;
}

struct said {
    struct fetched messages[MESSAGES_MAX];
    size_t count;
};

static void said_free(struct said *said)
{
    for (size_t i = 0; i < said->count; i++) {
        free(said->messages[i].frame);
    }
}

/* All that it says, parking it now and then with others writing meanwhile. */
static struct said say_all(struct source *source, bool parks)
{
    struct said said = {0};
    enum source_result result;
    do {
        struct fetched fetched = {0};
        if (parks && random_chance(&randomness, 20)) {
            source_park(source);
            change_all();
        }
        result = next_message(source, DATA_BYTES, &fetched, &failure);
        if (result == SOURCE_MESSAGE) {
            ck_assert_uint_lt(said.count, MESSAGES_MAX);
            said.messages[said.count++] = fetched;
        }
    } while (result == SOURCE_MESSAGE);
    ck_assert_msg(result == SOURCE_END, "result %d: %s", (int)result, failure.text);
    if (parks) {
        source_park(source);
    }
    struct fetched none = {0};
    ck_assert_int_eq(next_message(source, DATA_BYTES, &none, &failure), SOURCE_END);
    source_free(source);
    return said;
}

static void assert_same(const struct said *left, const struct said *right)
{
    ck_assert_uint_eq(left->count, right->count);
    for (size_t i = 0; i < left->count; i++) {
        const struct fetched *one = &left->messages[i];
        const struct fetched *other = &right->messages[i];
        ck_assert_uint_eq(one->body_bytes, other->body_bytes);
        ck_assert_mem_eq(one->frame + FRAME_REPLY_BYTES, other->frame + FRAME_REPLY_BYTES, one->body_bytes);
    }
}

/* A random question, asked twice of one instant. */
static struct source *make_source(const struct fetch *fetch, unsigned kind, struct random_source *question)
{
    static uint64_t heights[HEIGHTS];
    static char text[2][16];
    static struct slice names[2];
    struct source_blocks blocks = {0};
    blocks.first = 1 + random_below(question, HEIGHTS);
    blocks.last = blocks.first + random_below(question, HEIGHTS);
    blocks.parts = random_chance(question, 70) ? ALL_PARTS : 1;
    if (kind == 1) {
        blocks.heights = heights;
        blocks.height_count = HEIGHTS;
        for (size_t i = 0; i < HEIGHTS; i++) {
            heights[i] = 1 + random_below(question, HEIGHTS);
        }
    }
    if (kind <= 1) {
        return source_of_blocks(fetch, &blocks);
    }
    names[0] = name_of(text[0], sizeof text[0], (unsigned)random_below(question, NAMES));
    names[1] = name_of(text[1], sizeof text[1], (unsigned)random_below(question, NAMES));
    if (kind == 2) {
        return source_of_names(fetch, pending, names, 2, (uint32_t)random_below(question, 8));
    }
    struct source_list list = {
        .prefix = slice_of(names[0].data, random_below(question, 2)),
        .start = random_chance(question, 50) ? names[1] : slice_of(NULL, 0),
        .has_end = random_chance(question, 50),
        .end = names[0],
        .is_reverse = random_chance(question, 50),
        .parts = (uint32_t)random_below(question, 8),
        .limit = random_chance(question, 50) ? 1 + random_below(question, NAMES) : 0,
    };
    return source_of_list(fetch, pending, &list);
}

START_TEST(parking_changes_nothing_of_what_is_said)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            struct engine_point *point = engine_point_take(engine);
            struct fetch fetch = {.engine = engine, .point = point, .chain = CHAIN};
            fetch.marks.blocks_pruned = random_below(&randomness, 10);
            struct random_source question = randomness;
            struct random_source again = randomness;
            struct said plain = say_all(make_source(&fetch, kind, &question), false);
            struct said parked = say_all(make_source(&fetch, kind, &again), true);
            assert_same(&plain, &parked);
            said_free(&plain);
            said_free(&parked);
            engine_point_release(point);
            randomness = question;
            (void)random_next(&randomness);
        }
    }
}
END_TEST

static struct slice name_said(const struct said *said, size_t i)
{
    const uint8_t *body = said->messages[i].frame + FRAME_REPLY_BYTES;
    ck_assert_uint_eq(said->messages[i].body_bytes, 2 + (size_t)body[1]); /* a name and nothing else */
    return slice_of(body + 2, body[1]);
}

/* Bounds, direction and limit are held against a plain list of all names. */
START_TEST(a_list_is_what_lies_between_its_bounds_from_where_it_begins)
{
    static const char *const bounds[] = {"", "a", "a1", "a12", "a9", "b", "b2", "c", "d", "zz"};
    enum { BOUNDS = sizeof bounds / sizeof bounds[0] };
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_list whole = {0};
    struct said all = say_all(source_of_list(&fetch, pending, &whole), false);
    ck_assert_uint_gt(all.count, 4);
    for (int round = 0; round < 40 * ROUNDS; round++) {
        const char *prefix = bounds[random_below(&randomness, BOUNDS)];
        const char *start = bounds[random_below(&randomness, BOUNDS)];
        const char *end = bounds[random_below(&randomness, BOUNDS)];
        struct source_list list = {
            .prefix = slice_of(prefix, random_chance(&randomness, 50) ? strlen(prefix) : 0),
            .start = slice_of(start, random_chance(&randomness, 50) ? strlen(start) : 0),
            .end = slice_of(end, strlen(end)),
            .has_end = random_chance(&randomness, 50),
            .is_reverse = random_chance(&randomness, 50),
            .limit = random_below(&randomness, 5),
        };
        struct said said = say_all(source_of_list(&fetch, pending, &list), false);
        size_t count = 0;
        for (size_t i = 0; i < all.count && (list.limit == 0 || count < list.limit); i++) {
            struct slice name = name_said(&all, list.is_reverse ? all.count - 1 - i : i);
            if (slice_has_prefix(name, list.prefix) && slice_compare(name, list.start) >= 0 &&
                (!list.has_end || slice_compare(name, list.end) < 0)) {
                ck_assert_uint_lt(count, said.count);
                ck_assert(slice_equal(name_said(&said, count), name));
                count++;
            }
        }
        ck_assert_uint_eq(said.count, count);
        said_free(&said);
    }
    said_free(&all);
}
END_TEST

START_TEST(a_block_that_is_too_large_waits_and_is_next_all_the_same)
{
    static const uint64_t heights[] = {3, 4};
    struct engine_edits edits = {0};
    put_block(&edits, 3, DATA_BYTES / 2);
    put_block(&edits, 4, DATA_BYTES + 1);
    engine_edits_write(&edits, engine);
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_blocks blocks = {.first = 3, .last = 4, .parts = ALL_PARTS};
    for (int listed = 0; listed <= 1; listed++) {
        blocks.heights = listed ? heights : NULL;
        blocks.height_count = 2;
        struct source *source = source_of_blocks(&fetch, &blocks);
        struct fetched fetched = {0};
        ck_assert_int_eq(next_message(source, DATA_BYTES, &fetched, &failure), SOURCE_MESSAGE);
        free(fetched.frame);
        for (int i = 0; i < 2; i++) {
            fetched = (struct fetched){0};
            ck_assert_int_eq(next_message(source, DATA_BYTES, &fetched, &failure), SOURCE_NEEDS_ROOM);
            ck_assert_uint_eq(fetched.body_bytes, DATA_BYTES + 1);
        }
        ck_assert_int_eq(next_message(source, DATA_BYTES + 1, &fetched, &failure), SOURCE_MESSAGE);
        ck_assert_uint_gt(fetched.body_bytes, DATA_BYTES + 1);
        free(fetched.frame);
        ck_assert_int_eq(next_message(source, DATA_BYTES, &fetched, &failure), SOURCE_END);
        source_free(source);
    }
}
END_TEST

START_TEST(without_data_no_block_is_too_large)
{
    struct engine_edits edits = {0};
    put_block(&edits, 3, DATA_BYTES + 1);
    engine_edits_write(&edits, engine);
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_blocks blocks = {.first = 3, .last = 3, .parts = 1};
    struct source *source = source_of_blocks(&fetch, &blocks);
    struct fetched fetched = {0};
    ck_assert_int_eq(next_message(source, 0, &fetched, &failure), SOURCE_MESSAGE);
    free(fetched.frame);
    source_free(source);
}
END_TEST

/* The messages that come before the failure. */
static size_t said_before_damage(struct source *source, const char *text)
{
    size_t count = 0;
    enum source_result result;
    do {
        struct fetched fetched = {0};
        source_park(source);
        result = next_message(source, DATA_BYTES, &fetched, &failure);
        free(fetched.frame);
        count += result == SOURCE_MESSAGE;
    } while (result == SOURCE_MESSAGE);
    ck_assert_int_eq(result, SOURCE_FAILED);
    ck_assert(failure.status == STATUS_DAMAGED || failure.status == STATUS_IO_ERROR);
    ck_assert_msg(strstr(failure.text, text) != NULL, "%s", failure.text);
    source_park(source);
    source_free(source);
    return count;
}

/* A key longer than any of ours, behind the one of that height. */
static void put_long_key(enum key_kind kind, uint64_t height)
{
    uint8_t bytes[2 * KEY_BYTES_MAX] = {0};
    struct key key = key_of_height(CHAIN, kind, height);
    struct engine_edits edits = {0};
    memcpy(bytes, key.data, key.bytes);
    engine_edits_put(&edits, slice_of(bytes, sizeof bytes), slice_of("x", 1));
    engine_edits_write(&edits, engine);
}

START_TEST(a_stored_key_that_is_too_long_is_damage)
{
    static const enum key_kind kinds[] = {KEY_HEADER, KEY_DATA};
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_blocks blocks = {.first = 3, .last = 9, .parts = ALL_PARTS};
    struct engine_edits edits = {0};
    put_block(&edits, 3, DATA_BYTES / 2);
    put_block(&edits, 4, DATA_BYTES / 2);
    engine_edits_write(&edits, engine);
    put_long_key(kinds[_i], 3);
    size_t count = said_before_damage(source_of_blocks(&fetch, &blocks),
                                      _i == 0 ? "damaged store: a block has a key of 2074 bytes"
                                              : "damaged store: a block's data has a key of 2074 bytes");
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(a_stored_name_that_is_too_long_is_damage_and_not_the_end)
{
    uint8_t name[METADATA_NAME_BYTES_MAX];
    uint8_t bytes[KEY_BYTES_MAX];
    memset(name, 'a', sizeof name);
    struct key key = key_of_name(CHAIN, KEY_METADATA, slice_of(name, sizeof name));
    struct engine_edits edits = {0};
    memcpy(bytes, key.data, key.bytes);
    bytes[key.bytes] = 'a';
    engine_edits_put(&edits, slice_of(bytes, key.bytes + 1), slice_of("x", 1));
    engine_edits_write(&edits, engine);
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_list list = {.prefix = slice_of("a", 1)};
    (void)said_before_damage(source_of_list(&fetch, pending, &list),
                             "damaged store: a name has a key of 1030 bytes");
}
END_TEST

START_TEST(a_stored_name_without_a_byte_is_damage)
{
    struct key key = key_of_kind(CHAIN, KEY_METADATA);
    struct engine_edits edits = {0};
    engine_edits_put(&edits, key_slice(&key), slice_of("12345678value", 13));
    engine_edits_write(&edits, engine);
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_list list = {0};
    ck_assert_uint_eq(said_before_damage(source_of_list(&fetch, pending, &list),
                                         "damaged store: a name has a key of 5 bytes"),
                      0);
}
END_TEST

START_TEST(a_stored_record_without_a_byte_is_damage)
{
    struct key key = key_of_name(CHAIN, KEY_METADATA, slice_of("A", 1)); /* before all others */
    struct engine_edits edits = {0};
    engine_edits_put(&edits, key_slice(&key), slice_of("", 0));
    engine_edits_write(&edits, engine);
    struct fetch fetch = {.engine = engine, .chain = CHAIN};
    struct source_list list = {0};
    ck_assert_uint_eq(said_before_damage(source_of_list(&fetch, pending, &list),
                                         "damaged store: a metadata record of no bytes"),
                      0);
}
END_TEST

/* ---- on the fake engine ---- */

static struct source *make_source_on(struct engine *fake, unsigned kind)
{
    static const uint64_t heights[] = {2, 5, 1, 3};
    static const struct slice names[] = {{(const uint8_t *)"a1", 2}, {(const uint8_t *)"b2", 2}};
    struct fetch fetch = {.engine = fake, .chain = CHAIN};
    struct source_blocks blocks = {.first = 1, .last = 5, .parts = ALL_PARTS};
    if (kind == 1) {
        blocks.heights = heights;
        blocks.height_count = sizeof heights / sizeof heights[0];
    }
    return kind <= 1   ? source_of_blocks(&fetch, &blocks)
           : kind == 2 ? source_of_names(&fetch, pending, names, 2, 3)
                       : source_of_list(&fetch, pending, &(struct source_list){.parts = 3});
}

static enum source_result give_all(struct source *source, size_t *ret_count)
{
    enum source_result result;
    *ret_count = 0;
    do {
        struct fetched fetched = {0};
        result = next_message(source, DATA_BYTES, &fetched, &failure);
        *ret_count += result == SOURCE_MESSAGE;
        free(fetched.frame);
    } while (result == SOURCE_MESSAGE);
    source_free(source);
    return result;
}

/* Each kind of source meets a read that fails, at every place. */
START_TEST(a_read_that_fails_ends_the_answer_and_is_no_end_of_it)
{
    struct fake_disk *disk = fake_disk_new("source", 1);
    struct engine *fake = NULL;
    struct engine_config config = {.path = "source", .create = true};
    ck_assert_int_eq(engine_open(&engine_fake, &config, &fake, &failure), ENGINE_OK);
    struct engine_edits edits = {0};
    for (uint64_t height = 1; height <= 5; height++) {
        put_block(&edits, height, height == 4 ? 0 : DATA_BYTES / 2);
        put_name(&edits, (unsigned)height);
    }
    engine_edits_write(&edits, fake);
    for (unsigned kind = 0; kind < 4; kind++) {
        enum fake_call call = kind == 0 || kind == 3 ? FAKE_NEXT : FAKE_GET;
        size_t all, some;
        uint64_t before = fake_disk_calls(disk, call);
        ck_assert_int_eq(give_all(make_source_on(fake, kind), &all), SOURCE_END);
        unsigned reads = (unsigned)(fake_disk_calls(disk, call) - before);
        for (unsigned nth = 1; nth <= reads; nth++) {
            fake_disk_fault(disk, call, FAKE_FAILS, nth);
            ck_assert_int_eq(give_all(make_source_on(fake, kind), &some), SOURCE_FAILED);
            ck_assert_ptr_nonnull(strstr(failure.text, "fault injected"));
            ck_assert_uint_le(some, all);
        }
        ck_assert_int_eq(give_all(make_source_on(fake, kind), &some), SOURCE_END);
        ck_assert_uint_eq(some, all);
    }
    engine_close(fake, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("source", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, parking_changes_nothing_of_what_is_said);
    tcase_add_test(tests, a_list_is_what_lies_between_its_bounds_from_where_it_begins);
    tcase_add_test(tests, a_block_that_is_too_large_waits_and_is_next_all_the_same);
    tcase_add_loop_test(tests, a_stored_key_that_is_too_long_is_damage, 0, 2);
    tcase_add_test(tests, a_stored_name_that_is_too_long_is_damage_and_not_the_end);
    tcase_add_test(tests, a_stored_name_without_a_byte_is_damage);
    tcase_add_test(tests, a_stored_record_without_a_byte_is_damage);
    tcase_add_test(tests, a_read_that_fails_ends_the_answer_and_is_no_end_of_it);
    tcase_add_test(tests, without_data_no_block_is_too_large);
    return suite_run(suite, true);
}
