/* The engine in the same process, through the daemon's own store: the same options, the same library. A commit's puts are
 * those of daemon/writer/apply.c for blocks that are new; what is left out is all that is cairn: socket, queue, threads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/store.h"
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
    struct store *store;
    struct store_batch *batch;
    struct chain_marks marks;
    uint8_t *header, *record, *pool;
    uint8_t signature[SIGNATURE_BYTES];
    struct failure failure;
};

static enum side_exit failed(const struct failure *failure)
{
    return side_fail("%s", failure->text);
}

static enum status read_marks(struct store *store, struct chain_marks *ret_marks, struct failure *failure)
{
    struct key key = key_of_kind(CHAIN, KEY_MARKS);
    struct store_value value = {0};
    *ret_marks = (struct chain_marks){0};
    enum status status = store_get(store, NULL, STORE_DEVICE, key_slice(&key), &value, failure);
    if (status == STATUS_OK && !record_read_marks(value.bytes, ret_marks)) {
        status = failure_set(failure, STATUS_IO_ERROR, "the store's marks cannot be understood");
    }
    store_value_release(&value);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- commit ---- */

static void put_block(struct committer *committer, uint64_t height)
{
    const struct side_options *options = committer->options;
    uint8_t hash[SIDE_SHA256_BYTES], number[8];
    record_put_u64(height, number);
    memcpy(committer->header, number, sizeof number);
    side_sha256(committer->header, options->header_bytes, hash);
    struct header_record record = {
        .data_bytes = options->size_bytes,
        .hash = slice_of(hash, sizeof hash),
        .header = slice_of(committer->header, options->header_bytes),
        .signature = slice_of(committer->signature, sizeof committer->signature),
    };
    record_write_header(&record, committer->record);
    struct slice value = slice_of(committer->record, record_header_bytes(&record));
    struct slice data = slice_of(committer->pool + height * 4099 % POOL_BYTES, options->size_bytes);
    struct key key = key_of_height(CHAIN, KEY_HEADER, height);
    store_batch_put(committer->batch, key_slice(&key), value);
    key = key_of_height(CHAIN, KEY_DATA, height);
    store_batch_put(committer->batch, key_slice(&key), data);
    key = key_of_name(CHAIN, KEY_HASH, slice_of(hash, sizeof hash));
    store_batch_put(committer->batch, key_slice(&key), slice_of(number, sizeof number));
}

static bool commit(struct committer *committer)
{
    uint8_t marks[RECORD_MARKS_BYTES];
    store_batch_clear(committer->batch);
    for (uint64_t i = 0; i < committer->options->batch; i++) {
        put_block(committer, ++committer->marks.height);
    }
    record_write_marks(&committer->marks, marks);
    struct key key = key_of_kind(CHAIN, KEY_MARKS);
    store_batch_put(committer->batch, key_slice(&key), slice_of(marks, sizeof marks));
    return store_write(committer->store, committer->batch, committer->options->is_durable != 0,
                       &committer->failure) == STATUS_OK;
}

static void committer_init(struct committer *committer, const struct side_options *options)
{
    *committer = (struct committer){.options = options, .batch = store_batch_new()};
    committer->header = side_memory(options->header_bytes, 1);
    committer->record = side_memory(options->header_bytes + 1024, 1);
    committer->pool = side_memory(POOL_BYTES + options->size_bytes, 1);
    side_fill(committer->header, options->header_bytes);
    side_fill(committer->pool, POOL_BYTES + options->size_bytes);
    side_fill(committer->signature, sizeof committer->signature);
}

static void committer_close(struct committer *committer)
{
    store_batch_free(committer->batch);
    store_close(committer->store);
    free(committer->header);
    free(committer->record);
    free(committer->pool);
}

enum side_exit side_rocksdb_commit(const struct side_options *given)
{
    struct side_options options = *given;
    options.size_bytes = options.size_bytes != 0 ? options.size_bytes : 1000;
    struct committer committer;
    struct measure measure;
    committer_init(&committer, &options);
    bool good =
        store_open(options.words[1], true, CACHE_BYTES, &committer.store, &committer.failure) == STATUS_OK &&
        read_marks(committer.store, &committer.marks, &committer.failure) == STATUS_OK;
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
    struct store *store;
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

static struct store_iterator *walk(struct streamer *streamer, enum key_kind kind, uint64_t first,
                                   uint64_t last)
{
    struct key from = key_of_height(CHAIN, kind, first);
    struct key to = key_behind_height(CHAIN, kind, last);
    return store_iterator_new_long(streamer->store, NULL, key_slice(&from), key_slice(&to));
}

/* Headers and data lie apart, each in the order of heights: two iterators side by side. */
static enum status stream_range(struct streamer *streamer, uint64_t first, uint64_t last)
{
    struct store_iterator *headers = walk(streamer, KEY_HEADER, first, last);
    struct store_iterator *data = walk(streamer, KEY_DATA, first, last);
    enum status status = STATUS_OK;
    uint64_t height = first;
    for (; height <= last && store_iterator_valid(headers) && status == STATUS_OK; height++) {
        struct slice value = store_iterator_value(headers);
        struct header_record record;
        uint64_t at = 0;
        if (!key_read_height(store_iterator_key(headers), &at) || at != height ||
            !record_read_header(value, &record)) {
            break;
        }
        streamer->sum += sum_of(value);
        store_iterator_next(headers);
        if (record.data_bytes > 0) {
            if (!store_iterator_valid(data) || !key_read_height(store_iterator_key(data), &at) ||
                at != height) {
                break;
            }
            streamer->sum += sum_of(store_iterator_value(data));
            store_iterator_next(data);
        }
    }
    status = store_iterator_status(headers, &streamer->failure);
    if (status == STATUS_OK) {
        status = store_iterator_status(data, &streamer->failure);
    }
    if (status == STATUS_OK && height <= last) {
        status = failure_set(&streamer->failure, STATUS_IO_ERROR, "block %lu is not there", height);
    }
    store_iterator_free(headers);
    store_iterator_free(data);
    return status;
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
    enum status status = store_open(options->words[1], false, CACHE_BYTES, &streamer->store, failure);
    if (status == STATUS_OK) {
        status = read_marks(streamer->store, &streamer->marks, failure);
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
    store_close(streamer.store);
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
