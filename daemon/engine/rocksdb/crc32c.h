/* CRC-32C, the checksum of RocksDB's logs: with the processor's own instruction where it has one, else by tables. Pure. */
#ifndef DAEMON_CRC32C_H
#define DAEMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of bytes whose beginning has the checksum `crc` (0 for none) and which go on with these. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t n);

/* The same, whatever the processor is: what the other one is tested against. */
uint32_t crc32c_extend_by_tables(uint32_t crc, const void *bytes, size_t n);

/* A checksum as RocksDB stores it: changed, since a checksum over bytes that hold their own checksum would say little. */
static inline uint32_t crc32c_masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

#endif
