/* Paced deletion: large files that RocksDB deletes give their space back one after the other.
 *
 * RocksDB keeps large values in files of their own, and after a prune deletes all of them that it covers at once. On a file
 * system with `discard` every sync then waits while the device takes their space back: commits stand still for seconds. So
 * when such deletions are expected these files are held open: what RocksDB deletes then keeps its space until it is released.
 * One file is released at a time, with a pause behind it that is nine times as long as that took. What a process holds when it
 * ends the system releases.
 *
 * An open of RocksDB deletes all files that its manifest does not name, such as those that a compaction was writing when the process
 * before ended. Nobody is answered before that. Measured: 15 ms for 32 MiB in the page cache, and much more on a busy machine. Of a file that
 * is held, only its name goes.
 *
 * Nothing here changes a file, and only RocksDB gives one up. Files that find no descriptor go as RocksDB deletes them. */
#ifndef DAEMON_PACED_DELETION_H
#define DAEMON_PACED_DELETION_H

#include <stddef.h>
#include <stdint.h>

struct paced_deletion;

/* The longest path of a database: names of files in it still fit into the system's bound. */
enum { PACED_DELETION_PATH_BYTES_MAX = 4096 - 64 };

/* `database`, RocksDB's directory, and `beside`, the path beside which earlier versions left a directory, are copied. At most
 * files_max files are held. */
struct paced_deletion *paced_deletion_new(const char *database, const char *beside, size_t files_max);

/* Accepts NULL. Nobody is in any of its other calls, nor between begin and end. Releases all files. */
void paced_deletion_free(struct paced_deletion *deletion);

/* RocksDB is about to be opened: holds what it will delete, which is all files but those of these numbers, by rising number. */
void paced_deletion_hold_unnamed(struct paced_deletion *deletion, const uint64_t *named, size_t named_count);

/* RocksDB may delete files from now on. Any thread. */
void paced_deletion_expect(struct paced_deletion *deletion);

/* RocksDB deletes files between these two: those that are there are held before begin returns. They come in pairs, one at a
 * time. */
void paced_deletion_begin(struct paced_deletion *deletion);
void paced_deletion_end(struct paced_deletion *deletion);

/* Holds new files, or releases one that was deleted, if either is due at now_us (of thread_now_us). Returns in how many
 * microseconds to call again; UINT64_MAX: not before one of the calls above. Waits for the device. One thread at a time. */
uint64_t paced_deletion_step(struct paced_deletion *deletion, uint64_t now_us);

/* Releases at once all that was deleted, where its space is worth more than the pace. Waits for the device. Any thread. */
void paced_deletion_release(struct paced_deletion *deletion);

/* The steps do nothing from here on. Any thread. */
void paced_deletion_stop(struct paced_deletion *deletion);

/* How many files are held. Any thread. */
size_t paced_deletion_held(struct paced_deletion *deletion);

#endif
