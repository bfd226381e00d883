/* A connection's socket and its two buffers: frames going out, bytes coming in. Knows frames, not what is in them. */
#ifndef CLIENT_TRANSPORT_H
#define CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/message/frame_out.h"

struct transport {
    int fd;           /* -1: none */
    bool ended;       /* nothing more will be received */
    bool send_broken; /* nothing more can be sent; what was answered can still be read */
    int error;        /* errno that ended it; 0: the daemon closed it */
    size_t body_bytes_max;
    struct frame_queue out;
    struct frame_queue sent; /* handed to the kernel whole; the owner takes them from here */
    uint8_t *in;
    size_t in_begin, in_end, in_capacity;
};

/* Connects to a Unix socket without waiting. 0, or the errno. */
int transport_connect(struct transport *transport, const char *path) MUST_CHECK;

/* Closes the socket and frees both buffers; a zeroed one with fd -1 is fine. */
void transport_close(struct transport *transport);

/* Sends as much as the kernel takes. Frames that end so are found in `sent`. */
void transport_send(struct transport *transport);

/* Receives at most `bytes_max` bytes, or all there is; never waits. Returns whether any came. Sets `ended`. */
bool transport_receive(struct transport *transport, size_t bytes_max);

enum transport_frame {
    TRANSPORT_FRAME,  /* a whole frame */
    TRANSPORT_NONE,   /* not yet */
    TRANSPORT_BROKEN, /* no frame of ours, or over the bound: the connection cannot go on */
};

/* Looks at the frame at `offset` of what has been received; the body is borrowed until the next transport_receive(). */
enum transport_frame transport_frame_at(struct transport *transport, size_t offset,
                                        struct frame_reply *ret_reply, const uint8_t **ret_body) MUST_CHECK;

#endif
