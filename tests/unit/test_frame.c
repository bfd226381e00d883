/* Headers: their bytes as documented, what is refused, and that values survive the way there and back. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

START_TEST(request_header_has_the_documented_bytes)
{
    const uint8_t expected[FRAME_REQUEST_BYTES] = {0xCA, 0x21, 0,    0,    0x04, 0x03, 0x02, 0x01,
                                                   0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = 0x01020304, .id = 0x1112131415161718};
    uint8_t bytes[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, bytes);
    ck_assert_mem_eq(bytes, expected, sizeof expected);

    struct frame_request back;
    ck_assert_int_eq(frame_request_decode(bytes, &back), STATUS_OK);
    ck_assert_uint_eq(back.type, request.type);
    ck_assert_uint_eq(back.body_bytes, request.body_bytes);
    ck_assert_uint_eq(back.id, request.id);
}
END_TEST

START_TEST(reply_header_has_the_documented_bytes)
{
    const uint8_t expected[FRAME_REPLY_BYTES] = {
        0xCA, 0x92, 0x03, 0x04, 0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0, 0, 0, 0, 0x80,
        1,    2,    3,    4,    5,    6,    7,    8,    9, 0, 0, 0, 0, 0, 0, 0,
    };
    struct frame_reply reply = {.type = FRAME_READ_BLOCKS,
                                .flags = FRAME_CONTINUED | FRAME_MORE,
                                .status = STATUS_CONFLICT,
                                .body_bytes = UINT32_MAX,
                                .id = 0x8000000000000008,
                                .written_through = 0x0807060504030201,
                                .durable_through = 9};
    uint8_t bytes[FRAME_REPLY_BYTES];
    frame_reply_encode(&reply, bytes);
    ck_assert_mem_eq(bytes, expected, sizeof expected);

    struct frame_reply back;
    ck_assert_int_eq(frame_reply_decode(bytes, &back), STATUS_OK);
    ck_assert_uint_eq(back.type, reply.type);
    ck_assert_uint_eq(back.flags, reply.flags);
    ck_assert_uint_eq(back.status, reply.status);
    ck_assert_uint_eq(back.body_bytes, reply.body_bytes);
    ck_assert_uint_eq(back.id, reply.id);
    ck_assert_uint_eq(back.written_through, reply.written_through);
    ck_assert_uint_eq(back.durable_through, reply.durable_through);
}
END_TEST

/* Each byte of a good header set to each value: only what the document allows passes, and a refusal leaves the output. */
START_TEST(request_header_with_a_wrong_byte_is_refused)
{
    const uint8_t good[FRAME_REQUEST_BYTES] = {FRAME_MAGIC, FRAME_PING};
    for (size_t at = 0; at < FRAME_REQUEST_BYTES; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[FRAME_REQUEST_BYTES];
            memcpy(bytes, good, sizeof good);
            bytes[at] = (uint8_t)value;
            bool legal = at == 0 ? value == FRAME_MAGIC : at == 1 ? value < 128 : at <= 3 ? value == 0 : true;
            struct frame_request request = {.type = 99};
            ck_assert_int_eq(frame_request_decode(bytes, &request), legal ? STATUS_OK : STATUS_INVALID);
            ck_assert(legal || request.type == 99);
        }
    }
}
END_TEST

START_TEST(reply_header_with_a_wrong_byte_is_refused)
{
    const uint8_t good[FRAME_REPLY_BYTES] = {FRAME_MAGIC, FRAME_PING | FRAME_REPLY_BIT};
    for (size_t at = 0; at < FRAME_REPLY_BYTES; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[FRAME_REPLY_BYTES];
            memcpy(bytes, good, sizeof good);
            bytes[at] = (uint8_t)value;
            bool legal = at == 0 ? value == FRAME_MAGIC : at == 1 ? value >= 128 : at == 2 ? value < 4 : true;
            struct frame_reply reply = {.type = 99};
            ck_assert_int_eq(frame_reply_decode(bytes, &reply), legal ? STATUS_OK : STATUS_INVALID);
            ck_assert(legal || reply.type == 99);
        }
    }
}
END_TEST

START_TEST(each_type_has_a_name_of_its_own)
{
    const uint8_t types[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 16, 17, 18,
                             19, 20, 21, 22, 23, 24, 25, 32, 33, 34, 35, 36};
    unsigned named = 0;
    for (unsigned type = 0; type < 256; type++) {
        named += strcmp(frame_type_text((uint8_t)type), "unknown") != 0;
    }
    ck_assert_uint_eq(named, sizeof types);
    for (size_t i = 0; i < sizeof types; i++) {
        ck_assert_str_ne(frame_type_text(types[i]), "unknown");
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(frame_type_text(types[i]), frame_type_text(types[j]));
        }
    }
    ck_assert_str_eq(frame_type_text(FRAME_WRITE_METADATA), "write metadata");
    ck_assert_str_eq(frame_type_text(FRAME_HELLO | FRAME_REPLY_BIT), "unknown");
}
END_TEST

START_TEST(an_id_is_set_in_a_header_that_stays_otherwise)
{
    struct frame_request request = {.type = FRAME_COMMIT, .id = 1, .body_bytes = 77}, decoded;
    uint8_t bytes[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, bytes);
    frame_request_set_id(0x1122334455667788, bytes);
    ck_assert_int_eq(frame_request_decode(bytes, &decoded), STATUS_OK);
    ck_assert_uint_eq(decoded.id, 0x1122334455667788);
    ck_assert(decoded.type == request.type && decoded.body_bytes == request.body_bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frame");
    tcase_add_test(tests, request_header_has_the_documented_bytes);
    tcase_add_test(tests, reply_header_has_the_documented_bytes);
    tcase_add_test(tests, request_header_with_a_wrong_byte_is_refused);
    tcase_add_test(tests, reply_header_with_a_wrong_byte_is_refused);
    tcase_add_test(tests, each_type_has_a_name_of_its_own);
    tcase_add_test(tests, an_id_is_set_in_a_header_that_stays_otherwise);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
