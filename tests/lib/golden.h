/* What each golden frame means: the frames of tests/data/frames, as values. */
#ifndef TESTS_LIB_GOLDEN_H
#define TESTS_LIB_GOLDEN_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "proto/cairn.pb-c.h"
#include "proto/frame.h"

struct golden {
    const char *name;
    bool is_reply;
    struct frame_reply reply;        /* of a request only type and id; body_bytes follows from the body */
    const ProtobufCMessage *message; /* the body; NULL: raw_bytes of raw */
    size_t from, to;                 /* the part of it that this frame carries; 0, 0: all */
    const uint8_t *raw;
    size_t raw_bytes;
    uint32_t announced; /* body length in the header, if it is not the body's */
};

extern const struct golden goldens[];
extern const size_t golden_count;

#endif
