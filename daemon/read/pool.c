/* The life of a piece of work, each move made on the loop:
 *
 * - POOL_IDLE: it belongs to its owner, who submits it.
 * - POOL_QUEUED: it waits in a list, by class and by size, for a place and for room for what it reads.
 * - POOL_RUNNING: a thread of the loop library runs it. When it is done the loop makes it idle again and tells its owner, who
 *   may submit or free it in that call.
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
    POOL_LARGE_BYTES = 512 << 10
}; /* chosen: larger work waits apart, so that no small work waits for its room */

static_assert((int)POOL_READS_MAX <= (int)HEARTBEAT_POOL_MAX, "each read at work is watched by itself");

struct work_list {
    struct pool_work *first;
    struct pool_work **last;
};

struct pool {
    /* fixed after start */
    uv_loop_t *loop;
    struct budget *budget;
    struct heartbeats *heartbeats;
    /* loop only */
    struct work_list waiting[POOL_CLASSES][2]; /* by class; small and large */
    struct pool_work *places[POOL_THREADS];    /* what is at work: reads, and behind them background work */
    uint64_t submitted;                        /* since the start */
};

void pool_prepare(void)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)POOL_THREADS);
    assert(thread_is(THREAD_OTHER)); /* it changes the environment: no other thread may read that */
    (void)setenv("UV_THREADPOOL_SIZE", number, 1);
}

struct pool *pool_new(void *loop, struct budget *budget, struct heartbeats *heartbeats)
{
    assert(thread_is(THREAD_LOOP)); /* no other thread touches it, so it has no lock */
    struct pool *pool = memory_new(sizeof *pool);
    pool->loop = loop;
    pool->budget = budget;
    pool->heartbeats = heartbeats;
    for (int i = 0; i < POOL_CLASSES; i++) {
        for (int is_large = 0; is_large < 2; is_large++) {
            pool->waiting[i][is_large].last = &pool->waiting[i][is_large].first;
        }
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (unsigned i = 0; i < POOL_THREADS; i++) {
        assert(pool->places[i] == NULL); /* or a thread would come back to freed memory */
    }
    for (int i = 0; i < POOL_CLASSES; i++) {
        bool is_empty = pool->waiting[i][0].first == NULL && pool->waiting[i][1].first == NULL;
        assert(is_empty); /* or the owners of what waits would never be told */
    }
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
    bool is_owner_slow;
    uint64_t next_slow_us; /* when the next turns slow; UINT64_MAX: none will */
};

static struct at_work look_at_places(const struct pool *pool, const void *owner, uint64_t now_us)
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
        bool is_owners = owner != NULL && work->owner == owner;
        at_work.reads++;
        at_work.of_owner += is_owners;
        at_work.streams += is_stream;
        if (now_us < slow_us) {
            at_work.quick_reads++;
            at_work.quick_streams += is_stream;
            at_work.next_slow_us = slow_us < at_work.next_slow_us ? slow_us : at_work.next_slow_us;
        } else {
            at_work.is_owner_slow |= is_owners;
        }
    }
    return at_work;
}

/* Whether work of that kind finds a place. */
static bool has_place(const struct pool *pool, const struct pool_work *work, uint64_t now_us)
{
    if (work->work_class == POOL_BACKGROUND) {
        return true; /* there are no more of them than places */
    }
    struct at_work at_work = look_at_places(pool, NULL, now_us);
    bool has_streams_place =
        at_work.streams < POOL_STREAMS_MAX && at_work.quick_streams < POOL_STREAMS_AT_ONCE;
    return at_work.reads < POOL_READS_MAX && at_work.quick_reads < POOL_AT_ONCE &&
           (work->work_class == POOL_POINT || has_streams_place);
}

/* Whether the other places are for other owners: it has half of them, or half are slow, one of its own among them. */
static bool owner_has_to_wait(const struct pool *pool, const struct pool_work *work, uint64_t now_us)
{
    struct at_work at_work = look_at_places(pool, work->owner, now_us);
    bool half_is_slow = at_work.reads - at_work.quick_reads >= POOL_READS_MAX / 2;
    return work->work_class != POOL_BACKGROUND &&
           (at_work.of_owner >= POOL_READS_MAX / 2 || (half_is_slow && at_work.is_owner_slow));
}

/* A free place for it; there is one. */
static unsigned free_place(const struct pool *pool, const struct pool_work *work)
{
    bool is_background = work->work_class == POOL_BACKGROUND;
    unsigned place = is_background ? POOL_READS_MAX : 0;
    while (place < POOL_THREADS && pool->places[place] != NULL) {
        place++;
    }
    assert(place <
           (is_background ? POOL_THREADS : POOL_READS_MAX)); /* more would wait where no budget sees it */
    return place;
}

/* ---- running ---- */

static void on_run(uv_work_t *running)
{
    struct pool_work *work = running->data;
    struct heartbeats *heartbeats = work->pool->heartbeats;
    assert(work->state == POOL_RUNNING); /* the loop keeps away from it until it is done */
    bool is_watched = heartbeats != NULL && work->work_class != POOL_BACKGROUND;
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
    return budget_may_read(pool->budget, work->bytes) && has_place(pool, work, now_us);
}

/* Takes the work out of its list and has a thread run it. False: the loop library took no more, and it stays where it is. */
static bool start(struct pool *pool, struct work_list *list, struct pool_work **link, uint64_t now_us)
{
    struct pool_work *work = *link;
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
    *link = work->next;
    if (*link == NULL) {
        list->last = link;
    }
    pool->places[work->place] = work;
    budget_read_begins(pool->budget, work->bytes);
    return true;
}

/* The first of the list, those whose owners have to wait left out; NULL: it may not start now, or there is none. */
static struct pool_work **first_to_start(struct pool *pool, struct work_list *list, uint64_t now_us)
{
    struct pool_work **link = &list->first;
    while (*link != NULL && owner_has_to_wait(pool, *link, now_us)) {
        link = &(*link)->next;
    }
    return *link != NULL && may_start(pool, *link, now_us) ? link : NULL;
}

/* Starts the one of that class that may start now and was submitted first. False: none may. */
static bool start_next(struct pool *pool, enum pool_class work_class, uint64_t now_us)
{
    struct work_list *lists = pool->waiting[work_class];
    struct pool_work **small = first_to_start(pool, &lists[0], now_us);
    struct pool_work **large = first_to_start(pool, &lists[1], now_us);
    bool is_large = large != NULL && (small == NULL || (*large)->number < (*small)->number);
    struct pool_work **link = is_large ? large : small;
    assert(link == NULL || (*link)->work_class == work_class); /* that is how it is counted */
    return link != NULL && start(pool, &lists[is_large], link, now_us);
}

static bool has_waiting(const struct pool *pool)
{
    bool has = false;
    for (int i = 0; i < POOL_CLASSES; i++) {
        has |= pool->waiting[i][0].first != NULL || pool->waiting[i][1].first != NULL;
    }
    return has;
}

uint64_t pool_iterate(struct pool *pool, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP)); /* the lists have no lock */
    for (int i = 0; i < POOL_CLASSES; i++) {
        while (start_next(pool, (enum pool_class)i, now_us)) {
        }
    }
    uint64_t next_slow_us = look_at_places(pool, NULL, now_us).next_slow_us;
    return has_waiting(pool) && next_slow_us != UINT64_MAX ? next_slow_us - now_us : UINT64_MAX;
}

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class)
{
    assert(work_class < POOL_CLASSES);
    assert(work->run != NULL && work->done != NULL); /* they are called after this returned */
    struct work_list *list = &pool->waiting[work_class][work->bytes > POOL_LARGE_BYTES];
    work->pool = pool;
    work->work_class = work_class;
    work->next = NULL;
    work_move(work, POOL_QUEUED);
    work->number = ++pool->submitted;
    assert(*list->last == NULL); /* the end of the list, or those behind would be lost */
    assert(list->first != NULL || list->last == &list->first); /* or the list would seem empty for ever */
    *list->last = work;
    list->last = &work->next;
    (void)pool_iterate(pool, thread_now_us());
}
