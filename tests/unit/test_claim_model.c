/* Claims in the client library against a model of the daemon (contract §12), which loses connections, dies with what was accepted, refuses
 * and answers late: each commit that is OK was applied once, none that is not applied was, what was applied stands in the order of the
 * submits, and nothing stands in the place of metadata that was set later: of none that is OK, and of none that ever was on disk.
 * $CAIRN_SEED repeats a run. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    ROUNDS = 40,
    NAMES = 3,
    EPISODES = 16,
    STEPS = 30,
    FRAMES_MAX = 512,
    COMMITS_MAX = EPISODES * STEPS + 1
};

static struct random_source random_steps;

/* A value, whose name follows from it, and its number, which is its place in the order of acceptance: of a name the highest counts. */
struct value {
    uint64_t order, value;
};

/* The daemon: what it has received and not judged, what was set and is not on disk yet, what is, and what it has applied. */
static struct fake_frame *received;
static uint64_t orders[FRAMES_MAX]; /* of these */
static size_t received_count, pending_count;
static struct value pending[COMMITS_MAX * 4], on_disk[NAMES];
static uint64_t highest_on_disk[NAMES]; /* value, ever */
static struct fake_frame *awaited;      /* sets at level written that are accepted */
static uint64_t awaited_orders[FRAMES_MAX];
static size_t awaited_count;
static uint64_t last_number, order, metadata_on_disk;
static int applied[COMMITS_MAX]; /* by the commit's rise_to */
static uint64_t applied_order[COMMITS_MAX], applied_count;

static struct result commits[COMMITS_MAX], sets[COMMITS_MAX];
static uint64_t commit_count, set_count;
static uint64_t value_count; /* the values of the name, in the order of the submits */
static uint64_t commit_values[COMMITS_MAX], set_values[COMMITS_MAX]; /* 0: the commit does not set it */

static const char names[NAMES + 1] = "abc";

static bool chance(unsigned percent)
{
    return random_chance(&random_steps, percent);
}

static void receive(void)
{
    while (received_count < FRAMES_MAX && !fake_quiet(claims.fds[0])) {
        fake_receive(claims.fds[0], &received[received_count]);
        orders[received_count++] = ++order;
    }
}

static void write_to_disk(const struct value *value)
{
    struct value *place = &on_disk[value->value % NAMES];
    uint64_t *highest = &highest_on_disk[value->value % NAMES];
    *place = value->order > place->order ? *value : *place;
    *highest = place->value > *highest ? place->value : *highest;
}

/* Writes what was set before that place. */
static void write_pending(uint64_t before)
{
    size_t left = 0;
    for (size_t i = 0; i < pending_count; i++) {
        if (pending[i].order < before) {
            write_to_disk(&pending[i]);
            metadata_on_disk = pending[i].order > metadata_on_disk ? pending[i].order : metadata_on_disk;
        } else {
            pending[left++] = pending[i];
        }
    }
    pending_count = left;
}

/* Answers the sets that are written. */
static void answer_written(void)
{
    size_t left = 0;
    for (size_t i = 0; i < awaited_count; i++) {
        if (awaited_orders[i] <= metadata_on_disk) {
            claims_answer(0, &awaited[i], awaited_orders[i], CAIRN__LEVEL__LEVEL_WRITTEN);
        } else {
            awaited_orders[left] = awaited_orders[i];
            awaited[left++] = awaited[i];
        }
    }
    awaited_count = left;
}

/* The place of the first commit that waits: metadata behind it does not reach the disk. */
static uint64_t waiting_order(void)
{
    for (size_t i = 0; i < received_count; i++) {
        if (received[i].type == FRAME_COMMIT) {
            return orders[i];
        }
    }
    return order + 1;
}

/* A commit that sets the name carries, for something may be queued for it. */
static void apply(const Cairn__Commit *commit, uint64_t at)
{
    if (commit->carry || commit->n_metadata > 0) {
        write_pending(at);
    }
    if (commit->n_metadata > 0) {
        struct value value = {.order = at};
        memcpy(&value.value, commit->metadata[0]->value.data, sizeof value.value);
        write_to_disk(&value);
    }
    last_number++;
    applied[commit->rise_to]++;
    applied_order[applied_count++] = commit->rise_to;
}

/* One that is refused, and whose refusal is lost, would be judged anew, behind metadata that was accepted meanwhile: what is refused for a
 * lasting reason is refused again, and any other is not told apart from one that never came. So the model refuses only aloud. */
static void judge_commit(const struct fake_frame *frame, uint64_t at, bool talks)
{
    Cairn__Commit *commit = cairn__commit__unpack(NULL, frame->bytes, frame->body);
    ck_assert(commit != NULL && commit->number > last_number); /* what was applied does not come again */
    bool is_next = commit->number == last_number + 1, refuses = !is_next || (talks && chance(10));
    if (!refuses) {
        apply(commit, at);
    }
    cairn__commit__free_unpacked(commit, NULL);
    if (talks && refuses) {
        claims_refuse(0, frame,
                      is_next ? CAIRN__CONFLICT_REASON__REASON_HEIGHT : CAIRN__CONFLICT_REASON__REASON_NUMBER,
                      -1);
    } else if (talks) {
        claims_answer(0, frame, at, CAIRN__LEVEL__LEVEL_DURABLE);
    }
}

static void accept_set(const struct fake_frame *frame, uint64_t at, bool talks)
{
    Cairn__WriteMetadata *write = cairn__write_metadata__unpack(NULL, frame->bytes, frame->body);
    struct value value = {.order = at};
    ck_assert(write != NULL && write->operations[0]->value.len == sizeof value.value);
    memcpy(&value.value, write->operations[0]->value.data, sizeof value.value);
    bool waits = write->has_level && write->level == CAIRN__LEVEL__LEVEL_WRITTEN;
    cairn__write_metadata__free_unpacked(write, NULL);
    pending[pending_count++] = value;
    if (talks && waits) {
        awaited_orders[awaited_count] = at;
        awaited[awaited_count++] = *frame;
    } else if (talks) {
        claims_answer(0, frame, at, CAIRN__LEVEL__LEVEL_ACCEPTED);
    }
}

/* Judges one of what was received: metadata is accepted while commits before it wait in their lane. `talks`: the client hears of it. */
static void judge(bool talks)
{
    size_t at = 0;
    for (size_t i = 0; chance(40) && i < received_count; i++) {
        if (received[i].type == FRAME_WRITE_METADATA) {
            at = i;
            break;
        }
    }
    const struct fake_frame frame = received[at];
    const uint64_t at_order = orders[at];
    received_count--;
    memmove(received + at, received + at + 1, (received_count - at) * sizeof *received);
    memmove(orders + at, orders + at + 1, (received_count - at) * sizeof *orders);
    if (frame.type == FRAME_COMMIT) {
        judge_commit(&frame, at_order, talks);
    } else if (frame.type == FRAME_PRESENT && talks) {
        claims_answer_present(0, &frame, last_number);
    } else if (frame.type == FRAME_WRITE_METADATA) {
        accept_set(&frame, at_order, talks);
    }
}

/* A connection is lost: what was received whole is carried out. Or the daemon dies, with all that is not on disk. */
static void lose(void)
{
    bool dies = chance(50);
    if (chance(70)) {
        receive();
    }
    while (received_count > 0 && !(dies && chance(10))) {
        judge(false);
    }
    received_count = awaited_count = 0;
    if (chance(20)) {
        write_pending(UINT64_MAX);
    }
    claims_lose(0);
    if (dies) {
        pending_count = 0;
        fake_daemon_restart(&claims.fake, metadata_on_disk);
    }
    claims_reconnect(0);
}

static void submit_set(void)
{
    const uint64_t value = set_values[++set_count] = ++value_count;
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = {&names[value % NAMES], 1}, .value = {&value, sizeof value}};
    const struct cairn_write_metadata_request request = {.level = chance(25) ? CAIRN_WRITTEN : CAIRN_ACCEPTED,
                                                         .operations = &set,
                                                         .operation_count = 1,
                                                         .timeout_us = CAIRN_NO_TIMEOUT};
    ck_assert_int_eq(
        cairn_submit_write_metadata(claims.connections[0], &request, result_completed, &sets[set_count]),
        CAIRN_OK);
}

static void submit_commit(void)
{
    const uint64_t height = ++commit_count;
    const uint64_t value = commit_values[height] = chance(30) ? ++value_count : 0;
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = {&names[value % NAMES], 1}, .value = {&value, sizeof value}};
    const struct cairn_commit_request request = {.rise_to = height,
                                                 .carry = chance(20),
                                                 .metadata = &set,
                                                 .metadata_count = value != 0,
                                                 .timeout_us = chance(10) ? 1 : CAIRN_NO_TIMEOUT};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[0], &request, result_completed, &commits[height]),
                     CAIRN_OK);
}

static void step(void)
{
    uint64_t what = random_below(&random_steps, 100);
    if (what < 30) {
        submit_commit();
    } else if (what < 45) {
        submit_set();
    } else if (what < 60) {
        ck_assert_int_eq(claims_run(0), CAIRN_OK);
        receive();
    } else if (what < 95 && received_count > 0) {
        judge(true);
        if (chance(5)) {
            write_pending(waiting_order());
        }
        answer_written();
    } else if (what >= 96) {
        lose();
    }
}

static void check_all(void)
{
    for (uint64_t i = 1; i < applied_count; i++) {
        ck_assert_uint_lt(applied_order[i - 1], applied_order[i]);
    }
    for (uint64_t height = 1; height <= commit_count; height++) {
        const struct result *result = &commits[height];
        ck_assert_int_eq(result->count, 1);
        switch (cairn_status_applied(result->status)) {
        case CAIRN_APPLIED:
            ck_assert_msg(applied[height] == 1, "%" PRIu64 " is OK", height);
            break;
        case CAIRN_NOT_APPLIED:
            ck_assert_msg(applied[height] == 0, "%" PRIu64 " is %s", height,
                          cairn_status_text(result->status));
            break;
        default:
            ck_assert_int_eq(result->status, CAIRN_TIMEOUT); /* its caller did not wait */
            ck_assert_int_le(applied[height], 1);
        }
    }
    uint64_t least[NAMES] = {0}; /* the last that is OK: what came before it must not stand in its place */
    for (uint64_t i = 1; i <= commit_count; i++) {
        if (commits[i].status == CAIRN_OK && commit_values[i] > least[commit_values[i] % NAMES]) {
            least[commit_values[i] % NAMES] = commit_values[i];
        }
    }
    for (uint64_t i = 1; i <= set_count; i++) {
        ck_assert_int_eq(sets[i].count, 1);
        ck_assert(sets[i].status == CAIRN_OK || sets[i].status == CAIRN_CONNECTION_LOST ||
                  sets[i].status == CAIRN_NOT_SENT);
        if (sets[i].status == CAIRN_OK && set_values[i] > least[set_values[i] % NAMES]) {
            least[set_values[i] % NAMES] = set_values[i];
        }
    }
    write_pending(UINT64_MAX);
    for (size_t i = 0; i < NAMES; i++) {
        ck_assert_uint_ge(on_disk[i].value, least[i]);
        ck_assert_uint_ge(on_disk[i].value, highest_on_disk[i]);
    }
}

/* The daemon answers all that is left. */
static void finish(void)
{
    for (bool busy = true; busy;) {
        ck_assert_int_eq(claims_run(0), CAIRN_OK);
        receive();
        busy = received_count + awaited_count > 0;
        if (received_count > 0) {
            judge(true);
        } else {
            write_pending(UINT64_MAX);
        }
        answer_written();
    }
    ck_assert_uint_eq(cairn_connection_in_flight(claims.connections[0]), 0);
}

START_TEST(what_is_ok_was_applied_once_and_in_its_order)
{
    memset(on_disk, 0, sizeof on_disk);
    memset(highest_on_disk, 0, sizeof highest_on_disk);
    order = 100; /* above what the fixture has answered */
    last_number = metadata_on_disk = value_count = commit_count = set_count = applied_count = 0;
    received_count = pending_count = awaited_count = 0;
    cairn_connection_free(claims.connections[1]);
    memset(applied, 0, sizeof applied);
    memset(commits, 0, sizeof commits);
    memset(sets, 0, sizeof sets);
    random_steps = random_from(random_seed("claim_model") + (uint64_t)_i);
    received = calloc(FRAMES_MAX, sizeof *received);
    awaited = calloc(FRAMES_MAX, sizeof *awaited);
    for (int episode = 0; episode < EPISODES; episode++) {
        for (int i = 0; i < STEPS; i++) {
            step();
        }
        finish();
        check_all();
    }
    free(awaited);
    free(received);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("claim_model", 60, &tests);
    tcase_add_checked_fixture(tests, claims_start, claims_stop);
    tcase_add_loop_test(tests, what_is_ok_was_applied_once_and_in_its_order, 0, ROUNDS);
    return suite_run(suite, true);
}
