/* What a hello says of runs. A store remembers its runs; one that is a copy of it has those from before the copy was made, and repeats the
 * numbers of the others with other bits. Here a run is known by when it began, so that bits that repeat are found. */
#include <assert.h>
#include <inttypes.h>

#include "proto/cairn.pb-c.h"
#include "tests/fault/simulation_oracle.h"
#include "tests/lib/kept.h"

/* The first hello behind a start. */
static bool begin_run(struct oracle *oracle, const struct wire_frame *frame, const Cairn__HelloReply *reply)
{
    struct oracle_store *store = &oracle->store;
    uint64_t last_run = store->run_count > 0 ? store->runs[store->run_count - 1].run : 0;
    if (reply->run <= last_run) {
        complain(&oracle->complaint, NULL, "the run's number did not rise at a start");
        return false;
    }
    if (frame->header.written_through < oracle_highest(oracle)) {
        complain(&oracle->complaint, NULL, "the numbers fell at a start");
        return false;
    }
    assert(store->run_count < ORACLE_RUNS_MAX); /* an episode has far fewer ends */
    store->runs[store->run_count++] =
        (struct oracle_run){reply->run, reply->run_random, reply->metadata_on_disk, ++oracle->events};
    return true;
}

uint64_t oracle_metadata_on_disk(const struct oracle *oracle)
{
    const struct oracle_store *store = &oracle->store;
    assert(store->run_count > 0); /* its start was told */
    return store->runs[store->run_count - 1].metadata_on_disk;
}

/* What the disk held at the run's end, as the next start found it; of no run or the last, what that one's start found. */
static uint64_t metadata_behind(const struct oracle *oracle, const struct oracle_run *run)
{
    const struct oracle_run *last = &oracle->store.runs[oracle->store.run_count - 1];
    return run == NULL || run == last ? oracle_metadata_on_disk(oracle) : run[1].metadata_on_disk;
}

static const struct oracle_run *find_run(const struct oracle_store *store, const struct oracle_run *said)
{
    const struct oracle_run *found = NULL;
    for (size_t i = 0; i < store->run_count; i++) {
        const struct oracle_run *run = &store->runs[i];
        found = run->began_at == said->began_at ? run : found;
    }
    return found;
}

bool oracle_take_hello(struct oracle *oracle, const struct wire_frame *frame, uint32_t connection,
                       bool is_first, const struct oracle_run *said)
{
    Cairn__HelloReply *reply = NULL;
    if (frame->header.status == STATUS_OK) {
        reply = cairn__hello_reply__unpack(kept_allocator(), frame->header.body_bytes, frame->body);
    }
    if (reply == NULL) {
        complain(&oracle->complaint, NULL, "no answer to hello");
        return false;
    }
    if (is_first && !begin_run(oracle, frame, reply)) {
        return false;
    }
    const struct oracle_run *known = find_run(&oracle->store, said);
    bool is_changed = said->run != 0 && known == NULL;
    if (reply->store_changed != is_changed) {
        complain(&oracle->complaint, NULL,
                 "store changed %d, to one of run %" PRIu64 " with bits %" PRIu64 "; this is run %" PRIu64
                 " with %" PRIu64,
                 reply->store_changed, said->run, said->random, reply->run, reply->run_random);
        return false;
    }
    uint64_t metadata_on_disk = metadata_behind(oracle, known);
    if (!is_changed && reply->metadata_on_disk != metadata_on_disk) {
        complain(&oracle->complaint, NULL,
                 "%" PRIu64 " as the highest metadata on disk at the end of run %" PRIu64
                 ", another was told %" PRIu64,
                 reply->metadata_on_disk, said->run, metadata_on_disk);
        return false;
    }
    return oracle_take_numbers(oracle, &frame->header, connection);
}

bool oracle_change_store(struct oracle *oracle, struct oracle_store *store)
{
    static struct oracle_store before;
    assert(oracle->n_history == 0 && oracle->round.n == 0 && oracle->written_through == 0);
    before = oracle->store;
    oracle->store = *store;
    *store = before;
    return oracle_crashed(oracle, ORACLE_KILLED);
}
