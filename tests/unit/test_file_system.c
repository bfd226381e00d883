/* Files that have to be overwritten on a full disk. */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/host/file_system.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum { BTRFS_MIB = 128, FILE_BYTES = 48 << 10, OVERWRITES = 100 };

static void overwrite(int fd, char with)
{
    char bytes[FILE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)((size_t)with + i * i / 7);
    }
    ck_assert_int_eq(pwrite(fd, bytes, sizeof bytes, 0), FILE_BYTES);
    ck_assert_int_eq(fdatasync(fd), 0);
}

START_TEST(on_a_full_btrfs_a_file_is_overwritten_in_place)
{
    struct directory home = directory_new();
    const char *disk = directory_path(&home, "disk");
    if (!small_disk_btrfs(disk, BTRFS_MIB)) {
        directory_remove(&home);
        return;
    }
    int directory_fd = open(disk, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(directory_fd, 0);
    ck_assert(file_system_copies_on_write(directory_fd));
    file_system_overwrite_in_place(directory_fd);
    int fd = openat(directory_fd, "numbers", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    overwrite(fd, 0);
    small_disk_fill(disk, 0);
    for (char i = 1; i < OVERWRITES; i++) {
        overwrite(fd, i);
    }
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(close(directory_fd), 0);
    small_disk_unmount(disk);
    directory_remove(&home);
    kept_clear();
}
END_TEST

START_TEST(other_file_systems_are_left_as_they_are)
{
    struct directory home = directory_new();
    const char *disk = directory_path(&home, "disk");
    if (!small_disk_tmpfs(disk, 1)) {
        directory_remove(&home);
        return;
    }
    int directory_fd = open(disk, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(directory_fd, 0);
    ck_assert(!file_system_copies_on_write(directory_fd));
    file_system_overwrite_in_place(directory_fd);
    ck_assert_int_eq(close(directory_fd), 0);
    small_disk_unmount(disk);
    directory_remove(&home);
    kept_clear();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("file_system", 60, &tests);
    tcase_add_test(tests, on_a_full_btrfs_a_file_is_overwritten_in_place);
    tcase_add_test(tests, other_file_systems_are_left_as_they_are);
    return suite_run(suite, true);
}
