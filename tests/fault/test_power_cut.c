/* Power cuts (contract §§3, 9; F2): whatever was called durable survives them, over any row of kills, clean stops, failed syncs
 * and earlier cuts, also in the middle of a start and while a store is made.
 *
 * A daemon runs under the recorder. The test writes, notes what it was told and behind which operation, and ends the daemon in one
 * of these ways; several runs make a history. Then images of cuts at random operations are made and started, each is looked at, and
 * some become the beginning of a further history.
 *
 * CAIRN_IMAGES says how many images; each history prints its seed. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/schema/key.h"
#include "daemon/schema/record.h"
#include "tests/fault/manifest_image.h"
#include "tests/fault/recorded_run.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    IMAGES = 1000, /* unless CAIRN_IMAGES says otherwise */
    IMAGES_OF_A_HISTORY = 40,
    MANIFESTS = 6,           /* with a hole, behind any end of the daemon */
    EXIT_NO_STORE_MAX = 128, /* a start that is refused ends with a code, not by a signal */
};

/* ---- an image ---- */

static void look_at_blocks(struct wire *wire, uint64_t height)
{
    for (uint64_t i = 1; i <= height + 1; i++) {
        ck_assert_msg(block_is(wire, i, i <= height ? history_header(i) : NULL), "height %lu of %lu", i,
                      height);
    }
    ck_assert(height == 0 || metadata_holds_number(wire, "with commits", height));
    ck_assert(height == 0 || bytes_are(get_tip_state(wire)->value, history_header(height)));
}

/* Starts a daemon on the image and compares it with what has to be there. Returns what is there, durable now. */
static struct floor look_at_image(struct daemon *daemon, const struct floor *floor)
{
    struct floor found = *floor;
    if (!daemon_try_start(daemon, "")) {
        int code = daemon_wait(daemon, patience_ms(5000));
        ck_assert_msg(!floor->has_store, "the start is refused with %d:\n%s", code, daemon_errors(daemon));
        ck_assert_int_lt(code, EXIT_NO_STORE_MAX);
        daemon->made = false; /* the cut was while the store was made */
        ck_assert_msg(daemon_try_start(daemon, ""), "no store can be made:\n%s", daemon_errors(daemon));
    }
    struct wire wire = wire_connect(daemon->socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    found.run = ask_hello(&wire, &hello)->run;
    found.height = get_height(&wire);
    found.mark = history_mark(&wire);
    ck_assert_msg(found.height >= floor->height, "height %lu, durable was %lu", found.height, floor->height);
    ck_assert_msg(found.mark >= floor->mark, "mark %lu, durable was %lu", found.mark, floor->mark);
    ck_assert_msg(found.run > floor->run, "run %lu, there was %lu", found.run, floor->run);
    look_at_blocks(&wire, found.height);
    const Cairn__MetadataReply *ahead = get_metadata(&wire, "not ahead");
    uint64_t before = 0;
    if (ahead != NULL) {
        memcpy(&before, ahead->value.data, 8);
    }
    ck_assert_msg(before <= found.height, "metadata behind commit %lu, but the height is %lu", before,
                  found.height);
    struct written barrier = ask_barrier(&wire, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_int_eq(barrier.status, STATUS_OK);
    size_t steps;
    const char *fault = history_numbers_fault(&wire, floor, found.height, &steps);
    ck_assert_msg(fault == NULL, "%s", fault);
    struct written next = set(&wire, "next", "number");
    ck_assert_msg(next.sequence > floor->sequence, "number %lu, there was %lu", next.sequence,
                  floor->sequence);
    found.sequence = floor->sequence;
    found.has_store = true;
    wire_close(&wire);
    return found;
}

static uint64_t images_wanted(void)
{
    const char *text = getenv("CAIRN_IMAGES");
    return text != NULL ? strtoull(text, NULL, 10) : IMAGES;
}

/* Images of cuts anywhere in the history; with `depth`, some go on as a history of their own. Returns how many there were. */
static uint64_t cut_everywhere(struct history *history, uint64_t images, int depth)
{
    uint64_t made = 0;
    disk_history_read(history->disk, directory_path(&history->place, RECORDER_RECORD_NAME));
    uint64_t operations = disk_history_operations(history->disk);
    ck_assert_uint_eq(operations, history_recorded(history));
    for (uint64_t i = 0; i < images; i++) {
        uint64_t at = random_below(&history->random, operations + 1), seed = random_next(&history->random);
        struct daemon daemon = daemon_new();
        ck_assert_int_eq(rmdir(daemon.home.path), 0);
        disk_history_image(history->disk, at, seed, daemon.home.path);
        daemon.made = true;
        struct floor floor = history_floor(history, at);
        made++;
        if (depth > 0 && floor.has_store && random_chance(&history->random, 20)) {
            struct history further;
            history_begin(&further, daemon, random_next(&history->random), &floor);
            further.daemon.made = true;
            for (uint64_t runs = 1 + random_below(&history->random, 2); runs > 0; runs--) {
                history_run(&further);
            }
            made += cut_everywhere(&further, 4, depth - 1);
            history_end(&further);
            continue;
        }
        (void)look_at_image(&daemon, &floor);
        daemon_kill(&daemon);
        daemon_close(&daemon);
    }
    return made;
}

START_TEST(what_was_durable_survives_cuts_over_any_row_of_ends)
{
    uint64_t seed = random_seed("power cut"), made = 0;
    for (uint64_t n = 0; made < images_wanted(); n++) {
        struct history history;
        printf("power cut: history CAIRN_SEED=%lu\n", seed + n);
        fflush(stdout);
        history_begin(&history, daemon_new(), seed + n, NULL);
        for (uint64_t runs = 1 + random_below(&history.random, 4); runs > 0; runs--) {
            history_run(&history);
        }
        uint64_t left = images_wanted() - made;
        made += cut_everywhere(&history, left < IMAGES_OF_A_HISTORY ? left : IMAGES_OF_A_HISTORY, 1);
        history_end(&history);
        kept_clear();
    }
    printf("power cut: %lu images\n", made);
    tell_points(made);
}
END_TEST

static off_t file_bytes(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 ? found.st_size : 0;
}

/* ---- is the disk of the images strict enough? ---- */

/* What a program does to bring 4 pages of a file to the device, as words for recorded_program. */
struct calibration {
    const char *steps;
    uint64_t syncs_left;
    bool keeps; /* and does not lose them, ever */
};

static const struct calibration calibrations[] = {
    {"write", 0, false},
    {"write sync-file", 0, false}, /* its name is not on the device */
    {"write sync-directory", 0, false},
    {"write sync-file sync-directory", 0, true},
    {"sync-directory write sync-file", 0, true},
    {"write sync-file sync-directory", 1, false},
    {"write sync-file sync-file sync-directory", 1, false}, /* the second sync finds clean pages */
    {"write sync-file write sync-file sync-directory", 1, true},
};

static const char page[4 * 4096] = {[0] = 'a', [4096] = 'a', [2 * 4096] = 'a', [3 * 4096] = 'a'};

/* In a process of its own, under the recorder. */
static int recorded_program(const char *directory, char *steps)
{
    char path[200];
    snprintf(path, sizeof path, "%s/f.log", directory);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *step = strtok(steps, " "); step != NULL; step = strtok(NULL, " ")) {
        if (strcmp(step, "write") == 0 && pwrite(file, page, sizeof page, 0) != sizeof page) {
            return 1;
        }
        if (strcmp(step, "sync-file") == 0) {
            (void)fdatasync(file);
        }
        if (strcmp(step, "sync-directory") == 0) {
            (void)fsync(place);
        }
    }
    return 0;
}

/* Runs this program under the recorder, on the history's home. */
static void run_recorded(struct history *history, const char *steps)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        putenv(history->preload);
        putenv(history->record);
        putenv(history->root);
        execl("/proc/self/exe", "program", history->daemon.home.path, steps, (char *)NULL);
        _exit(126);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    disk_history_read(history->disk, directory_path(&history->place, RECORDER_RECORD_NAME));
}

START_TEST(programs_that_sync_too_little_lose)
{
    enum { CUTS = 60 };
    const struct calibration *calibration = &calibrations[_i];
    uint64_t seed = random_seed("power cut, calibration");
    struct history history;
    history_begin(&history, daemon_new(), seed, NULL);
    atomic_store(&history.control->syncs_left, calibration->syncs_left);
    run_recorded(&history, calibration->steps);
    int lost = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        struct directory cut_disk = directory_new();
        ck_assert_int_eq(rmdir(cut_disk.path), 0);
        disk_history_image(history.disk, disk_history_operations(history.disk), seed + i, cut_disk.path);
        const char *path = directory_path(&cut_disk, "f.log");
        const char *found = file_read(path); /* a NUL behind it */
        lost +=
            !file_exists(path) || file_bytes(path) != sizeof page || memcmp(found, page, sizeof page) != 0;
        directory_remove(&cut_disk);
    }
    ck_assert_msg((lost == 0) == calibration->keeps, "\"%s\" lost %d of %d", calibration->steps, lost, CUTS);
    history_end(&history);
}
END_TEST

/* ---- a manifest with a hole ---- */

#define EXTEND_MANIFEST "extend-manifest"

/* The database's manifest below a home; kept. */
static char *manifest_path(const char *home)
{
    char *name = file_read(kept_format("%s/data/db/CURRENT", home)); /* ends with a newline */
    return kept_format("%s/data/db/%.*s", home, (int)strcspn(name, "\n"), name);
}

/* Adds edits to the manifest as RocksDB would: some that are synced, and a write over more than one page that a cut meets before its sync.
 * In a process of its own, under the recorder. */
static int extend_manifest(const char *home)
{
    struct random_source random = random_from((uint64_t)getpid());
    const char *path = manifest_path(home);
    size_t before = (size_t)file_bytes(path);
    struct wal_builder manifest = {.bytes = malloc(before), .count = before, .capacity = before};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_read = fd >= 0 && pread(fd, manifest.bytes, before, 0) == (ssize_t)before;
    size_t synced = manifest_add_edits(&random, &manifest);
    bool is_written = is_read && pwrite(fd, manifest.bytes + before, synced - before, (off_t)before) > 0 &&
                      fdatasync(fd) == 0 &&
                      pwrite(fd, manifest.bytes + synced, manifest.count - synced, (off_t)synced) > 0;
    return is_written ? 0 : 1;
}

/* Whether a page ends with zeros, as no page does that was written. */
static bool has_hole(const char *path)
{
    static const char zeros[100];
    size_t bytes = (size_t)file_bytes(path);
    const char *found = file_read(path);
    bool is_found = false;
    for (size_t end = 4096; end < bytes && !is_found; end += 4096) {
        is_found = memcmp(found + end - sizeof zeros, zeros, sizeof zeros) == 0;
    }
    return is_found;
}

/* By chance such an image is rare, as few manifests are longer than a page. */
START_TEST(a_page_of_the_manifest_that_was_not_written_before_a_later_one_costs_nothing)
{
    struct history history;
    struct stat manifest;
    struct floor floor;
    history_begin(&history, daemon_new(), random_seed("power cut, manifest") + (uint64_t)_i, NULL);
    do {
        history_run(&history);
        floor = history_floor(&history, history_recorded(&history));
    } while (floor.height == 0);
    run_recorded(&history, EXTEND_MANIFEST);
    ck_assert_int_eq(stat(manifest_path(history.daemon.home.path), &manifest), 0);
    struct daemon daemon = daemon_new();
    ck_assert_int_eq(rmdir(daemon.home.path), 0);
    disk_history_image_with_hole(history.disk, manifest.st_ino, daemon.home.path);
    ck_assert(has_hole(manifest_path(daemon.home.path)));
    daemon.made = true;
    (void)look_at_image(&daemon, &floor);
    ck_assert_msg(daemon_says(&daemon, "torn tail, "), "%s",
                  daemon_errors(&daemon)); /* and which file, unless the log has one, too */
    daemon_kill(&daemon);
    daemon_close(&daemon);
    history_end(&history);
}
END_TEST

/* ---- is what is wrong with numbers found? ---- */

/* What a daemon would leave that forgets a number over a cut, or a drop. */
struct plant {
    const char *fault;
    const char *chain; /* NULL: the default one */
    enum key_kind kind;
    enum { PLANT_NOTHING, PLANT_LESS, PLANT_MORE, PLANT_ZERO, PLANT_DELETED, PLANT_ONE_MORE } how;
};

static const struct plant plants[] = {
    {"none", NULL, KEY_EPOCH, PLANT_NOTHING},
    {"the last number of each epoch is forgotten", NULL, KEY_EPOCH, PLANT_LESS},
    {"the same, of the chain that was made anew", RECORDED_CHAIN, KEY_EPOCH, PLANT_LESS},
    {"all numbers are forgotten", NULL, KEY_EPOCH, PLANT_ZERO},
    {"a number is ahead of its commit", RECORDED_CHAIN, KEY_EPOCH, PLANT_MORE},
    {"a block of before the drop is there", RECORDED_CHAIN, KEY_HEADER, PLANT_ONE_MORE},
    {"the blocks of the chain that was made anew are lost", RECORDED_CHAIN, KEY_HEADER, PLANT_DELETED},
};

static uint32_t chain_id(struct engine *engine, const char *chain)
{
    const char *name = chain != NULL ? chain : "default";
    struct key key = key_of_name(0, KEY_CHAIN_NAME, slice_of(name, strlen(name)));
    struct engine_value value = {0};
    struct failure failure;
    ck_assert_int_eq(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure),
                     ENGINE_OK);
    uint64_t id = record_get_u64(value.bytes.data);
    engine_value_release(&value);
    return (uint32_t)id;
}

static void plant_at(const struct plant *plant, uint32_t chain, struct slice key, struct slice value,
                     struct engine_edits *edits)
{
    struct epoch_record epoch;
    uint8_t bytes[RECORD_EPOCH_BYTES];
    uint64_t height;
    if (plant->how == PLANT_DELETED) {
        engine_edits_delete(edits, key);
    } else if (plant->how == PLANT_ONE_MORE && key_read_height(key, &height)) {
        struct key next = key_of_height(chain, plant->kind, height + 1);
        engine_edits_put(edits, key_slice(&next), value);
    } else if (plant->how != PLANT_NOTHING && record_read_epoch(value, &epoch) && epoch.last_number > 0) {
        epoch.last_number = plant->how == PLANT_ZERO   ? 0
                            : plant->how == PLANT_MORE ? epoch.last_number + 1
                                                       : epoch.last_number - 1;
        record_write_epoch(&epoch, bytes);
        engine_edits_put(edits, key, slice_of(bytes, sizeof bytes));
    }
}

/* Changes a store that nobody has open. */
static void plant_in(const char *path, const struct plant *plant)
{
    struct engine *engine = engine_opened(path, false);
    struct engine_edits edits = {0};
    uint32_t chain = chain_id(engine, plant->chain);
    struct key from = key_of_kind(chain, plant->kind), to = key_behind_kind(chain, plant->kind);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(engine, NULL, &range);
    struct slice key, value;
    struct failure failure;
    while (engine_cursor_next(cursor, &key, &value, &failure) == ENGINE_OK) {
        plant_at(plant, chain, key, value, &edits);
    }
    engine_cursor_close(cursor);
    if (edits.count > 0) {
        engine_edits_write(&edits, engine);
    }
    engine_close(engine, ENGINE_CLOSE_CLEAN);
}

/* Whether the chain was dropped, and has blocks again, behind any cut. */
static bool is_made_anew(const struct floor *floor)
{
    size_t dropped = floor->row->count;
    while (dropped > 0 && floor->row->steps[dropped - 1].kind != STEP_DROPPED) {
        dropped--;
    }
    return dropped > 0 && floor->steps == floor->row->count && recorded_chain_blocks(floor->row) > 0;
}

START_TEST(numbers_that_are_forgotten_are_found)
{
    struct history history;
    history_begin(&history, daemon_new(), random_seed("power cut, numbers"), NULL);
    struct floor floor;
    do {
        history_run(&history);
        floor = history_floor(&history, history_recorded(&history));
    } while (!is_made_anew(&floor) || floor.height == 0);
    disk_history_read(history.disk, directory_path(&history.place, RECORDER_RECORD_NAME));
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        struct daemon daemon = daemon_new();
        ck_assert_int_eq(rmdir(daemon.home.path), 0);
        disk_history_image(history.disk, disk_history_operations(history.disk), random_next(&history.random),
                           daemon.home.path);
        plant_in(kept_format("%s/db", daemon.data), &plants[i]);
        daemon.made = true;
        daemon_start(&daemon, "");
        struct wire wire = wire_open(daemon.socket);
        size_t steps;
        const char *fault = history_numbers_fault(&wire, &floor, get_height(&wire), &steps);
        ck_assert_msg((fault == NULL) == (plants[i].how == PLANT_NOTHING), "%s: %s", plants[i].fault,
                      fault != NULL ? fault : "not found");
        wire_close(&wire);
        daemon_kill(&daemon);
        daemon_close(&daemon);
    }
    history_end(&history);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3) {
        return strcmp(argv[2], EXTEND_MANIFEST) == 0 ? extend_manifest(argv[1])
                                                     : recorded_program(argv[1], argv[2]);
    }
    TCase *tests;
    Suite *suite = suite_new("power cut", 3600, &tests);
    tcase_add_loop_test(tests, programs_that_sync_too_little_lose, 0,
                        sizeof calibrations / sizeof calibrations[0]);
    tcase_add_loop_test(tests, a_page_of_the_manifest_that_was_not_written_before_a_later_one_costs_nothing,
                        0, MANIFESTS);
    tcase_add_test(tests, numbers_that_are_forgotten_are_found);
    tcase_add_test(tests, what_was_durable_survives_cuts_over_any_row_of_ends);
    return suite_run(suite, true);
}
