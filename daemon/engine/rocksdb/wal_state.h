/* What the engine knows of its log (WAL) from outside of it: a file beside the database, PATH.state, of fixed size, which is
 * overwritten in place and takes no space after it was made.
 *
 * - An open of the store reads it first. A store of an earlier version, or one that lost the file, has none: then nothing is known.
 * - When the open has recovered the log and brought it to the device it writes how far that is; so does a close, and from time
 *   to time what maintains the store: a mark in the log goes with the log, if that is cut short or lost. In between, what syncs the
 *   log notes it without waiting, often enough that a kill loses little of it.
 * - The first failed write or sync is noted there, for good: what the page cache shows of the log need not be on the device.
 *   The next open writes the log anew, and then writes the state without the note.
 * - A loss that is accepted is noted before anything is given up, until a run begins: a start that is cut short in between leaves the
 *   next one to tell earlier runs of it.
 *
 * Any thread, but for opening and closing. */
#ifndef DAEMON_WAL_STATE_H
#define DAEMON_WAL_STATE_H

#include "daemon/host/mirrored_file.h"
#include "daemon/runtime/failure.h"
#include "daemon/runtime/thread.h"

struct wal_record {
    uint64_t store; /* the number that the store's marks have (wal_mark.h) */
    /* the daemon's last run that began, 0 for none: not the engine's own, but kept outside of what it counts */
    uint64_t run;
    uint64_t synced; /* RocksDB's sequence number up to which everything was synced, */
    bool has_failed; /* and then a write or sync failed */
    bool has_lost;   /* a loss was accepted, and no run has begun since */
};

struct wal_state {
    /* fixed after start */
    int directory_fd;
    char name[MIRRORED_NAME_BYTES_MAX + 1];
    bool is_known; /* the open found it */
    uint64_t store;
    /* under lock */
    struct mutex lock;
    struct mirrored_file file; /* closed: there is none yet */
    struct wal_record
        record;     /* as in the file, but run, failure and loss: those are what is to be written next */
    uint64_t noted; /* what was noted as synced since, without waiting for the device */
};

/* Opens it for the database at `path`; it need not be there, nor be whole. `is_known` and `record` say what was found. False: the
 * directory cannot be read, and nothing is held. */
bool wal_state_open(const char *path, struct wal_state *ret_state, struct failure *failure) MUST_CHECK;

/* Writes that everything up to that number is synced, and that no write or sync has failed; makes the file if there is none. False: the
 * file may have the old or the new record. Waits for the device. */
bool wal_state_renew(struct wal_state *state, uint64_t synced, struct failure *failure) MUST_CHECK;

/* Writes the number into the file, if it is greater than the one there and no failure is noted. Waits for the device. */
void wal_state_advance(struct wal_state *state, uint64_t synced);

/* As wal_state_advance, but in the page cache only. That outlives the process, so that after a kill the number is nearly up to date. Waits
 * for nothing: while another thread writes the file, it does nothing. */
void wal_state_note(struct wal_state *state, uint64_t synced);

/* Notes that a loss is accepted. If there is no file, wal_state_renew writes that into the one that it makes. False: the file may have the
 * note or not. Waits for the device. */
bool wal_state_note_loss(struct wal_state *state, struct failure *failure) MUST_CHECK;

/* Writes the number of the run that begins, and takes back the note of a loss. If there is no file, or writing it fails, the next write
 * of the file does both. Waits for the device. */
void wal_state_begin_run(struct wal_state *state, uint64_t run);

/* Notes that a write or sync failed, if the file can still be written. Waits for the device. */
void wal_state_note_failure(struct wal_state *state);

/* Accepts a closed one: its directory_fd is -1. */
void wal_state_close(struct wal_state *state);

#endif
