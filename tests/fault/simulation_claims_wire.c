/* A claimant's requests as frames, and what is answered. */
#include "tests/fault/simulation_claims_wire.h"

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_daemon.h"
#include "tests/fault/simulation_engine.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

static void send_frame(int session, uint8_t type, uint64_t id, const void *message)
{
    const ProtobufCMessage *body = message;
    const struct frame_request header = {
        .type = type, .id = id, .body_bytes = (uint32_t)protobuf_c_message_get_packed_size(body)};
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + header.body_bytes + 1);
    frame_request_encode(&header, frame);
    protobuf_c_message_pack(body, frame + FRAME_REQUEST_BYTES);
    unsigned client = CLAIMANT_FIRST + (unsigned)session;
    size_t bytes = FRAME_REQUEST_BYTES + header.body_bytes;
    type == FRAME_HELLO ? simulated_connect(client, frame, bytes) : simulated_send(client, frame, bytes);
}

void claims_send_hello(int session)
{
    static const Cairn__Hello hello = CAIRN__HELLO__INIT;
    send_frame(session, FRAME_HELLO, CLAIMS_HELLO_ID, &hello);
}

/* Of any message that has a chain, and maybe a number. */
#define SEND(call, id, frame_type, message)                                                                  \
    do {                                                                                                     \
        (message)->has_chain = true;                                                                         \
        (message)->chain = bytes_of(CHAIN_APART);                                                            \
        send_frame((call)->session, frame_type, id, message);                                                \
    } while (0)

#define SEND_NUMBERED(call, id, frame_type, message)                                                         \
    do {                                                                                                     \
        (message)->has_number = (call)->number != 0;                                                         \
        (message)->number = (call)->number;                                                                  \
        (message)->has_level = true;                                                                         \
        (message)->level = (Cairn__Level)(call)->level;                                                      \
        SEND(call, id, frame_type, message);                                                                 \
    } while (0)

static void send_claim(const struct claim_call *call, uint64_t id)
{
    Cairn__Claim claim = CAIRN__CLAIM__INIT;
    claim.has_writer_name = claim.has_take_over = true;
    claim.writer_name = bytes_of("claimant");
    claim.take_over = call->is_asked;
    SEND(call, id, FRAME_CLAIM, &claim);
}

static void send_present(const struct claim_call *call, const struct claim_epoch *presented, uint64_t id)
{
    Cairn__Present present = CAIRN__PRESENT__INIT;
    Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
    epoch.has_sequence = epoch.has_random = true;
    epoch.sequence = presented->sequence;
    epoch.random = presented->random;
    present.epoch = &epoch;
    present.has_for_numbers = true;
    present.for_numbers = call->is_asked;
    present.has_ends_with_epoch = true;
    present.ends_with_epoch = call->ends;
    SEND(call, id, FRAME_PRESENT, &present);
}

static void send_commit(const struct claim_call *call, uint64_t id)
{
    Cairn__Commit *commit = commit_of_block(call->height, kept_format("%u", call->id));
    commit->has_expected_height = call->expected != UINT64_MAX;
    commit->expected_height = call->expected;
    SEND_NUMBERED(call, id, FRAME_COMMIT, commit);
}

void claims_send_call(const struct claim_call *call, const struct claim_epoch *epochs, uint64_t id)
{
    Cairn__Release release = CAIRN__RELEASE__INIT;
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    Cairn__WriteMetadata *write;
    Cairn__Rollback *rollback;
    Cairn__Prune *prune;
    switch (call->kind) {
    case CLAIM_CLAIM:
        send_claim(call, id);
        break;
    case CLAIM_PRESENT:
        send_present(call, &epochs[call->epoch], id);
        break;
    case CLAIM_RELEASE:
        release.has_any = true;
        release.any = call->is_asked;
        SEND(call, id, FRAME_RELEASE, &release);
        break;
    case CLAIM_METADATA:
        write = metadata_new(operation_set("name", kept_format("%u", call->id)));
        write->has_resend_of = call->resend_of != 0 && simulated_plan.plant != PLANT_RESEND_IS_NEW;
        write->resend_of = call->resend_of;
        SEND(call, id, FRAME_WRITE_METADATA, write);
        break;
    case CLAIM_COMMIT:
        send_commit(call, id);
        break;
    case CLAIM_ROLLBACK:
        rollback = rollback_to(call->height);
        SEND_NUMBERED(call, id, FRAME_ROLLBACK, rollback);
        break;
    case CLAIM_PRUNE:
        prune = prune_blocks(call->height);
        SEND_NUMBERED(call, id, FRAME_PRUNE, prune);
        break;
    case CLAIM_DROP:
        SEND(call, id, FRAME_DROP_CHAIN, &drop);
        break;
    case CLAIM_CREATE:
        SEND(call, id, FRAME_CREATE_CHAIN, &create);
    }
}

void claims_send_chains(int session, uint64_t id)
{
    static const Cairn__Chains chains = CAIRN__CHAINS__INIT;
    send_frame(session, FRAME_CHAINS, id, &chains);
}

void claims_send_barrier(int session, uint64_t id)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    barrier.has_level = true;
    barrier.level = CAIRN__LEVEL__LEVEL_DURABLE;
    send_frame(session, FRAME_BARRIER, id, &barrier);
}

void claims_send_read_header(int session, uint64_t height, uint64_t id)
{
    const struct claim_call call = {.session = session};
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_HEADER;
    SEND(&call, id, FRAME_READ_BLOCK, &read);
}

void claims_send_get_name(int session, uint64_t id)
{
    const struct claim_call call = {.session = session};
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of("name");
    SEND(&call, id, FRAME_GET_METADATA, &get);
}

/* ---- answers ---- */

static void *unpack(const ProtobufCMessageDescriptor *descriptor, const struct wire_frame *frame)
{
    return wire_unpack(descriptor, frame->body, frame->header.body_bytes);
}

static void read_error(struct claim_call *call, const struct wire_frame *frame)
{
    const Cairn__Error *error = unpack(&cairn__error__descriptor, frame);
    call->reason = error->has_reason ? (unsigned)error->reason : 0;
    call->last_number = error->has_last_number ? error->last_number : UINT64_MAX;
}

static void read_ok(struct claim_call *call, const struct wire_frame *frame, struct claim_epoch *epochs)
{
    if (call->kind == CLAIM_CLAIM) {
        const Cairn__ClaimReply *reply = unpack(&cairn__claim_reply__descriptor, frame);
        epochs[call->epoch] =
            (struct claim_epoch){.sequence = reply->epoch->sequence, .random = reply->epoch->random};
        call->sequence = reply->sequence;
    } else if (call->kind == CLAIM_PRESENT) {
        const Cairn__PresentReply *reply = unpack(&cairn__present_reply__descriptor, frame);
        call->sequence = reply->sequence;
        call->last_number = reply->last_number;
    } else {
        const Cairn__WriteReply *reply = unpack(&cairn__write_reply__descriptor, frame);
        call->sequence = reply->sequence;
        call->is_repeated = reply->repeated;
    }
}

void claims_read_answer(struct claim_call *call, const struct wire_frame *frame, struct claim_epoch *epochs)
{
    call->status = frame->header.status;
    call->is_answered = call->status != STATUS_IO_ERROR; /* that one is unknown */
    call->status == STATUS_OK ? read_ok(call, frame, epochs) : read_error(call, frame);
}
