/* Room: the engine is in proportion to its file system, begins no write without room for it, and takes it from the reserve. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks_background.h"
#include "daemon/engine/rocksdb/rocks_room.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

#define MIB (UINT64_C(1) << 20)

enum {
    DISK_MIB = 64,
    RESERVE_MIB = 8,
    VALUE_BYTES = 64 << 10,
    VALUES_MAX = 4000,
    SYNCS = 40000,
    WAIT_MS = 60000,
    FLUSH_WAITS_MAX = 6000,
    LEFT_MIB = 20,
    RECLAIMS_MAX = 5,
    VALUES_UNFLUSHED = 20
};

static struct directory home;
static const char *disk;
static int disk_fd;
static struct reserve *reserve;
static struct engine *engine;
static struct failure failure;

static void open_engine(bool create)
{
    struct engine_config config = {
        .path = disk, .create = create, .cache_bytes_max = 1 << 20, .reserve = reserve, .beside = disk};
    ck_assert_msg(engine_open(&engine_rocksdb, &config, &engine, &failure) == ENGINE_OK, "%s", failure.text);
}

static bool setup_disk_with(uint64_t reserve_bytes)
{
    home = directory_new();
    disk = directory_path(&home, "disk");
    if (!small_disk_tmpfs(disk, DISK_MIB)) {
        directory_remove(&home);
        return false;
    }
    disk_fd = open(disk, O_RDONLY | O_DIRECTORY);
    reserve = reserve_open(disk_fd);
    while (reserve_set_aside(reserve, reserve_bytes, 0)) {
    }
    open_engine(true);
    return true;
}

static bool setup_disk(void)
{
    return setup_disk_with(RESERVE_MIB * MIB);
}

static void teardown_disk(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    reserve_close(reserve);
    close(disk_fd);
    small_disk_unmount(disk);
    directory_remove(&home);
    kept_clear();
}

/* Values that nothing makes smaller, under keys that count up. */
static enum engine_outcome put(uint32_t number, size_t bytes)
{
    struct random_source random = random_from(number);
    uint8_t key[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                      (uint8_t)number};
    uint8_t *value = malloc(bytes);
    ck_assert_ptr_nonnull(value);
    random_fill(&random, value, bytes);
    struct engine_edit edit = {ENGINE_PUT, slice_of(key, sizeof key), slice_of(value, bytes)};
    enum engine_outcome outcome = engine_write(engine, &edit, 1, ENGINE_LOGGED, &failure);
    free(value);
    return outcome;
}

static bool holds(uint32_t number)
{
    uint8_t key[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                      (uint8_t)number};
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(engine, NULL, ENGINE_MAY_BLOCK, slice_of(key, sizeof key), &value, &failure);
    ck_assert_int_ne(result, ENGINE_FAILED);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

START_TEST(a_write_buffer_is_a_share_of_the_file_system)
{
    ck_assert_uint_eq(rocks_write_buffer_bytes(0), WRITE_BUFFER_BYTES);
    ck_assert_uint_eq(rocks_write_buffer_bytes(1000000 * MIB), WRITE_BUFFER_BYTES);
    ck_assert_uint_eq(rocks_write_buffer_bytes(256 * MIB), 4 * MIB);
    ck_assert_uint_eq(rocks_write_buffer_bytes(1), 2 * MIB);
    ck_assert_uint_gt(rocks_log_bytes(64 * MIB), 70 * MIB);
    ck_assert_uint_gt(rocks_start_bytes(64 * MIB), rocks_log_bytes(64 * MIB));
}
END_TEST

START_TEST(a_disk_that_fills_up_refuses_writes_and_never_ends_them)
{
    if (!setup_disk()) {
        return;
    }
    uint32_t written = 0;
    while (written < VALUES_MAX && put(written, VALUE_BYTES) == ENGINE_DONE) {
        written++;
    }
    ck_assert_uint_gt(written, DISK_MIB / 4 * MIB / VALUE_BYTES);
    ck_assert_uint_lt(written, VALUES_MAX);
    ck_assert_int_eq(failure.status, STATUS_NO_SPACE);
    for (uint32_t number = 0; number < written; number++) {
        ck_assert(holds(number));
    }
    ck_assert(!holds(written)); /* it was refused */
    ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    open_engine(true); /* from what was set aside */
    ck_assert(holds(0) && holds(written - 1));
    teardown_disk();
}
END_TEST

START_TEST(somebody_elses_file_is_met_with_the_reserve_and_its_end_heals)
{
    if (!setup_disk()) {
        return;
    }
    for (uint32_t number = 0; number < 20; number++) {
        ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    }
    small_disk_fill(disk, 0);
    (void)reserve_look(reserve);
    ck_assert_int_eq(put(20, 100), ENGINE_DONE); /* in what is left of the log, or from the reserve */
    uint32_t number = 21;
    while (number < VALUES_MAX && put(number, VALUE_BYTES) == ENGINE_DONE) {
        number++;
    }
    ck_assert_int_eq(failure.status, STATUS_NO_SPACE);
    ck_assert(holds(number - 1) && !holds(number));
    small_disk_heal(disk);
    ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    struct engine_space space = engine_space(engine);
    ck_assert_uint_gt(space.unflushed_bytes, 0);
    ck_assert_uint_le(space.closed_bytes, space.unflushed_bytes);
    teardown_disk();
}
END_TEST

/* Once as after a clean stop, once behind a failed sync, whose log there is no space to write anew. */
START_TEST(without_any_space_it_is_opened_for_reading_and_with_some_for_writing)
{
    if (!setup_disk()) {
        return;
    }
    for (uint32_t number = 0; number < 20; number++) {
        ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    }
    ck_assert_int_eq(engine_found(engine)->access, ENGINE_WRITES);
    if (_i == 1) {
        wal_state_note_failure(&rocks_of(engine)->wal);
    }
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    reserve_close(reserve);
    ck_assert_int_eq(unlink(kept_format("%s/" RESERVE_NAME, disk)), 0);
    small_disk_fill(disk, 0);
    reserve = reserve_open(disk_fd);
    for (int starts = 0; starts < 2; starts++) {
        open_engine(false);
        ck_assert_int_eq(engine_found(engine)->access, _i == 0 ? ENGINE_READS : ENGINE_DOUBTS);
        ck_assert(holds(0) && holds(19) && !holds(20));
        ck_assert_int_eq(put(20, 1), ENGINE_NOT_APPLIED);
        ck_assert_int_eq(failure.status, STATUS_NO_SPACE);
        ck_assert(_i == 1 || engine_sync(engine, &failure) == ENGINE_DONE);
        engine_close(engine, ENGINE_CLOSE_CLEAN);
    }
    small_disk_heal(disk);
    open_engine(false);
    ck_assert_int_eq(engine_found(engine)->access, ENGINE_WRITES);
    ck_assert(holds(0) && holds(19));
    ck_assert_int_eq(put(20, VALUE_BYTES), ENGINE_DONE);
    teardown_disk();
}
END_TEST

/* What an open deletes is released later, but not where its space is lacking. */
START_TEST(a_start_with_little_room_has_the_space_of_what_it_deletes_at_once)
{
    if (!setup_disk_with(0)) {
        return;
    }
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    int fd = open(kept_format("%s/000001.blob", disk), O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_eq(posix_fallocate(fd, 0, LEFT_MIB * MIB), 0);
    close(fd);
    small_disk_fill(disk, 3 * MIB); /* enough for an open, and too little for two logs */
    open_engine(false);
    ck_assert_int_eq(engine_found(engine)->access, ENGINE_WRITES);
    ck_assert_uint_ge(small_disk_free(disk), LEFT_MIB * MIB);
    teardown_disk();
}
END_TEST

START_TEST(without_a_reserve_small_writes_go_into_what_the_log_has_left)
{
    if (!setup_disk_with(0)) {
        return;
    }
    ck_assert_int_eq(put(0, 100), ENGINE_DONE);
    small_disk_fill(disk, 0);
    (void)reserve_look(reserve);
    ck_assert_int_eq(put(1, 100), ENGINE_DONE);
    uint32_t number = 2;
    while (number < VALUES_MAX && put(number, VALUE_BYTES) == ENGINE_DONE) {
        number++;
    }
    ck_assert_int_eq(failure.status, STATUS_NO_SPACE);
    ck_assert(holds(0) && holds(1) && !holds(number));
    small_disk_heal(disk);
    ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    teardown_disk();
}
END_TEST

START_TEST(a_sync_takes_no_room)
{
    if (!setup_disk_with(0)) {
        return;
    }
    for (uint32_t number = 0; number < 20; number++) {
        ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    }
    small_disk_fill(disk, 0);
    /* with a record each they took all that the log has left */
    for (unsigned syncs = 0; syncs < SYNCS; syncs++) {
        ck_assert_msg(engine_sync(engine, &failure) == ENGINE_DONE, "sync %u: %s", syncs, failure.text);
    }
    small_disk_heal(disk);
    ck_assert_int_eq(put(20, VALUE_BYTES), ENGINE_DONE);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    open_engine(false);
    ck_assert(holds(0) && holds(20));
    teardown_disk();
}
END_TEST

static void flush(void)
{
    ck_assert(rocks_close_write_buffer(rocks_of(engine), &failure));
    for (int wait = 0; rocks_number(rocks_of(engine), "rocksdb.num-immutable-mem-table") > 0; wait++) {
        ck_assert_int_lt(wait, FLUSH_WAITS_MAX);
        (void)usleep(10000);
    }
}

static bool has_room(void)
{
    struct engine_space space = engine_space(engine);
    return small_disk_free(disk) > space.unflushed_bytes + 2 * space.log_bytes;
}

/* Until writes are about to be refused. Then all but each third value is deleted. Returns how many were written. */
static uint32_t fill_with_garbage(void)
{
    uint32_t written = 0;
    for (uint32_t before = 1; before != written; flush()) {
        before = written;
        for (; has_room(); written++) {
            ck_assert_int_eq(put(written, VALUE_BYTES), ENGINE_DONE);
        }
    }
    for (uint32_t number = 0; number < written; number++) {
        uint8_t key[4] = {0, 0, (uint8_t)(number >> 8), (uint8_t)number};
        struct engine_edit edit = {ENGINE_DELETE, slice_of(key, sizeof key), {0}};
        ck_assert(number % 3 == 0 || engine_write(engine, &edit, 1, ENGINE_LOGGED, &failure) == ENGINE_DONE);
    }
    flush();
    engine_note_space(engine, ENGINE_TIGHT);
    return written;
}

static enum engine_result reclaim_all(void)
{
    uint64_t freed_bytes = 0;
    return engine_reclaim(engine, slice_of("", 0), slice_of("\1", 1), false, &freed_bytes, &failure);
}

static void expect_room(uint32_t written)
{
    uint64_t deleted_bytes = (uint64_t)written * VALUE_BYTES / 3 * 2;
    ck_assert_uint_gt(small_disk_free(disk), deleted_bytes / 2);
    for (uint32_t number = 0; number < written; number++) {
        ck_assert(holds(number) == (number % 3 == 0));
    }
}

/* Others took the space before the flush. The disk stays full: the next writes ask for the flush again, with what the reserve gives. */
START_TEST(a_flush_that_found_no_space_goes_well_from_the_reserve)
{
    if (!setup_disk()) {
        return;
    }
    uint32_t number = 0;
    for (; number < VALUES_UNFLUSHED; number++) {
        ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    }
    small_disk_fill(disk, 0);
    ck_assert(rocks_close_write_buffer(rocks_of(engine), &failure));
    for (int wait = 0; rocks_number(rocks_of(engine), "rocksdb.background-errors") == 0; wait++) {
        ck_assert_int_lt(wait, FLUSH_WAITS_MAX);
        (void)usleep(10000);
    }
    for (int wait = 0; rocks_number(rocks_of(engine), "rocksdb.num-immutable-mem-table") > 0; wait++) {
        ck_assert_msg(wait < FLUSH_WAITS_MAX, "it is not asked for: %s", failure.text);
        (void)usleep(10000);
        (void)put(number, 100);
    }
    ck_assert(holds(0) && holds(VALUES_UNFLUSHED - 1));
    small_disk_heal(disk);
    ck_assert_int_eq(put(number, VALUE_BYTES), ENGINE_DONE);
    teardown_disk();
}
END_TEST

START_TEST(what_is_deleted_gives_room_though_not_all_that_lives_beside_it_can_be_moved_at_once)
{
    if (!setup_disk()) {
        return;
    }
    uint32_t written = fill_with_garbage();
    ck_assert_uint_gt((uint64_t)written * VALUE_BYTES / 3, small_disk_free(disk) + RESERVE_MIB * MIB / 2);
    for (unsigned i = 0; i < RECLAIMS_MAX && reclaim_all() != ENGINE_OK;
         i++) { /* another compaction may take the room */
        ck_assert_int_eq(failure.status, STATUS_NO_SPACE);
    }
    expect_room(written);
    teardown_disk();
}
END_TEST

/* Whether it finds room for a first step depends on what RocksDB frees meanwhile. */
START_TEST(on_a_disk_that_others_fill_it_says_that_there_is_no_room_or_goes_on)
{
    if (!setup_disk()) {
        return;
    }
    uint32_t written = fill_with_garbage();
    reserve_keep(reserve, MIB + MIB / 4); /* enough to begin */
    small_disk_fill(disk, 0);
    ck_assert(reclaim_all() == ENGINE_OK || failure.status == STATUS_NO_SPACE);
    small_disk_heal(disk);
    enum engine_result result = reclaim_all();
    ck_assert_msg(result == ENGINE_OK, "%s", failure.text);
    expect_room(written);
    teardown_disk();
}
END_TEST

/* Of the last file that options were written to, or that was begun. */
static unsigned last_options(void)
{
    unsigned number, last = 0;
    DIR *directory = opendir(disk);
    const struct dirent *entry;
    ck_assert_ptr_nonnull(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (sscanf(entry->d_name, "OPTIONS-%u", &number) == 1 && number > last) {
            last = number;
        }
    }
    closedir(directory);
    return last;
}

/* Options are noted in the manifest, which ends all writing where it fails. */
START_TEST(where_nothing_is_free_a_failed_flush_changes_no_options_until_something_is)
{
    if (!setup_disk_with(0)) {
        return;
    }
    ck_assert_int_eq(put(0, VALUE_BYTES), ENGINE_DONE);
    small_disk_fill(disk, 0);
    (void)reserve_look(reserve);
    ck_assert(rocks_close_write_buffer(rocks_of(engine), &failure));
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (rocks_number(rocks_of(engine), "rocksdb.background-errors") == 0) {
        ck_assert_uint_lt(clock_ms(), until_ms);
        sleep_ms(10);
    }
    unsigned before = last_options();
    ck_assert_int_eq(put(1, 100), ENGINE_NOT_APPLIED);
    ck_assert(engine_background_failed(engine, &failure));
    ck_assert_uint_eq(last_options(), before);
    small_disk_heal(disk);
    for (uint32_t number = 2; rocks_background_has_news(rocks_of(engine)); number++) {
        ck_assert_uint_lt(clock_ms(), until_ms);
        ck_assert_int_eq(put(number, 100), ENGINE_DONE);
        sleep_ms(10);
    }
    ck_assert(!rocks_of(engine)->background.are_buffers_many);
    ck_assert_uint_gt(last_options(), before);
    ck_assert(holds(0) && !holds(1) && holds(2));
    teardown_disk();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_room", 120, &tests);
    tcase_add_test(tests, a_write_buffer_is_a_share_of_the_file_system);
    tcase_add_test(tests, a_disk_that_fills_up_refuses_writes_and_never_ends_them);
    tcase_add_test(tests, somebody_elses_file_is_met_with_the_reserve_and_its_end_heals);
    tcase_add_loop_test(tests, without_any_space_it_is_opened_for_reading_and_with_some_for_writing, 0, 2);
    tcase_add_test(tests, a_start_with_little_room_has_the_space_of_what_it_deletes_at_once);
    tcase_add_test(tests, without_a_reserve_small_writes_go_into_what_the_log_has_left);
    tcase_add_test(tests, a_sync_takes_no_room);
    tcase_add_test(tests, a_flush_that_found_no_space_goes_well_from_the_reserve);
    tcase_add_test(tests,
                   what_is_deleted_gives_room_though_not_all_that_lives_beside_it_can_be_moved_at_once);
    tcase_add_test(tests, on_a_disk_that_others_fill_it_says_that_there_is_no_room_or_goes_on);
    tcase_add_test(tests, where_nothing_is_free_a_failed_flush_changes_no_options_until_something_is);
    return suite_run(suite, true);
}
