/* splitmix64: one word of state, every seed good. */
#include "tests/lib/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t random_seed(const char *what)
{
    const char *given = getenv("CAIRN_SEED");
    uint64_t seed;
    if (given != NULL && *given != '\0') {
        seed = strtoull(given, NULL, 0);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        struct random_source mixed =
            random_from((uint64_t)now.tv_sec * 1000000007 ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 40);
        seed = random_next(&mixed) >> 16;
    }
    printf("%s: CAIRN_SEED=%" PRIu64 "\n", what, seed);
    fflush(stdout);
    return seed;
}

struct random_source random_from(uint64_t seed)
{
    return (struct random_source){.state = seed};
}

struct random_source random_from_bytes(const uint8_t *bytes, size_t count)
{
    return (struct random_source){.bytes = bytes, .left = count};
}

static uint64_t next_of_bytes(struct random_source *source, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count && source->left > 0; i++) {
        value = value << 8 | *source->bytes++;
        source->left--;
    }
    return value;
}

uint64_t random_next(struct random_source *source)
{
    if (source->bytes != NULL) {
        return next_of_bytes(source, 2);
    }
    uint64_t mixed = source->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

uint64_t random_below(struct random_source *source, uint64_t bound)
{
    bool is_small = source->bytes != NULL && bound <= 256;
    return (is_small ? next_of_bytes(source, 1) : random_next(source)) % bound;
}

bool random_chance(struct random_source *source, unsigned percent)
{
    return random_below(source, 100) < percent;
}

/* Word by word: tests fill hundreds of megabytes, and ThreadSanitizer counts each access. */
void random_fill(struct random_source *source, void *ret_bytes, size_t n)
{
    uint8_t *bytes = ret_bytes;
    size_t at = 0;
    if (source->bytes == NULL) {
        for (; n - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
            uint64_t word = random_next(source);
            memcpy(bytes + at, &word, sizeof word);
        }
    }
    for (; at < n; at++) {
        bytes[at] = (uint8_t)random_next(source);
    }
}
