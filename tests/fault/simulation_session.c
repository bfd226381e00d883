/* Connections of a simulation, as `net` has them: a client's frames wait until the daemon starts them, its replies until the client takes
 * them, and a request that finds no room is started again in its turn, before any behind it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/read.h"
#include "daemon/serve/stream.h"
#include "tests/fault/simulation_daemon_internal.h"
#include "tests/fault/simulation_engine.h"
#include "tests/lib/kept.h"

enum {
    UID_FIRST = 1000,
    READS_WAITING_MAX = 256, /* of a connection, as net has it */
};

/* ---- replies ---- */

static struct simulated_client *client_of(struct session *session)
{
    return (struct simulated_client *)session; /* its first member */
}

static void record(struct session *session, struct frame_reply *header, const uint8_t *body)
{
    struct simulated_client *client = client_of(session);
    assert(client->is_open && !session->is_closed);
    header->written_through = order_written_through(simulated.service.order);
    header->durable_through = order_durable_through(simulated.service.order);
    if (simulated_plan.plant == PLANT_DURABLE_EARLY) {
        header->durable_through = header->written_through;
    } else if (simulated_plan.plant == PLANT_WRITTEN_EARLY) {
        header->written_through = order_sequence(simulated.service.order);
    }
    struct wire_frame *frame = kept_alloc(sizeof *frame);
    *frame = (struct wire_frame){.header = *header, .body = kept_copy(body, header->body_bytes)};
    *client->last_reply = frame;
    client->last_reply = &frame->next;
    budget_reply_queued(simulated.service.budget, &session->client, FRAME_REPLY_BYTES + header->body_bytes);
    simulated.progress++;
    scheduler_note("reply", header->id, header->status);
    scheduler_note_bytes(frame->body, header->body_bytes);
}

static void on_send(struct session *session, struct frame_reply *header, uint8_t *frame)
{
    record(session, header, frame + FRAME_REPLY_BYTES);
    free(frame);
}

static void on_send_copy(struct session *session, struct frame_reply *header, const uint8_t *body)
{
    record(session, header, body);
}

/* As a connection that is freed. */
static void leave_if_done(struct simulated_client *client)
{
    if (!client->is_open && client->in_flight == 0) {
        epochs_leave(&client->session, thread_now_us());
    }
}

static void on_ended(struct session *session, struct request *request)
{
    struct simulated_client *client = client_of(session);
    assert(request->is_ended && client->in_flight > 0);
    client->in_flight--;
    simulated.progress++;
    leave_if_done(client);
}

static void on_end(struct session *session)
{
    struct simulated_client *client = client_of(session);
    assert(!client->is_open || !session->is_closed);
    client->ends_late = simulated_plan.plant == PLANT_END_IS_LATE;
    if (!client->ends_late) {
        simulated_hang_up((unsigned)(client - simulated.clients));
    }
}

/* What a request has become that was started, as net takes it. */
static void settle(struct simulated_client *client, struct request *request, enum request_progress progress)
{
    simulated.progress++;
    client->is_unpacking = progress == REQUEST_UNPACKS;
    if (progress == REQUEST_TAKEN || progress == REQUEST_UNPACKS) {
        return;
    }
    if (!client->is_open) {
        request_end(request);
        return;
    }
    client->waiting = request;
    client->waits_for_memory = progress == REQUEST_WAITS_MEMORY;
    client->waits_for_claim = progress == REQUEST_WAITS_CLAIM;
    if (progress == REQUEST_WAITS) {
        turns_wait(simulated.service.turns, TURNS_ROOM, &client->session.member, &client->for_room, client);
        simulated.service.is_contended = true;
    }
}

static void on_unpacked(struct session *session, struct request *request)
{
    struct simulated_client *client = client_of(session);
    assert(client->is_unpacking);
    settle(client, request, request_start_unpacked(request));
}

/* ---- the client's side ---- */

void simulated_connect(unsigned number, const uint8_t *hello, size_t bytes)
{
    struct simulated_client *client = &simulated.clients[number];
    struct service *service = &simulated.service;
    bool is_admin = number <= SIMULATED_CLIENTS - SIMULATED_CLAIMANTS; /* the first claimant among them */
    assert(!client->is_open && client->in_flight == 0);
    turns_leave(service->turns, &client->session.member); /* of the connection before, if there was one */
    *client = (struct simulated_client){.is_open = true};
    client->last_reply = &client->replies;
    client->session = (struct session){.service = service,
                                       .peer_uid = UID_FIRST + number / 2,
                                       .peer_pid = 1 + (pid_t)number,
                                       .role = is_admin ? ROLE_ADMIN : ROLE_WRITER,
                                       .send = on_send,
                                       .send_copy = on_send_copy,
                                       .ended = on_ended,
                                       .end = on_end,
                                       .unpacked = on_unpacked};
    turns_join(service->turns, &client->session.member, UID_FIRST + number / 2, 1 + number);
    simulated_send(number, hello, bytes);
}

bool simulated_is_connected(unsigned number)
{
    return simulated.clients[number].is_open;
}

bool simulated_has_requests(unsigned number)
{
    return simulated.clients[number].in_flight > 0;
}

bool simulated_has_replies(unsigned number)
{
    return simulated.clients[number].replies != NULL;
}

bool simulated_has_all(void)
{
    bool has_all = true;
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        has_all &= simulated.clients[i].started == simulated.clients[i].sent;
    }
    return has_all;
}

void simulated_send(unsigned number, const uint8_t *frame, size_t bytes)
{
    struct simulated_client *client = &simulated.clients[number];
    assert(client->is_open);
    if (client->started == client->sent) {
        client->started = client->sent = 0;
    }
    assert(client->sent < SIMULATED_FRAMES_MAX);
    client->frames[client->sent++] = (struct sent_frame){frame, bytes};
    simulated.progress++;
    scheduler_note("send", number, bytes);
}

void simulated_revive_epoch(unsigned number, const char *name)
{
    struct session *session = &simulated.clients[number].session;
    struct slice slice = slice_of(name, strlen(name));
    struct chain *chain = chain_find(order_chains(simulated.service.order), slice);
    struct epoch epoch = epochs_of(session, slice);
    if (chain != NULL && epoch.sequence != 0 && chain_claim_stands(&chain->claim) &&
        !chain_claim_is_of(&chain->claim, epoch)) {
        epochs_present(session, chain, chain->claim.last.epoch, false);
    }
}

struct wire_frame *simulated_take(unsigned number)
{
    struct simulated_client *client = &simulated.clients[number];
    struct wire_frame *frame = client->replies;
    if (frame == NULL) {
        return NULL;
    }
    client->replies = frame->next;
    if (client->replies == NULL) {
        client->last_reply = &client->replies;
    }
    if (client->is_open) {
        budget_reply_gone(simulated.service.budget, &client->session.client,
                          FRAME_REPLY_BYTES + frame->header.body_bytes);
    }
    simulated.progress++;
    return frame;
}

/* ---- the loop's side ---- */

static bool may_start(const struct simulated_client *client)
{
    return client->is_open && client->started < client->sent && client->waiting == NULL &&
           !client->is_unpacking && budget_client_may_send(&client->session.client) &&
           client->session.reads_waiting < READS_WAITING_MAX &&
           !budget_requests_are_full(simulated.service.budget);
}

/* The next frame becomes a request. False: a large one finds no memory. */
static bool start_frame(struct simulated_client *client)
{
    struct sent_frame frame = client->frames[client->started];
    struct frame_request header;
    enum status status = frame_request_decode(frame.bytes, &header);
    assert(status == STATUS_OK && header.body_bytes == frame.count - FRAME_REQUEST_BYTES);
    const uint8_t *body = frame.bytes + FRAME_REQUEST_BYTES;
    struct budget_request memory = budget_request_of(request_type_is_write(header.type), header.body_bytes);
    if (budget_request_is_large(&memory) &&
        budget_request_reserve(simulated.service.budget, &memory) != BUDGET_GRANTED) {
        return false;
    }
    client->started++;
    client->in_flight++;
    struct request *request = request_new(&client->session, &header, &memory, thread_now_us());
    scheduler_note("start", header.id, header.type);
    settle(client, request,
           header.body_bytes <= FRAME_BYTES_UNRESERVED
               ? request_start(request, body)
               : request_start_taken(request, memory_copy(body, header.body_bytes)));
    return true;
}

void simulated_start_frames(void)
{
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        if (simulated.clients[i].ends_late) {
            simulated_hang_up(i);
        }
    }
    unsigned first = (unsigned)scheduler_below(SIMULATED_CLIENTS);
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        struct simulated_client *client = &simulated.clients[(first + i) % SIMULATED_CLIENTS];
        for (uint64_t share = scheduler_below(6); share > 0 && may_start(client); share--) {
            if (!start_frame(client)) {
                break;
            }
        }
    }
}

/* False: there still is no room. */
static bool start_again(struct simulated_client *client, uint64_t now_us)
{
    struct request *request = client->waiting;
    simulated.service.is_contended = false;
    enum request_progress progress = request_start_again(request, now_us);
    if (progress == REQUEST_WAITS) {
        return false;
    }
    turns_take(simulated.service.turns, TURNS_ROOM, &client->for_room);
    client->waiting = NULL;
    settle(client, request, progress);
    return true;
}

/* Those whose deadline is over are refused, whoever's turn it is. */
static void refuse_late(uint64_t now_us)
{
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        struct simulated_client *client = &simulated.clients[i];
        bool waits = turn_waits(&client->for_room) && client->waiting->deadline_us != 0;
        if (waits && client->waiting->deadline_us <= now_us) {
            bool is_refused = start_again(client, now_us);
            assert(is_refused);
        }
    }
}

void simulated_start_waiting(uint64_t now_us)
{
    struct service *service = &simulated.service;
    struct simulated_client *client;
    refuse_late(now_us);
    while ((client = turns_first(service->turns, TURNS_ROOM)) != NULL && start_again(client, now_us)) {
    }
    service->is_contended = client != NULL;
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        client = &simulated.clients[i];
        bool goes_on = client->waits_for_claim || (client->waits_for_memory && client->waiting != NULL &&
                                                   request_ask_memory(client->waiting) == BUDGET_GRANTED);
        if (client->waiting != NULL && goes_on) {
            struct request *request = client->waiting;
            enum request_progress progress = request_start_again(request, now_us);
            if (progress != REQUEST_WAITS_CLAIM || !client->waits_for_claim) { /* else nothing has happened */
                client->waiting = NULL;
                settle(client, request, progress);
            }
        }
    }
}

void simulated_hang_up(unsigned number)
{
    struct simulated_client *client = &simulated.clients[number];
    struct service *service = &simulated.service;
    if (!client->is_open) {
        return;
    }
    client->is_open = false;
    client->session.is_closed = true;
    client->started = client->sent = 0;
    if (client->waiting != NULL) {
        struct request *request = client->waiting;
        if (turn_waits(&client->for_room)) {
            turns_drop(service->turns, TURNS_ROOM, &client->for_room);
        }
        client->waiting = NULL;
        request_end(request);
    }
    for (const struct wire_frame *frame = client->replies; frame != NULL; frame = frame->next) {
        budget_reply_gone(service->budget, &client->session.client,
                          FRAME_REPLY_BYTES + frame->header.body_bytes);
    }
    read_drop_all(&client->session);
    stream_end_all(&client->session, STATUS_OK, "");
    leave_if_done(client);
    scheduler_note("hang up", number, 0);
}
