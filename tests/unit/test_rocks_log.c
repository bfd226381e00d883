/* What a row of killed processes and a power cut leaves of RocksDB's logs: each log loses what no sync of any of them brought
 * to the device. Syncs are watched by standing in for libc's, which also makes them fail: what a failed sync did not bring to the
 * device no later one of that file does, as the kernel gives it up. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine/engine_type.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/suite.h"

enum { SYNCS_MAX = 1024, LIVES = 4 };

/* In memory that all lives share. */
struct syncs {
    bool fails; /* the next sync of a log does */
    unsigned count;
    struct synced {
        ino_t file;
        off_t bytes;
        bool is_given_up; /* what is behind these bytes */
    } list[SYNCS_MAX];
};

static struct syncs *syncs;
static struct directory directory;

/* What RocksDB's library sees. */
#define SEEN __attribute__((visibility("default")))

static const struct synced *last_sync(ino_t file)
{
    for (unsigned i = syncs->count; i > 0; i--) {
        if (syncs->list[i - 1].file == file) {
            return &syncs->list[i - 1];
        }
    }
    return NULL;
}

static bool is_log(int fd)
{
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    return n > 4 && memcmp(path + n - 4, ".log", 4) == 0;
}

/* Whether the sync fails. The lock is held. */
static bool note_locked(int fd)
{
    struct stat found;
    if (syncs == NULL || fstat(fd, &found) != 0 || syncs->count == SYNCS_MAX) {
        return false;
    }
    const struct synced *last = last_sync(found.st_ino);
    struct synced now = {found.st_ino, found.st_size, false};
    bool fails = syncs->fails && is_log(fd);
    if (fails || (last != NULL && last->is_given_up)) {
        now.bytes = last == NULL ? 0 : last->bytes;
        now.is_given_up = true;
    }
    syncs->list[syncs->count++] = now;
    syncs->fails = syncs->fails && !fails;
    errno = fails ? EIO : errno;
    return fails;
}

static bool note(int fd)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* RocksDB's own threads sync too */
    pthread_mutex_lock(&lock);
    bool fails = note_locked(fd);
    pthread_mutex_unlock(&lock);
    return fails;
}

SEEN int fdatasync(int fd)
{
    return note(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

SEEN int fsync(int fd)
{
    return note(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* ---- fixture ---- */

static void setup(void)
{
    directory = directory_new();
    syncs = mmap(NULL, sizeof *syncs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(syncs, MAP_FAILED);
}

static void teardown(void)
{
    directory_remove(&directory);
}

static struct slice key_of(int life)
{
    static const char letters[] = "abcdefgh";
    return slice_of(letters + life, 1);
}

static void expect_lives(struct engine *engine, int lives)
{
    for (int life = 0; life < lives; life++) {
        struct engine_value value = {0};
        struct failure failure;
        ck_assert_int_eq(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_of(life), &value, &failure),
                         ENGINE_OK);
        engine_value_release(&value);
    }
}

/* A process that finds what those before it wrote, writes its key, and dies. */
static void live(int life, enum engine_durability durability)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct engine *engine = engine_opened(directory.path, true);
        expect_lives(engine, life);
        struct engine_edit edit = {ENGINE_PUT, key_of(life), slice_of("v", 1)};
        struct failure failure;
        ck_assert_int_eq(engine_write(engine, &edit, 1, durability, &failure), ENGINE_DONE);
        _exit(EXIT_SUCCESS);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* Returns how many bytes the logs lost. */
static off_t cut_power(void)
{
    off_t lost = 0;
    DIR *stream = opendir(directory.path);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, ".log") != 0) {
            continue;
        }
        const char *path = directory_path(&directory, entry->d_name);
        struct stat found;
        ck_assert_int_eq(stat(path, &found), 0);
        const struct synced *last = last_sync(found.st_ino);
        off_t kept = last == NULL ? 0 : last->bytes;
        lost += found.st_size - kept;
        ck_assert_int_eq(truncate(path, kept), 0);
    }
    closedir(stream);
    ck_assert_uint_lt(syncs->count, SYNCS_MAX);
    return lost;
}

/* ---- tests ---- */

START_TEST(a_synced_write_survives_with_all_that_earlier_lives_wrote)
{
    for (int life = 0; life < LIVES; life++) {
        live(life, life + 1 < LIVES ? ENGINE_LOGGED : ENGINE_SYNCED);
    }
    (void)cut_power();
    struct engine *engine = engine_opened(directory.path, false);
    expect_lives(engine, LIVES);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
}
END_TEST

START_TEST(what_an_open_found_survives)
{
    live(0, ENGINE_LOGGED);
    live(1, ENGINE_LOGGED); /* found what the first wrote; its own goes */
    ck_assert_int_gt(cut_power(), 0);
    struct engine *engine = engine_opened(directory.path, false);
    expect_lives(engine, 1);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
}
END_TEST

/* A process whose sync fails: of what it and those before it wrote since the last one, or of what it found. */
static void end_with_a_failed_sync(bool in_open)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct engine_config config = {.path = directory.path};
        struct engine *engine = NULL;
        struct failure failure;
        struct engine_edit edit = {ENGINE_PUT, key_of(LIVES), slice_of("v", 1)};
        syncs->fails = in_open;
        ck_assert_int_eq(engine_open(&engine_rocksdb, &config, &engine, &failure),
                         in_open ? ENGINE_FAILED : ENGINE_OK);
        if (!in_open) {
            syncs->fails = true;
            ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_UNKNOWN);
        }
        ck_assert(!syncs->fails);
        ck_assert_ptr_nonnull(strstr(failure.text, "Input/output error"));
        _exit(EXIT_SUCCESS);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

START_TEST(what_a_failed_sync_gave_up_is_written_anew)
{
    for (int life = 0; life < LIVES; life++) {
        live(life, life + 1 < LIVES ? ENGINE_LOGGED : ENGINE_SYNCED);
        if (life + 2 < LIVES) {
            end_with_a_failed_sync(_i == 1);
        }
    }
    (void)cut_power();
    struct engine *engine = engine_opened(directory.path, false);
    expect_lives(engine, LIVES);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_log", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_synced_write_survives_with_all_that_earlier_lives_wrote);
    tcase_add_test(tests, what_an_open_found_survives);
    tcase_add_loop_test(tests, what_a_failed_sync_gave_up_is_written_anew, 0, 2);
    return suite_run(suite, true);
}
