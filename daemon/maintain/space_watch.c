/* A look's life:
 *
 * - It is due SPACE_LOOK_US after the last, or less often while much is free.
 * - On the pool it asks the file system and the engine. Where a flush is under way and lacks room, the reserve gives it back; where
 *   the reserve lacks something and there is room, it is set aside.
 * - Back on the loop it tells the order what it found, which refuses writes by it. The log says when that begins and ends.
 *
 * - Where the engine could only be opened for reading, what a start takes is set aside; once that is done, the owner is told to open it
 *   anew. What the system calls free is not enough: a quota may be in the way, and each start would be one of a loop.
 * - No system call tells what a quota leaves. Where a step of setting the reserve aside is refused though there seems to be room, free is
 *   what can be allocated for a moment, until all of the reserve, and what ends the soft mark's state, could be had. A start tries that
 *   before its first look. While files are made, which would meet the quota at that moment, it is tried once a second only.
 * - A file system with fewer than SPACE_FILES_MIN inodes left counts as full, however many bytes are free, until SPACE_FILES_BACK are left:
 *   so one file that comes and goes does not change the state each time.
 *
 * Ways to fail: where the system does not say what is free, nothing is refused. While the disk hangs, so does the look; what is
 * accepted meanwhile is counted against the last one. */
#include "daemon/maintain/space_watch.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/host/reserve.h"
#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen. */
enum {
    SPACE_LOOK_US = 100000, /* from a look's end to the next: so a full disk is healed well within a second */
    SPACE_LOOK_FLUSH_US = 10000,  /* while a flush is under way and little is free */
    SPACE_LOOK_AMPLE_US = 500000, /* while more than this is free beside the marks: */
    SPACE_AMPLE_GIB = 4,          /* nobody writes as much in that time */
    SPACE_ROOM_BYTES = 1 << 20,   /* beside what a flush takes: names and lines of the manifest */
    /* inodes below which a file system counts as full: two tables for each write buffer, a log, a compaction, a start */
    SPACE_FILES_MIN = 32,
    SPACE_FILES_BACK = 48,         /* from which it does so no more; a flush makes and deletes some */
    SPACE_STEPS_MAX = 4,           /* of setting aside, before one look */
    SPACE_FIRST_US = 100000,       /* of setting aside before the first look: a start shall be quick */
    SPACE_MEASURE_US_MAX = 900000, /* between two measurements behind a quota, while files are made */
    SPACE_REOPEN_US_MIN = 500000, /* from a start that had no space to the next: less would be a crash loop */
};

struct space_watch {
    struct pool_work work; /* first */
    /* fixed while the pool has it */
    struct space_watch_config config;
    /* loop only */
    uint64_t queue_bytes_max; /* for the next look */
    uint64_t due_us;
    uint64_t counted; /* by the order, when the look began */
    enum space_state state;
    bool is_tight;           /* for compactions */
    uint64_t reopen_from_us; /* not before this is the engine opened anew */
    bool is_stopped;
    /* the pool's while it runs */
    struct space_look look;
    uint64_t start_bytes; /* what opening the engine anew takes */
    uint64_t measured_us; /* when it was last tried what a quota leaves */
    bool is_flushing;
    bool is_making_files;
};

/* ---- on the pool, and once at the start ---- */

static void look(struct space_watch *watch)
{
    struct reserve *reserve = watch->config.reserve;
    uint64_t files_min = watch->look.lacks_files ? SPACE_FILES_BACK : SPACE_FILES_MIN; /* the last look's */
    struct engine_space engine = engine_space(watch->config.engine);
    watch->is_flushing = engine.closed_bytes > 0;
    watch->is_making_files = engine.is_making_files;
    if (engine.closed_bytes > 0) { /* where others took the space first, the flush may fail */
        (void)!reserve_make_room(reserve, engine.closed_bytes + SPACE_ROOM_BYTES, engine.start_bytes);
    }
    struct reserve_space space = reserve_look(reserve);
    watch->look = (struct space_look){
        .free_bytes = space.free_bytes,
        .held_bytes = reserve_held_bytes(reserve),
        .reserve_bytes = space_reserve_bytes(watch->config.queue_bytes_max, watch->config.frame_bytes_max,
                                             engine.log_bytes, space.all_bytes),
        .unflushed_bytes = engine.unflushed_bytes,
        .log_bytes = engine.log_bytes,
        .compaction_bytes = engine.compaction_bytes,
        .queue_bytes_max = watch->config.queue_bytes_max,
        .is_read_only = engine_found(watch->config.engine)->access != ENGINE_WRITES,
        .lacks_files = space.free_files < files_min,
        .is_refused = reserve_is_refused(reserve),
    };
    watch->start_bytes = engine.start_bytes + SPACE_ROOM_BYTES;
}

/* Behind a quota. */
static void measure(struct space_watch *watch, uint64_t wanted, uint64_t spared)
{
    const struct space_look *last = &watch->look;
    uint64_t now_us = thread_now_us();
    if (watch->is_making_files && now_us - watch->measured_us < SPACE_MEASURE_US_MAX) {
        return;
    }
    watch->measured_us = now_us;
    uint64_t beside = last->is_read_only ? 0 : space_wanted(last, 0, SPACE_SOFT);
    reserve_measure(watch->config.reserve, wanted, wanted + beside, spared, !watch->is_making_files);
}

/* Before a look: the file is whole, or grows while there is room beside what writes may still take; or to what a start takes. */
static void set_aside(struct space_watch *watch)
{
    const struct space_look *last = &watch->look;
    struct reserve *reserve = watch->config.reserve;
    uint64_t wanted = last->is_read_only ? watch->start_bytes : last->reserve_bytes;
    uint64_t spared = last->is_read_only ? 0 : space_hard_mark(last, 0);
    if (reserve_is_refused(reserve)) {
        measure(watch, wanted, spared);
    }
    for (int steps = 0; steps < SPACE_STEPS_MAX && reserve_set_aside(reserve, wanted, spared); steps++) {
    }
    if (!last->is_read_only) {
        /* a run before may have left more, but what a start takes stays with what it set aside for that */
        reserve_keep(reserve, wanted > watch->start_bytes ? wanted : watch->start_bytes);
    }
}

static void look_run(struct pool_work *work)
{
    struct space_watch *watch = (struct space_watch *)work; /* its first member */
    assert(thread_is(THREAD_POOL));                         /* it may wait for the disk */
    set_aside(watch);
    look(watch);
}

/* The reserve is set aside before anything is accepted, as long as that takes no time: a quota shows by it. */
static void look_first(struct space_watch *watch)
{
    uint64_t until_us = thread_now_us() + SPACE_FIRST_US;
    look(watch); /* says how much that is */
    const struct space_look *found = &watch->look;
    struct reserve *reserve = watch->config.reserve;
    bool is_whole = found->held_bytes >= found->reserve_bytes;
    uint64_t tried = found->reserve_bytes + (is_whole ? 0 : space_soft_mark(found, 0));
    while (!found->is_read_only && thread_now_us() < until_us &&
           reserve_set_aside(reserve, tried, space_hard_mark(found, 0))) {
    }
    if (!found->is_read_only && tried > found->reserve_bytes) {
        reserve_keep(reserve, found->reserve_bytes);
    }
    look(watch);
}

/* ---- on the loop ---- */

static void tell(struct space_watch *watch)
{
    const struct space_look *found = &watch->look;
    uint64_t soft = found->reserve_bytes + space_soft_mark(found, 0);
    uint64_t hard = found->reserve_bytes + space_hard_mark(found, 0);
    metrics_set(METRIC_SPACE_FREE, found->free_bytes);
    metrics_set(METRIC_SPACE_RESERVE, found->held_bytes);
    metrics_set(METRIC_SPACE_RESERVE_MAX, found->reserve_bytes);
    metrics_set(METRIC_SPACE_SOFT, soft);
    metrics_set(METRIC_SPACE_HARD, hard);
    order_note_space(watch->config.order, found, watch->counted);
    enum space_state state = order_space_state(watch->config.order);
    watch->is_tight = space_is_tight(found, watch->is_tight);
    enum engine_pressure low = state == SPACE_ENOUGH ? ENGINE_EASY : ENGINE_LOW;
    engine_note_space(watch->config.engine, watch->is_tight ? ENGINE_TIGHT : low);
    if (state != watch->state) {
        static void (*const events[])(uint64_t, uint64_t, uint64_t,
                                      uint64_t) = {[SPACE_ENOUGH] = event_space_back,
                                                   [SPACE_SOFT] = event_space_low,
                                                   [SPACE_HARD] = event_space_out,
                                                   [SPACE_NONE] = event_space_none};
        assert(state < sizeof events / sizeof events[0]);
        watch->state = state;
        events[state](found->free_bytes, found->held_bytes, soft, hard);
    }
}

/* A start can give all of the reserve. Where the system does not say what is free, nothing is set aside. */
static bool can_reopen(const struct space_watch *watch, uint64_t now_us)
{
    const struct space_look *found = &watch->look;
    assert(watch->config.reopen != NULL || !found->is_read_only);
    return found->is_read_only && !found->lacks_files && now_us >= watch->reopen_from_us &&
           (found->held_bytes >= watch->start_bytes || found->free_bytes == UINT64_MAX);
}

static bool is_ample(const struct space_look *found)
{
    uint64_t beside = (uint64_t)SPACE_AMPLE_GIB << 30;
    uint64_t free_bytes = space_free(found);
    return found->free_bytes == UINT64_MAX ||
           (found->held_bytes >= found->reserve_bytes && free_bytes > beside &&
            free_bytes - beside > space_soft_mark(found, 0));
}

static void look_done(struct pool_work *work)
{
    struct space_watch *watch = (struct space_watch *)work;
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* what it found is the loop's again */
    tell(watch);
    if (!watch->is_stopped && can_reopen(watch, thread_now_us())) {
        event_space_reopened(watch->look.free_bytes, watch->look.held_bytes, metrics_get(METRIC_SPACE_SOFT),
                             metrics_get(METRIC_SPACE_HARD));
        watch->config.reopen(watch->config.reopen_context);
    }
    bool is_pressed = watch->state != SPACE_ENOUGH && watch->is_flushing;
    watch->due_us = thread_now_us() + (is_ample(&watch->look) ? SPACE_LOOK_AMPLE_US
                                       : is_pressed           ? SPACE_LOOK_FLUSH_US
                                                              : SPACE_LOOK_US);
}

struct space_watch *space_watch_new(const struct space_watch_config *config)
{
    assert(thread_is(THREAD_LOOP)); /* as order and pool are */
    struct space_watch *watch = memory_new(sizeof *watch);
    watch->config = *config;
    watch->reopen_from_us = thread_now_us() + SPACE_REOPEN_US_MIN;
    watch->queue_bytes_max = config->queue_bytes_max;
    if (config->reserve != NULL) {
        watch->counted = order_space_counted(config->order);
        look_first(watch);
        tell(watch);
    }
    return watch;
}

void space_watch_set_queue_bytes(struct space_watch *watch, uint64_t queue_bytes_max)
{
    assert(thread_is(THREAD_LOOP) && queue_bytes_max > 0);
    watch->queue_bytes_max = queue_bytes_max; /* the look that may be with the pool has its own */
}

bool space_watch_is_idle(const struct space_watch *watch)
{
    assert(thread_is(THREAD_LOOP)); /* which alone moves work to and from the pool */
    return watch->work.state == POOL_IDLE;
}

void space_watch_free(struct space_watch *watch)
{
    assert(watch == NULL || space_watch_is_idle(watch)); /* or the pool would go on in freed memory */
    free(watch);
}

uint64_t space_watch_iterate(struct space_watch *watch, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP));
    if (watch->config.reserve == NULL || watch->is_stopped || watch->work.state != POOL_IDLE) {
        return UINT64_MAX;
    }
    if (now_us < watch->due_us) {
        return watch->due_us - now_us;
    }
    watch->counted = order_space_counted(watch->config.order);
    watch->config.queue_bytes_max = watch->queue_bytes_max;
    watch->work.run = look_run;
    watch->work.done = look_done;
    pool_submit(watch->config.pool, &watch->work, POOL_POINT);
    return UINT64_MAX;
}

void space_watch_stop(struct space_watch *watch)
{
    assert(thread_is(THREAD_LOOP)); /* no turn is under way that could still start something */
    watch->is_stopped = true;
}
