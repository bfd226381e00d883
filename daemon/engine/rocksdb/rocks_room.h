/* Room on the file system: how much the engine takes of it at once, and whether there is room for what it is about to do. What is
 * lacking comes from the reserve. All may wait for the device, so they are not for the loop. Used by the engine's own files only. */
#ifndef DAEMON_ROCKS_ROOM_H
#define DAEMON_ROCKS_ROOM_H

#include "daemon/engine/rocksdb/rocks.h"

/* Whether a start finds room, if need be from the whole reserve. */
bool rocks_make_start_room(struct rocks *rocks) MUST_CHECK;

/* Whether so many bytes are free beside the reserve and beside all that is to be flushed. */
bool rocks_has_free(struct rocks *rocks, uint64_t bytes);

/* Gives write buffers their size. If the start filled a larger one, or where `flushes` says so, what it read is flushed in the
 * background, and its logs go with that. At the start, or on the writer. */
bool rocks_end_start(struct rocks *rocks, bool flushes, struct failure *failure) MUST_CHECK;

/* The size of a write buffer on a file system of that size (0: not known); of the log that is allocated for it; and of all that a
 * start writes, log included. */
uint64_t rocks_write_buffer_bytes(uint64_t all_bytes);
uint64_t rocks_log_bytes(uint64_t write_buffer_bytes);
uint64_t rocks_start_bytes(uint64_t write_buffer_bytes);

/* The size of a file with large values, which stays until all in it is deleted. */
uint64_t rocks_blob_file_bytes(uint64_t write_buffer_bytes);

struct engine_space rocks_space(struct engine *engine);
void rocks_note_space(struct engine *engine, enum engine_pressure pressure);

/* Whether writes wait for space. Any thread. */
bool rocks_is_low(const struct rocks *rocks);

/* Whether so many bytes are free, if need be after the reserve gave some back. May wait for the device. Not on the loop. */
bool rocks_make_room(struct rocks *rocks, uint64_t bytes) MUST_CHECK;

/* Whether so much was free at the last look that a few bytes find room even if others write at the same time. Without a call of the system. Writer. */
bool rocks_has_ample_room(const struct rocks *rocks) MUST_CHECK;

/* Whether there is room, made as above, for what a change of options takes. As above. */
bool rocks_make_little_room(struct rocks *rocks) MUST_CHECK;

/* Whether there is room, made as above, to flush everything and to begin the next log, behind a write of so many bytes. As above. */
bool rocks_make_room_to_flush(struct rocks *rocks, uint64_t bytes) MUST_CHECK;

/* Whether there is room to flush everything, so that a compaction may begin. As above. */
bool rocks_has_room_to_compact(struct rocks *rocks) MUST_CHECK;

/* How many bytes of large values a compaction has room to move, without the reserve; while space is low, also with what it may give;
 * UINT64_MAX: nobody looks. As above. */
uint64_t rocks_room_to_move(struct rocks *rocks);

/* Makes the room for no more than that. As above. */
bool rocks_make_room_to_move(struct rocks *rocks, uint64_t bytes) MUST_CHECK;

/* Whether there is room for all that writing a batch of so many bytes brings about. False: *failure is STATUS_NO_SPACE. As above.
 * Writer. */
bool rocks_has_room(struct rocks *rocks, uint64_t bytes, struct failure *failure) MUST_CHECK;

#endif
