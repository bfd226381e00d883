/* How many bytes a chain takes, about. Its life: the pool asks the engine about one kind of the chain's keys after the other, each a step
 * of its own, as of a scan; then the sum is answered. It keeps no view: what is written meanwhile may or may not be in it.
 *
 * What is damaged, or cannot be read, is `damaged` or `io error`. One whose session closes ends before its next step. */
#include <assert.h>

#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"

/* Beside these a chain has a few small records. */
static const enum key_kind kinds[] = {KEY_HEADER, KEY_DATA, KEY_HASH, KEY_STATE, KEY_METADATA, KEY_BOUND};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct usage {
    struct pool_work work; /* first */
    /* fixed once made */
    struct request *request;
    uint32_t chain;
    /* the pool's while it runs */
    size_t position; /* of the next kind */
    uint64_t bytes;
    enum engine_result result;
    struct failure failure;
};

static void run_step(struct pool_work *work)
{
    struct usage *usage = (struct usage *)work; /* its first member */
    assert(thread_is(THREAD_POOL) && usage->position < KINDS);
    struct engine *engine = usage->request->service->engine;
    enum key_kind kind = kinds[usage->position++];
    struct key from = key_of_kind(usage->chain, kind), to = key_behind_kind(usage->chain, kind);
    uint64_t bytes = 0;
    usage->result = engine_range_bytes(engine, key_slice(&from), key_slice(&to), &bytes, &usage->failure);
    usage->bytes += bytes;
}

static void step_done(struct pool_work *work)
{
    struct usage *usage = (struct usage *)work;
    struct request *request = usage->request;
    static_assert(offsetof(struct usage, work) == 0, "the pool's callbacks cast it back");
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* it is freed with the request */
    if (usage->result != ENGINE_OK) {
        damage_note(order_damage(request->service->order), DAMAGE_READ, &usage->failure);
        request_refuse_for(request, &usage->failure);
        return;
    }
    if (usage->position < KINDS && !request->session->is_closed) {
        pool_submit(request->service->pool, work, POOL_STREAM);
        return;
    }
    Cairn__UsageReply reply = CAIRN__USAGE_REPLY__INIT;
    reply.has_bytes = true;
    reply.bytes = usage->bytes;
    request_reply(request, STATUS_OK, &reply.base);
}

enum request_progress usage_read(struct request *request)
{
    const Cairn__Usage *message = (const Cairn__Usage *)request->message;
    struct failure failure;
    const struct chain *chain = request_chain(request, message->has_chain, message->chain, &failure);
    struct usage *usage = chain != NULL ? request_memory(request, sizeof *usage, &failure) : NULL;
    if (usage == NULL) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    assert(usage->work.state == POOL_IDLE && usage->position == 0); /* fresh from the arena */
    usage->request = request;
    usage->chain = chain->id;
    usage->work.run = run_step;
    usage->work.done = step_done;
    usage->work.member = &request->session->member;
    pool_submit(request->service->pool, &usage->work, POOL_STREAM);
    return REQUEST_TAKEN;
}
