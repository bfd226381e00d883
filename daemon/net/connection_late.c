/* Peers that take too long, and peers that are gone.
 *
 * - Time-outs: one list for each kind, looked at once an iteration. A time runs only while the peer is to act: not while the daemon
 *   does not read. The kernel tells how much a peer took of its replies only in its own pieces, of up to 100 KB.
 * - A connection from which the loop library reads is told when its peer goes. One that is paused is not: it is checked every
 *   HANG_UP_CHECK_US, and so is one that has more to read than it may at once.
 * - A process that connects again gets no answer to its hello before what it sent whole over connections that it left is carried out:
 *   so it learns by reading what has become of it. */
#include <assert.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/thread.h"

/* ---- too late ---- */

static void end_without_hello(struct connection *connection)
{
    assert(!connection->session.is_greeted); /* the first frame stops the time */
    if (connection->state == CONNECTION_OPEN && connection->is_reading) {
        connection_time_out(connection, STATUS_INVALID, "no hello came within hello_timeout");
    } else {
        timeout_start(
            &connection->set->hello_timeouts,
            &connection->hello_timeout); /* it is the daemon that does not read, or it ends already */
    }
}

static void end_unless_taking(struct connection *connection)
{
    struct connection_set *set = connection->set;
    struct output_progress progress = output_progress(&connection->output);
    const struct output_progress *before = &connection->unread_at;
    assert(progress.kernel_bytes >= before->kernel_bytes);
    if (progress.kernel_bytes != before->kernel_bytes || progress.kernel_queue != before->kernel_queue) {
        connection->unread_at = progress;
        timeout_start(&set->unread_timeouts, &connection->unread_timeout);
        return;
    }
    event_connection_timed_out("the client took nothing of its replies within stream_timeout", 0);
    metrics_add(METRIC_CONNECTIONS_TIMED_OUT, 1);
    connection_close(connection);
}

void connection_watch_unread(struct connection *connection)
{
    struct connection_set *set = connection->set;
    bool is_open = connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING;
    /* what closes is freed, and may have a write under way */
    if (!is_open || output_is_empty(&connection->output)) {
        timeout_stop(&set->unread_timeouts, &connection->unread_timeout);
    } else if (!connection->unread_timeout.is_running) {
        connection->unread_at = output_progress(&connection->output);
        timeout_start(&set->unread_timeouts, &connection->unread_timeout);
    }
}

static uint64_t sooner(uint64_t left_us, uint64_t right_us)
{
    return left_us < right_us ? left_us : right_us;
}

uint64_t connection_end_late(struct connection_set *set, uint64_t now_us)
{
    struct timeout *late;
    assert(thread_is(THREAD_LOOP));
    while ((late = timeout_turn(&set->hello_timeouts, now_us)) != NULL) {
        end_without_hello(late->owner);
    }
    while ((late = timeout_turn(&set->frame_timeouts, now_us)) != NULL) {
        connection_time_out(late->owner, STATUS_BUSY,
                            "the frame was not whole within frame_timeout: nothing was applied");
    }
    while ((late = timeout_turn(&set->unread_timeouts, now_us)) != NULL) {
        end_unless_taking(late->owner);
    }
    return sooner(
        timeout_in_us(&set->hello_timeouts, now_us),
        sooner(timeout_in_us(&set->frame_timeouts, now_us), timeout_in_us(&set->unread_timeouts, now_us)));
}

/* ---- gone ---- */

void connection_check_paused(struct connection_set *set, uint64_t now_us)
{
    if (set->not_reading == 0 || now_us < set->next_check_us) {
        return;
    }
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        if (!connection->is_reading) {
            connection_check(connection);
        }
    }
    assert(set->not_reading <= set->count);
    set->next_check_us = now_us + HANG_UP_CHECK_US;
}

/* Whether something that the peer of `left` sent, and that changes the store, is not carried out yet. */
static bool has_unfinished(struct connection *left)
{
    connection_check(left);
    assert(left->writes_in_flight <= left->in_flight);
    if (left->state == CONNECTION_OPEN) {
        return left->is_gone; /* what it sent is not read to its end */
    }
    return left->state != CONNECTION_DRAINING && left->writes_in_flight > 0;
}

bool connection_has_predecessor(const struct connection *connection)
{
    const struct session *session = &connection->session;
    assert(thread_is(THREAD_LOOP) && !session->is_greeted);
    for (struct connection *other = connection->next; other != NULL;
         other = other->next) { /* the older ones */
        bool is_same =
            other->session.peer_pid == session->peer_pid && other->session.peer_uid == session->peer_uid;
        if (is_same && session->peer_pid != 0 && has_unfinished(other)) {
            return true;
        }
    }
    return false;
}
