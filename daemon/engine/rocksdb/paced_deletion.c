/* The life of a file with large values:
 *
 * - RocksDB makes it. When deletions are expected, a hard link is made to it, in a directory beside the database.
 * - RocksDB deletes its own name: the link is then the file's only name, and each step truncates it by one piece until nothing
 *   is left.
 * - Or RocksDB keeps the file: the link is removed when no deletion was expected for EXPECT_US.
 *
 * That deletions are expected is told by several threads, in atomics. All else belongs to the thread that takes the steps.
 *
 * Ways to fail: where a link cannot be made, RocksDB deletes the file at once; where a file cannot be truncated, its link is
 * removed, which deletes it at once. What cannot be removed is tried again with each step. Nothing is reported: only the pace
 * suffers. */
#include "daemon/engine/rocksdb/paced_deletion.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen, but where it says otherwise. */
enum {
    PATH_BYTES = PATH_MAX,
    PIECE_BYTES = 32 << 20,     /* measured: a device takes some ten milliseconds to give so much back */
    PAUSE_FACTOR = 9,           /* pauses to pieces: syncs wait for a tenth of the time */
    PAUSE_US_MIN = 10000,       /* behind each piece, and each file that was removed at once */
    LINK_INTERVAL_US = 5000000, /* between two looks for new files */
    LOOK_INTERVAL_US = 1000000, /* between two looks for deleted files */
    EXPECT_US = 60000000,       /* RocksDB may delete files of a range this long after it was deleted */
};

#define LINKS_SUFFIX ".deleted"
#define FILE_SUFFIX  ".blob"

static_assert(PACED_DELETION_PATH_BYTES_MAX + sizeof LINKS_SUFFIX <= PATH_BYTES,
              "the longest path fits with its suffix");

struct paced_deletion {
    /* fixed after start */
    char database[PATH_BYTES];
    char links[PATH_BYTES];
    /* any thread */
    _Atomic uint64_t expected_us; /* when files were last expected to go */
    atomic_bool is_going_on;      /* between begin and end */
    atomic_bool is_stepping;      /* somebody is in a step */
    atomic_bool is_stopped;
    /* the thread's that takes the steps */
    uint64_t linked_us;     /* when links were made last */
    bool has_more;          /* links or deleted files, as far as known */
    uint64_t next_link_us;  /* links are not made before this */
    uint64_t next_piece_us; /* nothing is truncated before this */
};

/* ---- files ---- */

static bool is_data(const char *name)
{
    size_t length = strlen(name), suffix = strlen(FILE_SUFFIX);
    return length > suffix && strcmp(name + length - suffix, FILE_SUFFIX) == 0;
}

/* NULL: it cannot be read. It goes by a descriptor of ours, since ThreadSanitizer does not see opendir's: it takes a
 * number that another thread had before for a race. */
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
        if (is_data(
                entry->d_name)) { /* RocksDB never uses a number again: a link of that name is to this file */
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
    assert(strcmp(database, links) != 0); /* or RocksDB's own names would be taken for links, and removed */
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
    assert(!piece.has_deleted || piece.took_us > 0); /* one was truncated, and the pause is measured by it */
    return piece;
}

/* ---- when ---- */

struct paced_deletion *paced_deletion_new(const char *database, const char *beside)
{
    struct paced_deletion *deletion = memory_new(sizeof *deletion);
    assert(strlen(database) <= PACED_DELETION_PATH_BYTES_MAX &&
           strlen(beside) <= PACED_DELETION_PATH_BYTES_MAX); /* cut short, it would be another directory */
    snprintf(deletion->database, sizeof deletion->database, "%s", database);
    snprintf(deletion->links, sizeof deletion->links, "%s" LINKS_SUFFIX, beside);
    return deletion;
}

void paced_deletion_free(struct paced_deletion *deletion)
{
    assert(deletion == NULL || !(atomic_load(&deletion->is_going_on) || atomic_load(&deletion->is_stepping)));
    free(deletion);
}

void paced_deletion_expect(struct paced_deletion *deletion)
{
    atomic_store(&deletion->expected_us, thread_now_us());
}

void paced_deletion_begin(struct paced_deletion *deletion)
{
    bool was_going_on = atomic_exchange(&deletion->is_going_on, true);
    assert(!was_going_on); /* the first end would end both */
    paced_deletion_expect(deletion);
    paced_deletion_link(deletion->database, deletion->links);
}

void paced_deletion_end(struct paced_deletion *deletion)
{
    paced_deletion_expect(deletion);
    bool was_going_on = atomic_exchange(&deletion->is_going_on, false);
    assert(was_going_on);
}

/* Whether files were expected to go since links were made. */
static bool wants_links(const struct paced_deletion *deletion)
{
    assert(atomic_load(&deletion->is_stepping)); /* linked_us has no lock */
    return atomic_load(&deletion->is_going_on) || atomic_load(&deletion->expected_us) >= deletion->linked_us;
}

/* Makes links or truncates a piece, if that is due, and plans the next piece. *now_us is moved on by what it took. */
static void take_step(struct paced_deletion *deletion, uint64_t *now_us)
{
    assert(atomic_load(&deletion->is_stepping)); /* nor has what the next step goes by */
    uint64_t from_us = thread_now_us(), due_us = *now_us, pause_us = LOOK_INTERVAL_US;
    if (wants_links(deletion) && due_us >= deletion->next_link_us) {
        deletion->linked_us = from_us + 1; /* a deletion that is told meanwhile has links made anew */
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

/* The time from now_us to until_us; 0: that is past. */
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
    bool was_stepping = atomic_exchange(&deletion->is_stepping, true);
    assert(!was_stepping); /* what a step goes by has no lock */
    take_step(deletion, &now_us);
    if (wants_links(deletion)) {
        next_us = left_us(deletion->next_link_us, now_us);
    }
    if (deletion->has_more && left_us(deletion->next_piece_us, now_us) < next_us) {
        next_us = left_us(deletion->next_piece_us, now_us);
    }
    atomic_store(&deletion->is_stepping, false);
    return next_us;
}

void paced_deletion_stop(struct paced_deletion *deletion)
{
    atomic_store(&deletion->is_stopped, true);
}
