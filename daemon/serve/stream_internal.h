/* What the files of streams have in common: stream_step.c (one stream: its cursor, its steps, what goes out) and, above it,
 * stream.c (its life, and all of them). Nobody else includes this. */
#ifndef DAEMON_STREAM_INTERNAL_H
#define DAEMON_STREAM_INTERNAL_H

#include "daemon/runtime/timeout.h"
#include "daemon/serve/request.h"
#include "daemon/serve/stream.h"

/* All chosen. */
enum {
    STREAM_STEP_BYTES = 256 << 10, /* a step ends after so many bytes */
    /* or so many messages: half a millisecond of sending, however small they are */
    STREAM_STEP_MESSAGES_MAX = 512,
    STREAMS_OF_SESSION_MAX = 128, /* open or waiting */
    STREAM_PARK_BYTES = 2 << 20,  /* a cursor that read so much at once is parked: the engine holds it */
    STREAM_LOOK_US = 25000,       /* between two looks at the cursors that are held */
    STREAM_LOOKS_MAX = 1,         /* a cursor held at more looks than this is parked */
    /* that streams copy of the queue in one iteration: no further one is opened behind that */
    STREAM_OPEN_BYTES_MAX = 256 << 10,
};

static_assert(STREAM_UNSENT_BYTES_MAX >= 2 * STREAM_STEP_BYTES, "a step is read while another goes out");

struct message_list {
    struct fetched *first;
    size_t count;
    size_t capacity;
};

/* What each means stands at the head of stream.c. */
enum stream_state {
    STREAM_WAITING,
    STREAM_AT_WORK,
    STREAM_STANDING,
    STREAM_RETURNING,
    STREAM_ENDING,
    STREAM_ENDED,
};

struct stream {
    struct pool_work work; /* first; work.state says whether a step is idle, queued or running */
    /* fixed once made */
    struct request *request;
    struct stream_set *set;
    struct stream_kind kind;
    /* loop only */
    enum stream_state state;  /* changed by stream_move */
    struct failure cancelled; /* ENDING: how it ends */
    bool holds_cursor;        /* its cursor is not parked, or a queued step will use it again */
    unsigned looks;           /* at how many looks in a row it was held */
    struct engine_point *view;
    uint64_t window_bytes;         /* the client's credit that is left */
    struct timeout without_credit; /* while that is 0 */
    struct timeout age;            /* since it took its view */
    struct timeout standing;       /* STANDING: since then */
    struct message_list ready;     /* to go out, before what `read` has */
    size_t sent;                   /* of them have gone out whole */
    uint64_t sent_bytes;           /* of the first that has not */
    struct budget_stream memory;   /* what it has read and not sent, and what its source keeps of the queue */
    struct stream *next_of_session;
    struct turn turn;            /* WAITING, RETURNING */
    struct stream *next_holding; /* while it holds its cursor */
    struct stream *previous_holding;
    /* the pool's while a step runs */
    struct source *source;
    struct message_list read;
    uint64_t step_bytes;        /* what the next step may read at once */
    uint64_t step_credit_bytes; /* how much credit there is for what it reads */
    enum source_result result;  /* SOURCE_MESSAGE: there may be more; else how it ended */
    struct failure failure;
};

/* Loop only. */
struct stream_set {
    /* fixed after start */
    struct service *service;
    uint64_t streams_max;
    /* streams that have a view */
    uint64_t open;
    uint64_t at_work; /* of them have a place */
    uint64_t holding; /* hold their cursors */
    struct stream *holding_first;
    uint64_t look_us;   /* when to look at those next */
    bool is_fresh_turn; /* the next place goes to a new stream, and not to one that returns */
    bool is_opening;    /* open_waiting runs: what it calls need not call it again */
    struct timeout_list without_credit;
    struct timeout_list ages;
    struct timeout_list standing; /* nobody is ever late in it: it is for their order */
};

/* ---- stream_step.c ---- */

/* Whether the source, and what it has read, are the loop's. */
static inline bool stream_step_is_idle(const struct stream *stream)
{
    return stream->work.state == POOL_IDLE;
}

/* Whether a step may begin: there is more to read, and credit, client and budget have room for it. */
bool stream_step_may_start(const struct stream *stream);

/* Gives the pool the next step, if one may begin. `done` is called on the loop when it has ended, and calls stream_step_ended
 * first. */
void stream_step_start(struct stream *stream, void (*done)(struct pool_work *work));
void stream_step_ended(struct stream *stream);

/* Sends what is ready, as far as the window and the connection's replies have room. True: nothing of it is left. */
bool stream_step_send(struct stream *stream);

/* Makes what the last step has read the next to go out. False: a step is under way, or it has read nothing. */
bool stream_step_take(struct stream *stream);

/* Drops what has not gone out, and gives its memory back; what a step under way reads stays. */
void stream_step_drop(struct stream *stream);

/* Starts the time-out of a stream that has used up its credit, and stops that of one that has some again. */
void stream_step_watch_credit(struct stream *stream);

/* Counts a look at its cursor, and parks it if it is due; or parks it at once, no step being under way. */
void stream_step_look(struct stream *stream);
void stream_step_park(struct stream *stream);

/* Its cursor is parked, or about to be freed: it counts as held no more. */
void stream_step_release_cursor(struct stream *stream);

#endif
