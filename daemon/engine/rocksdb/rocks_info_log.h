/* RocksDB's own text log, kept away from the store's file system. At the start and the end. */
#ifndef DAEMON_ROCKS_INFO_LOG_H
#define DAEMON_ROCKS_INFO_LOG_H

#include <rocksdb/c.h>

/* Where RocksDB's own text log lies. */
struct rocks_info_log {
    char path[32];
    int fd;      /* -1: in the store's own directory */
    int text_fd; /* the log, to be read: what failed in the background; -1: it cannot be */
};

/* Before the store is opened, once it is, and at its end. */
void rocks_info_log_place(rocksdb_options_t *options, struct rocks_info_log *ret_log);
void rocks_info_log_remove(struct rocks_info_log *log);
void rocks_info_log_close(struct rocks_info_log *log);

#endif
