/* What the fake engine writes to, and what goes wrong there: for tests. Life:
 *
 * - fake_disk_new makes an empty disk for a path; engine_fake opens the store there with that path, over and over. What it
 *   wrote lasts until fake_disk_free.
 * - Each write that ends as ENGINE_DONE is in the log, and a sync brings to the device what the log holds. fake_disk_kill and
 *   fake_disk_cut end the run that is open: it goes on reading, so that its owners can be taken down in order, but
 *   each write is ENGINE_UNKNOWN and leaves nothing. The next open finds what the log held, or what survived the cut.
 * - Faults, gates and hooks are set for a kind of call. They outlive close and open.
 *
 * Every choice is drawn from the disk's seed, with a source for each kind of call: a schedule repeats as long as the calls of
 * a kind come in one order. What steers that order with several threads is a gate: nothing here looks at a clock.
 *
 * Any thread may call any of it. */
#ifndef TESTS_FAKE_DISK_H
#define TESTS_FAKE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/schema/slice.h"
#include "proto/status.h"

struct fake_disk;

/* No disk has that path yet. It is copied. */
struct fake_disk *fake_disk_new(const char *path, uint64_t seed);
/* Another disk with what this one holds, as a copy of all files: what the next open finds on either is the same. No engine is open on
 * it; its faults, gates and hooks are not copied. */
struct fake_disk *fake_disk_copy(struct fake_disk *disk, const char *path, uint64_t seed);
/* No engine is open on it. Accepts NULL. */
void fake_disk_free(struct fake_disk *disk);

/* ---- faults ---- */

enum fake_call {
    FAKE_LOOK,
    FAKE_OPEN,
    FAKE_GET,
    FAKE_NEXT, /* a cursor's move */
    FAKE_WRITE,
    FAKE_SYNC,
    FAKE_RECLAIM,
    FAKE_MAINTAIN,
    FAKE_CALLS,
};

enum fake_fault {
    FAKE_FAILS, /* ENGINE_FAILED; of a write ENGINE_NOT_APPLIED, STATUS_NO_SPACE; not for syncs and maintenance */
    FAKE_LACKS_MEMORY, /* a write: ENGINE_NOT_APPLIED, STATUS_BUSY */
    FAKE_IN_DOUBT, /* a write: ENGINE_UNKNOWN, and the next open finds it or not. A sync: ENGINE_UNKNOWN */
    FAKE_BLOCKS,   /* a get with ENGINE_NO_IO: ENGINE_WOULD_BLOCK; others do not count */
    FAKE_FAULTS,
};

/* The nth call of that kind from now (1: the next) meets the fault, once. Several may wait. */
void fake_disk_fault(struct fake_disk *disk, enum fake_call call, enum fake_fault fault, unsigned nth);
/* Each call of that kind meets it in so many of 100 cases, from now on. */
void fake_disk_chance(struct fake_disk *disk, enum fake_call call, enum fake_fault fault, unsigned percent);
/* Keys from `from` to `to` (excluded) are not in memory: ENGINE_NO_IO cannot answer for them. Replaces the range
 * before; both are copied. */
void fake_disk_set_cold(struct fake_disk *disk, struct slice from, struct slice to);

/* Something that the engine does by itself fails, once, with that status. */
void fake_disk_fail_background(struct fake_disk *disk, enum status status);

/* ---- the end of a run ---- */

/* The process dies: all that is in the log stays, and of a write in doubt all or nothing. */
void fake_disk_kill(struct fake_disk *disk);
/* Power is cut: of what was not synced the first few writes stay, none perhaps, or all. */
void fake_disk_cut(struct fake_disk *disk);

/* ---- gates and hooks: when a call goes on ---- */

enum fake_moment {
    FAKE_BEFORE, /* nothing is done yet */
    FAKE_AFTER,  /* it has taken effect, and its caller does not know */
    FAKE_MOMENTS,
};

/* Calls that reach that moment stop there. engine_stop_maintenance lets those of reclaim and maintain go on. */
void fake_disk_close_gate(struct fake_disk *disk, enum fake_call call, enum fake_moment moment);
/* Waits until a call stands at the gate. */
void fake_disk_await(struct fake_disk *disk, enum fake_call call, enum fake_moment moment);
/* Lets one go on that stands there; the next stops again. */
void fake_disk_let_through(struct fake_disk *disk, enum fake_call call, enum fake_moment moment);
/* Lets all go on, and those that come. */
void fake_disk_open_gate(struct fake_disk *disk, enum fake_call call, enum fake_moment moment);

/* Called in the calling thread at each call that reaches that moment, before the gate; it may use the engine. NULL: none. */
typedef void fake_hook_fn(void *context);
void fake_disk_hook(struct fake_disk *disk, enum fake_call call, enum fake_moment moment, fake_hook_fn *hook,
                    void *context);

/* ---- what happened ---- */

/* How many calls of that kind have begun. */
uint64_t fake_disk_calls(struct fake_disk *disk, enum fake_call call);
/* Writes that the log holds and the device does not. */
uint64_t fake_disk_unsynced(struct fake_disk *disk);

#endif
