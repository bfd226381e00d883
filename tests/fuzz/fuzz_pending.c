/* Bytes as a program for the pending map: requests, batches, closing, taking and finishing, against a naive list. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/pending_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPERATIONS_MAX = 200, BYTES_MAX = 400 << 10, BATCH_MAX = 128, STEPS_MAX = 600 };

struct program {
    const uint8_t *next;
    const uint8_t *end;
};

/* 0 behind the end. */
static uint8_t take_byte(struct program *program)
{
    return program->next == program->end ? 0 : *program->next++;
}

static struct metadata_operation take_operation(struct program *program)
{
    static const uint32_t steps[] = {1,  1,  1,   1,
                                     16, 16, 300, 540}; /* the last times 255 passes a group's bytes */
    uint8_t kind = take_byte(program);
    struct metadata_operation operation = {.name = pending_model_name(take_byte(program))};
    if (kind % 4 == 0) {
        operation.kind = METADATA_DELETE;
    } else if (kind % 4 == 1) {
        operation.kind = METADATA_RAISE;
        operation.raise = take_byte(program);
    } else {
        uint8_t length = take_byte(program);
        operation.kind = METADATA_SET;
        operation.of_height = kind >> 5;
        operation.value = pending_model_value(length, length * steps[kind >> 2 & 7]);
    }
    return operation;
}

static void step(struct pending_model *model, struct program *program)
{
    struct metadata_operation operations[BATCH_MAX];
    uint8_t what = take_byte(program);
    uint32_t chain = 1 + (what >> 3 & 1U);
    size_t count = 1;
    switch (what & 7) {
    case 5:
        pending_model_close(model);
        return;
    case 6:
        pending_model_take(model);
        return;
    case 7:
        (void)pending_model_finish(model);
        return;
    case 4:
        count += take_byte(program) % BATCH_MAX;
        break;
    default:
        break;
    }
    for (size_t i = 0; i < count; i++) {
        operations[i] = take_operation(program);
    }
    (void)pending_model_request(model, chain, operations, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program = {data, data + size};
    struct pending_model *model = pending_model_new(OPERATIONS_MAX, BYTES_MAX);
    for (int steps = 0; program.next != program.end && steps < STEPS_MAX; steps++) {
        step(model, &program);
    }
    pending_model_check(model);
    pending_model_close(model);
    pending_model_take(model);
    while (size % 2 == 0 && pending_model_finish(model)) { /* else it is freed with all it holds */
    }
    pending_model_check(model);
    pending_model_free(model);
    return 0;
}
