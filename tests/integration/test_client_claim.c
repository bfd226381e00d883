/* Claims as a node has them, libcairn with the daemon (contract §12): commits and accepted metadata go on while the daemon is killed, no
 * call fails, nothing is lost and nothing applied twice; and of two clients that fight for a chain one writes at a time. */
#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/daemon.h"
#include "tests/lib/suite.h"

enum {
    CONNECTIONS = 2, /* commits on the first, which claims; metadata on both */
    IN_FLIGHT = 8,   /* commits, and as many writes of metadata on each connection */
    NAMES = 4,       /* that the second connection writes */
    KILLS = 5,       /* of the daemon */
    HEIGHTS = 60,    /* committed between two kills */
    LONG_US = 300000000,
};

static struct daemon daemon_of_test;
static struct cairn_client *client;
static struct cairn_connection *connections[CONNECTIONS];
static struct cairn_retry retries[CONNECTIONS];
static uint64_t submitted, committed, repeated; /* heights */
static uint64_t sets[CONNECTIONS], sets_done[CONNECTIONS];

static void expect_ok(const struct cairn_reply *reply)
{
    ck_assert_msg(reply->status == CAIRN_OK, "%d: %s: %s: %s", (int)reply->kind,
                  cairn_status_text(reply->status), cairn_reason_text(reply->reason), reply->text);
}

static void block_committed(void *context, const struct cairn_reply *reply)
{
    (void)context;
    expect_ok(reply);
    committed++;
    repeated += reply->write.repeated;
}

static void metadata_set(void *context, const struct cairn_reply *reply)
{
    expect_ok(reply);
    ++*(uint64_t *)context;
}

/* The block's content tells its height; the condition makes it fail if it is applied twice, or out of order. */
static void commit_next(void)
{
    char header[32];
    const uint64_t height = ++submitted;
    snprintf(header, sizeof header, "header %" PRIu64, height);
    const struct cairn_block block = {.height = height, .header = cairn_text(header)};
    const struct cairn_commit_request request = {.timeout_us = LONG_US,
                                                 .if_height = true,
                                                 .expected_height = height - 1,
                                                 .blocks = &block,
                                                 .block_count = 1,
                                                 .rise_to = height};
    ck_assert_int_eq(cairn_submit_commit(connections[0], &request, block_committed, NULL), CAIRN_OK);
}

/* On the first connection always the same name, behind each commit; on the second names by turns. */
static void set_next(int which)
{
    char name[32], value[32];
    const uint64_t number = ++sets[which];
    snprintf(name, sizeof name, which == 0 ? "tip" : "name %" PRIu64, number % NAMES);
    snprintf(value, sizeof value, "%" PRIu64, number);
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text(name), .value = cairn_text(value)};
    const struct cairn_write_metadata_request request = {
        .timeout_us = LONG_US, .operations = &set, .operation_count = 1};
    ck_assert_int_eq(
        cairn_submit_write_metadata(connections[which], &request, metadata_set, &sets_done[which]), CAIRN_OK);
}

/* Waits for the sockets and processes them; a lost connection is made again. */
static void turn(void)
{
    struct pollfd fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] =
            (struct pollfd){cairn_connection_fd(connections[i]), cairn_connection_events(connections[i]), 0};
    }
    (void)poll(fds, CONNECTIONS, 10);
    for (int i = 0; i < CONNECTIONS; i++) {
        enum cairn_status status = cairn_connection_process(connections[i], fds[i].revents);
        if (cairn_connection_get_state(connections[i]) == CAIRN_LOST) {
            (void)!cairn_retry_pause_us(&retries[i], CAIRN_PING, status); /* the poll above paces */
            (void)cairn_connection_reconnect(connections[i]);
        }
    }
}

/* Works until so much is committed; more is in flight then. */
static void work_until(uint64_t height)
{
    while (committed < height) {
        while (submitted - committed < IN_FLIGHT &&
               cairn_connection_get_state(connections[0]) != CAIRN_LOST) {
            commit_next();
            set_next(0);
        }
        while (sets[1] - sets_done[1] < IN_FLIGHT &&
               cairn_connection_get_state(connections[1]) != CAIRN_LOST) {
            set_next(1);
        }
        turn();
    }
}

static void finish(void)
{
    while (committed < submitted || sets_done[0] < sets[0] || sets_done[1] < sets[1]) {
        turn();
    }
}

static void claim(struct cairn_connection *connection, bool take_over, enum cairn_status wanted)
{
    const struct cairn_claim_request request = {.writer_name = cairn_text("test"), .take_over = take_over};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_claim(connection, &request, &reply);
    ck_assert_msg(status == wanted, "%s: %s", cairn_status_text(status), reply->text);
    ck_assert_int_eq(reply->reason, wanted == CAIRN_CONFLICT ? CAIRN_REASON_CLAIMED : CAIRN_REASON_NONE);
}

static void start_client(struct cairn_client **ret_client, struct cairn_connection **ret_connection)
{
    const struct cairn_client_options options = {.socket_path = daemon_of_test.socket, .timeout_us = LONG_US};
    ck_assert_int_eq(cairn_client_new(&options, ret_client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(*ret_client, 0, ret_connection), CAIRN_OK);
}

static void setup(void)
{
    daemon_of_test = daemon_new();
    daemon_start(&daemon_of_test, "");
    start_client(&client, &connections[0]);
    ck_assert_int_eq(cairn_connect(client, 0, &connections[1]), CAIRN_OK);
}

static void teardown(void)
{
    cairn_client_free(client);
    ck_assert_int_eq(daemon_stop(&daemon_of_test), 0);
    daemon_close(&daemon_of_test);
}

static void expect_value(const char *name, uint64_t number)
{
    char value[32];
    const struct cairn_reply *reply;
    snprintf(value, sizeof value, "%" PRIu64, number);
    const struct cairn_get_request get = {.name = cairn_text(name)};
    ck_assert_int_eq(cairn_get(connections[0], &get, &reply), CAIRN_OK);
    ck_assert_msg(reply->found.value.bytes == strlen(value) &&
                      memcmp(reply->found.value.data, value, strlen(value)) == 0,
                  "%s is %.*s, not %s", name, (int)reply->found.value.bytes,
                  (const char *)reply->found.value.data, value);
}

/* What was written last is there, and all blocks are. */
static void expect_all(uint64_t height)
{
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_read_height(connections[0], &(struct cairn_read_height_request){0}, &reply),
                     CAIRN_OK);
    ck_assert_uint_eq(reply->height, height);
    for (uint64_t at = 1; at <= height; at++) {
        char header[32];
        const struct cairn_read_block_request read = {.height = at, .parts = CAIRN_HEADER};
        snprintf(header, sizeof header, "header %" PRIu64, at);
        ck_assert_int_eq(cairn_read_block(connections[0], &read, &reply), CAIRN_OK);
        ck_assert(reply->block.header.bytes == strlen(header) &&
                  memcmp(reply->block.header.data, header, strlen(header)) == 0);
    }
    expect_value("tip", height);
    for (uint64_t i = 0; i < NAMES; i++) {
        char name[32];
        uint64_t number = sets[1] - i;
        snprintf(name, sizeof name, "name %" PRIu64, number % NAMES);
        expect_value(name, number);
    }
}

START_TEST(kills_under_load_do_not_show)
{
    claim(connections[0], false, CAIRN_OK);
    for (uint64_t i = 1; i <= KILLS; i++) {
        work_until(i * HEIGHTS);
        daemon_kill(&daemon_of_test);
        for (int j = 0; j < 3; j++) {
            turn(); /* the loss is noticed, and nobody listens */
        }
        daemon_start(&daemon_of_test, "");
    }
    finish();
    expect_all(submitted);
    struct cairn_client_counters counters;
    cairn_client_get_counters(client, &counters);
    ck_assert_uint_eq(counters.dropped_operations, 0);
    printf("claim: %" PRIu64 " commits, %" PRIu64 " of them applied before the answer was lost\n", committed,
           repeated);
    daemon_kill(&daemon_of_test); /* once more, without anything open: the claim goes on */
    daemon_start(&daemon_of_test, "");
    work_until(submitted + HEIGHTS);
    finish();
    expect_all(submitted);
}
END_TEST

static atomic_bool stop_calls;
static atomic_uint_fast64_t calls;

/* A thread of blocking calls; each must succeed. Returns the text of the one that did not. */
static void *call_on(void *context)
{
    static char fault[512];
    struct cairn_connection *connection = context;
    uint64_t height = 0;
    while (!stop_calls) {
        const struct cairn_block block = {.height = ++height, .header = cairn_text("header")};
        const struct cairn_commit_request commit = {.timeout_us = LONG_US,
                                                    .if_height = true,
                                                    .expected_height = height - 1,
                                                    .blocks = &block,
                                                    .block_count = 1,
                                                    .rise_to = height};
        const struct cairn_operation set = {
            .kind = CAIRN_RAISE, .name = cairn_text("raised"), .raise = height};
        const struct cairn_write_metadata_request raise = {
            .timeout_us = LONG_US, .operations = &set, .operation_count = 1};
        const struct cairn_reply *reply;
        if (cairn_commit(connection, &commit, &reply) != CAIRN_OK ||
            cairn_write_metadata(connection, &raise, &reply) != CAIRN_OK) {
            snprintf(fault, sizeof fault, "%s: %s", cairn_status_text(reply->status), reply->text);
            return fault;
        }
        calls++;
    }
    return NULL;
}

START_TEST(blocking_calls_of_a_claim_go_through_kills)
{
    pthread_t thread;
    claim(connections[0], false, CAIRN_OK);
    cairn_connection_free(connections[1]);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_on, connections[0]), 0);
    for (uint64_t i = 1; i <= KILLS; i++) {
        for (int wait = 0; calls < i * 20 && wait < patience_ms(60000); wait++) {
            poll(NULL, 0, 1);
        }
        daemon_kill(&daemon_of_test);
        daemon_start(&daemon_of_test, "");
    }
    stop_calls = true;
    void *fault;
    ck_assert_int_eq(pthread_join(thread, &fault), 0);
    ck_assert_msg(fault == NULL, "%s", (const char *)fault);
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_read_height(connections[0], &(struct cairn_read_height_request){0}, &reply),
                     CAIRN_OK);
    ck_assert_uint_eq(reply->height, calls);
}
END_TEST

static enum cairn_status commit_at(struct cairn_connection *connection, uint64_t height,
                                   enum cairn_reason *ret_reason)
{
    const struct cairn_block block = {.height = height, .header = cairn_text("header")};
    const struct cairn_commit_request commit = {.blocks = &block, .block_count = 1, .rise_to = height};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_commit(connection, &commit, &reply);
    *ret_reason = reply->reason;
    return status;
}

/* Two clients take the chain from each other; the one that lost it never writes again until it claims anew. */
START_TEST(two_clients_fight_for_a_chain)
{
    struct cairn_client *other;
    struct cairn_connection *sides[2];
    enum cairn_reason reason;
    uint64_t height = 0;
    start_client(&other, &sides[1]);
    sides[0] = connections[0];
    claim(sides[0], false, CAIRN_OK);
    claim(sides[1], false, CAIRN_CONFLICT);
    for (int turn_of = 1; turn_of < 6; turn_of++) {
        struct cairn_connection *winner = sides[turn_of % 2], *loser = sides[(turn_of + 1) % 2];
        ck_assert_int_eq(commit_at(loser, ++height, &reason), CAIRN_OK);
        claim(winner, true, CAIRN_OK);
        if (turn_of % 3 == 0) { /* also one that finds out by presenting */
            daemon_kill(&daemon_of_test);
            daemon_start(&daemon_of_test, "");
        }
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(commit_at(loser, height + 100, &reason), CAIRN_CONFLICT);
            ck_assert_int_eq(reason, CAIRN_REASON_CLAIMED);
        }
        ck_assert_int_eq(commit_at(winner, ++height, &reason), CAIRN_OK);
    }
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_chains(sides[0], &(struct cairn_chains_request){0}, &reply), CAIRN_OK);
    const struct cairn_claim_entry *entry = reply->chains.entries[0].claim;
    ck_assert(entry != NULL && entry->held && entry->pid == (uint32_t)getpid() && entry->uid == getuid());
    ck_assert_int_eq(cairn_release(sides[1], &(struct cairn_release_request){0}, &reply), CAIRN_OK);
    ck_assert_int_eq(commit_at(sides[1], ++height, &reason), CAIRN_CONFLICT);
    ck_assert_int_eq(cairn_read_height(sides[0], &(struct cairn_read_height_request){0}, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->height, height - 1);
    cairn_client_free(other);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("client_claim", 300, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, kills_under_load_do_not_show);
    tcase_add_test(tests, blocking_calls_of_a_claim_go_through_kills);
    tcase_add_test(tests, two_clients_fight_for_a_chain);
    return suite_run(suite, false);
}
