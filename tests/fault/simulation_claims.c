/* A claimant's requests are drawn from what the chain would be if all that is under way were carried out, so that most are taken, and some
 * are repeated, ahead, under an epoch that was replaced, or from the wrong connection. */
#include "tests/fault/simulation_claims.h"

#include <assert.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_claims_dump.h"
#include "tests/fault/simulation_claims_wire.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_steps.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

enum {
    CALL_ID = 100,
    METADATA_KEPT = 4,
    NUMBERS_BACK = 4, /* how far repeated numbers lie back, at most */
};

static_assert((int)SIMULATED_CLAIMANTS == (int)CLAIMANTS, "each claimant is a client");

static struct {
    struct claim_model model, aside;
    struct claim_state guess; /* all that is under way carried out */
    struct claim_round round;
    size_t wanted;                    /* requests of the round */
    uint64_t metadata[METADATA_KEPT]; /* the numbers of the last that was taken, rising */
    size_t metadata_count;
    bool is_dumping;
    bool awaits_hello[CLAIMANTS], was_connected[CLAIMANTS];
    uint64_t events, last_id, hung_up_us, kept_through;
} claims;

static struct complaint *const complaint = &simulation.oracle.complaint;

void claims_begin(void)
{
    memset(&claims, 0, sizeof claims);
    claim_model_begin(&claims.model);
}

void claims_copy_chain(void)
{
    claims.aside = claims.model;
}

/* What was accepted by the other store is not sent again to this one. */
void claims_swap_chains(void)
{
    claim_models_swap(&claims.model, &claims.aside);
    claims.metadata_count = 0;
}

static void connect_claimant(int session)
{
    claims.awaits_hello[session] = true;
    claims_send_hello(session);
}

static bool is_connected(int session)
{
    return simulated_is_connected(CLAIMANT_FIRST + (unsigned)session);
}

/* Who is not connected waits for nothing: what came behind a hang-up nobody sees. */
static size_t in_flight(void)
{
    size_t n = 0;
    for (size_t i = 0; i < claims.round.n; i++) {
        const struct claim_call *call = &claims.round.calls[i];
        n += call->answered_at == 0 && is_connected(call->session);
    }
    return n;
}

/* ---- choosing ---- */

static int some_epoch(void)
{
    const struct claim_state *guess = &claims.guess;
    int epoch = guess->last;
    if (epoch == NO_EPOCH || scheduler_chance(30)) {
        uint64_t back = scheduler_below(CLAIM_KEPT + 2);
        epoch = claims.model.epoch_count - 1 - (int)back;
    }
    return epoch >= 0 && claims.model.epochs[epoch].random != 0 ? epoch : NO_EPOCH;
}

static uint64_t some_number(void)
{
    uint64_t last = claims.guess.last != NO_EPOCH ? claims.guess.kept[0].last_number : 0;
    if (scheduler_chance(35)) {
        return 0;
    }
    if (scheduler_chance(70)) {
        return last + 1;
    }
    uint64_t least = last > NUMBERS_BACK ? last - NUMBERS_BACK : 0;
    return least + 1 + scheduler_below(last - least + 2);
}

static uint32_t some_level(void)
{
    bool has_room = claims.model.past_count + CLAIM_CALLS_MAX <= CLAIM_PAST_MAX;
    return has_room && scheduler_chance(60) ? CAIRN__LEVEL__LEVEL_WRITTEN : CAIRN__LEVEL__LEVEL_DURABLE;
}

static int some_session(void)
{
    int numbers_from = claims.guess.numbers_from;
    if (numbers_from != NO_SESSION && scheduler_chance(60)) { /* or hardly a write would be taken */
        return numbers_from;
    }
    return (int)scheduler_below(CLAIMANTS);
}

static enum claim_kind some_kind(void)
{
    uint64_t dice = scheduler_below(100);
    if (!claims.guess.stands && dice < 30) {
        return CLAIM_CLAIM;
    }
    return dice < 6    ? CLAIM_CLAIM
           : dice < 20 ? CLAIM_PRESENT
           : dice < 23 ? CLAIM_RELEASE
           : dice < 33 ? CLAIM_METADATA
           : dice < 41 ? CLAIM_ROLLBACK
           : dice < 46 ? CLAIM_PRUNE
           : dice < 47 ? CLAIM_DROP
                       : CLAIM_COMMIT;
}

static uint64_t some_height(enum claim_kind kind)
{
    uint64_t height = claims.guess.height;
    switch (kind) {
    case CLAIM_COMMIT:
        return height < CLAIM_HEIGHTS ? height + 1 : height;
    case CLAIM_ROLLBACK:
        return height < CLAIM_HEIGHTS && scheduler_chance(20) ? height + 1
                                                              : height - scheduler_below(height / 2 + 1);
    case CLAIM_PRUNE:
        return scheduler_below(height / 2 + 1);
    default:
        return 0;
    }
}

/* False: nothing is sent now. */
static bool choose(struct claim_call *call)
{
    bool is_there = claims.guess.is_there;
    *call = (struct claim_call){.kind = is_there ? some_kind() : CLAIM_CREATE,
                                .session = some_session(),
                                .epoch = NO_EPOCH,
                                .expected = UINT64_MAX,
                                .last_number = UINT64_MAX,
                                .is_asked = scheduler_chance(40),
                                .ends = scheduler_chance(50)};
    bool is_numbered =
        call->kind == CLAIM_COMMIT || call->kind == CLAIM_ROLLBACK || call->kind == CLAIM_PRUNE;
    bool is_alone = call->kind == CLAIM_DROP || call->kind == CLAIM_CREATE;
    call->height = some_height(call->kind);
    call->number = is_numbered ? some_number() : 0;
    call->level = is_numbered ? some_level() : 0;
    if (call->kind == CLAIM_COMMIT && scheduler_chance(70)) {
        call->expected = claims.guess.height + (scheduler_chance(15) ? 1 : 0);
    }
    if (call->kind == CLAIM_CLAIM) {
        call->epoch = claims.model.epoch_count;
    } else if (call->kind == CLAIM_PRESENT) {
        call->epoch = some_epoch();
    }
    bool has_epoch = call->kind != CLAIM_CLAIM || claims.model.epoch_count < CLAIM_EPOCHS_MAX;
    bool is_due = call->kind != CLAIM_PRESENT || call->epoch != NO_EPOCH;
    bool may_send = is_connected(call->session) && !claims.awaits_hello[call->session] &&
                    !claims.guess.is_ended[call->session];
    return has_epoch && is_due && may_send && !(call->kind == CLAIM_PRUNE && call->height == 0) &&
           (!is_alone || in_flight() == 0);
}

/* A plant: the daemon takes the session for one that presented the last epoch. */
static void plant(const struct claim_call *call)
{
    if (simulated_plan.plant == PLANT_EPOCH_IS_REVIVED &&
        (call->kind == CLAIM_COMMIT || call->kind == CLAIM_METADATA)) {
        simulated_revive_epoch(CLAIMANT_FIRST + (unsigned)call->session, CHAIN_APART);
    }
}

static void send_next(void)
{
    struct claim_call *call = &claims.round.calls[claims.round.n];
    if (!choose(call)) {
        return;
    }
    bool is_last = call->kind == CLAIM_DROP || call->kind == CLAIM_CREATE;
    claims.wanted = is_last ? claims.round.n + 1 : claims.wanted;
    claims.model.epoch_count += call->kind == CLAIM_CLAIM;
    call->id = (uint32_t)++claims.last_id;
    call->sent_at = ++claims.events;
    call->sent_us = scheduler_now_us();
    call->answered_us = UINT64_MAX; /* it may be carried out whenever */
    if (claim_may_be_ok(&claims.guess, call)) {
        claim_apply(&claims.guess, call);
    }
    plant(call);
    claims_send_call(call, claims.model.epochs, CALL_ID + claims.round.n);
    claims.round.n++;
    simulation.result->claim_requests++;
}

/* ---- taking ---- */

/* Whether what went wrong in the round explains the refusal. Claims, and what makes room, go on without space. */
static bool is_excused(const struct claim_call *call)
{
    const struct oracle_excuses *excuses = &simulation.oracle.excuses;
    bool is_metadata = call->kind == CLAIM_METADATA;
    bool takes_space = call->kind == CLAIM_COMMIT || call->kind == CLAIM_CREATE;
    switch (call->status) {
    case STATUS_SHUTTING_DOWN:
        return excuses->is_stopping;
    case STATUS_BUSY:
        return excuses->engine_refuses;
    case STATUS_NO_SPACE:
        return excuses->engine_refuses || (is_metadata && excuses->metadata_refused) ||
               (takes_space && excuses->commits_refused);
    case STATUS_DAMAGED:
        return is_metadata ? excuses->raises_left_out : excuses->writer_reads_fail;
    default:
        return false;
    }
}

static void take_answer(struct claim_call *call, const struct wire_frame *frame)
{
    claims_read_answer(call, frame, claims.model.epochs);
    call->answered_at = ++claims.events;
    call->answered_us = scheduler_now_us();
}

/* Whether that session was to end before somebody else was answered like this, whatever else is in the round. */
static bool is_ended_by(const struct claim_call *call, int session)
{
    bool ends = call->status == STATUS_OK && call->session != session && claims.model.now.ends[session] &&
                (call->kind == CLAIM_CLAIM || call->kind == CLAIM_RELEASE || call->kind == CLAIM_DROP);
    for (size_t i = 0; i < claims.round.n; i++) {
        const struct claim_call *own = &claims.round.calls[i];
        ends &= own->session != session ||
                (own->kind != CLAIM_CLAIM && own->kind != CLAIM_PRESENT && own->kind != CLAIM_RELEASE);
    }
    return ends;
}

static bool check_ended_before(const struct claim_call *call)
{
    for (int i = 0; i < CLAIMANTS; i++) {
        if (is_ended_by(call, i) && is_connected(i)) {
            complain(complaint, NULL, "claims: the connection of session %d outlives its epoch", i);
            return false;
        }
    }
    return true;
}

static void note_metadata(const struct claim_call *call)
{
    if (call->kind != CLAIM_METADATA || call->status != STATUS_OK) {
        return;
    }
    if (claims.metadata_count == METADATA_KEPT) {
        memmove(claims.metadata, claims.metadata + 1, --claims.metadata_count * sizeof *claims.metadata);
    }
    size_t at = claims.metadata_count++;
    for (; at > 0 && claims.metadata[at - 1] > call->sequence;
         at--) { /* answers of two sessions change places */
        claims.metadata[at] = claims.metadata[at - 1];
    }
    claims.metadata[at] = call->sequence;
}

static bool take(int session, const struct wire_frame *frame)
{
    uint64_t id = frame->header.id;
    bool is_stopping = simulation.oracle.excuses.is_stopping;
    if (claims.awaits_hello[session] && id == CLAIMS_HELLO_ID &&
        (frame->header.status == STATUS_OK || is_stopping)) {
        claims.awaits_hello[session] = false;
        return true;
    }
    struct claim_call *call = id >= CALL_ID ? &claims.round.calls[id - CALL_ID] : NULL;
    if (id < CALL_ID || id - CALL_ID >= claims.round.n || call->session != session ||
        call->answered_at != 0) {
        complain(complaint, NULL, "claims: a reply that nobody asked for: %s",
                 status_text(frame->header.status));
        return false;
    }
    take_answer(call, frame);
    call->is_excused = is_excused(call);
    if (call->kind == CLAIM_PRESENT && call->is_excused) {
        /* its session may be under the epoch all the same: it is from the acceptance on */
        call->is_answered = false;
    }
    note_metadata(call);
    return check_ended_before(call);
}

static struct wire_frame *take_frame(int session)
{
    return is_connected(session) ? simulated_take(CLAIMANT_FIRST + (unsigned)session) : NULL;
}

/* ---- moves ---- */

static bool is_any_connected(void)
{
    bool is_any = false;
    for (int i = 0; i < CLAIMANTS; i++) {
        is_any |= is_connected(i) && !claims.awaits_hello[i] && !claims.guess.is_ended[i];
    }
    return is_any;
}

static bool is_sending(void)
{
    bool is_stopping = simulation.oracle.excuses.is_stopping;
    return claims.round.n < claims.wanted && !is_stopping && is_any_connected();
}

bool claims_step(void)
{
    int session = (int)scheduler_below(CLAIMANTS);
    if (claims.is_dumping) {
        return true;
    }
    if (is_sending() && scheduler_chance(50)) {
        send_next();
    }
    struct wire_frame *frame = scheduler_chance(70) ? take_frame(session) : NULL;
    return frame == NULL || take(session, frame);
}

bool claims_are_quiet(void)
{
    bool is_quiet = !is_sending();
    for (int i = 0; i < CLAIMANTS; i++) {
        unsigned client = CLAIMANT_FIRST + (unsigned)i;
        is_quiet &= !simulated_is_connected(client) || !simulated_has_replies(client);
    }
    return is_quiet;
}

bool claims_have_ended(void)
{
    bool is_waiting = in_flight() > 0 || is_sending();
    for (int i = 0; i < CLAIMANTS; i++) {
        bool is_leaving = !is_connected(i) && simulated_has_requests(CLAIMANT_FIRST + (unsigned)i);
        is_waiting |= (is_connected(i) && claims.awaits_hello[i]) || is_leaving;
    }
    return !is_waiting;
}

/* Some come and go between rounds: what they presented goes with the connection, and the grace begins. */
static void come_and_go(void)
{
    for (int i = 0; i < CLAIMANTS; i++) {
        unsigned client = CLAIMANT_FIRST + (unsigned)i;
        if (simulated_is_connected(client) && scheduler_chance(4)) {
            simulated_hang_up(client);
            claim_session_closed(&claims.model.now, i, scheduler_now_us());
        } else if (!simulated_is_connected(client) && scheduler_chance(50)) {
            connect_claimant(i);
        }
    }
}

void claims_begin_round(void)
{
    assert(claims.round.n == 0);
    claims.wanted = scheduler_chance(50) ? scheduler_below(CLAIM_CALLS_MAX) : 0;
    if (claims.wanted > 0) {
        come_and_go();
    }
    for (int i = 0; i < CLAIMANTS; i++) {
        claims.was_connected[i] = is_connected(i);
    }
    claims.guess = claims.model.now;
}

/* ---- ends ---- */

bool claims_take_what_was_sent(void)
{
    for (int i = 0; i < CLAIMANTS; i++) {
        for (struct wire_frame *frame; (frame = take_frame(i)) != NULL;) {
            if (!take(i, frame)) {
                return false;
            }
        }
    }
    return true;
}

void claims_hang_up(bool is_cut)
{
    claims.kept_through = is_cut ? simulation.oracle.durable_through : UINT64_MAX;
    claims.wanted = claims.round.n;
    claims.hung_up_us = scheduler_now_us();
    for (int i = 0; i < CLAIMANTS; i++) {
        claims.awaits_hello[i] = false;
        simulated_hang_up(CLAIMANT_FIRST + (unsigned)i);
    }
}

/* Those that the daemon ended, and only those whose epoch was, with that wish. */
static bool close_ended(void)
{
    struct claim_state *now = &claims.model.now;
    for (int i = 0; i < CLAIMANTS; i++) {
        if (now->is_ended[i] != (claims.was_connected[i] && !is_connected(i))) {
            complain(complaint, NULL, "claims: the connection of session %d %s with its epoch", i,
                     now->is_ended[i] ? "does not end" : "ends, and was not to,");
            return false;
        }
        if (now->is_ended[i]) {
            claims.awaits_hello[i] = false;
            claim_session_closed(now, i, scheduler_now_us());
            simulation.result->ended++;
        }
    }
    return true;
}

static void apply_presents(const struct claim_dump *dump)
{
    for (size_t i = 0; i < dump->present_count; i++) {
        if (dump->presents[i].status == STATUS_OK) {
            claim_apply(&claims.model.now, &dump->presents[i]);
        }
    }
}

bool claims_came_back(bool is_restarted)
{
    static struct claim_dump dump;
    claims.is_dumping = true;
    simulated_plan.reads_fail_percent = simulated_plan.writer_fails_percent = 0;
    simulated_plan.refuses_percent = simulated_plan.hangs_of_1000 = 0;
    connect_claimant(0);
    const struct wire_frame *frame = claims_await(0);
    bool is_good = frame != NULL && take(0, frame) && claims_dump(&claims.model, &claims.round, &dump) &&
                   claim_round_crashed(&claims.model, &claims.round, &dump, claims.kept_through, complaint);
    if (is_good) {
        /* Without a restart it may be that nobody had presented the last epoch for long. */
        uint64_t left_us = is_restarted ? claims.hung_up_us : claims.model.now.left_least_us;
        claim_all_closed(&claims.model.now, left_us, scheduler_now_us());
        apply_presents(&dump);
        is_good = claims_send_again(&claims.model, claims.metadata, claims.metadata_count,
                                    (uint32_t)claims.last_id + 1);
        claims.last_id += METADATA_KEPT;
        claims.metadata_count = 0;
    }
    claims.is_dumping = false;
    claims.round.n = claims.wanted = 0;
    return is_good;
}

static bool is_all_known(void)
{
    bool is_known = true;
    for (size_t i = 0; i < claims.round.n; i++) {
        is_known &= claims.round.calls[i].is_answered;
    }
    return is_known;
}

bool claims_end_round(void)
{
    assert(in_flight() == 0);
    if (!is_all_known()) {
        claims_hang_up(false);
        return claims_came_back(false);
    }
    bool is_good = claim_round_check(&claims.model, &claims.round, complaint) && close_ended();
    claims.round.n = claims.wanted = 0;
    return is_good;
}
