/* One look at a database:
 *
 * 1. CURRENT names the manifest; the manifest is read to its end and summed up;
 * 2. the directory is read: the files that have to be there are, and the logs that count are listed;
 * 3. the logs are read, in their order, as one run;
 * 4. what speaks for more than the run holds is weighed.
 *
 * The first damage that is found decides, and gives the text. */
#include "daemon/engine/rocksdb/audit.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit_manifest.h"
#include "daemon/engine/rocksdb/audit_record.h"
#include "daemon/engine/rocksdb/wal_mark.h"
#include "daemon/runtime/memory.h"

enum {
    READ_BYTES = 1 << 20, /* at a time */
    NAME_BYTES = 32,
    CURRENT_BYTES_MAX = 64,
};

static_assert(READ_BYTES % AUDIT_BLOCK_BYTES == 0, "a read ends with a block");

#define LOG_FORMAT      "%06" PRIu64 ".log"
#define TABLE_FORMAT    "%06" PRIu64 ".sst"
#define BLOB_FORMAT     "%06" PRIu64 ".blob"
#define MANIFEST_FORMAT "MANIFEST-%06" PRIu64

struct look {
    int directory_fd;
    const struct audit_known *known;
    struct audit *audit;
    struct audit_manifest manifest;
    bool has_record_behind; /* a record was found behind the end of the manifest */
    /* the run of logs */
    uint64_t next;       /* the sequence number that the next batch has to have */
    bool has_begun;      /* a batch was read */
    bool has_ended;      /* the run has come to its end, */
    size_t ended_in;     /* in this log, */
    uint64_t ended_at;   /* at this byte, */
    uint64_t goes_on_at; /* and there is the next record in that log; 0: there is none */
    const char *reason;  /* why */
    uint64_t seen;       /* the greatest sequence number behind the end, as far as it can be read */
    uint64_t synced;     /* the greatest up to which something says that all was synced */
};

static void raise(uint64_t value, uint64_t *greatest)
{
    *greatest = value > *greatest ? value : *greatest;
}

/* The gravest counts, and of two alike the first. */
__attribute__((format(printf, 3, 4))) static void conclude(struct look *look, enum audit_verdict verdict,
                                                           const char *format, ...)
{
    assert(verdict != AUDIT_WHOLE); /* which has no text */
    va_list arguments;
    if (look->audit->verdict >= verdict) {
        return;
    }
    look->audit->verdict = verdict;
    va_start(arguments, format);
    vsnprintf(look->audit->text, sizeof look->audit->text, format, arguments);
    va_end(arguments);
}

/* ---- reading files ---- */

static bool fail(const char *name, const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "opening the store: %s cannot be %s: %s", name, what,
                strerror(errno));
    return false;
}

static ssize_t read_up_to(int fd, uint8_t *ret_bytes, size_t n, uint64_t offset)
{
    assert(n > 0 && n <= READ_BYTES); /* to read nothing would look like the end of the file */
    size_t length = 0;
    ssize_t got = 1;
    while (length < n && got != 0) {
        got = pread(fd, ret_bytes + length, n - length, (off_t)(offset + length));
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)length;
}

/* Gives a whole file to a reader. ENOENT is for the caller to judge. */
static bool read_records(const struct look *look, const char *name, struct audit_reader *reader,
                         uint64_t *ret_bytes)
{
    int fd = openat(look->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    assert(reader->block_from == 0 && !reader->has_ended); /* it is given the file from its beginning */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    uint8_t *bytes = memory_raw(READ_BYTES);
    uint64_t offset = 0;
    ssize_t n;
    while ((n = read_up_to(fd, bytes, READ_BYTES, offset)) > 0) {
        for (size_t at = 0; at < (size_t)n; at += AUDIT_BLOCK_BYTES) {
            size_t left = (size_t)n - at;
            audit_reader_take(reader,
                              slice_of(bytes + at, left < AUDIT_BLOCK_BYTES ? left : AUDIT_BLOCK_BYTES));
        }
        offset += (uint64_t)n;
    }
    int error = errno;
    free(bytes);
    close(fd);
    audit_reader_end(reader);
    *ret_bytes = offset;
    errno = error;
    return n == 0;
}

/* ---- the manifest ---- */

static bool take_edit(void *context, const struct audit_record *record)
{
    struct look *look = context;
    assert(look->audit->manifest.number > 0); /* CURRENT named the file that is read */
    const char *reason = audit_manifest_take(&look->manifest, record->bytes);
    if (reason != NULL) {
        conclude(look, AUDIT_BROKEN, MANIFEST_FORMAT ": %s, at byte %" PRIu64, look->audit->manifest.number,
                 reason, record->from);
    }
    return true;
}

static void find_edit(void *context, const struct audit_record *record)
{
    (void)record;
    struct look *look = context;
    look->has_record_behind = true;
}

/* Reads CURRENT, which names the manifest. *ret_number: 0 if it does not. */
static bool read_current(struct look *look, uint64_t *ret_number, struct failure *failure)
{
    char text[CURRENT_BYTES_MAX + 1], again[CURRENT_BYTES_MAX + 1];
    uint64_t number = 0;
    *ret_number = 0;
    int fd = openat(look->directory_fd, "CURRENT", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        conclude(look, AUDIT_BROKEN, "CURRENT, which names the manifest, is missing");
        return true;
    }
    if (fd < 0) {
        return fail("CURRENT", "opened", failure);
    }
    ssize_t n = read_up_to(fd, (uint8_t *)text, CURRENT_BYTES_MAX, 0);
    int error = errno;
    close(fd);
    errno = error;
    if (n < 0) {
        return fail("CURRENT", "read", failure);
    }
    assert((size_t)n < sizeof text);
    text[n] = '\0';
    if (sscanf(text, "MANIFEST-%" SCNu64, &number) == 1) {
        snprintf(again, sizeof again, MANIFEST_FORMAT "\n", number);
    }
    if (number == 0 || strlen(text) != (size_t)n || strcmp(text, again) != 0) {
        conclude(look, AUDIT_BROKEN, "CURRENT does not name a manifest");
        return true;
    }
    *ret_number = number;
    return true;
}

static bool read_manifest(struct look *look, struct failure *failure)
{
    struct audit_log *file = &look->audit->manifest;
    if (!read_current(look, &file->number, failure)) {
        return false;
    }
    if (file->number == 0) {
        return true;
    }
    char name[NAME_BYTES];
    struct audit_reader reader;
    audit_reader_init(&reader, &(struct audit_receiver){take_edit, find_edit, look, SIZE_MAX});
    snprintf(name, sizeof name, MANIFEST_FORMAT, file->number);
    if (!read_records(look, name, &reader, &file->bytes)) {
        if (errno != ENOENT) {
            return fail(name, "read", failure);
        }
        conclude(look, AUDIT_BROKEN, "%s is missing", name);
        return true;
    }
    audit_manifest_end(&look->manifest);
    file->whole_to = reader.has_ended ? reader.whole_to : file->bytes;
    if (look->has_record_behind) {
        assert(reader.reason != NULL); /* records are found only behind an end */
        conclude(look, AUDIT_BROKEN, "%s: what is at byte %" PRIu64 " cannot be read: %s", name,
                 reader.ended_at, reader.reason);
    } else if (!look->manifest.has_sequence || !look->manifest.has_next_file) {
        conclude(look, AUDIT_BROKEN, "%s has no beginning", name);
    }
    return true;
}

/* ---- the files that have to be there ---- */

static void add_file(struct audit_log **list, size_t *count, struct audit_log file)
{
    *list = memory_resize(*list, (*count + 1) * sizeof file);
    (*list)[(*count)++] = file;
}

static bool check_file(struct look *look, const char *name, uint64_t bytes, enum audit_verdict if_not,
                       bool *ret_is_whole, struct failure *failure)
{
    struct stat status = {0};
    bool is_whole = false;
    if (fstatat(look->directory_fd, name, &status, 0) != 0) {
        if (errno != ENOENT) {
            return fail(name, "looked at", failure);
        }
        conclude(look, if_not, "%s is missing", name);
    } else if ((uint64_t)status.st_size != bytes) {
        conclude(look, if_not, "%s has %jd bytes instead of %" PRIu64, name, (intmax_t)status.st_size, bytes);
    } else {
        is_whole = true;
    }
    *ret_is_whole = is_whole;
    return true;
}

static bool check_files(struct look *look, struct failure *failure)
{
    const struct audit_files *tables = &look->manifest.tables, *blobs = &look->manifest.blobs;
    char name[NAME_BYTES];
    bool is_checked = true, is_whole = false;
    for (size_t i = 0; i < tables->count && is_checked; i++) {
        snprintf(name, sizeof name, TABLE_FORMAT, tables->list[i].number);
        is_checked = check_file(look, name, tables->list[i].bytes, AUDIT_BROKEN, &is_whole, failure);
    }
    for (size_t i = 0; i < blobs->count && is_checked; i++) {
        const struct audit_file *blob = &blobs->list[i];
        snprintf(name, sizeof name, BLOB_FORMAT, blob->number);
        is_checked = check_file(look, name, blob->bytes, AUDIT_DAMAGED, &is_whole, failure);
        if (is_checked && !is_whole) {
            add_file(&look->audit->blobs, &look->audit->blob_count,
                     (struct audit_log){.number = blob->number, .whole_to = blob->bytes});
        }
    }
    return is_checked;
}

static int compare_logs(const void *left, const void *right)
{
    const struct audit_log *one = left, *other = right;
    return (one->number > other->number) - (one->number < other->number);
}

static bool list_logs(struct look *look, struct failure *failure)
{
    assert(look->audit->log_count == 0); /* listed twice, each would be read twice */
    int fd = openat(look->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (directory == NULL) {
        return fail("its directory", "read", failure);
    }
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        char name[NAME_BYTES];
        uint64_t number;
        if (sscanf(entry->d_name, "%" SCNu64, &number) == 1 && number >= look->manifest.logs_from) {
            snprintf(name, sizeof name, LOG_FORMAT, number);
            if (strcmp(name, entry->d_name) == 0) {
                add_file(&look->audit->logs, &look->audit->log_count, (struct audit_log){.number = number});
            }
        }
    }
    bool is_read = errno == 0;
    if (!is_read) {
        (void)fail("its directory", "read", failure);
    }
    closedir(directory);
    if (look->audit->log_count > 0) {
        qsort(look->audit->logs, look->audit->log_count, sizeof look->audit->logs[0], compare_logs);
    }
    return is_read;
}

/* ---- the run of logs ---- */

/* The first batch may begin with what tables hold too. In a store of which nothing is known it may also begin behind that: earlier
 * versions wrote empty ranges, which take a sequence number that no table keeps. */
static bool take_batch(void *context, const struct audit_record *record)
{
    struct look *look = context;
    struct wal_batch batch;
    if (look->has_ended || !wal_batch_read(record->bytes, &batch)) {
        return false;
    }
    bool may_begin = !look->has_begun && (batch.sequence < look->next || !look->known->is_known);
    if (batch.sequence != look->next && !may_begin) {
        return false;
    }
    look->has_begun = true;
    look->next = batch.sequence + batch.count;
    return true;
}

static void find_batch(void *context, const struct audit_record *record)
{
    struct look *look = context;
    const struct audit_known *known = look->known;
    struct wal_batch batch;
    assert(record->bytes.bytes <= WAL_BATCH_SEEN_BYTES_MAX); /* a batch's own bytes are not kept */
    if (!wal_batch_read(record->bytes, &batch)) {
        return;
    }
    if (!look->has_ended && look->goes_on_at == 0) {
        look->goes_on_at = record->from;
    }
    raise(batch.sequence + batch.count - (batch.count > 0), &look->seen);
    if (batch.has_mark && (!known->is_known || batch.mark.store == known->store)) {
        raise(batch.mark.synced, &look->synced);
    }
}

static bool read_log(struct look *look, size_t i, struct failure *failure)
{
    assert(i < look->audit->log_count);
    struct audit_log *log = &look->audit->logs[i];
    struct audit_reader reader;
    char name[NAME_BYTES];
    snprintf(name, sizeof name, LOG_FORMAT, log->number);
    audit_reader_init(&reader,
                      &(struct audit_receiver){take_batch, find_batch, look, WAL_BATCH_SEEN_BYTES_MAX});
    if (!read_records(look, name, &reader, &log->bytes)) {
        return fail(name, "read", failure);
    }
    log->whole_to = look->has_ended ? 0 : reader.has_ended ? reader.whole_to : log->bytes;
    assert(log->whole_to <= log->bytes); /* the difference is torn */
    if (reader.has_ended && !look->has_ended) {
        assert(reader.reason != NULL); /* people are told it */
        look->has_ended = true;
        look->ended_in = i;
        look->ended_at = reader.ended_at;
        look->reason = reader.reason;
    }
    look->audit->log_bytes += log->whole_to;
    look->audit->torn_bytes += log->bytes - log->whole_to;
    return true;
}

/* ---- the judgement ---- */

/* Each log of which the manifest says so was synced that far. */
static void weigh_manifest(struct look *look)
{
    for (size_t i = 0; i < look->manifest.logs.count; i++) {
        const struct audit_file *synced = &look->manifest.logs.list[i];
        const struct audit_log key = {.number = synced->number};
        const struct audit_log *log =
            look->audit->log_count == 0
                ? NULL
                : bsearch(&key, look->audit->logs, look->audit->log_count, sizeof key, compare_logs);
        if (log == NULL) {
            conclude(look, AUDIT_DAMAGED, LOG_FORMAT " is missing", synced->number);
        } else if (log->whole_to < synced->bytes) {
            conclude(look, AUDIT_DAMAGED,
                     LOG_FORMAT ": bytes %" PRIu64 " to %" PRIu64 " were synced, and cannot be read",
                     log->number, log->whole_to, synced->bytes);
        }
    }
}

/* Says where the run ends, and why. */
static void say_end(const struct look *look, char *ret_text, size_t room)
{
    const struct audit *audit = look->audit;
    if (look->has_ended) {
        assert(look->ended_in < audit->log_count);
        const struct audit_log *log = &audit->logs[look->ended_in];
        bool goes_on = look->goes_on_at > look->ended_at;
        snprintf(ret_text, room, LOG_FORMAT ", bytes %" PRIu64 " to %" PRIu64 ": %s", log->number,
                 look->ended_at, goes_on ? look->goes_on_at : log->bytes, look->reason);
    } else if (audit->manifest.whole_to < audit->manifest.bytes) {
        snprintf(ret_text, room, MANIFEST_FORMAT ", bytes %" PRIu64 " to %" PRIu64 ": a record is cut off",
                 audit->manifest.number, audit->manifest.whole_to, audit->manifest.bytes);
    } else if (audit->log_count > 0) {
        const struct audit_log *log = &audit->logs[audit->log_count - 1];
        snprintf(ret_text, room, LOG_FORMAT ", byte %" PRIu64 ": it ends too early, or a log is missing",
                 log->number, log->bytes);
    } else {
        snprintf(ret_text, room, "a log is missing");
    }
}

static void judge(struct look *look)
{
    struct audit *audit = look->audit;
    char end[AUDIT_TEXT_BYTES];
    audit->sequence = look->next - 1;
    raise(look->manifest.sequence, &audit->sequence);
    raise(look->known->is_known ? look->known->synced : 0, &look->synced);
    assert(audit->manifest.whole_to <= audit->manifest.bytes); /* as of a log */
    audit->torn_bytes += audit->manifest.bytes - audit->manifest.whole_to;
    weigh_manifest(look);
    say_end(look, end, sizeof end);
    if (look->synced > audit->sequence) {
        conclude(look, AUDIT_DAMAGED,
                 "%s; engine numbers %" PRIu64 " to %" PRIu64 " were synced and are gone", end,
                 audit->sequence + 1, look->synced);
    } else if (audit->torn_bytes > 0) {
        char seen[40] = "";
        if (look->seen > audit->sequence) {
            snprintf(seen, sizeof seen, ", to %" PRIu64 " at least", look->seen);
        }
        conclude(look, AUDIT_TORN,
                 "torn tail, %" PRIu64 " bytes (%s); engine numbers from %" PRIu64
                 " on%s, none of which was synced",
                 audit->torn_bytes, end, audit->sequence + 1, seen);
    }
    assert(audit->verdict != AUDIT_WHOLE || audit->torn_bytes == 0); /* nothing is cut off untold */
}

bool audit_look(int directory_fd, const struct audit_known *known, struct audit *ret_audit,
                struct failure *failure)
{
    assert(directory_fd >= 0);
    struct audit audit = {.verdict = AUDIT_WHOLE};
    struct look look = {.directory_fd = directory_fd, .known = known, .audit = &audit};
    bool is_read = read_manifest(&look, failure);
    bool has_manifest = audit.verdict == AUDIT_WHOLE;
    if (is_read && has_manifest) {
        look.next = look.manifest.sequence + 1;
        is_read = check_files(&look, failure) && list_logs(&look, failure);
        for (size_t i = 0; i < audit.log_count && is_read; i++) {
            is_read = read_log(&look, i, failure);
        }
        if (is_read) {
            judge(&look);
        }
    }
    audit_manifest_free(&look.manifest);
    if (!is_read) {
        audit_free(&audit);
        return false;
    }
    *ret_audit = audit;
    return true;
}

/* ---- what follows from it ---- */

static bool cut(int directory_fd, const char *name, const struct audit_log *file, struct failure *failure)
{
    if (file->whole_to == file->bytes) {
        return true;
    }
    assert(file->whole_to < file->bytes); /* a longer one would get zeros, which RocksDB skips */
    int fd = openat(directory_fd, name, O_WRONLY | O_CLOEXEC);
    bool is_cut = fd >= 0 && ftruncate(fd, (off_t)file->whole_to) == 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    if (!is_cut) {
        return fail(name, "cut off behind its last whole record", failure);
    }
    return true;
}

static bool give_size(int directory_fd, const char *name, uint64_t bytes, struct failure *failure)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    bool is_given = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fsync(fd) == 0 && fsync(directory_fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return is_given || fail(name, "given the size that it had", failure);
}

bool audit_cut(int directory_fd, const struct audit *audit, struct failure *failure)
{
    char name[NAME_BYTES];
    bool is_cut = true;
    assert(directory_fd >= 0);
    assert(audit->verdict != AUDIT_BROKEN); /* such a store stays untouched */
    for (size_t i = audit->log_count; i > 0 && is_cut; i--) {
        snprintf(name, sizeof name, LOG_FORMAT, audit->logs[i - 1].number);
        is_cut = cut(directory_fd, name, &audit->logs[i - 1], failure);
    }
    for (size_t i = 0; i < audit->blob_count && is_cut; i++) {
        snprintf(name, sizeof name, BLOB_FORMAT, audit->blobs[i].number);
        is_cut = give_size(directory_fd, name, audit->blobs[i].whole_to, failure);
    }
    snprintf(name, sizeof name, MANIFEST_FORMAT, audit->manifest.number);
    return is_cut && cut(directory_fd, name, &audit->manifest, failure);
}

void audit_free(struct audit *audit)
{
    free(audit->logs);
    free(audit->blobs);
    audit->logs = audit->blobs = NULL;
    audit->log_count = audit->blob_count = 0;
}
