/* The record cache: what it says is what the store holds, it stays within its bound, and what is used stays. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/order/record_cache.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/record.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { NAMES = 200, STEPS = 100000, RECORD_BYTES_MAX = 64, CACHE_BYTES = 16 << 10 };

struct stored {
    size_t bytes; /* 0: absent */
    uint8_t record[RECORD_BYTES_MAX];
};

static struct slice name_of(unsigned number)
{
    static char name[16];
    snprintf(name, sizeof name, "name-%u", number);
    return slice_of(name, strlen(name));
}

static const struct key *key_of(uint32_t chain, unsigned number)
{
    static struct key key;
    key_set_name(&key, chain, KEY_METADATA, name_of(number));
    return &key;
}

/* Makes a record, and the change that writing it was. */
static struct metadata_change make(struct random_source *random, struct stored *stored)
{
    if (random_chance(random, 20)) {
        stored->bytes = 0;
        return (struct metadata_change){.kind = METADATA_DELETE};
    }
    size_t value_bytes = random_below(random, RECORD_BYTES_MAX - RECORD_METADATA_HEAD_BYTES + 1);
    uint64_t of_height = random_below(random, 3);
    stored->bytes = RECORD_METADATA_HEAD_BYTES + value_bytes;
    random_fill(random, stored->record, stored->bytes);
    record_put_u64(of_height, stored->record);
    return (struct metadata_change){
        .kind = METADATA_SET,
        .of_height = of_height,
        .value = slice_of(stored->record + RECORD_METADATA_HEAD_BYTES, value_bytes),
    };
}

START_TEST(what_it_knows_is_what_is_stored)
{
    static struct stored stored[NAMES];
    struct random_source random = random_from(random_seed("record_cache"));
    struct record_cache *cache = record_cache_new(CACHE_BYTES);
    unsigned known = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)random_below(&random, random_chance(&random, 70) ? NAMES / 10 : NAMES);
        struct stored *now = &stored[number];
        struct slice record;
        switch (random_below(&random, 8)) {
        case 0:
        case 1:
            record_cache_written(cache, 1, name_of(number), make(&random, now));
            break;
        case 2:
            (void)make(&random, now);
            record_cache_forget(cache, key_of(1, number));
            break;
        case 3:
            record_cache_put(cache, key_of(1, number), slice_of(now->record, now->bytes));
            break;
        default:
            ck_assert(!record_cache_find(cache, key_of(2, number), &record)); /* another chain's */
            if (record_cache_find(cache, key_of(1, number), &record)) {
                ck_assert_uint_eq(record.bytes, now->bytes);
                ck_assert(record.bytes == 0 || memcmp(record.data, now->record, now->bytes) == 0);
                known++;
            }
        }
    }
    ck_assert_uint_gt(known, STEPS / 20);
    record_cache_clear(cache);
    struct slice record;
    ck_assert(!record_cache_find(cache, key_of(1, 0), &record));
    record_cache_free(cache);
}
END_TEST

START_TEST(what_lies_in_a_range_is_forgotten_and_nothing_else)
{
    static const unsigned counts[] = {NAMES, 20000}; /* few are looked at, of many all are forgotten */
    for (int i = 0; i < 2; i++) {
        struct record_cache *cache = record_cache_new(64 << 20);
        struct slice record;
        for (unsigned number = 0; number < counts[i]; number++) {
            record_cache_put(cache, key_of(1, number), slice_of("12345678", 8));
        }
        struct key from = *key_of(1, 12), to = *key_of(1, 13);
        record_cache_forget_range(cache, &from, &to);
        ck_assert(!record_cache_find(cache, &from, &record)); /* included, */
        ck_assert(!record_cache_find(cache, key_of(1, 125), &record));
        ck_assert(record_cache_find(cache, &to, &record) == (i == 0)); /* not included */
        ck_assert(record_cache_find(cache, key_of(1, 11), &record) == (i == 0));
        record_cache_free(cache);
    }
}
END_TEST

START_TEST(a_raise_on_disk_is_read_again)
{
    struct record_cache *cache = record_cache_new(CACHE_BYTES);
    struct slice record;
    record_cache_put(cache, key_of(1, 1), slice_of(NULL, 0));
    record_cache_written(cache, 1, name_of(1), (struct metadata_change){.raise = 5});
    ck_assert(!record_cache_find(cache, key_of(1, 1), &record));
    record_cache_free(cache);
}
END_TEST

START_TEST(what_is_used_stays_while_others_come_and_go)
{
    struct record_cache *cache = record_cache_new(CACHE_BYTES);
    const uint8_t bytes[RECORD_BYTES_MAX] = {0};
    struct slice record;
    record_cache_put(cache, key_of(1, 0), slice_of(bytes, sizeof bytes));
    for (unsigned i = 1; i < 10000; i++) {
        record_cache_put(cache, key_of(1, i), slice_of(bytes, sizeof bytes));
        ck_assert(record_cache_find(cache, key_of(1, 0), &record));
    }
    unsigned known = 0;
    for (unsigned i = 0; i < 10000; i++) {
        known += record_cache_find(cache, key_of(1, i), &record);
    }
    ck_assert_uint_gt(known, 10);
    ck_assert_uint_le(known * sizeof bytes, CACHE_BYTES);
    record_cache_free(cache);
}
END_TEST

int main(void)
{
    thread_set_role(THREAD_LOOP);
    TCase *tests;
    Suite *suite = suite_new("record_cache", 60, &tests);
    tcase_add_test(tests, what_it_knows_is_what_is_stored);
    tcase_add_test(tests, what_lies_in_a_range_is_forgotten_and_nothing_else);
    tcase_add_test(tests, a_raise_on_disk_is_read_again);
    tcase_add_test(tests, what_is_used_stays_while_others_come_and_go);
    return suite_run(suite, false);
}
