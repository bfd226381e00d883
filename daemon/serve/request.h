/* A request: one frame from its arrival to its last reply. Loop only.
 *
 * - The connection makes it from a frame and starts it: a large body is unpacked on the pool before its handler starts. A request that
 *   finds no room in the queue is started again later.
 * - Its handler answers at once, or keeps it and answers later. All that it keeps lies in the request's arena.
 * - The last reply ends it. A request whose connection is gone is still carried out, and its replies are dropped. */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include <assert.h>
#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>

#include "daemon/runtime/arena.h"
#include "daemon/runtime/budget.h"
#include "daemon/serve/session.h"
#include "proto/frame.h"

enum request_progress {
    REQUEST_TAKEN,       /* it was answered, or its handler answers it later; it may be freed already */
    REQUEST_WAITS,       /* the queue has no room: start it again later, before any request behind it */
    REQUEST_WAITS_CLAIM, /* the same: a claim or release of its chain is in the commit lane, and decides */
    REQUEST_WAITS_MEMORY, /* the same: other requests hold the memory that it takes. It holds none but its body */
    REQUEST_UNPACKS, /* its large body is with the pool: session->unpacked says when to go on, before any request behind it */
};

/* Arena bytes inside the request itself. Chosen: a small write or read with its handler's part fits without a malloc. */
enum { REQUEST_FIRST_BYTES = 768 };

struct unpacking;

struct request {
    /* fixed once made */
    struct session *session;
    struct service *service;
    uint8_t type;
    uint64_t id;
    uint64_t received_us;
    size_t body_bytes;
    uint8_t *taken_body; /* a large frame's, freed with the request; a small one's lies in the arena */
    /* the handler's */
    uint64_t deadline_us; /* until when it may stay in REQUEST_WAITS, on thread_now_us's clock; 0: for ever */
    ProtobufCMessage *message; /* of the type's own kind; its bytes fields lead into the body */
    void *prepared;            /* its decoded form, in the arena; NULL until it has looked at the message */
    /* dispatch's and request's */
    struct arena arena;
    bool is_short;                /* other requests hold memory that the arena would have had */
    bool is_timed;                /* its stages are measured */
    struct unpacking *unpacking;  /* while a large body is unpacked, and until its handler starts */
    struct budget_request memory; /* what it holds, and what was set aside for its frame */
    bool is_starting;             /* its handler runs: request_end leaves freeing to dispatch */
    bool is_ended;                /* its last reply was sent */
    /* what the arena begins with */
    alignas(ARENA_ALIGNMENT) uint8_t first[REQUEST_FIRST_BYTES];
};

/* ---- replies, for handlers. Each but request_send is the last and ends the request, which may be freed then ---- */

/* Ends a request that has no reply of its own. */
void request_end(struct request *request);

/* A status with a message, or with an empty body. The message is borrowed. */
void request_reply(struct request *request, enum status status, const ProtobufCMessage *message);
void request_reply_empty(struct request *request, enum status status);

/* A small body that was packed by hand; copied. */
void request_reply_body(struct request *request, enum status status, const uint8_t *body, size_t body_bytes);

/* A status other than OK with a text for people, printf's or the failure's, which has the reason of a conflict too. A request about
 * a stream just ends. */
void request_refuse(struct request *request, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void request_refuse_for(struct request *request, const struct failure *failure);
/* The same with the last number that was applied under an epoch. */
void request_refuse_numbered(struct request *request, const struct failure *failure, uint64_t last_number);

/* A body packed before, by request_pack or a fetch; the frame is taken. Cut into several frames if it is above
 * frame_bytes_max. */
void request_reply_packed(struct request *request, uint8_t *frame, size_t body_bytes);

/* A reply that another follows: `flags` has FRAME_MORE or FRAME_CONTINUED. The frame is taken. */
void request_send(struct request *request, uint8_t flags, uint8_t *frame, size_t body_bytes);

/* Packs a message into memory of its own, with room for the header in front. */
uint8_t *request_pack(const ProtobufCMessage *message, size_t *ret_body_bytes);

/* ---- what a request is, and what it has ---- */

/* Credit and cancel: requests about an open stream, which have no reply, not even when they are refused. */
bool request_is_about_stream(const struct request *request);
bool request_type_is_about_stream(uint8_t type);

/* Whether requests of the type may change what is stored: then they are carried out also if nobody is there for the answer. */
bool request_type_changes(uint8_t type);

/* Whether requests of the type end when the writer is done with them; others may stay as long as their client likes. */
bool request_type_is_write(uint8_t type);

/* Memory of the request's arena, zeroed. NULL: there is none, and *failure says why, for the reply:
 *   STATUS_BUSY       other requests hold what it would have had
 *   STATUS_TOO_LARGE  it takes more than its length allows */
void *request_memory(struct request *request, size_t bytes, struct failure *failure) MUST_CHECK;

/* Lets it stay in REQUEST_WAITS for that long after it was received. 0, or beyond the clock's end: no deadline. */
void request_set_deadline(struct request *request, uint64_t deadline_us);

/* The visible chain a request names, "default" if it names none. NULL: there is none of that name, or it cannot be a name,
 * and *failure is STATUS_INVALID with the text for the reply. */
struct chain *request_chain(struct request *request, bool has_name, ProtobufCBinaryData name,
                            struct failure *failure) MUST_CHECK;

/* ---- for dispatch ---- */

/* Frees a request that has ended. */
void request_free(struct request *request);

static inline struct slice request_slice(ProtobufCBinaryData data)
{
    assert(data.data != NULL || data.len == 0); /* an empty field has neither */
    return slice_of(data.data, data.len);
}

/* The same for a message that is only packed: protobuf-c's bytes are never const, and packing does not write to them. */
static inline ProtobufCBinaryData request_binary(const void *data, size_t bytes)
{
    union {
        const void *in;
        uint8_t *out;
    } pointer = {.in = data};
    assert(data != NULL || bytes == 0);
    return (ProtobufCBinaryData){bytes, pointer.out};
}

#endif
