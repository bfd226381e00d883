/* Requests about chains: when a chain is there and when it is gone, what is refused meanwhile, and that nothing of a dropped chain is
 * left to the next of its name or number. */
#include <check.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static Cairn__CreateChain create(const char *name)
{
    Cairn__CreateChain message = CAIRN__CREATE_CHAIN__INIT;
    message.has_chain = true;
    message.chain = bytes_of(name);
    return message;
}

static Cairn__DropChain drop(const char *name)
{
    Cairn__DropChain message = CAIRN__DROP_CHAIN__INIT;
    message.has_chain = name != NULL;
    message.chain = bytes_of(name != NULL ? name : "");
    return message;
}

static void make(const char *name)
{
    Cairn__CreateChain message = create(name);
    ck_assert_int_eq(service_ask(FRAME_CREATE_CHAIN, &message).status, STATUS_OK);
}

static void ask_drop(const char *name)
{
    Cairn__DropChain message = drop(name);
    struct service_reply reply = service_ask(FRAME_DROP_CHAIN, &message);
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__WriteReply *written =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(written != NULL && written->has_sequence && written->level == CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_uint_eq(written->sequence, order_sequence(served.service.order));
}

static const Cairn__ChainsReply *chains(void)
{
    Cairn__Chains message = CAIRN__CHAINS__INIT;
    struct service_reply reply = service_ask(FRAME_CHAINS, &message);
    return cairn__chains_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
}

static Cairn__Commit *block_in(const char *chain, uint64_t height)
{
    Cairn__Commit *commit = commit_of_block(height, "header");
    commit->has_chain = chain != NULL;
    commit->chain = bytes_of(chain != NULL ? chain : "");
    return commit;
}

static Cairn__WriteMetadata *name_in(const char *chain, const char *name, uint64_t resend_of)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "value"));
    write->has_chain = true;
    write->chain = bytes_of(chain);
    write->has_resend_of = resend_of != 0;
    write->resend_of = resend_of;
    return write;
}

static enum status status_of_name(const char *chain, const char *name)
{
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_chain = get.has_name = true;
    get.chain = bytes_of(chain);
    get.name = bytes_of(name);
    return service_ask(FRAME_GET_METADATA, &get).status;
}

static enum status status_of_block(const char *chain, uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.has_chain = true;
    read.chain = bytes_of(chain);
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    return service_ask(FRAME_READ_BLOCK, &read).status;
}

/* ---- making ---- */

START_TEST(a_chain_is_there_when_its_making_is_answered_and_not_before)
{
    Cairn__CreateChain message = create("other");
    ck_assert_int_eq(service_start(FRAME_CREATE_CHAIN, &message, NULL), REQUEST_TAKEN);
    Cairn__Chains list = CAIRN__CHAINS__INIT;
    ck_assert_int_eq(service_start(FRAME_CHAINS, &list, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    const Cairn__ChainsReply *before = cairn__chains_reply__unpack(
        kept_allocator(), served.replies[0].body.len, served.replies[0].body.data);
    ck_assert(before != NULL && before->n_chains == 1);
    service_settle();
    ck_assert_int_eq(served.replies[1].header.type, FRAME_CREATE_CHAIN);
    ck_assert_uint_eq(chains()->n_chains, 2);
}
END_TEST

START_TEST(a_chain_is_made_once_and_making_it_again_is_fine)
{
    for (int i = 0; i < 2; i++) {
        Cairn__CreateChain message = create("other");
        struct service_reply reply = service_ask(FRAME_CREATE_CHAIN, &message);
        ck_assert_int_eq(reply.status, STATUS_OK);
        const Cairn__WriteReply *written =
            cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
        ck_assert(written != NULL && written->created == (i == 0));
    }
    const Cairn__ChainsReply *reply = chains();
    ck_assert_uint_eq(reply->n_chains, 2);
    ck_assert(bytes_are(reply->chains[0]->name, "default") && bytes_are(reply->chains[1]->name, "other"));
}
END_TEST

START_TEST(of_two_that_make_a_chain_at_once_the_first_is_told_that_it_is_new)
{
    Cairn__CreateChain message = create("other");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(service_start(FRAME_CREATE_CHAIN, &message, NULL), REQUEST_TAKEN);
    }
    service_settle();
    for (size_t i = 0; i < 2; i++) {
        const struct service_reply *reply = &served.replies[i];
        const Cairn__WriteReply *written =
            cairn__write_reply__unpack(kept_allocator(), reply->body.len, reply->body.data);
        ck_assert(written != NULL && written->created == (i == 0));
    }
}
END_TEST

START_TEST(a_name_that_is_none_and_a_chain_too_many_are_refused_and_a_drop_makes_a_place)
{
    Cairn__CreateChain bad = create("Upper");
    service_ask_refused(FRAME_CREATE_CHAIN, &bad, STATUS_INVALID, "a-z 0-9");
    make("a");
    make("b");
    make("c"); /* the fixture allows 4, with default */
    Cairn__CreateChain beyond = create("d");
    service_ask_refused(FRAME_CREATE_CHAIN, &beyond, STATUS_TOO_LARGE, "chains_max");
    ck_assert_uint_eq(chains()->n_chains, 4);
    ask_drop("b");
    make("d");
    beyond = create("b");
    service_ask_refused(FRAME_CREATE_CHAIN, &beyond, STATUS_TOO_LARGE, "chains_max");
    ck_assert_uint_eq(chains()->n_chains, 4);
}
END_TEST

START_TEST(a_chain_whose_making_failed_is_not_shown)
{
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_IN_DOUBT, 100);
    Cairn__CreateChain message = create("other");
    service_ask_refused(FRAME_CREATE_CHAIN, &message, STATUS_IO_ERROR, "");
    ck_assert_uint_eq(chains()->n_chains, 1);
}
END_TEST

START_TEST(a_chain_that_was_not_made_for_want_of_space_takes_no_place)
{
    for (int i = 0; i < 8; i++) { /* twice as many as there are places */
        char name[] = {(char)('a' + i), '\0'};
        fake_disk_fault(served.disk, FAKE_WRITE, FAKE_FAILS, 1);
        Cairn__CreateChain message = create(name);
        service_ask_refused(FRAME_CREATE_CHAIN, &message, STATUS_NO_SPACE, "");
    }
    make("a");
    make("b");
    ck_assert_uint_eq(chains()->n_chains, 3);
}
END_TEST

/* ---- dropping ---- */

START_TEST(a_dropped_chain_is_unknown_and_one_of_its_name_has_nothing_of_it)
{
    make("other");
    ck_assert_int_eq(service_ask(FRAME_COMMIT, block_in("other", 1)).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, name_in("other", "n", 0)).status, STATUS_OK);
    ck_assert_int_eq(status_of_name("other", "n"), STATUS_OK);
    ask_drop("other");
    ck_assert_uint_eq(chains()->n_chains, 1);
    ck_assert_int_eq(status_of_block("other", 1), STATUS_INVALID);
    service_ask_refused(FRAME_COMMIT, block_in("other", 2), STATUS_INVALID, "other");
    Cairn__DropChain again = drop("other");
    service_ask_refused(FRAME_DROP_CHAIN, &again, STATUS_INVALID, "other");
    make("other");
    ck_assert_int_eq(status_of_block("other", 1), STATUS_NOT_FOUND);
    ck_assert_int_eq(status_of_name("other", "n"), STATUS_NOT_FOUND);
    const Cairn__ChainsReply *reply = chains();
    ck_assert(bytes_are(reply->chains[1]->name, "other") && reply->chains[1]->height == 0);
}
END_TEST

START_TEST(a_drop_names_its_chain)
{
    Cairn__DropChain nameless = drop(NULL), empty = drop(""), bad = drop("Upper");
    uint64_t sequence = order_sequence(served.service.order);
    service_ask_refused(FRAME_DROP_CHAIN, &nameless, STATUS_INVALID, "without the name");
    service_ask_refused(FRAME_DROP_CHAIN, &empty, STATUS_INVALID, "0 bytes");
    service_ask_refused(FRAME_DROP_CHAIN, &bad, STATUS_INVALID, "a-z 0-9");
    ck_assert_uint_eq(order_sequence(served.service.order), sequence);
}
END_TEST

START_TEST(default_is_made_anew_and_was_never_away)
{
    ck_assert_int_eq(service_ask(FRAME_COMMIT, block_in(NULL, 1)).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, name_in("default", "n", 0)).status, STATUS_OK);
    for (int i = 0; i < 2; i++) {
        ask_drop("default");
        ck_assert_uint_eq(chains()->n_chains, 1);
        ck_assert_uint_eq(chains()->chains[0]->height, 0);
        ck_assert_int_eq(status_of_block("default", 1), STATUS_NOT_FOUND);
        ck_assert_int_eq(status_of_name("default", "n"), STATUS_NOT_FOUND);
        ck_assert_int_eq(service_ask(FRAME_COMMIT, block_in(NULL, 1)).status, STATUS_OK);
        ck_assert_int_eq(status_of_block("default", 1), STATUS_OK);
    }
}
END_TEST

/* From its acceptance to its answer. */
START_TEST(until_it_is_answered_reads_see_the_chain_and_writes_are_conflict)
{
    make("other");
    ck_assert_int_eq(service_ask(FRAME_COMMIT, block_in("other", 1)).status, STATUS_OK);
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, name_in("other", "n", 0)).status, STATUS_OK);
    size_t replies = served.reply_count;
    Cairn__DropChain first = drop("other"), second = drop("other");
    Cairn__CreateChain remake = create("other");
    Cairn__Chains listing = CAIRN__CHAINS__INIT;
    (void)service_start(FRAME_DROP_CHAIN, &first, NULL);
    ck_assert_uint_eq(served.reply_count, replies); /* the writer has not run */
    const struct {
        uint8_t type;
        const void *message;
    } refused[] = {{FRAME_COMMIT, block_in("other", 2)},
                   {FRAME_WRITE_METADATA, name_in("other", "m", 0)},
                   {FRAME_DROP_CHAIN, &second},
                   {FRAME_CREATE_CHAIN, &remake}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        (void)service_start(refused[i].type, refused[i].message, NULL);
        const struct service_reply *reply = &served.replies[served.reply_count - 1];
        ck_assert_int_eq(reply->header.type, refused[i].type);
        ck_assert_int_eq(reply->status, STATUS_CONFLICT);
        ck_assert_int_eq(reply->reason, REASON_DROPPED);
        ck_assert_ptr_nonnull(strstr(reply->text, "dropped"));
    }
    ck_assert_uint_eq(served.reply_count, replies + 4);
    (void)service_start(FRAME_CHAINS, &listing, NULL);
    const Cairn__ChainsReply *list = cairn__chains_reply__unpack(
        kept_allocator(), served.replies[replies + 4].body.len, served.replies[replies + 4].body.data);
    ck_assert(list->n_chains == 2 && list->chains[1]->height == 1);
    service_settle();
    ck_assert_int_eq(served.replies[replies + 5].header.type, FRAME_DROP_CHAIN);
    ck_assert_int_eq(served.replies[replies + 5].status, STATUS_OK);
    ck_assert_uint_eq(chains()->n_chains, 1);
}
END_TEST

START_TEST(what_is_resent_to_a_chain_that_was_dropped_or_made_since_is_conflict)
{
    make("other");
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, name_in("other", "n", 0)).status, STATUS_OK);
    uint64_t old = order_sequence(served.service.order);
    ask_drop("other");
    service_ask_conflict(FRAME_WRITE_METADATA, name_in("other", "n", old), REASON_DROPPED, "dropped");
    service_ask_refused(FRAME_WRITE_METADATA, name_in("Bad", "n", old), STATUS_INVALID, "a-z");
    make("other");
    service_ask_conflict(FRAME_WRITE_METADATA, name_in("other", "n", old), REASON_DROPPED, "made again");
    ck_assert_int_eq(status_of_name("other", "n"), STATUS_NOT_FOUND);
    uint64_t newer = order_sequence(served.service.order);
    ck_assert_int_eq(service_ask(FRAME_WRITE_METADATA, name_in("other", "n", newer)).status, STATUS_OK);
    ask_drop("default");
    service_ask_conflict(FRAME_WRITE_METADATA, name_in("default", "n", old), REASON_DROPPED, "made again");
}
END_TEST

/* It is not known yet whether the chain goes: it may be that the drop is refused. */
START_TEST(what_is_resent_while_a_drop_is_in_flight_waits_for_its_outcome)
{
    make("other");
    uint64_t old = order_sequence(served.service.order);
    struct request *request = NULL;
    Cairn__DropChain message = drop("other");
    fake_disk_fault(served.disk, FAKE_WRITE, FAKE_FAILS, 1);
    (void)service_start(FRAME_DROP_CHAIN, &message, NULL);
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, name_in("other", "n", old), &request),
                     REQUEST_WAITS);
    service_await_replies(served.reply_count + 1);
    ck_assert_int_eq(served.replies[served.reply_count - 1].status, STATUS_NO_SPACE);
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    ck_assert_int_eq(served.replies[served.reply_count - 1].status, STATUS_OK);
    ck_assert_int_eq(status_of_name("other", "n"), STATUS_OK); /* and the chain takes writes again */
    (void)service_start(FRAME_DROP_CHAIN, &message, NULL);
    ck_assert_int_eq(service_start(FRAME_WRITE_METADATA, name_in("other", "m", old), &request),
                     REQUEST_WAITS);
    service_await_replies(served.reply_count + 1);
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    ck_assert_int_eq(served.replies[served.reply_count - 1].status, STATUS_CONFLICT);
}
END_TEST

static Cairn__ReadBlocks *blocks_of(const char *chain)
{
    Cairn__ReadBlocks *read = kept_alloc(sizeof *read);
    cairn__read_blocks__init(read);
    read->has_chain = read->has_first = read->has_last = true;
    read->chain = bytes_of(chain);
    read->first = 1;
    read->last = 10;
    return read;
}

/* Open ones keep their instant; what is answered at a later one finds no chain. */
START_TEST(streams_and_dry_runs_that_wait_for_their_turn_find_it_gone_and_open_ones_do_not)
{
    enum { AT_WORK = 4 }; /* the fixture's bound */
    make("other");
    for (uint64_t height = 1; height <= 3; height++) {
        ck_assert_int_eq(service_ask(FRAME_COMMIT, block_in("other", height)).status, STATUS_OK);
    }
    uint64_t first = service_next_id();
    Cairn__Prune *dry = prune_blocks(3);
    dry->has_chain = dry->has_dry_run = dry->dry_run = true;
    dry->chain = bytes_of("other");
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    for (int i = 0; i < AT_WORK + 1; i++) {
        (void)service_start(FRAME_READ_BLOCKS, blocks_of("other"), NULL);
    }
    service_iterate();
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    for (int i = 0; i < 2; i++) {
        (void)service_start(FRAME_PRUNE, dry, NULL);
    }
    size_t replies = served.reply_count;
    Cairn__DropChain message = drop("other");
    (void)service_start(FRAME_DROP_CHAIN, &message, NULL);
    service_await_replies(replies + 1);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    size_t blocks = 0, refused = 0, counted = 0;
    for (size_t i = replies + 1; i < served.reply_count; i++) {
        const struct service_reply *reply = &served.replies[i];
        refused += reply->status == STATUS_INVALID;
        counted += reply->status == STATUS_OK && reply->header.type == FRAME_PRUNE;
        blocks += reply->status == STATUS_OK && reply->body.len > 0 && reply->header.id < first + AT_WORK;
    }
    ck_assert_uint_eq(blocks, 3 * AT_WORK);
    ck_assert_uint_eq(refused, 2); /* the fifth stream, and the second dry run */
    ck_assert_uint_eq(counted, 1);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("chains", 60, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, a_chain_is_there_when_its_making_is_answered_and_not_before);
    tcase_add_test(tests, a_chain_is_made_once_and_making_it_again_is_fine);
    tcase_add_test(tests, of_two_that_make_a_chain_at_once_the_first_is_told_that_it_is_new);
    tcase_add_test(tests, a_name_that_is_none_and_a_chain_too_many_are_refused_and_a_drop_makes_a_place);
    tcase_add_test(tests, a_chain_whose_making_failed_is_not_shown);
    tcase_add_test(tests, a_chain_that_was_not_made_for_want_of_space_takes_no_place);
    tcase_add_test(tests, a_dropped_chain_is_unknown_and_one_of_its_name_has_nothing_of_it);
    tcase_add_test(tests, a_drop_names_its_chain);
    tcase_add_test(tests, default_is_made_anew_and_was_never_away);
    tcase_add_test(tests, until_it_is_answered_reads_see_the_chain_and_writes_are_conflict);
    tcase_add_test(tests, what_is_resent_to_a_chain_that_was_dropped_or_made_since_is_conflict);
    tcase_add_test(tests, what_is_resent_while_a_drop_is_in_flight_waits_for_its_outcome);
    tcase_add_test(tests, streams_and_dry_runs_that_wait_for_their_turn_find_it_gone_and_open_ones_do_not);
    return suite_run(suite, false);
}
