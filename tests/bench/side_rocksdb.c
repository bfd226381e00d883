/* The engine in the same process, through the daemon's own seam: the same options, the same library. A commit's puts are
 * those of daemon/writer/apply.c for blocks that are new; what is left out is all that is cairn: socket, queue, threads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine/engine.h"
#include "daemon/schema/key.h"
#include "daemon/schema/record.h"
#include "tests/bench/side.h"

enum {
    CHAIN = 1,
    SIGNATURE_BYTES = 64,
    CACHE_BYTES = 64 << 20, /* the daemon's default */
    POOL_BYTES = 4 << 20,   /* data begins anywhere in it, so that no block's is another's */
};

struct committer {
    const struct side_options *options;
    struct engine *engine;
    struct engine_edit *edits;
    size_t edit_count;
    struct key *keys; /* as many */
    struct chain_marks marks;
    uint8_t *header, *pool;
    uint8_t *records; /* of each block of a commit: its number, its header record */
    size_t record_bytes;
    uint8_t signature[SIGNATURE_BYTES];
    struct failure failure;
};

static enum side_exit failed(const struct failure *failure)
{
    return side_fail("%s", failure->text);
}

/* STATUS_OK, STATUS_NOT_FOUND, STATUS_IO_ERROR. */
static enum status status_of(enum engine_result result)
{
    return result == ENGINE_OK ? STATUS_OK : result == ENGINE_NOT_FOUND ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
}

static enum status open_engine(const char *path, bool create, struct engine **ret_engine,
                               struct failure *failure)
{
    struct engine_config config = {.path = path, .create = create, .cache_bytes_max = CACHE_BYTES};
    return status_of(engine_open(engine_default(), &config, ret_engine, failure));
}

static enum status read_marks(struct engine *engine, struct chain_marks *ret_marks, struct failure *failure)
{
    struct key key = key_of_kind(CHAIN, KEY_MARKS);
    struct engine_value value = {0};
    *ret_marks = (struct chain_marks){0};
    enum status status =
        status_of(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, failure));
    if (status == STATUS_OK && !record_read_marks(value.bytes, ret_marks)) {
        status = failure_set(failure, STATUS_IO_ERROR, "the store's marks cannot be understood");
    }
    engine_value_release(&value);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- commit ---- */

static void put(struct committer *committer, const struct key *key, struct slice value)
{
    size_t i = committer->edit_count++;
    committer->keys[i] = *key;
    committer->edits[i] = (struct engine_edit){ENGINE_PUT, key_slice(&committer->keys[i]), value};
}

/* The i-th of a commit. */
static void put_block(struct committer *committer, uint64_t i, uint64_t height)
{
    const struct side_options *options = committer->options;
    uint8_t hash[SIDE_SHA256_BYTES];
    uint8_t *number = committer->records + i * committer->record_bytes;
    uint8_t *header = number + 8;
    record_put_u64(height, number);
    memcpy(committer->header, number, 8);
    side_sha256(committer->header, options->header_bytes, hash);
    struct header_record record = {
        .data_bytes = options->size_bytes,
        .hash = slice_of(hash, sizeof hash),
        .header = slice_of(committer->header, options->header_bytes),
        .signature = slice_of(committer->signature, sizeof committer->signature),
    };
    record_write_header(&record, header);
    struct slice value = slice_of(header, record_header_bytes(&record));
    struct slice data = slice_of(committer->pool + height * 4099 % POOL_BYTES, options->size_bytes);
    struct key key = key_of_height(CHAIN, KEY_HEADER, height);
    put(committer, &key, value);
    key = key_of_height(CHAIN, KEY_DATA, height);
    put(committer, &key, data);
    key = key_of_name(CHAIN, KEY_HASH, slice_of(hash, sizeof hash));
    put(committer, &key, slice_of(number, 8));
}

static bool commit(struct committer *committer)
{
    uint8_t marks[RECORD_MARKS_BYTES];
    committer->edit_count = 0;
    for (uint64_t i = 0; i < committer->options->batch; i++) {
        put_block(committer, i, ++committer->marks.height);
    }
    record_write_marks(&committer->marks, marks);
    struct key key = key_of_kind(CHAIN, KEY_MARKS);
    put(committer, &key, slice_of(marks, sizeof marks));
    enum engine_durability durability = committer->options->is_durable ? ENGINE_SYNCED : ENGINE_LOGGED;
    return engine_write(committer->engine, committer->edits, committer->edit_count, durability,
                        &committer->failure) == ENGINE_DONE;
}

static void committer_init(struct committer *committer, const struct side_options *options)
{
    size_t edits_max = 3 * options->batch + 1;
    *committer = (struct committer){.options = options};
    committer->edits = side_memory(edits_max, sizeof committer->edits[0]);
    committer->keys = side_memory(edits_max, sizeof committer->keys[0]);
    committer->record_bytes = options->header_bytes + 1024;
    committer->records = side_memory(options->batch, committer->record_bytes);
    committer->header = side_memory(options->header_bytes, 1);
    committer->pool = side_memory(POOL_BYTES + options->size_bytes, 1);
    side_fill(committer->header, options->header_bytes);
    side_fill(committer->pool, POOL_BYTES + options->size_bytes);
    side_fill(committer->signature, sizeof committer->signature);
}

static void committer_close(struct committer *committer)
{
    engine_close(committer->engine, ENGINE_CLOSE_CLEAN);
    free(committer->edits);
    free(committer->keys);
    free(committer->header);
    free(committer->records);
    free(committer->pool);
}

enum side_exit side_rocksdb_commit(const struct side_options *given)
{
    struct side_options options = *given;
    options.size_bytes = options.size_bytes != 0 ? options.size_bytes : 1000;
    struct committer committer;
    struct measure measure;
    committer_init(&committer, &options);
    bool good = open_engine(options.words[1], true, &committer.engine, &committer.failure) == STATUS_OK &&
                read_marks(committer.engine, &committer.marks, &committer.failure) == STATUS_OK;
    measure_start(&measure, &options);
    uint64_t now_ns = side_now_ns();
    for (bool goes_on = good; goes_on;) {
        uint64_t before_ns = now_ns;
        good = commit(&committer);
        now_ns = side_now_ns();
        measure_add(&measure, now_ns - before_ns, options.batch);
        goes_on = good && measure_goes_on(&measure, now_ns);
    }
    committer_close(&committer);
    if (!good) {
        return failed(&committer.failure);
    }
    char workload[160];
    snprintf(workload, sizeof workload,
             "rocksdb,commit,size=%" PRIu64 ",header=%" PRIu64 ",batch=%" PRIu64 ",level=%s",
             options.size_bytes, options.header_bytes, options.batch,
             options.is_durable ? "durable" : "written");
    measure_print(&measure, &options, workload);
    return SIDE_OK;
}

/* ---- stream ---- */

struct streamer {
    struct engine *engine;
    struct chain_marks marks;
    uint64_t heights; /* a request */
    uint64_t next;
    uint64_t sum;
    struct failure failure;
};

/* What lies in the kernel's cache of the directory's files goes. */
static enum status forget_files(const char *path, struct failure *failure)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return failure_set(failure, STATUS_IO_ERROR, "%s: %s", path, strerror(errno));
    }
    (void)syncfs(dirfd(directory));
    enum status status = STATUS_OK;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL && status == STATUS_OK;) {
        if (entry->d_type != DT_REG || strcmp(entry->d_name, "LOCK") == 0) {
            continue; /* to close any descriptor of the lock's file would give up the lock */
        }
        int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            status = error == 0 ? STATUS_OK
                                : failure_set(failure, STATUS_IO_ERROR, "%s: %s", path, strerror(error));
        }
        close(fd);
    }
    closedir(directory);
    return status;
}

static uint64_t sum_of(struct slice slice)
{
    uint64_t sum = 0, word = 0;
    size_t at = 0;
    for (; at + sizeof word <= slice.bytes; at += sizeof word) {
        memcpy(&word, slice.data + at, sizeof word);
        sum += word;
    }
    for (; at < slice.bytes; at++) {
        sum += slice.data[at];
    }
    return sum;
}

static struct engine_cursor *walk(struct streamer *streamer, enum key_kind kind, uint64_t first,
                                  uint64_t last)
{
    struct key from = key_of_height(CHAIN, kind, first);
    struct key to = key_behind_height(CHAIN, kind, last);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to), .is_long = true};
    return engine_cursor_open(streamer->engine, NULL, &range);
}

/* Headers and data lie apart, each in the order of heights: two cursors side by side. */
static enum status stream_range(struct streamer *streamer, uint64_t first, uint64_t last)
{
    struct engine_cursor *headers = walk(streamer, KEY_HEADER, first, last);
    struct engine_cursor *data = walk(streamer, KEY_DATA, first, last);
    struct failure *failure = &streamer->failure;
    enum engine_result result = ENGINE_OK;
    uint64_t height = first;
    while (height <= last) {
        struct slice key, value;
        struct header_record record;
        uint64_t at = 0;
        result = engine_cursor_next(headers, &key, &value, failure);
        if (result != ENGINE_OK || !key_read_height(key, &at) || at != height ||
            !record_read_header(value, &record)) {
            break;
        }
        streamer->sum += sum_of(value);
        if (record.data_bytes > 0) {
            result = engine_cursor_next(data, &key, &value, failure);
            if (result != ENGINE_OK || !key_read_height(key, &at) || at != height) {
                break;
            }
            streamer->sum += sum_of(value);
        }
        height++;
    }
    engine_cursor_close(headers);
    engine_cursor_close(data);
    if (result == ENGINE_FAILED) {
        return STATUS_IO_ERROR;
    }
    return height > last ? STATUS_OK
                         : failure_set(failure, STATUS_IO_ERROR, "block %lu is not there", height);
}

/* The next heights, from the first again where fewer are left. */
static enum status stream(struct streamer *streamer)
{
    if (streamer->next + streamer->heights - 1 > streamer->marks.height) {
        streamer->next = streamer->marks.blocks_pruned + 1;
    }
    uint64_t first = streamer->next;
    streamer->next += streamer->heights;
    return stream_range(streamer, first, streamer->next - 1);
}

static enum status streamer_open(struct streamer *streamer, const struct side_options *options)
{
    struct failure *failure = &streamer->failure;
    enum status status = open_engine(options->words[1], false, &streamer->engine, failure);
    if (status == STATUS_OK) {
        status = read_marks(streamer->engine, &streamer->marks, failure);
    }
    streamer->next = streamer->marks.blocks_pruned + 1;
    uint64_t there = streamer->marks.height - streamer->marks.blocks_pruned;
    if (status == STATUS_OK && there < streamer->heights) {
        status = failure_set(failure, STATUS_NOT_FOUND, "%s has only %lu heights; run commit on it first",
                             options->words[1], there);
    }
    if (status == STATUS_OK && options->is_cold) {
        status = forget_files(options->words[1], failure);
    }
    return status;
}

/* Without a duration one request is all. */
enum side_exit side_rocksdb_stream(const struct side_options *given)
{
    struct side_options options = *given;
    if (options.heights == 0) {
        (void)side_fail("rocksdb stream takes --heights: how many each request reads");
        return SIDE_USAGE;
    }
    options.warmup_ns = side_options_given("warmup") ? options.warmup_ns : 0;
    options.duration_ns = side_options_given("duration") ? options.duration_ns : 0;
    struct streamer streamer = {.heights = options.heights};
    struct measure measure;
    enum status status = streamer_open(&streamer, &options);
    measure_start(&measure, &options);
    uint64_t now_ns = side_now_ns();
    for (bool goes_on = status == STATUS_OK; goes_on;) {
        uint64_t before_ns = now_ns;
        status = stream(&streamer);
        now_ns = side_now_ns();
        measure_add(&measure, now_ns - before_ns, streamer.heights);
        goes_on = status == STATUS_OK && measure_goes_on(&measure, now_ns);
    }
    engine_close(streamer.engine, ENGINE_CLOSE_CLEAN);
    if (status != STATUS_OK) {
        return failed(&streamer.failure);
    }
    char workload[160];
    snprintf(workload, sizeof workload, "rocksdb,stream,heights=%" PRIu64 "%s", options.heights,
             options.is_cold ? ",cold" : "");
    measure_print(&measure, &options, workload);
    static volatile uint64_t touched; /* so that no byte's reading can be left out */
    touched = streamer.sum;
    (void)touched;
    return SIDE_OK;
}
