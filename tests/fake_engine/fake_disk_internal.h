/* What fake_disk.c and fake_engine.c share: the disk's state, and how a call passes by its faults and gates. */
#ifndef TESTS_FAKE_DISK_INTERNAL_H
#define TESTS_FAKE_DISK_INTERNAL_H

#include <pthread.h>

#include "daemon/engine/engine_type.h"
#include "tests/fake_engine/fake_disk.h"
#include "tests/fake_engine/fake_map.h"
#include "tests/lib/random.h"

enum { FAKE_WAITING_MAX = 32 };

/* All under the lock, but what is fixed. Writes are numbered from 1; synced <= written <= logged <= written + 1. */
struct fake_disk {
    /* fixed */
    char *path;
    struct fake_disk *next; /* under the registry's lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* what it holds */
    bool has_store;
    struct fake_map map;
    uint64_t synced;  /* the last write on the device */
    uint64_t written; /* the last that was told as done: what reads see */
    uint64_t logged;  /* written, or one more that is in doubt */

    /* of the run */
    struct engine *engine; /* open, or NULL */
    bool is_over;          /* a write or sync was in doubt, or the run was killed or cut */
    bool is_cut;
    uint64_t kept; /* is_cut: the last write that the cut left */

    /* what is to go wrong */
    struct random_source random[FAKE_CALLS + 1]; /* a source for each call, and one for the rest */
    uint64_t calls[FAKE_CALLS];
    unsigned waiting[FAKE_CALLS][FAKE_FAULTS][FAKE_WAITING_MAX]; /* how many calls from now; 0: free */
    unsigned chance_percent[FAKE_CALLS][FAKE_FAULTS];
    uint64_t run;                   /* the last that began on it */
    enum status background_failure; /* for the next engine_background_failed */
    struct slice cold_from, cold_to;
    struct fake_gate {
        bool is_closed;
        uint64_t arrived;  /* how many have stood there */
        uint64_t admitted; /* how many of these, in the order in which they came, may go on */
        fake_hook_fn *hook;
        void *context;
    } gates[FAKE_CALLS][FAKE_MOMENTS];
};

enum { FAKE_OTHER = FAKE_CALLS };

/* The disk of a path; with `create` made, from seed 0, if there is none. */
struct fake_disk *fake_disk_of(const char *path, bool create);

void fake_disk_lock(struct fake_disk *disk);
void fake_disk_unlock(struct fake_disk *disk);

/* A call begins: counts it, and says which faults it meets. Lock held; it is let go of meanwhile. FAKE_BLOCKS is only
 * looked at if `can_be_blocked`. */
void fake_disk_begin(struct fake_disk *disk, enum fake_call call, bool can_be_blocked,
                     bool ret_faults[static FAKE_FAULTS]);
/* Its effect is there. Lock held; it is let go of meanwhile. */
void fake_disk_end(struct fake_disk *disk, enum fake_call call);

bool fake_disk_is_cold(const struct fake_disk *disk, struct slice key);

/* Between two runs: what the last one's end left is all there is. */
void fake_disk_recover(struct fake_disk *disk);

/* Lets go on what stands at the gate, without opening it for others. Lock held. */
void fake_disk_wake(struct fake_disk *disk, enum fake_call call, enum fake_moment moment);

#endif
