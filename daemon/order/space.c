/* The arithmetic of the marks. All sums saturate: a number beyond the end of 64 bits counts as its end. */
#include "daemon/order/space.h"

#include <assert.h>

/* Shares, chosen. */
enum {
    SPACE_RESERVE_PART = 8, /* of the file system, at most, for the reserve */
    SPACE_OTHERS_PART = 4,  /* of a log: what others may take of the file system between two looks */
    SPACE_WRITTEN_PART = 8, /* of what is written: what logs and tables have beside it */
    MARGIN_PART = 2,        /* of a log: what has to be free beside a mark before its state ends */
};

static uint64_t sum(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

uint64_t space_hard_mark(const struct space_look *look, uint64_t pending_bytes)
{
    uint64_t written = sum(pending_bytes, sum(pending_bytes, pending_bytes / SPACE_WRITTEN_PART));
    uint64_t logs = sum(look->log_bytes, look->log_bytes / SPACE_OTHERS_PART);
    return sum(sum(look->unflushed_bytes, written), logs);
}

uint64_t space_soft_mark(const struct space_look *look, uint64_t pending_bytes)
{
    uint64_t commits = smaller(look->queue_bytes_max, look->reserve_bytes);
    return sum(space_hard_mark(look, pending_bytes), sum(look->compaction_bytes, commits));
}

uint64_t space_free(const struct space_look *look)
{
    uint64_t all = sum(look->free_bytes, look->held_bytes);
    return all > look->reserve_bytes && !look->lacks_files ? all - look->reserve_bytes : 0;
}

uint64_t space_wanted(const struct space_look *look, uint64_t pending_bytes, enum space_state until)
{
    assert(until == SPACE_SOFT || until == SPACE_HARD); /* the states in which something is refused */
    uint64_t mark =
        until == SPACE_SOFT ? space_soft_mark(look, pending_bytes) : space_hard_mark(look, pending_bytes);
    return sum(mark, look->log_bytes / MARGIN_PART);
}

enum space_state space_judge(const struct space_look *look, uint64_t pending_bytes, enum space_state before)
{
    uint64_t free_bytes = space_free(look);
    uint64_t soft = before >= SPACE_SOFT ? space_wanted(look, pending_bytes, SPACE_SOFT)
                                         : space_soft_mark(look, pending_bytes);
    uint64_t hard = before == SPACE_HARD ? space_wanted(look, pending_bytes, SPACE_HARD)
                                         : space_hard_mark(look, pending_bytes);
    assert(before <= SPACE_NONE);
    assert(soft >= hard); /* metadata is refused before commits are */
    if (look->is_read_only) {
        return SPACE_NONE;
    }
    if (look->free_bytes == UINT64_MAX || free_bytes >= soft) {
        return SPACE_ENOUGH;
    }
    return free_bytes >= hard ? SPACE_SOFT : SPACE_HARD;
}

bool space_is_tight(const struct space_look *look, bool before)
{
    uint64_t wanted = sum(space_hard_mark(look, 0), look->compaction_bytes);
    assert(wanted <= space_soft_mark(look, 0)); /* while metadata is taken a compaction finds room */
    uint64_t margin = before ? look->log_bytes / MARGIN_PART : 0;
    return look->is_read_only || space_free(look) < sum(wanted, margin);
}

uint64_t space_spare(const struct space_look *look)
{
    static_assert(2 * SPACE_WRITTEN_PART + 1 <= 3 * SPACE_WRITTEN_PART,
                  "a byte raises the marks by at most three");
    uint64_t free_bytes = space_free(look), soft = space_soft_mark(look, 0);
    return look->is_read_only || free_bytes < soft ? 0 : (free_bytes - soft) / 3;
}

uint64_t space_reserve_bytes(uint64_t queue_bytes_max, uint64_t frame_bytes_max, uint64_t log_bytes,
                             uint64_t all_bytes)
{
    uint64_t bytes = sum(sum(queue_bytes_max, frame_bytes_max), sum(log_bytes, log_bytes));
    return all_bytes == 0 ? bytes : smaller(bytes, all_bytes / SPACE_RESERVE_PART);
}
