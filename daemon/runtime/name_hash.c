#include "daemon/runtime/name_hash.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>
#include <xxhash.h>

static uint64_t seed;

static void choose_seed(void)
{
    ssize_t got = getrandom(&seed, sizeof seed, 0);
    assert(got == (ssize_t)sizeof seed);
}

unsigned name_hash(const void *bytes, size_t length)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_seed);
    return (unsigned)XXH3_64bits_withSeed(bytes, length, seed);
}
