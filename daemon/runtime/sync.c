/* How often an interrupted sync is repeated, and the one sync that needs nothing written before it: that of a directory.
 *
 * Ways to fail: any errno but EINTR, and EINTR for the last time; the caller decides what is lost. */
#include "daemon/runtime/sync.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

bool sync_goes_on(unsigned failures)
{
    assert(failures > 0 && failures <= SYNC_TRIES_MAX); /* each caller ends with the last */
    return errno == EINTR && failures < SYNC_TRIES_MAX;
}

bool sync_directory(int fd)
{
    unsigned tries = 0;
    bool is_synced;
    do {
        is_synced = fsync(fd) == 0;
    } while (!is_synced && sync_goes_on(++tries));
    return is_synced;
}
