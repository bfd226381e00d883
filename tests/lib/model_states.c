/* A search over the orders in which the writes may have been accepted, and where in that order each lane was cut off. It
 * goes over machines: a place in the history, and the model that has come about on disk up to there. A list holds those
 * still to be followed; one met before is not followed again. */
#include "tests/lib/model_states.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_SLOTS = 1 << 18 };

struct machine {
    struct possible possible;
    uint32_t at;                          /* next of the answered writes */
    uint32_t unanswered[CONNECTIONS_MAX]; /* next of the connection's unanswered writes */
    uint32_t skipped[CHAINS_KNOWN];       /* names of metadata that is not on disk, as bits */
    uint32_t commits_end, metadata_ends;  /* the lane was cut off before here */
};

struct search {
    const struct call *answered[4096]; /* by number: the history's, then the round's */
    size_t n_answered;
    const struct call *open[CONNECTIONS_MAX][ROUND_CALLS_MAX]; /* unanswered writes, as sent */
    size_t n_open[CONNECTIONS_MAX];
    const struct round *round; /* that of the unanswered */
    uint64_t on_disk_through;
    uint32_t level_kept;
    uint64_t *seen;
    size_t n_seen;
    struct machine *work;
    size_t n_work, work_room;
    struct states *states;
};

static void add_state(struct states *states, const struct possible *possible)
{
    if (states->n == POSSIBLE_MAX) {
        states->overflow = true;
        return;
    }
    if (states->n == states->room) {
        states->room = states->room == 0 ? 64 : 2 * states->room;
        states->list = realloc(states->list, states->room * sizeof *states->list);
        if (states->list == NULL) {
            abort();
        }
    }
    states->list[states->n++] = *possible;
}

/* True the first time. */
static bool mark_seen(struct search *search, const struct machine *machine)
{
    uint64_t digest = model_digest(&machine->possible.model);
    const char *rest = (const char *)machine + sizeof machine->possible.model;
    digest ^= bytes_digest(rest, sizeof *machine - sizeof machine->possible.model);
    digest += digest == 0;
    size_t slot = digest % SEEN_SLOTS;
    while (search->seen[slot] != 0 && search->seen[slot] != digest) {
        slot = (slot + 1) % SEEN_SLOTS;
    }
    if (search->seen[slot] == digest) {
        return false;
    }
    search->seen[slot] = digest;
    if (++search->n_seen > SEEN_SLOTS / 2) {
        search->states->overflow = true;
    }
    return true;
}

static uint32_t names_of(const struct operation *operation)
{
    uint32_t names = 0;
    for (uint32_t i = 0; i < operation->n_edits; i++) { /* one with a range carries anyway */
        names |= UINT32_C(1) << operation->edits[i].name;
    }
    return names;
}

/* A commit that carries, or touches a name that was queued before it, is on disk only with what it took along. */
static bool carries_what_is_lost(const struct machine *machine, const struct operation *commit)
{
    if (!machine->metadata_ends) {
        return false;
    }
    bool carries = commit->carry || commit->kind == OPERATION_PRUNE || commit->kind == OPERATION_ROLLBACK ||
                   commit->kind == OPERATION_DROP_CHAIN || commit->kind == OPERATION_CLAIM ||
                   commit->kind == OPERATION_RELEASE || operation_deletes_range(commit);
    return carries || (names_of(commit) & machine->skipped[commit->chain]) != 0;
}

static bool must_be_on_disk(const struct search *search, const struct call *call)
{
    bool is_kept = search->level_kept <= 2 && operation_is_commit(call->operation);
    return is_kept || call->level >= search->level_kept || call->sequence <= search->on_disk_through;
}

/* The write reached the disk; false where it cannot have. */
static bool machine_apply(struct machine *machine, const struct call *call)
{
    bool commit = operation_is_commit(call->operation);
    if (machine->commits_end || (!commit && machine->metadata_ends)) {
        return false;
    }
    if (commit && carries_what_is_lost(machine, call->operation)) {
        return false;
    }
    struct model_result result = model_judge(&machine->possible.model, call->operation);
    if (result.status != STATUS_OK) {
        return false;
    }
    if (call->answered && call->answer->n > 0) {
        struct answer expected;
        model_result_text(&result, &expected);
        if (!answer_equal(&expected, call->answer)) {
            return false;
        }
    }
    model_apply(&machine->possible.model, call->operation);
    if (!commit && call->answered) {
        machine->possible.last_metadata = call->sequence;
    }
    return true;
}

/* The write was accepted and did not reach the disk. */
static void machine_skip(struct machine *machine, const struct call *call)
{
    if (operation_is_commit(call->operation)) {
        machine->commits_end = 1; /* and with it all metadata accepted later */
        machine->metadata_ends = 1;
        return;
    }
    machine->metadata_ends = 1;
    machine->skipped[call->operation->chain] |= names_of(call->operation);
    if (call->answered && call->sequence < machine->possible.first_lost) {
        machine->possible.first_lost = call->sequence;
    }
}

/* Whether an unanswered write was sent before an answered one of the same round and connection. */
static bool sent_before(const struct call *unanswered, const struct call *answered)
{
    return unanswered->operation->round == answered->operation->round &&
           unanswered->operation->connection == answered->operation->connection && unanswered < answered;
}

static void explore(struct search *search, const struct machine *machine)
{
    if (search->states->overflow || !mark_seen(search, machine)) {
        return;
    }
    if (search->n_work == search->work_room) {
        search->work_room = search->work_room == 0 ? 64 : 2 * search->work_room;
        search->work = realloc(search->work, search->work_room * sizeof *search->work);
        if (search->work == NULL) {
            abort();
        }
    }
    search->work[search->n_work++] = *machine;
}

/* The write reached the disk, whole or without some of its raises. */
static void explore_applied(struct search *search, const struct machine *machine, const struct call *call)
{
    const struct operation *whole = call->operation;
    uint32_t ways = call->may_lose_raises ? UINT32_C(1) << whole->n_edits : 1;
    for (uint32_t lost = 0; lost < ways; lost++) {
        struct operation operation = *whole;
        uint32_t raises = 0;
        operation.n_edits = 0;
        for (uint32_t i = 0; i < whole->n_edits; i++) {
            raises |= (whole->edits[i].kind == EDIT_RAISE ? UINT32_C(1) : 0) << i;
            if ((lost >> i & 1) == 0) {
                operation.edits[operation.n_edits++] = whole->edits[i];
            }
        }
        struct machine applied = *machine;
        struct call changed = *call;
        changed.operation = &operation;
        if ((lost & ~raises) == 0 && machine_apply(&applied, &changed)) {
            explore(search, &applied);
        }
    }
}

static void explore_answered(struct search *search, const struct machine *machine)
{
    const struct call *call = search->answered[machine->at];
    uint32_t connection = call->operation->connection;
    uint32_t next = machine->unanswered[connection];
    if (next < search->n_open[connection] && sent_before(search->open[connection][next], call)) {
        return; /* that one first */
    }
    struct machine applied = *machine;
    applied.at++;
    explore_applied(search, &applied, call);
    if (!must_be_on_disk(search, call)) {
        struct machine skipped = *machine;
        skipped.at++;
        machine_skip(&skipped, call);
        explore(search, &skipped);
    }
}

static void explore_open(struct search *search, const struct machine *machine, uint32_t connection)
{
    uint32_t next = machine->unanswered[connection];
    const struct call *call = search->open[connection][next];
    bool answered_later = false, answered_since = false;
    for (size_t i = 0; i < search->n_answered; i++) {
        const struct call *other = search->answered[i];
        bool own =
            other->operation->round == call->operation->round && other->operation->connection == connection;
        answered_later |= own && i >= machine->at && other > call;
        answered_since |= i >= machine->at && !(own && other > call) &&
                          (other->operation->round != call->operation->round || (own && other < call));
    }
    if (answered_since) {
        return; /* what was answered before it was sent, or sent before it, comes first */
    }
    struct machine then = *machine;
    then.unanswered[connection]++;
    explore_applied(search, &then, call);
    if (call->may_be_refused || call_is_beside_drop(search->round, call) ||
        model_judge(&machine->possible.model, call->operation).status != STATUS_OK) {
        explore(search, &then); /* refused: nothing happens */
    }
    struct machine skipped = then;
    machine_skip(&skipped, call);
    explore(search, &skipped);
    if (!answered_later) { /* never read by the daemon: nor was what was sent behind it */
        struct machine vanished = *machine;
        vanished.unanswered[connection] = (uint32_t)search->n_open[connection];
        explore(search, &vanished);
    }
}

static void follow(struct search *search, const struct machine *machine)
{
    bool done = machine->at == search->n_answered;
    if (!done) {
        explore_answered(search, machine);
    }
    for (uint32_t connection = 0; connection < CONNECTIONS_MAX; connection++) {
        if (machine->unanswered[connection] < search->n_open[connection]) {
            done = false;
            explore_open(search, machine, connection);
        }
    }
    struct machine outcome = {.possible = machine->possible, .at = UINT32_MAX}; /* however it came about */
    if (done && mark_seen(search, &outcome)) {
        add_state(search->states, &outcome.possible);
    }
}

static void search_fill(struct search *search, const struct history *history)
{
    size_t room = sizeof search->answered / sizeof *search->answered;
    for (size_t i = 0; i < history->n && search->n_answered < room - ROUND_CALLS_MAX; i++) {
        search->answered[search->n_answered++] = history->written[i];
    }
    search->on_disk_through = history->on_disk_through;
    search->level_kept = history->level_kept != 0 ? history->level_kept : 2;
    if (history->round == NULL) {
        return;
    }
    search->round = history->round;
    search->n_answered += round_applied(history->round, search->answered + search->n_answered);
    for (size_t i = 0; i < history->round->n; i++) {
        const struct call *call = &history->round->calls[i];
        uint32_t connection = call->operation->connection;
        if (!call->answered && operation_is_write(call->operation)) {
            search->open[connection][search->n_open[connection]++] = call;
        }
    }
}

struct states states_after(const struct model *before, const struct history *history)
{
    struct states states = {0};
    struct search *search = calloc(1, sizeof *search);
    struct machine *machine = calloc(1, sizeof *machine);
    if (search == NULL || machine == NULL ||
        (search->seen = calloc(SEEN_SLOTS, sizeof *search->seen)) == NULL) {
        abort();
    }
    search->states = &states;
    search_fill(search, history);
    machine->possible.model = *before;
    machine->possible.first_lost = UINT64_MAX;
    explore(search, machine);
    while (search->n_work > 0 && !states.overflow) {
        *machine = search->work[--search->n_work];
        follow(search, machine);
    }
    free(search->work);
    free(search->seen);
    free(search);
    free(machine);
    return states;
}

void states_narrow_hello(struct states *states, uint64_t metadata_on_disk)
{
    size_t n = 0;
    for (size_t i = 0; i < states->n; i++) {
        const struct possible *one = &states->list[i];
        if (one->last_metadata <= metadata_on_disk && metadata_on_disk < one->first_lost) {
            states->list[n++] = *one;
        }
    }
    states->n = n;
}

void states_narrow_read(struct states *states, const struct operation *read, const struct answer *answer)
{
    size_t n = 0;
    for (size_t i = 0; i < states->n; i++) {
        struct answer expected;
        model_read(&states->list[i].model, read, &expected);
        if (answer_equal(&expected, answer)) {
            states->list[n++] = states->list[i];
        }
    }
    states->n = n;
}

void states_merge(struct states *states)
{
    size_t n = 0;
    for (size_t i = 0; i < states->n; i++) {
        size_t same = 0;
        while (same < n && !model_equal(&states->list[same].model, &states->list[i].model)) {
            same++;
        }
        if (same == n) {
            states->list[n++] = states->list[i];
        }
    }
    states->n = n;
}

void states_free(struct states *states)
{
    free(states->list);
    *states = (struct states){0};
}
