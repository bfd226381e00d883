/* An entry's life: made by the first operation on its name in the open group; folded into by later ones (pending_entry.c); read by the
 * writer once its group is closed; freed when its group is removed. The index always holds the newest entry of a name; `older` leads to
 * the same name in earlier groups. */
#include "daemon/lanes/pending.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "daemon/lanes/pending_internal.h"
#include "daemon/runtime/memory.h"

enum {
    ENTRY_BYTES =
        256, /* an entry, its place in the index and the head of its value, beside the client's bytes */
    MEMORY_BYTES_MIN = 1 << 20, /* the machine is not asked for less; as in apply */
};

struct pending {
    /* fixed after start */
    uint64_t operations_max;
    uint64_t bytes_max;
    /* loop only */
    struct pending_entry *index;
    struct metadata_group *oldest; /* of all, by `younger` */
    struct metadata_group *youngest;
    struct metadata_group *closed; /* the first that is closed and not taken */
    struct metadata_group *open;   /* always the youngest */
    uint64_t operations;
    uint64_t bytes;
    uint64_t held_bytes; /* of values that streams or dry runs hold too */
    /* the request under way: the newest entry of each operation's name, once they were looked up */
    struct pending_entry **found;
    size_t found_count; /* 0: not yet */
    size_t found_room;
    struct queued_value *prepared; /* its large values, in their order, by `next` */
};

struct pending *pending_new(uint64_t operations_max, uint64_t bytes_max)
{
    struct pending *pending = memory_new(sizeof *pending);
    pending_set_bounds(pending, operations_max, bytes_max);
    return pending;
}

void pending_set_bounds(struct pending *pending, uint64_t operations_max, uint64_t bytes_max)
{
    assert(operations_max > 0 && bytes_max > 0);
    pending->operations_max = operations_max;
    pending->bytes_max = bytes_max;
}

void pending_free(struct pending *pending)
{
    if (pending == NULL) {
        return;
    }
    while (pending->oldest != NULL) {
        pending_remove_group(pending, pending->oldest);
    }
    /* the sums that bound it counted each entry once */
    assert(pending->operations == 0 && pending->bytes == 0);
    assert(pending->index == NULL);   /* each entry went with its group */
    assert(pending->held_bytes == 0); /* no stream comes back to release a value */
    free(pending->found);
    free(pending);
}

static struct pending_entry *find_hashed(const struct pending *pending, const struct key *key, unsigned hash)
{
    struct pending_entry *entry;
    HASH_FIND_BYHASHVALUE(hh, pending->index, key->data, key->bytes, hash, entry);
    return entry;
}

static struct pending_entry *find(const struct pending *pending, const struct key *key)
{
    return find_hashed(pending, key, name_hash(key->data, key->bytes));
}

static uint64_t bytes_of(const struct metadata_operation *operation)
{
    /* pending_entry_fold has no place for one that is on no name */
    assert(operation->kind != METADATA_NONE && operation->kind != METADATA_DELETE_RANGE);
    assert(operation->name.bytes <=
           METADATA_NAME_BYTES_MAX); /* as long as the key that pending_entry_bytes counts */
    return operation->name.bytes + (operation->kind == METADATA_SET ? operation->value.bytes : 0);
}

struct pending_request pending_request_of(uint32_t chain, const struct metadata_operation *operations,
                                          size_t count)
{
    assert(count > 0); /* it gets a number, and the group of which it is the first has an entry */
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += bytes_of(&operations[i]);
    }
    return (struct pending_request){chain, operations, count, bytes};
}

bool pending_could_hold(const struct pending *pending, struct pending_request request)
{
    return request.count <= pending->operations_max && request.bytes <= pending->bytes_max;
}

/* How many of the operations' names are not in the open group yet. */
static uint64_t count_fresh(struct pending *pending, struct pending_request request)
{
    uint64_t fresh = 0;
    assert(request.count <= pending->found_room); /* forget_found made a place for each */
    for (size_t i = 0; i < request.count; i++) {
        struct key key;
        key_set_name(&key, request.chain, KEY_METADATA, request.operations[i].name);
        struct pending_entry *entry = find(pending, &key);
        fresh += entry == NULL || entry->group != pending->open;
        pending->found[i] = entry;
    }
    pending->found_count = request.count;
    return fresh;
}

/* Begins a request: makes room for its entries in `found`, and notes that they were not looked up. False: there is no memory. */
static bool forget_found(struct pending *pending, size_t count)
{
    if (pending->found_room < count) {
        struct pending_entry **found = memory_try_raw(count * sizeof found[0]);
        if (found == NULL) {
            return false;
        }
        free(pending->found);
        pending->found = found;
        pending->found_room = count;
    }
    pending->found_count = 0;
    return true;
}

/* Whether a request may join the open group. A name that is there already takes no new place, so names are only looked up
 * if there may be too many. */
static bool fits_open(struct pending *pending, struct pending_request request)
{
    const struct metadata_group *open = pending->open;
    assert(open == NULL || open == pending->youngest); /* what joins it has the greatest number of all */
    if (open == NULL || open->bytes + request.bytes > METADATA_GROUP_BYTES_MAX) {
        return false;
    }
    return open->count + request.count <= METADATA_GROUP_OPERATIONS_MAX ||
           open->count + count_fresh(pending, request) <= METADATA_GROUP_OPERATIONS_MAX;
}

bool pending_has_room(struct pending *pending, struct pending_request request)
{
    if (pending->bytes + request.bytes > pending->bytes_max) {
        return false;
    }
    if (pending->operations + request.count <= pending->operations_max) {
        return true;
    }
    return forget_found(pending, request.count) && fits_open(pending, request) &&
           pending->operations + count_fresh(pending, request) <= pending->operations_max;
}

static void open_group(struct pending *pending, uint64_t sequence, uint64_t now_us)
{
    assert(pending->open == NULL); /* the one before is closed: it never changes again */
    assert(sequence > 0);          /* pending_oldest_sequence says 0 where nothing is queued */
    assert((pending->youngest == NULL) == (pending->oldest == NULL)); /* linked behind one, or as the first */
    assert(pending->youngest == NULL || pending->youngest->younger == NULL); /* none is cut off */
    struct metadata_group *group = memory_new(sizeof *group);
    group->first_sequence = sequence;
    group->opened_us = now_us;
    if (pending->youngest == NULL) {
        pending->oldest = group;
    } else {
        pending->youngest->younger = group;
    }
    pending->youngest = group;
    pending->open = group;
}

static struct pending_entry *new_entry(struct pending *pending, uint32_t chain, const struct key *key,
                                       unsigned hash, struct pending_entry *older)
{
    struct metadata_group *group = pending->open;
    assert((group->first == NULL) == (group->last == NULL)); /* linked behind the last, or as the first */
    struct pending_entry *entry = memory_new(sizeof *entry + key->bytes);
    entry->chain = chain;
    entry->group = group;
    entry->key_bytes = key->bytes;
    memcpy(entry->key, key->data, key->bytes);
    if (older != NULL) {
        assert(older->newer == NULL && older->group != group); /* the index had the newest of its name */
        entry->older = older;
        older->newer = entry;
        HASH_DELETE(hh, pending->index, older);
    }
    HASH_ADD_BYHASHVALUE(hh, pending->index, key[0], entry->key_bytes, hash, entry);
    if (group->last == NULL) {
        group->first = entry;
    } else {
        group->last->next = entry;
    }
    group->last = entry;
    group->count++;
    pending->operations++;
    return entry;
}

/* ---- values ---- */

void pending_value_hold(struct pending *pending, struct slice value)
{
    if (value.bytes > 0) {
        pending->held_bytes += queued_value_hold(queued_value_of(value));
    }
}

void pending_value_release(struct pending *pending, struct slice value)
{
    if (value.bytes > 0) {
        uint64_t released_bytes = queued_value_release(queued_value_of(value));
        assert(pending->held_bytes >= released_bytes); /* they were counted when the first stream held them */
        pending->held_bytes -= released_bytes;
    }
}

uint64_t pending_held_bytes(const struct pending *pending)
{
    return pending->held_bytes;
}

static void drop_prepared(struct pending *pending)
{
    while (pending->prepared != NULL) {
        struct queued_value *prepared = pending->prepared;
        pending->prepared = prepared->next;
        queued_value_drop(prepared);
    }
}

/* Whether the machine has memory for the request's entries: pending_add would end the process without it. */
static bool has_memory(struct pending_request request)
{
    size_t bytes = request.count * ENTRY_BYTES;
    return bytes < MEMORY_BYTES_MIN || memory_has(bytes + request.bytes);
}

bool pending_prepare(struct pending *pending, struct pending_request request)
{
    assert(pending->prepared == NULL); /* pending_add took those of the request before */
    if (!forget_found(pending, request.count) || !has_memory(request)) {
        return false;
    }
    struct queued_value **last = &pending->prepared;
    for (size_t i = 0; i < request.count; i++) {
        struct slice value = request.operations[i].value;
        if (request.operations[i].kind == METADATA_SET && value.bytes >= QUEUED_VALUE_LARGE_BYTES) {
            *last = queued_value_new(value);
            if (*last == NULL) {
                drop_prepared(pending);
                return false;
            }
            last = &(*last)->next;
        }
    }
    return true;
}

/* `found`: its entry, if that was looked up and is in the open group. */
static void add_one(struct pending *pending, uint32_t chain, const struct metadata_operation *operation,
                    struct pending_entry *found)
{
    struct pending_entry *entry = found;
    bool is_new = false;
    if (entry == NULL || entry->group != pending->open) {
        struct key key;
        key_set_name(&key, chain, KEY_METADATA, operation->name);
        unsigned hash = name_hash(key.data, key.bytes);
        entry = find_hashed(pending, &key, hash);
        if (entry == NULL || entry->group != pending->open) {
            entry = new_entry(pending, chain, &key, hash, entry);
            is_new = true;
        }
    }
    assert(entry->group == pending->open); /* the writer thread reads the entries of closed groups */
    uint64_t bytes_before = is_new ? 0 : pending_entry_bytes(entry);
    assert(entry->group->bytes >= bytes_before && pending->bytes >= bytes_before); /* they are in both sums */
    pending_entry_fold(entry, operation, &pending->prepared);
    uint64_t bytes_after = pending_entry_bytes(entry);
    entry->group->bytes = entry->group->bytes - bytes_before + bytes_after;
    pending->bytes = pending->bytes - bytes_before + bytes_after;
}

void pending_add(struct pending *pending, struct pending_request request, uint64_t sequence, uint64_t now_us)
{
    assert(pending->youngest == NULL || sequence > pending->youngest->last_sequence);
    bool is_prepared = forget_found(pending, request.count); /* pending_prepare made the room */
    assert(is_prepared);
    if (!fits_open(pending, request)) {
        pending_close_group(pending);
        open_group(pending, sequence, now_us);
    }
    for (size_t i = 0; i < request.count; i++) {
        add_one(pending, request.chain, &request.operations[i],
                pending->found_count > 0 ? pending->found[i] : NULL);
    }
    assert(pending->prepared == NULL); /* each has its entry */
    assert(pending->operations <= pending->operations_max && pending->bytes <= pending->bytes_max);
    pending->open->last_sequence = sequence;
    pending->open->operations += request.count;
}

void pending_close_group(struct pending *pending)
{
    if (pending->open == NULL) {
        return;
    }
    assert(pending->open->count > 0); /* the writer takes the numbers of its first and last operation */
    if (pending->closed == NULL) {
        pending->closed = pending->open;
    }
    pending->open = NULL;
}

struct metadata_group *pending_take_closed(struct pending *pending)
{
    struct metadata_group *first = pending->closed;
    for (struct metadata_group *group = first; group != NULL && group != pending->open;
         group = group->younger) {
        assert(group->next == NULL); /* in no lane yet: the link below would cut that one off */
        group->next = group->younger == pending->open ? NULL : group->younger;
    }
    pending->closed = NULL;
    return first;
}

static void free_entry(struct pending *pending, struct pending_entry *entry)
{
    assert(entry->older == NULL); /* groups go from the oldest on */
    assert(pending->operations > 0 && pending->bytes >= pending_entry_bytes(entry));
    pending->operations--;
    pending->bytes -= pending_entry_bytes(entry);
    if (entry->newer != NULL) {
        entry->newer->older = NULL;
    } else {
        HASH_DELETE(hh, pending->index, entry);
    }
    pending_entry_drop_value(entry);
    free(entry);
}

void pending_remove_group(struct pending *pending, struct metadata_group *group)
{
    assert(group == pending->oldest);
    assert(group->younger == NULL || group->younger->first_sequence > group->last_sequence); /* oldest next */
    for (struct pending_entry *entry = group->first; entry != NULL;) {
        struct pending_entry *next = entry->next;
        free_entry(pending, entry);
        entry = next;
    }
    pending->oldest = group->younger;
    if (pending->oldest == NULL) {
        pending->youngest = NULL;
    }
    if (group == pending->open) {
        pending->open = NULL;
    }
    if (group == pending->closed) {
        pending->closed = group->younger == pending->open ? NULL : group->younger;
    }
    free(group);
}

uint64_t pending_operations(const struct pending *pending)
{
    return pending->operations;
}

uint64_t pending_bytes(const struct pending *pending)
{
    return pending->bytes;
}

uint64_t pending_oldest_sequence(const struct pending *pending)
{
    return pending->oldest == NULL ? 0 : pending->oldest->first_sequence;
}

static const struct metadata_group *oldest_untaken(const struct pending *pending)
{
    bool has_both = pending->closed != NULL && pending->open != NULL;
    assert(!has_both || pending->closed->last_sequence < pending->open->first_sequence);
    return pending->closed != NULL ? pending->closed : pending->open;
}

uint64_t pending_oldest_us(const struct pending *pending)
{
    const struct metadata_group *group = oldest_untaken(pending);
    return group == NULL ? UINT64_MAX : group->opened_us;
}

uint64_t pending_oldest_untaken(const struct pending *pending)
{
    const struct metadata_group *group = oldest_untaken(pending);
    return group == NULL ? UINT64_MAX : group->first_sequence;
}

bool pending_holds(const struct pending *pending, uint32_t chain, struct slice name)
{
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, name);
    return find(pending, &key) != NULL;
}

/* From the newest entry down to the first that says what the value is. */
static struct metadata_change change_of(const struct pending_entry *newest)
{
    struct metadata_change change = {0};
    assert(newest == NULL || newest->newer == NULL); /* from an older one down, the last change is missed */
    for (const struct pending_entry *entry = newest; entry != NULL; entry = entry->older) {
        if (entry->change.raise > change.raise) {
            change.raise = entry->change.raise;
        }
        if (entry->change.kind != METADATA_NONE) {
            uint64_t raise = change.raise;
            change = entry->change;
            change.raise = raise;
            break;
        }
    }
    return change;
}

struct metadata_change pending_change(const struct pending *pending, uint32_t chain, struct slice name)
{
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, name);
    return change_of(find(pending, &key));
}

void pending_each(const struct pending *pending, uint32_t chain, struct slice prefix, pending_each_fn each,
                  void *context)
{
    for (struct pending_entry *entry = pending->index; entry != NULL; entry = entry->hh.next) {
        struct slice name = pending_entry_name(entry);
        if (entry->chain == chain && slice_has_prefix(name, prefix)) {
            each(context, name, change_of(entry));
        }
    }
}
