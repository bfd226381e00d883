/* Judges a run while it lasts. Both lanes become visible in the order of their numbers, so what a read may see is told by two numbers:
 * the last commit and the last metadata that it saw. An answered write says that they have reached its number; a read's values say
 * between which numbers they were (a region of both); and neither ever falls. Each read gets the lowest numbers that fit, for those
 * restrict what comes later the least. Registers that a write of unknown result may have changed are not looked at from its
 * beginning on. */
#include "tests/fault/history_judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { REGIONS_MAX = 128 };

/* Numbers of commits and of metadata, both bounds included. */
struct region {
    uint64_t lane_first, lane_last, metadata_first, metadata_last;
};

struct regions {
    size_t count;
    struct region regions[REGIONS_MAX];
};

/* What has been reached for certain by some tick. */
struct floor {
    uint64_t lane, metadata;
    uint64_t sequence; /* of any write */
    uint64_t written, durable;
};

struct judge {
    const struct timeline *timeline;
    struct objection *objection;
    struct floor now;
    struct floor *floors; /* of each action: when it began */
    /* of each action: the lowest number of a write of that lane that began behind it or later */
    uint64_t *lane_next, *metadata_next;
};

static void raise_to(uint64_t *number, uint64_t to)
{
    *number = to > *number ? to : *number;
}

/* ---- regions ---- */

static bool region_cut(struct region *region, const struct region *with)
{
    raise_to(&region->lane_first, with->lane_first);
    raise_to(&region->metadata_first, with->metadata_first);
    region->lane_last = with->lane_last < region->lane_last ? with->lane_last : region->lane_last;
    region->metadata_last =
        with->metadata_last < region->metadata_last ? with->metadata_last : region->metadata_last;
    return region->lane_first <= region->lane_last && region->metadata_first <= region->metadata_last;
}

/* Where a version is what is seen: it is there, and none that goes before it. */
static struct region region_of(struct version_range range, size_t at, bool is_raised)
{
    const struct version *seen = &range.versions[at];
    struct region region = {0, UINT64_MAX, 0, UINT64_MAX};
    if (seen->of_lane) {
        region.lane_first = seen->sequence;
    } else {
        region.metadata_first = seen->sequence;
    }
    for (size_t i = 0; i < range.count; i++) {
        const struct version *other = &range.versions[i];
        bool goes_before = is_raised ? other->value > seen->value : other->sequence > seen->sequence;
        uint64_t *last = other->of_lane ? &region.lane_last : &region.metadata_last;
        if (goes_before && other->sequence <= *last) {
            *last = other->sequence - 1;
        }
    }
    return region;
}

static void add_region(struct regions *regions, const struct region *region)
{
    if (regions->count < REGIONS_MAX) {
        regions->regions[regions->count++] = *region;
    }
}

/* What of `within` a version and the value it has there allow. */
static void add_cut(struct regions *regions, const struct regions *within, const struct region *where)
{
    for (size_t i = 0; i < within->count; i++) {
        struct region cut = within->regions[i];
        if (region_cut(&cut, where)) {
            add_region(regions, &cut);
        }
    }
}

/* Where nothing has been written to a register. */
static struct region region_before(struct version_range range)
{
    struct region region = {0, UINT64_MAX, 0, UINT64_MAX};
    for (size_t i = 0; i < range.count; i++) {
        uint64_t *last = range.versions[i].of_lane ? &region.lane_last : &region.metadata_last;
        if (range.versions[i].sequence <= *last) {
            *last = range.versions[i].sequence == 0 ? 0 : range.versions[i].sequence - 1;
        }
    }
    return region;
}

/* Narrows to where the register has that value. */
static void narrow(const struct timeline *timeline, const struct part *part, struct regions *regions)
{
    static struct regions within;
    struct version_range range = timeline_versions(timeline, part->name);
    bool is_raised = register_kind_of(part->name) == REGISTER_RAISED;
    within = *regions;
    regions->count = 0;
    if (part->value == 0 && (range.count == 0 || range.versions[0].sequence != 0)) {
        struct region region = region_before(range);
        add_cut(regions, &within, &region);
    }
    for (size_t i = 0; i < range.count; i++) {
        const struct version *version = &range.versions[i];
        if (version->value == part->value && version->of_height == part->of_height) {
            struct region region = region_of(range, i, is_raised);
            add_cut(regions, &within, &region);
        }
        if (version->ghost != 0 && version->ghost == part->value) {
            struct region region = region_of(range, i, is_raised);
            region.lane_last =
                version->ghost_before - 1 < region.lane_last ? version->ghost_before - 1 : region.lane_last;
            add_cut(regions, &within, &region);
        }
    }
}

/* ---- reads ---- */

/* The first action that began behind that tick; the count if none did. */
static size_t first_behind(const struct history *history, uint64_t tick)
{
    size_t low = 0, high = history->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->actions[middle].began <= tick) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct region window_of(const struct judge *judge, const struct action *action)
{
    const struct history *history = judge->timeline->history;
    const struct floor *floor = &judge->floors[action - history->actions];
    size_t behind = first_behind(history, action->ended);
    return (struct region){
        .lane_first = floor->lane,
        .lane_last = judge->lane_next[behind] - 1,
        .metadata_first = floor->metadata,
        .metadata_last = judge->metadata_next[behind] - 1,
    };
}

static bool judge_read(struct judge *judge, const struct action *action)
{
    static struct regions regions;
    regions.count = 0;
    struct region window = window_of(judge, action);
    if (window.lane_first > window.lane_last || window.metadata_first > window.metadata_last) {
        return object(judge->objection, action, "it saw a write that had not begun");
    }
    add_region(&regions, &window);
    for (int pass = 0; pass < 2; pass++) { /* values first: they leave the fewest regions */
        for (size_t i = 0; i < action->part_count; i++) {
            const struct part *part = &action->parts[i];
            if ((part->value == 0) != (pass == 1) ||
                timeline_is_open(judge->timeline, part->name, action->ended)) {
                continue;
            }
            narrow(judge->timeline, part, &regions);
            if (regions.count == 0) {
                return object(judge->objection, action, "%s cannot have been %" PRIu64 " here",
                              register_text(part->name), part->value);
            }
        }
    }
    struct floor reached = {.lane = UINT64_MAX, .metadata = UINT64_MAX};
    for (size_t i = 0; i < regions.count; i++) {
        const struct region *region = &regions.regions[i];
        reached.lane = region->lane_first < reached.lane ? region->lane_first : reached.lane;
        reached.metadata =
            region->metadata_first < reached.metadata ? region->metadata_first : reached.metadata;
    }
    raise_to(&judge->now.lane, reached.lane);
    raise_to(&judge->now.metadata, reached.metadata);
    return true;
}

/* ---- refusals ---- */

enum comparison { BELOW, AT_OR_ABOVE, OTHER_THAN, EQUAL };

static bool compares(uint64_t value, enum comparison comparison, uint64_t with)
{
    return comparison == BELOW         ? value < with
           : comparison == AT_OR_ABOVE ? value >= with
           : comparison == OTHER_THAN  ? value != with
                                       : value == with;
}

/* Whether a register of the commit lane compares so anywhere in that window. */
static bool is_somewhere(const struct judge *judge, uint64_t name, const struct region *window,
                         enum comparison comparison, uint64_t with)
{
    struct version_range range = timeline_versions(judge->timeline, name);
    uint64_t at_first = 0; /* what it holds where the window begins */
    bool is_so = false;
    for (size_t i = 0; i < range.count; i++) {
        if (range.versions[i].sequence <= window->lane_first) {
            at_first = range.versions[i].value;
        } else if (range.versions[i].sequence <= window->lane_last) {
            is_so = is_so || compares(range.versions[i].value, comparison, with);
        }
    }
    return is_so || compares(at_first, comparison, with);
}

static bool judge_refusal(struct judge *judge, const struct action *action)
{
    const struct region window = window_of(judge, action);
    uint64_t height = register_of(action->chain, REGISTER_HEIGHT, 0);
    uint64_t pruned = register_of(action->chain, REGISTER_PRUNED, 0);
    uint64_t state = register_of(action->chain, REGISTER_STATE, action->height);
    bool may_be = timeline_is_open(judge->timeline, height, action->ended) ||
                  timeline_is_open(judge->timeline, pruned, action->ended) ||
                  timeline_is_open(judge->timeline, state, action->ended);
    if (action->kind == ACTION_COMMIT) {
        may_be |= action->has_expected && is_somewhere(judge, height, &window, OTHER_THAN, action->expected);
        may_be |= is_somewhere(judge, pruned, &window, AT_OR_ABOVE, action->height);
    } else if (action->kind == ACTION_PRUNE) {
        may_be |= is_somewhere(judge, height, &window, BELOW, action->height + 1);
    } else if (action->kind == ACTION_ROLLBACK) {
        may_be |= is_somewhere(judge, height, &window, BELOW, action->height) ||
                  is_somewhere(judge, pruned, &window, AT_OR_ABOVE, action->height) ||
                  is_somewhere(judge, state, &window, EQUAL, 0);
    }
    return may_be || object(judge->objection, action, "refused without a reason");
}

/* ---- numbers and levels ---- */

static bool judge_numbers(struct judge *judge, const struct action *action, const struct floor *floor)
{
    if (action->durable_through > action->written_through) {
        return object(judge->objection, action, "durable through %" PRIu64 ", written through %" PRIu64,
                      action->durable_through, action->written_through);
    }
    if (action->written_through < floor->written || action->durable_through < floor->durable) {
        return object(judge->objection, action,
                      "written and durable through %" PRIu64 " and %" PRIu64 " after %" PRIu64
                      " and %" PRIu64,
                      action->written_through, action->durable_through, floor->written, floor->durable);
    }
    raise_to(&judge->now.written, action->written_through);
    raise_to(&judge->now.durable, action->durable_through);
    return true;
}

static unsigned level_due(const struct action *action)
{
    if (action->level == ASKED_DEFAULT) {
        return action->kind == ACTION_METADATA ? ASKED_ACCEPTED : ASKED_DURABLE;
    }
    return action_is_lane(action) && action->level == ASKED_ACCEPTED ? ASKED_WRITTEN : action->level;
}

static bool judge_write(struct judge *judge, const struct action *action, const struct floor *floor)
{
    if (action->level_told < level_due(action)) {
        return object(judge->objection, action, "level %u where %u was asked", action->level_told,
                      level_due(action));
    }
    if (action->kind == ACTION_BARRIER) {
        uint64_t reached = action->level_told == ASKED_DURABLE   ? action->durable_through
                           : action->level_told == ASKED_WRITTEN ? action->written_through
                                                                 : action->sequence;
        bool is_true = action->sequence >= floor->sequence && reached >= action->sequence;
        return is_true || object(judge->objection, action,
                                 "a barrier behind %" PRIu64 " answers when %" PRIu64 " is reached",
                                 floor->sequence, reached);
    }
    if (action->sequence <= floor->sequence) {
        return object(judge->objection, action, "a later write is numbered below %" PRIu64, floor->sequence);
    }
    raise_to(&judge->now.sequence, action->sequence);
    raise_to(action_is_lane(action) ? &judge->now.lane : &judge->now.metadata, action->sequence);
    return true;
}

static bool judge_ended(struct judge *judge, const struct action *action)
{
    const struct floor *floor = &judge->floors[action - judge->timeline->history->actions];
    if (action->end == END_NOT_APPLIED) {
        return true;
    }
    if (action->end == END_FAILED || (action->end == END_REFUSED && !action_is_lane(action))) {
        return object(judge->objection, action, "an answer that nothing explains");
    }
    bool is_good = judge_numbers(judge, action, floor);
    if (is_good && action->end == END_REFUSED) {
        is_good = judge_refusal(judge, action);
    } else if (is_good && action->kind == ACTION_READ) {
        is_good = judge_read(judge, action);
    } else if (is_good) {
        is_good = judge_write(judge, action, floor);
    }
    raise_to(&judge->now.metadata, judge->now.lane); /* what was accepted before a commit is seen with it */
    return is_good;
}

/* ---- the run ---- */

/* A client's writes are numbered in the order in which it sent them. */
static bool judge_order(const struct timeline *timeline, struct objection *objection)
{
    uint64_t last[HISTORY_CLIENTS] = {0};
    const struct history *history = timeline->history;
    for (size_t i = 0; i < history->count; i++) {
        const struct action *action = &history->actions[i];
        if (!action_is_write(action) || action->end != END_DONE) {
            continue;
        }
        if (action->sequence <= last[action->client]) {
            return object(objection, action, "numbered below the client's write before it");
        }
        last[action->client] = action->sequence;
    }
    return true;
}

static void find_next_numbers(struct judge *judge)
{
    const struct history *history = judge->timeline->history;
    judge->lane_next[history->count] = judge->metadata_next[history->count] = UINT64_MAX;
    for (size_t i = history->count; i > 0; i--) {
        const struct action *action = &history->actions[i - 1];
        judge->lane_next[i - 1] = judge->lane_next[i];
        judge->metadata_next[i - 1] = judge->metadata_next[i];
        uint64_t *next = action_is_lane(action) ? &judge->lane_next[i - 1] : &judge->metadata_next[i - 1];
        if (action_is_write(action) && action->end == END_DONE && action->sequence < *next) {
            *next = action->sequence;
        }
    }
}

static int compare_ends(const void *left, const void *right)
{
    uint64_t a = (*(const struct action *const *)left)->ended,
             b = (*(const struct action *const *)right)->ended;
    return (a > b) - (a < b);
}

/* Goes through all beginnings and ends by their ticks. */
static bool walk(struct judge *judge, const struct action **ends)
{
    const struct history *history = judge->timeline->history;
    size_t begun = 0;
    for (size_t i = 0; i < history->count; i++) {
        ends[i] = &history->actions[i];
    }
    qsort(ends, history->count, sizeof(const struct action *), compare_ends);
    for (size_t i = 0; i < history->count && ends[i]->ended != UINT64_MAX; i++) {
        for (; begun < history->count && history->actions[begun].began < ends[i]->ended; begun++) {
            judge->floors[begun] = judge->now;
        }
        if (!judge_ended(judge, ends[i])) {
            return false;
        }
    }
    return true;
}

bool judge_run(const struct timeline *timeline, struct objection *ret_objection)
{
    const struct history *history = timeline->history;
    size_t count = history->count;
    struct judge judge = {
        .timeline = timeline,
        .objection = ret_objection,
        .now = {.sequence = history->number_before,
                .written = history->written_before,
                .durable = history->durable_before},
        .floors = calloc(count + 1, sizeof *judge.floors),
        .lane_next = calloc(count + 1, sizeof *judge.lane_next),
        .metadata_next = calloc(count + 1, sizeof *judge.metadata_next),
    };
    const struct action **ends = calloc(count + 1, sizeof *ends);
    if (judge.floors == NULL || judge.lane_next == NULL || judge.metadata_next == NULL || ends == NULL) {
        abort();
    }
    find_next_numbers(&judge);
    bool is_good = judge_order(timeline, ret_objection) && walk(&judge, ends);
    free(judge.floors);
    free(judge.lane_next);
    free(judge.metadata_next);
    free(ends);
    return is_good;
}

bool history_judge(const struct history *history, struct objection *ret_objection)
{
    struct timeline timeline;
    ret_objection->text[0] = '\0';
    bool is_good = timeline_make(history, &timeline, ret_objection) && judge_run(&timeline, ret_objection) &&
                   judge_end(&timeline, ret_objection);
    timeline_free(&timeline);
    return is_good;
}
