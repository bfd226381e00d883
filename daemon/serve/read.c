/* Reads with one answer. The life of one:
 *
 * - It takes its view, and what is queued for its name, when the request comes: its answer is of that instant.
 * - The loop tries it without I/O. What memory has is answered at once.
 * - Otherwise it joins its session's list until the session's replies have room for it, oldest first, and is then with the
 *   pool, which runs it once all replies have room.
 * - A block that turns out larger than the room it had goes to the pool again, with room for its length.
 * - A value that is still queued is the queue's, which may free it while the read waits. So that read waits in the pool for room
 *   only; then it takes a new view on the loop and tries again, and its answer is of that instant. Its chain may have been dropped by
 *   then, which refuses it.
 *
 * A record that is damaged is `damaged`, one that the device does not read `io error`; neither is ever said to be absent. A read whose
 * session closes while it is in the list ends unread; with the pool it is read to its end, and its reply is dropped. */
#include "daemon/serve/read.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/read/fetch.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "proto/cairn.pb-c.h"
#include "proto/wire.h"

struct read {
    struct pool_work work; /* first; work.bytes is what it is expected to add to the replies */
    /* fixed once it has started */
    struct request *request;
    bool has_chain; /* else it is of "default" */
    ProtobufCBinaryData chain;
    /* loop only */
    struct engine_point *view;
    bool is_of_name;   /* it is of metadata: `change` counts */
    struct read *next; /* in its session's list */
    /* the pool's while it runs */
    struct fetch fetch;
    enum fetch_result (*run)(struct read *read);
    uint64_t height;
    uint32_t parts;
    struct slice name; /* or hash */
    struct metadata_change change;
    /* what came of it */
    enum fetch_result result;
    struct failure failure;
    struct fetched fetched;
};

static void read_answer(struct read *read)
{
    struct request *request = read->request;
    assert(read->work.state == POOL_IDLE);                /* it is freed with the request */
    assert(thread_is(THREAD_LOOP) && read->view != NULL); /* released once, here */
    engine_point_release(read->view);
    if (read->result == FETCH_FOUND) {
        request_reply_packed(request, read->fetched.frame, read->fetched.body_bytes);
    } else if (read->result == FETCH_ABSENT) {
        request_reply_empty(request, STATUS_NOT_FOUND);
    } else {
        assert(read->result == FETCH_FAILED); /* the others are no answers; only this one has a text */
        damage_note(order_damage(request->service->order), DAMAGE_READ, &read->failure);
        request_refuse_for(request, &read->failure);
    }
}

/* Whether its answer borrows from the queue, which is the loop's. */
static bool read_borrows(const struct read *read)
{
    return read->change.value.bytes > 0;
}

static void read_on_pool(struct pool_work *work)
{
    struct read *read = (struct read *)work; /* its first member */

    /* The cache is the loop's alone. */
    assert(thread_is(THREAD_POOL) && read->fetch.cache == NULL);
    if (!read_borrows(read)) {
        read->result = read->run(read);
    }
}

static void read_on_done(struct pool_work *work);
static void read_try(struct read *read, bool has_room);

/* Takes, as of now, the view, the chain's marks in it, and what is queued for the name. */
static void read_take_view(struct read *read, const struct chain *chain)
{
    const struct service *service = read->request->service;
    assert(thread_is(THREAD_LOOP) && chain->visible);  /* its marks are of the view */
    assert(!read->is_of_name || read->name.bytes > 0); /* the name was checked before it counts */
    read->view = order_view(service->order);
    read->fetch.point = read->view;
    read->fetch.chain = chain->id;
    read->fetch.marks = chain->marks;
    if (read->is_of_name) {
        read->change = pending_change(order_pending(service->order), chain->id, read->name);
    }
}

/* Gives it to the pool, with room for work.bytes. */
static void read_submit(struct read *read)
{
    struct session *session = read->request->session;
    /* the budget is asked for no less (read_expect) */
    assert(thread_is(THREAD_LOOP) && read->work.bytes >= FETCH_BYTES_UNASKED);
    read->fetch.reach = ENGINE_MAY_BLOCK;
    read->fetch.data_bytes_max = read->work.bytes;
    read->work.run = read_on_pool;
    read->work.done = read_on_done;
    read->work.member = &session->member;
    budget_client_read_begins(&session->client, read->work.bytes);
    pool_submit(read->request->service->pool, &read->work, POOL_POINT);
}

/* Sets the room that the read asks for: the length that the fetch found, or FETCH_BYTES_UNASKED if that is not known. */
static void read_expect(struct read *read)
{
    bool sends_queued = read_borrows(read) && fetch_asks_for_value(read->parts);
    uint64_t bytes = sends_queued ? read->change.value.bytes : read->fetched.body_bytes;
    assert(read->work.state == POOL_IDLE); /* the pool counts with work.bytes from its submission on */
    read->work.bytes = bytes > FETCH_BYTES_UNASKED ? bytes : FETCH_BYTES_UNASKED;
}

/* There is room for it now: tries again, as of now. */
static void read_again(struct read *read)
{
    struct failure failure;
    assert(read->work.state == POOL_IDLE);
    engine_point_release(read->view);
    const struct chain *chain = request_chain(read->request, read->has_chain, read->chain, &failure);
    if (chain == NULL) {
        request_refuse_for(read->request, &failure);
        return;
    }
    read_take_view(read, chain);
    read_try(read, true);
}

static void read_on_done(struct pool_work *work)
{
    struct read *read = (struct read *)work;
    struct session *session = read->request->session;
    assert(thread_is(THREAD_LOOP) && read->result != FETCH_WOULD_BLOCK); /* the pool may block */
    budget_client_read_ends(&session->client, work->bytes);
    if (session->is_closed && read->result == FETCH_NEEDS_ROOM) {
        read->result = FETCH_ABSENT; /* its reply is dropped: it is not read */
        read_answer(read);
    } else if (read_borrows(read)) {
        read_again(read);
    } else if (read->result == FETCH_NEEDS_ROOM) {
        /* It has room for the whole length now, so one more run ends it; the session's other reads wait behind it. */
        assert(read->fetched.body_bytes > read->work.bytes);
        read_expect(read);
        read_submit(read);
    } else {
        read_answer(read);
    }
}

void read_go_on(struct session *session)
{
    assert(thread_is(THREAD_LOOP));
    while (session->reads != NULL && budget_client_may_read(&session->client, session->reads->work.bytes)) {
        assert(session->reads_waiting > 0); /* it counts what the list has */
        struct read *read = session->reads;
        session->reads = read->next;
        session->reads_waiting--;
        read_submit(read);
    }
}

void read_drop_all(struct session *session)
{
    assert(thread_is(THREAD_LOOP) && session->is_closed); /* the answers below go nowhere */
    while (session->reads != NULL) {
        assert(session->reads_waiting > 0);
        struct read *read = session->reads;
        session->reads = read->next;
        session->reads_waiting--;
        read->result = FETCH_ABSENT;
        read_answer(read);
    }
}

/* Appends it to its session's list, and gives the pool what has room. */
static void read_queue(struct read *read)
{
    struct session *session = read->request->session;
    struct read **link = session->reads != NULL ? session->last_read : &session->reads;
    assert(*link == NULL && read->work.state == POOL_IDLE); /* the list's end */
    read->next = NULL;
    *link = read;
    session->last_read = &read->next;
    session->reads_waiting++;
    read_go_on(session);
}

/* Tries it without I/O. While all replies together are at their bound, only short answers to clients that take their replies are given:
 * so clients that do not take theirs hold up no others. */
static enum fetch_result read_in_memory(struct read *read, bool has_room)
{
    const struct request *request = read->request;
    if (has_room || budget_may_answer(request->service->budget)) {
        return read->run(read);
    }
    if (!budget_client_may_have_short(&request->session->client)) {
        return FETCH_NEEDS_ROOM;
    }
    enum fetch_result result = read->run(read);
    if (result == FETCH_FOUND && read->fetched.body_bytes > CLIENT_UNREAD_BYTES_MAX) {
        free(read->fetched.frame);
        read->fetched.frame = NULL;
        result = FETCH_NEEDS_ROOM; /* it has told how long it is */
    }
    return result;
}

/* Answers it from memory, or queues it for the pool. `has_room`: all replies have room for it, as the pool found. */
static void read_try(struct read *read, bool has_room)
{
    const struct service *service = read->request->service;
    assert(thread_is(THREAD_LOOP) && read->run != NULL && read->view != NULL);
    read->fetch.reach = ENGINE_NO_IO;
    read->fetch.data_bytes_max = FETCH_BYTES_UNASKED;
    read->fetch.cache = order_record_cache(service->order);
    uint64_t from_ns = read->request->is_timed ? thread_now_ns() : 0;
    read->result = read_in_memory(read, has_room);
    if (read->result == FETCH_WOULD_BLOCK || read->result == FETCH_NEEDS_ROOM) {
        read->fetch.cache = NULL; /* what it holds may have changed by then, and it is the loop's alone */
        read_expect(read);
        read_queue(read);
        return;
    }
    if (read->request->is_timed) {
        stage_add(service->stages, STAGE_READ, thread_now_ns() - from_ns);
    }
    read_answer(read);
}

static enum request_progress read_start(struct read *read)
{
    read_try(read, false);
    return REQUEST_TAKEN;
}

/* A read of that chain, as of now. NULL: the request has been refused. */
static struct read *read_new(struct request *request, bool has_chain, ProtobufCBinaryData name,
                             enum fetch_result (*run)(struct read *read))
{
    struct failure failure;
    const struct chain *chain = request_chain(request, has_chain, name, &failure);
    struct read *read = chain != NULL ? request_memory(request, sizeof *read, &failure) : NULL;
    if (read == NULL) {
        request_refuse_for(request, &failure);
        return NULL;
    }
    static_assert(offsetof(struct read, work) == 0, "the pool's callbacks cast it back");
    assert(read->work.state == POOL_IDLE && read->fetched.frame == NULL); /* fresh from the arena */
    read->request = request;
    read->has_chain = has_chain;
    read->chain = name;
    read->run = run;
    read->fetch = (struct fetch){.engine = request->service->engine};
    read_take_view(read, chain);
    return read;
}

/* ---- one function a request ---- */

enum request_progress read_height(struct request *request)
{
    const Cairn__Height *message = (const Cairn__Height *)request->message;
    struct failure failure;
    const struct chain *chain = request_chain(request, message->has_chain, message->chain, &failure);
    if (chain == NULL) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    uint8_t body[1 + VARINT_BYTES_MAX]; /* a HeightReply */
    uint8_t *end = number_field_put(body, 1, chain->marks.height);
    assert(end <= body + sizeof body);
    request_reply_body(request, STATUS_OK, body, (size_t)(end - body));
    return REQUEST_TAKEN;
}

static enum fetch_result run_block_at_height(struct read *read)
{
    return fetch_block(&read->fetch, read->height, read->parts, &read->fetched, &read->failure);
}

static enum fetch_result run_block_by_hash(struct read *read)
{
    enum fetch_result result = fetch_height_of_hash(&read->fetch, read->name, &read->height, &read->failure);
    return result == FETCH_FOUND ? run_block_at_height(read) : result;
}

/* Whether the message names one block; if not, *failure says why. */
static enum status validate_block(const Cairn__ReadBlock *message, struct failure *failure)
{
    bool is_by_hash = message->at_case == CAIRN__READ_BLOCK__AT_HASH;
    if (message->at_case == CAIRN__READ_BLOCK__AT__NOT_SET ||
        (message->at_case == CAIRN__READ_BLOCK__AT_HEIGHT && message->height == 0)) {
        return failure_set(failure, STATUS_INVALID, "a read of no block: name a hash, or a height from 1");
    }
    if (is_by_hash && (message->hash.len < 1 || message->hash.len > HASH_BYTES_MAX)) {
        return failure_set(failure, STATUS_INVALID, "a hash of %zu bytes: it has 1 to %d", message->hash.len,
                           HASH_BYTES_MAX);
    }
    if (message->has_parts && !fetch_parts_are_valid(message->parts)) {
        return failure_set(failure, STATUS_INVALID, "parts = %u names a part that no block has",
                           message->parts);
    }
    return STATUS_OK;
}

enum request_progress read_block(struct request *request)
{
    const Cairn__ReadBlock *message = (const Cairn__ReadBlock *)request->message;
    assert(message->base.descriptor == &cairn__read_block__descriptor);
    struct failure failure;
    if (validate_block(message, &failure) != STATUS_OK) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    bool is_by_hash = message->at_case == CAIRN__READ_BLOCK__AT_HASH;
    struct read *read = read_new(request, message->has_chain, message->chain,
                                 is_by_hash ? run_block_by_hash : run_block_at_height);
    if (read == NULL) {
        return REQUEST_TAKEN;
    }
    read->parts = message->has_parts ? message->parts : 0;
    if (is_by_hash) {
        read->name = request_slice(message->hash);
    } else {
        read->height = message->height;
    }
    return read_start(read);
}

static enum fetch_result run_state(struct read *read)
{
    return fetch_state(&read->fetch, read->height, &read->fetched, &read->failure);
}

enum request_progress read_state(struct request *request)
{
    const Cairn__ReadState *message = (const Cairn__ReadState *)request->message;
    struct read *read = read_new(request, message->has_chain, message->chain, run_state);
    if (read == NULL) {
        return REQUEST_TAKEN;
    }
    read->height = message->has_height ? message->height : read->fetch.marks.height;
    return read_start(read);
}

static enum fetch_result run_metadata(struct read *read)
{
    assert(read->is_of_name); /* so `change` is as of the same instant as the view */
    struct fetch_metadata_asked asked = {.parts = read->parts};
    return fetch_metadata(&read->fetch, read->name, read->change, asked, &read->fetched, &read->failure);
}

/* A queued set or delete is answered from the queue. A queued raise needs the stored value, and borrows nothing of the queue. */
enum request_progress read_metadata(struct request *request)
{
    const Cairn__GetMetadata *message = (const Cairn__GetMetadata *)request->message;
    struct failure failure;
    uint32_t parts;
    if (decode_name(message->name, &failure) != STATUS_OK ||
        decode_parts(message->has_parts, message->parts, &parts, &failure) != STATUS_OK) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    struct read *read = read_new(request, message->has_chain, message->chain, run_metadata);
    if (read == NULL) {
        return REQUEST_TAKEN;
    }
    read->is_of_name = true;
    read->parts = parts;
    read->name = request_slice(message->name);
    read->change = pending_change(order_pending(request->service->order), read->fetch.chain, read->name);
    return read_start(read);
}
