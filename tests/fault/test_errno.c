/* One call that changes something on disk fails, or all from one on, or the process is killed there (F5, F6, F1): at every call of a
 * scripted run that makes a store, starts, writes, prunes, and stops.
 *
 * Whatever the call: the daemon ends by itself with an exit code, never by a signal of its own; it acknowledges nothing that is not
 * there after the next start, and that start needs nobody. What failed shows in a reply, the log or the exit code.
 *
 * CAIRN_POINTS says at how many calls, spread by the seed; 0: at each, with each errno. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/runtime/exit_code.h"
#include "tests/fault/fault_control.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    POINTS = 100, /* unless CAIRN_POINTS says otherwise */
    COMMITS = 12,
    PRUNED = 4,
    BLOCK_BYTES = 6000, /* a large value of the engine's */
};

static const int kinds[] = {EIO, ENOSPC, EDQUOT, EROFS, EMFILE, ENOMEM, EINTR, FAULT_KILL, FAULT_SHORT_WRITE};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct run {
    struct daemon daemon;
    struct directory place;
    struct fault_control *control;
    char preload[160], control_path[120], root[120];
    /* what was acknowledged */
    uint64_t height, mark;
    bool is_pruned;
    /* what else was seen */
    bool said_error;
    int exit_code; /* -1: it was not there any more */
};

static void run_prepare(struct run *run)
{
    *run = (struct run){.daemon = daemon_new(), .place = directory_new()};
    char *path = directory_path(&run->place, "control");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof *run->control), 0);
    run->control = mmap(NULL, sizeof *run->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(run->control, MAP_FAILED);
    close(fd);
    snprintf(run->preload, sizeof run->preload, "LD_PRELOAD=%s/preload_errno.so", getenv("CAIRN_FAULT"));
    snprintf(run->control_path, sizeof run->control_path, FAULT_ENVIRONMENT "=%s", path);
    snprintf(run->root, sizeof run->root, FAULT_ROOT_ENVIRONMENT "=%s/data", run->daemon.home.path);
    run->daemon.environment[0] = run->preload;
    run->daemon.environment[1] = run->control_path;
    run->daemon.environment[2] = run->root;
}

static void run_free(struct run *run)
{
    daemon_close(&run->daemon);
    munmap(run->control, sizeof *run->control);
    directory_remove(&run->place);
}

/* False: there was no answer, or it is an error. */
static bool is_ok(struct run *run, struct wire *wire, uint64_t id)
{
    const struct wire_frame *frame = wire_try_frame(wire, id, patience_ms(20000));
    ck_assert_msg(frame != NULL || wire->ended, "no answer");
    run->said_error |= frame != NULL && frame->header.status != STATUS_OK;
    return frame != NULL && frame->header.status == STATUS_OK;
}

static void write_some(struct run *run)
{
    struct wire wire = wire_try_connect(run->daemon.socket);
    bool lives = wire.fd >= 0 && wire_try_hello(&wire);
    for (uint64_t height = 1; height <= COMMITS && lives; height++) {
        Cairn__Commit *commit = commit_of_block(height, "header");
        commit->blocks[0]->data = bytes_random(height, BLOCK_BYTES);
        lives = is_ok(run, &wire, wire_send(&wire, FRAME_COMMIT, commit));
        run->height = lives ? height : run->height;
        Cairn__WriteMetadata *write = metadata_new(operation_raise("mark", height));
        write->has_level = true;
        write->level = CAIRN__LEVEL__LEVEL_WRITTEN;
        lives = lives && is_ok(run, &wire, wire_send(&wire, FRAME_WRITE_METADATA, write));
        run->mark = lives ? height : run->mark;
        if (height == 2 * PRUNED && lives) {
            run->is_pruned = lives = is_ok(run, &wire, wire_send(&wire, FRAME_PRUNE, prune_blocks(PRUNED)));
        }
    }
    wire_close(&wire);
}

static void run_script(struct run *run)
{
    if (daemon_try_start(&run->daemon, "--flush-delay 1ms")) {
        write_some(run);
        daemon_signal(&run->daemon, SIGTERM);
    }
    run->exit_code = daemon_wait(&run->daemon, patience_ms(30000));
    ck_assert_msg(run->exit_code >= 0, "it does not end");
}

/* Whether all is there that the run says was acknowledged. */
static bool is_all_there(const struct run *run, struct wire *wire)
{
    bool is_there = get_height(wire) >= run->height;
    for (uint64_t height = PRUNED + 1; height <= run->height && is_there; height++) {
        const Cairn__BlockReply *block = get_block(wire, height, 15);
        is_there = block != NULL && bytes_same(block->data, bytes_random(height, BLOCK_BYTES));
    }
    uint64_t mark = 0;
    const Cairn__MetadataReply *reply = get_metadata(wire, "mark");
    if (reply != NULL && reply->value.len == sizeof mark) {
        memcpy(&mark, reply->value.data, sizeof mark);
    }
    return is_there && mark >= run->mark && (!run->is_pruned || block_is(wire, PRUNED, NULL));
}

/* As an operator would: no fault any more, the same command. Whether all was there. */
static bool look_behind(struct run *run)
{
    run->daemon.environment[0] = NULL;
    if (!daemon_try_start(&run->daemon, "")) {
        int code = daemon_wait(&run->daemon, patience_ms(5000));
        ck_assert_msg(run->height == 0, "the next start ends with %d:\n%s", code,
                      daemon_errors(&run->daemon));
        run->daemon.made = !run->daemon.made; /* the fault was while the store was made */
        ck_assert_msg(daemon_try_start(&run->daemon, ""),
                      "nor does one with the other choice of --create:\n%s", daemon_errors(&run->daemon));
    }
    struct wire wire = wire_open(run->daemon.socket);
    bool is_there = is_all_there(run, &wire);
    commit_ok(&wire, commit_of_block(COMMITS + 1, "behind"));
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(&run->daemon), 0);
    return is_there;
}

/* Whether an end by that code is one the daemon chose, or the test: a daemon that is not ready yet ends by SIGTERM itself. */
static bool is_chosen_end(const struct run *run, int kind)
{
    return run->exit_code < 128 || (kind == FAULT_KILL && run->exit_code == 128 + SIGKILL) ||
           (run->height == 0 && run->exit_code == 128 + SIGTERM);
}

static uint64_t calls_of_a_run(void)
{
    struct run run;
    run_prepare(&run);
    run_script(&run);
    ck_assert_int_eq(run.exit_code, 0);
    ck_assert_uint_eq(run.height, COMMITS);
    uint64_t calls = atomic_load(&run.control->calls);
    ck_assert(look_behind(&run));
    run_free(&run);
    return calls;
}

static void try_point(uint64_t at, int kind, bool lasts)
{
    struct run run;
    run_prepare(&run);
    atomic_store(&run.control->at, at);
    atomic_store(&run.control->kind, kind);
    atomic_store(&run.control->lasts, lasts);
    run_script(&run);
    ck_assert_msg(is_chosen_end(&run, kind), "call %lu, fault %d%s: it ends with %d:\n%s", at, kind,
                  lasts ? " from there on" : "", run.exit_code, daemon_errors(&run.daemon));
    bool is_silent = run.exit_code == 0 && !run.said_error;
    bool is_whole = run.height == COMMITS && run.is_pruned;
    ck_assert_msg(!is_silent || is_whole, "call %lu, fault %d%s: height %lu, and nothing says why", at, kind,
                  lasts ? " from there on" : "", run.height);
    ck_assert_msg(look_behind(&run),
                  "call %lu, fault %d%s: height %lu or mark %lu was acknowledged and is gone", at, kind,
                  lasts ? " from there on" : "", run.height, run.mark);
    run_free(&run);
    kept_clear();
}

START_TEST(whatever_call_fails_nothing_acknowledged_is_lost)
{
    const char *text = getenv("CAIRN_POINTS");
    uint64_t points = text != NULL ? strtoull(text, NULL, 10) : POINTS, made = 0;
    struct random_source random = random_from(random_seed("errno"));
    uint64_t calls = calls_of_a_run();
    uint64_t all = calls * KINDS * 2, step = points == 0 || points > all ? 1 : all / points;
    for (uint64_t point = random_below(&random, step); point < all; point += step) {
        uint64_t choice = points == 0 ? point : point + random_below(&random, step);
        int kind = kinds[choice % KINDS];
        bool lasts = choice / KINDS % 2 == 1 && kind != FAULT_KILL && kind != EINTR;
        try_point(1 + choice / KINDS / 2 % calls, kind, lasts);
        made++;
    }
    printf("errno: %lu of %lu points\n", made, all);
    tell_points(made);
}
END_TEST

START_TEST(what_was_acknowledged_and_is_gone_is_seen)
{
    struct run run;
    run_prepare(&run);
    run_script(&run);
    ck_assert_uint_eq(run.height, COMMITS);
    run.height++; /* as if one more had been acknowledged */
    ck_assert(!look_behind(&run));
    run.height--;
    run.mark += COMMITS;
    ck_assert(!look_behind(&run));
    run_free(&run);
}
END_TEST

/* ---- syncs that are interrupted ---- */

/* Starts with the n-th sync interrupted, from 1 on, and says whether there was one. A start that makes a store may end for the log's first
 * sync, as for one that failed. */
static bool try_interrupted(struct run *run, uint64_t n)
{
    bool is_new = !run->daemon.made;
    (void)remove(run->daemon.errors);
    atomic_store(&run->control->calls, 0);
    atomic_store(&run->control->struck, 0);
    atomic_store(&run->control->at, n);
    bool serves = daemon_try_start(&run->daemon, "");
    bool was_met = atomic_load(&run->control->struck) > 0;
    atomic_store(&run->control->at, 0);
    if (!serves) {
        int code = daemon_wait(&run->daemon, patience_ms(30000));
        ck_assert_msg(is_new && !exit_code_needs_person(code), "sync %lu: the start ends with %d:\n%s", n,
                      code, daemon_errors(&run->daemon));
        run->daemon.made = false;
        if (!daemon_try_start(&run->daemon, "")) {
            (void)daemon_wait(&run->daemon, patience_ms(30000));
            run->daemon.made = true;
            daemon_start(&run->daemon, "");
        }
    }
    return was_met;
}

/* What a file system in user space may answer: each sync of a start, over kills. Those of a process that has had a failed one, too. */
START_TEST(a_start_whose_sync_is_interrupted_serves)
{
    struct run run;
    uint64_t syncs = 1;
    run_prepare(&run);
    atomic_store(&run.control->kind, FAULT_INTERRUPTED_SYNC);
    daemon_start(&run.daemon, "");
    write_some(&run);
    ck_assert_uint_eq(run.height, COMMITS);
    for (bool was_met = true; was_met; syncs++) {
        if (_i == 1) { /* the next start writes the log anew */
            struct wire wire = wire_open(run.daemon.socket);
            do { /* until it is the log's, and not one beside it, which is made once more */
                atomic_store(&run.control->at, atomic_load(&run.control->calls) + 1);
            } while (is_ok(&run, &wire, wire_send(&wire, FRAME_COMMIT, commit_of_block(COMMITS + 1, "x"))));
            wire_close(&wire);
            ck_assert_int_eq(daemon_wait(&run.daemon, patience_ms(30000)), EXIT_CODE_WRITE_FAILED);
        } else {
            daemon_kill(&run.daemon);
        }
        was_met = try_interrupted(&run, syncs);
        struct wire wire = wire_open(run.daemon.socket);
        ck_assert_msg(is_all_there(&run, &wire), "sync %lu: lost", syncs);
        wire_close(&wire);
    }
    printf("errno: %lu syncs of a start\n", syncs - 1);
    ck_assert_uint_gt(syncs, 5);
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    run_free(&run);
}
END_TEST

START_TEST(a_start_that_makes_a_store_serves_or_the_next_one_does)
{
    bool was_met = true;
    uint64_t syncs = 1;
    for (; was_met; syncs++) {
        struct run run;
        run_prepare(&run);
        atomic_store(&run.control->kind, FAULT_INTERRUPTED_SYNC);
        was_met = try_interrupted(&run, syncs);
        write_some(&run);
        ck_assert_msg(run.height == COMMITS, "sync %lu", syncs);
        ck_assert_int_eq(daemon_stop(&run.daemon), 0);
        run_free(&run);
    }
    printf("errno: %lu syncs of a start that makes a store\n", syncs - 1);
    ck_assert_uint_gt(syncs, 10);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("errno", 3600, &tests);
    tcase_add_test(tests, what_was_acknowledged_and_is_gone_is_seen);
    tcase_add_loop_test(tests, a_start_whose_sync_is_interrupted_serves, 0, 2);
    tcase_add_test(tests, a_start_that_makes_a_store_serves_or_the_next_one_does);
    tcase_add_test(tests, whatever_call_fails_nothing_acknowledged_is_lost);
    return suite_run(suite, true);
}
