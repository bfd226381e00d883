/* A connection's socket, the frames that go out and the bytes that come in. It knows frames, not what is in them. */
#ifndef CLIENT_TRANSPORT_H
#define CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/message/frame_out.h"

struct transport {
    int fd;           /* -1: none */
    bool ended;       /* nothing more will be received */
    bool send_broken; /* nothing more can be sent; what was answered can still be received */
    int error;        /* the errno that ended it; 0: the daemon closed the socket */

    size_t body_bytes_max;   /* a received frame with a longer body is broken */
    struct frame_queue out;  /* to be sent; the kernel may have a part of the first */
    struct frame_queue sent; /* the kernel has all of them; the owner takes them from here */

    uint8_t *in; /* received bytes: those from in_begin to in_end are not used up */
    size_t in_begin, in_end, in_capacity;
};

/* Connects to a Unix socket without waiting. The path must fit sockaddr_un. Returns 0 or the errno; then nothing is changed. */
int transport_connect(struct transport *transport, const char *path) MUST_CHECK;

/* Closes the socket, and frees frames and buffer. A transport that is zero but for fd -1 is fine, and is what it leaves. */
void transport_close(struct transport *transport);

/* Sends as much as the kernel takes. A frame of which it has all moves to `sent`. Sets send_broken if sending fails. */
void transport_send(struct transport *transport);

/* Receives what has arrived, until that is all or at least `bytes_max` bytes; never waits. Returns whether any came. Sets `ended`
 * if the socket is closed or fails. */
bool transport_receive(struct transport *transport, size_t bytes_max);

enum transport_frame {
    TRANSPORT_FRAME,  /* a whole frame */
    TRANSPORT_NONE,   /* the frame is not complete yet */
    TRANSPORT_BROKEN, /* the header is invalid, or the body above the bound: the connection cannot go on */
};

/* Looks at the frame at `offset` of the received bytes. The body is borrowed until the next transport_receive(). */
enum transport_frame transport_frame_at(struct transport *transport, size_t offset,
                                        struct frame_reply *ret_reply, const uint8_t **ret_body) MUST_CHECK;

#endif
