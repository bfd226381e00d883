/* The record is written whole each time: 24 KiB, at each start and once in two billion sequence numbers. The file keeps its size. Where an
 * overwrite takes space all the same, as of a file that shares its blocks with a copy, and there is none, the reserve is given back for it.
 *
 * Ways to fail: what cannot be read or is damaged ends the start, before anything else is opened. A write that fails leaves the
 * record of before or the new one, so a run or numbers may be skipped and are never given twice. */
#include "daemon/host/numbers.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/host/stamp.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/record.h"

/* ---- the record ---- */

#define ONLY_READ                                                                                            \
    (UINT64_C(1) << 63) /* a bit of the field that holds a run's first number, which is always less than it */

static void put(struct numbers *numbers)
{
    assert(numbers->run <= NUMBERS_MAX && numbers->reserved_through <= NUMBERS_MAX);
    uint8_t *at = numbers->record;
    memcpy(at, numbers->store_id, STORE_ID_BYTES);
    at += STORE_ID_BYTES;
    record_put_u64(numbers->run, at);
    record_put_u64(numbers->reserved_through, at + 8);
    at += 2 * 8;
    for (size_t i = 0; i < NUMBERS_RUNS; i++, at += NUMBERS_RUN_BYTES) {
        const struct numbers_run *run = &numbers->runs[i];
        record_put_u64(run->random, at);
        record_put_u64(run->first_sequence | (run->only_read ? ONLY_READ : 0), at + 8);
        record_put_u64(run->metadata_on_disk, at + 16);
    }
    assert(at == numbers->record + sizeof numbers->record); /* FORMAT.md's length */
}

static void take(struct numbers *numbers)
{
    const uint8_t *at = numbers->record;
    memcpy(numbers->store_id, at, STORE_ID_BYTES);
    at += STORE_ID_BYTES;
    numbers->run = record_get_u64(at);
    numbers->reserved_through = record_get_u64(at + 8);
    at += 2 * 8;
    for (size_t i = 0; i < NUMBERS_RUNS; i++, at += NUMBERS_RUN_BYTES) {
        uint64_t first = record_get_u64(at + 8);
        numbers->runs[i] = (struct numbers_run){
            .random = record_get_u64(at),
            .first_sequence = first & ~ONLY_READ,
            .metadata_on_disk = record_get_u64(at + 16),
            .only_read = (first & ONLY_READ) != 0,
        };
    }
    assert(at == numbers->record + sizeof numbers->record);
}

/* ---- opening ---- */

static enum numbers_result damaged(const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_DAMAGED,
                NUMBERS_NAME
                ": %s. It keeps numbers from being given twice: restore the whole directory, or give "
                "--accept-loss for one start with new numbers, higher than any before. Nothing was touched",
                what);
    return NUMBERS_DAMAGED;
}

static enum numbers_result refused(const char *what, struct failure *failure)
{
    assert(errno != 0); /* the text ends with the reason */
    failure_set(failure, exit_code_status_of_errno(errno), NUMBERS_NAME ": cannot be %s: %s", what,
                strerror(errno));
    return NUMBERS_IO_ERROR;
}

enum numbers_result numbers_open(int directory_fd, const uint8_t *store_id, struct numbers *ret_numbers,
                                 struct failure *failure)
{
    const char *what = NULL;
    ret_numbers->file.fd = -1;
    ret_numbers->reserve = NULL;
    switch (mirrored_file_open(directory_fd, NUMBERS_NAME, sizeof ret_numbers->record, &ret_numbers->file,
                               ret_numbers->record)) {
    case MIRRORED_OK:
        break;
    case MIRRORED_ABSENT:
        return damaged("the file is gone", failure);
    case MIRRORED_DAMAGED:
        return damaged("both of its copies are damaged", failure);
    case MIRRORED_IO_ERROR:
        return refused("opened and read", failure);
    }
    take(ret_numbers);
    if (memcmp(ret_numbers->store_id, store_id, STORE_ID_BYTES) != 0) {
        what = "it is of another store than " STAMP_NAME;
    } else if (ret_numbers->run > NUMBERS_MAX || ret_numbers->reserved_through > NUMBERS_MAX) {
        what = "its numbers were never given";
    }
    if (what != NULL) {
        numbers_close(ret_numbers);
        return damaged(what, failure);
    }
    assert(ret_numbers->file.fd >= 0); /* callers tell by it that the numbers are open */
    return NUMBERS_OK;
}

bool numbers_open_newer(int directory_fd, struct numbers *numbers)
{
    static struct numbers found; /* too large for a function's stack; there is one start */
    struct failure ignored;
    assert(numbers->file.fd < 0);
    if (numbers_open(directory_fd, numbers->store_id, &found, &ignored) != NUMBERS_OK) {
        return false;
    }
    bool is_newer = found.run > 0 && found.reserved_through >= numbers->reserved_through;
    if (is_newer) {
        *numbers = found;
    } else {
        numbers_close(&found);
    }
    return is_newer;
}

enum numbers_result numbers_make(int directory_fd, struct numbers *numbers, struct failure *failure)
{
    uint8_t store_id[STORE_ID_BYTES];
    assert(numbers->file.fd < 0);
    memcpy(store_id, numbers->store_id, sizeof store_id);
    put(numbers);
    if (mirrored_file_make(directory_fd, NUMBERS_NAME, numbers->record, sizeof numbers->record) !=
        MIRRORED_OK) {
        return refused("made", failure);
    }
    return numbers_open(directory_fd, store_id, numbers, failure);
}

void numbers_close(struct numbers *numbers)
{
    mirrored_file_close(&numbers->file);
}

/* A second counts for half of the NUMBERS_RESERVE numbers that a start reserves, so the clock is ahead of all that was given as long as
 * starts, averaged since 1970, are more than two seconds apart. */
bool numbers_renew(uint64_t now_s, struct numbers *ret_numbers)
{
    if (now_s >= NUMBERS_MAX / (NUMBERS_RESERVE / 2)) { /* in 2106 */
        return false;
    }
    *ret_numbers = (struct numbers){
        .is_by_clock = true,
        .run = now_s,
        .reserved_through = now_s * (NUMBERS_RESERVE / 2),
        .file = {.fd = -1},
    };
    return true;
}

/* ---- runs and numbers ---- */

static bool write_file(struct numbers *numbers, struct failure *failure)
{
    put(numbers);
    bool is_written = mirrored_file_write(&numbers->file, numbers->record) == MIRRORED_OK;
    if (!is_written && (errno == ENOSPC || errno == EDQUOT) && numbers->reserve != NULL &&
        reserve_give(numbers->reserve)) {
        is_written = mirrored_file_write(&numbers->file, numbers->record) == MIRRORED_OK;
    }
    if (!is_written) {
        failure_set(failure, STATUS_IO_ERROR, NUMBERS_NAME ": cannot be written: %s%s", strerror(errno),
                    exit_code_cure_of_errno(errno));
        return false;
    }
    return true;
}

/* Whether a client of the next run may know of a write: a run that is remembered wrote, or may have clients that came from one that did. */
static bool may_have_writes(const struct numbers *numbers)
{
    for (size_t i = 0; i < NUMBERS_RUNS; i++) {
        const struct numbers_run *run = &numbers->runs[i];
        if (run->random != 0 && !run->only_read) {
            return true;
        }
    }
    return false;
}

bool numbers_begin_run(struct numbers *numbers, uint64_t metadata_on_disk, bool only_reads,
                       struct failure *failure)
{
    assert(numbers->file.fd >= 0);
    struct numbers_run run = {
        .first_sequence = numbers->reserved_through + 1,
        .metadata_on_disk = metadata_on_disk,
        .only_read = only_reads && !may_have_writes(numbers),
    };
    if (numbers->run >= NUMBERS_MAX || numbers->reserved_through > NUMBERS_MAX - NUMBERS_RESERVE) {
        failure_set(failure, STATUS_INVALID, "all numbers of runs and writes are used up: make a new store");
        return false;
    }
    do {
        if (getrandom(&run.random, sizeof run.random, 0) != sizeof run.random) {
            failure_set(failure, STATUS_IO_ERROR, "no random bits for this run: %s", strerror(errno));
            return false;
        }
    } while (run.random == 0); /* which says that there are none */
    numbers->run++;
    numbers->reserved_through += NUMBERS_RESERVE;
    numbers->runs[numbers->run % NUMBERS_RUNS] = run;
    return write_file(numbers, failure);
}

bool numbers_forget_runs(struct numbers *numbers, uint64_t behind, bool spares_readers)
{
    assert(behind <= numbers->run);
    bool has_forgotten = false;
    uint64_t first = numbers->run >= NUMBERS_RUNS ? numbers->run - NUMBERS_RUNS + 1 : 1;
    for (uint64_t i = first; i <= numbers->run; i++) {
        struct numbers_run *run = &numbers->runs[i % NUMBERS_RUNS];
        bool is_kept = i <= behind || (spares_readers && run->only_read);
        has_forgotten |= !is_kept && run->random != 0;
        run->random = is_kept ? run->random : 0;
    }
    return has_forgotten;
}

bool numbers_reserve(struct numbers *numbers, uint64_t through, struct failure *failure)
{
    assert(thread_is(THREAD_WRITER));
    assert(through > numbers->reserved_through && through <= NUMBERS_MAX);
    numbers->reserved_through = through;
    return write_file(numbers, failure);
}

const struct numbers_run *numbers_run(const struct numbers *numbers, uint64_t run)
{
    bool is_known = run >= 1 && run <= numbers->run && numbers->run - run < NUMBERS_RUNS;
    return is_known ? &numbers->runs[run % NUMBERS_RUNS] : NULL;
}

bool numbers_knows_run(const struct numbers *numbers, uint64_t run, uint64_t random)
{
    const struct numbers_run *known = numbers_run(numbers, run);
    return known != NULL && random != 0 && known->random == random;
}
