/* The life of a file with large values: RocksDB makes it, and a hard link is made to it when deletions are expected. RocksDB
 * deletes its own name; the file's only one is then the link, and the next steps truncate it down to nothing. Or RocksDB
 * keeps it: then the link goes when nothing was expected for EXPECT_US.
 *
 * What is expected is told by several threads, in atomics. All else belongs to whoever takes the steps. */
#include "daemon/engine/rocksdb/paced_deletion.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    PATH_BYTES = 4096 + 16,
    PIECE_BYTES = 32 << 20,     /* a device takes some ten milliseconds over it */
    PAUSE_FACTOR = 9,           /* of the time a piece took: syncs are held up for a tenth of it */
    PAUSE_US_MIN = 10000,       /* also where a file cannot be truncated */
    LINK_INTERVAL_US = 5000000, /* between two looks for new files */
    LOOK_INTERVAL_US = 1000000, /* between two looks for deleted ones */
    EXPECT_US = 60000000,       /* after the last range was deleted RocksDB may delete files for it */
};

#define LINKS_SUFFIX ".deleted"
#define FILE_SUFFIX  ".blob"

struct paced_deletion {
    /* fixed after start */
    char database[PATH_BYTES];
    char links[PATH_BYTES];
    /* any thread */
    _Atomic uint64_t expected_us; /* when files were last expected to go */
    atomic_bool is_going_on;      /* RocksDB is about it */
    atomic_bool is_stopped;
    /* of whoever takes the steps */
    uint64_t linked_us;    /* when links were made last */
    bool has_more;         /* links or deleted files, as far as known */
    uint64_t next_link_us; /* neither before these */
    uint64_t next_piece_us;
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

void paced_deletion_link(const char *database, const char *links)
{
    DIR *from = open_directory(database);
    if (from == NULL) {
        return;
    }
    (void)mkdir(links, 0750); /* unless it is there */
    DIR *to = open_directory(links);
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
static uint64_t truncate_piece(int directory, const char *name, uint64_t bytes)
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

/* Whether RocksDB has deleted the file: the link is its only name, and the database has none of that name. The count alone is
 * no evidence: some file systems forget names, or always say 1. */
static bool is_deleted(int database, const char *name, const struct stat *found)
{
    return found->st_nlink == 1 && faccessat(database, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
           errno == ENOENT;
}

struct paced_deletion_piece paced_deletion_truncate(const char *database, const char *links, bool forget)
{
    struct paced_deletion_piece piece = {0};
    DIR *from = open_directory(database);
    DIR *to = from == NULL ? NULL : open_directory(links);
    const struct dirent *entry;
    while (to != NULL && (entry = readdir(to)) != NULL) {
        struct stat found;
        if (!is_data(entry->d_name) || fstatat(dirfd(to), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        bool was_deleted = is_deleted(dirfd(from), entry->d_name, &found);
        if (was_deleted && piece.took_us == 0) {
            piece.took_us = truncate_piece(dirfd(to), entry->d_name, (uint64_t)found.st_size);
            piece.has_deleted |= found.st_size > PIECE_BYTES;
        } else if (was_deleted) {
            piece.has_deleted = true;
        } else if (forget) {
            (void)unlinkat(dirfd(to), entry->d_name, 0);
        } else {
            piece.has_links = true;
        }
    }
    if (to != NULL) {
        closedir(to);
    }
    if (from != NULL) {
        closedir(from);
    }
    return piece;
}

/* ---- when ---- */

struct paced_deletion *paced_deletion_new(const char *database)
{
    struct paced_deletion *deletion = memory_new(sizeof *deletion);
    snprintf(deletion->database, sizeof deletion->database, "%s", database);
    snprintf(deletion->links, sizeof deletion->links, "%s" LINKS_SUFFIX, database);
    return deletion;
}

void paced_deletion_free(struct paced_deletion *deletion)
{
    free(deletion);
}

void paced_deletion_expect(struct paced_deletion *deletion)
{
    atomic_store(&deletion->expected_us, thread_now_us());
}

void paced_deletion_begin(struct paced_deletion *deletion)
{
    atomic_store(&deletion->is_going_on, true);
    paced_deletion_expect(deletion);
    paced_deletion_link(deletion->database, deletion->links);
}

void paced_deletion_end(struct paced_deletion *deletion)
{
    paced_deletion_expect(deletion);
    atomic_store(&deletion->is_going_on, false);
}

/* Whether files were expected to go since links were made. */
static bool wants_links(const struct paced_deletion *deletion)
{
    return atomic_load(&deletion->is_going_on) || atomic_load(&deletion->expected_us) >= deletion->linked_us;
}

/* Does what is due, and says when the next is; `now_us` follows the clock. */
static void take_step(struct paced_deletion *deletion, uint64_t *now_us)
{
    uint64_t from_us = thread_now_us(), due_us = *now_us, pause_us = LOOK_INTERVAL_US;
    if (wants_links(deletion) && due_us >= deletion->next_link_us) {
        deletion->linked_us = from_us + 1; /* what is told meanwhile counts as told later */
        paced_deletion_link(deletion->database, deletion->links);
        deletion->next_link_us = due_us + LINK_INTERVAL_US;
        deletion->has_more = true;
    } else if (deletion->has_more && due_us >= deletion->next_piece_us) {
        bool is_expected =
            atomic_load(&deletion->is_going_on) || due_us < atomic_load(&deletion->expected_us) + EXPECT_US;
        struct paced_deletion_piece piece =
            paced_deletion_truncate(deletion->database, deletion->links, !is_expected);
        deletion->has_more = piece.has_links || piece.has_deleted;
        pause_us = piece.has_deleted ? PAUSE_US_MIN + piece.took_us * PAUSE_FACTOR : LOOK_INTERVAL_US;
    } else {
        return;
    }
    *now_us += thread_now_us() - from_us;
    deletion->next_piece_us = *now_us + pause_us;
}

/* From now_us on; 0: it is past. */
static uint64_t left_us(uint64_t until_us, uint64_t now_us)
{
    return until_us > now_us ? until_us - now_us : 0;
}

uint64_t paced_deletion_step(struct paced_deletion *deletion, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    if (atomic_load(&deletion->is_stopped)) {
        return next_us;
    }
    take_step(deletion, &now_us);
    if (wants_links(deletion)) {
        next_us = left_us(deletion->next_link_us, now_us);
    }
    if (deletion->has_more && left_us(deletion->next_piece_us, now_us) < next_us) {
        next_us = left_us(deletion->next_piece_us, now_us);
    }
    return next_us;
}

void paced_deletion_stop(struct paced_deletion *deletion)
{
    atomic_store(&deletion->is_stopped, true);
}
