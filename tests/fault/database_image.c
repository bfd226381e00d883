#include "tests/fault/database_image.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine/engine_type.h"
#include "daemon/engine/rocksdb/wal_mark.h"
#include "daemon/engine/rocksdb/wal_state.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/kept.h"

enum { VALUE_BYTES_MAX = 40000, STATE_BYTES = 2 * 4096 };

struct image image;

static uint64_t seed; /* of the values */
static struct failure failure;

char *image_database(void)
{
    return directory_path(&image.root, "db");
}

char *image_path(const char *name)
{
    bool is_beside = strcmp(name, "db.state") == 0;
    return kept_format("%s/%s%s", image.root.path, is_beside ? "" : "db/", name);
}

bool image_name_ends(const char *name, const char *end)
{
    size_t length = strlen(name), n = strlen(end);
    return length >= n && strcmp(name + length - n, end) == 0;
}

struct slice image_key(int batch)
{
    static char key[16];
    snprintf(key, sizeof key, "key%06d", batch);
    return slice_of(key, 9);
}

/* Small ones, some of several pieces in the log, and some that go to files of their own. */
struct slice image_value(int batch)
{
    static uint8_t value[VALUE_BYTES_MAX];
    struct random_source random = random_from(seed * 1000 + (uint64_t)batch);
    uint64_t kind = random_below(&random, 10);
    size_t bytes = 1 + random_below(&random, kind < 6 ? 200 : kind < 8 ? 3000 : VALUE_BYTES_MAX - 1);
    memset(value, batch, bytes);
    random_fill(&random, value, bytes < 16 ? bytes : 16);
    return slice_of(value, bytes);
}

static void note_syncs(void)
{
    DIR *stream = opendir(image_database());
    const struct dirent *entry;
    image.life->logs = 0;
    while ((entry = readdir(stream)) != NULL) {
        struct stat found;
        if (image_name_ends(entry->d_name, ".log") && stat(image_path(entry->d_name), &found) == 0) {
            snprintf(image.life->log[image.life->logs].name, IMAGE_NAME_BYTES, "%.*s", IMAGE_NAME_BYTES - 1,
                     entry->d_name);
            image.life->log[image.life->logs++].synced = (size_t)found.st_size;
        }
    }
    closedir(stream);
    image.life->durable = image.life->batches;
}

static void write_batch(struct engine *engine, enum engine_durability durability)
{
    int batch = image.life->batches + 1;
    struct engine_edit edits[] = {{ENGINE_PUT, image_key(batch), image_value(batch)},
                                  {ENGINE_PUT, slice_of("last", 4), slice_of("x", 1)}};
    ck_assert_int_eq(engine_write(engine, edits, 2, durability, &failure), ENGINE_DONE);
    image.life->batches = batch;
    if (durability == ENGINE_SYNCED) {
        note_syncs();
    }
}

static struct engine *opened(bool create)
{
    struct engine_config config = {.path = image_database(), .create = create, .cache_bytes_max = 1 << 20};
    struct engine *engine = NULL;
    ck_assert_msg(engine_open(&engine_rocksdb, &config, &engine, &failure) == ENGINE_OK, "%s", failure.text);
    note_syncs();
    return engine;
}

static void maintain(struct engine *engine)
{
    uint64_t next_us;
    engine_maintain(engine, thread_now_us(), &next_us);
}

/* One life: writes and tables, and at the end a tail of writes that are not synced, if a tail is wanted. */
static void live(struct random_source *random, bool create, bool has_tail)
{
    struct engine *engine = opened(create);
    for (uint64_t i = 5 + random_below(random, 25); i > 0; i--) {
        write_batch(engine, random_chance(random, 60) ? ENGINE_SYNCED : ENGINE_LOGGED);
        if (random_chance(random, 10)) {
            maintain(engine);
        }
        if (random_chance(random, 4)) {
            ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
            note_syncs();
            uint64_t freed_bytes;
            struct slice from = slice_of("a", 1), to = slice_of("z", 1);
            ck_assert_int_eq(engine_reclaim(engine, from, to, false, &freed_bytes, &failure), ENGINE_OK);
        }
    }
    if (has_tail) {
        struct image_life before;
        for (uint64_t i = 2 + random_below(random, 10); i > 0; i--) {
            write_batch(engine, ENGINE_LOGGED);
        }
        before = *image.life;
        uint8_t state[STATE_BYTES];
        int fd = open(image_path("db.state"), O_RDONLY);
        ck_assert_int_eq(read(fd, state, sizeof state), sizeof state);
        close(fd);
        write_batch(engine,
                    ENGINE_SYNCED); /* under way when the power is cut: nobody was told, or noted it */
        image_write_file("db.state", state, sizeof state);
        before.batches = image.life->batches;
        *image.life = before;
    } else if (random_chance(random, 30)) {
        ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
        note_syncs();
        maintain(engine);
    } else if (random_chance(random, 30)) {
        ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
        note_syncs();
        engine_close(engine, ENGINE_CLOSE_CLEAN);
    }
}

int image_run_in_child(void (*body)(void *), void *context)
{
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        body(context);
        _exit(EXIT_SUCCESS);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

struct life_plan {
    struct random_source random;
    bool create;
    bool has_tail;
};

static void live_by_plan(void *context)
{
    struct life_plan *plan = context;
    live(&plan->random, plan->create, plan->has_tail);
}

static void forget(void)
{
    for (int i = 0; i < image.count; i++) {
        free(image.files[i].bytes);
    }
    image.count = 0;
}

static void read_file(const char *name)
{
    struct image_file *file = &image.files[image.count++];
    struct stat found;
    ck_assert_int_lt(image.count, IMAGE_FILES_MAX);
    int fd = open(image_path(name), O_RDONLY);
    ck_assert_int_eq(fstat(fd, &found), 0);
    *file = (struct image_file){.size = (size_t)found.st_size, .bytes = malloc((size_t)found.st_size + 1)};
    snprintf(file->name, sizeof file->name, "%s", name);
    ck_assert_int_eq(read(fd, file->bytes, file->size), found.st_size);
    close(fd);
    for (int i = 0; i < image.life->logs; i++) {
        if (strcmp(image.life->log[i].name, name) == 0) {
            file->synced = image.life->log[i].synced;
        }
    }
}

static int compare_files(const void *left, const void *right)
{
    return strcmp(((const struct image_file *)left)->name, ((const struct image_file *)right)->name);
}

void image_make(struct random_source *random, bool has_tail)
{
    forget();
    memset(image.life, 0, sizeof *image.life);
    seed = random_next(random) >> 20;
    int lives = 1 + (int)random_below(random, 3);
    for (int i = 0; i < lives; i++) {
        struct life_plan plan = {random_from(random_next(random)), i == 0, has_tail && i == lives - 1};
        ck_assert_int_eq(image_run_in_child(live_by_plan, &plan), 0);
    }
    DIR *stream = opendir(image_database());
    const struct dirent *entry;
    read_file("db.state");
    while ((entry = readdir(stream)) != NULL) {
        bool is_info = strncmp(entry->d_name, "LOG", 3) == 0; /* RocksDB's text log */
        if (entry->d_name[0] != '.' && !is_info && strlen(entry->d_name) < IMAGE_NAME_BYTES) {
            read_file(entry->d_name);
        }
    }
    closedir(stream);
    qsort(image.files, (size_t)image.count, sizeof image.files[0], compare_files);
}

void image_write_file(const char *name, const void *bytes, size_t n)
{
    int fd = open(image_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

void image_restore(void)
{
    DIR *stream = opendir(image_database());
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        (void)unlink(image_path(entry->d_name));
    }
    closedir(stream);
    for (int i = 0; i < image.count; i++) {
        image_write_file(image.files[i].name, image.files[i].bytes, image.files[i].size);
    }
}

/* ---- what the image says was synced ---- */

struct evidence {
    uint64_t from; /* what lies here is damaged, */
    uint64_t to;   /* up to there */
    uint64_t synced;
};

static bool weigh(void *context, const struct audit_record *record)
{
    struct evidence *evidence = context;
    struct wal_batch batch;
    bool is_whole = record->to <= evidence->from || record->from >= evidence->to;
    if (is_whole && wal_batch_read(record->bytes, &batch) && batch.has_mark &&
        batch.mark.synced > evidence->synced) {
        evidence->synced = batch.mark.synced;
    }
    return true;
}

void image_ignore_record(void *context, const struct audit_record *record)
{
    (void)context;
    (void)record;
}

void image_read_records(const struct image_file *file, const struct audit_receiver *receiver)
{
    struct audit_reader reader;
    audit_reader_init(&reader, receiver);
    for (size_t at = 0; at < file->size; at += AUDIT_BLOCK_BYTES) {
        size_t left = file->size - at;
        audit_reader_take(&reader,
                          slice_of(file->bytes + at, left < AUDIT_BLOCK_BYTES ? left : AUDIT_BLOCK_BYTES));
    }
    audit_reader_end(&reader);
}

int image_synced_batches(const struct image_file *damaged, uint64_t from, uint64_t to)
{
    struct evidence evidence = {0};
    for (int i = 0; i < image.count; i++) {
        struct evidence here = {.from = &image.files[i] == damaged ? from : UINT64_MAX, .to = to};
        if (image_name_ends(image.files[i].name, ".log")) {
            image_read_records(&image.files[i], &(struct audit_receiver){weigh, image_ignore_record, &here,
                                                                         WAL_BATCH_SEEN_BYTES_MAX});
        } else if (strcmp(image.files[i].name, "db.state") == 0 && &image.files[i] != damaged) {
            struct wal_state state;
            ck_assert(wal_state_open(image_database(), &state, &failure));
            here.synced = state.record.synced;
            wal_state_close(&state);
        }
        evidence.synced = here.synced > evidence.synced ? here.synced : evidence.synced;
    }
    return (int)(evidence.synced / 2);
}

/* ---- life of the fixture ---- */

void image_begin(void)
{
    image.life = mmap(NULL, sizeof *image.life, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(image.life, MAP_FAILED);
    image.root = directory_new();
}

void image_end(void)
{
    forget();
    directory_remove(&image.root);
    munmap(image.life, sizeof *image.life);
}

void image_renew(void)
{
    image_end();
    kept_clear();
    image_begin();
}
