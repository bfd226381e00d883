/* Claims in the client library against a model of the daemon (contract §12), which loses connections, dies with what was accepted, refuses
 * and answers late: each commit that is OK was applied once, none that is not applied was, what was applied stands in the order of the
 * submits, and the last metadata that was set is there. $CAIRN_SEED repeats a run. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claim_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 40, STEPS = 400, FRAMES_MAX = 512, COMMITS_MAX = STEPS + 1 };

static struct random_source random_steps;

/* The daemon: what it has received and not judged, what it has applied, and the answers that it holds back. */
static struct fake_frame *received;
static size_t received_count;
static uint64_t last_number, sequence;
static uint64_t tip, tip_on_disk; /* the last set: in memory, and what a death of the daemon leaves */
static uint64_t tip_sequence, metadata_on_disk; /* their numbers */
static int applied[COMMITS_MAX];                /* by the commit's rise_to */
static uint64_t applied_order[COMMITS_MAX], applied_count;

static struct result commits[COMMITS_MAX], sets[COMMITS_MAX];
static uint64_t commit_count, set_count;

static bool chance(unsigned percent)
{
    return random_chance(&random_steps, percent);
}

static void receive(void)
{
    while (received_count < FRAMES_MAX && !fake_quiet(claims.fds[0])) {
        fake_receive(claims.fds[0], &received[received_count++]);
    }
}

static void answer_commit(const struct fake_frame *frame, bool talks)
{
    Cairn__Commit *commit = cairn__commit__unpack(NULL, frame->bytes, frame->body);
    ck_assert(commit != NULL && commit->number > last_number); /* what was applied does not come again */
    bool refuses = commit->number != last_number + 1 || chance(10);
    Cairn__ConflictReason reason = commit->number != last_number + 1 ? CAIRN__CONFLICT_REASON__REASON_NUMBER
                                                                     : CAIRN__CONFLICT_REASON__REASON_HEIGHT;
    if (!refuses) {
        last_number++;
        if (commit->carry || chance(20)) { /* the metadata lane has come so far */
            tip_on_disk = tip;
            metadata_on_disk = tip_sequence;
        }
        applied[commit->rise_to]++;
        applied_order[applied_count++] = commit->rise_to;
    }
    cairn__commit__free_unpacked(commit, NULL);
    if (talks && refuses) {
        claims_refuse(0, frame, reason, -1);
    } else if (talks) {
        claims_answer(0, frame, ++sequence, CAIRN__LEVEL__LEVEL_DURABLE);
    }
}

/* Judges the first of what was received. `talks`: its client hears of it. */
static void judge(bool talks)
{
    const struct fake_frame frame = received[0];
    memmove(received, received + 1, --received_count * sizeof *received);
    if (frame.type == FRAME_COMMIT) {
        answer_commit(&frame, talks);
    } else if (frame.type == FRAME_PRESENT && talks) {
        claims_answer_present(0, &frame, last_number);
    } else if (frame.type == FRAME_WRITE_METADATA) {
        Cairn__WriteMetadata *write = cairn__write_metadata__unpack(NULL, frame.bytes, frame.body);
        ck_assert(write != NULL && write->operations[0]->value.len == sizeof tip);
        memcpy(&tip, write->operations[0]->value.data, sizeof tip);
        cairn__write_metadata__free_unpacked(write, NULL);
        tip_sequence = ++sequence;
        if (talks) {
            claims_answer(0, &frame, tip_sequence, CAIRN__LEVEL__LEVEL_ACCEPTED);
        }
    }
}

/* What was received whole is carried out; what was not is gone. */
static void lose(void)
{
    if (chance(70)) {
        receive();
    }
    while (received_count > 0) {
        judge(false);
    }
    claims_lose(0);
    if (chance(50)) {
        tip = tip_on_disk;
        fake_daemon_restart(&claims.fake, metadata_on_disk);
    }
    claims_reconnect(0);
}

static void submit_set(void)
{
    const uint64_t value = ++set_count;
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text("tip"), .value = {&value, sizeof value}};
    const struct cairn_write_metadata_request request = {
        .operations = &set, .operation_count = 1, .timeout_us = CAIRN_NO_TIMEOUT};
    ck_assert_int_eq(
        cairn_submit_write_metadata(claims.connections[0], &request, result_completed, &sets[value]),
        CAIRN_OK);
}

static void submit_commit(void)
{
    const uint64_t height = ++commit_count;
    const struct cairn_commit_request request = {
        .rise_to = height, .carry = chance(20), .timeout_us = chance(10) ? 1 : CAIRN_NO_TIMEOUT};
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
    for (uint64_t i = 1; i <= set_count; i++) {
        ck_assert(result_is(&sets[i], CAIRN_OK, CAIRN_REASON_NONE));
    }
    ck_assert_uint_eq(tip, set_count);
}

START_TEST(what_is_ok_was_applied_once_and_in_its_order)
{
    last_number = tip = tip_on_disk = tip_sequence = metadata_on_disk = commit_count = set_count =
        applied_count = 0;
    received_count = 0;
    sequence = 100;
    cairn_connection_free(claims.connections[1]);
    memset(applied, 0, sizeof applied);
    memset(commits, 0, sizeof commits);
    memset(sets, 0, sizeof sets);
    random_steps = random_from(random_seed("claim_model") + (uint64_t)_i);
    received = calloc(FRAMES_MAX, sizeof *received);
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    for (bool busy = true; busy;) { /* the daemon answers all that is left */
        ck_assert_int_eq(claims_run(0), CAIRN_OK);
        receive();
        busy = received_count > 0;
        if (busy) {
            judge(true);
        }
    }
    ck_assert_uint_eq(cairn_connection_in_flight(claims.connections[0]), 0);
    check_all();
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
