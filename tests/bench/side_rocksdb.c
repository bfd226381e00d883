/* The engine in the same process, through the daemon's own store: the same options, the same library. A commit's puts are
 * those of daemon/apply.c for blocks that are new; what is left out is all that is cairn: socket, queue, threads. */
#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/key.h"
#include "daemon/record.h"
#include "daemon/store.h"
#include "tests/bench/side.h"

enum {
    CHAIN = 1,
    HASH_BYTES = 32,
    SIGNATURE_BYTES = 64,
    CACHE_BYTES = 64 << 20, /* the daemon's default */
    POOL_BYTES = 4 << 20,   /* data begins anywhere in it, so that no block's is another's */
};

struct committer {
    const struct side_options *options;
    struct store *store;
    struct store_batch *batch;
    struct chain_marks marks;
    EVP_MD *sha256;
    EVP_MD_CTX *hasher;
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
    uint8_t hash[HASH_BYTES], number[8];
    record_put_u64(height, number);
    memcpy(committer->header, number, sizeof number);
    unsigned hash_bytes;
    int hashed = EVP_DigestInit_ex2(committer->hasher, committer->sha256, NULL) &&
                 EVP_DigestUpdate(committer->hasher, committer->header, options->header_bytes) &&
                 EVP_DigestFinal_ex(committer->hasher, hash, &hash_bytes);
    assert(hashed);
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
    committer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    committer->hasher = EVP_MD_CTX_new();
    assert(committer->sha256 != NULL && committer->hasher != NULL);
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
    EVP_MD_CTX_free(committer->hasher);
    EVP_MD_free(committer->sha256);
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
