/* The seed's life: drawn at the first hash of the process, and never changed, as the tables keep what it gave.
 *
 * Way to fail: the kernel may refuse getrandom to a confined process. The 16 random bytes that every process gets from the
 * kernel at its start serve then. */
#include "daemon/runtime/name_hash.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <xxhash.h>

enum { START_BYTES = 16 };

static uint64_t seed;

static void choose_seed(void)
{
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed) {
        return;
    }
    const void *start = (const void *)getauxval(AT_RANDOM);
    assert(start != NULL); /* Linux gives them since 2.6.29; 0 would be a seed that anybody knows */
    seed = XXH3_64bits(start, START_BYTES);
}

unsigned name_hash(const void *bytes, size_t length)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int failed = pthread_once(&once, choose_seed);
    assert(!failed);
    return (unsigned)XXH3_64bits_withSeed(bytes, length, seed);
}
