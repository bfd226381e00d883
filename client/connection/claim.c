/* A claim's life on this side:
 *
 * - granted by the answer to a Claim. Its epoch is then presented on the client's other connections, before anything that is written on
 *   them later; the connection that claimed numbers commits, prunes and rollbacks
 * - presented first on each connection whose hello is answered, claim by claim. Until that is answered, writes under claims wait, and reads
 *   go on; where the daemon refuses it for now (a full disk, for example), it is presented again after a pause
 * - ended when the client releases it or drops the chain, or when the daemon says that it is claimed by another
 *
 * What becomes of the requests that a lost connection leaves open stands in aside.h.
 *
 * Ways to fail: no memory to present a claim, or a new claim's Present is refused for now, which lose the connection; the next one tries
 * again. */
#include "client/connection/claim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/aside.h"
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
                aside_give_up(each, request, CAIRN_REASON_CLAIMED, why);
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
    aside_hold(connection);
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
        aside_settle(connection, claim, last_number);
    } else {
        end_waiting(client, claim, claim->why,
                    false); /* the chain does not know the epoch: nobody can tell */
    }
    claim->next_number = last_number + 1;
    claim->presenting = false;
    aside_hold(connection);
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
