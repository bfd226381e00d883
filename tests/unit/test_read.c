/* Reads with one answer: from memory at once, otherwise from the pool; absence is never said of what could not be read. */
#include <check.h>

#include "daemon/serve/read.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static Cairn__ReadBlock block_at(uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_DATA;
    return read;
}

static void set_all_cold(void)
{
    static const uint8_t last[] = {0xff, 0xff, 0xff, 0xff, 0xff};
    fake_disk_set_cold(served.disk, slice_of("", 0), slice_of(last, sizeof last));
}

static void fill(void)
{
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit_block(commit, 2, "two");
    commit_rise(commit, 2);
    commit_state(commit, 2, "state of two");
    commit_metadata(commit, operation_set("name", "value"));
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit).status, STATUS_OK);
    served.reply_count = 0;
}

static void assert_header(struct service_reply reply, const char *header)
{
    ck_assert_msg(reply.status == STATUS_OK, "%s: %s", status_text(reply.status), reply.text);
    const Cairn__BlockReply *block =
        cairn__block_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(block != NULL && bytes_are(block->header, header));
}

START_TEST(what_memory_has_is_answered_at_once)
{
    fill();
    Cairn__ReadBlock read = block_at(2);
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &read, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    assert_header(served.replies[0], "two");
}
END_TEST

/* All replies are at their bound, by what another client leaves. */
START_TEST(a_short_answer_from_memory_waits_for_nobody_else)
{
    struct budget *budget = served.service.budget;
    struct budget_client deaf = {0}, *self = &served.session.client;
    fill();
    Cairn__Commit *long_commit = commit_of_block(3, "three");
    long_commit->blocks[0]->data = bytes_random(3, CLIENT_UNREAD_BYTES_MAX + 1);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, long_commit).status, STATUS_OK);
    served.reply_count = 0;
    while (!budget_replies_are_full(budget)) {
        budget_reply_queued(budget, &deaf, 1 << 20);
    }
    Cairn__ReadBlock block = block_at(2);
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &block, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    assert_header(served.replies[0], "two");
    Cairn__ReadBlock long_block = block_at(3);
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &long_block, NULL), REQUEST_TAKEN);
    budget_reply_queued(budget, self, CLIENT_UNREAD_BYTES_MAX + 1); /* it leaves much itself */
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &block, NULL), REQUEST_TAKEN);
    service_iterate();
    ck_assert_uint_eq(served.reply_count, 1);
    budget_reply_gone(budget, self, CLIENT_UNREAD_BYTES_MAX + 1);
    budget_reply_gone(budget, &deaf, deaf.replies_bytes);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 3);
}
END_TEST

START_TEST(what_takes_io_is_read_by_the_pool)
{
    fill();
    set_all_cold();
    Cairn__ReadBlock read = block_at(1);
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &read, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 0);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 1);
    assert_header(served.replies[0], "one");
}
END_TEST

START_TEST(a_read_is_of_the_instant_it_came_at)
{
    fill();
    set_all_cold();
    Cairn__ReadState state = CAIRN__READ_STATE__INIT;
    ck_assert_int_eq(service_start(FRAME_READ_STATE, &state, NULL), REQUEST_TAKEN);
    Cairn__Commit *commit = commit_of_block(3, "three");
    commit_state(commit, 3, "state of three");
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit, NULL), REQUEST_TAKEN);
    service_settle();
    for (size_t i = 0; i < 2; i++) {
        if (served.replies[i].header.type == FRAME_READ_STATE) {
            const Cairn__StateReply *reply = cairn__state_reply__unpack(
                kept_allocator(), served.replies[i].body.len, served.replies[i].body.data);
            ck_assert(reply != NULL && reply->height == 2 && bytes_are(reply->value, "state of two"));
        }
    }
}
END_TEST

START_TEST(absence_is_an_answer_without_a_text)
{
    fill();
    for (int is_cold = 0; is_cold < 2; is_cold++) {
        Cairn__ReadBlock read = block_at(9);
        struct service_reply reply = service_ask(FRAME_READ_BLOCK, &read);
        ck_assert_int_eq(reply.status, STATUS_NOT_FOUND);
        ck_assert_uint_eq(reply.body.len, 0);
        set_all_cold();
    }
}
END_TEST

START_TEST(a_failure_to_read_is_io_error_and_never_absence)
{
    fill();
    Cairn__ReadBlock read = block_at(1);
    Cairn__ReadState state = CAIRN__READ_STATE__INIT;
    set_all_cold();
    fake_disk_chance(served.disk, FAKE_GET, FAKE_FAILS, 100);
    service_ask_refused(FRAME_READ_BLOCK, &read, STATUS_IO_ERROR, "");
    service_ask_refused(FRAME_READ_STATE, &state, STATUS_IO_ERROR, "");
    fake_disk_chance(served.disk, FAKE_GET, FAKE_FAILS, 0);
    assert_header(service_ask(FRAME_READ_BLOCK, &read), "one");
}
END_TEST

START_TEST(a_block_larger_than_is_read_unasked_gets_room_and_is_read_again)
{
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(3, 700 << 10);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit).status, STATUS_OK);
    set_all_cold();
    Cairn__ReadBlock read = block_at(1);
    struct service_reply reply = service_ask(FRAME_READ_BLOCK, &read);
    ck_assert_int_eq(reply.status, STATUS_OK);
    const Cairn__BlockReply *block =
        cairn__block_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(block != NULL && bytes_same(block->data, commit->blocks[0]->data));
}
END_TEST

START_TEST(reads_wait_while_the_replies_have_no_room_and_go_on_in_order)
{
    fill();
    set_all_cold();
    budget_reply_queued(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    for (uint64_t height = 1; height <= 2; height++) {
        Cairn__ReadBlock read = block_at(height);
        ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &read, NULL), REQUEST_TAKEN);
    }
    for (int i = 0; i < 20; i++) {
        service_iterate();
        sleep_ms(1);
    }
    ck_assert_uint_eq(served.reply_count, 0);
    ck_assert_ptr_nonnull(served.session.reads);
    budget_reply_gone(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    service_settle();
    ck_assert_ptr_null(served.session.reads);
    ck_assert_uint_eq(served.reply_count, 2);
}
END_TEST

START_TEST(reads_that_wait_end_unread_when_their_session_closes)
{
    fill();
    set_all_cold();
    budget_reply_queued(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    Cairn__ReadBlock read = block_at(1);
    ck_assert_int_eq(service_start(FRAME_READ_BLOCK, &read, NULL), REQUEST_TAKEN);
    uint64_t before = fake_disk_calls(served.disk, FAKE_GET);
    service_hang_up();
    ck_assert_uint_eq(served.ended, served.started);
    ck_assert_uint_eq(fake_disk_calls(served.disk, FAKE_GET), before);
    ck_assert_uint_eq(served.reply_count, 0);
    budget_reply_gone(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
}
END_TEST

START_TEST(queued_metadata_is_seen_and_a_queued_raise_is_added_to_what_is_stored)
{
    fill();
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of("mark");
    ck_assert_int_eq(service_ask(FRAME_GET_METADATA, &get).status, STATUS_NOT_FOUND);
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, metadata_new(operation_raise("mark", 7)), NULL),
                     REQUEST_TAKEN);
    set_all_cold();
    struct service_reply reply = service_ask(FRAME_GET_METADATA, &get);
    ck_assert_int_eq(reply.status, STATUS_OK);
    const Cairn__MetadataReply *metadata =
        cairn__metadata_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(metadata != NULL && bytes_same(metadata->value, bytes_of_number(7)));
}
END_TEST

START_TEST(of_a_name_only_what_was_asked_for_is_said)
{
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = get.has_parts = true;
    get.name = bytes_of("name");
    ck_assert_int_eq(service_ask(FRAME_GET_METADATA, &get).status, STATUS_NOT_FOUND);
    const ProtobufCBinaryData value = bytes_random(1, 300000);
    ck_assert_int_eq(
        service_start(FRAME_WRITE_METADATA, metadata_new(operation_set_bytes(get.name, value)), NULL),
        REQUEST_TAKEN);
    for (int is_stored = 0; is_stored < 2; is_stored++) {
        get.parts = 0;
        struct service_reply reply = service_ask(FRAME_GET_METADATA, &get);
        ck_assert(reply.status == STATUS_OK && reply.body.len == 0);
        get.parts = CAIRN__METADATA_PART__METADATA_SIZE;
        reply = service_ask(FRAME_GET_METADATA, &get);
        ck_assert_int_eq(reply.status, STATUS_OK);
        const Cairn__MetadataReply *said =
            cairn__metadata_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
        ck_assert(said->has_size && said->size == value.len && !said->has_value && !said->has_of_height);
        while (pending_operations(order_pending(served.service.order)) > 0) {
            service_iterate();
        }
        set_all_cold();
    }
    get.parts = 8;
    service_ask_refused(FRAME_GET_METADATA, &get, STATUS_INVALID, "parts = 8");
}
END_TEST

START_TEST(a_queued_value_is_read_also_if_it_left_the_queue_while_the_replies_had_no_room)
{
    struct budget_client other = {0};
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of("name");
    budget_reply_queued(served.service.budget, &other, 64 << 20);                   /* more than the bound */
    const ProtobufCBinaryData value = bytes_random(1, CLIENT_UNREAD_BYTES_MAX + 1); /* no short answer */
    ck_assert_int_eq(
        service_start(FRAME_WRITE_METADATA, metadata_new(operation_set_bytes(get.name, value)), NULL),
        REQUEST_TAKEN);
    ck_assert_int_eq(service_start(FRAME_GET_METADATA, &get, NULL), REQUEST_TAKEN);
    while (pending_operations(order_pending(served.service.order)) > 0) {
        service_iterate();
    }
    ck_assert_uint_eq(served.reply_count, 1);
    budget_reply_gone(served.service.budget, &other, 64 << 20);
    service_settle();
    ck_assert_int_eq(served.replies[1].status, STATUS_OK);
    const Cairn__MetadataReply *reply = cairn__metadata_reply__unpack(
        kept_allocator(), served.replies[1].body.len, served.replies[1].body.data);
    ck_assert(reply != NULL && bytes_same(reply->value, value));
}
END_TEST

START_TEST(a_read_of_nothing_is_invalid)
{
    Cairn__ReadBlock none = CAIRN__READ_BLOCK__INIT;
    service_ask_refused(FRAME_READ_BLOCK, &none, STATUS_INVALID, "name a hash, or a height");
    Cairn__ReadBlock genesis = block_at(0);
    service_ask_refused(FRAME_READ_BLOCK, &genesis, STATUS_INVALID, "from 1");
    Cairn__ReadBlock by_hash = CAIRN__READ_BLOCK__INIT;
    by_hash.at_case = CAIRN__READ_BLOCK__AT_HASH;
    by_hash.hash = bytes_random(1, HASH_BYTES_MAX + 1);
    service_ask_refused(FRAME_READ_BLOCK, &by_hash, STATUS_INVALID, "65 bytes");
    Cairn__ReadBlock parts = block_at(1);
    parts.has_parts = true;
    parts.parts = 1U << 31;
    service_ask_refused(FRAME_READ_BLOCK, &parts, STATUS_INVALID, "parts");
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    service_ask_refused(FRAME_GET_METADATA, &get, STATUS_INVALID, "0 bytes");
    Cairn__Height height = CAIRN__HEIGHT__INIT;
    height.has_chain = true;
    height.chain = bytes_of("nowhere");
    service_ask_refused(FRAME_HEIGHT, &height, STATUS_INVALID, "nowhere");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("read", 20, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, what_memory_has_is_answered_at_once);
    tcase_add_test(tests, a_short_answer_from_memory_waits_for_nobody_else);
    tcase_add_test(tests, what_takes_io_is_read_by_the_pool);
    tcase_add_test(tests, a_read_is_of_the_instant_it_came_at);
    tcase_add_test(tests, absence_is_an_answer_without_a_text);
    tcase_add_test(tests, a_failure_to_read_is_io_error_and_never_absence);
    tcase_add_test(tests, a_block_larger_than_is_read_unasked_gets_room_and_is_read_again);
    tcase_add_test(tests, reads_wait_while_the_replies_have_no_room_and_go_on_in_order);
    tcase_add_test(tests, reads_that_wait_end_unread_when_their_session_closes);
    tcase_add_test(tests, queued_metadata_is_seen_and_a_queued_raise_is_added_to_what_is_stored);
    tcase_add_test(tests, of_a_name_only_what_was_asked_for_is_said);
    tcase_add_test(tests, a_queued_value_is_read_also_if_it_left_the_queue_while_the_replies_had_no_room);
    tcase_add_test(tests, a_read_of_nothing_is_invalid);
    return suite_run(suite, false);
}
