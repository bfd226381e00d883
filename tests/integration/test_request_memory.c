/* Memory for requests in flight (contract 7): room for a large frame is set aside, small ones are not held up by it, and all
 * together stay below their bound. */
#include <check.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { SOON_MS = 20000 };

START_TEST(test_half_sent_large_frames_hold_up_no_small_ones)
{
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 2MiB");
    enum { HALVES = 4 };
    struct wire halves[HALVES];
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = 1 << 20, .id = 5};
    uint8_t header[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, header);
    ProtobufCBinaryData part = bytes_random(4, 200000);
    for (int i = 0; i < HALVES; i++) {
        halves[i] = rig_open(&rig);
        wire_send_bytes(&halves[i], header, sizeof header);
        wire_send_some(&halves[i], part.data, part.len, 50);
    }
    for (int i = 0; i < 20; i++) {
        set(&rig.wire, "small", "x");
        commit_ok(&rig.wire, commit_of_block((uint64_t)i + 1, "small"));
    }
    for (int i = 0; i < HALVES; i++) {
        wire_close(&halves[i]);
    }
    Cairn__Commit *large = commit_of_block(50, "large");
    large->blocks[0]->data = bytes_random(5, 900000);
    commit_ok(&rig.wire, large); /* what the dead had set aside is there again */
    ck_assert_uint_eq(get_height(&rig.wire), 50);
    rig_end(&rig);
}
END_TEST

START_TEST(test_frame_of_exactly_the_bound_is_taken)
{
    enum { BOUND = 1 << 20 };
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 2MiB");
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, BOUND - 100);
    commit->blocks[0]->data = bytes_random(1, 2 * BOUND - 100 - cairn__commit__get_packed_size(commit));
    ck_assert_uint_eq(cairn__commit__get_packed_size(commit), BOUND);
    commit_ok(&rig.wire, commit);
    ck_assert_uint_eq(get_block(&rig.wire, 1, 15)->data.len, commit->blocks[0]->data.len);
    rig_end(&rig);
}
END_TEST

static ProtobufCBinaryData frame_of(const Cairn__Commit *commit, uint64_t id)
{
    size_t body = cairn__commit__get_packed_size(commit);
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = (uint32_t)body, .id = id};
    uint8_t *bytes = kept_alloc(FRAME_REQUEST_BYTES + body);
    frame_request_encode(&request, bytes);
    cairn__commit__pack(commit, bytes + FRAME_REQUEST_BYTES);
    return (ProtobufCBinaryData){FRAME_REQUEST_BYTES + body, bytes};
}

static Cairn__Commit *large_commit(uint64_t height, size_t bytes)
{
    Cairn__Commit *commit = commit_of_block(height, "large");
    commit->blocks[0]->data = bytes_random(height, bytes);
    return commit;
}

START_TEST(test_large_requests_in_flight_stay_below_their_bound)
{
    enum { BOUND = 4 << 20, SENDERS = 8, ID = 5 };
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 4MiB");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    struct wire senders[SENDERS];
    ProtobufCBinaryData frames[SENDERS];
    size_t sent[SENDERS];
    for (size_t i = 0; i < SENDERS; i++) {
        frames[i] = frame_of(large_commit(i + 1, 900000), ID);
        senders[i] = rig_open(&rig);
        sent[i] = wire_send_some(&senders[i], frames[i].data, frames[i].len, 100);
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig.wire, "requests.bytes") <= BOUND / 2) { /* several are in there */
        ck_assert_uint_lt(clock_ms(), until);
    }
    ck_assert_uint_le(status_number(&rig.wire, "requests.bytes"),
                      BOUND + (1 << 20)); /* with what small ones keep */
    trouble_thaw(&frozen);
    for (size_t i = 0; i < SENDERS; i++) { /* those who waited are served */
        wire_send_bytes(&senders[i], frames[i].data + sent[i], frames[i].len - sent[i]);
        ck_assert_int_eq(wire_frame(&senders[i], ID)->header.status, STATUS_OK);
        wire_close(&senders[i]);
    }
    rig_end(&rig);
}
END_TEST

/* A commit of so many bytes that says nothing but blocks without a field: more than its length allows it to unpack to. */
static ProtobufCBinaryData frame_of_empty_blocks(size_t body_bytes, uint64_t id)
{
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = (uint32_t)body_bytes, .id = id};
    uint8_t *bytes = kept_alloc(FRAME_REQUEST_BYTES + body_bytes);
    frame_request_encode(&request, bytes);
    for (size_t i = 0; i + 1 < body_bytes; i += 2) {
        memcpy(bytes + FRAME_REQUEST_BYTES + i, (const uint8_t[]){0x32, 0x00}, 2);
    }
    return (ProtobufCBinaryData){FRAME_REQUEST_BYTES + body_bytes, bytes};
}

/* What many small parts unpack to, here 6 MB, was not set aside: beside others one has it at a time, and the others wait. */
START_TEST(test_frames_that_unpack_to_much_more_wait_for_each_other_and_none_is_busy)
{
    enum { BOUND = 4 << 20, SENDERS = 6, ID = 5, OPERATIONS = 40000, LARGE = 2 };
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 4MiB");
    Cairn__Commit *commit = commit_of_block(1, "x");
    commit->n_metadata = OPERATIONS;
    commit->metadata = kept_alloc(OPERATIONS * sizeof commit->metadata[0]);
    for (size_t i = 0; i < OPERATIONS; i++) {
        commit->metadata[i] = operation_set("a", "");
    }
    ProtobufCBinaryData good = frame_of(commit, ID), large = frame_of_empty_blocks(200000, ID);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    struct wire senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = rig_open(&rig);
        wire_send_bytes(&senders[i], (i == LARGE ? large : good).data, (i == LARGE ? large : good).len - 1);
    }
    for (int i = 0; i < SENDERS; i++) {
        const ProtobufCBinaryData *frame = i == LARGE ? &large : &good;
        wire_send_bytes(&senders[i], frame->data + frame->len - 1, 1);
    }
    sleep_ms(100);
    ck_assert_uint_le(status_number(&rig.wire, "requests.bytes"),
                      3 * BOUND); /* all reservations, one unpacked */
    trouble_thaw(&frozen);
    for (int i = 0; i < SENDERS; i++) {
        int status = wire_frame(&senders[i], ID)->header.status;
        ck_assert_msg(status == (i == LARGE ? STATUS_TOO_LARGE : STATUS_OK), "sender %d: status %d", i,
                      status);
        wire_close(&senders[i]);
    }
    commit->blocks[0]->height = 2;
    commit_ok(&rig.wire, commit); /* alone it has what it takes */
    rig_end(&rig);
}
END_TEST

/* A stream that says nothing more: its window is used up. */
static void open_stream(struct wire *wire, size_t names, size_t name_bytes)
{
    Cairn__GetMetadataMany many = CAIRN__GET_METADATA_MANY__INIT;
    ProtobufCBinaryData name = bytes_random(1, name_bytes);
    many.n_names = names;
    many.names = kept_alloc(names * sizeof many.names[0]);
    for (size_t i = 0; i < names; i++) {
        many.names[i] = name;
    }
    many.has_window_bytes = true;
    many.window_bytes = 100;
    wire_frame(wire, wire_send(wire, FRAME_GET_METADATA_MANY, &many));
}

START_TEST(test_small_requests_that_stay_keep_no_large_one_out)
{
    struct rig rig = rig_start("");
    struct wire scans = rig_open(&rig);
    for (int i = 0; i < 20; i++) {
        open_stream(&scans, 16384, 1);
    }
    ck_assert_uint_gt(status_number(&rig.wire, "requests.bytes"), 10 << 20);
    commit_ok(&rig.wire, large_commit(1, 100000));
    ck_assert_uint_eq(get_height(&rig.wire), 1);
    wire_close(&scans);
    rig_end(&rig);
}
END_TEST

START_TEST(test_large_requests_that_stay_keep_no_frame_out)
{
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 2MiB");
    struct wire scan = rig_open(&rig);
    open_stream(&scan, 2000, 50);
    commit_ok(&rig.wire, large_commit(1, 1040000));
    commit_ok(&rig.wire, large_commit(2, 70000));
    wire_close(&scan);
    rig_end(&rig);
}
END_TEST

START_TEST(test_half_sent_frame_leaves_room_for_another)
{
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 4MiB");
    struct wire half = rig_open(&rig);
    ProtobufCBinaryData frame = frame_of(large_commit(1, 1040000), 5);
    wire_send_bytes(&half, frame.data, 1000);
    sleep_ms(100);
    commit_ok(&rig.wire, large_commit(1, 1040000));
    wire_close(&half);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("request memory", 60, &tests);
    tcase_add_test(tests, test_half_sent_large_frames_hold_up_no_small_ones);
    tcase_add_test(tests, test_frame_of_exactly_the_bound_is_taken);
    tcase_add_test(tests, test_large_requests_in_flight_stay_below_their_bound);
    tcase_add_test(tests, test_frames_that_unpack_to_much_more_wait_for_each_other_and_none_is_busy);
    tcase_add_test(tests, test_small_requests_that_stay_keep_no_large_one_out);
    tcase_add_test(tests, test_large_requests_that_stay_keep_no_frame_out);
    tcase_add_test(tests, test_half_sent_frame_leaves_room_for_another);
    return suite_run(suite, false);
}
