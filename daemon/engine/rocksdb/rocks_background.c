/* What fails in RocksDB's own threads, seen from the writer, which looks before each write.
 *
 * RocksDB is opened with paranoid_checks off: with them its first failed compaction or flush fails every later write, and there is
 * no way back but another open. What they check besides is checked elsewhere: logs, tables and blob files before an open, by the
 * auditor; checksums of what is read, in every case; a failed write or sync of the log, and of the manifest, ends writing in every case.
 * What is left of a failure is a number, how many there were, so the state tells which kind it was:
 *
 * - A flush that failed leaves its write buffers as they were. RocksDB tries again when it closes the next one, so the next write has it
 *   closed, then one a second later, then two, up to a minute. Writes go on while there is room in the write buffers, and are then refused,
 *   with nothing applied, until a flush that is asked for each second goes well. Without that RocksDB would have the write wait for ever.
 *   So it would where many young tables wait for compactions: these may fail with the flushes. Until flushes go well they may pile up.
 * - A compaction that failed leaves its tables as they were, and RocksDB would try it again each second. So compactions pause, for
 *   longer each time; and where it met damage, until the next start. Young tables pile up meanwhile: reads take longer with them,
 *   and they do not hold up writes. Reclaiming goes on.
 *
 * While little space is left, compactions pause too: one that fills the disk would take what is kept for flushes and deletes. What is
 * reclaimed goes on, as it gives space back.
 *
 * Measured on 7.8.3: with 1,700 young tables, an hour's worth at 30 MB a second, a get takes 4 ms from the device and a cursor's first move
 * 40 ms.
 *
 * Ways to fail: options that RocksDB does not take leave it as it is, and the next failure has them set again. RocksDB notes options in its
 * manifest, which must not fail for want of space: where there is no room for that they stay as they are, and the next write tries again. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/engine/rocksdb/rocks_room.h"
#include "daemon/runtime/thread.h"

/* Chosen, but where it says otherwise. */
enum {
    PAUSE_US_MIN = 60000000, /* of compactions, after the first failure, */
    PAUSE_MINUTES_MAX = 60,  /* and after many: twice as long each time */
    FLUSH_INTERVAL_US =
        1000000, /* between two flushes that are asked for while writes wait for one: space may be back; */
    FLUSH_WAIT_US_MAX =
        60000000,              /* while there is room for writes it is twice as long each time, up to this */
    FLUSH_LOOK_NS = 1000000,   /* between two looks whether one that runs has ended, */
    FLUSH_LOOKS_MAX = 10000,   /* and how many of them: ten seconds */
    LOG_END_BYTES = 4096,      /* of RocksDB's text log: some twenty lines */
    LOG_LOOKS_MAX = 100,       /* for a failure's line: a tenth of a second */
    BUFFERS_UNBOUND = 1000000, /* the number of write buffers, while their bytes are bounded here */
    TABLES_YOUNG_FEW = 20,     /* RocksDB's own default: from here on it slows down writes */
    PENDING_GIB_MANY = 64,     /* likewise, of bytes that compactions have before them */
};

#define SECOND_US UINT64_C(1000000)

static void set(struct rocks *rocks, size_t count, const char *const *names, const char *const *values)
{
    assert(count > 0); /* RocksDB takes no empty list, and its error is dropped here */
    char *error = NULL;
    rocksdb_set_options(rocks->db, (int)count, names, values, &error);
    rocksdb_free(error);
}

/* ---- compactions ---- */

/* However many young tables there are, writes do not wait for compactions. */
static void let_tables_pile_up(struct rocks *rocks, bool are_paused)
{
    static const char *const names[] = {"level0_slowdown_writes_trigger", "level0_stop_writes_trigger",
                                        "soft_pending_compaction_bytes_limit",
                                        "hard_pending_compaction_bytes_limit", "disable_auto_compactions"};
    static const char *const values[] = {"1000000000", "1000000000", "0", "0", "true"};
    set(rocks, are_paused ? 5 : 4, names, values);
}

void rocks_background_begin(struct rocks *rocks)
{
    struct rocks_background *background = &rocks->background;
    assert(background->compactions == ROCKS_COMPACTIONS_RUN && background->errors == 0); /* fresh */
    /* As a run leaves them whose compactions were paused. The start may flush one more, and would wait for a compaction, which may fail, if
     * RocksDB slowed down writes behind that. */
    if (rocks_young_tables(rocks) + 1 >= TABLES_YOUNG_FEW ||
        rocks_number(rocks, "rocksdb.estimate-pending-compaction-bytes") >> 30 >= PENDING_GIB_MANY) {
        let_tables_pile_up(rocks, false);
        background->compactions = ROCKS_COMPACTIONS_TRIED;
    }
}

static void pause_compactions(struct rocks *rocks)
{
    if (rocks->background.compactions != ROCKS_COMPACTIONS_PAUSED && rocks_make_little_room(rocks)) {
        let_tables_pile_up(rocks, true);
        rocks->background.compactions = ROCKS_COMPACTIONS_PAUSED;
    }
}

/* One that failed says how long the pause is. */
static void pause_failed_compactions(struct rocks *rocks, uint64_t now_us)
{
    struct rocks_background *background = &rocks->background;
    assert(background->has_failure);
    pause_compactions(rocks);
    background->pause_us = background->pause_us == 0 ? PAUSE_US_MIN : 2 * background->pause_us;
    if (background->pause_us > PAUSE_MINUTES_MAX * 60 * SECOND_US) {
        background->pause_us = PAUSE_MINUTES_MAX * 60 * SECOND_US;
    }
    assert(background->pause_us >= PAUSE_US_MIN); /* RocksDB itself would try again each second */
    bool is_damaged = background->failure.status == STATUS_DAMAGED;
    background->compact_at_us = is_damaged ? UINT64_MAX : now_us + background->pause_us;
}

static void try_compactions(struct rocks *rocks)
{
    assert(rocks->background.compactions == ROCKS_COMPACTIONS_PAUSED);
    assert(rocks->background.compact_at_us != UINT64_MAX); /* behind damage the next start tries them */
    if (!rocks_make_little_room(rocks)) {
        return;
    }
    set(rocks, 1, (const char *const[]){"disable_auto_compactions"}, (const char *const[]){"false"});
    rocks->background.compactions = ROCKS_COMPACTIONS_TRIED;
}

/* Once few young tables are left and flushes go well, RocksDB's own bounds hold again, by which many of them slow down writes. */
static void end_trial(struct rocks *rocks)
{
    static const char *const names[] = {"level0_slowdown_writes_trigger", "level0_stop_writes_trigger",
                                        "soft_pending_compaction_bytes_limit",
                                        "hard_pending_compaction_bytes_limit"};
    static const char *const values[] = {"20", "36", "64G", "256G"}; /* RocksDB's own defaults */
    assert(rocks->background.compactions == ROCKS_COMPACTIONS_TRIED);
    if (rocks_young_tables(rocks) < TABLES_YOUNG_FEW && !atomic_load(&rocks->flushes_fail) &&
        rocks_make_little_room(rocks)) {
        set(rocks, sizeof names / sizeof names[0], names, values);
        rocks->background.compactions = ROCKS_COMPACTIONS_RUN;
        rocks->background.pause_us = 0;
    }
}

/* ---- flushes ---- */

/* Whether it is so now: with WRITE_BUFFERS a write may wait for flushes. */
static bool let_write_buffers_pile_up(struct rocks *rocks, bool are_many)
{
    struct rocks_background *background = &rocks->background;
    if (background->are_buffers_many != are_many && rocks_make_little_room(rocks)) {
        char number[16];
        snprintf(number, sizeof number, "%d", are_many ? (int)BUFFERS_UNBOUND : (int)WRITE_BUFFERS);
        set(rocks, 1, (const char *const[]){"max_write_buffer_number"}, (const char *const[]){number});
        background->are_buffers_many = are_many;
    }
    return background->are_buffers_many == are_many;
}

/* A write buffer that could not be closed must not be closed again: the distribution's library asserts that, and the next write
 * says what went wrong. */
bool rocks_close_write_buffer(struct rocks *rocks, struct failure *failure)
{
    char *error = NULL;
    if (atomic_load(&rocks->cannot_flush)) {
        failure_set(failure, STATUS_IO_ERROR, "writing tables: it failed before");
        return false;
    }
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(flush, 0);
    rocksdb_flush(rocks->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    if (error != NULL) {
        atomic_store(&rocks->cannot_flush, true);
        rocks_fail("writing tables", error, failure);
        return false;
    }
    return true;
}

/* Flushes fail, and compactions may fail with them: has nobody wait for these. */
static void end_waits_for_compactions(struct rocks *rocks)
{
    assert(atomic_load(&rocks->flushes_fail)); /* else few young tables would end it at once */
    if (rocks->background.compactions == ROCKS_COMPACTIONS_RUN && rocks_make_little_room(rocks)) {
        let_tables_pile_up(rocks, false);
        rocks->background.compactions = ROCKS_COMPACTIONS_TRIED;
    }
}

/* Asks for a flush of what is closed, unless one was asked for less than `wait_us` ago, or this would wait for it or for compactions; the active write
 * buffer is closed too, with which a log begins: so the pause grows each time. */
static void ask_for_flush(struct rocks *rocks, size_t bytes, uint64_t wait_us, uint64_t now_us)
{
    struct rocks_background *background = &rocks->background;
    assert(atomic_load(&rocks->engine.is_writing)); /* when it was last asked for has no lock */
    struct failure ignored;                         /* the next write meets it */
    if (now_us - background->flush_asked_us < wait_us || background->compactions == ROCKS_COMPACTIONS_RUN ||
        !let_write_buffers_pile_up(rocks, true) || !rocks_make_room_to_flush(rocks, bytes)) {
        return;
    }
    background->flush_asked_us = now_us;
    background->flush_wait_us =
        background->flush_wait_us == 0 ? FLUSH_INTERVAL_US : 2 * background->flush_wait_us;
    if (background->flush_wait_us > FLUSH_WAIT_US_MAX) {
        background->flush_wait_us = FLUSH_WAIT_US_MAX;
    }
    (void)!rocks_close_write_buffer(rocks, &ignored);
}

bool rocks_flush_has_failed(const struct rocks *rocks)
{
    return rocks_number(rocks, "rocksdb.num-immutable-mem-table") > 0 &&
           rocks_number(rocks, "rocksdb.mem-table-flush-pending") > 0;
}

/* Whether a write of so many bytes fits into the write buffers, now that a flush has failed. A flush that runs is waited for, as
 * RocksDB would. */
static bool write_buffers_allow(struct rocks *rocks, size_t bytes, uint64_t now_us, struct failure *failure)
{
    assert(atomic_load(&rocks->flushes_fail)); /* else RocksDB itself makes the write wait */
    uint64_t bytes_max = (WRITE_BUFFERS - 1) * rocks->write_buffer_bytes + rocks->start_buffer_bytes;
    bool has_room = false, is_failed = false;
    end_waits_for_compactions(rocks);
    for (int looks = 0; looks < FLUSH_LOOKS_MAX; looks++) {
        is_failed = rocks_flush_has_failed(rocks);
        if (!is_failed && rocks_number(rocks, "rocksdb.num-immutable-mem-table") <= 1) {
            atomic_store(&rocks->flushes_fail, false);
            rocks->background.flush_wait_us = 0;
            (void)let_write_buffers_pile_up(rocks, false); /* else the next write does */
            return true;
        }
        has_room = rocks_number(rocks, "rocksdb.cur-size-all-mem-tables") + bytes <= bytes_max;
        if (has_room || is_failed) {
            break;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_NS}, NULL);
    }
    if (has_room && is_failed) {
        ask_for_flush(rocks, bytes, rocks->background.flush_wait_us, now_us);
    }
    if (!has_room) {
        ask_for_flush(rocks, bytes, FLUSH_INTERVAL_US, now_us);
        assert(rocks->background.failure.text[0] != '\0'); /* it was noted when flushes began to fail */
        failure_set(failure, STATUS_NO_SPACE, "the write buffers are full and cannot be written: %s",
                    rocks->background.failure.text);
    }
    return has_room;
}

/* ---- what failed ---- */

/* RocksDB says what failed in the background in its own text log only, with its count: the log's end is read. False: it does not say,
 * or not yet. */
static bool read_error(const struct rocks *rocks, uint64_t errors, char *ret_text, size_t bytes_max)
{
    static const char before[] = " error: ", behind[] = "Accumulated background error counts: ";
    char end[LOG_END_BYTES + 1];
    struct stat found;
    int file = rocks->info_log.text_fd;
    off_t size = fstat(file, &found) == 0 ? found.st_size : 0;
    ssize_t bytes = pread(file, end, LOG_END_BYTES, size > LOG_END_BYTES ? size - LOG_END_BYTES : 0);
    end[bytes > 0 ? bytes : 0] = '\0';
    char *count = NULL;
    for (char *at = strstr(end, behind); at != NULL; at = strstr(at + 1, behind)) {
        count = at;
    }
    if (count == NULL || strtoull(count + strlen(behind), NULL, 10) < errors) {
        return false;
    }
    while (count > end && (count[-1] == ' ' || count[-1] == ',')) {
        count--;
    }
    assert(count >= end && count < end + sizeof end); /* the cut is in what was read */
    *count = '\0';
    const char *line = strrchr(end, '\n');
    const char *text = strstr(line != NULL ? line : end, before);
    if (text != NULL) {
        snprintf(ret_text, bytes_max, "%s", text + strlen(before));
    }
    return text != NULL;
}

/* RocksDB counts a failure before it writes the line. */
void rocks_background_describe(const struct rocks *rocks, uint64_t errors, const char *doing,
                               struct failure *ret_failure)
{
    char text[FAILURE_TEXT_BYTES];
    for (int looks = 0; looks < LOG_LOOKS_MAX; looks++) {
        if (read_error(rocks, errors, text, sizeof text)) {
            rocks_fail_text(doing, text, ret_failure);
            ret_failure->status = rocks_is_no_space(text) ? STATUS_NO_SPACE : ret_failure->status;
            return;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_NS}, NULL);
    }
    failure_set(ret_failure, STATUS_IO_ERROR, "%s: it failed in the background", doing);
}

/* ---- the look before a write ---- */

static void note_failures(struct rocks *rocks, uint64_t errors, uint64_t now_us)
{
    struct rocks_background *background = &rocks->background;
    bool is_flush = rocks_flush_has_failed(rocks);
    const char *what = is_flush ? "writing tables" : "compacting tables";
    background->errors = errors;
    rocks_background_describe(rocks, errors, what, &background->failure);
    background->has_failure = true;
    if (!is_flush) {
        pause_failed_compactions(rocks, now_us);
    } else if (!atomic_load(&rocks->flushes_fail)) {
        atomic_store(&rocks->flushes_fail, true);
        (void)let_write_buffers_pile_up(rocks, true); /* else no flush is asked for, which would wait */
    }
}

bool rocks_background_allows(struct rocks *rocks, size_t bytes, struct failure *failure)
{
    struct rocks_background *background = &rocks->background;
    assert(atomic_load(&rocks->engine.is_writing)); /* the state has no lock */
    uint64_t errors = rocks_number(rocks, "rocksdb.background-errors");
    bool is_tight = atomic_load(&rocks->pressure) == ENGINE_TIGHT;
    bool is_well = !atomic_load(&rocks->flushes_fail) && !background->are_buffers_many &&
                   background->compactions == ROCKS_COMPACTIONS_RUN;
    if (errors == background->errors && is_well && !is_tight) {
        return true;
    }
    uint64_t now_us = thread_now_us();
    if (errors != background->errors) {
        note_failures(rocks, errors, now_us);
    } else if (is_tight) {
        pause_compactions(rocks);
    } else if (background->compactions == ROCKS_COMPACTIONS_PAUSED && now_us >= background->compact_at_us) {
        try_compactions(rocks);
    } else if (background->compactions == ROCKS_COMPACTIONS_TRIED) {
        end_trial(rocks);
    }
    if (!atomic_load(&rocks->flushes_fail)) {
        (void)let_write_buffers_pile_up(rocks, false);
        return true;
    }
    return write_buffers_allow(rocks, bytes, now_us, failure);
}

bool rocks_background_has_news(const struct rocks *rocks)
{
    return atomic_load(&rocks->flushes_fail) ||
           rocks_number(rocks, "rocksdb.background-errors") != rocks->background.errors;
}

bool rocks_background_failed(struct engine *engine, struct failure *ret_failure)
{
    struct rocks_background *background = &rocks_of(engine)->background;
    if (!background->has_failure) {
        return false;
    }
    background->has_failure = false;
    *ret_failure = background->failure;
    return true;
}
