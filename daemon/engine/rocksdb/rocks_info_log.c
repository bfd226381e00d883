/* RocksDB's own text log. It cannot be turned off, and on a full file system writing it aborts the process in the distribution's
 * library. So it gets a directory in memory, has only what RocksDB writes into it at its opening and its errors, and is removed behind
 * that: what stays open of it is read where something failed in the background, of which nothing else says why.
 *
 * Ways to fail: where there is no such directory, it lies in the store's, and a full disk may meet it at a start. */
#include "daemon/engine/rocksdb/rocks_info_log.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/host/held.h"

enum {
    INFO_LOG_LEVEL = 3, /* RocksDB's ERROR_LEVEL: and what it says of itself when it is opened */
};

#define INFO_LOG_PLACE "/dev/shm/cairnd.XXXXXX"

void rocks_info_log_place(rocksdb_options_t *options, struct rocks_info_log *ret_log)
{
    char path[HELD_PATH_BYTES];
    *ret_log = (struct rocks_info_log){.path = INFO_LOG_PLACE, .fd = -1, .text_fd = -1};
    static_assert(sizeof INFO_LOG_PLACE <= sizeof ret_log->path, "its path has room");
    rocksdb_options_set_info_log_level(options, INFO_LOG_LEVEL);
    rocksdb_options_set_max_log_file_size(options, 0); /* one file: a second could not be made later */
    rocksdb_options_set_keep_log_file_num(options, 1);
    if (mkdtemp(ret_log->path) == NULL) {
        return;
    }
    ret_log->fd = open(ret_log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret_log->fd >= 0 && held_path(ret_log->fd, "", path)) {
        rocksdb_options_set_db_log_dir(options, path);
    } else {
        (void)rmdir(ret_log->path);
    }
}

void rocks_info_log_remove(struct rocks_info_log *log)
{
    assert(log->text_fd < 0);                   /* removed once, or a descriptor would be lost */
    assert(log->fd < 0 || log->path[0] == '/'); /* the directory that it was placed in, which goes too */
    int fd = log->fd < 0 ? -1 : openat(log->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.' && log->text_fd < 0) { /* the only file */
            log->text_fd = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC);
        }
        (void)unlinkat(fd, entry->d_name, 0); /* not the two that are directories */
    }
    closedir(directory);
    (void)rmdir(log->path);
}

void rocks_info_log_close(struct rocks_info_log *log)
{
    assert(log->fd != log->text_fd || log->fd < 0); /* each is closed once */
    if (log->fd >= 0) {
        close(log->fd);
    }
    if (log->text_fd >= 0) {
        close(log->text_fd);
    }
    log->fd = log->text_fd = -1;
}
