/* Syncs that were interrupted: EINTR says nothing of what is on the device.
 *
 * - EINTR need not come from a signal. A file system in user space answers so if its own process was interrupted; and if it refused a
 *   write-back with EINTR, Linux reports that as the error of the next sync. Then the pages are clean and not on the device, as behind EIO,
 *   and another sync would find nothing to do. So what holds the bytes writes them again, and then syncs.
 * - A directory has no such pages: a file system makes its changes at once. So its sync is asked for again.
 *
 * What does not hold the bytes, as RocksDB behind a write of its log, takes it for a sync that failed. */
#ifndef DAEMON_SYNC_H
#define DAEMON_SYNC_H

#include <stdbool.h>

#include "proto/status.h"

/* Chosen: a file system that interrupts each call is none to wait for. */
enum { SYNC_TRIES_MAX = 20 };

/* Whether what has failed `failures` times, the last one just now, is to be done once more, from its first write on. By errno. */
bool sync_goes_on(unsigned failures);

/* False: errno says why. */
bool sync_directory(int fd) MUST_CHECK;

#endif
