/* A held path's life: made from a descriptor and checked once, good for as long as the descriptor is open; in texts it is replaced,
 * as a number says nothing to a person.
 *
 * Ways to fail: without /proc there are no such paths. A path in a text whose descriptor cannot be asked stays as it is. */
#include "daemon/host/held.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD_PREFIX "/proc/self/fd/"

bool held_path(int directory_fd, const char *below, char *ret_path)
{
    char path[HELD_PATH_BYTES];
    struct stat there, held;
    int n = snprintf(path, sizeof path, HELD_PREFIX "%d", directory_fd);

    assert(directory_fd >= 0);
    assert(below[0] == '\0' || below[0] == '/'); /* or it would be another number */
    assert((size_t)n + strlen(below) < sizeof path);
    if (stat(path, &there) != 0 || fstat(directory_fd, &held) != 0) {
        return false;
    }
    if (there.st_dev != held.st_dev || there.st_ino != held.st_ino) {
        errno = ENOENT; /* something else is mounted at /proc */
        return false;
    }
    snprintf(ret_path, HELD_PATH_BYTES, "%s%s", path, below);
    return true;
}

/* Appends n bytes, as far as there is room for them and a NUL. */
static void append(const char *bytes, size_t n, size_t room, char *text, size_t *used)
{
    assert(*used < room);
    n = n < room - 1 - *used ? n : room - 1 - *used;
    memcpy(text + *used, bytes, n);
    *used += n;
    text[*used] = '\0';
}

void held_copy_text(const char *text, size_t room, char *ret_text)
{
    size_t used = 0;
    const char *found;

    assert(room > 0);
    assert(text != ret_text); /* it is read while the other is written */
    ret_text[0] = '\0';
    while ((found = strstr(text, HELD_PREFIX)) != NULL) {
        size_t path_bytes = strlen(HELD_PREFIX) + strspn(found + strlen(HELD_PREFIX), "0123456789");
        char path[HELD_PATH_BYTES], name[PATH_MAX];
        ssize_t n = -1;

        if (path_bytes > strlen(HELD_PREFIX) && path_bytes < sizeof path) {
            memcpy(path, found, path_bytes);
            path[path_bytes] = '\0';
            n = readlink(path, name, sizeof name);
        }
        append(text, (size_t)(found - text), room, ret_text, &used);
        append(n > 0 ? name : found, n > 0 ? (size_t)n : path_bytes, room, ret_text, &used);
        text = found + path_bytes;
    }
    append(text, strlen(text), room, ret_text, &used);
}
