/* Descriptors 0 to 2 of a process that was started without them: the next file or socket that is opened would get one of these
 * numbers, and what is printed would go into it. */
#ifndef PROTO_STANDARD_FILES_H
#define PROTO_STANDARD_FILES_H

#include <fcntl.h>
#include <unistd.h>

/* First of all in a process. What was closed reads as empty, and printing there fails, as it did. */
static inline void standard_files_keep(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

#endif
