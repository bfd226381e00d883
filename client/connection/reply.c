/* What a frame from the daemon does to the request it answers.
 *
 * - a frame that is continued is appended to what has come of its message
 * - an item of a stream is delivered, and its bytes are given back as credit
 * - the last frame ends the request: how far writes are, and an acceptance, are recorded first; then it completes
 *
 * Ways to fail: a frame breaks the protocol, or there is no memory to take it. The connection then cannot go on; its failure
 * says why. */
#include "client/connection/reply.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/aside.h"
#include "client/connection/claim.h"
#include "client/connection/request.h"
#include "client/connection/resend.h"

enum {
    /* chosen: a block of the largest commit, and what encoding adds */
    MESSAGE_BYTES_MAX = FRAME_BYTES_MAX + (1 << 20),
};

/* Always false, with the connection's failure set. */
static bool broken(struct cairn_connection *connection, const char *what, const struct frame_reply *reply)
{
    failure_set(&connection->failure, CAIRN_CONNECTION_LOST,
                "the daemon broke the protocol: %s (reply to %s, id %llu)", what,
                frame_type_text(reply->type), (unsigned long long)reply->id);
    return false;
}

/* Records how far writes are. A reply of an ended run says nothing about the run that is known now. */
static void record_marks(struct cairn_connection *connection, const struct frame_reply *reply)
{
    struct cairn_client *client = connection->client;
    if (connection->run != client->run) {
        return;
    }
    assert(connection->run != 0); /* the hello said it */
    if (reply->written_through > client->written_through) {
        client->written_through = reply->written_through;
        keep_cover(&client->kept, client->written_through);
    }
    if (reply->durable_through > client->durable_through) {
        client->durable_through = reply->durable_through;
    }
}

/* Records a write that succeeded: keeps accepted metadata, and drops what a commit carried. May be called twice for one request,
 * whose frame is gone the second time. False: no memory to keep it, so that it may be lost with the daemon. */
static bool record_written(struct cairn_connection *connection, struct request *request,
                           const struct cairn_written *written)
{
    struct cairn_client *client = connection->client;
    assert(request->ordered);
    if (request->type == FRAME_WRITE_METADATA && client->claims != NULL && written->sequence > 0) {
        aside_note_accepted(request, written->sequence);
    }
    if (request->internal) {
        resend_answered(connection, request, CAIRN_OK, CAIRN_REASON_NONE, "", written->sequence);
        return true;
    }
    if (request->type == FRAME_WRITE_METADATA && request->frame == NULL) {
        return true;
    }
    if (connection->run != client->run) {
        /* reply_absorb() recorded what the ended run had accepted. It did not record this one, and now it is too late. */
        return request->type != FRAME_WRITE_METADATA || written->level >= CAIRN_WRITTEN;
    }
    if (request->carries && written->sequence > 0) {
        keep_cover(&client->kept, written->sequence);
    }
    if (request->type == FRAME_BARRIER && written->sequence >= connection->accepted_sequence) {
        connection->accepted_sequence = 0;
    }
    if (request->type == FRAME_DRAIN) {
        /* all of it is durable, and the daemon is gone: no barrier would be answered */
        connection->accepted_sequence = 0;
    }
    if (request->type != FRAME_WRITE_METADATA) {
        return true;
    }
    if (written->level < CAIRN_WRITTEN) {
        connection->accepted_sequence = written->sequence;
    }
    /* Where the connection numbers the chain's writes, its place among them counts; else an answer alone makes an order. */
    bool among = request->claim != NULL && request->claim->connection == connection;
    if (written->level < CAIRN_WRITTEN && written->sequence > client->written_through &&
        !keep_add(&client->kept, request->frame->data + FRAME_REQUEST_BYTES, request->body_bytes,
                  request->operations, written->sequence, among ? request->stamp : ++client->stamp)) {
        return false;
    }
    request_free_frame(request);
    return true;
}

static bool is_stream(const struct request *request)
{
    return request->window != 0;
}

/* Appends a frame's body to the message that is arriving. False: no memory. */
static bool message_append(struct request *request, const uint8_t *body, size_t bytes)
{
    assert(request->message_bytes <= request->message_capacity);
    size_t wanted = request->message_bytes + bytes;
    if (wanted > request->message_capacity) {
        size_t capacity = wanted + wanted / 2;
        uint8_t *message = realloc(request->message, capacity);
        if (message == NULL) {
            return false;
        }
        request->message = message;
        request->message_capacity = capacity;
    }
    if (bytes > 0) {
        memcpy(request->message + request->message_bytes, body, bytes);
    }
    request->message_bytes = wanted;
    return true;
}

/* Checks an item and passes it to the caller. False: it is malformed, or was not asked for. */
static bool deliver_item(struct cairn_connection *connection, struct request *request, const uint8_t *body,
                         size_t bytes)
{
    struct cairn_block block;
    struct cairn_metadata metadata;
    assert(request->state == REQUEST_SENT); /* its caller wants items */
    bool blocks = request->kind == CAIRN_READ_BLOCKS, more = true;
    bool good = request->items < request->expected.items_max;
    if (good && blocks) {
        good = decode_block_item(&request->expected, body, bytes, &block);
    } else if (good) {
        good =
            decode_metadata_item(&request->expected, request->kind == CAIRN_GET_MANY, body, bytes, &metadata);
    }
    if (good) {
        request->items++;
        connection->client->in_callback++;
        if (blocks && request->block_item != NULL) {
            more = request->block_item(request->context, &block);
        } else if (!blocks && request->metadata_item != NULL) {
            more = request->metadata_item(request->context, &metadata);
        }
        connection->client->in_callback--;
    }
    if (!more) {
        request_stop(connection, request);
    }
    return good;
}

/* Takes a frame of a stream that is not its last: uses up window for it, delivers the item that it completes, and gives the window
 * back in steps of half. */
static bool take_stream_frame(struct cairn_connection *connection, struct request *request,
                              const struct frame_reply *reply, const uint8_t *body)
{
    /* no byte is lost or given back twice */
    assert(request->window_left + request->credit_due == request->window);
    if (reply->body_bytes > request->window_left) {
        return broken(connection, "more than the stream's window", reply);
    }
    request->window_left -= reply->body_bytes;
    request->credit_due += reply->body_bytes;
    bool continued = reply->flags & FRAME_CONTINUED;
    bool wanted = request->state == REQUEST_SENT;
    if (wanted && (continued || request->message_bytes > 0)) {
        if (request->message_bytes + reply->body_bytes > MESSAGE_BYTES_MAX) {
            return broken(connection, "a message above the longest possible", reply);
        }
        if (!message_append(request, body, reply->body_bytes)) {
            return broken(connection, "no memory here for the message", reply);
        }
    }
    if (wanted && !continued) {
        bool joined = request->message_bytes > 0;
        bool good = deliver_item(connection, request, joined ? request->message : body,
                                 joined ? request->message_bytes : reply->body_bytes);
        if (!good) {
            return broken(connection, "a malformed item, or one not asked for", reply);
        }
        request->message_bytes = 0;
    }
    request_rearm(connection, request);
    if (request->state == REQUEST_SENT && request->credit_due > 0 &&
        request->credit_due >= request->window / 2) {
        request_send_credit(connection, request);
    }
    return true;
}

static bool may_be_not_found(enum cairn_request_kind kind)
{
    return kind == CAIRN_READ_BLOCK || kind == CAIRN_READ_STATE || kind == CAIRN_GET;
}

/* Takes an answer that is complete: decodes and checks it, records what it means for kept metadata, and completes the request. */
static bool take_answer(struct cairn_connection *connection, struct request *request,
                        const struct frame_reply *reply, const uint8_t *body, size_t bytes)
{
    assert(request->state != REQUEST_HELD && request->state != REQUEST_ENDED); /* the daemon has some of it */
    char text[TEXT_BYTES_MAX];
    text[0] = '\0'; /* an initializer would clear 512 bytes for each answer */
    struct decoded decoded = {.message = NULL};
    struct cairn_reply result = {
        .kind = request->kind,
        .status = (enum cairn_status)reply->status,
        .text = text,
        .written_through = reply->written_through,
        .durable_through = reply->durable_through,
    };
    bool good = true;
    struct decoded_error error = {.reason = CAIRN_REASON_NONE};
    if (result.status == CAIRN_OK) {
        bool whole = request->state != REQUEST_SENT || !request->expected.exact ||
                     request->items == request->expected.items_max;
        good = whole && decode_reply(request->kind, &request->expected, body, bytes, &result, &decoded);
    } else if (result.status == CAIRN_NOT_FOUND) {
        good = may_be_not_found(request->kind);
    } else {
        good = decode_error(body, bytes, text, sizeof text, &error);
        result.reason = good && result.status == CAIRN_CONFLICT ? error.reason : CAIRN_REASON_NONE;
    }
    if (!good) {
        decoded_free(&decoded);
        return broken(connection, "a malformed or impossible answer", reply);
    }
    if (result.status != CAIRN_OK && text[0] == '\0') {
        snprintf(text, sizeof text, "%s: %s", frame_type_text(request->type),
                 cairn_status_text(result.status));
    }
    if (result.status == CAIRN_OK && request->ordered &&
        !record_written(connection, request, &result.write)) {
        decoded_free(&decoded);
        return broken(connection, "no memory here to keep what it accepted", reply);
    }
    if (request->type == FRAME_PRESENT) {
        if (!claim_presented(connection, request, result.status, text, error.has_last_number,
                             result.status == CAIRN_OK ? decoded.last_number : error.last_number)) {
            failure_set(&connection->failure, CAIRN_CONNECTION_LOST, "the claim could not be presented: %s",
                        text);
            return false;
        }
    } else if (result.status == CAIRN_OK) {
        claim_succeeded(connection, request, &decoded);
    } else if (!claim_refused(connection, request, &result)) {
        failure_set(&connection->failure, CAIRN_CONNECTION_LOST,
                    "a write failed, and its result is unknown: %s", text);
        return false;
    }
    if (result.status != CAIRN_OK && request->kept != NULL) {
        resend_answered(connection, request, result.status, result.reason, text, 0);
    }
    if (request->state == REQUEST_STOPPED) {
        result.status = CAIRN_OK;
        text[0] = '\0';
    }
    request_finish(connection, request, &result, &decoded);
    return true;
}

bool reply_take(struct cairn_connection *connection, const struct frame_reply *reply, const uint8_t *body)
{
    /* those below it that this version does not know are of a later one */
    if (reply->status >= CAIRN_TIMEOUT) {
        return broken(connection, "an unknown status", reply);
    }
    assert(connection->state == CONNECTION_READY || connection->state == CONNECTION_SUPERSEDED);
    struct request *request = request_find(connection, reply->id);
    if (request == NULL && reply->type == FRAME_HELLO && reply->status != STATUS_OK) {
        char text[TEXT_BYTES_MAX / 2] = "";
        struct decoded_error error;
        if (!decode_error(body, reply->body_bytes, text, sizeof text, &error)) {
            return broken(connection, "a malformed error", reply);
        }
        failure_set(&connection->failure, CAIRN_CONNECTION_LOST, "the daemon refused a frame: %s", text);
        return false;
    }
    if (request == NULL || request->type != reply->type) {
        return broken(connection,
                      request == NULL ? "no request has this id" : "the request is of another type", reply);
    }
    if (!request_may_be_answered(request, reply->status != STATUS_OK)) {
        return broken(connection, "the request is not sent yet", reply);
    }
    record_marks(connection, reply);
    bool more = reply->flags & FRAME_MORE, continued = reply->flags & FRAME_CONTINUED;
    if ((more || continued) && reply->status != STATUS_OK) {
        return broken(connection, "an error with more frames to come", reply);
    }
    if (is_stream(request) && (more || continued)) {
        return take_stream_frame(connection, request, reply, body);
    }
    if (more) {
        return broken(connection, "several messages, and the request is not a stream", reply);
    }
    if (is_stream(request) && reply->status != STATUS_OK) {
        request->message_bytes = 0; /* a stream may fail in the middle of an item */
    }
    bool joined = continued || request->message_bytes > 0;
    if (joined && is_stream(request)) {
        return broken(connection, "a stream that ends within an item", reply);
    }
    if (request->message_bytes + reply->body_bytes > MESSAGE_BYTES_MAX) {
        return broken(connection, "a message above the longest possible", reply);
    }
    if (joined && !message_append(request, body, reply->body_bytes)) {
        return broken(connection, "no memory here for the message", reply);
    }
    if (continued) {
        return true;
    }
    return take_answer(connection, request, reply, joined ? request->message : body,
                       joined ? request->message_bytes : reply->body_bytes);
}

void reply_absorb(struct cairn_connection *connection)
{
    assert(connection->run == connection->client->run); /* what is accepted is recorded under that run */
    while (transport_receive(&connection->transport, SIZE_MAX)) {
    }
    connection_state_move(&connection->state, CONNECTION_SUPERSEDED);
    size_t offset = connection->transport.in_begin;
    struct frame_reply reply;
    const uint8_t *body;
    while (transport_frame_at(&connection->transport, offset, &reply, &body) == TRANSPORT_FRAME) {
        offset += FRAME_REPLY_BYTES + reply.body_bytes;
        struct request *request = request_find(connection, reply.id);
        if (request == NULL || request->type != FRAME_WRITE_METADATA || reply.type != FRAME_WRITE_METADATA ||
            reply.status != STATUS_OK || reply.flags != 0 || request->message_bytes > 0 ||
            !request_may_be_answered(request, false)) {
            continue;
        }
        struct cairn_reply result = {.status = CAIRN_OK};
        struct decoded decoded = {.message = NULL};
        if (decode_reply(request->kind, &request->expected, body, reply.body_bytes, &result, &decoded)) {
            (void)record_written(connection, request,
                                 &result.write); /* without memory it completes as unknown */
        }
        decoded_free(&decoded);
    }
}

/* Whether the hello is of another store than the one that was met: by its id, or because a run of the one is none of the other, as of
 * a copy that was put back, or of a second daemon on a copy. */
static bool is_other_store(const struct cairn_connection *connection, const struct hello *hello)
{
    const struct cairn_client *client = connection->client;
    if (!client->store_known) {
        return false;
    }
    if (hello->store_changed || memcmp(client->store_id, hello->store_id, STORE_ID_BYTES) != 0) {
        return true;
    }
    if (hello->run == client->run) { /* a daemon whose runs have no bits says nothing */
        return client->run_random != 0 && hello->run_random != 0 && client->run_random != hello->run_random;
    }
    return hello->run < client->run && connection->resume_run == client->run;
}

/* The status of a connection that the daemon refused at the hello. What a caller can do something about keeps its own. */
static enum cairn_status refusal_status(uint8_t status)
{
    assert(status != STATUS_OK);
    switch (status) {
    case STATUS_BUSY:
    case STATUS_SHUTTING_DOWN:
    case STATUS_PERMISSION:
    case STATUS_UNSUPPORTED:
        return (enum cairn_status)status;
    default:
        return CAIRN_CANNOT_CONNECT;
    }
}

/* Always false, with the connection's failure set. */
static bool refuse_store(struct cairn_connection *connection)
{
    struct cairn_client *client = connection->client;
    client->store_changed = true;
    failure_set(
        &connection->failure, CAIRN_STORE_CHANGED,
        "%s leads to another store than before, or to a copy of it that was put back; nothing was sent to "
        "it, and what this client wrote may not be there",
        client->options.socket_path);
    return false;
}

/* Takes up the run that the hello names. False: the run is older than one that was met, or the hello cannot say which kept
 * metadata that run found. */
static bool meet_run(struct cairn_connection *connection, const struct hello *hello)
{
    struct cairn_client *client = connection->client;
    assert(client->run != 0 || client->kept.first == NULL); /* nothing is kept before a run was met */
    connection->run = hello->run;
    if (hello->run < client->run) {
        failure_set(&connection->failure, CAIRN_CANNOT_CONNECT,
                    "the daemon is in run %llu of its store, this client has met run %llu already",
                    (unsigned long long)hello->run, (unsigned long long)client->run);
        return false;
    }
    if (hello->run == client->run) {
        return true;
    }
    if (client->run != 0) {
        for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
            if (each != connection && each->state == CONNECTION_READY) {
                reply_absorb(each);
            }
        }
        bool was_asked = connection->resume_run == client->run; /* else it says nothing of that run */
        if (!was_asked && (client->kept.first != NULL || hello->run_random != 0)) {
            failure_set(&connection->failure, CAIRN_CANNOT_CONNECT,
                        "the daemon was started again while connecting: connect again");
            return false;
        }
        resend_judge(client, hello->metadata_on_disk);
    }
    client->run = hello->run;
    client->run_random = hello->run_random;
    return true;
}

bool reply_hello(struct cairn_connection *connection, const struct frame_reply *reply, const uint8_t *body)
{
    struct cairn_client *client = connection->client;
    struct hello hello;
    assert(connection->state == CONNECTION_CONNECTING);
    if (reply->type != FRAME_HELLO || reply->flags != 0 || reply->status >= CAIRN_TIMEOUT) {
        failure_set(&connection->failure, CAIRN_CANNOT_CONNECT,
                    "the daemon's first frame is not an answer to the hello");
        return false;
    }
    if (reply->status != STATUS_OK) {
        char text[TEXT_BYTES_MAX / 2] = "";
        struct decoded_error error;
        bool good = decode_error(body, reply->body_bytes, text, sizeof text, &error);
        failure_set(&connection->failure, refusal_status(reply->status),
                    "the daemon at %s refused the connection: %s: %s", client->options.socket_path,
                    status_text((enum status)reply->status), good ? text : "with a malformed error");
        return false;
    }
    if (!decode_hello(body, reply->body_bytes, &hello)) {
        failure_set(&connection->failure, CAIRN_CANNOT_CONNECT,
                    "the daemon's hello is malformed, or of a protocol version other than %d to %d",
                    PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MAX);
        return false;
    }
    if (is_other_store(connection, &hello)) {
        return refuse_store(connection);
    }
    if (!meet_run(connection, &hello)) {
        return false;
    }
    client->store_known = true;
    client->store_changed = false;
    memcpy(client->store_id, hello.store_id, STORE_ID_BYTES);
    connection->transport.body_bytes_max = hello.frame_bytes_max;
    connection->features = hello.features;
    connection_state_move(&connection->state, CONNECTION_READY);
    record_marks(connection, reply);
    if (!claim_present(connection)) {
        failure_set(&connection->failure, CAIRN_CONNECTION_LOST, "no memory here to present a claim");
        return false;
    }
    return true;
}
