/* Fetch, on the fake engine: what each end of a fetch means, that damage is never absence, and that the cache and the engine
 * say the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/read/fetch.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"
#include "proto/cairn.pb-c.h"
#include "proto/frame.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/suite.h"

enum {
    CHAIN = 7,
    HEIGHT = 5,
    HEADER = CAIRN__PART__PART_HEADER,
    ALL_PARTS = HEADER | CAIRN__PART__PART_DATA | CAIRN__PART__PART_SIGNATURE | CAIRN__PART__PART_HASH,
    ROOM = 100,
};

static struct fake_disk *disk;
static struct engine *engine;
static struct fetch fetch;
static struct fetched fetched;
static struct failure failure;

/* ---- fixture ---- */

static void setup(void)
{
    struct engine_config config = {.path = "disk", .create = true};
    disk = fake_disk_new("disk", 1);
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
    fetch =
        (struct fetch){.engine = engine, .reach = ENGINE_MAY_BLOCK, .data_bytes_max = ROOM, .chain = CHAIN};
    fetched = (struct fetched){0};
    failure = (struct failure){0};
}

static void drop(void)
{
    free(fetched.frame);
    fetched = (struct fetched){0};
}

static void teardown(void)
{
    drop();
    record_cache_free(fetch.cache);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

static struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

static void put(struct key key, struct slice value)
{
    struct engine_edits edits = {0};
    engine_edits_put(&edits, key_slice(&key), value);
    engine_edits_write(&edits, engine);
}

/* A header record that speaks of so many bytes of data. */
static void put_header(uint64_t data_bytes)
{
    struct header_record record = {
        .data_bytes = data_bytes, .hash = text("hash"), .header = text("header"), .signature = text("sig")};
    uint8_t bytes[100];
    ck_assert_uint_le(record_header_bytes(&record), sizeof bytes);
    record_write_header(&record, bytes);
    put(key_of_height(CHAIN, KEY_HEADER, HEIGHT), slice_of(bytes, record_header_bytes(&record)));
}

static void put_block(const char *data)
{
    put_header(strlen(data));
    put(key_of_height(CHAIN, KEY_DATA, HEIGHT), text(data));
}

static void put_metadata(const char *name, uint64_t of_height, const char *value)
{
    uint8_t record[RECORD_METADATA_HEAD_BYTES + 50];
    ck_assert_uint_le(strlen(value), 50);
    record_put_u64(of_height, record);
    memcpy(record + RECORD_METADATA_HEAD_BYTES, value, strlen(value));
    put(key_of_name(CHAIN, KEY_METADATA, text(name)),
        slice_of(record, RECORD_METADATA_HEAD_BYTES + strlen(value)));
}

static enum fetch_result block(uint32_t parts)
{
    drop();
    return fetch_block(&fetch, HEIGHT, parts, &fetched, &failure);
}

static enum fetch_result metadata_parts(const char *name, struct metadata_change change, uint32_t parts,
                                        bool with_name)
{
    struct fetch_metadata_asked asked = {parts, with_name};
    drop();
    return fetch_metadata(&fetch, text(name), change, asked, &fetched, &failure);
}

static enum fetch_result metadata(const char *name, struct metadata_change change)
{
    return metadata_parts(name, change, fetch_metadata_parts_default(), true);
}

/* What a fetch of each kind of record ends with. */
static enum fetch_result fetch_any(int kind)
{
    uint64_t height;
    drop();
    switch (kind) {
    case 0:
        return block(HEADER);
    case 1:
        return block(ALL_PARTS);
    case 2:
        return fetch_state(&fetch, HEIGHT, &fetched, &failure);
    case 3:
        return metadata("name", (struct metadata_change){0});
    default:
        return fetch_height_of_hash(&fetch, text("hash"), &height, &failure);
    }
}

enum { KINDS = 5 };

static void put_all(void)
{
    uint8_t height[8];
    record_put_u64(HEIGHT, height);
    put_block("data");
    put(key_of_height(CHAIN, KEY_STATE, HEIGHT), text("state"));
    put_metadata("name", 0, "value");
    put(key_of_name(CHAIN, KEY_HASH, text("hash")), slice_of(height, sizeof height));
}

static void assert_damaged(enum fetch_result result, const char *what)
{
    ck_assert_int_eq(result, FETCH_FAILED);
    ck_assert_ptr_null(fetched.frame);
    ck_assert_msg(strstr(failure.text, what) != NULL, "%s", failure.text);
    ck_assert_ptr_nonnull(strstr(failure.text, "damaged store"));
}

/* ---- reading the messages ---- */

static Cairn__BlockReply *block_reply(void)
{
    Cairn__BlockReply *reply =
        cairn__block_reply__unpack(NULL, fetched.body_bytes, fetched.frame + FRAME_REPLY_BYTES);
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static Cairn__MetadataReply *metadata_reply(void)
{
    Cairn__MetadataReply *reply =
        cairn__metadata_reply__unpack(NULL, fetched.body_bytes, fetched.frame + FRAME_REPLY_BYTES);
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static void assert_bytes(ProtobufCBinaryData bytes, const char *expected)
{
    ck_assert(slice_equal(slice_of(bytes.data, bytes.len), text(expected)));
}

/* ---- blocks ---- */

START_TEST(a_block_is_the_parts_that_were_asked_for)
{
    put_block("data");
    ck_assert_int_eq(block(ALL_PARTS), FETCH_FOUND);
    Cairn__BlockReply *reply = block_reply();
    ck_assert_uint_eq(reply->height, HEIGHT);
    assert_bytes(reply->header, "header");
    assert_bytes(reply->data, "data");
    assert_bytes(reply->signature, "sig");
    assert_bytes(reply->hash, "hash");
    cairn__block_reply__free_unpacked(reply, NULL);
    ck_assert_int_eq(block(HEADER), FETCH_FOUND);
    reply = block_reply();
    assert_bytes(reply->header, "header");
    ck_assert(!reply->has_data && !reply->has_signature && !reply->has_hash && !reply->has_absent);
    cairn__block_reply__free_unpacked(reply, NULL);
    ck_assert_int_eq(block(0), FETCH_FOUND); /* no part: whether it is there */
    ck_assert(fetch_parts_are_valid(ALL_PARTS) && !fetch_parts_are_valid(ALL_PARTS + 1));
}
END_TEST

START_TEST(absent_and_pruned_records_are_absent)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ck_assert_int_eq(fetch_any(kind), FETCH_ABSENT);
    }
    put_all();
    for (int kind = 0; kind < KINDS; kind++) {
        ck_assert_int_eq(fetch_any(kind), FETCH_FOUND);
    }
    fetch.marks.blocks_pruned = HEIGHT;
    fetch.marks.states_from = HEIGHT + 1;
    for (int kind = 0; kind <= 2; kind++) {
        ck_assert_int_eq(fetch_any(kind), FETCH_ABSENT);
    }
    put_metadata("name", HEIGHT, "bound to a pruned height");
    ck_assert_int_eq(fetch_any(3), FETCH_ABSENT);
    fetch.marks.blocks_pruned = HEIGHT - 1;
    fetch.marks.states_from = HEIGHT;
    for (int kind = 0; kind <= 3; kind++) {
        ck_assert_int_eq(fetch_any(kind), FETCH_FOUND);
    }
}
END_TEST

START_TEST(of_a_name_a_message_says_what_was_asked_for)
{
    enum { VALUE = 1, BINDING = 2, SIZE = 4, ALL = 7 };
    const struct metadata_change set = {
        .kind = METADATA_SET, .of_height = 11, .value = slice_of("queued", 6)};
    put_metadata("name", 11, "stored");
    for (uint32_t parts = 0; parts <= ALL; parts++) {
        for (int i = 0; i < 4; i++) {
            bool is_queued = i & 1, with_name = i & 2;
            struct metadata_change change = is_queued ? set : (struct metadata_change){0};
            ck_assert_int_eq(metadata_parts("name", change, parts, with_name), FETCH_FOUND);
            Cairn__MetadataReply *reply = metadata_reply();
            ck_assert(reply->has_name == with_name && !reply->has_absent);
            ck_assert(reply->has_value == ((parts & VALUE) != 0));
            ck_assert(reply->has_of_height == ((parts & BINDING) != 0));
            ck_assert(reply->has_size == ((parts & SIZE) != 0));
            assert_bytes(reply->value, !reply->has_value ? "" : is_queued ? "queued" : "stored");
            ck_assert(reply->of_height == (reply->has_of_height ? 11 : 0));
            ck_assert(reply->size == (reply->has_size ? 6 : 0));
            ck_assert(parts != 0 || with_name || fetched.body_bytes == 0);
            cairn__metadata_reply__free_unpacked(reply, NULL);
        }
        ck_assert_int_eq(metadata_parts("none", (struct metadata_change){0}, parts, true), FETCH_ABSENT);
        ck_assert(fetch_metadata_parts_are_valid(parts));
        ck_assert(fetch_asks_for_value(parts) == ((parts & VALUE) != 0));
    }
    ck_assert(!fetch_metadata_parts_are_valid(ALL + 1));
    ck_assert_uint_eq(fetch_metadata_parts_default(), VALUE | BINDING);
}
END_TEST

START_TEST(a_failed_read_is_never_absence)
{
    for (int with_records = 0; with_records < 2; with_records++) {
        for (int kind = 0; kind < KINDS; kind++) {
            failure = (struct failure){0};
            fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
            ck_assert_int_eq(fetch_any(kind), FETCH_FAILED);
            ck_assert_ptr_null(fetched.frame);
            ck_assert_ptr_nonnull(strstr(failure.text, "fault injected"));
        }
        put_all();
    }
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 2); /* the data, behind its header */
    ck_assert_int_eq(block(ALL_PARTS), FETCH_FAILED);
    ck_assert_ptr_null(fetched.frame);
}
END_TEST

START_TEST(what_takes_io_would_block_only_without_io)
{
    put_all();
    uint8_t first = 0, behind[] = {0xFF};
    fake_disk_set_cold(disk, slice_of(&first, 1), slice_of(behind, 1));
    for (int kind = 0; kind < KINDS; kind++) {
        fetch.reach = ENGINE_NO_IO;
        ck_assert_int_eq(fetch_any(kind), FETCH_WOULD_BLOCK);
        ck_assert_ptr_null(fetched.frame);
        ck_assert_uint_eq(fetched.body_bytes, 0); /* how large it is stands in what was not read */
        fetch.reach = ENGINE_MAY_BLOCK;
        ck_assert_int_eq(fetch_any(kind), FETCH_FOUND);
    }
}
END_TEST

START_TEST(data_that_takes_io_says_how_large_it_is)
{
    put_block("data");
    struct key from = key_of_kind(CHAIN, KEY_DATA), to = key_behind_kind(CHAIN, KEY_DATA);
    fake_disk_set_cold(disk, key_slice(&from), key_slice(&to));
    fetch.reach = ENGINE_NO_IO;
    ck_assert_int_eq(block(HEADER), FETCH_FOUND);
    ck_assert_int_eq(block(ALL_PARTS), FETCH_WOULD_BLOCK);
    ck_assert_ptr_null(fetched.frame);
    ck_assert_uint_eq(fetched.body_bytes, strlen("data"));
}
END_TEST

START_TEST(data_beyond_the_room_is_not_read)
{
    put_header(ROOM + 1); /* no data is there: it would be damage to read it */
    ck_assert_int_eq(block(ALL_PARTS), FETCH_NEEDS_ROOM);
    ck_assert_ptr_null(fetched.frame);
    ck_assert_uint_eq(fetched.body_bytes, ROOM + 1);
    ck_assert_int_eq(block(HEADER), FETCH_FOUND);
    fetch.data_bytes_max = ROOM + 1;
    assert_damaged(block(ALL_PARTS), "block's data");
}
END_TEST

/* ---- damage ---- */

START_TEST(a_record_that_cannot_be_understood_is_damage)
{
    put_all();
    put(key_of_height(CHAIN, KEY_HEADER, HEIGHT), text("no header record"));
    assert_damaged(block(HEADER), "header record");
    put(key_of_height(CHAIN, KEY_HEADER, HEIGHT), text(""));
    assert_damaged(block(HEADER), "header record");
    put(key_of_name(CHAIN, KEY_METADATA, text("name")), text("short"));
    assert_damaged(metadata("name", (struct metadata_change){0}), "metadata record");
    put(key_of_name(CHAIN, KEY_HASH, text("hash")), text("not eight bytes"));
    assert_damaged(fetch_any(4), "hash index entry");
}
END_TEST

START_TEST(data_that_does_not_fit_to_its_header_is_damage)
{
    static const char *const others[] = {"dat", "data!", ""};
    put_header(4);
    assert_damaged(block(ALL_PARTS), "block's data"); /* none is there */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put(key_of_height(CHAIN, KEY_DATA, HEIGHT), text(others[i]));
        assert_damaged(block(ALL_PARTS), "block's data");
    }
    uint8_t header[100];
    struct header_record record = {.data_bytes = 4, .hash = text("hash"), .header = text("header")};
    record_write_header(&record, header);
    struct slice stored = slice_of(header, record_header_bytes(&record));
    assert_damaged(fetch_block_of(&fetch, HEIGHT, ALL_PARTS, stored, text("dat"), &fetched, &failure),
                   "block's data");
    assert_damaged(fetch_block_of(&fetch, HEIGHT, HEADER, text("x"), text(""), &fetched, &failure),
                   "header record");
    ck_assert_int_eq(fetch_block_of(&fetch, HEIGHT, ALL_PARTS, stored, text("data"), &fetched, &failure),
                     FETCH_FOUND);
}
END_TEST

/* In the cache an empty record means that there is none. */
START_TEST(an_empty_record_is_damage_each_time)
{
    thread_set_role(THREAD_LOOP);
    fetch.reach = ENGINE_NO_IO;
    fetch.cache = record_cache_new(1 << 20);
    put(key_of_height(CHAIN, KEY_HEADER, HEIGHT), text(""));
    put(key_of_name(CHAIN, KEY_METADATA, text("name")), text(""));
    for (int i = 0; i < 2; i++) {
        assert_damaged(block(HEADER), "header record");
        assert_damaged(metadata("name", (struct metadata_change){0}), "metadata record");
    }
}
END_TEST

/* ---- metadata ---- */

START_TEST(what_is_queued_goes_before_what_is_stored)
{
    struct metadata_change set = {.kind = METADATA_SET, .value = text("queued"), .of_height = HEIGHT};
    struct metadata_change raise = {.raise = 9};
    put_metadata("name", 3, "stored");
    put(key_of_name(CHAIN, KEY_METADATA, text("broken")), text("short"));
    ck_assert_int_eq(metadata("name", set), FETCH_FOUND);
    Cairn__MetadataReply *reply = metadata_reply();
    assert_bytes(reply->name, "name");
    assert_bytes(reply->value, "queued");
    ck_assert_uint_eq(reply->of_height, HEIGHT);
    cairn__metadata_reply__free_unpacked(reply, NULL);
    ck_assert_int_eq(metadata("name", (struct metadata_change){.kind = METADATA_DELETE}), FETCH_ABSENT);
    ck_assert_int_eq(metadata("broken", set), FETCH_FOUND); /* it is not read */
    assert_damaged(metadata("broken", raise), "metadata record");
    ck_assert_int_eq(metadata("name", raise), FETCH_FOUND);
    reply = metadata_reply();
    ck_assert(reply->value.len == 8 && reply->value.data[0] == 9 && !reply->has_of_height);
    cairn__metadata_reply__free_unpacked(reply, NULL);
}
END_TEST

START_TEST(absence_in_a_stream_is_a_message)
{
    fetched = fetch_absent_block(HEIGHT);
    Cairn__BlockReply *reply = block_reply();
    ck_assert(reply->absent && reply->height == HEIGHT && !reply->has_header);
    cairn__block_reply__free_unpacked(reply, NULL);
    drop();
    fetched = fetch_absent_metadata(text("name"));
    Cairn__MetadataReply *metadata_absent = metadata_reply();
    ck_assert(metadata_absent->absent && !metadata_absent->has_value);
    assert_bytes(metadata_absent->name, "name");
    cairn__metadata_reply__free_unpacked(metadata_absent, NULL);
}
END_TEST

/* ---- the cache ---- */

START_TEST(what_the_engine_said_is_not_asked_again)
{
    thread_set_role(THREAD_LOOP);
    fetch.reach = ENGINE_NO_IO;
    fetch.cache = record_cache_new(1 << 20);
    put_block("data");
    put_metadata("name", 0, "value");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(block(ALL_PARTS), FETCH_FOUND);
        ck_assert_int_eq(metadata("name", (struct metadata_change){0}), FETCH_FOUND);
        ck_assert_int_eq(metadata("absent", (struct metadata_change){0}), FETCH_ABSENT);
        ck_assert_uint_eq(fake_disk_calls(disk, FAKE_GET), 4); /* header, data and two names, once each */
    }
}
END_TEST

START_TEST(what_could_not_be_read_is_not_put_into_the_cache)
{
    thread_set_role(THREAD_LOOP);
    fetch.reach = ENGINE_NO_IO;
    fetch.cache = record_cache_new(1 << 20);
    put_block("data");
    put_metadata("name", 0, "value");
    for (int i = 0; i < 2; i++) {
        enum fake_fault fault = i == 0 ? FAKE_FAILS : FAKE_BLOCKS;
        enum fetch_result expected = i == 0 ? FETCH_FAILED : FETCH_WOULD_BLOCK;
        fake_disk_fault(disk, FAKE_GET, fault, 1);
        ck_assert_int_eq(metadata("name", (struct metadata_change){0}), expected);
        fake_disk_fault(disk, FAKE_GET, fault, i == 0 ? 2 : 1); /* the header is known by the second time */
        ck_assert_int_eq(block(ALL_PARTS), expected);
    }
    ck_assert_int_eq(metadata("name", (struct metadata_change){0}), FETCH_FOUND);
    ck_assert_int_eq(block(ALL_PARTS), FETCH_FOUND);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("fetch", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_block_is_the_parts_that_were_asked_for);
    tcase_add_test(tests, absent_and_pruned_records_are_absent);
    tcase_add_test(tests, of_a_name_a_message_says_what_was_asked_for);
    tcase_add_test(tests, a_failed_read_is_never_absence);
    tcase_add_test(tests, what_takes_io_would_block_only_without_io);
    tcase_add_test(tests, data_that_takes_io_says_how_large_it_is);
    tcase_add_test(tests, data_beyond_the_room_is_not_read);
    tcase_add_test(tests, a_record_that_cannot_be_understood_is_damage);
    tcase_add_test(tests, data_that_does_not_fit_to_its_header_is_damage);
    tcase_add_test(tests, an_empty_record_is_damage_each_time);
    tcase_add_test(tests, what_is_queued_goes_before_what_is_stored);
    tcase_add_test(tests, absence_in_a_stream_is_a_message);
    tcase_add_test(tests, what_the_engine_said_is_not_asked_again);
    tcase_add_test(tests, what_could_not_be_read_is_not_put_into_the_cache);
    return suite_run(suite, false);
}
