/* The calls that a node makes, counted in both recordings together, aggregator.jsonl.zst and follower.jsonl.zst: 138,649 calls of
 * the 138,667 lines. Prunes, states, lists, reopens and rollbacks, below 50 each, are left out. Sizes are those of the recordings,
 * too: values of 8 bytes except for batches of transactions, headers of 303, states of 134; of block data the ten deciles.
 *
 * A node reads what it wrote last: it looks for a block among the last 64 that it committed, and for a name among those that it
 * sets. As in the recordings, two fifths of the names and a quarter of the blocks that it looks for are not there yet.
 *
 * Nothing here can fail but a submit. */
#include <assert.h>
#include <string.h>

#include "client/tool/bench/bench_random.h"
#include "client/tool/bench/bench_request.h"

static const unsigned counted[EVNODE_CALLS] = {
    [EVNODE_HEIGHT] = 41467,
    [EVNODE_READ_HEADER] = 16515,
    [EVNODE_READ_HEADER_ABSENT] = 6005,
    [EVNODE_READ_BLOCK] = 17767,
    [EVNODE_READ_BLOCK_ABSENT] = 5569,
    [EVNODE_GET] = 20197,
    [EVNODE_GET_ABSENT] = 14921,
    [EVNODE_SET] = 3050,
    [EVNODE_SET_BOUND] = 4554,
    [EVNODE_SET_BATCH] = 1146,
    [EVNODE_DROP_BATCH] = 1142,
    [EVNODE_COMMIT] = 4181,
    [EVNODE_COMMIT_PENDING] = 2095,
};

static const uint16_t data_bytes[] = {58, 58, 58, 58, 58, 1028, 1155, 1947, 1963, EVNODE_DATA_BYTES_MAX};
static const uint16_t batch_bytes[] = {96, 822, 1090, 1097, 1102, 1890, 1901, 1906, 1913, 12036};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

uint64_t evnode_data_bytes(uint64_t number)
{
    return data_bytes[number % LENGTH(data_bytes)];
}

void evnode_init(struct bench_evnode *evnode, uint64_t first, uint64_t last)
{
    uint64_t all = 0, sum = 0;
    size_t draw = 0;
    *evnode = (struct bench_evnode){0};
    for (int call = 0; call < EVNODE_CALLS; call++) {
        all += counted[call];
    }
    for (int call = 0; call < EVNODE_CALLS; call++) {
        sum += counted[call];
        for (; draw < EVNODE_DRAWS * sum / all; draw++) {
            evnode->draws[draw] = (uint8_t)call;
        }
    }
    assert(draw == EVNODE_DRAWS); /* each draw has a call */
    for (uint64_t height = last; height > 0 && height >= first && evnode->recent_count < EVNODE_RECENT;
         height--) {
        evnode_committed(evnode, height);
    }
}

void evnode_committed(struct bench_evnode *evnode, uint64_t height)
{
    assert(height > 0); /* 0 stands for no commit */
    evnode->recent[evnode->recent_next++ % EVNODE_RECENT] = height;
    if (evnode->recent_count < EVNODE_RECENT) {
        evnode->recent_count++;
    }
}

/* Writes a name: the prefix, the number as 16 hexadecimal digits, and the last character. */
static struct cairn_slice name_of(char name[static EVNODE_NAME_BYTES], const char *prefix, uint64_t number,
                                  char last)
{
    size_t length = strlen(prefix);
    assert(length + 17 <= EVNODE_NAME_BYTES);
    memcpy(name, prefix, length);
    for (size_t i = 0; i < 16; i++) {
        name[length++] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
    name[length++] = last;
    return (struct cairn_slice){name, length};
}

static enum cairn_status submit_read(struct bench_maker *maker, struct cairn_connection *connection,
                                     unsigned parts, bool absent, cairn_completion completion, void *context)
{
    const struct bench_evnode *evnode = &maker->evnode;
    struct cairn_read_block_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .parts = parts,
    };
    assert(absent || evnode->recent_count > 0); /* bench_prepare() committed a first block */
    if (absent) {
        request.height = atomic_load_explicit(&maker->chain->taken, memory_order_relaxed) + 1;
    } else {
        request.height = evnode->recent[bench_random_below(&maker->random, evnode->recent_count)];
    }
    return cairn_submit_read_block(connection, &request, completion, context);
}

static enum cairn_status submit_get(struct bench_maker *maker, struct cairn_connection *connection,
                                    bool absent, cairn_completion completion, void *context)
{
    char name[EVNODE_NAME_BYTES];
    assert(maker->operations != NULL); /* one for each of EVNODE_NAMES */
    uint64_t height = atomic_load_explicit(&maker->chain->taken, memory_order_relaxed);
    struct cairn_get_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .name = absent ? name_of(name, "rhb/", height + EVNODE_RECENT, 'd')
                       : maker->operations[bench_random_below(&maker->random, EVNODE_NAMES)].name,
    };
    return cairn_submit_get(connection, &request, completion, context);
}

static enum cairn_status submit_write(struct bench_maker *maker, struct cairn_connection *connection,
                                      enum evnode_call call, cairn_completion completion, void *context)
{
    struct bench_evnode *evnode = &maker->evnode;
    char name[EVNODE_NAME_BYTES];
    assert(evnode->recent_count > 0); /* bench_prepare() committed a first block */
    uint64_t recent = evnode->recent[bench_random_below(&maker->random, evnode->recent_count)];
    struct cairn_operation operation = {.kind = CAIRN_SET, .value = {maker->bytes, 8}};
    struct cairn_write_metadata_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .level = CAIRN_ACCEPTED,
        .operations = &operation,
        .operation_count = 1,
    };
    if (call == EVNODE_SET) {
        operation.name = maker->operations[bench_random_below(&maker->random, EVNODE_NAMES)].name;
    } else if (call == EVNODE_SET_BOUND) {
        operation.of_height = recent;
        operation.name = name_of(name, "rhb/", recent, "hd"[evnode->calls++ % 2]);
    } else {
        operation.name = name_of(name, "b/", recent, 'b');
        operation.value.bytes = batch_bytes[evnode->calls++ % LENGTH(batch_bytes)];
        request.level = CAIRN_WRITTEN;
        if (call == EVNODE_DROP_BATCH) {
            operation.kind = CAIRN_DELETE;
            operation.value = (struct cairn_slice){0};
        }
    }
    return cairn_submit_write_metadata(connection, &request, completion, context);
}

static enum cairn_status submit_commit(struct bench_maker *maker, struct cairn_connection *connection,
                                       struct bench_request *request, cairn_completion completion,
                                       void *context)
{
    assert(maker->headers != NULL && maker->bytes != NULL);
    uint64_t number = maker->evnode.calls++;
    uint64_t height = atomic_fetch_add_explicit(&maker->chain->taken, 1, memory_order_relaxed) + 1;
    memcpy(maker->headers, &height, sizeof height);
    struct cairn_block block = {
        .height = height,
        .header = {maker->headers, EVNODE_HEADER_BYTES},
        .data = {maker->bytes, evnode_data_bytes(number)},
        .signature = {maker->bytes, 64},
    };
    struct cairn_state state = {.height = height, .value = {maker->bytes, EVNODE_STATE_BYTES}};
    struct cairn_commit_request commit = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .level = CAIRN_DURABLE,
        .blocks = &block,
        .block_count = 1,
        .states = &state,
        .state_count = 1,
        .rise_to = height,
    };
    request->height = height;
    return cairn_submit_commit(connection, &commit, completion, context);
}

/* A commit of the block that the node is about to make, under two names of metadata. */
static enum cairn_status submit_pending(struct bench_maker *maker, struct cairn_connection *connection,
                                        cairn_completion completion, void *context)
{
    struct cairn_operation operations[] = {
        {.kind = CAIRN_SET,
         .name = {"pending_header", strlen("pending_header")},
         .value = {maker->bytes, EVNODE_HEADER_BYTES}},
        {.kind = CAIRN_SET,
         .name = {"pending_data", strlen("pending_data")},
         .value = {maker->bytes, evnode_data_bytes(maker->evnode.calls++)}},
    };
    struct cairn_commit_request commit = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .level = CAIRN_DURABLE,
        .metadata = operations,
        .metadata_count = LENGTH(operations),
    };
    return cairn_submit_commit(connection, &commit, completion, context);
}

enum cairn_status evnode_submit(struct bench_maker *maker, struct cairn_connection *connection,
                                struct bench_request *request, cairn_completion completion, void *context)
{
    const unsigned block_parts = CAIRN_HEADER | CAIRN_DATA;
    enum evnode_call call = maker->evnode.draws[bench_random(&maker->random) % EVNODE_DRAWS];
    assert(maker->workload->kind == BENCH_EVNODE && call < EVNODE_CALLS);
    request->height = 0;
    request->absent_is_fine = false;
    switch (call) {
    case EVNODE_READ_HEADER:
        return submit_read(maker, connection, CAIRN_HEADER, false, completion, context);
    case EVNODE_READ_BLOCK:
        return submit_read(maker, connection, block_parts, false, completion, context);
    case EVNODE_READ_HEADER_ABSENT:
    case EVNODE_READ_BLOCK_ABSENT:
        request->absent_is_fine = true;
        return submit_read(maker, connection, call == EVNODE_READ_BLOCK_ABSENT ? block_parts : CAIRN_HEADER,
                           true, completion, context);
    case EVNODE_GET:
        return submit_get(maker, connection, false, completion, context);
    case EVNODE_GET_ABSENT:
        request->absent_is_fine = true;
        return submit_get(maker, connection, true, completion, context);
    case EVNODE_SET:
    case EVNODE_SET_BOUND:
    case EVNODE_SET_BATCH:
    case EVNODE_DROP_BATCH:
        return submit_write(maker, connection, call, completion, context);
    case EVNODE_COMMIT:
        return submit_commit(maker, connection, request, completion, context);
    case EVNODE_COMMIT_PENDING:
        return submit_pending(maker, connection, completion, context);
    case EVNODE_HEIGHT:
    case EVNODE_CALLS:
        break;
    }
    return cairn_submit_read_height(
        connection,
        &(struct cairn_read_height_request){.chain = maker->chain->name, .timeout_us = CAIRN_NO_TIMEOUT},
        completion, context);
}
