/* A claimant's requests are drawn from what the chain would be if all that is under way were carried out, so that most are taken, and some
 * are repeated, ahead, under an epoch that was replaced, or from the wrong connection. */
#include "tests/fault/simulation_claims.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_claims_wire.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/fault/simulation_steps.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

enum {
    CALL_ID = 100,
    DUMP_ID = 1000,
    NUMBERS_BACK = 4, /* how far repeated numbers lie back, at most */
};

static_assert((int)SIMULATED_CLAIMANTS == (int)CLAIMANTS, "each claimant is a client");

static struct {
    struct claim_model model;
    struct claim_state guess; /* all that is under way carried out */
    struct claim_round round;
    size_t wanted; /* requests of the round */
    size_t in_flight;
    bool is_dumping;
    bool awaits_hello[CLAIMANTS];
    uint64_t events, last_id, hung_up_us, kept_through;
} claims;

static struct complaint *const complaint = &simulation.oracle.complaint;

void claims_begin(void)
{
    memset(&claims, 0, sizeof claims);
    claim_model_begin(&claims.model);
}

static void connect_claimant(int session)
{
    claims.awaits_hello[session] = true;
    claims_send_hello(session);
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
                                .is_asked = scheduler_chance(40)};
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
    unsigned client = CLAIMANT_FIRST + (unsigned)call->session;
    return has_epoch && is_due && simulated_is_connected(client) && !claims.awaits_hello[call->session] &&
           !(call->kind == CLAIM_PRUNE && call->height == 0) && (!is_alone || claims.in_flight == 0);
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
    claims.in_flight++;
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
        call->is_answered =
            false; /* its session may be under the epoch all the same: it is from the acceptance on */
    }
    claims.in_flight--;
    return true;
}

/* What came behind a hang-up nobody sees. */
static struct wire_frame *take_frame(int session)
{
    unsigned client = CLAIMANT_FIRST + (unsigned)session;
    return simulated_is_connected(client) ? simulated_take(client) : NULL;
}

/* ---- moves ---- */

static bool is_any_connected(void)
{
    bool is_any = false;
    for (int i = 0; i < CLAIMANTS; i++) {
        is_any |= simulated_is_connected(CLAIMANT_FIRST + (unsigned)i) && !claims.awaits_hello[i];
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
    bool awaits_hello = false;
    for (int i = 0; i < CLAIMANTS; i++) {
        awaits_hello |= claims.awaits_hello[i];
    }
    return claims.in_flight == 0 && !awaits_hello && !is_sending();
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
    assert(claims.in_flight == 0 && claims.round.n == 0);
    claims.wanted = scheduler_chance(50) ? scheduler_below(CLAIM_CALLS_MAX) : 0;
    if (claims.wanted > 0) {
        come_and_go();
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
    claims.in_flight = 0; /* nobody is there for the answers */
    for (int i = 0; i < CLAIMANTS; i++) {
        claims.awaits_hello[i] = false;
        simulated_hang_up(CLAIMANT_FIRST + (unsigned)i);
    }
}

static struct wire_frame *await(int session)
{
    struct wire_frame *frame;
    for (unsigned steps = 0; (frame = take_frame(session)) == NULL; steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(complaint, NULL, "claims: no answer");
            return NULL;
        }
        if (!simulation_step()) {
            return NULL;
        }
    }
    return frame;
}

static bool dump_chain(struct claim_dump *dump)
{
    claims_send_chains(0, DUMP_ID);
    const struct wire_frame *frame = await(0);
    if (frame == NULL || frame->header.status != STATUS_OK) {
        complain(complaint, NULL, "claims: no list of chains");
        return false;
    }
    const Cairn__ChainsReply *reply =
        wire_unpack(&cairn__chains_reply__descriptor, frame->body, frame->header.body_bytes);
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Cairn__ChainEntry *entry = reply->chains[i];
        if (bytes_are(entry->name, CHAIN_APART)) {
            dump->is_there = true;
            dump->height = entry->height;
            dump->pruned = entry->has_blocks_pruned_through ? entry->blocks_pruned_through : 0;
            dump->claim_sequence = entry->has_claim_sequence ? entry->claim_sequence : 0;
            dump->claim_uid = entry->claim_uid;
        }
    }
    return true;
}

static bool dump_blocks(struct claim_dump *dump)
{
    for (uint64_t height = 1; dump->is_there && height <= CLAIM_HEIGHTS; height++) {
        claims_send_read_header(0, height, DUMP_ID + height);
        const struct wire_frame *frame = await(0);
        if (frame == NULL) {
            return false;
        }
        if (frame->header.status == STATUS_OK) {
            const Cairn__BlockReply *block =
                wire_unpack(&cairn__block_reply__descriptor, frame->body, frame->header.body_bytes);
            dump->blocks[height] =
                (uint32_t)strtoul(kept_copy(block->header.data, block->header.len), NULL, 10);
        }
    }
    return true;
}

static bool dump_epoch(struct claim_dump *dump, int epoch)
{
    if (epoch == NO_EPOCH || claims.model.epochs[epoch].random == 0) {
        return true;
    }
    struct claim_call *call = &dump->presents[dump->present_count++];
    *call = (struct claim_call){.kind = CLAIM_PRESENT, .epoch = epoch, .last_number = UINT64_MAX};
    claims_send_call(call, claims.model.epochs, DUMP_ID);
    const struct wire_frame *frame = await(0);
    if (frame != NULL) {
        take_answer(call, frame);
    }
    return frame != NULL;
}

static bool dump_all(struct claim_dump *dump)
{
    claims_send_barrier(0, DUMP_ID);
    const struct wire_frame *frame = await(0);
    bool is_good = frame != NULL && dump_chain(dump) && dump_blocks(dump);
    for (int i = 0; i < CLAIM_KEPT && dump->is_there; i++) {
        is_good = is_good && dump_epoch(dump, claims.model.now.kept[i].epoch);
    }
    for (size_t i = 0; i < claims.round.n && dump->is_there; i++) {
        bool is_claim = claims.round.calls[i].kind == CLAIM_CLAIM;
        is_good = is_good && (!is_claim || dump_epoch(dump, claims.round.calls[i].epoch));
    }
    return is_good;
}

bool claims_came_back(bool is_restarted)
{
    static struct claim_dump dump;
    dump = (struct claim_dump){0};
    claims.is_dumping = true;
    simulated_plan.reads_fail_percent = simulated_plan.writer_fails_percent = 0;
    simulated_plan.refuses_percent = simulated_plan.hangs_of_1000 = 0;
    connect_claimant(0);
    const struct wire_frame *frame = await(0);
    bool is_good = frame != NULL && take(0, frame) && dump_all(&dump) &&
                   claim_round_crashed(&claims.model, &claims.round, &dump, claims.kept_through, complaint);
    claims.is_dumping = false;
    if (!is_good) {
        return false;
    }
    /* Without a restart it may be that nobody had presented the last epoch for long. */
    uint64_t left_us = is_restarted ? claims.hung_up_us : claims.model.now.left_least_us;
    claim_all_closed(&claims.model.now, left_us, scheduler_now_us());
    for (size_t i = 0; i < dump.present_count; i++) {
        const struct claim_call *call = &dump.presents[i];
        if (call->status == STATUS_OK) {
            claim_apply(&claims.model.now, call);
        }
    }
    claims.round.n = claims.wanted = 0;
    return true;
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
    assert(claims.in_flight == 0);
    if (!is_all_known()) {
        claims_hang_up(false);
        return claims_came_back(false);
    }
    bool is_good = claim_round_check(&claims.model, &claims.round, complaint);
    claims.round.n = claims.wanted = 0;
    return is_good;
}
