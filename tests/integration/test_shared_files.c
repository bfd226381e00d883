/* Chains whose large values lie in the same files, on a disk that they have filled: dropping one gives its space back, though
 * there is no room to move all that lives in these files at once (contract 9). A kill meanwhile makes no difference.
 *
 * The disks are small ones of the test's own. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum {
    VALUE_BYTES = 30000,
    HEALED_MS = 240000, /* a machine may be slow */
    ANSWER_MS = 60000,
    REFUSED_MS = 400, /* several looks */
    SAMPLES = 200,
    KILL_MS_MAX = 300, /* most of the steps that a disk takes lie in that */
    KILLS = 5,
};

static const unsigned disks_mib[] = {64, 96};

enum { DISKS = sizeof disks_mib / sizeof disks_mib[0] };

struct shared {
    struct rig rig;
    const char *disk;
    struct random_source random;
    uint64_t heights; /* of each of both chains */
};

static const char *const chains[] = {"stays", "goes"};

static bool shared_start(struct shared *shared, unsigned mib)
{
    *shared = (struct shared){.rig.daemon = daemon_new(), .random = random_from(random_seed("shared_files"))};
    struct daemon *daemon = &shared->rig.daemon;
    shared->disk = directory_path(&daemon->home, "disk");
    if (!small_disk_tmpfs(shared->disk, mib)) {
        daemon_close(daemon);
        return false;
    }
    snprintf(daemon->data, sizeof daemon->data, "%s/data", shared->disk);
    daemon_start(daemon, "");
    shared->rig.wire = wire_open(daemon->socket);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(ask_create_chain(&shared->rig.wire, chains[i]).status, STATUS_OK);
    }
    return true;
}

static void shared_end(struct shared *shared)
{
    wire_close(&shared->rig.wire);
    ck_assert_int_eq(daemon_stop(&shared->rig.daemon), 0);
    small_disk_unmount(shared->disk);
    daemon_close(&shared->rig.daemon);
}

static enum status write_block(struct shared *shared, const char *chain, uint64_t height)
{
    Cairn__Commit *commit = commit_of_block(height, kept_format("%s %lu", chain, height));
    commit->has_chain = true;
    commit->chain = bytes_of(chain);
    commit->blocks[0]->has_data = true;
    commit->blocks[0]->data = bytes_random(height, VALUE_BYTES);
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    return ask_commit(&shared->rig.wire, commit).status;
}

static struct reply read_block(struct shared *shared, uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.has_chain = read.has_parts = true;
    read.chain = bytes_of(chains[0]);
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    read.parts = 15;
    return ask(&shared->rig.wire, FRAME_READ_BLOCK, &read);
}

static enum status set_name(struct shared *shared)
{
    return ask_metadata(&shared->rig.wire, metadata_new(operation_set("name", "value"))).status;
}

static void fill(struct shared *shared)
{
    uint64_t refused_ms = 0; /* since then; 0: it is not */
    while (refused_ms == 0 || clock_ms() < refused_ms + REFUSED_MS) {
        enum status statuses[2] = {STATUS_NO_SPACE, STATUS_NO_SPACE};
        for (size_t i = 0; i < 2; i++) {
            statuses[i] = write_block(shared, chains[i], shared->heights + 1);
            ck_assert(statuses[i] == STATUS_OK || statuses[i] == STATUS_NO_SPACE);
        }
        bool is_taken = statuses[0] == STATUS_OK;
        shared->heights += is_taken;
        refused_ms = is_taken ? 0 : refused_ms == 0 ? clock_ms() : refused_ms;
        sleep_ms(is_taken ? 0 : 20);
    }
    ck_assert_uint_gt(shared->heights, 100);
    ck_assert_int_eq(set_name(shared), STATUS_NO_SPACE);
}

static void drop(struct shared *shared)
{
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of(chains[1]);
    uint64_t id = wire_send(&shared->rig.wire, FRAME_DROP_CHAIN, &drop);
    ck_assert_int_eq(written_reply(&shared->rig.wire, id).status, STATUS_OK);
}

/* Of each chain every block but those at multiples of three, so that each file holds what lives. */
static void delete_most(struct shared *shared)
{
    for (size_t i = 0; i < 2; i++) {
        Cairn__Commit *commit = commit_new();
        commit->has_chain = true;
        commit->chain = bytes_of(chains[i]);
        commit->delete_blocks = kept_alloc(shared->heights * sizeof commit->delete_blocks[0]);
        for (uint64_t height = 1; height <= shared->heights; height++) {
            if (height % 3 != 0) {
                commit->delete_blocks[commit->n_delete_blocks++] = height;
            }
        }
        ck_assert_int_eq(ask_commit(&shared->rig.wire, commit).status, STATUS_OK);
    }
}

static void expect_healed(struct shared *shared)
{
    uint64_t until_ms = clock_ms() + HEALED_MS;
    while (set_name(shared) != STATUS_OK) {
        ck_assert_msg(clock_ms() < until_ms, "metadata stays refused: %s",
                      status_string(&shared->rig.wire, "health"));
        sleep_ms(20);
    }
    ck_assert_int_eq(write_block(shared, chains[0], shared->heights + 1), STATUS_OK);
}

static void expect_what_stays(struct shared *shared, uint64_t step)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t height = step * (1 + random_below(&shared->random, shared->heights / step));
        struct reply reply = read_block(shared, height);
        ck_assert_int_eq(reply.status, STATUS_OK);
        Cairn__BlockReply *block =
            wire_unpack(&cairn__block_reply__descriptor, reply.body.data, reply.body.len);
        ck_assert(bytes_same(block->data, bytes_random(height, VALUE_BYTES)));
    }
}

START_TEST(a_dropped_chain_makes_room_though_its_files_hold_what_lives)
{
    struct shared shared;
    if (!shared_start(&shared, disks_mib[_i])) {
        return;
    }
    fill(&shared);
    drop(&shared);
    expect_healed(&shared);
    expect_what_stays(&shared, 1);
    shared_end(&shared);
}
END_TEST

START_TEST(deleted_values_make_room_though_their_files_hold_what_lives)
{
    struct shared shared;
    if (!shared_start(&shared, disks_mib[_i])) {
        return;
    }
    fill(&shared);
    delete_most(&shared);
    expect_healed(&shared);
    expect_what_stays(&shared, 3);
    shared_end(&shared);
}
END_TEST

START_TEST(a_kill_while_room_is_made_leaves_a_store_that_starts)
{
    struct shared shared;
    if (!shared_start(&shared, disks_mib[_i])) {
        return;
    }
    fill(&shared);
    drop(&shared);
    for (int i = 0; i < KILLS; i++) {
        sleep_ms((unsigned)random_below(&shared.random, KILL_MS_MAX));
        rig_crash(&shared.rig, "");
        ck_assert_ptr_null(strstr(status_string(&shared.rig.wire, "health"), "reading only"));
        expect_what_stays(&shared, 1);
    }
    expect_healed(&shared);
    expect_what_stays(&shared, 1);
    shared_end(&shared);
}
END_TEST

static void tell_one(void)
{
    tell_points(1);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("shared_files", 600, &tests);
    tcase_add_checked_fixture(tests, NULL, tell_one);
    tcase_add_loop_test(tests, a_dropped_chain_makes_room_though_its_files_hold_what_lives, 0, DISKS);
    tcase_add_loop_test(tests, deleted_values_make_room_though_their_files_hold_what_lives, 0, DISKS);
    tcase_add_loop_test(tests, a_kill_while_room_is_made_leaves_a_store_that_starts, 0, DISKS);
    return suite_run(suite, false);
}
