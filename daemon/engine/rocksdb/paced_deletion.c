/* The life of a file with large values:
 *
 * - RocksDB makes it. When deletions are expected it is opened for reading, and so held. Before RocksDB is opened, what that will delete is
 *   held, tables and logs too.
 * - RocksDB deletes its name: the descriptor then is all that is left of the file. A step closes it, and waits until the device
 *   has its space.
 * - Or RocksDB keeps the file: it is released when no deletion was expected for EXPECT_US.
 *
 * That deletions are expected is told by several threads, in atomics. The list of held files has a lock. All else belongs to the
 * thread that takes the steps.
 *
 * Earlier versions made hard links in a directory beside the database. What a run of theirs left there is removed, one name
 * at a time; the directory stays.
 *
 * Ways to fail: a file that cannot be opened is not held, and RocksDB's deleting it gives its space back at once. Nothing is
 * reported: only the pace suffers. */
#include "daemon/engine/rocksdb/paced_deletion.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
    NAME_BYTES = 32,
    PAUSE_FACTOR = 9,           /* pauses to releases: syncs wait for a tenth of the time */
    PAUSE_US_MIN = 10000,       /* behind each release; measured: a device takes some 10 ms for 32 MiB */
    HOLD_INTERVAL_US = 5000000, /* between two looks for new files */
    LOOK_INTERVAL_US = 1000000, /* between two looks for deleted files */
    EXPECT_US = 60000000,       /* RocksDB may delete files of a range this long after it was deleted */
};

#define LINKS_SUFFIX ".deleted" /* of the directory that earlier versions left */

/* How RocksDB's names for its files end, behind their number. */
static const char suffixes[][8] = {".blob", ".sst", ".log"};
enum { LARGE_VALUES, SUFFIXES = sizeof suffixes / sizeof suffixes[0] };

static_assert(PACED_DELETION_PATH_BYTES_MAX + sizeof LINKS_SUFFIX <= PATH_BYTES,
              "the longest path fits with its suffix");

struct held_file {
    uint64_t number; /* in RocksDB's name for it */
    int suffix;
    int fd;
};

struct paced_deletion {
    /* fixed after start */
    char database[PATH_BYTES];
    char links[PATH_BYTES];
    size_t files_max;
    /* any thread */
    _Atomic uint64_t expected_us; /* when files were last expected to go */
    atomic_bool is_going_on;      /* between begin and end */
    atomic_bool is_stepping;      /* somebody is in a step */
    atomic_bool is_stopped;
    /* under lock */
    struct mutex lock;
    struct held_file *files; /* files_max places, by rising number */
    size_t file_count;
    /* the thread's that takes the steps */
    uint64_t held_us;         /* when files were held last */
    bool has_more;            /* held files, or what an earlier version left, as far as known */
    bool has_links;           /* the latter */
    uint64_t next_hold_us;    /* no files are held before this */
    uint64_t next_release_us; /* and none are released */
};

/* ---- files ---- */

/* Whether RocksDB names a file so; then *ret_file has its number and suffix. */
static bool read_name(const char *name, struct held_file *ret_file)
{
    size_t digits = strspn(name, "0123456789");
    for (int i = 0; i < SUFFIXES && digits > 0 && digits < NAME_BYTES - sizeof suffixes[0]; i++) {
        if (strcmp(name + digits, suffixes[i]) == 0) {
            *ret_file = (struct held_file){.number = strtoull(name, NULL, 10), .suffix = i, .fd = -1};
            return true;
        }
    }
    return false;
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

/* Two of one number are possible: what an interrupted run left may have the number of a file of another kind. */
static int compare_files(const void *left, const void *right)
{
    const struct held_file *one = left, *other = right;
    return (one->number > other->number) - (one->number < other->number);
}

static bool is_held(const struct paced_deletion *deletion, uint64_t number, size_t known)
{
    mutex_assert_held(&deletion->lock);
    assert(known <= deletion->file_count); /* it looks at those alone, which are sorted */
    size_t from = 0, to = known;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (deletion->files[middle].number == number) {
            return true;
        }
        *(deletion->files[middle].number < number ? &from : &to) =
            deletion->files[middle].number < number ? middle + 1 : middle;
    }
    return false;
}

/* Which files are to be held. */
struct wanted {
    int suffixes;          /* of the first so many kinds, */
    const uint64_t *named; /* but for those of these numbers, which are sorted */
    size_t named_count;
};

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t *one = left, *other = right;
    return (*one > *other) - (*one < *other);
}

static bool is_wanted(const struct wanted *wanted, const struct held_file *file)
{
    assert(file->suffix < SUFFIXES);
    return file->suffix < wanted->suffixes &&
           (wanted->named_count == 0 || bsearch(&file->number, wanted->named, wanted->named_count,
                                                sizeof file->number, compare_numbers) == NULL);
}

/* Opens each file that is wanted and not held yet, as long as there are places. */
static void hold_files(struct paced_deletion *deletion, struct wanted wanted)
{
    DIR *database = open_directory(deletion->database);
    if (database == NULL) {
        return;
    }
    mutex_lock(&deletion->lock);
    assert(deletion->file_count <= deletion->files_max); /* the list has no more places */
    size_t known = deletion->file_count;                 /* those are sorted */
    const struct dirent *entry;
    while (deletion->file_count < deletion->files_max && (entry = readdir(database)) != NULL) {
        struct held_file file;
        if (!read_name(entry->d_name, &file) || !is_wanted(&wanted, &file) ||
            is_held(deletion, file.number, known)) {
            continue;
        }
        file.fd = openat(dirfd(database), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (file.fd >= 0) {
            deletion->files[deletion->file_count++] = file;
        }
    }
    if (deletion->file_count > known) {
        qsort(deletion->files, deletion->file_count, sizeof deletion->files[0], compare_files);
    }
    mutex_unlock(&deletion->lock);
    closedir(database);
}

static void hold_large_values(struct paced_deletion *deletion)
{
    hold_files(deletion, (struct wanted){.suffixes = LARGE_VALUES + 1});
}

/* Whether the database has that file no more. One of the same name may be another: RocksDB gives a number again that its manifest has not
 * come to know. */
static bool is_deleted(int database, const struct held_file *file)
{
    char name[NAME_BYTES];
    struct stat named, held;
    int length = snprintf(name, sizeof name, "%06" PRIu64 "%s", file->number, suffixes[file->suffix]);
    assert(length > 0 && (size_t)length < sizeof name);
    if (fstatat(database, name, &named, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT;
    }
    return fstat(file->fd, &held) == 0 && (named.st_ino != held.st_ino || named.st_dev != held.st_dev);
}

/* Takes a file that RocksDB has deleted out of the list. Returns its descriptor, to be closed; -1: there is none. */
static int take_deleted(struct paced_deletion *deletion, int database)
{
    int fd = -1;
    mutex_lock(&deletion->lock);
    for (size_t i = 0; i < deletion->file_count && fd < 0; i++) {
        if (is_deleted(database, &deletion->files[i])) {
            fd = deletion->files[i].fd;
            assert(fd >= 0 && i < deletion->file_count); /* the loop ends, and what is behind moves up */
            deletion->file_count--;
            memmove(&deletion->files[i], &deletion->files[i + 1],
                    (deletion->file_count - i) * sizeof deletion->files[0]);
        }
    }
    mutex_unlock(&deletion->lock);
    return fd;
}

void paced_deletion_release(struct paced_deletion *deletion)
{
    DIR *database = open_directory(deletion->database);
    if (database == NULL) {
        return;
    }
    assert(deletion->files_max > 0); /* it is one that can hold some */
    for (int fd; (fd = take_deleted(deletion, dirfd(database))) >= 0;) {
        close(fd);
    }
    (void)fsync(dirfd(database)); /* a journal may keep the blocks until then */
    closedir(database);
}

/* Releases all, since no deletion is expected any more and none of them was deleted. */
static void release_all(struct paced_deletion *deletion)
{
    mutex_lock(&deletion->lock);
    assert(atomic_load(&deletion->is_stepping)); /* only a step knows that nothing is expected to go */
    while (deletion->file_count > 0) {
        close(deletion->files[--deletion->file_count].fd);
    }
    mutex_unlock(&deletion->lock);
}

/* Removes one name that an earlier version left. False: none is left. */
static bool remove_link(const char *links)
{
    bool is_removed = false;
    DIR *directory = open_directory(links);
    const struct dirent *entry;
    while (directory != NULL && !is_removed && (entry = readdir(directory)) != NULL) {
        struct held_file file;
        is_removed = read_name(entry->d_name, &file) && unlinkat(dirfd(directory), entry->d_name, 0) == 0;
    }
    if (directory != NULL) {
        (void)fsync(dirfd(directory));
        closedir(directory);
    }
    return is_removed;
}

/* Releases one deleted file, or removes a name that was left, until the device has its space. Returns how many microseconds
 * that took; 0: there was none. Behind the last one `forget` releases what RocksDB has kept. */
static uint64_t release_one(struct paced_deletion *deletion, bool forget)
{
    assert(atomic_load(&deletion->is_stepping)); /* what is left to release has no lock */
    uint64_t from_us = thread_now_us();
    if (deletion->has_links) {
        deletion->has_links = remove_link(deletion->links);
        return thread_now_us() - from_us + 1;
    }
    DIR *database = open_directory(deletion->database);
    int fd = database != NULL ? take_deleted(deletion, dirfd(database)) : -1;
    if (fd >= 0) {
        from_us = thread_now_us();
        close(fd);
        (void)fsync(dirfd(database)); /* the file system's journal has it, and the device */
    } else if (forget) {
        release_all(deletion);
    }
    if (database != NULL) {
        closedir(database);
    }
    deletion->has_more = paced_deletion_held(deletion) > 0;
    return fd >= 0 ? thread_now_us() - from_us + 1 : 0;
}

/* ---- when ---- */

struct paced_deletion *paced_deletion_new(const char *database, const char *beside, size_t files_max)
{
    struct paced_deletion *deletion = memory_new(sizeof *deletion);
    assert(strlen(database) <= PACED_DELETION_PATH_BYTES_MAX &&
           strlen(beside) <= PACED_DELETION_PATH_BYTES_MAX); /* cut short, it would be another directory */
    snprintf(deletion->database, sizeof deletion->database, "%s", database);
    snprintf(deletion->links, sizeof deletion->links, "%s" LINKS_SUFFIX, beside);
    deletion->files_max = files_max;
    deletion->files = memory_new(files_max * sizeof deletion->files[0]);
    (void)mkdir(deletion->links, 0750); /* who watches the space of earlier versions looks into it */
    deletion->has_more = deletion->has_links = true;
    mutex_init(&deletion->lock);
    return deletion;
}

void paced_deletion_free(struct paced_deletion *deletion)
{
    if (deletion == NULL) {
        return;
    }
    assert(!atomic_load(&deletion->is_going_on) && !atomic_load(&deletion->is_stepping));
    for (size_t i = 0; i < deletion->file_count; i++) {
        close(deletion->files[i].fd);
    }
    free(deletion->files);
    mutex_close(&deletion->lock);
    free(deletion);
}

size_t paced_deletion_held(struct paced_deletion *deletion)
{
    mutex_lock(&deletion->lock);
    size_t count = deletion->file_count;
    assert(count <= deletion->files_max);
    mutex_unlock(&deletion->lock);
    return count;
}

void paced_deletion_hold_unnamed(struct paced_deletion *deletion, const uint64_t *named, size_t named_count)
{
    for (size_t i = 1; i < named_count; i++) {
        assert(named[i - 1] <= named[i]); /* they are looked up by that order */
    }
    hold_files(deletion, (struct wanted){SUFFIXES, named, named_count});
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
    hold_large_values(deletion);
}

void paced_deletion_end(struct paced_deletion *deletion)
{
    paced_deletion_expect(deletion);
    bool was_going_on = atomic_exchange(&deletion->is_going_on, false);
    assert(was_going_on);
}

/* Whether files were expected to go since files were held. */
static bool wants_hold(const struct paced_deletion *deletion)
{
    assert(atomic_load(&deletion->is_stepping)); /* held_us has no lock */
    return atomic_load(&deletion->is_going_on) || atomic_load(&deletion->expected_us) >= deletion->held_us;
}

/* Holds files or releases one, if that is due, and plans the next release. *now_us is moved on by what it took. */
static void take_step(struct paced_deletion *deletion, uint64_t *now_us)
{
    assert(atomic_load(&deletion->is_stepping)); /* nor has what the next step goes by */
    uint64_t from_us = thread_now_us(), due_us = *now_us, pause_us = LOOK_INTERVAL_US;
    if (wants_hold(deletion) && due_us >= deletion->next_hold_us) {
        deletion->held_us = from_us + 1; /* a deletion that is told meanwhile has files held anew */
        hold_large_values(deletion);
        deletion->next_hold_us = due_us + HOLD_INTERVAL_US;
        deletion->has_more = true;
    } else if (deletion->has_more && due_us >= deletion->next_release_us) {
        bool is_expected =
            atomic_load(&deletion->is_going_on) || due_us < atomic_load(&deletion->expected_us) + EXPECT_US;
        uint64_t took_us = release_one(deletion, !is_expected);
        pause_us = took_us > 0 ? PAUSE_US_MIN + took_us * PAUSE_FACTOR : LOOK_INTERVAL_US;
    } else {
        return;
    }
    *now_us += thread_now_us() - from_us;
    deletion->next_release_us = *now_us + pause_us;
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
    if (wants_hold(deletion)) {
        next_us = left_us(deletion->next_hold_us, now_us);
    }
    if (deletion->has_more && left_us(deletion->next_release_us, now_us) < next_us) {
        next_us = left_us(deletion->next_release_us, now_us);
    }
    atomic_store(&deletion->is_stepping, false);
    return next_us;
}

void paced_deletion_stop(struct paced_deletion *deletion)
{
    atomic_store(&deletion->is_stopped, true);
}
