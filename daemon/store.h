/* The store as main opens it: the data directory with its lock, the numbers, the reserve and the engine. What refuses the start is logged
 * here, with the exit code as the result. On main's thread, before there is a loop and after it has ended. */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include "daemon/config/options.h"
#include "daemon/engine/engine.h"
#include "daemon/host/directory.h"
#include "daemon/host/numbers.h"
#include "daemon/host/reserve.h"

struct store {
    struct directory directory;
    struct numbers numbers;
    bool numbers_lost; /* the file is damaged, or older than the database, and --accept-loss accepts that */
    struct reserve *reserve;
    struct engine *engine;
};

/* A store of which nothing is open. */
void store_init(struct store *ret_store);

/* Opens all of it, and makes what a new store lacks. `files_spare`: descriptors that nobody else needs. EXIT_CODE_STOPPED, or what the
 * process is to end with; in either case store_close is to follow. */
enum exit_code store_open(const struct options *options, size_t files_spare, struct store *store) MUST_CHECK;

/* Asks the engine whether the database is there: the directory knows no engine (directory_look_fn). */
enum directory_result store_look(const char *database, struct directory_error *ret_error) MUST_CHECK;

/* Logs why the directory was refused, and returns the exit code of that. */
enum exit_code store_refuse_directory(enum directory_result result, const struct directory_error *error);

/* Closes what was opened, but for the engine, which server_close_engine has closed. */
void store_close(struct store *store);

#endif
