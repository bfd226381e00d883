#include "tests/fault/kill_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEIGHTS_KEPT = 60 }; /* beyond which it prunes next */

static bool complain(struct complaint_text *complaint, const char *what, uint64_t expected, uint64_t found)
{
    snprintf(complaint->text, sizeof complaint->text, "%s: %" PRIu64 " expected, %" PRIu64 " found", what,
             expected, found);
    return false;
}

/* ---- the model ---- */

static void drop_blocks(struct image *image, uint64_t first, uint64_t last)
{
    for (uint64_t height = first; height <= last; height++) {
        image->blocks[height % JOURNAL_WINDOW] = 0;
        image->states[height % JOURNAL_WINDOW] = 0;
    }
}

static void drop_bound(struct image *image, uint64_t first, uint64_t last)
{
    for (int i = 0; i < JOURNAL_SLOTS; i++) {
        if (image->bound[i].value != 0 && image->bound[i].height >= first && image->bound[i].height <= last) {
            image->bound[i] = (struct bound){0};
        }
    }
}

static void apply_lane(struct image *image, const struct entry *entry)
{
    image->lane = entry->number;
    if (entry->kind == ENTRY_PRUNE) {
        drop_blocks(image, image->pruned + 1, entry->height);
        drop_bound(image, 1, entry->height);
        image->pruned = entry->height;
    } else if (entry->kind == ENTRY_ROLLBACK) {
        drop_blocks(image, entry->height + 1, image->height);
        drop_bound(image, entry->height + 1, UINT64_MAX);
        image->height = entry->height;
    } else {
        image->height = entry->height;
        image->blocks[entry->height % JOURNAL_WINDOW] = entry->number;
        image->states[entry->height % JOURNAL_WINDOW] = entry->number;
        if (entry->kind == ENTRY_TOUCH) {
            image->slots[entry->slot] = 2 * entry->number + 1;
        }
    }
}

static void apply(struct image *image, const struct entry *entry)
{
    if (entry_is_lane(entry)) {
        apply_lane(image, entry);
        return;
    }
    image->seen = entry->number;
    if (entry->kind == ENTRY_SET) {
        image->slots[entry->slot] = 2 * entry->number;
    } else if (entry->kind == ENTRY_DELETE) {
        image->slots[entry->slot] = 0;
    } else {
        bool is_pruned = entry->height <= image->pruned; /* it is taken, and pruned at once */
        image->bound[entry->slot] =
            is_pruned ? (struct bound){0} : (struct bound){2 * entry->number, entry->height};
    }
}

static bool is_within(const struct entry *entry, const struct reached *reached)
{
    return entry->number <= (entry_is_lane(entry) ? reached->lane : reached->metadata);
}

/* ---- sending ---- */

static enum entry_kind choose_kind(const struct image *sent, struct random_source *random)
{
    if (sent->height - sent->pruned >= HEIGHTS_KEPT) {
        return ENTRY_PRUNE;
    }
    uint64_t choice = random_below(random, 100);
    bool has_two = sent->height - sent->pruned >= 2;
    if (choice < 55) {
        return choice < 35 ? ENTRY_SET : choice < 42 ? ENTRY_DELETE : ENTRY_BIND;
    }
    if (choice < 95 || !has_two) {
        return choice < 85 ? ENTRY_COMMIT : choice < 90 ? ENTRY_TOUCH : ENTRY_CARRY;
    }
    return choice < 97 ? ENTRY_PRUNE : ENTRY_ROLLBACK;
}

static uint64_t choose_height(const struct image *sent, enum entry_kind kind, struct random_source *random)
{
    uint64_t span = sent->height - sent->pruned;
    switch (kind) {
    case ENTRY_BIND:
        return sent->pruned + random_below(random, span + 3);
    case ENTRY_PRUNE: /* one height stays */
        return sent->pruned + 1 + random_below(random, span - 1);
    case ENTRY_ROLLBACK:
        return sent->height - random_below(random, span < 8 ? span : 8);
    default:
        return sent->height + 1;
    }
}

/* The last metadata sent for that name; 0: none since it was judged. */
static uint64_t last_of_slot(const struct journal *journal, unsigned slot)
{
    uint64_t last = 0;
    for (size_t i = 0; i + 1 < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        bool is_of_slot = (entry->kind == ENTRY_SET || entry->kind == ENTRY_DELETE) && entry->slot == slot;
        last = is_of_slot ? entry->number : last;
    }
    return last;
}

struct entry *journal_next(struct journal *journal, struct random_source *random)
{
    if (journal->count == JOURNAL_ENTRIES) {
        return NULL;
    }
    struct entry *entry = &journal->entries[journal->count++];
    *entry = (struct entry){.kind = choose_kind(&journal->sent, random)};
    entry->height = choose_height(&journal->sent, entry->kind, random);
    if (entry->kind == ENTRY_BIND && entry->height == 0) {
        entry->height = 1;
    }
    entry->slot = (unsigned)random_below(random, JOURNAL_SLOTS);
    if (entry_is_lane(entry)) {
        entry->number = ++journal->lane_sent;
        entry->before = entry->kind == ENTRY_TOUCH ? last_of_slot(journal, entry->slot) : journal->sent.seen;
        entry->level = 2 + (unsigned)random_below(random, 2);
    } else {
        entry->number = ++journal->metadata_sent;
        entry->before = journal->sent.lane;
        entry->level = random_chance(random, 80) ? 1 : 2 + (unsigned)random_below(random, 2);
    }
    apply(&journal->sent, entry);
    return entry;
}

/* ---- judging ---- */

struct reached journal_must(const struct journal *journal, uint64_t through)
{
    struct reached must = {journal->base.lane, journal->base.seen};
    for (size_t i = 0; i < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        if (entry->is_answered && (entry->level_told >= 2 || entry->sequence <= through)) {
            uint64_t *number = entry_is_lane(entry) ? &must.lane : &must.metadata;
            *number = entry->number > *number ? entry->number : *number;
        }
    }
    return must;
}

/* No mark ahead of a commit that was accepted before it; no commit that carries without what was accepted before it. */
static bool order_holds(const struct journal *journal, const struct reached *there,
                        struct complaint_text *complaint)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        if (!is_within(entry, there)) {
            continue;
        }
        if (!entry_is_lane(entry) && entry->before > there->lane) {
            return complain(complaint, "metadata is ahead of a commit accepted before it", entry->before,
                            there->lane);
        }
        if (entry->kind >= ENTRY_TOUCH && entry->before > there->metadata) {
            return complain(complaint, "what a commit carries is not there", entry->before, there->metadata);
        }
    }
    return true;
}

static bool images_are_equal(const struct image *expected, const struct image *there,
                             struct complaint_text *complaint)
{
    if (expected->lane != there->lane) {
        return complain(complaint, "the last of the commit lane", expected->lane, there->lane);
    }
    if (expected->seen != there->seen) {
        return complain(complaint, "the last of the metadata", expected->seen, there->seen);
    }
    if (expected->height != there->height) {
        return complain(complaint, "the height", expected->height, there->height);
    }
    if (expected->pruned != there->pruned) {
        return complain(complaint, "what is pruned", expected->pruned, there->pruned);
    }
    for (int i = 0; i < JOURNAL_WINDOW; i++) {
        if (expected->blocks[i] != there->blocks[i]) {
            return complain(complaint, "a block", expected->blocks[i], there->blocks[i]);
        }
        if (expected->states[i] != there->states[i]) {
            return complain(complaint, "a state", expected->states[i], there->states[i]);
        }
    }
    for (int i = 0; i < JOURNAL_SLOTS; i++) {
        if (expected->slots[i] != there->slots[i]) {
            return complain(complaint, "a name", expected->slots[i], there->slots[i]);
        }
        if (expected->bound[i].value != there->bound[i].value ||
            expected->bound[i].height != there->bound[i].height) {
            return complain(complaint, "a bound name", expected->bound[i].value, there->bound[i].value);
        }
    }
    return true;
}

bool journal_may_be(const struct journal *journal, const struct image *there, const struct reached *must,
                    struct complaint_text *ret_complaint)
{
    const struct reached reached = {there->lane, there->seen};
    if (reached.lane < must->lane) {
        return complain(ret_complaint, "a commit that was answered is gone", must->lane, reached.lane);
    }
    if (reached.metadata < must->metadata) {
        return complain(ret_complaint, "metadata that was answered is gone", must->metadata,
                        reached.metadata);
    }
    if (reached.lane > journal->lane_sent || reached.metadata > journal->metadata_sent) {
        return complain(ret_complaint, "something is there that was never sent", journal->lane_sent,
                        reached.lane);
    }
    struct image expected = journal->base;
    for (size_t i = 0; i < journal->count; i++) {
        if (is_within(&journal->entries[i], &reached)) {
            apply(&expected, &journal->entries[i]);
        }
    }
    return order_holds(journal, &reached, ret_complaint) && images_are_equal(&expected, there, ret_complaint);
}

/* What was not answered, and was lost, is not sent again: others behind it may be. */
bool journal_is_resent(const struct journal *journal, const struct image *before, const struct image *there,
                       struct complaint_text *ret_complaint)
{
    const struct reached reached = {before->lane, before->seen};
    struct image expected = journal->base;
    for (size_t i = 0; i < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        if (is_within(entry, &reached) || entry->is_answered) {
            apply(&expected, entry);
        }
    }
    return images_are_equal(&expected, there, ret_complaint);
}

uint64_t journal_highest(const struct journal *journal, const struct image *there)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        bool is_there = !entry_is_lane(entry) && entry->is_answered && entry->number <= there->seen;
        highest = is_there && entry->sequence > highest ? entry->sequence : highest;
    }
    return highest;
}

bool journal_fits(const struct journal *journal, const struct image *there, uint64_t on_disk,
                  struct complaint_text *ret_complaint)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct entry *entry = &journal->entries[i];
        if (!entry_is_lane(entry) && entry->is_answered &&
            (entry->number <= there->seen) != (entry->sequence <= on_disk)) {
            return complain(ret_complaint,
                            entry->sequence <= on_disk ? "metadata is missing below a later write's"
                                                       : "metadata is there above what the hello tells",
                            on_disk, entry->sequence);
        }
    }
    return true;
}

void journal_rebase(struct journal *journal, const struct image *there)
{
    journal->base = *there;
    journal->sent = *there;
    journal->count = 0;
}
