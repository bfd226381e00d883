/* Leaves out whole runs of operations, half the list at first, then smaller ones, as long as the rest still fails. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/runner.h"
#include "tests/lib/suite.h"

enum { TRIES = 3 }; /* what depends on timing may need another */

/* The episode without the n operations from `at` still fails. */
static bool fails_without(const struct episode *episode, size_t at, size_t n, struct complaint *ret_complaint)
{
    static struct complaint complaint;
    struct run_counts counts = {0};
    struct episode shorter = *episode;
    shorter.operations = malloc((episode->n + 1) * sizeof *shorter.operations);
    if (shorter.operations == NULL) {
        abort();
    }
    memcpy(shorter.operations, episode->operations, at * sizeof *shorter.operations);
    memcpy(shorter.operations + at, episode->operations + at + n,
           (episode->n - at - n) * sizeof *shorter.operations);
    shorter.n = episode->n - n;
    bool failed = false;
    for (unsigned i = 0; i < TRIES && !failed; i++) {
        complaint.text[0] = '\0';
        failed = !run_episode(&shorter, &counts, &complaint);
    }
    if (failed) {
        *ret_complaint = complaint;
    }
    free(shorter.operations);
    return failed;
}

unsigned run_shrink(struct episode *episode, unsigned seconds, struct complaint *complaint)
{
    uint64_t until = clock_ms() + (uint64_t)seconds * 1000;
    unsigned runs = 0;
    for (size_t step = (episode->n + 1) / 2; step > 0; step = step == 1 ? 0 : (step + 1) / 2) {
        for (size_t end = episode->n; end > 0 && clock_ms() < until;) {
            size_t n = step < end ? step : end;
            runs++;
            if (fails_without(episode, end - n, n, complaint)) {
                memmove(episode->operations + end - n, episode->operations + end,
                        (episode->n - end) * sizeof *episode->operations);
                episode->n -= n;
            }
            end -= n;
        }
    }
    return runs;
}
