/* The rules of memory, why their sum holds, and what happens at each bound. What holds memory for a client asks here,
 * and tells what it took and gave back.
 *
 * Requests, under requests_bytes_max; three counters: large writes, frames of large reads that are being read, and all other
 * requests, which may stay as long as their clients like (a stream without credit does).
 *
 * 1. A small request starts unless requests are full; then nobody's next frame is read, and later by turns. They are full when no room of one
 *    largest frame is left for a large write; but a part (SMALL_REQUESTS_PART) belongs to small ones whatever large ones
 *    hold. What a small one holds is known when it is unpacked, so the last may pass the bound.
 * 2. A large frame has twice its bytes set aside before its body is read: for the body, and as much for what it unpacks to
 *    or for its copy in a batch. Frames that find no room wait, by turns. A large write fits whenever no other one is
 *    there. A large read fits where small requests would; while it does not, it waits and writes go first.
 * 3. A large request that unpacks to more than was set aside for it gets what is free. Beyond that it waits, by turns too: one large
 *    write at a time is then extended, and gets what its length allows, as does one that is the only one; a large read gets what
 *    it could have if there were no others, once that is free.
 *
 *    So requests hold at most max(requests_bytes_max, what is set aside for two largest frames) + the part of small ones +
 *    one small request, and one large write, alone or extended, what it unpacks to beyond its reservation. Nobody waits for ever:
 *    a large write ends by itself, and when it has ended, or when those that stay have, the next one fits.
 *
 * Answers, under replies_bytes_max; four counters: replies not yet with the kernel, what the pool is about to read, what
 * streams have read and not sent, and what their cursors keep of the queue.
 *
 * 4. The pool starts a read, or a stream's step, if twice what it reads fits (the engine has the same bytes until it is
 *    done), or if there is nothing but what cursors keep, for a cursor may have to be read to its end to go. Until then it
 *    waits in the pool. The loop answers a read from memory below the bound; at it only if the client left no more than
 *    CLIENT_UNREAD_BYTES_MAX unread and the answer is no longer than that. Else the read goes to the pool and waits.
 * 5. A stream opens if what its cursor may keep of the queue fits, or if none is open. Until then it waits, by turns. It
 *    reads one step ahead: none begins while it has more than STREAM_UNSENT_BYTES_MAX to send.
 * 6. A client has REPLIES_BYTES_PER_CLIENT, or one reply. At that bound nothing more is read from it, its reads wait and its
 *    streams stop. When all replies are at theirs, a client that left more than CLIENT_UNREAD_BYTES_MAX unread is not read
 *    from; short replies to the others go on. A client whose reply was cut for want of memory gets no more until those that wait
 *    are with the kernel.
 *
 *    So answers hold at most replies_bytes_max + what cursors keep + one answer from memory + for each client
 *    twice CLIENT_UNREAD_BYTES_MAX and the replies to what it had in flight. Nobody waits for ever: when replies have gone out,
 *    nothing but cursors is left, and any read fits.
 *
 * What the bounds do not see is bounded by connections_max: 64 KiB of bytes read ahead for each connection. */
#include "daemon/runtime/budget.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    SMALL_REQUESTS_PART = 32, /* one part of requests_bytes_max is for small requests at any rate */
    /* that part is no less than this, also where the bound is just one frame's */
    SMALL_REQUESTS_BYTES_MIN = 1 << 20,
};

struct budget {
    /* fixed after start, but for the bound on replies, which is the loop's */
    struct budget_limits limits;
    uint64_t largest_bytes; /* set aside for a largest frame */
    uint64_t small_bytes;   /* for small requests at any rate */
    /* loop only: requests */
    uint64_t writes_bytes; /* large writes, from their frame's header on */
    uint64_t frames_bytes; /* frames of large reads that are being read */
    uint64_t others_bytes; /* requests that have started, large writes apart: they may stay */
    bool has_extended;     /* one large write may hold more than is free */
    /* loop only: replies */
    uint64_t replies_bytes;  /* not yet with the kernel */
    uint64_t reads_bytes;    /* about to be read by the pool, twice */
    uint64_t read_bytes_max; /* of one read: replies_bytes_max, as of when none was with the pool */
    uint64_t unsent_bytes;   /* read for streams and not sent */
    uint64_t cursors_bytes;  /* kept of the queue by streams' cursors, values apart */
};

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static void take(uint64_t *counter, uint64_t bytes)
{
    assert(thread_is(THREAD_LOOP) && bytes <= UINT64_MAX - *counter);
    *counter += bytes;
}

static void give_back(uint64_t *counter, uint64_t bytes)
{
    assert(thread_is(THREAD_LOOP) && bytes <= *counter);
    *counter -= bytes;
}

static uint64_t frame_bytes(uint64_t body_bytes)
{
    return body_bytes > FRAME_BYTES_UNRESERVED ? 2 * body_bytes : 0;
}

struct budget *budget_new(const struct budget_limits *limits)
{
    assert(limits->requests_bytes_max / 2 >= limits->frame_bytes_max); /* so a largest frame fits */
    assert(limits->requests_bytes_max <= INT64_MAX && limits->replies_bytes_max <= INT64_MAX); /* sums fit */
    struct budget *budget = memory_new(sizeof *budget);
    budget->limits = *limits;
    budget->read_bytes_max = limits->replies_bytes_max;
    budget->largest_bytes = frame_bytes(limits->frame_bytes_max);
    budget->small_bytes = larger(limits->requests_bytes_max / SMALL_REQUESTS_PART, SMALL_REQUESTS_BYTES_MIN);
    return budget;
}

/* What a read takes is the same at its end as at its beginning. */
static void renew_read_bytes_max(struct budget *budget)
{
    if (budget->reads_bytes == 0) {
        budget->read_bytes_max = budget->limits.replies_bytes_max;
    }
}

void budget_set_replies_bytes_max(struct budget *budget, uint64_t replies_bytes_max)
{
    assert(thread_is(THREAD_LOOP) && replies_bytes_max > 0 && replies_bytes_max <= INT64_MAX);
    budget->limits.replies_bytes_max = replies_bytes_max;
    renew_read_bytes_max(budget);
}

void budget_free(struct budget *budget)
{
    if (budget == NULL) {
        return;
    }
    assert(budget_requests_bytes(budget) == 0 && budget_answers_bytes(budget) == 0);
    free(budget);
}

/* ---- requests ---- */

struct budget_request budget_request_of(bool is_write, uint64_t body_bytes)
{
    assert(body_bytes <= UINT32_MAX); /* a frame's length has 32 bits: twice of it is a number too */
    return (struct budget_request){.is_write = is_write, .body_bytes = body_bytes};
}

bool budget_request_is_large(const struct budget_request *request)
{
    return frame_bytes(request->body_bytes) > 0;
}

/* A request is counted where it belongs: it moves there from where its frame was. */
static uint64_t *counter_of(struct budget *budget, const struct budget_request *request)
{
    if (request->is_write && budget_request_is_large(request)) {
        return &budget->writes_bytes;
    }
    return request->is_started ? &budget->others_bytes : &budget->frames_bytes;
}

bool budget_requests_are_full(const struct budget *budget)
{
    assert(thread_is(THREAD_LOOP)); /* the counters have no lock */
    uint64_t staying_bytes = budget->others_bytes + budget->frames_bytes;
    uint64_t writes_bytes = larger(budget->writes_bytes, budget->largest_bytes);
    return budget->others_bytes >= budget->small_bytes &&
           staying_bytes + writes_bytes >= budget->limits.requests_bytes_max;
}

/* What large requests may take more, with the part of small ones left to them. */
static uint64_t free_bytes(const struct budget *budget)
{
    uint64_t most_bytes = budget->limits.requests_bytes_max + budget->small_bytes;
    uint64_t held_bytes =
        larger(budget->others_bytes, budget->small_bytes) + budget->writes_bytes + budget->frames_bytes;
    return most_bytes - smaller(held_bytes, most_bytes);
}

/* A large read has the room that requests which may stay have, with the room of one largest write left free. */
static bool read_may_stay(const struct budget *budget, uint64_t bytes)
{
    uint64_t staying_bytes = budget->others_bytes + budget->frames_bytes;
    return staying_bytes < budget->small_bytes ||
           staying_bytes + bytes + budget->largest_bytes <= budget->limits.requests_bytes_max;
}

enum budget_answer budget_request_reserve(struct budget *budget, struct budget_request *request)
{
    assert(!request->is_started && request->held_bytes == 0);
    assert(request->body_bytes <= budget->limits.frame_bytes_max);
    uint64_t bytes = frame_bytes(request->body_bytes);
    bool is_alone = budget->writes_bytes == 0 && (request->is_write || budget->frames_bytes == 0);
    if (bytes > 0 && !request->is_write && !read_may_stay(budget, bytes)) {
        return BUDGET_PASSED_OVER;
    }
    if (bytes > 0 && !is_alone && bytes > free_bytes(budget)) {
        return BUDGET_WAITS;
    }
    take(counter_of(budget, request), bytes);
    request->reserved_bytes = bytes;
    request->held_bytes = bytes;
    return BUDGET_GRANTED;
}

/* What a large read may hold while small requests hold no more than their part. */
static uint64_t read_bytes_max(const struct budget *budget)
{
    return larger(budget->largest_bytes, budget->limits.requests_bytes_max - budget->largest_bytes);
}

uint64_t budget_request_bytes_max(const struct budget *budget, const struct budget_request *request,
                                  uint64_t bytes)
{
    return request->is_write ? bytes : smaller(bytes, read_bytes_max(budget));
}

enum budget_answer budget_request_extend(struct budget *budget, struct budget_request *request,
                                         uint64_t bytes)
{
    assert(!request->is_started && !request->is_extended);
    if (!request->is_write) {
        return budget_request_room(budget, request) >= budget_request_bytes_max(budget, request, bytes)
                   ? BUDGET_GRANTED
                   : BUDGET_PASSED_OVER;
    }
    if (budget->has_extended) {
        return BUDGET_WAITS;
    }
    budget->has_extended = request->is_extended = true;
    return BUDGET_GRANTED;
}

uint64_t budget_request_room(const struct budget *budget, const struct budget_request *request)
{
    assert(!request->is_started);
    if (request->is_extended || (request->is_write && budget->writes_bytes == request->held_bytes)) {
        return UINT64_MAX; /* its length bounds it */
    }
    uint64_t room = free_bytes(budget) + request->held_bytes;
    if (!request->is_write) {
        uint64_t stay_bytes = budget->small_bytes + read_bytes_max(budget);
        uint64_t staying_bytes = budget->others_bytes + budget->frames_bytes - request->held_bytes;
        assert(request->held_bytes <= budget->frames_bytes); /* it is counted there until it starts */
        room = smaller(room, stay_bytes - smaller(staying_bytes, stay_bytes));
    }
    return larger(room, request->reserved_bytes);
}

void budget_request_hold(struct budget *budget, struct budget_request *request, uint64_t bytes)
{
    bool is_large_write = request->is_write && budget_request_is_large(request);
    /* no more was granted yet */
    assert(request->is_started || request->held_bytes == request->reserved_bytes);
    give_back(counter_of(budget, request), request->held_bytes);
    request->is_started = true;
    request->held_bytes = is_large_write ? larger(bytes, request->reserved_bytes) : bytes;
    take(counter_of(budget, request), request->held_bytes);
}

void budget_request_end(struct budget *budget, struct budget_request *request)
{
    assert(thread_is(THREAD_LOOP)); /* the counters have no lock */
    give_back(counter_of(budget, request), request->held_bytes);
    assert(!request->is_extended || budget->has_extended); /* there is one */
    budget->has_extended = budget->has_extended && !request->is_extended;
    request->is_extended = false;
    request->held_bytes = 0;
    request->reserved_bytes = 0;
}

/* ---- a client ---- */

void budget_reply_queued(struct budget *budget, struct budget_client *client, uint64_t bytes)
{
    assert(client->replies_bytes <= budget->replies_bytes); /* what one has is among what all have */
    take(&budget->replies_bytes, bytes);
    client->replies_bytes += bytes;
}

void budget_reply_gone(struct budget *budget, struct budget_client *client, uint64_t bytes)
{
    assert(client->replies_bytes <= budget->replies_bytes); /* what one has is among what all have */
    give_back(&budget->replies_bytes, bytes);
    give_back(&client->replies_bytes, bytes);
    client->is_cut = client->is_cut && client->replies_bytes > 0;
}

void budget_client_cut(struct budget_client *client)
{
    client->is_cut = true;
}

bool budget_client_may_send(const struct budget_client *client)
{
    return client->replies_bytes < REPLIES_BYTES_PER_CLIENT &&
           (!client->is_cut || client->replies_bytes == 0);
}

bool budget_client_has_room(const struct budget_client *client, uint64_t bytes)
{
    uint64_t waiting_bytes = client->replies_bytes + client->reads_bytes;
    return waiting_bytes == 0 || waiting_bytes + bytes < REPLIES_BYTES_PER_CLIENT;
}

bool budget_client_may_read(const struct budget_client *client, uint64_t bytes)
{
    return client->reads < CLIENT_READS_MAX && budget_client_has_room(client, bytes);
}

void budget_client_read_begins(struct budget_client *client, uint64_t bytes)
{
    assert(client->reads < CLIENT_READS_MAX); /* its other reads wait: the pool is for all clients */
    take(&client->reads, 1);
    take(&client->reads_bytes, bytes);
}

void budget_client_read_ends(struct budget_client *client, uint64_t bytes)
{
    give_back(&client->reads, 1);
    give_back(&client->reads_bytes, bytes);
    assert(client->reads > 0 || client->reads_bytes == 0); /* each ends with the bytes it began with */
}

bool budget_replies_are_full(const struct budget *budget)
{
    return budget->replies_bytes >= budget->limits.replies_bytes_max;
}

bool budget_client_must_pause(const struct budget *budget, const struct budget_client *client)
{
    return budget_replies_are_full(budget) && client->replies_bytes > CLIENT_UNREAD_BYTES_MAX;
}

bool budget_client_may_have_short(const struct budget_client *client)
{
    return client->replies_bytes <= CLIENT_UNREAD_BYTES_MAX;
}

/* ---- reads ---- */

bool budget_may_answer(const struct budget *budget)
{
    return budget_answers_bytes(budget) < budget->limits.replies_bytes_max;
}

/* The answer, and what the engine reads it into; a read of more than the bound has all of it. */
static uint64_t read_bytes(const struct budget *budget, uint64_t bytes)
{
    return smaller(2 * bytes, budget->read_bytes_max);
}

bool budget_may_read(const struct budget *budget, uint64_t bytes)
{
    assert(thread_is(THREAD_LOOP)); /* the counters have no lock */
    uint64_t held_bytes = budget_answers_bytes(budget);
    return bytes == 0 || held_bytes == budget->cursors_bytes ||
           held_bytes + read_bytes(budget, bytes) <= budget->limits.replies_bytes_max;
}

void budget_read_begins(struct budget *budget, uint64_t bytes)
{
    assert(budget_may_read(budget, bytes));
    take(&budget->reads_bytes, read_bytes(budget, bytes));
}

void budget_read_ends(struct budget *budget, uint64_t bytes)
{
    give_back(&budget->reads_bytes, read_bytes(budget, bytes));
    renew_read_bytes_max(budget);
}

/* ---- a stream ---- */

bool budget_may_open_stream(const struct budget *budget, uint64_t open, uint64_t queue_bytes,
                            uint64_t queue_held_bytes)
{
    assert(thread_is(THREAD_LOOP)); /* the counters have no lock */
    uint64_t held_bytes =
        budget->replies_bytes + budget->unsent_bytes + budget->cursors_bytes + queue_held_bytes;
    return open == 0 || held_bytes + queue_bytes <= budget->limits.replies_bytes_max;
}

void budget_stream_open(struct budget *budget, struct budget_stream *stream, uint64_t cursor_bytes)
{
    assert(stream->cursor_bytes == 0 && stream->unsent_bytes == 0);
    take(&budget->cursors_bytes, cursor_bytes);
    stream->cursor_bytes = cursor_bytes;
}

void budget_stream_close(struct budget *budget, struct budget_stream *stream)
{
    assert(stream->unsent_bytes == 0);
    give_back(&budget->cursors_bytes, stream->cursor_bytes);
    stream->cursor_bytes = 0;
}

bool budget_stream_may_read(const struct budget_stream *stream)
{
    return stream->unsent_bytes <= STREAM_UNSENT_BYTES_MAX;
}

void budget_stream_read(struct budget *budget, struct budget_stream *stream, uint64_t bytes)
{
    assert(stream->unsent_bytes <= budget->unsent_bytes); /* what one has is among what all have */
    take(&budget->unsent_bytes, bytes);
    stream->unsent_bytes += bytes;
}

void budget_stream_gone(struct budget *budget, struct budget_stream *stream, uint64_t bytes)
{
    assert(stream->unsent_bytes <= budget->unsent_bytes); /* what one has is among what all have */
    give_back(&budget->unsent_bytes, bytes);
    give_back(&stream->unsent_bytes, bytes);
}

/* ---- for the status page ---- */

uint64_t budget_requests_bytes(const struct budget *budget)
{
    return budget->writes_bytes + budget->frames_bytes + budget->others_bytes;
}

uint64_t budget_replies_bytes(const struct budget *budget)
{
    return budget->replies_bytes;
}

uint64_t budget_answers_bytes(const struct budget *budget)
{
    return budget->replies_bytes + budget->reads_bytes + budget->unsent_bytes + budget->cursors_bytes;
}
