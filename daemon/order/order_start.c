/* A start: the chains are loaded, the next run begins above every number that was ever reserved, and one synced batch
 * says so before anything is accepted. */
#include "daemon/order/order_start.h"

#include <stdio.h>

#include "daemon/schema/key.h"

static enum status damaged(struct failure *failure, const char *what)
{
    return failure_set(failure, STATUS_IO_ERROR, "damaged store: %s cannot be understood", what);
}

/* A u64 under a key, 0 if it is not there. */
static enum status read_number(struct store *store, const struct key *key, const char *what,
                               uint64_t *ret_number, struct failure *failure)
{
    struct store_value value = {0};
    enum status status = store_get(store, NULL, STORE_DEVICE, key_slice(key), &value, failure);
    *ret_number = 0;
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK && value.bytes.bytes != 8) {
        status = damaged(failure, what);
    } else if (status == STATUS_OK) {
        *ret_number = record_get_u64(value.bytes.data);
    }
    store_value_release(&value);
    return status;
}

static enum status load_chain(struct store *store, struct chain_set *chains, struct apply *apply,
                              struct slice name, uint64_t id, struct failure *failure)
{
    if (id > chain_ids_max(chains)) {
        return failure_set(failure, STATUS_INVALID,
                           "the store has more chains than chains_max = %u: raise it", chain_ids_max(chains));
    }
    struct chain *chain = chain_name_is_valid(name) && id != 0 ? chain_add(chains, name, (uint32_t)id) : NULL;
    if (chain == NULL) {
        return damaged(failure, "the list of chains");
    }
    struct key key = key_of_kind(chain->id, KEY_MARKS);
    struct store_value value = {0};
    enum status status = store_get(store, NULL, STORE_DEVICE, key_slice(&key), &value, failure);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && !record_read_marks(value.bytes, &chain->marks))) {
        status = damaged(failure, "a chain's marks");
    }
    store_value_release(&value);
    if (status == STATUS_OK) {
        chain->visible = true;
        status = apply_load(apply, chain->id, &chain->marks, failure);
    }
    return status;
}

static enum status load_chains(struct store *store, struct chain_set *chains, struct apply *apply,
                               struct failure *failure)
{
    struct key from = key_of_kind(0, KEY_CHAIN_NAME);
    struct key to = key_behind_kind(0, KEY_CHAIN_NAME);
    struct store_iterator *iterator = store_iterator_new(store, NULL, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && store_iterator_valid(iterator)) {
        struct slice name;
        struct slice id = store_iterator_value(iterator);
        if (!key_read_name(store_iterator_key(iterator), &name) || id.bytes != 8) {
            status = damaged(failure, "the list of chains");
        } else {
            status = load_chain(store, chains, apply, name, record_get_u64(id.data), failure);
        }
        store_iterator_next(iterator);
    }
    if (status == STATUS_OK) {
        status = store_iterator_status(iterator, failure);
    }
    store_iterator_free(iterator);
    return status;
}

static void put_default(struct store_batch *batch, struct chain_set *chains)
{
    struct slice name = slice_of("default", 7);
    if (chain_find(chains, name) != NULL) {
        return;
    }
    struct chain *chain = chain_add(chains, name, 0);
    uint8_t id[8];
    uint8_t marks[RECORD_MARKS_BYTES];
    record_put_u64(chain->id, id);
    record_write_marks(&chain->marks, marks);
    struct key name_key = key_of_name(0, KEY_CHAIN_NAME, name);
    struct key marks_key = key_of_kind(chain->id, KEY_MARKS);
    store_batch_put(batch, key_slice(&name_key), slice_of(id, sizeof id));
    store_batch_put(batch, key_slice(&marks_key), slice_of(marks, sizeof marks));
    chain->visible = true;
}

/* A run's record holds what its start found on disk: what the run before it left. */
static enum status load_runs(struct store *store, struct order_start *start, struct failure *failure)
{
    struct key from = key_of_kind(0, KEY_RUN);
    struct key to = key_behind_kind(0, KEY_RUN);
    struct store_iterator *iterator = store_iterator_new(store, NULL, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    for (; status == STATUS_OK && store_iterator_valid(iterator); store_iterator_next(iterator)) {
        struct run_record record;
        if (!key_read_height(store_iterator_key(iterator), &start->run) || start->run == 0 ||
            !record_read_run(store_iterator_value(iterator), &record)) {
            status = damaged(failure, "the list of runs");
        } else {
            start->run_ends[(start->run - 1) % ORDER_RUNS_KEPT] = record.metadata_on_disk;
        }
    }
    if (status == STATUS_OK) {
        status = store_iterator_status(iterator, failure);
    }
    store_iterator_free(iterator);
    start->run_ends[start->run % ORDER_RUNS_KEPT] = start->metadata_on_disk;
    return status;
}

static void put_run(struct store_batch *batch, const struct order_start *start)
{
    struct run_record run = {start->first_sequence, start->metadata_on_disk};
    uint8_t record[RECORD_RUN_BYTES];
    record_write_run(&run, record);
    struct key key = key_of_height(0, KEY_RUN, start->run);
    store_batch_put(batch, key_slice(&key), slice_of(record, sizeof record));
    if (start->run > ORDER_RUNS_KEPT) {
        struct key old = key_of_height(0, KEY_RUN, start->run - ORDER_RUNS_KEPT);
        store_batch_delete(batch, key_slice(&old));
    }
    uint8_t through[8];
    record_put_u64(start->reserved_through, through);
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    store_batch_put(batch, key_slice(&sequence), slice_of(through, sizeof through));
}

enum status order_start(struct store *store, struct chain_set *chains, struct apply *apply,
                        struct order_start *ret_start, struct failure *failure)
{
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    struct key on_disk = key_of_kind(0, KEY_METADATA_ON_DISK);
    uint64_t reserved_before = 0;
    *ret_start = (struct order_start){0};
    enum status status = load_chains(store, chains, apply, failure);
    if (status == STATUS_OK) {
        status = read_number(store, &sequence, "the reserved numbers", &reserved_before, failure);
    }
    if (status == STATUS_OK) {
        status = read_number(store, &on_disk, "the highest metadata number", &ret_start->metadata_on_disk,
                             failure);
    }
    if (status == STATUS_OK) {
        status = load_runs(store, ret_start, failure);
    }
    if (status != STATUS_OK) {
        return status;
    }
    ret_start->run++;
    ret_start->first_sequence = reserved_before + 1;
    ret_start->reserved_through = reserved_before + ORDER_RESERVE;
    struct store_batch *batch = store_batch_new();
    put_default(batch, chains);
    put_run(batch, ret_start);
    status = store_write(store, batch, true, failure);
    store_batch_free(batch);
    return status;
}

uint64_t order_start_run_end(const struct order_start *start, uint64_t run)
{
    bool is_known = run >= 1 && run < start->run && start->run - run < ORDER_RUNS_KEPT;
    return is_known ? start->run_ends[run % ORDER_RUNS_KEPT] : 0;
}
