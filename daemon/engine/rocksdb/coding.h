/* Integers as RocksDB stores them: of a fixed length, little-endian, or 7 bits a byte, the lowest first (varint). Each function takes
 * what it reads from the front of `from`; false: that is too short, or no such integer. Pure. */
#ifndef DAEMON_CODING_H
#define DAEMON_CODING_H

#include "daemon/schema/slice.h"

static inline uint64_t coding_fixed(const uint8_t *bytes, size_t n)
{
    assert(n <= 8);
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static inline void coding_skip(struct slice *from, size_t bytes)
{
    assert(bytes <= from->bytes);
    *from = slice_of(from->data + bytes, from->bytes - bytes);
}

static inline bool coding_take_fixed(struct slice *from, size_t n, uint64_t *ret_value)
{
    if (from->bytes < n) {
        return false;
    }
    *ret_value = coding_fixed(from->data, n);
    coding_skip(from, n);
    return true;
}

static inline bool coding_take_varint(struct slice *from, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < from->bytes && i < 10; i++) {
        value |= (uint64_t)(from->data[i] & 0x7f) << (7 * i);
        if (from->data[i] < 0x80) {
            coding_skip(from, i + 1);
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* A length as a varint, then as many bytes. */
static inline bool coding_take_bytes(struct slice *from, struct slice *ret_bytes)
{
    struct slice rest = *from;
    uint64_t length;
    if (!coding_take_varint(&rest, &length) || length > rest.bytes) {
        return false;
    }
    *ret_bytes = slice_of(rest.data, (size_t)length);
    coding_skip(&rest, (size_t)length);
    *from = rest;
    return true;
}

#endif
