/* A start loads the chains, begins the next run above every number that was ever reserved, and says so in one synced write
 * before anything is accepted.
 *
 * Failures: what cannot be read or understood ends the start, and nothing was written. A first write that was not done ends it
 * too; the next start then skips numbers that nobody was given. */
#include "daemon/order/order_start.h"

#include <assert.h>

#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"

enum { FIRST_EDITS_MAX = 8 };

static enum status damaged(struct failure *failure, const char *what)
{
    return failure_set(failure, STATUS_IO_ERROR, "damaged store: %s cannot be understood", what);
}

static enum status status_of(enum engine_result result, struct failure *failure)
{
    switch (result) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
}

/* May block: nobody is served yet. */
static enum status read_key(struct engine *engine, const struct key *key, struct engine_value *ret_value,
                            struct failure *failure)
{
    return status_of(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), ret_value, failure), failure);
}

/* Calls `each` for the keys of a kind of chain 0, until one fails. */
typedef enum status (*each_fn)(void *context, struct slice key, struct slice value, struct failure *failure);

static enum status read_each(struct engine *engine, enum key_kind kind, each_fn each, void *context,
                             struct failure *failure)
{
    struct key from = key_of_kind(0, kind);
    struct key to = key_behind_kind(0, kind);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(engine, NULL, &range);
    struct slice key, value;
    enum engine_result result = ENGINE_OK;
    enum status status = STATUS_OK;
    while (result == ENGINE_OK && status == STATUS_OK) {
        result = engine_cursor_next(cursor, &key, &value, failure);
        if (result == ENGINE_OK) {
            status = each(context, key, value, failure);
        }
    }
    engine_cursor_close(cursor);
    return result == ENGINE_OK || result == ENGINE_NOT_FOUND ? status : status_of(result, failure);
}

/* A u64 under a key, 0 if it is not there. */
static enum status read_number(struct engine *engine, const struct key *key, const char *what,
                               uint64_t *ret_number, struct failure *failure)
{
    struct engine_value value = {0};
    enum status status = read_key(engine, key, &value, failure);
    *ret_number = 0;
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK && value.bytes.bytes != 8) {
        status = damaged(failure, what);
    } else if (status == STATUS_OK) {
        *ret_number = record_get_u64(value.bytes.data);
    }
    engine_value_release(&value);
    return status;
}

/* Where load_chain and load_run put what they read. */
struct loading {
    struct engine *engine;
    struct chain_set *chains;
    struct apply *apply;
    struct damage *damage;
    struct order_start *start;
};

static enum status load_chain(void *context, struct slice name_key, struct slice value,
                              struct failure *failure)
{
    const struct loading *loading = context;
    struct chain_set *chains = loading->chains;
    struct slice name;
    if (!key_read_name(name_key, &name) || value.bytes != 8) {
        return damaged(failure, "the list of chains");
    }
    uint64_t id = record_get_u64(value.data);
    if (id > chain_ids_max(chains)) {
        return failure_set(failure, STATUS_INVALID,
                           "the store has more chains than chains_max = %u: raise it", chain_ids_max(chains));
    }
    struct chain *chain = chain_name_is_valid(name) && id != 0 ? chain_add(chains, name, (uint32_t)id) : NULL;
    if (chain == NULL) {
        return damaged(failure, "the list of chains");
    }
    struct key key = key_of_kind(chain->id, KEY_MARKS);
    struct engine_value marks = {0};
    enum status status = read_key(loading->engine, &key, &marks, failure);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && !record_read_marks(marks.bytes, &chain->marks))) {
        status = damaged(failure, "a chain's marks");
    }
    engine_value_release(&marks);
    if (status == STATUS_OK) {
        chain->visible = true;
        if (apply_load(loading->apply, chain->id, &chain->marks, failure) != STATUS_OK) {
            damage_note(loading->damage, DAMAGE_BACKGROUND, failure); /* the chain goes without it */
        }
    }
    return status;
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
    if (chain_find(chains, name) != NULL) {
        return STATUS_OK;
    }
    struct chain *chain = chain_add(chains, name, 0);
    if (chain == NULL) { /* others are there, and have its id */
        return damaged(failure, "the list of chains");
    }
    struct key name_key = key_of_name(0, KEY_CHAIN_NAME, name);
    struct key marks_key = key_of_kind(chain->id, KEY_MARKS);
    record_put_u64(chain->id, put(write, &name_key, 8));
    record_write_marks(&chain->marks, put(write, &marks_key, RECORD_MARKS_BYTES));
    chain->visible = true;
    return STATUS_OK;
}

/* A run's record holds what its start found on disk: what the run before it left. */
static enum status load_run(void *context, struct slice key, struct slice value, struct failure *failure)
{
    struct order_start *start = ((const struct loading *)context)->start;
    struct run_record record;
    if (!key_read_height(key, &start->run) || start->run == 0 || !record_read_run(value, &record)) {
        return damaged(failure, "the list of runs");
    }
    start->run_ends[(start->run - 1) % ORDER_RUNS_KEPT] = record.metadata_on_disk;
    return STATUS_OK;
}

/* Numbers are never given so far: a greater one on disk is damage, and the next one might wrap. */
#define NUMBERS_MAX (UINT64_MAX / 2)

static void put_run(struct first_write *write, const struct order_start *start)
{
    assert(start->first_sequence < start->reserved_through);
    struct run_record run = {start->first_sequence, start->metadata_on_disk};
    struct key key = key_of_height(0, KEY_RUN, start->run);
    record_write_run(&run, put(write, &key, RECORD_RUN_BYTES));
    if (start->run > ORDER_RUNS_KEPT) {
        struct key old = key_of_height(0, KEY_RUN, start->run - ORDER_RUNS_KEPT);
        (void)put(write, &old, 0);
        write->edits[write->count - 1].kind = ENGINE_DELETE;
    }
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    record_put_u64(start->reserved_through, put(write, &sequence, 8));
}

enum status order_start(struct engine *engine, struct chain_set *chains, struct apply *apply,
                        struct damage *damage, struct order_start *ret_start, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    assert(chain_count(chains) == 0); /* what is loaded takes the ids that it had */
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    struct key on_disk = key_of_kind(0, KEY_METADATA_ON_DISK);
    uint64_t reserved_before = 0;
    *ret_start = (struct order_start){0};
    struct loading loading = {engine, chains, apply, damage, ret_start};
    enum status status = read_each(engine, KEY_CHAIN_NAME, load_chain, &loading, failure);
    if (status == STATUS_OK) {
        status = read_number(engine, &sequence, "the reserved numbers", &reserved_before, failure);
    }
    if (status == STATUS_OK) {
        status = read_number(engine, &on_disk, "the highest metadata number", &ret_start->metadata_on_disk,
                             failure);
    }
    if (status == STATUS_OK) {
        status = read_each(engine, KEY_RUN, load_run, &loading, failure);
    }
    if (status == STATUS_OK && (reserved_before > NUMBERS_MAX || ret_start->run > NUMBERS_MAX)) {
        status = damaged(failure, "the reserved numbers or the last run");
    }
    if (status != STATUS_OK) {
        return status;
    }
    ret_start->run_ends[ret_start->run % ORDER_RUNS_KEPT] = ret_start->metadata_on_disk;
    ret_start->run++;
    ret_start->first_sequence = reserved_before + 1;
    ret_start->reserved_through = reserved_before + ORDER_RESERVE;
    struct first_write write = {.count = 0};
    status = put_default(&write, chains, failure);
    if (status != STATUS_OK) {
        return status;
    }
    put_run(&write, ret_start);
    if (engine_write(engine, write.edits, write.count, ENGINE_SYNCED, failure) != ENGINE_DONE) {
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
    return STATUS_OK;
}

uint64_t order_start_run_end(const struct order_start *start, uint64_t run)
{
    assert(start->run > 0);
    bool is_known = run >= 1 && run < start->run && start->run - run < ORDER_RUNS_KEPT;
    return is_known ? start->run_ends[run % ORDER_RUNS_KEPT] : 0;
}
