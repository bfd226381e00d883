/* Readers, writers and admins (contract 10): what each may ask for, by the uid that the kernel gives. A child process changes its
 * uid, connects and asks. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/claims.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { READER = 4001, WRITER = 4002, ADMIN = 4003, NOBODY = 4004 };

#define LISTS "--readers 4001 --writers 4002,%4444 --admins root,4003"

/* What the requests of one user end with, in this order. */
enum asked {
    ASK_HEIGHT,
    ASK_DRY_RUN,
    ASK_DRY_PRUNE,
    ASK_SET,
    ASK_COMMIT,
    ASK_BARRIER,
    ASK_CREATE,
    ASK_PRUNE,
    ASK_ROLLBACK,
    ASKED
};

static Cairn__Rollback *rollback(bool dry_run)
{
    Cairn__Rollback *message = rollback_to(2);
    message->has_dry_run = true;
    message->dry_run = dry_run;
    return message;
}

static Cairn__Prune *prune(bool dry_run)
{
    Cairn__Prune *message = prune_blocks(1);
    message->has_dry_run = true;
    message->dry_run = dry_run;
    return message;
}

/* In the child, whose asserts would end only itself. */
static void ask_all(struct wire *wire, int *ret_statuses)
{
    const Cairn__Height height = CAIRN__HEIGHT__INIT;
    ret_statuses[ASK_HEIGHT] = wire_frame(wire, wire_send(wire, FRAME_HEIGHT, &height))->header.status;
    ret_statuses[ASK_DRY_RUN] = (int)ask_rollback(wire, rollback(true)).status;
    ret_statuses[ASK_DRY_PRUNE] = (int)ask_prune(wire, prune(true)).status;
    ret_statuses[ASK_SET] = (int)ask_metadata(wire, metadata_new(operation_set("name", "value"))).status;
    ret_statuses[ASK_COMMIT] = (int)ask_commit(wire, commit_of_block(3, "three")).status;
    ret_statuses[ASK_BARRIER] = (int)ask_barrier(wire, CAIRN__LEVEL__LEVEL_WRITTEN).status;
    ret_statuses[ASK_CREATE] = (int)ask_create_chain(wire, "other").status;
    ret_statuses[ASK_PRUNE] = (int)ask_prune(wire, prune(false)).status;
    ret_statuses[ASK_ROLLBACK] = (int)ask_rollback(wire, rollback(false)).status;
}

/* A writer's, on chains that nobody else has claimed, then on one that root has. */
enum asked_of_claims {
    ASK_BARE_PRUNE,
    ASK_CLAIM,
    ASK_OWN_PRUNE,
    ASK_OWN_ROLLBACK,
    ASK_RELEASE_ANY,
    ASK_RELEASE,
    ASK_RELEASED_PRUNE,
    ASK_TAKE_OVER,
    ASK_OWN_DROP,
    ASKED_OF_CLAIMS
};
static_assert((int)ASKED_OF_CLAIMS <= (int)ASKED, "there is room for the statuses");

static void ask_claims(struct wire *wire, int *ret_statuses)
{
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    ret_statuses[ASK_BARE_PRUNE] = (int)ask_prune(wire, prune(false)).status;
    ret_statuses[ASK_CLAIM] = (int)ask_claim(wire, NULL, "writer").status;
    ret_statuses[ASK_OWN_PRUNE] = (int)ask_prune(wire, prune(false)).status;
    ret_statuses[ASK_OWN_ROLLBACK] = (int)ask_rollback(wire, rollback(false)).status;
    ret_statuses[ASK_RELEASE_ANY] = (int)ask_release(wire, "held", true).status;
    ret_statuses[ASK_RELEASE] = (int)ask_release(wire, NULL, false).status;
    ret_statuses[ASK_RELEASED_PRUNE] = (int)ask_prune(wire, prune(false)).status;
    ret_statuses[ASK_TAKE_OVER] = (int)take_over(wire, "held", "writer").status;
    (void)ask_create_chain(wire, "own");
    (void)ask_claim(wire, "own", "writer");
    drop.has_chain = true;
    drop.chain = bytes_of("own");
    ret_statuses[ASK_OWN_DROP] = (int)ask(wire, FRAME_DROP_CHAIN, &drop).status;
}

/* false: that user was not let in. */
static bool ask_as(const struct daemon *daemon, uid_t uid, gid_t gid,
                   void (*asks)(struct wire *wire, int *ret_statuses), int *ret_statuses)
{
    int results[2];
    ck_assert_int_eq(pipe(results), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int statuses[ASKED] = {0};
        if (setgid(gid) != 0 || setuid(uid) != 0) {
            _exit(2);
        }
        struct wire wire = wire_try_connect(daemon->socket);
        if (wire.fd < 0 || !wire_try_hello(&wire)) {
            _exit(1);
        }
        asks(&wire, statuses);
        _exit(write(results[1], statuses, sizeof statuses) == sizeof statuses ? 0 : 2);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 2, "the child ended with %d", status);
    bool is_let_in = WEXITSTATUS(status) == 0;
    if (is_let_in) {
        ck_assert_int_eq(read(results[0], ret_statuses, ASKED * sizeof *ret_statuses),
                         ASKED * sizeof *ret_statuses);
    }
    close(results[0]);
    close(results[1]);
    return is_let_in;
}

/* Others may go to the socket. */
static void open_ways(const struct daemon *daemon)
{
    ck_assert_int_eq(chmod(daemon->home.path, 0711), 0);
    ck_assert_int_eq(chmod(kept_format("%s/..", daemon->home.path), 0711), 0); /* the test program's own */
}

static bool is_root(void)
{
    if (geteuid() != 0) {
        printf("skipped: only root can change its user\n");
    }
    return geteuid() == 0;
}

static void expect(const struct daemon *daemon, uid_t uid, gid_t gid, const char *allowed)
{
    int statuses[ASKED];
    ck_assert(ask_as(daemon, uid, gid, ask_all, statuses));
    for (int i = 0; i < ASKED; i++) {
        ck_assert_msg((statuses[i] != STATUS_PERMISSION) == (allowed[i] == 'y'),
                      "uid %u, request %d: status %d", (unsigned)uid, i, statuses[i]);
        ck_assert(allowed[i] != 'y' || statuses[i] == STATUS_OK);
    }
}

START_TEST(test_each_role_may_do_what_it_may_and_nothing_of_the_rest_is_applied)
{
    if (!is_root()) {
        return;
    }
    struct rig rig = rig_start("--socket-mode 0666 " LISTS);
    int statuses[ASKED];
    open_ways(&rig.daemon);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    commit_ok(&rig.wire, commit_of_block(2, "two"));
    expect(&rig.daemon, READER, READER, "yyynnnnnn");
    ck_assert(metadata_is(&rig.wire, "name", NULL));
    ck_assert_uint_eq(get_height(&rig.wire), 2);
    ck_assert(!ask_as(&rig.daemon, NOBODY, NOBODY, ask_all, statuses));
    ck_assert(daemon_says(&rig.daemon, "\"uid\":4004"));
    expect(&rig.daemon, WRITER, WRITER, "yyyyyyynn");
    expect(&rig.daemon, NOBODY, 4444, "yyyyyyynn"); /* by its group */
    ck_assert(block_is(&rig.wire, 1, "one"));
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    expect(&rig.daemon, ADMIN, ADMIN, "yyyyyyyyy");
    ck_assert(block_is(&rig.wire, 1, NULL));
    ck_assert_uint_eq(get_height(&rig.wire), 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_writer_prunes_rolls_back_and_drops_under_an_epoch_of_its_own)
{
    static const int expected[ASKED_OF_CLAIMS] = {
        [ASK_BARE_PRUNE] = STATUS_PERMISSION,
        [ASK_CLAIM] = STATUS_OK,
        [ASK_OWN_PRUNE] = STATUS_OK,
        [ASK_OWN_ROLLBACK] = STATUS_OK,
        [ASK_RELEASE_ANY] = STATUS_PERMISSION,
        [ASK_RELEASE] = STATUS_OK,
        [ASK_RELEASED_PRUNE] = STATUS_CONFLICT,
        [ASK_TAKE_OVER] = STATUS_CONFLICT, /* another user's */
        [ASK_OWN_DROP] = STATUS_OK,
    };
    int statuses[ASKED];
    if (!is_root()) {
        return;
    }
    struct rig rig = rig_start("--claim-grace 1h --socket-mode 0666 " LISTS);
    open_ways(&rig.daemon);
    ck_assert_int_eq(ask_create_chain(&rig.wire, "held").status, STATUS_OK);
    (void)claim_ok(&rig.wire, "held", "root");
    for (uint64_t height = 1; height <= 3; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "header"));
    }
    ck_assert(ask_as(&rig.daemon, WRITER, WRITER, ask_claims, statuses));
    for (int i = 0; i < ASKED_OF_CLAIMS; i++) {
        ck_assert_msg(statuses[i] == expected[i], "request %d: status %d", i, statuses[i]);
    }
    ck_assert(ask_as(&rig.daemon, READER, READER, ask_claims, statuses));
    ck_assert_int_eq(statuses[ASK_CLAIM], STATUS_PERMISSION);
    ck_assert_int_eq(statuses[ASK_RELEASE], STATUS_PERMISSION);
    rig_end(&rig);
}
END_TEST

START_TEST(test_without_lists_whoever_the_socket_lets_in_is_an_admin)
{
    if (!is_root()) {
        return;
    }
    struct rig rig = rig_start("--socket-mode 0666");
    open_ways(&rig.daemon);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    commit_ok(&rig.wire, commit_of_block(2, "two"));
    expect(&rig.daemon, NOBODY, NOBODY, "yyyyyyyyy");
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_user_that_is_not_there_ends_the_start)
{
    struct daemon daemon = daemon_new();
    ck_assert(!daemon_try_start(&daemon, "--writers no-such-user"));
    ck_assert_int_eq(daemon_wait(&daemon, 20000), 78);
    ck_assert(daemon_says(&daemon, "writers: there is no user"));
    daemon_close(&daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("roles", 120, &tests);
    tcase_add_test(tests, test_each_role_may_do_what_it_may_and_nothing_of_the_rest_is_applied);
    tcase_add_test(tests, test_a_writer_prunes_rolls_back_and_drops_under_an_epoch_of_its_own);
    tcase_add_test(tests, test_without_lists_whoever_the_socket_lets_in_is_an_admin);
    tcase_add_test(tests, test_a_user_that_is_not_there_ends_the_start);
    return suite_run(suite, true);
}
