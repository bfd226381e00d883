#include "tests/fault/simulation_claim_model.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "tests/lib/kept.h"

enum { UID_FIRST = 1002, UID_SECOND = 1003 };

uint32_t claimant_uid(int session)
{
    return session < 2 ? UID_FIRST : UID_SECOND;
}

bool claimant_is_admin(int session)
{
    return session == 0;
}

void claim_model_begin(struct claim_model *model)
{
    memset(model, 0, sizeof *model);
    model->now.last = NO_EPOCH;
    for (int i = 0; i < CLAIM_KEPT; i++) {
        model->now.kept[i].epoch = NO_EPOCH;
    }
    claim_all_closed(&model->now, 0, 0);
}

/* Another copy may have given an epoch with the sequence number of this one's last: only the bits tell them apart. */
static void add_twin(struct claim_model *model)
{
    if (model->now.last != NO_EPOCH && model->epoch_count < CLAIM_EPOCHS_MAX) {
        struct claim_epoch *twin = &model->epochs[model->epoch_count++];
        *twin = model->epochs[model->now.last];
        twin->random ^= 1;
        twin->is_foreign = true;
    }
}

void claim_models_swap(struct claim_model *model, struct claim_model *other)
{
    static struct claim_model before;
    assert(other->epoch_count <= model->epoch_count); /* it was put aside earlier */
    for (int i = other->epoch_count; i < model->epoch_count; i++) {
        other->epochs[i] = model->epochs[i];
        other->epochs[i].is_foreign = true;
    }
    other->epoch_count = model->epoch_count;
    before = *model;
    *model = *other;
    *other = before;
    add_twin(model);
}

void claim_session_closed(struct claim_state *state, int session, uint64_t now_us)
{
    if (state->presented[session] != NO_EPOCH && state->presented[session] == state->last) {
        state->left_least_us = state->left_most_us = now_us;
    }
    state->presented[session] = NO_EPOCH;
    state->ends[session] = state->is_ended[session] = false;
    state->numbers_from = state->numbers_from == session ? NO_SESSION : state->numbers_from;
}

void claim_all_closed(struct claim_state *state, uint64_t least_us, uint64_t most_us)
{
    for (int i = 0; i < CLAIMANTS; i++) {
        state->presented[i] = NO_EPOCH;
        state->ends[i] = state->is_ended[i] = false;
    }
    state->numbers_from = NO_SESSION;
    state->left_least_us = least_us;
    state->left_most_us = most_us;
}

/* ---- one call ---- */

struct verdict {
    bool may_be_ok, is_repeated;
    unsigned statuses; /* it may be refused with, by bits */
    unsigned reasons;  /* of a conflict, by bits */
};

static struct verdict refused(enum status status, enum conflict_reason reason)
{
    return (struct verdict){.statuses = 1U << status, .reasons = 1U << reason};
}

static const struct verdict fine = {.may_be_ok = true};

uint64_t claim_last_number(const struct claim_state *state)
{
    assert(state->last == NO_EPOCH || state->kept[0].epoch == state->last);
    return state->last != NO_EPOCH ? state->kept[0].last_number : 0;
}

bool claim_is_under_last(const struct claim_state *state, int session)
{
    return state->stands && state->presented[session] == state->last;
}

static bool is_presented(const struct claim_state *state)
{
    bool is_presented = false;
    for (int i = 0; i < CLAIMANTS; i++) {
        is_presented |= state->presented[i] == state->last;
    }
    return is_presented;
}

static struct verdict judge_claim(const struct claim_state *state, const struct claim_call *call)
{
    bool may_take_over = claimant_is_admin(call->session) || claimant_uid(call->session) == state->holder_uid;
    if (!state->stands || claim_is_under_last(state, call->session) || (call->is_asked && may_take_over)) {
        return fine;
    }
    struct verdict verdict = refused(STATUS_CONFLICT, REASON_CLAIMED);
    verdict.may_be_ok = !is_presented(state) && call->answered_us >= state->left_least_us + CLAIM_GRACE_US;
    if (!is_presented(state) && call->sent_us >= state->left_most_us + CLAIM_GRACE_US) {
        return fine;
    }
    return verdict;
}

/* What is judged where the numbers are, at the write's place. */
static struct verdict judge_condition(const struct claim_state *state, const struct claim_call *call)
{
    unsigned reasons = 0;
    bool is_commit = call->kind == CLAIM_COMMIT;
    if (is_commit ? call->expected != UINT64_MAX && call->expected != state->height
                  : call->height > state->height) {
        reasons |= 1U << REASON_HEIGHT;
    }
    if (call->kind != CLAIM_PRUNE && state->pruned > 0 && call->height <= state->pruned) {
        reasons |= 1U << REASON_PRUNED;
    }
    return reasons == 0 ? fine : (struct verdict){.statuses = 1U << STATUS_CONFLICT, .reasons = reasons};
}

static struct verdict judge_write(const struct claim_state *state, const struct claim_call *call)
{
    bool has_epoch = state->presented[call->session] != NO_EPOCH;
    bool is_large = call->kind != CLAIM_METADATA && call->kind != CLAIM_COMMIT;
    if (is_large && !has_epoch && !claimant_is_admin(call->session)) {
        return refused(STATUS_PERMISSION, REASON_NONE);
    }
    if (call->number != 0 && !has_epoch) {
        return refused(STATUS_INVALID, REASON_NONE);
    }
    if (has_epoch ? !claim_is_under_last(state, call->session) : state->stands) {
        return refused(STATUS_CONFLICT, REASON_CLAIMED);
    }
    bool is_from_another = call->number != 0 && state->numbers_from != call->session;
    if (is_from_another || (call->number != 0 && call->number > claim_last_number(state) + 1)) {
        return refused(STATUS_CONFLICT, REASON_NUMBER);
    }
    if (call->number != 0 && call->number <= claim_last_number(state)) {
        return (struct verdict){.may_be_ok = true, .is_repeated = true};
    }
    bool has_condition = call->kind != CLAIM_METADATA && call->kind != CLAIM_DROP;
    return has_condition ? judge_condition(state, call) : fine;
}

static struct verdict judge(const struct claim_state *state, const struct claim_call *call)
{
    if (call->kind == CLAIM_CREATE) {
        return fine;
    }
    if (!state->is_there) {
        return refused(STATUS_INVALID, REASON_NONE);
    }
    switch (call->kind) {
    case CLAIM_CLAIM:
        return judge_claim(state, call);
    case CLAIM_PRESENT:
        return state->stands && call->epoch == state->last ? fine : refused(STATUS_CONFLICT, REASON_CLAIMED);
    case CLAIM_RELEASE:
        if (call->is_asked) {
            return claimant_is_admin(call->session) ? fine : refused(STATUS_PERMISSION, REASON_NONE);
        }
        return claim_is_under_last(state, call->session) ? fine : refused(STATUS_CONFLICT, REASON_CLAIMED);
    default:
        return judge_write(state, call);
    }
}

bool claim_may_be_ok(const struct claim_state *state, const struct claim_call *call)
{
    return judge(state, call).may_be_ok;
}

/* UINT64_MAX: none is to be told; *ret_is_known: the model knows. */
static uint64_t number_of_epoch(const struct claim_model *model, const struct claim_state *state, int epoch,
                                bool *ret_is_known)
{
    for (int i = 0; i < CLAIM_KEPT; i++) {
        if (state->kept[i].epoch == epoch) {
            *ret_is_known = true;
            return state->kept[i].last_number;
        }
    }
    *ret_is_known = model->epochs[epoch].is_foreign;
    return UINT64_MAX;
}

static bool is_told_number(const struct claim_model *model, const struct claim_state *state,
                           const struct claim_call *call)
{
    if (call->kind != CLAIM_PRESENT || (call->status != STATUS_OK && call->status != STATUS_CONFLICT)) {
        return true;
    }
    bool is_known;
    uint64_t number = number_of_epoch(model, state, call->epoch, &is_known);
    return !is_known || number == call->last_number;
}

static bool is_conflict(const struct claim_call *call, enum conflict_reason reason)
{
    return call->status == STATUS_CONFLICT && call->reason == reason;
}

bool claim_resend_fits(const struct claim_state *state, const struct claim_call *call)
{
    if (!state->is_there) {
        return is_conflict(call, REASON_DROPPED);
    }
    if (!judge_write(state, call).may_be_ok) {
        return is_conflict(call, REASON_CLAIMED);
    }
    /* Under a claim the writer itself rolled back, with all that was accepted before. */
    bool may_be_claimed = state->claimed == CLAIM_UNKNOWN || call->resend_of < state->claimed;
    bool may_be_cut =
        (!state->stands || may_be_claimed) && (state->cut == CLAIM_UNKNOWN || call->resend_of < state->cut);
    bool is_lost = (may_be_cut && state->cut != CLAIM_UNKNOWN && state->claimed != CLAIM_UNKNOWN) ||
                   (may_be_claimed && state->claimed != CLAIM_UNKNOWN);
    bool is_cut = is_conflict(call, REASON_ROLLED_BACK) || is_conflict(call, REASON_DROPPED);
    return (call->status == STATUS_OK && !is_lost) || (is_cut && may_be_cut) ||
           (is_conflict(call, REASON_CLAIMED) && may_be_claimed);
}

bool claim_fits(const struct claim_model *model, const struct claim_state *state,
                const struct claim_call *call)
{
    struct verdict verdict = judge(state, call);
    if (!is_told_number(model, state, call)) {
        return false;
    }
    if (call->status == STATUS_OK) {
        return verdict.may_be_ok && verdict.is_repeated == call->is_repeated;
    }
    return (verdict.statuses & 1U << call->status) != 0 &&
           (call->status != STATUS_CONFLICT || (verdict.reasons & 1U << call->reason) != 0);
}

static void forget_blocks(struct claim_state *state, uint64_t first, uint64_t last)
{
    for (uint64_t height = first; height <= last; height++) {
        state->blocks[height] = 0;
    }
}

/* What `told` did is answered behind that: its own connection stays. */
static void end_sessions(struct claim_state *state, int told)
{
    for (int i = 0; i < CLAIMANTS; i++) {
        if (state->ends[i] && !claim_is_under_last(state, i)) {
            state->ends[i] = false;
            state->is_ended[i] = i != told;
        }
    }
}

static uint64_t number_of(const struct claim_call *call)
{
    return call->sequence != 0 ? call->sequence : CLAIM_UNKNOWN;
}

static void apply_claim(struct claim_state *state, const struct claim_call *call)
{
    memmove(state->kept + 1, state->kept, (CLAIM_KEPT - 1) * sizeof state->kept[0]);
    state->kept[0].epoch = state->last = call->epoch;
    state->kept[0].last_number = 0;
    state->presented[call->session] = call->epoch;
    state->ends[call->session] = false;
    state->numbers_from = call->session;
    state->stands = true;
    state->holder_uid = claimant_uid(call->session);
    state->claimed = number_of(call);
    end_sessions(state, call->session);
}

static void apply_drop(struct claim_state *state, int session)
{
    state->is_there = state->stands = false;
    state->height = state->pruned = 0;
    state->last = NO_EPOCH;
    state->numbers_from = NO_SESSION;
    for (int i = 0; i < CLAIM_KEPT; i++) {
        state->kept[i].epoch = NO_EPOCH;
    }
    state->claimed = 0;
    forget_blocks(state, 1, CLAIM_HEIGHTS);
    end_sessions(state, session);
}

/* One that a session asks for while there is none is no error. */
static void apply_release(struct claim_state *state, const struct claim_call *call)
{
    if (state->stands) {
        state->stands = false;
        state->claimed = number_of(call);
        end_sessions(state, call->session);
    }
}

void claim_apply(struct claim_state *state, const struct claim_call *call)
{
    struct verdict verdict = judge(state, call);
    assert(verdict.may_be_ok && call->height <= CLAIM_HEIGHTS);
    if (verdict.is_repeated) {
        return;
    }
    if (call->number != 0) {
        state->kept[0].last_number = call->number;
    }
    switch (call->kind) {
    case CLAIM_CLAIM:
        apply_claim(state, call);
        return;
    case CLAIM_PRESENT:
        state->presented[call->session] = call->epoch;
        state->numbers_from = call->is_asked ? call->session : state->numbers_from;
        state->ends[call->session] = call->ends;
        return;
    case CLAIM_RELEASE:
        apply_release(state, call);
        return;
    case CLAIM_METADATA:
        return;
    case CLAIM_COMMIT:
        state->blocks[call->height] = call->id;
        state->height = call->height > state->height ? call->height : state->height;
        return;
    case CLAIM_ROLLBACK:
        forget_blocks(state, call->height + 1, CLAIM_HEIGHTS);
        state->height = call->height;
        state->cut = number_of(call);
        return;
    case CLAIM_PRUNE:
        forget_blocks(state, 1, call->height);
        state->pruned = call->height > state->pruned ? call->height : state->pruned;
        return;
    case CLAIM_DROP:
        apply_drop(state, call->session);
        return;
    case CLAIM_CREATE:
        state->cut = state->is_there ? state->cut : number_of(call);
        state->is_there = true;
    }
}

/* ---- a round ---- */

static const char *const kind_names[] = {"claim",    "present", "release", "metadata", "commit",
                                         "rollback", "prune",   "drop",    "create"};

static void complain_of(struct complaint *complaint, const struct claim_call *call,
                        const struct claim_state *state, const char *what)
{
    complain(complaint, NULL,
             "claims: %s: %s of session %d, asked %d, epoch %d, number %" PRIu64 ", height %" PRIu64
             ", expected %" PRId64 ": %s, reason %u, repeated %d, last number %" PRId64 ", sequence %" PRIu64
             "; in a state: there %d, stands %d, epoch %d, its number %" PRIu64
             ", numbers from %d, height %" PRIu64 ", pruned %" PRIu64
             ", presented by %d %d %d; sent at %" PRIu64 " us, answered at %" PRIu64 ", left from %" PRIu64
             " to %" PRIu64,
             what, kind_names[call->kind], call->session, call->is_asked, call->epoch, call->number,
             call->height, (int64_t)call->expected, status_text(call->status), call->reason,
             call->is_repeated, (int64_t)call->last_number, call->sequence, state->is_there, state->stands,
             state->last, claim_last_number(state), state->numbers_from, state->height, state->pruned,
             state->presented[0], state->presented[1], state->presented[2], call->sent_us, call->answered_us,
             state->left_least_us, state->left_most_us);
}

size_t claim_carried_out(const struct claim_round *round, const struct claim_call **ret_calls)
{
    size_t n = 0;
    for (size_t i = 0; i < round->n; i++) {
        const struct claim_call *call = &round->calls[i];
        if (!call->is_answered || call->status != STATUS_OK) {
            continue;
        }
        size_t at = n++;
        while (at > 0 && ret_calls[at - 1]->sequence > call->sequence) {
            ret_calls[at] = ret_calls[at - 1];
            at--;
        }
        ret_calls[at] = call;
    }
    return n;
}

static bool is_before(const struct claim_call *first, const struct claim_call *second)
{
    return first->answered_at < second->sent_at ||
           (first->session == second->session && first->sent_at < second->sent_at);
}

/* states[i]: before the i-th of those that were carried out. */
static bool check_refused(const struct claim_model *model, const struct claim_state *states,
                          const struct claim_call *const *done, size_t n, const struct claim_call *call,
                          struct complaint *complaint)
{
    size_t first = 0, last = n;
    for (size_t i = 0; i < n; i++) {
        first = is_before(done[i], call) ? i + 1 : first;
        last = is_before(call, done[i]) && i < last ? i : last;
    }
    bool may_be_excused = call->is_excused && call->number == 0;
    for (size_t i = first; i <= last; i++) {
        if (claim_fits(model, &states[i], call)) {
            return true;
        }
        may_be_excused |= call->is_excused && call->number > claim_last_number(&states[i]);
    }
    if (!may_be_excused) {
        complain_of(complaint, call, &states[first], "nothing explains this answer");
    }
    return may_be_excused;
}

void claim_note_drop(struct claim_model *model, const struct claim_state *before)
{
    for (int i = 0; i < CLAIM_KEPT; i++) {
        if (before->kept[i].epoch != NO_EPOCH) {
            model->epochs[before->kept[i].epoch].is_foreign = true;
        }
    }
}

/* What was not answered as durable may be taken by a power cut, and all behind it. */
static void note_past(struct claim_model *model, const struct claim_state *before,
                      const struct claim_call *call)
{
    if (call->kind == CLAIM_METADATA) {
        return;
    }
    if (call->level != CLAIM_LEVEL_WRITTEN) {
        model->past_count = 0;
    } else if (!call->is_repeated) {
        assert(model->past_count < CLAIM_PAST_MAX); /* who sends looks */
        model->past[model->past_count].before = *before;
        model->past[model->past_count++].sequence = call->sequence;
    }
}

bool claim_round_check(struct claim_model *model, const struct claim_round *round,
                       struct complaint *complaint)
{
    static struct claim_state states[CLAIM_CALLS_MAX + 1];
    const struct claim_call *done[CLAIM_CALLS_MAX];
    size_t n = claim_carried_out(round, done);
    states[0] = model->now;
    for (size_t i = 0; i < n; i++) {
        if (!claim_fits(model, &states[i], done[i])) {
            complain_of(complaint, done[i], &states[i], "it was carried out");
            return false;
        }
        states[i + 1] = states[i];
        claim_apply(&states[i + 1], done[i]);
    }
    for (size_t i = 0; i < round->n; i++) {
        const struct claim_call *call = &round->calls[i];
        if (call->status != STATUS_OK && !check_refused(model, states, done, n, call, complaint)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        note_past(model, &states[i], done[i]);
        if (done[i]->kind == CLAIM_DROP) {
            claim_note_drop(model, &states[i]);
        }
    }
    model->now = states[n];
    return true;
}
