/* Frames of reads: what a caller asks for arrives in the message, and what no message can carry is refused. */
#include <stdlib.h>
#include <string.h>

#include "client/message/encode.h"
#include "proto/cairn.pb-c.h"
#include "proto/limits.h"
#include "tests/lib/suite.h"
/* Unpacks and frees the frame, which is of that type. */
static void *unpacked(const struct encoded *encoded, uint8_t type,
                      const ProtobufCMessageDescriptor *descriptor)
{
    struct frame_request header;
    ck_assert_int_eq(frame_request_decode(encoded->frame->data, &header), STATUS_OK);
    ck_assert_uint_eq(header.type, type);
    void *message = protobuf_c_message_unpack(descriptor, NULL, header.body_bytes,
                                              encoded->frame->data + FRAME_REQUEST_BYTES);
    ck_assert_ptr_nonnull(message);
    frame_out_free(encoded->frame);
    return message;
}

static void release(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static bool is(ProtobufCBinaryData data, const char *text)
{
    return data.len == strlen(text) && (data.len == 0 || memcmp(data.data, text, data.len) == 0);
}

START_TEST(a_block_is_asked_for_by_height_or_by_hash)
{
    struct encoded encoded;
    struct cairn_read_block_request request = {
        .chain = cairn_text("aux"), .height = 7, .parts = CAIRN_HEADER | CAIRN_HASH};
    ck_assert_int_eq(encode_block(&request, &encoded), CAIRN_OK);
    Cairn__ReadBlock *message = unpacked(&encoded, FRAME_READ_BLOCK, &cairn__read_block__descriptor);
    ck_assert(is(message->chain, "aux") && message->parts == (CAIRN_HEADER | CAIRN_HASH));
    ck_assert(message->at_case == CAIRN__READ_BLOCK__AT_HEIGHT && message->height == 7);
    release(message);
    request.hash = cairn_text("h");
    ck_assert_int_eq(encode_block(&request, &encoded), CAIRN_OK);
    message = unpacked(&encoded, FRAME_READ_BLOCK, &cairn__read_block__descriptor);
    ck_assert(message->at_case == CAIRN__READ_BLOCK__AT_HASH && is(message->hash, "h"));
    release(message);
}
END_TEST

START_TEST(blocks_are_a_range_or_a_list)
{
    struct encoded encoded;
    const uint64_t heights[] = {3, 1, 2};
    struct cairn_read_blocks_request request = {.first = 1, .last = 9, .window_bytes = 5};
    ck_assert_int_eq(encode_blocks(&request, &encoded), CAIRN_OK);
    Cairn__ReadBlocks *message = unpacked(&encoded, FRAME_READ_BLOCKS, &cairn__read_blocks__descriptor);
    ck_assert(message->n_heights == 0 && message->first == 1 && message->last == 9 &&
              message->window_bytes == 5);
    release(message);
    request.heights = heights;
    request.height_count = 3;
    ck_assert_int_eq(encode_blocks(&request, &encoded), CAIRN_OK);
    message = unpacked(&encoded, FRAME_READ_BLOCKS, &cairn__read_blocks__descriptor);
    ck_assert(message->n_heights == 3 && !message->has_first && !message->has_last);
    ck_assert_mem_eq(message->heights, heights, sizeof heights);
    release(message);
}
END_TEST

START_TEST(a_state_is_of_a_height_or_of_the_chains)
{
    struct encoded encoded;
    struct cairn_read_state_request request = {.at_height = true, .height = 0};
    ck_assert_int_eq(encode_state(&request, &encoded), CAIRN_OK);
    Cairn__ReadState *message = unpacked(&encoded, FRAME_READ_STATE, &cairn__read_state__descriptor);
    ck_assert(message->has_height && message->height == 0); /* the genesis state */
    release(message);
    request.at_height = false;
    ck_assert_int_eq(encode_state(&request, &encoded), CAIRN_OK);
    message = unpacked(&encoded, FRAME_READ_STATE, &cairn__read_state__descriptor);
    ck_assert(!message->has_height);
    release(message);
}
END_TEST

START_TEST(names_arrive_in_their_order_also_empty_ones)
{
    struct encoded encoded;
    const struct cairn_slice names[] = {cairn_text("b"), cairn_text(""), cairn_text("a")};
    const struct cairn_get_many_request request = {.names = names, .name_count = 3};
    ck_assert_int_eq(encode_get_many(&request, &encoded), CAIRN_OK);
    Cairn__GetMetadataMany *message =
        unpacked(&encoded, FRAME_GET_METADATA_MANY, &cairn__get_metadata_many__descriptor);
    ck_assert(message->n_names == 3 && is(message->names[0], "b") && is(message->names[1], "") &&
              is(message->names[2], "a"));
    release(message);
}
END_TEST

START_TEST(a_list_has_a_prefix_a_start_and_a_limit)
{
    struct encoded encoded;
    struct cairn_list_request request = {.prefix = cairn_text("p/"), .start = cairn_text("p/a"), .limit = 3};
    ck_assert_int_eq(encode_list(&request, &encoded), CAIRN_OK);
    Cairn__ListMetadata *message = unpacked(&encoded, FRAME_LIST_METADATA, &cairn__list_metadata__descriptor);
    ck_assert(is(message->prefix, "p/") && is(message->start, "p/a") && message->limit == 3);
    ck_assert(!message->has_window_bytes && !message->has_chain);
    release(message);
}
END_TEST

START_TEST(a_hello_says_the_versions_and_asks_about_a_run)
{
    struct encoded encoded;
    ck_assert_int_eq(encode_hello("me", 9, 3, &encoded), CAIRN_OK);
    Cairn__Hello *message = unpacked(&encoded, FRAME_HELLO, &cairn__hello__descriptor);
    ck_assert(message->version_min == PROTOCOL_VERSION_MIN && message->version_max == PROTOCOL_VERSION_MAX);
    ck_assert(is(message->client_name, "me") && message->resume_run == 9 && message->resume_random == 3);
    release(message);
    ck_assert_int_eq(encode_hello("", 0, 0, &encoded), CAIRN_OK);
    message = unpacked(&encoded, FRAME_HELLO, &cairn__hello__descriptor);
    ck_assert(!message->has_client_name && !message->has_resume_run && !message->has_resume_random);
    release(message);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("encode_read", 20, &tests);
    tcase_add_test(tests, a_block_is_asked_for_by_height_or_by_hash);
    tcase_add_test(tests, blocks_are_a_range_or_a_list);
    tcase_add_test(tests, a_state_is_of_a_height_or_of_the_chains);
    tcase_add_test(tests, names_arrive_in_their_order_also_empty_ones);
    tcase_add_test(tests, a_list_has_a_prefix_a_start_and_a_limit);
    tcase_add_test(tests, a_hello_says_the_versions_and_asks_about_a_run);
    return suite_run(suite, true);
}
