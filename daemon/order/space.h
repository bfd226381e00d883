/* Space: which writes the file system still has room for. Two marks on what is free: below the soft one metadata is refused, below
 * the hard one commits too. What deletes, and what must not be refused, goes on from the reserve.
 *
 * - Both are derived from what writes that were accepted may still take: the write buffers as tables, the log, the next log; the
 *   soft one also from a compaction, and from what commits may take while metadata is refused.
 * - What the reserve holds counts as free, and what it is meant to hold is asked for on top. So it makes no difference to the marks
 *   whether it is set aside yet.
 * - What was accepted since the last look is counted as if it were written twice: to the log and to a table.
 *
 * Pure: no clock, no state, no I/O. */
#ifndef DAEMON_SPACE_H
#define DAEMON_SPACE_H

#include <stdbool.h>
#include <stdint.h>

/* One look at the file system and the engine; all in bytes. */
struct space_look {
    uint64_t free_bytes;      /* UINT64_MAX: not known, and nothing is refused */
    uint64_t held_bytes;      /* by the reserve, */
    uint64_t reserve_bytes;   /* and what it is meant to hold */
    uint64_t unflushed_bytes; /* of engine_space, as the next two */
    uint64_t log_bytes;
    uint64_t compaction_bytes;
    uint64_t queue_bytes_max;
    bool is_read_only; /* the engine writes nothing, whatever is free */
    bool lacks_files;  /* next to no more can be made: then nothing counts as free, */
    bool is_refused;   /* free_bytes is what is to be had behind a quota */
};

enum space_state {
    SPACE_ENOUGH,
    SPACE_SOFT, /* below the soft mark: no metadata */
    SPACE_HARD, /* below the hard mark: no commits either */
    SPACE_NONE, /* the store could only be opened for reading: nothing is written */
};

/* Free bytes beside the reserve below which it is so, with `pending_bytes` accepted since the look. */
uint64_t space_hard_mark(const struct space_look *look, uint64_t pending_bytes);
uint64_t space_soft_mark(const struct space_look *look, uint64_t pending_bytes);

/* Free bytes beside what the reserve is meant to hold; 0: less than that. */
uint64_t space_free(const struct space_look *look);

/* The same from which on the state `until` ends, SPACE_SOFT or SPACE_HARD: above its mark by half a log, so that a log that comes and
 * goes does not change the state each time. */
uint64_t space_wanted(const struct space_look *look, uint64_t pending_bytes, enum space_state until);

/* `before` is the state until now. */
enum space_state space_judge(const struct space_look *look, uint64_t pending_bytes, enum space_state before);

/* Whether a compaction would find no room beside what writes that were accepted may still take; `before`: whether it was so. */
bool space_is_tight(const struct space_look *look, bool before);

/* While fewer bytes than this were accepted since the look, SPACE_ENOUGH stays, and space_judge need not be asked. 0: always ask it. */
uint64_t space_spare(const struct space_look *look);

/* What the reserve is meant to hold, on a file system of that size (0: not known): a full queue, a largest frame, and two logs, but
 * only a share of a small file system. */
uint64_t space_reserve_bytes(uint64_t queue_bytes_max, uint64_t frame_bytes_max, uint64_t log_bytes,
                             uint64_t all_bytes);

#endif
