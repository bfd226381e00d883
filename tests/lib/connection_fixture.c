#include "tests/lib/connection_fixture.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static struct directory directory;
static struct connection_set *set;
static uv_pipe_t listener;
static uint64_t accepted;
static uint64_t passed_us; /* by connections_pass */

static void on_listen(uv_stream_t *stream, int status)
{
    ck_assert_int_eq(status, 0);
    connection_accept(set, stream);
    accepted++;
}

void connections_open(uint64_t connections_max)
{
    signal(SIGPIPE, SIG_IGN);
    service_open();
    directory = directory_new();
    const struct connection_limits limits = {
        .connections_max = connections_max,
        .hello_timeout_us = HELLO_TIMEOUT_US,
        .frame_timeout_us = FRAME_TIMEOUT_US,
        .stream_timeout_us = STREAM_TIMEOUT_US,
    };
    set = connection_set_new(&served.loop, &served.service, &limits);
    ck_assert_int_eq(uv_pipe_init(&served.loop, &listener, 0), 0);
    ck_assert_int_eq(uv_pipe_bind(&listener, directory_path(&directory, "socket")), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&listener, 64, on_listen), 0);
}

void connections_close(void)
{
    uv_close((uv_handle_t *)&listener, NULL);
    connection_close_all(set);
    CONNECTIONS_AWAIT(connection_count(set) == 0);
    ck_assert(connection_set_is_idle(set));
    connection_set_free(set);
    ck_assert_int_eq(uv_run(&served.loop, UV_RUN_DEFAULT), 0); /* the listener closes */
    directory_remove(&directory);
    service_close();
}

struct connection_set *connections(void)
{
    return set;
}

struct connection *connection_last(void)
{
    ck_assert_ptr_nonnull(set->all);
    return set->all;
}

void connections_pass(uint64_t elapsed_us)
{
    passed_us += elapsed_us;
    connections_iterate();
}

void connections_iterate(void)
{
    uint64_t now_us = thread_now_us() + passed_us;
    connection_set_begin_iteration(set, now_us);
    do {
        (void)connection_set_serve(set, now_us);
    } while (connection_set_is_touched(set));
    service_iterate();
}

int peer_new(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, directory_path(&directory, "socket"), sizeof address.sun_path - 1);
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(peer, 0);
    uint64_t before = accepted;
    ck_assert_int_eq(connect(peer, (struct sockaddr *)&address, sizeof address), 0);
    CONNECTIONS_AWAIT(accepted > before);
    return peer;
}

int peer_greeted(void)
{
    int peer = peer_new();
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    peer_send(peer, FRAME_HELLO, 1, &hello);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    return peer;
}

void peer_write(int peer, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    for (uint64_t began_ms = clock_ms(); count > 0;) {
        ssize_t written = write(peer, from, count);
        ck_assert_msg(written >= 0 || errno == EAGAIN, "write: %s", strerror(errno));
        from += written > 0 ? written : 0;
        count -= written > 0 ? (size_t)written : 0;
        if (count > 0) {
            connections_iterate();
        }
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
}

void peer_send(int peer, uint8_t type, uint64_t id, const void *message)
{
    size_t body_bytes = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + body_bytes);
    const struct frame_request header = {.type = type, .id = id, .body_bytes = (uint32_t)body_bytes};
    frame_request_encode(&header, frame);
    if (message != NULL) {
        protobuf_c_message_pack(message, frame + FRAME_REQUEST_BYTES);
    }
    peer_write(peer, frame, FRAME_REQUEST_BYTES + body_bytes);
}

static void read_all(int peer, uint8_t *bytes, size_t count)
{
    for (uint64_t began_ms = clock_ms(); count > 0;) {
        ssize_t got = read(peer, bytes, count);
        ck_assert_msg(got > 0 || (got < 0 && errno == EAGAIN), "the connection ended before the reply");
        bytes += got > 0 ? got : 0;
        count -= got > 0 ? (size_t)got : 0;
        if (count > 0) {
            connections_iterate();
        }
        ck_assert_msg(clock_ms() - began_ms < (uint64_t)patience_ms(10000), "no reply");
    }
}

struct service_reply peer_receive(int peer)
{
    uint8_t bytes[FRAME_REPLY_BYTES];
    struct service_reply reply = {.text = ""};
    read_all(peer, bytes, sizeof bytes);
    ck_assert_int_eq(frame_reply_decode(bytes, &reply.header), STATUS_OK);
    reply.status = reply.header.status;
    reply.body = (ProtobufCBinaryData){reply.header.body_bytes, kept_alloc(reply.header.body_bytes + 1)};
    read_all(peer, reply.body.data, reply.body.len);
    if (reply.status != STATUS_OK && reply.body.len > 0) {
        const Cairn__Error *error = cairn__error__unpack(kept_allocator(), reply.body.len, reply.body.data);
        ck_assert_ptr_nonnull(error);
        reply.text = kept_copy(error->text.data, error->text.len);
    }
    return reply;
}

bool peer_is_closed(int peer)
{
    uint8_t byte;
    ssize_t got = recv(peer, &byte, 1, MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

void peer_close(int peer)
{
    ck_assert_int_eq(close(peer), 0);
}
