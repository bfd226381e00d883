/* The life of a dry run, of a prune or a rollback:
 *
 * - It waits for its turn, and holds nothing but its request: one is at work at a time, so that what it keeps of the queue is kept
 *   once. The next is the oldest of another session than the last, if one waits.
 * - Its turn comes: it takes its view and its copy of the queue, and its answer is of that instant.
 * - The pool takes one step of it after the other, as scans do.
 * - It ends with the counts, or with what stands against the write; so it does if its chain was dropped before its turn. A dry run whose
 *   session has closed ends before its next step. */
#include "daemon/serve/dry_run.h"

#include <assert.h>

#include "daemon/read/preview.h"
#include "daemon/runtime/thread.h"
#include "proto/cairn.pb-c.h"

struct dry_run {
    struct pool_work work; /* first */
    /* fixed once made */
    struct request *request;
    bool has_chain; /* else it is of "default" */
    ProtobufCBinaryData chain;
    const struct job *job; /* in the request's arena */
    /* loop only */
    struct engine_point *view; /* NULL: it waits */
    struct dry_run *next;      /* of those that wait */
    /* the pool's while a step runs */
    struct preview *preview;
    enum preview_result result;
    struct job_counts counts;
    struct failure failure;
};

static void start_next(struct service *service);

static void answer(struct dry_run *dry_run)
{
    struct request *request = dry_run->request;
    assert(dry_run->work.state == POOL_IDLE); /* it is freed with the request */
    /* the counts are whole, or nobody hears them */
    assert(dry_run->result != PREVIEW_GOES_ON || request->session->is_closed);
    if (dry_run->result == PREVIEW_REFUSED) {
        damage_note(order_damage(request->service->order), DAMAGE_READ, &dry_run->failure);
        request_refuse_for(request, &dry_run->failure);
        return;
    }
    Cairn__WriteReply reply = CAIRN__WRITE_REPLY__INIT; /* no number, no level: nothing was written */
    reply.has_blocks = reply.has_states = reply.has_metadata = true;
    reply.has_lowered = dry_run->job->kind == JOB_ROLLBACK;
    reply.blocks = dry_run->counts.blocks;
    reply.states = dry_run->counts.states;
    reply.metadata = dry_run->counts.metadata;
    reply.lowered = dry_run->counts.lowered;
    request_reply(request, STATUS_OK, &reply.base);
}

/* Ends the dry run that was at work, answers it, which frees it, and starts the next. */
static void finish(struct dry_run *dry_run)
{
    struct service *service = dry_run->request->service;
    assert(service->dry_run == dry_run && dry_run->work.state == POOL_IDLE); /* the pool has nothing of it */
    preview_free(dry_run->preview);
    engine_point_release(dry_run->view);
    service->dry_run = NULL;
    answer(dry_run);
    start_next(service);
}

static void run_step(struct pool_work *work)
{
    struct dry_run *dry_run = (struct dry_run *)work; /* its first member */
    assert(thread_is(THREAD_POOL) && work->state == POOL_RUNNING);
    dry_run->result = preview_step(dry_run->preview, &dry_run->counts, &dry_run->failure);
}

static void step_done(struct pool_work *work)
{
    struct dry_run *dry_run = (struct dry_run *)work;
    static_assert(offsetof(struct dry_run, work) == 0, "the pool's callbacks cast it back");
    assert(thread_is(THREAD_LOOP));
    assert(dry_run->request->service->dry_run == dry_run); /* one is at work at a time */
    if (dry_run->result == PREVIEW_GOES_ON && !dry_run->request->session->is_closed) {
        pool_submit(dry_run->request->service->pool, work, POOL_STREAM);
    } else {
        finish(dry_run);
    }
}

/* Takes its view, and gives the pool its first step. */
static void open_view(struct dry_run *dry_run, const struct chain *chain)
{
    struct service *service = dry_run->request->service;
    assert(service->dry_run == dry_run && chain->visible);     /* the chain's marks are of the view */
    assert(dry_run->view == NULL && dry_run->preview == NULL); /* or what it holds would never be released */
    dry_run->view = order_view(service->order);
    struct fetch fetch = {
        .engine = service->engine,
        .point = dry_run->view,
        .chain = chain->id,
        .marks = chain->marks,
    };
    dry_run->preview = preview_new(&fetch, order_pending(service->order), dry_run->job);
    dry_run->work.run = run_step;
    dry_run->work.done = step_done;
    dry_run->work.bytes = preview_bytes(dry_run->preview);
    pool_submit(service->pool, &dry_run->work, POOL_STREAM);
}

/* Takes the next out of those that wait; NULL: none does. */
static struct dry_run *take_next(struct service *service)
{
    assert(service->dry_run == NULL); /* the place is free for what this takes out of the list */
    struct dry_run **link = &service->dry_runs;
    while (*link != NULL && (*link)->request->session == service->dry_run_session) {
        link = &(*link)->next;
    }
    link = *link != NULL ? link : &service->dry_runs;
    struct dry_run *next = *link;
    if (next != NULL) {
        *link = next->next;
        service->dry_run_session = next->request->session;
    }
    return next;
}

static void start_next(struct service *service)
{
    assert(thread_is(THREAD_LOOP));
    struct dry_run *next;
    while (service->dry_run == NULL && (next = take_next(service)) != NULL) {
        const struct chain *chain =
            request_chain(next->request, next->has_chain, next->chain, &next->failure);
        next->result = chain != NULL ? PREVIEW_GOES_ON : PREVIEW_REFUSED;
        /* whose reply is dropped: nothing is read */
        if (chain == NULL || next->request->session->is_closed) {
            answer(next);
        } else {
            service->dry_run = next;
            open_view(next, chain);
        }
    }
}

void dry_run_start(struct request *request, bool has_chain, ProtobufCBinaryData chain, const struct job *job)
{
    struct service *service = request->service;
    struct failure failure;
    struct dry_run *dry_run = request_memory(request, sizeof *dry_run, &failure);
    if (dry_run == NULL) {
        request_refuse_for(request, &failure);
        return;
    }
    assert(dry_run->work.state == POOL_IDLE && dry_run->next == NULL); /* fresh from the arena */
    assert(thread_is(THREAD_LOOP));                                    /* its turn may come much later */
    dry_run->request = request;
    dry_run->has_chain = has_chain;
    dry_run->chain = chain;
    dry_run->job = job;
    struct dry_run **last = &service->dry_runs;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = dry_run;
    start_next(service);
}
