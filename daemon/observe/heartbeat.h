/* Heartbeats: what each stage of the daemon shows to who watches it, and what that says. The life of one:
 *
 * - A thread that begins a piece of work enters the heartbeat, and leaves it behind the work. Each call into the engine that
 *   returns meanwhile is a beat, so work that takes long in many calls is not taken for work that hangs.
 * - The writer is also asked: from when work was handed over until the thread took it, that work waits for a beat.
 * - The watchdog looks at each of them again and again. One that is at work and has not beaten for HEARTBEAT_STALLED_US is
 *   stalled, until it beats again.
 *
 * A look counts the time between two looks for no more than HEARTBEAT_LOOK_US_MAX: where the whole process stood still, stopped or
 * suspended, nothing is stalled for that.
 *
 * Any thread may look; each other call is for one thread at a time. Nothing waits or fails. */
#ifndef DAEMON_HEARTBEAT_H
#define DAEMON_HEARTBEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEARTBEAT_STALLED_US = 1000000,      /* the promise on a slow or hung disk sets it */
    HEARTBEAT_LOOK_INTERVAL_US = 250000, /* chosen: so a stall shows a quarter of a second late at most */
    HEARTBEAT_LOOK_US_MAX = 2 * HEARTBEAT_LOOK_INTERVAL_US,
    /* two cache lines of 64 bytes in all, as the first may begin anywhere in one */
    HEARTBEAT_APART_BYTES = 96,
};

struct heartbeat {
    _Atomic(uint64_t) beats; /* odd: at work */
    _Atomic(uint64_t) asked; /* how often work was handed over, */
    _Atomic(uint64_t) taken; /* and up to where it was taken */
    /* The watchdog's: one more than the beats with which it was found stalled; 0: it was not. */
    _Atomic(uint64_t) stalled_at;
    /* the next one is another thread's: it shall not share a cache line */
    uint8_t apart[HEARTBEAT_APART_BYTES];
};

/* The stages that are watched. */
enum heartbeat_stage {
    HEARTBEAT_LOOP,
    HEARTBEAT_WRITER,
    HEARTBEAT_POOL,   /* what may wait for the device: reads, steps of maintenance */
    HEARTBEAT_MEMORY, /* frames that wait for memory: it beats when one is given some */
    HEARTBEAT_STAGES,
};

enum { HEARTBEAT_POOL_MAX = 28 }; /* pieces of work of the pool that are watched, each by itself */

/* Those of one daemon. */
struct heartbeats {
    struct heartbeat loop, writer, memory;
    struct heartbeat pool[HEARTBEAT_POOL_MAX];
};

/* ---- at work ---- */

/* The calling thread begins a piece of work, and ends it. NULL: nobody watches it. */
void heartbeat_enter(struct heartbeat *heartbeat);
void heartbeat_leave(void);

/* What the calling thread is in has moved on. Also where it is in none. */
void heartbeat_go_on(void);

/* Work was handed over; all that was handed over before is taken. */
void heartbeat_ask(struct heartbeat *heartbeat);
void heartbeat_take(struct heartbeat *heartbeat);

/* For a stage that counts for itself: whether it is at work, and how often it moved. */
void heartbeat_show(struct heartbeat *heartbeat, bool is_at_work, uint64_t moves);

/* ---- looking ---- */

/* What a watcher remembers of one; zeroed at first. */
struct heartbeat_watch {
    uint64_t beats, taken;
    uint64_t unmoved_us; /* for how long it has been at work without a beat; 0: it moves, or is idle */
};

/* Looks, `elapsed_us` behind the last look. */
void heartbeat_look(struct heartbeat_watch *watch, struct heartbeat *heartbeat, uint64_t elapsed_us);

/* What a watcher remembers of all; zeroed at first. */
struct heartbeats_watch {
    struct heartbeat_watch loop, writer, memory, pool[HEARTBEAT_POOL_MAX];
    uint64_t stalled_us[HEARTBEAT_STAGES]; /* for how long each has been stalled; 0: it is not */
};

/* What a look found. Stages as in struct heartbeats. */
struct heartbeats_seen {
    unsigned stalled; /* now */
    unsigned began, ended;
    uint64_t lasted_us[HEARTBEAT_STAGES]; /* of those that ended or go on: how long they have not moved */
};

struct heartbeats_seen heartbeats_look(struct heartbeats_watch *watch, struct heartbeats *heartbeats,
                                       uint64_t elapsed_us);

/* The stages, 1 << stage, that the last look found stalled and that have not moved since. */
unsigned heartbeats_stalled(const struct heartbeats *heartbeats);

/* The stages by name, "writer, pool"; returns `text`. */
enum { HEARTBEAT_TEXT_BYTES = 64 };
const char *heartbeat_text(unsigned stages, char text[HEARTBEAT_TEXT_BYTES]);

#endif
