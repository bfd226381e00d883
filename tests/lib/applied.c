#include "tests/lib/applied.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/read/preview.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/apply.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"

enum { NUMBERS_MAX = 256 };

static struct directory directory;
static struct engine *engine;
static struct apply *apply;
static struct pending *pending;
static struct metadata_group *taken; /* by the writer, and not written; oldest first */
static bool is_batching;
static uint64_t sequence;
static struct failure failure;

static void check_status(enum status status)
{
    ck_assert_msg(status == STATUS_OK, "%s", failure.text);
}

/* ---- life ---- */

static void load_epoch(uint32_t chain)
{
    struct claim_record claim;
    struct epoch_record epoch;
    if (applied_last_claim(chain, &claim)) {
        ck_assert(applied_epoch(chain, claim.epoch.sequence, &epoch) && epoch.random == claim.epoch.random);
        apply_load_epoch(apply, chain, claim.epoch, epoch.last_number);
    }
}

static void open_all(bool create)
{
    engine = engine_opened(directory.path, create);
    apply = apply_new(engine, APPLIED_CHAINS + 1);
    for (uint32_t chain = 1; chain <= APPLIED_CHAINS; chain++) {
        struct chain_marks marks = applied_marks(chain);
        check_status(apply_load(apply, chain, &marks, &failure));
        load_epoch(chain);
    }
}

void applied_open(void)
{
    thread_set_role(THREAD_WRITER);
    directory = directory_new();
    taken = NULL;
    is_batching = false;
    sequence = 0;
    pending = pending_new(10000, 32 << 20);
    open_all(true);
}

void applied_close(void)
{
    pending_free(pending);
    apply_free(apply);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

void applied_restart(void)
{
    ck_assert_uint_eq(pending_operations(pending), 0);
    apply_free(apply);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
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
        struct metadata_group *next = taken->next;
        pending_remove_group(pending, taken);
        taken = next;
    }
}

void applied_begin_batch(void)
{
    is_batching = true;
}

/* Writes what was judged; says whether that was anything. */
static bool write_all(void)
{
    size_t count;
    struct engine_edit *edits = apply_list(apply, &count);
    if (count > 0) {
        enum engine_outcome outcome = engine_write(engine, edits, count, ENGINE_LOGGED, &failure);
        ck_assert_msg(outcome == ENGINE_DONE, "%s", failure.text);
    }
    apply_written(apply);
    return count > 0;
}

void applied_write_batch(void)
{
    is_batching = false;
    (void)write_all();
}

enum status applied_job(struct job *job)
{
    job->sequence = ++sequence;
    job->status = apply_job(apply, job, taken);
    if (is_batching) {
        return job->status;
    }
    bool was_written = write_all();
    if (job->status != STATUS_OK) {
        ck_assert(job->status == STATUS_OK || job->failure.status == job->status);
        ck_assert(!was_written);
        return job->status;
    }
    finish_through(job->carry_through);
    if (job->chain != 0) {
        struct chain_marks marks = applied_marks(job->chain);
        ck_assert_mem_eq(&job->marks, &marks, sizeof marks);
    }
    return STATUS_OK;
}

enum status applied_preview(struct job *job)
{
    struct fetch fetch = {.engine = engine, .chain = job->chain, .marks = applied_marks(job->chain)};
    fetch.point = engine_point_take(engine);
    enum preview_result result;
    int steps = 0;
    thread_set_role(THREAD_LOOP);
    struct preview *preview = preview_new(&fetch, pending, job);
    thread_set_role(THREAD_POOL);
    while ((result = preview_step(preview, &job->counts, &job->failure)) == PREVIEW_GOES_ON) {
        ck_assert_int_lt(++steps, 10000);
    }
    thread_set_role(THREAD_LOOP);
    preview_free(preview);
    thread_set_role(THREAD_WRITER);
    engine_point_release(fetch.point);
    ck_assert_uint_eq(pending_held_bytes(pending), 0);
    return result == PREVIEW_DONE ? STATUS_OK : job->failure.status;
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

struct epoch applied_claim(uint32_t chain, uint64_t random)
{
    struct job job = {.kind = JOB_CLAIM, .chain = chain};
    job.claim = (struct claim_record){
        .epoch = {sequence + 1, random}, .uid = 1, .pid = 2, .name = applied_text("node")};
    job.carry_through = applied_carry();
    ck_assert_msg(applied_job(&job) == STATUS_OK, "%s", job.failure.text);
    return job.claim.epoch;
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
    ck_assert(pending_has_room(pending, pending_request_of(chain, &operation, 1)));
    sequence++;
    pending_add(pending, pending_request_of(chain, &operation, 1), sequence, sequence);
}

uint64_t applied_carry(void)
{
    struct metadata_group **last = &taken;
    pending_close_group(pending);
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = pending_take_closed(pending);
    uint64_t through = 0;
    for (const struct metadata_group *group = taken; group != NULL; group = group->next) {
        through = group->last_sequence;
    }
    return through;
}

void applied_groups(void)
{
    (void)applied_carry();
    while (taken != NULL) {
        apply_group(apply, taken);
        (void)write_all();
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
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), &value, &failure);
    if (result == ENGINE_NOT_FOUND) {
        return false;
    }
    ck_assert_msg(result == ENGINE_OK, "%s", failure.text);
    free(copy);
    copy = malloc(value.bytes.bytes + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, value.bytes.data, value.bytes.bytes);
    *ret_value = slice_of(copy, value.bytes.bytes);
    engine_value_release(&value);
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

bool applied_last_claim(uint32_t chain, struct claim_record *ret_claim)
{
    struct key key = key_of_kind(chain, KEY_CLAIM);
    struct slice value;
    return get(&key, &value) && record_read_claim(value, ret_claim);
}

bool applied_epoch(uint32_t chain, uint64_t of_claim, struct epoch_record *ret_epoch)
{
    struct key key = key_of_height(chain, KEY_EPOCH, of_claim);
    struct slice value;
    return get(&key, &value) && record_read_epoch(value, ret_epoch);
}

uint64_t applied_metadata_on_disk(void)
{
    struct key key = key_of_kind(0, KEY_METADATA_ON_DISK);
    struct slice value;
    return get(&key, &value) ? record_get_u64(value.data) : 0;
}

/* Moves on; false at the end. */
static bool move(struct engine_cursor *cursor, struct slice *ret_key, struct slice *ret_value)
{
    enum engine_result result = engine_cursor_next(cursor, ret_key, ret_value, &failure);
    ck_assert_msg(result != ENGINE_FAILED, "%s", failure.text);
    return result == ENGINE_OK;
}

size_t applied_count(uint32_t chain, enum key_kind kind)
{
    struct key from = key_of_kind(chain, kind), to = key_behind_kind(chain, kind);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(engine, NULL, &range);
    struct slice key, value;
    size_t count = 0;
    while (move(cursor, &key, &value)) {
        count++;
    }
    engine_cursor_close(cursor);
    return count;
}

void applied_put_bad(struct key key, size_t bytes)
{
    uint8_t long_key[2 * KEY_BYTES_MAX] = {0};
    struct engine_edits edits = {0};
    ck_assert(bytes == 0 || (bytes >= key.bytes && bytes <= sizeof long_key));
    memcpy(long_key, key.data, key.bytes);
    engine_edits_put(&edits, slice_of(long_key, bytes > 0 ? bytes : key.bytes), slice_of("x", 1));
    engine_edits_write(&edits, engine);
}

static void assert_damaged(enum status status, const struct failure *said, const char *text)
{
    ck_assert_int_eq(status, STATUS_DAMAGED);
    ck_assert_int_eq(said->status, STATUS_DAMAGED);
    ck_assert_msg(strstr(said->text, "damaged store: ") == said->text, "%s", said->text);
    ck_assert_msg(strstr(said->text, text) != NULL, "%s", said->text);
}

void applied_assert_damaged(struct job *job, const char *text)
{
    job->chain = 1;
    enum status status = applied_job(job);
    assert_damaged(status, &job->failure, text);
}

void applied_assert_load_damaged(const char *text)
{
    struct chain_marks marks = applied_marks(1);
    enum status status = apply_load(apply, 1, &marks, &failure);
    assert_damaged(status, &failure, text);
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
    struct engine_range range = {.to = slice_of("\xff", 1)};
    struct engine_cursor *cursor = engine_cursor_open(engine, NULL, &range);
    struct slice key, value;
    uint64_t digest = 1;
    while (move(cursor, &key, &value)) {
        digest = digest_of(digest_of(digest, key), value);
    }
    engine_cursor_close(cursor);
    return digest;
}

/* ---- rollbacks ---- */

void applied_ten(void)
{
    char name[8];
    for (uint64_t height = 1; height <= 10; height++) {
        snprintf(name, sizeof name, "h%u", (unsigned)height);
        applied_block(height, name, "data");
        applied_state(height);
        snprintf(name, sizeof name, "m%u", (unsigned)height);
        applied_queue(1, applied_set(name, applied_text("v"), height));
        applied_groups();
    }
    applied_rise(10);
}

struct job applied_rollback_to(uint64_t to)
{
    return (struct job){.kind = JOB_ROLLBACK, .chain = 1, .rollback = {.to = to}};
}

void applied_assert_rolled_back(const struct job *job, uint64_t blocks, uint64_t states, uint64_t metadata,
                                uint64_t lowered)
{
    ck_assert_uint_eq(job->counts.blocks, blocks);
    ck_assert_uint_eq(job->counts.states, states);
    ck_assert_uint_eq(job->counts.metadata, metadata);
    ck_assert_uint_eq(job->counts.lowered, lowered);
}
