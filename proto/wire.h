/* Protobuf's wire format where it is read or written by hand: spans of bytes, varints, lengths. Pure.
 *
 * Reading takes any bytes: false means malformed or cut off, and then the span's place is not defined. Writing is given room
 * by its caller, who asked for the size before. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    VARINT_BYTES_MAX = 10,
    FIELD_KEY_BYTES_MAX = 5, /* of a key, and of a length: both have 32 bits */
    FIELD_TYPE_BITS = 3,
    FIELD_ID_SHORT_MAX = 15, /* its key has one byte; the writing functions below know no other */
};

/* ---- reading ---- */

/* The bytes of a message, or of a part, that are not read yet. */
struct span {
    const uint8_t *next;
    const uint8_t *end;
};

static inline size_t span_bytes(const struct span *span)
{
    return (size_t)(span->end - span->next);
}

/* Takes a number of at most bytes_max bytes. */
static inline bool varint_take(struct span *span, unsigned bytes_max, uint64_t *ret_value)
{
    uint64_t value = 0;
    assert(bytes_max <= VARINT_BYTES_MAX); /* a tenth byte has the last of 64 bits */
    for (unsigned i = 0; i < bytes_max && span->next < span->end; i++) {
        uint8_t byte = *span->next++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Takes a length and the bytes it announces. */
static inline bool length_take(struct span *span, struct span *ret_part)
{
    uint64_t length;
    if (!varint_take(span, FIELD_KEY_BYTES_MAX, &length) || length > span_bytes(span)) {
        return false;
    }
    *ret_part = (struct span){span->next, span->next + length};
    span->next += length;
    return true;
}

/* ---- writing: the _bytes functions give the size, the _put functions the place behind what they wrote ---- */

static inline size_t varint_bytes(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *at++ = (uint8_t)(value | 0x80);
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline size_t number_field_bytes(uint64_t value)
{
    return 1 + varint_bytes(value);
}

static inline uint8_t *number_field_put(uint8_t *at, unsigned id, uint64_t value)
{
    assert(id >= 1 && id <= FIELD_ID_SHORT_MAX);
    *at++ = (uint8_t)(id << FIELD_TYPE_BITS);
    return varint_put(at, value);
}

static inline size_t prefixed_field_bytes(size_t length)
{
    return 1 + varint_bytes(length) + length;
}

/* Writes key and length; the caller puts the bytes behind. */
static inline uint8_t *prefix_put(uint8_t *at, unsigned id, size_t length)
{
    assert(id >= 1 && id <= FIELD_ID_SHORT_MAX);
    *at++ = (uint8_t)(id << FIELD_TYPE_BITS | 2);
    return varint_put(at, length);
}

static inline uint8_t *bytes_field_put(uint8_t *at, unsigned id, const void *data, size_t length)
{
    at = prefix_put(at, id, length);
    if (length > 0) {
        memcpy(at, data, length);
    }
    return at + length;
}

#endif
