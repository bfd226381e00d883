/* One writer a chain, and writes that happen once (contract 12), on the real daemon: claims, take-overs, expiry, restarts, numbers. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/claims.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

#define LONG_GRACE  "--claim-grace 1h"
#define SHORT_GRACE "--claim-grace 10ms"

static const unsigned CLAIMED = CAIRN__CONFLICT_REASON__REASON_CLAIMED;
static const unsigned NUMBER = CAIRN__CONFLICT_REASON__REASON_NUMBER;

static void assert_conflict(struct written written, unsigned reason)
{
    ck_assert_int_eq(written.status, STATUS_CONFLICT);
    ck_assert_msg(written.reason == reason, "reason %u: %s", written.reason, written.text);
}

static void assert_refused(struct claimed claimed, const char *words)
{
    ck_assert_int_eq(claimed.status, STATUS_CONFLICT);
    ck_assert_uint_eq(claimed.reason, CLAIMED);
    ck_assert_msg(strstr(claimed.text, words) != NULL, "%s", claimed.text);
}

static struct written block(struct wire *wire, uint64_t height)
{
    return ask_commit(wire, commit_of_block(height, kept_format("h%lu", height)));
}

static struct written number(struct wire *wire, uint64_t number)
{
    return ask_commit(wire, numbered(commit_of_block(number, kept_format("h%lu", number)), NULL, number));
}

static void assert_ok(struct written written)
{
    ck_assert_msg(written.status == STATUS_OK && !written.repeated, "%s", written.text);
}

static void assert_repeated(struct written written)
{
    ck_assert_msg(written.status == STATUS_OK && written.repeated, "%s", written.text);
}

START_TEST(test_of_two_clients_one_writes)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig), reader = rig_open(&rig);
    assert_ok(block(&other, 1));
    struct claimed claimed = ask_claim(&rig.wire, NULL, "node-a");
    ck_assert_int_eq(claimed.status, STATUS_OK);
    ck_assert_int_eq(claimed.level, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_uint_eq(claimed.epoch.sequence, claimed.sequence);
    assert_ok(block(&rig.wire, 2));
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_set("a", "1"))).status, STATUS_OK);
    assert_conflict(block(&other, 3), CLAIMED);
    assert_conflict(ask_metadata(&other, metadata_new(operation_set("a", "2"))), CLAIMED);
    assert_conflict(ask_prune(&other, prune_blocks(1)), CLAIMED);
    assert_conflict(ask_rollback(&other, rollback_to(1)), CLAIMED);
    ck_assert(metadata_is(&other, "a", "1") && block_is(&other, 2, "h2") && block_is(&other, 3, NULL));
    ck_assert_int_eq(ask_create_chain(&other, "default").status, STATUS_OK);
    assert_refused(ask_claim(&other, NULL, "node-a"), "node-a");
    const Cairn__ChainEntry *entry = get_chain(&reader, "default");
    ck_assert(entry->has_claim_sequence && entry->claim_sequence == claimed.sequence && entry->claim_held);
    ck_assert(bytes_are(entry->claim_name, "node-a"));
    ck_assert_uint_eq(entry->claim_uid, getuid());
    ck_assert_uint_eq(entry->claim_pid, (uint32_t)getpid());
    /* Under the same epoch several connections write. */
    ck_assert_int_eq(ask_present(&other, NULL, &claimed.epoch, false).status, STATUS_OK);
    assert_ok(block(&other, 3));
    ck_assert_uint_eq(status_number(&reader, "claims"), 1);
    wire_close(&other);
    wire_close(&reader);
    rig_end(&rig);
}
END_TEST

START_TEST(test_who_was_replaced_is_refused_for_ever)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig);
    Cairn__Epoch first = claim_ok(&rig.wire, NULL, "a");
    assert_ok(number(&rig.wire, 1));
    ck_assert_int_eq(take_over(&other, NULL, "b").status, STATUS_OK);
    assert_conflict(number(&rig.wire, 2), CLAIMED);
    assert_conflict(block(&rig.wire, 2), CLAIMED);
    struct claimed refused = ask_present(&rig.wire, NULL, &first, true);
    assert_refused(refused, "b");
    ck_assert_uint_eq(refused.last_number, 1);
    assert_ok(number(&other, 1));
    assert_ok(ask_release(&other, NULL, false));
    assert_conflict(block(&rig.wire, 2), CLAIMED);
    assert_conflict(block(&other, 2), CLAIMED); /* released, so is its own */
    assert_conflict(ask_release(&other, NULL, false), CLAIMED);
    ck_assert(!get_chain(&other, "default")->has_claim_sequence);
    struct wire third = rig_open(&rig);
    assert_ok(block(&third, 2));
    rig_crash(&rig, LONG_GRACE);
    refused = ask_present(&rig.wire, NULL, &first, true);
    ck_assert_uint_eq(refused.last_number, 1);
    assert_ok(block(&rig.wire, 3)); /* a refused one changes nothing of the session */
    wire_close(&other);
    wire_close(&third);
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_claim_is_held_behind_its_connections_and_behind_a_start)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire holder = rig_open(&rig);
    Cairn__Epoch epoch = claim_ok(&holder, NULL, "a");
    wire_close(&holder);
    ck_assert_int_eq(ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN).status, STATUS_OK);
    assert_refused(ask_claim(&rig.wire, NULL, "a"), "claimed by");
    rig_crash(&rig, LONG_GRACE);
    assert_refused(ask_claim(&rig.wire, NULL, "a"), "claimed by");
    assert_conflict(block(&rig.wire, 1), CLAIMED);
    ck_assert_int_eq(ask_present(&rig.wire, NULL, &epoch, true).status, STATUS_OK);
    assert_ok(number(&rig.wire, 1));
    rig_crash(&rig, SHORT_GRACE);
    struct claimed claimed;
    do { /* expires within the grace, whenever that is */
        claimed = ask_claim(&rig.wire, NULL, "b");
    } while (claimed.status == STATUS_CONFLICT);
    ck_assert_msg(claimed.status == STATUS_OK, "%s", claimed.text);
    assert_refused(ask_present(&rig.wire, NULL, &epoch, true), "claimed by");
    rig_end(&rig);
}
END_TEST

START_TEST(test_an_expired_claim_still_lets_nobody_else_write)
{
    struct rig rig = rig_start(SHORT_GRACE);
    struct wire holder = rig_open(&rig);
    Cairn__Epoch epoch = claim_ok(&holder, NULL, "a");
    wire_close(&holder);
    while (get_chain(&rig.wire, "default")->claim_held) {
        sleep_ms(1);
    }
    assert_conflict(block(&rig.wire, 1), CLAIMED);
    ck_assert_int_eq(ask_present(&rig.wire, NULL, &epoch, false).status, STATUS_OK);
    assert_ok(block(&rig.wire, 1));
    rig_end(&rig);
}
END_TEST

START_TEST(test_numbers_are_applied_once_and_in_their_order)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig);
    ck_assert_int_eq(number(&rig.wire, 1).status, STATUS_INVALID); /* no epoch */
    Cairn__Epoch epoch = claim_ok(&rig.wire, NULL, "a");
    ck_assert_int_eq(ask_commit(&rig.wire, numbered(commit_new(), NULL, 0)).status, STATUS_INVALID);
    assert_ok(number(&rig.wire, 1));
    assert_ok(number(&rig.wire, 2));
    assert_conflict(number(&rig.wire, 4), NUMBER);
    assert_repeated(number(&rig.wire, 2));
    Cairn__Commit *conditional = numbered(commit_of_block(3, "other"), NULL, 1);
    conditional->has_expected_height = true;
    conditional->expected_height = 77;
    assert_repeated(ask_commit(&rig.wire, conditional)); /* before any condition, and it changes nothing */
    ck_assert(block_is(&rig.wire, 3, NULL));
    assert_ok(number(&rig.wire, 3));
    /* What is refused leaves its number, so what is behind it fails. */
    Cairn__Commit *refused = numbered(commit_of_block(4, "h4"), NULL, 4);
    refused->has_expected_height = true;
    refused->expected_height = 77;
    uint64_t first = wire_send(&rig.wire, FRAME_COMMIT, refused);
    uint64_t second = wire_send(&rig.wire, FRAME_COMMIT, numbered(commit_of_block(5, "h5"), NULL, 5));
    assert_conflict(written_reply(&rig.wire, first), CAIRN__CONFLICT_REASON__REASON_HEIGHT);
    assert_conflict(written_reply(&rig.wire, second), NUMBER);
    /* Of two connections the one that presented for numbers last sends them. */
    ck_assert_uint_eq(ask_present(&other, NULL, &epoch, false).last_number, 3);
    assert_conflict(number(&other, 4), NUMBER);
    assert_ok(number(&rig.wire, 4));
    ck_assert_uint_eq(ask_present(&other, NULL, &epoch, true).last_number, 4);
    assert_conflict(number(&rig.wire, 5), NUMBER);
    assert_ok(block(&rig.wire, 6)); /* without a number it writes on */
    assert_ok(number(&other, 5));
    Cairn__Prune *prune = prune_blocks(1);
    prune->has_number = true;
    prune->number = 6;
    assert_ok(ask_prune(&other, prune));
    assert_repeated(ask_prune(&other, prune));
    Cairn__Rollback *rollback = rollback_to(4);
    rollback->has_number = true;
    rollback->number = 7;
    assert_ok(ask_rollback(&other, rollback));
    assert_repeated(ask_rollback(&other, rollback));
    prune->has_dry_run = prune->dry_run = rollback->has_dry_run = rollback->dry_run = true;
    ck_assert_int_eq(ask_prune(&other, prune).status, STATUS_INVALID);
    ck_assert_int_eq(ask_rollback(&other, rollback).status, STATUS_INVALID);
    rig_crash(&rig, LONG_GRACE);
    ck_assert_uint_eq(ask_present(&rig.wire, NULL, &epoch, true).last_number, 7);
    assert_repeated(number(&rig.wire, 7));
    assert_ok(number(&rig.wire, 8));
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

/* Pipelined behind the claim, whatever it is. */
START_TEST(test_what_is_sent_behind_a_claim_is_judged_when_that_is_decided)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig);
    uint64_t claim = send_claim(&rig.wire, NULL, "a", false);
    uint64_t commit = wire_send(&rig.wire, FRAME_COMMIT, numbered(commit_of_block(1, "h1"), NULL, 1));
    uint64_t metadata = wire_send(&rig.wire, FRAME_WRITE_METADATA, metadata_new(operation_set("a", "1")));
    ck_assert_int_eq(claimed_reply(&rig.wire, claim).status, STATUS_OK);
    assert_ok(written_reply(&rig.wire, commit));
    assert_ok(written_reply(&rig.wire, metadata));
    claim = send_claim(&other, NULL, "b", true);
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of("default");
    uint64_t dropped = wire_send(&other, FRAME_DROP_CHAIN, &drop);
    ck_assert_int_eq(claimed_reply(&other, claim).status, STATUS_OK);
    assert_ok(written_reply(&other, dropped));
    /* It was made anew: the claim went with it, and both write under epochs of the chain before. */
    ck_assert(!get_chain(&other, "default")->has_claim_sequence);
    assert_conflict(block(&rig.wire, 1), CLAIMED);
    assert_conflict(block(&other, 1), CLAIMED);
    struct wire third = rig_open(&rig);
    assert_ok(block(&third, 1));
    wire_close(&other);
    wire_close(&third);
    rig_end(&rig);
}
END_TEST

/* Not only soon: whoever learns that there is another holder finds it ended. */
static bool is_ended(const struct wire *wire)
{
    struct pollfd look = {.fd = wire->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLRDHUP) != 0;
}

START_TEST(test_a_connection_ends_with_its_epoch_before_anybody_is_told)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig), watch = rig_open(&rig), changed = rig_open(&rig),
                again = rig_open(&rig);
    Cairn__Epoch epoch = claim_ok(&rig.wire, NULL, "a");
    ck_assert_int_eq(ask_present_until_ended(&watch, NULL, &epoch).status, STATUS_OK);
    ck_assert_int_eq(ask_present_until_ended(&changed, NULL, &epoch).status, STATUS_OK);
    ck_assert_int_eq(ask_present(&changed, NULL, &epoch, false).status, STATUS_OK); /* the last time counts */
    assert_refused(ask_claim(&other, NULL, "b"), "claimed by");
    assert_ok(block(&rig.wire, 1));
    ck_assert(!is_ended(&watch));
    ck_assert_int_eq(take_over(&other, NULL, "b").status, STATUS_OK);
    ck_assert(is_ended(&watch));
    ck_assert(!is_ended(&changed));
    assert_conflict(block(&changed, 2), CLAIMED);
    assert_conflict(block(&rig.wire, 2), CLAIMED);

    epoch = claim_ok(&other, NULL, "b"); /* its own, which it replaces */
    ck_assert_int_eq(ask_present_until_ended(&other, NULL, &epoch).status, STATUS_OK);
    ck_assert_int_eq(ask_present_until_ended(&again, NULL, &epoch).status, STATUS_OK);
    assert_ok(ask_release(&other, NULL, false));
    ck_assert(!is_ended(&other)); /* it is told so */
    ck_assert(is_ended(&again));
    epoch = claim_ok(&rig.wire, NULL, "c"); /* nor by what comes later */
    ck_assert(!is_ended(&other));

    ck_assert_int_eq(ask_create_chain(&rig.wire, "x").status, STATUS_OK);
    epoch = claim_ok(&rig.wire, "x", "a");
    ck_assert_int_eq(ask_present_until_ended(&changed, "x", &epoch).status, STATUS_OK);
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of("x");
    assert_ok(written_reply(&rig.wire, wire_send(&rig.wire, FRAME_DROP_CHAIN, &drop)));
    ck_assert(is_ended(&changed) && !is_ended(&rig.wire));
    wire_close(&other);
    wire_close(&watch);
    wire_close(&changed);
    wire_close(&again);
    rig_end(&rig);
}
END_TEST

START_TEST(test_an_admin_releases_whichever_claim_there_is)
{
    struct rig rig = rig_start(LONG_GRACE);
    struct wire other = rig_open(&rig);
    assert_ok(ask_release(&other, NULL, true)); /* none is no error */
    (void)claim_ok(&rig.wire, NULL, "a");
    assert_conflict(ask_release(&other, NULL, false), CLAIMED);
    assert_ok(ask_release(&other, NULL, true));
    assert_ok(block(&other, 1));
    assert_conflict(block(&rig.wire, 2), CLAIMED);
    ck_assert_int_eq(ask_claim(&rig.wire, NULL, "a").status, STATUS_OK); /* not held by anybody */
    assert_ok(block(&rig.wire, 2));
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

/* Sends the numbers from first to last without waiting, reads some answers, and kills the daemon with the others in flight. */
static uint64_t kill_behind(struct rig *rig, uint64_t first, uint64_t last, uint64_t answers)
{
    uint64_t first_id = 0;
    for (uint64_t next = first; next <= last; next++) {
        Cairn__Commit *commit = numbered(commit_of_block(next, kept_format("h%lu", next)), NULL, next);
        commit->has_expected_height = true; /* so it cannot happen twice */
        commit->expected_height = next - 1;
        uint64_t id = wire_send(&rig->wire, FRAME_COMMIT, commit);
        first_id = next == first ? id : first_id;
    }
    for (uint64_t i = 0; i < answers; i++) {
        assert_ok(written_reply(&rig->wire, first_id + i));
    }
    rig_crash(rig, LONG_GRACE);
    return first + answers; /* the first that was not answered */
}

START_TEST(test_numbers_in_flight_at_a_kill_are_each_applied_once)
{
    enum { ROUNDS = 4, COMMITS = 100 };
    struct rig rig = rig_start(LONG_GRACE);
    Cairn__Epoch epoch = claim_ok(&rig.wire, NULL, "a");
    uint64_t next = 1;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t last = next + COMMITS - 1;
        next = kill_behind(&rig, next, last, round * 20);
        uint64_t applied = ask_present(&rig.wire, NULL, &epoch, true).last_number;
        ck_assert(applied >= next - 1 && applied <= last);
        ck_assert_uint_eq(get_height(&rig.wire), applied);
        for (; next <= last; next++) { /* those that were applied too */
            Cairn__Commit *commit = numbered(commit_of_block(next, kept_format("h%lu", next)), NULL, next);
            commit->has_expected_height = true;
            commit->expected_height = next - 1;
            struct written written = ask_commit(&rig.wire, commit);
            ck_assert_msg(written.status == STATUS_OK && written.repeated == (next <= applied), "%s",
                          written.text);
        }
        ck_assert_uint_eq(get_height(&rig.wire), last);
    }
    rig_end(&rig);
}
END_TEST

static void copy_data(const char *from, const char *to)
{
    struct program program = shell_run(20000, "rm -rf %s && cp -a %s %s", to, from, to);
    ck_assert_msg(program.exit_code == 0, "%s", program.errors);
}

START_TEST(test_a_copy_that_is_put_back_knows_no_epoch_of_a_later_claim)
{
    struct rig rig = rig_start(LONG_GRACE);
    char *kept = kept_format("%s.kept", rig.daemon.data);
    Cairn__Epoch first = claim_ok(&rig.wire, NULL, "a");
    assert_ok(number(&rig.wire, 1));
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    copy_data(rig.daemon.data, kept);
    daemon_start(&rig.daemon, LONG_GRACE);
    wire_close(&rig.wire);
    rig.wire = rig_open(&rig);
    Cairn__Epoch second = take_over(&rig.wire, NULL, "b").epoch;
    assert_ok(number(&rig.wire, 1));
    assert_ok(number(&rig.wire, 2));
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    copy_data(kept, rig.daemon.data);
    daemon_start(&rig.daemon, LONG_GRACE);
    wire_close(&rig.wire);
    rig.wire = rig_open(&rig);
    struct claimed refused = ask_present(&rig.wire, NULL, &second, true);
    assert_refused(refused, "\"a\"");
    ck_assert_uint_eq(refused.last_number, UINT64_MAX);
    ck_assert_uint_eq(ask_present(&rig.wire, NULL, &first, true).last_number, 1);
    /* The copy gives numbers of the order again; the bits tell its epochs from those of the store it was of. */
    Cairn__Epoch again = claim_ok(&rig.wire, NULL, "a");
    ck_assert(again.sequence != second.sequence || again.random != second.random);
    assert_refused(ask_present(&rig.wire, NULL, &second, true), "\"a\"");
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("claims", 120, &tests);
    tcase_add_test(tests, test_of_two_clients_one_writes);
    tcase_add_test(tests, test_who_was_replaced_is_refused_for_ever);
    tcase_add_test(tests, test_a_claim_is_held_behind_its_connections_and_behind_a_start);
    tcase_add_test(tests, test_an_expired_claim_still_lets_nobody_else_write);
    tcase_add_test(tests, test_numbers_are_applied_once_and_in_their_order);
    tcase_add_test(tests, test_what_is_sent_behind_a_claim_is_judged_when_that_is_decided);
    tcase_add_test(tests, test_a_connection_ends_with_its_epoch_before_anybody_is_told);
    tcase_add_test(tests, test_an_admin_releases_whichever_claim_there_is);
    tcase_add_test(tests, test_numbers_in_flight_at_a_kill_are_each_applied_once);
    tcase_add_test(tests, test_a_copy_that_is_put_back_knows_no_epoch_of_a_later_claim);
    return suite_run(suite, false);
}
