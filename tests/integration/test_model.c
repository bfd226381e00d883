/* The model test: random operations of several clients over both lanes, chains claimed and written to under numbers, the daemon stopped and
 * killed in between, every answer held against a naive model of contract 1 to 5 and 12.
 *
 * CAIRN_MODEL_OPERATIONS: how many operations (20,000). CAIRN_SEED: the seed of a run to repeat. CAIRN_SOAK_SECONDS:
 * go on with fresh seeds for so long. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/runner.h"
#include "tests/lib/suite.h"

enum {
    OPERATIONS = 20000,
    EPISODE_OPERATIONS = 1000,
    SHRINK_SECONDS = 60,
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    return given != NULL && *given != '\0' ? strtoull(given, NULL, 10) : otherwise;
}

static void tell_failure(struct episode *episode, struct complaint *complaint)
{
    printf("episode %" PRIu64 " (%s) failed: %s\nshrinking...\n", episode->seed, episode->arguments,
           complaint->text);
    fflush(stdout);
    unsigned runs = run_shrink(episode, (unsigned)setting("CAIRN_SHRINK_SECONDS", SHRINK_SECONDS), complaint);
    printf("after %u runs %zu operations are left that fail:\n", runs, episode->n);
    for (size_t i = 0; i < episode->n; i++) {
        printf("%s\n", operation_text(&episode->operations[i]));
    }
    printf("%s\n", complaint->text);
    fflush(stdout);
}

static bool run_seed(uint64_t seed, uint64_t operations, struct run_counts *counts)
{
    static struct complaint complaint;
    struct random_source source = random_from(seed);
    for (uint64_t done = 0; done < operations; done += EPISODE_OPERATIONS) {
        /* the first episode's seed is the run's own: CAIRN_SEED with one episode repeats it */
        uint64_t own = done == 0 ? seed : random_next(&source) >> 16;
        struct episode episode = episode_new_claimed(own, EPISODE_OPERATIONS);
        bool good = run_episode(&episode, counts, &complaint);
        if (!good) {
            tell_failure(&episode, &complaint);
        }
        episode_free(&episode);
        if (!good) {
            printf("repeat with CAIRN_SEED=%" PRIu64 " CAIRN_MODEL_OPERATIONS=%d\n", own, EPISODE_OPERATIONS);
            return false;
        }
    }
    return true;
}

START_TEST(test_random_operations_are_answered_as_the_model_allows)
{
    uint64_t operations = setting("CAIRN_MODEL_OPERATIONS", OPERATIONS);
    uint64_t until = clock_ms() + setting("CAIRN_SOAK_SECONDS", 0) * 1000;
    struct run_counts counts = {0};
    bool good;
    do {
        uint64_t start = clock_ms();
        good = run_seed(random_seed("model"), operations, &counts);
        printf("model: %" PRIu64 " requests in %" PRIu64 " rounds, %" PRIu64 " conflicts, %" PRIu64
               " claims, %" PRIu64 " repeated, %" PRIu64 " clean stops, %" PRIu64 " kills; the last %" PRIu64
               " operations took %" PRIu64 " ms\n",
               counts.requests, counts.rounds, counts.conflicts, counts.claims, counts.repeated, counts.stops,
               counts.kills, operations, clock_ms() - start);
        fflush(stdout);
    } while (good && clock_ms() < until && getenv("CAIRN_SEED") == NULL);
    ck_assert_msg(good, "an answer does not fit the model; see above");
    ck_assert(counts.kills > 0 || operations < OPERATIONS);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("model", 0, &tests);
    tcase_set_timeout(tests, 0); /* its length is the caller's to say; every wait in it is bounded */
    tcase_add_test(tests, test_random_operations_are_answered_as_the_model_allows);
    return suite_run(suite, true);
}
