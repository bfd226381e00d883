/* Format 1 kept runs and reserved numbers in the database. A store of it is converted once: main reads them, makes the file of
 * numbers and writes the stamp of the present format; the start that follows deletes the records. A death between any two of these
 * steps leaves a store of format 1, of which the next start makes the file anew, or one of the present format. */
#ifndef DAEMON_FORMAT_1_H
#define DAEMON_FORMAT_1_H

#include "daemon/engine/engine.h"
#include "daemon/host/numbers.h"

/* Reads runs and numbers. Of a store that was never served they are all 0. May wait for the disk.
 *
 * STATUS_OK        they are set; the store's id and the file are not
 * STATUS_IO_ERROR  they could not be read or understood, and nothing is set */
enum status format_1_read(struct engine *engine, struct numbers *ret_numbers,
                          struct failure *failure) MUST_CHECK;

/* Deletes the records if there are any. STATUS_OK, STATUS_IO_ERROR. */
enum status format_1_forget(struct engine *engine, struct failure *failure) MUST_CHECK;

#endif
