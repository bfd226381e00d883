/* A range's life: it is added after all others, and what it overlaps is cut out of the parts, so that these stay sorted and without
 * overlaps. When ranges are taken back, the parts are made anew from those that are left. */
#include "daemon/writer/ranges.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

/* What one more range makes of the parts: a new one, and what is left of the first and of the last that it overlaps. */
enum { PARTS_MORE_MAX = 2 };

static struct range *grow(struct range *array, size_t *capacity, size_t count)
{
    if (count <= *capacity) {
        return array;
    }
    *capacity = 2 * count;
    return memory_resize(array, *capacity * sizeof array[0]);
}

/* The first part that ends behind the key. */
static size_t find(const struct ranges *ranges, struct slice key)
{
    size_t from = 0, to = ranges->part_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        bool is_before = slice_compare(ranges->parts[middle].to, key) <= 0;
        *(is_before ? &from : &to) = is_before ? middle + 1 : middle;
    }
    return from;
}

static void add_part(struct ranges *ranges, const struct range *range)
{
    if (slice_compare(range->from, range->to) == 0) {
        return; /* it has no key */
    }
    struct range put[1 + PARTS_MORE_MAX];
    size_t put_count = 0, first = find(ranges, range->from), behind = first;
    while (behind < ranges->part_count && slice_compare(ranges->parts[behind].from, range->to) < 0) {
        behind++;
    }
    if (behind > first && slice_compare(ranges->parts[first].from, range->from) < 0) {
        put[put_count] = ranges->parts[first];
        put[put_count++].to = range->from;
    }
    put[put_count++] = *range;
    if (behind > first && slice_compare(ranges->parts[behind - 1].to, range->to) > 0) {
        put[put_count] = ranges->parts[behind - 1];
        put[put_count++].from = range->to;
    }
    assert(put_count <= sizeof put / sizeof put[0]);
    size_t count = ranges->part_count - (behind - first) + put_count;
    ranges->parts = grow(ranges->parts, &ranges->part_capacity, count);
    memmove(&ranges->parts[first + put_count], &ranges->parts[behind],
            (ranges->part_count - behind) * sizeof put[0]);
    memcpy(&ranges->parts[first], put, put_count * sizeof put[0]);
    ranges->part_count = count;
}

void ranges_add(struct ranges *ranges, struct slice from, struct slice to, uint64_t number)
{
    assert(slice_compare(from, to) <= 0); /* the engine takes no range that ends before it begins */
    assert(ranges->added_count == 0 || number >= ranges->added[ranges->added_count - 1].number);
    ranges->added = grow(ranges->added, &ranges->added_capacity, ranges->added_count + 1);
    ranges->added[ranges->added_count] = (struct range){from, to, number};
    add_part(ranges, &ranges->added[ranges->added_count++]);
}

void ranges_take_back(struct ranges *ranges, size_t count)
{
    assert(count <= ranges->added_count);
    if (count == ranges->added_count) {
        return;
    }
    ranges->added_count = count;
    ranges->part_count = 0;
    for (size_t i = 0; i < count; i++) {
        add_part(ranges, &ranges->added[i]);
    }
}

bool ranges_have(const struct ranges *ranges, struct slice key, uint64_t *ret_number)
{
    size_t at = find(ranges, key);
    if (at == ranges->part_count || slice_compare(ranges->parts[at].from, key) > 0) {
        return false;
    }
    *ret_number = ranges->parts[at].number;
    return true;
}

void ranges_close(struct ranges *ranges)
{
    free(ranges->added);
    free(ranges->parts);
    *ranges = (struct ranges){0};
}
