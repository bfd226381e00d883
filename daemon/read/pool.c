/* The life of a piece of work, each move made on the loop:
 *
 * - POOL_IDLE: it belongs to its owner, who submits it.
 * - POOL_QUEUED: it waits in one of four lists, by class and by size, for a thread and for room for what it reads.
 * - POOL_RUNNING: a thread of the loop library runs it. When it is done the loop makes it idle again and tells its owner, who
 *   may submit or free it in that call.
 *
 * Ways to fail: where the loop library refuses to start work, that stays queued, first in its list, and is tried again in the
 * next iteration. */
#include "daemon/read/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "daemon/runtime/budget.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen. */
enum {
    POOL_STREAMS_RUNNING_MAX = POOL_THREADS / 2, /* the other threads are left to point reads */
    POOL_LARGE_BYTES = 512 << 10, /* larger work waits apart, so that no small work waits for its room */
};

struct work_list {
    struct pool_work *first;
    struct pool_work **last;
};

struct pool {
    /* fixed after start */
    uv_loop_t *loop;
    struct budget *budget;
    /* loop only */
    struct work_list waiting[2][2]; /* by class; small and large */
    uint64_t running[2];            /* by class */
    uint64_t submitted;             /* since the start */
};

struct pool *pool_new(void *loop, struct budget *budget)
{
    assert(thread_is(THREAD_LOOP)); /* no other thread touches it, so it has no lock */
    struct pool *pool = memory_new(sizeof *pool);
    pool->loop = loop;
    pool->budget = budget;
    for (int i = 0; i < 2; i++) {
        for (int is_large = 0; is_large < 2; is_large++) {
            pool->waiting[i][is_large].last = &pool->waiting[i][is_large].first;
        }
    }
    return pool;
}

static uint64_t running_count(const struct pool *pool)
{
    return pool->running[POOL_POINT] + pool->running[POOL_STREAM];
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    assert(running_count(pool) == 0); /* or a thread would come back to freed memory */
    for (int i = 0; i < 2; i++) {
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

static void on_run(uv_work_t *running)
{
    struct pool_work *work = running->data;
    assert(work->state == POOL_RUNNING); /* the loop keeps away from it until it is done */
    thread_set_role(THREAD_POOL);
    work->run(work);
    thread_set_role(THREAD_OTHER); /* the thread is the loop library's again */
}

static void on_done(uv_work_t *running, int status)
{
    struct pool_work *work = running->data;
    struct pool *pool = work->pool;
    assert(status == 0); /* nobody cancels it, so it has run */
    assert(pool->running[work->work_class] > 0);
    assert(running_count(pool) <= POOL_THREADS); /* more would wait where no budget sees it */
    work_move(work, POOL_IDLE);
    pool->running[work->work_class]--;
    budget_read_ends(pool->budget, work->bytes);
    free(running);
    work->done(work);
    pool_turn(pool);
}

static bool may_start(const struct pool *pool, const struct pool_work *work)
{
    return running_count(pool) < POOL_THREADS && budget_may_read(pool->budget, work->bytes);
}

/* False: the loop library took no more work, and it stays first in its list. */
static bool start_first(struct pool *pool, struct work_list *list)
{
    struct pool_work *work = list->first;
    assert(work != NULL && may_start(pool, work)); /* or it would read beyond the budget */
    uv_work_t *running = memory_new(sizeof *running);
    running->data = work;
    work_move(work, POOL_RUNNING);
    if (uv_queue_work(pool->loop, running, on_run, on_done) != 0) {
        work_move(work, POOL_QUEUED);
        free(running);
        return false;
    }
    list->first = work->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    pool->running[work->work_class]++;
    assert(pool->running[POOL_STREAM] <= POOL_STREAMS_RUNNING_MAX); /* point reads always find a thread */
    budget_read_begins(pool->budget, work->bytes);
    return true;
}

/* The list of that class whose first work may start now and was submitted first; NULL: none may. */
static struct work_list *next_to_start(struct pool *pool, enum pool_class work_class)
{
    struct work_list *next = NULL;
    for (int is_large = 0; is_large < 2; is_large++) {
        struct work_list *list = &pool->waiting[work_class][is_large];
        assert(list->first == NULL || list->first->work_class == work_class); /* that is how it is counted */
        bool may = list->first != NULL && may_start(pool, list->first);
        if (may && (next == NULL || list->first->number < next->first->number)) {
            next = list;
        }
    }
    return next;
}

static void start_waiting(struct pool *pool, enum pool_class work_class, uint64_t running_max)
{
    struct work_list *list;
    while (pool->running[work_class] < running_max && (list = next_to_start(pool, work_class)) != NULL &&
           start_first(pool, list)) {
        continue;
    }
}

void pool_turn(struct pool *pool)
{
    assert(thread_is(THREAD_LOOP)); /* the lists have no lock */
    start_waiting(pool, POOL_POINT, POOL_THREADS);
    start_waiting(pool, POOL_STREAM, POOL_STREAMS_RUNNING_MAX);
}

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class)
{
    assert(work_class == POOL_POINT || work_class == POOL_STREAM);
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
    pool_turn(pool);
}
