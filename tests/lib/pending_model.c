/* Which requests share a group is decided here by the rule in pending.h; everything else follows from the list. */
#include "tests/lib/pending_model.h"

#include <assert.h>
#include <stdlib.h>

enum { OPERATIONS_MAX = 2048, GROUPS_MAX = 512, REQUEST_MAX = 256, NAME_BYTES_MAX = 8 };

struct queued {
    uint32_t chain;
    struct metadata_operation operation;
};

struct group {
    size_t operations; /* of the list, behind those of the groups before */
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t opened_us;
    bool is_closed;
    bool is_taken;
    struct metadata_group *real; /* once it is taken */
};

struct pending_model {
    struct pending *real;
    uint64_t operations_max;
    uint64_t bytes_max;
    struct queued list[OPERATIONS_MAX];
    size_t count;
    struct group groups[GROUPS_MAX];
    size_t group_count;
    uint64_t sequence;
};

struct pending_model *pending_model_new(uint64_t operations_max, uint64_t bytes_max)
{
    struct pending_model *model = calloc(1, sizeof *model);
    assert(model != NULL);
    model->real = pending_new(operations_max, bytes_max);
    model->operations_max = operations_max;
    model->bytes_max = bytes_max;
    return model;
}

void pending_model_free(struct pending_model *model)
{
    pending_free(model->real);
    free(model);
}

struct slice pending_model_name(unsigned index)
{
    static uint8_t names[PENDING_MODEL_NAMES][NAME_BYTES_MAX];
    uint8_t *name = names[index % PENDING_MODEL_NAMES];
    index %= PENDING_MODEL_NAMES;
    name[0] = (uint8_t)(index / 8);
    memset(name + 1, (int)(index % 8), NAME_BYTES_MAX - 1);
    return slice_of(name, 2 + index % (NAME_BYTES_MAX - 2));
}

static unsigned index_of(struct slice name)
{
    assert(name.bytes >= 2);
    return name.data[0] * 8U + name.data[1];
}

struct slice pending_model_value(unsigned pattern, size_t bytes)
{
    enum { PATTERNS = 251 };
    static uint8_t values[PENDING_MODEL_VALUE_BYTES_MAX + PATTERNS];
    if (values[1] == 0) {
        for (size_t i = 0; i < sizeof values; i++) {
            values[i] = (uint8_t)(i % PATTERNS);
        }
    }
    assert(bytes <= PENDING_MODEL_VALUE_BYTES_MAX);
    return slice_of(values + pattern % PATTERNS, bytes);
}

/* ---- the list's answers ---- */

/* What operations from..to-1 of the list come to for a name; says how many were on it. */
static size_t fold(const struct pending_model *model, size_t from, size_t to, uint32_t chain,
                   struct slice name, struct metadata_change *ret_change)
{
    struct metadata_change change = {0};
    size_t found = 0;
    for (size_t i = from; i < to; i++) {
        const struct metadata_operation *operation = &model->list[i].operation;
        if (model->list[i].chain != chain || !slice_equal(operation->name, name)) {
            continue;
        }
        found++;
        if (operation->kind == METADATA_SET) {
            change = (struct metadata_change){METADATA_SET, operation->of_height, operation->value, 0};
        } else if (operation->kind == METADATA_DELETE) {
            change = (struct metadata_change){.kind = METADATA_DELETE};
        } else if (operation->raise > change.raise) {
            change.raise = operation->raise;
        }
    }
    *ret_change = change;
    return found;
}

static bool equal(struct metadata_change left, struct metadata_change right)
{
    return left.kind == right.kind && left.of_height == right.of_height && left.raise == right.raise &&
           slice_equal(left.value, right.value);
}

/* Names and bytes that a group holds. */
static void measure(const struct pending_model *model, size_t from, size_t to, uint64_t *ret_names,
                    uint64_t *ret_bytes)
{
    struct metadata_change change;
    *ret_names = 0;
    *ret_bytes = 0;
    for (size_t i = from; i < to; i++) {
        const struct queued *queued = &model->list[i];
        if (fold(model, from, i, queued->chain, queued->operation.name, &change) == 0) {
            (void)fold(model, i, to, queued->chain, queued->operation.name, &change);
            *ret_names += 1;
            *ret_bytes += queued->operation.name.bytes + change.value.bytes;
        }
    }
}

static struct group *open_group(struct pending_model *model)
{
    struct group *last = model->group_count == 0 ? NULL : &model->groups[model->group_count - 1];
    return last == NULL || last->is_closed ? NULL : last;
}

static uint64_t asked_bytes(const struct metadata_operation *operations, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += operations[i].name.bytes;
        bytes += operations[i].kind == METADATA_SET ? operations[i].value.bytes : 0;
    }
    return bytes;
}

static bool joins(struct pending_model *model, uint32_t chain, const struct metadata_operation *operations,
                  size_t count)
{
    struct group *open = open_group(model);
    if (open == NULL) {
        return false;
    }
    uint64_t names, bytes, fresh = 0;
    size_t from = model->count - open->operations;
    measure(model, from, model->count, &names, &bytes);
    for (size_t i = 0; i < count; i++) {
        struct metadata_change change;
        fresh += fold(model, from, model->count, chain, operations[i].name, &change) == 0;
    }
    return names + fresh <= METADATA_GROUP_OPERATIONS_MAX &&
           bytes + asked_bytes(operations, count) <= METADATA_GROUP_BYTES_MAX;
}

/* ---- both maps ---- */

static uint8_t *copy_of(struct slice slice)
{
    uint8_t *copy = malloc(slice.bytes + (slice.bytes == 0));
    assert(copy != NULL);
    if (slice.bytes > 0) {
        memcpy(copy, slice.data, slice.bytes);
    }
    return copy;
}

/* Gives the real map copies that are gone afterwards: it has to have made its own. */
static void add_copies(struct pending_model *model, uint32_t chain,
                       const struct metadata_operation *operations, size_t count)
{
    struct metadata_operation copies[REQUEST_MAX] = {0};
    uint8_t *names[REQUEST_MAX], *values[REQUEST_MAX];
    for (size_t i = 0; i < count; i++) {
        copies[i] = operations[i];
        names[i] = copy_of(operations[i].name);
        values[i] = copy_of(operations[i].value);
        copies[i].name.data = names[i];
        copies[i].value.data = values[i];
    }
    struct pending_request request = pending_request_of(chain, copies, count);
    bool is_prepared = pending_prepare(model->real, request);
    assert(is_prepared);
    pending_add(model->real, request, model->sequence, model->sequence * 10);
    for (size_t i = 0; i < count; i++) {
        memset(names[i], 0xee, operations[i].name.bytes);
        memset(values[i], 0xee, operations[i].value.bytes);
        free(names[i]);
        free(values[i]);
    }
}

bool pending_model_request(struct pending_model *model, uint32_t chain,
                           const struct metadata_operation *operations, size_t count)
{
    assert(count >= 1 && count <= REQUEST_MAX);
    bool could_hold = count <= model->operations_max && asked_bytes(operations, count) <= model->bytes_max;
    struct pending_request request = pending_request_of(chain, operations, count);
    bool has_room = pending_has_room(model->real, request);
    assert(pending_could_hold(model->real, request) == could_hold);
    assert(has_room || model->count > 0 || !could_hold); /* what could be held is taken sooner or later */
    if (!has_room || model->count + count > OPERATIONS_MAX || model->group_count == GROUPS_MAX) {
        return false;
    }
    model->sequence += 1 + model->sequence % 3;
    bool is_joining = joins(model, chain, operations, count);
    if (!is_joining) {
        if (open_group(model) != NULL) {
            open_group(model)->is_closed = true;
        }
        model->groups[model->group_count++] =
            (struct group){.first_sequence = model->sequence, .opened_us = model->sequence * 10};
    }
    struct group *open = open_group(model);
    open->last_sequence = model->sequence;
    open->operations += count;
    for (size_t i = 0; i < count; i++) {
        model->list[model->count++] = (struct queued){chain, operations[i]};
    }
    add_copies(model, chain, operations, count);
    for (size_t i = 0; i < count; i++) {
        struct metadata_change change;
        (void)fold(model, 0, model->count, chain, operations[i].name, &change);
        assert(pending_holds(model->real, chain, operations[i].name));
        assert(equal(pending_change(model->real, chain, operations[i].name), change));
    }
    assert(pending_operations(model->real) <= model->operations_max);
    assert(pending_bytes(model->real) <= model->bytes_max);
    return true;
}

void pending_model_close(struct pending_model *model)
{
    pending_close_group(model->real);
    if (open_group(model) != NULL) {
        open_group(model)->is_closed = true;
    }
}

/* A group's entries are what its own part of the list comes to, each name where it was accepted first. */
static void check_group(const struct pending_model *model, const struct group *group, size_t from)
{
    const struct metadata_group *real = group->real;
    size_t to = from + group->operations;
    assert(real->first_sequence == group->first_sequence && real->last_sequence == group->last_sequence);
    assert(real->operations == group->operations && real->opened_us == group->opened_us);
    const struct pending_entry *entry = real->first;
    uint32_t entries = 0;
    for (size_t i = from; i < to; i++) {
        const struct queued *queued = &model->list[i];
        struct metadata_change change;
        if (fold(model, from, i, queued->chain, queued->operation.name, &change) > 0) {
            continue;
        }
        (void)fold(model, from, to, queued->chain, queued->operation.name, &change);
        assert(entry != NULL);
        assert(pending_entry_chain(entry) == queued->chain);
        assert(slice_equal(pending_entry_name(entry), queued->operation.name));
        assert(equal(pending_entry_change(entry), change));
        entry = pending_entry_next(entry);
        entries++;
    }
    assert(entry == NULL && real->count == entries);
}

static void check_taken(const struct pending_model *model)
{
    size_t from = 0;
    for (size_t i = 0; i < model->group_count; i++) {
        if (model->groups[i].is_taken) {
            check_group(model, &model->groups[i], from);
        }
        from += model->groups[i].operations;
    }
    assert(from == model->count);
}

void pending_model_take(struct pending_model *model)
{
    struct metadata_group *real = pending_take_closed(model->real);
    for (size_t i = 0; i < model->group_count; i++) {
        struct group *group = &model->groups[i];
        if (group->is_closed && !group->is_taken) {
            assert(real != NULL);
            group->is_taken = true;
            group->real = real;
            real = real->next;
        }
    }
    assert(real == NULL);
    check_taken(model);
}

bool pending_model_finish(struct pending_model *model)
{
    struct group *oldest = &model->groups[0];
    if (model->group_count == 0 || !oldest->is_taken) {
        return false;
    }
    check_group(model, oldest, 0); /* it has not changed while others came behind it */
    pending_remove_group(model->real, oldest->real);
    model->count -= oldest->operations;
    memmove(model->list, model->list + oldest->operations, model->count * sizeof model->list[0]);
    model->group_count--;
    memmove(model->groups, model->groups + 1, model->group_count * sizeof model->groups[0]);
    return true;
}

/* ---- comparing ---- */

struct seen {
    const struct pending_model *model;
    uint32_t chain;
    struct slice prefix;
    bool is_seen[PENDING_MODEL_NAMES];
};

static void see(void *context, struct slice name, struct metadata_change change)
{
    struct seen *seen = context;
    struct metadata_change expected;
    assert(slice_has_prefix(name, seen->prefix));
    assert(fold(seen->model, 0, seen->model->count, seen->chain, name, &expected) > 0);
    assert(equal(change, expected));
    assert(!seen->is_seen[index_of(name)]);
    seen->is_seen[index_of(name)] = true;
}

static void check_each(const struct pending_model *model, uint32_t chain, struct slice prefix)
{
    struct seen seen = {.model = model, .chain = chain, .prefix = prefix};
    pending_each(model->real, chain, prefix, see, &seen);
    for (size_t i = 0; i < model->count; i++) {
        struct slice name = model->list[i].operation.name;
        if (model->list[i].chain == chain && slice_has_prefix(name, prefix)) {
            assert(seen.is_seen[index_of(name)]);
        }
    }
}

static void check_counts(const struct pending_model *model)
{
    uint64_t operations = 0, bytes = 0;
    const struct group *untaken = NULL;
    size_t from = 0;
    for (size_t i = 0; i < model->group_count; i++) {
        const struct group *group = &model->groups[i];
        uint64_t group_names, group_bytes;
        measure(model, from, from + group->operations, &group_names, &group_bytes);
        operations += group_names;
        bytes += group_bytes;
        from += group->operations;
        untaken = untaken == NULL && !group->is_taken ? group : untaken;
    }
    assert(pending_operations(model->real) == operations);
    assert(pending_bytes(model->real) == bytes);
    uint64_t oldest = model->group_count == 0 ? 0 : model->groups[0].first_sequence;
    assert(pending_oldest_sequence(model->real) == oldest);
    assert(pending_oldest_us(model->real) == (untaken == NULL ? UINT64_MAX : untaken->opened_us));
    assert(pending_oldest_untaken(model->real) == (untaken == NULL ? UINT64_MAX : untaken->first_sequence));
}

void pending_model_check(const struct pending_model *model)
{
    check_counts(model);
    check_taken(model);
    for (uint32_t chain = 1; chain <= PENDING_MODEL_CHAINS; chain++) {
        for (unsigned index = 0; index < PENDING_MODEL_NAMES; index++) {
            struct slice name = pending_model_name(index);
            struct metadata_change change;
            bool is_held = fold(model, 0, model->count, chain, name, &change) > 0;
            assert(pending_holds(model->real, chain, name) == is_held);
            assert(equal(pending_change(model->real, chain, name), change));
        }
        check_each(model, chain, slice_of(NULL, 0));
        for (unsigned index = 0; index < PENDING_MODEL_NAMES; index += 13) {
            check_each(model, chain, pending_model_name(index));
            check_each(model, chain, slice_of(pending_model_name(index).data, 1));
        }
    }
    assert(!pending_holds(model->real, PENDING_MODEL_CHAINS + 1, pending_model_name(0)));
}
