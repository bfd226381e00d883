/* libcairn: the client library of cairn.
 *
 * A client (struct cairn_client) is one user of one daemon. It owns any number of connections. It keeps a copy of every
 * metadata write that the daemon accepted until a reply shows that the write is written. When the daemon was restarted
 * meanwhile, the library sends the lost writes again, in order and before any new write (README: Guarantees).
 *
 * There are two ways to use a connection, and they may be mixed:
 *   blocking      cairn_connect(), then one call for each request, such as cairn_commit()
 *   asynchronous  cairn_connection_open(), submit requests, poll cairn_connection_fd(), call cairn_connection_process(),
 *                 which runs completions. cairn_uv.h does this in a libuv loop
 *
 * These rules hold for every call, unless its comment says otherwise:
 *   threads     A client and all its connections are used by one thread at a time. Different clients are independent.
 *               The library starts no thread, keeps no state outside its clients but the text of a failed
 *               cairn_client_new(), and installs no signal handler.
 *   callbacks   Completions, items and on_dropped run inside the library. They may submit and may free a connection;
 *               the calls that a callback must not make return CAIRN_USAGE and do nothing.
 *   pointers    A client, connection, request and ret_ pointer must not be NULL, except where "may be NULL" is said.
 *               Outputs (ret_) are untouched unless the call returns CAIRN_OK.
 *   arguments   Everything passed in, slices and arrays included, is copied before the call returns.
 *   results     Memory that a reply or an item points at is borrowed: from the asynchronous API until the callback
 *               returns, from the blocking API until the next blocking call on that connection has returned, to which
 *               it may be passed, or until the connection's end.
 *   zero        A struct that is all zero is a valid request where no field is marked "required". A slice of 0 bytes
 *               is empty; as `chain` it means "default", as `hash` it means that there is none.
 *   growth      Within libcairn.so.1 no struct changes its size, and no field its place or meaning. A new field takes the
 *               place of words called `reserved`; its zero means what happened before. In what the caller makes these
 *               words must be zero, which they are where a struct is initialized with {0} or with some of its fields;
 *               else the call returns CAIRN_USAGE. So a field that the running library does not know is refused, never
 *               ignored. In what the library makes they are zero. New calls, statuses and kinds may be added.
 *   units       Times are in microseconds, sizes in bytes.
 *   failures    A call returns a status. A completion's reply holds the status and a text for people.
 *   signals     The library causes no SIGPIPE. A signal does not end a blocking call.
 *   fork        A client belongs to the process that made it. In a child of fork() each call that would send, receive,
 *               connect or submit returns CAIRN_USAGE and changes nothing. The child may free the client or its
 *               connections, which closes its copies of the descriptors and runs no completion; the parent's stay as
 *               they are. A child made in a callback must not return from it. Descriptors are closed by exec(). While
 *               a child has copies of them, the daemon does not see that the parent died.
 *
 * This header is longer than others of the project because it is installed alone and is the manual. */
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

/* ---- version ---- */

/* The version of this header, which is that of the whole of cairn: the numbers stand only here. */
#define CAIRN_VERSION_MAJOR  0
#define CAIRN_VERSION_MINOR  1
#define CAIRN_VERSION_PATCH  0
#define CAIRN_VERSION_NUMBER (CAIRN_VERSION_MAJOR * 10000 + CAIRN_VERSION_MINOR * 100 + CAIRN_VERSION_PATCH)

/* The version of the library that is running: "MAJOR.MINOR.PATCH", a static string; and as CAIRN_VERSION_NUMBER. A program
 * runs with any libcairn.so.1 that is not older than the header it was compiled with. Any thread. */
CAIRN_API const char *cairn_version(void);
CAIRN_API int cairn_version_number(void);

/* ---- statuses (README: Guarantees, errors) ---- */

/* Statuses up to 63 are the daemon's answers; those from 64 are found by this library. The comment says what a write
 * with this status did. "Unknown" means that it may or may not have been applied: read back what it should have written.
 * A read changes nothing, whatever its status. */
enum cairn_status {
    CAIRN_OK = 0,            /* applied; a read has its answer */
    CAIRN_NOT_FOUND = 1,     /* reads only: the daemon looked and found nothing; an answer, not an error */
    CAIRN_INVALID = 2,       /* not applied: breaks a rule, named in the text, or the chain is unknown */
    CAIRN_TOO_LARGE = 3,     /* not applied: above a limit, named in the text */
    CAIRN_CONFLICT = 4,      /* not applied: what is in the way says enum cairn_reason */
    CAIRN_BUSY = 5,          /* not applied: no room in time, no memory, or too many connections; retry */
    CAIRN_NO_SPACE = 6,      /* not applied: the disk is nearly full */
    CAIRN_SHUTTING_DOWN = 7, /* not applied: the daemon is stopping; reconnect later */
    CAIRN_PERMISSION = 8,    /* not applied: this user's role, or the socket's mode, forbids it */
    CAIRN_UNSUPPORTED = 9,   /* not applied: the daemon does not know this request, or this protocol */
    CAIRN_READ_ONLY = 10,    /* not applied: the store is read-only; reserved, not sent today */
    CAIRN_IO_ERROR = 11,     /* unknown until the daemon has restarted: its disk failed */
    CAIRN_DAMAGED = 12, /* not applied: what it needs to read is damaged, or cannot be read; the text names
                                it. The daemon goes on. Of a metadata batch only such raises are not applied */

    CAIRN_TIMEOUT = 64,         /* unknown: sent, but not answered in time */
    CAIRN_CONNECTION_LOST = 65, /* unknown: sent, then the connection ended or an invalid reply came */
    CAIRN_NOT_SENT = 66,        /* not applied: no connection, or it ended, or the time, before the sending */
    CAIRN_CANNOT_CONNECT = 67,  /* not applied: no daemon listens, or its hello is invalid */
    CAIRN_STORE_CHANGED = 68, /* not applied: the socket leads to another store than before, or to a copy that
                                   was put back. Kept metadata is not sent to it: whether it is there is unknown,
                                   as for all that was written. This stays until cairn_client_forget() */
    CAIRN_FULL = 69,          /* not applied: too much is in flight, or too much accepted metadata is kept.
                                   Process the connection or, for kept metadata, submit a barrier at
                                   CAIRN_WRITTEN; then retry */
    CAIRN_USAGE = 70,         /* not applied: the call breaks a rule of this header */
    CAIRN_NO_MEMORY = 71,     /* from a call: not applied. In a completion: unknown */
};

/* What became of a write. */
enum cairn_applied {
    CAIRN_APPLIED,
    CAIRN_NOT_APPLIED, /* nothing changed, and nothing will */
    CAIRN_UNKNOWN,
};

/* The status in a few words; a static string. "unknown status" for a number that is not a status. Any thread. */
CAIRN_API const char *cairn_status_text(enum cairn_status status);

/* What became of a write that completed with this status. CAIRN_UNKNOWN for a number that is not a status and for
 * CAIRN_NO_MEMORY. Any thread. */
CAIRN_API enum cairn_applied cairn_status_applied(enum cairn_status status);

/* Why a write is CAIRN_CONFLICT. More may come: one that a program does not know is a conflict without a reason. */
enum cairn_reason {
    CAIRN_REASON_NONE = 0,   /* it is no conflict, or an earlier daemon does not say */
    CAIRN_REASON_HEIGHT = 1, /* the height is not the expected one, or the prune or rollback goes above it */
    CAIRN_REASON_PRUNED = 2, /* what the write needs or sets is pruned */
    CAIRN_REASON_GUARD = 3,  /* a guard refuses the rollback */
    CAIRN_REASON_NO_STATE = 4,    /* the rollback's target has no state */
    CAIRN_REASON_CLAIMED = 5,     /* the chain is claimed, and not by this client, or not any more */
    CAIRN_REASON_NUMBER = 6,      /* a write before it under the same claim was refused (cairn_claim()) */
    CAIRN_REASON_ROLLED_BACK = 7, /* accepted before, sent again, and the chain was rolled back since */
    CAIRN_REASON_DROPPED = 8,     /* the chain is being dropped; or it was, or was made, since */
};

/* The reason in a few words; a static string. "" for CAIRN_REASON_NONE and a number that is not a reason. Any thread. */
CAIRN_API const char *cairn_reason_text(enum cairn_reason reason);

/* ---- values ---- */

/* Any bytes, NUL included. `data` may be NULL if `bytes` is 0. The only struct that never grows. */
struct cairn_slice {
    const void *data;
    size_t bytes;
};

/* The bytes of a C string without its NUL; for NULL the empty slice. The result borrows `text`. Any thread. */
CAIRN_API struct cairn_slice cairn_text(const char *text);

/* What a write survives (README: Guarantees). Levels rise: one that is durable is also written and accepted. */
enum cairn_level {
    CAIRN_LEVEL_DEFAULT = 0, /* the default of the request, stated there */
    CAIRN_ACCEPTED = 1,      /* ordered, readable; survives the client and, by re-sending, the daemon */
    CAIRN_WRITTEN = 2,       /* in the log; survives kill -9 of the daemon */
    CAIRN_DURABLE = 3,       /* on the device; survives power loss */
};

/* The parts of a block, bits of a mask. */
enum cairn_part {
    CAIRN_HEADER = 1,
    CAIRN_DATA = 2,
    CAIRN_SIGNATURE = 4,
    CAIRN_HASH = 8,
    CAIRN_ALL_PARTS = 15,
};

struct cairn_block {
    uint64_t height; /* from 1 */
    unsigned parts;  /* in replies: the enum cairn_part asked for, as a mask; ignored in a commit */
    bool absent;     /* only in streams: there is no block at this height */
    struct cairn_slice header, data, signature;
    struct cairn_slice hash; /* 1 to 64 bytes; empty in a commit: the SHA-256 of the header is used */
    uint64_t reserved[4];
};

struct cairn_state {
    uint64_t height; /* from 0, the genesis state */
    struct cairn_slice value;
    uint64_t reserved[4];
};

/* What is asked for of a name that is there, bits of a mask. 0 stands for CAIRN_VALUE and CAIRN_BINDING. */
enum cairn_metadata_part {
    CAIRN_VALUE = 1,
    CAIRN_BINDING = 2,  /* of_height */
    CAIRN_SIZE = 4,     /* the length of the value, which itself need not be sent */
    CAIRN_PRESENCE = 8, /* alone: nothing but whether the name is there */
};

struct cairn_metadata {
    struct cairn_slice name; /* only in streams */
    bool absent;             /* only from cairn_get_many: there is no such name */
    struct cairn_slice value;
    uint64_t of_height; /* the height it is bound to; 0: not bound, or not asked for */
    uint64_t size;      /* the length of the value; 0 unless CAIRN_SIZE was asked for */
    uint64_t reserved[3];
};

enum cairn_operation_kind {
    CAIRN_SET = 1,    /* sets the name to `value`; binds it to `of_height` unless that is 0 */
    CAIRN_DELETE = 2, /* removes the name; an absent name is no error */
    CAIRN_RAISE = 3,  /* sets the name to `raise`, 8 bytes little-endian, if the stored number is lower */
    /* In a commit only: removes the names from `name`, included (empty: from the first), to `to`, not included (empty: to
     * the last, included), in a time that does not depend on how many they are. The commit carries. A commit has at most
     * 1,024 of them; more are CAIRN_TOO_LARGE. */
    CAIRN_DELETE_RANGE = 4,
};

/* One change of metadata. A name that is bound to a height goes when the block there is pruned or rolled back. */
struct cairn_operation {
    enum cairn_operation_kind kind; /* required */
    struct cairn_slice name;        /* required, but of CAIRN_DELETE_RANGE: 1 to 1,024 bytes */
    struct cairn_slice value;       /* CAIRN_SET: at most 16 MiB, in a commit only limited by the frame */
    uint64_t raise;                 /* CAIRN_RAISE */
    uint64_t of_height;             /* CAIRN_SET; 0: not bound */
    struct cairn_slice to;          /* CAIRN_DELETE_RANGE: at most 1,024 bytes */
    uint64_t reserved[2];
};

/* A condition of a rollback: metadata that holds a height (8 bytes little-endian) must not be above the target. An
 * absent name passes. */
struct cairn_guard {
    struct cairn_slice name;
    bool lower; /* above the target: true lowers it to the target, false refuses with CAIRN_CONFLICT */
    uint64_t pass_malformed; /* of a value that is not of 8 bytes: 1 passes, 0 is CAIRN_INVALID */
    uint64_t reserved[3];
};

/* Of a chain that is claimed, and was not released since. */
struct cairn_claim_entry {
    uint64_t sequence;              /* the claim's number */
    struct cairn_slice writer_name; /* what the holder calls itself */
    uint32_t uid, pid;              /* the holder's process */
    bool held; /* another claim is refused unless it takes over; false: the holder is gone */
    uint64_t reserved[4];
};

struct cairn_chain {
    struct cairn_slice name;
    uint64_t height;    /* 0: the chain has none yet */
    bool blocks_pruned; /* whether blocks_pruned_through is meaningful */
    bool states_pruned; /* whether states_pruned_through is meaningful */
    uint64_t blocks_pruned_through;
    uint64_t states_pruned_through;
    const struct cairn_claim_entry *claim; /* NULL: the chain is not claimed */
    uint64_t reserved[3];
};

struct cairn_status_entry {
    struct cairn_slice name; /* dotted, lower case */
    bool is_text;            /* true: `text` has the value, else `number` */
    uint64_t number;
    struct cairn_slice text;
    uint64_t reserved[4];
};

/* ---- replies ---- */

/* What a reply is to: cairn_ping() and cairn_submit_ping() make CAIRN_PING, and so on. */
enum cairn_request_kind {
    CAIRN_PING = 1,
    CAIRN_STATUS_PAGE = 2,
    CAIRN_CHAINS = 3,
    CAIRN_CREATE_CHAIN = 4,
    CAIRN_READ_HEIGHT = 5,
    CAIRN_READ_BLOCK = 6,
    CAIRN_READ_BLOCKS = 7,
    CAIRN_READ_STATE = 8,
    CAIRN_GET = 9,
    CAIRN_GET_MANY = 10,
    CAIRN_LIST = 11,
    CAIRN_WRITE_METADATA = 12,
    CAIRN_COMMIT = 13,
    CAIRN_PRUNE = 14,
    CAIRN_ROLLBACK = 15,
    CAIRN_BARRIER = 16,
    CAIRN_DROP_CHAIN = 17,
    CAIRN_DRAIN = 18,
    CAIRN_CLAIM = 19,
    CAIRN_RELEASE = 20,
    CAIRN_READ_USAGE = 21,
};

struct cairn_written {
    uint64_t sequence;      /* the write's number; of a barrier the last it waited for; of a dry run 0 */
    enum cairn_level level; /* the level reached; CAIRN_LEVEL_DEFAULT if the reply does not say */
    bool created;           /* CREATE_CHAIN: the chain did not exist before */
    uint64_t blocks, states,
        metadata;     /* ROLLBACK: how many were removed; of a dry run, also PRUNE, would be */
    uint64_t lowered; /* ROLLBACK: guards lowered */
    /* Raises that the daemon has left out since its start, for all clients, as the stored values could not be read: when
     * it grows, one of yours may be among them, and a barrier tells why. */
    uint64_t raises_left_out;
    /* A write under a claim: applied, durable, and the answer was lost with a connection. So the number and
     * the counts are not known, and 0. */
    bool repeated;
    uint64_t reserved[3];
};

struct cairn_drained {
    uint64_t operations;  /* how many accepted writes were not written when the drain began, and are now */
    uint64_t connections; /* how many were open then, this one included */
    uint64_t reserved[4];
};

struct cairn_chain_list {
    const struct cairn_chain *entries; /* in byte order of the name */
    size_t count;
    uint64_t reserved[2];
};

struct cairn_status_list {
    const struct cairn_status_entry *entries;
    size_t count;
    uint64_t reserved[2];
};

/* Of the fields behind `items` the one that belongs to `kind` is set if the status is CAIRN_OK; all others are zero. */
struct cairn_reply {
    enum cairn_request_kind kind;
    enum cairn_status status;
    const char *text;            /* what failed, which limit or value, what to do; "" if the status is OK */
    uint64_t written_through;    /* every write with a number up to it is written, or was refused */
    uint64_t durable_through;    /* the same for durable; both are 0 if no reply came */
    uint64_t items;              /* of a stream: how many items were delivered */
    uint64_t height;             /* READ_HEIGHT; 0: the chain has none yet */
    struct cairn_block block;    /* READ_BLOCK */
    struct cairn_state state;    /* READ_STATE */
    struct cairn_metadata found; /* GET */
    /* WRITE_METADATA, COMMIT, PRUNE, ROLLBACK, BARRIER, CREATE_CHAIN, DROP_CHAIN, CLAIM, RELEASE */
    struct cairn_written write;
    struct cairn_chain_list chains; /* CHAINS */
    struct cairn_status_list page;  /* STATUS_PAGE */
    struct cairn_drained drained;   /* DRAIN */
    uint64_t usage_bytes;           /* READ_USAGE */
    enum cairn_reason reason;       /* of CAIRN_CONFLICT */
    uint64_t reserved[6];
};

/* Receives the outcome of one request. It runs exactly once for each submit that returned CAIRN_OK, and never inside
 * that submit. It runs from one of these calls:
 *   cairn_connection_process() of its connection
 *   a blocking call on its connection; while metadata is sent again, on any connection of the client
 *   cairn_connection_free(), cairn_close() or cairn_client_free(), which end the connection
 * `reply` and what it points at are borrowed until the callback returns. The callback may submit on any connection. It
 * may free a connection, which happens when processing ends. It must not process, reconnect, close or make a blocking
 * call on a connection of the same client: those return CAIRN_USAGE. */
typedef void (*cairn_completion)(void *context, const struct cairn_reply *reply);

/* Receives the items of a stream, one at a time, before its completion. The item is borrowed until the callback returns.
 * Returning false ends the stream early: no further item comes, and the completion follows with CAIRN_OK. The rules of
 * cairn_completion hold. */
typedef bool (*cairn_block_item)(void *context, const struct cairn_block *block);
typedef bool (*cairn_metadata_item)(void *context, const struct cairn_metadata *metadata);

/* ---- client ---- */

struct cairn_client;
struct cairn_connection;

/* A metadata write that was accepted and will not be written, because the daemon refused it when it was sent again. */
struct cairn_dropped {
    uint64_t sequence; /* the number it was accepted under */
    size_t operations; /* how many it had */
    /* CAIRN_CONFLICT: its chain was rolled back, dropped or claimed since. Others: see the text */
    enum cairn_status status;
    const char *text;         /* why it was refused */
    enum cairn_reason reason; /* of CAIRN_CONFLICT */
    uint64_t reserved[3];
};

struct cairn_client_options {
    const char *socket_path;    /* required: 1 to 107 bytes */
    const char *name;           /* for the daemon's logs, at most 64 bytes; may be NULL */
    uint64_t timeout_us;        /* default timeout of requests, and the longest wait for a hello; 0: 30 s */
    size_t in_flight_max;       /* unanswered requests of a connection; 0: 16,384. One that timed out counts
                                   until its late answer comes */
    size_t in_flight_bytes_max; /* bytes of these requests; one request is always admitted; 0: 64 MiB */
    size_t kept_bytes_max;      /* kept metadata, above which metadata writes are CAIRN_FULL; 0: 64 MiB */
    /* Runs once for each metadata write that is dropped, from cairn_connection_process() or a blocking call; may be NULL.
     * `dropped` is borrowed until it returns. The rules of cairn_completion hold. */
    void (*on_dropped)(void *context, const struct cairn_dropped *dropped);
    void *context; /* passed to on_dropped */
    uint64_t reserved[8];
};

struct cairn_client_counters {
    uint64_t kept_operations;    /* now: accepted, and not known to be written */
    uint64_t kept_bytes;         /* now: bytes of the requests that hold them */
    uint64_t lost_operations;    /* now: of these, to be sent again before any new write */
    uint64_t resent_operations;  /* since the start: sent again and accepted */
    uint64_t dropped_operations; /* since the start: refused for good when sent again, or forgotten */
    uint64_t written_through;    /* the highest that a reply said */
    uint64_t durable_through;    /* the highest that a reply said */
    uint64_t run;                /* the number of the daemon's run that was met last; 0: none yet */
    uint8_t store_id[16];        /* the store that was met; all 0: none yet */
    uint64_t reserved[8];
};

/* Makes a client. It does not connect. `options` and its strings are copied; `context` is only passed on.
 *   CAIRN_OK         *ret_client belongs to the caller, who ends it with cairn_client_free()
 *   CAIRN_USAGE      no options, no path, a path or name that is too long, or `reserved` is not zero
 *   CAIRN_NO_MEMORY
 * After any status but CAIRN_OK cairn_client_error(NULL) says why. */
CAIRN_API enum cairn_status cairn_client_new(const struct cairn_client_options *options,
                                             struct cairn_client **ret_client) CAIRN_MUST_CHECK;

/* Why the last cairn_connect(), cairn_connection_open(), cairn_close() or cairn_client_forget() of this client failed; "" if
 * none did. Of connecting it names the socket and what stands in the way: no such file, no permission, nobody listens, no answer
 * to the hello, what the daemon said when it refused, another store. Borrowed until the next call on the client. `client` may be
 * NULL: why the last cairn_client_new() of this thread failed. Allowed in callbacks. */
CAIRN_API const char *cairn_client_error(const struct cairn_client *client);

/* Ends the client and its connections, as cairn_connection_free() does. Kept metadata is then no longer protected
 * against a crash of the daemon: call cairn_close() first to wait until it is written. `client` may be NULL. From a
 * callback the call does nothing. */
CAIRN_API void cairn_client_free(struct cairn_client *client);

/* Copies the client's counters. Allowed in callbacks. */
CAIRN_API void cairn_client_get_counters(const struct cairn_client *client,
                                         struct cairn_client_counters *ret_counters);

/* Forgets the store and run that were met, and all kept metadata: for use after CAIRN_STORE_CHANGED, if the new store is
 * the one that is wanted. Whether the store has what was kept is unknown. All connections of the client must be lost or freed.
 *   CAIRN_OK     kept metadata counts as dropped; on_dropped does not run. Claims are forgotten; what went on under them has
 *                completed with CAIRN_CONNECTION_LOST (unknown) or CAIRN_NOT_SENT
 *   CAIRN_USAGE  a connection of the client is not lost, or the call is made in a callback or in a child of fork();
 *                nothing is changed */
CAIRN_API enum cairn_status cairn_client_forget(struct cairn_client *client) CAIRN_MUST_CHECK;

/* ---- connections ---- */

enum cairn_connection_state {
    CAIRN_CONNECTING = 0, /* requests are queued, and sent once the daemon has answered the hello */
    CAIRN_READY = 1,
    CAIRN_LOST = 2, /* requests are CAIRN_NOT_SENT; cairn_connection_reconnect() starts it again */
};

/* Opens a connection and waits until the daemon has answered the hello. It retries for at most timeout_us, with growing
 * pauses; 0: the client's default timeout. What time does not mend ends it at once. cairn_client_error() says why it failed.
 *   CAIRN_OK              *ret_connection belongs to the client. cairn_connection_free(), cairn_close() or the client's
 *                         end ends it
 *   CAIRN_CANNOT_CONNECT  in time there was no socket, or nobody listened there, or nobody answered the hello, or not
 *                         as a daemon of cairn does
 *   CAIRN_BUSY            until the time was over the daemon refused: it has as many connections as it may
 *   CAIRN_SHUTTING_DOWN   until the time was over the daemon refused: it is stopping
 *   CAIRN_PERMISSION      the socket's mode, or the daemon's lists, do not let this user in; at once
 *   CAIRN_UNSUPPORTED     the daemon speaks another version of the protocol; at once
 *   CAIRN_STORE_CHANGED   the socket leads to another store than before; at once
 *   CAIRN_USAGE           the call is made in a callback or in a child of fork()
 *   CAIRN_NO_MEMORY
 * After any status but CAIRN_OK nothing is left open. */
CAIRN_API enum cairn_status cairn_connect(struct cairn_client *client, uint64_t timeout_us,
                                          struct cairn_connection **ret_connection) CAIRN_MUST_CHECK;

/* Makes a connection and starts to connect; never waits. Allowed in callbacks.
 *   CAIRN_OK         *ret_connection belongs to the client. cairn_connection_free(), cairn_close() or the client's end
 *                    ends it. It may be lost already: cairn_connection_get_state() and cairn_connection_process() tell
 *   CAIRN_USAGE      the call is made in a child of fork()
 *   CAIRN_NO_MEMORY */
CAIRN_API enum cairn_status cairn_connection_open(struct cairn_client *client,
                                                  struct cairn_connection **ret_connection) CAIRN_MUST_CHECK;

/* Starts a lost connection again; never waits. The caller paces attempts: cairn_retry_pause_us() says how long to pause.
 *   CAIRN_OK              it is connecting
 *   CAIRN_CANNOT_CONNECT  no daemon listens, or there is no memory; the connection stays lost
 *   CAIRN_PERMISSION      the socket's mode does not let this user connect; the connection stays lost
 *   CAIRN_USAGE           it is not lost, or the call is made in a callback or in a child of fork(); nothing is changed */
CAIRN_API enum cairn_status cairn_connection_reconnect(struct cairn_connection *connection);

/* Ends and frees the connection. Requests that have not completed do so inside this call, with CAIRN_NOT_SENT (not
 * applied) or CAIRN_CONNECTION_LOST (unknown). `connection` may be NULL. In a callback it is put off until processing
 * ends. During cairn_close() of the same connection it does nothing. */
CAIRN_API void cairn_connection_free(struct cairn_connection *connection);

/* Waits until everything the daemon accepted from this client is written, for at most timeout_us (0: the client's default
 * timeout), then ends and frees the connection, whatever the status is. `connection` may be NULL.
 *   CAIRN_OK       nothing of this client is unwritten
 *   CAIRN_DAMAGED  likewise, but raises were left out (struct cairn_barrier_request)
 *   CAIRN_USAGE    the call is made in a callback or in a child of fork(); nothing is waited for or freed
 *   other          why the wait failed, as from a blocking barrier at CAIRN_WRITTEN. The client goes on keeping what is
 *                  not written, and sends it again on its other or next connections if need be
 * After any status but CAIRN_OK cairn_client_error() says why. *ret_unwritten, which may be NULL, is set unless the status is
 * CAIRN_USAGE: how many operations the client still keeps, 0 after CAIRN_OK. */
CAIRN_API enum cairn_status cairn_close(struct cairn_connection *connection, uint64_t timeout_us,
                                        uint64_t *ret_unwritten);

/* Whether it is connecting, ready or lost. Allowed in callbacks, as are the other questions below. */
CAIRN_API enum cairn_connection_state cairn_connection_get_state(const struct cairn_connection *connection);

/* Why the last call on the connection failed that did not return CAIRN_OK, or why the connection was lost; "" if neither
 * happened. Borrowed until the next call on the connection. */
CAIRN_API const char *cairn_connection_error(const struct cairn_connection *connection);

/* How many requests were submitted and have not completed. */
CAIRN_API size_t cairn_connection_in_flight(const struct cairn_connection *connection);

/* The socket to poll; -1 while the connection is lost. The library owns it: do not close it. It is closed inside the call
 * that loses the connection, before the completions run, so that from then on its number may be that of another file; a
 * reconnect brings another. A loop that holds on to descriptors, such as epoll, polls a dup() of it, and closes that when the
 * call has returned; cairn_uv.h does so. */
CAIRN_API int cairn_connection_fd(const struct cairn_connection *connection);

/* The poll() events to wait for; 0 while the connection is lost. Ask again before each poll, for every connection of the
 * client: what one connection receives may allow another to send. */
CAIRN_API short cairn_connection_events(const struct cairn_connection *connection);

/* Microseconds until cairn_connection_process() must be called even if the socket has no event: 0 for now, -1 for never.
 * For a lost connection it is 0 until cairn_connection_process() has reported the loss once, then -1, or until the next timeout
 * of a request that goes on under a claim. */
CAIRN_API int64_t cairn_connection_timeout_us(const struct cairn_connection *connection);

/* Sends what is queued, receives what has arrived, ends requests whose timeout is over, and runs completions and items.
 * Never waits. `revents` is what poll() returned, POLLHUP and POLLERR included; with 0 nothing is received.
 *   CAIRN_OK               the connection goes on
 *   CAIRN_CONNECTION_LOST  it is lost, and all its requests have completed, but those that go on under a claim (cairn_claim());
 *                          cairn_connection_error() says why
 *   CAIRN_CANNOT_CONNECT, CAIRN_BUSY, CAIRN_SHUTTING_DOWN, CAIRN_PERMISSION, CAIRN_UNSUPPORTED, CAIRN_STORE_CHANGED
 *                          likewise, while it was connecting, for the reasons that cairn_connect() gives; its requests
 *                          completed with CAIRN_CANNOT_CONNECT or CAIRN_STORE_CHANGED
 *   CAIRN_USAGE            the call is made in a callback or in a child of fork(); nothing is changed
 * If a callback freed this connection, the status is CAIRN_CONNECTION_LOST, or why it was lost before, and it is gone. */
CAIRN_API enum cairn_status cairn_connection_process(struct cairn_connection *connection, short revents);

/* ---- requests ----
 *
 * Each request is a struct and two calls: a blocking one, cairn_NAME(), and cairn_submit_NAME().
 *
 * `chain` is the chain that the request works on; empty: "default". A chain that does not exist is CAIRN_INVALID.
 *
 * `timeout_us` is how long the caller waits. 0: the client's default. CAIRN_NO_TIMEOUT: without limit. A write tells the
 * daemon to wait at most 7/8 of it for room in a queue, so that CAIRN_BUSY (not applied) comes before CAIRN_TIMEOUT
 * (unknown). For a stream it is the longest wait for the next item: each item starts it anew.
 *
 * Blocking calls. Each sends one request and waits in poll() until it completes, at most for the request's timeout. Other
 * requests of the connection complete meanwhile. If the connection is lost, the call reconnects within the timeout, with
 * growing pauses. It sends again: a read whose answer was lost, a stream only if no item was delivered, and a write only if
 * it was certainly not sent, or goes on under a claim. If the connection is full, it waits for room. It returns the status of the reply, or:
 *   CAIRN_CANNOT_CONNECT and what else cairn_connect() returns
 *                    the connection was lost, and could not be made again in time; not applied
 *   CAIRN_TOO_LARGE, CAIRN_FULL, CAIRN_NO_MEMORY
 *                    as from the submit; not applied
 *   CAIRN_USAGE      as from the submit, or the call is made in a callback; not applied
 * *ret_reply, which may be NULL, is set whatever the status is. It is borrowed until the next blocking call on the connection
 * has returned or until its end. If a callback freed the connection during the call, the status is CAIRN_CONNECTION_LOST and the
 * connection is gone; *ret_reply then has only a status and a text. `request` may be NULL only to get CAIRN_USAGE.
 *
 * Submits. Each copies the request, queues it and returns; cairn_connection_process() sends it. Never waits. Allowed in
 * callbacks. `completion` and `item` may be NULL; `context` is passed to both. A result that no completion wants is
 * discarded. The daemon applies writes and barriers of a connection in the order of their submits; answers may come in any
 * order. While accepted metadata must be sent again, new writes and barriers of all the client's connections wait, reads do
 * not. A submit returns:
 *   CAIRN_OK         the request completes once, later
 *   CAIRN_NOT_SENT   the connection is lost, or the daemon was restarted: reconnect
 *   CAIRN_FULL       too much is in flight or kept (cairn_client_options)
 *   CAIRN_CONFLICT   the client's claim of the chain has ended; it is CAIRN_REASON_CLAIMED
 *   CAIRN_TOO_LARGE  the request is longer than a frame may be, or has too many items
 *   CAIRN_USAGE      `request` is NULL or has a value that cannot be encoded: an unknown level, part or operation, a NULL
 *                    pointer with a count above 0, or `reserved` that is not zero; or the process is a child of fork()
 *   CAIRN_NO_MEMORY
 * After any status but CAIRN_OK nothing is queued, the request never completes, and cairn_connection_error() says why.
 * What only the daemon can check (heights, names, chains) it answers with CAIRN_INVALID.
 *
 * Any request may complete with CAIRN_INVALID, CAIRN_TOO_LARGE, CAIRN_BUSY, CAIRN_SHUTTING_DOWN, CAIRN_PERMISSION,
 * CAIRN_UNSUPPORTED, CAIRN_IO_ERROR, CAIRN_DAMAGED, CAIRN_TIMEOUT, CAIRN_CONNECTION_LOST, CAIRN_NOT_SENT,
 * CAIRN_CANNOT_CONNECT, CAIRN_STORE_CHANGED and CAIRN_NO_MEMORY, and a write with CAIRN_NO_SPACE, as enum cairn_status
 * says. CAIRN_NOT_FOUND and CAIRN_CONFLICT are named where they are possible. */
#define CAIRN_NO_TIMEOUT UINT64_MAX

/* Asks whether the daemon answers. The reply has no value. */
struct cairn_ping_request {
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: the daemon is there, and serves. */
CAIRN_API enum cairn_status cairn_ping(struct cairn_connection *connection,
                                       const struct cairn_ping_request *request,
                                       const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_ping(struct cairn_connection *connection,
                                              const struct cairn_ping_request *request,
                                              cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Reads the status page: counters and texts for people. Reply: page. */
struct cairn_status_page_request {
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->page has the entries, in the daemon's order. */
CAIRN_API enum cairn_status cairn_status_page(struct cairn_connection *connection,
                                              const struct cairn_status_page_request *request,
                                              const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_status_page(struct cairn_connection *connection,
                                                     const struct cairn_status_page_request *request,
                                                     cairn_completion completion,
                                                     void *context) CAIRN_MUST_CHECK;

/* Lists all chains. Reply: chains. */
struct cairn_chains_request {
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->chains has all chains, of one instant. */
CAIRN_API enum cairn_status cairn_chains(struct cairn_connection *connection,
                                         const struct cairn_chains_request *request,
                                         const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_chains(struct cairn_connection *connection,
                                                const struct cairn_chains_request *request,
                                                cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Creates a chain, durably. It is no error if the chain exists. Reply: write.created says whether it is new. */
struct cairn_create_chain_request {
    struct cairn_slice chain; /* 1 to 64 of a-z 0-9 . _ - */
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: the chain is there, also after a power loss. CAIRN_TOO_LARGE: there are as many chains as there may be. */
CAIRN_API enum cairn_status cairn_create_chain(struct cairn_connection *connection,
                                               const struct cairn_create_chain_request *request,
                                               const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_create_chain(struct cairn_connection *connection,
                                                      const struct cairn_create_chain_request *request,
                                                      cairn_completion completion,
                                                      void *context) CAIRN_MUST_CHECK;

/* Drops a chain with all that is in it, durably, in a time that does not depend on how much that is; its disk space
 * comes back in the background. "default" is made anew in the same step. Until the reply other writes to the chain are
 * CAIRN_CONFLICT, and reads still see it. Reply: write. */
struct cairn_drop_chain_request {
    struct cairn_slice chain; /* required: here empty does not mean "default" */
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: the chain is gone, also after a power loss; its name is free, and a chain of that name has nothing of it.
 * CAIRN_INVALID: there is no such chain. CAIRN_CONFLICT: another drop of it is under way. */
CAIRN_API enum cairn_status cairn_drop_chain(struct cairn_connection *connection,
                                             const struct cairn_drop_chain_request *request,
                                             const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_drop_chain(struct cairn_connection *connection,
                                                    const struct cairn_drop_chain_request *request,
                                                    cairn_completion completion,
                                                    void *context) CAIRN_MUST_CHECK;

/* Makes this client the chain's one writer (README: Guarantees, one writer). From the answer until the release a write that is not
 * under the claim is refused, by whomever: a claim that was taken over never writes again. What the client writes to the chain,
 * on any of its connections, is under the claim. So await the answer before the first write. Reply: write.
 *
 * On the connection that claimed, or once that is freed on the next one that is used for it, the library numbers commits, prunes and
 * rollbacks of the chain, so that each happens once, and a lost connection or a killed daemon does not show:
 *   connection lost   they do not complete, nor does a metadata write at level accepted on any connection. When the connection is
 *                     ready again (a blocking call reconnects by itself), those that were applied complete with CAIRN_OK and
 *                     reply->write.repeated; the others are sent again, in their order among what the daemon lost of kept
 *                     metadata, and before any new write. Timeouts run on meanwhile
 *   one is refused    those asked for behind it before its answer are refused too: CAIRN_CONFLICT, CAIRN_REASON_NUMBER. If the refusal
 *                     is lost and metadata sent behind it was accepted, it completes with CAIRN_CONFLICT instead of going behind that
 *   one timed out     its result is unknown, and it is not sent again. If the daemon is lost before it applied it, those behind it
 *                     are refused as above
 *   claim lost        all that are not applied complete with CAIRN_CONFLICT, CAIRN_REASON_CLAIMED, as do all later writes of this
 *                     client to the chain until it claims anew
 *   store changed     nothing is sent again; they complete with CAIRN_CONNECTION_LOST (unknown)
 * Of a metadata write that was sent and not answered it may be unknown whether it was applied; it then completes with
 * CAIRN_CONNECTION_LOST, as without a claim. One that is sent again may be applied twice, the second time behind a write of the
 * same name that was made on another connection meanwhile: where their order counts, await the answer to the first. */
struct cairn_claim_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    struct cairn_slice writer_name; /* required: 1 to 64 bytes that tell people who holds the claim */
    bool take_over;                 /* also from a holder that is there, of the same uid or for an admin */
    uint64_t reserved[8];
};

/* CAIRN_OK: the chain is this client's, durably; reply->write.sequence is the claim's number. CAIRN_CONFLICT: another holds it, or
 * held it until less than claim_grace (5 s) ago; the text has its name, pid and uid. CAIRN_UNSUPPORTED: an earlier daemon has no
 * claims. After an unknown result claim again, with take_over, if nobody else of this uid may hold it. */
CAIRN_API enum cairn_status cairn_claim(struct cairn_connection *connection,
                                        const struct cairn_claim_request *request,
                                        const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_claim(struct cairn_connection *connection,
                                               const struct cairn_claim_request *request,
                                               cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Ends the client's claim of the chain, durably: another may claim it at once, or write without a claim. This client writes to it again
 * only once it claims anew. Reply: write. */
struct cairn_release_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    bool any; /* ends whichever claim there is, an admin's; no claim is no error */
    uint64_t reserved[8];
};

/* CAIRN_OK: the chain is not claimed any more. CAIRN_CONFLICT: this client does not hold it. */
CAIRN_API enum cairn_status cairn_release(struct cairn_connection *connection,
                                          const struct cairn_release_request *request,
                                          const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_release(struct cairn_connection *connection,
                                                 const struct cairn_release_request *request,
                                                 cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Reads about how many bytes the chain takes on disk, in a time that does not depend on it. Reply: usage_bytes. */
struct cairn_read_usage_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->usage_bytes is an estimate, within a factor of two from 64 MiB on after a minute without writes. CAIRN_UNSUPPORTED:
 * an earlier daemon has none. */
CAIRN_API enum cairn_status cairn_read_usage(struct cairn_connection *connection,
                                             const struct cairn_read_usage_request *request,
                                             const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_read_usage(struct cairn_connection *connection,
                                                    const struct cairn_read_usage_request *request,
                                                    cairn_completion completion,
                                                    void *context) CAIRN_MUST_CHECK;

/* Stops the daemon as SIGTERM does: it accepts no more connections, finishes, writes and syncs what it had accepted, answers
 * this, and ends. An admin's. Reply: drained. */
struct cairn_drain_request {
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: all that was accepted is durable, and the connections end now. CAIRN_SHUTTING_DOWN: it stops already.
 * CAIRN_UNSUPPORTED: an earlier daemon, which goes on serving. CAIRN_CONNECTION_LOST: whether it stops is unknown. */
CAIRN_API enum cairn_status cairn_drain(struct cairn_connection *connection,
                                        const struct cairn_drain_request *request,
                                        const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_drain(struct cairn_connection *connection,
                                               const struct cairn_drain_request *request,
                                               cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Reads the chain's height. Reply: height, 0 if it has none yet. */
struct cairn_read_height_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->height is the height that commits have reached and which is visible (README: Guarantees, visibility). */
CAIRN_API enum cairn_status cairn_read_height(struct cairn_connection *connection,
                                              const struct cairn_read_height_request *request,
                                              const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_read_height(struct cairn_connection *connection,
                                                     const struct cairn_read_height_request *request,
                                                     cairn_completion completion,
                                                     void *context) CAIRN_MUST_CHECK;

/* Reads one block by height or hash. Reply: block; CAIRN_NOT_FOUND if there is none, or if it is pruned. */
struct cairn_read_block_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    uint64_t height;         /* from 1; ignored if `hash` is not empty */
    struct cairn_slice hash; /* 1 to 64 bytes: the block with this hash */
    unsigned parts;          /* mask of enum cairn_part; 0: only asks whether the block is there */
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->block has the parts that were asked for, all of one instant. CAIRN_NOT_FOUND: the daemon looked, and there is
 * no such block. */
CAIRN_API enum cairn_status cairn_read_block(struct cairn_connection *connection,
                                             const struct cairn_read_block_request *request,
                                             const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_read_block(struct cairn_connection *connection,
                                                    const struct cairn_read_block_request *request,
                                                    cairn_completion completion,
                                                    void *context) CAIRN_MUST_CHECK;

/* Reads many blocks of one instant, as a stream. If height_count is not 0: an item for each of `heights`, in their order,
 * `absent` where there is no block. Else: an item for each block that is there from `first` to `last`, both included, by
 * rising height. */
struct cairn_read_blocks_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    const uint64_t *heights;
    size_t height_count; /* at most 16,384 */
    uint64_t first, last;
    unsigned parts;        /* mask of enum cairn_part */
    uint64_t window_bytes; /* how far the daemon may send ahead of the callbacks; 0: 1 MiB; at most 4 MiB */
    uint64_t reserved[8];
};

/* CAIRN_OK: all items were delivered, or `item` returned false; reply->items is their number. After any other status the items
 * that came are true, and not all. CAIRN_BUSY: also if the caller took none for the daemon's stream_timeout. */
CAIRN_API enum cairn_status cairn_read_blocks(struct cairn_connection *connection,
                                              const struct cairn_read_blocks_request *request,
                                              cairn_block_item item, void *context,
                                              const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_read_blocks(struct cairn_connection *connection,
                                                     const struct cairn_read_blocks_request *request,
                                                     cairn_block_item item, cairn_completion completion,
                                                     void *context) CAIRN_MUST_CHECK;

/* Reads a state. Reply: state; CAIRN_NOT_FOUND if there is none, or if it is pruned. */
struct cairn_read_state_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    bool at_height;  /* false: the state at the chain's height, both of one instant */
    uint64_t height; /* from 0; used if at_height is true */
    uint64_t reserved[8];
};

/* CAIRN_OK: reply->state has the height and the value. CAIRN_NOT_FOUND: the daemon looked, and there is no such state. */
CAIRN_API enum cairn_status cairn_read_state(struct cairn_connection *connection,
                                             const struct cairn_read_state_request *request,
                                             const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_read_state(struct cairn_connection *connection,
                                                    const struct cairn_read_state_request *request,
                                                    cairn_completion completion,
                                                    void *context) CAIRN_MUST_CHECK;

/* Reads one name of metadata. Reply: found, without the name; CAIRN_NOT_FOUND if there is none. `parts`, `end` and `reverse` of
 * this call and the next two are CAIRN_UNSUPPORTED by an earlier daemon; nothing is sent to it. */
struct cairn_get_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    struct cairn_slice name; /* required */
    unsigned parts;          /* mask of enum cairn_metadata_part; 0: value and binding */
    uint64_t reserved[7];
};

/* CAIRN_OK: reply->found has the value, which may be empty. CAIRN_NOT_FOUND: the daemon looked, and there is no such name. */
CAIRN_API enum cairn_status cairn_get(struct cairn_connection *connection,
                                      const struct cairn_get_request *request,
                                      const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_get(struct cairn_connection *connection,
                                             const struct cairn_get_request *request,
                                             cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Reads many names of one instant, as a stream: an item for each name, in their order, `absent` where there is none. */
struct cairn_get_many_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    const struct cairn_slice *names;
    size_t name_count;     /* at most 16,384 */
    uint64_t window_bytes; /* as in cairn_read_blocks_request */
    unsigned parts;        /* as in cairn_get_request */
    uint64_t reserved[7];
};

/* Statuses as of cairn_read_blocks(). */
CAIRN_API enum cairn_status cairn_get_many(struct cairn_connection *connection,
                                           const struct cairn_get_many_request *request,
                                           cairn_metadata_item item, void *context,
                                           const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_get_many(struct cairn_connection *connection,
                                                  const struct cairn_get_many_request *request,
                                                  cairn_metadata_item item, cairn_completion completion,
                                                  void *context) CAIRN_MUST_CHECK;

/* Lists metadata of one instant, as a stream: an item for each name with the prefix, in byte order or in reverse. */
struct cairn_list_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    struct cairn_slice prefix; /* empty: all names */
    struct cairn_slice start;  /* names before this one are left out; empty: none is */
    uint64_t limit;            /* the most names to answer, from where the list begins; 0: all */
    uint64_t window_bytes;     /* as in cairn_read_blocks_request */
    struct cairn_slice end;    /* this name and those behind it are left out; empty: none is */
    bool reverse;              /* from the last name down; `start` and `end` bound the same names */
    unsigned parts;            /* as in cairn_get_request */
    uint64_t reserved[5];
};

/* Statuses as of cairn_read_blocks(). */
CAIRN_API enum cairn_status cairn_list(struct cairn_connection *connection,
                                       const struct cairn_list_request *request, cairn_metadata_item item,
                                       void *context, const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_list(struct cairn_connection *connection,
                                              const struct cairn_list_request *request,
                                              cairn_metadata_item item, cairn_completion completion,
                                              void *context) CAIRN_MUST_CHECK;

/* Changes metadata: one operation, or a batch that is applied whole or not at all. Default level: accepted. The client
 * keeps a write that was accepted until a reply shows that it is written (README: Guarantees). Reply: write. */
struct cairn_write_metadata_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    const struct cairn_operation *operations;
    size_t operation_count; /* required: at least 1 */
    uint64_t reserved[8];
};

/* CAIRN_OK: the write has a place in the order, can be read, and has reached the level (README: Guarantees, levels).
 * CAIRN_BUSY: the queue had no room in time; not applied. CAIRN_FULL: the client keeps as much as it may; the blocking call
 * first waits until some of it is written. */
CAIRN_API enum cairn_status cairn_write_metadata(struct cairn_connection *connection,
                                                 const struct cairn_write_metadata_request *request,
                                                 const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_write_metadata(struct cairn_connection *connection,
                                                        const struct cairn_write_metadata_request *request,
                                                        cairn_completion completion,
                                                        void *context) CAIRN_MUST_CHECK;

/* Applies all its parts or none, in the order blocks, delete_blocks, states, delete_states, rise_to, metadata. Default level:
 * durable; CAIRN_ACCEPTED counts as CAIRN_WRITTEN. Without a claim the library never sends a commit twice: after an unknown
 * result, read the block; its height and hash show whether the commit is there. Under a claim see cairn_claim(). Reply: write. */
struct cairn_commit_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    bool carry;               /* write all metadata accepted before with it (README: Guarantees, carry) */
    bool if_height;           /* refuse with CAIRN_CONFLICT unless expected_height is the chain's height */
    uint64_t expected_height; /* used if if_height is true */
    const struct cairn_block *blocks;
    size_t block_count;
    const struct cairn_state *states;
    size_t state_count;
    const uint64_t *delete_states; /* heights of states to remove */
    size_t delete_state_count;
    uint64_t rise_to; /* raise the chain's height to this if it is lower; 0: leave it */
    const struct cairn_operation *metadata;
    size_t metadata_count;
    /* heights of blocks to remove, from 1; the chain's height and what is bound stay */
    const uint64_t *delete_blocks;
    size_t delete_block_count;
    uint64_t reserved[6];
};

/* CAIRN_OK: all of it is visible to all, and has reached the level (README: Guarantees, two lanes). CAIRN_CONFLICT: the height is
 * not the expected one, or a block or state lies at a pruned height; not applied. CAIRN_UNSUPPORTED: delete_blocks or
 * CAIRN_DELETE_RANGE, of which an earlier daemon has none; nothing is sent. */
CAIRN_API enum cairn_status cairn_commit(struct cairn_connection *connection,
                                         const struct cairn_commit_request *request,
                                         const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_commit(struct cairn_connection *connection,
                                                const struct cairn_commit_request *request,
                                                cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Removes old blocks, with the metadata bound to them, and old states. Default level: durable; CAIRN_ACCEPTED counts as
 * CAIRN_WRITTEN. CAIRN_CONFLICT: a block above the chain's height, or a state at or above it. Reply: write; of a dry run
 * its blocks, states and metadata count what would be removed. */
struct cairn_prune_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    bool blocks, states;                    /* which of the two to prune */
    uint64_t blocks_through;                /* the last height to remove, from 1; used if blocks is true */
    uint64_t states_through;                /* the last height to remove, from 0; used if states is true */
    const struct cairn_operation *metadata; /* applied after the prune, in the same atomic write */
    size_t metadata_count;
    bool dry_run; /* as of a rollback. CAIRN_UNSUPPORTED: an earlier daemon has none; nothing is sent */
    uint64_t reserved[8];
};

/* CAIRN_OK: what was pruned is not found any more; its space comes back in the background. Repeating a prune is no error.
 * CAIRN_CONFLICT: see above; not applied. */
CAIRN_API enum cairn_status cairn_prune(struct cairn_connection *connection,
                                        const struct cairn_prune_request *request,
                                        const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_prune(struct cairn_connection *connection,
                                               const struct cairn_prune_request *request,
                                               cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* Goes back to a height: blocks, states and bound metadata above it are removed. Default level: durable; CAIRN_ACCEPTED
 * counts as CAIRN_WRITTEN. Reply: write; its blocks, states, metadata and lowered count what was removed and lowered, in
 * a dry run what would be. */
struct cairn_rollback_request {
    struct cairn_slice chain;
    uint64_t timeout_us;
    enum cairn_level level;
    uint64_t to; /* the height to go back to */
    const struct cairn_guard *guards;
    size_t guard_count;
    const struct cairn_operation *metadata; /* applied after the rollback, in the same atomic write */
    size_t metadata_count;
    bool dry_run; /* checks and counts, changes nothing: a read, which commits do not wait for */
    uint64_t reserved[8];
};

/* CAIRN_OK: the chain is at that height; of a dry run: nothing stands against it, and reply->write counts what would go.
 * CAIRN_CONFLICT: the target is above the height, or not above what is pruned, or without a state, or a guard refuses; not applied.
 * CAIRN_INVALID: also if a guard's metadata is not of 8 bytes, unless it passes. */
CAIRN_API enum cairn_status cairn_rollback(struct cairn_connection *connection,
                                           const struct cairn_rollback_request *request,
                                           const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_rollback(struct cairn_connection *connection,
                                                  const struct cairn_rollback_request *request,
                                                  cairn_completion completion,
                                                  void *context) CAIRN_MUST_CHECK;

/* Completes once every write that any client had accepted before it has reached the level. Default: durable. Reply:
 * write.sequence is the last number it waited for. CAIRN_DAMAGED: they have, but of accepted metadata raises were left
 * out, since the last barrier on this connection or since it began, as the stored values could not be read. */
struct cairn_barrier_request {
    uint64_t timeout_us;
    enum cairn_level level;
    uint64_t reserved[8];
};

/* CAIRN_OK: all that was accepted before has reached the level. CAIRN_DAMAGED: see above. A barrier changes nothing, whatever its
 * status. */
CAIRN_API enum cairn_status cairn_barrier(struct cairn_connection *connection,
                                          const struct cairn_barrier_request *request,
                                          const struct cairn_reply **ret_reply) CAIRN_MUST_CHECK;
CAIRN_API enum cairn_status cairn_submit_barrier(struct cairn_connection *connection,
                                                 const struct cairn_barrier_request *request,
                                                 cairn_completion completion, void *context) CAIRN_MUST_CHECK;

/* ---- repeating ---- */

/* Paces the repeats of one request, or of one connection's reconnects: the pauses grow from 1 ms to 250 ms, and each is cut
 * by a random part of up to a half, so that many clients do not come back at once. */
struct cairn_retry {
    /* how long to go on, from the first failure; 0: 30 s; CAIRN_NO_TIMEOUT: without limit */
    uint64_t timeout_us;
    uint64_t state[4]; /* the library's; zero before the first failure. Zero it to begin anew */
    uint64_t reserved[4];
};

/* Whether a request that ended with this status is to be made again, and after which pause in microseconds; -1: it is not.
 *   made again       a status that says "not applied" and may pass by itself: CAIRN_BUSY, CAIRN_NO_SPACE,
 *                    CAIRN_SHUTTING_DOWN, CAIRN_NOT_SENT, CAIRN_CANNOT_CONNECT, CAIRN_FULL; and if `kind` changes nothing
 *                    (any read, barrier or ping) also CAIRN_TIMEOUT, CAIRN_CONNECTION_LOST and CAIRN_IO_ERROR
 *   not made again   a write whose result is unknown: read back first what it should have written. All that stays as it
 *                    is, such as CAIRN_INVALID. CAIRN_CONFLICT, which the caller has to resolve
 *   -1 also          once the timeout is over, with which the last pause ends; and for CAIRN_OK and CAIRN_NOT_FOUND, after
 *                    which the next failure is the first again
 * For reconnects pass CAIRN_PING and what cairn_connection_process() or cairn_connection_reconnect() returned. Any thread. */
CAIRN_API int64_t cairn_retry_pause_us(struct cairn_retry *retry, enum cairn_request_kind kind,
                                       enum cairn_status status) CAIRN_MUST_CHECK;

/* For blocking callers: sleeps for that pause, then returns true; false at once if it is -1. Not in callbacks.
 *
 *   struct cairn_retry retry = {.timeout_us = 10000000};
 *   do {
 *       status = cairn_commit(connection, &commit, &reply);
 *   } while (cairn_retry_wait(&retry, CAIRN_COMMIT, status)); */
CAIRN_API bool cairn_retry_wait(struct cairn_retry *retry, enum cairn_request_kind kind,
                                enum cairn_status status) CAIRN_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
