/* The tables are computed once, when they are first needed: eight of them, so that eight bytes take one step. */
#include "daemon/engine/rocksdb/crc32c.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

enum { TABLES = 8, BYTE_VALUES = 256 };

#define POLYNOMIAL 0x82f63b78U /* Castagnoli's, its bits in reverse */

static uint32_t tables[TABLES][BYTE_VALUES];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void compute_tables(void)
{
    for (uint32_t value = 0; value < BYTE_VALUES; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        }
        tables[0][value] = crc;
    }
    assert(tables[0][BYTE_VALUES / 2] == POLYNOMIAL); /* its highest bit has come through all eight steps */
    for (int table = 1; table < TABLES; table++) {
        for (int value = 0; value < BYTE_VALUES; value++) {
            uint32_t before = tables[table - 1][value];
            tables[table][value] = before >> 8 ^ tables[0][before & 0xff];
        }
    }
}

uint32_t crc32c_extend_by_tables(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    int failed = pthread_once(&tables_once, compute_tables);
    assert(!failed);
    crc = ~crc;
    for (; n >= TABLES; n -= TABLES, at += TABLES) {
        uint32_t low =
            crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
              tables[0][at[7]];
    }
    for (; n > 0; n--, at++) {
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(uint32_t crc, const void *bytes,
                                                                        size_t n)
{
    const uint8_t *at = bytes;
    uint64_t state = ~crc;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        state = __builtin_ia32_crc32di(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; n > 0; n--, at++) {
        rest = __builtin_ia32_crc32qi(rest, *at);
    }
    return ~rest;
}

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t n)
{
    assert(bytes != NULL || n == 0);
    return __builtin_cpu_supports("sse4.2") ? extend_by_instruction(crc, bytes, n)
                                            : crc32c_extend_by_tables(crc, bytes, n);
}

#else

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t n)
{
    return crc32c_extend_by_tables(crc, bytes, n);
}

#endif
