/* The life of a piece of work, each move made on the loop:
 *
 * - POOL_IDLE: it belongs to its owner, who submits it.
 * - POOL_QUEUED: it waits in a list, by class and by size, for its turn, a place and room for what it reads.
 * - POOL_RUNNING: a thread of the loop library runs it. When it is done the loop makes it idle again and tells its owner, who
 *   may submit or free it in that call.
 *
 * In each list turns go between uids, processes and connections (runtime/turns), and between small and large work of a class
 * alternately.
 *
 * Ways to fail: where the loop library refuses to start work, that stays queued, first in its list, and is tried again in the
 * next iteration. Work that hangs keeps its thread and its room until it ends. */
#include "daemon/read/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "daemon/observe/heartbeat.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    /* chosen: larger work waits apart, so that no small work waits for its room */
    POOL_LARGE_BYTES = 512 << 10
};

static_assert((int)POOL_THREADS <= (int)HEARTBEAT_POOL_MAX, "each piece of work is watched by itself");

struct pool {
    /* fixed after start */
    uv_loop_t *loop;
    struct budget *budget;
    struct turns *turns;
    struct heartbeats *heartbeats;
    /* loop only */
    struct turns_member daemon;             /* waits for what is done for no connection */
    struct pool_work *places[POOL_THREADS]; /* what is at work: reads, and behind them background work */
    bool is_large_turn[POOL_CLASSES];       /* large work is the next of the class to start */
};

void pool_prepare(void)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)POOL_THREADS);
    assert(thread_is(THREAD_OTHER)); /* it changes the environment: no other thread may read that */
    (void)setenv("UV_THREADPOOL_SIZE", number, 1);
}

struct pool *pool_new(void *loop, struct budget *budget, struct turns *turns, struct heartbeats *heartbeats)
{
    assert(thread_is(THREAD_LOOP)); /* no other thread touches it, so it has no lock */
    struct pool *pool = memory_new(sizeof *pool);
    pool->loop = loop;
    pool->budget = budget;
    pool->turns = turns;
    pool->heartbeats = heartbeats;
    turns_join(turns, &pool->daemon, TURNS_NOBODY, 0);
    return pool;
}

/* The list in which work of that class and size waits. */
static enum turns_list list_of(enum pool_class work_class, bool is_large)
{
    static const enum turns_list lists[POOL_CLASSES][2] = {
        [POOL_POINT] = {TURNS_POINTS, TURNS_POINTS_LARGE},
        [POOL_STREAM] = {TURNS_STEPS, TURNS_STEPS_LARGE},
        [POOL_BACKGROUND] = {TURNS_BACKGROUND, TURNS_BACKGROUND_LARGE},
    };
    assert(work_class < POOL_CLASSES);
    return lists[work_class][is_large];
}

static bool has_waiting(const struct pool *pool)
{
    uint64_t count = 0;
    for (int i = 0; i < POOL_CLASSES; i++) {
        count += turns_count(pool->turns, list_of((enum pool_class)i, false)) +
                 turns_count(pool->turns, list_of((enum pool_class)i, true));
    }
    return count > 0;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (unsigned i = 0; i < POOL_THREADS; i++) {
        assert(pool->places[i] == NULL); /* or a thread would come back to freed memory */
    }
    assert(!has_waiting(pool)); /* or the owners of what waits would never be told */
    turns_leave(pool->turns, &pool->daemon);
    free(pool);
}

static void work_move(struct pool_work *work, enum pool_state to)
{
    static const bool legal[3][3] = {
        [POOL_IDLE] = {[POOL_QUEUED] = true},
        [POOL_QUEUED] = {[POOL_RUNNING] = true},
        [POOL_RUNNING] = {[POOL_IDLE] = true, [POOL_QUEUED] = true /* it could not be started */},
    };
    assert(thread_is(THREAD_LOOP)); /* the state says whose the work is, and has no lock */
    assert(legal[work->state][to]);
    work->state = to;
}

/* ---- what is at work ---- */

/* What the reads at work are, as one class and one owner see it. */
struct at_work {
    unsigned reads, streams;             /* in all */
    unsigned quick_reads, quick_streams; /* not slow */
    unsigned of_owner;
    uint64_t next_slow_us; /* when the next turns slow; UINT64_MAX: none will */
};

static struct at_work look_at_places(const struct pool *pool, const struct turns_member *owner,
                                     uint64_t now_us)
{
    struct at_work at_work = {.next_slow_us = UINT64_MAX};
    for (unsigned i = 0; i < POOL_READS_MAX; i++) {
        const struct pool_work *work = pool->places[i];
        if (work == NULL) {
            continue;
        }
        assert(work->state == POOL_RUNNING && work->work_class != POOL_BACKGROUND);
        uint64_t slow_us = work->started_us + POOL_SLOW_US;
        bool is_stream = work->work_class == POOL_STREAM;
        bool is_owners = owner != NULL && work->member == owner;
        at_work.reads++;
        at_work.of_owner += is_owners;
        at_work.streams += is_stream;
        if (now_us < slow_us) {
            at_work.quick_reads++;
            at_work.quick_streams += is_stream;
            at_work.next_slow_us = slow_us < at_work.next_slow_us ? slow_us : at_work.next_slow_us;
        }
    }
    return at_work;
}

static bool has_background_place(const struct pool *pool)
{
    for (unsigned i = POOL_READS_MAX; i < POOL_THREADS; i++) {
        if (pool->places[i] == NULL) {
            return true;
        }
    }
    return false;
}

/* Whether work of that kind finds a place. */
static bool has_place(const struct pool *pool, const struct pool_work *work, uint64_t now_us)
{
    if (work->work_class == POOL_BACKGROUND) {
        return has_background_place(pool);
    }
    struct at_work at_work = look_at_places(pool, NULL, now_us);
    bool has_streams_place =
        at_work.streams < POOL_STREAMS_MAX && at_work.quick_streams < POOL_STREAMS_AT_ONCE;
    return at_work.reads < POOL_READS_MAX && at_work.quick_reads < POOL_AT_ONCE &&
           (work->work_class == POOL_POINT || has_streams_place);
}

/* Whether the other places are for other owners: it has half of all, or one while half are slow. */
static bool owner_has_to_wait(const struct pool *pool, const struct pool_work *work, uint64_t now_us)
{
    struct at_work at_work = look_at_places(pool, work->member, now_us);
    bool half_is_slow = at_work.reads - at_work.quick_reads >= POOL_READS_MAX / 2;
    return work->work_class != POOL_BACKGROUND &&
           (at_work.of_owner >= POOL_READS_MAX / 2 || (half_is_slow && at_work.of_owner > 0));
}

/* A free place for it; there is one. */
static unsigned free_place(const struct pool *pool, const struct pool_work *work)
{
    bool is_background = work->work_class == POOL_BACKGROUND;
    unsigned place = is_background ? POOL_READS_MAX : 0;
    while (place < POOL_THREADS && pool->places[place] != NULL) {
        place++;
    }
    /* more would wait where no budget sees it */
    assert(place < (is_background ? POOL_THREADS : POOL_READS_MAX));
    return place;
}

/* ---- running ---- */

static void on_run(uv_work_t *running)
{
    struct pool_work *work = running->data;
    struct heartbeats *heartbeats = work->pool->heartbeats;
    assert(work->state == POOL_RUNNING); /* the loop keeps away from it until it is done */
    bool is_watched = heartbeats != NULL && !work->may_take_minutes;
    thread_set_role(THREAD_POOL);
    heartbeat_enter(is_watched ? &heartbeats->pool[work->place] : NULL);
    work->run(work);
    heartbeat_leave();
    thread_set_role(THREAD_OTHER); /* the thread is the loop library's again */
}

static void on_done(uv_work_t *running, int status)
{
    struct pool_work *work = running->data;
    struct pool *pool = work->pool;
    assert(status == 0); /* nobody cancels it, so it has run */
    assert(pool->places[work->place] == work);
    pool->places[work->place] = NULL;
    work_move(work, POOL_IDLE);
    budget_read_ends(pool->budget, work->bytes);
    free(running);
    work->done(work);
    (void)pool_iterate(pool, thread_now_us()); /* the coming iteration asks when the next is due */
}

static bool may_start(const struct pool *pool, const struct pool_work *work, uint64_t now_us)
{
    assert(work->state == POOL_QUEUED); /* its room and its place are not counted yet */
    return budget_may_read(pool->budget, work->bytes) && has_place(pool, work, now_us);
}

/* Takes the work out of its list and has a thread run it. False: the loop library took no more, and it stays where it is. */
static bool start(struct pool *pool, struct pool_work *work, uint64_t now_us)
{
    bool is_large = work->bytes > POOL_LARGE_BYTES;
    assert(may_start(pool, work, now_us)); /* or it would read beyond the budget */
    uv_work_t *running = memory_new(sizeof *running);
    running->data = work;
    work->place = free_place(pool, work);
    work->started_us = now_us;
    work_move(work, POOL_RUNNING);
    if (uv_queue_work(pool->loop, running, on_run, on_done) != 0) {
        work_move(work, POOL_QUEUED);
        free(running);
        return false;
    }
    turns_take(pool->turns, list_of(work->work_class, is_large), &work->turn);
    pool->is_large_turn[work->work_class] = !is_large;
    pool->places[work->place] = work;
    budget_read_begins(pool->budget, work->bytes);
    return true;
}

/* The context of turns_find, by which owners that have to wait are left out. */
struct question {
    const struct pool *pool;
    uint64_t now_us;
};

static bool owner_may_have_it(const void *owner, const void *context)
{
    const struct question *question = context;
    return !owner_has_to_wait(question->pool, owner, question->now_us);
}

/* Whose turn it is in that list; NULL: it may not start now, or there is none. */
static struct pool_work *first_to_start(const struct pool *pool, enum turns_list list, uint64_t now_us)
{
    struct question question = {pool, now_us};
    struct pool_work *work = turns_find(pool->turns, list, owner_may_have_it, &question);
    return work != NULL && may_start(pool, work, now_us) ? work : NULL;
}

/* Starts one of that class that may start now. False: none may. */
static bool start_next(struct pool *pool, enum pool_class work_class, uint64_t now_us)
{
    bool is_large = pool->is_large_turn[work_class];
    struct pool_work *work = first_to_start(pool, list_of(work_class, is_large), now_us);
    if (work == NULL) {
        work = first_to_start(pool, list_of(work_class, !is_large), now_us);
    }
    assert(work == NULL || work->work_class == work_class); /* that is how it is counted */
    return work != NULL && start(pool, work, now_us);
}

uint64_t pool_iterate(struct pool *pool, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP)); /* the lists have no lock */
    if (!has_waiting(pool)) {
        return UINT64_MAX; /* in most iterations: they shall not pay for the looks below */
    }
    for (int i = 0; i < POOL_CLASSES; i++) {
        while (start_next(pool, (enum pool_class)i, now_us)) {
        }
    }
    uint64_t next_slow_us = look_at_places(pool, NULL, now_us).next_slow_us;
    assert(next_slow_us > now_us); /* those that are slow already are left out */
    return has_waiting(pool) && next_slow_us != UINT64_MAX ? next_slow_us - now_us : UINT64_MAX;
}

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class)
{
    assert(work_class < POOL_CLASSES);
    assert(work->run != NULL && work->done != NULL); /* they are called after this returned */
    struct turns_member *member = work->member != NULL ? work->member : &pool->daemon;
    work->pool = pool;
    work->work_class = work_class;
    work_move(work, POOL_QUEUED);
    turns_wait(pool->turns, list_of(work_class, work->bytes > POOL_LARGE_BYTES), member, &work->turn, work);
    (void)pool_iterate(pool, thread_now_us());
}
