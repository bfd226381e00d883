#include "tests/fault/history_load.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum {
    WAIT_MS = 120000,
    STALL_MS_MAX = 120,
    STALL_ACTIONS = 8000, /* about one stall for so many answers */
    LAST_ACTIONS = 500,
    RUN_MS_MAX = 60000, /* a run ends there, however few were answered */
};

/* In byte order, as the daemon lists them. */
const char *const fleet_chains[HISTORY_CHAINS] = {"default", "one", "two"};

/* ---- replies ---- */

static enum action_end end_of(const struct cairn_reply *reply)
{
    switch (reply->status) {
    case CAIRN_OK:
    case CAIRN_NOT_FOUND:
        return END_DONE;
    case CAIRN_CONFLICT:
        return END_REFUSED;
    case CAIRN_NOT_SENT:
    case CAIRN_SHUTTING_DOWN:
        return END_NOT_APPLIED;
    default:
        return cairn_status_applied(reply->status) == CAIRN_UNKNOWN ? END_UNKNOWN : END_FAILED;
    }
}

static void note_chains(struct action *action, const struct cairn_reply *reply)
{
    for (unsigned i = 0; i < HISTORY_CHAINS && i < reply->chains.count; i++) {
        const struct cairn_chain *chain = &reply->chains.entries[i];
        uint64_t pruned = chain->blocks_pruned ? chain->blocks_pruned_through : 0;
        uint64_t states = chain->states_pruned ? chain->states_pruned_through : 0;
        action->parts[action->part_count++] =
            (struct part){.name = register_of(i, REGISTER_HEIGHT, 0), .value = chain->height};
        action->parts[action->part_count++] =
            (struct part){.name = register_of(i, REGISTER_PRUNED, 0), .value = pruned};
        action->parts[action->part_count++] =
            (struct part){.name = register_of(i, REGISTER_PRUNED, 0), .value = states};
    }
}

static void note_state(struct action *action, const struct cairn_reply *reply)
{
    uint64_t value = value_in(reply->state.value, REGISTER_STATE);
    if (action->part_count == 0) { /* at the chain's height: both of one instant */
        action->parts[0] = (struct part){.name = register_of(action->chain, REGISTER_HEIGHT, 0),
                                         .value = reply->state.height};
        action->parts[1].name = register_of(action->chain, REGISTER_STATE, reply->state.height);
        action->part_count = 2;
    }
    action->parts[action->part_count - 1].value = value;
}

static void note_read(struct action *action, const struct cairn_reply *reply)
{
    switch (reply->kind) {
    case CAIRN_READ_HEIGHT:
        action->parts[0].value = reply->height;
        break;
    case CAIRN_READ_BLOCK:
        action->parts[0].value = value_of_block(&reply->block);
        break;
    case CAIRN_READ_STATE:
        note_state(action, reply);
        break;
    case CAIRN_GET:
        action->parts[0].value = value_in(reply->found.value, register_kind_of(action->parts[0].name));
        action->parts[0].of_height = reply->found.of_height;
        break;
    case CAIRN_CHAINS:
        note_chains(action, reply);
        break;
    default: /* a stream: its items have told */
        break;
    }
}

/* What the clients go by when they choose heights. */
static void note_height(struct fleet *fleet, const struct action *action)
{
    uint64_t *height = &fleet->heights[action->chain];
    if (action->kind == ACTION_ROLLBACK || (action->kind == ACTION_COMMIT && action->height > *height)) {
        *height = action->height;
    } else if (action->kind == ACTION_PRUNE) {
        fleet->pruned[action->chain] = action->height;
    }
    for (size_t i = 0; action->kind == ACTION_READ && i < action->part_count; i++) {
        if (action->parts[i].name == register_of(action->chain, REGISTER_HEIGHT, 0)) {
            *height = action->parts[i].value;
        }
    }
    *height = *height > fleet->pruned[action->chain] ? *height : fleet->pruned[action->chain];
}

void fleet_note(struct fleet *fleet, size_t number, const struct cairn_reply *reply)
{
    struct action *action = &fleet->history.actions[number];
    enum action_end end = action->end == END_FAILED ? END_FAILED : end_of(reply);
    if (end == END_FAILED) {
        printf("linearizability: answered %u: %s\n", (unsigned)reply->status, reply->text);
    }
    action->end = end;
    if (end == END_UNKNOWN) {
        return; /* it may be carried out as long as the run lasts */
    }
    action->ended = ++fleet->tick;
    action->written_through = reply->written_through;
    action->durable_through = reply->durable_through;
    fleet->answered++;
    if (end != END_DONE || reply->status == CAIRN_NOT_FOUND) {
        return;
    }
    if (action->kind == ACTION_READ) {
        note_read(action, reply);
    } else {
        action->sequence = reply->write.sequence;
        action->level_told = (unsigned)reply->write.level;
    }
    note_height(fleet, action);
}

static void dropped(void *context, const struct cairn_dropped *what)
{
    struct fleet_client *client = context;
    client->fleet->dropped++;
    history_drop(&client->fleet->history, client->number, what->sequence);
}

/* ---- life ---- */

static void prepare_daemon(struct fleet *fleet)
{
    const char *libraries = getenv("CAIRN_FAULT");
    ck_assert_msg(libraries != NULL, "CAIRN_FAULT names no directory");
    fleet->daemon = daemon_new();
    snprintf(fleet->hang, sizeof fleet->hang, "%s/hang", fleet->daemon.home.path);
    snprintf(fleet->variables[0], sizeof fleet->variables[0], "LD_PRELOAD=%s/preload_hang.so", libraries);
    snprintf(fleet->variables[1], sizeof fleet->variables[1], "CAIRN_HANG=%s", fleet->hang);
    fleet->daemon.environment[0] = fleet->variables[0];
    fleet->daemon.environment[1] = fleet->variables[1];
}

void fleet_begin(struct fleet *fleet, uint64_t seed)
{
    *fleet = (struct fleet){.random = random_from(seed)};
    prepare_daemon(fleet);
    daemon_start(&fleet->daemon, "");
    struct wire wire = wire_open(fleet->daemon.socket);
    for (unsigned i = 1; i < HISTORY_CHAINS; i++) {
        ck_assert_int_eq(ask_create_chain(&wire, fleet_chains[i]).status, STATUS_OK);
    }
    wire_close(&wire);
    claimed_begin(&fleet->claimed, fleet->daemon.socket, random_next(&fleet->random));
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        struct fleet_client *client = &fleet->clients[i];
        *client = (struct fleet_client){.fleet = fleet, .number = i};
        const struct cairn_client_options options = {.socket_path = fleet->daemon.socket,
                                                     .timeout_us = CAIRN_NO_TIMEOUT,
                                                     .on_dropped = dropped,
                                                     .context = client};
        ck_assert_int_eq(cairn_client_new(&options, &client->library), CAIRN_OK);
        ck_assert_int_eq(cairn_connection_open(client->library, &client->connection), CAIRN_OK);
    }
}

void fleet_close(struct fleet *fleet)
{
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        cairn_client_free(fleet->clients[i].library);
    }
    claimed_close(&fleet->claimed);
    history_free(&fleet->history);
    daemon_close(&fleet->daemon);
    kept_clear();
}

/* Sends and receives what can be, for all clients. */
static void process_all(struct fleet *fleet, int milliseconds)
{
    struct pollfd polled[HISTORY_CLIENTS];
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        struct cairn_connection *connection = fleet->clients[i].connection;
        polled[i] = (struct pollfd){.fd = cairn_connection_fd(connection),
                                    .events = cairn_connection_events(connection)};
    }
    (void)poll(polled, HISTORY_CLIENTS, milliseconds);
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        (void)cairn_connection_process(fleet->clients[i].connection, polled[i].revents);
    }
    kept_clear();
}

/* ---- working ---- */

struct stall {
    uint64_t until; /* 0: none */
    bool is_hang;   /* of syncs; else the whole process stands */
};

static void begin_stall(struct fleet *fleet, struct stall *stall)
{
    fleet->stalls++;
    stall->until = clock_ms() + 1 + random_below(&fleet->random, STALL_MS_MAX);
    stall->is_hang = random_chance(&fleet->random, 50);
    if (stall->is_hang) {
        char next[128];
        snprintf(next, sizeof next, "%s.next", fleet->hang);
        file_write(next, "sync .log 0\n");
        ck_assert_int_eq(rename(next, fleet->hang), 0);
    } else {
        daemon_signal(&fleet->daemon, SIGSTOP);
    }
}

static void end_stall(struct fleet *fleet, struct stall *stall)
{
    if (stall->until == 0) {
        return;
    }
    if (stall->is_hang) {
        ck_assert_int_eq(remove(fleet->hang), 0);
    } else {
        daemon_signal(&fleet->daemon, SIGCONT);
    }
    stall->until = 0;
}

void fleet_run(struct fleet *fleet, uint64_t actions)
{
    const uint64_t until = fleet->answered + actions, end = clock_ms() + RUN_MS_MAX;
    struct stall stall = {0};
    /* so that the end comes close behind a commit that carried */
    bool ends_carrying = random_chance(&fleet->random, 40);
    while (fleet->answered < until && clock_ms() < end) {
        uint64_t before = fleet->answered;
        fleet->all_carry = ends_carrying && before + LAST_ACTIONS > until;
        for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
            struct fleet_client *client = &fleet->clients[i];
            while (client->in_flight < FLEET_IN_FLIGHT && random_chance(&fleet->random, 60) &&
                   fleet_ask(client)) {
            }
        }
        process_all(fleet, 1);
        claimed_pump(&fleet->claimed);
        if (stall.until == 0 && random_below(&fleet->random, STALL_ACTIONS) < fleet->answered - before) {
            begin_stall(fleet, &stall);
        } else if (stall.until != 0 && clock_ms() >= stall.until) {
            end_stall(fleet, &stall);
        }
    }
    if (random_chance(&fleet->random, 70)) {
        end_stall(fleet, &stall); /* else it dies in it */
    } else if (stall.until != 0) {
        (void)remove(fleet->hang);
    }
}

/* ---- the end of a run ---- */

static const char *choose_arguments(struct fleet *fleet)
{
    static const char *const arguments[] = {"", "--flush-delay 1ms", "--flush-delay 1s --sync-interval 10s",
                                            "--queue-operations-max 128 --sync-interval 1ms"};
    return arguments[random_below(&fleet->random, sizeof arguments / sizeof arguments[0])];
}

static bool is_lost(const struct fleet *fleet)
{
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        struct cairn_connection *connection = fleet->clients[i].connection;
        if (fleet->clients[i].in_flight > 0 || cairn_connection_get_state(connection) != CAIRN_LOST ||
            cairn_connection_timeout_us(connection) == 0) {
            return false;
        }
    }
    return true;
}

static void end_daemon(struct fleet *fleet)
{
    ck_assert_msg(daemon_wait(&fleet->daemon, 0) < 0, "it ended by itself: %s",
                  daemon_errors(&fleet->daemon));
    fleet->history.is_stopped = random_chance(&fleet->random, 15);
    if (fleet->history.is_stopped) {
        daemon_signal(&fleet->daemon, SIGCONT);
        ck_assert_int_eq(daemon_stop(&fleet->daemon), 0);
        fleet->stops++;
    } else {
        daemon_kill(&fleet->daemon);
        fleet->kills++;
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (!is_lost(fleet)) {
        ck_assert_msg(clock_ms() < until, "a client does not see that the daemon is gone");
        process_all(fleet, 1);
    }
}

/* Goes back to the height at which the chain is: whatever was accepted before is not to be applied again. */
static void roll_back_one(struct fleet *fleet)
{
    unsigned chain = (unsigned)random_below(&fleet->random, HISTORY_CHAINS);
    struct wire wire = wire_open(fleet->daemon.socket);
    Cairn__Rollback *rollback = rollback_to(fleet->heights[chain]);
    rollback->has_chain = true;
    rollback->chain = bytes_of(fleet_chains[chain]);
    fleet->history.rolled_back[chain] = ask_rollback(&wire, rollback).status == STATUS_OK;
    wire_close(&wire);
}

struct barrier {
    bool is_done;
    enum cairn_status status;
};

static void barrier_done(void *context, const struct cairn_reply *reply)
{
    *(struct barrier *)context = (struct barrier){true, reply->status};
}

/* The library sends again what was lost, before anything else; a barrier tells that all of it is written. */
static void come_back(struct fleet *fleet)
{
    static struct barrier barriers[HISTORY_CLIENTS];
    const struct cairn_barrier_request request = {.level = CAIRN_WRITTEN};
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        struct cairn_connection *connection = fleet->clients[i].connection;
        barriers[i] = (struct barrier){0};
        ck_assert_int_eq(cairn_connection_reconnect(connection), CAIRN_OK);
        ck_assert_int_eq(cairn_submit_barrier(connection, &request, barrier_done, &barriers[i]), CAIRN_OK);
    }
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        while (!barriers[i].is_done) {
            ck_assert_msg(clock_ms() < until, "what was lost is not sent again");
            process_all(fleet, 1);
        }
        ck_assert_msg(barriers[i].status == CAIRN_OK, "client %u: %s", i,
                      cairn_connection_error(fleet->clients[i].connection));
    }
}

static uint64_t metadata_on_disk(struct fleet *fleet)
{
    struct wire wire = wire_connect(fleet->daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    uint64_t number = ask_hello(&wire, &hello)->metadata_on_disk;
    wire_close(&wire);
    return number;
}

void fleet_end_run(struct fleet *fleet)
{
    struct history *history = &fleet->history;
    end_daemon(fleet);
    ck_assert_msg(daemon_try_start(&fleet->daemon, choose_arguments(fleet)), "it does not start: %s",
                  daemon_errors(&fleet->daemon));
    history->on_disk = metadata_on_disk(fleet);
    fleet_take_image(fleet, &history->found);
    if (random_chance(&fleet->random, 30)) {
        roll_back_one(fleet);
        fleet_take_image(fleet, &history->base);
    } else {
        image_copy(&history->base, &history->found);
    }
    come_back(fleet);
    claimed_come_back(&fleet->claimed);
    fleet_take_image(fleet, &history->resent);
    for (size_t i = 0; i < history->count; i++) {
        fleet->lost += history->actions[i].end == END_UNKNOWN && history->actions[i].kind != ACTION_READ;
        fleet->resent += history->actions[i].kind == ACTION_METADATA && history->actions[i].end == END_DONE &&
                         history->actions[i].sequence > history->on_disk;
    }
}

static void raise_to(uint64_t *number, uint64_t to)
{
    *number = to > *number ? to : *number;
}

void fleet_next(struct fleet *fleet)
{
    struct history *history = &fleet->history;
    struct history next = {.number_before = history->number_before,
                           .written_before = history->written_before,
                           .durable_before = history->durable_before};
    for (size_t i = 0; i < history->count; i++) {
        const struct action *action = &history->actions[i];
        raise_to(&next.number_before, action->sequence);
        raise_to(&next.written_before, action->written_through);
        raise_to(&next.durable_before, action->durable_through);
    }
    next.before = history->resent;
    history->resent = (struct image){0};
    history_free(history);
    *history = next;
    claimed_next(&fleet->claimed);
}
