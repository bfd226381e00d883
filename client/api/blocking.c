/* The blocking calls: submit, then wait until the request completes. A call's life:
 *
 * - a lost connection is started again, with growing pauses, while time is left
 * - the request is submitted and awaited. While kept metadata must be sent again, the client's other connections are processed
 *   too, since one of them may be the one that sends it
 * - if the connection was lost, and the request was not sent or is a read that delivered nothing, it begins again; a request that survives
 *   under a claim only needs the connection back
 *
 * The reply lives in the connection until the next blocking call on it has returned: what it holds may be passed to that call, which
 * encodes its request again if it has to be sent again. So a connection has room for two replies.
 *
 * Ways to fail: those of the submits and of the request; the timeout while connecting, or a refusal that time does not mend, with
 * the status of the last attempt; a callback that frees the connection, which is CAIRN_CONNECTION_LOST with a reply that lives for
 * ever. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/clock.h"
#include "client/connection/connection.h"
#include "client/connection/wait.h"

struct call {
    struct cairn_connection *connection;
    enum cairn_request_kind kind;
    cairn_block_item block_item;
    cairn_metadata_item metadata_item;
    void *context;
    uint64_t deadline_us;
    struct cairn_retry reconnects; /* without a timeout of its own */
    bool tried;                    /* to connect: pause before the next attempt */
    bool is_write;
    bool done;      /* completed, or not worth repeating */
    bool delivered; /* items: it cannot begin again */
    enum cairn_status status;
};

static const struct cairn_reply usage_reply = {
    .status = CAIRN_USAGE,
    .text = "a blocking call from a callback",
};
static const struct cairn_reply forked_reply = {
    .status = CAIRN_USAGE,
    .text = FORKED_TEXT,
};
static const struct cairn_reply freed_reply = {
    .status = CAIRN_CONNECTION_LOST,
    .text = "a callback freed the connection",
};

static uint64_t call_left_us(const struct call *call)
{
    if (call->deadline_us == NEVER_US) {
        return NEVER_US;
    }
    uint64_t now = clock_now_us();
    return now < call->deadline_us ? call->deadline_us - now : 0;
}

static uint64_t deadline_of(const struct cairn_client *client, uint64_t timeout_us)
{
    return clock_deadline_us(clock_now_us(), timeout_us != 0 ? timeout_us : client->options.timeout_us);
}

/* Makes the reply of a call that got none from the daemon. */
static void show_failure(struct cairn_connection *connection, enum cairn_request_kind kind,
                         enum cairn_status status)
{
    struct blocking_reply *last = &connection->blocking[connection->blocking_last];
    assert(status != CAIRN_OK);
    snprintf(last->text, sizeof last->text, "%s", connection->failure.text);
    last->reply = (struct cairn_reply){.kind = kind, .status = status, .text = last->text};
    if (status == CAIRN_CONFLICT) {
        last->reply.reason = CAIRN_REASON_CLAIMED; /* the client's claim has ended: no daemon was asked */
    }
}

/* The completion: keeps the reply, and the memory that it borrows, for the caller. */
static void call_completed(void *context, const struct cairn_reply *reply)
{
    struct call *call = context;
    struct cairn_connection *connection = call->connection;
    struct blocking_reply *last = &connection->blocking[connection->blocking_last];
    assert(!call->done && connection->delivering != NULL);
    snprintf(last->text, sizeof last->text, "%s", reply->text);
    last->reply = *reply;
    last->reply.text = last->text;
    decoded_free(&last->decoded);
    last->decoded = *connection->delivering;
    *connection->delivering = (struct decoded){.message = NULL};
    if (!decoded_own(&last->decoded, &last->reply)) {
        failure_set(&connection->failure, CAIRN_NO_MEMORY, "no memory here for the answer");
        show_failure(connection, reply->kind, CAIRN_NO_MEMORY);
    }
    call->status = last->reply.status;
    call->done = true;
}

static bool call_block_item(void *context, const struct cairn_block *block)
{
    struct call *call = context;
    assert(call->kind == CAIRN_READ_BLOCKS && !call->done); /* the completion comes last */
    call->delivered = true;
    return call->block_item == NULL || call->block_item(call->context, block);
}

static bool call_metadata_item(void *context, const struct cairn_metadata *metadata)
{
    struct call *call = context;
    assert((call->kind == CAIRN_GET_MANY || call->kind == CAIRN_LIST) && !call->done);
    call->delivered = true;
    return call->metadata_item == NULL || call->metadata_item(call->context, metadata);
}

/* Starts a lost connection, with a pause before each attempt but the first. False: the time is over, or it would not help. */
static bool call_reconnect(struct call *call)
{
    struct cairn_connection *connection = call->connection;
    assert(connection->client->in_callback == 0); /* it sleeps */
    call->reconnects.timeout_us = CAIRN_NO_TIMEOUT;
    while (connection_state_is_lost(connection->state)) {
        if (call->tried) {
            int64_t pause_us = cairn_retry_pause_us(&call->reconnects, CAIRN_PING, connection->lost_status);
            uint64_t left = call_left_us(call);
            if (pause_us < 0 || left == 0) {
                return false;
            }
            clock_sleep_us((uint64_t)pause_us < left ? (uint64_t)pause_us : left);
        }
        call->tried = true;
        cairn_connection_reconnect(connection);
    }
    return true;
}

/* The status of a call that could not connect: why the last attempt failed. */
static enum cairn_status connect_status(const struct cairn_connection *connection)
{
    assert(connection->state != CONNECTION_READY);
    return connection->lost_status != CAIRN_CONNECTION_LOST ? connection->lost_status : CAIRN_CANNOT_CONNECT;
}

/* Waits for the connection, no longer than the call may, and processes it. */
static void call_turn(struct call *call)
{
    connection_wait(call->connection, call_left_us(call));
}

/* Begins a call. False: it is made in a callback or in a child of fork(). A connection that a callback frees meanwhile lives until
 * call_end(). */
static bool call_begin(struct call *call, uint64_t timeout_us, const struct cairn_reply **ret_reply)
{
    struct cairn_connection *connection = call->connection;
    const struct cairn_reply *refusal = connection->client->in_callback > 0 ? &usage_reply : NULL;
    refusal = fork_mark_is_ours(connection->client->fork_mark) ? refusal : &forked_reply;
    if (refusal != NULL) {
        call->status = failure_set(&connection->failure, refusal->status, "%s", refusal->text);
        if (ret_reply != NULL) {
            *ret_reply = refusal;
        }
        return false;
    }
    assert(connection->delivering == NULL); /* no completion still reads the reply that is freed */
    connection->blocking_last = !connection->blocking_last;
    struct blocking_reply *last = &connection->blocking[connection->blocking_last];
    decoded_free(&last->decoded);
    last->reply = (struct cairn_reply){.kind = call->kind};
    call->deadline_us = deadline_of(connection->client, timeout_us);
    return true;
}

/* Whether to submit it, for the first time or again. */
static bool call_ready(struct call *call)
{
    struct cairn_connection *connection = call->connection;
    if (call->done || connection->free_wanted) {
        return false;
    }
    if (connection->state == CONNECTION_SUPERSEDED) {
        connection_process(connection, 0); /* makes it lost */
    }
    if (!call_reconnect(call)) {
        call->status = connect_status(connection);
        show_failure(connection, call->kind, call->status);
        return false;
    }
    return true;
}

/* What is left of the timeout; never 0, which would mean the default. */
static uint64_t call_timeout_us(const struct call *call)
{
    uint64_t left = call_left_us(call);
    return left > 0 ? left : 1;
}

/* Waits until kept metadata, which is over its bound, is written. Then the write can be tried again. */
static enum cairn_status call_make_room(struct call *call)
{
    assert(call->kind == CAIRN_WRITE_METADATA && !call->done); /* only metadata is kept */
    struct call barrier = {.connection = call->connection, .kind = CAIRN_BARRIER};
    const struct cairn_barrier_request request = {.timeout_us = call_timeout_us(call),
                                                  .level = CAIRN_WRITTEN};
    barrier.deadline_us = call->deadline_us;
    enum cairn_status status = cairn_submit_barrier(call->connection, &request, call_completed, &barrier);
    if (status != CAIRN_OK) {
        show_failure(call->connection, CAIRN_BARRIER, status);
        return status;
    }
    while (!barrier.done) {
        call_turn(&barrier);
    }
    if (barrier.status == CAIRN_DAMAGED) { /* there is room all the same */
        barrier.status = CAIRN_OK;
        call->connection->raises_left_out = true;
    }
    return barrier.status;
}

/* Whether a call that failed may begin again: the connection is lost, time is left, and nothing happens twice. */
static bool worth_repeating(const struct call *call)
{
    bool lost = connection_state_is_lost(call->connection->state) && call_left_us(call) > 0;
    switch (call->status) {
    case CAIRN_NOT_SENT:
    case CAIRN_CANNOT_CONNECT:
        return lost;
    case CAIRN_CONNECTION_LOST:
        return lost && !call->is_write && !call->delivered;
    default:
        return false;
    }
}

/* Takes the status of a submit, and waits until the request completes or can be submitted again. */
static void call_wait(struct call *call, enum cairn_status submitted)
{
    struct cairn_connection *connection = call->connection;
    assert(!call->done);
    if (submitted == CAIRN_FULL && call->kind == CAIRN_WRITE_METADATA &&
        connection->client->kept.bytes >= connection->client->options.kept_bytes_max) {
        call->status = call_make_room(call);
        call->done = call->status != CAIRN_OK && !worth_repeating(call);
        if (call->status != CAIRN_OK) {
            call->status = CAIRN_FULL; /* the write itself was not sent */
            struct blocking_reply *last = &connection->blocking[connection->blocking_last];
            last->reply = (struct cairn_reply){
                .kind = call->kind,
                .status = CAIRN_FULL,
                .text = last->reply.text,
                .written_through = last->reply.written_through,
                .durable_through = last->reply.durable_through,
            };
        }
        return;
    }
    if (submitted == CAIRN_FULL && connection->in_flight > 0 && call_left_us(call) > 0) {
        call_turn(call); /* completions make room */
        return;
    }
    call->status = submitted;
    if (submitted != CAIRN_OK) {
        show_failure(connection, call->kind, submitted);
        call->done = !worth_repeating(call);
        return;
    }
    connection_process(connection, 0);
    while (!call->done) {
        if (!call_reconnect(call) && call_left_us(call) > 0) {
            connection_give_up(connection); /* what is put aside there: time does not mend it */
        } else {
            call_turn(call);
        }
    }
    call->done = !worth_repeating(call);
}

static enum cairn_status call_end(struct call *call, const struct cairn_reply **ret_reply)
{
    struct cairn_connection *connection = call->connection;
    struct cairn_client *client = connection->client;
    connection_sweep(client, connection); /* what ends there calls back, and that may free this one */
    const struct cairn_reply *reply = &connection->blocking[connection->blocking_last].reply;
    if (connection->free_wanted) {
        reply = &freed_reply;
        call->status = freed_reply.status;
    }
    assert(reply->status == call->status);
    if (ret_reply != NULL) {
        *ret_reply = reply;
    }
    connection_sweep(client, NULL);
    return call->status;
}

#define CALL(name, request_type, kind_, is_write_)                                                           \
    enum cairn_status cairn_##name(struct cairn_connection *connection, const struct request_type *request,  \
                                   const struct cairn_reply **ret_reply)                                     \
    {                                                                                                        \
        struct call call = {.connection = connection, .kind = (kind_), .is_write = (is_write_)};             \
        struct request_type copy = request != NULL ? *request : (struct request_type){.timeout_us = 0};      \
        if (!call_begin(&call, copy.timeout_us, ret_reply)) {                                                \
            return call.status;                                                                              \
        }                                                                                                    \
        while (call_ready(&call)) {                                                                          \
            copy.timeout_us = call_timeout_us(&call);                                                        \
            call_wait(&call, cairn_submit_##name(connection, request != NULL ? &copy : NULL, call_completed, \
                                                 &call));                                                    \
        }                                                                                                    \
        return call_end(&call, ret_reply);                                                                   \
    }

#define CALL_STREAM(name, request_type, item_type, item_field, item_call, kind_)                             \
    enum cairn_status cairn_##name(struct cairn_connection *connection, const struct request_type *request,  \
                                   item_type item, void *context, const struct cairn_reply **ret_reply)      \
    {                                                                                                        \
        struct call call = {                                                                                 \
            .connection = connection, .kind = (kind_), .item_field = item, .context = context};              \
        struct request_type copy = request != NULL ? *request : (struct request_type){.timeout_us = 0};      \
        if (!call_begin(&call, copy.timeout_us, ret_reply)) {                                                \
            return call.status;                                                                              \
        }                                                                                                    \
        while (call_ready(&call)) {                                                                          \
            copy.timeout_us = call_timeout_us(&call);                                                        \
            call_wait(&call, cairn_submit_##name(connection, request != NULL ? &copy : NULL, item_call,      \
                                                 call_completed, &call));                                    \
        }                                                                                                    \
        return call_end(&call, ret_reply);                                                                   \
    }

CALL(ping, cairn_ping_request, CAIRN_PING, false)
CALL(status_page, cairn_status_page_request, CAIRN_STATUS_PAGE, false)
CALL(chains, cairn_chains_request, CAIRN_CHAINS, false)
CALL(create_chain, cairn_create_chain_request, CAIRN_CREATE_CHAIN, true)
CALL(drop_chain, cairn_drop_chain_request, CAIRN_DROP_CHAIN, true)
CALL(drain, cairn_drain_request, CAIRN_DRAIN, true)
CALL(claim, cairn_claim_request, CAIRN_CLAIM, true)
CALL(release, cairn_release_request, CAIRN_RELEASE, true)
CALL(read_usage, cairn_read_usage_request, CAIRN_READ_USAGE, false)
CALL(read_height, cairn_read_height_request, CAIRN_READ_HEIGHT, false)
CALL(read_block, cairn_read_block_request, CAIRN_READ_BLOCK, false)
CALL_STREAM(read_blocks, cairn_read_blocks_request, cairn_block_item, block_item, call_block_item,
            CAIRN_READ_BLOCKS)
CALL(read_state, cairn_read_state_request, CAIRN_READ_STATE, false)
CALL(get, cairn_get_request, CAIRN_GET, false)
CALL_STREAM(get_many, cairn_get_many_request, cairn_metadata_item, metadata_item, call_metadata_item,
            CAIRN_GET_MANY)
CALL_STREAM(list, cairn_list_request, cairn_metadata_item, metadata_item, call_metadata_item, CAIRN_LIST)
CALL(write_metadata, cairn_write_metadata_request, CAIRN_WRITE_METADATA, true)
CALL(commit, cairn_commit_request, CAIRN_COMMIT, true)
CALL(prune, cairn_prune_request, CAIRN_PRUNE, true)
CALL(rollback, cairn_rollback_request, CAIRN_ROLLBACK, true)
CALL(barrier, cairn_barrier_request, CAIRN_BARRIER, true)

/* Says on the client why a connection that will be freed did not come about; `before` is why the attempt before the last failed. */
static enum cairn_status connect_failed(const struct cairn_connection *connection, uint64_t timeout_us,
                                        const struct failure *before)
{
    struct cairn_client *client = connection->client;
    if (connection->state == CONNECTION_CONNECTING && before->status != CAIRN_OK) {
        return failure_set(&client->failure, before->status, "%s", before->text);
    }
    if (connection->state == CONNECTION_CONNECTING) {
        return failure_set(&client->failure, CAIRN_CANNOT_CONNECT,
                           "%s: connected, but no answer to the hello within %.3f s",
                           client->options.socket_path, (double)timeout_us / 1e6);
    }
    return failure_set(&client->failure, connect_status(connection), "%s", connection->failure.text);
}

enum cairn_status cairn_connect(struct cairn_client *client, uint64_t timeout_us,
                                struct cairn_connection **ret_connection)
{
    struct cairn_connection *connection;
    if (client->in_callback > 0) {
        return failure_set(&client->failure, CAIRN_USAGE, "connect: from a callback");
    }
    enum cairn_status status = cairn_connection_open(client, &connection);
    if (status != CAIRN_OK) {
        return status;
    }
    struct call call = {.connection = connection, .tried = true};
    call.deadline_us = deadline_of(client, timeout_us);
    struct failure before = {.status = CAIRN_OK};
    while (connection->state != CONNECTION_READY) {
        if (connection_state_is_lost(connection->state)) {
            before = connection->failure;
        }
        if (!call_reconnect(&call) || call_left_us(&call) == 0) {
            break;
        }
        call_turn(&call);
    }
    assert(connection->in_flight == 0); /* its user does not have it yet */
    if (connection->state != CONNECTION_READY) {
        status =
            connect_failed(connection, timeout_us != 0 ? timeout_us : client->options.timeout_us, &before);
        connection->free_wanted = client->free_wanted = true;
    } else {
        *ret_connection = connection;
    }
    connection_sweep(client, NULL);
    return status;
}

enum cairn_status cairn_close(struct cairn_connection *connection, uint64_t timeout_us,
                              uint64_t *ret_unwritten)
{
    if (connection == NULL) {
        if (ret_unwritten != NULL) {
            *ret_unwritten = 0;
        }
        return CAIRN_OK;
    }
    struct cairn_client *client = connection->client;
    if (client->in_callback > 0) {
        failure_set(&client->failure, CAIRN_USAGE, "close: from a callback");
        return failure_set(&connection->failure, CAIRN_USAGE, "close: from a callback");
    }
    if (!fork_mark_is_ours(client->fork_mark)) {
        failure_set(&client->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
        return failure_set(&connection->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
    }
    struct call call = {.connection = connection, .deadline_us = deadline_of(client, timeout_us)};
    connection->closing = true;
    enum cairn_status status = CAIRN_OK;
    bool damaged = connection->raises_left_out;
    /* A barrier also tells of raises that were left out, though they count as written. */
    bool untold = connection->state == CONNECTION_READY && connection->accepted_sequence > 0;
    bool wanted = client->kept.operations > 0 || connection->in_flight > 0 || untold;
    /* what was written may be gone with the store: look which one it is now */
    wanted |= client->store_changed;
    while (status == CAIRN_OK && wanted) {
        const struct cairn_barrier_request barrier = {.timeout_us = call_timeout_us(&call),
                                                      .level = CAIRN_WRITTEN};
        status = cairn_barrier(connection, &barrier, NULL);
        if (status != CAIRN_OK) {
            failure_set(&client->failure, status, "close: %s",
                        connection->blocking[connection->blocking_last].text);
        }
        damaged |= status == CAIRN_DAMAGED;
        status = status == CAIRN_DAMAGED ? CAIRN_OK : status;
        wanted = client->kept.operations > 0; /* some may have been accepted meanwhile */
    }
    if (ret_unwritten != NULL) {
        *ret_unwritten = client->kept.operations;
    }
    assert(!connection->free_wanted); /* else the sweep would end it a second time */
    connection_end(connection);
    connection_sweep(client, NULL);
    return status == CAIRN_OK && damaged ? CAIRN_DAMAGED : status;
}
