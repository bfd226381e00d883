/* An event's life: it happens, its function gives the log its name, level, text and values, and nothing of it is kept. */
#include "daemon/observe/event.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/log.h"
#include "proto/limits.h"

/* clang-format off */
static const struct log_kind catalogue[] = {
    [EVENT_FILES_LIMIT_TOO_LOW] = {"files_limit_too_low", LOG_LEVEL_ERROR,
        "there are too few file descriptors"},
    [EVENT_DIRECTORY_REFUSED] = {"directory_refused", LOG_LEVEL_ERROR,
        "the data directory cannot be used"},
    [EVENT_STORE_REFUSED] = {"store_refused", LOG_LEVEL_ERROR,
        "the store cannot be opened"},
    [EVENT_STORE_CUT] = {"store_cut", LOG_LEVEL_WARNING,
        "what the run before left was not whole, and the store was opened without the rest"},
    [EVENT_RUNS_FORGOTTEN] = {"runs_forgotten", LOG_LEVEL_WARNING,
        "the database or db.state is an older copy than cairn.numbers, or the last start was cut short, or a loss was accepted: "
        "clients of these runs are told that the store changed"},
    [EVENT_STORE_MADE] = {"store_made", LOG_LEVEL_INFO,
        "a new, empty store was made", .is_unbounded = true},
    [EVENT_STORE_EXISTS] = {"store_exists", LOG_LEVEL_INFO,
        "there is a store already, and nothing was changed", .is_unbounded = true},
    [EVENT_SOCKET_REFUSED] = {"socket_refused", LOG_LEVEL_ERROR,
        "there is no socket to listen at"},
    [EVENT_SERVER_REFUSED] = {"server_refused", LOG_LEVEL_ERROR,
        "the server cannot start"},
    [EVENT_SETTING_OVERRIDDEN] = {"setting_overridden", LOG_LEVEL_WARNING,
        "a setting has no effect: the command line, the environment or a socket unit of systemd overrides it",
        .is_unbounded = true},
    [EVENT_START_WAITS] = {"start_waits", LOG_LEVEL_WARNING,
        "the start takes long: it reads and syncs the store, or waits for its device; look at the disk",
        .is_unbounded = true},
    [EVENT_READY] = {"ready", LOG_LEVEL_INFO,
        "ready to serve", .is_unbounded = true},
    [EVENT_SETTING_CHANGED] = {"setting_changed", LOG_LEVEL_INFO,
        "a reload changed a setting", .is_unbounded = true},
    [EVENT_SETTING_KEPT] = {"setting_kept", LOG_LEVEL_WARNING,
        "a setting differs in the configuration, and keeps its value until a restart", .is_unbounded = true},
    [EVENT_RELOADED] = {"reloaded", LOG_LEVEL_INFO,
        "the configuration was read again; what needs_restart names keeps its value until a restart", .is_unbounded = true},
    [EVENT_RELOAD_REFUSED] = {"reload_refused", LOG_LEVEL_ERROR,
        "the configuration is wrong and was not read again: correct it, then reload"},
    [EVENT_STOPPING] = {"stopping", LOG_LEVEL_INFO,
        "stopping: what was accepted is finished first", .is_unbounded = true},
    [EVENT_STOPPED] = {"stopped", LOG_LEVEL_INFO,
        "stopped: all that was accepted is written and synced", .is_unbounded = true},
    [EVENT_STOP_TIMED_OUT] = {"stop_timed_out", LOG_LEVEL_ERROR,
        "stopping took longer than stop_timeout: accepted operations were not written"},
    [EVENT_WRITE_FAILED] = {"write_failed", LOG_LEVEL_ERROR,
        "a write failed: nothing more is acknowledged, the process ends, recovery decides at the next start"},
    [EVENT_DIRECTORY_GONE] = {"directory_gone", LOG_LEVEL_ERROR,
        "the data directory is not what the daemon opened: nothing more is acknowledged, the process ends; what was "
        "acknowledged in the last second may be gone with it"},
    [EVENT_DAMAGE_FOUND] = {"damage_found", LOG_LEVEL_ERROR,
        "a file of the store is damaged, or its device does not read: what lies there is refused, all else goes on; copy "
        "what can be read, or restore a copy"},
    [EVENT_RAISES_LEFT_OUT] = {"raises_left_out", LOG_LEVEL_WARNING,
        "queued raises were left out: the values that they compare with cannot be read; set the names anew"},
    [EVENT_STALLED] = {"stalled", LOG_LEVEL_WARNING,
        "something does not move: a disk is slow or hangs, or, for memory for requests, clients leave frames unfinished"},
    [EVENT_MOVES_AGAIN] = {"moves_again", LOG_LEVEL_INFO,
        "what was stalled moves again"},
    [EVENT_STALL_TIMED_OUT] = {"stall_timed_out", LOG_LEVEL_ERROR,
        "something did not move for stall_timeout: the process ends, recovery decides at the next start; look at the disk"},
    [EVENT_CLAIMED] = {"claimed", LOG_LEVEL_INFO,
        "a chain was claimed: only that writer may write to it"},
    [EVENT_CLAIM_TAKEN_OVER] = {"claim_taken_over", LOG_LEVEL_WARNING,
        "a chain was claimed that another writer held, whose writes are refused from here on"},
    [EVENT_CLAIM_RELEASED] = {"claim_released", LOG_LEVEL_INFO,
        "a claim was released: the chain takes everybody's writes"},
    [EVENT_CONNECTION_REFUSED] = {"connection_refused", LOG_LEVEL_WARNING,
        "a connection was refused: as many are open as connections_max allows; close some or raise it"},
    [EVENT_PEER_REFUSED] = {"peer_refused", LOG_LEVEL_WARNING,
        "a connection was refused: its user is in none of the settings readers, writers and admins"},
    [EVENT_ACCEPT_FAILED] = {"accept_failed", LOG_LEVEL_WARNING,
        "a connection could not be accepted"},
    [EVENT_ACCEPTING_STOPPED] = {"accepting_stopped", LOG_LEVEL_ERROR,
        "no handle could be made for a new connection: no further ones are accepted; restart the daemon"},
    [EVENT_CONNECTION_TIMED_OUT] = {"connection_timed_out", LOG_LEVEL_WARNING,
        "a connection was ended: its client sends or takes nothing"},
    [EVENT_FRAME_REFUSED] = {"frame_refused", LOG_LEVEL_WARNING,
        "a frame was refused and its connection closes: the client does not follow the protocol"},
    [EVENT_FRAME_CUT] = {"frame_cut", LOG_LEVEL_INFO,
        "a connection ended inside a frame, which was dropped"},
    [EVENT_REQUEST_MALFORMED] = {"request_malformed", LOG_LEVEL_WARNING,
        "a malformed request was refused; later ones of this connection are counted, not logged"},
    [EVENT_RECLAIM_FAILED] = {"reclaim_failed", LOG_LEVEL_WARNING,
        "the space of pruned keys was not given back; it is tried again"},
    [EVENT_SPACE_LOW] = {"space_low", LOG_LEVEL_WARNING,
        "little space is left: metadata is refused until there is more; free some, or prune"},
    [EVENT_SPACE_OUT] = {"space_out", LOG_LEVEL_ERROR,
        "no space is left: commits and metadata are refused until there is more; free some, or prune. Reads, prunes, "
        "rollbacks and deletes go on"},
    [EVENT_SPACE_BACK] = {"space_back", LOG_LEVEL_INFO,
        "there is space again: everything is taken"},
    [EVENT_SPACE_NONE] = {"space_none", LOG_LEVEL_ERROR,
        "there is no space to open the store for writing: reads are served, all writes are refused; free some, and it is opened anew"},
    [EVENT_SPACE_REOPENED] = {"space_reopened", LOG_LEVEL_INFO,
        "there is space again to open the store for writing: the daemon starts itself anew"},
    [EVENT_SPACE_LACKING] = {"space_lacking", LOG_LEVEL_WARNING,
        "there was no space to write or merge tables in the background; nothing is lost, and it is tried again: free some, or prune"},
    [EVENT_LOG_LINES_DROPPED] = {"log_lines_dropped", LOG_LEVEL_WARNING,
        "lines of this log were dropped: more than log_bytes_per_second allows, or not taken in time",
        .is_unbounded = true},
};
/* clang-format on */

static_assert(sizeof catalogue / sizeof catalogue[0] == EVENTS, "the last event has its entry");

static const struct log_kind *kind_of(enum event_name name)
{
    assert(name < EVENTS);
    assert(catalogue[name].name != NULL && catalogue[name].message != NULL); /* a gap in the table */
    return &catalogue[name];
}

const char *event_text(enum event_name name)
{
    return kind_of(name)->name;
}

/* The fields and values follow, as log_write has them: a macro, so that the compiler checks one against the other. */
#define WRITE(NAME, ...) log_write(kind_of(NAME), __VA_ARGS__)

static void write_error(enum event_name name, const char *error)
{
    assert(error != NULL && *error != '\0'); /* the log would write "", which no operator can act on */
    WRITE(name, "error=%s", error);
}

void event_files_limit_too_low(const char *error)
{
    write_error(EVENT_FILES_LIMIT_TOO_LOW, error);
}

void event_directory_refused(const char *error)
{
    write_error(EVENT_DIRECTORY_REFUSED, error);
}

void event_store_refused(const char *error)
{
    write_error(EVENT_STORE_REFUSED, error);
}

void event_store_cut(const char *error)
{
    write_error(EVENT_STORE_CUT, error);
}

void event_runs_forgotten(uint64_t from, uint64_t to)
{
    assert(from <= to);
    WRITE(EVENT_RUNS_FORGOTTEN, "from=%lu to=%lu", from, to);
}

void event_store_made(const char *path)
{
    assert(*path != '\0');
    WRITE(EVENT_STORE_MADE, "path=%s", path);
}

void event_store_exists(const char *path)
{
    assert(*path != '\0');
    WRITE(EVENT_STORE_EXISTS, "path=%s", path);
}

void event_socket_refused(const char *error)
{
    write_error(EVENT_SOCKET_REFUSED, error);
}

void event_server_refused(const char *error)
{
    write_error(EVENT_SERVER_REFUSED, error);
}

void event_start_waits(const char *path, uint64_t lasted_ms)
{
    assert(*path != '\0' && lasted_ms > 0);
    WRITE(EVENT_START_WAITS, "path=%s lasted_ms=%" PRIu64, path, lasted_ms);
}

void event_ready(uint64_t run, const char *engine)
{
    assert(run > 0);         /* runs count from 1 */
    assert(*engine != '\0'); /* each engine says what it is */
    WRITE(EVENT_READY, "pid=%d run=%" PRIu64 " engine=%s", (int)getpid(), run, engine);
}

void event_setting_overridden(const char *setting, const char *value)
{
    assert(*setting != '\0');
    WRITE(EVENT_SETTING_OVERRIDDEN, "setting=%s value=%s", setting, value);
}

static void write_setting(enum event_name name, const char *setting, const char *before, const char *after)
{
    assert(*setting != '\0');
    WRITE(name, "setting=%s before=%s after=%s", setting, before, after);
}

void event_setting_changed(const char *setting, const char *before, const char *after)
{
    write_setting(EVENT_SETTING_CHANGED, setting, before, after);
}

void event_setting_kept(const char *setting, const char *before, const char *after)
{
    write_setting(EVENT_SETTING_KEPT, setting, before, after);
}

void event_reloaded(const char *needs_restart)
{
    assert(needs_restart != NULL); /* "" says that there is none; the log would take NULL for that */
    WRITE(EVENT_RELOADED, "needs_restart=%s", needs_restart);
}

void event_reload_refused(const char *error)
{
    write_error(EVENT_RELOAD_REFUSED, error);
}

void event_stopping(uint64_t connections, uint64_t operations)
{
    WRITE(EVENT_STOPPING, "connections=%" PRIu64 " operations=%" PRIu64, connections, operations);
}

void event_stopped(uint64_t operations)
{
    WRITE(EVENT_STOPPED, "operations=%" PRIu64, operations);
}

void event_stop_timed_out(uint64_t operations)
{
    WRITE(EVENT_STOP_TIMED_OUT, "operations=%" PRIu64, operations);
}

void event_write_failed(const char *error)
{
    write_error(EVENT_WRITE_FAILED, error);
}

void event_directory_gone(const char *error)
{
    write_error(EVENT_DIRECTORY_GONE, error);
}

void event_damage_found(const char *error, const char *file)
{
    assert(*error != '\0');
    WRITE(EVENT_DAMAGE_FOUND, "error=%s file=%s", error, file);
}

void event_raises_left_out(const char *error, uint64_t raises, uint64_t sequence)
{
    assert(raises > 0 && sequence > 0);
    WRITE(EVENT_RAISES_LEFT_OUT, "error=%s raises=%" PRIu64 " sequence=%" PRIu64, error, raises, sequence);
}

void event_stalled(const char *what, uint64_t lasted_ms)
{
    assert(*what != '\0' && lasted_ms > 0);
    WRITE(EVENT_STALLED, "what=%s lasted_ms=%" PRIu64, what, lasted_ms);
}

void event_moves_again(const char *what, uint64_t lasted_ms)
{
    assert(*what != '\0' && lasted_ms > 0);
    WRITE(EVENT_MOVES_AGAIN, "what=%s lasted_ms=%" PRIu64, what, lasted_ms);
}

void event_stall_timed_out(const char *what, uint64_t timeout_ms)
{
    assert(*what != '\0' && timeout_ms > 0);
    WRITE(EVENT_STALL_TIMED_OUT, "what=%s timeout_ms=%" PRIu64, what, timeout_ms);
}

static void write_claim(enum event_name name, const struct event_claim *claim)
{
    char chain[CHAIN_NAME_BYTES_MAX + 1] = "", writer[WRITER_NAME_BYTES_MAX + 1] = "";
    assert(claim->chain.bytes < sizeof chain && claim->writer.bytes < sizeof writer);
    memcpy(chain, claim->chain.data, claim->chain.bytes);
    memcpy(writer, claim->writer.data, claim->writer.bytes);
    WRITE(name, "chain=%s writer=%s uid=%" PRIu32 " pid=%" PRIu32 " sequence=%" PRIu64, chain, writer,
          claim->uid, claim->pid, claim->sequence);
}

void event_claimed(const struct event_claim *claim)
{
    write_claim(EVENT_CLAIMED, claim);
}

void event_claim_taken_over(const struct event_claim *claim)
{
    write_claim(EVENT_CLAIM_TAKEN_OVER, claim);
}

void event_claim_released(const struct event_claim *claim)
{
    write_claim(EVENT_CLAIM_RELEASED, claim);
}

void event_connection_refused(uint64_t connections_max)
{
    assert(connections_max > 0);
    WRITE(EVENT_CONNECTION_REFUSED, "connections_max=%" PRIu64, connections_max);
}

void event_peer_refused(uint64_t uid)
{
    WRITE(EVENT_PEER_REFUSED, "uid=%" PRIu64, uid);
}

void event_accept_failed(const char *error)
{
    write_error(EVENT_ACCEPT_FAILED, error);
}

void event_accepting_stopped(void)
{
    WRITE(EVENT_ACCEPTING_STOPPED, NULL);
}

void event_connection_timed_out(const char *error, uint8_t type)
{
    assert(*error != '\0');
    WRITE(EVENT_CONNECTION_TIMED_OUT, "error=%s type=%u", error, (unsigned)type);
}

void event_frame_refused(const char *error, uint8_t type)
{
    assert(*error != '\0');
    WRITE(EVENT_FRAME_REFUSED, "error=%s type=%u", error, (unsigned)type);
}

void event_frame_cut(const char *error, uint8_t type)
{
    assert(*error != '\0');
    WRITE(EVENT_FRAME_CUT, "error=%s type=%u", error, (unsigned)type);
}

void event_request_malformed(uint8_t type, uint32_t bytes)
{
    WRITE(EVENT_REQUEST_MALFORMED, "type=%u bytes=%" PRIu32, (unsigned)type, bytes);
}

void event_reclaim_failed(const char *error, uint32_t chain_id, uint64_t failures, unsigned retry_seconds)
{
    assert(*error != '\0' && failures > 0);
    assert(chain_id > 0 && retry_seconds > 0); /* chains count from 1 */
    WRITE(EVENT_RECLAIM_FAILED, "error=%s chain_number=%" PRIu32 " failures=%" PRIu64 " retry_seconds=%u",
          error, chain_id, failures, retry_seconds);
}

static void write_space(enum event_name name, uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes,
                        uint64_t hard_bytes)
{
    assert(hard_bytes <= soft_bytes);
    WRITE(name, "free_bytes=%" PRIu64 " reserve_bytes=%" PRIu64 " soft_bytes=%" PRIu64 " hard_bytes=%" PRIu64,
          free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_low(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    write_space(EVENT_SPACE_LOW, free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_out(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    write_space(EVENT_SPACE_OUT, free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_back(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    write_space(EVENT_SPACE_BACK, free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_none(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    write_space(EVENT_SPACE_NONE, free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_reopened(uint64_t free_bytes, uint64_t held_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    write_space(EVENT_SPACE_REOPENED, free_bytes, held_bytes, soft_bytes, hard_bytes);
}

void event_space_lacking(const char *error, uint64_t failures)
{
    assert(*error != '\0' && failures > 0);
    WRITE(EVENT_SPACE_LACKING, "error=%s failures=%" PRIu64, error, failures);
}

void event_log_lines_dropped(uint64_t lines)
{
    assert(lines > 0);
    WRITE(EVENT_LOG_LINES_DROPPED, "lines=%" PRIu64, lines);
}
