/* An entry's life: it is added with a copy of its name, and holds its value, which outlives the queue's own entry; both go when the copy is
 * closed.
 *
 * Way to fail: an entry that the machine has no memory for is left out, and the copy says so; it is then only good to be closed. */
#include "daemon/read/queue_copy.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

static bool has_place(struct queue_copy *copy)
{
    if (copy->count < copy->capacity) {
        return true;
    }
    struct queue_copy_entry *grown = memory_try_grow(copy->entries, &copy->capacity, sizeof grown[0]);
    copy->entries = grown != NULL ? grown : copy->entries;
    return grown != NULL;
}

void queue_copy_add(struct queue_copy *copy, struct slice name, struct metadata_change change)
{
    assert(thread_is(THREAD_LOOP)); /* the queue is the loop's */
    bool has_room = has_place(copy);
    uint8_t *bytes = has_room && name.bytes > 0 ? memory_try_copy(name.data, name.bytes) : NULL;
    if (!has_room || (bytes == NULL && name.bytes > 0)) {
        copy->is_short = true;
        return;
    }
    pending_value_hold(copy->pending, change.value);
    assert(copy->count < copy->capacity);
    copy->entries[copy->count++] = (struct queue_copy_entry){bytes, name.bytes, change};
    copy->bytes += sizeof copy->entries[0] + name.bytes;
}

static int compare(const void *left, const void *right)
{
    int order = slice_compare(queue_copy_name(left), queue_copy_name(right));
    assert(order != 0 || left == right); /* the queue gives each name once */
    return order;
}

static int compare_reverse(const void *left, const void *right)
{
    return compare(right, left);
}

void queue_copy_sort(struct queue_copy *copy, bool is_reverse)
{
    assert(thread_is(THREAD_LOOP)); /* the pool has not begun to read */
    if (copy->count > 0) {
        qsort(copy->entries, copy->count, sizeof copy->entries[0], is_reverse ? compare_reverse : compare);
    }
}

const struct queue_copy_entry *queue_copy_find(const struct queue_copy *copy, struct slice name)
{
    size_t from = 0, to = copy->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = slice_compare(queue_copy_name(&copy->entries[middle]), name);
        if (order == 0) {
            return &copy->entries[middle];
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NULL;
}

void queue_copy_close(struct queue_copy *copy)
{
    assert(thread_is(THREAD_LOOP)); /* so are the values that it held */
    for (size_t i = 0; i < copy->count; i++) {
        pending_value_release(copy->pending, copy->entries[i].change.value);
        free(copy->entries[i].name);
    }
    free(copy->entries);
    *copy = (struct queue_copy){.pending = copy->pending};
}
