#include "tests/lib/small_disk.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/lib/kept.h"

enum { PIECE_BYTES = 1 << 20 };

static bool skip(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    return false;
}

/* Mounts of the test are its own from here on. */
static bool leave_mounts(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        return skip(path);
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return skip("mounts of the test's own take root");
    }
    return true;
}

static bool mount_tmpfs(const char *path, const char *options)
{
    return leave_mounts(path) && (mount("tmpfs", path, "tmpfs", 0, options) == 0 || skip("mounting a tmpfs"));
}

bool small_disk_tmpfs(const char *path, unsigned mib)
{
    return mount_tmpfs(path, kept_format("size=%um", mib));
}

bool small_disk_tmpfs_files(const char *path, unsigned mib, unsigned files)
{
    return mount_tmpfs(path, kept_format("size=%um,nr_inodes=%u", mib, files));
}

static bool mount_image(const char *path, const char *make, unsigned mib)
{
    const char *line = kept_format("truncate -s %uM %s.image && %s %s.image >/dev/null 2>&1 && "
                                   "mount -o loop %s.image %s 2>/dev/null",
                                   mib, path, make, path, path, path);
    return leave_mounts(path) && (system(line) == 0 || skip(kept_format("%s on a loop device", make)));
}

bool small_disk_ext4(const char *path, unsigned mib)
{
    return mount_image(path, "mkfs.ext4 -q -F -m 0", mib);
}

bool small_disk_btrfs(const char *path, unsigned mib)
{
    return mount_image(path, "mkfs.btrfs -q -f", mib);
}

void small_disk_unmount(const char *path)
{
    ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
    (void)unlink(kept_format("%s.image", path));
}

uint64_t small_disk_free(const char *path)
{
    struct statvfs found;
    ck_assert_int_eq(statvfs(path, &found), 0);
    return (uint64_t)found.f_bavail * found.f_frsize;
}

void small_disk_fill(const char *path, uint64_t free_bytes)
{
    static const char zeros[PIECE_BYTES];
    int fd = open(kept_format("%s/somebody-else", path), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ge(fd, 0);
    ssize_t written = 1;
    while (written > 0 && small_disk_free(path) > free_bytes) {
        uint64_t more = small_disk_free(path) - free_bytes;
        written = write(fd, zeros, more < PIECE_BYTES ? more : PIECE_BYTES);
    }
    ck_assert(fsync(fd) == 0 || errno == ENOSPC);
    ck_assert_int_eq(close(fd), 0);
}

void small_disk_heal(const char *path)
{
    ck_assert_int_eq(unlink(kept_format("%s/somebody-else", path)), 0);
    sync(); /* a journal may keep its blocks */
}

static uint64_t free_files(const char *path)
{
    struct statvfs found;
    ck_assert_int_eq(statvfs(path, &found), 0);
    return found.f_favail;
}

void small_disk_fill_files(const char *path, unsigned left)
{
    ck_assert_int_eq(mkdir(kept_format("%s/somebody-else.d", path), 0700), 0);
    for (unsigned i = 0; free_files(path) > left; i++) {
        int fd = open(kept_format("%s/somebody-else.d/%u", path, i), O_WRONLY | O_CREAT | O_EXCL, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(close(fd), 0);
    }
}

void small_disk_heal_files(const char *path)
{
    for (unsigned i = 0; unlink(kept_format("%s/somebody-else.d/%u", path, i)) == 0; i++) {
    }
    ck_assert_int_eq(rmdir(kept_format("%s/somebody-else.d", path)), 0);
}
