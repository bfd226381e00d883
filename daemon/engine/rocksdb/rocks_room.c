/* Room: what RocksDB takes of the file system before anybody asks it to, and that a write begins only where there is room for what
 * it brings about.
 *
 * - A write takes its bytes in the log. One that fills the write buffer has it flushed, and begins the next log, which RocksDB
 *   allocates at once. A write buffer that is closed is flushed in the background.
 * - While much is free nothing is asked. Once it is not, the file system is asked before each write, and where it has too little,
 *   the reserve gives back what is lacking. Its end is kept for the next start.
 * - A write that finds no room all the same is not begun: a log or flush that fails half way would end all writing.
 *
 * Ways to fail: others may take what was free behind the look. Then RocksDB's own error ends the writing. */
#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/engine/rocksdb/rocks_room.h"

/* Shares of a write buffer's size, and of the file system's. Chosen, but where it says otherwise. */
enum {
    WRITE_BUFFER_PART = 64,           /* a write buffer is at most one part in so many of the file system */
    WRITE_BUFFER_BYTES_MIN = 2 << 20, /* a smaller one would be flushed for each larger block */
    BLOB_FILE_PART = 2,          /* a file with large values: a small disk has room to move what is in one */
    LOG_EXTRA_PART = 10,         /* RocksDB's own: a log is allocated for a write buffer and a tenth */
    START_PART = 8,              /* manifest and options, beside the log, that each start writes */
    FULL_PART = 8,               /* RocksDB closes a write buffer that has less than this left */
    TABLE_PART = 16,             /* what tables and blob files have beside keys and values, at most */
    COMPACTION_BUFFERS_MAX = 16, /* write buffers that one compaction takes, in the mean of those seen */
    ROOM_BYTES_MIN = 1 << 20,    /* for what is written beside: names of files, lines of the manifest */
    BLOCK_BYTES = 512,           /* the unit of st_blocks */
    AMPLE_BYTES = 1 << 30,       /* beside all needs; with more nobody else fills it up between two looks */
};

uint64_t rocks_write_buffer_bytes(uint64_t all_bytes)
{
    uint64_t bytes = all_bytes / WRITE_BUFFER_PART;
    static_assert((int)WRITE_BUFFER_BYTES_MIN <= (int)WRITE_BUFFER_BYTES, "there is a size between the two");
    bytes = bytes < WRITE_BUFFER_BYTES_MIN ? WRITE_BUFFER_BYTES_MIN : bytes;
    return all_bytes == 0 || bytes > WRITE_BUFFER_BYTES ? WRITE_BUFFER_BYTES : bytes;
}

uint64_t rocks_log_bytes(uint64_t write_buffer_bytes)
{
    assert(write_buffer_bytes >= WRITE_BUFFER_BYTES_MIN && write_buffer_bytes <= WRITE_BUFFER_BYTES);
    return write_buffer_bytes + write_buffer_bytes / LOG_EXTRA_PART;
}

uint64_t rocks_blob_file_bytes(uint64_t write_buffer_bytes)
{
    assert(write_buffer_bytes >= WRITE_BUFFER_BYTES_MIN && write_buffer_bytes <= WRITE_BUFFER_BYTES);
    return write_buffer_bytes / BLOB_FILE_PART;
}

uint64_t rocks_start_bytes(uint64_t write_buffer_bytes)
{
    return rocks_log_bytes(write_buffer_bytes) + write_buffer_bytes / START_PART;
}

bool rocks_make_start_room(struct rocks *rocks)
{
    assert(rocks->db == NULL); /* what RocksDB takes at an open is still to come */
    uint64_t bytes = rocks->write_buffer_bytes;
    return rocks->reserve == NULL || reserve_make_room(rocks->reserve, rocks_start_bytes(bytes), 0) ||
           reserve_make_room(rocks->reserve, bytes / START_PART, 0); /* the log then grows as it is written */
}

static uint64_t table_bytes(uint64_t unflushed_bytes)
{
    assert(unflushed_bytes < UINT64_MAX / 2); /* it is no difference below 0 */
    return unflushed_bytes + unflushed_bytes / TABLE_PART;
}

struct engine_space rocks_space(struct engine *engine)
{
    const struct rocks *rocks = rocks_of(engine);
    uint64_t active = rocks_number(rocks, "rocksdb.cur-size-active-mem-table");
    uint64_t all = rocks_number(rocks, "rocksdb.cur-size-all-mem-tables");
    uint64_t tables = rocks_number(rocks, "rocksdb.total-sst-files-size");
    uint64_t compaction_max = COMPACTION_BUFFERS_MAX * rocks->write_buffer_bytes;
    uint64_t oldest = rocks_number(rocks, "rocksdb.oldest-snapshot-sequence"); /* 0: there is no snapshot */
    uint64_t newest = rocksdb_get_latest_sequence_number(rocks->db); /* behind it, for it may rise */
    return (struct engine_space){
        .unflushed_bytes = table_bytes(all),
        .closed_bytes = all > active ? table_bytes(all - active) : 0,
        .log_bytes = rocks_log_bytes(rocks->write_buffer_bytes),
        .compaction_bytes = tables < compaction_max ? tables : compaction_max,
        .start_bytes = rocks_start_bytes(rocks->write_buffer_bytes) + rocks->renew_bytes,
        .is_making_files = rocks_number(rocks, "rocksdb.num-running-flushes") > 0 ||
                           rocks_number(rocks, "rocksdb.num-running-compactions") > 0,
        .newest_write = newest,
        .oldest_read = oldest != 0 ? oldest : newest,
    };
}

/* The next write sees it, and without writes no flush begins a compaction. */
void rocks_note_space(struct engine *engine, enum engine_pressure pressure)
{
    atomic_store(&rocks_of(engine)->pressure, pressure);
}

bool rocks_is_low(const struct rocks *rocks)
{
    return atomic_load(&rocks->pressure) != ENGINE_EASY;
}

bool rocks_has_free(struct rocks *rocks, uint64_t bytes)
{
    uint64_t all = rocks_number(rocks, "rocksdb.cur-size-all-mem-tables");
    uint64_t needed = table_bytes(all) + 2 * rocks_log_bytes(rocks->write_buffer_bytes);
    return rocks->reserve == NULL || reserve_look(rocks->reserve).free_bytes >= needed + bytes;
}

bool rocks_end_start(struct rocks *rocks, bool flushes, struct failure *failure)
{
    assert(flushes || rocks->start_buffer_bytes > 0); /* else nothing of a start is left to end */
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%" PRIu64, rocks->write_buffer_bytes);
    char *error = NULL;
    rocksdb_set_options(rocks->db, 1, (const char *const[]){"write_buffer_size"},
                        (const char *const[]){bytes}, &error);
    if (error != NULL) {
        rocks_fail("setting the engine's options", error, failure);
        return false;
    }
    if (!flushes && rocks_number(rocks, "rocksdb.cur-size-active-mem-table") < rocks->write_buffer_bytes) {
        rocks->start_buffer_bytes = 0;
        return true;
    }
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(flush, 0);
    rocksdb_flush(rocks->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    if (error != NULL) {
        rocks_fail("writing tables", error, failure);
        return false;
    }
    rocks->start_buffer_bytes = 0;
    return true;
}

bool rocks_make_room(struct rocks *rocks, uint64_t bytes)
{
    assert(bytes >= ROOM_BYTES_MIN); /* what is written beside is in it */
    return rocks->reserve == NULL ||
           reserve_make_room(rocks->reserve, bytes, rocks_start_bytes(rocks->write_buffer_bytes));
}

/* All that a write of so many bytes may bring about, in whichever state the write buffers are. */
static uint64_t needed_at_most(const struct rocks *rocks, uint64_t bytes)
{
    uint64_t buffers = WRITE_BUFFERS * rocks->write_buffer_bytes + rocks->start_buffer_bytes;
    return table_bytes(buffers + bytes) + 2 * (bytes + rocks_log_bytes(rocks->write_buffer_bytes));
}

bool rocks_has_ample_room(const struct rocks *rocks)
{
    assert(atomic_load(&rocks->engine.is_writing)); /* no write takes the room before it is used */
    return rocks->reserve == NULL || reserve_is_ample(rocks->reserve, 0, AMPLE_BYTES);
}

bool rocks_make_little_room(struct rocks *rocks)
{
    return rocks->reserve == NULL || reserve_is_ample(rocks->reserve, 0, AMPLE_BYTES) ||
           rocks_make_room(rocks, ROOM_BYTES_MIN);
}

bool rocks_make_room_to_flush(struct rocks *rocks, uint64_t bytes)
{
    struct engine_space space = rocks_space(&rocks->engine);
    return rocks_make_room(rocks, space.unflushed_bytes + space.log_bytes + 2 * bytes + ROOM_BYTES_MIN);
}

/* What it drops is worth the whole reserve; a next log that finds no room grows as it is written. */
bool rocks_has_room_to_compact(struct rocks *rocks)
{
    assert(atomic_load(&rocks->engine.is_reclaiming)); /* no other compaction of ours takes the same room */
    struct engine_space space = rocks_space(&rocks->engine);
    uint64_t flush = space.unflushed_bytes + ROOM_BYTES_MIN;
    return rocks->reserve == NULL ||
           reserve_is_ample(rocks->reserve, 0, needed_at_most(rocks, 0) + AMPLE_BYTES) ||
           reserve_make_room(rocks->reserve, flush + space.log_bytes + space.compaction_bytes, 0) ||
           reserve_make_room(rocks->reserve, flush, 0);
}

/* What a compaction of all tables takes beside the large values that it moves, and what writes may take meanwhile. */
static uint64_t needed_to_move(struct rocks *rocks)
{
    struct engine_space space = rocks_space(&rocks->engine);
    return space.unflushed_bytes + space.log_bytes + space.compaction_bytes + ROOM_BYTES_MIN;
}

uint64_t rocks_room_to_move(struct rocks *rocks)
{
    if (rocks->reserve == NULL) {
        return UINT64_MAX;
    }
    uint64_t kept = rocks_start_bytes(rocks->write_buffer_bytes), held = reserve_held_bytes(rocks->reserve);
    uint64_t needed = needed_to_move(rocks);
    uint64_t room = reserve_look(rocks->reserve).free_bytes;
    if (room == UINT64_MAX) {
        return room;
    }
    if (rocks_is_low(rocks)) {
        room += held > kept ? held - kept : 0;
    }
    return room > needed ? room - needed : 0;
}

bool rocks_make_room_to_move(struct rocks *rocks, uint64_t bytes)
{
    assert(atomic_load(&rocks->engine.is_reclaiming)); /* no other compaction of ours takes the same room */
    return rocks_make_room(rocks, bytes + needed_to_move(rocks));
}

/* What is left of the space that was allocated for the newest log. */
static uint64_t log_left(const struct rocks *rocks)
{
    unsigned long long number, newest = 0;
    uint64_t left = 0;
    struct stat found;
    int end = 0;
    DIR *directory = opendir(rocks->path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        bool is_log = sscanf(entry->d_name, "%llu.log%n", &number, &end) == 1 && entry->d_name[end] == '\0';
        if (is_log && number >= newest && fstatat(dirfd(directory), entry->d_name, &found, 0) == 0) {
            uint64_t allocated = (uint64_t)found.st_blocks * BLOCK_BYTES, used = (uint64_t)found.st_size;
            newest = number;
            left = allocated > used ? allocated - used : 0;
        }
        end = 0;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return left;
}

bool rocks_has_room(struct rocks *rocks, uint64_t bytes, struct failure *failure)
{
    assert(atomic_load(&rocks->engine.is_writing)); /* nothing else fills the write buffer meanwhile */
    if (rocks->start_buffer_bytes > 0 && rocks_has_free(rocks, 0)) {
        (void)!rocks_end_start(rocks, false, failure); /* tried again; what ended all fails the write too */
    }
    if (rocks->reserve == NULL ||
        reserve_is_ample(rocks->reserve, 3 * bytes, needed_at_most(rocks, bytes) + AMPLE_BYTES)) {
        return true;
    }
    assert(rocks->start_buffer_bytes == 0 || rocks->start_buffer_bytes > rocks->write_buffer_bytes);
    uint64_t buffer = rocks->start_buffer_bytes > 0 ? rocks->start_buffer_bytes : rocks->write_buffer_bytes;
    uint64_t full = buffer - buffer / FULL_PART;
    uint64_t active = rocks_number(rocks, "rocksdb.cur-size-active-mem-table");
    uint64_t all = rocks_number(rocks, "rocksdb.cur-size-all-mem-tables");
    uint64_t needed = 2 * bytes + ROOM_BYTES_MIN;
    if (active + 2 * bytes >= full) { /* it takes more memory than it has bytes */
        needed += table_bytes(all + bytes) + rocks_log_bytes(rocks->write_buffer_bytes);
    } else if (all > active) {
        needed += table_bytes(all - active);
    }
    bool fits_log = needed == 2 * bytes + ROOM_BYTES_MIN; /* nothing is to be flushed */
    bool has_room =
        rocks_make_room(rocks, needed) || (fits_log && log_left(rocks) >= 2 * bytes + BLOCK_BYTES);
    if (!has_room) {
        failure_set(failure, STATUS_NO_SPACE,
                    "%" PRIu64
                    " bytes find no room on the file system of the data directory, nor in what was set aside "
                    "there: free space, or prune",
                    bytes);
    }
    return has_room;
}
