/* Each call of the fake engine pauses its task before it does anything and again before its caller knows: a crash between the two is
 * one before the write or behind it. The loop's own calls never pause, as they never wait for the device. */
#include "tests/fault/simulation_engine.h"

#include <assert.h>

#include "daemon/engine/engine_type.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/fault/simulation_scheduler.h"

enum {
    HANG_US_MAX = 20000000,
    KIND_AT = 4,        /* a key's kind, behind the chain's id */
    PLANTED_ONE_IN = 8, /* calls that a plant touches */
};

struct simulated_plan simulated_plan;
struct simulated_faults simulated_faults;

static struct fake_disk *disk; /* of the open engine */

/* The task waits for the device; or another one runs before it goes on. */
static void pause_task(void)
{
    if (!task_is_running()) {
        return;
    }
    uint64_t us = scheduler_chance(50) ? 0 : scheduler_below(simulated_plan.pause_us_max + 1);
    if (scheduler_below(1000) < simulated_plan.hangs_of_1000) {
        us = scheduler_below(HANG_US_MAX);
    }
    task_pause_us(us);
}

static bool is_planted(enum simulation_plant plant)
{
    return simulated_plan.plant == plant && scheduler_chance_of(PLANTED_ONE_IN);
}

/* ---- reading ---- */

/* `key` is empty for a move of a walk. */
static bool read_fails(struct slice key, struct failure *failure)
{
    bool is_writer = thread_is(THREAD_WRITER);
    bool is_name = key.bytes > KIND_AT && key.data[KIND_AT] == KEY_METADATA;
    unsigned percent = !is_writer ? simulated_plan.reads_fail_percent
                       : is_name  ? simulated_plan.names_fail_percent
                                  : simulated_plan.writer_fails_percent;
    if (!scheduler_chance(percent)) {
        return false;
    }
    simulated_faults.names += is_writer && is_name;
    bool is_damage = scheduler_chance(50);
    failure_set(failure, is_damage ? STATUS_DAMAGED : STATUS_IO_ERROR, "reading: fault injected");
    *(is_writer ? &simulated_faults.writer_reads : &simulated_faults.reads) += 1;
    scheduler_note("read fails", is_damage, is_writer);
    return true;
}

static struct engine_point *read_point(struct engine_point *point)
{
    return simulated_plan.plant == PLANT_POINT_IS_LATE ? NULL : point;
}

static enum engine_result simulated_get(struct engine *engine, struct engine_point *point,
                                        enum engine_reach reach, struct slice key,
                                        struct engine_value *ret_value, struct failure *failure)
{
    pause_task();
    if (reach == ENGINE_NO_IO && scheduler_chance(simulated_plan.blocks_percent)) {
        return ENGINE_WOULD_BLOCK;
    }
    if (read_fails(key, failure)) {
        return simulated_plan.plant == PLANT_FAILED_IS_ABSENT ? ENGINE_NOT_FOUND : ENGINE_FAILED;
    }
    enum engine_result result = engine_fake.get(engine, read_point(point), reach, key, ret_value, failure);
    pause_task();
    return result;
}

static struct engine_walk *simulated_walk_open(struct engine *engine, struct engine_point *point,
                                               const struct engine_range *range)
{
    return engine_fake.walk_open(engine, read_point(point), range);
}

static enum engine_result simulated_walk_next(struct engine_walk *walk, struct slice *ret_key,
                                              struct slice *ret_value, struct failure *failure)
{
    if (scheduler_chance(20)) {
        pause_task();
    }
    return read_fails(slice_of(NULL, 0), failure) ? ENGINE_FAILED
                                                  : engine_fake.walk_next(walk, ret_key, ret_value, failure);
}

/* ---- writing ---- */

static bool write_is_refused(size_t count, struct failure *failure)
{
    if (!thread_is(THREAD_WRITER) || !scheduler_chance(simulated_plan.refuses_percent)) {
        return false;
    }
    bool is_busy = scheduler_chance(30);
    failure_set(failure, is_busy ? STATUS_BUSY : STATUS_NO_SPACE,
                "writing %zu edits: fault injected, nothing was written", count);
    simulated_faults.refused++;
    scheduler_note("write refused", count, is_busy);
    return true;
}

static enum engine_outcome write_halves(struct engine *engine, struct engine_edit *edits, size_t count,
                                        enum engine_durability durability, struct failure *failure)
{
    enum engine_outcome outcome = engine_fake.write(engine, edits, count / 2, ENGINE_LOGGED, failure);
    pause_task();
    pause_task();
    return outcome != ENGINE_DONE
               ? outcome
               : engine_fake.write(engine, edits + count / 2, count - count / 2, durability, failure);
}

static bool is_of_kind(const struct engine_edit *edit, enum key_kind kind)
{
    return edit->key.bytes > KIND_AT && edit->key.data[KIND_AT] == kind;
}

/* That of a write; a claim's own stays. Returns how many edits are left. */
static size_t forget_number(struct engine_edit *edits, size_t count)
{
    size_t left = 0;
    bool is_claim = false;
    for (size_t i = 0; i < count; i++) {
        is_claim |= is_of_kind(&edits[i], KEY_CLAIM);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_claim || !is_of_kind(&edits[i], KEY_EPOCH)) {
            edits[left++] = edits[i];
        }
    }
    assert(left > 0); /* a job changes something else, too */
    return left;
}

static enum engine_outcome write_planted(struct engine *engine, struct engine_edit *edits, size_t count,
                                         enum engine_durability durability, struct failure *failure)
{
    if (simulated_plan.plant == PLANT_SYNC_IS_NONE) {
        durability = ENGINE_LOGGED;
    }
    if (count > 1 && thread_is(THREAD_WRITER) && is_planted(PLANT_EDIT_IS_LOST)) {
        edits[0] = edits[count - 1];
        count--;
    }
    if (count > 1 && thread_is(THREAD_WRITER) && simulated_plan.plant == PLANT_NUMBER_IS_FORGOTTEN) {
        count = forget_number(edits, count);
    }
    return count > 1 && simulated_plan.plant == PLANT_BATCH_IN_HALVES
               ? write_halves(engine, edits, count, durability, failure)
               : engine_fake.write(engine, edits, count, durability, failure);
}

/* A start's own write, by the loop. */
static enum engine_outcome write_and_die(struct engine *engine, struct engine_edit *edits, size_t count,
                                         enum engine_durability durability, struct failure *failure)
{
    bool is_before = scheduler_chance(50);
    enum engine_outcome outcome = ENGINE_UNKNOWN;
    if (!is_before) {
        outcome = engine_fake.write(engine, edits, count, durability, failure);
    }
    fake_disk_cut(disk);
    if (is_before) {
        outcome = engine_fake.write(engine, edits, count, durability, failure);
    }
    simulated_faults.died = true;
    scheduler_note("dies", is_before, count);
    return outcome;
}

static enum engine_outcome simulated_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                           enum engine_durability durability, struct failure *failure)
{
    scheduler_note("write", count, durability);
    if (simulated_plan.dies_at_start && !thread_is(THREAD_WRITER)) {
        return write_and_die(engine, edits, count, durability, failure);
    }
    pause_task();
    if (write_is_refused(count, failure)) {
        struct failure unused;
        if (simulated_plan.plant == PLANT_REFUSED_IS_APPLIED &&
            engine_fake.write(engine, edits, count, durability, &unused) != ENGINE_DONE) {
            return ENGINE_UNKNOWN;
        }
        return ENGINE_NOT_APPLIED;
    }
    if (simulated_plan.write_in_doubt) {
        simulated_plan.write_in_doubt = false;
        fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
    }
    enum engine_outcome outcome = write_planted(engine, edits, count, durability, failure);
    pause_task();
    scheduler_note("written", count, outcome);
    return outcome;
}

static enum engine_outcome simulated_sync(struct engine *engine, struct failure *failure)
{
    pause_task();
    if (simulated_plan.sync_in_doubt) {
        simulated_plan.sync_in_doubt = false;
        fake_disk_fault(disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
    } else if (simulated_plan.plant == PLANT_SYNC_IS_NONE) {
        return ENGINE_DONE;
    }
    enum engine_outcome outcome = engine_fake.sync(engine, failure);
    pause_task();
    scheduler_note("synced", outcome, 0);
    return outcome;
}

static bool simulated_background_failed(struct engine *engine, struct failure *ret_failure)
{
    if (scheduler_below(1000) < simulated_plan.background_fails_of_1000) {
        failure_set(ret_failure, scheduler_chance(50) ? STATUS_DAMAGED : STATUS_IO_ERROR,
                    "merging: fault injected");
        return true;
    }
    return engine_fake.background_failed(engine, ret_failure);
}

/* ---- space ---- */

static enum engine_result simulated_reclaim(struct engine *engine, struct slice from, struct slice to,
                                            bool is_quiet, uint64_t *ret_freed_bytes, struct failure *failure)
{
    pause_task();
    enum engine_result result = engine_fake.reclaim(engine, from, to, is_quiet, ret_freed_bytes, failure);
    pause_task();
    return result;
}

enum engine_result simulated_engine_open(struct fake_disk *fake_disk, const char *path,
                                         struct engine **ret_engine, struct failure *failure)
{
    static struct engine_type type;
    type = engine_fake;
    type.get = simulated_get;
    type.walk_open = simulated_walk_open;
    type.walk_next = simulated_walk_next;
    type.write = simulated_write;
    type.sync = simulated_sync;
    type.background_failed = simulated_background_failed;
    type.reclaim = simulated_reclaim;
    const struct engine_config config = {.path = path, .create = true};
    disk = fake_disk;
    enum engine_result result = engine_open(&engine_fake, &config, ret_engine, failure);
    if (result == ENGINE_OK) {
        (*ret_engine)->type = &type;
    }
    return result;
}
