/* The rule of claims: who may write, who may claim, and when a claim is held. No clock: the tests say what time it is. */
#include <check.h>

#include "daemon/order/chain_claim.h"
#include "tests/lib/suite.h"

enum { GRACE_US = 5000000, UID = 1001 };

static struct chain_claim claim;
static const struct epoch none = {0, 0}, first = {10, 111}, second = {20, 222};
static char some, other; /* sessions are known by their addresses alone */

static const struct session *session(char *address)
{
    return (const struct session *)address;
}

static void begin(struct epoch epoch, uint64_t now_us)
{
    chain_claim_begin(
        &claim, &(struct claim_record){.epoch = epoch, .uid = UID, .pid = 7, .name = slice_of("node", 4)}, 0,
        now_us);
}

static bool may_claim(struct epoch presented, bool takes_over, uint32_t uid, bool is_admin, uint64_t now_us)
{
    struct chain_claim_wish wish = {presented, takes_over, uid, is_admin};
    return chain_claim_admits_claim(&claim, &wish, GRACE_US, now_us);
}

static void setup(void)
{
    claim = (struct chain_claim){0};
}

START_TEST(a_chain_that_was_never_claimed_takes_writes_and_a_claim)
{
    ck_assert(!chain_claim_stands(&claim) && !chain_claim_is_held(&claim, GRACE_US, 0));
    ck_assert(chain_claim_admits_write(&claim, none));
    ck_assert(!chain_claim_admits_write(&claim,
                                        first)); /* of a chain that was dropped, or of the copy of a store */
    ck_assert(!chain_claim_is_of(&claim, none)); /* no epoch is none of the chain's */
    ck_assert(may_claim(none, false, UID + 1, false, 0));
}
END_TEST

START_TEST(only_the_last_epoch_writes_and_time_has_no_part_in_that)
{
    begin(first, 100);
    ck_assert(chain_claim_admits_write(&claim, first) && !chain_claim_admits_write(&claim, none));
    ck_assert(!chain_claim_admits_write(&claim, (struct epoch){10, 112}));
    ck_assert(!chain_claim_admits_write(&claim, (struct epoch){11, 111}));
    begin(second, 200);
    ck_assert(chain_claim_admits_write(&claim, second) && !chain_claim_admits_write(&claim, first));
    chain_claim_end(&claim, 30);
    ck_assert(!chain_claim_stands(&claim) && chain_claim_admits_write(&claim, none));
    ck_assert(!chain_claim_admits_write(&claim, second) && !chain_claim_admits_write(&claim, first));
    begin((struct epoch){40, 333}, 300);
    ck_assert(!chain_claim_admits_write(&claim, second) && !chain_claim_admits_write(&claim, none));
    chain_claim_clear(&claim);
    ck_assert(chain_claim_admits_write(&claim, none) &&
              !chain_claim_admits_write(&claim, (struct epoch){40, 333}));
}
END_TEST

START_TEST(a_claim_is_held_while_a_session_has_presented_it_and_a_grace_longer)
{
    begin(first, 1000);
    ck_assert(chain_claim_is_held(&claim, GRACE_US, 1000 + GRACE_US - 1) &&
              chain_claim_is_held(&claim, GRACE_US, 0));
    ck_assert(!chain_claim_is_held(&claim, GRACE_US, 1000 + GRACE_US));
    chain_claim_join(&claim);
    chain_claim_join(&claim);
    ck_assert(chain_claim_is_held(&claim, GRACE_US, UINT64_MAX));
    chain_claim_leave(&claim, session(&some), 2000);
    ck_assert(chain_claim_is_held(&claim, GRACE_US, UINT64_MAX));
    chain_claim_leave(&claim, session(&other), 3000000);
    ck_assert(chain_claim_is_held(&claim, GRACE_US, 3000000 + GRACE_US - 1));
    ck_assert(!chain_claim_is_held(&claim, GRACE_US, 3000000 + GRACE_US));
    chain_claim_join(&claim);
    chain_claim_end(&claim, 30);
    ck_assert(!chain_claim_is_held(&claim, GRACE_US, 3000000));
    chain_claim_leave(&claim, session(&some), 4000000);
    ck_assert(!chain_claim_is_held(&claim, GRACE_US, 4000000));
}
END_TEST

START_TEST(who_may_claim_what_is_held)
{
    begin(first, 0);
    chain_claim_join(&claim);
    ck_assert(!may_claim(none, false, UID, false, 1) && !may_claim(none, false, UID, true, 1));
    ck_assert(may_claim(none, true, UID, false, 1)); /* the same user */
    ck_assert(!may_claim(none, true, UID + 1, false, 1));
    ck_assert(may_claim(none, true, UID + 1, true, 1));
    ck_assert(may_claim(first, false, UID + 1, false, 1)); /* its own, once more */
    begin(second, 2);
    chain_claim_join(&claim);
    ck_assert(!may_claim(first, false, UID, false, 3));
    chain_claim_leave(&claim, session(&some), 4);
    ck_assert(!may_claim(none, false, UID, false, 3 + GRACE_US) &&
              may_claim(none, false, UID + 1, false, 4 + GRACE_US));
}
END_TEST

START_TEST(numbers_come_from_the_session_that_presented_for_them_last)
{
    begin(first, 0);
    chain_claim_join(&claim);
    chain_claim_take_numbers(&claim, session(&some));
    chain_claim_join(&claim);
    ck_assert_ptr_eq(claim.numbers_from, session(&some));
    chain_claim_take_numbers(&claim, session(&other));
    chain_claim_leave(&claim, session(&some), 1);
    ck_assert_ptr_eq(claim.numbers_from, session(&other));
    chain_claim_leave(&claim, session(&other), 1);
    ck_assert_ptr_null(claim.numbers_from);
    chain_claim_join(&claim);
    chain_claim_take_numbers(&claim, session(&some));
    begin(second, 2);
    ck_assert_ptr_null(claim.numbers_from);
}
END_TEST

START_TEST(a_number_may_have_been_applied_up_to_the_highest_that_was_taken)
{
    begin(first, 0);
    ck_assert(!chain_claim_may_have_applied(&claim, 0) && !chain_claim_may_have_applied(&claim, 1));
    chain_claim_note_number(&claim, 1);
    chain_claim_note_number(&claim, 2);
    chain_claim_note_number(&claim, 1);
    chain_claim_note_number(&claim, 9); /* which the writer refuses: it says nothing of those below it */
    chain_claim_note_number(&claim, 0); /* a write without one */
    ck_assert(chain_claim_may_have_applied(&claim, 2) && !chain_claim_may_have_applied(&claim, 3));
    begin(second, 0);
    ck_assert(!chain_claim_may_have_applied(&claim, 1));
    chain_claim_begin(&claim, &(struct claim_record){.epoch = {30, 3}, .name = slice_of("n", 1)}, 9,
                      0); /* as a start finds it */
    ck_assert(chain_claim_may_have_applied(&claim, 9) && !chain_claim_may_have_applied(&claim, 10));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("chain_claim", 30, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_chain_that_was_never_claimed_takes_writes_and_a_claim);
    tcase_add_test(tests, only_the_last_epoch_writes_and_time_has_no_part_in_that);
    tcase_add_test(tests, a_claim_is_held_while_a_session_has_presented_it_and_a_grace_longer);
    tcase_add_test(tests, who_may_claim_what_is_held);
    tcase_add_test(tests, numbers_come_from_the_session_that_presented_for_them_last);
    tcase_add_test(tests, a_number_may_have_been_applied_up_to_the_highest_that_was_taken);
    return suite_run(suite, false);
}
