/* An entry: what the operations on one name in one group fold into.
 *
 * - A set or delete replaces what came before it, and forgets its raise; a raise keeps the greatest number.
 * - A value that nobody else holds is overwritten where it lies, if the new one has the room; else the entry drops it for another.
 * - Once the group is closed nothing changes any more, and the writer reads the entry.
 *
 * Ways to fail: none. pending_prepare has made the large values, which the machine may have no memory for. */
#include <assert.h>

#include "daemon/lanes/pending_internal.h"

/* ---- folding ---- */

void pending_entry_drop_value(struct pending_entry *entry)
{
    queued_value_drop(entry->value);
    entry->value = NULL;
    entry->change.value = slice_of(NULL, 0);
}

/* A copy of the value; of a large one pending_prepare has made it. */
static struct queued_value *take_value(struct queued_value **prepared, struct slice value)
{
    if (value.bytes < QUEUED_VALUE_LARGE_BYTES) {
        return queued_value_new(value);
    }
    struct queued_value *first = *prepared;
    assert(first != NULL && first->bytes == value.bytes); /* of the same operations */
    *prepared = first->next;
    first->next = NULL;
    return first;
}

static void set_value(struct pending_entry *entry, struct slice value, struct queued_value **prepared)
{
    bool is_large = value.bytes >= QUEUED_VALUE_LARGE_BYTES;
    if (!is_large && entry->value != NULL && queued_value_may_overwrite(entry->value, value.bytes)) {
        queued_value_overwrite(entry->value, value);
        return;
    }
    pending_entry_drop_value(entry);
    if (value.bytes > 0) {
        entry->value = take_value(prepared, value);
        entry->change.value = slice_of(entry->value->data, value.bytes);
    }
}

void pending_entry_fold(struct pending_entry *entry, const struct metadata_operation *operation,
                        struct queued_value **prepared)
{
    struct metadata_change *change = &entry->change;
    switch (operation->kind) {
    case METADATA_SET:
        set_value(entry, operation->value, prepared);
        change->kind = METADATA_SET;
        change->of_height = operation->of_height;
        change->raise = 0;
        return;
    case METADATA_DELETE:
        set_value(entry, slice_of(NULL, 0), prepared);
        change->kind = METADATA_DELETE;
        change->of_height = 0;
        change->raise = 0;
        return;
    case METADATA_RAISE:
        if (operation->raise > change->raise) {
            change->raise = operation->raise;
        }
        return;
    case METADATA_NONE:
    case METADATA_DELETE_RANGE:
        assert(false); /* pending_request_of has none of these pass */
    }
}

uint64_t pending_entry_bytes(const struct pending_entry *entry)
{
    size_t head_bytes = key_of_kind(0, KEY_METADATA).bytes;
    assert(entry->key_bytes >= head_bytes); /* or the sums get a length of nearly 2^64 */
    return entry->key_bytes - head_bytes + entry->change.value.bytes;
}

/* ---- what others read of it ---- */

const struct pending_entry *pending_entry_next(const struct pending_entry *entry)
{
    return entry->next;
}

uint32_t pending_entry_chain(const struct pending_entry *entry)
{
    return entry->chain;
}

struct slice pending_entry_name(const struct pending_entry *entry)
{
    struct slice name;
    bool read = key_read_name(slice_of(entry->key, entry->key_bytes), &name);
    assert(read);
    return name;
}

struct metadata_change pending_entry_change(const struct pending_entry *entry)
{
    assert(entry->change.kind != METADATA_RAISE); /* it is folded: the writer applies change.raise */
    return entry->change;
}

const struct metadata_group *pending_entry_group(const struct pending_entry *entry)
{
    assert(entry->group->first_sequence <= entry->group->last_sequence); /* something is in it */
    return entry->group;
}
