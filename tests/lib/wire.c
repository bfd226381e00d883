#include "tests/lib/wire.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/cairn.pb-c.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

struct wire wire_try_connect(const char *socket_path)
{
    struct wire wire = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (connect(wire.fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(wire.fd);
        wire.fd = -1;
    }
    return wire;
}

struct wire wire_connect(const char *socket_path)
{
    struct wire wire = wire_try_connect(socket_path);
    ck_assert_msg(wire.fd >= 0, "cannot connect to %s: %s", socket_path, strerror(errno));
    return wire;
}

bool wire_try_hello(struct wire *wire)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    uint64_t id = wire_send(wire, FRAME_HELLO, &hello);
    struct wire_frame *frame = wire_try_frame(wire, id, WIRE_PATIENCE_MS);
    return frame != NULL && frame->header.status == STATUS_OK;
}

struct wire wire_open(const char *socket_path)
{
    struct wire wire = wire_connect(socket_path);
    ck_assert_msg(wire_try_hello(&wire), "no answer to hello");
    return wire;
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0) {
        close(wire->fd);
    }
    free(wire->bytes);
    *wire = (struct wire){.fd = -1};
}

/* Sends until all is gone, the time is over or the daemon has closed; keeps reading meanwhile, so that two full buffers
 * don't wait for each other, unless told not to. */
static size_t send_for(struct wire *wire, const uint8_t *bytes, size_t n, int milliseconds, bool read_too)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    size_t sent = 0;
    while (sent < n) {
        ssize_t taken = send(wire->fd, bytes + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken > 0) {
            sent += (size_t)taken;
            continue;
        }
        uint64_t now = clock_ms();
        if ((errno != EAGAIN && errno != EINTR) || now >= until) {
            break;
        }
        struct pollfd ready = {wire->fd, (short)(POLLOUT | (read_too && !wire->ended ? POLLIN : 0)), 0};
        poll(&ready, 1, (int)(until - now));
        if (ready.revents & POLLIN) {
            wire_poll(wire, 0);
        }
    }
    return sent;
}

bool wire_send_bytes(struct wire *wire, const void *bytes, size_t n)
{
    size_t sent = send_for(wire, bytes, n, WIRE_PATIENCE_MS, true);
    ck_assert_msg(sent == n || errno != EAGAIN, "the daemon took only %zu of %zu bytes", sent, n);
    return sent == n;
}

size_t wire_send_some(struct wire *wire, const void *bytes, size_t n, int milliseconds)
{
    return send_for(wire, bytes, n, milliseconds, false);
}

bool wire_send_frame(struct wire *wire, uint8_t type, uint64_t id, const void *body, size_t n)
{
    struct frame_request request = {.type = type, .body_bytes = (uint32_t)n, .id = id};
    uint8_t *bytes = malloc(FRAME_REQUEST_BYTES + n);
    frame_request_encode(&request, bytes);
    if (n > 0) {
        memcpy(bytes + FRAME_REQUEST_BYTES, body, n);
    }
    bool sent = wire_send_bytes(wire, bytes, FRAME_REQUEST_BYTES + n);
    free(bytes);
    return sent;
}

uint64_t wire_send(struct wire *wire, uint8_t type, const void *message)
{
    size_t n = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    uint8_t *body = malloc(n + 1);
    if (message != NULL) {
        protobuf_c_message_pack(message, body);
    }
    uint64_t id = ++wire->last_id;
    wire_send_frame(wire, type, id, body, n);
    free(body);
    return id;
}

/* Keeps an eye on what every reply has to obey. */
static void inspect(struct wire *wire, const struct frame_reply *header)
{
    if (header->durable_through > header->written_through) {
        wire->fault = "durable through is above written through";
    }
    if (header->written_through < wire->written_through || header->durable_through < wire->durable_through) {
        wire->fault = "written through or durable through fell";
    }
    wire->written_through = header->written_through;
    wire->durable_through = header->durable_through;
}

/* Moves whole frames from the bytes to the waiting ones. */
static void cut_frames(struct wire *wire)
{
    size_t at = 0;
    struct wire_frame **tail = &wire->waiting;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    while (wire->used - at >= FRAME_REPLY_BYTES) {
        struct frame_reply header;
        if (frame_reply_decode(wire->bytes + at, &header) != STATUS_OK) {
            wire->fault = "not a reply header";
            wire->ended = true;
            break;
        }
        if (wire->used - at - FRAME_REPLY_BYTES < header.body_bytes) {
            break;
        }
        inspect(wire, &header);
        struct wire_frame *frame = kept_alloc(sizeof *frame);
        frame->header = header;
        frame->body = kept_copy(wire->bytes + at + FRAME_REPLY_BYTES, header.body_bytes);
        *tail = frame;
        tail = &frame->next;
        at += FRAME_REPLY_BYTES + header.body_bytes;
    }
    if (at > 0) {
        memmove(wire->bytes, wire->bytes + at, wire->used - at);
        wire->used -= at;
    }
}

bool wire_poll(struct wire *wire, int milliseconds)
{
    struct pollfd ready = {wire->fd, POLLIN, 0};
    if (wire->ended || poll(&ready, 1, milliseconds) <= 0) {
        return false;
    }
    if (wire->room - wire->used < 65536) {
        wire->room = wire->room == 0 ? 131072 : 2 * wire->room;
        wire->bytes = realloc(wire->bytes, wire->room);
        ck_assert_msg(wire->bytes != NULL, "out of memory");
    }
    ssize_t n = recv(wire->fd, wire->bytes + wire->used, wire->room - wire->used, MSG_DONTWAIT);
    if (n <= 0) {
        wire->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
        return false;
    }
    wire->used += (size_t)n;
    cut_frames(wire);
    return true;
}

struct wire_frame *wire_take(struct wire *wire)
{
    struct wire_frame *frame = wire->waiting;
    if (frame != NULL) {
        wire->waiting = frame->next;
    }
    return frame;
}

static struct wire_frame *take_id(struct wire *wire, uint64_t id, bool any)
{
    for (struct wire_frame **at = &wire->waiting; *at != NULL; at = &(*at)->next) {
        struct wire_frame *frame = *at;
        if (any || frame->header.id == id) {
            *at = frame->next;
            return frame;
        }
    }
    return NULL;
}

static struct wire_frame *await(struct wire *wire, uint64_t id, bool any, int milliseconds)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    for (;;) {
        struct wire_frame *frame = take_id(wire, id, any);
        uint64_t now = clock_ms();
        if (frame != NULL || wire->ended || now > until) {
            return frame;
        }
        wire_poll(wire, (int)(until - now) + 1);
    }
}

struct wire_frame *wire_try_frame(struct wire *wire, uint64_t id, int milliseconds)
{
    return await(wire, id, false, milliseconds);
}

struct wire_frame *wire_frame(struct wire *wire, uint64_t id)
{
    struct wire_frame *frame = await(wire, id, false, WIRE_PATIENCE_MS);
    ck_assert_msg(frame != NULL, "no reply to request %llu: %s", (unsigned long long)id,
                  wire->ended ? "connection closed" : "time over");
    ck_assert_msg(wire->fault == NULL, "%s", wire->fault);
    return frame;
}

struct wire_frame *wire_any_frame(struct wire *wire)
{
    struct wire_frame *frame = await(wire, 0, true, WIRE_PATIENCE_MS);
    ck_assert_msg(frame != NULL, "no reply: %s", wire->ended ? "connection closed" : "time over");
    ck_assert_msg(wire->fault == NULL, "%s", wire->fault);
    return frame;
}

bool wire_ends(struct wire *wire, int milliseconds)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    for (uint64_t now; !wire->ended && (now = clock_ms()) <= until;) {
        wire_poll(wire, (int)(until - now) + 1);
    }
    return wire->ended;
}

void *wire_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes, size_t n)
{
    void *message = protobuf_c_message_unpack(descriptor, kept_allocator(), n, bytes);
    ck_assert_msg(message != NULL, "%zu bytes are no %s", n, descriptor->short_name);
    return message;
}

void wire_give_credit(struct wire *wire, uint64_t id, uint64_t bytes)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = bytes;
    uint8_t body[16];
    size_t n = cairn__credit__pack(&credit, body);
    wire_send_frame(wire, FRAME_CREDIT, id, body, n);
}

struct wire_stream wire_stream(struct wire *wire, uint64_t id)
{
    struct wire_stream stream = {0};
    ProtobufCBinaryData **bodies = NULL;
    ProtobufCBinaryData open = {0, NULL};
    for (;;) {
        struct wire_frame *frame = wire_frame(wire, id);
        if (!(frame->header.flags & FRAME_MORE) && !(frame->header.flags & FRAME_CONTINUED)) {
            stream.status = frame->header.status;
            ck_assert_msg(open.len == 0, "a stream ended inside a message");
            if (stream.status != STATUS_OK && stream.status != STATUS_NOT_FOUND) {
                Cairn__Error *error =
                    wire_unpack(&cairn__error__descriptor, frame->body, frame->header.body_bytes);
                stream.text = kept_copy(error->text.data, error->text.len);
            } else {
                ck_assert_uint_eq(frame->header.body_bytes, 0);
            }
            break;
        }
        ProtobufCBinaryData whole = {open.len + frame->header.body_bytes, NULL};
        whole.data = kept_alloc(whole.len + 1);
        if (open.len > 0) {
            memcpy(whole.data, open.data, open.len);
        }
        memcpy(whole.data + open.len, frame->body, frame->header.body_bytes);
        open = whole;
        if (frame->header.body_bytes > 0) {
            wire_give_credit(wire, id, frame->header.body_bytes);
        }
        if (!(frame->header.flags & FRAME_CONTINUED)) {
            ProtobufCBinaryData *body = kept_alloc(sizeof *body);
            *body = open;
            bodies = kept_append(bodies, &stream.messages, body);
            open = (ProtobufCBinaryData){0, NULL};
        }
    }
    stream.bodies = kept_alloc((stream.messages + 1) * sizeof *stream.bodies);
    for (size_t i = 0; i < stream.messages; i++) {
        stream.bodies[i] = *bodies[i];
    }
    return stream;
}
