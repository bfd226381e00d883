/* Blocks and values so large that replies have room for one or two of them (contract 7): whoever waits for that room waits
 * for nothing else, holds up nobody who needs little, and has it in the end. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { LARGE_BYTES = 9000000 };

static const char *const room_for_one = "--frame-bytes-max 10MiB --replies-bytes-max 10MiB";
static const char *const room_for_two = "--frame-bytes-max 10MiB --replies-bytes-max 20MiB";

static void commit_large(struct rig *rig)
{
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, LARGE_BYTES);
    commit_ok(&rig->wire, commit);
}

static uint64_t send_stream(struct wire *wire)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = true;
    read.first = 1;
    read.last = 100;
    read.parts = CAIRN__PART__PART_DATA;
    return wire_send(wire, FRAME_READ_BLOCKS, &read);
}

static uint64_t send_read(struct wire *wire)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = 1;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_DATA;
    return wire_send(wire, FRAME_READ_BLOCK, &read);
}

static void assert_large_stream(struct wire *wire, uint64_t id)
{
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(wire, id, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert(bytes_same(blocks[0]->data, bytes_random(1, LARGE_BYTES)));
}

/* Has a stream hold the block, of which it reads no more than the first window. */
static uint64_t hold_large(struct wire *wire)
{
    uint64_t id = send_stream(wire);
    while (wire->waiting == NULL) {
        wire_poll(wire, 1000);
    }
    return id;
}

START_TEST(test_what_is_larger_than_half_the_room_is_streamed_and_read)
{
    struct rig rig = rig_start(room_for_one);
    commit_large(&rig);
    Cairn__Commit *commit = commit_new();
    Cairn__MetadataOperation *operation = operation_set("large", "");
    operation->value = bytes_random(2, LARGE_BYTES);
    commit_metadata(commit, operation);
    commit_ok(&rig.wire, commit);
    ProtobufCBinaryData names[] = {bytes_of("large"), bytes_of("none")};
    Cairn__GetMetadataMany get = CAIRN__GET_METADATA_MANY__INIT;
    get.n_names = 2;
    get.names = names;
    size_t n;
    Cairn__MetadataReply **replies =
        receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_GET_METADATA_MANY, &get), &n);
    ck_assert_uint_eq(n, 2);
    ck_assert(bytes_same(replies[0]->value, bytes_random(2, LARGE_BYTES)) && replies[1]->absent);
    replies = list_metadata(&rig.wire, "", &n);
    ck_assert_uint_eq(n, 1);
    assert_large_stream(&rig.wire, send_stream(&rig.wire));
    ck_assert_int_eq(reply_to(&rig.wire, send_read(&rig.wire)).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_large_stream_that_waits_holds_up_no_small_one)
{
    struct rig rig = rig_start(room_for_two);
    commit_large(&rig);
    set(&rig.wire, "a", "1");
    struct wire first = rig_open(&rig);
    struct wire second = rig_open(&rig);
    uint64_t held = hold_large(&first);
    uint64_t waiting = send_stream(&second);
    ck_assert_ptr_null(wire_try_frame(&second, waiting, 300));
    for (int i = 0; i < 10; i++) {
        size_t n;
        list_metadata(&rig.wire, "", &n);
        ck_assert_uint_eq(n, 1);
    }
    assert_large_stream(&first, held);
    assert_large_stream(&second, waiting);
    wire_close(&first);
    wire_close(&second);
    rig_end(&rig);
}
END_TEST

START_TEST(test_stream_goes_on_beside_a_large_read_of_its_connection_that_waits)
{
    struct rig rig = rig_start(room_for_two);
    commit_large(&rig);
    uint64_t held = hold_large(&rig.wire);
    uint64_t read = send_read(&rig.wire);
    sleep_ms(100);
    assert_large_stream(&rig.wire, held);
    ck_assert_int_eq(reply_to(&rig.wire, read).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_daemon_stops_while_large_streams_wait)
{
    struct rig rig = rig_start(room_for_two);
    commit_large(&rig);
    struct wire first = rig_open(&rig);
    struct wire second = rig_open(&rig);
    hold_large(&first);
    send_stream(&second);
    sleep_ms(100);
    rig_end(&rig);
    wire_close(&first);
    wire_close(&second);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("large", 60, &tests);
    tcase_add_test(tests, test_what_is_larger_than_half_the_room_is_streamed_and_read);
    tcase_add_test(tests, test_large_stream_that_waits_holds_up_no_small_one);
    tcase_add_test(tests, test_stream_goes_on_beside_a_large_read_of_its_connection_that_waits);
    tcase_add_test(tests, test_daemon_stops_while_large_streams_wait);
    return suite_run(suite, true);
}
