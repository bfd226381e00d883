/* What all encoders use: fields of values, and a frame of one or two messages. */
#include <string.h>

#include "client/message/encode_pack.h"
#include "proto/limits.h"
#include "tests/lib/suite.h"

START_TEST(an_empty_slice_is_an_absent_field)
{
    protobuf_c_boolean has = true;
    ProtobufCBinaryData data = {.len = 77};
    encode_bytes(cairn_text(""), &has, &data);
    ck_assert(!has && data.len == 0);
    has = true;
    encode_bytes(cairn_text(NULL), &has, &data);
    ck_assert(!has);
    encode_bytes(cairn_text("abc"), &has, &data);
    ck_assert(has && data.len == 3);
}
END_TEST

START_TEST(a_level_is_one_of_three_or_absent)
{
    protobuf_c_boolean has = true;
    Cairn__Level level;
    encode_level(CAIRN_LEVEL_DEFAULT, &has, &level);
    ck_assert(!has);
    for (int given = CAIRN_ACCEPTED; given <= CAIRN_DURABLE; given++) {
        encode_level((enum cairn_level)given, &has, &level);
        ck_assert(has);
        ck_assert_int_eq((int)level, given);
    }
}
END_TEST

START_TEST(body_and_tail_are_one_message)
{
    Cairn__Barrier body = CAIRN__BARRIER__INIT, tail = CAIRN__BARRIER__INIT;
    struct encoded encoded;
    struct frame_request header;
    tail.has_level = true;
    tail.level = CAIRN__LEVEL__LEVEL_WRITTEN;
    ck_assert_int_eq(encode_pack(FRAME_BARRIER, &body.base, &tail.base, &encoded), CAIRN_OK);
    ck_assert_int_eq(frame_request_decode(encoded.frame->data, &header), STATUS_OK);
    ck_assert_uint_eq(header.type, FRAME_BARRIER);
    ck_assert_uint_eq(header.body_bytes, encoded.frame->bytes - FRAME_REQUEST_BYTES);
    ck_assert_uint_eq(encoded.body_bytes, 0); /* the tail is not of what is kept */
    Cairn__Barrier *got =
        cairn__barrier__unpack(NULL, header.body_bytes, encoded.frame->data + FRAME_REQUEST_BYTES);
    ck_assert(got != NULL && got->has_level && got->level == CAIRN__LEVEL__LEVEL_WRITTEN);
    cairn__barrier__free_unpacked(got, NULL);
    frame_out_free(encoded.frame);
}
END_TEST

START_TEST(what_is_longer_than_any_frame_is_too_large_and_not_read)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    struct encoded encoded = {.body_bytes = 77};
    hello.has_client_name = true;
    hello.client_name = (ProtobufCBinaryData){.len = FRAME_BYTES_MAX, .data = NULL};
    ck_assert_int_eq(encode_pack(FRAME_HELLO, &hello.base, NULL, &encoded), CAIRN_TOO_LARGE);
    ck_assert_uint_eq(encoded.body_bytes, 77); /* untouched */
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("encode_pack", 20, &tests);
    tcase_add_test(tests, an_empty_slice_is_an_absent_field);
    tcase_add_test(tests, a_level_is_one_of_three_or_absent);
    tcase_add_test(tests, body_and_tail_are_one_message);
    tcase_add_test(tests, what_is_longer_than_any_frame_is_too_large_and_not_read);
    return suite_run(suite, true);
}
