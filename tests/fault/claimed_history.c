#include "tests/fault/claimed_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool object(struct claimed_history *history, const char *what, uint64_t id)
{
    snprintf(history->objection, sizeof history->objection, "a claimed chain: %s: write %" PRIu64, what, id);
    return false;
}

void claimed_apply(struct claimed_state *state, const struct claimed_write *write)
{
    for (uint64_t height = write->height + 1; write->is_rollback && height <= CLAIMED_HEIGHTS; height++) {
        state->blocks[height] = 0;
    }
    if (!write->is_rollback) {
        state->blocks[write->height] = write->id;
    }
    state->height = write->height;
    state->last = write->id;
}

/* Those that are done come first; how many they are. False: one is done behind one that was refused, or nobody was told. */
static bool count_done(struct claimed_history *history, size_t *ret_done)
{
    size_t done = 0;
    for (size_t i = 0; i < history->write_count; i++) {
        const struct claimed_write *write = &history->writes[i];
        if (write->end == CLAIMED_UNKNOWN) {
            return object(history, "it was never answered", write->id);
        }
        if (write->end == CLAIMED_DONE && done < i) {
            return object(history, "it is done, and one before it was refused", write->id);
        }
        done += write->end == CLAIMED_DONE;
    }
    *ret_done = done;
    return true;
}

/* 0: what was there before; n: the n-th write. SIZE_MAX: nobody wrote it. */
static size_t place_of(const struct claimed_history *history, size_t done, uint64_t id)
{
    size_t low = 0, high = done; /* ids rise */
    if (id == history->before.last) {
        return 0;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->writes[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < done && history->writes[low].id == id ? low + 1 : SIZE_MAX;
}

/* The last write that had been answered by then. */
static size_t answered_by(const struct claimed_history *history, size_t done, uint64_t tick)
{
    size_t last = 0;
    for (size_t i = done; i > 0 && last == 0; i--) {
        last = history->writes[i - 1].ended < tick ? i : 0;
    }
    return last;
}

static bool judge_read(struct claimed_history *history, size_t done, size_t at)
{
    const struct claimed_read *read = &history->reads[at];
    size_t place = place_of(history, done, read->last);
    if (place == SIZE_MAX) {
        return object(history, "a read saw what was refused, or never written", read->last);
    }
    uint64_t height = place == 0 ? history->before.height : history->writes[place - 1].height;
    if (height != read->height) {
        return object(history, "a read saw half of it", read->last);
    }
    if (place > 0 && history->writes[place - 1].began > read->ended) {
        return object(history, "a read saw it before it was asked", read->last);
    }
    if (place < answered_by(history, done, read->began)) {
        return object(history, "a read does not see what was answered before: it saw", read->last);
    }
    for (size_t i = at; i > 0; i--) {
        const struct claimed_read *earlier = &history->reads[i - 1];
        if (earlier->ended < read->began && place_of(history, done, earlier->last) > place) {
            return object(history, "a read saw less than one before it", read->last);
        }
        if (earlier->ended < read->began && at - i > 16) { /* enough: each is compared with those before it */
            break;
        }
    }
    return true;
}

bool claimed_judge(struct claimed_history *history)
{
    struct claimed_state expected = history->before;
    size_t done;
    if (!count_done(history, &done)) {
        return false;
    }
    for (size_t i = 0; i < done; i++) {
        claimed_apply(&expected, &history->writes[i]);
    }
    for (size_t i = 0; i < history->read_count; i++) {
        if (!judge_read(history, done, i)) {
            return false;
        }
    }
    if (expected.last != history->after.last || expected.height != history->after.height) {
        return object(history, "it is there at the end and is not the last", history->after.last);
    }
    for (size_t height = 1; height <= CLAIMED_HEIGHTS; height++) {
        if (expected.blocks[height] != history->after.blocks[height]) {
            return object(history, "a block at the end is not the last one of its height: it is of",
                          history->after.blocks[height]);
        }
    }
    return true;
}

/* ---- an example, and what may be wrong with it ---- */

static void add_write(struct claimed_history *history, uint64_t id, uint64_t height, bool is_rollback)
{
    struct claimed_write *write = &history->writes[history->write_count++];
    *write = (struct claimed_write){id, height, is_rollback, CLAIMED_DONE, id, id + 5};
    claimed_apply(&history->after, write);
}

void claimed_example(struct claimed_history *ret_history)
{
    struct claimed_history *history = ret_history;
    memset(history, 0, sizeof *history);
    history->before = (struct claimed_state){.last = 5, .height = 1, .blocks[1] = 5};
    history->after = history->before;
    add_write(history, 10, 2, false);
    add_write(history, 20, 3, false);
    add_write(history, 30, 1, true);
    add_write(history, 40, 2, false);
    history->writes[history->write_count++] = (struct claimed_write){50, 3, false, CLAIMED_REFUSED, 50, 55};
    history->reads[history->read_count++] = (struct claimed_read){1, 2, 5, 1};
    history->reads[history->read_count++] = (struct claimed_read){17, 22, 20, 3};
    history->reads[history->read_count++] = (struct claimed_read){26, 32, 30, 1};
    history->reads[history->read_count++] = (struct claimed_read){46, 47, 40, 2};
}

static void lose_a_write(struct claimed_history *history)
{
    history->after.last = 30;
    history->after.height = 1;
}

static void apply_a_commit_again(struct claimed_history *history)
{
    history->after.blocks[3] = 20; /* behind the rollback */
}

static void apply_one_again_and_let_it_be_seen(struct claimed_history *history)
{
    history->reads[3] = (struct claimed_read){46, 47, 20, 3};
}

static void swap_two(struct claimed_history *history)
{
    struct claimed_state *after = &history->after;
    *after = history->before;
    claimed_apply(after, &history->writes[0]);
    claimed_apply(after, &history->writes[1]);
    claimed_apply(after, &history->writes[3]);
    claimed_apply(after, &history->writes[2]);
}

static void apply_a_refused_one(struct claimed_history *history)
{
    claimed_apply(&history->after, &history->writes[4]);
}

static void show_a_refused_one(struct claimed_history *history)
{
    history->reads[3] = (struct claimed_read){46, 57, 50, 3};
}

static void answer_one_behind_a_refused_one(struct claimed_history *history)
{
    history->writes[2].end = CLAIMED_REFUSED;
}

static void leave_one_unanswered(struct claimed_history *history)
{
    history->writes[4].end = CLAIMED_UNKNOWN;
}

static void show_half(struct claimed_history *history)
{
    history->reads[1].height = 2;
}

static void read_stale(struct claimed_history *history)
{
    history->reads[2] = (struct claimed_read){26, 27, 10, 2};
}

static void read_ahead(struct claimed_history *history)
{
    history->reads[0] = (struct claimed_read){1, 2, 10, 2};
}

static void read_back_and_forth(struct claimed_history *history)
{
    history->reads[1] = (struct claimed_read){21, 22, 20, 3};
    history->reads[2] = (struct claimed_read){23, 24, 10, 2};
}

const struct claimed_fault claimed_faults[] = {
    {"a write that was answered is lost", lose_a_write},
    {"a commit is applied again", apply_a_commit_again},
    {"a write that is applied again is seen", apply_one_again_and_let_it_be_seen},
    {"two writes change places", swap_two},
    {"a refused write is applied", apply_a_refused_one},
    {"a refused write is seen", show_a_refused_one},
    {"a write goes on behind one that was refused", answer_one_behind_a_refused_one},
    {"a write is never answered", leave_one_unanswered},
    {"half a write is seen", show_half},
    {"a read is stale", read_stale},
    {"a read is ahead", read_ahead},
    {"a read goes back", read_back_and_forth},
};
const size_t claimed_fault_count = sizeof claimed_faults / sizeof claimed_faults[0];
