/* Parts of a data directory are put back from an older copy, each alone and in all combinations: the database, what the engine knows of
 * its log, and the numbers (contract 3 and 7). Between the copy and that there was a run with a client of libcairn that lives on.
 *
 * - Either the start is refused, with a code that needs a person and a remedy, and with the whole directory put back all is there, also
 *   for the client;
 * - or it serves. Then the client is told that the store changed, or nothing is lost of what it was told. So it is behind another kill,
 *   and the chain can be claimed and written to in either case. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "client/cairn.h"
#include "tests/lib/claims.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

#define NEVER_FLUSHED "--flush-delay 1h" /* so that what is accepted is not written meanwhile */

enum { DAMAGED = 65, MISCONFIGURED = 78, TIMEOUT_US = 60000000, END_MS = 60000 };

static const char *const parts[] = {"db", "db.state", "cairn.numbers"};

enum { DATABASE = 1, STATE = 2, NUMBERS = 4, COMBINATIONS = 8 }; /* the bits say which parts are old */

/* What the run behind the copy does. */
enum deed { COMMITS, SETS, CLAIMS };

struct played {
    struct daemon daemon;
    struct cairn_client *client;
    struct cairn_connection *connection;
    enum deed deed;
};

static enum cairn_status set_accepted(struct played *played, const char *name)
{
    struct cairn_operation operation = {
        .kind = CAIRN_SET, .name = cairn_text(name), .value = cairn_text("value")};
    struct cairn_write_metadata_request write = {.operations = &operation, .operation_count = 1};
    return cairn_write_metadata(played->connection, &write, NULL);
}

static void end_run(struct daemon *daemon, bool is_killed)
{
    if (is_killed) {
        daemon_kill(daemon);
    } else {
        ck_assert_int_eq(daemon_stop(daemon), 0);
    }
}

/* The run that the copy does not know. Its client is told that the second block is durable and that "a" is accepted. */
static void play(struct played *played, bool is_killed)
{
    struct daemon *daemon = &played->daemon;
    struct cairn_client_options options = {.socket_path = daemon->socket, .timeout_us = TIMEOUT_US};
    daemon_start(daemon, NEVER_FLUSHED);
    ck_assert_int_eq(cairn_client_new(&options, &played->client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(played->client, TIMEOUT_US, &played->connection), CAIRN_OK);
    struct wire wire = wire_open(daemon->socket);
    if (played->deed == SETS) {
        ck_assert_int_eq(set(&wire, "set", "value").status, STATUS_OK);
        ck_assert_int_eq(ask_barrier(&wire, CAIRN__LEVEL__LEVEL_DURABLE).status, STATUS_OK);
    }
    if (played->deed == CLAIMS) {
        Cairn__Epoch epoch = claim_ok(&wire, NULL, "before");
        ck_assert_int_eq(ask_present(&wire, NULL, &epoch, true).status, STATUS_OK);
        commit_ok(&wire, numbered(commit_of_block(2, "two"), NULL, 1));
        ck_assert_int_eq(ask_release(&wire, NULL, false).status, STATUS_OK);
    } else {
        commit_ok(&wire, commit_of_block(2, "two"));
    }
    ck_assert_int_eq(set_accepted(played, "a"), CAIRN_OK);
    wire_close(&wire);
    end_run(daemon, is_killed);
}

static void put_back(const struct played *played, int combination)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if ((combination & 1 << i) != 0) {
            shell("cd %s && rm -rf data/%s && cp -a copy/%s data/%s", played->daemon.home.path, parts[i],
                  parts[i], parts[i]);
        }
    }
}

/* The store takes a claim and what is written under it, whatever it knew of claims before. */
static void write_under_a_claim(struct wire *wire)
{
    Cairn__Epoch epoch = claim_ok(wire, NULL, "behind");
    ck_assert_int_eq(ask_present(wire, NULL, &epoch, true).status, STATUS_OK);
    commit_ok(wire, numbered(commit_of_block(get_height(wire) + 1, "behind"), NULL, 1));
    ck_assert_int_eq(ask_release(wire, NULL, false).status, STATUS_OK);
}

/* Whether the client is told that the store changed. It has to be, if something is gone. */
static bool check_served(struct played *played, const char *what)
{
    enum cairn_status status = set_accepted(played, "new");
    ck_assert_msg(status == CAIRN_OK || status == CAIRN_STORE_CHANGED, "%s: %s", what,
                  cairn_status_text(status));
    struct wire wire = wire_open(played->daemon.socket);
    bool has_all = block_is(&wire, 2, "two") && metadata_is(&wire, "a", "value") &&
                   (played->deed != SETS || metadata_is(&wire, "set", "value"));
    ck_assert_msg(has_all || status == CAIRN_STORE_CHANGED, "%s: lost, and nobody is told", what);
    ck_assert(block_is(&wire, 1, "one"));
    write_under_a_claim(&wire);
    wire_close(&wire);
    return status == CAIRN_STORE_CHANGED;
}

/* Starts on what is there. Returns whether it serves. */
static bool check_start(struct played *played, const char *what)
{
    (void)remove(played->daemon.errors);
    if (daemon_try_start(&played->daemon, "")) {
        return true;
    }
    int code = daemon_wait(&played->daemon, END_MS);
    const char *said = daemon_errors(&played->daemon);
    ck_assert_msg(code == DAMAGED && strstr(said, "estore") != NULL, "%s: code %d: %s", what, code, said);
    return false;
}

/* Everything up to the parts that are put back. */
static struct played play_both(int combination, enum deed deed, bool is_killed)
{
    struct rig rig = rig_start("");
    struct played played = {.daemon = rig.daemon, .deed = deed};
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    ck_assert_int_eq(ask_create_chain(&rig.wire, "other").status, STATUS_OK);
    wire_close(&rig.wire);
    end_run(&played.daemon, is_killed);
    shell("cd %s && cp -a data copy", played.daemon.home.path);
    play(&played, is_killed);
    shell("cd %s && cp -a data newest", played.daemon.home.path);
    put_back(&played, combination);
    return played;
}

/* It serves. So it does in the run behind a kill. */
static void check_twice(struct played *played, bool is_told, const char *what)
{
    ck_assert_msg(check_served(played, what) == is_told, "%s: %s", what,
                  is_told ? "the client is not told" : "the store is no other one");
    daemon_kill(&played->daemon);
    daemon_start(&played->daemon, "");
    ck_assert_int_eq(check_served(played, what), is_told);
    (void)cairn_close(played->connection, TIMEOUT_US, NULL);
    cairn_client_free(played->client);
    daemon_kill(&played->daemon);
    daemon_close(&played->daemon);
    kept_clear();
}

static void play_combination(int combination, enum deed deed, bool is_killed)
{
    struct played played = play_both(combination, deed, is_killed);
    char *what =
        kept_format("deed %d, %s, parts %d", (int)deed, is_killed ? "killed" : "stopped", combination);
    bool is_served = check_start(&played, what);
    printf("%s: %s\n", what, is_served ? "served" : "refused");
    if (!is_served) {
        shell("cd %s && rm -rf data && cp -a newest data", played.daemon.home.path);
        daemon_start(&played.daemon, "");
    }
    check_twice(&played, is_served && combination != 0, what);
}

START_TEST(older_parts_are_refused_or_clients_are_told)
{
    unsigned points = 0;
    for (int combination = 0; combination < COMBINATIONS; combination++, points++) {
        play_combination(combination, CLAIMS, _i == 1);
    }
    for (enum deed deed = COMMITS; deed < CLAIMS; deed++, points++) { /* what tells that numbers are older */
        play_combination(STATE | NUMBERS, deed, _i == 1);
    }
    tell_points(points);
}
END_TEST

static void start_accepting(struct daemon *daemon, bool is_cut_short)
{
    if (is_cut_short) {
        ck_assert(!daemon_try_start(daemon, "--accept-loss --chains-max 1"));
        ck_assert_int_eq(daemon_wait(daemon, END_MS), MISCONFIGURED);
    }
    daemon_start(daemon, is_cut_short ? "" : "--accept-loss");
}

/* Also where the start that accepts it comes no further, and a later one needs the flag no more. */
START_TEST(clients_are_told_of_a_loss_that_was_accepted)
{
    static const int refused[] = {DATABASE, NUMBERS, DATABASE | NUMBERS};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *what = kept_format("accepted, parts %d", refused[i]);
        struct played played = play_both(refused[i], CLAIMS, true);
        ck_assert_msg(!check_start(&played, what), "%s: it is not refused", what);
        start_accepting(&played.daemon, _i == 1);
        check_twice(&played, true, what);
    }
    tell_points(sizeof refused / sizeof refused[0]);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("old parts", 600, &tests);
    tcase_add_loop_test(tests, older_parts_are_refused_or_clients_are_told, 0, 2);
    tcase_add_loop_test(tests, clients_are_told_of_a_loss_that_was_accepted, 0, 2);
    return suite_run(suite, true);
}
