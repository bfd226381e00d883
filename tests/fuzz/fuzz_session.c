/* Bytes as a session: they choose requests, several under way at once, which go to the daemon from its dispatch inwards, on the fake
 * engine. Every reply has to be one that the model allows (contract 1 to 6), every number and level one that was due. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lanes/job.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/directory.h"
#include "tests/lib/generator.h"
#include "tests/lib/kept.h"
#include "tests/lib/model_round.h"
#include "tests/lib/operation_wire.h"
#include "tests/lib/service_fixture.h"

enum {
    OPERATIONS_MAX = 96,
    /* under way at once: a read may have seen any of the views between their writes */
    ROUND_OPERATIONS_MAX = 16,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const unsigned fuzz_weight;
const unsigned fuzz_weight = 5; /* a service is made for each input; measured: 1.3 ms */

static struct round calls;
static struct outcome outcomes[ROUND_OPERATIONS_MAX];
static struct model model;
static uint64_t first_id;   /* of the round's first request */
static size_t taken;        /* replies of the fixture that were looked at */
static uint64_t last_write; /* the highest number of a write so far */

static void fail(const struct complaint *complaint)
{
    fprintf(stderr, "%s\n", complaint->text);
    abort();
}

/* ---- the fixture's asserts, where no Check runs: the linker puts these in the place of Check's ---- */

void __wrap__mark_point(const char *file, int line);
void __wrap__ck_assert_failed(const char *file, int line, const char *expression, const char *format, ...);

void __wrap__mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

void __wrap__ck_assert_failed(const char *file, int line, const char *expression, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, expression);
    if (format != NULL) {
        vfprintf(stderr, format, arguments);
    }
    va_end(arguments);
    abort();
}

/* ---- replies ---- */

static void give_credit(uint64_t id, uint64_t bytes)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = bytes;
    enum request_progress progress = service_start_as(id, FRAME_CREDIT, &credit);
    assert(progress == REQUEST_TAKEN);
}

/* What was sent since the last look; streams get credit for what they sent. */
static void take_replies(void)
{
    for (; taken < served.reply_count; taken++) {
        const struct service_reply reply = served.replies[taken];
        const struct wire_frame frame = {.header = reply.header, .body = reply.body.data};
        size_t at = reply.header.id - first_id;
        assert(at < calls.n && !outcomes[at].complete);
        outcome_take(&outcomes[at], calls.calls[at].operation, &frame);
        assert(!outcomes[at].malformed);
        if (!outcomes[at].complete && reply.header.body_bytes > 0) {
            give_credit(reply.header.id, reply.header.body_bytes);
        }
    }
}

static bool all_complete(void)
{
    for (size_t i = 0; i < calls.n; i++) {
        if (!outcomes[i].complete) {
            return false;
        }
    }
    return true;
}

/* ---- numbers and levels ---- */

static uint32_t level_due(const struct operation *operation)
{
    uint32_t asked = operation->level;
    asked = asked != 0 ? asked : operation->kind == OPERATION_METADATA ? LEVEL_ACCEPTED : LEVEL_DURABLE;
    return operation_is_commit(operation) && asked < LEVEL_WRITTEN ? LEVEL_WRITTEN : asked;
}

/* All of one connection: numbered as they were sent. */
static void check_numbers(void)
{
    for (size_t i = 0; i < calls.n; i++) {
        const struct call *call = &calls.calls[i];
        bool is_barrier = call->operation->kind == OPERATION_BARRIER;
        if (call->answer->status != STATUS_OK || !(is_barrier || call_is_applied(call))) {
            continue;
        }
        assert(call->level >= level_due(call->operation));
        if (is_barrier) {
            assert(call->sequence >= last_write);
        } else if (call->sequence != 0) { /* 0: a chain that was there */
            assert(call->sequence > last_write);
            last_write = call->sequence;
        }
    }
}

/* ---- rounds ---- */

static void start(const struct operation *operation)
{
    struct bytes frame = operation_frame(operation, service_next_id());
    struct frame_request header;
    calls.calls[calls.n++].operation = operation;
    if (frame_request_decode(frame.data, &header) != STATUS_OK ||
        service_start_bytes(header.type, frame.data + FRAME_REQUEST_BYTES, header.body_bytes, NULL) !=
            REQUEST_TAKEN) {
        abort();
    }
}

/* All are started before the first is waited for; the loop may turn in between, as the operation's connection says. */
static void run_round(struct operation *operations, size_t count)
{
    static struct complaint complaint;
    memset(&calls, 0, sizeof calls);
    memset(outcomes, 0, sizeof outcomes);
    first_id = service_next_id();
    for (size_t i = 0; i < count; i++) {
        bool turns = operations[i].connection == 0;
        operations[i].connection = 0;
        start(&operations[i]);
        if (turns) {
            service_iterate();
        }
    }
    for (take_replies(); !all_complete(); take_replies()) {
        service_iterate();
    }
    service_settle();
    for (size_t i = 0; i < count; i++) {
        struct call *call = &calls.calls[i];
        call->answered = true;
        call->answer = &outcomes[i].answer;
        call->sequence = outcomes[i].sequence;
        call->level = outcomes[i].level;
    }
    check_numbers();
    if (!round_check(&calls, &model, &complaint)) {
        fail(&complaint);
    }
}

static void open_service(void)
{
    static bool has_root;
    if (!has_root) {
        has_root = true;
        directory_root_make(true);
        (void)atexit(directory_root_remove);
    }
    served.queue_operations_max = 1024;
    served.streams_max = 64;
    service_open();
    model = model_new();
    taken = 0;
    last_write = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct episode episode = episode_from_bytes(data, size, OPERATIONS_MAX);
    open_service();
    for (size_t at = 0; at < episode.n;) {
        if (operation_is_end(&episode.operations[at])) { /* of a daemon: there is none */
            at++;
            continue;
        }
        size_t count = 1;
        while (at + count < episode.n && count < ROUND_OPERATIONS_MAX &&
               episode.operations[at + count].round == episode.operations[at].round &&
               !operation_is_end(&episode.operations[at + count])) {
            count++;
        }
        run_round(&episode.operations[at], count);
        at += count;
    }
    service_close();
    memset(&served, 0, sizeof served);
    episode_free(&episode);
    return 0;
}
