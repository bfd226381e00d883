/* Requests built and replies read in a line each, for the tests of one promise. Text stands for bytes; the default chain
 * is meant where none is set. Everything returned is kept. What fails in a way no test asks about fails the test. */
#ifndef TESTS_LIB_MESSAGES_H
#define TESTS_LIB_MESSAGES_H

#include "proto/cairn.pb-c.h"
#include "tests/lib/wire.h"

ProtobufCBinaryData bytes_of(const char *text);
ProtobufCBinaryData bytes_random(uint64_t seed, size_t n);
bool bytes_same(ProtobufCBinaryData left, ProtobufCBinaryData right);
bool bytes_are(ProtobufCBinaryData bytes, const char *text);
ProtobufCBinaryData bytes_of_number(uint64_t number);

/* ---- building ---- */

Cairn__MetadataOperation *operation_set(const char *name, const char *value);
Cairn__MetadataOperation *operation_set_at(const char *name, const char *value, uint64_t of_height);
Cairn__MetadataOperation *operation_set_bytes(ProtobufCBinaryData name, ProtobufCBinaryData value);
Cairn__MetadataOperation *operation_delete(const char *name);
Cairn__MetadataOperation *operation_raise(const char *name, uint64_t number);

Cairn__WriteMetadata *metadata_new(Cairn__MetadataOperation *first);
void metadata_add(Cairn__WriteMetadata *write, Cairn__MetadataOperation *operation);

Cairn__Commit *commit_new(void);
/* A block whose data and signature follow from its header, and the height to rise to with it. */
Cairn__Commit *commit_of_block(uint64_t height, const char *header);
Cairn__Block *commit_block(Cairn__Commit *commit, uint64_t height, const char *header);
void commit_state(Cairn__Commit *commit, uint64_t height, const char *value);
void commit_delete_state(Cairn__Commit *commit, uint64_t height);
void commit_rise(Cairn__Commit *commit, uint64_t height);
void commit_metadata(Cairn__Commit *commit, Cairn__MetadataOperation *operation);

Cairn__Prune *prune_blocks(uint64_t height);
Cairn__Prune *prune_states(uint64_t height);
void prune_metadata(Cairn__Prune *prune, Cairn__MetadataOperation *operation);

Cairn__Rollback *rollback_to(uint64_t height);
void rollback_guard(Cairn__Rollback *rollback, const char *name, bool lower);
void rollback_metadata(Cairn__Rollback *rollback, Cairn__MetadataOperation *operation);

/* ---- any reply: its frames put together ---- */

struct reply {
    enum status status;
    uint64_t written_through;
    uint64_t durable_through;
    ProtobufCBinaryData body;
    const char *text;     /* of the error; "" when there is none */
    unsigned reason;      /* of the conflict; 0: none */
    bool has_last_number; /* of the error */
    uint64_t last_number;
};
struct reply reply_to(struct wire *wire, uint64_t id);
struct reply ask(struct wire *wire, uint8_t type, const void *message);

/* ---- writes ---- */

struct written {
    enum status status;
    const char *text;
    unsigned reason; /* of the conflict; 0: none */
    uint64_t sequence;
    Cairn__Level level;
    bool created;
    bool repeated;
    uint64_t blocks, states, metadata, lowered; /* of a rollback */
    uint64_t written_through;
    uint64_t durable_through;
};
struct written written_reply(struct wire *wire, uint64_t id);
struct written ask_metadata(struct wire *wire, Cairn__WriteMetadata *write);
struct written ask_commit(struct wire *wire, Cairn__Commit *commit);
struct written ask_prune(struct wire *wire, Cairn__Prune *prune);
struct written ask_rollback(struct wire *wire, Cairn__Rollback *rollback);
struct written ask_barrier(struct wire *wire, Cairn__Level level);
struct written ask_create_chain(struct wire *wire, const char *name);
/* Fail the test unless the answer is ok. */
struct written set(struct wire *wire, const char *name, const char *value);
struct written commit_ok(struct wire *wire, Cairn__Commit *commit);
/* Blocks first to last with states, heights and headers "header N", in one commit. */
struct written fill_blocks(struct wire *wire, uint64_t first, uint64_t last);

/* ---- reads; NULL where the answer is `not found` ---- */

Cairn__HelloReply *ask_hello(struct wire *wire, const Cairn__Hello *hello);
uint64_t get_height(struct wire *wire);
Cairn__BlockReply *get_block(struct wire *wire, uint64_t height, uint32_t parts);
Cairn__BlockReply *get_block_by_hash(struct wire *wire, ProtobufCBinaryData hash, uint32_t parts);
Cairn__StateReply *get_state(struct wire *wire, uint64_t height);
Cairn__StateReply *get_tip_state(struct wire *wire);
Cairn__MetadataReply *get_metadata(struct wire *wire, const char *name);
/* Whether the name has that value; NULL: whether it is absent. */
bool metadata_is(struct wire *wire, const char *name, const char *value);
bool metadata_holds_number(struct wire *wire, const char *name, uint64_t number);
/* Whether there is a block with that header; NULL: whether there is none. */
bool block_is(struct wire *wire, uint64_t height, const char *header);

/* The messages of a stream, unpacked, NULL-ended. */
Cairn__MetadataReply **receive_metadata(struct wire *wire, uint64_t id, size_t *ret_n);
Cairn__BlockReply **receive_blocks(struct wire *wire, uint64_t id, size_t *ret_n);
Cairn__MetadataReply **list_metadata(struct wire *wire, const char *prefix, size_t *ret_n);

Cairn__ChainEntry *get_chain(struct wire *wire, const char *name);
uint64_t status_number(struct wire *wire, const char *name);
const char *status_string(struct wire *wire, const char *name);

#endif
