/* cairnd: what it was told, then what it needs from the bottom up, then serving, then the same way down. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config/options.h"
#include "daemon/engine/engine.h"
#include "daemon/host/directory.h"
#include "daemon/host/listener.h"
#include "daemon/host/notify.h"
#include "daemon/host/numbers.h"
#include "daemon/host/reserve.h"
#include "daemon/host/roles.h"
#include "daemon/observe/event.h"
#include "daemon/order/format_1.h"
#include "daemon/order/order_start.h"
#include "daemon/read/pool.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/server.h"
#include "daemon/version.h"

enum {
    EXIT_USAGE = 2,
    FILES_BESIDE_CONNECTIONS = 1024, /* the store's, and what libraries open */
    FILES_SPARE_MAX = 4096,          /* of deleted files, whose space goes back one by one; chosen: 128 GiB */
};

extern char **environ;

static int argument_count;
static char **arguments;

/* What the process runs on; each is closed if it was opened. */
struct running {
    size_t files_spare;
    struct directory directory;
    struct numbers numbers;
    bool numbers_lost; /* and that is accepted */
    struct reserve *reserve;
    struct engine *engine;
    struct listener listener;
    struct roles roles;
};

static int fail(void (*event)(const char *error), const char *error)
{
    event(error);
    return EXIT_FAILURE;
}

/* What a reload has read. The pool's until the loop takes it over; there is one reload at a time. */
static struct {
    struct options options;
    enum options_action action;
    struct options_error error;
} fresh;

static void read_options(void)
{
    assert(thread_is(THREAD_POOL)); /* the file may be on a disk that is slow */
    fresh.action = options_load(argument_count, arguments, environ, &fresh.options, &fresh.error);
}

static void take_options(struct options *options)
{
    assert(thread_is(THREAD_LOOP));
    char ignored[512];
    if (fresh.action != OPTIONS_RUN) {
        event_reload_refused(fresh.error.text);
        return;
    }
    options_reload(options, &fresh.options, sizeof ignored, ignored);
    log_level_set(options->log_level);
    log_bytes_per_second_set(options->log_bytes_per_second);
    event_reloaded(ignored);
}

/* Every connection and every file of the store must find a descriptor: running out of them is no state to serve in.
 * *ret_spare: how many more there are, up to FILES_SPARE_MAX. */
static bool raise_files_limit(uint64_t connections_max, size_t *ret_spare)
{
    assert(connections_max > 0 && connections_max <= UINT32_MAX); /* the setting's bounds: the sums fit */
    struct rlimit limit;
    uint64_t needed = connections_max + FILES_BESIDE_CONNECTIONS, wanted = needed + FILES_SPARE_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        limit = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised : limit;
    }
    if (limit.rlim_cur >= needed) {
        *ret_spare = limit.rlim_cur < wanted ? limit.rlim_cur - needed : FILES_SPARE_MAX;
        return true;
    }
    event_files_limit_too_low(limit.rlim_cur, needed, connections_max);
    return false;
}

/* The directory's question to the engine. */
static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    struct failure failure;
    enum engine_result result = engine_look(engine_default(), database, &failure);
    if (result == ENGINE_OK) {
        return DIRECTORY_OK;
    }
    snprintf(ret_error->text, sizeof ret_error->text, "%s", failure.text);
    return result == ENGINE_NOT_FOUND ? DIRECTORY_LOST : DIRECTORY_IO_ERROR;
}

static int refuse_directory(enum directory_result result, const struct directory_error *error)
{
    assert(result != DIRECTORY_OK);
    event_directory_refused(error->text);
    return directory_exit_code(result);
}

static int refuse_numbers(const struct directory *directory, enum numbers_result result,
                          const struct failure *failure)
{
    assert(result != NUMBERS_OK);
    struct directory_error error;
    snprintf(error.text, sizeof error.text, "%.*s/%s", (int)(sizeof error.text - sizeof failure->text - 1),
             directory->path, failure->text);
    return refuse_directory(result == NUMBERS_DAMAGED ? DIRECTORY_DAMAGED : DIRECTORY_IO_ERROR, &error);
}

/* Whether a store whose stamp says that it has no numbers yet has them all the same, no older than those that would be made: its stamp
 * was put back from a copy, or a start ended between the two. */
static bool find_numbers(struct running *running, struct failure *failure)
{
    static struct numbers found; /* too large for the stack of a function */
    const struct directory *directory = &running->directory;
    assert(running->numbers.file.fd < 0);
    if (numbers_open(directory->directory_fd, directory->store_id, &found, failure) != NUMBERS_OK) {
        return false;
    }
    bool is_newer = found.run > 0 && found.reserved_through >= running->numbers.reserved_through;
    if (is_newer) {
        running->numbers = found;
    } else {
        numbers_close(&found);
    }
    return is_newer;
}

/* Makes the file of numbers, which a new store lacks, and which one of format 1 has in its database; or in place of one that is lost. */
static int make_numbers(struct running *running)
{
    const struct directory *directory = &running->directory;
    struct failure failure;
    assert(running->engine != NULL); /* it has the numbers of a store of format 1 */
    if (running->numbers_lost) {
        numbers_renew((uint64_t)time(NULL), &running->numbers);
    } else if (format_1_read(running->engine, &running->numbers, &failure) != STATUS_OK) {
        (void)fail(event_store_refused, failure.text);
        return failure.status == STATUS_DAMAGED ? directory_exit_code(DIRECTORY_DAMAGED) : EXIT_FAILURE;
    } else if (find_numbers(running, &failure)) {
        return EXIT_SUCCESS;
    }
    memcpy(running->numbers.store_id, directory->store_id, STORE_ID_BYTES);
    enum numbers_result result = numbers_make(directory->directory_fd, &running->numbers, &failure);
    return result == NUMBERS_OK ? EXIT_SUCCESS : refuse_numbers(directory, result, &failure);
}

/* Of a store that has them: before recovery changes anything. */
static int open_numbers(const struct options *options, struct running *running)
{
    const struct directory *directory = &running->directory;
    struct failure failure;
    assert(running->numbers.file.fd < 0); /* else nobody would close what is open */
    if (directory->is_new || directory->is_old) {
        return EXIT_SUCCESS;
    }
    enum numbers_result result =
        numbers_open(directory->directory_fd, directory->store_id, &running->numbers, &failure);
    running->numbers_lost = result == NUMBERS_DAMAGED && options->accept_loss;
    if (running->numbers_lost) {
        event_store_cut("given up, as --accept-loss asks for: " NUMBERS_NAME);
    }
    return result == NUMBERS_OK || running->numbers_lost ? EXIT_SUCCESS
                                                         : refuse_numbers(directory, result, &failure);
}

/* Numbers that are older than the store count as lost. */
static int check_numbers(const struct options *options, struct running *running)
{
    struct failure failure;
    uint64_t metadata_on_disk;
    enum status status = order_check_numbers(running->engine, &running->numbers, &metadata_on_disk, &failure);
    if (status == STATUS_DAMAGED && options->accept_loss) {
        event_store_cut("given up, as --accept-loss asks for: " NUMBERS_NAME
                        ", which is older than the database");
        numbers_close(&running->numbers);
        running->numbers_lost = true;
        return make_numbers(running);
    }
    if (status != STATUS_OK) {
        event_store_refused(failure.text);
        return status == STATUS_DAMAGED ? directory_exit_code(DIRECTORY_DAMAGED) : EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int open_store(const struct options *options, struct running *running)
{
    assert(running->engine == NULL &&
           running->directory.lock_fd < 0); /* else nobody would close what is open */
    struct directory_error error;
    struct failure failure;
    enum directory_result result =
        directory_open(options->data, options->create, look, &running->directory, &error);
    if (result != DIRECTORY_OK) {
        return refuse_directory(result, &error);
    }
    int code = open_numbers(options, running);
    if (code != EXIT_SUCCESS) {
        return code;
    }
    running->reserve = reserve_open(running->directory.directory_fd);
    struct engine_config config = {
        .path = running->directory.database,
        .beside = running->directory.beside,
        .files_spare = running->files_spare,
        .create = running->directory.is_new,
        .accept_loss = options->accept_loss,
        .tell = event_store_cut,
        .reserve = running->reserve,
        .cache_bytes_max = options->cache_bytes - options->cache_bytes / OPTIONS_RECORD_CACHE_PART,
    };
    if (engine_open(engine_default(), &config, &running->engine, &failure) != ENGINE_OK) {
        event_store_refused(failure.text);
        return failure.status == STATUS_DAMAGED ? directory_exit_code(DIRECTORY_DAMAGED) : EXIT_FAILURE;
    }
    code = running->numbers.file.fd >= 0 ? EXIT_SUCCESS : make_numbers(running);
    code = code == EXIT_SUCCESS ? check_numbers(options, running) : code;
    if (code != EXIT_SUCCESS) {
        return code;
    }
    running->directory.numbers_fd = running->numbers.file.fd;
    result = directory_mark_ready(&running->directory, &error);
    return result == DIRECTORY_OK ? EXIT_SUCCESS : refuse_directory(result, &error);
}

/* Adopts systemd's socket, or looks whether one could be made: what would refuse the start later leaves no new store behind. */
static enum status look_at_socket(const struct options *options, struct running *running,
                                  struct failure *failure)
{
    struct notify_error error;
    int fd = -1;
    assert(running->listener.fd < 0 && running->listener.adopted_fd < 0);
    if (!notify_listen_fd(&fd, &error)) {
        return failure_set(failure, STATUS_INVALID, "%s", error.text);
    }
    if (fd >= 0) {
        return listener_adopt(fd, &running->listener, failure);
    }
    if (options->socket[0] == '\0') {
        return failure_set(failure, STATUS_INVALID,
                           "no path is set: name one with --socket PATH, or pass a socket from systemd");
    }
    return listener_check(options->socket, options->socket_group, failure);
}

/* The start is refused for its socket; but a daemon that has the directory most likely has the socket too, and is named. */
static int refuse_socket(const struct options *options, struct running *running,
                         const struct failure *failure)
{
    struct directory_error error;
    assert(running->directory.lock_fd < 0); /* else it would meet its own lock */
    if (directory_open(options->data, false, look, &running->directory, &error) == DIRECTORY_LOCKED) {
        event_directory_refused(error.text);
        return directory_exit_code(DIRECTORY_LOCKED);
    }
    return fail(event_socket_refused, failure->text);
}

static enum status listen_at_socket(const struct options *options, struct listener *listener,
                                    struct failure *failure)
{
    assert(listener->fd < 0); /* else nobody would close what is open */
    return listener_open(options->socket, options->socket_mode, options->socket_group, listener, failure);
}

static int serve(struct options *options, struct running *running, bool *ret_reopens)
{
    assert(running->engine != NULL);
    assert(running->directory.lock_fd >= 0 && running->numbers.file.fd >= 0); /* and all beside it is open */
    struct directory_error error;
    struct failure failure;
    struct server_config config = {
        .options = options,
        .engine = running->engine,
        .numbers = &running->numbers,
        .roles = &running->roles,
        .listener = &running->listener,
        .listen = listen_at_socket,
        .store_id = running->directory.store_id,
        .directory = &running->directory,
        .reserve = running->reserve,
        .read_options = read_options,
        .take_options = take_options,
    };
    enum server_end end = server_run(&config, &failure);
    if (end == SERVER_REFUSED) {
        (void)fail(event_server_refused, failure.text);
        return failure.status == STATUS_DAMAGED ? directory_exit_code(DIRECTORY_DAMAGED) : EXIT_FAILURE;
    }
    *ret_reopens = end == SERVER_REOPENS;
    if (directory_check(&running->directory, &error) != DIRECTORY_OK) { /* a last time: all is written */
        event_directory_gone(error.text);
        return SERVER_EXIT_IO_ERROR;
    }
    return EXIT_SUCCESS;
}

/* The engine may have left threads that are at work: what exit() ends must not be ended under them. */
static void leave_at_once(int code)
{
    log_stop();
    if (!MEMORY_IS_WATCHED) {
        fflush(NULL);
        _exit(code);
    }
}

/* Begins anew as the same process, with nothing of before but its pid, arguments, environment and systemd's socket: no start limit
 * counts it. Returns only if that fails. */
static void begin_anew(int listen_fd)
{
    log_stop();
    fflush(NULL);
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC); /* libraries' descriptors too */
    if (listen_fd < 0 || notify_pass_listen_fd(listen_fd)) {
        (void)execv("/proc/self/exe", arguments);
    }
}

static bool start_log(const struct options *options)
{
    struct failure failure;
    struct log_config config = {
        .level = options->log_level,
        .format = options->log_format,
        .bytes_per_second = options->log_bytes_per_second,
        .say_dropped = event_log_lines_dropped,
    };
    if (!log_start(&config, &failure)) {
        event_server_refused(failure.text);
        return false;
    }
    return true;
}

static bool resolve_roles(const struct options *options, struct roles *ret_roles,
                          void (*tell)(const char *error))
{
    struct failure failure;
    if (!roles_init(options->readers, options->writers, options->admins, ret_roles, &failure)) {
        tell(failure.text);
        return false;
    }
    return true;
}

static int run(struct options *options)
{
    struct running running = {
        .directory = {.directory_fd = -1, .database_fd = -1, .lock_fd = -1, .numbers_fd = -1},
        .numbers = {.file = {.fd = -1}},
        .listener = {.fd = -1, .adopted_fd = -1, .adopted_flags = -1},
    };
    assert(options->data[0] != '\0'); /* options_check refuses a start without it */
    if (!start_log(options)) {
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!resolve_roles(options, &running.roles, event_server_refused) ||
        !raise_files_limit(options->connections_max, &running.files_spare)) {
        log_stop();
        return EXIT_FAILURE;
    }
    struct failure failure;
    int code = look_at_socket(options, &running, &failure) == STATUS_OK
                   ? open_store(options, &running)
                   : refuse_socket(options, &running, &failure);
    bool reopens = false;
    if (code == EXIT_SUCCESS) {
        code = serve(options, &running, &reopens);
    }
    assert(code != EXIT_SUCCESS || running.listener.fd < 0);         /* the loop took it, and has closed it */
    int listen_fd = reopens ? dup(running.listener.adopted_fd) : -1; /* systemd's, if it passed one */
    listener_close(&running.listener);
    engine_close(running.engine, ENGINE_CLOSE_FAST); /* all that was accepted is written and synced */
    if (reopens && code == EXIT_SUCCESS) {
        begin_anew(listen_fd);
        code = EXIT_FAILURE; /* the supervisor starts it */
    }
    leave_at_once(code); /* the directory stays locked until the process is gone */
    numbers_close(&running.numbers);
    reserve_close(running.reserve);
    directory_close(&running.directory);
    return code;
}

static void print_error(const char *error)
{
    fprintf(stderr, "cairnd: %s\n", error);
}

static int check(const struct options *options)
{
    struct roles roles;
    if (!resolve_roles(options, &roles, print_error)) {
        return EXIT_FAILURE;
    }
    printf("the configuration is good\n");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    struct options_error error;
    assert(thread_is(THREAD_OTHER)); /* what is prepared here comes before there are threads */
    memory_init();
    pool_prepare();
    argument_count = argc;
    arguments = argv;
    switch (options_load(argc, argv, environ, &options, &error)) {
    case OPTIONS_RUN:
        return run(&options);
    case OPTIONS_PRINT:
        options_print(&options, stdout);
        return EXIT_SUCCESS;
    case OPTIONS_CHECK:
        return check(&options);
    case OPTIONS_VERSION:
        printf("cairnd %s (%s)\n", CAIRND_VERSION, engine_traits(engine_default())->text);
        return EXIT_SUCCESS;
    case OPTIONS_HELP:
        options_help(stdout);
        return EXIT_SUCCESS;
    case OPTIONS_USAGE_ERROR:
        fprintf(stderr, "cairnd: %s\n", error.text);
        return EXIT_USAGE;
    case OPTIONS_CONFIG_ERROR:
        fprintf(stderr, "cairnd: %s\n", error.text);
        return EXIT_FAILURE;
    }
    return EXIT_FAILURE;
}
