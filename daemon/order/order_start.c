/* A start loads the chains and begins the next run, above every number that was ever reserved, in the store's numbers, before
 * anything is accepted. It writes to the database only where "default" is to be made, or where records of format 1 are left.
 *
 * If only parts of a copy were put back, the database, db.state and the numbers are of different age. Numbers that are older than the
 * others end the start. If the numbers know later runs than db.state, what these runs wrote may be gone: their random bits are forgotten,
 * so that their clients are told that the store changed.
 *
 * Failures: what cannot be read or understood ends the start, and nothing was written. A write that was not done ends it too; the
 * next start then may skip numbers that nobody was given. */
#include "daemon/order/order_start.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "daemon/observe/event.h"
#include "daemon/order/format_1.h"
#include "daemon/order/start_read.h"
#include "daemon/runtime/thread.h"

enum {
    FIRST_EDITS_MAX = 2,
    KNOWS_BYTES = 80, /* of what the database knows, in a text */
};

/* Where load_chain puts what it reads. */
struct loading {
    struct engine *engine;
    struct chain_set *chains;
    struct apply *apply;
    struct damage *damage;
    uint64_t now_us;
};

/* Reads the last number that was applied under the last claim's epoch. */
static enum status load_epoch(const struct loading *loading, const struct chain *chain, struct epoch epoch,
                              struct epoch_record *ret_record, struct failure *failure)
{
    struct key key = key_of_height(chain->id, KEY_EPOCH, epoch.sequence);
    struct engine_value value = {0};
    enum status status = start_read_key(loading->engine, &key, &value, failure);
    bool is_read = status == STATUS_OK && record_read_epoch(value.bytes, ret_record);
    engine_value_release(&value);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && !is_read) ||
        (is_read && ret_record->random != epoch.random)) {
        return start_damaged(failure, "a chain's epoch");
    }
    return status;
}

/* A chain without a claim has no record. One without the record of its last epoch is damaged: a number would be applied twice. */
static enum status load_claim(const struct loading *loading, struct chain *chain, struct failure *failure)
{
    struct key key = key_of_kind(chain->id, KEY_CLAIM);
    struct engine_value value = {0};
    struct claim_record claim;
    struct epoch_record epoch;
    enum status status = start_read_key(loading->engine, &key, &value, failure);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK && !record_read_claim(value.bytes, &claim)) {
        status = start_damaged(failure, "a chain's claim");
    }
    if (status == STATUS_OK) {
        status = load_epoch(loading, chain, claim.epoch, &epoch, failure);
    }
    if (status == STATUS_OK) {
        chain_claim_begin(&chain->claim, &claim, epoch.last_number, loading->now_us);
        apply_load_epoch(loading->apply, chain->id, claim.epoch, epoch.last_number);
    }
    engine_value_release(&value);
    return status;
}

static enum status load_chain(void *context, struct slice name_key, struct slice value,
                              struct failure *failure)
{
    const struct loading *loading = context;
    struct chain_set *chains = loading->chains;
    struct slice name;
    if (!key_read_name(name_key, &name) || value.bytes != 8) {
        return start_damaged(failure, "the list of chains");
    }
    uint64_t id = record_get_u64(value.data);
    if (id > chain_ids_max(chains)) {
        return failure_set(failure, STATUS_INVALID,
                           "the store has a chain with the number %lu, above chains_max = %u: raise it", id,
                           chain_ids_max(chains));
    }
    struct chain *chain = chain_name_is_valid(name) && id != 0 ? chain_add(chains, name, (uint32_t)id) : NULL;
    if (chain == NULL) {
        return start_damaged(failure, "the list of chains");
    }
    assert(chain->id == id && !chain->visible); /* its marks lie under that id, and come before it is seen */
    struct key key = key_of_kind(chain->id, KEY_MARKS);
    struct engine_value marks = {0};
    enum status status = start_read_key(loading->engine, &key, &marks, failure);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && !record_read_marks(marks.bytes, &chain->marks))) {
        status = start_damaged(failure, "a chain's marks");
    }
    engine_value_release(&marks);
    if (status == STATUS_OK) {
        struct key made = key_of_kind(chain->id, KEY_MADE);
        status =
            start_read_number(loading->engine, &made, "a chain's making", &chain->made_sequence, failure);
    }
    if (status != STATUS_OK) {
        return status;
    }
    chain->visible = true;
    if (apply_load(loading->apply, chain->id, &chain->marks, failure) != STATUS_OK) {
        damage_note(loading->damage, DAMAGE_BACKGROUND, failure); /* the chain goes without it */
    }
    return load_claim(loading, chain, failure);
}

/* The keys and values of the first write. */
struct first_write {
    struct engine_edit edits[FIRST_EDITS_MAX];
    struct key keys[FIRST_EDITS_MAX];
    uint8_t values[FIRST_EDITS_MAX][RECORD_MARKS_BYTES];
    size_t count;
};

/* Returns where the caller writes the value. */
static uint8_t *put(struct first_write *write, const struct key *key, size_t bytes)
{
    assert(write->count < FIRST_EDITS_MAX && bytes <= sizeof write->values[0]);
    size_t i = write->count++;
    write->keys[i] = *key;
    write->edits[i] =
        (struct engine_edit){ENGINE_PUT, key_slice(&write->keys[i]), slice_of(write->values[i], bytes)};
    return write->values[i];
}

static enum status put_default(struct first_write *write, struct chain_set *chains, struct failure *failure)
{
    struct slice name = slice_of("default", 7);
    assert(write->count == 0); /* there is room for both edits */
    if (chain_find(chains, name) != NULL) {
        return STATUS_OK;
    }
    if (chain_count(chains) > 0) { /* it is made first, and never only dropped */
        return start_damaged(failure, "the list of chains");
    }
    struct chain *chain = chain_add(chains, name, 0);
    assert(chain != NULL);
    struct key name_key = key_of_name(0, KEY_CHAIN_NAME, name);
    struct key marks_key = key_of_kind(chain->id, KEY_MARKS);
    record_put_u64(chain->id, put(write, &name_key, 8));
    record_write_marks(&chain->marks, put(write, &marks_key, RECORD_MARKS_BYTES));
    chain->visible = true;
    return STATUS_OK;
}

/* Makes "default" in a store that has no chain yet. */
static enum status make_default(struct engine *engine, struct chain_set *chains, struct apply *apply,
                                struct failure *failure)
{
    struct first_write write = {.count = 0};
    enum status status = put_default(&write, chains, failure);
    if (status != STATUS_OK || write.count == 0) {
        return status;
    }
    assert(write.count == FIRST_EDITS_MAX); /* its name and its marks: one without the other is damage */
    if (engine_write(engine, write.edits, write.count, ENGINE_SYNCED, failure) != ENGINE_DONE) {
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
    const struct chain *chain = chain_first(chains);
    apply_made(apply, chain->id);
    return STATUS_OK;
}

/* A chain that was dropped, and whose space no run has come to ask back. */
static enum status load_dropped(void *context, struct slice key, struct slice value, struct failure *failure)
{
    const struct chain_set *chains = context;
    uint32_t id;
    if (!key_read_dropped(key, &id) || id == 0 || id > CHAIN_IDS_MAX || value.bytes != 8) {
        return start_damaged(failure, "the list of dropped chains");
    }
    gone_add(chain_gone(chains), id, id);
    return STATUS_OK;
}

/* Refuses numbers that are older than the database, and says how to get newer ones. With `is_noticed_late` a start with --accept-loss makes
 * them anew only if their file is gone. If the clock made them, it is wrong, and would make them too low again. */
static enum status numbers_are_older(const struct numbers *numbers, const char *knows, bool is_noticed_late,
                                     struct failure *failure)
{
    if (numbers->is_by_clock) {
        char day[sizeof "1970-01-01"] = "";
        time_t now_s = (time_t)numbers->run;
        struct tm now;
        if (gmtime_r(&now_s, &now) != NULL) {
            (void)strftime(day, sizeof day, "%Y-%m-%d", &now);
        }
        return failure_set(failure, STATUS_DAMAGED,
                           "the system's clock is wrong: it says %s, and " NUMBERS_NAME
                           ", made anew by it, is older than the database, %s. Set the clock%s and give "
                           "--accept-loss once more",
                           day, knows, is_noticed_late ? ", remove the file" : "");
    }
    return failure_set(failure, STATUS_DAMAGED,
                       NUMBERS_NAME
                       " is older than the database, %s, and would give numbers twice: put back the store's "
                       "own, restore the whole directory, or %sgive --accept-loss for one start with new "
                       "numbers, higher than any before",
                       knows, is_noticed_late ? "remove the file and " : "");
}

enum status order_check_numbers(struct engine *engine, const struct numbers *numbers,
                                uint64_t *ret_metadata_on_disk, struct failure *failure)
{
    struct key on_disk = key_of_kind(0, KEY_METADATA_ON_DISK);
    uint64_t metadata_on_disk = 0;
    enum status status =
        start_read_number(engine, &on_disk, "the highest metadata number", &metadata_on_disk, failure);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t last_run = engine_found(engine)->last_run;
    if (metadata_on_disk > numbers->reserved_through || last_run > numbers->run) {
        char knows[KNOWS_BYTES];
        snprintf(knows, sizeof knows, "which knows run %lu and metadata %lu", last_run, metadata_on_disk);
        return numbers_are_older(numbers, knows, false, failure);
    }
    *ret_metadata_on_disk = metadata_on_disk;
    return STATUS_OK;
}

/* What they were told need not be there: runs that the engine does not know, unless they only read, and all where a loss was accepted. */
static void forget_runs(struct engine *engine, struct numbers *numbers)
{
    const struct engine_found *found = engine_found(engine);
    uint64_t known = found->has_lost ? 0 : found->last_run;
    if (numbers_forget_runs(numbers, known, !found->has_lost)) {
        event_runs_forgotten(known + 1, numbers->run);
    }
}

/* The greatest sequence number that the chains' own records name: of claims, rollbacks, and what made them. */
static uint64_t greatest_sequence(const struct chain_set *chains)
{
    uint64_t greatest = 0;
    for (const struct chain *chain = chain_first(chains); chain != NULL; chain = chain_next(chain)) {
        const uint64_t sequences[] = {chain->made_sequence, chain->marks.cut_sequence,
                                      chain->claim.last.epoch.sequence, chain->claim.last.released};
        for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
            greatest = sequences[i] > greatest ? sequences[i] : greatest;
        }
    }
    return greatest;
}

/* Claims, rollbacks and chains that are made now have to come behind those that are there. */
static enum status check_chains(const struct chain_set *chains, const struct numbers *numbers,
                                struct failure *failure)
{
    uint64_t greatest = greatest_sequence(chains);
    if (greatest <= numbers->reserved_through) {
        return STATUS_OK;
    }
    char knows[KNOWS_BYTES];
    snprintf(knows, sizeof knows, "in which a chain has number %lu", greatest);
    return numbers_are_older(numbers, knows, true, failure);
}

enum status order_start(struct engine *engine, struct numbers *numbers, struct chain_set *chains,
                        struct apply *apply, struct damage *damage, uint64_t now_us,
                        struct order_start *ret_start, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    assert(chain_count(chains) == 0); /* what is loaded takes the ids that it had */
    struct loading loading = {engine, chains, apply, damage, now_us};
    uint64_t metadata_on_disk = 0;
    enum status status = start_read_each(engine, KEY_CHAIN_NAME, load_chain, &loading, failure);
    if (status == STATUS_OK) {
        status = start_read_each(engine, KEY_DROPPED, load_dropped, chains, failure);
    }
    if (status == STATUS_OK) {
        status = order_check_numbers(engine, numbers, &metadata_on_disk, failure);
    }
    if (status == STATUS_OK) {
        status = check_chains(chains, numbers, failure);
    }
    if (status == STATUS_OK) {
        status = format_1_forget(engine, failure);
    }
    if (status == STATUS_OK) {
        status = make_default(engine, chains, apply, failure);
    }
    if (status != STATUS_OK) {
        return status;
    }
    forget_runs(engine, numbers);
    bool only_reads = engine_found(engine)->access != ENGINE_WRITES;
    if (!numbers_begin_run(numbers, metadata_on_disk, only_reads, failure)) {
        return failure->status;
    }
    engine_begin_run(engine, numbers->run);
    const struct numbers_run *run = numbers_run(numbers, numbers->run);
    *ret_start = (struct order_start){
        .run = numbers->run,
        .random = run->random,
        .first_sequence = run->first_sequence,
        .reserved_through = numbers->reserved_through,
        .metadata_on_disk = metadata_on_disk,
    };
    return STATUS_OK;
}
