/* CRC-32C against the values that its standards give, and with the processor's instruction against the tables. */
#include <check.h>

#include "daemon/engine/rocksdb/crc32c.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

START_TEST(known_values)
{
    static const uint8_t zeros[32];
    ck_assert_uint_eq(crc32c_extend(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c_extend(0, zeros, sizeof zeros), 0x8a9136aa); /* RFC 3720, B.4 */
    ck_assert_uint_eq(crc32c_extend(0, "", 0), 0);
    ck_assert_uint_eq(crc32c_extend(crc32c_extend(0, "1234", 4), "56789", 5), 0xe3069283);
}
END_TEST

START_TEST(tables_give_the_same)
{
    struct random_source random = random_from(random_seed("crc32c"));
    uint8_t bytes[300];
    for (int i = 0; i < 1000; i++) {
        size_t from = random_below(&random, 16), n = random_below(&random, sizeof bytes - 16);
        uint32_t crc = (uint32_t)random_next(&random);
        random_fill(&random, bytes, sizeof bytes);
        ck_assert_uint_eq(crc32c_extend(crc, bytes + from, n), crc32c_extend_by_tables(crc, bytes + from, n));
    }
}
END_TEST

START_TEST(a_masked_checksum_is_another_number)
{
    ck_assert_uint_eq(crc32c_masked(0), 0xa282ead8);
    ck_assert_uint_eq(crc32c_masked(0x8000), 0xa282ead9);
    ck_assert_uint_eq(crc32c_masked(1), 0xa284ead8);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("crc32c", 20, &tests);
    tcase_add_test(tests, known_values);
    tcase_add_test(tests, tables_give_the_same);
    tcase_add_test(tests, a_masked_checksum_is_another_number);
    return suite_run(suite, true);
}
