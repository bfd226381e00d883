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

#include "daemon/engine/rocksdb/audit_file.h"
#include "daemon/engine/rocksdb/audit_manifest.h"
#include "daemon/engine/rocksdb/audit_record.h"
#include "daemon/engine/rocksdb/wal_mark.h"
#include "daemon/runtime/memory.h"

enum { CURRENT_BYTES_MAX = 64 };

struct look {
    int directory_fd;
    const struct audit_known *known;
    struct audit *audit;
    struct audit_manifest manifest;
    const struct audit_reader *manifest_reader;
    uint64_t manifest_goes_on_at; /* the first record behind the manifest's end is there; 0: there is none */
    bool manifest_has_hole;       /* and between both is a page of zeros */
    char manifest_fault[AUDIT_TEXT_BYTES];
    /* the run of logs */
    uint64_t next;       /* the sequence number that the next batch has to have */
    uint64_t begun_at;   /* that of the first batch; 0: none was read */
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

/* ---- the manifest ---- */

static bool take_edit(void *context, const struct audit_record *record)
{
    struct look *look = context;
    assert(look->audit->manifest.number > 0); /* CURRENT named the file that is read */
    const char *reason = audit_manifest_take(&look->manifest, record->bytes);
    if (reason != NULL) {
        conclude(look, AUDIT_BROKEN, AUDIT_MANIFEST_FORMAT ": %s, at byte %" PRIu64,
                 look->audit->manifest.number, reason, record->from);
    }
    return true;
}

static void find_edit(void *context, const struct audit_record *record)
{
    struct look *look = context;
    /* it is also given the record that is cut off at the end, which begins before that */
    bool is_behind = record->from >= look->manifest_reader->ended_at;
    if (is_behind && look->manifest_goes_on_at == 0) {
        look->manifest_goes_on_at = record->from;
    }
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
        return audit_file_fail("CURRENT", "opened", failure);
    }
    ssize_t n = audit_file_read_up_to(fd, (uint8_t *)text, CURRENT_BYTES_MAX, 0);
    int error = errno;
    close(fd);
    errno = error;
    if (n < 0) {
        return audit_file_fail("CURRENT", "read", failure);
    }
    assert((size_t)n < sizeof text);
    text[n] = '\0';
    if (sscanf(text, "MANIFEST-%" SCNu64, &number) == 1) {
        snprintf(again, sizeof again, AUDIT_MANIFEST_FORMAT "\n", number);
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
    char name[AUDIT_NAME_BYTES];
    struct audit_reader reader;
    look->manifest_reader = &reader;
    audit_reader_init(&reader, &(struct audit_receiver){take_edit, find_edit, look, SIZE_MAX});
    snprintf(name, sizeof name, AUDIT_MANIFEST_FORMAT, file->number);
    if (!audit_file_read_records(look->directory_fd, name, &reader, &file->bytes)) {
        if (errno != ENOENT) {
            return audit_file_fail(name, "read", failure);
        }
        conclude(look, AUDIT_BROKEN, "%s is missing", name);
        return true;
    }
    audit_manifest_end(&look->manifest);
    file->whole_to = reader.has_ended ? reader.whole_to : file->bytes;
    if (look->manifest_goes_on_at != 0 &&
        !audit_file_look_for_hole(look->directory_fd, name, reader.ended_at, look->manifest_goes_on_at,
                                  &look->manifest_has_hole)) {
        return audit_file_fail(name, "read", failure);
    }
    if (look->manifest_goes_on_at != 0) {
        assert(reader.reason != NULL); /* records are found only behind an end */
        snprintf(look->manifest_fault, sizeof look->manifest_fault,
                 "%s: what is at byte %" PRIu64 " cannot be read: %s", name, reader.ended_at, reader.reason);
        if (!look->manifest_has_hole) {
            conclude(look, AUDIT_BROKEN, "%s", look->manifest_fault);
        }
    }
    if (!look->manifest.has_sequence || !look->manifest.has_next_file) {
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
            return audit_file_fail(name, "looked at", failure);
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
    char name[AUDIT_NAME_BYTES];
    bool is_checked = true, is_whole = false;
    for (size_t i = 0; i < tables->count && is_checked; i++) {
        snprintf(name, sizeof name, AUDIT_TABLE_FORMAT, tables->list[i].number);
        is_checked = check_file(look, name, tables->list[i].bytes, AUDIT_BROKEN, &is_whole, failure);
    }
    for (size_t i = 0; i < blobs->count && is_checked; i++) {
        const struct audit_file *blob = &blobs->list[i];
        snprintf(name, sizeof name, AUDIT_BLOB_FORMAT, blob->number);
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
        return audit_file_fail("its directory", "read", failure);
    }
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        char name[AUDIT_NAME_BYTES];
        uint64_t number;
        if (sscanf(entry->d_name, "%" SCNu64, &number) == 1 && number >= look->manifest.logs_from) {
            snprintf(name, sizeof name, AUDIT_LOG_FORMAT, number);
            if (strcmp(name, entry->d_name) == 0) {
                add_file(&look->audit->logs, &look->audit->log_count, (struct audit_log){.number = number});
            }
        }
    }
    bool is_read = errno == 0;
    if (!is_read) {
        (void)audit_file_fail("its directory", "read", failure);
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
    bool may_begin = look->begun_at == 0 && (batch.sequence < look->next || !look->known->is_known);
    if (batch.sequence != look->next && !may_begin) {
        return false;
    }
    look->begun_at = look->begun_at == 0 ? batch.sequence : look->begun_at;
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
    char name[AUDIT_NAME_BYTES];
    snprintf(name, sizeof name, AUDIT_LOG_FORMAT, log->number);
    audit_reader_init(&reader,
                      &(struct audit_receiver){take_batch, find_batch, look, WAL_BATCH_SEEN_BYTES_MAX});
    if (!audit_file_read_records(look->directory_fd, name, &reader, &log->bytes)) {
        return audit_file_fail(name, "read", failure);
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

/* ---- what an open keeps ---- */

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t *one = left, *other = right;
    return (*one > *other) - (*one < *other);
}

static void name_files(struct look *look)
{
    struct audit *audit = look->audit;
    const struct audit_files *tables = &look->manifest.tables, *blobs = &look->manifest.blobs;
    size_t count = tables->count + blobs->count + audit->log_count;
    assert(audit->named == NULL);
    audit->named = memory_resize(NULL, (count + 1) * sizeof audit->named[0]);
    for (size_t i = 0; i < tables->count; i++) {
        audit->named[audit->named_count++] = tables->list[i].number;
    }
    for (size_t i = 0; i < blobs->count; i++) {
        audit->named[audit->named_count++] = blobs->list[i].number;
    }
    for (size_t i = 0; i < audit->log_count; i++) {
        audit->named[audit->named_count++] = audit->logs[i].number;
    }
    assert(audit->named_count == count);
    qsort(audit->named, count, sizeof audit->named[0], compare_numbers);
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
            conclude(look, AUDIT_DAMAGED, AUDIT_LOG_FORMAT " is missing", synced->number);
        } else if (log->whole_to < synced->bytes) {
            conclude(look, AUDIT_DAMAGED,
                     AUDIT_LOG_FORMAT ": bytes %" PRIu64 " to %" PRIu64 " were synced, and cannot be read",
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
        snprintf(ret_text, room, AUDIT_LOG_FORMAT ", bytes %" PRIu64 " to %" PRIu64 ": %s", log->number,
                 look->ended_at, goes_on ? look->goes_on_at : log->bytes, look->reason);
    } else if (audit->manifest.whole_to < audit->manifest.bytes) {
        snprintf(ret_text, room,
                 AUDIT_MANIFEST_FORMAT ", bytes %" PRIu64 " to %" PRIu64 ": a record is cut off",
                 audit->manifest.number, audit->manifest.whole_to, audit->manifest.bytes);
    } else if (audit->log_count > 0) {
        const struct audit_log *log = &audit->logs[audit->log_count - 1];
        snprintf(ret_text, room,
                 AUDIT_LOG_FORMAT ", byte %" PRIu64 ": it ends too early, or a log is missing", log->number,
                 log->bytes);
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

/* Whether no log is missing before the first one that is there. If any log holds a batch, the first batch was found to follow the tables.
 * If all are empty, the first one has to have the number from which on the manifest needs logs. */
static bool has_first_log(const struct look *look)
{
    const struct audit *audit = look->audit;
    assert(look->begun_at == 0 || look->known->is_known); /* else it may begin behind the tables */
    return look->begun_at != 0 || (audit->log_count > 0 && audit->logs[0].number == look->manifest.logs_from);
}

/* A hole in the manifest is a torn tail only if the store is whole without what lies behind it: all tables and values that the records
 * before it name, all logs from the first that they need, without a gap up to all that is known to be synced. Then nothing that was
 * durable is lost, whatever lies behind it. Else it is damage, also where its loss would be accepted. */
static void weigh_hole(struct look *look)
{
    bool is_whole = look->known->is_known && look->audit->verdict <= AUDIT_TORN && has_first_log(look);
    if (look->manifest_has_hole && !is_whole) {
        conclude(look, AUDIT_BROKEN, "%s", look->manifest_fault);
    }
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
            name_files(&look);
            judge(&look);
            weigh_hole(&look);
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

void audit_free(struct audit *audit)
{
    free(audit->logs);
    free(audit->blobs);
    free(audit->named);
    audit->logs = audit->blobs = NULL;
    audit->named = NULL;
    audit->log_count = audit->blob_count = audit->named_count = 0;
}
