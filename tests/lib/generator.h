/* Random operations for the model test. An episode is a list for one fresh store; it depends on nothing but the seed. */
#ifndef TESTS_LIB_GENERATOR_H
#define TESTS_LIB_GENERATOR_H

#include "tests/lib/operation.h"

struct episode {
    uint64_t seed;
    char arguments[160]; /* of the daemon */
    struct operation *operations;
    size_t n;
};

struct episode episode_new(uint64_t seed, size_t operations);
/* With claims, and writes with numbers under them. */
struct episode episode_new_claimed(uint64_t seed, size_t operations);
/* What the bytes choose, at most so many. */
struct episode episode_from_bytes(const uint8_t *bytes, size_t count, size_t operations_max);
void episode_free(struct episode *episode);

/* Reads that together see everything a store holds. Returns how many; ret_operations has room for DUMP_OPERATIONS. */
enum { DUMP_OPERATIONS = 1 + CHAINS_KNOWN * (3 + HEIGHTS_KNOWN + HASHES_KNOWN) };
size_t dump_operations(struct operation *ret_operations);

#endif
