/* Paced deletion: large files that RocksDB deletes give their space back a piece at a time.
 *
 * RocksDB keeps large values in files of their own, and after a prune deletes all of them that it covers at once. On a file
 * system with `discard` every sync then waits while the device takes their space back: commits stand still for seconds. So
 * when such deletions are expected each of these files gets a hard link, in a directory beside the database. What has only
 * that link left is truncated from its end, a piece at a time, with a pause behind each that is nine times as long as it
 * took. Links that were not needed go once nothing was expected for a while. What a run leaves the next one finds.
 *
 * Where a file cannot have a hard link nothing is done, and RocksDB's deleting is all. */
#ifndef DAEMON_PACED_DELETION_H
#define DAEMON_PACED_DELETION_H

#include <stdbool.h>
#include <stdint.h>

struct paced_deletion;

/* The longest path of a database: names of files in it, and in the directory of links, still fit into the system's bound. */
enum { PACED_DELETION_PATH_BYTES_MAX = 4096 - 64 };

/* `database`, RocksDB's directory, and `beside`, the path to which the name of the directory of links is appended, are copied. */
struct paced_deletion *paced_deletion_new(const char *database, const char *beside);

/* Accepts NULL. Nobody is in any of its other calls, nor between begin and end. */
void paced_deletion_free(struct paced_deletion *deletion);

/* RocksDB may delete files from now on. Any thread. */
void paced_deletion_expect(struct paced_deletion *deletion);

/* RocksDB deletes files between these two: links are made before begin returns. They come in pairs, one at a time. */
void paced_deletion_begin(struct paced_deletion *deletion);
void paced_deletion_end(struct paced_deletion *deletion);

/* Makes links, or truncates one piece, if either is due at now_us (of thread_now_us). Returns in how many microseconds to call
 * again; UINT64_MAX: not before one of the calls above. Waits for the device. One thread at a time. */
uint64_t paced_deletion_step(struct paced_deletion *deletion, uint64_t now_us);

/* The steps do nothing from here on. Any thread. */
void paced_deletion_stop(struct paced_deletion *deletion);

/* ---- what it does to files ---- */

/* Gives each file with large values a hard link in that directory, which is made if need be. */
void paced_deletion_link(const char *database, const char *links);

struct paced_deletion_piece {
    bool has_links;   /* links to files that RocksDB has are left */
    bool has_deleted; /* files that RocksDB has deleted are left */
    uint64_t took_us; /* how long truncating took; 0: no file was deleted */
};

/* Truncates one deleted file by one piece. With `forget` it also removes all links to files that RocksDB still has. */
struct paced_deletion_piece paced_deletion_truncate(const char *database, const char *links, bool forget);

#endif
