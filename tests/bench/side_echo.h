/* What the echo's two ends agree on. Integers are little-endian, as both ends are one machine.
 *
 *   request: bytes of the request with this header, u32; bytes of the reply, u32; id, u64; filler
 *   reply:   id, u64; bytes of the reply, u32; filler */
#ifndef BENCH_SIDE_ECHO_H
#define BENCH_SIDE_ECHO_H

#include <stdint.h>

struct echo_request {
    uint32_t bytes;
    uint32_t reply_bytes; /* with the flags below */
    uint64_t id;
};

enum {
    ECHO_REQUEST_BYTES = sizeof(struct echo_request),
    ECHO_REPLY_HEAD_BYTES = 12,
    ECHO_REPLY_BYTES_MIN = 16,
};

/* Only where the server has a store: the filler is puts (key bytes, u32; value bytes, u32; key; value), which are written
 * before the reply, with ECHO_SYNC to the device. */
#define ECHO_PUTS        (UINT32_C(1) << 31)
#define ECHO_SYNC        (UINT32_C(1) << 30)
#define ECHO_REPLY_BYTES (ECHO_SYNC - 1) /* the rest of reply_bytes */

#endif
