/* The epochs of sessions: which session may write to a chain, who holds a claim when sessions come and go, and that an epoch that was
 * replaced stays with its session. */
#include <check.h>
#include <stdio.h>

#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static struct session one, other;
static struct chain *chain;
static struct failure failure;
static const struct epoch first = {1000, 11}, second = {2000, 22};

static void open_all(void)
{
    service_open();
    one = other = (struct session){.service = &served.service, .role = ROLE_ADMIN};
    chain = chain_find(order_chains(served.service.order), slice_of("default", 7));
}

static void close_all(void)
{
    epochs_leave(&one, 0);
    epochs_leave(&other, 0);
    service_close();
}

static void claim(struct session *session, struct epoch epoch)
{
    struct claim_record record = {.epoch = epoch, .uid = 1, .pid = 2, .name = slice_of("node", 4)};
    chain_claim_begin(&chain->claim, &record, 0, 100);
    epochs_present(session, chain, epoch, true);
}

static void assert_verdict(const struct session *session, uint64_t number, enum epochs_verdict expected)
{
    ck_assert_int_eq(epochs_judge(session, chain, number, false, &failure), expected);
}

static void assert_refused(const struct session *session, uint64_t number, enum status status,
                           enum conflict_reason reason)
{
    assert_verdict(session, number, EPOCHS_REFUSE);
    ck_assert_int_eq(failure.status, status);
    ck_assert_int_eq(failure.reason, reason);
}

START_TEST(writes_are_judged_by_the_epoch_that_was_presented_last)
{
    assert_verdict(&one, 0, EPOCHS_ADMIT);
    assert_refused(&one, 1, STATUS_INVALID, REASON_NONE);
    claim(&one, first);
    assert_verdict(&one, 0, EPOCHS_ADMIT);
    assert_verdict(&one, 1, EPOCHS_ADMIT);
    assert_refused(&other, 0, STATUS_CONFLICT, REASON_CLAIMED);
    ck_assert_ptr_nonnull(strstr(failure.text, "\"node\", pid 2, uid 1"));
    assert_refused(&other, 1, STATUS_INVALID, REASON_NONE);
    claim(&other, second);
    assert_verdict(&other, 0, EPOCHS_ADMIT);
    assert_refused(&one, 0, STATUS_CONFLICT, REASON_CLAIMED);
    assert_refused(&one, 1, STATUS_CONFLICT, REASON_CLAIMED);
    chain_claim_end(&chain->claim, 3000);
    assert_refused(&one, 0, STATUS_CONFLICT, REASON_CLAIMED);
    assert_refused(&other, 0, STATUS_CONFLICT, REASON_CLAIMED);
    chain_claim_clear(&chain->claim); /* another chain of that name */
    assert_refused(&one, 0, STATUS_CONFLICT, REASON_CLAIMED);
}
END_TEST

START_TEST(while_a_claim_is_in_the_lane_nothing_is_judged)
{
    chain->claim.changes_queued = 1;
    one.role = ROLE_WRITER;
    ck_assert_int_eq(epochs_judge(&one, chain, 1, true, &failure), EPOCHS_UNDECIDED);
    chain->claim.changes_queued = 0;
}
END_TEST

START_TEST(numbers_come_from_the_session_that_presented_for_them_last)
{
    claim(&one, first);
    epochs_present(&other, chain, first, false);
    assert_refused(&other, 1, STATUS_CONFLICT, REASON_NUMBER);
    assert_verdict(&other, 0, EPOCHS_ADMIT);
    epochs_present(&other, chain, first, true);
    assert_verdict(&other, 1, EPOCHS_ADMIT);
    assert_refused(&one, 1, STATUS_CONFLICT, REASON_NUMBER);
    epochs_leave(&other, 0);
    assert_refused(&one, 1, STATUS_CONFLICT, REASON_NUMBER); /* until it presents for them again */
    epochs_present(&one, chain, first, true);
    assert_verdict(&one, 1, EPOCHS_ADMIT);
}
END_TEST

static unsigned ended;

static void note_end(struct session *session)
{
    ck_assert_ptr_eq(session, &other);
    ended++;
}

static void assert_ends_told(const struct session *told, unsigned expected)
{
    ended = 0;
    epochs_end_sessions(&served.service, told, slice_of("default", 7));
    ck_assert_uint_eq(ended, expected);
}

static void assert_ends(unsigned expected)
{
    assert_ends_told(&one, expected);
}

START_TEST(a_session_that_asked_for_it_ends_when_its_epoch_does)
{
    one.end = other.end = note_end;
    claim(&one, first);
    epochs_end_session_with(&one, chain);
    epochs_present(&other, chain, first, false);
    epochs_end_session_with(&other, chain);
    assert_ends(0);
    chain_claim_end(&chain->claim, 1500);
    assert_ends(1); /* not the one that is told */
    claim(&one, second);
    assert_ends(1);
    epochs_present(&other, chain, second, false); /* the last time counts */
    chain_claim_clear(&chain->claim);
    assert_ends(0);
    claim(&other, first);
    epochs_end_session_with(&other, chain);
    epochs_leave(&other, 0);
    chain_claim_end(&chain->claim, 3000);
    assert_ends(0);
}
END_TEST

START_TEST(a_session_that_ends_its_epoch_itself_is_not_ended_by_a_later_change)
{
    other.end = note_end;
    claim(&other, first);
    epochs_end_session_with(&other, chain);
    chain_claim_end(&chain->claim, 1500);
    assert_ends_told(&other, 0);
    claim(&one, second); /* another's, later */
    assert_ends(0);
    claim(&other, (struct epoch){3000, 33});
    epochs_end_session_with(&other, chain);
    chain_claim_end(&chain->claim, 3500);
    ended = 0;
    epochs_end_sessions(&served.service, &other, slice_of("x", 1)); /* told of another chain's */
    ck_assert_uint_eq(ended, 1);
}
END_TEST

START_TEST(a_claim_is_held_until_the_last_session_that_presented_it_has_left)
{
    claim(&one, first);
    epochs_present(&one, chain, first, false); /* once more is not twice */
    epochs_present(&other, chain, first, false);
    ck_assert_uint_eq(chain->claim.presented, 2);
    epochs_leave(&one, 500);
    ck_assert_uint_eq(chain->claim.presented, 1);
    ck_assert_uint_eq(epochs_of(&one, chain_name(chain)).sequence, 0);
    epochs_leave(&other, 600);
    ck_assert_uint_eq(chain->claim.presented, 0);
    ck_assert_uint_eq(chain->claim.since_us, 600);
    claim(&one, second);
    chain_claim_begin(&chain->claim, &(struct claim_record){.epoch = {3000, 33}, .name = slice_of("n", 1)}, 0,
                      700);
    epochs_leave(&one, 800); /* its epoch was replaced: it held nothing */
    ck_assert(chain->claim.presented == 0 && chain->claim.since_us == 700);
}
END_TEST

START_TEST(a_writer_prunes_under_an_epoch_of_its_own_only)
{
    one.role = other.role = ROLE_WRITER;
    ck_assert_int_eq(epochs_judge(&one, chain, 0, true, &failure), EPOCHS_REFUSE);
    ck_assert_int_eq(failure.status, STATUS_PERMISSION);
    claim(&one, first);
    ck_assert_int_eq(epochs_judge(&one, chain, 0, true, &failure), EPOCHS_ADMIT);
    ck_assert_int_eq(epochs_judge(&other, chain, 0, true, &failure), EPOCHS_REFUSE);
    ck_assert_int_eq(failure.status, STATUS_PERMISSION);
    claim(&other, second);
    ck_assert_int_eq(epochs_judge(&one, chain, 0, true, &failure), EPOCHS_REFUSE);
    ck_assert_int_eq(failure.reason, REASON_CLAIMED);
    other.role = ROLE_ADMIN;
    epochs_leave(&other, 0);
    ck_assert_int_eq(epochs_judge(&other, chain, 0, true, &failure), EPOCHS_REFUSE); /* an admin's neither */
    ck_assert_int_eq(failure.reason, REASON_CLAIMED);
}
END_TEST

/* It has none of these chains, but has to remember each of them. */
START_TEST(a_session_presents_no_more_epochs_than_it_may_remember)
{
    struct chain many = {.claim.last = {.epoch = first}};
    for (unsigned i = 0; i < 1024; i++) {
        many.name_bytes = (uint8_t)snprintf((char *)many.name, sizeof many.name, "c%u", i);
        ck_assert(epochs_have_room(&one, &many, &failure));
        epochs_present(&one, &many, first, false);
    }
    ck_assert(epochs_have_room(&one, &many, &failure)); /* the same again */
    ck_assert(!epochs_have_room(&one, chain, &failure));
    ck_assert_int_eq(failure.status, STATUS_TOO_LARGE);
}
END_TEST

START_TEST(what_all_sessions_present_is_bounded_and_each_has_some_of_its_own)
{
    struct session sessions[40];
    struct chain many = {.claim.last.epoch = first};
    uint64_t admitted = 0;
    for (size_t i = 0; i < sizeof sessions / sizeof sessions[0]; i++) {
        sessions[i] = (struct session){.service = &served.service};
        unsigned own = 0;
        for (many.name_bytes = (uint8_t)snprintf((char *)many.name, sizeof many.name, "c%u", own);
             epochs_have_room(&sessions[i], &many, &failure);
             many.name_bytes = (uint8_t)snprintf((char *)many.name, sizeof many.name, "c%u", own)) {
            epochs_present(&sessions[i], &many, first, false);
            own++;
        }
        ck_assert_uint_ge(own, 16);
        ck_assert_int_eq(failure.status, own == 1024 ? STATUS_TOO_LARGE : STATUS_BUSY);
        admitted += own;
    }
    ck_assert_uint_eq(admitted, 32768 + 40 * 16);
    for (size_t i = 0; i < sizeof sessions / sizeof sessions[0]; i++) {
        epochs_leave(&sessions[i], 0);
    }
    ck_assert_uint_eq(served.service.epochs_shared, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("epochs", 60, &tests);
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, writes_are_judged_by_the_epoch_that_was_presented_last);
    tcase_add_test(tests, while_a_claim_is_in_the_lane_nothing_is_judged);
    tcase_add_test(tests, numbers_come_from_the_session_that_presented_for_them_last);
    tcase_add_test(tests, a_session_that_asked_for_it_ends_when_its_epoch_does);
    tcase_add_test(tests, a_session_that_ends_its_epoch_itself_is_not_ended_by_a_later_change);
    tcase_add_test(tests, a_claim_is_held_until_the_last_session_that_presented_it_has_left);
    tcase_add_test(tests, a_writer_prunes_under_an_epoch_of_its_own_only);
    tcase_add_test(tests, a_session_presents_no_more_epochs_than_it_may_remember);
    tcase_add_test(tests, what_all_sessions_present_is_bounded_and_each_has_some_of_its_own);
    return suite_run(suite, true);
}
