#include "tests/lib/claims.h"

#include <check.h>

#include "tests/lib/kept.h"

static ProtobufCBinaryData name_of(const char *chain, protobuf_c_boolean *ret_has)
{
    *ret_has = chain != NULL;
    return bytes_of(chain != NULL ? chain : "");
}

uint64_t send_claim(struct wire *wire, const char *chain, const char *writer, bool take_over)
{
    Cairn__Claim claim = CAIRN__CLAIM__INIT;
    claim.chain = name_of(chain, &claim.has_chain);
    claim.has_writer_name = claim.has_take_over = true;
    claim.writer_name = bytes_of(writer);
    claim.take_over = take_over;
    return wire_send(wire, FRAME_CLAIM, &claim);
}

static struct claimed claimed_of(const struct reply *reply)
{
    return (struct claimed){.status = reply->status,
                            .text = reply->text,
                            .reason = reply->reason,
                            .epoch = CAIRN__EPOCH__INIT,
                            .last_number = reply->has_last_number ? reply->last_number : UINT64_MAX};
}

struct claimed claimed_reply(struct wire *wire, uint64_t id)
{
    struct reply reply = reply_to(wire, id);
    struct claimed claimed = claimed_of(&reply);
    if (reply.status == STATUS_OK) {
        const Cairn__ClaimReply *body =
            wire_unpack(&cairn__claim_reply__descriptor, reply.body.data, reply.body.len);
        ck_assert_ptr_nonnull(body->epoch);
        ck_assert(body->epoch->sequence != 0 && body->epoch->random != 0);
        claimed.sequence = body->sequence;
        claimed.level = body->level;
        claimed.epoch = *body->epoch;
    }
    return claimed;
}

struct claimed ask_claim(struct wire *wire, const char *chain, const char *writer)
{
    return claimed_reply(wire, send_claim(wire, chain, writer, false));
}

struct claimed take_over(struct wire *wire, const char *chain, const char *writer)
{
    return claimed_reply(wire, send_claim(wire, chain, writer, true));
}

Cairn__Epoch claim_ok(struct wire *wire, const char *chain, const char *writer)
{
    struct claimed claimed = ask_claim(wire, chain, writer);
    ck_assert_msg(claimed.status == STATUS_OK, "%s", claimed.text);
    return claimed.epoch;
}

uint64_t send_present(struct wire *wire, const char *chain, const Cairn__Epoch *epoch, bool for_numbers)
{
    Cairn__Present present = CAIRN__PRESENT__INIT;
    Cairn__Epoch copy = *epoch;
    present.chain = name_of(chain, &present.has_chain);
    present.epoch = &copy;
    present.has_for_numbers = true;
    present.for_numbers = for_numbers;
    return wire_send(wire, FRAME_PRESENT, &present);
}

struct claimed presented_reply(struct wire *wire, uint64_t id)
{
    struct reply reply = reply_to(wire, id);
    struct claimed claimed = claimed_of(&reply);
    if (reply.status == STATUS_OK) {
        const Cairn__PresentReply *body =
            wire_unpack(&cairn__present_reply__descriptor, reply.body.data, reply.body.len);
        ck_assert(body->has_last_number);
        claimed.sequence = body->sequence;
        claimed.level = body->level;
        claimed.last_number = body->last_number;
    }
    return claimed;
}

struct claimed ask_present(struct wire *wire, const char *chain, const Cairn__Epoch *epoch, bool for_numbers)
{
    return presented_reply(wire, send_present(wire, chain, epoch, for_numbers));
}

struct claimed ask_present_until_ended(struct wire *wire, const char *chain, const Cairn__Epoch *epoch)
{
    Cairn__Present present = CAIRN__PRESENT__INIT;
    Cairn__Epoch copy = *epoch;
    present.chain = name_of(chain, &present.has_chain);
    present.epoch = &copy;
    present.has_ends_with_epoch = true;
    present.ends_with_epoch = true;
    return presented_reply(wire, wire_send(wire, FRAME_PRESENT, &present));
}

struct written ask_release(struct wire *wire, const char *chain, bool any)
{
    Cairn__Release release = CAIRN__RELEASE__INIT;
    release.chain = name_of(chain, &release.has_chain);
    release.has_any = true;
    release.any = any;
    return written_reply(wire, wire_send(wire, FRAME_RELEASE, &release));
}

Cairn__Commit *commit_to(Cairn__Commit *commit, const char *chain)
{
    commit->chain = name_of(chain, &commit->has_chain);
    return commit;
}

Cairn__Commit *numbered(Cairn__Commit *commit, const char *chain, uint64_t number)
{
    commit->has_number = true;
    commit->number = number;
    return commit_to(commit, chain);
}
