/* A transport's life:
 *
 * - connected without waiting: a Unix socket connects at once or fails
 * - its owner queues frames; they are gathered into few system calls, and go to `sent` once the kernel has all of them
 * - received bytes collect in one buffer, which grows up to the size of one frame
 * - it ends when the daemon closes the socket
 *
 * Ways to fail: a send fails (send_broken; the transport goes on receiving, since answers may still be waiting); a receive fails,
 * or there is no memory for it (ended, with the errno in `error`). */
#include "client/connection/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/huge_pages.h"

enum {
    /* All chosen. Of metadata writes with 60 bytes, one sendmsg() takes 270. */
    PARTS_PER_SEND_MAX = 64,     /* of one sendmsg() */
    GATHER_BYTES = 16 << 10,     /* room for copies of small frames, on the stack */
    SMALL_FRAME_BYTES_MAX = 512, /* a frame up to this is copied */
    IN_BYTES_STEP = 64 << 10,    /* what one recv() asks for at least */
    IN_BYTES_IDLE_MAX = 1 << 20, /* a larger buffer is freed when it is nearly empty */
};

int transport_connect(struct transport *transport, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert(transport->fd < 0 && strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    *transport = (struct transport){.fd = fd};
    return 0;
}

void transport_close(struct transport *transport)
{
    if (transport->fd >= 0) {
        close(transport->fd);
    }
    frame_queue_clear(&transport->out);
    frame_queue_clear(&transport->sent);
    free(transport->in);
    *transport = (struct transport){.fd = -1};
}

/* The kernel has taken the first `bytes` bytes of the queue. */
static void out_advance(struct transport *transport, size_t bytes)
{
    while (bytes > 0) {
        struct frame_out *frame = transport->out.first;
        assert(frame != NULL && frame->sent < frame->bytes); /* it took no more than it was given */
        size_t left = frame->bytes - frame->sent;
        if (bytes < left) {
            frame->sent += bytes;
            return;
        }
        frame->sent = frame->bytes;
        bytes -= left;
        frame_queue_push(&transport->sent, frame_queue_pop(&transport->out));
    }
}

/* What one sendmsg() sends. Small frames are copied one behind the other, because a part costs the kernel more than the copy
 * of a few hundred bytes. */
struct gathered {
    struct iovec parts[PARTS_PER_SEND_MAX];
    size_t part_count;
    size_t bytes; /* of `copies` that are used */
    uint8_t copies[GATHER_BYTES];
};

/* Adds what is left of a frame. False: there is no room for it. */
static bool gather(struct gathered *gathered, struct frame_out *frame)
{
    uint8_t *data = frame->data + frame->sent;
    size_t bytes = frame->bytes - frame->sent;
    bool small = bytes <= SMALL_FRAME_BYTES_MAX;
    assert(gathered->bytes <= GATHER_BYTES && gathered->part_count <= PARTS_PER_SEND_MAX);
    if (small) {
        if (bytes > GATHER_BYTES - gathered->bytes) {
            return false;
        }
        uint8_t *copy = gathered->copies + gathered->bytes;
        data = memcpy(copy, data, bytes);
        struct iovec *last = gathered->part_count > 0 ? &gathered->parts[gathered->part_count - 1] : NULL;
        if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == copy) {
            last->iov_len += bytes;
            gathered->bytes += bytes;
            return true;
        }
    }
    if (gathered->part_count == PARTS_PER_SEND_MAX) {
        return false;
    }
    gathered->bytes += small ? bytes : 0;
    gathered->parts[gathered->part_count++] = (struct iovec){.iov_base = data, .iov_len = bytes};
    return true;
}

void transport_send(struct transport *transport)
{
    while (transport->out.first != NULL && !transport->send_broken) {
        struct gathered gathered;
        gathered.part_count = gathered.bytes = 0;
        struct frame_out *frame = transport->out.first;
        while (frame != NULL && gather(&gathered, frame)) {
            frame = frame->next;
        }
        assert(gathered.part_count > 0 && transport->fd >= 0); /* the first frame always has room */
        struct msghdr message = {.msg_iov = gathered.parts, .msg_iovlen = gathered.part_count};
        ssize_t bytes = sendmsg(transport->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (bytes >= 0) {
            out_advance(transport, (size_t)bytes);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            transport->send_broken = true;
            transport->error = errno;
        }
    }
}

/* Makes room for what is still missing of the frame that is arriving, or for a step if that is more. False: no memory. */
static bool in_reserve(struct transport *transport)
{
    assert(transport->in_begin <= transport->in_end && transport->in_end <= transport->in_capacity);
    size_t held = transport->in_end - transport->in_begin;
    size_t wanted = held + IN_BYTES_STEP;
    struct frame_reply reply;
    if (held >= FRAME_REPLY_BYTES &&
        frame_reply_decode(transport->in + transport->in_begin, &reply) == STATUS_OK &&
        reply.body_bytes <= transport->body_bytes_max &&
        wanted < FRAME_REPLY_BYTES + (size_t)reply.body_bytes) {
        wanted = FRAME_REPLY_BYTES + (size_t)reply.body_bytes;
    }
    if (transport->in_capacity - transport->in_end >= wanted - held) {
        return true;
    }
    bool give_back = held <= IN_BYTES_STEP && transport->in_capacity > IN_BYTES_IDLE_MAX;
    if (transport->in_capacity >= wanted && !give_back) {
        memmove(transport->in, transport->in + transport->in_begin, held);
    } else {
        size_t capacity = wanted + wanted / 4;
        uint8_t *in = malloc(capacity);
        if (in == NULL) {
            return false;
        }
        huge_pages_prefer(in, capacity);
        if (held > 0) {
            memcpy(in, transport->in + transport->in_begin, held);
        }
        free(transport->in);
        transport->in = in;
        transport->in_capacity = capacity;
    }
    transport->in_begin = 0;
    transport->in_end = held;
    assert(transport->in_capacity >= wanted);
    return true;
}

bool transport_receive(struct transport *transport, size_t bytes_max)
{
    assert(transport->fd >= 0 || transport->ended);
    size_t received = 0;
    while (!transport->ended && received < bytes_max) {
        if (transport->in_begin == transport->in_end) {
            transport->in_begin = transport->in_end = 0;
        }
        if (!in_reserve(transport)) {
            transport->ended = true;
            transport->error = ENOMEM;
            break;
        }
        size_t room = transport->in_capacity - transport->in_end;
        ssize_t bytes = recv(transport->fd, transport->in + transport->in_end, room, MSG_DONTWAIT);
        if (bytes > 0) {
            transport->in_end += (size_t)bytes;
            received += (size_t)bytes;
            if ((size_t)bytes < room) {
                break; /* the socket was empty; the next poll() reports more data or the end */
            }
        } else if (bytes == 0) {
            transport->ended = true;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            transport->ended = true;
            transport->error = errno;
        }
    }
    return received > 0;
}

enum transport_frame transport_frame_at(struct transport *transport, size_t offset,
                                        struct frame_reply *ret_reply, const uint8_t **ret_body)
{
    struct frame_reply reply;
    assert(offset >= transport->in_begin && offset <= transport->in_end);
    size_t held = transport->in_end - offset;
    if (held < FRAME_REPLY_BYTES) {
        return TRANSPORT_NONE;
    }
    if (frame_reply_decode(transport->in + offset, &reply) != STATUS_OK ||
        reply.body_bytes > transport->body_bytes_max) {
        return TRANSPORT_BROKEN;
    }
    if (held - FRAME_REPLY_BYTES < reply.body_bytes) {
        return TRANSPORT_NONE;
    }
    *ret_reply = reply;
    *ret_body = transport->in + offset + FRAME_REPLY_BYTES;
    return TRANSPORT_FRAME;
}
