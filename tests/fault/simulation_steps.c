/* Who moves next is drawn by weights, which each run has of its own, so that each is the slow one at times. Time passes a little with each
 * step, and in leaps when nobody has anything to do. */
#include "tests/fault/simulation_steps.h"

#include <assert.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_claims.h"
#include "tests/fault/simulation_scheduler.h"
#include "tests/lib/kept.h"

enum {
    QUIET_STEPS = 30,          /* without progress; then time passes */
    STREAM_LATE_US = 25000000, /* below stream_timeout */
    DEADLINE_FIELD = 3,        /* of WriteMetadata */
    RESEND_FIELD = 5,
    UNKNOWN_FIELD = 1000, /* of no message: it is left out */
    /* bodies above 64 KiB have memory set aside, those above 128 KiB are unpacked on the pool */
    LARGE_BYTES_MAX = 300000,
};

static_assert((int)SIMULATED_CLIENTS == (int)CONNECTIONS_MAX + (int)SIMULATED_CLAIMANTS,
              "each connection of the model is a client");
static_assert((int)SIMULATED_CHAINS == (int)CHAINS_KNOWN + 1,
              "each chain of the model has a place, and the one apart");

static struct oracle *const oracle = &simulation.oracle;

/* ---- rounds and clients ---- */

void simulation_begin_round(const struct operation *operations, size_t n)
{
    kept_clear();
    oracle_begin_round(oracle, operations, n);
    memset(simulation.senders, 0, sizeof simulation.senders);
    for (size_t i = 0; i < n; i++) {
        struct sender *sender = &simulation.senders[operations[i].connection];
        sender->calls[sender->count++] = i;
    }
    simulated_faults = (struct simulated_faults){0};
    simulation.round_began_us = scheduler_now_us();
    simulation.result->requests += n;
    simulation.result->rounds++;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *to++ = (uint8_t)(value | 0x80);
    }
    *to++ = (uint8_t)value;
    return to;
}

/* The request with a field behind its others, which may come in any order: a number, and if `bytes` is not 0, so many of them. */
static struct bytes with_field(struct bytes frame, unsigned field, uint64_t number, size_t bytes)
{
    enum { HEAD_BYTES_MAX = 20 };
    struct frame_request header;
    uint8_t *longer = kept_alloc(frame.n + HEAD_BYTES_MAX + bytes); /* zeroed */
    memcpy(longer, frame.data, frame.n);
    uint8_t *end = put_varint(longer + frame.n, field << 3 | (bytes > 0 ? 2U : 0U));
    end = put_varint(end, bytes > 0 ? bytes : number) + bytes;
    enum status status = frame_request_decode(frame.data, &header);
    assert(status == STATUS_OK);
    size_t n = (size_t)(end - longer);
    header.body_bytes += (uint32_t)(n - frame.n);
    frame_request_encode(&header, longer);
    return (struct bytes){longer, n};
}

static void send_next(unsigned client)
{
    struct sender *sender = &simulation.senders[client];
    size_t call = sender->calls[sender->sent++];
    struct operation operation = *oracle->round.calls[call].operation;
    if (simulated_plan.plant == PLANT_WRITE_IS_ANOTHER && operation.n_edits > 0 && scheduler_chance(10)) {
        operation.edits[0].name = (operation.edits[0].name + 1) % NAMES_KNOWN;
    }
    struct bytes frame = operation_frame(&operation, ORACLE_FIRST_ID + call);
    uint64_t busy_from_us = 0;
    if (oracle->resends) {
        frame = with_field(frame, RESEND_FIELD, simulation.resend_of[call], 0);
    } else if (operation.kind == OPERATION_METADATA && scheduler_below(100) < simulation.deadlines_percent) {
        uint64_t deadline_us = 1 + scheduler_below(scheduler_chance(50) ? 1000 : 1000000);
        frame = with_field(frame, DEADLINE_FIELD, deadline_us, 0);
        busy_from_us = scheduler_now_us() + deadline_us;
    }
    if (scheduler_below(100) < simulation.large_percent) {
        frame = with_field(frame, UNKNOWN_FIELD, 0, scheduler_below(LARGE_BYTES_MAX) + 1);
    }
    oracle_sent(oracle, call, busy_from_us);
    simulated_send(client, frame.data, frame.n);
}

static void give_credit(unsigned client, uint64_t id, uint64_t bytes)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = bytes;
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + 16);
    const struct frame_request header = {
        .type = FRAME_CREDIT, .id = id, .body_bytes = (uint32_t)cairn__credit__get_packed_size(&credit)};
    frame_request_encode(&header, frame);
    cairn__credit__pack(&credit, frame + FRAME_REQUEST_BYTES);
    simulated_send(client, frame, FRAME_REQUEST_BYTES + header.body_bytes);
}

/* False: the complaint says what does not fit. */
bool simulation_take_reply(unsigned client, const struct wire_frame *frame)
{
    uint64_t credit;
    if (simulated_plan.plant == PLANT_REPLY_IS_LOST && scheduler_chance_of(200)) {
        return true;
    }
    if (!oracle_take(oracle, frame, scheduler_now_us(), &credit)) {
        return false;
    }
    if (credit > 0 && simulated_is_connected(client)) {
        give_credit(client, frame->header.id, credit);
    }
    return true;
}

static bool step_client(unsigned client)
{
    struct sender *sender = &simulation.senders[client];
    uint64_t now_us = scheduler_now_us();
    if (now_us < sender->asleep_until_us || !simulated_is_connected(client)) {
        return true;
    }
    if (scheduler_below(1000) < simulation.sleeps_of_1000) {
        sender->asleep_until_us = now_us + scheduler_below(60000000);
        oracle->excuses.streams_late = true;
        return true;
    }
    if (sender->sent < sender->count && scheduler_chance(60)) {
        send_next(client);
    }
    struct wire_frame *frame = scheduler_chance(70) ? simulated_take(client) : NULL;
    return frame == NULL || simulation_take_reply(client, frame);
}

/* ---- steps ---- */

/* Nothing moves: time passes up to what is due next, or some. */
static void pass_time(void)
{
    static const uint64_t some_us[] = {100, 1000, 10000, 100000, 1000000, 10000000};
    uint64_t now_us = scheduler_now_us(), due_us = simulated_due_us();
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        uint64_t wakes_us = simulation.senders[i].asleep_until_us;
        due_us = wakes_us > now_us && wakes_us < due_us ? wakes_us : due_us;
    }
    uint64_t us = some_us[scheduler_below(sizeof some_us / sizeof some_us[0])];
    scheduler_pass_us(due_us - now_us < us ? due_us - now_us + 1 : us);
}

static enum actor choose_actor(void)
{
    uint64_t dice = scheduler_below(simulation.weight);
    int actor = 0;
    while (dice >= simulation.weights[actor]) {
        dice -= simulation.weights[actor++];
    }
    return (enum actor)actor;
}

void simulation_note_excuses(void)
{
    oracle->excuses.reads_fail |= simulated_faults.reads > 0;
    oracle->excuses.engine_refuses |= simulated_faults.refused > 0 || simulated_queue_lacks_room();
    oracle->excuses.writer_reads_fail |= simulated_faults.writer_reads > 0;
    oracle->excuses.raises_left_out |= simulated_faults.names > 0;
    oracle->excuses.metadata_refused |= simulated_plan.space >= 1;
    /* Those that hold back what was pruned, and those whose credit stands behind a write that waits. */
    oracle->excuses.streams_late |=
        simulated_plan.space >= 1 || scheduler_now_us() - simulation.round_began_us > STREAM_LATE_US;
    oracle->excuses.commits_refused |= simulated_plan.space >= 2;
    oracle->excuses.writing_ended |= simulated_failure() != NULL;
}

/* Whether no client is about to move. */
static bool clients_are_quiet(void)
{
    uint64_t now_us = scheduler_now_us();
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        const struct sender *sender = &simulation.senders[i];
        bool is_awake = simulated_is_connected(i) && now_us >= sender->asleep_until_us;
        if (is_awake && (sender->sent < sender->count || simulated_has_replies(i))) {
            return false;
        }
    }
    return true;
}

/* One actor moves. False: the complaint says what does not fit. */
bool simulation_step(void)
{
    bool is_good = true;
    simulation.result->steps++;
    switch (choose_actor()) {
    case ACTOR_LOOP:
        simulated_iterate();
        break;
    case ACTOR_WRITER:
        simulated_step_writer();
        break;
    case ACTOR_POOL:
        simulated_step_pool();
        break;
    case ACTOR_CLIENT:
        is_good = step_client((unsigned)scheduler_below(CONNECTIONS_MAX));
        break;
    case ACTOR_CLAIMANT:
        is_good = claims_step();
        break;
    case ACTOR_CLOCK:
        scheduler_pass_us(scheduler_below(50));
        if (simulation.space_changes && scheduler_chance_of(50)) {
            simulated_plan.space = (unsigned)scheduler_below(3);
        }
        break;
    case ACTORS:
        assert(false);
    }
    simulation_note_excuses();
    uint64_t progress = simulated_progress();
    simulation.quiet_steps = progress != simulation.seen_progress ? 0 : simulation.quiet_steps + 1;
    simulation.seen_progress = progress;
    if (simulation.quiet_steps >= QUIET_STEPS && clients_are_quiet() && claims_are_quiet()) {
        simulation.quiet_steps = 0;
        pass_time();
    }
    return is_good;
}

/* Steps until so many calls are answered. */
bool simulation_step_until(size_t answered)
{
    for (uint64_t steps = 0; oracle->answered < answered; steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(&oracle->complaint, NULL, "no answer");
            return false;
        }
        if (!simulation_step()) {
            return false;
        }
    }
    return true;
}

bool simulation_step_until_started(void)
{
    for (uint64_t steps = 0; !simulated_has_all() || !claims_have_ended(); steps++) {
        if (steps == SIMULATION_STEPS_MAX) {
            complain(&oracle->complaint, NULL, "claims: no answer");
            return false;
        }
        if (!simulation_step()) {
            return false;
        }
    }
    return true;
}

bool simulation_step_some(uint64_t steps)
{
    for (; steps > 0; steps--) {
        if (!simulation_step()) {
            return false;
        }
    }
    return true;
}
