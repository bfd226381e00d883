/* Temporary directories. All of a test program's lie in one root, which suite_run makes and removes, so that a test
 * that fails half way leaves nothing behind either. */
#ifndef TESTS_LIB_DIRECTORY_H
#define TESTS_LIB_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

struct directory {
    char path[64];
};

/* Makes and removes the root, under ${TMPDIR:-/tmp}; with `fast` under /dev/shm if that is there. */
void directory_root_make(bool fast);
void directory_root_remove(void);
/* Prints what the daemons of failed tests wrote: their directories are still there. */
void directory_root_tell(void);

struct directory directory_new(void);
void directory_remove(const struct directory *directory);

/* Kept: the path of `name` in the directory. */
char *directory_path(const struct directory *directory, const char *name);
/* Kept: the bytes of a file, with a NUL behind them; empty if there is none. */
char *file_read(const char *path);
void file_write(const char *path, const char *text);
bool file_exists(const char *path);
/* A digest of names, sizes and bytes of all files below a directory, to tell whether it was touched. */
unsigned long directory_digest(const char *path);

#endif
