/* What the one writer of a claimed chain asked and was told, over kills of the daemon, and what others read meanwhile (contract 12). Pure.
 *
 * - Each write is a numbered commit or rollback that leaves its id under a name, with the height behind it; so a read of both tells which
 *   write was the last. All take effect in the order in which they were asked, each once, until one is refused: then none behind it does.
 * - began and ended are ticks of one clock that rises with each event.
 * - A history begins where the last one ended, with nothing under way. */
#ifndef TESTS_FAULT_CLAIMED_HISTORY_H
#define TESTS_FAULT_CLAIMED_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLAIMED_HEIGHTS = 64,
    CLAIMED_WRITES_MAX = 1 << 14, /* of a history; more are not asked */
    CLAIMED_READS_MAX = 1 << 14,
    CLAIMED_TEXT_BYTES = 256,
};

/* What the chain holds: the id of the last write, and by height that of the block's; 0: none. */
struct claimed_state {
    uint64_t last, height;
    uint64_t blocks[CLAIMED_HEIGHTS + 1];
};

enum claimed_end { CLAIMED_UNKNOWN, CLAIMED_DONE, CLAIMED_REFUSED };

struct claimed_write {
    uint64_t id;
    uint64_t height; /* behind it */
    bool is_rollback;
    enum claimed_end end;
    uint64_t began, ended;
};

struct claimed_read {
    uint64_t began, ended;
    uint64_t last, height;
};

struct claimed_history {
    struct claimed_state before, after;
    struct claimed_write writes[CLAIMED_WRITES_MAX]; /* as they were asked */
    struct claimed_read reads[CLAIMED_READS_MAX];    /* as they were answered */
    size_t write_count, read_count;
    char objection[CLAIMED_TEXT_BYTES];
};

void claimed_apply(struct claimed_state *state, const struct claimed_write *write);
/* False: the contract is broken, and the objection says by what. */
bool claimed_judge(struct claimed_history *history);

/* A history that is right, and faults that it may have. */
void claimed_example(struct claimed_history *ret_history);
struct claimed_fault {
    const char *what;
    void (*plant)(struct claimed_history *history);
};
extern const struct claimed_fault claimed_faults[];
extern const size_t claimed_fault_count;

#endif
