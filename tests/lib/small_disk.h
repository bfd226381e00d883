/* A small file system of the test's own, to fill up. It is mounted where only the test's process and its children see it, and is
 * gone with them. Where the machine does not allow that, the reason is printed and the test has nothing to do. */
#ifndef TESTS_LIB_SMALL_DISK_H
#define TESTS_LIB_SMALL_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Each makes the directory `path`, and mounts there. False: this machine cannot, and the reason was printed. */
bool small_disk_tmpfs(const char *path, unsigned mib);
/* Which has room for so many files and directories, itself among them. */
bool small_disk_tmpfs_files(const char *path, unsigned mib, unsigned files);
/* On a loop device, from a file beside it. */
bool small_disk_ext4(const char *path, unsigned mib);
/* Likewise, of 128 MiB at least. */
bool small_disk_btrfs(const char *path, unsigned mib);
void small_disk_unmount(const char *path);

uint64_t small_disk_free(const char *path);
/* Somebody else's file grows, as fast as it can be written, until so much is free, or nothing is left for it. */
void small_disk_fill(const char *path, uint64_t free_bytes);
/* It is removed. */
void small_disk_heal(const char *path);
/* Somebody else makes empty files in a directory until no more than so many can be made; and removes them. */
void small_disk_fill_files(const char *path, unsigned free_files);
void small_disk_heal_files(const char *path);

#endif
