/* The files of RocksDB's log (WAL), brought to the device before RocksDB reads them: it syncs only what it writes itself, and what lay
 * behind a hole that a power cut leaves in an older log would be lost, synced or not. Waits for the device. */
#ifndef DAEMON_WAL_FILES_H
#define DAEMON_WAL_FILES_H

#include "daemon/engine/rocksdb/audit.h"

/* Syncs each log. False: `failure` says which one was refused. A sync that was refused must not be tried again: the kernel gives up
 * what it could not write, and the next sync reports success. */
bool wal_files_sync(int directory_fd, const struct audit *audit, struct failure *failure) MUST_CHECK;

/* Writes each log anew: what reads give goes to a new file, which is synced and takes the name of the old one. That brings also
 * those bytes to the device that the kernel gave up. A death meanwhile leaves each log whole, the old one or the new one. */
bool wal_files_renew(int directory_fd, const struct audit *audit, struct failure *failure) MUST_CHECK;

#endif
