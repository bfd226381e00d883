/* The echo server with a store: what puts it is sent it writes, on its one thread, before it replies. Of a key that is put
 * twice in one request either value may stay: nobody reads them. */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/engine.h"
#include "daemon/runtime/memory.h"
#include "tests/bench/side_server.h"

enum { CACHE_BYTES = 64 << 20 /* the daemon's default */ };

struct putter {
    struct engine *engine;
    struct engine_edit *edits;
    size_t capacity;
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
    size_t count = 0;
    while (take_put(&left, &key, &value)) {
        if (count == putter->capacity) {
            putter->capacity = putter->capacity == 0 ? 64 : 2 * putter->capacity;
            putter->edits = memory_resize(putter->edits, putter->capacity * sizeof putter->edits[0]);
        }
        putter->edits[count++] = (struct engine_edit){ENGINE_PUT, key, value};
    }
    enum engine_durability durability = sync ? ENGINE_SYNCED : ENGINE_LOGGED;
    if (engine_write(putter->engine, putter->edits, count, durability, &failure) != ENGINE_DONE) {
        (void)side_fail("%s", failure.text);
        return false;
    }
    return true;
}

enum side_exit side_replay_server(const struct side_options *options)
{
    struct putter putter = {.capacity = 0};
    struct engine_config config = {.path = options->words[2], .create = true, .cache_bytes_max = CACHE_BYTES};
    struct failure failure;
    enum side_exit code;
    if (engine_open(engine_default(), &config, &putter.engine, &failure) == ENGINE_OK) {
        code = server_run(options->words[1], write_puts, &putter);
    } else {
        code = side_fail("%s", failure.text);
    }
    engine_close(putter.engine, ENGINE_CLOSE_CLEAN);
    free(putter.edits);
    return code;
}
