/* Writing to RocksDB: one column family, its log on, one writer.
 *
 * - Each batch begins with a mark: up to where all before it was synced (wal_mark.h). A sync is a batch of a mark alone; where
 *   there is no ample room it writes nothing, and only syncs the log.
 * - A list of edits becomes one write batch, in RocksDB's log before it can be read; synced, the log is on the device before
 *   it can be read.
 * - The ranges go first, so that what is put into a deleted range stays. Then come the keys, in their order: RocksDB looks
 *   for a key's place from where it put the one before. Large values go last: a batch that had to grow behind one would hold
 *   it twice.
 * - The batch is kept from write to write, with its memory unless that is large.
 *
 * Ways to fail: a failed write or sync leaves the process in doubt, as RocksDB may have it in the log or not; its own recovery
 * from that is not used. So each is ENGINE_UNKNOWN, and the next open decides. ENGINE_NOT_APPLIED: it was not begun, since the write
 * buffers are full and cannot be flushed (rocks_background.c), or the file system has no room for it (rocks_room.c). */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/engine/rocksdb/rocks_room.h"
#include "daemon/engine/rocksdb/wal_mark.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen, but where it says otherwise. */
enum {
    BATCH_BYTES_KEPT = 8 << 20,  /* a batch that took no more keeps its memory for the next */
    VALUE_BYTES_LARGE = 1 << 20, /* a value from this size on goes last */
    BATCH_COPIES = 4, /* of a large value: two while the batch grows, the write buffer's, the log's */
    LARGE_BATCH_BYTES = 8 << 20, /* a batch from this size on waits for room in the write buffers */
    /* of all write buffers and a large batch */
    WRITE_BUFFERS_BYTES_MAX = WRITE_BUFFERS / 2 * WRITE_BUFFER_BYTES,
    FLUSH_LOOK_NS = 500000, /* between two looks whether there is room */
    LOOKS_MAX = 120000,     /* of one wait: a minute; behind that the batch is written all the same */
    KEPT_LOOKS_MAX = 100,   /* of these, while all is flushed and a read keeps write buffers: 50 ms */
    DELETIONS_MAX = 8192,   /* in a write buffer, for walks pass over each; measured: some 2 ms */
    NOTE_INTERVAL_US =
        2000,      /* between two notes of how far the log is synced; with 500 a commit takes 2 % more */
    EDITS_FEW = 8, /* sorted in place: qsort() takes 850 instructions for a commit's four */
    TABLES_YOUNG_MAX = 16, /* with more of them RocksDB delays flushes; it slows down writes from 20 on */
};

/* ---- the batch ---- */

/* Ranges first, then keys, then keys with large values. */
static int place_of(const struct engine_edit *edit)
{
    return edit->kind == ENGINE_DELETE_RANGE ? 0 : edit->value.bytes < VALUE_BYTES_LARGE ? 1 : 2;
}

static int compare_edits(const void *left, const void *right)
{
    const struct engine_edit *one = left, *other = right;
    int order = place_of(one) - place_of(other);
    order = order != 0 ? order : slice_compare(one->key, other->key);
    bool may_be_equal = left == right || one->kind == ENGINE_DELETE_RANGE || one->kind == ENGINE_DELETE_EACH;
    assert(order != 0 || may_be_equal); /* of two edits of one key either might win */
    return order;
}

static void sort(struct engine_edit *edits, size_t count)
{
    if (count > EDITS_FEW) {
        qsort(edits, count, sizeof edits[0], compare_edits);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const struct engine_edit edit = edits[i];
        size_t at = i;
        for (; at > 0 && compare_edits(&edits[at - 1], &edit) > 0; at--) {
            edits[at] = edits[at - 1];
        }
        edits[at] = edit;
    }
}

/* Returns how many there were. */
static size_t add_packed(rocksdb_writebatch_t *batch, struct slice packed)
{
    size_t count = 0;
    for (struct slice key; engine_unpack_key(&packed, &key); count++) {
        rocksdb_writebatch_delete(batch, (const char *)key.data, key.bytes);
    }
    return count;
}

/* Returns how many entries of the batch it makes. */
static size_t add_edit(rocksdb_writebatch_t *batch, const struct engine_edit *edit)
{
    const char *key = (const char *)edit->key.data;
    const char *value = (const char *)edit->value.data;
    switch (edit->kind) {
    case ENGINE_PUT:
        rocksdb_writebatch_put(batch, key, edit->key.bytes, value, edit->value.bytes);
        break;
    case ENGINE_DELETE:
        assert(edit->value.bytes == 0); /* place_of would take it for a large value */
        rocksdb_writebatch_delete(batch, key, edit->key.bytes);
        break;
    case ENGINE_DELETE_RANGE:
        assert(slice_compare(edit->key, edit->value) <= 0); /* RocksDB would fail the write */
        rocksdb_writebatch_delete_range(batch, key, edit->key.bytes, value, edit->value.bytes);
        break;
    case ENGINE_DELETE_EACH:
        assert(edit->key.bytes == 0); /* the keys are those in `value`: this one would stay */
        return add_packed(batch, edit->value);
    }
    return 1;
}

static void add_mark(const struct rocks *rocks, rocksdb_writebatch_t *batch)
{
    assert(atomic_load(&rocks->engine.is_writing)); /* nothing is synced between the mark and its batch */
    assert(rocksdb_writebatch_count(batch) == 0);   /* wal_batch_read looks for the mark in the first entry */
    uint8_t bytes[WAL_MARK_BYTES];
    const struct wal_mark mark = {rocks->wal.store, atomic_load(&rocks->synced)};
    wal_mark_write(&mark, bytes);
    rocksdb_writebatch_put_log_data(batch, (const char *)bytes, sizeof bytes);
}

/* An empty range would take a sequence number that no table keeps: the auditor would miss it. */
static bool does_nothing(const struct engine_edit *edit)
{
    return edit->kind == ENGINE_DELETE_RANGE && slice_equal(edit->key, edit->value);
}

static void fill_batch(struct rocks *rocks, struct engine_edit *edits, size_t count)
{
    assert(atomic_load(&rocks->engine.is_writing));      /* the batch has no lock */
    assert(rocksdb_writebatch_count(rocks->batch) == 0); /* nothing of the write before goes with this one */
    sort(edits, count);
    add_mark(rocks, rocks->batch);
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        added += does_nothing(&edits[i]) ? 0 : add_edit(rocks->batch, &edits[i]);
    }
    assert((size_t)rocksdb_writebatch_count(rocks->batch) == added); /* all, or the write is not whole */
}

/* `bytes` is what the batch holds. */
static void empty_batch(struct rocks *rocks, size_t bytes)
{
    assert(bytes >= WAL_BATCH_HEAD_BYTES + WAL_MARK_BYTES); /* it was filled: each has its mark */
    if (bytes > BATCH_BYTES_KEPT) {                         /* cleared, it would keep its memory */
        rocksdb_writebatch_destroy(rocks->batch);
        rocks->batch = rocksdb_writebatch_create();
    } else {
        rocksdb_writebatch_clear(rocks->batch);
    }
}

/* ---- room for a large batch ---- */

/* Closes the active write buffer, so that RocksDB begins the next, unless that would wait for a compaction. */
static void close_write_buffer(struct rocks *rocks)
{
    assert(atomic_load(&rocks->engine.is_writing)); /* the write that waits is the only one to close it */
    struct failure ignored;                         /* the write that follows meets it too */
    if (rocks_young_tables(rocks) <= TABLES_YOUNG_MAX) {
        (void)!rocks_close_write_buffer(rocks, &ignored);
    }
}

/* Waits until a large batch fits into the memory that engine_traits states. RocksDB bounds the number of its write buffers, and
 * each is larger than its size by what was written to it last. So the active one is closed if the batch would make it
 * larger, and the closed ones are waited for until they are flushed and freed. A read may keep a flushed one; that is not
 * waited for long. */
static void make_room_for(struct rocks *rocks, size_t bytes)
{
    if (bytes < LARGE_BATCH_BYTES) {
        return;
    }
    assert(!thread_is(THREAD_LOOP)); /* it may wait a minute */
    static_assert((uint64_t)WRITE_BUFFERS_BYTES_MAX < (uint64_t)WRITE_BUFFERS * WRITE_BUFFER_BYTES,
                  "what is waited for fits into what is stated");
    uint64_t active = rocks_number(rocks, "rocksdb.cur-size-active-mem-table");
    if (active >= LARGE_BATCH_BYTES && active + bytes > WRITE_BUFFER_BYTES) {
        close_write_buffer(rocks);
    }
    int kept_looks = 0;
    for (int looks = 0; looks < LOOKS_MAX && kept_looks < KEPT_LOOKS_MAX; looks++) {
        uint64_t all = rocks_number(rocks, "rocksdb.size-all-mem-tables");
        active = rocks_number(rocks, "rocksdb.cur-size-active-mem-table");
        if (all <= active || all + bytes <= WRITE_BUFFERS_BYTES_MAX || rocks_background_has_news(rocks)) {
            return;
        }
        kept_looks += rocks_number(rocks, "rocksdb.num-immutable-mem-table") == 0;
        (void)nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_NS}, NULL);
    }
}

/* ---- writing ---- */

/* Whether there is memory for what RocksDB copies of a large batch: if not, RocksDB would end the process. */
static bool has_memory(const struct engine_edit *edits, size_t count, struct failure *failure)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += edits[i].value.bytes;
    }
    bool has = bytes < VALUE_BYTES_LARGE || memory_has(BATCH_COPIES * bytes);
    if (!has) {
        failure_set(failure, STATUS_BUSY, "the machine has no memory to write %zu bytes: try again later",
                    bytes);
    }
    return has;
}

/* Closes a write buffer that holds many deletions: tables drop them once they are merged. */
static void count_deletions(struct rocks *rocks, const struct engine_edit *edits, size_t count)
{
    assert(atomic_load(&rocks->engine.is_writing)); /* the count has no lock */
    for (size_t i = 0; i < count; i++) {
        bool is_packed = edits[i].kind == ENGINE_DELETE_EACH;
        struct slice packed = is_packed ? edits[i].value : slice_of(NULL, 0);
        rocks->deletions += edits[i].kind == ENGINE_DELETE;
        for (struct slice key; engine_unpack_key(&packed, &key);) {
            rocks->deletions++;
        }
    }
    bool are_many = rocks->deletions >= DELETIONS_MAX;
    if (are_many && rocks_number(rocks, "rocksdb.num-immutable-mem-table") < WRITE_BUFFERS / 2 &&
        rocks_has_free(rocks, 0)) {
        rocks->deletions = 0; /* with more of them closing it would wait until they are flushed */
        close_write_buffer(rocks);
    }
}

/* Where the log found no space though there is some, as behind a quota, the reserve goes: the next start, which gets that for what it
 * writes, cannot set it aside again, and knows by that that there is no room. On a full disk others would take it. */
static void give_to_next_start(struct rocks *rocks)
{
    uint64_t needed = rocks_start_bytes(rocks->write_buffer_bytes);
    if (rocks->reserve != NULL &&
        (reserve_is_refused(rocks->reserve) || reserve_look(rocks->reserve).free_bytes > needed)) {
        (void)!reserve_give(rocks->reserve);
    }
}

/* A write that the file system refused to take leaves what was written before it as it is; whatever else failed may have been a sync,
 * or the engine's own answer to one. */
static enum engine_outcome fail(struct rocks *rocks, const char *doing, char *error, struct failure *failure)
{
    assert(!atomic_load(&rocks->engine.has_ended)); /* the first failure ends all writing */
    bool was_refused = strstr(error, "While appending to file") != NULL;
    if (rocks_is_no_space(error)) {
        give_to_next_start(rocks);
    }
    rocks_fail(doing, error, failure);
    if (!was_refused) {
        wal_state_note_failure(&rocks->wal);
    }
    return ENGINE_UNKNOWN;
}

/* A sync has succeeded. */
static void advance(struct rocks *rocks)
{
    uint64_t sequence = rocksdb_get_latest_sequence_number(rocks->db);
    assert(sequence >= atomic_load(&rocks->synced));
    atomic_store(&rocks->synced, sequence);
    uint64_t now_us = thread_now_us();
    if (now_us >= rocks->noted_us + NOTE_INTERVAL_US) {
        rocks->noted_us = now_us;
        wal_state_note(&rocks->wal, sequence);
    }
}

static enum engine_outcome write_batch(struct rocks *rocks, struct engine_edit *edits, size_t count,
                                       enum engine_durability durability, struct failure *failure)
{
    char *error = NULL;
    size_t bytes = 0;
    assert(durability == ENGINE_LOGGED || durability == ENGINE_SYNCED); /* an index of the write options */
    if (!has_memory(edits, count, failure)) {
        return ENGINE_NOT_APPLIED;
    }
    fill_batch(rocks, edits, count);
    (void)rocksdb_writebatch_data(rocks->batch, &bytes);
    if (!rocks_background_allows(rocks, bytes, failure) || !rocks_has_room(rocks, bytes, failure)) {
        empty_batch(rocks, bytes);
        return ENGINE_NOT_APPLIED;
    }
    make_room_for(rocks, bytes);
    rocksdb_write(rocks->db, rocks->write[durability], rocks->batch, &error);
    empty_batch(rocks, bytes);
    if (error != NULL) {
        return fail(rocks, "writing the log", error, failure);
    }
    if (durability == ENGINE_SYNCED) {
        advance(rocks);
    }
    assert(count == 0 || place_of(&edits[0]) <= place_of(&edits[count - 1])); /* fill_batch has sorted them */
    if (count > 0 && edits[0].kind == ENGINE_DELETE_RANGE) {                  /* ranges come first */
        paced_deletion_expect(rocks->deletion);
    }
    count_deletions(rocks, edits, count);
    return ENGINE_DONE;
}

enum engine_outcome rocks_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                enum engine_durability durability, struct failure *failure)
{
    struct rocks *rocks = rocks_of(engine);
    if (rocks->reserve != NULL) {
        reserve_begin_use(rocks->reserve);
    }
    enum engine_outcome outcome = write_batch(rocks, edits, count, durability, failure);
    if (rocks->reserve != NULL) {
        reserve_end_use(rocks->reserve);
    }
    return outcome;
}

enum engine_outcome rocks_sync(struct engine *engine, struct failure *failure)
{
    struct rocks *rocks = rocks_of(engine);
    char *error = NULL;
    assert(atomic_load(&engine->is_writing)); /* what was written before is what is synced */
    if (rocks_has_ample_room(rocks)) {
        rocksdb_writebatch_clear(rocks->nothing);
        add_mark(rocks, rocks->nothing);
        assert(rocksdb_writebatch_count(rocks->nothing) == 0); /* a sync writes no key */
        rocksdb_write(rocks->db, rocks->write[ENGINE_SYNCED], rocks->nothing, &error);
    } else { /* without a record, nor a next log for it: others may take any room that was made for these */
        rocksdb_flush_wal(rocks->db, 1, &error);
    }
    if (error != NULL) {
        return fail(rocks, "syncing the log", error, failure);
    }
    advance(rocks);
    return ENGINE_DONE;
}
