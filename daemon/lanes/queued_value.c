/* A value counts its holders, and knows whether its entry is among them: so the bytes that streams hold are known. */
#include "daemon/lanes/queued_value.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

struct queued_value *queued_value_new(struct slice value)
{
    assert(value.bytes > 0); /* an empty value has no bytes to lead to */
    size_t bytes = sizeof(struct queued_value) + value.bytes;
    bool is_large = value.bytes >= QUEUED_VALUE_LARGE_BYTES;
    struct queued_value *made = is_large ? memory_try_raw(bytes) : memory_raw(bytes);
    if (made == NULL) {
        return NULL;
    }
    *made = (struct queued_value){.holders = 1, .is_queued = true, .bytes = value.bytes};
    memcpy(made->data, value.data, value.bytes);
    return made;
}

struct queued_value *queued_value_of(struct slice value)
{
    assert(value.bytes > 0);
    struct queued_value *found =
        (struct queued_value *)(uintptr_t)(value.data - offsetof(struct queued_value, data));
    assert(found->bytes == value.bytes); /* a part of a value has no count of holders before it */
    return found;
}

bool queued_value_may_overwrite(const struct queued_value *value, size_t bytes)
{
    assert(value->is_queued); /* only its entry asks */
    return value->holders == 1 && value->bytes == bytes;
}

void queued_value_overwrite(struct queued_value *value, struct slice bytes)
{
    /* no stream reads the bytes that are written over */
    assert(queued_value_may_overwrite(value, bytes.bytes));
    memcpy(value->data, bytes.data, bytes.bytes);
}

uint64_t queued_value_hold(struct queued_value *value)
{
    assert(value->is_queued);            /* so a single holder is the entry, whose bytes no stream holds */
    assert(value->holders < UINT32_MAX); /* the count comes back to 0 once */
    return value->holders++ == 1 ? value->bytes : 0;
}

uint64_t queued_value_release(struct queued_value *value)
{
    assert(value->holders > value->is_queued); /* the entry's own goes by queued_value_drop */
    value->holders--;
    uint64_t released_bytes = value->holders == value->is_queued ? value->bytes : 0;
    if (value->holders == 0) {
        free(value);
    }
    return released_bytes;
}

void queued_value_drop(struct queued_value *value)
{
    if (value == NULL) {
        return;
    }
    assert(value->is_queued && value->holders > 0); /* the entry is one of its holders */
    value->is_queued = false;
    value->holders--;
    if (value->holders == 0) {
        free(value);
    }
}
