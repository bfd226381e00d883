/* A frame's life: a header of fixed size has the type, the request's id and the length of the body that follows.
 *
 * Way to fail: a malformed header. It cannot be skipped, since its length cannot be trusted: the connection ends with it. */
#include "proto/frame.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static void put_u32(uint8_t *bytes, uint32_t value)
{
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
    value = htole64(value);
    memcpy(bytes, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static uint64_t get_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

enum status frame_request_decode(const uint8_t *bytes, struct frame_request *ret_request)
{
    if (bytes[0] != FRAME_MAGIC || (bytes[1] & FRAME_REPLY_BIT) || bytes[2] != 0 || bytes[3] != 0) {
        return STATUS_INVALID;
    }
    ret_request->type = bytes[1];
    ret_request->body_bytes = get_u32(bytes + 4);
    ret_request->id = get_u64(bytes + 8);
    return STATUS_OK;
}

enum status frame_reply_decode(const uint8_t *bytes, struct frame_reply *ret_reply)
{
    const uint8_t known_flags = FRAME_CONTINUED | FRAME_MORE;
    if (bytes[0] != FRAME_MAGIC || !(bytes[1] & FRAME_REPLY_BIT) || (bytes[2] & ~known_flags)) {
        return STATUS_INVALID;
    }
    ret_reply->type = bytes[1] & (uint8_t)~FRAME_REPLY_BIT;
    ret_reply->flags = bytes[2];
    ret_reply->status = bytes[3];
    ret_reply->body_bytes = get_u32(bytes + 4);
    ret_reply->id = get_u64(bytes + 8);
    ret_reply->written_through = get_u64(bytes + 16);
    ret_reply->durable_through = get_u64(bytes + 24);
    return STATUS_OK;
}

void frame_request_encode(const struct frame_request *request, uint8_t *ret_bytes)
{
    assert(!(request->type & FRAME_REPLY_BIT)); /* the daemon would close the connection over it */
    ret_bytes[0] = FRAME_MAGIC;
    ret_bytes[1] = request->type;
    ret_bytes[2] = 0;
    ret_bytes[3] = 0;
    put_u32(ret_bytes + 4, request->body_bytes);
    put_u64(ret_bytes + 8, request->id);
}

void frame_request_set_id(uint64_t id, uint8_t *ret_bytes)
{
    put_u64(ret_bytes + 8, id);
}

void frame_reply_encode(const struct frame_reply *reply, uint8_t *ret_bytes)
{
    assert(!(reply->type & FRAME_REPLY_BIT)); /* it is set below */
    ret_bytes[0] = FRAME_MAGIC;
    ret_bytes[1] = reply->type | FRAME_REPLY_BIT;
    ret_bytes[2] = reply->flags;
    ret_bytes[3] = reply->status;
    put_u32(ret_bytes + 4, reply->body_bytes);
    put_u64(ret_bytes + 8, reply->id);
    put_u64(ret_bytes + 16, reply->written_through);
    put_u64(ret_bytes + 24, reply->durable_through);
}

const char *frame_type_text(uint8_t type)
{
    static const char *const texts[] = {
        [FRAME_HELLO] = "hello",
        [FRAME_PING] = "ping",
        [FRAME_STATUS] = "status",
        [FRAME_CHAINS] = "chains",
        [FRAME_CREATE_CHAIN] = "create chain",
        [FRAME_DROP_CHAIN] = "drop chain",
        [FRAME_DRAIN] = "drain",
        [FRAME_CLAIM] = "claim",
        [FRAME_PRESENT] = "present",
        [FRAME_RELEASE] = "release",
        [FRAME_HEIGHT] = "height",
        [FRAME_READ_BLOCK] = "read block",
        [FRAME_READ_BLOCKS] = "read blocks",
        [FRAME_READ_STATE] = "read state",
        [FRAME_GET_METADATA] = "get metadata",
        [FRAME_GET_METADATA_MANY] = "get metadata many",
        [FRAME_LIST_METADATA] = "list metadata",
        [FRAME_CREDIT] = "credit",
        [FRAME_CANCEL] = "cancel",
        [FRAME_USAGE] = "usage",
        [FRAME_WRITE_METADATA] = "write metadata",
        [FRAME_COMMIT] = "commit",
        [FRAME_PRUNE] = "prune",
        [FRAME_ROLLBACK] = "rollback",
        [FRAME_BARRIER] = "barrier",
    };
    if (type >= sizeof texts / sizeof texts[0] || texts[type] == NULL) {
        return "unknown";
    }
    return texts[type];
}
