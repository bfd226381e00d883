/* A request: one frame from its arrival to its last reply. Loop only.
 *
 * - The connection makes it from a frame and starts it. Starting may have to wait for room: then it is started again.
 * - Its handler answers at once, or keeps it and answers later. Whatever is kept lies in the request's arena.
 * - The last reply ends it. A request whose connection is gone is carried out all the same; its replies go nowhere. */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>

#include "daemon/order/order.h"
#include "daemon/read/pool.h"
#include "daemon/runtime/arena.h"
#include "daemon/runtime/budget.h"
#include "proto/frame.h"

struct read;
struct request;
struct stream;
struct stream_set;

/* What all requests share. */
struct service {
    /* fixed after start */
    struct engine *engine;
    struct order *order;
    struct budget *budget; /* of the memory that clients size */
    struct pool *pool;
    struct stream_set *streams;
    struct stages *stages;
    uint64_t frame_bytes_max;
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t started_us;
    struct chain *default_chain; /* looked up once */
    /* loop only */
    bool draining;     /* new requests are refused */
    bool is_contended; /* some write waits for room in the queue: others go behind it */
    uint64_t frames_bad;
    uint64_t connections;
    uint64_t connections_refused;
};

/* What requests of one connection share; part of the connection. */
struct session {
    struct service *service;
    struct stream *streams; /* open or waiting */
    uint64_t stream_count;
    bool is_greeted; /* hello was taken: without it the connection ends after its first frame */
    bool is_closed;  /* replies go nowhere */
    /* Takes a frame: FRAME_REPLY_BYTES for the header, which it fills in, and the body. */
    void (*send)(struct session *session, struct frame_reply *header, uint8_t *frame);
    /* The same of a small frame, whose body is copied. */
    void (*send_copy)(struct session *session, struct frame_reply *header, const uint8_t *body);
    struct read *reads; /* that wait for room among its replies, oldest first */
    struct read **last_read;
    struct budget_client client; /* what its replies and reads take */
    /* A request of this session has ended. */
    void (*ended)(struct session *session, struct request *request);
};

enum request_progress {
    REQUEST_TAKEN, /* answered, or going to be; it may be gone already */
    REQUEST_WAITS, /* no room: start it again later, before anything behind it */
};

enum { REQUEST_FIRST_BYTES = 768 };

struct request {
    /* fixed once made */
    struct session *session;
    struct service *service;
    uint8_t type;
    uint64_t id;
    uint64_t received_us;
    size_t body_bytes;
    uint8_t *taken_body; /* a large frame's, freed with the request; a small one's lies in the arena */
    /* handlers only */
    uint64_t deadline_us; /* to have left REQUEST_WAITS; 0: none */
    struct arena arena;
    bool is_short;                /* the arena got less than the request may take where memory is there */
    bool is_timed;                /* one of those whose stages are measured */
    ProtobufCMessage *message;    /* leads into the body */
    void *prepared;               /* the handler's, in the arena; NULL until it has looked at the message */
    struct budget_request memory; /* what it holds, and what was set aside for its frame */
    bool is_starting;             /* its handler runs: it is not freed under it */
    bool is_ended;                /* its last reply is sent */
    /* what the arena starts with: enough for most */
    alignas(ARENA_ALIGNMENT) uint8_t first[REQUEST_FIRST_BYTES];
};

/* ---- for handlers. Each of these is the last reply and ends the request; the first has none ---- */

void request_end(struct request *request);

/* Whether requests of the type end when the writer had them; others may stay as long as their client likes. */
bool request_type_is_write(uint8_t type);

/* For dispatch: frees a request that ended while its handler ran; tells the budget what it holds. */
void request_free(struct request *request);
void request_count_held(struct request *request);

void request_reply(struct request *request, enum status status, const ProtobufCMessage *message);
void request_reply_empty(struct request *request, enum status status);

/* A small body that was packed by hand; copied. */
void request_reply_body(struct request *request, enum status status, const uint8_t *body, size_t body_bytes);

void request_refuse(struct request *request, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A reply packed before, with room for the header in front; taken. */
void request_reply_packed(struct request *request, uint8_t *frame, size_t body_bytes);

/* A reply that another follows; taken. Its frame holds body_bytes. */
void request_send(struct request *request, uint8_t flags, uint8_t *frame, size_t body_bytes);

/* Credit and cancel: requests about an open stream, which have no reply, not even when they are refused. */
bool request_is_about_stream(const struct request *request);

/* Packs a message into memory of its own, with room for the header in front. */
uint8_t *request_pack(const ProtobufCMessage *message, size_t *ret_body_bytes);

/* Memory of the request's arena, zeroed; NULL once the request was refused for want of it. */
void *request_memory(struct request *request, size_t bytes) MUST_CHECK;

/* The request is to have left REQUEST_WAITS so long after it came; 0, or beyond all time: no deadline. */
void request_set_deadline(struct request *request, uint64_t deadline_us);

/* The chain a request names, absent meaning "default"; NULL once the request was refused. */
struct chain *request_chain(struct request *request, bool has_name, ProtobufCBinaryData name) MUST_CHECK;

static inline struct slice request_slice(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

#endif
