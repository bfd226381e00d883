/* Usage: the sum of what a chain's keys and values take, and of no other chain's. */
#include <check.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static struct service_reply ask_usage(const char *chain)
{
    Cairn__Usage usage = CAIRN__USAGE__INIT;
    usage.has_chain = chain != NULL;
    usage.chain = bytes_of(chain != NULL ? chain : "");
    return service_ask(FRAME_USAGE, &usage);
}

static uint64_t bytes_taken(const char *chain)
{
    struct service_reply reply = ask_usage(chain);
    ck_assert_int_eq(reply.status, STATUS_OK);
    const Cairn__UsageReply *said =
        cairn__usage_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(said != NULL && said->has_bytes);
    return said->bytes;
}

START_TEST(all_of_a_chain_counts_and_nothing_else)
{
    enum { PART_BYTES = 5000 };
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    create.has_chain = true;
    create.chain = bytes_of("other");
    ck_assert_int_eq(service_ask(FRAME_CREATE_CHAIN, &create).status, STATUS_OK);
    uint64_t before = bytes_taken(NULL);
    const ProtobufCBinaryData part = bytes_random(1, PART_BYTES);
    for (uint64_t height = 1; height <= 3; height++) {
        Cairn__Commit *commit = commit_of_block(height, "header");
        commit->blocks[0]->has_data = true;
        commit->blocks[0]->data = part;
        commit_state(commit, height, "state");
        commit_metadata(commit, operation_set_bytes(bytes_of("name"), part));
        ck_assert_int_eq(service_ask(FRAME_COMMIT, commit).status, STATUS_OK);
    }
    uint64_t after = bytes_taken("default");
    ck_assert_uint_ge(after, before + 4 * PART_BYTES);
    ck_assert_uint_le(after, before + 5 * PART_BYTES);
    ck_assert_uint_eq(bytes_taken("other"), 0);
}
END_TEST

START_TEST(what_is_of_no_chain_or_cannot_be_read_is_refused)
{
    Cairn__Usage usage = CAIRN__USAGE__INIT;
    usage.has_chain = true;
    usage.chain = bytes_of("nowhere");
    service_ask_refused(FRAME_USAGE, &usage, STATUS_INVALID, "nowhere");
    fake_disk_fault(served.disk, FAKE_NEXT, FAKE_FAILS, 2);
    usage.has_chain = false;
    service_ask_refused(FRAME_USAGE, &usage, STATUS_IO_ERROR, "fault injected");
    ck_assert_uint_eq(bytes_taken(NULL), 0);
}
END_TEST

START_TEST(one_whose_session_closes_ends)
{
    Cairn__Usage usage = CAIRN__USAGE__INIT;
    ck_assert_int_eq(service_start(FRAME_USAGE, &usage, NULL), REQUEST_TAKEN);
    served.session.is_closed = true;
    service_settle();
    ck_assert_uint_eq(served.ended, served.started);
    ck_assert_uint_eq(served.reply_count, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("usage", 20, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, all_of_a_chain_counts_and_nothing_else);
    tcase_add_test(tests, what_is_of_no_chain_or_cannot_be_read_is_refused);
    tcase_add_test(tests, one_whose_session_closes_ends);
    return suite_run(suite, false);
}
