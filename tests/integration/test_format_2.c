/* A store of format 2 as cairnd 0.1.0 made it opens in every later build, with all that is in it, and goes on.
 *
 * tests/data/format-2.tar.gz was made in four runs; the first three were stopped, the last one was killed. Each run set a name and committed
 * two blocks, with a state and a bound name each, to two chains; the second one pruned chain "other" up to block 2 and state 1. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { RUNS = 4, HEIGHT = 2 * RUNS };

static void check_contents(struct rig *rig)
{
    for (uint64_t height = 1; height <= HEIGHT; height++) {
        ck_assert(block_is(&rig->wire, height, kept_format("h%d", (int)height)));
        ck_assert(
            metadata_is(&rig->wire, kept_format("bound-%d", (int)height), kept_format("b%d", (int)height)));
    }
    for (int run = 1; run <= RUNS; run++) {
        ck_assert(metadata_is(&rig->wire, kept_format("name-%d", run), kept_format("value-%d", run)));
    }
    const Cairn__ChainEntry *other = get_chain(&rig->wire, "other");
    ck_assert_uint_eq(other->height, HEIGHT);
    ck_assert_uint_eq(other->blocks_pruned_through, 2);
    ck_assert_uint_eq(other->states_pruned_through, 1);
}

START_TEST(test_a_store_of_format_2_opens_and_goes_on)
{
    struct rig rig = {.daemon = daemon_new()};
    struct program tar =
        shell_run(20000, "tar -xzf %s/format-2.tar.gz -C %s && mv %s/format-2 %s", getenv("CAIRN_TEST_DATA"),
                  rig.daemon.home.path, rig.daemon.home.path, rig.daemon.data);
    ck_assert_msg(tar.exit_code == 0, "%s", tar.errors);
    rig.daemon.made = true;
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    check_contents(&rig);
    ck_assert_uint_eq(get_height(&rig.wire), HEIGHT);
    uint64_t sequence = commit_ok(&rig.wire, commit_of_block(HEIGHT + 1, "h9")).sequence;
    ck_assert_uint_gt(sequence, (uint64_t)RUNS << 32); /* numbers of earlier runs are not given again */
    rig_crash(&rig, "");
    check_contents(&rig);
    ck_assert_uint_eq(get_height(&rig.wire), HEIGHT + 1);
    ck_assert(block_is(&rig.wire, HEIGHT + 1, "h9"));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("format_2", 120, &tests);
    tcase_add_test(tests, test_a_store_of_format_2_opens_and_goes_on);
    return suite_run(suite, true);
}
