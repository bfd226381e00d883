/* Bad input (contract 7, 8 and the protocol's rules): each kind gets its documented status or a closed connection, is
 * counted once, and affects nobody else. */
#include <check.h>
#include <string.h>

#include "proto/limits.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { SOON_MS = 20000 };

/* The frame that tells of a bad header: id 0, the type of hello. */
static void expect_refused_and_closed(struct wire *wire)
{
    struct wire_frame *frame = wire_any_frame(wire);
    ck_assert_uint_eq(frame->header.id, 0);
    ck_assert_uint_eq(frame->header.type, FRAME_HELLO);
    ck_assert_int_eq(frame->header.status, STATUS_INVALID);
    ck_assert(wire_ends(wire, SOON_MS));
}

START_TEST(test_bytes_that_are_no_frame_are_invalid_and_closed)
{
    struct rig rig = rig_start("");
    struct wire bad = wire_connect(rig.daemon.socket);
    wire_send_bytes(&bad, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
    expect_refused_and_closed(&bad);
    wire_close(&bad);
    bad = rig_open(&rig);
    uint64_t id = wire_send(&bad, FRAME_PING, NULL);
    ck_assert_int_eq(reply_to(&bad, id).status, STATUS_OK);
    wire_send_bytes(&bad, "0123456789abcdef", 16);
    expect_refused_and_closed(&bad);
    wire_close(&bad);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_bad_header_bytes_each_close_the_connection)
{
    struct rig rig = rig_start("");
    static const struct {
        unsigned offset;
        uint8_t value;
    } spoiled[] = {{0, 0xCB}, {1, 0x82}, {2, 1}, {3, 1}};
    for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++) {
        struct wire bad = rig_open(&rig);
        struct frame_request request = {.type = FRAME_PING, .id = 77};
        uint8_t bytes[FRAME_REQUEST_BYTES];
        frame_request_encode(&request, bytes);
        bytes[spoiled[i].offset] = spoiled[i].value;
        wire_send_bytes(&bad, bytes, sizeof bytes);
        expect_refused_and_closed(&bad);
        wire_close(&bad);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_first_frame_must_be_hello)
{
    struct rig rig = rig_start("");
    struct wire bad = wire_connect(rig.daemon.socket);
    uint64_t id = wire_send(&bad, FRAME_PING, NULL);
    ck_assert_int_eq(reply_to(&bad, id).status, STATUS_INVALID);
    ck_assert(wire_ends(&bad, SOON_MS));
    wire_close(&bad);
    rig_end(&rig);
}
END_TEST

START_TEST(test_hello_without_common_version_is_unsupported)
{
    struct rig rig = rig_start("");
    struct wire late = wire_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_version_min = hello.has_version_max = true;
    hello.version_min = 2;
    hello.version_max = 9;
    struct reply reply = ask(&late, FRAME_HELLO, &hello);
    ck_assert_int_eq(reply.status, STATUS_UNSUPPORTED);
    wire_close(&late);
    late = wire_connect(rig.daemon.socket);
    hello.version_min = 1;
    ck_assert_uint_eq(ask_hello(&late, &hello)->version, 1);
    wire_close(&late);
    rig_end(&rig);
}
END_TEST

START_TEST(test_frame_over_bound_refused_before_body)
{
    struct rig rig = rig_start("--frame-bytes-max 64KiB");
    struct wire bad = rig_open(&rig);
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = (64 << 10) + 1, .id = 4711};
    uint8_t bytes[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, bytes);
    wire_send_bytes(&bad, bytes, sizeof bytes); /* and not one byte of the body */
    struct wire_frame *frame = wire_frame(&bad, 4711);
    ck_assert_uint_eq(frame->header.type, FRAME_COMMIT);
    ck_assert_int_eq(frame->header.status, STATUS_TOO_LARGE);
    ck_assert(wire_ends(&bad, SOON_MS));
    wire_close(&bad);
    rig_end(&rig);
}
END_TEST

START_TEST(test_frame_of_exactly_the_bound_is_taken)
{
    struct rig rig = rig_start("--frame-bytes-max 64KiB");
    Cairn__Commit *commit = commit_of_block(1, "header");
    commit->blocks[0]->data = bytes_random(1, 60000);
    size_t packed = cairn__commit__get_packed_size(commit);
    commit->blocks[0]->data = bytes_random(1, 60000 + (64 << 10) - packed);
    ck_assert_uint_eq(cairn__commit__get_packed_size(commit), 64 << 10);
    commit_ok(&rig.wire, commit);
    rig_end(&rig);
}
END_TEST

START_TEST(test_unknown_request_is_unsupported_connection_stays)
{
    struct rig rig = rig_start("");
    wire_send_frame(&rig.wire, 99, 1234, "body", 4);
    ck_assert_int_eq(reply_to(&rig.wire, 1234).status, STATUS_UNSUPPORTED);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_body_that_does_not_parse_or_lies_is_invalid_connection_stays)
{
    struct rig rig = rig_start("");
    static const struct {
        uint8_t type;
        const char *body;
        size_t n;
    } bad[] = {
        {FRAME_COMMIT, "\xff\xff\xff\xff", 4},
        {FRAME_COMMIT, "\x0a\x7f", 2},                         /* chain of 127 bytes that are not there */
        {FRAME_WRITE_METADATA, "\x22\xff\xff\xff\xff\x0f", 6}, /* an operation of 4 GiB */
        {FRAME_WRITE_METADATA, "\x22\x04\x0a\x10xx", 6},       /* a name longer than its operation */
        {FRAME_HEIGHT, "\x0a", 1},                             /* ends inside a field */
        {FRAME_GET_METADATA, "\x12\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x",
         13},                              /* length over 64 bits */
        {FRAME_READ_BLOCK, "\x13\x14", 2}, /* a group */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wire_send_frame(&rig.wire, bad[i].type, 1000 + i, bad[i].body, bad[i].n);
        struct reply reply = reply_to(&rig.wire, 1000 + i);
        ck_assert_msg(reply.status == STATUS_INVALID, "case %zu: %s", i, status_text(reply.status));
    }
    set(&rig.wire, "a", "still works");
    rig_end(&rig);
}
END_TEST

START_TEST(test_height_0_is_invalid_where_heights_start_at_1)
{
    struct rig rig = rig_start("");
    ck_assert_int_eq(ask_commit(&rig.wire, commit_of_block(0, "zero")).status, STATUS_INVALID);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(0)).status, STATUS_INVALID);
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_set_at("a", "1", 0))).status,
                     STATUS_INVALID);
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    ck_assert_int_eq(ask(&rig.wire, FRAME_READ_BLOCK, &read).status, STATUS_INVALID);
    rig_end(&rig);
}
END_TEST

START_TEST(test_requests_that_lack_what_they_need_are_invalid)
{
    struct rig rig = rig_start("");
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    ck_assert_int_eq(ask(&rig.wire, FRAME_READ_BLOCK, &read).status, STATUS_INVALID);
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    ck_assert_int_eq(ask(&rig.wire, FRAME_GET_METADATA, &get).status, STATUS_INVALID);
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(NULL)).status, STATUS_INVALID);
    Cairn__Rollback rollback = CAIRN__ROLLBACK__INIT;
    ck_assert_int_eq(ask_rollback(&rig.wire, &rollback).status, STATUS_INVALID);
    Cairn__MetadataOperation *nothing = operation_set("a", "1");
    nothing->operation_case = CAIRN__METADATA_OPERATION__OPERATION__NOT_SET;
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(nothing)).status, STATUS_INVALID);
    Cairn__MetadataOperation *keep = operation_delete("a");
    keep->delete_ = false;
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(keep)).status, STATUS_INVALID);
    Cairn__MetadataOperation *bound = operation_raise("a", 1);
    bound->has_of_height = true;
    bound->of_height = 1;
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(bound)).status, STATUS_INVALID);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_chain_names_outside_the_rule_are_invalid)
{
    struct rig rig = rig_start("");
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[65] = '\0';
    const char *const bad[] = {"", "a/b", "A", "a b", "\xc3\xa4", "a\n", longest, "a:"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct written refused = ask_create_chain(&rig.wire, bad[i]);
        ck_assert_msg(refused.status == STATUS_INVALID, "chain '%s': %s", bad[i],
                      status_text(refused.status));
    }
    longest[64] = '\0';
    ck_assert_int_eq(ask_create_chain(&rig.wire, longest).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_hash_of_0_bytes_is_invalid_and_of_65_refused)
{
    struct rig rig = rig_start("");
    static const size_t sizes[] = {0, 65, 64, 1};
    for (int i = 0; i < 4; i++) {
        Cairn__Commit *commit = commit_of_block(1, "x");
        commit->blocks[0]->has_hash = true;
        commit->blocks[0]->hash = bytes_random(9, sizes[i]);
        enum status status = ask_commit(&rig.wire, commit).status;
        bool refused = status == STATUS_INVALID || (i == 1 && status == STATUS_TOO_LARGE);
        ck_assert_msg(i < 2 ? refused : status == STATUS_OK, "%zu bytes: %s", sizes[i], status_text(status));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_more_than_16384_heights_or_names_are_refused)
{
    struct rig rig = rig_start("");
    uint64_t *heights = kept_alloc((READ_ITEMS_MAX + 1) * sizeof *heights);
    for (uint64_t i = 0; i <= READ_ITEMS_MAX; i++) {
        heights[i] = i + 1;
    }
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.heights = heights;
    read.n_heights = READ_ITEMS_MAX + 1;
    struct wire_stream stream = wire_stream(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, &read));
    ck_assert(stream.status == STATUS_TOO_LARGE || stream.status == STATUS_INVALID);
    ck_assert_uint_eq(stream.messages, 0);
    read.n_heights = READ_ITEMS_MAX;
    size_t n;
    receive_blocks(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, &read), &n);
    ck_assert_uint_eq(n, READ_ITEMS_MAX);
    rig_end(&rig);
}
END_TEST

START_TEST(test_credit_and_cancel_of_no_stream_have_no_reply)
{
    struct rig rig = rig_start("");
    wire_give_credit(&rig.wire, 4711, 100);
    wire_send_frame(&rig.wire, FRAME_CANCEL, 4711, NULL, 0);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    ck_assert_ptr_null(rig.wire.waiting);
    ck_assert_ptr_null(wire_try_frame(&rig.wire, 4711, 100));
    rig_end(&rig);
}
END_TEST

START_TEST(test_credit_beyond_all_bounds_hurts_nobody)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(5, 1 << 20);
    commit_ok(&rig.wire, commit);
    struct wire greedy = rig_open(&rig);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    uint64_t heights[64];
    for (size_t i = 0; i < 64; i++) {
        heights[i] = 1;
    }
    read.heights = heights;
    read.n_heights = 64;
    read.has_parts = read.has_window_bytes = true;
    read.parts = 15;
    read.window_bytes = 1000;
    uint64_t id = wire_send(&greedy, FRAME_READ_BLOCKS, &read);
    for (int i = 0; i < 3; i++) {
        wire_give_credit(&greedy, id, UINT64_MAX);
    }
    sleep_ms(200); /* it does not read: at most its window's bound waits for it */
    ck_assert_uint_le(status_number(&rig.wire, "replies.bytes"), REPLIES_BYTES_PER_CLIENT + (2 << 20));
    wire_close(&greedy);
    set(&rig.wire, "a", "x");
    rig_end(&rig);
}
END_TEST

START_TEST(test_bad_input_counted_once)
{
    struct rig rig = rig_start("");
    uint64_t before = status_number(&rig.wire, "frames.bad");
    for (int i = 1; i <= 3; i++) {
        struct wire bad = rig_open(&rig);
        wire_send_bytes(&bad, "no frame at all, but more bytes than one header", 47);
        ck_assert(wire_ends(&bad, SOON_MS));
        wire_close(&bad);
        ck_assert_uint_eq(status_number(&rig.wire, "frames.bad"), before + (uint64_t)i);
    }
    wire_send_frame(&rig.wire, FRAME_COMMIT, 55, "\xff\xff", 2);
    ck_assert_int_eq(reply_to(&rig.wire, 55).status, STATUS_INVALID);
    ck_assert_uint_eq(status_number(&rig.wire, "frames.bad"), before + 4);
    rig_end(&rig);
}
END_TEST

START_TEST(test_partial_frame_of_a_dead_client_is_dropped)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "cut");
    uint8_t body[256];
    size_t n = cairn__commit__pack(commit, body);
    uint8_t bytes[FRAME_REQUEST_BYTES + 256];
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = (uint32_t)n, .id = 9};
    frame_request_encode(&request, bytes);
    memcpy(bytes + FRAME_REQUEST_BYTES, body, n);
    for (size_t cut = 1; cut < FRAME_REQUEST_BYTES + n; cut += 5) {
        struct wire dying = rig_open(&rig);
        wire_send_bytes(&dying, bytes, cut);
        wire_close(&dying);
    }
    ck_assert(block_is(&rig.wire, 1, NULL));
    struct wire dying = rig_open(&rig);
    wire_send_bytes(&dying, bytes, FRAME_REQUEST_BYTES + n); /* a whole one is carried out */
    wire_close(&dying);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (!block_is(&rig.wire, 1, "cut")) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_frames_cut_in_any_place_arrive_all_the_same)
{
    struct rig rig = rig_start("");
    uint8_t bytes[4096];
    size_t n = 0;
    for (uint64_t i = 0; i < 20; i++) {
        uint8_t body[64];
        Cairn__WriteMetadata *write = metadata_new(operation_set(kept_format("%d", (int)i), "x"));
        size_t length = cairn__write_metadata__pack(write, body);
        struct frame_request request = {FRAME_WRITE_METADATA, (uint32_t)length, 100 + i};
        frame_request_encode(&request, bytes + n);
        memcpy(bytes + n + FRAME_REQUEST_BYTES, body, length);
        n += FRAME_REQUEST_BYTES + length;
    }
    for (size_t at = 0; at < n; at++) {
        wire_send_bytes(&rig.wire, bytes + at, 1);
    }
    for (uint64_t i = 0; i < 20; i++) {
        ck_assert_int_eq(reply_to(&rig.wire, 100 + i).status, STATUS_OK);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_random_bytes_never_hurt_anybody_else)
{
    struct rig rig = rig_start("");
    uint64_t seed = random_seed("bad input");
    struct random_source source = random_from(seed);
    set(&rig.wire, "a", "kept");
    for (int i = 0; i < 300; i++) {
        struct wire bad = random_chance(&source, 70) ? rig_open(&rig) : wire_connect(rig.daemon.socket);
        uint8_t body[256];
        size_t n = random_below(&source, sizeof body);
        random_fill(&source, body, n);
        if (random_chance(&source, 80)) {
            uint8_t types[] = {1, 3, 5, 16, 17, 18, 19, 20, 21, 22, 23, 24, 32, 33, 34, 35, 36};
            wire_send_frame(&bad, types[random_below(&source, sizeof types)], random_next(&source), body, n);
        } else {
            wire_send_bytes(&bad, body, n);
        }
        wire_poll(&bad, (int)random_below(&source, 3));
        wire_close(&bad);
        ck_assert(metadata_is(&rig.wire, "a", "kept"));
    }
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bad input", 60, &tests);
    tcase_add_test(tests, test_bytes_that_are_no_frame_are_invalid_and_closed);
    tcase_add_test(tests, test_bad_header_bytes_each_close_the_connection);
    tcase_add_test(tests, test_first_frame_must_be_hello);
    tcase_add_test(tests, test_hello_without_common_version_is_unsupported);
    tcase_add_test(tests, test_frame_over_bound_refused_before_body);
    tcase_add_test(tests, test_frame_of_exactly_the_bound_is_taken);
    tcase_add_test(tests, test_unknown_request_is_unsupported_connection_stays);
    tcase_add_test(tests, test_body_that_does_not_parse_or_lies_is_invalid_connection_stays);
    tcase_add_test(tests, test_height_0_is_invalid_where_heights_start_at_1);
    tcase_add_test(tests, test_requests_that_lack_what_they_need_are_invalid);
    tcase_add_test(tests, test_chain_names_outside_the_rule_are_invalid);
    tcase_add_test(tests, test_hash_of_0_bytes_is_invalid_and_of_65_refused);
    tcase_add_test(tests, test_more_than_16384_heights_or_names_are_refused);
    tcase_add_test(tests, test_credit_and_cancel_of_no_stream_have_no_reply);
    tcase_add_test(tests, test_credit_beyond_all_bounds_hurts_nobody);
    tcase_add_test(tests, test_bad_input_counted_once);
    tcase_add_test(tests, test_partial_frame_of_a_dead_client_is_dropped);
    tcase_add_test(tests, test_frames_cut_in_any_place_arrive_all_the_same);
    tcase_add_test(tests, test_random_bytes_never_hurt_anybody_else);
    return suite_run(suite, false);
}
