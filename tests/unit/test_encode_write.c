/* Metadata writes, which are encoded by hand, are what protobuf-c makes of them: random messages, byte for byte, also when they are
 * kept and sent again. */
#include <stdlib.h>
#include <string.h>

#include "client/connection/keep.h"
#include "client/message/encode.h"
#include "proto/cairn.pb-c.h"
#include "proto/limits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 1000, OPERATIONS_MAX = 20, BYTES_MAX = 300 };

static uint8_t filler[BYTES_MAX];

/* Often short or empty, so that lengths of one and of two bytes come. */
static ProtobufCBinaryData random_bytes(struct random_source *random)
{
    size_t most = random_chance(random, 50) ? BYTES_MAX : 4;
    size_t bytes = random_below(random, most + 1);
    return (ProtobufCBinaryData){.len = bytes, .data = bytes > 0 ? filler + BYTES_MAX - bytes : NULL};
}

static uint64_t random_number(struct random_source *random)
{
    return random_next(random) >> random_below(random, 64);
}

static struct cairn_slice slice_of(ProtobufCBinaryData bytes)
{
    return (struct cairn_slice){.data = bytes.data, .bytes = bytes.len};
}

/* The same operation twice: as a caller has it, as protobuf-c has it. */
static void random_operation(struct random_source *random, struct cairn_operation *ret_operation,
                             Cairn__MetadataOperation *ret_message)
{
    cairn__metadata_operation__init(ret_message);
    ret_message->has_name = true;
    ret_message->name = random_bytes(random);
    ProtobufCBinaryData value = random_bytes(random);
    *ret_operation = (struct cairn_operation){
        .kind = (enum cairn_operation_kind)random_below(random, 3) + CAIRN_SET,
        .name = slice_of(ret_message->name),
        .value = slice_of(value),
        .raise = random_number(random),
        .of_height = random_chance(random, 50) ? random_number(random) : 0,
    };
    if (ret_operation->kind == CAIRN_SET) {
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
        ret_message->value = value;
        ret_message->has_of_height = ret_operation->of_height != 0;
        ret_message->of_height = ret_operation->of_height;
    } else if (ret_operation->kind == CAIRN_DELETE) {
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
        ret_message->delete_ = true;
    } else {
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
        ret_message->raise = ret_operation->raise;
    }
}

/* The frame is a header with the length, then `body`, then `tail`. */
static void expect_frame(const struct encoded *encoded, const ProtobufCMessage *body,
                         const ProtobufCMessage *tail)
{
    size_t body_bytes = protobuf_c_message_get_packed_size(body);
    size_t tail_bytes = protobuf_c_message_get_packed_size(tail);
    ck_assert_uint_eq(encoded->body_bytes, body_bytes);
    ck_assert_uint_eq(encoded->frame->bytes, FRAME_REQUEST_BYTES + body_bytes + tail_bytes);
    uint8_t *packed = malloc(body_bytes + tail_bytes + 1);
    protobuf_c_message_pack(body, packed);
    protobuf_c_message_pack(tail, packed + body_bytes);
    ck_assert_mem_eq(encoded->frame->data + FRAME_REQUEST_BYTES, packed, body_bytes + tail_bytes);
    free(packed);
    struct frame_request header;
    ck_assert_int_eq(frame_request_decode(encoded->frame->data, &header), STATUS_OK);
    ck_assert_uint_eq(header.type, FRAME_WRITE_METADATA);
    ck_assert_uint_eq(header.body_bytes, body_bytes + tail_bytes);
}

static void resend_expect(const struct encoded *encoded, const ProtobufCMessage *body, uint64_t sequence)
{
    struct kept_list list = {.first = NULL};
    ck_assert(keep_add(&list, encoded->frame->data + FRAME_REQUEST_BYTES, encoded->body_bytes, 1, sequence,
                       sequence));
    Cairn__WriteMetadata tail = CAIRN__WRITE_METADATA__INIT;
    tail.has_level = tail.has_resend_of = true;
    tail.level = CAIRN__LEVEL__LEVEL_ACCEPTED;
    tail.resend_of = sequence;
    struct encoded again;
    ck_assert_int_eq(encode_resend(list.first->body, list.first->body_bytes, list.first->sequence, &again),
                     CAIRN_OK);
    expect_frame(&again, body, &tail.base);
    frame_out_free(again.frame);
    keep_clear(&list);
}

START_TEST(a_metadata_write_is_packed_as_protobuf_c_packs_it)
{
    struct random_source random = random_from(random_seed("metadata writes"));
    for (int round = 0; round < ROUNDS; round++) {
        struct cairn_operation operations[OPERATIONS_MAX];
        Cairn__MetadataOperation messages[OPERATIONS_MAX], *pointers[OPERATIONS_MAX];
        size_t count = random_below(&random, OPERATIONS_MAX + 1);
        for (size_t i = 0; i < count; i++) {
            random_operation(&random, &operations[i], &messages[i]);
            pointers[i] = &messages[i];
        }
        Cairn__WriteMetadata body = CAIRN__WRITE_METADATA__INIT, tail = CAIRN__WRITE_METADATA__INIT;
        body.chain = random_bytes(&random);
        body.has_chain = body.chain.len > 0;
        body.n_operations = count;
        body.operations = pointers;
        struct cairn_write_metadata_request request = {
            .chain = slice_of(body.chain),
            .level = (enum cairn_level)random_below(&random, CAIRN_DURABLE + 1),
            .operations = operations,
            .operation_count = count,
        };
        tail.has_level = request.level != CAIRN_LEVEL_DEFAULT;
        tail.level = tail.has_level ? (Cairn__Level)request.level : CAIRN__LEVEL__LEVEL_ACCEPTED;
        uint64_t timeout_us = random_chance(&random, 30) ? CAIRN_NO_TIMEOUT : random_number(&random) | 1;
        tail.has_deadline_us = timeout_us != CAIRN_NO_TIMEOUT;
        tail.deadline_us = timeout_us - timeout_us / 8;
        struct encoded encoded;
        ck_assert_int_eq(encode_write_metadata(&request, timeout_us, &encoded), CAIRN_OK);
        expect_frame(&encoded, &body.base, &tail.base);
        resend_expect(&encoded, &body.base, random_number(&random) | 1);
        frame_out_free(encoded.frame);
    }
}
END_TEST

START_TEST(a_commit_deletes_blocks_and_ranges)
{
    struct encoded encoded;
    const uint64_t heights[] = {3, 4};
    const struct cairn_operation operations[] = {
        {.kind = CAIRN_DELETE_RANGE, .name = cairn_text("a"), .to = cairn_text("b")},
        {.kind = CAIRN_DELETE_RANGE},
        {.kind = CAIRN_DELETE, .name = cairn_text("n")},
    };
    const struct cairn_commit_request request = {
        .delete_blocks = heights, .delete_block_count = 2, .metadata = operations, .metadata_count = 3};
    ck_assert_int_eq(encode_commit(&request, 8, &encoded), CAIRN_OK);
    Cairn__Commit *message =
        cairn__commit__unpack(NULL, encoded.body_bytes, encoded.frame->data + FRAME_REQUEST_BYTES);
    ck_assert(message != NULL && message->n_delete_blocks == 2 && message->n_metadata == 3);
    ck_assert_mem_eq(message->delete_blocks, heights, sizeof heights);
    const Cairn__NameRange *range = message->metadata[0]->delete_range;
    ck_assert(!message->metadata[0]->has_name && range->from.data[0] == 'a' && range->to.data[0] == 'b');
    range = message->metadata[1]->delete_range; /* all names */
    ck_assert(!range->has_from && !range->has_to);
    ck_assert_int_eq(message->metadata[2]->operation_case, CAIRN__METADATA_OPERATION__OPERATION_DELETE);
    cairn__commit__free_unpacked(message, NULL);
    frame_out_free(encoded.frame);
}
END_TEST

START_TEST(a_write_that_no_frame_can_carry_is_too_large)
{
    static const uint8_t byte;
    struct cairn_operation operations[] = {
        {.kind = CAIRN_SET, .name = cairn_text("n"), .value = {.data = &byte, .bytes = FRAME_BYTES_MAX - 20}},
        {.kind = CAIRN_SET, .name = cairn_text("n"), .value = {.data = &byte, .bytes = FRAME_BYTES_MAX}}};
    const struct cairn_write_metadata_request request = {.operations = operations, .operation_count = 2};
    struct encoded encoded = {.body_bytes = 77};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_TOO_LARGE);
    ck_assert_uint_eq(encoded.body_bytes, 77); /* untouched */
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("encode_write", 30, &tests);
    tcase_add_test(tests, a_metadata_write_is_packed_as_protobuf_c_packs_it);
    tcase_add_test(tests, a_commit_deletes_blocks_and_ranges);
    tcase_add_test(tests, a_write_that_no_frame_can_carry_is_too_large);
    return suite_run(suite, true);
}
