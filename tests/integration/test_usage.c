/* Bytes per chain (contract 6): right to a factor of two from 64 MiB on, whatever the values' sizes, beside other chains, over a restart
 * and behind a prune. The engine's estimate by itself is test_rocks_usage's. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    MIB = 1 << 20,
    SMALL_BYTES = 1000, /* of metadata, in batches; */
    SMALL_BATCH = 4000,
    SMALL_BATCHES = 17,
    BLOCK_BYTES = 20000,
    BLOCKS = 3500,
    BLOCKS_A_COMMIT = 100,
    LARGE_BYTES = 4 * MIB,
    LARGES = 17,
    LOOK_US = 200000,
    LOOKS_MAX = 3000, /* ten minutes: as many as it takes */
};

static uint64_t usage_of(struct wire *wire, const char *chain)
{
    Cairn__Usage usage = CAIRN__USAGE__INIT;
    usage.has_chain = true;
    usage.chain = bytes_of(chain);
    struct reply reply = ask(wire, FRAME_USAGE, &usage);
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__UsageReply *said =
        wire_unpack(&cairn__usage_reply__descriptor, reply.body.data, reply.body.len);
    return said->bytes;
}

static bool is_about(uint64_t bytes, uint64_t expected)
{
    return bytes >= expected / 2 && bytes <= 2 * expected;
}

/* Once what was dropped is given back. */
static void await_usage(struct wire *wire, const char *chain, uint64_t expected)
{
    uint64_t bytes = usage_of(wire, chain);
    for (int look = 0; look < LOOKS_MAX && !is_about(bytes, expected); look++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_US * 1000}, NULL);
        bytes = usage_of(wire, chain);
    }
    ck_assert_msg(is_about(bytes, expected), "%s: %" PRIu64 ", not about %" PRIu64, chain, bytes, expected);
}

static Cairn__Commit *commit_in(const char *chain)
{
    Cairn__Commit *commit = commit_new();
    commit->has_chain = true;
    commit->chain = bytes_of(chain);
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    return commit;
}

static void put_names(struct wire *wire, const char *chain, unsigned first, unsigned count, size_t bytes)
{
    Cairn__Commit *commit = commit_in(chain);
    for (unsigned number = first; number < first + count; number++) {
        char name[32];
        snprintf(name, sizeof name, "name/%08u", number * 7919 % 1000003);
        commit_metadata(commit, operation_set_bytes(bytes_of(name), bytes_random(number + 1, bytes)));
    }
    commit_ok(wire, commit);
}

static void put_blocks(struct wire *wire, const char *chain, uint64_t first, uint64_t count)
{
    Cairn__Commit *commit = commit_in(chain);
    for (uint64_t height = first; height < first + count; height++) {
        Cairn__Block *block = commit_block(commit, height, "header");
        block->has_data = block->has_hash = true;
        block->data = bytes_random(height, BLOCK_BYTES);
        block->hash = bytes_random(height, 32);
    }
    commit_rise(commit, first + count - 1);
    commit_ok(wire, commit);
}

START_TEST(test_usage_is_right_to_a_factor_of_two)
{
    struct rig rig = rig_start("");
    const uint64_t small = (uint64_t)SMALL_BATCHES * SMALL_BATCH * SMALL_BYTES;
    const uint64_t blocks = (uint64_t)BLOCKS * BLOCK_BYTES, large = (uint64_t)LARGES * LARGE_BYTES;
    ask_create_chain(&rig.wire, "small");
    ask_create_chain(&rig.wire, "large");
    ck_assert_uint_eq(usage_of(&rig.wire, "small"), 0);
    for (unsigned batch = 0; batch < SMALL_BATCHES; batch++) {
        put_names(&rig.wire, "small", batch * SMALL_BATCH, SMALL_BATCH, SMALL_BYTES);
    }
    await_usage(&rig.wire, "small", small);
    for (uint64_t height = 1; height <= BLOCKS; height += BLOCKS_A_COMMIT) {
        put_blocks(&rig.wire, "default", height, BLOCKS_A_COMMIT);
    }
    for (unsigned number = 0; number < LARGES; number++) {
        put_names(&rig.wire, "large", number, 1, LARGE_BYTES);
    }
    for (int start = 0; start < 2; start++) {
        await_usage(&rig.wire, "small", small);
        await_usage(&rig.wire, "default", blocks);
        await_usage(&rig.wire, "large", large);
        rig_restart(&rig, "");
    }
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(BLOCKS * 3 / 4)).status, STATUS_OK);
    await_usage(&rig.wire, "default", blocks / 4);
    await_usage(&rig.wire, "small", small);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("usage", 900, &tests);
    tcase_add_test(tests, test_usage_is_right_to_a_factor_of_two);
    return suite_run(suite, true);
}
