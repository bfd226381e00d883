/* A connection's life:
 *
 * - opened: the socket connects at once or fails; the hello is sent first, and all else waits for its answer
 * - ready: held requests are sent, answers come and complete them; all of that inside connection_process()
 * - superseded, when another connection of its client meets a later run of the daemon: what the ended run had sent is still read,
 *   held requests stay unsent
 * - lost, when the daemon ends, breaks the protocol or refuses the hello, or when its user frees it. Every request completes then:
 *   as unknown if the kernel had all of it, else as not applied; but what survives under a claim is put aside (aside.h). The user can
 *   start it again any number of times
 * - freed by its user; in a callback this is put off until processing ends
 *
 * Ways to fail: all of them make it lost, with the reason in its failure. A failing send does so only after the answers that had
 * arrived are read. */
#include "client/connection/connection.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/aside.h"
#include "client/connection/claim.h"
#include "client/connection/clock.h"
#include "client/connection/release.h"
#include "client/connection/reply.h"
#include "client/connection/request.h"
#include "client/connection/resend.h"

enum {
    HELLO_ID = 1,                     /* ids of requests are above 2^32 */
    HELLO_REPLY_BYTES_MAX = 64 << 10, /* chosen: it has about 50, and a later version may add some */
};

/* How requests complete that were not sent when the connection was lost for that reason. */
static enum cairn_status unsent_status(enum cairn_status lost)
{
    switch (lost) {
    case CAIRN_CONNECTION_LOST:
        return CAIRN_NOT_SENT;
    case CAIRN_STORE_CHANGED:
        return CAIRN_STORE_CHANGED;
    default: /* it never was a connection */
        return CAIRN_CANNOT_CONNECT;
    }
}

/* Loses the connection for the reason in its failure, and completes everything on it. */
static void connection_lose(struct cairn_connection *connection)
{
    const struct failure failure = connection->failure;
    bool keeps = !connection->free_wanted && failure.status != CAIRN_STORE_CHANGED;
    assert(cairn_status_applied(failure.status) == CAIRN_NOT_APPLIED ||
           failure.status == CAIRN_CONNECTION_LOST);
    request_collect_sent(connection);
    resend_detach(connection);
    if (keeps) {
        aside_put(connection);
    }
    request_discard_unsent(connection);
    transport_close(&connection->transport);
    connection_state_move(&connection->state, CONNECTION_LOST);
    connection->lost_status = failure.status;
    request_fail_all(connection, !keeps, unsent_status(failure.status), failure.text);
    connection->next_deadline_us = 0;
    request_expire(connection, clock_now_us()); /* finds the next one, of what was put aside */
    connection->failure = failure;              /* completions may have set another */
    assert(connection->in_flight == connection->again);
}

/* Says why the socket does not connect. */
static enum cairn_status connect_failure(struct failure *failure, const char *path, int error)
{
    const char *why = NULL;
    assert(error != 0);
    switch (error) {
    case EACCES:
    case EPERM:
        return failure_set(failure, CAIRN_PERMISSION,
                           "cannot connect to %s: %s: the socket's mode and group do not let this user in",
                           path, strerror(error));
    case ENOENT:
        why = "is the daemon running, and is this its socket?";
        break;
    case ECONNREFUSED:
        why = "nobody listens there: no daemon runs, or this is not a socket";
        break;
    case EAGAIN:
        why = "the daemon does not accept connections fast enough";
        break;
    default:
        break;
    }
    return failure_set(failure, CAIRN_CANNOT_CONNECT, "cannot connect to %s: %s%s%s", path, strerror(error),
                       why != NULL ? ": " : "", why != NULL ? why : "");
}

static enum cairn_status connection_start(struct cairn_connection *connection)
{
    assert(connection_state_is_lost(connection->state) && connection->in_flight == connection->again);
    connection->lost_status = CAIRN_CANNOT_CONNECT; /* if this fails */
    const struct cairn_client_options *options = &connection->client->options;
    struct encoded encoded;
    if (encode_hello(options->name, connection->client->run, connection->client->run_random, &encoded) !=
        CAIRN_OK) {
        return failure_set(&connection->failure, CAIRN_CANNOT_CONNECT, "no memory here");
    }
    int error = transport_connect(&connection->transport, options->socket_path);
    if (error != 0) {
        frame_out_free(encoded.frame);
        connection->lost_status = connect_failure(&connection->failure, options->socket_path, error);
        return connection->lost_status;
    }
    frame_out_set_id(encoded.frame, HELLO_ID);
    frame_queue_push(&connection->transport.out, encoded.frame);
    connection->transport.body_bytes_max = HELLO_REPLY_BYTES_MAX;
    connection_state_move(&connection->state, CONNECTION_CONNECTING);
    connection->resume_run = connection->client->run;
    connection->run = 0;
    connection->hello_deadline_us = clock_deadline_us(clock_now_us(), options->timeout_us);
    return CAIRN_OK;
}

enum cairn_status cairn_connection_open(struct cairn_client *client, struct cairn_connection **ret_connection)
{
    if (!fork_mark_is_ours(client->fork_mark)) {
        return failure_set(&client->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
    }
    struct cairn_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return failure_set(&client->failure, CAIRN_NO_MEMORY, "no memory here for a connection");
    }
    connection->client = client;
    connection->state = CONNECTION_LOST;
    connection->transport.fd = -1;
    connection->next_deadline_us = NEVER_US;
    connection->next = client->connections;
    client->connections = connection;
    (void)connection_start(connection); /* if that fails, it is lost, and its failure says why */
    *ret_connection = connection;
    return CAIRN_OK;
}

enum cairn_status cairn_connection_reconnect(struct cairn_connection *connection)
{
    if (!fork_mark_is_ours(connection->client->fork_mark)) {
        return failure_set(&connection->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
    }
    if (connection->client->in_callback > 0 || !connection_state_is_lost(connection->state)) {
        return failure_set(&connection->failure, CAIRN_USAGE, "reconnect: %s",
                           !connection_state_is_lost(connection->state) ? "the connection is not lost"
                                                                        : "from a callback");
    }
    return connection_start(connection);
}

void connection_give_up(struct cairn_connection *connection)
{
    assert(connection_state_is_lost(connection->state));
    connection->client->in_callback++;
    request_fail_all(connection, true, CAIRN_NOT_SENT, connection->failure.text);
    connection->client->in_callback--;
}

void connection_end(struct cairn_connection *connection)
{
    assert(connection->client->in_callback == 0); /* no caller further up uses it */
    if (!fork_mark_is_ours(connection->client->fork_mark)) {
        request_forget_callers(connection); /* the completions are the parent's */
    }
    connection->free_wanted = true; /* nothing is put aside any more */
    failure_set(&connection->failure, CAIRN_CONNECTION_LOST, "the connection was closed by its user");
    if (!connection_state_is_lost(connection->state)) {
        connection_lose(connection);
    }
    connection_give_up(connection);
    claim_forget_connection(connection);
    struct cairn_connection **link = &connection->client->connections;
    while (*link != connection) {
        assert(*link != NULL); /* it is its client's, and not freed twice */
        link = &(*link)->next;
    }
    *link = connection->next;
    decoded_free(&connection->blocking[0].decoded);
    decoded_free(&connection->blocking[1].decoded);
    request_clear(connection);
    free(connection);
}

void connection_sweep(struct cairn_client *client, const struct cairn_connection *kept)
{
    while (client->in_callback == 0 && client->free_wanted) {
        struct cairn_connection *connection = client->connections;
        while (connection != NULL && (!connection->free_wanted || connection == kept)) {
            connection = connection->next;
        }
        if (connection == NULL) {
            client->free_wanted = kept != NULL && kept->free_wanted;
            return;
        }
        connection_end(connection);
    }
}

void cairn_connection_free(struct cairn_connection *connection)
{
    if (connection == NULL || connection->closing) {
        return;
    }
    connection->free_wanted = true;
    connection->client->free_wanted = true;
    connection_sweep(connection->client, NULL);
}

/* Takes the frames that have arrived. False: the connection cannot go on, and its failure is set. */
static bool connection_read(struct cairn_connection *connection)
{
    struct transport *transport = &connection->transport;
    while (!connection->free_wanted) {
        struct frame_reply reply;
        const uint8_t *body;
        enum transport_frame frame = transport_frame_at(transport, transport->in_begin, &reply, &body);
        bool connecting = connection->state == CONNECTION_CONNECTING;
        if (frame == TRANSPORT_NONE) {
            return true;
        }
        if (frame == TRANSPORT_BROKEN) {
            failure_set(
                &connection->failure, connecting ? CAIRN_CANNOT_CONNECT : CAIRN_CONNECTION_LOST,
                "the daemon sent something that is not a frame of cairn, or a frame of more than %zu bytes",
                transport->body_bytes_max);
            return false;
        }
        transport->in_begin += FRAME_REPLY_BYTES + reply.body_bytes;
        assert(transport->in_begin <= transport->in_end);
        if (connecting ? !reply_hello(connection, &reply, body) : !reply_take(connection, &reply, body)) {
            return false;
        }
    }
    return true;
}

static void connection_send(struct cairn_connection *connection, uint64_t now)
{
    assert(!connection_state_is_lost(connection->state)); /* it has a socket */
    if (!claim_present_again(connection, now)) {
        connection->transport.send_broken = true; /* no memory: it is lost, and connects again */
        connection->transport.error = ENOMEM;
    }
    resend_pump(connection, now);
    request_release(connection);
    transport_send(&connection->transport);
    request_collect_sent(connection);
}

/* Whether the connection can go on; if not, its failure is set. */
static bool connection_lives(struct cairn_connection *connection, uint64_t now)
{
    const struct transport *transport = &connection->transport;
    bool connecting = connection->state == CONNECTION_CONNECTING;
    enum cairn_status status = connecting ? CAIRN_CANNOT_CONNECT : CAIRN_CONNECTION_LOST;
    if (connection->free_wanted) {
        failure_set(&connection->failure, CAIRN_CONNECTION_LOST, "the connection was closed by its user");
    } else if (connection->state == CONNECTION_SUPERSEDED) {
        failure_set(&connection->failure, status,
                    "the connection was lost: the daemon has been started again");
    } else if (transport->ended || transport->send_broken) {
        failure_set(&connection->failure, status, "the connection was lost: %s",
                    transport->error != 0 ? strerror(transport->error) : "the daemon closed it");
    } else if (connecting && now >= connection->hello_deadline_us) {
        failure_set(&connection->failure, status, "%s: connected, but no answer to the hello within %.3f s",
                    connection->client->options.socket_path,
                    (double)connection->client->options.timeout_us / 1e6);
    } else {
        return true;
    }
    return false;
}

/* Receives, completes, and sends. False: the connection cannot go on, and its failure is set. */
static bool connection_step(struct cairn_connection *connection, short revents, uint64_t now)
{
    assert(connection->client->in_callback > 0); /* completions run: what they free must wait */
    if ((revents & ~POLLOUT) != 0 && connection->state != CONNECTION_SUPERSEDED) {
        transport_receive(&connection->transport, RECEIVE_BYTES_MAX);
    }
    if (!connection_read(connection)) {
        return false;
    }
    request_expire(connection, now);
    connection_send(connection, now);
    if (connection->transport.send_broken) {
        while (connection->state != CONNECTION_SUPERSEDED &&
               transport_receive(&connection->transport, SIZE_MAX)) {
        }
        if (!connection_read(connection)) {
            return false;
        }
    }
    return connection_lives(connection, now);
}

enum cairn_status connection_process(struct cairn_connection *connection, short revents)
{
    if (connection_state_is_lost(connection->state)) {
        connection->client->in_callback++;
        request_expire(connection, clock_now_us());
        connection->client->in_callback--;
        return connection->lost_status;
    }
    enum cairn_status status = CAIRN_OK;
    connection->client->in_callback++;
    if (!connection_step(connection, revents, clock_now_us())) {
        connection_lose(connection);
        status = connection->lost_status;
    }
    assert(connection->client->in_callback > 0);
    connection->client->in_callback--;
    return status;
}

enum cairn_status cairn_connection_process(struct cairn_connection *connection, short revents)
{
    struct cairn_client *client = connection->client;
    if (client->in_callback > 0) {
        return failure_set(&connection->failure, CAIRN_USAGE, "process: from a callback");
    }
    if (!fork_mark_is_ours(client->fork_mark)) {
        return failure_set(&connection->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
    }
    enum cairn_status status = connection_process(connection, revents);
    if (connection->state == CONNECTION_LOST) {
        connection_state_move(&connection->state, CONNECTION_LOST_TOLD);
    }
    connection_sweep(client, NULL);
    return status;
}

enum cairn_connection_state cairn_connection_get_state(const struct cairn_connection *connection)
{
    switch (connection->state) {
    case CONNECTION_CONNECTING:
        return CAIRN_CONNECTING;
    case CONNECTION_READY:
    case CONNECTION_SUPERSEDED:
        return CAIRN_READY; /* the next cairn_connection_process() reports the loss */
    default:
        return CAIRN_LOST;
    }
}

const char *cairn_connection_error(const struct cairn_connection *connection)
{
    return connection->failure.text;
}

size_t cairn_connection_in_flight(const struct cairn_connection *connection)
{
    return connection->in_flight;
}

int cairn_connection_fd(const struct cairn_connection *connection)
{
    return connection->transport.fd;
}

short cairn_connection_events(const struct cairn_connection *connection)
{
    uint64_t wait_us;
    if (connection_state_is_lost(connection->state)) {
        return 0;
    }
    assert(connection->transport.fd >= 0); /* the caller polls it */
    bool sends =
        connection->transport.out.first != NULL || request_releasable(connection) ||
        (connection->client->kept.next_lost != NULL && resend_wanted(connection, clock_now_us(), &wait_us));
    return sends ? POLLIN | POLLOUT : POLLIN;
}

int64_t cairn_connection_timeout_us(const struct cairn_connection *connection)
{
    if (connection->state == CONNECTION_LOST || connection->state == CONNECTION_SUPERSEDED) {
        return 0;
    }
    uint64_t now = clock_now_us(), wait_us, at_us = connection->next_deadline_us;
    if (connection->state == CONNECTION_CONNECTING && connection->hello_deadline_us < at_us) {
        at_us = connection->hello_deadline_us;
    }
    uint64_t present_us = claim_present_due_us(connection);
    at_us = present_us < at_us ? present_us : at_us;
    (void)resend_wanted(connection, now, &wait_us);
    if (wait_us != NEVER_US && now + wait_us < at_us) {
        at_us = now + wait_us;
    }
    if (at_us == NEVER_US) {
        return -1;
    }
    return at_us > now ? (int64_t)(at_us - now) : 0;
}
