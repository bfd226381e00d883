/* Dry runs as requests: they use no number and wait for no writer, are of the instant of their turn, take turns, and end with their
 * session. */
#include <check.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

enum { BLOCKS = 5 };

static void setup(void)
{
    service_open();
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        (void)service_ask(FRAME_COMMIT, commit_of_block(height, "header"));
    }
    served.reply_count = 0;
}

static Cairn__Rollback *dry(uint64_t to)
{
    Cairn__Rollback *rollback = rollback_to(to);
    rollback->has_dry_run = rollback->dry_run = true;
    return rollback;
}

static Cairn__Prune *dry_prune(uint64_t through)
{
    Cairn__Prune *prune = prune_blocks(through);
    prune->has_dry_run = prune->dry_run = true;
    return prune;
}

static void assert_reply(const struct service_reply *reply, uint64_t blocks)
{
    ck_assert_msg(reply->status == STATUS_OK, "%s", reply->text);
    const Cairn__WriteReply *message =
        cairn__write_reply__unpack(kept_allocator(), reply->body.len, reply->body.data);
    ck_assert_ptr_nonnull(message);
    ck_assert(!message->has_sequence && !message->has_level); /* nothing was written */
    ck_assert(message->has_blocks && message->has_states && message->has_metadata);
    ck_assert(message->has_lowered == (reply->header.type == FRAME_ROLLBACK)); /* a prune has no guards */
    ck_assert_uint_eq(message->blocks, blocks);
}

START_TEST(it_says_what_would_go_and_uses_no_number)
{
    uint64_t sequence = order_sequence(served.service.order),
             writes = fake_disk_calls(served.disk, FAKE_WRITE);
    struct service_reply reply = service_ask(FRAME_ROLLBACK, dry(2));
    assert_reply(&reply, BLOCKS - 2);
    ck_assert_uint_eq(order_sequence(served.service.order), sequence);
    ck_assert_uint_eq(fake_disk_calls(served.disk, FAKE_WRITE), writes);
    reply = service_ask(FRAME_PRUNE, dry_prune(3));
    assert_reply(&reply, 3);
    service_ask_conflict(FRAME_ROLLBACK, dry(BLOCKS + 1), REASON_HEIGHT, "height");
    service_ask_conflict(FRAME_PRUNE, dry_prune(BLOCKS + 1), REASON_HEIGHT, "height");
    ck_assert_uint_eq(fake_disk_calls(served.disk, FAKE_WRITE), writes);
    ck_assert_uint_eq(order_sequence(served.service.order), sequence);
}
END_TEST

START_TEST(a_commit_does_not_wait_for_it_and_is_not_seen_by_it)
{
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)service_start(FRAME_ROLLBACK, dry(2), NULL);
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)service_start(FRAME_COMMIT, commit_of_block(BLOCKS + 1, "header"), NULL);
    service_await_replies(1);
    ck_assert_uint_eq(served.replies[0].header.type, FRAME_COMMIT);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    assert_reply(&served.replies[1], BLOCKS - 2);
}
END_TEST

START_TEST(one_is_at_work_at_a_time_and_the_others_are_of_the_instant_of_their_turn)
{
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)service_start(FRAME_ROLLBACK, dry(2), NULL);
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)service_start(FRAME_PRUNE, dry_prune(3), NULL);
    (void)service_start(FRAME_ROLLBACK, dry(4), NULL);
    (void)service_start(FRAME_COMMIT, commit_of_block(BLOCKS + 1, "header"), NULL);
    service_await_replies(1);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    assert_reply(&served.replies[1], BLOCKS - 2);
    assert_reply(&served.replies[2], 3);
    assert_reply(&served.replies[3], BLOCKS + 1 - 4);
}
END_TEST

START_TEST(what_is_queued_counts)
{
    (void)service_ask(FRAME_WRITE_METADATA, metadata_new(operation_set_at("bound", "x", 4)));
    struct service_reply reply = service_ask(FRAME_ROLLBACK, dry(3));
    const Cairn__WriteReply *message =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_uint_eq(message->metadata, 1);
}
END_TEST

START_TEST(those_of_a_session_that_has_closed_end_unread)
{
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    for (int i = 0; i < 3; i++) {
        (void)service_start(FRAME_ROLLBACK, dry(2), NULL);
    }
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_hang_up();
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    uint64_t before = fake_disk_calls(served.disk, FAKE_NEXT);
    service_settle();
    ck_assert_uint_le(fake_disk_calls(served.disk, FAKE_NEXT),
                      before + BLOCKS); /* the step that was under way */
    ck_assert_uint_eq(served.reply_count, 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_damaged)
{
    fake_disk_fault(served.disk, FAKE_NEXT, FAKE_FAILS, 1);
    service_ask_refused(FRAME_ROLLBACK, dry(2), STATUS_DAMAGED, "");
    struct service_reply reply = service_ask(FRAME_ROLLBACK, dry(2));
    assert_reply(&reply, BLOCKS - 2);
}
END_TEST

START_TEST(what_is_malformed_is_refused_and_a_chain_has_to_be_there)
{
    Cairn__Rollback *rollback = dry(2);
    rollback->has_chain = true;
    rollback->chain = bytes_of("absent");
    service_ask_refused(FRAME_ROLLBACK, rollback, STATUS_INVALID, "absent");
    rollback->has_chain = rollback->has_to = false;
    service_ask_refused(FRAME_ROLLBACK, rollback, STATUS_INVALID, "go back to");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("dry_run", 60, &tests);
    tcase_add_checked_fixture(tests, setup, service_close);
    tcase_add_test(tests, it_says_what_would_go_and_uses_no_number);
    tcase_add_test(tests, a_commit_does_not_wait_for_it_and_is_not_seen_by_it);
    tcase_add_test(tests, one_is_at_work_at_a_time_and_the_others_are_of_the_instant_of_their_turn);
    tcase_add_test(tests, what_is_queued_counts);
    tcase_add_test(tests, those_of_a_session_that_has_closed_end_unread);
    tcase_add_test(tests, what_cannot_be_read_is_damaged);
    tcase_add_test(tests, what_is_malformed_is_refused_and_a_chain_has_to_be_there);
    return suite_run(suite, false);
}
