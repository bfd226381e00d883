#include "tests/fault/history_timeline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool action_is_lane(const struct action *action)
{
    return action->kind >= ACTION_COMMIT;
}

bool action_is_write(const struct action *action)
{
    return action->kind >= ACTION_METADATA;
}

/* ---- for people ---- */

const char *register_text(uint64_t name)
{
    static const char *const kinds[] = {"",     "height", "pruned", "block", "state",
                                        "name", "bound",  "raised", "seen",  "lane"};
    static char text[64];
    snprintf(text, sizeof text, "%s %" PRIu64 " of chain %u", kinds[register_kind_of(name)],
             register_number(name), register_chain(name));
    return text;
}

bool object(struct objection *objection, const struct action *action, const char *format, ...)
{
    static const char *const kinds[] = {"read", "barrier", "metadata", "commit", "prune", "rollback"};
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(objection->text, sizeof objection->text, format, arguments);
    va_end(arguments);
    if (action != NULL && used > 0 && (size_t)used < sizeof objection->text) {
        snprintf(objection->text + used, sizeof objection->text - (size_t)used,
                 " (%s %" PRIu64 " of client %u, ticks %" PRIu64 " to %" PRIu64 ", number %" PRIu64 ")",
                 kinds[action->kind], action->id, action->client, action->began, action->ended,
                 action->sequence);
    }
    return false;
}

/* ---- what a write may change ---- */

bool action_may_write(const struct action *action, uint64_t name)
{
    enum register_kind kind = register_kind_of(name);
    uint64_t number = register_number(name);
    for (size_t i = 0; i < action->part_count; i++) {
        if (action->parts[i].name == name) {
            return true;
        }
    }
    if (!action_is_lane(action) || action->chain != register_chain(name)) {
        return false;
    }
    if (action->kind == ACTION_COMMIT) {
        return kind == REGISTER_HEIGHT;
    }
    if (kind == REGISTER_BOUND) {
        return true;
    }
    bool is_by_height = kind == REGISTER_BLOCK || kind == REGISTER_STATE;
    return action->kind == ACTION_PRUNE
               ? kind == REGISTER_PRUNED || (is_by_height && number <= action->height)
               : kind == REGISTER_HEIGHT || (is_by_height && number > action->height);
}

bool timeline_is_open(const struct timeline *timeline, uint64_t name, uint64_t tick)
{
    for (size_t i = 0; i < timeline->unknown_count; i++) {
        const struct action *action = timeline->unknown[i];
        if (action->began < tick && action_may_write(action, name)) {
            return true;
        }
    }
    return false;
}

/* ---- carrying the writes out ---- */

/* What is needed of a chain while its writes are carried out. */
struct chain_state {
    uint64_t height, pruned;
    uint64_t prune_sequence; /* of the last prune that moved the mark */
    uint64_t top;            /* no block above it */
    uint64_t bound[HISTORY_BOUND];
};

static void add_version(struct timeline *timeline, const struct version *version)
{
    if (timeline->version_count == timeline->version_room) {
        timeline->version_room = timeline->version_room == 0 ? 1024 : 2 * timeline->version_room;
        timeline->versions = realloc(timeline->versions, timeline->version_room * sizeof *timeline->versions);
        if (timeline->versions == NULL) {
            abort();
        }
    }
    timeline->versions[timeline->version_count++] = *version;
}

static void add_value(struct timeline *timeline, const struct action *action, uint64_t name, uint64_t value)
{
    add_version(timeline, &(struct version){.name = name,
                                            .sequence = action->sequence,
                                            .value = value,
                                            .of_lane = action_is_lane(action)});
}

static void begin_chains(struct timeline *timeline, struct chain_state chains[HISTORY_CHAINS])
{
    memset(chains, 0, HISTORY_CHAINS * sizeof *chains);
    for (size_t i = 0; i < timeline->history->before.count; i++) {
        const struct part *part = &timeline->history->before.parts[i];
        struct chain_state *chain = &chains[register_chain(part->name)];
        uint64_t number = register_number(part->name);
        add_version(timeline, &(struct version){.name = part->name,
                                                .value = part->value,
                                                .of_height = part->of_height,
                                                .of_lane = true});
        switch (register_kind_of(part->name)) {
        case REGISTER_HEIGHT:
            chain->height = part->value;
            break;
        case REGISTER_PRUNED:
            chain->pruned = part->value;
            break;
        case REGISTER_BLOCK:
            chain->top = number > chain->top ? number : chain->top;
            break;
        case REGISTER_BOUND:
            chain->bound[number] = part->of_height;
            break;
        default:
            break;
        }
    }
}

static void drop_heights(struct timeline *timeline, const struct action *action, uint64_t first,
                         uint64_t last)
{
    for (uint64_t height = first; height <= last; height++) {
        add_value(timeline, action, register_of(action->chain, REGISTER_BLOCK, height), 0);
        add_value(timeline, action, register_of(action->chain, REGISTER_STATE, height), 0);
    }
}

static void drop_bound(struct timeline *timeline, const struct action *action, struct chain_state *chain,
                       uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < HISTORY_BOUND; i++) {
        if (chain->bound[i] != 0 && chain->bound[i] >= first && chain->bound[i] <= last) {
            chain->bound[i] = 0;
            add_value(timeline, action, register_of(action->chain, REGISTER_BOUND, i), 0);
        }
    }
}

/* What is bound to a pruned height is taken, and pruned at once. */
static void write_bound(struct timeline *timeline, const struct action *action, struct chain_state *chain,
                        const struct part *part)
{
    bool is_pruned = part->of_height != 0 && part->of_height <= chain->pruned;
    chain->bound[register_number(part->name)] = is_pruned ? 0 : part->of_height;
    add_version(timeline, &(struct version){.name = part->name,
                                            .sequence = action->sequence,
                                            .value = is_pruned ? 0 : part->value,
                                            .of_height = is_pruned ? 0 : part->of_height,
                                            .of_lane = action_is_lane(action),
                                            .ghost = is_pruned ? part->value : 0,
                                            .ghost_before = chain->prune_sequence});
}

static void carry_out(struct timeline *timeline, const struct action *action, struct chain_state *chain)
{
    uint64_t height_before = chain->height;
    if (action->kind == ACTION_PRUNE && action->height > chain->pruned) {
        drop_heights(timeline, action, chain->pruned + 1, action->height);
        drop_bound(timeline, action, chain, 1, action->height);
        chain->pruned = action->height;
        chain->prune_sequence = action->sequence;
        add_value(timeline, action, register_of(action->chain, REGISTER_PRUNED, 0), action->height);
    } else if (action->kind == ACTION_ROLLBACK) {
        drop_heights(timeline, action, action->height + 1, chain->top);
        drop_bound(timeline, action, chain, action->height + 1, UINT64_MAX);
        chain->top = action->height;
        chain->height = action->height;
    } else if (action->kind == ACTION_COMMIT && action->height > chain->height) {
        chain->height = action->height;
    }
    if (chain->height != height_before) {
        add_value(timeline, action, register_of(action->chain, REGISTER_HEIGHT, 0), chain->height);
    }
    for (size_t i = 0; i < action->part_count; i++) {
        const struct part *part = &action->parts[i];
        if (register_kind_of(part->name) == REGISTER_BOUND) {
            write_bound(timeline, action, chain, part);
            continue;
        }
        if (register_kind_of(part->name) == REGISTER_BLOCK && register_number(part->name) > chain->top) {
            chain->top = register_number(part->name);
        }
        add_value(timeline, action, part->name, part->value);
    }
}

/* ---- whether they may be done ---- */

static bool has_unknown_before(const struct timeline *timeline, const struct action *action)
{
    for (size_t i = 0; i < timeline->unknown_count; i++) {
        const struct action *unknown = timeline->unknown[i];
        if (action_is_lane(unknown) && unknown->chain == action->chain && unknown->began < action->ended) {
            return true;
        }
    }
    return false;
}

static bool may_be_done(const struct timeline *timeline, const struct action *action,
                        const struct chain_state *chain, struct objection *objection)
{
    if (!action_is_lane(action) || has_unknown_before(timeline, action)) {
        return true;
    }
    if (action->kind == ACTION_PRUNE) {
        return action->height < chain->height ||
               object(objection, action, "a prune through %" PRIu64 " at height %" PRIu64, action->height,
                      chain->height);
    }
    if (action->kind == ACTION_ROLLBACK) {
        return (action->height <= chain->height && action->height > chain->pruned) ||
               object(objection, action, "a rollback to %" PRIu64 " at height %" PRIu64 ", pruned %" PRIu64,
                      action->height, chain->height, chain->pruned);
    }
    if (action->has_expected && action->expected != chain->height) {
        return object(objection, action, "a commit conditional on height %" PRIu64 " at height %" PRIu64,
                      action->expected, chain->height);
    }
    for (size_t i = 0; i < action->part_count; i++) {
        if (register_kind_of(action->parts[i].name) == REGISTER_BLOCK &&
            register_number(action->parts[i].name) <= chain->pruned) {
            return object(objection, action, "a block where %" PRIu64 " is pruned", chain->pruned);
        }
    }
    return true;
}

/* ---- making it ---- */

static int compare_writes(const void *left, const void *right)
{
    uint64_t a = (*(const struct action *const *)left)->sequence;
    uint64_t b = (*(const struct action *const *)right)->sequence;
    return (a > b) - (a < b);
}

static int compare_versions(const void *left, const void *right)
{
    const struct version *a = left, *b = right;
    if (a->name != b->name) {
        return a->name > b->name ? 1 : -1;
    }
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static void collect(struct timeline *timeline)
{
    const struct history *history = timeline->history;
    timeline->writes = calloc(history->count + 1, sizeof *timeline->writes);
    timeline->unknown = calloc(history->count + 1, sizeof *timeline->unknown);
    if (timeline->writes == NULL || timeline->unknown == NULL) {
        abort();
    }
    for (size_t i = 0; i < history->count; i++) {
        const struct action *action = &history->actions[i];
        if (action_is_write(action) && action->end == END_DONE) {
            timeline->writes[timeline->write_count++] = action;
        } else if (action_is_write(action) && action->end == END_UNKNOWN) {
            timeline->unknown[timeline->unknown_count++] = action;
        }
    }
    qsort(timeline->writes, timeline->write_count, sizeof(const struct action *), compare_writes);
}

bool timeline_make(const struct history *history, struct timeline *ret_timeline,
                   struct objection *ret_objection)
{
    struct chain_state chains[HISTORY_CHAINS];
    *ret_timeline = (struct timeline){.history = history};
    collect(ret_timeline);
    begin_chains(ret_timeline, chains);
    uint64_t last = history->number_before;
    for (size_t i = 0; i < ret_timeline->write_count; i++) {
        const struct action *action = ret_timeline->writes[i];
        if (action->sequence <= last) {
            return object(ret_objection, action, "number %" PRIu64 " was given before", action->sequence);
        }
        last = action->sequence;
        if (!may_be_done(ret_timeline, action, &chains[action->chain], ret_objection)) {
            return false;
        }
        carry_out(ret_timeline, action, &chains[action->chain]);
    }
    if (ret_timeline->version_count > 0) {
        qsort(ret_timeline->versions, ret_timeline->version_count, sizeof *ret_timeline->versions,
              compare_versions);
    }
    return true;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->writes);
    free(timeline->unknown);
    free(timeline->versions);
    *timeline = (struct timeline){0};
}

/* The first version whose name is not below that one. */
static size_t first_version(const struct timeline *timeline, uint64_t name)
{
    size_t low = 0, high = timeline->version_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (timeline->versions[middle].name < name) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct version_range timeline_versions(const struct timeline *timeline, uint64_t name)
{
    size_t first = first_version(timeline, name);
    return (struct version_range){timeline->versions + first, first_version(timeline, name + 1) - first};
}
