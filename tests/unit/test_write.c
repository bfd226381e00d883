/* Requests that write: when each is answered, with what, and what a failure of the log tells them. */
#include <check.h>

#include "daemon/order/order_space.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static Cairn__WriteReply *written(struct service_reply reply)
{
    ck_assert_msg(reply.status == STATUS_OK, "%s: \"%s\"", status_text(reply.status), reply.text);
    Cairn__WriteReply *message =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_ptr_nonnull(message);
    return message;
}

static Cairn__WriteMetadata *set_at_level(const char *name, Cairn__Level level)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "value"));
    write->has_level = true;
    write->level = level;
    return write;
}

START_TEST(accepted_metadata_is_answered_at_once)
{
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, metadata_new(operation_set("a", "b")), NULL),
                     REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    const Cairn__WriteReply *reply = written(served.replies[0]);
    ck_assert_uint_eq(reply->sequence, order_sequence(served.service.order));
    ck_assert_int_eq(reply->level, CAIRN__LEVEL__LEVEL_ACCEPTED);
}
END_TEST

START_TEST(other_writes_are_answered_when_they_have_reached_their_level)
{
    const Cairn__Level levels[] = {CAIRN__LEVEL__LEVEL_WRITTEN, CAIRN__LEVEL__LEVEL_DURABLE};
    for (size_t i = 0; i < 2; i++) {
        size_t before = served.reply_count;
        ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, set_at_level("a", levels[i]), NULL),
                         REQUEST_TAKEN);
        ck_assert_uint_eq(served.reply_count, before); /* the writer has not had it */
        service_settle();
        const Cairn__WriteReply *reply = written(served.replies[before]);
        ck_assert_int_eq(reply->level, levels[i]);
        ck_assert_uint_ge(order_written_through(served.service.order), reply->sequence);
        if (levels[i] == CAIRN__LEVEL__LEVEL_DURABLE) {
            ck_assert_uint_ge(order_durable_through(served.service.order), reply->sequence);
            ck_assert_uint_eq(fake_disk_unsynced(served.disk), 0);
        }
    }
}
END_TEST

START_TEST(a_commit_is_answered_by_its_completion_and_not_before)
{
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit_of_block(1, "header"), NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 0);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 1);
    ck_assert_int_eq(written(served.replies[0])->level, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_uint_eq(fake_disk_unsynced(served.disk), 0);
}
END_TEST

START_TEST(a_commit_at_accepted_is_answered_when_it_is_written)
{
    Cairn__Commit *commit = commit_of_block(1, "header");
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_ACCEPTED;
    ck_assert_int_eq(written(service_ask(FRAME_COMMIT, commit))->level, CAIRN__LEVEL__LEVEL_WRITTEN);
}
END_TEST

START_TEST(a_commit_whose_condition_fails_is_a_conflict_and_uses_its_number_up)
{
    Cairn__Commit *commit = commit_of_block(1, "header");
    commit->has_expected_height = true;
    commit->expected_height = 9;
    uint64_t before = order_sequence(served.service.order);
    service_ask_refused(FRAME_COMMIT, commit, STATUS_CONFLICT, "height");
    ck_assert_uint_eq(order_sequence(served.service.order), before + 1);
}
END_TEST

START_TEST(what_cannot_be_decoded_is_refused_once_and_uses_no_number)
{
    uint64_t before = order_sequence(served.service.order);
    service_ask_refused(FRAME_WRITE_METADATA, metadata_new(NULL), STATUS_INVALID, "without an operation");
    service_ask_refused(FRAME_WRITE_METADATA, metadata_new(operation_set("", "b")), STATUS_INVALID,
                        "0 bytes");
    service_ask_refused(FRAME_COMMIT, commit_of_block(0, "header"), STATUS_INVALID, "without a height");
    service_ask_refused(FRAME_PRUNE, prune_blocks(0), STATUS_INVALID, "from 1");
    Cairn__Rollback *rollback = rollback_to(1);
    rollback->has_to = false;
    service_ask_refused(FRAME_ROLLBACK, rollback, STATUS_INVALID, "go back to");
    Cairn__Commit *elsewhere = commit_of_block(1, "header");
    elsewhere->has_chain = true;
    elsewhere->chain = bytes_of("nowhere");
    service_ask_refused(FRAME_COMMIT, elsewhere, STATUS_INVALID, "no chain \"nowhere\"");
    ck_assert_uint_eq(order_sequence(served.service.order), before);
}
END_TEST

START_TEST(more_than_an_empty_queue_holds_is_too_large_and_does_not_wait)
{
    Cairn__WriteMetadata *write = metadata_new(NULL);
    for (unsigned i = 0; i < 65; i++) { /* the fixture's queue has 64 */
        metadata_add(write, operation_set(kept_format("name %u", i), "value"));
    }
    service_ask_refused(FRAME_WRITE_METADATA, write, STATUS_TOO_LARGE, "64");
}
END_TEST

START_TEST(a_rollback_says_what_it_dropped)
{
    for (uint64_t height = 1; height <= 3; height++) {
        (void)written(service_ask(FRAME_COMMIT, commit_of_block(height, "header")));
    }
    const Cairn__WriteReply *reply = written(service_ask(FRAME_ROLLBACK, rollback_to(1)));
    ck_assert(reply->has_blocks && reply->blocks == 2 && reply->has_metadata && reply->metadata == 0);
    service_ask_refused(FRAME_ROLLBACK, rollback_to(2), STATUS_CONFLICT, "height");
}
END_TEST

START_TEST(a_barrier_is_answered_when_all_before_it_has_reached_its_level)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    (void)written(service_ask(FRAME_WRITE_METADATA, metadata_new(operation_set("a", "b"))));
    uint64_t sequence = order_sequence(served.service.order);
    const Cairn__WriteReply *reply = written(service_ask(FRAME_BARRIER, &barrier));
    ck_assert_uint_eq(reply->sequence, sequence);
    ck_assert_uint_ge(order_durable_through(served.service.order), sequence);
    barrier.has_level = true;
    barrier.level = CAIRN__LEVEL__LEVEL_ACCEPTED;
    size_t before = served.reply_count;
    ck_assert_int_eq(service_start(FRAME_BARRIER, &barrier, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, before + 1); /* accepted is what it all is already */
}
END_TEST

START_TEST(a_failed_sync_is_io_error_for_those_that_wait_and_for_all_that_come)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_IN_DOUBT, 100);
    fake_disk_chance(served.disk, FAKE_SYNC, FAKE_IN_DOUBT, 100);
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit_of_block(1, "header"), NULL), REQUEST_TAKEN);
    ck_assert_int_eq(
        service_start(FRAME_WRITE_METADATA, set_at_level("a", CAIRN__LEVEL__LEVEL_DURABLE), NULL),
        REQUEST_TAKEN);
    ck_assert_int_eq(service_start(FRAME_BARRIER, &barrier, NULL), REQUEST_TAKEN);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(served.replies[i].status, STATUS_IO_ERROR);
        ck_assert_str_ne(served.replies[i].text, "");
    }
    service_ask_refused(FRAME_COMMIT, commit_of_block(2, "header"), STATUS_IO_ERROR, "");
    service_ask_refused(FRAME_BARRIER, &barrier, STATUS_IO_ERROR, "");
    service_ask_refused(FRAME_WRITE_METADATA, metadata_new(operation_set("a", "b")), STATUS_IO_ERROR, "");
}
END_TEST

static void await_queue_lacks_room(bool lacks_room)
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(20000);
    while (order_queue_lacks_room(served.service.order) != lacks_room) {
        ck_assert_uint_lt(clock_ms(), until_ms);
        service_iterate();
    }
}

START_TEST(what_would_wait_behind_metadata_that_finds_no_room_is_no_space)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 100);
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, metadata_new(operation_set("a", "b")), NULL),
                     REQUEST_TAKEN);
    await_queue_lacks_room(true);
    service_ask_refused(FRAME_BARRIER, &barrier, STATUS_NO_SPACE, "finds no room");
    service_ask_refused(FRAME_WRITE_METADATA, set_at_level("c", CAIRN__LEVEL__LEVEL_WRITTEN), STATUS_NO_SPACE,
                        "finds no room");
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 0);
    await_queue_lacks_room(false);
    (void)written(service_ask(FRAME_BARRIER, &barrier));
}
END_TEST

static Cairn__WriteMetadata *raise_at(const char *name, Cairn__Level level)
{
    Cairn__WriteMetadata *write = metadata_new(operation_raise(name, 5));
    write->has_level = true;
    write->level = level;
    return write;
}

START_TEST(a_raise_that_is_left_out_is_told_to_who_waits_to_the_next_barrier_and_in_each_reply)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    fake_disk_chance(served.disk, FAKE_GET, FAKE_FAILS, 100);
    ck_assert(!written(service_ask(FRAME_WRITE_METADATA, metadata_new(operation_raise("a", 5))))
                   ->has_raises_left_out); /* accepted */
    service_ask_refused(FRAME_WRITE_METADATA, raise_at("b", CAIRN__LEVEL__LEVEL_WRITTEN), STATUS_DAMAGED,
                        "left out");
    service_ask_refused(FRAME_WRITE_METADATA, raise_at("c", CAIRN__LEVEL__LEVEL_DURABLE), STATUS_DAMAGED,
                        "left out");
    fake_disk_chance(served.disk, FAKE_GET, FAKE_FAILS, 0);
    ck_assert_ptr_null(order_failure(served.service.order));
    const Cairn__WriteReply *reply =
        written(service_ask(FRAME_WRITE_METADATA, set_at_level("a", CAIRN__LEVEL__LEVEL_DURABLE)));
    ck_assert(reply->has_raises_left_out && reply->raises_left_out == 3);
    service_ask_refused(FRAME_BARRIER, &barrier, STATUS_DAMAGED, "left out");
    ck_assert_uint_eq(written(service_ask(FRAME_BARRIER, &barrier))->raises_left_out, 3); /* told once */
    const struct damage *damage = order_damage(served.service.order);
    ck_assert_uint_eq(damage_count(damage, DAMAGE_RAISE), 3);
    ck_assert_ptr_nonnull(damage_text(damage));
}
END_TEST

START_TEST(of_a_group_only_those_who_raise_the_name_that_cannot_be_read_are_told)
{
    static const enum status expected[] = {STATUS_OK, STATUS_DAMAGED, STATUS_OK, STATUS_DAMAGED};
    Cairn__WriteMetadata *set_and_raise = raise_at("mark", CAIRN__LEVEL__LEVEL_WRITTEN);
    metadata_add(set_and_raise, operation_set("name", "value"));
    ProtobufCMessage *writes[] = {
        &set_at_level("name", CAIRN__LEVEL__LEVEL_WRITTEN)->base,
        &raise_at("mark", CAIRN__LEVEL__LEVEL_WRITTEN)->base,
        &raise_at("other", CAIRN__LEVEL__LEVEL_WRITTEN)->base,
        &set_and_raise->base,
    };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, writes[i], NULL), REQUEST_TAKEN);
    }
    fake_disk_fault(served.disk, FAKE_GET, FAKE_FAILS, 1); /* of "mark", the first that is raised */
    service_settle();
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(served.replies[i].status, expected[i]);
    }
}
END_TEST

START_TEST(a_commit_that_needs_what_cannot_be_read_is_damaged_and_the_next_goes_on)
{
    Cairn__Commit *commit = commit_of_block(1, "header");
    commit_metadata(commit, operation_raise("mark", 5));
    fake_disk_fault(served.disk, FAKE_GET, FAKE_FAILS, 1);
    service_ask_refused(FRAME_COMMIT, commit, STATUS_DAMAGED, "");
    ck_assert_uint_eq(damage_count(order_damage(served.service.order), DAMAGE_WRITE), 1);
    (void)written(service_ask(FRAME_COMMIT, commit));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("write", 20, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, accepted_metadata_is_answered_at_once);
    tcase_add_test(tests, other_writes_are_answered_when_they_have_reached_their_level);
    tcase_add_test(tests, a_commit_is_answered_by_its_completion_and_not_before);
    tcase_add_test(tests, a_commit_at_accepted_is_answered_when_it_is_written);
    tcase_add_test(tests, a_commit_whose_condition_fails_is_a_conflict_and_uses_its_number_up);
    tcase_add_test(tests, what_cannot_be_decoded_is_refused_once_and_uses_no_number);
    tcase_add_test(tests, more_than_an_empty_queue_holds_is_too_large_and_does_not_wait);
    tcase_add_test(tests, a_rollback_says_what_it_dropped);
    tcase_add_test(tests, a_barrier_is_answered_when_all_before_it_has_reached_its_level);
    tcase_add_test(tests, what_would_wait_behind_metadata_that_finds_no_room_is_no_space);
    tcase_add_test(tests, a_failed_sync_is_io_error_for_those_that_wait_and_for_all_that_come);
    tcase_add_test(tests,
                   a_raise_that_is_left_out_is_told_to_who_waits_to_the_next_barrier_and_in_each_reply);
    tcase_add_test(tests, of_a_group_only_those_who_raise_the_name_that_cannot_be_read_are_told);
    tcase_add_test(tests, a_commit_that_needs_what_cannot_be_read_is_damaged_and_the_next_goes_on);
    return suite_run(suite, false);
}
