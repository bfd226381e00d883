/* What a recorded process did to a directory, and what a power cut at any moment of it may leave.
 *
 * A history is made of a directory as it is (all of it is on the device then) and of a record that goes on from there. An image
 * is the directory as a cut behind so many operations may leave it:
 *
 * - of a file, all that its last sync found, and of what was written since whatever the seed picks: nothing, all, a beginning, its
 *   last write torn at a multiple of 512 bytes, or of each page what it held at some moment. Its size is a size that fits to it.
 * - what a failed sync found counts as written or lost for ever, page by page: no later sync brings it to the device, only
 *   writing it again does.
 * - of a directory, the names that its last sync found, and a beginning of the changes since.
 *
 * So the sync of a new file does not bring its name to the device, and changes of two directories have no order. File systems
 * promise more; POSIX does not. */
#ifndef TESTS_FAULT_DISK_HISTORY_H
#define TESTS_FAULT_DISK_HISTORY_H

#include <stdint.h>

struct disk_history;

/* Of a directory that nobody changes now. Ends the process when it cannot be read. */
struct disk_history *disk_history_of(const char *directory);
/* Accepts NULL. */
void disk_history_free(struct disk_history *history);

/* Reads the record to its end; what was read before is kept. */
void disk_history_read(struct disk_history *history, const char *record);

/* Operations that were read. */
uint64_t disk_history_operations(const struct disk_history *history);

/* Writes the image of a cut behind `operations` operations into a directory that is not there yet. */
void disk_history_image(const struct disk_history *history, uint64_t operations, uint64_t seed,
                        const char *directory);

/* The image of a cut at the end, of the file of that inode without the first page that was written since its last sync; all else came to the
 * device. */
void disk_history_image_with_hole(const struct disk_history *history, uint64_t inode, const char *directory);

#endif
