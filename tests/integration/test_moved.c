/* A data directory that is moved, covered or removed under its daemon (contract 9): two daemons never write one directory, and
 * what was acknowledged as durable is whole wherever the directory lies. Where it is removed the daemon ends itself. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    EXIT_IO_ERROR = 74,
    EXIT_LOCKED = 73,
    EXIT_CONFIG = 78,
    EXIT_DAMAGED = 65,
    BLOCK_BYTES = 4 << 20,
    BLOCKS_BEFORE = 14, /* nearly a file of the engine's log: it makes the next one soon after */
    BLOCKS = 30,
    EXIT_MS = 20000, /* the daemon looks once a second, and the machine may be busy */
    WRITE_MS = 3000, /* what is written meanwhile is in memory */
};

/* A place below the daemon's home. */
static const char *place(const struct daemon *daemon, const char *name)
{
    return kept_format("%s/%s", daemon->home.path, name);
}

static void set_data(struct daemon *daemon, const char *path)
{
    snprintf(daemon->data, sizeof daemon->data, "%s", path);
}

/* What block `height` of the store with that tag has as data: no other store has it. */
static ProtobufCBinaryData data_of(const char *tag, uint64_t height)
{
    return bytes_random((uint64_t)tag[0] << 32 | height, BLOCK_BYTES);
}

static Cairn__Commit *large_commit(const char *tag, uint64_t height)
{
    Cairn__Commit *commit = commit_of_block(height, tag);
    commit->blocks[0]->data = data_of(tag, height);
    return commit;
}

static void write_blocks(struct wire *wire, const char *tag, uint64_t from, uint64_t through)
{
    for (uint64_t height = from; height <= through; height++) {
        commit_ok(wire, large_commit(tag, height));
    }
}

/* Kills what runs, starts on that directory, and finds all that was acknowledged; what was in flight may be there too. */
static void expect_whole_after_kill(struct daemon *daemon, const char *path, const char *tag,
                                    uint64_t through)
{
    if (daemon->pid != 0) {
        daemon_kill(daemon);
    }
    daemon->prefix = NULL;
    set_data(daemon, path);
    daemon_start(daemon, "");
    struct wire wire = wire_open(daemon->socket);
    ck_assert_uint_ge(get_height(&wire), through);
    ck_assert_uint_le(get_height(&wire), through + 1);
    for (uint64_t height = 1; height <= through; height++) {
        const Cairn__BlockReply *block = get_block(&wire, height, 15);
        const ProtobufCBinaryData expected = data_of(tag, height);
        ck_assert_ptr_nonnull(block);
        ck_assert(bytes_same(block->data, expected));
    }
    wire_close(&wire);
}

/* ---- another directory stands at the old path ---- */

enum displacement { MOVED, SWITCHED, MOUNTED, DISPLACEMENTS };

/* What has to be there before the first daemon starts. */
static void prepare(struct daemon *first, enum displacement how)
{
    static const char *const unshare[] = {"unshare", "--mount", "--propagation", "private", NULL};
    if (how == SWITCHED) {
        ck_assert_int_eq(mkdir(place(first, "one"), 0700), 0);
        ck_assert_int_eq(symlink("one", first->data), 0);
    } else if (how == MOUNTED) {
        first->prefix = unshare;
    }
}

/* Puts an empty directory at the data's path. Returns where the first store lies now; *ret_other: and where the other does. */
static const char *displace(struct daemon *first, enum displacement how, const char **ret_other)
{
    *ret_other = place(first, "two");
    switch (how) {
    case MOVED:
        ck_assert_int_eq(rename(first->data, place(first, "one")), 0);
        *ret_other = place(first, "data");
        return place(first, "one");
    case SWITCHED:
        ck_assert_int_eq(mkdir(*ret_other, 0700), 0);
        ck_assert_int_eq(symlink("two", place(first, "link")), 0);
        ck_assert_int_eq(rename(place(first, "link"), first->data), 0);
        return place(first, "one");
    default:
        ck_assert_int_eq(mkdir(*ret_other, 0700), 0);
        ck_assert_int_eq(shell_run(EXIT_MS, "nsenter --mount=/proc/%d/ns/mnt mount --bind %s %s",
                                   (int)daemon_process(first), *ret_other, first->data)
                             .exit_code,
                         0);
        return place(first, "data");
    }
}

static bool can_displace(enum displacement how)
{
    if (how == MOUNTED && shell_run(EXIT_MS, "unshare --mount --propagation private true").exit_code != 0) {
        printf("skipped: a mount over the directory, as this user may make no mount namespace\n");
        return false;
    }
    return true;
}

/* Starts a second daemon at the path that the first one was started with. */
static struct daemon start_second(const struct daemon *first, enum displacement how, const char **prefix)
{
    struct daemon second = daemon_new();
    set_data(&second, first->data);
    if (how == MOUNTED) {
        prefix[0] = "nsenter";
        prefix[1] = kept_format("--mount=/proc/%d/ns/mnt", (int)daemon_process(first));
        prefix[2] = NULL;
        second.prefix = prefix;
    }
    daemon_start(&second, "");
    return second;
}

START_TEST(test_displaced_store_and_new_one_at_its_path_are_both_whole)
{
    if (!can_displace(_i)) {
        return;
    }
    const char *prefix[3], *other;
    struct daemon first = daemon_new();
    prepare(&first, _i);
    daemon_start(&first, "");
    struct wire to_first = wire_open(first.socket);
    write_blocks(&to_first, "first", 1, BLOCKS_BEFORE);
    const char *moved = displace(&first, _i, &other);
    struct daemon second = start_second(&first, _i, prefix);
    struct wire to_second = wire_open(second.socket);
    for (uint64_t height = BLOCKS_BEFORE + 1; height <= BLOCKS; height++) {
        write_blocks(&to_first, "first", height, height);
        write_blocks(&to_second, "second", height - BLOCKS_BEFORE, height - BLOCKS_BEFORE);
    }
    wire_close(&to_first);
    wire_close(&to_second);
    daemon_kill(&second);
    expect_whole_after_kill(&first, moved, "first", BLOCKS);
    expect_whole_after_kill(&second, other, "second", BLOCKS - BLOCKS_BEFORE);
    daemon_close(&second);
    daemon_close(&first);
}
END_TEST

START_TEST(test_store_that_is_moved_and_moved_back_serves_on_and_starts_again)
{
    struct daemon daemon = daemon_new();
    daemon_start(&daemon, "");
    struct wire wire = wire_open(daemon.socket);
    write_blocks(&wire, "store", 1, BLOCKS_BEFORE);
    ck_assert_int_eq(rename(daemon.data, place(&daemon, "elsewhere")), 0);
    write_blocks(&wire, "store", BLOCKS_BEFORE + 1, BLOCKS - 1);
    ck_assert_int_eq(rename(place(&daemon, "elsewhere"), daemon.data), 0);
    write_blocks(&wire, "store", BLOCKS, BLOCKS);
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    expect_whole_after_kill(&daemon, place(&daemon, "data"), "store", BLOCKS);
    daemon_close(&daemon);
}
END_TEST

START_TEST(test_moved_store_has_its_owner_at_its_new_path)
{
    struct daemon first = daemon_new(), second = daemon_new();
    daemon_start(&first, "");
    ck_assert_int_eq(rename(first.data, place(&first, "elsewhere")), 0);
    set_data(&second, place(&first, "elsewhere"));
    daemon_launch(&second, "");
    ck_assert_int_eq(daemon_wait(&second, EXIT_MS), EXIT_LOCKED);
    ck_assert(daemon_says(&second, kept_format("pid %d", (int)daemon_process(&first))));
    ck_assert_int_eq(daemon_stop(&first), 0);
    daemon_close(&second);
    daemon_close(&first);
}
END_TEST

/* ---- what the daemon holds is removed or replaced ---- */

/* A shell command in the data directory that takes away what the daemon stands on; one that brings it back, NULL where nothing
 * can; and the exit code of a start without that. */
static const struct removal {
    const char *take;
    const char *give_back;
    int start_code;
} removals[] = {
    {"rm -rf \"$PWD\"", NULL, EXIT_CONFIG},
    {"rm -rf db", NULL, EXIT_CONFIG},
    {"rm -f db/*", NULL, EXIT_CONFIG},
    {"mv db away", "mv away db", EXIT_CONFIG},
    {"mv db away && mkdir db", "rm -r db && mv away db", EXIT_CONFIG},
    {"mv db away && cp -a away db", "rm -r db && mv away db", 0},
    {"mv cairn.store away", "mv away cairn.store", EXIT_CONFIG},
    {"rm cairn.lock", "true", 0},
    {"mv cairn.numbers away", "mv away cairn.numbers", EXIT_DAMAGED},
    {"cp cairn.numbers away && mv away cairn.numbers", NULL, 0},
    {"rm cairn.lock && touch cairn.lock", "true", 0},
};
enum { REMOVALS = sizeof removals / sizeof *removals };

/* Commits until the daemon ends, or for that long; returns how many were acknowledged. */
static uint64_t write_until_end(struct wire *wire, uint64_t height)
{
    uint64_t until_ms = clock_ms() + WRITE_MS;
    for (; clock_ms() < until_ms; height++) {
        uint64_t id = wire_send(wire, FRAME_COMMIT, large_commit("store", height));
        const struct wire_frame *frame = wire_try_frame(wire, id, EXIT_MS);
        if (frame == NULL || frame->header.status != STATUS_OK) {
            break;
        }
    }
    return height - 1;
}

/* The daemon stands still meanwhile: a file that it makes would keep its directory from being removed. */
static void take_from(const struct daemon *daemon, const char *take)
{
    siginfo_t stopped;
    daemon_signal(daemon, SIGSTOP);
    ck_assert_int_eq(waitid(P_PID, (id_t)daemon->pid, &stopped, WSTOPPED), 0);
    struct program program = shell_run(EXIT_MS, "cd %s && %s", daemon->data, take);
    daemon_signal(daemon, SIGCONT);
    ck_assert_msg(program.exit_code == 0, "%s: %s", take, program.errors);
}

/* _i counts the removals twice: under commits, and while nobody asks for anything. */
START_TEST(test_daemon_ends_when_what_it_holds_is_removed_or_replaced)
{
    const struct removal *removal = &removals[_i % REMOVALS];
    struct daemon daemon = daemon_new();
    daemon_start(&daemon, "");
    struct wire wire = wire_open(daemon.socket);
    uint64_t acknowledged = _i < REMOVALS ? BLOCKS_BEFORE : 1;
    write_blocks(&wire, "store", 1, acknowledged);
    take_from(&daemon, removal->take);
    if (_i < REMOVALS) {
        acknowledged = write_until_end(&wire, acknowledged + 1);
    }
    ck_assert_int_eq(daemon_wait(&daemon, EXIT_MS), EXIT_IO_ERROR);
    const char *says = daemon_errors(&daemon); /* a file that cannot be made may come before the look */
    ck_assert(strstr(says, "\"directory_gone\"") != NULL || strstr(says, "\"write_failed\"") != NULL);
    wire_close(&wire);
    if (removal->start_code != 0) {
        daemon_launch(&daemon, "");
        ck_assert_int_eq(daemon_wait(&daemon, EXIT_MS), removal->start_code);
    }
    if (removal->give_back != NULL) {
        ck_assert_int_eq(shell_run(EXIT_MS, "cd %s && %s", daemon.data, removal->give_back).exit_code, 0);
        expect_whole_after_kill(&daemon, place(&daemon, "data"), "store", acknowledged);
    }
    daemon_close(&daemon);
}
END_TEST

/* The first stands still meanwhile: it would end within a second, and the second might come only then. */
START_TEST(test_second_daemon_is_refused_where_the_lock_file_was_removed)
{
    struct daemon first = daemon_new(), second = daemon_new();
    daemon_start(&first, "");
    set_data(&second, first.data);
    ck_assert_int_eq(kill(daemon_process(&first), SIGSTOP), 0);
    ck_assert_int_eq(unlink(place(&first, "data/cairn.lock")), 0);
    daemon_launch(&second, "");
    ck_assert_int_eq(daemon_wait(&second, EXIT_MS), EXIT_LOCKED);
    ck_assert_int_eq(kill(daemon_process(&first), SIGCONT), 0);
    ck_assert_int_eq(daemon_wait(&first, EXIT_MS), EXIT_IO_ERROR);
    daemon_close(&second);
    daemon_close(&first);
}
END_TEST

int main(void)
{
    TCase *moved;
    Suite *suite = suite_new("moved", 60, &moved);
    tcase_add_loop_test(moved, test_displaced_store_and_new_one_at_its_path_are_both_whole, 0, DISPLACEMENTS);
    tcase_add_test(moved, test_store_that_is_moved_and_moved_back_serves_on_and_starts_again);
    tcase_add_test(moved, test_moved_store_has_its_owner_at_its_new_path);
    tcase_add_loop_test(moved, test_daemon_ends_when_what_it_holds_is_removed_or_replaced, 0, 2 * REMOVALS);
    tcase_add_test(moved, test_second_daemon_is_refused_where_the_lock_file_was_removed);
    return suite_run(suite, true);
}
