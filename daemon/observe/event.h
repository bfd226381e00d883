/* The catalogue of log events. Each has a name that stays the same when its text is reworded, a level, a text and its fields; a
 * monitor looks for the name. Each is written by one function, whose arguments are the values of its fields.
 *
 * Any thread. Texts are borrowed for the call, the log escapes them. Nothing fails or waits: what is not taken is dropped and
 * counted. A peer may cause as many events as it likes; log_bytes_per_second bounds what is written of them. */
#ifndef DAEMON_EVENT_H
#define DAEMON_EVENT_H

#include <stdint.h>

#include "daemon/schema/slice.h"

/* In the order of the daemon's life. event.c has the name, level and text of each. */
enum event_name {
    EVENT_FILES_LIMIT_TOO_LOW,
    EVENT_DIRECTORY_REFUSED,
    EVENT_STORE_REFUSED,
    EVENT_STORE_CUT,
    EVENT_RUNS_FORGOTTEN,
    EVENT_STORE_MADE,
    EVENT_STORE_EXISTS,
    EVENT_SOCKET_REFUSED,
    EVENT_SERVER_REFUSED,
    EVENT_SETTING_OVERRIDDEN,
    EVENT_START_WAITS,
    EVENT_READY,
    EVENT_SETTING_CHANGED,
    EVENT_SETTING_KEPT,
    EVENT_RELOADED,
    EVENT_RELOAD_REFUSED,
    EVENT_STOPPING,
    EVENT_STOPPED,
    EVENT_STOP_TIMED_OUT,
    EVENT_WRITE_FAILED,
    EVENT_DIRECTORY_GONE,
    EVENT_DAMAGE_FOUND,
    EVENT_RAISES_LEFT_OUT,
    EVENT_STALLED,
    EVENT_MOVES_AGAIN,
    EVENT_STALL_TIMED_OUT,
    EVENT_CLAIMED,
    EVENT_CLAIM_TAKEN_OVER,
    EVENT_CLAIM_RELEASED,
    EVENT_CONNECTION_REFUSED,
    EVENT_PEER_REFUSED,
    EVENT_ACCEPT_FAILED,
    EVENT_ACCEPTING_STOPPED,
    EVENT_CONNECTION_TIMED_OUT,
    EVENT_FRAME_REFUSED,
    EVENT_FRAME_CUT,
    EVENT_REQUEST_MALFORMED,
    EVENT_RECLAIM_FAILED,
    EVENT_LOG_LINES_DROPPED,
    EVENT_SPACE_LOW,
    EVENT_SPACE_OUT,
    EVENT_SPACE_BACK,
    EVENT_SPACE_NONE,
    EVENT_SPACE_REOPENED,
    EVENT_SPACE_LACKING,
    EVENTS,
};

/* The name as it is written, such as "connection_refused"; static. */
const char *event_text(enum event_name name);

/* ---- start ---- */

/* `error` is a sentence that says what, which value and what to do. */
void event_files_limit_too_low(const char *error);
void event_directory_refused(const char *error);
void event_store_refused(const char *error);
void event_store_cut(const char *error);
void event_runs_forgotten(uint64_t from, uint64_t to); /* both included */
/* path: of the data directory. */
void event_store_made(const char *path);
void event_store_exists(const char *path);
void event_start_waits(const char *path, uint64_t lasted_ms); /* lasted: so far */
void event_socket_refused(const char *error);
void event_server_refused(const char *error);
/* value: what the configuration has, and what counts for nothing. */
void event_setting_overridden(const char *setting, const char *value);
void event_ready(uint64_t run, const char *engine);

/* ---- reload and stop ---- */

/* before and after: the values. The first: it has the new one from now on; the second: from the next start on. */
void event_setting_changed(const char *setting, const char *before, const char *after);
void event_setting_kept(const char *setting, const char *before, const char *after);
/* needs_restart: names of settings that differ and were not taken over, with ", " between. */
void event_reloaded(const char *needs_restart);
void event_reload_refused(const char *error);
/* connections: that are open. operations: accepted, and not written yet; of the second, written since. */
void event_stopping(uint64_t connections, uint64_t operations);
void event_stopped(uint64_t operations);
/* operations: how many accepted ones are lost. */
void event_stop_timed_out(uint64_t operations);
void event_write_failed(const char *error);
void event_directory_gone(const char *error);
/* what: stages by name (heartbeat_text). lasted_ms: for how long it has not moved. */
void event_stalled(const char *what, uint64_t lasted_ms);
void event_moves_again(const char *what, uint64_t lasted_ms);
void event_stall_timed_out(const char *what, uint64_t timeout_ms);

/* ---- damage ---- */

/* file: its name; "" where the engine does not tell. */
void event_damage_found(const char *error, const char *file);
/* error: why the last of them could not be carried out. raises: how many at once. sequence: no later write is among them. */
void event_raises_left_out(const char *error, uint64_t raises, uint64_t sequence);

/* ---- claims ---- */

/* writer: its name. sequence: of the claim. */
struct event_claim {
    struct slice chain, writer;
    uint32_t uid, pid;
    uint64_t sequence;
};
void event_claimed(const struct event_claim *claim);
void event_claim_taken_over(const struct event_claim *claim);
void event_claim_released(const struct event_claim *claim);

/* ---- connections ---- */

void event_connection_refused(uint64_t connections_max);
void event_peer_refused(uint64_t uid);
void event_accept_failed(const char *error);
void event_accepting_stopped(void);
/* error: what it took too long for. type: of the frame it was in; 0: none. */
void event_connection_timed_out(const char *error, uint8_t type);
/* type: of the request, by number. error: what is wrong with it. */
void event_frame_refused(const char *error, uint8_t type);
void event_frame_cut(const char *error, uint8_t type);
void event_request_malformed(uint8_t type, uint32_t bytes);

/* ---- in the background ---- */

/* chain_id: as in the store's keys. failures: since the start, this one included. */
void event_reclaim_failed(const char *error, uint32_t chain_id, uint64_t failures, unsigned retry_seconds);
/* free_bytes: on the file system of the data directory. held_bytes: by the reserve, which counts as free. The marks are what the two
 * together have to be. */
void event_space_low(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes);
void event_space_out(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes);
void event_space_back(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes);
/* The store could only be opened for reading; and there is space to open it anew. */
void event_space_none(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes);
void event_space_reopened(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes);
/* error: what the engine gave up in the background. failures: since the start, this one included. */
void event_space_lacking(const char *error, uint64_t failures);
/* lines: since the last such event, or since the start. For log_start. */
void event_log_lines_dropped(uint64_t lines);

#endif
