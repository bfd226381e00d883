/* The files with large values in a database's directory, the oldest first. May wait for the device. Any thread. */
#ifndef DAEMON_BLOB_FILES_H
#define DAEMON_BLOB_FILES_H

#include <stddef.h>
#include <stdint.h>

struct blob_file {
    uint64_t number; /* in RocksDB's name for it: it rises */
    uint64_t bytes;
};

struct blob_files {
    struct blob_file *each;
    size_t count;
};

/* The caller frees them. A directory that cannot be read has none. */
struct blob_files blob_files_list(const char *path);
void blob_files_free(struct blob_files *files);

/* How many of the oldest hold no more than so many bytes together. */
size_t blob_files_oldest(const struct blob_files *files, uint64_t bytes_max);

/* What all of them hold. */
uint64_t blob_files_bytes(const struct blob_files *files);

#endif
