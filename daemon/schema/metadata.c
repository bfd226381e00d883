/* A value's way through the operations on its name: what is set or deleted last replaces it, a binding to a pruned height removes
 * it, and the greatest raise since counts against what is left. Nothing here can fail. */
#include "daemon/schema/metadata.h"

#include <assert.h>

enum { NUMBER_BYTES = 8 };

bool metadata_is_number(struct metadata_value value)
{
    return value.present && value.value.bytes == NUMBER_BYTES;
}

uint64_t metadata_number(struct metadata_value value)
{
    if (!metadata_is_number(value)) {
        return 0;
    }
    uint64_t number = 0;
    for (int i = NUMBER_BYTES - 1; i >= 0; i--) {
        number = number << 8 | value.value.data[i];
    }
    return number;
}

void metadata_put_number(uint64_t number, uint8_t *ret_bytes)
{
    for (int i = 0; i < NUMBER_BYTES; i++) {
        ret_bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

bool metadata_is_pruned(uint64_t of_height, uint64_t blocks_pruned)
{
    return of_height != 0 && of_height <= blocks_pruned;
}

struct metadata_value metadata_after(struct metadata_change change, struct metadata_value before,
                                     uint64_t blocks_pruned, uint8_t *number_bytes)
{
    struct metadata_value value = before;
    assert(before.present || before.value.bytes == 0);              /* it is what absence leaves behind */
    assert(change.kind == METADATA_SET || change.value.bytes == 0); /* nothing else would take the value */
    assert(change.kind == METADATA_SET || change.of_height == 0);   /* or bind it */
    if (change.kind == METADATA_DELETE) {
        value = (struct metadata_value){0};
    } else if (change.kind == METADATA_SET) {
        value = (struct metadata_value){true, change.of_height, change.value};
    } else {
        assert(change.kind == METADATA_NONE); /* a raise comes in change.raise */
    }
    if (value.present && metadata_is_pruned(value.of_height, blocks_pruned)) {
        value = (struct metadata_value){0};
    }
    if (change.raise > metadata_number(value)) {
        metadata_put_number(change.raise, number_bytes);
        value = (struct metadata_value){true, 0, slice_of(number_bytes, NUMBER_BYTES)};
    }
    /* absence has no bytes that a reader could take for a value */
    assert(value.present || value.value.bytes == 0);
    return value;
}
