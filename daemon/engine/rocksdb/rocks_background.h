/* Failures in RocksDB's own threads: what is kept of them, and what is asked. Writer thread only, unless it says so. */
#ifndef DAEMON_ROCKS_BACKGROUND_H
#define DAEMON_ROCKS_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/runtime/failure.h"

enum rocks_compactions {
    ROCKS_COMPACTIONS_RUN,
    ROCKS_COMPACTIONS_PAUSED,
    ROCKS_COMPACTIONS_TRIED, /* they run again, and young tables do not hold up writes */
};

struct rocks_background {
    uint64_t errors;         /* that RocksDB had counted at the last look */
    uint64_t flush_asked_us; /* when a flush was last asked for, as one had failed, */
    uint64_t flush_wait_us;  /* and how long it is until the next; 0: none has failed since one went well */
    bool are_buffers_many;   /* as many as it takes, so that asking for a flush does not wait for one */
    enum rocks_compactions compactions;
    uint64_t pause_us;      /* the last pause of compactions */
    uint64_t compact_at_us; /* while they are paused: its end; UINT64_MAX: the next start */
    bool has_failure;       /* rocks_background_failed has not told it yet */
    struct failure failure;
};

struct engine;
struct rocks;

/* Once the store is open, before the first write. */
void rocks_background_begin(struct rocks *rocks);

/* Before a write of so many bytes: sees what failed in the background, and whether the write may be begun. False: `failure` says why
 * not. Writer. */
bool rocks_background_allows(struct rocks *rocks, size_t bytes, struct failure *failure) MUST_CHECK;

/* Closes the active write buffer, if anything is in it, and begins to flush what is closed. Does not wait for that, but for
 * compactions that would hold up writes. Any thread. */
bool rocks_close_write_buffer(struct rocks *rocks, struct failure *failure) MUST_CHECK;

/* What the newest of `errors` failures was: `doing`, and the text that RocksDB wrote for it. STATUS_NO_SPACE, STATUS_DAMAGED,
 * STATUS_IO_ERROR. Waits a tenth of a second at most for that text. Any thread. */
void rocks_background_describe(const struct rocks *rocks, uint64_t errors, const char *doing,
                               struct failure *ret_failure);

/* Whether a flush has failed and none has gone well since. Any thread. */
bool rocks_flush_has_failed(const struct rocks *rocks);

/* Whether a flush is known to fail, or something failed since the last look. Writer. */
bool rocks_background_has_news(const struct rocks *rocks);
bool rocks_background_failed(struct engine *engine, struct failure *ret_failure);

#endif
