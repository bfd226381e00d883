/* A maker's life: its values, names and headers are made before the clock runs; each request changes a few bytes of them and submits;
 * at the end all is freed. Without memory the process ends; a submit's status goes to the caller. */
#include "client/tool/bench/bench_request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/tool/bench/bench_random.h"
#include "client/tool/fatal.h"

enum {
    /* values begin anywhere in so many random bytes, so that neighbours differ; chosen */
    PIECES_BYTES = 256 << 10,
    SIGNATURE_BYTES = 64,
    NEW_NAME_DIGITS = 10, /* hexadecimal digits that count the new names of a run: 2^40 names */
};

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);
    if (memory == NULL) {
        fatal("not enough memory");
    }
    return memory;
}

size_t bench_name(char ret_name[static BENCH_NAME_BYTES], uint64_t number)
{
    int length = snprintf(ret_name, BENCH_NAME_BYTES, "bench-%llu", (unsigned long long)number);
    assert(length > 0 && length < BENCH_NAME_BYTES); /* 20 digits at most */
    return (size_t)length;
}

/* A number that no other run has, and no other workload of this run. */
static uint64_t run_number(unsigned number)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) ^ ((uint64_t)number << 56);
}

static void bytes_make(struct bench_maker *maker, uint64_t longest)
{
    size_t count = (PIECES_BYTES + longest) / sizeof(uint64_t) + 1;
    assert(count * sizeof(uint64_t) >= PIECES_BYTES + longest); /* the longest piece may begin anywhere */
    maker->bytes = allocate(count, sizeof(uint64_t));
    for (size_t i = 0; i < count; i++) {
        uint64_t random = bench_random(&maker->random);
        memcpy(maker->bytes + i * sizeof random, &random, sizeof random);
    }
}

/* A piece of the random bytes. Pieces of successive numbers do not overlap if they are short. */
static const uint8_t *piece(const struct bench_maker *maker, uint64_t number, uint64_t bytes)
{
    assert(maker->bytes != NULL);
    return maker->bytes + number * (bytes + SIGNATURE_BYTES) % PIECES_BYTES;
}

static void blocks_make(struct bench_maker *maker, uint64_t run)
{
    const struct bench_workload *workload = maker->workload;
    assert(workload->header >= BENCH_HEADER_BYTES_MIN); /* height and run stand at its beginning */
    maker->headers = allocate(workload->batch, workload->header);
    maker->blocks = allocate(workload->batch, sizeof *maker->blocks);
    for (uint64_t i = 0; i < workload->batch; i++) {
        uint8_t *header = maker->headers + i * workload->header;
        memcpy(header, piece(maker, i, workload->header), workload->header);
        memcpy(header + sizeof(uint64_t), &run, sizeof run);
        maker->blocks[i].header = (struct cairn_slice){header, workload->header};
        maker->blocks[i].data.bytes = workload->size;
        maker->blocks[i].signature.bytes = SIGNATURE_BYTES;
    }
}

static void operations_make(struct bench_maker *maker, uint64_t run)
{
    const struct bench_workload *workload = maker->workload;
    uint64_t batch = workload->kind == BENCH_METADATA ? workload->batch : 1;
    uint64_t count = workload->kind == BENCH_EVNODE ? EVNODE_NAMES : workload->names;
    maker->operations = allocate(count + batch, sizeof *maker->operations);
    maker->names = allocate(count + batch, BENCH_NAME_BYTES);
    for (uint64_t i = 0; i < count + batch; i++) {
        char *name = maker->names + i * BENCH_NAME_BYTES;
        size_t length = count > 0 ? bench_name(name, i % count)
                                  : (size_t)snprintf(name, BENCH_NAME_BYTES, "%016llx-%0*u",
                                                     (unsigned long long)run, NEW_NAME_DIGITS, 0U);
        assert(length >= NEW_NAME_DIGITS || count > 0);
        maker->operations[i] = (struct cairn_operation){
            .kind = CAIRN_SET,
            .name = {name, length},
            .value = {piece(maker, i, workload->size), workload->size},
        };
    }
}

void bench_maker_init(struct bench_maker *maker, const struct bench_workload *workload,
                      struct bench_chain *chain, unsigned number, uint64_t seed)
{
    assert(chain->last == 0 || (chain->first > 0 && chain->first <= chain->last));
    *maker = (struct bench_maker){.workload = workload, .chain = chain};
    maker->random = seed * 2654435761 + number + 1;
    uint64_t longest = workload->size > workload->header ? workload->size : workload->header;
    uint64_t run = run_number(number);
    bytes_make(maker, workload->kind == BENCH_EVNODE ? EVNODE_DATA_BYTES_MAX : longest);
    switch (workload->kind) {
    case BENCH_COMMIT:
        blocks_make(maker, run);
        break;
    case BENCH_EVNODE:
        evnode_init(&maker->evnode, chain->first, chain->last);
        maker->headers = allocate(1, EVNODE_HEADER_BYTES);
        memcpy(maker->headers, maker->bytes, EVNODE_HEADER_BYTES);
        memcpy(maker->headers + sizeof(uint64_t), &run, sizeof run);
        operations_make(maker, run);
        break;
    case BENCH_METADATA:
    case BENCH_GET:
        operations_make(maker, run);
        break;
    default:
        break;
    }
    uint64_t blocks = chain->last > 0 ? chain->last - chain->first + 1 : 0;
    bool some = workload->heights > 0 && workload->heights < blocks && workload->kind != BENCH_STREAM;
    maker->heights = some ? workload->heights : blocks;
    maker->first = chain->last - maker->heights + 1;
    maker->stream_next = maker->first;
}

void bench_maker_close(struct bench_maker *maker)
{
    free(maker->bytes);
    free(maker->headers);
    free(maker->blocks);
    free(maker->operations);
    free(maker->names);
    *maker = (struct bench_maker){0};
}

static enum cairn_status submit_commit(struct bench_maker *maker, struct cairn_connection *connection,
                                       cairn_completion completion, void *context)
{
    const struct bench_workload *workload = maker->workload;
    assert(workload->header >= BENCH_HEADER_BYTES_MIN);
    uint64_t height = atomic_fetch_add_explicit(&maker->chain->taken, workload->batch, memory_order_relaxed);
    for (uint64_t i = 0; i < workload->batch; i++) {
        struct cairn_block *block = &maker->blocks[i];
        uint8_t *header = maker->headers + i * workload->header;
        height++;
        block->height = height;
        memcpy(header + BENCH_HEADER_BYTES_MIN, piece(maker, height, workload->header),
               workload->header - BENCH_HEADER_BYTES_MIN);
        memcpy(header, &height, sizeof height);
        block->data.data = piece(maker, height, workload->size);
        block->signature.data = piece(maker, height, SIGNATURE_BYTES);
    }
    struct cairn_commit_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .level = workload->level,
        .blocks = maker->blocks,
        .block_count = workload->batch,
        .rise_to = height,
    };
    return cairn_submit_commit(connection, &request, completion, context);
}

/* Writes a number into the last digits of a name. */
static void number_name(char *name, size_t length, uint64_t number)
{
    assert(length >= NEW_NAME_DIGITS);
    for (size_t i = 0; i < NEW_NAME_DIGITS; i++, number >>= 4) {
        name[length - 1 - i] = "0123456789abcdef"[number & 15];
    }
}

static enum cairn_status submit_metadata(struct bench_maker *maker, struct cairn_connection *connection,
                                         cairn_completion completion, void *context)
{
    const struct bench_workload *workload = maker->workload;
    uint64_t names = workload->names, first = 0;
    if (names > 0) {
        first = maker->next_name;
        assert(first < names); /* behind the last name there are operations for a whole batch */
        maker->next_name = (first + workload->batch) % names;
    }
    for (uint64_t i = 0; names == 0 && i < workload->batch; i++) {
        number_name(maker->names + i * BENCH_NAME_BYTES, maker->operations[i].name.bytes, maker->new_names++);
    }
    struct cairn_write_metadata_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .level = workload->level,
        .operations = maker->operations + first,
        .operation_count = workload->batch,
    };
    return cairn_submit_write_metadata(connection, &request, completion, context);
}

static enum cairn_status submit_get(struct bench_maker *maker, struct cairn_connection *connection,
                                    cairn_completion completion, void *context)
{
    assert(maker->workload->names > 0);
    uint64_t name = bench_random_below(&maker->random, maker->workload->names);
    struct cairn_get_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .name = maker->operations[name].name,
    };
    return cairn_submit_get(connection, &request, completion, context);
}

static enum cairn_status submit_block(struct bench_maker *maker, struct cairn_connection *connection,
                                      cairn_completion completion, void *context)
{
    assert(maker->heights > 0); /* bench_prepare() refuses a chain without blocks */
    struct cairn_read_block_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .height = maker->first + bench_random_below(&maker->random, maker->heights),
        .parts = maker->workload->kind == BENCH_HEADER ? CAIRN_HEADER | CAIRN_HASH : CAIRN_ALL_PARTS,
    };
    return cairn_submit_read_block(connection, &request, completion, context);
}

static enum cairn_status submit_stream(struct bench_maker *maker, struct cairn_connection *connection,
                                       cairn_completion completion, void *context)
{
    const uint64_t end = maker->first + maker->heights, first = maker->stream_next;
    assert(first >= maker->first && first < end);
    const uint64_t count = end - first < maker->workload->heights ? end - first : maker->workload->heights;
    struct cairn_read_blocks_request request = {
        .chain = maker->chain->name,
        .timeout_us = CAIRN_NO_TIMEOUT,
        .first = first,
        .last = first + count - 1,
        .parts = CAIRN_ALL_PARTS,
    };
    maker->stream_next = first + count < end ? first + count : maker->first;
    return cairn_submit_read_blocks(connection, &request, NULL, completion, context);
}

enum cairn_status bench_submit(struct bench_maker *maker, struct cairn_connection *connection,
                               struct bench_request *ret_request, cairn_completion completion, void *context)
{
    ret_request->operations = (uint32_t)maker->workload->batch;
    switch (maker->workload->kind) {
    case BENCH_COMMIT:
        return submit_commit(maker, connection, completion, context);
    case BENCH_METADATA:
        return submit_metadata(maker, connection, completion, context);
    case BENCH_GET:
        return submit_get(maker, connection, completion, context);
    case BENCH_HEIGHT:
        return cairn_submit_read_height(
            connection,
            &(struct cairn_read_height_request){.chain = maker->chain->name, .timeout_us = CAIRN_NO_TIMEOUT},
            completion, context);
    case BENCH_HEADER:
    case BENCH_BLOCK:
        return submit_block(maker, connection, completion, context);
    case BENCH_STREAM:
        return submit_stream(maker, connection, completion, context);
    case BENCH_EVNODE:
        return evnode_submit(maker, connection, ret_request, completion, context);
    case BENCH_KINDS:
        break;
    }
    assert(!"the switch has all kinds");
    return CAIRN_USAGE;
}

void bench_answered(struct bench_maker *maker, const struct bench_request *request)
{
    if (request->height > 0) {
        evnode_committed(&maker->evnode, request->height);
    }
}
