/* What a crash may have left of a claimants' chain: each order of what was not answered, between what was, is tried until one is what the
 * dump says. They are few: a dozen calls of three sessions, each session's in the order sent. */
#include <inttypes.h>
#include <string.h>

#include "tests/fault/simulation_claim_model.h"

struct search {
    const struct claim_model *model;
    const struct claim_round *round;
    const struct claim_dump *dump;
    const struct claim_call *done[CLAIM_CALLS_MAX];
    size_t n, kept; /* of them so many are there for certain */
    struct claim_state found;
};

static bool matches(const struct search *search, const struct claim_state *state)
{
    const struct claim_dump *dump = search->dump;
    uint64_t sequence = state->last != NO_EPOCH ? search->model->epochs[state->last].sequence : 0;
    if (dump->is_there != state->is_there) {
        return false;
    }
    if (!state->is_there) {
        return true;
    }
    if (dump->height != state->height || dump->pruned != state->pruned ||
        (dump->claim_sequence != 0) != state->stands ||
        memcmp(dump->blocks, state->blocks, sizeof dump->blocks) != 0) {
        return false;
    }
    if (state->stands &&
        ((sequence != 0 && sequence != dump->claim_sequence) || dump->claim_uid != state->holder_uid)) {
        return false;
    }
    for (size_t i = 0; i < dump->present_count; i++) {
        if (!claim_fits(search->model, state, &dump->presents[i])) {
            return false;
        }
    }
    return true;
}

/* The calls of each session before `from` are carried out or never will be. */
static bool explore(struct search *search, const struct claim_state *state, size_t placed,
                    const size_t from[CLAIMANTS])
{
    if (placed >= search->kept && matches(search, state)) {
        search->found = *state;
        return true;
    }
    for (size_t i = 0; i < search->round->n; i++) {
        const struct claim_call *call = &search->round->calls[i];
        bool is_next = placed < search->n && call == search->done[placed];
        bool is_refused = call->is_answered && call->status != STATUS_OK;
        if (i < from[call->session] || is_refused || call->kind == CLAIM_METADATA ||
            (call->is_answered && !is_next) || !claim_may_be_ok(state, call)) {
            continue;
        }
        /* one that its session sent before, and that was carried out, is not placed yet */
        bool is_early = false;
        for (size_t k = placed; k < search->n; k++) {
            is_early |= search->done[k]->session == call->session && search->done[k] < call;
        }
        if (is_early || (is_next && !claim_fits(search->model, state, call))) {
            continue;
        }
        struct claim_state next = *state;
        size_t next_from[CLAIMANTS];
        claim_apply(&next, call);
        memcpy(next_from, from, sizeof next_from);
        next_from[call->session] = i + 1;
        if (explore(search, &next, placed + is_next, next_from)) {
            return true;
        }
    }
    return false;
}

/* Of one that was carried out: whether it is there for certain. */
static bool is_kept(const struct claim_call *call, uint64_t kept_through)
{
    return call->level != CLAIM_LEVEL_WRITTEN || call->sequence <= kept_through;
}

/* Metadata is not looked at: it says who may write, and nothing of the chain. */
static void begin_search(struct search *search, uint64_t kept_through)
{
    const struct claim_call *done[CLAIM_CALLS_MAX];
    size_t n = claim_carried_out(search->round, done);
    for (size_t i = 0; i < n; i++) {
        if (done[i]->kind == CLAIM_METADATA) {
            continue;
        }
        search->done[search->n++] = done[i];
        search->kept = is_kept(done[i], kept_through) ? search->n : search->kept;
    }
}

/* Whether the power cut took writes of earlier rounds, with all behind them. */
static bool explore_past(struct search *search, uint64_t kept_through)
{
    const struct claim_model *model = search->model;
    for (size_t i = model->past_count; search->kept == 0 && i > 0; i--) {
        if (model->past[i - 1].sequence > kept_through && matches(search, &model->past[i - 1].before)) {
            search->found = model->past[i - 1].before;
            return true;
        }
    }
    return false;
}

/* What was not answered, or was lost with the power or not, may show in nothing but its number: it may be that of the last rollback. */
static void forget_numbers(struct claim_state *state, const struct search *search, uint64_t kept_through)
{
    const struct claim_model *model = search->model;
    for (size_t i = 0; i < search->round->n; i++) {
        const struct claim_call *call = &search->round->calls[i];
        bool is_of_claim = call->kind == CLAIM_CLAIM || call->kind == CLAIM_RELEASE;
        bool cuts = call->kind == CLAIM_ROLLBACK || call->kind == CLAIM_DROP || call->kind == CLAIM_CREATE;
        bool is_open = !call->is_answered || (call->status == STATUS_OK && !is_kept(call, kept_through));
        state->claimed = is_open && is_of_claim ? CLAIM_UNKNOWN : state->claimed;
        state->cut = is_open && cuts ? CLAIM_UNKNOWN : state->cut;
    }
    for (size_t i = 0; i < model->past_count; i++) {
        bool is_open = model->past[i].sequence > kept_through && model->past[i].before.cut != model->now.cut;
        state->cut = is_open ? CLAIM_UNKNOWN : state->cut;
    }
}

bool claim_round_crashed(struct claim_model *model, const struct claim_round *round,
                         const struct claim_dump *dump, uint64_t kept_through, struct complaint *complaint)
{
    static struct search search;
    const size_t from[CLAIMANTS] = {0};
    search = (struct search){.model = model, .round = round, .dump = dump};
    begin_search(&search, kept_through);
    if (!explore(&search, &model->now, 0, from) && !explore_past(&search, kept_through)) {
        complain(complaint, NULL,
                 "claims: of %zu calls, %zu of them carried out, none of the states is there: there %d, "
                 "height %" PRIu64 ", pruned %" PRIu64 ", claim %" PRIu64 ", epoch %d told %" PRId64
                 "; before there %d, height %" PRIu64 ", pruned %" PRIu64 ", epoch %d, its number %" PRIu64,
                 round->n, search.n, dump->is_there, dump->height, dump->pruned, dump->claim_sequence,
                 dump->present_count > 0 ? dump->presents[0].epoch : NO_EPOCH,
                 dump->present_count > 0 ? (int64_t)dump->presents[0].last_number : 0, model->now.is_there,
                 model->now.height, model->now.pruned, model->now.last, claim_last_number(&model->now));
        return false;
    }
    if (model->now.is_there && !search.found.is_there) {
        claim_note_drop(model, &model->now);
    }
    forget_numbers(&search.found, &search, kept_through);
    model->now = search.found;
    model->past_count = 0; /* a barrier, or the start, has made all durable */
    if (model->now.stands) {
        model->epochs[model->now.last].sequence = model->now.claimed = dump->claim_sequence;
    }
    return true;
}
