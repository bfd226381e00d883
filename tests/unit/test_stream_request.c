/* Requests for streams: which are refused, and what each stream is of. */
#include <check.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static Cairn__ReadBlocks blocks_of(uint64_t first, uint64_t last)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = true;
    read.first = first;
    read.last = last;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_HEADER;
    return read;
}

static void fill(void)
{
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit_block(commit, 3, "three");
    commit_rise(commit, 3);
    const char *names[] = {"a", "ab", "b"};
    for (size_t i = 0; i < 3; i++) {
        commit_metadata(commit, operation_set(names[i], names[i]));
    }
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit).status, STATUS_OK);
    served.reply_count = 0;
}

START_TEST(a_read_of_blocks_names_heights_or_a_range_and_not_both)
{
    Cairn__ReadBlocks none = CAIRN__READ_BLOCKS__INIT;
    service_ask_refused(FRAME_READ_BLOCKS, &none, STATUS_INVALID, "either heights, or first and last");
    Cairn__ReadBlocks reversed = blocks_of(3, 1), genesis = blocks_of(0, 1), both = blocks_of(1, 2);
    service_ask_refused(FRAME_READ_BLOCKS, &reversed, STATUS_INVALID, "first <= last");
    service_ask_refused(FRAME_READ_BLOCKS, &genesis, STATUS_INVALID, "first <= last");
    uint64_t heights[] = {1, 0};
    both.heights = heights;
    both.n_heights = 1;
    service_ask_refused(FRAME_READ_BLOCKS, &both, STATUS_INVALID, "either");
    both.has_first = both.has_last = false;
    both.n_heights = 2;
    service_ask_refused(FRAME_READ_BLOCKS, &both, STATUS_INVALID, "block 0");
    Cairn__ReadBlocks parts = blocks_of(1, 2);
    parts.parts = 1U << 30;
    service_ask_refused(FRAME_READ_BLOCKS, &parts, STATUS_INVALID, "parts");
    ck_assert_uint_eq(stream_count(served.service.streams), 0);
}
END_TEST

START_TEST(more_heights_or_names_than_a_request_may_have_are_too_large)
{
    Cairn__ReadBlocks blocks = CAIRN__READ_BLOCKS__INIT;
    blocks.n_heights = READ_ITEMS_MAX + 1;
    blocks.heights = kept_alloc(blocks.n_heights * sizeof blocks.heights[0]);
    service_ask_refused(FRAME_READ_BLOCKS, &blocks, STATUS_TOO_LARGE, "name a range");
    Cairn__GetMetadataMany many = CAIRN__GET_METADATA_MANY__INIT;
    many.n_names = READ_ITEMS_MAX + 1;
    many.names = kept_alloc(many.n_names * sizeof many.names[0]);
    service_ask_refused(FRAME_GET_METADATA_MANY, &many, STATUS_TOO_LARGE, "16384");
}
END_TEST

START_TEST(a_name_or_prefix_is_checked_and_so_is_the_chain)
{
    Cairn__GetMetadataMany many = CAIRN__GET_METADATA_MANY__INIT;
    ProtobufCBinaryData names[] = {bytes_of("a"), bytes_of("")};
    many.n_names = 2;
    many.names = names;
    service_ask_refused(FRAME_GET_METADATA_MANY, &many, STATUS_INVALID, "0 bytes");
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_prefix = true;
    list.prefix = bytes_random(1, METADATA_NAME_BYTES_MAX + 1);
    service_ask_refused(FRAME_LIST_METADATA, &list, STATUS_TOO_LARGE, "prefix of 1025");
    list.prefix.len = METADATA_NAME_BYTES_MAX;
    list.has_end = true;
    list.end = bytes_random(1, METADATA_NAME_BYTES_MAX + 1);
    service_ask_refused(FRAME_LIST_METADATA, &list, STATUS_TOO_LARGE, "end of 1025");
    list.end.len = METADATA_NAME_BYTES_MAX;
    list.has_parts = many.has_parts = true;
    list.parts = many.parts = 8;
    service_ask_refused(FRAME_LIST_METADATA, &list, STATUS_INVALID, "parts = 8");
    list.has_parts = false;
    many.n_names = 1;
    service_ask_refused(FRAME_GET_METADATA_MANY, &many, STATUS_INVALID, "parts = 8");
    list.has_chain = true;
    list.chain = bytes_of("nowhere");
    service_ask_refused(FRAME_LIST_METADATA, &list, STATUS_INVALID, "nowhere");
}
END_TEST

/* The last frame is empty and says that the stream has ended; each before it is a message. */
static size_t messages_of(uint8_t type, const void *message)
{
    served.reply_count = 0;
    ck_assert_int_eq(service_ask(type, message).status, STATUS_OK);
    size_t count = served.reply_count - 1;
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(served.replies[i].header.flags, FRAME_MORE);
    }
    ck_assert_uint_eq(served.replies[count].header.flags, 0);
    ck_assert_uint_eq(served.replies[count].body.len, 0);
    return count;
}

static bool is_block(size_t i, uint64_t height, bool is_absent)
{
    const Cairn__BlockReply *block =
        cairn__block_reply__unpack(kept_allocator(), served.replies[i].body.len, served.replies[i].body.data);
    return block != NULL && block->height == height && block->absent == is_absent;
}

START_TEST(blocks_come_in_the_order_asked_for_and_a_list_tells_of_absent_ones)
{
    fill();
    Cairn__ReadBlocks range = blocks_of(1, 3), list = CAIRN__READ_BLOCKS__INIT;
    ck_assert_uint_eq(messages_of(FRAME_READ_BLOCKS, &range), 2); /* a range skips what is absent */
    ck_assert(is_block(0, 1, false) && is_block(1, 3, false));
    uint64_t heights[] = {3, 2, 1};
    list.heights = heights;
    list.n_heights = 3;
    ck_assert_uint_eq(messages_of(FRAME_READ_BLOCKS, &list), 3);
    ck_assert(is_block(0, 3, false) && is_block(1, 2, true) && is_block(2, 1, false));
}
END_TEST

START_TEST(names_come_in_the_order_asked_for_and_a_list_in_byte_order)
{
    fill();
    Cairn__GetMetadataMany many = CAIRN__GET_METADATA_MANY__INIT;
    ProtobufCBinaryData names[] = {bytes_of("b"), bytes_of("none"), bytes_of("a")};
    many.n_names = 3;
    many.names = names;
    ck_assert_uint_eq(messages_of(FRAME_GET_METADATA_MANY, &many), 3);
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 3);
    list.has_prefix = true;
    list.prefix = bytes_of("a");
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 2);
    list.has_limit = true;
    list.limit = 1;
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 1);
    const Cairn__MetadataReply *first = cairn__metadata_reply__unpack(
        kept_allocator(), served.replies[0].body.len, served.replies[0].body.data);
    ck_assert(first != NULL && bytes_are(first->name, "a"));
    Cairn__GetMetadataMany none = CAIRN__GET_METADATA_MANY__INIT;
    ck_assert_uint_eq(messages_of(FRAME_GET_METADATA_MANY, &none), 0);
}
END_TEST

static const Cairn__MetadataReply *said(size_t i)
{
    return cairn__metadata_reply__unpack(kept_allocator(), served.replies[i].body.len,
                                         served.replies[i].body.data);
}

START_TEST(a_list_goes_both_ways_and_says_what_was_asked_for)
{
    fill();
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_reverse = list.reverse = list.has_parts = true;
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 3);
    ck_assert(bytes_are(said(0)->name, "b") && bytes_are(said(2)->name, "a") && !said(0)->has_value);
    list.has_start = list.has_end = true;
    list.start = bytes_of("ab");
    list.end = bytes_of("b");
    list.parts = CAIRN__METADATA_PART__METADATA_SIZE;
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 1);
    ck_assert(bytes_are(said(0)->name, "ab") && said(0)->has_size && said(0)->size == 2);
    list.start = bytes_of("b"); /* as the end, and behind it */
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 0);
    list.end = bytes_of("");
    ck_assert_uint_eq(messages_of(FRAME_LIST_METADATA, &list), 0);
    Cairn__GetMetadataMany many = CAIRN__GET_METADATA_MANY__INIT;
    ProtobufCBinaryData names[] = {bytes_of("b"), bytes_of("none")};
    many.n_names = 2;
    many.names = names;
    many.has_parts = true;
    many.parts = CAIRN__METADATA_PART__METADATA_SIZE;
    ck_assert_uint_eq(messages_of(FRAME_GET_METADATA_MANY, &many), 2);
    ck_assert(said(0)->has_size && said(0)->size == 1 && !said(0)->has_value && said(1)->absent);
}
END_TEST

START_TEST(credit_and_cancel_for_a_stream_that_is_not_there_do_nothing)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    Cairn__Cancel cancel = CAIRN__CANCEL__INIT;
    ck_assert_int_eq(service_start_as(77, FRAME_CREDIT, &credit), REQUEST_TAKEN);
    ck_assert_int_eq(service_start_as(77, FRAME_CANCEL, &cancel), REQUEST_TAKEN);
    ck_assert_uint_eq(served.ended, 2);
    ck_assert_uint_eq(served.reply_count, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stream_request", 20, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, a_read_of_blocks_names_heights_or_a_range_and_not_both);
    tcase_add_test(tests, more_heights_or_names_than_a_request_may_have_are_too_large);
    tcase_add_test(tests, a_name_or_prefix_is_checked_and_so_is_the_chain);
    tcase_add_test(tests, blocks_come_in_the_order_asked_for_and_a_list_tells_of_absent_ones);
    tcase_add_test(tests, names_come_in_the_order_asked_for_and_a_list_in_byte_order);
    tcase_add_test(tests, a_list_goes_both_ways_and_says_what_was_asked_for);
    tcase_add_test(tests, credit_and_cancel_for_a_stream_that_is_not_there_do_nothing);
    return suite_run(suite, false);
}
