/* The server: the event loop, and what starts and stops around it. */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "daemon/config/options.h"
#include "daemon/engine/engine.h"
#include "daemon/host/listener.h"
#include "daemon/runtime/failure.h"

struct directory;
struct numbers;
struct reserve;
struct roles;

struct server_config {
    struct options *options;
    struct engine *engine;
    struct numbers *numbers;   /* open */
    const struct roles *roles; /* who may what */
    struct listener *listener; /* the loop takes its fd */
    /* Binds the socket and listens, once all else is ready to serve. NULL: the listener listens already. */
    enum status (*listen)(const struct options *options, struct listener *listener, struct failure *failure);
    const uint8_t *store_id;           /* STORE_ID_BYTES */
    const struct directory *directory; /* open, with its database; NULL: none is watched */
    struct reserve *reserve;           /* of that directory; NULL: space is not watched */
    /* A reload, at SIGHUP: read_options reads the configuration on the pool, then take_options takes it over on the loop. */
    void (*read_options)(void);
    void (*take_options)(struct options *options);
};

enum server_end {
    SERVER_REFUSED, /* it could not start and served nobody: `failure` says why; STATUS_DAMAGED: the next start fails too */
    SERVER_STOPPED, /* all is written and synced */
    SERVER_REOPENS, /* likewise, and the caller is to open the store anew, which was open for reading only */
};

/* Serves until SIGTERM or SIGINT, or until an engine that only reads can be opened for writing, then stops cleanly. Ends the process
 * itself if writing failed, if the data directory is gone, if stopping takes longer than stop_timeout, or if something hangs for
 * stall_timeout. */
enum server_end server_run(const struct server_config *config, struct failure *failure) MUST_CHECK;

/* Closes the engine after server_run, or after a start that was refused, and ends the process if the close hangs for stall_timeout.
 * Accepts a NULL engine. On main's thread. */
void server_close_engine(const struct options *options, struct engine *engine);

#endif
