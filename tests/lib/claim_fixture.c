/* The fixture of the tests of claims in the client library. */
#include "tests/lib/claim_fixture.h"

#include <poll.h>
#include <unistd.h>

#include "tests/lib/suite.h"

struct claim_fixture claims;

void result_completed(void *context, const struct cairn_reply *reply)
{
    struct result *result = context;
    if (!claims.ended && result != NULL) {
        result->count++;
        result->status = reply->status;
        result->reason = reply->reason;
        result->write = reply->write;
    }
}

bool result_is(const struct result *result, enum cairn_status status, enum cairn_reason reason)
{
    return result->count == 1 && result->status == status && result->reason == reason;
}

bool result_is_open(const struct result *result)
{
    return result->count == 0;
}

/* Processes one connection until there is nothing to do. */
enum cairn_status claims_run(int which)
{
    enum cairn_status status;
    struct pollfd waiting;
    do {
        waiting = (struct pollfd){cairn_connection_fd(claims.connections[which]),
                                  cairn_connection_events(claims.connections[which]), 0};
        poll(&waiting, 1, 0);
        status = cairn_connection_process(claims.connections[which], waiting.revents);
    } while (status == CAIRN_OK && (waiting.revents & (POLLIN | POLLOUT)));
    return status;
}

void claims_meet(int which)
{
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
    claims.fds[which] = fake_daemon_meet(&claims.fake);
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_get_state(claims.connections[which]), CAIRN_READY);
}

void claims_lose(int which)
{
    close(claims.fds[which]);
    claims.fds[which] = -1;
    ck_assert_int_eq(claims_run(which), CAIRN_CONNECTION_LOST);
}

void claims_reconnect(int which)
{
    ck_assert_int_eq(cairn_connection_reconnect(claims.connections[which]), CAIRN_OK);
    claims_meet(which);
}

struct fake_frame claims_expect(int which, uint8_t type)
{
    struct fake_frame frame;
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
    fake_receive(claims.fds[which], &frame);
    ck_assert_int_eq(frame.type, type);
    return frame;
}

struct fake_frame claims_expect_commit(int which, uint64_t rise_to, uint64_t number)
{
    struct fake_frame frame = claims_expect(which, FRAME_COMMIT);
    Cairn__Commit *message = cairn__commit__unpack(NULL, frame.bytes, frame.body);
    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(message->rise_to, rise_to);
    ck_assert_uint_eq(message->number, number);
    ck_assert_int_eq(message->has_number, number != 0);
    cairn__commit__free_unpacked(message, NULL);
    return frame;
}

struct fake_frame claims_expect_set(int which, char name, uint64_t resend_of)
{
    struct fake_frame frame = claims_expect(which, FRAME_WRITE_METADATA);
    Cairn__WriteMetadata *message = cairn__write_metadata__unpack(NULL, frame.bytes, frame.body);
    ck_assert(message != NULL && message->n_operations == 1);
    ck_assert_int_eq(message->operations[0]->name.data[0], name);
    ck_assert_uint_eq(message->resend_of, resend_of);
    cairn__write_metadata__free_unpacked(message, NULL);
    return frame;
}

struct fake_frame claims_expect_present(int which, bool for_numbers)
{
    struct fake_frame frame = claims_expect(which, FRAME_PRESENT);
    Cairn__Present *message = cairn__present__unpack(NULL, frame.bytes, frame.body);
    ck_assert(message != NULL && message->epoch != NULL);
    ck_assert_uint_eq(message->epoch->sequence, CLAIMS_EPOCH);
    ck_assert_uint_eq(message->epoch->random, CLAIMS_EPOCH_RANDOM);
    ck_assert_int_eq(message->for_numbers, for_numbers);
    cairn__present__free_unpacked(message, NULL);
    return frame;
}

void claims_answer_present(int which, const struct fake_frame *frame, uint64_t last_number)
{
    Cairn__PresentReply reply = CAIRN__PRESENT_REPLY__INIT;
    reply.has_sequence = reply.has_level = reply.has_last_number = true;
    reply.sequence = 50;
    reply.level = CAIRN__LEVEL__LEVEL_DURABLE;
    reply.last_number = last_number;
    fake_send_message(claims.fds[which], frame, 0, &reply.base);
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
}

void claims_refuse(int which, const struct fake_frame *frame, Cairn__ConflictReason reason, int last_number)
{
    uint8_t body[64];
    Cairn__Error error = CAIRN__ERROR__INIT;
    error.has_reason = true;
    error.reason = reason;
    error.has_last_number = last_number >= 0;
    error.last_number = last_number >= 0 ? (uint64_t)last_number : 0;
    const struct frame_reply header = {.type = frame->type,
                                       .id = frame->id,
                                       .status = STATUS_CONFLICT,
                                       .body_bytes = (uint32_t)cairn__error__pack(&error, body)};
    fake_send(claims.fds[which], &header, body);
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
}

void claims_answer(int which, const struct fake_frame *frame, uint64_t sequence, Cairn__Level level)
{
    fake_send_written(claims.fds[which], frame, sequence, level, 0);
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
}

void claims_commit(int which, uint64_t rise_to, struct result *result)
{
    const struct cairn_commit_request request = {.rise_to = rise_to, .timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(cairn_submit_commit(claims.connections[which], &request, result_completed, result),
                     CAIRN_OK);
}

void claims_set(int which, char name, struct result *result)
{
    const struct cairn_operation operation = {
        .kind = CAIRN_SET, .name = {&name, 1}, .value = cairn_text("value")};
    const struct cairn_write_metadata_request request = {
        .operations = &operation, .operation_count = 1, .timeout_us = CLAIMS_LONG_US};
    ck_assert_int_eq(
        cairn_submit_write_metadata(claims.connections[which], &request, result_completed, result), CAIRN_OK);
}

void claims_send_granted(int which, const struct fake_frame *claim)
{
    Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
    Cairn__ClaimReply reply = CAIRN__CLAIM_REPLY__INIT;
    epoch.has_sequence = epoch.has_random = reply.has_sequence = reply.has_level = true;
    epoch.sequence = reply.sequence = CLAIMS_EPOCH;
    epoch.random = CLAIMS_EPOCH_RANDOM;
    reply.level = CAIRN__LEVEL__LEVEL_DURABLE;
    reply.epoch = &epoch;
    fake_send_message(claims.fds[which], claim, 0, &reply.base);
}

void claims_claim(int which)
{
    struct result result = {.count = 0};
    const struct cairn_claim_request request = {.writer_name = cairn_text("test")};
    ck_assert_int_eq(cairn_submit_claim(claims.connections[which], &request, result_completed, &result),
                     CAIRN_OK);
    struct fake_frame frame = claims_expect(which, FRAME_CLAIM);
    claims_send_granted(which, &frame);
    ck_assert_int_eq(claims_run(which), CAIRN_OK);
    ck_assert(result_is(&result, CAIRN_OK, CAIRN_REASON_NONE) && result.write.sequence == CLAIMS_EPOCH);
}

/* The first connection has claimed; the claim is presented on the other. */
void claims_start(void)
{
    fake_daemon_start(&claims.fake);
    claims.fake.features = FEATURE_CLAIMS;
    claims.ended = false;
    const struct cairn_client_options options = {.socket_path = claims.fake.path};
    ck_assert_int_eq(cairn_client_new(&options, &claims.client), CAIRN_OK);
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        ck_assert_int_eq(cairn_connection_open(claims.client, &claims.connections[i]), CAIRN_OK);
        claims_meet(i);
    }
    claims_claim(0);
    struct fake_frame present = claims_expect_present(1, false);
    claims_answer_present(1, &present, 0);
}

void claims_stop(void)
{
    claims.ended = true;
    cairn_client_free(claims.client);
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        close(claims.fds[i]);
    }
    fake_daemon_stop(&claims.fake);
}

/* The daemon dies and starts again, having found metadata up to `on_disk`. */
void claims_restart(uint64_t on_disk)
{
    for (int i = 0; i < CLAIMS_CONNECTIONS; i++) {
        claims_lose(i);
    }
    fake_daemon_restart(&claims.fake, on_disk);
}
