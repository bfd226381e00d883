/* What is known of the store is a model of what is durable for certain, and the writes since, by number: what a crash may take. */
#include "tests/fault/simulation_oracle.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void oracle_begin(struct oracle *oracle)
{
    memset(oracle, 0, sizeof *oracle);
    oracle->now = oracle->store.durable = model_new();
}

void oracle_end(struct oracle *oracle)
{
    states_free(&oracle->states);
}

static bool is_write(const struct call *call)
{
    return operation_is_write(call->operation);
}

uint64_t oracle_highest(const struct oracle *oracle)
{
    uint64_t last = oracle->store.last_sequence;
    return last > oracle->written_through ? last : oracle->written_through;
}

/* ---- a round's requests and replies ---- */

void oracle_begin_round(struct oracle *oracle, const struct operation *operations, size_t n)
{
    assert(n <= ROUND_CALLS_MAX);
    memset(&oracle->round, 0, sizeof oracle->round);
    memset(oracle->outcomes, 0, n * sizeof *oracle->outcomes);
    memset(oracle->busy_from_us, 0, sizeof oracle->busy_from_us);
    for (size_t i = 0; i < n; i++) {
        oracle->round.calls[i].operation = &operations[i];
    }
    oracle->round.n = n;
    oracle->answered = 0;
    oracle->sequence_before = oracle_highest(oracle);
    oracle->excuses = (struct oracle_excuses){0};
    oracle->resends = false;
}

void oracle_sent(struct oracle *oracle, size_t call, uint64_t busy_from_us)
{
    assert(call < oracle->round.n);
    oracle->busy_from_us[call] = busy_from_us;
    oracle->round.calls[call].sent_at = ++oracle->events;
}

bool oracle_take_numbers(struct oracle *oracle, const struct frame_reply *header, uint32_t connection)
{
    uint64_t written = header->written_through, durable = header->durable_through;
    if (durable > written) {
        complain(&oracle->complaint, NULL, "more is durable than is written");
        return false;
    }
    if (written < oracle->told[connection].written_through ||
        durable < oracle->told[connection].durable_through) {
        complain(&oracle->complaint, NULL, "what was written or durable fell");
        return false;
    }
    oracle->told[connection].written_through = written;
    oracle->told[connection].durable_through = durable;
    oracle->written_through = written > oracle->written_through ? written : oracle->written_through;
    oracle->durable_through = durable > oracle->durable_through ? durable : oracle->durable_through;
    return true;
}

bool oracle_take(struct oracle *oracle, const struct wire_frame *frame, uint64_t now_us, uint64_t *ret_credit)
{
    uint64_t at = frame->header.id - ORACLE_FIRST_ID;
    *ret_credit = 0;
    if (at >= oracle->round.n || oracle->outcomes[at].complete) {
        complain(&oracle->complaint, NULL, "a reply that nobody asked for");
        return false;
    }
    struct outcome *outcome = &oracle->outcomes[at];
    struct call *call = &oracle->round.calls[at];
    outcome_take(outcome, call->operation, frame);
    if (outcome->malformed) {
        complain(&oracle->complaint, call, "a malformed reply: %s, flags %u, %u bytes",
                 status_text(frame->header.status), frame->header.flags, frame->header.body_bytes);
        return false;
    }
    if (!oracle_take_numbers(oracle, &frame->header, call->operation->connection)) {
        return false;
    }
    if (!outcome->complete) {
        *ret_credit = frame->header.body_bytes;
        return true;
    }
    bool is_busy = frame->header.status == STATUS_BUSY && call->operation->kind == OPERATION_METADATA;
    if (is_busy && oracle->busy_from_us[at] > now_us) {
        complain(&oracle->complaint, call, "`busy` before the deadline was over");
        return false;
    }
    oracle->answered++;
    call->answered = true;
    call->answered_at = ++oracle->events;
    call->answer = &outcome->answer;
    call->sequence = outcome->sequence;
    call->level = outcome->level;
    return true;
}

bool oracle_has_all(const struct oracle *oracle)
{
    return oracle->answered == oracle->round.n;
}

/* ---- what numbers and levels promise, whatever the model ---- */

static bool check_level(struct oracle *oracle, const struct call *call)
{
    uint32_t asked = call->operation->level;
    if (asked == 0) {
        asked = call->operation->kind == OPERATION_METADATA ? 1 : 3;
    }
    if (operation_is_commit(call->operation) && asked < 2) {
        asked = 2;
    }
    if (!operation_is_dry_run(call->operation) && call->level < asked) {
        complain(&oracle->complaint, call, "level %u was asked for, %u answered", asked, call->level);
        return false;
    }
    return true;
}

/* Numbers rise, and a write that was sent after another's answer has a higher one. */
static bool check_order(struct oracle *oracle)
{
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(&oracle->round, writes);
    for (size_t i = 0; i < n; i++) {
        bool quiet = writes[i]->operation->kind == OPERATION_CREATE_CHAIN && writes[i]->sequence == 0;
        if (quiet) {
            continue;
        }
        if (writes[i]->sequence <= oracle->sequence_before ||
            (i > 0 && writes[i]->sequence == writes[i - 1]->sequence)) {
            complain(&oracle->complaint, writes[i],
                     "a number was given twice, or fell: %" PRIu64 " was seen before",
                     oracle->sequence_before);
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (writes[k]->sent_at > writes[i]->answered_at) {
                complain(&oracle->complaint, writes[k],
                         "a write has a lower number than one that was answered before it was sent");
                return false;
            }
        }
    }
    return true;
}

static bool check_connections(struct oracle *oracle)
{
    uint64_t last[CONNECTIONS_MAX] = {0};
    for (size_t i = 0; i < oracle->round.n; i++) {
        const struct call *call = &oracle->round.calls[i];
        bool barrier = call->operation->kind == OPERATION_BARRIER;
        if (!call->answered || call->answer->status != STATUS_OK || !(barrier || call_is_applied(call))) {
            continue;
        }
        bool quiet = call->operation->kind == OPERATION_CREATE_CHAIN && call->sequence == 0;
        uint64_t *mine = &last[call->operation->connection];
        if (!quiet && (barrier ? call->sequence < *mine : call->sequence <= *mine)) {
            complain(&oracle->complaint, call, "writes of a connection were not accepted in the order sent");
            return false;
        }
        if (barrier && call->sequence < oracle->last_write) {
            complain(&oracle->complaint, call, "a barrier did not wait for %" PRIu64 ", accepted before",
                     oracle->last_write);
            return false;
        }
        if (!barrier) {
            *mine = call->sequence;
        }
        if (!check_level(oracle, call)) {
            return false;
        }
    }
    return true;
}

/* ---- answers that the model does not know ---- */

/* The calls that the model judges; those of which nobody knows what became count as not answered. False: an answer that nothing
 * excuses. */
static bool sort_out(struct oracle *oracle, struct round *ret_judged)
{
    memset(ret_judged, 0, sizeof *ret_judged);
    for (size_t i = 0; i < oracle->round.n; i++) {
        struct call *call = &oracle->round.calls[i];
        bool is_metadata = call->operation->kind == OPERATION_METADATA;
        /* the drop itself may be excused */
        call->was_beside_drop = call_is_beside_drop(&oracle->round, call);
        call->may_be_refused = oracle_may_be_refused(oracle, i);
        call->may_lose_raises = oracle->excuses.raises_left_out && is_metadata;
        if (!call->answered || !oracle_is_excused(oracle, call)) {
            ret_judged->calls[ret_judged->n++] = *call;
            continue;
        }
        oracle->excused++;
        if (operation_is_stream(call->operation)) {
            call->is_partial = true;
            ret_judged->calls[ret_judged->n++] = *call;
        }
        bool is_left_out = is_metadata && call->answer->status == STATUS_DAMAGED;
        if (is_write(call) && (call->answer->status == STATUS_IO_ERROR || is_left_out)) {
            call->answered = false;
            ret_judged->calls[ret_judged->n++] = *call;
        }
    }
    for (size_t i = 0; i < ret_judged->n; i++) {
        const struct call *call = &ret_judged->calls[i];
        enum status status = call->answered && !call->is_partial ? call->answer->status : STATUS_OK;
        if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_CONFLICT &&
            status != STATUS_INVALID) {
            complain(&oracle->complaint, call, "nothing explains this answer");
            return false;
        }
    }
    return true;
}

/* ---- what is on disk ---- */

static void note_numbers(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->round.n; i++) {
        const struct call *call = &oracle->round.calls[i];
        if (!call->answered) {
            continue;
        }
        bool barrier = call->operation->kind == OPERATION_BARRIER && call->answer->status == STATUS_OK;
        uint64_t known = call->sequence;
        uint64_t told = call->level >= 3 ? oracle->durable_through : oracle->written_through;
        if (barrier && call->level >= 2 && known > told) {
            complain(&oracle->complaint, call, "a barrier is ahead of what is said to be written or durable");
        }
        uint64_t *last = &oracle->store.last_sequence;
        *last = known > *last ? known : *last;
    }
}

/* What is durable leaves the history. */
static void fold(struct oracle *oracle)
{
    size_t folded = 0;
    while (folded < oracle->n_history) {
        const struct call *call = &oracle->history[folded];
        if (call->sequence > oracle->durable_through && call->level < 3) {
            break;
        }
        model_apply(&oracle->store.durable, call->operation);
        folded++;
    }
    oracle->n_history -= folded;
    memmove(oracle->history, oracle->history + folded, oracle->n_history * sizeof *oracle->history);
}

static bool remember(struct oracle *oracle, const struct round *judged)
{
    static const struct answer fine = {.status = STATUS_OK};
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(judged, writes);
    oracle->last_write = n > 0 ? writes[n - 1]->sequence : oracle->last_write;
    for (size_t i = 0; i < n; i++) {
        if (oracle->n_history == ORACLE_HISTORY_MAX) {
            complain(&oracle->complaint, writes[i], "nothing becomes durable");
            return false;
        }
        oracle->history[oracle->n_history] = *writes[i];
        oracle->history[oracle->n_history++].answer = &fine;
    }
    fold(oracle);
    return true;
}

/* A plant: the first and the last write of the round change their numbers. */
static void swap_numbers(struct oracle *oracle)
{
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(&oracle->round, writes);
    if (n >= 2) {
        struct call *first = &oracle->round.calls[writes[0] - oracle->round.calls];
        struct call *last = &oracle->round.calls[writes[n - 1] - oracle->round.calls];
        uint64_t sequence = first->sequence;
        first->sequence = last->sequence;
        last->sequence = sequence;
    }
}

bool oracle_end_round(struct oracle *oracle)
{
    static struct round judged;
    assert(oracle_has_all(oracle));
    if (oracle->swaps_numbers) {
        swap_numbers(oracle);
    }
    if (!sort_out(oracle, &judged) || !check_order(oracle) || !check_connections(oracle) ||
        !round_check(&judged, &oracle->now, &oracle->complaint)) {
        return false;
    }
    note_numbers(oracle);
    return remember(oracle, &judged) && oracle->complaint.text[0] == '\0';
}

/* ---- after a crash ---- */

static void note_lost_call(struct oracle *oracle, const struct call *call)
{
    bool is_kept = call->operation->kind == OPERATION_METADATA && call->level < 2 &&
                   call->sequence > oracle->written_through;
    if (is_kept && oracle->n_lost < ROUND_CALLS_MAX) {
        oracle->lost[oracle->n_lost++] = *call;
    }
}

/* What the client library keeps. */
static void note_lost(struct oracle *oracle, const struct round *judged)
{
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(judged, writes);
    oracle->n_lost = 0;
    for (size_t i = 0; i < oracle->n_history; i++) {
        note_lost_call(oracle, &oracle->history[i]);
    }
    for (size_t i = 0; i < n; i++) {
        note_lost_call(oracle, writes[i]);
    }
}

const struct call *oracle_lost(const struct oracle *oracle, size_t *ret_count)
{
    size_t first = 0;
    uint64_t on_disk = oracle_metadata_on_disk(oracle);
    while (first < oracle->n_lost && oracle->lost[first].sequence <= on_disk) {
        first++;
    }
    *ret_count = oracle->n_lost - first;
    return &oracle->lost[first];
}

bool oracle_crashed(struct oracle *oracle, enum oracle_end end)
{
    static struct round judged;
    static const struct call *written[ORACLE_HISTORY_MAX];
    if (!sort_out(oracle, &judged) || !check_order(oracle) || !check_connections(oracle)) {
        return false;
    }
    note_numbers(oracle);
    for (size_t i = 0; i < oracle->n_history; i++) {
        written[i] = &oracle->history[i];
    }
    bool is_cut = end == ORACLE_CUT;
    bool is_whole = end != ORACLE_KILLED && !is_cut;
    struct history history = {
        .written = written,
        .n = oracle->n_history,
        .round = &judged,
        .on_disk_through = is_whole ? UINT64_MAX
                           : is_cut ? oracle->durable_through
                                    : oracle->written_through,
        .level_kept = is_cut ? 3 : 2,
    };
    states_free(&oracle->states);
    oracle->states = states_after(&oracle->store.durable, &history);
    oracle->is_beyond = oracle->states.overflow;
    if (oracle->is_beyond || oracle->states.n == 0) {
        complain(&oracle->complaint, NULL,
                 oracle->is_beyond ? "too many states are possible" : "no state is possible");
        return false;
    }
    note_lost(oracle, &judged);
    oracle->last_write = 0;
    oracle->has_restarted = end != ORACLE_HUNG_UP && end != ORACLE_DAMAGED;
    if (oracle->has_restarted) {
        oracle->store.last_sequence = oracle_highest(oracle);
        oracle->written_through = oracle->durable_through = 0; /* the next run tells its own */
        memset(oracle->told, 0, sizeof oracle->told);
    }
    return oracle->complaint.text[0] == '\0';
}

bool oracle_came_back(struct oracle *oracle)
{
    struct states *states = &oracle->states;
    size_t allowed = states->n;
    uint64_t on_disk = oracle_metadata_on_disk(oracle);
    if (oracle->has_restarted) {
        states_narrow_hello(states, on_disk);
    }
    if (states->n == 0) {
        complain(&oracle->complaint, NULL,
                 "of %zu allowed states none fits %" PRIu64 " as the highest metadata on disk", allowed,
                 on_disk);
        return false;
    }
    for (size_t i = 0; i < oracle->round.n; i++) {
        const struct call *call = &oracle->round.calls[i];
        struct answer expected;
        model_read(&states->list[0].model, call->operation, &expected);
        states_narrow_read(states, call->operation, call->answer);
        if (states->n == 0) {
            complain(&oracle->complaint, call,
                     "after the restart no allowed state is left; one of the last would have said: %s %.*s",
                     status_text(expected.status), (int)expected.n, expected.text);
            return false;
        }
    }
    states_merge(states);
    if (states->n != 1) {
        complain(&oracle->complaint, NULL, "%zu states look the same: the dump does not see everything",
                 states->n);
        return false;
    }
    oracle->now = oracle->store.durable = states->list[0].model;
    oracle->n_history = 0;
    return true;
}
