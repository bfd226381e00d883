/* What the client writes and reads by hand is what protobuf-c would: random messages, byte for byte. And what is kept of
 * them comes back as it was. */
#include <stdlib.h>
#include <string.h>

#include "client/connection/keep.h"
#include "client/message/encode.h"
#include "client/message/unpack.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 1000, OPERATIONS_MAX = 20, BYTES_MAX = 300, BODY_BYTES_MAX = 4 * BYTES_MAX + 200 };

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
    ck_assert(keep_add(&list, encoded->frame->data + FRAME_REQUEST_BYTES, encoded->body_bytes, 1, sequence));
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
        struct cairn_write_metadata request = {
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

START_TEST(what_no_message_can_carry_is_refused)
{
    struct cairn_operation operation = {.kind = CAIRN_SET, .name = cairn_slice("n")};
    struct cairn_write_metadata request = {.operations = &operation, .operation_count = 1};
    struct encoded encoded;
    operation.value = (struct cairn_slice){.data = NULL, .bytes = 1};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_USAGE);
    operation.value = (struct cairn_slice){.data = "", .bytes = SIZE_MAX - 3};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_TOO_LARGE);
    operation = (struct cairn_operation){.kind = CAIRN_RAISE + 1, .name = cairn_slice("n")};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_USAGE);
    operation = (struct cairn_operation){.kind = CAIRN_DELETE, .name = {.data = NULL, .bytes = 1}};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_USAGE);
    operation.name = cairn_slice("n");
    request.level = CAIRN_DURABLE + 1;
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_USAGE);
    request.level = CAIRN_DURABLE;
    request.chain = (struct cairn_slice){.data = "", .bytes = SIZE_MAX};
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_TOO_LARGE);
    request.chain = cairn_slice("");
    request.operations = NULL;
    ck_assert_int_eq(encode_write_metadata(&request, CAIRN_NO_TIMEOUT, &encoded), CAIRN_USAGE);
}
END_TEST

/* ---- flat messages ---- */

static const ProtobufCMessageDescriptor *const flat[] = {
    &cairn__ping_reply__descriptor,     &cairn__hello_reply__descriptor, &cairn__error__descriptor,
    &cairn__height_reply__descriptor,   &cairn__block_reply__descriptor, &cairn__state_reply__descriptor,
    &cairn__metadata_reply__descriptor, &cairn__write_reply__descriptor,
};

union any_message {
    ProtobufCMessage base;
    Cairn__HelloReply hello;
    Cairn__BlockReply block;
    Cairn__MetadataReply metadata;
    Cairn__WriteReply write;
};

/* Gives each field a value, or none. */
static void random_message(struct random_source *random, const ProtobufCMessageDescriptor *descriptor,
                           ProtobufCMessage *ret_message)
{
    descriptor->message_init(ret_message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        void *place = (uint8_t *)ret_message + field->offset;
        bool has = random_chance(random, 70);
        *((uint8_t *)ret_message + field->quantifier_offset) = has; /* the low byte of what is 0 */
        if (!has) {
            continue;
        }
        if (field->type == PROTOBUF_C_TYPE_BYTES) {
            *(ProtobufCBinaryData *)place = random_bytes(random);
        } else if (field->type == PROTOBUF_C_TYPE_UINT64) {
            *(uint64_t *)place = random_number(random);
        } else if (field->type == PROTOBUF_C_TYPE_UINT32) {
            *(uint32_t *)place = (uint32_t)random_number(random);
        } else if (field->type == PROTOBUF_C_TYPE_BOOL) {
            *(protobuf_c_boolean *)place = random_chance(random, 50);
        } else {
            ck_assert_int_eq(field->type, PROTOBUF_C_TYPE_ENUM);
            *(int *)place = (int)random_below(random, 3) + 1;
        }
    }
}

/* Unpacked again it is the same message; cut anywhere it is refused, or a message that protobuf-c reads alike. */
static void expect_unpacked(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body, size_t bytes)
{
    for (size_t cut = 0; cut <= bytes; cut++) {
        uint8_t *exact = malloc(cut + 1); /* so that reading past the end is seen */
        uint8_t again[BODY_BYTES_MAX];
        memcpy(exact + 1, body, cut);
        union any_message message;
        ProtobufCMessage *expected = protobuf_c_message_unpack(descriptor, NULL, cut, exact + 1);
        bool good = unpack_flat(descriptor, exact + 1, cut, &message.base);
        ck_assert_int_eq(good, expected != NULL);
        ck_assert(good || cut < bytes);
        if (good) {
            ck_assert_uint_eq(protobuf_c_message_pack(&message.base, again), cut);
            ck_assert_mem_eq(again, body, cut);
            protobuf_c_message_free_unpacked(expected, NULL);
        }
        free(exact);
    }
}

START_TEST(a_flat_message_is_unpacked_as_protobuf_c_unpacks_it)
{
    struct random_source random = random_from(random_seed("flat messages"));
    random_fill(&random, filler, sizeof filler);
    for (int round = 0; round < 25; round++) {
        for (size_t i = 0; i < sizeof flat / sizeof flat[0]; i++) {
            union any_message message;
            uint8_t body[BODY_BYTES_MAX];
            ck_assert_uint_le(flat[i]->sizeof_message, sizeof message);
            random_message(&random, flat[i], &message.base);
            ck_assert_uint_le(protobuf_c_message_get_packed_size(&message.base), sizeof body);
            expect_unpacked(flat[i], body, protobuf_c_message_pack(&message.base, body));
        }
    }
}
END_TEST

START_TEST(unknown_fields_are_skipped_the_last_of_a_field_counts_and_a_wrong_type_is_refused)
{
    static const uint8_t good[] = {
        0x10, 5,                                   /* 2, level: no value of the enumeration */
        0xF8, 0x3F, 1,                             /* 1023: a number */
        0xFA, 0x3F, 2,    'x', 'y',                /* bytes */
        0xFD, 0x3F, 1,    2,   3,   4,             /* 32 bits */
        0xF9, 0x3F, 1,    2,   3,   4, 5, 6, 7, 8, /* 64 bits */
        0x08, 1,    0x08, 7,                       /* 1, sequence, twice */
    };
    static const uint8_t bad[][4] = {
        {0x0A, 1, 'x', 0},        /* sequence as bytes */
        {0x0D, 1, 2, 3},          /* as 32 bits, cut */
        {0xFB, 0x3F, 0xFC, 0x3F}, /* a group */
        {0x00, 1, 0x08, 1},       /* field 0 */
        {0x08, 1, 0x08, 0x80},    /* cut within a number */
        {0x08, 1, 0xFA, 0x3F},    /* no length */
    };
    Cairn__WriteReply reply;
    ck_assert(unpack_flat(&cairn__write_reply__descriptor, good, sizeof good, &reply.base));
    ck_assert(reply.has_sequence && reply.sequence == 7);
    ck_assert(reply.has_level && (int)reply.level == 5 && !reply.has_created);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!unpack_flat(&cairn__write_reply__descriptor, bad[i], sizeof bad[i], &reply.base));
    }
}
END_TEST

/* ---- kept ---- */

enum { KEPT_MAX = 3000, KEPT_BYTES_MAX = 40 << 10 };

static size_t kept_length(uint64_t sequence)
{
    return sequence % 97 == 0 ? sequence * 7919 % KEPT_BYTES_MAX : sequence % 61;
}

static void expect_kept(const struct kept_list *list)
{
    static uint8_t body[KEPT_BYTES_MAX];
    uint64_t last = 0, operations = 0;
    for (const struct kept *kept = list->first; kept != NULL; kept = kept->next) {
        ck_assert_uint_gt(kept->sequence, last);
        last = kept->sequence;
        operations += kept->operations;
        ck_assert_uint_eq(kept->body_bytes, kept_length(kept->sequence));
        memset(body, (int)(uint8_t)kept->sequence, kept->body_bytes);
        ck_assert_int_eq(memcmp(kept->body, body, kept->body_bytes), 0);
    }
    ck_assert_uint_eq(operations, list->operations);
}

START_TEST(what_is_kept_stays_as_it_was_until_it_is_covered)
{
    static uint8_t body[KEPT_BYTES_MAX];
    struct random_source random = random_from(random_seed("kept"));
    struct kept_list list = {.first = NULL};
    uint64_t next = 1, covered = 0;
    while (next < 20 * KEPT_MAX) {
        uint64_t wanted = random_below(&random, KEPT_MAX);
        for (uint64_t i = 0; i < wanted; i += 2, next += 2) { /* two connections' answers: out of order */
            for (uint64_t sequence = next + 1; sequence >= next; sequence--) {
                memset(body, (int)(uint8_t)sequence, kept_length(sequence));
                ck_assert(keep_add(&list, body, kept_length(sequence), 1 + sequence % 3, sequence));
            }
        }
        expect_kept(&list);
        covered += random_below(&random, next - covered);
        keep_cover(&list, covered);
        ck_assert(list.first == NULL ? list.bytes == 0 : list.first->sequence == covered + 1);
        expect_kept(&list);
    }
    keep_clear(&list);
    ck_assert_uint_eq(list.bytes + list.operations, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("client messages", 30, &tests);
    tcase_add_test(tests, a_metadata_write_is_packed_as_protobuf_c_packs_it);
    tcase_add_test(tests, what_no_message_can_carry_is_refused);
    tcase_add_test(tests, a_flat_message_is_unpacked_as_protobuf_c_unpacks_it);
    tcase_add_test(tests, unknown_fields_are_skipped_the_last_of_a_field_counts_and_a_wrong_type_is_refused);
    tcase_add_test(tests, what_is_kept_stays_as_it_was_until_it_is_covered);
    return suite_run(suite, true);
}
