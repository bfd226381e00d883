/* Any bytes as headers: what decodes must encode to the same bytes, and what is encoded must decode to the same values. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const uint8_t *bytes)
{
    struct frame_request request;
    if (frame_request_decode(bytes, &request) != STATUS_OK) {
        return;
    }
    uint8_t again[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, again);
    assert(memcmp(again, bytes, sizeof again) == 0);
    assert(frame_type_text(request.type) != NULL);
}

static void check_reply(const uint8_t *bytes)
{
    struct frame_reply reply;
    if (frame_reply_decode(bytes, &reply) != STATUS_OK) {
        return;
    }
    uint8_t again[FRAME_REPLY_BYTES];
    frame_reply_encode(&reply, again);
    assert(memcmp(again, bytes, sizeof again) == 0);
    assert(status_text((enum status)reply.status) != NULL);
    (void)status_applied((enum status)reply.status);
}

/* The same bytes as values: encode, decode, compare. */
static void check_values(const uint8_t *bytes)
{
    struct frame_reply reply = {.type = bytes[1] & (uint8_t)~FRAME_REPLY_BIT,
                                .flags = bytes[2] & (FRAME_CONTINUED | FRAME_MORE),
                                .status = bytes[3]};
    memcpy(&reply.body_bytes, bytes + 4, sizeof reply.body_bytes);
    memcpy(&reply.id, bytes + 8, sizeof reply.id);
    memcpy(&reply.written_through, bytes + 16, sizeof reply.written_through);
    memcpy(&reply.durable_through, bytes + 24, sizeof reply.durable_through);
    uint8_t encoded[FRAME_REPLY_BYTES];
    frame_reply_encode(&reply, encoded);
    struct frame_reply back;
    assert(frame_reply_decode(encoded, &back) == STATUS_OK);
    assert(back.type == reply.type && back.flags == reply.flags && back.status == reply.status);
    assert(back.body_bytes == reply.body_bytes && back.id == reply.id);
    assert(back.written_through == reply.written_through && back.durable_through == reply.durable_through);

    struct frame_request request = {.type = reply.type, .body_bytes = reply.body_bytes, .id = reply.id};
    frame_request_encode(&request, encoded);
    struct frame_request asked;
    assert(frame_request_decode(encoded, &asked) == STATUS_OK);
    assert(asked.type == request.type && asked.body_bytes == request.body_bytes && asked.id == request.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= FRAME_REQUEST_BYTES) {
        check_request(data);
    }
    if (size >= FRAME_REPLY_BYTES) {
        check_reply(data);
        check_values(data);
    }
    return 0;
}
