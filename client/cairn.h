/* libcairn: the client library of cairn.
 *
 * A client (struct cairn_client) is one user of one daemon. It keeps a copy of every metadata write that the daemon
 * has accepted until that is known to be written, and sends it again, in order and before any new write, when it
 * meets a later run of the daemon (README: Guarantees). It owns any number of connections.
 *
 * Two ways to use a connection, which may be mixed:
 *   asynchronous  submit requests, poll cairn_connection_fd(), call cairn_connection_process(); completions run there
 *   blocking      one call per request, at the end of this file
 *
 * Rules that hold for every call, unless it says otherwise:
 *   threads     A client and all its connections are used by one thread at a time. Different clients are independent.
 *               The library has no threads, no globals that change, and sets no signal handler (README: From C).
 *   arguments   Everything passed in, slices and arrays included, is copied before the call returns.
 *   results     What a reply or an item points at is borrowed: until the callback returns, in the blocking API until
 *               the next blocking call on that connection or its end.
 *   absence     A struct that is all zero is a valid request wherever no field is said to be required. A slice of
 *               0 bytes is empty; for `chain` that is "default", for `hash` absence. Times are microseconds.
 *   failures    A call returns a status. A completion's reply has it with a text for people.
 *
 * This header is long on purpose: it is installed alone, and is the manual. */
#ifndef CAIRN_H
#define CAIRN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAIRN_API        __attribute__((visibility("default")))
#define CAIRN_MUST_CHECK __attribute__((warn_unused_result))

/* ---- statuses (README: Errors) ---- */

/* Up to 63: the daemon's answer. From 64: found by this library. "Unknown" means for a write: it may or may not have
 * been applied; read back what it should have written. Reads change nothing, whatever their status. */
enum cairn_status {
    CAIRN_OK = 0,        /* applied, or here is the answer */
    CAIRN_NOT_FOUND = 1, /* the daemon looked and it is not there; an answer, not an error */
    CAIRN_INVALID = 2, /* not applied: the request breaks a rule, named in the text; also an unknown chain */
    CAIRN_TOO_LARGE = 3, /* not applied: beyond a limit, named in the text */
    CAIRN_CONFLICT = 4,  /* not applied: a condition, guard or pruned height stands against it */
    CAIRN_BUSY = 5,      /* not applied: no room within the deadline or no memory, or too many connections */
    CAIRN_NO_SPACE = 6,  /* not applied: the disk is nearly full */
    CAIRN_SHUTTING_DOWN = 7, /* not applied */
    CAIRN_PERMISSION = 8,    /* not applied */
    CAIRN_UNSUPPORTED = 9,   /* not applied: the daemon does not know this request */
    CAIRN_READ_ONLY = 10,    /* not applied */
    CAIRN_IO_ERROR = 11,     /* unknown until the daemon's restart */

    CAIRN_TIMEOUT = 64, /* unknown: sent, but no answer in time */
    CAIRN_CONNECTION_LOST =
        65,              /* unknown: sent, then the connection ended; also by a reply that is no valid one */
    CAIRN_NOT_SENT = 66, /* not applied: there is no connection, or it or the time ended before it was sent */
    CAIRN_CANNOT_CONNECT = 67, /* not applied: nobody listens, or no valid hello; the connection is lost */
    CAIRN_STORE_CHANGED =
        68,               /* not applied: the socket leads to another store than before; nothing is re-sent.
                                   Lasting, until cairn_client_forget() */
    CAIRN_FULL = 69,      /* not applied: too much in flight; call cairn_connection_process() or, if the kept
                                   metadata is over its bound, submit a barrier at CAIRN_WRITTEN, then try again */
    CAIRN_USAGE = 70,     /* not applied: a call that breaks a rule of this header */
    CAIRN_NO_MEMORY = 71, /* not applied as a submit's return; as a completion of a write unknown */
};

enum cairn_applied {
    CAIRN_APPLIED,
    CAIRN_NOT_APPLIED,
    CAIRN_UNKNOWN,
};

/* The status in a word or few, static; "unknown status" for a code that is none. */
CAIRN_API const char *cairn_status_text(enum cairn_status status);

/* What a write that ended so did. CAIRN_UNKNOWN for a code that is none, and for CAIRN_NO_MEMORY. */
CAIRN_API enum cairn_applied cairn_status_applied(enum cairn_status status);

/* The library's version, "MAJOR.MINOR.PATCH", static. */
CAIRN_API const char *cairn_version(void);

/* ---- values ---- */

/* Any bytes, NUL among them. `data` may be NULL if bytes is 0. */
struct cairn_slice {
    const void *data;
    size_t bytes;
};

/* The slice of a C string, without its NUL; of NULL the empty slice. Borrows the string. */
CAIRN_API struct cairn_slice cairn_slice(const char *text);

/* How far a write has come (README: Guarantees). 0 asks for the request's default. */
enum cairn_level {
    CAIRN_LEVEL_DEFAULT = 0,
    CAIRN_ACCEPTED = 1, /* ordered and readable; survives the client, and by re-sending the daemon's death */
    CAIRN_WRITTEN = 2,  /* in the log; survives kill -9 of the daemon */
    CAIRN_DURABLE = 3,  /* on the device; survives power loss */
};

enum cairn_part {
    CAIRN_HEADER = 1,
    CAIRN_DATA = 2,
    CAIRN_SIGNATURE = 4,
    CAIRN_HASH = 8,
    CAIRN_ALL_PARTS = 15,
};

struct cairn_block {
    uint64_t height; /* from 1 */
    unsigned parts;  /* in replies: mask of enum cairn_part, those that were asked for. Ignored in a commit */
    bool absent;     /* only in streams: there is no block at this height */
    struct cairn_slice header, data, signature;
    struct cairn_slice hash; /* 1 to 64 bytes; none in a commit: SHA-256 of the header */
};

struct cairn_state {
    uint64_t height; /* from 0 */
    struct cairn_slice value;
};

struct cairn_metadata {
    struct cairn_slice name; /* only in streams */
    bool absent;             /* only in the stream of cairn_get_many */
    struct cairn_slice value;
    uint64_t of_height; /* the height it is bound to; 0: unbound */
};

enum cairn_operation_kind {
    CAIRN_SET = 1,    /* to `value`, bound to `of_height` if that is not 0 */
    CAIRN_DELETE = 2, /* deleting what is absent is fine */
    CAIRN_RAISE = 3,  /* to `raise`, as 8 bytes little-endian, if it is greater than the stored number */
};

struct cairn_operation {
    enum cairn_operation_kind kind; /* required */
    struct cairn_slice name;        /* required: 1 to 1,024 bytes */
    struct cairn_slice value;
    uint64_t raise;
    uint64_t of_height;
};

struct cairn_guard {
    struct cairn_slice name; /* metadata that holds a height, 8 bytes little-endian */
    bool lower; /* if it is above the target: lower it to the target. Else: refuse with CAIRN_CONFLICT */
};

struct cairn_chain {
    struct cairn_slice name;
    uint64_t height;    /* 0: none */
    bool blocks_pruned; /* blocks_pruned_through says something */
    bool states_pruned; /* states_pruned_through says something */
    uint64_t blocks_pruned_through;
    uint64_t states_pruned_through;
};

struct cairn_status_entry {
    struct cairn_slice name; /* dotted, lower case */
    bool is_text;
    uint64_t number;
    struct cairn_slice text;
};

/* ---- requests ----
 *
 * Every request has a chain, where it has one at all, and timeout_us: how long the caller waits. 0 is the client's
 * default, CAIRN_NO_TIMEOUT for ever. Writes pass a little less than it to the daemon as the time to wait for room in
 * a queue, so that CAIRN_BUSY (not applied) comes before CAIRN_TIMEOUT (unknown). Each stream item that comes counts as
 * an answer: a stream's time runs anew from it. */
#define CAIRN_NO_TIMEOUT UINT64_MAX

struct cairn_ping {
    uint64_t timeout_us;
};

struct cairn_status_page {
    uint64_t timeout_us;
};

struct cairn_chains {
    uint64_t timeout_us;
};

/* Durable; creating what exists is no error. Reply: write.created. */
struct cairn_create_chain {
    struct cairn_slice chain; /* 1 to 64 of a-z 0-9 . _ - */
    uint64_t timeout_us;
};

struct cairn_read_height {
    struct cairn_slice chain;
    uint64_t timeout_us;
};

struct cairn_read_block {
    struct cairn_slice chain;
    uint64_t timeout_us;
    uint64_t height;         /* from 1; used if hash has 0 bytes */
    struct cairn_slice hash; /* 1 to 64 bytes: the block with this hash */
    unsigned parts;          /* mask of enum cairn_part; 0: only whether it is there */
};

/* A stream of one instant. With height_count not 0: an item for each of `heights`, in their order, `absent` where there
 * is no block. Else an item for each block there is from `first` to `last`, both included, rising. */
struct cairn_read_blocks {
    struct cairn_slice chain;
    uint64_t timeout_us;
    const uint64_t *heights;
    size_t height_count; /* at most 16,384 */
    uint64_t first, last;
    unsigned parts;
    uint64_t window_bytes; /* how much may be under way; 0: 1 MiB */
};

struct cairn_read_state {
    struct cairn_slice chain;
    uint64_t timeout_us;
    bool at_height;  /* false: the state at the chain's height, both of one instant */
    uint64_t height; /* from 0; used if at_height */
};

struct cairn_get {
    struct cairn_slice chain;
    uint64_t timeout_us;
    struct cairn_slice name; /* required */
};

/* A stream of one instant: an item for each name, in their order, `absent` where there is none. */
struct cairn_get_many {
    struct cairn_slice chain;
    uint64_t timeout_us;
    const struct cairn_slice *names;
    size_t name_count; /* at most 16,384 */
    uint64_t window_bytes;
};

/* A stream of one instant: the names with this prefix, in byte order. */
struct cairn_list {
    struct cairn_slice chain;
    uint64_t timeout_us;
    struct cairn_slice prefix; /* none: all */
    struct cairn_slice start;  /* the first name to answer, if it is there; none: the first of the prefix */
    uint64_t limit;            /* 0: all */
    uint64_t window_bytes;
};

/* One operation, or an atomic batch. Default level: accepted. What is accepted is kept by the client until it is known
 * to be written (README: Guarantees). */
struct cairn_write_metadata {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    const struct cairn_operation *operations;
    size_t operation_count; /* required: 1 at least */
};

/* All or nothing, in the order blocks, states, delete_states, rise_to, metadata. Default level: durable. The library
 * never sends a commit twice: after an unknown result read the block, its height and hash tell. */
struct cairn_commit {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    bool carry;     /* take all metadata accepted before along */
    bool if_height; /* refuse with CAIRN_CONFLICT unless expected_height is the chain's */
    uint64_t expected_height;
    const struct cairn_block *blocks;
    size_t block_count;
    const struct cairn_state *states;
    size_t state_count;
    const uint64_t *delete_states;
    size_t delete_state_count;
    uint64_t rise_to; /* raise the chain's height to this if it is lower; 0: leave it */
    const struct cairn_operation *metadata;
    size_t metadata_count;
};

struct cairn_prune {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;                 /* default: durable */
    bool blocks, states;                    /* which of the two to prune */
    uint64_t blocks_through;                /* up to and including it, from 1 */
    uint64_t states_through;                /* up to and including it, from 0 */
    const struct cairn_operation *metadata; /* takes effect after the prune */
    size_t metadata_count;
};

/* Reply: write.blocks, states, metadata, lowered: what went, or in a dry run would go. */
struct cairn_rollback {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level; /* default: durable */
    uint64_t to;            /* the height to go back to */
    const struct cairn_guard *guards;
    size_t guard_count;
    const struct cairn_operation *metadata; /* takes effect after the rollback */
    size_t metadata_count;
    bool dry_run; /* change nothing */
};

/* Answers once everything accepted before it, by anyone, has reached the level. Default: durable. */
struct cairn_barrier {
    uint64_t timeout_us;
    enum cairn_level level;
};

/* ---- replies ---- */

enum cairn_request_kind {
    CAIRN_PING = 1,
    CAIRN_STATUS_PAGE,
    CAIRN_CHAINS,
    CAIRN_CREATE_CHAIN,
    CAIRN_READ_HEIGHT,
    CAIRN_READ_BLOCK,
    CAIRN_READ_BLOCKS,
    CAIRN_READ_STATE,
    CAIRN_GET,
    CAIRN_GET_MANY,
    CAIRN_LIST,
    CAIRN_WRITE_METADATA,
    CAIRN_COMMIT,
    CAIRN_PRUNE,
    CAIRN_ROLLBACK,
    CAIRN_BARRIER,
};

struct cairn_written {
    uint64_t sequence;      /* the write's number; of a barrier: the last it waited for */
    enum cairn_level level; /* reached */
    bool created;
    uint64_t blocks, states, metadata, lowered;
};

struct cairn_reply {
    enum cairn_request_kind kind;
    enum cairn_status status;
    const char *text;         /* what, which limit or value, what to do; "" if the status is OK */
    uint64_t written_through; /* everything up to it is written or was refused; 0 if no reply came */
    uint64_t durable_through;
    uint64_t items;                  /* of a stream: how many were delivered */
    union {                          /* meaningful only if the status is OK, by kind */
        uint64_t height;             /* READ_HEIGHT; 0: none */
        struct cairn_block block;    /* READ_BLOCK */
        struct cairn_state state;    /* READ_STATE */
        struct cairn_metadata found; /* GET */
        struct cairn_written write;  /* WRITE_METADATA, COMMIT, PRUNE, ROLLBACK, BARRIER, CREATE_CHAIN */
        struct {
            const struct cairn_chain *entries; /* CHAINS, in byte order of the name */
            size_t count;
        } chains;
        struct {
            const struct cairn_status_entry *entries; /* STATUS_PAGE */
            size_t count;
        } page;
    };
};

/* Runs exactly once for each submit that returned CAIRN_OK: from cairn_connection_process() of its connection, from a
 * blocking call on it (on any of the client's, while metadata is sent again), or from its free; never inside the submit. It may submit; it must not process, reconnect, block
 * on or close a connection of the same client (CAIRN_USAGE), but may free one: that happens when processing ends. */
typedef void (*cairn_completion)(void *context, const struct cairn_reply *reply);

/* Items of a stream, one at a time, before its completion. Returning false ends the stream early: no further item
 * comes, and the completion follows with CAIRN_OK. As for completions, it may submit. */
typedef bool (*cairn_block_item)(void *context, const struct cairn_block *block);
typedef bool (*cairn_metadata_item)(void *context, const struct cairn_metadata *metadata);

/* ---- client ---- */

struct cairn_client;
struct cairn_connection;

/* Accepted metadata that will not be written: its re-sending was refused. */
struct cairn_dropped {
    uint64_t sequence; /* the number it was accepted under */
    size_t operations;
    enum cairn_status
        status; /* CAIRN_CONFLICT: its chain was rolled back since. Else a refusal that would stay */
    const char *text;
};

struct cairn_client_options {
    const char *socket_path;    /* required: at most 107 bytes */
    const char *name;           /* for the daemon's logs, at most 64 bytes; NULL: none */
    uint64_t timeout_us;        /* default of requests, and bound on a hello; 0: 30 s */
    size_t in_flight_max;       /* requests of a connection not yet completed; 0: 16,384 */
    size_t in_flight_bytes_max; /* their bytes; one request is always let in; 0: 64 MiB */
    size_t kept_bytes_max; /* accepted metadata kept; beyond it metadata writes are CAIRN_FULL; 0: 64 MiB */
    /* Runs once for each write dropped, from cairn_connection_process() or a blocking call; may be NULL. As in a
     * completion, it may submit. */
    void (*on_dropped)(void *context, const struct cairn_dropped *dropped);
    void *context;
};

struct cairn_client_counters {
    uint64_t kept_operations;    /* accepted, not known to be written: now */
    uint64_t kept_bytes;         /* their requests: now */
    uint64_t lost_operations;    /* of these, to be sent again before any new write: now */
    uint64_t resent_operations;  /* sent again and accepted, ever */
    uint64_t dropped_operations; /* refused for good when sent again, or forgotten, ever */
    uint64_t written_through;    /* the highest that any reply said */
    uint64_t durable_through;
    uint64_t run;         /* of the daemon met last; 0: none yet */
    uint8_t store_id[16]; /* all 0: none met yet */
};

/* Does not connect.
 *   CAIRN_OK         *ret_client is the caller's, ended by cairn_client_free()
 *   CAIRN_USAGE      no path, or the path or name is too long
 *   CAIRN_NO_MEMORY */
CAIRN_API enum cairn_status cairn_client_new(const struct cairn_client_options *options,
                                             struct cairn_client **ret_client) CAIRN_MUST_CHECK;

/* Ends its connections, too, as cairn_connection_free() does. What is kept and unwritten is then in the daemon's hands
 * alone; cairn_close() waits for it. NULL is fine. From a callback it does nothing. */
CAIRN_API void cairn_client_free(struct cairn_client *client);

CAIRN_API void cairn_client_counters(const struct cairn_client *client,
                                     struct cairn_client_counters *ret_counters);

/* Forgets the store and run met, and everything kept: the answer to CAIRN_STORE_CHANGED if the new store is wanted.
 *   CAIRN_OK     what was kept counts as dropped (on_dropped does not run)
 *   CAIRN_USAGE  a connection of the client is not lost, or in a callback; nothing is changed */
CAIRN_API enum cairn_status cairn_client_forget(struct cairn_client *client) CAIRN_MUST_CHECK;

/* ---- connections, asynchronous ---- */

enum cairn_connection_state {
    CAIRN_CONNECTING, /* requests are taken, and sent after the hello */
    CAIRN_READY,
    CAIRN_LOST, /* requests are refused with CAIRN_NOT_SENT; cairn_connection_reconnect() starts again */
};

/* Starts to connect; never waits.
 *   CAIRN_OK              *ret_connection is the client's, ended by cairn_connection_free(), cairn_close() or with it.
 *                         Whether the daemon is there the processing tells: a connection may be lost from the start
 *   CAIRN_NO_MEMORY */
CAIRN_API enum cairn_status cairn_connection_open(struct cairn_client *client,
                                                  struct cairn_connection **ret_connection) CAIRN_MUST_CHECK;

/* Starts a lost connection again; never waits, and does not pace itself: wait a little between attempts.
 *   CAIRN_OK              it is connecting
 *   CAIRN_CANNOT_CONNECT  nobody listens; it stays lost
 *   CAIRN_USAGE           it is not lost, or in a callback */
CAIRN_API enum cairn_status cairn_connection_reconnect(struct cairn_connection *connection);

/* Ends it at once. Requests not completed complete now, inside this call, with CAIRN_NOT_SENT or CAIRN_CONNECTION_LOST.
 * NULL is fine. From a callback it is put off until processing ends. */
CAIRN_API void cairn_connection_free(struct cairn_connection *connection);

CAIRN_API enum cairn_connection_state cairn_connection_state(const struct cairn_connection *connection);

/* Why the last call on the connection that did not return CAIRN_OK failed, or why it was lost; "" if nothing did. Lives
 * until the next call on the connection. */
CAIRN_API const char *cairn_connection_error(const struct cairn_connection *connection);

/* Requests submitted and not completed. */
CAIRN_API size_t cairn_connection_in_flight(const struct cairn_connection *connection);

/* The socket to poll; -1 while it is lost. Changes by a reconnect. */
CAIRN_API int cairn_connection_fd(const struct cairn_connection *connection);

/* The poll() events to wait for. Ask anew before each poll, of every connection of the client: what one receives may
 * let another send. */
CAIRN_API short cairn_connection_events(const struct cairn_connection *connection);

/* Microseconds until cairn_connection_process() has something to do even if the socket has not: 0 for now, -1 for
 * never. A lost connection has one thing to do: to tell so, once. */
CAIRN_API int64_t cairn_connection_timeout_us(const struct cairn_connection *connection);

/* Sends what is queued, receives what is there, ends what is over its time, and runs completions and items. `revents`
 * is what poll() gave; 0 receives nothing. Never waits.
 *   CAIRN_OK              the connection lives
 *   CAIRN_CONNECTION_LOST, CAIRN_CANNOT_CONNECT, CAIRN_STORE_CHANGED
 *                         it is lost, everything on it has completed; why is in cairn_connection_error()
 *   CAIRN_USAGE           called from a callback */
CAIRN_API enum cairn_status cairn_connection_process(struct cairn_connection *connection, short revents);

/* ---- submits ----
 *
 * Copy the request, queue it and return; cairn_connection_process() sends it. Writes and barriers of a connection are
 * carried out in the order submitted; answers may come in any order. While accepted metadata is to be sent again, new
 * writes and barriers of all the client's connections wait; reads do not. `completion` may be NULL.
 *
 *   CAIRN_OK         it will complete once
 *   CAIRN_NOT_SENT   the connection is lost
 *   CAIRN_FULL       too much is in flight or kept
 *   CAIRN_TOO_LARGE  it is longer than a frame may be
 *   CAIRN_USAGE      a value out of the range stated above that cannot be sent: an unknown level or operation
 *   CAIRN_NO_MEMORY
 * All but CAIRN_OK: nothing is queued, it never completes. */
#define CAIRN_SUBMIT(name, request_type)                                                                     \
    CAIRN_API enum cairn_status cairn_submit_##name(                                                         \
        struct cairn_connection *connection, const struct request_type *request,                             \
        cairn_completion completion, void *context) CAIRN_MUST_CHECK
#define CAIRN_SUBMIT_STREAM(name, request_type, item_type)                                                   \
    CAIRN_API enum cairn_status cairn_submit_##name(                                                         \
        struct cairn_connection *connection, const struct request_type *request, item_type item,             \
        cairn_completion completion, void *context) CAIRN_MUST_CHECK

CAIRN_SUBMIT(ping, cairn_ping);
CAIRN_SUBMIT(status, cairn_status_page);
CAIRN_SUBMIT(chains, cairn_chains);
CAIRN_SUBMIT(create_chain, cairn_create_chain);
CAIRN_SUBMIT(height, cairn_read_height);
CAIRN_SUBMIT(block, cairn_read_block);
CAIRN_SUBMIT_STREAM(blocks, cairn_read_blocks, cairn_block_item);
CAIRN_SUBMIT(state, cairn_read_state);
CAIRN_SUBMIT(get, cairn_get);
CAIRN_SUBMIT_STREAM(get_many, cairn_get_many, cairn_metadata_item);
CAIRN_SUBMIT_STREAM(list, cairn_list, cairn_metadata_item);
CAIRN_SUBMIT(write_metadata, cairn_write_metadata);
CAIRN_SUBMIT(commit, cairn_commit);
CAIRN_SUBMIT(prune, cairn_prune);
CAIRN_SUBMIT(rollback, cairn_rollback);
CAIRN_SUBMIT(barrier, cairn_barrier);

/* ---- blocking ----
 *
 * Each sends one request and waits, by poll(), at most its timeout. Completions of requests submitted on the connection
 * run meanwhile. A lost connection is connected anew, with growing pauses, within the timeout; a read that was lost, a stream only
 * before its first item, is sent again; a write only if it was certainly not sent.
 *
 * Returns the reply's status, or what a submit would return. If ret_reply is not NULL, *ret_reply is set in every case,
 * and lives until the next blocking call on the connection or its end. A call from a callback is CAIRN_USAGE. */

/* cairn_connection_open(), and waits until the hello is answered, trying again within timeout_us (0: the default).
 *   CAIRN_OK, CAIRN_NO_MEMORY
 *   CAIRN_CANNOT_CONNECT, CAIRN_STORE_CHANGED
 *                  nothing is left open; *ret_connection is untouched */
CAIRN_API enum cairn_status cairn_connect(struct cairn_client *client, uint64_t timeout_us,
                                          struct cairn_connection **ret_connection) CAIRN_MUST_CHECK;

/* Waits until everything accepted is written, then frees the connection, whatever the status. *ret_unwritten, if not
 * NULL, is how many operations the client keeps that are not known to be written: 0 if the status is OK. The client
 * goes on keeping them. NULL is fine. From a callback: CAIRN_USAGE, and nothing is freed. */
CAIRN_API enum cairn_status cairn_close(struct cairn_connection *connection, uint64_t timeout_us,
                                        uint64_t *ret_unwritten);

#define CAIRN_CALL(name, request_type)                                                                       \
    CAIRN_API enum cairn_status cairn_##name(struct cairn_connection *connection,                            \
                                             const struct request_type *request,                             \
                                             const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK
#define CAIRN_CALL_STREAM(name, request_type, item_type)                                                     \
    CAIRN_API enum cairn_status cairn_##name(                                                                \
        struct cairn_connection *connection, const struct request_type *request, item_type item,             \
        void *context, const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK

CAIRN_CALL(ping, cairn_ping);
CAIRN_CALL(status, cairn_status_page);
CAIRN_CALL(chains, cairn_chains);
CAIRN_CALL(create_chain, cairn_create_chain);
CAIRN_CALL(height, cairn_read_height);
CAIRN_CALL(block, cairn_read_block);
CAIRN_CALL_STREAM(blocks, cairn_read_blocks, cairn_block_item);
CAIRN_CALL(state, cairn_read_state);
CAIRN_CALL(get, cairn_get);
CAIRN_CALL_STREAM(get_many, cairn_get_many, cairn_metadata_item);
CAIRN_CALL_STREAM(list, cairn_list, cairn_metadata_item);
CAIRN_CALL(write_metadata, cairn_write_metadata);
CAIRN_CALL(commit, cairn_commit);
CAIRN_CALL(prune, cairn_prune);
CAIRN_CALL(rollback, cairn_rollback);
CAIRN_CALL(barrier, cairn_barrier);

#undef CAIRN_SUBMIT
#undef CAIRN_SUBMIT_STREAM
#undef CAIRN_CALL
#undef CAIRN_CALL_STREAM

#ifdef __cplusplus
}
#endif

#endif
