/* A copy of a store is another store (contract 3): a client that lives on while one is put back, or that moves to a daemon on one,
 * sends it nothing, and is told. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

#define NEVER_FLUSHED "--flush-delay 1h" /* so that what is accepted is not written meanwhile */

enum { TIMEOUT_US = 60000000 };

static struct cairn_client *client;
static struct cairn_connection *connection;

static void copy_data(const struct daemon *from, const char *to)
{
    shell("rm -rf %s && cp -a %s %s", to, from->data, to);
}

static void join(const char *socket_path)
{
    struct cairn_client_options options = {.socket_path = socket_path, .timeout_us = TIMEOUT_US};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client, TIMEOUT_US, &connection), CAIRN_OK);
}

static enum cairn_status set_accepted(const char *name)
{
    struct cairn_operation operation = {
        .kind = CAIRN_SET, .name = cairn_text(name), .value = cairn_text("value")};
    struct cairn_write_metadata_request write = {.operations = &operation, .operation_count = 1};
    return cairn_write_metadata(connection, &write, NULL);
}

static struct cairn_client_counters counters(void)
{
    struct cairn_client_counters now;
    cairn_client_get_counters(client, &now);
    return now;
}

/* The client is told that the store is another one, keeps what it had, and its close is not OK. */
static void leave_changed(uint64_t kept_operations)
{
    uint64_t unwritten = 0;
    ck_assert_int_eq(set_accepted("new"), CAIRN_STORE_CHANGED);
    ck_assert_int_eq(cairn_ping(connection, &(struct cairn_ping_request){0}, NULL), CAIRN_STORE_CHANGED);
    ck_assert_uint_eq(counters().kept_operations, kept_operations);
    ck_assert_uint_eq(counters().resent_operations, 0);
    ck_assert_int_eq(cairn_close(connection, TIMEOUT_US, &unwritten), CAIRN_STORE_CHANGED);
    ck_assert_uint_eq(unwritten, kept_operations);
    cairn_client_free(client);
}

static void check_untouched(const char *socket_path)
{
    struct wire wire = wire_open(socket_path);
    ck_assert(metadata_is(&wire, "a", NULL));
    ck_assert(metadata_is(&wire, "b", NULL));
    ck_assert(metadata_is(&wire, "new", NULL));
    ck_assert(block_is(&wire, 1, "one"));
    wire_close(&wire);
}

/* Puts the copy back, and starts the daemon on it so many times. */
static void restore(struct daemon *daemon, const char *copy, int starts)
{
    shell("rm -rf %s && cp -a %s %s", daemon->data, copy, daemon->data);
    for (int i = 0; i < starts; i++) {
        if (i > 0) {
            daemon_kill(daemon);
        }
        daemon_start(daemon, "");
    }
}

/* The run after the copy has the same number on both sides; behind further starts the copy has passed it. */
START_TEST(test_a_copy_that_was_put_back_is_another_store_over_any_number_of_starts)
{
    struct rig rig = rig_start("");
    struct daemon *daemon = &rig.daemon;
    char *copy = kept_format("%s/copy", daemon->home.path);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    wire_close(&rig.wire);
    if (_i % 2 == 0) {
        ck_assert_int_eq(daemon_stop(daemon), 0);
    } else {
        daemon_kill(daemon);
    }
    copy_data(daemon, copy);
    daemon_start(daemon, NEVER_FLUSHED);
    join(daemon->socket);
    ck_assert_int_eq(set_accepted("a"), CAIRN_OK);
    ck_assert_int_eq(set_accepted("b"), CAIRN_OK);
    daemon_kill(daemon);
    restore(daemon, copy, 1 + _i);
    leave_changed(2);
    check_untouched(daemon->socket);
    daemon_kill(daemon);
    daemon_close(daemon);
}
END_TEST

START_TEST(test_a_copy_from_before_a_run_that_the_client_saw_is_another_store)
{
    struct rig rig = rig_start("");
    struct daemon *daemon = &rig.daemon;
    char *copy = kept_format("%s/copy", daemon->home.path);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    wire_close(&rig.wire);
    join(daemon->socket);
    ck_assert_int_eq(daemon_stop(daemon), 0);
    copy_data(daemon, copy);
    for (int run = 2; run <= 4; run++) {
        daemon_start(daemon, NEVER_FLUSHED);
        ck_assert_int_eq(cairn_ping(connection, &(struct cairn_ping_request){0}, NULL), CAIRN_OK);
        ck_assert_uint_eq(counters().run, (uint64_t)run);
        ck_assert_int_eq(set_accepted(run % 2 == 0 ? "a" : "b"), CAIRN_OK);
        daemon_kill(daemon);
    }
    ck_assert_uint_eq(counters().kept_operations, 3);
    uint64_t resent = counters().resent_operations;
    ck_assert_uint_gt(resent, 0);
    restore(daemon, copy, 1 + 2 * _i); /* into run 2, the same run, or a later one */
    ck_assert_int_eq(set_accepted("new"), CAIRN_STORE_CHANGED);
    ck_assert_uint_eq(counters().resent_operations, resent);
    ck_assert_int_eq(cairn_close(connection, TIMEOUT_US, NULL), CAIRN_STORE_CHANGED);
    cairn_client_free(client);
    check_untouched(daemon->socket);
    daemon_kill(daemon);
    daemon_close(daemon);
}
END_TEST

START_TEST(test_a_client_that_moves_between_daemons_on_two_copies_sends_each_only_its_own)
{
    struct rig rig = rig_start("");
    struct daemon *daemon = &rig.daemon, other = daemon_new();
    char *path = kept_format("%s/current", daemon->home.path);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(daemon), 0);
    copy_data(daemon, other.data);
    other.made = true;
    daemon_start(daemon, NEVER_FLUSHED);
    daemon_start(&other, "");

    shell("ln -sfn %s %s", daemon->socket, path);
    join(path);
    ck_assert_int_eq(set_accepted("a"), CAIRN_OK);
    ck_assert_int_eq(set_accepted("b"), CAIRN_OK);
    shell("ln -sfn %s %s", other.socket, path);
    struct cairn_connection *second = NULL;
    ck_assert_int_eq(cairn_connect(client, TIMEOUT_US, &second), CAIRN_STORE_CHANGED);
    ck_assert_int_eq(set_accepted("a"), CAIRN_OK); /* the first connection is of the first store still */
    check_untouched(other.socket);

    shell("ln -sfn %s %s", daemon->socket, path);
    ck_assert_int_eq(cairn_connect(client, TIMEOUT_US, &second), CAIRN_OK);
    ck_assert_int_eq(cairn_close(second, TIMEOUT_US, NULL), CAIRN_OK);
    shell("ln -sfn %s %s", other.socket, path);
    ck_assert_int_eq(set_accepted("b"), CAIRN_OK);
    daemon_kill(daemon);
    leave_changed(1);
    check_untouched(other.socket);
    daemon_kill(&other);
    daemon_close(&other);
    daemon_close(daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("restore", 120, &tests);
    tcase_add_loop_test(tests, test_a_copy_that_was_put_back_is_another_store_over_any_number_of_starts, 0,
                        4);
    tcase_add_loop_test(tests, test_a_copy_from_before_a_run_that_the_client_saw_is_another_store, 0, 3);
    tcase_add_test(tests, test_a_client_that_moves_between_daemons_on_two_copies_sends_each_only_its_own);
    return suite_run(suite, false);
}
