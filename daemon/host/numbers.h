/* The numbers of a store: which run of the daemon this is, with 64 bits that its start draws, and up to which sequence number they
 * are reserved. They are kept in cairn.numbers, a mirrored file beside the database, so that they never go back, not even when the
 * log is lost, and so that a start takes no disk space for them. FORMAT.md has its bytes.
 *
 * - Made with the store, or when a store of format 1 is converted.
 * - A start opens them before it opens anything else, and begins the next run.
 * - While it runs, more sequence numbers are reserved before they are given out.
 *
 * Opened and closed by main, begun by the loop; then numbers_reserve is the writer's, and what is known of runs is read only. */
#ifndef DAEMON_NUMBERS_H
#define DAEMON_NUMBERS_H

#include "daemon/host/mirrored_file.h"
#include "daemon/host/reserve.h"
#include "daemon/runtime/failure.h"
#include "proto/limits.h"

#define NUMBERS_NAME "cairn.numbers"

/* Greater numbers are never given: one on disk is damage, and the next one might wrap. */
#define NUMBERS_MAX (UINT64_MAX / 2)

/* Sequence numbers that are reserved at once. Each start takes fresh ones: 63 bits last for two billion starts. */
#define NUMBERS_RESERVE (UINT64_C(1) << 32)

enum {
    NUMBERS_RUNS = 1024, /* how many runs are remembered */
    NUMBERS_RUN_BYTES = 3 * 8,
    NUMBERS_RECORD_BYTES = STORE_ID_BYTES + 2 * 8 + NUMBERS_RUNS * NUMBERS_RUN_BYTES,
};

struct numbers_run {
    uint64_t random;           /* drawn by its start; 0: by none, as the run was of format 1 */
    uint64_t first_sequence;   /* the first sequence number of the run */
    uint64_t metadata_on_disk; /* the greatest number of queued metadata that its start found on disk */
    /* the store was open for reading, and no run was remembered by which a client could have come that knows of a write */
    bool only_read;
};

struct numbers {
    /* fixed after the run has begun */
    uint8_t store_id[STORE_ID_BYTES];
    bool is_by_clock;                      /* made by numbers_renew, since the file was opened */
    uint64_t run;                          /* the last that began; 0: none */
    struct numbers_run runs[NUMBERS_RUNS]; /* by the run's number modulo NUMBERS_RUNS */
    struct reserve *reserve; /* given back where an overwrite takes space all the same; or NULL */
    /* writer thread, once that runs */
    uint64_t reserved_through; /* sequence numbers up to it are given, or lost */
    struct mirrored_file file;
    uint8_t record[NUMBERS_RECORD_BYTES]; /* where the file's record is put together */
};

enum numbers_result {
    NUMBERS_OK,
    NUMBERS_DAMAGED,  /* the file is gone, neither of its copies is whole, or it is of another store */
    NUMBERS_IO_ERROR, /* the system refused a call, as on a read-only file system */
};

/* Opens the file in the store's directory. After any result but NUMBERS_OK it is closed, nothing was touched, and the failure says
 * what, why and what to do. */
enum numbers_result numbers_open(int directory_fd, const uint8_t *store_id, struct numbers *ret_numbers,
                                 struct failure *failure) MUST_CHECK;

/* Opens the file if it is there though the store's stamp says that it has none yet, and is no older than those that would be made: the
 * stamp was put back from a copy, or a start ended between the two. False: `numbers` is as it was, closed. */
bool numbers_open_newer(int directory_fd, struct numbers *numbers);

/* Makes the file from `numbers`: its store_id, run, runs and reserved_through are set, and it is closed. Ends as numbers_open. */
enum numbers_result numbers_make(int directory_fd, struct numbers *numbers,
                                 struct failure *failure) MUST_CHECK;

/* Numbers for a store whose own are lost, for numbers_make: no run is remembered, so that clients take it for another store. They go
 * by the clock, in seconds since 1970: more have passed than there were starts, which is what runs and numbers count by. False: such a
 * clock is wrong, as it leaves no numbers. */
bool numbers_renew(uint64_t now_s, struct numbers *ret_numbers) MUST_CHECK;

/* Begins the next run, durably: draws its bits, and reserves numbers for it behind all that were reserved.
 *
 * False: the file was not written, or the system gave no random bits. The next start takes the run's number, or the one behind it. */
bool numbers_begin_run(struct numbers *numbers, uint64_t metadata_on_disk, bool only_reads,
                       struct failure *failure) MUST_CHECK;

/* Forgets the bits of all runs behind that one: what they were told is durable need not be in the store. With `spares_readers` not those of
 * runs that only read: all runs before them were forgotten in time, so their clients know it, and have written nothing since. That was
 * decided when each began: later a run before it may be too long ago to be remembered. Written with the next run. False: there were none. */
bool numbers_forget_runs(struct numbers *numbers, uint64_t behind, bool spares_readers);

/* Reserves sequence numbers up to there, durably. False: it is not known to be on the device. Writer. */
bool numbers_reserve(struct numbers *numbers, uint64_t through, struct failure *failure) MUST_CHECK;

/* What is remembered of a run that has begun; NULL: nothing. Any thread. */
const struct numbers_run *numbers_run(const struct numbers *numbers, uint64_t run);

/* Whether the run is one of this store, by its number and its bits. A run without bits is none. Any thread. */
bool numbers_knows_run(const struct numbers *numbers, uint64_t run, uint64_t random);

/* Accepts a closed one: its file's fd is -1. */
void numbers_close(struct numbers *numbers);

#endif
