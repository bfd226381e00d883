/* The file's life: what it holds is its size, all of it allocated. It grows at its end by fallocate, and where a file system has
 * none of that, by zeros that are written; it shrinks by ftruncate, and a sync behind that makes the blocks free for others. btrfs
 * frees an allocation only as a whole, so the file is allocated in pieces of the size that is given back; and it counts as free only
 * what a transaction has freed that has ended, which syncing the file does not do.
 *
 * Behind a quota: no call tells what it leaves. So from the first step that is refused on, free is what the last measurement could
 * allocate and gave back, and what the file gave since, less what has gone of the file system's free bytes since then. What others free
 * there does not add to it.
 *
 * Ways to fail: a file that cannot be opened is tried again when there is something to set aside. One that cannot be grown or shrunk holds
 * what it held. One with holes, as a copy may have them, counts as empty. What the system does not say counts as free: then a write meets
 * the full disk itself. */
#include "daemon/host/reserve.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/host/file_system.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    RESERVE_STEP_BYTES = 16 << 20, /* chosen: of one growth, so that it holds up nobody for long */
    ZEROS_BYTES = 64 << 10,        /* of one write where the file system allocates nothing unasked */
    BLOCK_BYTES = 512,             /* the unit of st_blocks */
    GIVEN_BYTES = 1 << 20,         /* what is given back is a multiple of it */
    FILES_MIN = 8, /* an open makes four and a flush two: fewer are no room, however many bytes are free */
};

struct reserve {
    /* fixed after start */
    int directory_fd;
    bool frees_by_transactions; /* the file system, as btrfs does */
    struct mutex mutex;
    /* under mutex */
    int fd; /* -1: there is no file */
    /* changed under mutex, read without it */
    _Atomic uint64_t held_bytes;
    _Atomic bool is_refused;
    /* under mutex, while it is refused: so many bytes could be had when the file system had so many free */
    uint64_t had_bytes, had_free_bytes;
    /* `use` is held while room is made and used, and while it is measured. Who waits for it holds `turn`, so that the two take turns. */
    struct mutex use, turn;
    /* any thread */
    /* what was free when the system was asked last, less what was written since */
    _Atomic uint64_t noted_bytes;
};

/* Mutex held. */
static void open_file(struct reserve *reserve)
{
    struct stat found;
    mutex_assert_held(&reserve->mutex);
    int fd = openat(reserve->directory_fd, RESERVE_NAME,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    if (fd >= 0 && (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode))) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && found.st_blocks * BLOCK_BYTES >= found.st_size) {
        atomic_store(&reserve->held_bytes, (uint64_t)found.st_size);
    } else if (fd >= 0) {
        (void)!ftruncate(fd, 0);
    }
    reserve->fd = fd;
}

struct reserve *reserve_open(int directory_fd)
{
    assert(directory_fd >= 0); /* AT_FDCWD would put the file where the process happens to be */
    struct reserve *reserve = memory_new(sizeof *reserve);
    mutex_init(&reserve->mutex);
    mutex_init(&reserve->use);
    mutex_init(&reserve->turn);
    reserve->directory_fd = directory_fd;
    reserve->frees_by_transactions = file_system_copies_on_write(directory_fd);
    mutex_lock(&reserve->mutex);
    open_file(reserve);
    mutex_unlock(&reserve->mutex);
    (void)reserve_look(reserve);
    return reserve;
}

void reserve_close(struct reserve *reserve)
{
    if (reserve == NULL) {
        return;
    }
    if (reserve->fd >= 0) {
        close(reserve->fd);
    }
    mutex_close(&reserve->turn);
    mutex_close(&reserve->use);
    mutex_close(&reserve->mutex);
    free(reserve);
}

/* What the file system says. */
static struct reserve_space ask(const struct reserve *reserve)
{
    struct statvfs found;
    struct reserve_space space = {.free_bytes = UINT64_MAX, .free_files = UINT64_MAX};
    if (fstatvfs(reserve->directory_fd, &found) == 0 && found.f_blocks > 0) {
        space.all_bytes = (uint64_t)found.f_blocks * found.f_frsize;
        space.free_bytes = (uint64_t)found.f_bavail * found.f_frsize;
        space.free_files = found.f_files > 0 ? (uint64_t)found.f_favail : UINT64_MAX;
    }
    return space;
}

/* Of what the file system says is free: what is to be had. Mutex held. */
static uint64_t to_be_had(const struct reserve *reserve, uint64_t free_bytes)
{
    mutex_assert_held(&reserve->mutex);
    if (!atomic_load(&reserve->is_refused) || free_bytes == UINT64_MAX) {
        return free_bytes;
    }
    uint64_t gone = reserve->had_free_bytes > free_bytes ? reserve->had_free_bytes - free_bytes : 0;
    uint64_t left = reserve->had_bytes > gone ? reserve->had_bytes - gone : 0;
    return left < free_bytes ? left : free_bytes;
}

static void note_had(struct reserve *reserve, uint64_t had_bytes, uint64_t free_bytes)
{
    mutex_assert_held(&reserve->mutex);
    reserve->had_bytes = had_bytes;
    reserve->had_free_bytes = free_bytes;
}

static struct reserve_space note(struct reserve *reserve, struct reserve_space space)
{
    atomic_store(&reserve->noted_bytes, space.free_files < FILES_MIN ? 0 : space.free_bytes);
    return space;
}

/* Mutex held. */
static struct reserve_space look(struct reserve *reserve)
{
    struct reserve_space space = ask(reserve);
    space.free_bytes = to_be_had(reserve, space.free_bytes);
    return note(reserve, space);
}

struct reserve_space reserve_look(struct reserve *reserve)
{
    if (!atomic_load(&reserve->is_refused)) {
        return note(reserve, ask(reserve));
    }
    mutex_lock(&reserve->mutex);
    struct reserve_space space = look(reserve);
    mutex_unlock(&reserve->mutex);
    return space;
}

void reserve_begin_use(struct reserve *reserve)
{
    mutex_lock(&reserve->turn);
    mutex_lock(&reserve->use);
    mutex_unlock(&reserve->turn);
}

void reserve_end_use(struct reserve *reserve)
{
    mutex_unlock(&reserve->use);
}

bool reserve_is_refused(const struct reserve *reserve)
{
    return atomic_load(&reserve->is_refused);
}

uint64_t reserve_held_bytes(const struct reserve *reserve)
{
    return atomic_load(&reserve->held_bytes);
}

bool reserve_is_ample(struct reserve *reserve, uint64_t written_bytes, uint64_t needed_bytes)
{
    uint64_t noted = atomic_load(&reserve->noted_bytes);
    if (atomic_load(&reserve->is_refused)) {
        return false; /* what was noted may be what the system said */
    }
    if (noted == UINT64_MAX) {
        return true;
    }
    if (noted <= written_bytes || noted - written_bytes <= needed_bytes) {
        return false;
    }
    /* A look meanwhile knows better. */
    (void)atomic_compare_exchange_strong(&reserve->noted_bytes, &noted, noted - written_bytes);
    return true;
}

/* A journal may keep the blocks until then. */
static void sync_freed(const struct reserve *reserve)
{
    bool is_counted = reserve->frees_by_transactions && file_system_end_transaction(reserve->fd);
    (void)(is_counted || fsync(reserve->fd) == 0);
}

/* Mutex held. */
static void shrink(struct reserve *reserve, uint64_t bytes)
{
    mutex_assert_held(&reserve->mutex);
    assert(bytes <= reserve->held_bytes);
    uint64_t given = reserve->held_bytes - bytes;
    uint64_t free_bytes = ask(reserve).free_bytes;
    if (reserve->fd >= 0 && ftruncate(reserve->fd, (off_t)bytes) == 0) {
        atomic_store(&reserve->held_bytes, bytes);
        sync_freed(reserve);
        if (atomic_load(&reserve->is_refused) && free_bytes != UINT64_MAX) {
            note_had(reserve, to_be_had(reserve, free_bytes) + given, free_bytes + given);
        }
    }
}

bool reserve_make_room(struct reserve *reserve, uint64_t bytes, uint64_t kept_bytes)
{
    struct reserve_space space = reserve_look(reserve);
    if (space.free_bytes >= bytes) {
        return space.free_files >= FILES_MIN;
    }
    mutex_lock(&reserve->mutex);
    uint64_t held = reserve->held_bytes;
    uint64_t given = held > kept_bytes ? held - kept_bytes : 0;
    uint64_t lacking = bytes - space.free_bytes;
    if (given > 0 && lacking <= held - kept_bytes) {
        uint64_t rest = held - lacking;
        rest -= rest % GIVEN_BYTES;
        shrink(reserve, rest > kept_bytes ? rest : kept_bytes);
    }
    space = look(reserve); /* some file systems make files out of free space: only now they count */
    mutex_unlock(&reserve->mutex);
    return given > 0 && space.free_bytes >= bytes && space.free_files >= FILES_MIN;
}

bool reserve_give(struct reserve *reserve)
{
    mutex_lock(&reserve->mutex);
    uint64_t held = reserve->held_bytes;
    if (held > 0) {
        shrink(reserve, 0);
    }
    bool is_given = reserve->held_bytes < held;
    mutex_unlock(&reserve->mutex);
    return is_given;
}

void reserve_keep(struct reserve *reserve, uint64_t bytes)
{
    mutex_lock(&reserve->mutex);
    if (reserve->held_bytes > bytes) {
        shrink(reserve, bytes);
    }
    mutex_unlock(&reserve->mutex);
}

/* Allocates what lies between the two places in the file. Mutex held. */
static bool allocate(const struct reserve *reserve, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[ZEROS_BYTES];
    mutex_assert_held(&reserve->mutex);
    assert(from < to);
    int failed = 0;
    while (from < to && failed == 0) {
        uint64_t bytes = to - from < GIVEN_BYTES ? to - from : GIVEN_BYTES;
        failed = fallocate(reserve->fd, 0, (off_t)from, (off_t)bytes);
        from += failed == 0 ? bytes : 0;
    }
    if (failed == 0 || errno != EOPNOTSUPP) {
        return failed == 0;
    }
    while (from < to) {
        size_t bytes = to - from < sizeof zeros ? to - from : sizeof zeros;
        ssize_t written = pwrite(reserve->fd, zeros, bytes, (off_t)from);
        if (written <= 0) {
            return false;
        }
        from += (uint64_t)written;
    }
    return fsync(reserve->fd) == 0;
}

bool reserve_set_aside(struct reserve *reserve, uint64_t wanted_bytes, uint64_t spared_bytes)
{
    bool is_grown = false;
    mutex_lock(&reserve->mutex);
    struct reserve_space space = look(reserve);
    if (reserve->fd < 0) {
        open_file(reserve); /* on a full disk it may not have been made */
    }
    uint64_t held = reserve->held_bytes;
    bool may_grow = reserve->fd >= 0 && space.free_bytes != UINT64_MAX && !atomic_load(&reserve->is_refused);
    if (may_grow && held < wanted_bytes) {
        uint64_t step = wanted_bytes - held < RESERVE_STEP_BYTES ? wanted_bytes - held : RESERVE_STEP_BYTES;
        bool has_room = space.free_bytes >= spared_bytes && space.free_bytes - spared_bytes >= step;
        is_grown = has_room && allocate(reserve, held, held + step);
        if (is_grown) {
            atomic_store(&reserve->held_bytes, held + step);
        } else if (has_room) {
            atomic_store(&reserve->is_refused, errno == ENOSPC || errno == EDQUOT);
            (void)!ftruncate(reserve->fd, (off_t)held); /* an attempt that failed may have allocated some */
            note_had(reserve, 0, space.free_bytes);     /* less than a step */
            (void)look(reserve);
        }
    }
    mutex_unlock(&reserve->mutex);
    return is_grown;
}

/* Whether the file could grow so far; tried in one call, which most file systems refuse as a whole, so that it takes nothing then. */
static bool could_grow(const struct reserve *reserve, uint64_t from, uint64_t to)
{
    mutex_assert_held(&reserve->mutex);
    bool could = from >= to || fallocate(reserve->fd, 0, (off_t)from, (off_t)(to - from)) == 0 ||
                 (errno == EOPNOTSUPP && allocate(reserve, from, to));
    (void)!ftruncate(reserve->fd, (off_t)from);
    return could;
}

/* How far the file can grow, by steps; it may be left longer by a part of one. */
static uint64_t grow_to(const struct reserve *reserve, uint64_t from, uint64_t to)
{
    bool is_grown = true;
    while (from < to && is_grown) {
        uint64_t step = to - from < RESERVE_STEP_BYTES ? to - from : RESERVE_STEP_BYTES;
        is_grown = allocate(reserve, from, from + step);
        from += is_grown ? step : 0;
    }
    return from;
}

void reserve_measure(struct reserve *reserve, uint64_t wanted_bytes, uint64_t tried_bytes,
                     uint64_t spared_bytes, bool is_quiet)
{
    assert(wanted_bytes <= tried_bytes);
    reserve_begin_use(reserve); /* nothing of ours meets the quota while all that it leaves is in the file */
    mutex_lock(&reserve->mutex);
    uint64_t held = reserve->held_bytes, free_bytes = ask(reserve).free_bytes;
    if (reserve->fd >= 0 && free_bytes != UINT64_MAX) {
        uint64_t room = free_bytes > spared_bytes ? free_bytes - spared_bytes : 0;
        uint64_t end = tried_bytes < held + room ? tried_bytes : held + room;
        bool is_had = end >= tried_bytes && could_grow(reserve, held, tried_bytes);
        uint64_t reached = is_had || is_quiet ? grow_to(reserve, held, is_had ? wanted_bytes : end) : held;
        uint64_t beside = reached > spared_bytes ? reached - spared_bytes : 0;
        uint64_t kept = is_had || beside > wanted_bytes ? wanted_bytes : beside;
        kept = kept < held ? held : kept;
        kept = kept > reached ? reached : kept;
        kept = ftruncate(reserve->fd, (off_t)kept) == 0 ? kept : reached;
        sync_freed(reserve);
        atomic_store(&reserve->held_bytes, kept);
        if (is_had) {
            atomic_store(&reserve->is_refused, false);
        } else if (is_quiet) {
            note_had(reserve, reached - kept, free_bytes + held - kept);
        }
    }
    (void)look(reserve);
    mutex_unlock(&reserve->mutex);
    reserve_end_use(reserve);
}
