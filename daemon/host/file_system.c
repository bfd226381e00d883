/* btrfs writes each change of a file to another place, also where the file keeps its size. So on a full disk nothing can be overwritten:
 * neither a small file of fixed size, nor the last page of a log that was allocated in full. Files with the attribute C (chattr(1)) are
 * overwritten in place; they get it from the directory that they are made in. They have no checksums of btrfs then: all files of a store
 * have their own.
 *
 * Ways to fail: what the system does not say counts as any other file system. Files that were made without the attribute, as by a
 * copy, or are in a snapshot take space when they are overwritten. */
#include "daemon/host/file_system.h"

#include <assert.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

bool file_system_copies_on_write(int directory_fd)
{
    struct statfs found;
    assert(directory_fd >= 0); /* AT_FDCWD has no file system of its own */
    return fstatfs(directory_fd, &found) == 0 && found.f_type == BTRFS_SUPER_MAGIC;
}

void file_system_overwrite_in_place(int directory_fd)
{
    int flags = 0;
    assert(directory_fd >= 0);
    if (file_system_copies_on_write(directory_fd) && ioctl(directory_fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NOCOW_FL;
        (void)ioctl(directory_fd, FS_IOC_SETFLAGS, &flags);
    }
}

/* syncfs() does it too, but writes all that others have in memory first: 400 MiB on a slow disk took 21 s, this 0.4 s. */
bool file_system_end_transaction(int fd)
{
    __u64 transaction = 0;
    assert(fd >= 0);
    return ioctl(fd, BTRFS_IOC_START_SYNC, &transaction) == 0 &&
           ioctl(fd, BTRFS_IOC_WAIT_SYNC, &transaction) == 0;
}
