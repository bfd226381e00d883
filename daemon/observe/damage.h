/* Damage: what of the store could not be read since the start, for status page, health and log.
 *
 * - A handler that told a client that something could not be read notes the failure here, with the request that met it.
 * - It is counted each time, and logged once for each file that the failure's text names.
 *
 * Loop only. Nothing here fails. */
#ifndef DAEMON_DAMAGE_H
#define DAEMON_DAMAGE_H

#include <stdint.h>

#include "daemon/runtime/failure.h"

enum damage_met_by {
    DAMAGE_READ,       /* a read or a stream, which ended with it */
    DAMAGE_WRITE,      /* a write of the commit lane, which was refused */
    DAMAGE_RAISE,      /* a queued raise, which was left out */
    DAMAGE_BACKGROUND, /* work that nobody asked for, such as the sweep behind a prune or a compaction */
    DAMAGE_MET_BY,
};

struct damage;

struct damage *damage_new(void);
/* Accepts NULL. */
void damage_free(struct damage *damage);

/* STATUS_DAMAGED, or STATUS_IO_ERROR for a device that does not read; of any other status nothing is noted. */
void damage_note(struct damage *damage, enum damage_met_by met_by, const struct failure *failure);

/* How often that met damage or a device that does not read. */
uint64_t damage_count(const struct damage *damage, enum damage_met_by met_by);

/* How many files are known to be damaged; one more for failures whose text names none. */
uint64_t damage_files(const struct damage *damage);

/* The last failure's text; NULL: nothing was noted. */
const char *damage_text(const struct damage *damage);

#endif
