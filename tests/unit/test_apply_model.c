/* Random commits, groups, prunes, rollbacks, sweeps and restarts over a real store, against a table of what the contract
 * says is there. What is pruned and not yet swept counts as gone, as it does for readers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/applied.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { HEIGHTS = 12, HASHES = 6, NAMES = 6, PARTS_MAX = 3, QUEUE_MAX = 8, ROUNDS = 12, STEPS = 300 };

struct held {
    bool present;
    uint64_t of_height;
    size_t length;
    uint8_t bytes[8];
};

struct table {
    uint64_t height;
    uint64_t blocks_pruned;
    uint64_t states_from;
    uint64_t hash_of[HEIGHTS + 1]; /* 0: no block */
    bool has_data[HEIGHTS + 1];
    uint64_t index[HASHES + 1];
    bool states[HEIGHTS + 1];
    struct held names[NAMES];
};

struct queue {
    struct metadata_operation operations[QUEUE_MAX];
    size_t count;
};

static const char *const hashes[] = {"", "one", "two", "three", "four", "five", "six"};
static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

/* ---- what the contract says ---- */

static void drop_block(struct table *table, uint64_t height)
{
    uint64_t hash = table->hash_of[height];
    if (hash != 0 && table->index[hash] == height) {
        table->index[hash] = 0;
    }
    table->hash_of[height] = 0;
    table->has_data[height] = false;
}

static struct held *find(struct table *table, struct slice name)
{
    return &table->names[name.data[0] - 'a'];
}

static uint64_t number_of(const struct held *held)
{
    uint64_t number = 0;
    if (held->present && held->length == 8) {
        memcpy(&number, held->bytes, 8);
    }
    return number;
}

static void hold(struct held *held, struct slice value, uint64_t of_height)
{
    *held = (struct held){true, of_height, value.bytes, {0}};
    memcpy(held->bytes, value.data, value.bytes);
}

static void delete_range(struct table *table, const struct metadata_operation *operation)
{
    for (int i = 0; i < NAMES; i++) {
        struct slice name = applied_text(names[i]);
        bool is_before = operation->has_to && slice_compare(name, operation->to) >= 0;
        if (slice_compare(name, operation->name) >= 0 && !is_before) {
            table->names[i] = (struct held){0};
        }
    }
}

static void carry_out(struct table *table, const struct metadata_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metadata_operation *operation = &operations[i];
        if (operation->kind == METADATA_DELETE_RANGE) {
            delete_range(table, operation);
            continue;
        }
        struct held *held = find(table, operation->name);
        if (operation->kind == METADATA_SET) {
            hold(held, operation->value, operation->of_height);
        } else if (operation->kind == METADATA_DELETE) {
            *held = (struct held){0};
        } else if (operation->raise > number_of(held)) {
            hold(held, applied_number(operation->raise), 0);
        }
        if (held->of_height != 0 && held->of_height <= table->blocks_pruned) {
            *held = (struct held){0};
        }
    }
}

static enum status commit(struct table *table, const struct job_commit *commit)
{
    if (commit->has_expected_height && commit->expected_height != table->height) {
        return STATUS_CONFLICT;
    }
    for (size_t i = 0; i < commit->block_count; i++) {
        const struct job_block *block = &commit->blocks[i];
        if (block->height <= table->blocks_pruned) {
            return STATUS_CONFLICT;
        }
        drop_block(table, block->height);
        for (uint64_t hash = 1; hash <= HASHES; hash++) {
            if (slice_equal(block->hash, applied_text(hashes[hash]))) {
                table->hash_of[block->height] = hash;
                table->index[hash] = block->height;
            }
        }
        table->has_data[block->height] = block->data.bytes > 0;
    }
    for (size_t i = 0; i < commit->delete_block_count; i++) {
        drop_block(table, commit->delete_blocks[i]);
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        if (commit->states[i].height < table->states_from) {
            return STATUS_CONFLICT;
        }
        table->states[commit->states[i].height] = true;
    }
    for (size_t i = 0; i < commit->delete_state_count; i++) {
        table->states[commit->delete_states[i]] = false;
    }
    table->height = commit->rise_to > table->height ? commit->rise_to : table->height;
    return STATUS_OK;
}

/* `ret_counts` is what goes: a dry run says it. */
static enum status prune(struct table *table, const struct job_prune *prune, struct job_counts *ret_counts)
{
    struct job_counts counts = {0};
    if ((prune->has_blocks && prune->blocks_through > table->height) ||
        (prune->has_states && prune->states_through >= table->height)) {
        return STATUS_CONFLICT;
    }
    for (uint64_t height = 1; prune->has_blocks && height <= prune->blocks_through; height++) {
        counts.blocks += table->hash_of[height] != 0;
        drop_block(table, height);
        table->blocks_pruned = height > table->blocks_pruned ? height : table->blocks_pruned;
    }
    for (int i = 0; i < NAMES; i++) {
        if (table->names[i].of_height != 0 && table->names[i].of_height <= table->blocks_pruned) {
            table->names[i] = (struct held){0};
            counts.metadata++;
        }
    }
    for (uint64_t height = 0; prune->has_states && height <= prune->states_through; height++) {
        counts.states += table->states[height];
        table->states[height] = false;
        table->states_from = height >= table->states_from ? height + 1 : table->states_from;
    }
    *ret_counts = counts;
    return STATUS_OK;
}

/* All are judged by what is there before the rollback: none passes because an earlier one lowered its name. */
static enum status judge_guards(struct table *table, const struct job_rollback *rollback,
                                struct job_counts *counts)
{
    for (size_t i = 0; i < rollback->guard_count; i++) {
        const struct held *held = find(table, rollback->guards[i].name);
        if (held->present && held->length != 8 && !rollback->guards[i].pass_malformed) {
            return STATUS_INVALID;
        }
        if (number_of(held) > rollback->to && !rollback->guards[i].lower) {
            return STATUS_CONFLICT;
        }
    }
    for (size_t i = 0; i < rollback->guard_count; i++) {
        struct held *held = find(table, rollback->guards[i].name);
        if (number_of(held) > rollback->to) {
            hold(held, applied_number(rollback->to), 0);
            counts->lowered++;
        }
    }
    return STATUS_OK;
}

static enum status roll_back(struct table *table, const struct job_rollback *rollback,
                             struct job_counts *ret_counts)
{
    struct job_counts counts = {0};
    bool has_state = false;
    for (int i = 0; i <= HEIGHTS; i++) {
        has_state |= table->states[i];
    }
    if (rollback->to > table->height || (table->blocks_pruned > 0 && rollback->to <= table->blocks_pruned) ||
        rollback->to < table->states_from || (has_state && !table->states[rollback->to])) {
        return STATUS_CONFLICT;
    }
    enum status status = judge_guards(table, rollback, &counts);
    for (uint64_t height = rollback->to + 1; height <= HEIGHTS; height++) {
        counts.blocks += table->hash_of[height] != 0;
        counts.states += table->states[height];
        drop_block(table, height);
        table->states[height] = false;
    }
    for (int i = 0; i < NAMES; i++) {
        if (table->names[i].of_height > rollback->to) {
            table->names[i] = (struct held){0};
            counts.metadata++;
        }
    }
    table->height = rollback->to;
    *ret_counts = counts;
    return status;
}

/* ---- random requests ---- */

static struct metadata_operation some_operation(struct random_source *random)
{
    const char *name = names[random_below(random, NAMES)];
    uint64_t of_height = random_chance(random, 40) ? 0 : random_below(random, HEIGHTS + 1);
    switch (random_below(random, 6)) {
    case 0:
        return applied_delete(name);
    case 1:
    case 2:
        return applied_raise(name, random_below(random, HEIGHTS + 2));
    case 3:
        return applied_set(name, applied_text("text"), of_height);
    default:
        return applied_set(name, applied_number(random_below(random, HEIGHTS + 2)), of_height);
    }
}

static struct metadata_operation some_range(struct random_source *random)
{
    uint64_t from = random_below(random, NAMES), to = from + 1 + random_below(random, NAMES - from);
    return (struct metadata_operation){
        .kind = METADATA_DELETE_RANGE,
        .name = random_chance(random, 20) ? slice_of(NULL, 0) : applied_text(names[from]),
        .has_to = to < NAMES,
        .to = to < NAMES ? applied_text(names[to]) : slice_of(NULL, 0),
    };
}

struct request {
    struct job job;
    struct job_block blocks[PARTS_MAX];
    struct job_state states[PARTS_MAX];
    uint64_t delete_states[PARTS_MAX];
    uint64_t delete_blocks[PARTS_MAX];
    struct job_guard guards[PARTS_MAX];
    struct metadata_operation metadata[PARTS_MAX];
};

static void some_commit(struct random_source *random, const struct table *table, struct request *request)
{
    request->job.kind = JOB_COMMIT;
    request->job.commit = (struct job_commit){
        .blocks = request->blocks,
        .block_count = random_below(random, PARTS_MAX + 1),
        .states = request->states,
        .state_count = random_below(random, PARTS_MAX),
        .delete_states = request->delete_states,
        .delete_state_count = random_below(random, 2),
        .rise_to = random_chance(random, 50) ? 0 : random_below(random, HEIGHTS + 1),
        .has_expected_height = random_chance(random, 20),
        .expected_height = random_chance(random, 80) ? table->height : random_below(random, HEIGHTS + 1),
        .delete_blocks = request->delete_blocks,
        .delete_block_count = random_chance(random, 30) ? random_below(random, PARTS_MAX + 1) : 0,
        .deletes_names = random_chance(random, 20),
    };
    for (int i = 0; i < PARTS_MAX; i++) {
        uint64_t least = random_chance(random, 90) ? table->blocks_pruned : 0;
        least = least == HEIGHTS ? 0 : least;
        request->blocks[i] = (struct job_block){
            .height = least + 1 + random_below(random, HEIGHTS - least),
            .header = applied_text("header"),
            .data = applied_text(random_chance(random, 70) ? "data" : ""),
            .hash = applied_text(hashes[1 + random_below(random, HASHES)]),
        };
        request->states[i] = (struct job_state){random_below(random, HEIGHTS + 1), applied_text("state")};
        request->delete_states[i] = random_below(random, HEIGHTS + 1);
        request->delete_blocks[i] = 1 + random_below(random, HEIGHTS);
    }
}

static void some_rollback(struct random_source *random, struct request *request)
{
    request->job.kind = JOB_ROLLBACK;
    request->job.rollback = (struct job_rollback){
        .to = random_below(random, HEIGHTS + 1),
        .guards = request->guards,
        .guard_count = random_chance(random, 60) ? 0 : 1 + random_below(random, 2),
    };
    for (int i = 0; i < PARTS_MAX; i++) {
        request->guards[i].name = applied_text(names[random_below(random, NAMES)]);
        request->guards[i].lower = random_chance(random, 60);
        request->guards[i].pass_malformed = random_chance(random, 50);
    }
}

static void some_prune(struct random_source *random, struct request *request)
{
    request->job.kind = JOB_PRUNE;
    request->job.prune = (struct job_prune){
        .has_blocks = random_chance(random, 60),
        .blocks_through = random_below(random, HEIGHTS / 2),
        .has_states = random_chance(random, 60),
        .states_through = random_below(random, HEIGHTS / 2),
    };
}

static enum status expect(struct table *table, const struct job *job, struct job_counts *ret_counts)
{
    enum status status = job->kind == JOB_COMMIT     ? commit(table, &job->commit)
                         : job->kind == JOB_ROLLBACK ? roll_back(table, &job->rollback, ret_counts)
                                                     : prune(table, &job->prune, ret_counts);
    carry_out(table, job->metadata, job->metadata_count);
    return status;
}

static void run(struct random_source *random, struct table *table, struct queue *queue)
{
    struct request request = {.job = {.chain = 1}};
    uint64_t what = random_below(random, 10);
    if (what < 7) {
        some_commit(random, table, &request);
    } else if (what < 9) {
        some_rollback(random, &request);
    } else {
        some_prune(random, &request);
    }
    struct job *job = &request.job;
    job->metadata = request.metadata;
    job->metadata_count = random_below(random, PARTS_MAX + 1);
    for (int i = 0; i < PARTS_MAX; i++) {
        bool is_range = job->kind == JOB_COMMIT && job->commit.deletes_names && random_chance(random, 50);
        request.metadata[i] = is_range ? some_range(random) : some_operation(random);
    }
    struct table expected = *table;
    struct job_counts counts = {0};
    bool carries = job_deletes_ranges(job) || random_chance(random, 50);
    if (carries) {
        job->carry_through = applied_carry();
        carry_out(&expected, queue->operations, queue->count);
    }
    enum status status = expect(&expected, job, &counts);
    if (carries && job->kind != JOB_COMMIT) { /* a dry run sees all that is queued */
        ck_assert_int_eq(applied_preview(job), status);
        if (status == STATUS_OK) {
            ck_assert_mem_eq(&job->counts, &counts, sizeof counts);
        }
    }
    ck_assert_int_eq(applied_job(job), status);
    if (status == STATUS_OK && job->kind == JOB_ROLLBACK) {
        ck_assert_mem_eq(&job->counts, &counts, sizeof counts);
    }
    if (status == STATUS_OK) {
        *table = expected;
        queue->count = carries ? 0 : queue->count;
    }
}

/* ---- comparing ---- */

static void compare_names(const struct table *table)
{
    for (int i = 0; i < NAMES; i++) {
        struct slice value;
        uint64_t of_height;
        const struct held *held = &table->names[i];
        bool present = applied_metadata(1, names[i], &value, &of_height) &&
                       !metadata_is_pruned(of_height, table->blocks_pruned);
        ck_assert_int_eq(present, held->present);
        if (present) {
            applied_assert_metadata(1, names[i], slice_of(held->bytes, held->length), held->of_height);
        }
    }
}

static void compare(const struct table *table)
{
    struct chain_marks marks = applied_marks(1);
    ck_assert_uint_eq(marks.height, table->height);
    ck_assert_uint_eq(marks.blocks_pruned, table->blocks_pruned);
    ck_assert_uint_eq(marks.states_from, table->states_from);
    for (uint64_t height = 0; height <= HEIGHTS; height++) {
        ck_assert_int_eq(applied_has(1, KEY_STATE, height), table->states[height]);
        ck_assert_int_eq(applied_has(1, KEY_DATA, height), table->has_data[height]);
        if (height > table->blocks_pruned) {
            uint64_t hash = table->hash_of[height];
            applied_assert_header(1, height, hash == 0 ? NULL : hashes[hash]);
        }
    }
    for (int i = 1; i <= HASHES; i++) {
        uint64_t height = applied_height_of(1, hashes[i]);
        ck_assert_uint_eq(height <= table->blocks_pruned ? 0 : height, table->index[i]);
    }
    compare_names(table);
}

/* Swept, the store holds what the table says and not a key more. */
static void compare_swept(const struct table *table)
{
    size_t blocks = 0, entries = 0, held = 0;
    while (!applied_sweep()) {
    }
    for (int i = 1; i <= HEIGHTS; i++) {
        blocks += table->hash_of[i] != 0;
    }
    for (int i = 1; i <= HASHES; i++) {
        entries += table->index[i] != 0;
    }
    for (int i = 0; i < NAMES; i++) {
        held += table->names[i].present;
    }
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), blocks);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), entries);
    ck_assert_uint_eq(applied_count(1, KEY_METADATA), held);
    ck_assert_uint_eq(applied_count(2, KEY_HEADER) + applied_count(2, KEY_METADATA), 0);
    compare(table);
}

static void step(struct random_source *random, struct table *table, struct queue *queue)
{
    uint64_t what = random_below(random, 100);
    if (what < 35 && queue->count < QUEUE_MAX) {
        queue->operations[queue->count] = some_operation(random);
        applied_queue(1, queue->operations[queue->count++]);
        if (random_chance(random, 30)) {
            (void)applied_carry(); /* only closes the group */
        }
    } else if (what < 50) {
        applied_groups();
        carry_out(table, queue->operations, queue->count);
        queue->count = 0;
        if (what < 37) {
            applied_restart();
        }
    } else if (what < 60) {
        (void)applied_sweep();
    } else if (what < 62) {
        compare_swept(table);
    } else {
        run(random, table, queue);
    }
    compare(table);
}

START_TEST(random_runs_leave_what_the_contract_says)
{
    struct random_source random = random_from(random_seed("apply"));
    for (int round = 0; round < ROUNDS; round++) {
        struct table table = {0};
        struct queue queue = {.count = 0};
        applied_open();
        for (int i = 0; i < STEPS; i++) {
            step(&random, &table, &queue);
        }
        compare_swept(&table);
        applied_close();
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("apply model", 120, &tests);
    tcase_add_test(tests, random_runs_leave_what_the_contract_says);
    return suite_run(suite, true);
}
