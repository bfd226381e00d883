/* What rocks_background.c keeps of failures in RocksDB's own threads; rocks.h has its functions. Writer thread only. */
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
    uint64_t errors; /* that RocksDB had counted at the last look */
    uint64_t flush_asked_us;
    enum rocks_compactions compactions;
    uint64_t pause_us;      /* the last pause of compactions */
    uint64_t compact_at_us; /* while they are paused: its end; UINT64_MAX: the next start */
    bool has_failure;       /* rocks_background_failed has not told it yet */
    struct failure failure;
};

#endif
