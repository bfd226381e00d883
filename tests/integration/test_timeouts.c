/* Clients that are stuck (contract 7): each is given up after the time that a setting says, and the others go on. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    /* far above the time-outs below: until then what they have to bring about has come */
    LATE_MS = 60000
};

static void announce(struct wire *wire, uint32_t body_bytes, size_t sent_bytes)
{
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = body_bytes, .id = 9};
    uint8_t header[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, header);
    ck_assert(wire_send_bytes(wire, header, sizeof header));
    ck_assert_uint_eq(wire_send_some(wire, kept_alloc(sent_bytes), sent_bytes, LATE_MS), sent_bytes);
}

START_TEST(test_announced_frames_that_do_not_come_hold_nobody_up_for_ever)
{
    enum { ANNOUNCERS = 3, ANNOUNCED_BYTES = 60 << 20, SENT_BYTES = 1000 };
    struct rig rig = rig_start("--frame-timeout 4s");
    struct wire announcers[ANNOUNCERS];
    for (int i = 0; i < ANNOUNCERS; i++) {
        announcers[i] = rig_open(&rig);
        announce(&announcers[i], ANNOUNCED_BYTES, SENT_BYTES);
    }
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, 1 << 20);
    uint64_t id = wire_send(&rig.wire, FRAME_COMMIT, commit);
    struct wire_frame *frame = wire_try_frame(&rig.wire, id, LATE_MS);
    ck_assert(frame != NULL && frame->header.status == STATUS_OK);
    for (int i = 0; i < ANNOUNCERS; i++) {
        frame = wire_try_frame(&announcers[i], 9, LATE_MS);
        ck_assert(frame != NULL && frame->header.status == STATUS_BUSY);
        ck_assert_int_eq(frame->header.type, FRAME_COMMIT);
        ck_assert(wire_ends(&announcers[i], LATE_MS));
        wire_close(&announcers[i]);
    }
    ck_assert_uint_eq(status_number(&rig.wire, "connections.timed_out"), ANNOUNCERS);
    rig_end(&rig);
}
END_TEST

/* The time-out comes by a reload, when those who speak have said hello: no machine is too slow for that. */
START_TEST(test_connection_that_says_no_hello_ends)
{
    struct rig rig = {.daemon = daemon_new()};
    char *config = directory_path(&rig.daemon.home, "cairnd.conf");
    file_write(config, "hello_timeout = 1h\n");
    rig.daemon.environment[0] = "CAIRND_HELLO_TIMEOUT"; /* it would go before the file */
    daemon_start(&rig.daemon, kept_format("--config %s", config));
    rig.wire = rig_open(&rig);
    struct wire silent = wire_connect(rig.daemon.socket), half = wire_connect(rig.daemon.socket);
    wire_send_bytes(&half, "\xca\x01", 2);
    file_write(config, "hello_timeout = 100ms\n");
    daemon_signal(&rig.daemon, SIGHUP);
    commit_ok(&rig.wire, commit_of_block(1, "of another"));
    ck_assert(wire_ends(&silent, LATE_MS));
    ck_assert(wire_ends(&half, LATE_MS));
    ck_assert_int_eq(wire_take(&silent)->header.status, STATUS_INVALID);
    ck_assert_int_eq(wire_take(&half)->header.status, STATUS_INVALID);
    ck_assert_uint_eq(get_height(&rig.wire), 1); /* which is older, and has said hello */
    wire_close(&silent);
    wire_close(&half);
    rig_end(&rig);
}
END_TEST

START_TEST(test_client_that_takes_no_replies_loses_its_connection)
{
    struct rig rig = rig_start("--stream-timeout 500ms");
    struct wire deaf = rig_open(&rig);
    for (int i = 0; i < 2000; i++) { /* their replies: some megabytes */
        uint8_t header[FRAME_REQUEST_BYTES];
        struct frame_request request = {.type = FRAME_STATUS, .id = 1000 + (uint64_t)i};
        frame_request_encode(&request, header);
        if (wire_send_some(&deaf, header, sizeof header, 100) < sizeof header) {
            break;
        }
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(LATE_MS);
    while (status_number(&rig.wire, "connections") > 1) {
        ck_assert_uint_lt(clock_ms(), until);
        sleep_ms(10);
    }
    ck_assert_uint_eq(status_number(&rig.wire, "connections.timed_out"), 1);
    ck_assert(wire_ends(&deaf, LATE_MS));
    wire_close(&deaf);
    rig_end(&rig);
}
END_TEST

START_TEST(test_stream_without_credit_ends_and_its_connection_lives)
{
    enum { STREAMS = 3 };
    struct rig rig = rig_start("--stream-timeout 300ms");
    fill_blocks(&rig.wire, 1, 50);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = 50;
    read.parts = 15;
    uint64_t ids[STREAMS];
    for (uint64_t i = 0; i < STREAMS; i++) {
        read.window_bytes = 50 * i;
        ids[i] = wire_send(&rig.wire, FRAME_READ_BLOCKS, &read);
    }
    for (int i = 0; i < STREAMS; i++) {
        struct wire_frame *frame;
        do {
            frame = wire_try_frame(&rig.wire, ids[i], LATE_MS);
            ck_assert_ptr_nonnull(frame);
        } while ((frame->header.flags & (FRAME_MORE | FRAME_CONTINUED)) != 0);
        ck_assert_int_eq(frame->header.status, STATUS_BUSY);
    }
    ck_assert_uint_eq(status_number(&rig.wire, "streams.open"), 0);
    read.window_bytes = 1 << 20;
    size_t n;
    receive_blocks(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, &read), &n);
    ck_assert_uint_eq(n, 50);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("timeouts", 120, &tests);
    tcase_add_test(tests, test_announced_frames_that_do_not_come_hold_nobody_up_for_ever);
    tcase_add_test(tests, test_connection_that_says_no_hello_ends);
    tcase_add_test(tests, test_client_that_takes_no_replies_loses_its_connection);
    tcase_add_test(tests, test_stream_without_credit_ends_and_its_connection_lives);
    return suite_run(suite, false);
}
