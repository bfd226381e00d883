/* Random commits, groups, prunes, rollbacks, sweeps, claims, numbers, drops of the chain and restarts over a real store, against a model of
 * what the contract says is there (tests/lib/applied_model.h). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/applied_model.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { PARTS_MAX = 3, QUEUE_MAX = 8, ROUNDS = 12, STEPS = 300 };

struct queue {
    struct metadata_operation operations[QUEUE_MAX];
    size_t count;
};

/* ---- random requests ---- */

static struct metadata_operation some_operation(struct random_source *random)
{
    const char *name = model_names[random_below(random, MODEL_NAMES)];
    uint64_t of_height = random_chance(random, 40) ? 0 : random_below(random, MODEL_HEIGHTS + 1);
    switch (random_below(random, 6)) {
    case 0:
        return applied_delete(name);
    case 1:
    case 2:
        return applied_raise(name, random_below(random, MODEL_HEIGHTS + 2));
    case 3:
        return applied_set(name, applied_text("text"), of_height);
    default:
        return applied_set(name, applied_number(random_below(random, MODEL_HEIGHTS + 2)), of_height);
    }
}

static struct metadata_operation some_range(struct random_source *random)
{
    uint64_t from = random_below(random, MODEL_NAMES),
             to = from + 1 + random_below(random, MODEL_NAMES - from);
    return (struct metadata_operation){
        .kind = METADATA_DELETE_RANGE,
        .name = random_chance(random, 20) ? slice_of(NULL, 0) : applied_text(model_names[from]),
        .has_to = to < MODEL_NAMES,
        .to = to < MODEL_NAMES ? applied_text(model_names[to]) : slice_of(NULL, 0),
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

static void some_commit(struct random_source *random, const struct applied_model *model,
                        struct request *request)
{
    request->job.kind = JOB_COMMIT;
    request->job.commit = (struct job_commit){
        .blocks = request->blocks,
        .block_count = random_below(random, PARTS_MAX + 1),
        .states = request->states,
        .state_count = random_below(random, PARTS_MAX),
        .delete_states = request->delete_states,
        .delete_state_count = random_below(random, 2),
        .rise_to = random_chance(random, 50) ? 0 : random_below(random, MODEL_HEIGHTS + 1),
        .has_expected_height = random_chance(random, 20),
        .expected_height =
            random_chance(random, 80) ? model->height : random_below(random, MODEL_HEIGHTS + 1),
        .delete_blocks = request->delete_blocks,
        .delete_block_count = random_chance(random, 30) ? random_below(random, PARTS_MAX + 1) : 0,
        .deletes_names = random_chance(random, 20),
    };
    for (int i = 0; i < PARTS_MAX; i++) {
        uint64_t least = random_chance(random, 90) ? model->blocks_pruned : 0;
        least = least == MODEL_HEIGHTS ? 0 : least;
        request->blocks[i] = (struct job_block){
            .height = least + 1 + random_below(random, MODEL_HEIGHTS - least),
            .header = applied_text("header"),
            .data = applied_text(random_chance(random, 70) ? "data" : ""),
            .hash = applied_text(model_hashes[1 + random_below(random, MODEL_HASHES)]),
        };
        request->states[i] =
            (struct job_state){random_below(random, MODEL_HEIGHTS + 1), applied_text("state")};
        request->delete_states[i] = random_below(random, MODEL_HEIGHTS + 1);
        request->delete_blocks[i] = 1 + random_below(random, MODEL_HEIGHTS);
    }
}

static void some_rollback(struct random_source *random, struct request *request)
{
    request->job.kind = JOB_ROLLBACK;
    request->job.rollback = (struct job_rollback){
        .to = random_below(random, MODEL_HEIGHTS + 1),
        .guards = request->guards,
        .guard_count = random_chance(random, 60) ? 0 : 1 + random_below(random, 2),
    };
    for (int i = 0; i < PARTS_MAX; i++) {
        request->guards[i].name = applied_text(model_names[random_below(random, MODEL_NAMES)]);
        request->guards[i].lower = random_chance(random, 60);
        request->guards[i].pass_malformed = random_chance(random, 50);
    }
}

static void some_prune(struct random_source *random, struct request *request)
{
    request->job.kind = JOB_PRUNE;
    request->job.prune = (struct job_prune){
        .has_blocks = random_chance(random, 60),
        .blocks_through = random_below(random, MODEL_HEIGHTS / 2),
        .has_states = random_chance(random, 60),
        .states_through = random_below(random, MODEL_HEIGHTS / 2),
    };
}

/* Under the last epoch: mostly the next number, at times one of before or one too far ahead. */
static uint64_t some_number(struct random_source *random, const struct applied_model *model)
{
    uint64_t last = applied_model_last_number(model);
    if (model->epoch_count == 0 || model->is_released || random_chance(random, 30)) {
        return 0;
    }
    return random_chance(random, 70) ? last + 1 : 1 + random_below(random, last + 2);
}

static void run(struct random_source *random, struct applied_model *model, struct queue *queue)
{
    struct request request = {.job = {.chain = 1, .number = some_number(random, model)}};
    uint64_t what = random_below(random, 10);
    if (what < 7) {
        some_commit(random, model, &request);
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
    struct applied_model expected = *model;
    bool carries = job_deletes_ranges(job) || random_chance(random, 50);
    if (carries) {
        job->carry_through = applied_carry();
        applied_model_metadata(&expected, queue->operations, queue->count);
    }
    struct applied_model_answer answer = applied_model_job(&expected, job);
    if (carries && job->kind != JOB_COMMIT && job->number == 0) { /* a dry run sees all that is queued */
        ck_assert_int_eq(applied_preview(job), answer.status);
        if (answer.status == STATUS_OK) {
            ck_assert_mem_eq(&job->counts, &answer.counts, sizeof answer.counts);
        }
    }
    ck_assert_int_eq(applied_job(job), answer.status);
    ck_assert_int_eq(job->is_repeated, answer.is_repeated);
    ck_assert(answer.reason == REASON_NONE || job->failure.reason == answer.reason);
    if (answer.status == STATUS_OK && job->kind == JOB_ROLLBACK) {
        ck_assert_mem_eq(&job->counts, &answer.counts, sizeof answer.counts);
    }
    if (answer.status == STATUS_OK) {
        *model = expected;
        queue->count = carries ? 0 : queue->count;
    }
}

/* ---- claims ---- */

/* All that is queued is carried. */
static void carry_all(struct applied_model *model, struct queue *queue, struct job *job)
{
    job->chain = 1;
    job->carry_through = applied_carry();
    applied_model_metadata(model, queue->operations, queue->count);
    queue->count = 0;
    ck_assert_msg(applied_job(job) == STATUS_OK, "%s", job->failure.text);
}

static void claim(struct random_source *random, struct applied_model *model, struct queue *queue)
{
    if (model->epoch_count == MODEL_EPOCHS_MAX) {
        return;
    }
    struct epoch epoch = applied_claim(1, 1 + random_below(random, 3)); /* few bits, so that some repeat */
    applied_model_metadata(model, queue->operations, queue->count);
    queue->count = 0;
    applied_model_claim(model, epoch);
}

static void release(struct applied_model *model, struct queue *queue)
{
    struct job job = {.kind = JOB_RELEASE};
    if (model->epoch_count == 0 || model->is_released) {
        return;
    }
    ck_assert(applied_last_claim(1, &job.claim));
    job.claim.name = applied_text("node");
    job.claim.released = job.claim.epoch.sequence + 1; /* any number behind it */
    carry_all(model, queue, &job);
    model->is_released = true;
}

/* What is still under way to the chain behind the drop is taken for repeated, or refused. */
static void drop(struct random_source *random, struct applied_model *model, struct queue *queue)
{
    struct job job = {.kind = JOB_DROP_CHAIN, .drop = {applied_text("first"), .makes_anew = true}};
    carry_all(model, queue, &job);
    applied_model_drop(model);
    uint64_t last = applied_model_last_number(model);
    struct job behind = {.kind = JOB_COMMIT,
                         .chain = 1,
                         .is_behind_drop = true,
                         .number = 1 + random_below(random, last + 2),
                         .commit = {.rise_to = 1}};
    ck_assert_int_eq(applied_job(&behind), behind.number <= last ? STATUS_OK : STATUS_CONFLICT);
    ck_assert(behind.is_repeated == (behind.number <= last));
    ck_assert(behind.is_repeated || behind.failure.reason == REASON_DROPPED);
}

/* One of the chain's epochs, or one with other bits, which is of a copy of the store. */
static void present(struct random_source *random, const struct applied_model *model)
{
    if (model->epoch_count == 0) {
        return;
    }
    const struct applied_model_epoch *known = &model->epochs[random_below(random, model->epoch_count)];
    bool is_known = random_chance(random, 70);
    struct job job = {.kind = JOB_PRESENT, .chain = 1, .present = {.epoch = known->epoch}};
    job.present.epoch.random += !is_known;
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert(job.present.is_known == is_known);
    ck_assert_uint_eq(job.present.last_number, is_known ? known->last_number : 0);
}

static void run_claim(struct random_source *random, struct applied_model *model, struct queue *queue)
{
    uint64_t what = random_below(random, 10);
    if (what < 5) {
        claim(random, model, queue);
    } else if (what < 6) {
        release(model, queue);
    } else if (what < 7) {
        drop(random, model, queue);
    } else {
        present(random, model);
    }
}

/* ---- comparing ---- */

static void compare_names(const struct applied_model *model)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        struct slice value;
        uint64_t of_height;
        const struct applied_name *held = &model->names[i];
        bool present = applied_metadata(1, model_names[i], &value, &of_height) &&
                       !metadata_is_pruned(of_height, model->blocks_pruned);
        ck_assert_int_eq(present, held->present);
        if (present) {
            applied_assert_metadata(1, model_names[i], slice_of(held->bytes, held->length), held->of_height);
        }
    }
}

static void compare_claims(const struct applied_model *model)
{
    struct claim_record claim;
    bool is_there = applied_last_claim(1, &claim);
    ck_assert_int_eq(is_there, model->epoch_count > 0);
    for (size_t i = 0; i < model->epoch_count; i++) {
        struct epoch_record record;
        const struct applied_model_epoch *epoch = &model->epochs[i];
        ck_assert(applied_epoch(1, epoch->epoch.sequence, &record));
        ck_assert(record.random == epoch->epoch.random && record.last_number == epoch->last_number);
    }
    if (is_there) {
        ck_assert(epoch_equal(claim.epoch, model->epochs[model->epoch_count - 1].epoch));
        ck_assert((claim.released != 0) == model->is_released);
    }
}

static void compare(const struct applied_model *model)
{
    struct chain_marks marks = applied_marks(1);
    ck_assert_uint_eq(marks.height, model->height);
    ck_assert_uint_eq(marks.blocks_pruned, model->blocks_pruned);
    ck_assert_uint_eq(marks.states_from, model->states_from);
    for (uint64_t height = 0; height <= MODEL_HEIGHTS; height++) {
        ck_assert_int_eq(applied_has(1, KEY_STATE, height), model->states[height]);
        ck_assert_int_eq(applied_has(1, KEY_DATA, height), model->has_data[height]);
        if (height > model->blocks_pruned) {
            uint64_t hash = model->hash_of[height];
            applied_assert_header(1, height, hash == 0 ? NULL : model_hashes[hash]);
        }
    }
    for (int i = 1; i <= MODEL_HASHES; i++) {
        uint64_t height = applied_height_of(1, model_hashes[i]);
        ck_assert_uint_eq(height <= model->blocks_pruned ? 0 : height, model->index[i]);
    }
    compare_names(model);
    compare_claims(model);
}

/* Swept, the store holds what the model says and not a key more. */
static void compare_swept(const struct applied_model *model)
{
    size_t blocks = 0, entries = 0, held = 0;
    while (!applied_sweep()) {
    }
    for (int i = 1; i <= MODEL_HEIGHTS; i++) {
        blocks += model->hash_of[i] != 0;
    }
    for (int i = 1; i <= MODEL_HASHES; i++) {
        entries += model->index[i] != 0;
    }
    for (int i = 0; i < MODEL_NAMES; i++) {
        held += model->names[i].present;
    }
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), blocks);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), entries);
    ck_assert_uint_eq(applied_count(1, KEY_METADATA), held);
    ck_assert_uint_eq(applied_count(1, KEY_EPOCH), model->epoch_count);
    ck_assert_uint_eq(applied_count(2, KEY_HEADER) + applied_count(2, KEY_METADATA), 0);
    compare(model);
}

static void step(struct random_source *random, struct applied_model *model, struct queue *queue)
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
        applied_model_metadata(model, queue->operations, queue->count);
        queue->count = 0;
        if (what < 37) {
            applied_restart();
            model->number_before_drop = 0;
        }
    } else if (what < 60) {
        (void)applied_sweep();
    } else if (what < 62) {
        compare_swept(model);
    } else if (what < 68) {
        run_claim(random, model, queue);
    } else {
        run(random, model, queue);
    }
    compare(model);
}

START_TEST(random_runs_leave_what_the_contract_says)
{
    struct random_source random = random_from(random_seed("apply"));
    for (int round = 0; round < ROUNDS; round++) {
        struct applied_model model = {0};
        struct queue queue = {.count = 0};
        applied_open();
        for (int i = 0; i < STEPS; i++) {
            step(&random, &model, &queue);
        }
        compare_swept(&model);
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
