/* A region's pieces: zeroed, aligned, apart from each other, whatever their sizes; all gone at once. */
#include <check.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/tool/region.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    PIECES = 2000,
};

static bool holds(const uint8_t *data, size_t bytes, uint8_t value)
{
    bool good = true;
    for (size_t i = 0; i < bytes; i++) {
        good = good && data[i] == value;
    }
    return good;
}

START_TEST(pieces_are_zeroed_aligned_and_do_not_overlap)
{
    static struct {
        uint8_t *data;
        size_t bytes;
    } pieces[PIECES];
    struct random_source random = random_from(random_seed("test_region"));
    struct region region = {0};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            size_t count = random_below(&random, 50), size = 1 + random_below(&random, 50);
            size = random_chance(&random, 1) ? 3 << 20 : size; /* larger than a block */
            size = size > 50 && count > 2 ? 50 : size;
            pieces[i].data = region_allocate(&region, count, size);
            pieces[i].bytes = count * size;
            ck_assert_uint_eq((uintptr_t)pieces[i].data % alignof(max_align_t), 0);
            ck_assert(holds(pieces[i].data, pieces[i].bytes, 0));
            memset(pieces[i].data, (int)(i % 255) + 1, pieces[i].bytes);
        }
        for (size_t i = 0; i < PIECES; i++) {
            ck_assert(holds(pieces[i].data, pieces[i].bytes, (uint8_t)(i % 255 + 1)));
        }
        region_close(&region);
        ck_assert_ptr_null(region.blocks);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("region", 20, &tests);
    tcase_add_test(tests, pieces_are_zeroed_aligned_and_do_not_overlap);
    return suite_run(suite, true);
}
