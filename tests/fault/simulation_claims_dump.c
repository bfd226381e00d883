/* What the first claimant reads of the chain once all have come back, and metadata of earlier that it sends again: one request after the
 * other, with nothing else of the claimants under way. */
#include "tests/fault/simulation_claims_dump.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_claims_wire.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_steps.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

enum { DUMP_ID = 1000, SENT_AGAIN_MAX = 4 };

static struct complaint *const complaint = &simulation.oracle.complaint;

static struct wire_frame *take_frame(int session)
{
    unsigned client = CLAIMANT_FIRST + (unsigned)session;
    return simulated_is_connected(client) ? simulated_take(client) : NULL;
}

struct wire_frame *claims_await(int session)
{
    struct wire_frame *frame;
    for (unsigned steps = 0; (frame = take_frame(session)) == NULL; steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(complaint, NULL, "claims: no answer");
            return NULL;
        }
        if (!simulation_step()) {
            return NULL;
        }
    }
    return frame;
}

static bool dump_chain(struct claim_dump *dump)
{
    claims_send_chains(0, DUMP_ID);
    const struct wire_frame *frame = claims_await(0);
    if (frame == NULL || frame->header.status != STATUS_OK) {
        complain(complaint, NULL, "claims: no list of chains");
        return false;
    }
    const Cairn__ChainsReply *reply =
        wire_unpack(&cairn__chains_reply__descriptor, frame->body, frame->header.body_bytes);
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Cairn__ChainEntry *entry = reply->chains[i];
        if (bytes_are(entry->name, CHAIN_APART)) {
            dump->is_there = true;
            dump->height = entry->height;
            dump->pruned = entry->has_blocks_pruned_through ? entry->blocks_pruned_through : 0;
            dump->claim_sequence = entry->has_claim_sequence ? entry->claim_sequence : 0;
            dump->claim_uid = entry->claim_uid;
        }
    }
    return true;
}

static bool dump_blocks(struct claim_dump *dump)
{
    for (uint64_t height = 1; dump->is_there && height <= CLAIM_HEIGHTS; height++) {
        claims_send_read_header(0, height, DUMP_ID + height);
        const struct wire_frame *frame = claims_await(0);
        if (frame == NULL) {
            return false;
        }
        if (frame->header.status == STATUS_OK) {
            const Cairn__BlockReply *block =
                wire_unpack(&cairn__block_reply__descriptor, frame->body, frame->header.body_bytes);
            dump->blocks[height] =
                (uint32_t)strtoul(kept_copy(block->header.data, block->header.len), NULL, 10);
        }
    }
    return true;
}

static bool dump_epoch(struct claim_dump *dump, int epoch, struct claim_epoch *epochs)
{
    if (epoch == NO_EPOCH || epochs[epoch].random == 0) {
        return true;
    }
    struct claim_call *call = &dump->presents[dump->present_count++];
    *call = (struct claim_call){.kind = CLAIM_PRESENT, .epoch = epoch, .last_number = UINT64_MAX};
    claims_send_call(call, epochs, DUMP_ID);
    const struct wire_frame *frame = claims_await(0);
    if (frame != NULL) {
        claims_read_answer(call, frame, epochs);
    }
    return frame != NULL;
}

bool claims_dump(struct claim_model *model, const struct claim_round *round, struct claim_dump *ret_dump)
{
    struct claim_dump *dump = ret_dump;
    *dump = (struct claim_dump){0};
    claims_send_barrier(0, DUMP_ID);
    const struct wire_frame *frame = claims_await(0);
    bool is_good = frame != NULL && dump_chain(dump) && dump_blocks(dump);
    for (int i = 0; i < CLAIM_KEPT && dump->is_there; i++) {
        is_good = is_good && dump_epoch(dump, model->now.kept[i].epoch, model->epochs);
    }
    for (size_t i = 0; i < round->n && dump->is_there; i++) {
        bool is_claim = round->calls[i].kind == CLAIM_CLAIM;
        is_good = is_good && (!is_claim || dump_epoch(dump, round->calls[i].epoch, model->epochs));
    }
    return is_good;
}

/* ---- metadata of earlier, once more ---- */

static bool name_is(const struct claim_call *call)
{
    claims_send_get_name(0, DUMP_ID);
    const struct wire_frame *frame = claims_await(0);
    if (frame == NULL) {
        return false;
    }
    const Cairn__MetadataReply *reply = NULL;
    if (frame->header.status == STATUS_OK) {
        reply = wire_unpack(&cairn__metadata_reply__descriptor, frame->body, frame->header.body_bytes);
    }
    if (reply == NULL || !bytes_are(reply->value, kept_format("%u", call->id))) {
        complain(complaint, NULL, "claims: metadata that was sent again and taken is not there");
        return false;
    }
    return true;
}

static bool send_again(const struct claim_model *model, struct claim_call *call)
{
    claims_send_call(call, model->epochs, DUMP_ID);
    const struct wire_frame *frame = claims_await(0);
    if (frame == NULL) {
        return false;
    }
    claims_read_answer(call, frame, NULL);
    if (!claim_resend_fits(&model->now, call)) {
        complain(complaint, NULL,
                 "claims: metadata %" PRIu64
                 " was sent again: %s, reason %u; there %d, stands %d, under the last epoch "
                 "%d, claimed or released by %" PRIu64 ", cut by %" PRIu64,
                 call->resend_of, status_text(call->status), call->reason, model->now.is_there,
                 model->now.stands, claim_is_under_last(&model->now, 0), model->now.claimed, model->now.cut);
        return false;
    }
    return true;
}

bool claims_send_again(const struct claim_model *model, const uint64_t *sequences, size_t n,
                       uint32_t first_id)
{
    struct claim_call last = {.status = STATUS_NOT_FOUND};
    for (size_t i = 0; i < n && i < SENT_AGAIN_MAX; i++) {
        struct claim_call call = {
            .kind = CLAIM_METADATA, .id = first_id + (uint32_t)i, .resend_of = sequences[i]};
        if (!send_again(model, &call)) {
            return false;
        }
        last = call.status == STATUS_OK ? call : last;
    }
    return last.status != STATUS_OK || name_is(&last);
}
