/* Trash: large files that the engine deletes give their space back bit by bit.
 *
 * The engine keeps the data of blocks in files of their own, and after a prune deletes all of them that it covers at once. On a
 * file system with `discard` every sync then waits while the device takes their space back: commits stand still for seconds.
 * So when something was pruned each such file gets a second name, in a directory beside the database. What has only that
 * name left is cut off from its end, a piece at a time, with a pause behind each that is nine times as long as it took.
 * Second names that were not needed go once nothing was pruned for a while. What a run leaves the next one finds.
 *
 * Where a file cannot have a second name nothing is done, and the engine's deleting is all. */
#ifndef DAEMON_TRASH_H
#define DAEMON_TRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/read/pool.h"

struct trash;

/* Loop. `database`, the engine's directory, is copied. */
struct trash *trash_new(const char *database, struct pool *pool);

/* When it is idle. */
void trash_free(struct trash *trash);

/* Loop. The engine is about to delete files, or may be. */
void trash_expect(struct trash *trash, uint64_t now_us);

/* In each turn of the loop. Returns in how many microseconds it has something to do; UINT64_MAX: nothing. */
uint64_t trash_turn(struct trash *trash, uint64_t now_us);

/* Loop. Nothing of it runs on the pool. */
bool trash_is_idle(const struct trash *trash);

/* ---- what it does to files; on any thread ---- */

/* Gives each file with data of blocks a second name. */
void trash_keep(const char *database, const char *trash);

struct trash_step {
    bool has_names;   /* files with a second name are left */
    bool has_rest;    /* files that the engine has deleted are left */
    uint64_t took_us; /* to cut off a piece; 0: there was none */
};

/* Cuts off one piece of one deleted file. Told to forget, also takes away all second names of files that the engine has. */
struct trash_step trash_step(const char *trash, bool forget);

#endif
