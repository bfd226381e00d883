/* The order in which a store is opened:
 *
 * 1. The directory, and its lock: nothing else is touched before no other daemon has it.
 * 2. cairn.numbers, before recovery changes anything. A new store and one of format 1 have none yet.
 * 3. The reserve, which gives the engine's open the space that a full file system lacks.
 * 4. The engine, which recovers the database. Then the numbers are made where they are missing, or checked against the database.
 * 5. The stamp, which says from then on that the store has its database and its numbers.
 *
 * Ways to fail: each refuses the start with a text that says what to do. A store that was there is as recovery left it; with --create the
 * beginnings of a new one may stay, with which the next start goes on. */
#include "daemon/store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/observe/event.h"
#include "daemon/order/format_1.h"
#include "daemon/order/order_start.h"

/* ---- what refuses a start ---- */

enum directory_result store_look(const char *database, struct directory_error *ret_error)
{
    struct failure failure;
    enum engine_result result = engine_look(engine_default(), database, &failure);
    if (result == ENGINE_OK) {
        return DIRECTORY_OK;
    }
    snprintf(ret_error->text, sizeof ret_error->text, "%s", failure.text);
    return result == ENGINE_NOT_FOUND         ? DIRECTORY_LOST
           : failure.status == STATUS_INVALID ? DIRECTORY_REFUSED
                                              : DIRECTORY_IO_ERROR;
}

enum exit_code store_refuse_directory(enum directory_result result, const struct directory_error *error)
{
    assert(result != DIRECTORY_OK);
    event_directory_refused(error->text);
    return directory_exit_code(result);
}

static enum exit_code refuse_database(const struct failure *failure)
{
    event_store_refused(failure->text);
    return exit_code_of_start(failure->status);
}

static enum exit_code refuse_numbers(const struct directory *directory, const struct failure *failure)
{
    struct directory_error error;
    snprintf(error.text, sizeof error.text, "%.*s/%s", (int)(sizeof error.text - sizeof failure->text - 1),
             directory->path, failure->text);
    event_directory_refused(error.text);
    return exit_code_of_start(failure->status);
}

/* ---- the numbers ---- */

/* Makes cairn.numbers for a store without it: a new one, one of format 1, whose database has the numbers, or one whose file is lost. */
static enum exit_code make_numbers(struct store *store)
{
    const struct directory *directory = &store->directory;
    struct failure failure;
    assert(store->engine != NULL); /* it has the numbers of a store of format 1 */
    if (store->numbers_lost && !numbers_renew((uint64_t)time(NULL), &store->numbers)) {
        failure_set(&failure, STATUS_DAMAGED,
                    "the system's clock is wrong, and " NUMBERS_NAME
                    " cannot be made anew by it: set the clock, and give --accept-loss once more");
        return refuse_database(&failure);
    }
    if (!store->numbers_lost && format_1_read(store->engine, &store->numbers, &failure) != STATUS_OK) {
        return refuse_database(&failure);
    }
    memcpy(store->numbers.store_id, directory->store_id, STORE_ID_BYTES);
    enum numbers_result result =
        !store->numbers_lost && numbers_open_newer(directory->directory_fd, &store->numbers)
            ? NUMBERS_OK
            : numbers_make(directory->directory_fd, &store->numbers, &failure);
    return result == NUMBERS_OK ? EXIT_CODE_STOPPED : refuse_numbers(directory, &failure);
}

/* Opens cairn.numbers of a store that has it. */
static enum exit_code open_numbers(const struct options *options, struct store *store)
{
    const struct directory *directory = &store->directory;
    struct failure failure;
    assert(store->numbers.file.fd < 0); /* else nobody would close what is open */
    if (directory->is_new || directory->is_old) {
        return EXIT_CODE_STOPPED;
    }
    enum numbers_result result =
        numbers_open(directory->directory_fd, directory->store_id, &store->numbers, &failure);
    store->numbers_lost = result == NUMBERS_DAMAGED && options->accept_loss;
    if (store->numbers_lost) {
        event_store_cut("given up, as --accept-loss asks for: " NUMBERS_NAME);
    }
    return result == NUMBERS_OK || store->numbers_lost ? EXIT_CODE_STOPPED
                                                       : refuse_numbers(directory, &failure);
}

/* Refuses numbers that are older than the database, or makes them anew where that loss is accepted. */
static enum exit_code check_numbers(const struct options *options, struct store *store)
{
    struct failure failure;
    uint64_t metadata_on_disk;
    enum status status = order_check_numbers(store->engine, &store->numbers, &metadata_on_disk, &failure);
    if (status == STATUS_DAMAGED && options->accept_loss && !store->numbers_lost) {
        event_store_cut("given up, as --accept-loss asks for: " NUMBERS_NAME
                        ", which is older than the database");
        numbers_close(&store->numbers);
        store->numbers_lost = true;
        enum exit_code code = make_numbers(store); /* if the clock is wrong they are still too old */
        return code == EXIT_CODE_STOPPED ? check_numbers(options, store) : code;
    }
    return status == STATUS_OK ? EXIT_CODE_STOPPED : refuse_database(&failure);
}

/* ---- opening and closing ---- */

void store_init(struct store *ret_store)
{
    *ret_store = (struct store){
        .directory = {.directory_fd = -1, .database_fd = -1, .lock_fd = -1, .numbers_fd = -1},
        .numbers = {.file = {.fd = -1}},
    };
}

static enum exit_code open_engine(const struct options *options, size_t files_spare, struct store *store)
{
    struct failure failure;
    struct engine_config config = {
        .path = store->directory.database,
        .beside = store->directory.beside,
        .files_spare = files_spare,
        .create = store->directory.is_new,
        .accept_loss = options->accept_loss,
        .last_run = store->numbers.run,
        .tell = event_store_cut,
        .reserve = store->reserve,
        .cache_bytes_max = options->cache_bytes - options->cache_bytes / OPTIONS_RECORD_CACHE_PART,
    };
    assert(store->engine == NULL); /* else nobody would close what is open */
    return engine_open(engine_default(), &config, &store->engine, &failure) == ENGINE_OK
               ? EXIT_CODE_STOPPED
               : refuse_database(&failure);
}

/* Says in the stamp that the store has its database. */
static enum exit_code mark_ready(const struct options *options, struct store *store)
{
    struct directory_error error;
    bool is_new = store->directory.is_new;
    assert(store->engine != NULL &&
           store->numbers.file.fd >= 0); /* a start without either is refused from now on */
    store->directory.numbers_fd = store->numbers.file.fd;
    enum directory_result result = directory_mark_ready(&store->directory, &error);
    if (result != DIRECTORY_OK) {
        return store_refuse_directory(result, &error);
    }
    if (is_new) {
        event_store_made(options->data);
    }
    return EXIT_CODE_STOPPED;
}

enum exit_code store_open(const struct options *options, size_t files_spare, struct store *store)
{
    struct directory_error error;
    assert(store->directory.lock_fd < 0); /* else nobody would close what is open */
    enum directory_result result =
        directory_open(options->data, options->create, store_look, &store->directory, &error);
    if (result != DIRECTORY_OK) {
        return store_refuse_directory(result, &error);
    }
    enum exit_code code = open_numbers(options, store);
    if (code != EXIT_CODE_STOPPED) {
        return code;
    }
    store->reserve = reserve_open(store->directory.directory_fd);
    code = open_engine(options, files_spare, store);
    if (code == EXIT_CODE_STOPPED && store->numbers.file.fd < 0) {
        code = make_numbers(store);
    }
    if (code == EXIT_CODE_STOPPED) {
        code = check_numbers(options, store);
    }
    store->numbers.reserve = store->reserve;
    return code == EXIT_CODE_STOPPED ? mark_ready(options, store) : code;
}

void store_close(struct store *store)
{
    numbers_close(&store->numbers);
    reserve_close(store->reserve);
    directory_close(&store->directory);
}
