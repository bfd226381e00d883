/* Requests about claims: what is refused before it is a job, what waits for a claim under way, and that a job that fails leaves the claim
 * as it was. */
#include <check.h>

#include "daemon/order/order_space.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static struct chain *chain(void)
{
    return chain_find(order_chains(served.service.order), slice_of("default", 7));
}

static Cairn__Claim *claim_of(const char *writer)
{
    Cairn__Claim *claim = kept_alloc(sizeof *claim);
    cairn__claim__init(claim);
    claim->has_writer_name = true;
    claim->writer_name = bytes_of(writer);
    return claim;
}

static struct epoch claim_ok(void)
{
    struct service_reply reply = service_ask(FRAME_CLAIM, claim_of("node"));
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__ClaimReply *claim =
        cairn__claim_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(claim->epoch != NULL && claim->epoch->sequence == claim->sequence && claim->epoch->random != 0);
    return (struct epoch){claim->epoch->sequence, claim->epoch->random};
}

static Cairn__Present *present_of(struct epoch epoch)
{
    Cairn__Present *present = kept_alloc(sizeof *present);
    Cairn__Epoch *given = kept_alloc(sizeof *given);
    cairn__present__init(present);
    cairn__epoch__init(given);
    given->has_sequence = given->has_random = true;
    given->sequence = epoch.sequence;
    given->random = epoch.random;
    present->epoch = given;
    return present;
}

/* As another session would. */
static struct epoch claim_of_another(void)
{
    static struct session another;
    struct epoch epoch = {order_sequence(served.service.order) + 1000, 99};
    struct claim_record record = {.epoch = epoch, .uid = 77, .pid = 5, .name = slice_of("other", 5)};
    chain_claim_begin(&chain()->claim, &record, 3, thread_now_us());
    chain_claim_join(&chain()->claim);
    chain_claim_take_numbers(&chain()->claim, &another);
    return epoch;
}

START_TEST(what_is_no_claim_is_invalid)
{
    char longest[66] = "";
    memset(longest, 'x', 65);
    service_ask_refused(FRAME_CLAIM, claim_of(""), STATUS_INVALID, "writer's name of 0 bytes");
    service_ask_refused(FRAME_CLAIM, claim_of(longest), STATUS_INVALID, "65 bytes");
    longest[64] = '\0';
    ck_assert_int_eq(service_ask(FRAME_CLAIM, claim_of(longest)).status, STATUS_OK);
    Cairn__Present *present = present_of((struct epoch){0, 1});
    service_ask_refused(FRAME_PRESENT, present, STATUS_INVALID, "an epoch");
    present = present_of((struct epoch){1, 0});
    service_ask_refused(FRAME_PRESENT, present, STATUS_INVALID, "an epoch");
    present->epoch = NULL;
    service_ask_refused(FRAME_PRESENT, present, STATUS_INVALID, "an epoch");
    Cairn__Claim *elsewhere = claim_of("node");
    elsewhere->has_chain = true;
    elsewhere->chain = bytes_of("elsewhere");
    service_ask_refused(FRAME_CLAIM, elsewhere, STATUS_INVALID, "no chain");
}
END_TEST

START_TEST(a_claim_under_way_is_waited_for_by_all_that_writes_to_its_chain)
{
    struct request *commit, *metadata, *claim, *release, *present, *drop;
    Cairn__Release release_message = CAIRN__RELEASE__INIT;
    Cairn__DropChain drop_message = CAIRN__DROP_CHAIN__INIT;
    drop_message.has_chain = true;
    drop_message.chain = bytes_of("default");
    ck_assert_int_eq(service_start(FRAME_CLAIM, claim_of("node"), NULL), REQUEST_TAKEN);
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit_of_block(1, "header"), &commit), REQUEST_WAITS_CLAIM);
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, metadata_new(operation_set("a", "b")), &metadata),
                     REQUEST_WAITS_CLAIM);
    ck_assert_int_eq(service_start(FRAME_CLAIM, claim_of("again"), &claim), REQUEST_WAITS_CLAIM);
    ck_assert_int_eq(service_start(FRAME_PRESENT, present_of((struct epoch){5, 5}), &present),
                     REQUEST_WAITS_CLAIM);
    ck_assert_int_eq(service_start(FRAME_RELEASE, &release_message, &release), REQUEST_WAITS_CLAIM);
    ck_assert_int_eq(service_start(FRAME_DROP_CHAIN, &drop_message, &drop), REQUEST_WAITS_CLAIM);
    ck_assert_uint_eq(served.reply_count, 0);
    struct request *waiting[] = {commit, metadata, present, release};
    const enum status expected[] = {STATUS_OK, STATUS_OK, STATUS_CONFLICT, STATUS_OK};
    while (chain()->claim.changes_queued > 0) {
        service_iterate();
    }
    for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++) {
        ck_assert_int_eq(request_start_again(waiting[i], thread_now_us()), REQUEST_TAKEN);
        service_await_replies(2 + i);
        ck_assert_int_eq(served.replies[1 + i].status, expected[i]);
    }
    ck_assert_int_eq(request_start_again(claim, thread_now_us()), REQUEST_TAKEN);
    ck_assert_int_eq(request_start_again(drop, thread_now_us()), REQUEST_WAITS_CLAIM); /* for that one */
    while (chain()->claim.changes_queued > 0) {
        service_iterate();
    }
    ck_assert_int_eq(request_start_again(drop, thread_now_us()), REQUEST_TAKEN);
    service_settle();
    ck_assert(!chain_claim_stands(&chain()->claim));
    service_ask_conflict(FRAME_COMMIT, commit_of_block(1, "header"), REASON_CLAIMED,
                         "not in force"); /* that of the chain before */
}
END_TEST

START_TEST(what_waits_for_a_claim_beyond_its_deadline_is_busy)
{
    Cairn__Commit *commit = commit_of_block(1, "header");
    struct request *request;
    commit->has_deadline_us = true;
    commit->deadline_us = 1000;
    ck_assert_int_eq(service_start(FRAME_CLAIM, claim_of("node"), NULL), REQUEST_TAKEN);
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit, &request), REQUEST_WAITS_CLAIM);
    ck_assert_uint_eq(request->deadline_us, request->received_us + 1000);
    ck_assert_int_eq(request_start_again(request, request->deadline_us), REQUEST_TAKEN);
    ck_assert_int_eq(served.replies[0].status, STATUS_BUSY);
}
END_TEST

START_TEST(a_claim_that_the_engine_does_not_apply_leaves_the_one_before)
{
    struct epoch epoch = claim_ok();
    fake_disk_fault(served.disk, FAKE_WRITE, FAKE_FAILS, 1);
    ck_assert_int_eq(service_ask(FRAME_CLAIM, claim_of("node")).status, STATUS_NO_SPACE);
    ck_assert(chain_claim_is_of(&chain()->claim, epoch) && chain()->claim.changes_queued == 0);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(1, "header")).status, STATUS_OK);
    Cairn__Release release = CAIRN__RELEASE__INIT;
    fake_disk_fault(served.disk, FAKE_WRITE, FAKE_FAILS, 1);
    ck_assert_int_eq(service_ask(FRAME_RELEASE, &release).status, STATUS_NO_SPACE);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(2, "header")).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_RELEASE, &release).status, STATUS_OK);
    service_ask_conflict(FRAME_COMMIT, commit_of_block(3, "header"), REASON_CLAIMED, "not in force");
}
END_TEST

START_TEST(what_another_holds_is_refused_unless_it_may_be_taken_over)
{
    struct epoch before = claim_ok();
    (void)claim_of_another();
    served.session.role = ROLE_WRITER;
    Cairn__Claim *claim = claim_of("node");
    service_ask_conflict(FRAME_CLAIM, claim, REASON_CLAIMED, "\"other\", pid 5, uid 77");
    claim->has_take_over = claim->take_over = true;
    served.session.peer_uid = 78;
    service_ask_conflict(FRAME_CLAIM, claim, REASON_CLAIMED, "\"other\"");
    struct service_reply reply = service_ask(FRAME_PRESENT, present_of(before));
    ck_assert(reply.status == STATUS_CONFLICT && reply.has_last_number && reply.last_number == 0);
    reply = service_ask(FRAME_PRESENT, present_of((struct epoch){before.sequence, before.random + 1}));
    ck_assert(reply.status == STATUS_CONFLICT && !reply.has_last_number); /* not one of the chain's */
    Cairn__Release release = CAIRN__RELEASE__INIT;
    service_ask_conflict(FRAME_RELEASE, &release, REASON_CLAIMED, "\"other\"");
    release.has_any = release.any = true;
    service_ask_refused(FRAME_RELEASE, &release, STATUS_PERMISSION, "admin");
    ck_assert(chain_claim_stands(&chain()->claim));
}
END_TEST

START_TEST(metadata_that_is_resent_over_a_claim_or_release_is_not_applied)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set("a", "b"));
    write->has_resend_of = true;
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(1, "header")).status, STATUS_OK);
    struct epoch epoch = claim_ok();
    write->resend_of = epoch.sequence - 1;
    service_ask_conflict(FRAME_WRITE_METADATA, write, REASON_CLAIMED, "claimed, or released");
    write->resend_of = epoch.sequence + 1;
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, write).status, STATUS_OK);
}
END_TEST

/* A numbered rollback is sent again before what was sent behind it, and so has the higher number then. */
START_TEST(metadata_under_a_claim_is_resent_behind_the_rollback_of_its_writer)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set("a", "b"));
    write->has_resend_of = true;
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(1, "header")).status, STATUS_OK);
    struct epoch epoch = claim_ok();
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(2, "header")).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_ROLLBACK, rollback_to(1)).status, STATUS_OK);
    write->resend_of = epoch.sequence + 1;
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, write).status, STATUS_OK);
    write->resend_of = epoch.sequence - 1;
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, write).status, STATUS_CONFLICT);
    Cairn__Release release = CAIRN__RELEASE__INIT;
    write->resend_of = epoch.sequence + 1;
    ck_assert_int_eq(service_ask(FRAME_RELEASE, &release).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, write).status, STATUS_CONFLICT);
}
END_TEST

static void note_space(uint64_t free_bytes)
{
    struct space_look look = {.free_bytes = free_bytes,
                              .held_bytes = 8 << 20,
                              .log_bytes = 8 << 20,
                              .queue_bytes_max = 8 << 20,
                              .reserve_bytes = 8 << 20};
    order_note_space(served.service.order, &look, order_space_counted(served.service.order));
}

static Cairn__Commit *numbered(uint64_t number)
{
    Cairn__Commit *commit = commit_of_block(number, "header");
    commit->has_number = true;
    commit->number = number;
    return commit;
}

START_TEST(without_space_claims_go_on_and_no_number_is_refused_that_was_applied)
{
    (void)claim_ok();
    ck_assert_int_eq(service_ask(FRAME_COMMIT, numbered(1)).status, STATUS_OK);
    note_space(1 << 20);
    ck_assert_int_eq(order_space_state(served.service.order), SPACE_HARD);
    struct epoch epoch = claim_ok();
    ck_assert_int_eq(service_ask(FRAME_COMMIT, numbered(1)).status, STATUS_NO_SPACE); /* of a new epoch */
    note_space(1000 << 20);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, numbered(1)).status, STATUS_OK);
    note_space(1 << 20);
    struct service_reply reply = service_ask(FRAME_COMMIT, numbered(1));
    ck_assert_int_eq(reply.status, STATUS_OK);
    const Cairn__WriteReply *written =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(written->repeated);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, numbered(2)).status, STATUS_NO_SPACE);
    ck_assert_int_eq(service_ask(FRAME_PRESENT, present_of(epoch)).status, STATUS_OK);
    Cairn__Release release = CAIRN__RELEASE__INIT;
    ck_assert_int_eq(service_ask(FRAME_RELEASE, &release).status, STATUS_OK);
    note_space(1000 << 20);
}
END_TEST

static struct service_reply answer_to(uint64_t id)
{
    for (size_t i = 0; i < served.reply_count; i++) {
        if (served.replies[i].header.id == id) {
            return served.replies[i];
        }
    }
    ck_abort_msg("no answer");
    return (struct service_reply){0};
}

static void assert_repeated(uint64_t id, bool expected)
{
    struct service_reply reply = answer_to(id);
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__WriteReply *written =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_int_eq(written->repeated, expected);
}

static uint64_t start(uint8_t type, const void *message)
{
    uint64_t id = service_next_id();
    ck_assert_int_eq(service_start(type, message, NULL), REQUEST_TAKEN);
    return id;
}

static Cairn__Commit *on(const char *name, Cairn__Commit *commit)
{
    commit->has_chain = true;
    commit->chain = bytes_of(name);
    return commit;
}

/* Once with a chain that is gone behind it, and once with the one that is made anew. */
START_TEST(behind_a_drop_a_number_that_was_applied_is_repeated_and_no_other_is)
{
    const char *name = _i == 0 ? "default" : "aux";
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    create.has_chain = true;
    create.chain = bytes_of("aux");
    ck_assert_int_eq(service_ask(FRAME_CREATE_CHAIN, &create).status, STATUS_OK);
    Cairn__Claim *claim = claim_of("node");
    claim->has_chain = true;
    claim->chain = bytes_of(name);
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of(name);
    Cairn__Rollback rollback = CAIRN__ROLLBACK__INIT;
    rollback.has_chain = rollback.has_number = rollback.has_to = true;
    rollback.chain = bytes_of(name);
    rollback.number = 1;
    ck_assert_int_eq(service_ask(FRAME_CLAIM, claim).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, on(name, numbered(1))).status, STATUS_OK);
    fake_disk_fault(served.disk, FAKE_WRITE, FAKE_FAILS, 1);
    uint64_t fails = start(FRAME_COMMIT, on(name, numbered(2)));
    service_await_replies(served.reply_count + 1);
    ck_assert_int_eq(answer_to(fails).status, STATUS_NO_SPACE);
    uint64_t second = start(FRAME_COMMIT, on(name, numbered(2)));
    uint64_t ahead = start(FRAME_COMMIT, on(name, numbered(4)));
    uint64_t dropped = start(FRAME_DROP_CHAIN, &drop);
    uint64_t again[] = {start(FRAME_COMMIT, on(name, numbered(1))), start(FRAME_ROLLBACK, &rollback),
                        start(FRAME_COMMIT, on(name, numbered(2)))};
    uint64_t first_time = start(FRAME_COMMIT, on(name, numbered(3)));
    service_settle();
    assert_repeated(second, false);
    ck_assert_int_eq(answer_to(ahead).reason, REASON_NUMBER);
    ck_assert_int_eq(answer_to(dropped).status, STATUS_OK);
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++) {
        assert_repeated(again[i], true);
    }
    ck_assert_int_eq(answer_to(first_time).reason, REASON_DROPPED);
    ck_assert_int_eq(service_ask(FRAME_CREATE_CHAIN, &create).status, STATUS_OK); /* in its place, perhaps */
}
END_TEST

/* It was taken for one that may have been applied. */
START_TEST(behind_a_drop_a_number_that_failed_is_refused)
{
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of("default");
    (void)claim_ok();
    Cairn__Commit *refused = numbered(1);
    refused->has_expected_height = true;
    refused->expected_height = 5;
    uint64_t ids[] = {start(FRAME_COMMIT, refused), start(FRAME_DROP_CHAIN, &drop),
                      start(FRAME_COMMIT, numbered(1))};
    service_settle();
    ck_assert_int_eq(answer_to(ids[0]).reason, REASON_HEIGHT);
    ck_assert_int_eq(answer_to(ids[1]).status, STATUS_OK);
    ck_assert_int_eq(answer_to(ids[2]).reason, REASON_DROPPED);
    (void)claim_ok();
    ck_assert_int_eq(service_ask(FRAME_COMMIT, numbered(1)).status, STATUS_OK);
}
END_TEST

START_TEST(a_store_that_is_open_for_reading_takes_no_claim)
{
    struct space_look look = {.is_read_only = true};
    struct epoch epoch = claim_ok();
    Cairn__Present *present = present_of(epoch);
    present->has_for_numbers = present->for_numbers = true;
    chain_claim_take_numbers(&chain()->claim, NULL); /* nobody sends them */
    order_note_space(served.service.order, &look, order_space_counted(served.service.order));
    service_ask_refused(FRAME_CLAIM, claim_of("node"), STATUS_NO_SPACE, "opened for reading");
    ck_assert(chain_claim_is_of(&chain()->claim, epoch));
    service_ask_refused(FRAME_PRESENT, present, STATUS_NO_SPACE, "opened for reading");
    ck_assert_ptr_null(chain()->claim.numbers_from); /* a refused one takes no numbers */
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("claims", 60, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, what_is_no_claim_is_invalid);
    tcase_add_test(tests, a_claim_under_way_is_waited_for_by_all_that_writes_to_its_chain);
    tcase_add_test(tests, what_waits_for_a_claim_beyond_its_deadline_is_busy);
    tcase_add_test(tests, a_claim_that_the_engine_does_not_apply_leaves_the_one_before);
    tcase_add_test(tests, what_another_holds_is_refused_unless_it_may_be_taken_over);
    tcase_add_test(tests, metadata_that_is_resent_over_a_claim_or_release_is_not_applied);
    tcase_add_test(tests, metadata_under_a_claim_is_resent_behind_the_rollback_of_its_writer);
    tcase_add_test(tests, without_space_claims_go_on_and_no_number_is_refused_that_was_applied);
    tcase_add_loop_test(tests, behind_a_drop_a_number_that_was_applied_is_repeated_and_no_other_is, 0, 2);
    tcase_add_test(tests, behind_a_drop_a_number_that_failed_is_refused);
    tcase_add_test(tests, a_store_that_is_open_for_reading_takes_no_claim);
    return suite_run(suite, true);
}
