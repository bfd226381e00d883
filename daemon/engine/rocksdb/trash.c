#include "daemon/engine/rocksdb/trash.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    PATH_BYTES = 4096 + 16,
    PIECE_BYTES = 32 << 20, /* a device takes some ten milliseconds over it */
    PAUSE_FACTOR = 9,       /* of the time a piece took: syncs are held up for a tenth of it */
    PAUSE_US_LEAST = 10000, /* also where a file cannot be cut */
    KEEP_US = 5000000,      /* between two looks for new files */
    WATCH_US = 1000000,     /* between two looks for deleted ones */
    EXPECT_US = 60000000,   /* so long after the last prune the engine may delete files for it */
};

#define TRASH_SUFFIX ".deleted"
#define FILE_SUFFIX  ".blob"

struct trash {
    struct pool_work work; /* first */
    /* fixed after start */
    struct pool *pool;
    char database[PATH_BYTES];
    char path[PATH_BYTES];
    /* loop only */
    bool is_running;
    bool is_expected; /* since trash_keep was last asked for */
    bool has_more;    /* names or deleted files, as far as known */
    uint64_t expect_until_us;
    uint64_t next_keep_us;
    uint64_t next_step_us;
    /* fixed while it runs */
    bool keeps; /* or takes a step */
    bool forgets;
    /* what the step came to */
    struct trash_step step;
};

/* ---- files ---- */

static bool is_data(const char *name)
{
    size_t length = strlen(name), suffix = strlen(FILE_SUFFIX);
    return length > suffix && strcmp(name + length - suffix, FILE_SUFFIX) == 0;
}

/* NULL: it cannot be read. By a descriptor, for ThreadSanitizer does not see opendir's and takes a number that was another
 * thread's before for a race. */
static DIR *open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && directory == NULL) {
        close(fd);
    }
    return directory;
}

void trash_keep(const char *database, const char *trash)
{
    DIR *from = open_directory(database);
    if (from == NULL) {
        return;
    }
    (void)mkdir(trash, 0750); /* unless it is there */
    DIR *to = open_directory(trash);
    const struct dirent *entry;
    while (to != NULL && (entry = readdir(from)) != NULL) {
        if (is_data(entry->d_name)) { /* a number is never used again: who has the name there is this file */
            (void)!linkat(dirfd(from), entry->d_name, dirfd(to), entry->d_name, 0);
        }
    }
    closedir(from);
    if (to != NULL) {
        closedir(to);
    }
}

/* Takes one piece off, until the device has its space. Returns how many microseconds that took, no less than one. */
static uint64_t cut(int directory, const char *name, uint64_t bytes)
{
    uint64_t from_us = thread_now_us();
    int fd = bytes > PIECE_BYTES ? openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd >= 0 && ftruncate(fd, (off_t)(bytes - PIECE_BYTES)) == 0) {
        (void)fsync(fd);
    } else {
        (void)unlinkat(directory, name, 0);
        (void)fsync(directory);
    }
    if (fd >= 0) {
        close(fd);
    }
    return thread_now_us() - from_us + 1;
}

struct trash_step trash_step(const char *trash, bool forget)
{
    struct trash_step step = {0};
    DIR *directory = open_directory(trash);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat found;
        if (!is_data(entry->d_name) ||
            fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (found.st_nlink == 1 && step.took_us == 0) {
            step.took_us = cut(dirfd(directory), entry->d_name, (uint64_t)found.st_size);
            step.has_rest |= found.st_size > PIECE_BYTES;
        } else if (found.st_nlink == 1) {
            step.has_rest = true;
        } else if (forget) {
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
        } else {
            step.has_names = true;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return step;
}

/* ---- when ---- */

struct trash *trash_new(const char *database, struct pool *pool)
{
    struct trash *trash = memory_new(sizeof *trash);
    trash->pool = pool;
    snprintf(trash->database, sizeof trash->database, "%s", database);
    snprintf(trash->path, sizeof trash->path, "%s" TRASH_SUFFIX, database);
    return trash;
}

void trash_free(struct trash *trash)
{
    free(trash);
}

void trash_expect(struct trash *trash, uint64_t now_us)
{
    trash->is_expected = true;
    trash->expect_until_us = now_us + EXPECT_US;
}

static void trash_run(struct pool_work *work)
{
    struct trash *trash = (struct trash *)work; /* its first member */
    if (trash->keeps) {
        trash_keep(trash->database, trash->path);
        trash->step = (struct trash_step){.has_names = true};
    } else {
        trash->step = trash_step(trash->path, trash->forgets);
    }
}

static void trash_done(struct pool_work *work)
{
    struct trash *trash = (struct trash *)work;
    uint64_t pause_us = PAUSE_US_LEAST + trash->step.took_us * PAUSE_FACTOR;
    trash->is_running = false;
    trash->has_more = trash->step.has_names || trash->step.has_rest;
    trash->next_step_us = thread_now_us() + (trash->step.has_rest ? pause_us : WATCH_US);
}

static void start(struct trash *trash, bool keeps, bool forgets)
{
    trash->is_running = true;
    trash->keeps = keeps;
    trash->forgets = forgets;
    trash->work.run = trash_run;
    trash->work.done = trash_done;
    pool_submit(trash->pool, &trash->work, POOL_STREAM);
}

uint64_t trash_turn(struct trash *trash, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    if (trash->is_running) {
        return next_us;
    }
    if (trash->is_expected && now_us >= trash->next_keep_us) {
        trash->is_expected = false;
        trash->next_keep_us = now_us + KEEP_US;
        start(trash, true, false);
        return next_us;
    }
    if (trash->has_more && now_us >= trash->next_step_us) {
        start(trash, false, now_us >= trash->expect_until_us);
        return next_us;
    }
    if (trash->is_expected) {
        next_us = trash->next_keep_us - now_us;
    }
    if (trash->has_more && trash->next_step_us - now_us < next_us) {
        next_us = trash->next_step_us - now_us;
    }
    return next_us;
}

bool trash_is_idle(const struct trash *trash)
{
    return !trash->is_running;
}
