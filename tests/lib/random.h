/* Random numbers from a seed, the same on every machine; or choices that bytes make, for a fuzzer. */
#ifndef TESTS_LIB_RANDOM_H
#define TESTS_LIB_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random_source {
    uint64_t state;
    /* what the next choices are taken from, one of at most 256 from one byte, others from two; NULL: the state */
    const uint8_t *bytes;
    size_t left;
};

/* CAIRN_SEED if it is set, else a fresh one; printed, so that a failing run can be repeated. */
uint64_t random_seed(const char *what);

struct random_source random_from(uint64_t seed);
/* The bytes are borrowed; behind them every choice is 0. */
struct random_source random_from_bytes(const uint8_t *bytes, size_t count);
uint64_t random_next(struct random_source *source);
/* 0 to bound - 1; bound is at least 1. */
uint64_t random_below(struct random_source *source, uint64_t bound);
/* True in `percent` of 100 cases. */
bool random_chance(struct random_source *source, unsigned percent);
void random_fill(struct random_source *source, void *ret_bytes, size_t n);

#endif
