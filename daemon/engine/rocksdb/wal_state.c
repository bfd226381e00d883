/* The record of the file, 24 bytes: a version (1), whether a write or sync failed and whether a loss was accepted (1), the daemon's last run
 * (6), the store's number (8), and up to where everything was synced (8). FORMAT.md has it too.
 *
 * Ways to fail: a file that is damaged counts as none, and is made anew. A failure that cannot be noted is forgotten with the
 * process. A number that cannot be written leaves a smaller one, with which less damage is found. */
#include "daemon/engine/rocksdb/wal_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/schema/record.h"

enum { RECORD_VERSION = 1, RECORD_BYTES = 24, RUN_AT = 2, RUN_BYTES = 6 };
enum { HAS_FAILED = 1, HAS_LOST = 2 }; /* bits of the second byte */

#define NAME_SUFFIX ".state"

static bool fail(const char *doing, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "opening the store: what is known of its log cannot be %s: %s",
                doing, strerror(errno));
    return false;
}

static void write_record(const struct wal_record *record, uint8_t *ret_bytes)
{
    uint8_t run[8];
    assert(record->run >> 8 * RUN_BYTES == 0); /* two billion starts a second for a day */
    record_put_u64(record->run, run);
    memcpy(ret_bytes + RUN_AT, run + sizeof run - RUN_BYTES, RUN_BYTES);
    ret_bytes[0] = RECORD_VERSION;
    ret_bytes[1] = (uint8_t)((record->has_failed ? HAS_FAILED : 0) | (record->has_lost ? HAS_LOST : 0));
    record_put_u64(record->store, ret_bytes + 8);
    record_put_u64(record->synced, ret_bytes + 16);
}

static bool read_record(const uint8_t *bytes, struct wal_record *ret_record)
{
    if (bytes[0] != RECORD_VERSION || bytes[1] > (HAS_FAILED | HAS_LOST)) {
        return false;
    }
    uint8_t run[8] = {0};
    memcpy(run + sizeof run - RUN_BYTES, bytes + RUN_AT, RUN_BYTES);
    *ret_record = (struct wal_record){
        .store = record_get_u64(bytes + 8),
        .run = record_get_u64(run),
        .synced = record_get_u64(bytes + 16),
        .has_failed = (bytes[1] & HAS_FAILED) != 0,
        .has_lost = (bytes[1] & HAS_LOST) != 0,
    };
    return true;
}

/* Splits a path into the directory, which it opens, and the name in it. */
static bool open_directory(const char *path, struct wal_state *state)
{
    assert(state->directory_fd < 0); /* an open one would be lost */
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    int n = snprintf(state->name, sizeof state->name, "%s" NAME_SUFFIX, slash == NULL ? path : slash + 1);
    if ((size_t)n >= sizeof state->name || length >= sizeof parent - 1) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(parent, sizeof parent, "%.*s", (int)length, path);
    state->directory_fd = open(slash == NULL ? "."
                               : length == 0 ? "/"
                                             : parent,
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return state->directory_fd >= 0;
}

bool wal_state_open(const char *path, struct wal_state *ret_state, struct failure *failure)
{
    struct wal_state state = {.directory_fd = -1, .file.fd = -1};
    uint8_t bytes[RECORD_BYTES];
    if (!open_directory(path, &state)) {
        return fail("found", failure);
    }
    switch (mirrored_file_open(state.directory_fd, state.name, RECORD_BYTES, &state.file, bytes)) {
    case MIRRORED_OK:
        state.is_known = read_record(bytes, &state.record);
        break;
    case MIRRORED_ABSENT:
    case MIRRORED_DAMAGED:
        break;
    case MIRRORED_IO_ERROR:
        (void)fail("read", failure);
        close(state.directory_fd);
        return false;
    }
    state.store = state.record.store;
    if (!state.is_known) { /* the next write makes the file anew */
        mirrored_file_close(&state.file);
        if (getrandom(&state.store, sizeof state.store, GRND_NONBLOCK) != (ssize_t)sizeof state.store) {
            /* it only has to differ from other stores' */
            state.store = thread_now_ns() ^ (uint64_t)getpid() << 48;
        }
    }
    assert(state.is_known == (state.file.fd >= 0)); /* put makes the file where none is open */
    assert(state.is_known || !state.record.has_failed);
    *ret_state = state;
    mutex_init(&ret_state->lock);
    return true;
}

/* Writes a record, and remembers it if it was written. */
static bool put(struct wal_state *state, const struct wal_record *record)
{
    mutex_assert_held(&state->lock);
    assert(record->store == state->store); /* the marks in the log have it: they are read by it */
    uint8_t bytes[RECORD_BYTES], found[RECORD_BYTES];
    enum mirrored_result result = MIRRORED_OK;
    write_record(record, bytes);
    if (state->file.fd >= 0) {
        result = mirrored_file_write(&state->file, bytes);
    } else {
        result = mirrored_file_make(state->directory_fd, state->name, bytes, RECORD_BYTES);
        if (result == MIRRORED_OK) {
            result = mirrored_file_open(state->directory_fd, state->name, RECORD_BYTES, &state->file, found);
        }
    }
    assert(result != MIRRORED_OK || state->file.fd >= 0); /* from now on it is overwritten */
    if (result == MIRRORED_OK) {
        state->record = *record;
    }
    return result == MIRRORED_OK;
}

bool wal_state_renew(struct wal_state *state, uint64_t synced, struct failure *failure)
{
    assert(state->directory_fd >= 0);
    mutex_lock(&state->lock);
    struct wal_record record = state->record;
    record.store = state->store;
    record.synced = synced;
    record.has_failed = false;
    bool is_written = put(state, &record);
    if (!is_written) {
        (void)fail("written", failure);
    }
    assert(!is_written || !state->record.has_failed); /* the log is on the device: the note is taken back */
    mutex_unlock(&state->lock);
    return is_written;
}

void wal_state_advance(struct wal_state *state, uint64_t synced)
{
    assert(state->directory_fd >= 0);
    mutex_lock(&state->lock);
    struct wal_record record = state->record;
    record.synced = synced;
    if (state->file.fd >= 0 && !state->record.has_failed && synced > state->record.synced) {
        (void)put(state, &record);
    }
    mutex_unlock(&state->lock);
}

void wal_state_note(struct wal_state *state, uint64_t synced)
{
    uint8_t bytes[RECORD_BYTES];
    assert(state->directory_fd >= 0);
    if (!mutex_try_lock(&state->lock)) {
        return;
    }
    struct wal_record record = state->record;
    record.synced = synced;
    if (state->file.fd >= 0 && !record.has_failed && synced > state->noted) {
        write_record(&record, bytes);
        (void)!mirrored_file_note(&state->file, bytes); /* else the number of before is there */
        state->noted = synced;
    }
    mutex_unlock(&state->lock);
}

bool wal_state_note_loss(struct wal_state *state, struct failure *failure)
{
    assert(state->directory_fd >= 0);
    mutex_lock(&state->lock);
    state->record.has_lost = true;
    struct wal_record record = state->record;
    bool is_written = state->file.fd < 0 || put(state, &record);
    if (!is_written) {
        (void)fail("written", failure);
    }
    mutex_unlock(&state->lock);
    return is_written;
}

void wal_state_begin_run(struct wal_state *state, uint64_t run)
{
    mutex_lock(&state->lock);
    assert(run > state->record.run); /* runs count */
    /* also where it cannot be written: a later write does, or the next start would forget a run that served */
    state->record.run = run;
    state->record.has_lost = false;
    struct wal_record record = state->record;
    if (state->file.fd >= 0) {
        (void)put(state, &record);
    }
    mutex_unlock(&state->lock);
}

void wal_state_note_failure(struct wal_state *state)
{
    assert(state->directory_fd >= 0);
    mutex_lock(&state->lock);
    struct wal_record record = state->record;
    record.has_failed = true;
    record.synced = state->noted > record.synced ? state->noted : record.synced;
    if (state->file.fd >= 0 && !state->record.has_failed) {
        /* also where it cannot be written: nothing may say the contrary from here on */
        state->record.has_failed = true;
        (void)put(state, &record);
    }
    mutex_unlock(&state->lock);
}

void wal_state_close(struct wal_state *state)
{
    if (state->directory_fd < 0) {
        return;
    }
    mirrored_file_close(&state->file);
    close(state->directory_fd);
    mutex_close(&state->lock);
    state->directory_fd = -1;
}
