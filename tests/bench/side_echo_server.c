/* A connection's life: accepted, it is read, 64 KiB at most at a time, until its client closes it or sends what is no
 * request. All replies to what one read brought leave in one write; what the socket does not take waits with libuv, and
 * the connection is not read meanwhile. Requests are counted, not kept, but for those with puts.
 *
 * Ways to fail: the socket cannot be listened on, or puts cannot be written: the server ends with a text. A client that
 * breaks the protocol or disappears loses its connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "tests/bench/side_echo.h"
#include "tests/bench/side_server.h"
#include "tests/bench/side_socket.h"

enum {
    READ_BYTES = 64 << 10,
    GATHERED_BYTES = 256 << 10, /* of small replies */
    SMALL_REPLY_BYTES = 32 << 10,
    FILLER_BYTES = 256 << 10, /* as much as stays near the processor */
    PIECES_MAX = 512,
    BACKLOG = 4096,
    SOCKET_PATH_BYTES_MAX = 107,
};

struct server {
    uv_loop_t loop;
    uv_pipe_t listener;
    uv_signal_t terminate, interrupt;
    server_put put;
    void *context;
    bool failed;
    uint8_t read[READ_BYTES];

    /* the replies to one read; the filler of large ones is all the same bytes */
    uint8_t gathered[GATHERED_BYTES];
    size_t gathered_bytes;
    uint8_t filler[FILLER_BYTES];
    uv_buf_t pieces[PIECES_MAX];
    unsigned piece_count;
};

struct peer {
    uv_pipe_t pipe;
    struct server *server;
    unsigned backlogs;
    size_t head_bytes; /* of the request being read, as far as they came */
    union {
        struct echo_request head;
        uint8_t head_data[ECHO_REQUEST_BYTES];
    };
    size_t left; /* bytes of it behind these */
    uint8_t *puts;
    size_t puts_bytes, puts_capacity;
};

/* What the socket did not take at once. */
struct backlog {
    uv_write_t write;
    struct peer *peer;
    uint8_t copy[];
};

static struct server server;

static void peer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    free(peer->puts);
    free(peer);
}

static void peer_end(struct peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->pipe)) {
        uv_close((uv_handle_t *)&peer->pipe, peer_closed);
    }
}

static void server_end(void)
{
    uv_stop(&server.loop);
}

/* ---- replies ---- */

static void alloc_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer);
static void read_done(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer);

static void backlog_written(uv_write_t *write, int status)
{
    struct backlog *backlog = (struct backlog *)write;
    struct peer *peer = backlog->peer;
    free(backlog);
    if (status != 0) {
        peer_end(peer);
    } else if (--peer->backlogs == 0 && !uv_is_closing((uv_handle_t *)&peer->pipe)) {
        uv_read_start((uv_stream_t *)&peer->pipe, alloc_buffer, read_done);
    }
}

static bool is_gathered(const uv_buf_t *piece)
{
    const uint8_t *data = (uint8_t *)piece->base;
    return data >= server.gathered && data < server.gathered + GATHERED_BYTES;
}

/* Leaves the pieces behind the first `written` bytes to libuv; what was gathered is copied. */
static void backlog_write(struct peer *peer, size_t written)
{
    unsigned first = 0;
    while (first < server.piece_count && written >= server.pieces[first].len) {
        written -= server.pieces[first++].len;
    }
    if (first == server.piece_count) {
        return;
    }
    server.pieces[first].base += written;
    server.pieces[first].len -= written;
    size_t bytes = 0;
    for (unsigned i = first; i < server.piece_count; i++) {
        bytes += is_gathered(&server.pieces[i]) ? server.pieces[i].len : 0;
    }
    struct backlog *backlog = side_memory(1, sizeof *backlog + bytes);
    backlog->peer = peer;
    uint8_t *copy = backlog->copy;
    for (unsigned i = first; i < server.piece_count; i++) {
        uv_buf_t *piece = &server.pieces[i];
        if (is_gathered(piece)) {
            piece->base = memcpy(copy, piece->base, piece->len);
            copy += piece->len;
        }
    }
    if (uv_write(&backlog->write, (uv_stream_t *)&peer->pipe, server.pieces + first,
                 server.piece_count - first, backlog_written) != 0) {
        free(backlog);
        peer_end(peer);
        return;
    }
    peer->backlogs++;
    uv_read_stop((uv_stream_t *)&peer->pipe);
}

static void replies_send(struct peer *peer)
{
    if (server.piece_count > 0 && !uv_is_closing((uv_handle_t *)&peer->pipe)) {
        int written = uv_try_write((uv_stream_t *)&peer->pipe, server.pieces, server.piece_count);
        if (written >= 0 || written == UV_EAGAIN) {
            backlog_write(peer, written >= 0 ? (size_t)written : 0);
        } else {
            peer_end(peer);
        }
    }
    server.piece_count = 0;
    server.gathered_bytes = 0;
}

static void gather(struct peer *peer, uint8_t *data, size_t bytes)
{
    uv_buf_t *last = server.piece_count > 0 ? &server.pieces[server.piece_count - 1] : NULL;
    if (last != NULL && (uint8_t *)last->base + last->len == data && is_gathered(last)) {
        last->len += bytes;
        return;
    }
    if (server.piece_count == PIECES_MAX) {
        replies_send(peer);
    }
    server.pieces[server.piece_count++] = uv_buf_init((char *)data, (unsigned)bytes);
}

/* The filler is whatever lies there: nobody writes a byte that means nothing. */
static void reply(struct peer *peer, const struct echo_request *request)
{
    uint32_t bytes = request->reply_bytes & ECHO_REPLY_BYTES;
    size_t gathered = bytes <= SMALL_REPLY_BYTES ? bytes : ECHO_REPLY_HEAD_BYTES;
    if (server.gathered_bytes + gathered > GATHERED_BYTES || server.piece_count == PIECES_MAX) {
        replies_send(peer);
    }
    uint8_t *data = server.gathered + server.gathered_bytes;
    server.gathered_bytes += gathered;
    memcpy(data, &request->id, 8);
    memcpy(data + 8, &bytes, ECHO_REPLY_HEAD_BYTES - 8);
    gather(peer, data, gathered);
    for (size_t left = bytes - gathered; left > 0;) {
        size_t piece = left < FILLER_BYTES ? left : FILLER_BYTES;
        gather(peer, server.filler, piece);
        left -= piece;
    }
}

/* ---- requests ---- */

/* Whether it is a request, and what it asks for can be done here. */
static bool request_is_good(const struct echo_request *request)
{
    uint32_t reply_bytes = request->reply_bytes & ECHO_REPLY_BYTES;
    return request->bytes >= ECHO_REQUEST_BYTES && reply_bytes >= ECHO_REPLY_BYTES_MIN &&
           (server.put != NULL || reply_bytes == request->reply_bytes);
}

static void keep_puts(struct peer *peer, const uint8_t *data, size_t bytes)
{
    if (peer->puts_bytes + bytes > peer->puts_capacity) {
        peer->puts_capacity = 2 * (peer->puts_bytes + bytes);
        peer->puts = realloc(peer->puts, peer->puts_capacity);
        if (peer->puts == NULL) {
            abort();
        }
    }
    memcpy(peer->puts + peer->puts_bytes, data, bytes);
    peer->puts_bytes += bytes;
}

static void request_done(struct peer *peer)
{
    struct echo_request head = peer->head;
    if (head.reply_bytes & ECHO_PUTS) {
        if (!server.put(server.context, peer->puts, peer->puts_bytes, (head.reply_bytes & ECHO_SYNC) != 0)) {
            server.failed = true;
            server_end();
        }
        peer->puts_bytes = 0;
    }
    peer->head_bytes = 0;
    reply(peer, &head);
}

/* Takes a whole request, or as much of one as came; 0: it is none. */
static size_t take(struct peer *peer, const uint8_t *data, size_t bytes)
{
    size_t taken;
    if (peer->head_bytes < ECHO_REQUEST_BYTES) {
        size_t missing = ECHO_REQUEST_BYTES - peer->head_bytes;
        taken = bytes < missing ? bytes : missing;
        memcpy(peer->head_data + peer->head_bytes, data, taken);
        peer->head_bytes += taken;
        if (peer->head_bytes < ECHO_REQUEST_BYTES) {
            return taken;
        }
        if (!request_is_good(&peer->head)) {
            return 0;
        }
        peer->left = peer->head.bytes - ECHO_REQUEST_BYTES;
        data += taken;
        bytes -= taken;
    } else {
        taken = 0;
    }
    size_t body = bytes < peer->left ? bytes : peer->left;
    if (peer->head.reply_bytes & ECHO_PUTS) {
        keep_puts(peer, data, body);
    }
    peer->left -= body;
    if (peer->left == 0) {
        request_done(peer);
    }
    return taken + body;
}

static void read_done(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    struct peer *peer = stream->data;
    if (bytes < 0) {
        peer_end(peer);
        return;
    }
    const uint8_t *data = (uint8_t *)buffer->base;
    for (size_t left = (size_t)bytes; left > 0;) {
        size_t taken = take(peer, data, left);
        if (taken == 0) {
            peer_end(peer);
            break;
        }
        data += taken;
        left -= taken;
    }
    replies_send(peer);
}

static void alloc_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)handle;
    (void)suggested;
    *ret_buffer = uv_buf_init((char *)server.read, READ_BYTES);
}

/* ---- the server ---- */

static void accept_peer(uv_stream_t *listener, int status)
{
    if (status != 0) {
        return;
    }
    struct peer *peer = side_memory(1, sizeof *peer);
    uv_pipe_init(&server.loop, &peer->pipe, 0);
    peer->pipe.data = peer;
    if (uv_accept(listener, (uv_stream_t *)&peer->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&peer->pipe, alloc_buffer, read_done) != 0) {
        peer_end(peer);
    }
}

static void signalled(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    server_end();
}

/* What an earlier server left behind is in the way. */
static void remove_socket(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        (void)unlink(path);
    }
}

enum side_exit server_run(const char *socket, server_put put, void *context)
{
    if (strlen(socket) > SOCKET_PATH_BYTES_MAX) {
        return side_fail("%s: longer than a socket's path may be", socket);
    }
    signal(SIGPIPE, SIG_IGN);
    side_raise_files();
    remove_socket(socket);
    server.put = put;
    server.context = context;
    uv_loop_init(&server.loop);
    uv_pipe_init(&server.loop, &server.listener, 0);
    uv_signal_init(&server.loop, &server.terminate);
    uv_signal_init(&server.loop, &server.interrupt);
    uv_signal_start(&server.terminate, signalled, SIGTERM);
    uv_signal_start(&server.interrupt, signalled, SIGINT);
    int error = uv_pipe_bind(&server.listener, socket);
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&server.listener, BACKLOG, accept_peer);
    }
    if (error != 0) {
        return side_fail("%s: cannot listen: %s", socket, uv_strerror(error));
    }
    uv_run(&server.loop, UV_RUN_DEFAULT);
    (void)unlink(socket);
    return server.failed ? SIDE_FAILED : SIDE_OK; /* the kernel closes what is left */
}

enum side_exit side_echo_server(const struct side_options *options)
{
    return server_run(options->words[1], NULL, NULL);
}
