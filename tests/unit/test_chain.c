/* Chains: which names are good, finding by name and number, order, and the bound. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/order/chain.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

START_TEST(each_byte_is_good_or_bad_at_each_place)
{
    const char *good = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_good = byte != 0 && strchr(good, (int)byte) != NULL;
        for (size_t at = 0; at < 3; at++) {
            uint8_t name[3] = {'a', 'b', 'c'};
            name[at] = (uint8_t)byte;
            ck_assert_int_eq(chain_name_is_valid(slice_of(name, sizeof name)), is_good);
        }
        uint8_t alone = (uint8_t)byte;
        ck_assert_int_eq(chain_name_is_valid(slice_of(&alone, 1)), is_good);
    }
}
END_TEST

START_TEST(a_name_has_1_to_64_bytes)
{
    uint8_t name[CHAIN_NAME_BYTES_MAX + 10];
    memset(name, 'a', sizeof name);
    ck_assert_int_eq(CHAIN_NAME_BYTES_MAX, 64);
    for (size_t length = 0; length <= sizeof name; length++) {
        ck_assert_int_eq(chain_name_is_valid(slice_of(name, length)), length >= 1 && length <= 64);
    }
    ck_assert(!chain_name_is_valid(slice_of(NULL, 0)));
    ck_assert(!chain_name_is_valid(slice_of(name, SIZE_MAX)));
}
END_TEST

START_TEST(a_chain_is_found_by_name_and_number)
{
    struct chain_set *chains = chain_set_new(8);
    uint8_t longest[CHAIN_NAME_BYTES_MAX + 1];
    memset(longest, 'z', sizeof longest);
    struct chain *first = chain_add(chains, text("default"), 0);
    struct chain *second = chain_add(chains, slice_of(longest, CHAIN_NAME_BYTES_MAX), 0);
    ck_assert_uint_eq(first->id, 1);
    ck_assert_uint_eq(second->id, 2);
    ck_assert(!first->visible);
    ck_assert_uint_eq(chain_count(chains), 2);
    ck_assert_uint_eq(chain_ids_max(chains), 8);
    ck_assert_ptr_eq(chain_find(chains, text("default")), first);
    ck_assert_ptr_eq(chain_find(chains, slice_of(longest, CHAIN_NAME_BYTES_MAX)), second);
    ck_assert(slice_equal(chain_name(second), slice_of(longest, CHAIN_NAME_BYTES_MAX)));
    ck_assert_ptr_eq(chain_by_id(chains, 1), first);
    ck_assert_ptr_eq(chain_by_id(chains, 2), second);

    const struct slice absent[] = {text(""),
                                   text("defaul"),
                                   text("default2"),
                                   text("Default"),
                                   slice_of("default", 8),
                                   slice_of(longest, CHAIN_NAME_BYTES_MAX - 1),
                                   slice_of(longest, CHAIN_NAME_BYTES_MAX + 1)};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        ck_assert_ptr_null(chain_find(chains, absent[i]));
    }
    const uint32_t numbers[] = {0, 3, 8, 9, UINT32_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ck_assert_ptr_null(chain_by_id(chains, numbers[i]));
    }
    chain_set_free(chains);
    chain_set_free(NULL);
}
END_TEST

START_TEST(there_are_no_more_chains_than_there_may_be)
{
    struct chain_set *chains = chain_set_new(3);
    ck_assert_ptr_nonnull(chain_add(chains, text("c"), 0));
    ck_assert_ptr_null(chain_add(chains, text("taken"), 1));
    ck_assert_ptr_null(chain_add(chains, text("beyond"), 4));
    ck_assert_ptr_null(chain_add(chains, text("far"), UINT32_MAX));
    ck_assert_ptr_nonnull(chain_add(chains, text("b"), 2));
    ck_assert_ptr_nonnull(chain_add(chains, text("a"), 3));
    ck_assert_ptr_null(chain_add(chains, text("d"), 0));
    ck_assert_uint_eq(chain_count(chains), 3);
    ck_assert_ptr_null(chain_find(chains, text("d")));
    ck_assert_ptr_null(chain_find(chains, text("taken")));
    chain_set_free(chains);
}
END_TEST

/* A start loads the chains in the order of their names, each with the number it has. */
START_TEST(chains_loaded_in_any_order_of_numbers_leave_the_next_free)
{
    struct chain_set *chains = chain_set_new(8);
    ck_assert_ptr_nonnull(chain_add(chains, text("a"), 3));
    ck_assert_ptr_nonnull(chain_add(chains, text("b"), 1));
    ck_assert_ptr_nonnull(chain_add(chains, text("c"), 2));
    struct chain *next = chain_add(chains, text("d"), 0);
    ck_assert_ptr_nonnull(next);
    ck_assert_uint_eq(next->id, 4);
    chain_set_free(chains);
}
END_TEST

START_TEST(a_removed_chain_leaves_its_name_and_its_place)
{
    struct chain_set *chains = chain_set_new(3);
    struct chain *chain[3] = {chain_add(chains, text("a"), 0), chain_add(chains, text("b"), 0),
                              chain_add(chains, text("c"), 0)};
    chain[1]->visible = true;
    ck_assert_ptr_null(chain_add(chains, text("d"), 0));
    chain_remove(chains, chain[1]);
    ck_assert_uint_eq(chain_count(chains), 2);
    ck_assert_ptr_null(chain_find(chains, text("b")));
    ck_assert_ptr_null(chain_by_id(chains, 2));
    ck_assert_ptr_eq(chain_next(chain[0]), chain[2]);
    ck_assert(gone_has(chain_gone(chains), 2));
    uint64_t newest = chain[2]->serial;
    struct chain *again = chain_add(chains, text("b"), 0);
    ck_assert_ptr_nonnull(again);
    ck_assert_uint_eq(again->id, 2); /* no other is left */
    ck_assert(!again->visible && again->marks.height == 0 && again->serial > newest);
    chain_set_free(chains);
}
END_TEST

/* The space of a number that is gone is compacted: better not with what the next chain writes. */
START_TEST(a_number_whose_space_was_asked_back_is_given_first)
{
    struct chain_set *chains = chain_set_new(4);
    ck_assert_ptr_nonnull(chain_add(chains, text("default"), 0));
    struct chain *chain = chain_add(chains, text("a"), 0);
    chain->visible = true;
    chain_remove(chains, chain);
    ck_assert_uint_eq(chain_add(chains, text("b"), 0)->id, 3);
    uint32_t first, last;
    ck_assert(gone_take(chain_gone(chains), &first, &last) && first == 2 && last == 2);
    ck_assert_uint_eq(chain_add(chains, text("c"), 0)->id, 2);
    chain_set_free(chains);
}
END_TEST

START_TEST(one_that_was_never_made_leaves_no_space_to_ask_back)
{
    struct chain_set *chains = chain_set_new(2);
    chain_remove(chains, chain_add(chains, text("a"), 0));
    ck_assert(!gone_has(chain_gone(chains), 1) && chain_count(chains) == 0);
    chain_set_free(chains);
}
END_TEST

START_TEST(one_whose_sweep_is_with_the_writer_lives_until_that_comes_back)
{
    struct chain_set *chains = chain_set_new(4);
    struct chain *swept[3];
    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), '\0'};
        swept[i] = chain_add(chains, text(name), 0);
        swept[i]->visible = swept[i]->sweeping = true;
        chain_remove(chains, swept[i]);
        ck_assert(swept[i]->is_removed);
    }
    ck_assert_uint_eq(chain_count(chains), 0);
    swept[1]->sweeping = swept[0]->sweeping = false;
    chain_free_removed(chains, swept[1]);
    chain_free_removed(chains, swept[0]);
    chain_set_free(chains); /* with the last one, which the writer never gave back */
}
END_TEST

START_TEST(default_is_renewed_under_its_number)
{
    struct chain_set *chains = chain_set_new(2);
    struct chain *chain = chain_add(chains, text("default"), 0);
    uint64_t serial = chain->serial;
    chain->visible = true;
    chain->marks = (struct chain_marks){9, 8, 7, 6, 5};
    chain->blocks_reclaimed = chain->states_reclaimed = 6;
    chain->dropped.names = chain->tops.block = 4;
    chain_renew(chains, chain);
    ck_assert_ptr_eq(chain_find(chains, text("default")), chain);
    ck_assert(chain->id == 1 && chain->visible && chain->serial > serial);
    ck_assert(chain->marks.height == 0 && chain->blocks_reclaimed == 0 && chain->tops.block == 0);
    ck_assert_uint_eq(dropped_count(&chain->dropped), 0);
    ck_assert(gone_has(chain_gone(chains), 1));
    chain_set_free(chains);
}
END_TEST

START_TEST(chains_are_walked_in_byte_order_of_their_names)
{
    enum { COUNT = 300 };
    struct chain_set *chains = chain_set_new(COUNT);
    struct random_source random = random_from(random_seed("chain names"));
    static const char letters[] = "az09._-";
    for (uint32_t i = 0; i < COUNT;) {
        uint8_t name[CHAIN_NAME_BYTES_MAX];
        size_t length = 1 + random_below(&random, 6);
        for (size_t at = 0; at < length; at++) {
            name[at] = (uint8_t)letters[random_below(&random, sizeof letters - 1)];
        }
        if (chain_find(chains, slice_of(name, length)) == NULL) {
            ck_assert_ptr_nonnull(chain_add(chains, slice_of(name, length), 0));
            i++;
        }
    }
    uint32_t count = 1;
    for (struct chain *chain = chain_first(chains); chain_next(chain) != NULL; chain = chain_next(chain)) {
        ck_assert_int_lt(slice_compare(chain_name(chain), chain_name(chain_next(chain))), 0);
        count++;
    }
    ck_assert_uint_eq(count, COUNT);
    chain_set_free(chains);
    chains = chain_set_new(1);
    ck_assert_ptr_null(chain_first(chains));
    chain_set_free(chains);
}
END_TEST

int main(void)
{
    thread_set_role(THREAD_LOOP);
    TCase *tests;
    Suite *suite = suite_new("chain", 60, &tests);
    tcase_add_test(tests, each_byte_is_good_or_bad_at_each_place);
    tcase_add_test(tests, a_name_has_1_to_64_bytes);
    tcase_add_test(tests, a_chain_is_found_by_name_and_number);
    tcase_add_test(tests, there_are_no_more_chains_than_there_may_be);
    tcase_add_test(tests, chains_loaded_in_any_order_of_numbers_leave_the_next_free);
    tcase_add_test(tests, a_removed_chain_leaves_its_name_and_its_place);
    tcase_add_test(tests, a_number_whose_space_was_asked_back_is_given_first);
    tcase_add_test(tests, one_that_was_never_made_leaves_no_space_to_ask_back);
    tcase_add_test(tests, one_whose_sweep_is_with_the_writer_lives_until_that_comes_back);
    tcase_add_test(tests, default_is_renewed_under_its_number);
    tcase_add_test(tests, chains_are_walked_in_byte_order_of_their_names);
    return suite_run(suite, false);
}
