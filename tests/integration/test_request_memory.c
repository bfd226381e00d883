/* Memory for requests in flight (contract 7): room for a large frame is set aside, small ones are not held up by it, and all
 * together stay below their bound. */
#include <check.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

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
    uint64_t before = clock_ms();
    commit_ok(&rig.wire, commit);
    ck_assert_uint_lt(clock_ms() - before, (uint64_t)patience_ms(2000));
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

START_TEST(test_large_requests_in_flight_stay_below_their_bound)
{
    enum { BOUND = 4 << 20, SENDERS = 8, ID = 5 };
    struct rig rig = rig_start("--frame-bytes-max 1MiB --requests-bytes-max 4MiB");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    struct wire senders[SENDERS];
    ProtobufCBinaryData frames[SENDERS];
    size_t sent[SENDERS];
    for (size_t i = 0; i < SENDERS; i++) {
        Cairn__Commit *large = commit_of_block(i + 1, "large");
        large->blocks[0]->data = bytes_random(i, 900000);
        frames[i] = frame_of(large, ID);
        senders[i] = rig_open(&rig);
        sent[i] = wire_send_some(&senders[i], frames[i].data, frames[i].len, 100);
    }
    ck_assert_uint_gt(status_number(&rig.wire, "requests.bytes"), BOUND / 2); /* several are in there */
    ck_assert_uint_le(status_number(&rig.wire, "requests.bytes"), BOUND);
    trouble_thaw(&frozen);
    for (size_t i = 0; i < SENDERS; i++) { /* those who waited are served */
        wire_send_bytes(&senders[i], frames[i].data + sent[i], frames[i].len - sent[i]);
        ck_assert_int_eq(wire_frame(&senders[i], ID)->header.status, STATUS_OK);
        wire_close(&senders[i]);
    }
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
    return suite_run(suite, false);
}
