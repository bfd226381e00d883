/* A claim's life on this side:
 *
 * - granted by the answer to a Claim. Its epoch is then presented on the client's other connections, before anything that is written on
 *   them later; the connection that claimed numbers commits, prunes and rollbacks
 * - presented first on each connection whose hello is answered, claim by claim. Until that is answered, writes under claims wait, and reads
 *   go on; where the daemon refuses it for now (a full disk, for example), it is presented again after a pause
 * - ended when the client releases it or drops the chain, or when the daemon says that it is claimed by another
 *
 * What becomes of a request that was put aside:
 *
 *   numbered     waits for the answer to the Present on its connection, which gives the last number applied. A request with a number up to
 *                that was applied, and completes so. Any other was not applied and never will be: it is sent again under a new number,
 *                but for two cases. If one before it timed out or was refused, it is refused too, since writes take effect in their
 *                order or not at all. If metadata that was sent behind it was accepted, the daemon had refused it; sent again it would
 *                land behind that metadata, so it is refused
 *   metadata     may have been applied. On a connection that does not number writes it is sent again at once; nobody else writes to the
 *                chain, so that the values end the same. On the connection that numbers, a write that was sent behind it may have been
 *                applied: if that carried, this one was applied too; if it has metadata of its own, this one is unknown; else this one
 *                is sent again
 *
 * All of that keeps the order of the stamps (hold.h).
 *
 * Ways to fail: no memory to present a claim, or a new claim's Present is refused for now, which lose the connection; the next one tries
 * again. */
#include "client/connection/claim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/clock.h"
#include "client/connection/hold.h"
#include "client/connection/request.h"
#include "client/message/encode.h"

static struct claim *find(const struct cairn_client *client, struct cairn_slice chain)
{
    chain = chain.bytes > 0 ? chain : cairn_text("default");
    for (struct claim *claim = client->claims; claim != NULL; claim = claim->next) {
        if (claim->chain_bytes == chain.bytes && memcmp(claim->chain, chain.data, chain.bytes) == 0) {
            return claim;
        }
    }
    return NULL;
}

struct claim *claim_of(const struct cairn_client *client, struct cairn_slice chain)
{
    struct claim *claim = client->claims != NULL ? find(client, chain) : NULL;
    return claim != NULL && claim->state != CLAIM_NONE ? claim : NULL;
}

struct claim *claim_prepare(struct cairn_client *client, struct cairn_slice chain)
{
    chain = chain.bytes > 0 ? chain : cairn_text("default");
    /* The daemon refuses a longer name, so that no claim is ever granted under the cut one. */
    chain.bytes = chain.bytes < CHAIN_NAME_BYTES_MAX ? chain.bytes : CHAIN_NAME_BYTES_MAX;
    struct claim *claim = find(client, chain);
    if (claim != NULL) {
        return claim;
    }
    claim = calloc(1, sizeof *claim);
    if (claim == NULL) {
        return NULL;
    }
    claim->chain_bytes = chain.bytes;
    memcpy(claim->chain, chain.data, claim->chain_bytes);
    claim->next = client->claims;
    client->claims = claim;
    return claim;
}

/* Sends a Present in front of all that follows on the connection, which is ready. False: no memory. */
static bool present(struct cairn_connection *connection, struct claim *claim)
{
    struct encoded encoded;
    assert(connection->state == CONNECTION_READY && claim->state != CLAIM_NONE);
    bool for_numbers = claim->connection == connection;
    if (encode_present((struct cairn_slice){claim->chain, claim->chain_bytes}, claim->epoch_sequence,
                       claim->epoch_random, for_numbers, &encoded) != CAIRN_OK) {
        return false;
    }
    const struct request model = {
        .type = FRAME_PRESENT,
        .kind = KIND_PRESENT,
        .internal = true,
        .claim = claim,
        .timeout_us = NEVER_US,
    };
    claim->presenting |= for_numbers;
    return request_add(connection, &model, encoded.frame);
}

bool claim_numbers(struct cairn_connection *connection, struct claim *claim)
{
    if (claim->connection != NULL) {
        return claim->connection == connection;
    }
    claim->connection = connection;
    claim->presenting = true;
    if (connection->state == CONNECTION_READY && !present(connection, claim)) {
        claim->connection = NULL;
    }
    return claim->connection == connection;
}

/* Whether the request is a write under the claim, and not about the claim itself. */
static bool is_under(const struct request *request, const struct claim *claim)
{
    return request->claim == claim && request->ordered && request->type != FRAME_CLAIM &&
           request->type != FRAME_RELEASE;
}

/* Completes a request that will not be sent again. */
static void give_up(struct cairn_connection *connection, struct request *request, enum cairn_reason reason,
                    const char *why)
{
    struct decoded decoded = {.message = NULL};
    char text[TEXT_BYTES_MAX];
    assert(request->state == REQUEST_ASIDE || request->state == REQUEST_HELD);
    struct cairn_reply reply = {.status = CAIRN_CONFLICT, .text = text, .reason = reason};
    if (request->is_uncertain) {
        reply = (struct cairn_reply){.status = CAIRN_CONNECTION_LOST, .text = text};
    }
    snprintf(text, sizeof text, "%s: %s%s", frame_type_text(request->type),
             request->is_uncertain ? "it may have been applied before the connection was lost: " : "", why);
    request_finish(connection, request, &reply, &decoded);
}

/* Completes a request that was applied before its connection was lost. */
static void say_applied(struct cairn_connection *connection, struct request *request)
{
    struct decoded decoded = {.message = NULL};
    struct cairn_reply reply = {
        .status = CAIRN_OK,
        .text = "",
        .written_through = connection->client->written_through,
        .durable_through = connection->client->durable_through,
        .write = {.level = CAIRN_DURABLE, .repeated = true},
    };
    request_finish(connection, request, &reply, &decoded);
}

/* Completes the requests under the claim that are held or aside; with `spare_numbered` not the numbered ones that may have been applied,
 * which a Present decides. */
static void end_waiting(struct cairn_client *client, struct claim *claim, const char *why,
                        bool spare_numbered)
{
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        struct request *next;
        for (struct request *request = each->first; request != NULL; request = next) {
            next = request->next;
            bool waits = request->state == REQUEST_HELD || request->state == REQUEST_ASIDE;
            if (waits && is_under(request, claim) &&
                !(spare_numbered && request->numbered && request->is_uncertain)) {
                give_up(each, request, CAIRN_REASON_CLAIMED, why);
            }
        }
    }
}

/* The claim is released, or lost: completes what waits to be sent. */
static void claim_end(struct cairn_client *client, struct claim *claim, const char *why)
{
    if (claim->state != CLAIM_HELD) {
        return; /* it was answered twice that it has ended */
    }
    claim->state = CLAIM_ENDED;
    snprintf(claim->why, sizeof claim->why, "%s", why);
    end_waiting(client, claim, claim->why, true);
}

/* A Claim was granted: the epoch replaces the one before, and is presented on the client's other connections. */
static void claim_granted(struct cairn_connection *connection, struct claim *claim, uint64_t epoch_sequence,
                          uint64_t epoch_random)
{
    struct cairn_client *client = connection->client;
    assert(epoch_sequence > 0 && epoch_random != 0);
    end_waiting(client, claim, "the chain was claimed anew", false);
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        for (struct request *request = each->first; request != NULL; request = request->next) {
            if (is_under(request, claim)) {
                request->claim = NULL; /* it is of the epoch before */
                request->survives = false;
            } else if (request->type == FRAME_PRESENT && request->claim == claim) {
                request->is_doomed = true; /* likewise: its refusal says nothing of the new one */
            }
        }
    }
    claim->state = CLAIM_HELD;
    claim->epoch_sequence = epoch_sequence;
    claim->epoch_random = epoch_random;
    claim->connection = connection;
    claim->presenting = false;
    claim->next_number = 1;
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        if (each != connection && each->state == CONNECTION_READY && !present(each, claim)) {
            /* it cannot write to the chain: it is lost, and connects again */
            each->transport.send_broken = true;
            each->transport.error = ENOMEM;
        }
    }
}

void claim_succeeded(struct cairn_connection *connection, const struct request *request,
                     const struct decoded *decoded)
{
    struct claim *claim = request->claim;
    if (claim == NULL) {
        return;
    }
    if (request->type == FRAME_CLAIM) {
        claim_granted(connection, claim, decoded->epoch_sequence, decoded->epoch_random);
    } else if (request->type == FRAME_RELEASE) {
        claim_end(connection->client, claim, "this client released it");
    } else if (request->type == FRAME_DROP_CHAIN) {
        claim_end(connection->client, claim, "this client dropped the chain");
    }
}

bool claim_refused(struct cairn_connection *connection, struct request *request, struct cairn_reply *reply)
{
    struct claim *claim = request->claim;
    assert(reply->status != CAIRN_OK);
    if (claim == NULL || !is_under(request, claim)) {
        return true;
    }
    if (request->numbered && cairn_status_applied(reply->status) == CAIRN_UNKNOWN) {
        return false;
    }
    if (request->numbered) {
        hold_refuse_behind(connection, request);
    } else if (request->is_uncertain) {
        reply->status = CAIRN_CONNECTION_LOST; /* refused now, but perhaps not before */
    }
    if (reply->reason == CAIRN_REASON_CLAIMED) {
        claim_end(connection->client, claim, reply->text);
    }
    reply->reason = reply->status == CAIRN_CONFLICT ? reply->reason : CAIRN_REASON_NONE;
    return true;
}

void claim_note_accepted(struct request *metadata, uint64_t sequence)
{
    assert(metadata->type == FRAME_WRITE_METADATA && sequence > 0);
    for (struct request *each = metadata->previous; each != NULL; each = each->previous) {
        if (each->overtaken != 0) {
            return; /* so are those before it */
        }
        each->overtaken = each->numbered && each->state == REQUEST_SENT ? sequence : 0;
    }
}

void claim_set_aside(struct cairn_connection *connection)
{
    for (struct claim *claim = connection->client->claims; claim != NULL; claim = claim->next) {
        claim->presenting |= claim->connection == connection;
    }
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (!request->survives || request->claim == NULL) {
            continue;
        }
        if (request->is_doomed) {
            request->number = 0; /* another has it now, and this one is surely not applied */
        }
        struct frame_out *frame = request->frame;
        if (request->state == REQUEST_HELD) {
            frame_queue_remove(&connection->held, frame);
        } else if (request->state == REQUEST_QUEUED) {
            frame_queue_remove(&connection->transport.out, frame);
        } else if (request->state != REQUEST_SENT || frame == NULL) {
            continue; /* abandoned, or aside since an earlier connection, or metadata whose acceptance is recorded */
        }
        request->is_uncertain |= request->state == REQUEST_SENT;
        request->is_uncertain &= !request->is_doomed;
        request->number = request->is_uncertain ? request->number : 0;
        frame->sent = 0;
        hold_set_again(connection, request);
        request_state_move(&request->state, REQUEST_ASIDE);
    }
}

/* Makes requests that were aside wait to be sent, in front of all that were held since: those under a claim whose Present is not awaited
 * on this connection. */
static void hold_again(struct cairn_connection *connection)
{
    struct frame_queue held = connection->held;
    struct frame_out *frame;
    connection->held = (struct frame_queue){.first = NULL};
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (request->state != REQUEST_ASIDE) {
            continue;
        }
        if (request->claim != NULL && request->claim->connection == connection &&
            request->claim->presenting) {
            continue;
        }
        request_state_move(&request->state, REQUEST_HELD);
        frame_queue_push(&connection->held, request->frame);
    }
    while ((frame = frame_queue_pop(&held)) != NULL) {
        frame_queue_push(&connection->held, frame);
    }
}

/* Presents the next claim on the connection, from present_next on. False: no memory. */
static bool present_next(struct cairn_connection *connection)
{
    struct cairn_client *client = connection->client;
    connection->present_at_us = 0;
    for (; connection->present_next != NULL; connection->present_next = connection->present_next->next) {
        struct claim *claim = connection->present_next;
        bool asks = claim->connection == connection && connection->again + connection->abandoned > 0;
        if (claim->state == CLAIM_NONE || (claim->state == CLAIM_ENDED && !asks)) {
            continue;
        }
        if (connection->features & FEATURE_CLAIMS) {
            return present(connection, claim);
        }
        claim_end(client, claim, "this daemon has no claims");
        end_waiting(client, claim, claim->why, false);
    }
    return true;
}

bool claim_present(struct cairn_connection *connection)
{
    connection->present_next = connection->client->claims;
    if (!present_next(connection)) {
        return false;
    }
    hold_again(connection);
    return true;
}

uint64_t claim_present_due_us(const struct cairn_connection *connection)
{
    bool waits = connection->state == CONNECTION_READY && connection->present_next != NULL;
    return waits && connection->present_at_us != 0 ? connection->present_at_us : NEVER_US;
}

bool claim_present_again(struct cairn_connection *connection, uint64_t now)
{
    return now < claim_present_due_us(connection) || present_next(connection);
}

bool claims_under_way(const struct cairn_client *client)
{
    const struct claim *claim = client->claims;
    while (claim != NULL && claim->claiming == 0) {
        claim = claim->next;
    }
    return claim != NULL;
}

/* Whether a numbered write that the daemon applied was sent behind this one, and what that says of it. */
enum behind { BEHIND_NOTHING, BEHIND_CARRIED, BEHIND_METADATA };

static enum behind applied_behind(const struct request *metadata, uint64_t last_number)
{
    enum behind behind = BEHIND_NOTHING;
    for (const struct request *each = metadata->next; each != NULL; each = each->next) {
        bool applied = each->numbered && each->claim == metadata->claim && each->number > 0 &&
                       each->number <= last_number;
        if (applied && each->carries) {
            return BEHIND_CARRIED;
        }
        behind = applied && each->operations > 0 ? BEHIND_METADATA : behind;
    }
    return behind;
}

/* Decides about the metadata writes that are aside on the connection that numbers. */
static void settle_metadata(struct cairn_connection *connection, const struct claim *claim,
                            uint64_t last_number)
{
    struct request *next;
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        if (request->state != REQUEST_ASIDE || request->claim != claim || request->numbered ||
            !request->is_uncertain) {
            continue;
        }
        enum behind behind = applied_behind(request, last_number);
        if (behind == BEHIND_CARRIED) {
            say_applied(connection, request);
        } else if (behind == BEHIND_METADATA) {
            give_up(connection, request, CAIRN_REASON_NONE, "a commit behind it was applied");
        }
    }
}

/* Decides about the numbered writes, in their order: applied, or not. What is not stays aside, unless the claim has ended or one that
 * timed out is missing before it. */
static void settle_numbered(struct cairn_connection *connection, const struct claim *claim,
                            uint64_t last_number)
{
    struct request *next;
    bool missing = false;
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        bool timed_out = request->state == REQUEST_ABANDONED;
        if (request->claim != claim || !request->numbered ||
            (!timed_out && request->state != REQUEST_ASIDE)) {
            continue;
        }
        bool applied = request->number > 0 && request->number <= last_number;
        request->is_uncertain = false;
        if (applied || timed_out) {
            missing |= !applied && !request->is_doomed;
            say_applied(connection, request); /* one that timed out has completed, and only ends here */
        } else if (claim->state == CLAIM_ENDED) {
            give_up(connection, request, CAIRN_REASON_CLAIMED, claim->why);
        } else if (request->overtaken != 0) {
            missing = true;
            give_up(
                connection, request, CAIRN_REASON_NONE,
                "it was refused, and why was lost with the connection: what was sent behind it was accepted");
        } else if (missing || request->is_doomed) {
            give_up(connection, request, CAIRN_REASON_NUMBER,
                    "a write before it was refused, or timed out, and was not applied");
        } else {
            request->number = 0;
        }
    }
}

/* Takes the answer to a Present: success, or a refusal that will not pass. */
static void take_presented(struct cairn_connection *connection, struct claim *claim, enum cairn_status status,
                           const char *text, bool has_last_number, uint64_t last_number)
{
    struct cairn_client *client = connection->client;
    assert(status == CAIRN_OK || !refused_for_now(status));
    if (status != CAIRN_OK) {
        claim_end(client, claim, text);
    }
    if (claim->connection != connection) {
        return;
    }
    if (status == CAIRN_OK || has_last_number) {
        settle_metadata(connection, claim, last_number);
        settle_numbered(connection, claim, last_number);
    } else {
        end_waiting(client, claim, claim->why,
                    false); /* the chain does not know the epoch: nobody can tell */
    }
    claim->next_number = last_number + 1;
    claim->presenting = false;
    hold_again(connection);
}

bool claim_presented(struct cairn_connection *connection, const struct request *request,
                     enum cairn_status status, const char *text, bool has_last_number, uint64_t last_number)
{
    struct claim *claim = request->claim;
    assert(request->type == FRAME_PRESENT && claim != NULL);
    bool is_next = claim == connection->present_next && connection->present_at_us == 0;
    if (request->is_doomed) {
        return !is_next || present_next(connection);
    }
    if (refused_for_now(status) && !is_next) {
        return false;
    }
    if (refused_for_now(status)) {
        connection->present_at_us = clock_now_us() + RESEND_PAUSE_US;
        return true;
    }
    take_presented(connection, claim, status, text, has_last_number, last_number);
    if (is_next) {
        connection->present_next = claim->next;
        return present_next(connection);
    }
    return true;
}

void claim_forget_connection(const struct cairn_connection *connection)
{
    for (struct claim *claim = connection->client->claims; claim != NULL; claim = claim->next) {
        if (claim->connection == connection) {
            claim->connection = NULL;
            claim->presenting = false;
        }
    }
}

void claim_clear(struct cairn_client *client)
{
    while (client->claims != NULL) {
        struct claim *claim = client->claims;
        client->claims = claim->next;
        free(claim);
    }
}
