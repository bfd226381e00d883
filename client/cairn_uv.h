/* A connection of libcairn in a libuv loop. Header only: include it, and link with libcairn and libuv.
 *
 *   static void changed(struct cairn_uv *uv, enum cairn_status status, const char *text)
 *   {
 *       if (status == CAIRN_OK) { ... submit on uv->connection ... }
 *   }
 *   struct cairn_uv uv;
 *   cairn_uv_start(&uv, loop, client, changed, NULL);
 *
 * - cairn_uv_start() opens a connection. Requests can be submitted at once, from any callback of the loop; no call is needed
 *   after it: before each wait the loop asks every connection what it has to send
 * - when the connection is ready, `changed` runs with CAIRN_OK. When it is lost, its descriptor leaves the loop, its requests
 *   have completed, and `changed` runs with the status and the reason. It is then started again, with pauses that grow from
 *   1 ms to 250 ms (cairn_retry_pause_us()); each failed attempt runs `changed` again
 * - what time does not mend (another store, no permission, another protocol) is not tried again until cairn_uv_reconnect()
 * - cairn_uv_close() ends the connection and its handles, and runs `closed` later, from the loop; then the struct may be freed
 *
 * These rules hold besides those of cairn.h:
 *   threads    All calls are made on the loop's thread. The client's other connections may be driven by the same loop.
 *   callbacks  Every call below may be made in completions, items and `changed`. None of them runs a callback before it returns,
 *              but cairn_uv_close(), which completes what is in flight as cairn_connection_free() does.
 *   ending     The connection is ended by cairn_uv_close(), never by cairn_connection_free(), cairn_close() or cairn_client_free().
 *   blocking   No blocking call is made on this connection: it would hold up the loop, and may change the descriptor.
 * The loop polls a dup() of the connection's descriptor, since libcairn closes its own inside the call that loses it. */
#ifndef CAIRN_UV_H
#define CAIRN_UV_H

#include <cairn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct cairn_uv;

typedef void (*cairn_uv_changed)(struct cairn_uv *uv, enum cairn_status status, const char *text);
typedef void (*cairn_uv_closed)(struct cairn_uv *uv);

/* A descriptor in the loop; libuv frees a handle later than it stops polling. */
struct cairn_uv_socket {
    uv_poll_t poll;
    int fd;     /* a dup() of the connection's */
    int events; /* that libuv polls for */
};

struct cairn_uv {
    void *data;                          /* the caller's */
    struct cairn_connection *connection; /* to submit on; until cairn_uv_close() */
    /* The fields below belong to the functions of this file. */
    cairn_uv_changed changed;
    cairn_uv_closed closed;
    struct cairn_retry retry;
    struct cairn_uv_socket *socket; /* NULL: the connection is lost, or there was no descriptor for it */
    uv_prepare_t prepare;
    uv_timer_t timer;
    int handles;  /* of the two that are open */
    int is_ready; /* `changed` ran with CAIRN_OK, and no loss since */
    int is_lost;  /* the loss was told; the timer, if it runs, is for the next attempt */
    int is_closing;
};

static inline void cairn_uv_socket_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Takes the descriptor out of the loop. */
static inline void cairn_uv_forget_socket(struct cairn_uv *uv)
{
    struct cairn_uv_socket *socket = uv->socket;
    if (socket == NULL) {
        return;
    }
    uv->socket = NULL;
    uv_poll_stop(&socket->poll);
    close(socket->fd);
    socket->poll.data = socket;
    uv_close((uv_handle_t *)&socket->poll, cairn_uv_socket_closed);
}

static inline void cairn_uv_timed_out(uv_timer_t *timer);

static inline void cairn_uv_wake_in(struct cairn_uv *uv, int64_t us)
{
    uv_timer_start(&uv->timer, cairn_uv_timed_out, (uint64_t)(us + 999) / 1000, 0);
}

/* Tells of a loss, and plans the next attempt. */
static inline void cairn_uv_lose(struct cairn_uv *uv, enum cairn_status status)
{
    int64_t pause_us;
    cairn_uv_forget_socket(uv);
    uv->is_lost = 1;
    uv->is_ready = 0;
    uv_timer_stop(&uv->timer);
    pause_us = cairn_retry_pause_us(&uv->retry, CAIRN_PING, status);
    if (pause_us >= 0) {
        cairn_uv_wake_in(uv, pause_us);
    }
    uv->changed(uv, status, cairn_connection_error(uv->connection));
}

static inline void cairn_uv_process(struct cairn_uv *uv, short revents)
{
    enum cairn_status status = cairn_connection_process(uv->connection, revents);
    if (uv->is_closing) {
        return; /* a callback closed it: the connection is gone */
    }
    if (status != CAIRN_OK) {
        cairn_uv_lose(uv, status);
    } else if (!uv->is_ready && cairn_connection_get_state(uv->connection) == CAIRN_READY) {
        uv->is_ready = 1;
        memset(uv->retry.state, 0, sizeof uv->retry.state);
        uv->changed(uv, CAIRN_OK, "");
    }
}

static inline void cairn_uv_polled(uv_poll_t *poll, int status, int events)
{
    int revents = status < 0 ? POLLIN | POLLERR : 0; /* receiving finds the reason */
    revents |= (events & UV_READABLE) != 0 ? POLLIN : 0;
    revents |= (events & UV_WRITABLE) != 0 ? POLLOUT : 0;
    revents |= (events & UV_DISCONNECT) != 0 ? POLLIN | POLLHUP : 0;
    cairn_uv_process((struct cairn_uv *)poll->data, (short)revents);
}

/* Puts the connection's descriptor into the loop. Without memory or a descriptor it is tried again before the next wait. */
static inline void cairn_uv_remember_socket(struct cairn_uv *uv)
{
    struct cairn_uv_socket *socket = (struct cairn_uv_socket *)calloc(1, sizeof *socket);
    if (socket == NULL) {
        return;
    }
    socket->fd = fcntl(cairn_connection_fd(uv->connection), F_DUPFD_CLOEXEC, 0);
    if (socket->fd < 0 || uv_poll_init(uv->timer.loop, &socket->poll, socket->fd) != 0) {
        if (socket->fd >= 0) {
            close(socket->fd);
        }
        free(socket);
        return;
    }
    socket->poll.data = uv;
    uv->socket = socket;
}

/* Asks the connection what it waits for, before each wait of the loop. */
static inline void cairn_uv_prepared(uv_prepare_t *prepare)
{
    struct cairn_uv *uv = (struct cairn_uv *)prepare->data;
    int64_t timeout_us;
    int events = UV_DISCONNECT;
    if (uv->is_closing || uv->is_lost) {
        return;
    }
    timeout_us = cairn_connection_timeout_us(uv->connection);
    if (cairn_connection_get_state(uv->connection) != CAIRN_LOST) {
        if (uv->socket == NULL) {
            cairn_uv_remember_socket(uv);
        }
        if (uv->socket == NULL && (timeout_us < 0 || timeout_us > 100000)) {
            timeout_us = 100000; /* look again */
        }
        events |= (cairn_connection_events(uv->connection) & POLLIN) != 0 ? UV_READABLE : 0;
        events |= (cairn_connection_events(uv->connection) & POLLOUT) != 0 ? UV_WRITABLE : 0;
        if (uv->socket != NULL && uv->socket->events != events) {
            uv->socket->events = events;
            uv_poll_start(&uv->socket->poll, events, cairn_uv_polled);
        }
    }
    if (timeout_us >= 0) {
        cairn_uv_wake_in(uv, timeout_us);
    } else {
        uv_timer_stop(&uv->timer);
    }
}

static inline void cairn_uv_timed_out(uv_timer_t *timer)
{
    struct cairn_uv *uv = (struct cairn_uv *)timer->data;
    enum cairn_status status;
    if (uv->is_closing) {
        return;
    }
    if (!uv->is_lost) {
        cairn_uv_process(uv, 0);
        return;
    }
    (void)cairn_connection_process(uv->connection, 0); /* ends what has waited for the connection too long */
    if (uv->is_closing) {
        return;
    }
    status = cairn_connection_reconnect(uv->connection);
    if (status == CAIRN_OK) {
        uv->is_lost = 0;
    } else {
        cairn_uv_lose(uv, status);
    }
}

/* Opens a connection of the client and drives it in the loop. `uv` need not be initialized, and stays where it is until it is
 * closed. `changed` is required. It does not run before this call has returned.
 *   CAIRN_OK         it runs, until cairn_uv_close(); it may be lost from the start, which `changed` tells
 *   CAIRN_USAGE, CAIRN_NO_MEMORY
 *                    as from cairn_connection_open(); nothing was started */
static inline enum cairn_status cairn_uv_start(struct cairn_uv *uv, uv_loop_t *loop,
                                               struct cairn_client *client, cairn_uv_changed changed,
                                               void *data)
{
    enum cairn_status status;
    memset(uv, 0, sizeof *uv);
    uv->data = data;
    uv->changed = changed;
    uv->retry.timeout_us = CAIRN_NO_TIMEOUT;
    status = cairn_connection_open(client, &uv->connection);
    if (status != CAIRN_OK) {
        return status;
    }
    uv_prepare_init(loop, &uv->prepare);
    uv_timer_init(loop, &uv->timer);
    uv->prepare.data = uv->timer.data = uv;
    uv->handles = 2;
    uv_prepare_start(&uv->prepare, cairn_uv_prepared);
    cairn_uv_wake_in(uv, 0);
    return CAIRN_OK;
}

/* Starts a lost connection again without a pause: after cairn_client_forget(), for example. Of one that is not lost it does
 * nothing. */
static inline void cairn_uv_reconnect(struct cairn_uv *uv)
{
    if (!uv->is_closing && uv->is_lost) {
        memset(uv->retry.state, 0, sizeof uv->retry.state);
        cairn_uv_wake_in(uv, 0);
    }
}

static inline void cairn_uv_handle_closed(uv_handle_t *handle)
{
    struct cairn_uv *uv = (struct cairn_uv *)handle->data;
    if (--uv->handles == 0 && uv->closed != NULL) {
        uv->closed(uv);
    }
}

/* Ends the connection; what is in flight completes as from cairn_connection_free(). `closed`, which may be NULL, runs once, later,
 * from the loop: then the struct may be freed, and, if it was the last connection, the client. A second call does nothing. To lose
 * no metadata to a crash of the daemon, await a barrier at CAIRN_WRITTEN first. */
static inline void cairn_uv_close(struct cairn_uv *uv, cairn_uv_closed closed)
{
    if (uv->is_closing) {
        return;
    }
    uv->is_closing = 1;
    uv->closed = closed;
    cairn_uv_forget_socket(uv);
    cairn_connection_free(uv->connection);
    uv->connection = NULL;
    uv_close((uv_handle_t *)&uv->prepare, cairn_uv_handle_closed);
    uv_close((uv_handle_t *)&uv->timer, cairn_uv_handle_closed);
}

#endif
