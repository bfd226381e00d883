/* The echo server with a store: what puts it is sent it writes, on its one thread, before it replies. */
#include <string.h>

#include "daemon/engine/rocksdb/store.h"
#include "tests/bench/side_server.h"

enum { CACHE_BYTES = 64 << 20 /* the daemon's default */ };

struct putter {
    struct store *store;
    struct store_batch *batch;
};

/* Takes one put from the front of `left`; false: there is none more. */
static bool take_put(struct slice *left, struct slice *ret_key, struct slice *ret_value)
{
    uint32_t sizes[2];
    if (left->bytes < sizeof sizes) {
        return false;
    }
    memcpy(sizes, left->data, sizeof sizes);
    uint64_t bytes = sizeof sizes + (uint64_t)sizes[0] + sizes[1];
    if (sizes[0] == 0 || left->bytes < bytes) {
        return false;
    }
    *ret_key = slice_of(left->data + sizeof sizes, sizes[0]);
    *ret_value = slice_of(ret_key->data + sizes[0], sizes[1]);
    *left = slice_of(left->data + bytes, left->bytes - bytes);
    return true;
}

static bool write_puts(void *context, const uint8_t *puts, size_t bytes, bool sync)
{
    struct putter *putter = context;
    struct slice left = slice_of(puts, bytes), key, value;
    struct failure failure;
    store_batch_clear(putter->batch);
    while (take_put(&left, &key, &value)) {
        store_batch_put(putter->batch, key, value);
    }
    if (store_write(putter->store, putter->batch, sync, &failure) != STATUS_OK) {
        (void)side_fail("%s", failure.text);
        return false;
    }
    return true;
}

enum side_exit side_replay_server(const struct side_options *options)
{
    struct putter putter = {.batch = store_batch_new()};
    struct failure failure;
    enum side_exit code;
    if (store_open(options->words[2], true, CACHE_BYTES, &putter.store, &failure) == STATUS_OK) {
        code = server_run(options->words[1], write_puts, &putter);
    } else {
        code = side_fail("%s", failure.text);
    }
    store_batch_free(putter.batch);
    store_close(putter.store);
    return code;
}
