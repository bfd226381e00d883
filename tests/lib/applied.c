#include "tests/lib/applied.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/writer/apply.h"
#include "tests/lib/directory.h"

enum { CACHE_BYTES = 8 << 20, NUMBERS_MAX = 256 };

static struct directory directory;
static struct store *store;
static struct apply *apply;
static struct store_batch *batch;
static struct pending *pending;
static struct pending_segment *taken; /* by the writer, and not written; oldest first */
static bool is_batching;
static uint64_t sequence;
static struct failure failure;

static void check_status(enum status status)
{
    ck_assert_msg(status == STATUS_OK, "%s", failure.text);
}

/* ---- life ---- */

static void open_all(bool create)
{
    check_status(store_open(directory.path, create, CACHE_BYTES, &store, &failure));
    apply = apply_new(store, APPLIED_CHAINS);
    for (uint32_t chain = 1; chain <= APPLIED_CHAINS; chain++) {
        struct chain_marks marks = applied_marks(chain);
        check_status(apply_load(apply, chain, &marks, &failure));
    }
}

void applied_open(void)
{
    directory = directory_new();
    batch = store_batch_new();
    taken = NULL;
    is_batching = false;
    sequence = 0;
    pending = pending_new(10000, 32 << 20);
    open_all(true);
}

void applied_close(void)
{
    pending_free(pending);
    store_batch_free(batch);
    apply_free(apply);
    store_close(store);
    directory_remove(&directory);
}

void applied_restart(void)
{
    ck_assert_uint_eq(pending_operations(pending), 0);
    apply_free(apply);
    store_close(store);
    open_all(false);
}

struct slice applied_text(const char *string)
{
    return slice_of(string, strlen(string));
}

struct slice applied_number(uint64_t number)
{
    static uint8_t numbers[NUMBERS_MAX][8];
    static size_t next;
    uint8_t *bytes = numbers[next++ % NUMBERS_MAX];
    metadata_put_number(number, bytes);
    return slice_of(bytes, 8);
}

/* ---- writing ---- */

static void finish_through(uint64_t through)
{
    while (taken != NULL && taken->last_sequence <= through) {
        struct pending_segment *next = taken->next;
        pending_finish(pending, taken);
        taken = next;
    }
}

void applied_begin_batch(void)
{
    is_batching = true;
}

void applied_write_batch(void)
{
    is_batching = false;
    apply_build(apply, batch);
    check_status(store_write(store, batch, false, &failure));
    store_batch_clear(batch);
}

enum status applied_job(struct job *job)
{
    job->sequence = ++sequence;
    job->status = apply_job(apply, job, taken);
    if (is_batching) {
        return job->status;
    }
    apply_build(apply, batch);
    bool is_dry_run = job->kind == JOB_ROLLBACK && job->rollback.dry_run;
    if (job->status != STATUS_OK || is_dry_run) {
        ck_assert(job->status == STATUS_OK || job->failure.status == job->status);
        ck_assert(store_batch_is_empty(batch));
        return job->status;
    }
    check_status(store_write(store, batch, false, &failure));
    store_batch_clear(batch);
    finish_through(job->carry_through);
    if (job->chain != 0) {
        struct chain_marks marks = applied_marks(job->chain);
        ck_assert_mem_eq(&job->marks, &marks, sizeof marks);
    }
    return STATUS_OK;
}

void applied_commit(struct job_commit commit)
{
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .commit = commit};
    ck_assert_msg(applied_job(&job) == STATUS_OK, "%s", job.failure.text);
}

void applied_block(uint64_t height, const char *hash, const char *data)
{
    struct job_block block = {.height = height,
                              .header = applied_text("header"),
                              .data = applied_text(data),
                              .hash = applied_text(hash)};
    applied_commit((struct job_commit){.blocks = &block, .block_count = 1});
}

void applied_state(uint64_t height)
{
    struct job_state state = {height, applied_text("state")};
    applied_commit((struct job_commit){.states = &state, .state_count = 1});
}

void applied_rise(uint64_t height)
{
    applied_commit((struct job_commit){.rise_to = height});
}

void applied_prune(uint64_t blocks_through)
{
    struct job job = {.kind = JOB_PRUNE,
                      .chain = 1,
                      .prune = {.has_blocks = true, .blocks_through = blocks_through},
                      .carry_through = applied_carry()};
    ck_assert_msg(applied_job(&job) == STATUS_OK, "%s", job.failure.text);
}

bool applied_sweep(void)
{
    struct job job = {.kind = JOB_SWEEP, .sweep_ns = 1000000000, .chain = 1};
    ck_assert_msg(applied_job(&job) == STATUS_OK, "%s", job.failure.text);
    return job.swept_all;
}

struct metadata_operation applied_set(const char *name, struct slice value, uint64_t of_height)
{
    return (struct metadata_operation){
        .kind = METADATA_SET, .name = applied_text(name), .value = value, .of_height = of_height};
}

struct metadata_operation applied_delete(const char *name)
{
    return (struct metadata_operation){.kind = METADATA_DELETE, .name = applied_text(name)};
}

struct metadata_operation applied_raise(const char *name, uint64_t number)
{
    return (struct metadata_operation){.kind = METADATA_RAISE, .name = applied_text(name), .raise = number};
}

void applied_queue(uint32_t chain, struct metadata_operation operation)
{
    ck_assert(pending_has_room(pending, chain, &operation, 1));
    sequence++;
    pending_add(pending, chain, &operation, 1, sequence, sequence);
}

uint64_t applied_carry(void)
{
    struct pending_segment **last = &taken;
    pending_close_segment(pending);
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = pending_take_closed(pending);
    uint64_t through = 0;
    for (const struct pending_segment *segment = taken; segment != NULL; segment = segment->next) {
        through = segment->last_sequence;
    }
    return through;
}

void applied_groups(void)
{
    (void)applied_carry();
    while (taken != NULL) {
        check_status(apply_group(apply, taken, &failure));
        apply_build(apply, batch);
        check_status(store_write(store, batch, false, &failure));
        store_batch_clear(batch);
        finish_through(taken->last_sequence);
    }
}

uint64_t applied_queued(void)
{
    return pending_operations(pending);
}

/* ---- reading ---- */

/* Kept valid until the next call. */
static bool get(const struct key *key, struct slice *ret_value)
{
    static uint8_t *copy;
    struct store_value value = {0};
    enum status status = store_get(store, NULL, STORE_DEVICE, key_slice(key), &value, &failure);
    if (status == STATUS_NOT_FOUND) {
        return false;
    }
    check_status(status);
    free(copy);
    copy = malloc(value.bytes.bytes + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, value.bytes.data, value.bytes.bytes);
    *ret_value = slice_of(copy, value.bytes.bytes);
    store_value_release(&value);
    return true;
}

void applied_assert_header(uint32_t chain, uint64_t height, const char *hash)
{
    struct key key = key_of_height(chain, KEY_HEADER, height);
    struct slice value;
    struct header_record record;
    ck_assert_int_eq(get(&key, &value), hash != NULL);
    if (hash != NULL) {
        ck_assert(record_read_header(value, &record));
        ck_assert(slice_equal(record.hash, applied_text(hash)));
    }
}

void applied_assert_data(uint32_t chain, uint64_t height, const char *data)
{
    struct key key = key_of_height(chain, KEY_DATA, height);
    struct slice value;
    ck_assert_int_eq(get(&key, &value), data != NULL);
    ck_assert(data == NULL || slice_equal(value, applied_text(data)));
}

bool applied_has(uint32_t chain, enum key_kind kind, uint64_t height)
{
    struct key key = key_of_height(chain, kind, height);
    struct slice value;
    return get(&key, &value);
}

uint64_t applied_height_of(uint32_t chain, const char *hash)
{
    struct key key = key_of_name(chain, KEY_HASH, applied_text(hash));
    struct slice value;
    if (!get(&key, &value)) {
        return 0;
    }
    ck_assert_uint_eq(value.bytes, 8);
    return record_get_u64(value.data);
}

bool applied_metadata(uint32_t chain, const char *name, struct slice *ret_value, uint64_t *ret_of_height)
{
    struct key key = key_of_name(chain, KEY_METADATA, applied_text(name));
    struct slice record;
    if (!get(&key, &record)) {
        return false;
    }
    ck_assert(record_read_metadata(record, ret_of_height, ret_value));
    return true;
}

void applied_assert_metadata(uint32_t chain, const char *name, struct slice value, uint64_t of_height)
{
    struct slice stored, nothing;
    uint64_t stored_of_height;
    ck_assert_msg(applied_metadata(chain, name, &stored, &stored_of_height), "%s is not there", name);
    ck_assert_uint_eq(stored_of_height, of_height);
    ck_assert_msg(slice_equal(stored, value), "%s holds another value", name);
    struct key bound = key_of_bound(chain, of_height, applied_text(name));
    ck_assert(of_height == 0 || get(&bound, &nothing));
}

void applied_assert_no_metadata(uint32_t chain, const char *name)
{
    struct key key = key_of_name(chain, KEY_METADATA, applied_text(name));
    struct slice record;
    ck_assert_msg(!get(&key, &record), "%s is there", name);
}

struct chain_marks applied_marks(uint32_t chain)
{
    struct key key = key_of_kind(chain, KEY_MARKS);
    struct chain_marks marks = {0};
    struct slice value;
    ck_assert(!get(&key, &value) || record_read_marks(value, &marks));
    return marks;
}

uint64_t applied_metadata_on_disk(void)
{
    struct key key = key_of_kind(0, KEY_METADATA_ON_DISK);
    struct slice value;
    return get(&key, &value) ? record_get_u64(value.data) : 0;
}

size_t applied_count(uint32_t chain, enum key_kind kind)
{
    struct key from = key_of_kind(chain, kind), to = key_behind_kind(chain, kind);
    struct store_iterator *iterator = store_iterator_new(store, NULL, key_slice(&from), key_slice(&to));
    size_t count = 0;
    for (; store_iterator_valid(iterator); store_iterator_next(iterator)) {
        count++;
    }
    check_status(store_iterator_status(iterator, &failure));
    store_iterator_free(iterator);
    return count;
}

static uint64_t digest_of(uint64_t digest, struct slice bytes)
{
    digest = (digest ^ bytes.bytes) * UINT64_C(1099511628211);
    for (size_t i = 0; i < bytes.bytes; i++) {
        digest = (digest ^ bytes.data[i]) * UINT64_C(1099511628211);
    }
    return digest;
}

uint64_t applied_digest(void)
{
    struct slice to = slice_of("\xff", 1);
    struct store_iterator *iterator = store_iterator_new(store, NULL, slice_of("", 0), to);
    uint64_t digest = 1;
    for (; store_iterator_valid(iterator); store_iterator_next(iterator)) {
        digest = digest_of(digest, store_iterator_key(iterator));
        digest = digest_of(digest, store_iterator_value(iterator));
    }
    check_status(store_iterator_status(iterator, &failure));
    store_iterator_free(iterator);
    return digest;
}
