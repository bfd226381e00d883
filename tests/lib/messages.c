#include "tests/lib/messages.h"

#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"

struct reply reply_to(struct wire *wire, uint64_t id)
{
    struct wire_frame *frame = wire_frame(wire, id);
    ProtobufCBinaryData body = {frame->header.body_bytes, frame->body};
    while (frame->header.flags & FRAME_CONTINUED) {
        frame = wire_frame(wire, id);
        uint8_t *joined = kept_alloc(body.len + frame->header.body_bytes + 1);
        memcpy(joined, body.data, body.len);
        memcpy(joined + body.len, frame->body, frame->header.body_bytes);
        body = (ProtobufCBinaryData){body.len + frame->header.body_bytes, joined};
    }
    struct reply reply = {
        .status = frame->header.status,
        .written_through = frame->header.written_through,
        .durable_through = frame->header.durable_through,
        .body = body,
        .text = "",
    };
    if (reply.status != STATUS_OK && reply.status != STATUS_NOT_FOUND) {
        Cairn__Error *error = wire_unpack(&cairn__error__descriptor, body.data, body.len);
        ck_assert_msg(error->text.len > 0, "an error (%s) without a text", status_text(reply.status));
        reply.text = kept_copy(error->text.data, error->text.len);
        reply.reason = error->has_reason ? (unsigned)error->reason : 0;
        reply.has_last_number = error->has_last_number;
        reply.last_number = error->last_number;
    }
    return reply;
}

struct reply ask(struct wire *wire, uint8_t type, const void *message)
{
    return reply_to(wire, wire_send(wire, type, message));
}

struct written written_reply(struct wire *wire, uint64_t id)
{
    struct reply reply = reply_to(wire, id);
    struct written written = {
        .status = reply.status,
        .text = reply.text,
        .reason = reply.reason,
        .written_through = reply.written_through,
        .durable_through = reply.durable_through,
    };
    if (reply.status == STATUS_OK) {
        Cairn__WriteReply *body =
            wire_unpack(&cairn__write_reply__descriptor, reply.body.data, reply.body.len);
        written.sequence = body->sequence;
        written.level = body->has_level ? body->level : 0;
        written.created = body->created;
        written.repeated = body->repeated;
        written.blocks = body->blocks;
        written.states = body->states;
        written.metadata = body->metadata;
        written.lowered = body->lowered;
    }
    return written;
}

struct written ask_metadata(struct wire *wire, Cairn__WriteMetadata *write)
{
    return written_reply(wire, wire_send(wire, FRAME_WRITE_METADATA, write));
}

struct written ask_commit(struct wire *wire, Cairn__Commit *commit)
{
    return written_reply(wire, wire_send(wire, FRAME_COMMIT, commit));
}

struct written ask_prune(struct wire *wire, Cairn__Prune *prune)
{
    return written_reply(wire, wire_send(wire, FRAME_PRUNE, prune));
}

struct written ask_rollback(struct wire *wire, Cairn__Rollback *rollback)
{
    return written_reply(wire, wire_send(wire, FRAME_ROLLBACK, rollback));
}

struct written ask_barrier(struct wire *wire, Cairn__Level level)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    barrier.has_level = true;
    barrier.level = level;
    return written_reply(wire, wire_send(wire, FRAME_BARRIER, &barrier));
}

struct written ask_create_chain(struct wire *wire, const char *name)
{
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    create.has_chain = true;
    create.chain = bytes_of(name);
    return written_reply(wire, wire_send(wire, FRAME_CREATE_CHAIN, &create));
}

struct written set(struct wire *wire, const char *name, const char *value)
{
    struct written written = ask_metadata(wire, metadata_new(operation_set(name, value)));
    ck_assert_msg(written.status == STATUS_OK, "set %s: %s", name, written.text);
    return written;
}

struct written commit_ok(struct wire *wire, Cairn__Commit *commit)
{
    struct written written = ask_commit(wire, commit);
    ck_assert_msg(written.status == STATUS_OK, "commit: %s", written.text);
    return written;
}

struct written fill_blocks(struct wire *wire, uint64_t first, uint64_t last)
{
    Cairn__Commit *commit = commit_new();
    for (uint64_t height = first; height <= last; height++) {
        commit_block(commit, height, kept_format("header %llu", (unsigned long long)height));
        commit_state(commit, height, kept_format("state %llu", (unsigned long long)height));
    }
    commit_rise(commit, last);
    return commit_ok(wire, commit);
}

/* ---- reads ---- */

/* The reply of a read, unpacked; NULL: not found. */
static void *get_reply(struct wire *wire, uint8_t type, const void *message,
                       const ProtobufCMessageDescriptor *descriptor)
{
    struct reply reply = ask(wire, type, message);
    if (reply.status == STATUS_NOT_FOUND) {
        ck_assert_uint_eq(reply.body.len, 0);
        return NULL;
    }
    ck_assert_msg(reply.status == STATUS_OK, "%s: %s: %s", frame_type_text(type), status_text(reply.status),
                  reply.text);
    return wire_unpack(descriptor, reply.body.data, reply.body.len);
}

Cairn__HelloReply *ask_hello(struct wire *wire, const Cairn__Hello *hello)
{
    return get_reply(wire, FRAME_HELLO, hello, &cairn__hello_reply__descriptor);
}

uint64_t get_height(struct wire *wire)
{
    Cairn__Height height = CAIRN__HEIGHT__INIT;
    Cairn__HeightReply *reply = get_reply(wire, FRAME_HEIGHT, &height, &cairn__height_reply__descriptor);
    ck_assert_ptr_nonnull(reply);
    return reply->height;
}

static Cairn__BlockReply *get_block_at(struct wire *wire, Cairn__ReadBlock *read, uint32_t parts)
{
    read->has_parts = parts != 0;
    read->parts = parts;
    return get_reply(wire, FRAME_READ_BLOCK, read, &cairn__block_reply__descriptor);
}

Cairn__BlockReply *get_block(struct wire *wire, uint64_t height, uint32_t parts)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    return get_block_at(wire, &read, parts);
}

Cairn__BlockReply *get_block_by_hash(struct wire *wire, ProtobufCBinaryData hash, uint32_t parts)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HASH;
    read.hash = hash;
    return get_block_at(wire, &read, parts);
}

Cairn__StateReply *get_state(struct wire *wire, uint64_t height)
{
    Cairn__ReadState read = CAIRN__READ_STATE__INIT;
    read.has_height = true;
    read.height = height;
    return get_reply(wire, FRAME_READ_STATE, &read, &cairn__state_reply__descriptor);
}

Cairn__StateReply *get_tip_state(struct wire *wire)
{
    Cairn__ReadState read = CAIRN__READ_STATE__INIT;
    return get_reply(wire, FRAME_READ_STATE, &read, &cairn__state_reply__descriptor);
}

Cairn__MetadataReply *get_metadata(struct wire *wire, const char *name)
{
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of(name);
    return get_reply(wire, FRAME_GET_METADATA, &get, &cairn__metadata_reply__descriptor);
}

bool metadata_is(struct wire *wire, const char *name, const char *value)
{
    Cairn__MetadataReply *reply = get_metadata(wire, name);
    if (reply == NULL || value == NULL) {
        return reply == NULL && value == NULL;
    }
    return reply->has_value && bytes_are(reply->value, value);
}

bool metadata_holds_number(struct wire *wire, const char *name, uint64_t number)
{
    Cairn__MetadataReply *reply = get_metadata(wire, name);
    return reply != NULL && bytes_same(reply->value, bytes_of_number(number));
}

bool block_is(struct wire *wire, uint64_t height, const char *header)
{
    Cairn__BlockReply *reply = get_block(wire, height, CAIRN__PART__PART_HEADER);
    if (reply == NULL || header == NULL) {
        return reply == NULL && header == NULL;
    }
    return reply->has_header && bytes_are(reply->header, header);
}

static void **stream_unpacked(struct wire *wire, uint64_t id, const ProtobufCMessageDescriptor *descriptor,
                              size_t *ret_n)
{
    struct wire_stream stream = wire_stream(wire, id);
    ck_assert_msg(stream.status == STATUS_OK, "stream: %s: %s", status_text(stream.status), stream.text);
    void **messages = kept_alloc((stream.messages + 1) * sizeof *messages);
    for (size_t i = 0; i < stream.messages; i++) {
        messages[i] = wire_unpack(descriptor, stream.bodies[i].data, stream.bodies[i].len);
    }
    *ret_n = stream.messages;
    return messages;
}

Cairn__MetadataReply **receive_metadata(struct wire *wire, uint64_t id, size_t *ret_n)
{
    return (Cairn__MetadataReply **)stream_unpacked(wire, id, &cairn__metadata_reply__descriptor, ret_n);
}

Cairn__BlockReply **receive_blocks(struct wire *wire, uint64_t id, size_t *ret_n)
{
    return (Cairn__BlockReply **)stream_unpacked(wire, id, &cairn__block_reply__descriptor, ret_n);
}

Cairn__MetadataReply **list_metadata(struct wire *wire, const char *prefix, size_t *ret_n)
{
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_prefix = true;
    list.prefix = bytes_of(prefix);
    return receive_metadata(wire, wire_send(wire, FRAME_LIST_METADATA, &list), ret_n);
}

Cairn__ChainEntry *get_chain(struct wire *wire, const char *name)
{
    Cairn__ChainsReply *reply = get_reply(wire, FRAME_CHAINS, NULL, &cairn__chains_reply__descriptor);
    for (size_t i = 0; reply != NULL && i < reply->n_chains; i++) {
        if (bytes_are(reply->chains[i]->name, name)) {
            return reply->chains[i];
        }
    }
    return NULL;
}

static Cairn__StatusEntry *status_entry(struct wire *wire, const char *name)
{
    Cairn__StatusReply *reply = get_reply(wire, FRAME_STATUS, NULL, &cairn__status_reply__descriptor);
    for (size_t i = 0; reply != NULL && i < reply->n_entries; i++) {
        if (bytes_are(reply->entries[i]->name, name)) {
            return reply->entries[i];
        }
    }
    ck_abort_msg("the status page has no %s", name);
}

uint64_t status_number(struct wire *wire, const char *name)
{
    Cairn__StatusEntry *entry = status_entry(wire, name);
    ck_assert_int_eq(entry->value_case, CAIRN__STATUS_ENTRY__VALUE_NUMBER);
    return entry->number;
}

const char *status_string(struct wire *wire, const char *name)
{
    Cairn__StatusEntry *entry = status_entry(wire, name);
    ck_assert_int_eq(entry->value_case, CAIRN__STATUS_ENTRY__VALUE_TEXT);
    return kept_copy(entry->text.data, entry->text.len);
}
