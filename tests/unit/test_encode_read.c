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

START_TEST(a_list_has_an_end_a_direction_and_parts)
{
    struct encoded encoded;
    struct cairn_list_request request = {.end = cairn_text("q"), .reverse = true, .parts = CAIRN_SIZE};
    ck_assert_int_eq(encode_list(&request, &encoded), CAIRN_OK);
    Cairn__ListMetadata *message = unpacked(&encoded, FRAME_LIST_METADATA, &cairn__list_metadata__descriptor);
    ck_assert(is(message->end, "q") && message->reverse && message->has_parts);
    ck_assert_uint_eq(message->parts, CAIRN__METADATA_PART__METADATA_SIZE);
    release(message);
}
END_TEST

/* An absent mask is the default, and a mask of 0 asks for presence. */
START_TEST(parts_of_metadata_are_a_mask_or_absent)
{
    const unsigned parts[] = {0, CAIRN_PRESENCE, CAIRN_VALUE, CAIRN_BINDING | CAIRN_SIZE | CAIRN_PRESENCE};
    const struct cairn_slice name = cairn_text("n");
    struct encoded encoded;
    for (size_t i = 0; i < 4; i++) {
        const struct cairn_get_request get = {.name = name, .parts = parts[i]};
        ck_assert_int_eq(encode_get(&get, &encoded), CAIRN_OK);
        Cairn__GetMetadata *one = unpacked(&encoded, FRAME_GET_METADATA, &cairn__get_metadata__descriptor);
        ck_assert(one->has_parts == (parts[i] != 0) && one->parts == (parts[i] & 7));
        release(one);
        const struct cairn_get_many_request many = {.names = &name, .name_count = 1, .parts = parts[i]};
        ck_assert_int_eq(encode_get_many(&many, &encoded), CAIRN_OK);
        Cairn__GetMetadataMany *all =
            unpacked(&encoded, FRAME_GET_METADATA_MANY, &cairn__get_metadata_many__descriptor);
        ck_assert(all->has_parts == (parts[i] != 0) && all->parts == (parts[i] & 7));
        release(all);
    }
}
END_TEST

START_TEST(a_claim_is_made_presented_and_released)
{
    struct encoded encoded;
    const struct cairn_claim_request claim = {.writer_name = cairn_text("node"), .take_over = true};
    ck_assert_int_eq(encode_claim(&claim, 8, &encoded), CAIRN_OK);
    Cairn__Claim *claimed = unpacked(&encoded, FRAME_CLAIM, &cairn__claim__descriptor);
    ck_assert(is(claimed->writer_name, "node") && claimed->take_over && claimed->deadline_us == 7);
    release(claimed);
    ck_assert_int_eq(encode_present(cairn_text("aux"), 9, UINT64_MAX, true, &encoded), CAIRN_OK);
    Cairn__Present *present = unpacked(&encoded, FRAME_PRESENT, &cairn__present__descriptor);
    ck_assert(is(present->chain, "aux") && present->epoch->sequence == 9 && present->for_numbers);
    ck_assert_uint_eq(present->epoch->random, UINT64_MAX);
    release(present);
    const struct cairn_release_request any = {.any = true};
    ck_assert_int_eq(encode_release(&any, &encoded), CAIRN_OK);
    Cairn__Release *released = unpacked(&encoded, FRAME_RELEASE, &cairn__release__descriptor);
    ck_assert(released->any && !released->has_chain);
    release(released);
    const struct cairn_read_usage_request usage = {.chain = cairn_text("aux")};
    ck_assert_int_eq(encode_usage(&usage, &encoded), CAIRN_OK);
    Cairn__Usage *asked = unpacked(&encoded, FRAME_USAGE, &cairn__usage__descriptor);
    ck_assert(is(asked->chain, "aux"));
    release(asked);
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
    tcase_add_test(tests, a_list_has_an_end_a_direction_and_parts);
    tcase_add_test(tests, parts_of_metadata_are_a_mask_or_absent);
    tcase_add_test(tests, a_claim_is_made_presented_and_released);
    tcase_add_test(tests, a_hello_says_the_versions_and_asks_about_a_run);
    return suite_run(suite, true);
}
