/* The arithmetic of the marks. All sums saturate: a number beyond the end of 64 bits counts as its end. */
#include "daemon/order/space.h"

#include <assert.h>

/* Shares, chosen. */
enum {
    SPACE_RESERVE_PART = 8, /* of the file system, at most, for the reserve */
    SPACE_OTHERS_PART = 4,  /* of a log: what others may take of the file system between two looks */
    SPACE_WRITTEN_PART = 8, /* of what is written: what logs and tables have beside it */
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
    return all > look->reserve_bytes ? all - look->reserve_bytes : 0;
}

enum space_state space_judge(const struct space_look *look, uint64_t pending_bytes, enum space_state before)
{
    uint64_t free_bytes = space_free(look), margin = look->log_bytes / 2;
    uint64_t soft = sum(space_soft_mark(look, pending_bytes), before >= SPACE_SOFT ? margin : 0);
    uint64_t hard = sum(space_hard_mark(look, pending_bytes), before == SPACE_HARD ? margin : 0);
    assert(before <= SPACE_HARD);
    assert(soft >= hard); /* metadata is refused before commits are */
    if (look->free_bytes == UINT64_MAX || free_bytes >= soft) {
        return SPACE_ENOUGH;
    }
    return free_bytes >= hard ? SPACE_SOFT : SPACE_HARD;
}

uint64_t space_reserve_bytes(uint64_t queue_bytes_max, uint64_t frame_bytes_max, uint64_t log_bytes,
                             uint64_t all_bytes)
{
    uint64_t bytes = sum(sum(queue_bytes_max, frame_bytes_max), sum(log_bytes, log_bytes));
    return all_bytes == 0 ? bytes : smaller(bytes, all_bytes / SPACE_RESERVE_PART);
}
