/* RocksDB numbers its files as it makes them, and goes through those with large values from the oldest to the newest.
 *
 * Ways to fail: a file that is gone before it was looked at is left out. */
#include "daemon/engine/rocksdb/blob_files.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/runtime/memory.h"

enum { COUNT_MIN = 64 }; /* places, at first */

static int compare(const void *left, const void *right)
{
    const struct blob_file *one = left, *other = right;
    assert(one->number != other->number || left == right); /* a directory has a name once */
    return (one->number > other->number) - (one->number < other->number);
}

/* Whether it is a file with large values. */
static bool look(int directory_fd, const char *name, struct blob_file *ret_file)
{
    struct stat found;
    int end = 0;
    bool is_blob = sscanf(name, "%" SCNu64 ".blob%n", &ret_file->number, &end) == 1 && end > 0 &&
                   name[end] == '\0' && fstatat(directory_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISREG(found.st_mode);
    ret_file->bytes = is_blob ? (uint64_t)found.st_size : 0;
    return is_blob;
}

struct blob_files blob_files_list(const char *path)
{
    struct blob_files files = {0};
    size_t places = 0;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct blob_file file;
        if (!look(dirfd(directory), entry->d_name, &file)) {
            continue;
        }
        if (files.count == places) {
            places = places == 0 ? COUNT_MIN : 2 * places;
            files.each = memory_resize(files.each, places * sizeof file);
        }
        assert(files.count < places);
        files.each[files.count++] = file;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    if (files.count > 0) {
        qsort(files.each, files.count, sizeof files.each[0], compare);
    }
    return files;
}

void blob_files_free(struct blob_files *files)
{
    free(files->each);
    *files = (struct blob_files){0};
}

size_t blob_files_oldest(const struct blob_files *files, uint64_t bytes_max)
{
    size_t count = 0;
    for (uint64_t left = bytes_max; count < files->count && files->each[count].bytes <= left; count++) {
        left -= files->each[count].bytes;
    }
    assert(count <= files->count);
    return count;
}

uint64_t blob_files_bytes(const struct blob_files *files)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < files->count; i++) {
        bytes += files->each[i].bytes;
    }
    return bytes;
}
