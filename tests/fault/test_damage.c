/* Damage to the files of a database, and tails that a power cut tears, against what was synced.
 *
 * - A damage changes one file of an image: a byte flips, a page is zeroed, it is cut, also where a record ends, it is deleted, or two
 *   change places. Then the database is opened and read in a process of its own. It is refused, with nothing touched; or each batch
 *   that something undamaged says was synced is there, or its reading fails; and what is there has no hole. All else is a
 *   silent loss, and the test fails.
 * - A torn tail changes what was not synced, in units of 512 bytes: any of them are there, zero or garbage, and it ends anywhere. It is
 *   never refused, and all that was synced is there.
 * - A manifest of which a page was not written before later ones is a torn tail; one of which a byte flipped is refused.
 * - The same damages without the auditor have to lose data, or the sweep would not see it.
 *
 * CAIRN_SEED repeats a run; CAIRN_DAMAGES, CAIRN_TAILS and CAIRN_MANIFESTS say how many of each. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine/engine_type.h"
#include "daemon/engine/rocksdb/audit.h"
#include "daemon/engine/rocksdb/wal_state.h"
#include "tests/fault/database_image.h"
#include "tests/fault/manifest_image.h"
#include "tests/lib/suite.h"

enum {
    DAMAGES = 500, /* unless the environment says otherwise */
    TAILS = 2000,
    MANIFESTS = 75,
    PER_IMAGE = 25, /* damages of one image */
    ENDS_MAX = 512, /* of records in a file */
    SECTOR_BYTES = 512,
};

static struct failure failure;

/* ---- judging ---- */

enum outcome { REFUSED, WHOLE, TOLD, LOST, WRONG, TOUCHED, DIED };

static const char *const outcome_names[] = {"refused", "whole",   "told by reads", "LOST",
                                            "WRONG",   "TOUCHED", "DIED"};

struct finding {
    enum outcome outcome;
    int found;              /* batches that are there */
    struct failure failure; /* of the open */
};

static struct finding last; /* of a damage that fails the test */

struct judgement {
    int required; /* batches that have to be there */
    bool without_audit;
    struct finding *finding; /* shared */
};

typedef enum engine_result get_fn(void *store, int batch, struct slice *ret_value);

static struct engine_value held;

static enum engine_result get_from_engine(void *store, int batch, struct slice *ret_value)
{
    engine_value_release(&held);
    enum engine_result result = engine_get(store, NULL, ENGINE_MAY_BLOCK, image_key(batch), &held, &failure);
    *ret_value = held.bytes;
    return result;
}

static enum engine_result get_from_rocksdb(void *store, int batch, struct slice *ret_value)
{
    char *error = NULL;
    size_t bytes;
    struct slice key = image_key(batch);
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *value = rocksdb_get(store, options, (const char *)key.data, key.bytes, &bytes, &error);
    if (error != NULL) {
        return ENGINE_FAILED;
    }
    *ret_value = value == NULL ? slice_of(NULL, 0) : slice_of(value, bytes);
    return value == NULL ? ENGINE_NOT_FOUND : ENGINE_OK;
}

static enum outcome judge_reads(get_fn *get, void *store, int required, int *ret_found)
{
    enum outcome outcome = WHOLE;
    bool has_ended = false;
    for (int batch = 1; batch <= image.life->batches; batch++) {
        struct slice value = {NULL, 0};
        enum engine_result result = get(store, batch, &value);
        if (result == ENGINE_FAILED) {
            outcome = TOLD;
            *ret_found = batch;
        } else if (result == ENGINE_NOT_FOUND) {
            has_ended = true;
            if (batch <= required) {
                return LOST;
            }
        } else if (has_ended || !slice_equal(value, image_value(batch))) {
            return WRONG;
        } else {
            *ret_found = batch;
        }
    }
    return outcome;
}

/* A digest of the database without RocksDB's text log, which each open of its own writes. */
static unsigned long digest_of_database(void)
{
    DIR *stream = opendir(image_database());
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (strncmp(entry->d_name, "LOG", 3) == 0) {
            (void)unlink(image_path(entry->d_name));
        }
    }
    closedir(stream);
    return directory_digest(image_database());
}

static void judge(void *context)
{
    const struct judgement *judgement = context;
    if (judgement->without_audit) {
        char *error = NULL;
        rocksdb_options_t *options = rocksdb_options_create();
        rocksdb_t *store = rocksdb_open(options, image_database(), &error);
        judgement->finding->outcome =
            store == NULL
                ? REFUSED
                : judge_reads(get_from_rocksdb, store, judgement->required, &judgement->finding->found);
        return;
    }
    struct engine_config config = {.path = image_database(), .cache_bytes_max = 1 << 20};
    struct engine *engine = NULL;
    unsigned long before = digest_of_database();
    if (engine_open(&engine_rocksdb, &config, &engine, &failure) != ENGINE_OK) {
        bool is_touched = failure.status == STATUS_DAMAGED && digest_of_database() != before;
        judgement->finding->outcome = is_touched ? TOUCHED : REFUSED;
        judgement->finding->failure = failure;
        return;
    }
    judgement->finding->outcome =
        judge_reads(get_from_engine, engine, judgement->required, &judgement->finding->found);
}

static enum outcome outcome_of(int required, bool without_audit)
{
    struct finding *finding =
        mmap(NULL, sizeof *finding, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct judgement judgement = {required, without_audit, finding};
    *finding = (struct finding){.outcome = DIED};
    int status = image_run_in_child(judge, &judgement);
    last = *finding;
    munmap(finding, sizeof *finding);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? last.outcome : DIED;
}

/* ---- damage ---- */

/* The ends of a file's records. */
struct ends {
    uint64_t at[ENDS_MAX];
    size_t count;
};

static bool note_end(void *context, const struct audit_record *record)
{
    struct ends *ends = context;
    if (ends->count < sizeof ends->at / sizeof ends->at[0]) {
        ends->at[ends->count++] = record->to;
    }
    return true;
}

static const struct image_file *random_file(struct random_source *random, const char *part)
{
    const struct image_file *chosen = NULL;
    uint64_t seen = 0;
    for (int i = 0; i < image.count; i++) {
        if (strstr(image.files[i].name, part) != NULL && image.files[i].size > 0 &&
            random_below(random, ++seen) == 0) {
            chosen = &image.files[i];
        }
    }
    return chosen;
}

static void change_bytes(const struct image_file *file, uint64_t from, const void *bytes, size_t n)
{
    int fd = open(image_path(file->name), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, bytes, n, (off_t)from), (ssize_t)n);
    close(fd);
}

static int flip(struct random_source *random, const struct image_file *file)
{
    uint64_t at = random_below(random, file->size);
    uint8_t byte = file->bytes[at] ^ (uint8_t)(1 << random_below(random, 8));
    change_bytes(file, at, &byte, 1);
    return image_synced_batches(file, at, at + 1);
}

static int zero(struct random_source *random, const struct image_file *file)
{
    static const uint8_t zeros[4096];
    uint64_t from = random_below(random, file->size) / sizeof zeros * sizeof zeros;
    size_t n = file->size - from < sizeof zeros ? file->size - from : sizeof zeros;
    change_bytes(file, from, zeros, n);
    return image_synced_batches(file, from, from + n);
}

static int cut(struct random_source *random, const struct image_file *file)
{
    struct ends ends = {.count = 0};
    uint64_t to = random_below(random, file->size);
    if (random_chance(random, 70) &&
        (image_name_ends(file->name, ".log") || strncmp(file->name, "MANIFEST", 8) == 0)) {
        image_read_records(file, &(struct audit_receiver){note_end, image_ignore_record, &ends, 0});
        to = ends.count == 0 ? 0 : ends.at[random_below(random, ends.count)];
    }
    ck_assert_int_eq(truncate(image_path(file->name), (off_t)to), 0);
    return image_synced_batches(file, to, UINT64_MAX);
}

static int delete(struct random_source *random, const struct image_file *file)
{
    (void)random;
    ck_assert_int_eq(unlink(image_path(file->name)), 0);
    return image_synced_batches(file, 0, UINT64_MAX);
}

/* Two of one kind, where there are two. */
static int swap(struct random_source *random, const struct image_file *file)
{
    const char *kind = strchr(file->name, '.') != NULL ? strchr(file->name, '.') : "0";
    const struct image_file *other = random_file(random, kind);
    ck_assert_int_eq(rename(image_path(file->name), image_path("swapped")), 0);
    ck_assert_int_eq(rename(image_path(other->name), image_path(file->name)), other == file ? -1 : 0);
    ck_assert_int_eq(rename(image_path("swapped"), image_path(other->name)), 0);
    int one = image_synced_batches(file, 0, UINT64_MAX), two = image_synced_batches(other, 0, UINT64_MAX);
    return other == file ? image_synced_batches(NULL, 0, 0) : one < two ? one : two;
}

static const struct {
    const char *name;
    int (*damage)(struct random_source *random,
                  const struct image_file *file); /* returns how many batches have to be there */
} damages[] = {{"flip", flip}, {"zero", zero},     {"cut", cut},
               {"cut", cut},   {"delete", delete}, {"swap", swap}};

enum { DAMAGE_KINDS = sizeof damages / sizeof damages[0] };

static const char *const kinds_of_files[] = {".log", ".log",  ".log",    "MANIFEST", "MANIFEST", "CURRENT",
                                             ".sst", ".blob", "OPTIONS", "IDENTITY", "db.state"};

enum { KINDS_OF_FILES = sizeof kinds_of_files / sizeof kinds_of_files[0] };

static unsigned long count_of(const char *variable, unsigned long standard)
{
    const char *text = getenv(variable);
    unsigned long count = text == NULL || *text == '\0' ? standard : strtoul(text, NULL, 10);
    return under_sanitizer() ? 1 + count / 10 : count;
}

static const struct image_file *random_file_of_kinds(struct random_source *random, const char *const *kinds,
                                                     size_t count)
{
    const struct image_file *file = random_file(random, kinds[random_below(random, count)]);
    return file != NULL ? file : random_file(random, "MANIFEST");
}

START_TEST(no_damage_to_what_was_synced_is_silent)
{
    struct random_source random = random_from(random_seed("damage"));
    unsigned long count = count_of("CAIRN_DAMAGES", DAMAGES), outcomes[DIED + 1] = {0}, untold = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (i % PER_IMAGE == 0) {
            image_renew();
            image_make(&random, random_chance(&random, 20));
        }
        size_t kind = random_below(&random, DAMAGE_KINDS);
        const struct image_file *file = random_file_of_kinds(&random, kinds_of_files, KINDS_OF_FILES);
        image_restore();
        int required = damages[kind].damage(&random, file);
        enum outcome outcome = outcome_of(required, false);
        outcomes[outcome]++;
        untold += outcome == WHOLE && last.found < image.life->durable;
        ck_assert_msg(outcome < LOST, "damage %lu: %s of %s: %s (%s); %d batches had to be there of %d", i,
                      damages[kind].name, file->name, outcome_names[outcome], last.failure.text, required,
                      image.life->batches);
    }
    for (int outcome = 0; outcome <= DIED; outcome++) {
        printf("%lu %s; ", outcomes[outcome], outcome_names[outcome]);
    }
    printf("%lu lost batches of which nothing that was left said that they were synced\n", untold);
    tell_points(count);
}
END_TEST

/* The same damages to logs, and RocksDB alone. */
START_TEST(without_the_auditor_data_is_lost)
{
    static const char *const logs[] = {".log"};
    struct random_source random = random_from(random_seed("calibration"));
    enum outcome outcome = WHOLE;
    for (int tries = 0; outcome != LOST && outcome != WRONG; tries++) {
        ck_assert_int_lt(tries, 20 * PER_IMAGE);
        if (tries % PER_IMAGE == 0) {
            image_renew();
            image_make(&random, false);
        }
        image_restore();
        size_t kind = random_below(&random, DAMAGE_KINDS);
        int required = damages[kind].damage(&random, random_file_of_kinds(&random, logs, 1));
        outcome = outcome_of(required, true);
    }
}
END_TEST

/* ---- torn tails ---- */

/* Tears what of a log was not synced. */
static void tear(struct random_source *random, const struct image_file *file)
{
    uint8_t *bytes = malloc(file->size + 1);
    memcpy(bytes, file->bytes, file->size);
    size_t size = file->size;
    unsigned lost = (unsigned)random_below(random, 101);
    for (size_t at = file->synced; at < file->size; at = at / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES) {
        size_t to = at / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
        to = to < file->size ? to : file->size;
        if (random_chance(random, lost)) {
            memset(bytes + at, 0, to - at);
            if (random_chance(random, 10)) {
                random_fill(random, bytes + at, to - at);
            }
        }
    }
    if (random_chance(random, 50)) {
        size = file->synced + random_below(random, file->size - file->synced + 1);
    }
    image_write_file(file->name, bytes, size);
    free(bytes);
}

static void tear_all(struct random_source *random)
{
    for (int i = 0; i < image.count; i++) {
        if (image_name_ends(image.files[i].name, ".log")) {
            tear(random, &image.files[i]);
        }
    }
}

static void expect_legal(unsigned long number)
{
    struct wal_state state;
    struct audit audit;
    int fd = open(image_database(), O_RDONLY | O_DIRECTORY);
    ck_assert(wal_state_open(image_database(), &state, &failure));
    const struct audit_known known = {state.is_known, state.store, state.record.synced};
    ck_assert(audit_look(fd, &known, &audit, &failure));
    ck_assert_msg(audit.verdict < AUDIT_DAMAGED, "tail %lu: %s", number, audit.text);
    ck_assert_msg(audit.sequence / 2 >= (uint64_t)image.life->durable, "tail %lu: %" PRIu64 " of %d", number,
                  audit.sequence / 2, image.life->durable);
    audit_free(&audit);
    wal_state_close(&state);
    close(fd);
}

START_TEST(no_torn_tail_is_refused)
{
    struct random_source random = random_from(random_seed("torn tails"));
    unsigned long count = count_of("CAIRN_TAILS", TAILS);
    for (unsigned long i = 0; i < count; i++) {
        bool is_new = i % 100 == 0;
        if (is_new) {
            image_renew();
            image_make(&random, true);
            image_restore();
        }
        tear_all(&random);
        expect_legal(i);
        if (i % 20 == 0) {
            enum outcome outcome = outcome_of(image.life->durable, false);
            ck_assert_msg(outcome == WHOLE, "tail %lu: %s", i, outcome_names[outcome]);
            image_restore();
        }
    }
    tell_points(count);
}
END_TEST

/* ---- manifests ---- */

/* Puts it in the image's place, and opens the database. */
static void expect_outcome(const struct image_file *file, struct wal_builder *manifest, enum outcome least,
                           enum outcome most, size_t at)
{
    image_write_file(file->name, manifest->bytes, manifest->count);
    wal_builder_clear(manifest);
    enum outcome outcome = outcome_of(image.life->durable, false);
    ck_assert_msg(outcome >= least && outcome <= most, "%s, byte %zu: %s: %s", file->name, at,
                  outcome_names[outcome], last.failure.text);
}

/* A page of what was not synced was not written. */
static void lose_unsynced_page(struct random_source *random, const struct image_file *file)
{
    struct wal_builder manifest;
    size_t synced = manifest_image_extend(random, file, &manifest);
    memset(manifest.bytes + synced, 0, manifest_page_end(synced) - synced);
    expect_outcome(file, &manifest, WHOLE, WHOLE, synced);
}

/* A page that was synced is zeros from the end of a record on. It is refused, or nothing durable is lost without what lies behind. */
static void lose_synced_page(struct random_source *random, const struct image_file *file)
{
    struct ends ends = {.count = 0};
    struct wal_builder manifest;
    (void)manifest_image_extend(random, file, &manifest);
    image_read_records(file, &(struct audit_receiver){note_end, image_ignore_record, &ends, 0});
    size_t from = ends.count == 0 ? 0 : ends.at[random_below(random, ends.count)];
    memset(manifest.bytes + from, 0, manifest_page_end(from) - from);
    expect_outcome(file, &manifest, REFUSED, WHOLE, from);
}

static void flip_synced_byte(struct random_source *random, const struct image_file *file)
{
    struct wal_builder manifest;
    size_t at = random_below(random, manifest_image_extend(random, file, &manifest));
    manifest.bytes[at] ^= (uint8_t)(1 << random_below(random, 8));
    expect_outcome(file, &manifest, REFUSED, REFUSED, at);
}

START_TEST(a_page_of_the_manifest_may_be_unwritten_and_no_byte_of_it_flipped)
{
    static void (*const kinds[])(struct random_source *random, const struct image_file *file) = {
        lose_unsynced_page, lose_synced_page, flip_synced_byte};
    struct random_source random = random_from(random_seed("manifests"));
    unsigned long count = count_of("CAIRN_MANIFESTS", MANIFESTS);
    for (unsigned long i = 0; i < count; i++) {
        if (i % PER_IMAGE == 0) {
            image_renew();
            image_make(&random, false);
        }
        image_restore();
        kinds[i % 3](&random, manifest_image_present());
    }
    tell_points(count);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("damage", 600, &tests);
    tcase_add_checked_fixture(tests, image_begin, image_end);
    tcase_add_test(tests, no_damage_to_what_was_synced_is_silent);
    tcase_add_test(tests, without_the_auditor_data_is_lost);
    tcase_add_test(tests, no_torn_tail_is_refused);
    tcase_add_test(tests, a_page_of_the_manifest_may_be_unwritten_and_no_byte_of_it_flipped);
    return suite_run(suite, true);
}
