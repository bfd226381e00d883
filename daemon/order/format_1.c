/* Ways to fail: what cannot be read or understood ends the start, and nothing was written. */
#include "daemon/order/format_1.h"

#include "daemon/order/start_read.h"
#include "daemon/schema/record.h"

/* A run's record holds what its start found on disk. They come by rising run, and the last NUMBERS_RUNS stay. */
static enum status load_run(void *context, struct slice key, struct slice value, struct failure *failure)
{
    struct numbers *numbers = context;
    struct run_record record;
    uint64_t run;
    if (!key_read_height(key, &run) || run == 0 || run > NUMBERS_MAX || !record_read_run(value, &record)) {
        return start_damaged(failure, "the list of runs");
    }
    numbers->run = run;
    numbers->runs[run % NUMBERS_RUNS] = (struct numbers_run){
        .first_sequence = record.first_sequence,
        .metadata_on_disk = record.metadata_on_disk,
    };
    return STATUS_OK;
}

enum status format_1_read(struct engine *engine, struct numbers *ret_numbers, struct failure *failure)
{
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    struct numbers numbers = {.file = {.fd = -1}};
    enum status status =
        start_read_number(engine, &sequence, "the reserved numbers", &numbers.reserved_through, failure);
    if (status == STATUS_OK && numbers.reserved_through > NUMBERS_MAX) {
        status = start_damaged(failure, "the reserved numbers");
    }
    if (status == STATUS_OK) {
        status = start_read_each(engine, KEY_RUN, load_run, &numbers, failure);
    }
    if (status == STATUS_OK) {
        *ret_numbers = numbers;
    }
    return status;
}

enum status format_1_forget(struct engine *engine, struct failure *failure)
{
    struct key sequence = key_of_kind(0, KEY_SEQUENCE);
    struct key from = key_of_kind(0, KEY_RUN);
    struct key to = key_behind_kind(0, KEY_RUN);
    struct engine_value value = {0};
    enum status status = start_read_key(engine, &sequence, &value, failure);
    engine_value_release(&value);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    struct engine_edit edits[] = {
        {ENGINE_DELETE_RANGE, key_slice(&from), key_slice(&to)},
        {.kind = ENGINE_DELETE, .key = key_slice(&sequence)},
    };
    if (engine_write(engine, edits, sizeof edits / sizeof edits[0], ENGINE_LOGGED, failure) != ENGINE_DONE) {
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
    return STATUS_OK;
}
