/* What an open does before RocksDB's own: it looks at what the run before left, and brings its log to the device.
 *
 * - The auditor looks at all files first. Damage refuses the open, with nothing touched, unless the loss is accepted.
 *   If it is, that is noted before anything is given up: should this start be cut short, the next one still tells clients of the loss.
 * - A torn tail is cut off, so that RocksDB reads the log up to there.
 * - Then the logs are synced. If a write or sync failed in the last run, or nobody knows whether one did (the state is missing or older
 *   than that run), they are written anew: what the page cache shows need not be on the device, and another sync would not bring it there.
 *   Without space for that the store is opened for reading, and in doubt.
 * - What RocksDB's open will delete is held, so that the space of it is given back later.
 *
 * Ways to fail: a sync that is refused is noted, and fails the open; the next one writes the logs anew. A death at any point leaves
 * what the next open begins with in the same way. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit.h"
#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/engine/rocksdb/wal_files.h"

/* Logs are written anew one by one: the largest says what that takes. */
static uint64_t renew_bytes(const struct audit *audit)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < audit->log_count; i++) {
        assert(audit->logs[i].whole_to <= audit->logs[i].bytes); /* what followed was cut off */
        bytes = audit->logs[i].whole_to > bytes ? audit->logs[i].whole_to : bytes;
    }
    return bytes;
}

/* Writes the logs anew. If that finds no space, gives the whole reserve back and tries once more: a quota, which no look at the file
 * system shows, may be what was exceeded. */
static bool renew(int directory_fd, const struct audit *audit, struct reserve *reserve,
                  struct failure *failure)
{
    return wal_files_renew(directory_fd, audit, failure) ||
           (rocks_is_no_space(failure->text) && reserve != NULL && reserve_give(reserve) &&
            wal_files_renew(directory_fd, audit, failure));
}

/* Whether the state may tell of a failure in the last run: an older copy of it does not. */
static bool is_current(const struct engine_config *config, const struct wal_state *state)
{
    assert(state->is_known || state->record.run == 0);
    return state->is_known && state->record.run >= config->last_run;
}

static bool bring_to_device(const struct engine_config *config, int directory_fd, struct wal_state *state,
                            const struct audit *audit, bool *ret_in_doubt, struct failure *failure)
{
    struct reserve *reserve = config->reserve;
    assert(audit->verdict != AUDIT_BROKEN);               /* such a store stays untouched */
    assert(!state->record.has_failed || state->is_known); /* the note was in the file that was found */
    if (reserve != NULL && (state->record.has_failed || !is_current(config, state))) {
        (void)!reserve_make_room(reserve, renew_bytes(audit),
                                 0); /* else the attempt may meet the full disk */
    }
    if (state->record.has_failed) {
        bool is_renewed = renew(directory_fd, audit, reserve, failure);
        *ret_in_doubt = !is_renewed && rocks_is_no_space(failure->text);
        return is_renewed || *ret_in_doubt;
    }
    if (!is_current(config, state) && wal_files_renew(directory_fd, audit, failure)) {
        return true; /* else, as on a full disk, the logs are taken as they are: nothing says that a sync failed */
    }
    if (!wal_files_sync(directory_fd, audit, failure)) {
        wal_state_note_failure(state);
        return false;
    }
    return true;
}

static void tell(const struct engine_config *config, const char *text)
{
    if (config->tell != NULL) {
        config->tell(text);
    }
}

/* Whether the open may go on. */
static bool judge(const struct engine_config *config, const struct audit *audit, struct failure *failure)
{
    assert(audit->verdict == AUDIT_WHOLE || audit->text[0] != '\0'); /* people are told it */
    char text[AUDIT_TEXT_BYTES + 64];
    switch (audit->verdict) {
    case AUDIT_WHOLE:
        return true;
    case AUDIT_TORN:
        tell(config, audit->text);
        return true;
    case AUDIT_DAMAGED:
        break;
    case AUDIT_BROKEN:
        failure_set(failure, STATUS_DAMAGED, "%s. Nothing was touched: restore a copy", audit->text);
        return false;
    }
    if (!config->accept_loss) {
        failure_set(failure, STATUS_DAMAGED,
                    "%s. Nothing was touched: restore a copy, or give --accept-loss for one start without it",
                    audit->text);
        return false;
    }
    assert(audit->verdict == AUDIT_DAMAGED); /* a torn tail is no loss, and nothing opens what is broken */
    snprintf(text, sizeof text, "given up, as --accept-loss asks for: %s", audit->text);
    tell(config, text);
    return true;
}

/* There is nothing to look at where a store is to be made, or none is: RocksDB says so then. */
static bool is_empty(int directory_fd, const struct engine_config *config, const struct wal_state *state)
{
    assert(directory_fd >= 0); /* -1 would look like a directory with a CURRENT */
    struct stat found;
    bool has_current = fstatat(directory_fd, "CURRENT", &found, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
    return !has_current && !state->is_known && config->create;
}

bool rocks_recover(const struct engine_config *config, struct rocks *rocks,
                   struct rocks_recovered *ret_recovered, struct failure *failure)
{
    struct wal_state *state = &rocks->wal;
    assert(state->directory_fd >= 0); /* it was read: what it says decides what is damage */
    struct rocks_recovered recovered = {0};
    struct audit audit = {0};
    int fd = open(config->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || is_empty(fd, config, state)) {
        if (fd >= 0) {
            close(fd);
        }
        *ret_recovered = recovered;
        return true;
    }
    const struct audit_known known = {state->is_known, state->store, state->record.synced};
    bool is_recovered = audit_look(fd, &known, &audit, failure) && judge(config, &audit, failure);
    if (is_recovered) {
        assert(audit.verdict != AUDIT_DAMAGED || config->accept_loss); /* what is cut off is gone for good */
        is_recovered = (audit.verdict != AUDIT_DAMAGED || wal_state_note_loss(state, failure)) &&
                       audit_cut(fd, &audit, failure) &&
                       bring_to_device(config, fd, state, &audit, &recovered.is_in_doubt, failure);
        paced_deletion_hold_unnamed(rocks->deletion, audit.named, audit.named_count);
        recovered.renew_bytes = recovered.is_in_doubt ? renew_bytes(&audit) : 0;
        recovered.log_bytes = audit.log_bytes;
        recovered.log_count = audit.log_count;
        recovered.torn_bytes = audit.torn_bytes;
        recovered.has_lost = audit.verdict == AUDIT_DAMAGED; /* and the loss is accepted */
    }
    audit_free(&audit);
    close(fd);
    if (is_recovered) {
        *ret_recovered = recovered;
    }
    return is_recovered;
}
