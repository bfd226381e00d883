/* The reserve: a file in the data directory whose blocks are really allocated, so that they can be given back when the file system
 * is full; and what is free beside it.
 *
 * - It is opened with the data directory, and holds what the run before left in it.
 * - While there is room it is set aside, a step at a time, up to the size that its caller wants.
 * - When others have taken what is free, who needs room takes it from the end of the file, no more than it needs.
 *
 * - Behind a quota it is refused a step that the file system has room for. From then on free is what was measured, by allocating it,
 *   while nobody uses what room was made for.
 *
 * Threads: reserve_open and reserve_close at the start and the end. reserve_is_ample and reserve_held_bytes are free to any; the
 * others wait for the disk, so they are not for a loop that serves. */
#ifndef DAEMON_RESERVE_H
#define DAEMON_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

#define RESERVE_NAME "cairn.reserve"

struct reserve;

/* What the file system has. */
struct reserve_space {
    uint64_t all_bytes;
    uint64_t free_bytes; /* UINT64_MAX: the system does not say; once it is refused, what is to be had */
    uint64_t free_files; /* how many more may be made; UINT64_MAX: it does not say, or knows no bound */
};

/* Never NULL. A file that cannot be made leaves a reserve that holds nothing. The directory is borrowed until reserve_close. */
struct reserve *reserve_open(int directory_fd);
/* Accepts NULL. The file stays, with what it holds. */
void reserve_close(struct reserve *reserve);

/* Asks the file system. */
struct reserve_space reserve_look(struct reserve *reserve);

/* What the file holds. */
uint64_t reserve_held_bytes(const struct reserve *reserve);

/* Counts bytes that were written since the file system was asked, and says whether surely more than `needed_bytes` are free all the
 * same, as of then. Without a call of the system. */
bool reserve_is_ample(struct reserve *reserve, uint64_t written_bytes, uint64_t needed_bytes);

/* Around making room and using it: nothing is measured meanwhile. One thread at a time; waits for a measurement. */
void reserve_begin_use(struct reserve *reserve);
void reserve_end_use(struct reserve *reserve);

/* Whether so many bytes are free, and some files may be made with them, if need be after giving back some of the file: all but
 * `kept_bytes` of it. */
bool reserve_make_room(struct reserve *reserve, uint64_t bytes, uint64_t kept_bytes) MUST_CHECK;

/* Gives all of it back, where a write found no room though the system says that there is some: a quota has a bound of its own. False: it
 * held nothing. */
bool reserve_give(struct reserve *reserve) MUST_CHECK;

/* Sets one step more aside, up to `wanted_bytes` in all, if `spared_bytes` are free behind that. False: there is nothing to do, or
 * no room for it, or it is refused. */
bool reserve_set_aside(struct reserve *reserve, uint64_t wanted_bytes, uint64_t spared_bytes);

/* Gives back what it holds beyond so much. */
void reserve_keep(struct reserve *reserve, uint64_t bytes);

/* Whether a step was refused though the system says that there is room, as behind a quota, and since then `tried_bytes` could not be
 * had. */
bool reserve_is_refused(const struct reserve *reserve);

/* Where it is refused: tries whether the file could grow to `tried_bytes`, which ends that, and keeps up to `wanted_bytes` of it, or what
 * leaves `spared_bytes` to be had, or what it held. `is_quiet`: nobody makes files; then what could be had is measured, else it is only
 * tried for a moment. */
void reserve_measure(struct reserve *reserve, uint64_t wanted_bytes, uint64_t tried_bytes,
                     uint64_t spared_bytes, bool is_quiet);

#endif
