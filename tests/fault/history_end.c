/* Judges what is there after a run, and after the clients came back.
 *
 * All that was answered as written is there. Of accepted metadata a prefix is there, by number, up to what the start says that it
 * found, and at least up to every number that a reply called written or a commit carried. Of writes of unknown result those are there
 * that the marks of their client say (each write leaves its id in one); one that is there may not be ahead of a commit that its client
 * had sent before it, nor without what it carried.
 *
 * What was accepted and is not there is sent again, in its client's order; clients may change places. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/history_judge.h"

struct end {
    const struct timeline *timeline;
    const struct history *history;
    struct objection *objection;
};

static uint64_t mark_of(const struct image *image, const struct action *action)
{
    enum register_kind kind = action_is_lane(action) ? REGISTER_LANE : REGISTER_SEEN;
    return image_get(image, register_of(action->chain, kind, action->client)).value;
}

/* A commit that was refused counts as there if one behind it is: it may be either. */
static bool is_there(const struct end *end, const struct action *action)
{
    if (action->end == END_UNKNOWN) {
        return mark_of(&end->history->found, action) >= action->id;
    }
    return action->end == END_DONE && (action_is_lane(action) || action->sequence <= end->history->on_disk);
}

/* ---- the prefix ---- */

static bool judge_prefix(const struct end *end)
{
    const struct history *history = end->history;
    uint64_t written = 0, carried = 0, accepted = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct action *action = &history->actions[i];
        written = action->written_through > written ? action->written_through : written;
        if (action->end == END_DONE && (action->carries || action->kind >= ACTION_PRUNE)) {
            carried = action->sequence > carried ? action->sequence : carried;
        }
    }
    for (size_t i = 0; i < end->timeline->write_count; i++) {
        const struct action *action = end->timeline->writes[i];
        if (action_is_lane(action) || action->sequence <= history->on_disk) {
            continue;
        }
        accepted++;
        if (action->sequence <= written || action->level_told >= ASKED_WRITTEN) {
            return object(end->objection, action,
                          "written metadata is gone: numbers up to %" PRIu64 " are there", history->on_disk);
        }
        if (action->sequence <= carried) {
            return object(end->objection, action, "the commit %" PRIu64 " did not carry it", carried);
        }
    }
    return !history->is_stopped || accepted == 0 ||
           object(end->objection, NULL, "%" PRIu64 " accepted writes are gone after a clean stop", accepted);
}

/* ---- the values ---- */

/* The last version of a register that is there. */
static struct part expected_part(const struct end *end, uint64_t name)
{
    struct version_range range = timeline_versions(end->timeline, name);
    struct part part = {.name = name};
    bool is_raised = register_kind_of(name) == REGISTER_RAISED;
    for (size_t i = 0; i < range.count; i++) {
        const struct version *version = &range.versions[i];
        bool counts = version->of_lane || version->sequence <= end->history->on_disk;
        if (counts && (!is_raised || version->value > part.value)) {
            part.value = version->value;
            part.of_height = version->of_height;
        }
    }
    return part;
}

/* Whether a write of unknown result, that is there, may have left that. */
static bool may_leave(const struct action *action, const struct part *found)
{
    if (!action_may_write(action, found->name)) {
        return false;
    }
    for (size_t i = 0; i < action->part_count; i++) {
        const struct part *part = &action->parts[i];
        if (part->name == found->name && part->value == found->value) {
            return true;
        }
    }
    switch (register_kind_of(found->name)) {
    case REGISTER_HEIGHT: /* a height behind a rollback may be that of any commit */
        return action->kind == ACTION_ROLLBACK || found->value == action->height;
    case REGISTER_PRUNED:
        return found->value == action->height;
    case REGISTER_BOUND:
        return found->value == 0;
    case REGISTER_BLOCK:
    case REGISTER_STATE:
        return found->value == 0 && action->kind != ACTION_COMMIT;
    default:
        return false;
    }
}

static bool judge_part(const struct end *end, const struct part *found)
{
    struct part expected = expected_part(end, found->name);
    if (expected.value == found->value && expected.of_height == found->of_height) {
        return true;
    }
    for (size_t i = 0; i < end->timeline->unknown_count; i++) {
        const struct action *action = end->timeline->unknown[i];
        if (is_there(end, action) && may_leave(action, found)) {
            return true;
        }
    }
    return object(end->objection, NULL, "after the end %s is %" PRIu64 " where %" PRIu64 " was written",
                  register_text(found->name), found->value, expected.value);
}

/* All registers that were ever written, and all that are there. */
static bool judge_values(const struct end *end)
{
    const struct timeline *timeline = end->timeline;
    for (size_t i = 0; i < timeline->version_count; i++) {
        uint64_t name = timeline->versions[i].name;
        if (i > 0 && timeline->versions[i - 1].name == name) {
            continue;
        }
        struct part found = image_get(&end->history->found, name);
        if (!judge_part(end, &found)) {
            return false;
        }
    }
    for (size_t i = 0; i < end->history->found.count; i++) {
        if (!judge_part(end, &end->history->found.parts[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the lanes ---- */

/* Never refused: its block lies above all that is pruned, and it is under no condition. */
static bool is_sure(const struct end *end, const struct action *action)
{
    uint64_t pruned = register_of(action->chain, REGISTER_PRUNED, 0);
    return action->kind == ACTION_COMMIT && !action->has_expected &&
           action->height > image_get(&end->history->found, pruned).value;
}

/* Of each client, in the order in which it sent them: metadata is not ahead of a commit, and none is left behind that one carries. */
static bool judge_lanes(const struct end *end)
{
    const struct action *missing_commit[HISTORY_CLIENTS] = {NULL};
    const struct action *missing_metadata[HISTORY_CLIENTS] = {NULL};
    for (size_t i = 0; i < end->history->count; i++) {
        const struct action *action = &end->history->actions[i];
        if (!action_is_write(action) || (action->end != END_DONE && action->end != END_UNKNOWN)) {
            continue;
        }
        const struct action **missing_of_lane = &missing_commit[action->client];
        const struct action **missing_of_metadata = &missing_metadata[action->client];
        bool there = is_there(end, action);
        if (!action_is_lane(action) && there && *missing_of_lane != NULL) {
            return object(end->objection, action,
                          "metadata is there without the commit %" PRIu64 " that its client sent before it",
                          (*missing_of_lane)->id);
        }
        if (!action_is_lane(action) && there && *missing_of_metadata != NULL) {
            return object(end->objection, action, "metadata is there without %" PRIu64 " before it",
                          (*missing_of_metadata)->id);
        }
        bool carries = action->carries || action->kind >= ACTION_PRUNE;
        bool is_last = mark_of(&end->history->found, action) == action->id; /* it was not refused */
        if (action_is_lane(action) && there && carries && is_last && *missing_of_metadata != NULL) {
            return object(end->objection, action, "it did not carry %" PRIu64, (*missing_of_metadata)->id);
        }
        if (!there && (!action_is_lane(action) || is_sure(end, action))) {
            *(action_is_lane(action) ? missing_of_lane : missing_of_metadata) = action;
        }
    }
    return true;
}

/* ---- the clients come back ---- */

static bool is_lost(const struct end *end, const struct action *action)
{
    return action->kind == ACTION_METADATA && action->end == END_DONE &&
           action->sequence > end->history->on_disk;
}

static bool is_dropped(const struct history *history, const struct action *action)
{
    for (size_t i = 0; i < history->dropped_count; i++) {
        if (history->dropped[i].client == action->client &&
            history->dropped[i].sequence == action->sequence) {
            return true;
        }
    }
    return false;
}

/* Exactly what was lost on a chain that was rolled back since is reported. */
static bool judge_dropped(const struct end *end)
{
    size_t expected = 0;
    for (size_t i = 0; i < end->timeline->write_count; i++) {
        const struct action *action = end->timeline->writes[i];
        bool is_due = is_lost(end, action) && end->history->rolled_back[action->chain];
        expected += is_due;
        if (is_due != is_dropped(end->history, action)) {
            return object(end->objection, action,
                          is_due ? "lost, and nobody was told" : "dropped for nothing");
        }
    }
    return expected == end->history->dropped_count ||
           object(end->objection, NULL, "%zu writes were dropped, not %zu", end->history->dropped_count,
                  expected);
}

/* What was sent again for one register: its last by each client, or the highest. */
struct again {
    bool is_written;
    bool fits;
    uint64_t highest;
};

static struct again sent_again(const struct end *end, const struct part *found)
{
    struct part last[HISTORY_CLIENTS];
    bool has_last[HISTORY_CLIENTS] = {false};
    struct again again = {0};
    uint64_t pruned_name = register_of(register_chain(found->name), REGISTER_PRUNED, 0);
    uint64_t pruned = image_get(&end->history->base, pruned_name).value;
    for (size_t i = 0; i < end->timeline->write_count; i++) {
        const struct action *action = end->timeline->writes[i];
        if (!is_lost(end, action) || is_dropped(end->history, action)) {
            continue;
        }
        for (size_t k = 0; k < action->part_count; k++) {
            const struct part *part = &action->parts[k];
            if (part->name == found->name) {
                bool is_pruned = part->of_height != 0 && part->of_height <= pruned;
                last[action->client] = is_pruned ? (struct part){.name = part->name} : *part;
                has_last[action->client] = true;
                again.highest = part->value > again.highest ? part->value : again.highest;
            }
        }
    }
    for (unsigned i = 0; i < HISTORY_CLIENTS; i++) {
        again.is_written |= has_last[i];
        again.fits |= has_last[i] && last[i].value == found->value && last[i].of_height == found->of_height;
    }
    return again;
}

static bool judge_again(const struct end *end, uint64_t name)
{
    struct part found = image_get(&end->history->resent, name), before = image_get(&end->history->base, name);
    struct again again = sent_again(end, &found);
    bool is_good =
        again.is_written ? again.fits : found.value == before.value && found.of_height == before.of_height;
    if (register_kind_of(name) == REGISTER_RAISED) {
        is_good = found.value == (again.highest > before.value ? again.highest : before.value);
    }
    return is_good || object(end->objection, NULL,
                             "after the clients came back %s is %" PRIu64 ", before it was %" PRIu64,
                             register_text(name), found.value, before.value);
}

static bool judge_resent(const struct end *end)
{
    const struct timeline *timeline = end->timeline;
    for (size_t i = 0; i < timeline->version_count; i++) {
        uint64_t name = timeline->versions[i].name;
        if ((i == 0 || timeline->versions[i - 1].name != name) && !judge_again(end, name)) {
            return false;
        }
    }
    for (size_t i = 0; i < end->history->resent.count; i++) {
        if (!judge_again(end, end->history->resent.parts[i].name)) {
            return false;
        }
    }
    for (size_t i = 0; i < end->history->base.count; i++) {
        if (!judge_again(end, end->history->base.parts[i].name)) {
            return false;
        }
    }
    return true;
}

bool judge_end(const struct timeline *timeline, struct objection *ret_objection)
{
    const struct end end = {timeline, timeline->history, ret_objection};
    return judge_prefix(&end) && judge_values(&end) && judge_lanes(&end) && judge_dropped(&end) &&
           judge_resent(&end);
}
