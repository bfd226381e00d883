/* One thread drives all connections: a round's requests go out on all of them, then every reply is awaited. What is known
 * of the store is a model of what is on disk for certain, and the writes since, by number: what the next crash may take. */
#include "tests/lib/runner.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/model_claims.h"
#include "tests/lib/suite.h"
#include "tests/lib/wire.h"

enum {
    ANSWER_MS = 20000,
    HISTORY_MAX = 3000,
};

struct runner {
    const struct episode *episode;
    struct daemon daemon;
    struct wire wires[CONNECTIONS_MAX];
    struct model now;     /* everything answered is in it */
    struct model on_disk; /* without the history */
    struct call history[HISTORY_MAX];
    size_t n_history;
    uint64_t on_disk_through; /* the highest written through seen, or barrier answered */
    uint64_t last_sequence;   /* the highest number seen of any kind */
    uint64_t last_write;      /* the highest of a write answered in an earlier round of this run */
    uint64_t run;
    struct round round;
    struct outcome *outcomes; /* of the round's calls */
    struct model_claims claims;
    uint64_t first_id; /* the calls' request ids follow it */
    struct run_counts *counts;
    struct complaint *complaint;
};

/* ---- connections ---- */

static bool connect_all(struct runner *runner, uint64_t *ret_metadata_on_disk)
{
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct wire *wire = &runner->wires[i];
        *wire = wire_try_connect(runner->daemon.socket);
        if (wire->fd < 0) {
            complain(runner->complaint, NULL, "cannot connect");
            return false;
        }
        Cairn__Hello hello = CAIRN__HELLO__INIT;
        uint64_t id = wire_send(wire, FRAME_HELLO, &hello);
        struct wire_frame *frame = wire_try_frame(wire, id, ANSWER_MS);
        Cairn__HelloReply *reply = NULL;
        if (frame != NULL && frame->header.status == STATUS_OK) {
            reply = cairn__hello_reply__unpack(kept_allocator(), frame->header.body_bytes, frame->body);
        }
        if (reply == NULL) {
            complain(runner->complaint, NULL, "no answer to hello");
            return false;
        }
        if (i == 0 && reply->run <= runner->run) {
            complain(runner->complaint, NULL, "the run's number did not rise at a start");
            return false;
        }
        runner->run = reply->run;
        *ret_metadata_on_disk = reply->metadata_on_disk;
    }
    return true;
}

static void disconnect_all(struct runner *runner)
{
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        wire_close(&runner->wires[i]);
    }
}

/* ---- a round's requests and replies ---- */

static bool send_round(struct runner *runner)
{
    static uint8_t buffer[1 << 20];
    runner->first_id = 1000;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        size_t n = 0;
        for (size_t at = 0; at < runner->round.n; at++) {
            if (runner->round.calls[at].operation->connection != i) {
                continue;
            }
            struct bytes frame = operation_frame(runner->round.calls[at].operation, runner->first_id + at);
            if (n + frame.n > sizeof buffer) {
                abort();
            }
            memcpy(buffer + n, frame.data, frame.n);
            n += frame.n;
        }
        if (n > 0) {
            wire_send_bytes(&runner->wires[i], buffer, n);
        }
    }
    return true;
}

static void give_credit(struct wire *wire, const struct wire_frame *frame)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = frame->header.body_bytes;
    uint8_t body[16];
    wire_send_frame(wire, FRAME_CREDIT, frame->header.id, body, cairn__credit__pack(&credit, body));
}

/* Takes in what has arrived on one connection; the number of calls it completed. */
static size_t take_replies(struct runner *runner, struct wire *wire)
{
    size_t completed = 0;
    for (struct wire_frame *frame; (frame = wire_take(wire)) != NULL;) {
        uint64_t at = frame->header.id - runner->first_id;
        if (at >= runner->round.n || runner->outcomes[at].complete) {
            wire->fault = "a reply nobody asked for";
            return completed;
        }
        struct outcome *outcome = &runner->outcomes[at];
        struct call *call = &runner->round.calls[at];
        outcome_take(outcome, call->operation, frame);
        if (outcome->malformed) {
            wire->fault = "a malformed reply";
        }
        if (frame->header.written_through > runner->on_disk_through) {
            runner->on_disk_through = frame->header.written_through;
        }
        if (outcome->complete) {
            completed++;
            call->answered = true;
            call->answer = &outcome->answer;
            call->sequence = outcome->sequence;
            call->level = outcome->level;
        } else if (frame->header.body_bytes > 0) {
            give_credit(wire, frame);
        }
    }
    return completed;
}

/* Polls all connections until so many calls are complete, or all have ended when `until_end`. */
static bool receive_round(struct runner *runner, size_t wanted, size_t *completed, bool until_end)
{
    uint64_t limit = clock_ms() + (uint64_t)patience_ms(ANSWER_MS);
    for (;;) {
        struct pollfd ready[CONNECTIONS_MAX];
        unsigned open = 0;
        for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
            struct wire *wire = &runner->wires[i];
            *completed += take_replies(runner, wire);
            if (wire->fault != NULL) {
                complain(runner->complaint, NULL, "connection %u: %s", i, wire->fault);
                return false;
            }
            ready[i] = (struct pollfd){wire->ended ? -1 : wire->fd, POLLIN, 0};
            open += !wire->ended;
        }
        if (until_end ? open == 0 : *completed >= wanted) {
            return true;
        }
        if (open < CONNECTIONS_MAX && !until_end) {
            complain(runner->complaint, NULL, "the daemon closed a connection");
            return false;
        }
        if (poll(ready, CONNECTIONS_MAX, 1000) == 0 && clock_ms() > limit) {
            complain(runner->complaint, NULL, "no answer in %d ms", patience_ms(ANSWER_MS));
            return false;
        }
        for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
            if (ready[i].revents != 0) {
                wire_poll(&runner->wires[i], 0);
            }
        }
    }
}

/* ---- what numbers and levels promise, whatever the model ---- */

static bool check_level(struct runner *runner, const struct call *call)
{
    uint32_t asked = call->operation->level;
    if (asked == 0) {
        asked = call->operation->kind == OPERATION_METADATA ? 1 : 3;
    }
    if (operation_is_commit(call->operation) && asked < 2) {
        asked = 2;
    }
    if (!operation_is_dry_run(call->operation) && call->level < asked) {
        complain(runner->complaint, call, "level %u was asked for, %u answered", asked, call->level);
        return false;
    }
    return true;
}

/* `before`: the highest number or written through seen before the round. */
static bool check_numbers(struct runner *runner, uint64_t before)
{
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(&runner->round, writes);
    for (size_t i = 0; i < n; i++) {
        if (writes[i]->sequence <= before || (i > 0 && writes[i]->sequence == writes[i - 1]->sequence)) {
            complain(runner->complaint, writes[i], "a number was given twice, or fell: %" PRIu64 " was seen",
                     before);
            return false;
        }
    }
    uint64_t last[CONNECTIONS_MAX] = {0};
    for (size_t i = 0; i < runner->round.n; i++) {
        const struct call *call = &runner->round.calls[i];
        bool barrier = call->operation->kind == OPERATION_BARRIER;
        if (!call->answered || call->answer->status != STATUS_OK || !(barrier || call_is_applied(call))) {
            continue;
        }
        bool quiet = call->operation->kind == OPERATION_CREATE_CHAIN && call->sequence == 0;
        uint64_t *mine = &last[call->operation->connection];
        if (!quiet && (barrier ? call->sequence < *mine : call->sequence <= *mine)) {
            complain(runner->complaint, call, "writes of a connection were not accepted in the order sent");
            return false;
        }
        if (barrier && call->sequence < runner->last_write) {
            complain(runner->complaint, call,
                     "a barrier did not wait for %" PRIu64 ", accepted before it was sent",
                     runner->last_write);
            return false;
        }
        if (!barrier) {
            *mine = call->sequence;
        }
        if (!check_level(runner, call)) {
            return false;
        }
    }
    return true;
}

/* ---- what is on disk ---- */

static void remember(struct runner *runner)
{
    static const struct answer fine = {.status = STATUS_OK};
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(&runner->round, writes);
    for (size_t i = 0; i < runner->round.n; i++) {
        const struct call *call = &runner->round.calls[i];
        if (!call->answered) {
            continue;
        }
        uint64_t known = call->sequence;
        if (call->operation->kind == OPERATION_BARRIER && call->level >= 2 &&
            known > runner->on_disk_through) {
            runner->on_disk_through = known;
        }
        runner->last_sequence = known > runner->last_sequence ? known : runner->last_sequence;
    }
    runner->last_write = n > 0 ? writes[n - 1]->sequence : runner->last_write;
    for (size_t i = 0; i < n && runner->n_history < HISTORY_MAX; i++) {
        runner->history[runner->n_history] = *writes[i];
        runner->history[runner->n_history++].answer = &fine;
    }
    size_t folded = 0;
    while (folded < runner->n_history) {
        const struct call *call = &runner->history[folded];
        if (call->sequence > runner->on_disk_through && call->level < 2 &&
            !operation_is_commit(call->operation)) {
            break;
        }
        model_apply(&runner->on_disk, call->operation);
        folded++;
    }
    runner->n_history -= folded;
    memmove(runner->history, runner->history + folded, runner->n_history * sizeof *runner->history);
}

static uint64_t highest(const struct runner *runner)
{
    return runner->last_sequence > runner->on_disk_through ? runner->last_sequence : runner->on_disk_through;
}

static void fill_round(struct runner *runner, const struct operation *operations, size_t n)
{
    memset(&runner->round, 0, sizeof runner->round);
    memset(runner->outcomes, 0, n * sizeof *runner->outcomes);
    for (size_t i = 0; i < n; i++) {
        runner->round.calls[runner->round.n++].operation = &operations[i];
    }
    runner->counts->requests += n;
    runner->counts->rounds++;
}

/* A round that everybody survives. */
static bool run_round(struct runner *runner, const struct operation *operations, size_t n)
{
    uint64_t before = highest(runner);
    size_t completed = 0;
    fill_round(runner, operations, n);
    send_round(runner);
    if (!receive_round(runner, n, &completed, false) || !check_numbers(runner, before) ||
        !round_check(&runner->round, &runner->now, runner->complaint)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct call *call = &runner->round.calls[i];
        runner->counts->conflicts += call->answer->status == STATUS_CONFLICT;
        runner->counts->claims += call->operation->kind == OPERATION_CLAIM;
        runner->counts->repeated += strstr(call->answer->text, "repeated") != NULL;
    }
    model_claims_note(&runner->claims, &runner->round, runner->outcomes);
    remember(runner);
    return true;
}

/* ---- death and start ---- */

static bool start_daemon(struct runner *runner, uint64_t *ret_metadata_on_disk)
{
    if (!daemon_try_start(&runner->daemon, runner->episode->arguments)) {
        complain(runner->complaint, NULL, "the daemon does not start: %s", daemon_errors(&runner->daemon));
        return false;
    }
    return connect_all(runner, ret_metadata_on_disk);
}

/* Reads everything, and leaves of the possible states those that fit. */
static bool narrow(struct runner *runner, struct states *states)
{
    static struct operation dump[DUMP_OPERATIONS];
    size_t n = dump_operations(dump), completed = 0;
    fill_round(runner, dump, n);
    send_round(runner);
    if (!receive_round(runner, n, &completed, false)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct call *call = &runner->round.calls[i];
        struct answer expected;
        model_read(&states->list[0].model, call->operation, &expected);
        states_narrow_read(states, call->operation, call->answer);
        if (states->n == 0) {
            complain(runner->complaint, call,
                     "after the restart no allowed state is left; one of the last would have said: %s %.*s",
                     status_text(expected.status), (int)expected.n, expected.text);
            return false;
        }
    }
    states_merge(states);
    if (states->n != 1) {
        complain(runner->complaint, NULL, "%zu states look the same: the dump does not see everything",
                 states->n);
        return false;
    }
    runner->now = runner->on_disk = states->list[0].model;
    runner->n_history = 0;
    return true;
}

static bool come_back(struct runner *runner, bool clean)
{
    const struct call *written[HISTORY_MAX];
    for (size_t i = 0; i < runner->n_history; i++) {
        written[i] = &runner->history[i];
    }
    runner->last_write = 0;
    struct history history = {written, runner->n_history, &runner->round,
                              clean ? UINT64_MAX : runner->on_disk_through, 0};
    struct states states = states_after(&runner->on_disk, &history);
    for (size_t i = 0; i < states.n; i++) {
        model_reconnect(&states.list[i].model);
    }
    size_t allowed = states.n;
    uint64_t metadata_on_disk = 0;
    bool good = false;
    if (states.overflow || allowed == 0) {
        complain(runner->complaint, NULL,
                 states.overflow ? "too many states are possible" : "no state is possible");
    } else if (start_daemon(runner, &metadata_on_disk)) {
        states_narrow_hello(&states, metadata_on_disk);
        model_claims_present(&runner->claims, runner->wires, &states);
        if (states.n == 0) {
            complain(runner->complaint, NULL,
                     "of %zu allowed states none fits %" PRIu64
                     " as the highest metadata on disk, or what who presents an epoch is told",
                     allowed, metadata_on_disk);
        } else {
            good = narrow(runner, &states);
        }
    }
    states_free(&states);
    return good;
}

static bool run_end(struct runner *runner, const struct operation *operations, size_t n)
{
    const struct operation *end = &operations[n - 1];
    uint64_t before = highest(runner);
    size_t completed = 0, wanted = end->height < n - 1 ? end->height : n - 1;
    fill_round(runner, operations, n - 1);
    send_round(runner);
    if (!receive_round(runner, wanted, &completed, false)) {
        return false;
    }
    bool clean = end->kind == OPERATION_STOP;
    daemon_signal(&runner->daemon, clean ? SIGTERM : SIGKILL);
    if (!receive_round(runner, 0, &completed, true)) {
        return false;
    }
    int code = daemon_wait(&runner->daemon, ANSWER_MS);
    if (clean && code != 0) {
        complain(runner->complaint, NULL, "a clean stop ended with %d: %s", code,
                 daemon_errors(&runner->daemon));
        return false;
    }
    disconnect_all(runner);
    *(clean ? &runner->counts->stops : &runner->counts->kills) += 1;
    for (size_t i = 0; i < runner->round.n; i++) { /* what stopping refused was not applied */
        struct call *call = &runner->round.calls[i];
        if (call->answered && call->answer->status == STATUS_IO_ERROR) {
            complain(runner->complaint, call, "an I/O error");
            return false;
        }
        uint64_t known = call->operation->kind == OPERATION_BARRIER && call->answered && call->level >= 2
                             ? call->sequence
                             : 0;
        runner->on_disk_through = known > runner->on_disk_through ? known : runner->on_disk_through;
        runner->last_sequence =
            call->sequence > runner->last_sequence ? call->sequence : runner->last_sequence;
    }
    return check_numbers(runner, before) && come_back(runner, clean);
}

bool run_episode(const struct episode *episode, struct run_counts *counts, struct complaint *ret_complaint)
{
    struct runner *runner = calloc(1, sizeof *runner);
    runner->outcomes = calloc(ROUND_CALLS_MAX, sizeof *runner->outcomes);
    runner->episode = episode;
    runner->counts = counts;
    runner->complaint = ret_complaint;
    runner->now = runner->on_disk = model_new();
    runner->daemon = daemon_new();
    uint64_t nothing;
    bool good = start_daemon(runner, &nothing);
    for (size_t at = 0; good && at < episode->n;) {
        size_t n = 1;
        while (at + n < episode->n && n < 64 &&
               episode->operations[at + n].round == episode->operations[at].round) {
            n++;
        }
        model_claims_number(&runner->now, episode->operations + at, n);
        bool ends = operation_is_end(&episode->operations[at + n - 1]);
        good = ends ? run_end(runner, episode->operations + at, n)
                    : run_round(runner, episode->operations + at, n);
        at += n;
        kept_clear();
    }
    if (!good && runner->daemon.pid != 0) {
        size_t said = strlen(ret_complaint->text);
        snprintf(ret_complaint->text + said, sizeof ret_complaint->text - said, "\n  the daemon said: %s",
                 daemon_errors(&runner->daemon));
    }
    disconnect_all(runner);
    daemon_close(&runner->daemon);
    free(runner->outcomes);
    free(runner);
    kept_clear();
    return good;
}
