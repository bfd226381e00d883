/* Ways to fail: what cannot be read, and what cannot be understood, which the failure names. */
#include "daemon/order/start_read.h"

#include <assert.h>

#include "daemon/schema/record.h"

enum status start_damaged(struct failure *failure, const char *what)
{
    return failure_set(failure, STATUS_DAMAGED, "damaged store: %s cannot be understood: restore a copy",
                       what);
}

static enum status status_of(enum engine_result result, struct failure *failure)
{
    assert(result != ENGINE_WOULD_BLOCK); /* each read may block */
    switch (result) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        return failure->status; /* STATUS_DAMAGED or STATUS_IO_ERROR */
    }
}

enum status start_read_key(struct engine *engine, const struct key *key, struct engine_value *ret_value,
                           struct failure *failure)
{
    return status_of(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), ret_value, failure), failure);
}

enum status start_read_each(struct engine *engine, enum key_kind kind, start_each_fn *each, void *context,
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

enum status start_read_number(struct engine *engine, const struct key *key, const char *what,
                              uint64_t *ret_number, struct failure *failure)
{
    struct engine_value value = {0};
    enum status status = start_read_key(engine, key, &value, failure);
    if (status == STATUS_NOT_FOUND) {
        *ret_number = 0;
        return STATUS_OK;
    }
    if (status == STATUS_OK && value.bytes.bytes != 8) {
        status = start_damaged(failure, what);
    } else if (status == STATUS_OK) {
        *ret_number = record_get_u64(value.bytes.data);
    }
    engine_value_release(&value);
    return status;
}
