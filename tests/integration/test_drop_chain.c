/* Drop chain (contract 5): what goes and what stays, what is seen meanwhile, what a remade chain has, and what comes back of the disk. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/cairn.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

static uint64_t send_drop(struct wire *wire, const char *name)
{
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of(name);
    return wire_send(wire, FRAME_DROP_CHAIN, &drop);
}

static struct written ask_drop(struct wire *wire, const char *name)
{
    return written_reply(wire, send_drop(wire, name));
}

static void make(struct wire *wire, const char *name)
{
    struct written made = ask_create_chain(wire, name);
    ck_assert_msg(made.status == STATUS_OK && made.created, "%s", made.text);
}

static Cairn__Commit *block_in(const char *chain, uint64_t height)
{
    Cairn__Commit *commit = commit_of_block(height, kept_format("%s %lu", chain, height));
    commit->has_chain = true;
    commit->chain = bytes_of(chain);
    return commit;
}

static Cairn__WriteMetadata *name_in(const char *chain, const char *name)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "value"));
    write->has_chain = true;
    write->chain = bytes_of(chain);
    return write;
}

static enum status status_of_block(struct wire *wire, const char *chain, uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.has_chain = true;
    read.chain = bytes_of(chain);
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    return ask(wire, FRAME_READ_BLOCK, &read).status;
}

static enum status status_of_name(struct wire *wire, const char *chain, const char *name)
{
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_chain = get.has_name = true;
    get.chain = bytes_of(chain);
    get.name = bytes_of(name);
    return ask(wire, FRAME_GET_METADATA, &get).status;
}

START_TEST(test_a_dropped_chain_is_gone_for_good_and_one_of_its_name_is_empty)
{
    struct rig rig = rig_start("--flush-delay 1h");
    make(&rig.wire, "a");
    make(&rig.wire, "b");
    for (uint64_t height = 1; height <= 20; height++) {
        ck_assert_int_eq(ask_commit(&rig.wire, block_in("a", height)).status, STATUS_OK);
        ck_assert_int_eq(ask_commit(&rig.wire, block_in("b", height)).status, STATUS_OK);
    }
    ck_assert_int_eq(ask_metadata(&rig.wire, name_in("a", "queued")).status, STATUS_OK);
    ck_assert_int_eq(ask_metadata(&rig.wire, name_in("b", "queued")).status, STATUS_OK);
    struct written dropped = ask_drop(&rig.wire, "a");
    ck_assert_int_eq(dropped.status, STATUS_OK);
    ck_assert(dropped.level == CAIRN__LEVEL__LEVEL_DURABLE && dropped.sequence > 0);
    ck_assert_uint_ge(dropped.durable_through, dropped.sequence - 1);
    for (int start = 0; start < 2; start++) {
        ck_assert_int_eq(status_of_block(&rig.wire, "a", 5), STATUS_INVALID);
        ck_assert_int_eq(ask_drop(&rig.wire, "a").status, STATUS_INVALID);
        ck_assert_int_eq(status_of_block(&rig.wire, "b", 5), STATUS_OK);
        ck_assert_int_eq(status_of_name(&rig.wire, "b", "queued"), STATUS_OK); /* it was carried */
        rig_crash(&rig, "--flush-delay 1h");
    }
    make(&rig.wire, "a");
    for (int start = 0; start < 2; start++) {
        ck_assert_int_eq(status_of_block(&rig.wire, "a", 5), STATUS_NOT_FOUND);
        ck_assert_int_eq(status_of_name(&rig.wire, "a", "queued"), STATUS_NOT_FOUND);
        ck_assert_uint_eq(get_chain(&rig.wire, "a")->height, 0);
        rig_crash(&rig, "");
    }
    ck_assert_int_eq(ask_commit(&rig.wire, block_in("a", 5)).status, STATUS_OK);
    ck_assert_int_eq(status_of_block(&rig.wire, "a", 5), STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_default_is_made_anew_and_an_open_stream_keeps_its_instant)
{
    enum { BLOCKS = 2000 };
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, BLOCKS);
    set(&rig.wire, "name", "value");
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(5)).status,
                     STATUS_OK); /* whose sweep may be under way */
    struct wire other = rig_open(&rig);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = BLOCKS;
    read.parts = CAIRN__PART__PART_HEADER;
    read.window_bytes = 200;
    uint64_t id = wire_send(&other, FRAME_READ_BLOCKS, &read);
    while (other.waiting == NULL) {
        wire_poll(&other, 1000);
    }
    ck_assert_int_eq(ask_drop(&rig.wire, "default").status, STATUS_OK);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    ck_assert(block_is(&rig.wire, 1000, NULL) && metadata_is(&rig.wire, "name", NULL));
    ck_assert(!get_chain(&rig.wire, "default")->has_blocks_pruned_through);
    commit_ok(&rig.wire, commit_of_block(1, "new one")); /* which was pruned before */
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(&other, id, &n);
    ck_assert_uint_eq(n, BLOCKS - 5);
    for (size_t i = 0; i < n; i++) {
        ck_assert(bytes_are(blocks[i]->header, kept_format("header %zu", i + 6)));
    }
    wire_close(&other);
    for (int start = 0; start < 2; start++) {
        ck_assert(block_is(&rig.wire, 1, "new one") && block_is(&rig.wire, 1000, NULL));
        ck_assert_uint_eq(get_height(&rig.wire), 1);
        rig_crash(&rig, "");
    }
    rig_end(&rig);
}
END_TEST

/* From its acceptance to its answer writes to the chain are conflict: whatever order they come to be judged in, none is half there. */
START_TEST(test_what_is_sent_beside_a_drop_is_before_it_or_refused)
{
    enum { ROUNDS = 30, COMMITS = 40 };
    struct rig rig = rig_start("--chains-max 2");
    struct wire other = rig_open(&rig);
    for (int round = 0; round < ROUNDS; round++) {
        make(&rig.wire, "x");
        uint64_t ids[COMMITS], drops[2] = {0}, dropped = 0;
        for (int i = 0; i < COMMITS; i++) {
            ids[i] = wire_send(&other, FRAME_COMMIT, block_in("x", 1 + (uint64_t)i));
            if (i == COMMITS / 2) {
                drops[0] = send_drop(&rig.wire, "x");
                drops[1] = send_drop(&rig.wire, "x");
            }
        }
        for (int i = 0; i < 2; i++) {
            struct written written = written_reply(&rig.wire, drops[i]);
            bool is_refused = written.status == STATUS_CONFLICT || written.status == STATUS_INVALID;
            ck_assert_msg(i == 0 ? written.status == STATUS_OK : is_refused, "%s", written.text);
            dropped = i == 0 ? written.sequence : dropped;
        }
        for (int i = 0; i < COMMITS; i++) {
            struct written written = written_reply(&other, ids[i]);
            if (written.status == STATUS_OK) {
                ck_assert_uint_lt(written.sequence, dropped);
            } else {
                ck_assert(written.status == STATUS_CONFLICT || written.status == STATUS_INVALID);
            }
        }
        ck_assert_int_eq(status_of_block(&other, "x", 1), STATUS_INVALID); /* and its place is free again */
    }
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_what_is_resent_to_a_chain_that_was_dropped_since_is_not_applied)
{
    struct rig rig = rig_start("--flush-delay 1h");
    make(&rig.wire, "x");
    make(&rig.wire, "y");
    uint64_t old[2] = {ask_metadata(&rig.wire, name_in("x", "n")).sequence,
                       ask_metadata(&rig.wire, name_in("y", "n")).sequence};
    daemon_kill(&rig.daemon); /* before they are written */
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "--flush-delay 1h");
    rig.wire = rig_open(&rig);
    ck_assert_int_eq(ask_drop(&rig.wire, "x").status, STATUS_OK);
    ck_assert_int_eq(ask_drop(&rig.wire, "y").status, STATUS_OK);
    make(&rig.wire, "y");
    for (int start = 0; start < 2; start++) {
        for (int i = 0; i < 2; i++) {
            Cairn__WriteMetadata *write = name_in(i == 0 ? "x" : "y", "n");
            write->has_resend_of = true;
            write->resend_of = old[i];
            struct written written = ask_metadata(&rig.wire, write);
            ck_assert_int_eq(written.status, STATUS_CONFLICT);
            ck_assert_ptr_nonnull(strstr(written.text, "dropped"));
        }
        ck_assert_int_eq(status_of_name(&rig.wire, "y", "n"), STATUS_NOT_FOUND);
        rig_crash(&rig, "--flush-delay 1h");
    }
    rig_end(&rig);
}
END_TEST

/* Waits until there are files of large values, or none any more. */
static bool come_to(const struct rig *rig, bool is_there)
{
    bool found = !is_there;
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(60000);
         clock_ms() < until && found != is_there;) {
        found = atoi(shell_run(10000, "find %s -name '*.blob' | wc -l", rig->daemon.data).output) > 0;
        sleep_ms(100);
    }
    return found == is_there;
}

/* The run that dropped the chain does not live to ask for its space. */
START_TEST(test_space_of_a_dropped_chain_comes_back_over_a_kill_too)
{
    enum { BLOCKS = 30, BYTES = 3 << 20 };
    struct rig rig = rig_start("");
    make(&rig.wire, "x");
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = block_in("x", height);
        commit->blocks[0]->data = bytes_random(height, BYTES);
        commit_ok(&rig.wire, commit);
    }
    rig_crash(&rig, ""); /* a log of more than a write buffer goes to a table and files of its data */
    commit_ok(&rig.wire, commit_of_block(1, "another chain's"));
    ck_assert(come_to(&rig, true));
    ck_assert_int_eq(ask_drop(&rig.wire, "x").status, STATUS_OK);
    rig_crash(&rig, "");
    make(&rig.wire, "x");
    ck_assert(come_to(&rig, false));
    ck_assert(block_is(&rig.wire, 1, "another chain's"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_the_library_drops_a_chain)
{
    struct rig rig = rig_start("");
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_reply *reply;
    ck_assert_int_eq(
        cairn_client_new(&(struct cairn_client_options){.socket_path = rig.daemon.socket}, &client),
        CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
    make(&rig.wire, "x");
    struct cairn_drop_chain_request request = {.chain = cairn_text("x")};
    ck_assert_int_eq(cairn_drop_chain(connection, &request, &reply), CAIRN_OK);
    ck_assert(reply->kind == CAIRN_DROP_CHAIN && reply->write.sequence > 0);
    ck_assert_int_eq(cairn_drop_chain(connection, &request, &reply), CAIRN_INVALID);
    ck_assert_int_eq(
        cairn_drop_chain(connection, &(struct cairn_drop_chain_request){.timeout_us = 0}, &reply),
        CAIRN_INVALID); /* no name does not mean default */
    ck_assert_int_eq(cairn_close(connection, 0, NULL), CAIRN_OK);
    cairn_client_free(client);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("drop_chain", 120, &tests);
    tcase_add_test(tests, test_a_dropped_chain_is_gone_for_good_and_one_of_its_name_is_empty);
    tcase_add_test(tests, test_default_is_made_anew_and_an_open_stream_keeps_its_instant);
    tcase_add_test(tests, test_what_is_sent_beside_a_drop_is_before_it_or_refused);
    tcase_add_test(tests, test_what_is_resent_to_a_chain_that_was_dropped_since_is_not_applied);
    tcase_add_test(tests, test_space_of_a_dropped_chain_comes_back_over_a_kill_too);
    tcase_add_test(tests, test_the_library_drops_a_chain);
    return suite_run(suite, false);
}
