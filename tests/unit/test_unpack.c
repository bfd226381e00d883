/* Flat messages, which are decoded by hand, are what protobuf-c makes of them: random messages, whole and cut. */
#include <stdlib.h>
#include <string.h>

#include "client/message/unpack.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 25, BYTES_MAX = 300, BODY_BYTES_MAX = 4 * BYTES_MAX + 200 };

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
    for (int round = 0; round < ROUNDS; round++) {
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

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("unpack", 30, &tests);
    tcase_add_test(tests, a_flat_message_is_unpacked_as_protobuf_c_unpacks_it);
    tcase_add_test(tests, unknown_fields_are_skipped_the_last_of_a_field_counts_and_a_wrong_type_is_refused);
    return suite_run(suite, true);
}
