/* It uses neither memory nor buffers, and runs no exit handlers: other threads may be in the middle of anything. */
#include "client/tool/fatal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

_Noreturn void fatal(const char *what)
{
    char before[] = "cairn: ", after[] = "\n", text[128];
    size_t bytes = strnlen(what, sizeof text);
    memcpy(text, what, bytes);
    const struct iovec parts[] = {{before, strlen(before)}, {text, bytes}, {after, strlen(after)}};
    ssize_t written = writev(STDERR_FILENO, parts, sizeof parts / sizeof parts[0]);
    (void)written; /* there is no other way to tell */
    _exit(EXIT_FAILURE);
}
