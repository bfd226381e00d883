/* The life of the process: it reads the configuration, starts the log, and checks all that a start will open; then it opens the store
 * (store.c) and serves (server.c); at the end it closes both. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/check_configuration.h"
#include "daemon/config/options.h"
#include "daemon/host/listener.h"
#include "daemon/host/notify.h"
#include "daemon/maintain/start_watch.h"
#include "daemon/observe/event.h"
#include "daemon/read/pool.h"
#include "daemon/runtime/crash.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/signals.h"
#include "daemon/runtime/thread.h"
#include "daemon/server.h"
#include "daemon/start_check.h"
#include "daemon/store.h"
#include "daemon/version.h"
#include "proto/standard_files.h"

extern char **environ;

static int argument_count;
static char **arguments;

/* What the process runs on; `run` closes what was opened of it. */
struct running {
    struct start_check_found found;
    struct store store;
    struct listener listener;
    bool reopens; /* the store was open for reading only; the process is executed anew, to write */
};

/* Logs by `event` why the start fails, and returns the exit code that belongs to the status. */
static int refuse(void (*event)(const char *error), enum status status, const char *error)
{
    event(error);
    return exit_code_of_start(status);
}

/* ---- the configuration, at the start and at a reload ---- */

/* What the reload under way has read. A thread of the pool fills it in before the loop takes it over; there is one reload at a time. */
static struct {
    struct options options;
    enum options_action action;
    struct options_errors errors;
} fresh;

static void read_options(void)
{
    assert(thread_is(THREAD_POOL)); /* the file may be on a disk that is slow */
    fresh.action = options_load(argument_count, arguments, environ, &fresh.options, &fresh.errors);
}

static char needs_restart[512]; /* names of the settings that the reload left as they were; loop only */

static void tell_setting(const char *name, const char *before, const char *after, bool is_taken)
{
    size_t used = strlen(needs_restart);
    if (is_taken) {
        event_setting_changed(name, before, after);
        return;
    }
    event_setting_kept(name, before, after);
    snprintf(needs_restart + used, sizeof needs_restart - used, "%s%s", used > 0 ? ", " : "", name);
}

static void take_options(struct options *options)
{
    assert(thread_is(THREAD_LOOP));
    needs_restart[0] = '\0';
    if (fresh.action != OPTIONS_RUN ||
        !options_reload(options, &fresh.options, tell_setting, &fresh.errors)) {
        options_each_error(&fresh.errors, event_reload_refused);
        notify_status("serving; a reload was refused: %s", fresh.errors.texts[0]);
        return;
    }
    log_level_set(options->log_level);
    log_bytes_per_second_set(options->log_bytes_per_second);
    event_reloaded(needs_restart);
    notify_status("serving");
}

/* ---- the look ahead ---- */

static void refuse_part(enum start_check_part part, const char *error)
{
    static void (*const events[START_CHECK_PARTS])(const char *error) = {
        [START_CHECK_ROLES] = event_server_refused,        [START_CHECK_FILES] = event_files_limit_too_low,
        [START_CHECK_MEMORY] = event_server_refused,       [START_CHECK_SOCKET] = event_socket_refused,
        [START_CHECK_DIRECTORY] = event_directory_refused,
    };
    assert(part < START_CHECK_PARTS);
    events[part](error);
}

static void ignore_note(const char *text)
{
    (void)text; /* the log says it when it comes to matter */
}

static int look_ahead(const struct options *options, bool is_socket_passed,
                      struct start_check_found *ret_found)
{
    struct start_check_config config = {
        .options = options,
        .look = store_look,
        .is_socket_passed = is_socket_passed,
        .refuse = refuse_part,
        .note = ignore_note,
    };
    return start_check(&config, ret_found);
}

/* ---- the socket ---- */

/* Adopts the socket that systemd passed, if there is one, and logs which settings it overrides. */
static enum status adopt_socket(const struct options *options, struct listener *listener,
                                struct failure *failure)
{
    struct notify_error error;
    char mode[16];
    int fd = -1;
    assert(listener->fd < 0 && listener->adopted_fd < 0);
    if (!notify_listen_fd(&fd, &error)) {
        return failure_set(failure, STATUS_INVALID, "%s", error.text);
    }
    if (fd < 0) {
        return STATUS_OK;
    }
    if (listener_adopt(fd, listener, failure) != STATUS_OK) {
        return failure->status;
    }
    if (options->socket[0] != '\0' && !listener_is_adopted_at(listener, options->socket)) {
        event_setting_overridden("socket", options->socket);
    }
    if (options_source_of(options, "socket_mode") != OPTIONS_DEFAULT) {
        snprintf(mode, sizeof mode, "%04o", (unsigned)options->socket_mode);
        event_setting_overridden("socket_mode", mode);
    }
    if (options_source_of(options, "socket_group") != OPTIONS_DEFAULT) {
        event_setting_overridden("socket_group", options->socket_group);
    }
    return STATUS_OK;
}

/* Refuses the start for its socket, or, if another daemon has the data directory, for that: it most likely listens there. */
static int refuse_socket(const struct options *options, struct running *running,
                         const struct failure *failure)
{
    struct directory_error error;
    assert(running->store.directory.lock_fd < 0); /* else it would meet its own lock */
    struct directory *directory = &running->store.directory;
    if (directory_open(options->data, false, store_look, directory, &error) == DIRECTORY_LOCKED) {
        return store_refuse_directory(DIRECTORY_LOCKED, &error);
    }
    return refuse(event_socket_refused, failure->status, failure->text);
}

static enum status listen_at_socket(const struct options *options, struct listener *listener,
                                    struct failure *failure)
{
    assert(listener->fd < 0); /* else nobody would close what is open */
    return listener_open(options->socket, options->socket_mode, options->socket_group, listener, failure);
}

/* ---- from start to end ---- */

static int serve(struct options *options, struct running *running)
{
    struct store *store = &running->store;
    assert(store->engine != NULL);
    assert(store->directory.lock_fd >= 0 && store->numbers.file.fd >= 0); /* and all beside it is open */
    struct directory_error error;
    struct failure failure;
    struct server_config config = {
        .options = options,
        .engine = store->engine,
        .numbers = &store->numbers,
        .roles = &running->found.roles,
        .listener = &running->listener,
        .listen = listen_at_socket,
        .store_id = store->directory.store_id,
        .directory = &store->directory,
        .reserve = store->reserve,
        .read_options = read_options,
        .take_options = take_options,
    };
    enum server_end end = server_run(&config, &failure);
    if (end == SERVER_REFUSED) {
        return refuse(event_server_refused, failure.status, failure.text);
    }
    running->reopens = end == SERVER_REOPENS;
    if (directory_check(&store->directory, &error) != DIRECTORY_OK) { /* or the last writes went nowhere */
        event_directory_gone(error.text);
        return EXIT_CODE_WRITE_FAILED;
    }
    return EXIT_CODE_STOPPED;
}

/* Ends the process without exit(), which would end what the engine's threads may still use. With a sanitizer it returns. */
static void leave_at_once(int code)
{
    log_stop();
    if (!MEMORY_IS_WATCHED) {
        fflush(NULL);
        _exit(code);
    }
}

static enum status start_log(const struct options *options, struct failure *failure)
{
    struct log_config config = {
        .level = options->log_level,
        .format = options->log_format,
        .bytes_per_second = options->log_bytes_per_second,
        .say_dropped = event_log_lines_dropped,
    };
    return log_start(&config, failure) ? STATUS_OK : failure->status;
}

/* Adopts the socket and checks all that the start will open, before anything is made: so a start that fails leaves no new store. */
static int prepare(const struct options *options, struct running *running)
{
    struct failure failure;
    if (options->data_in_file[0] != '\0') { /* the unit's command line, most likely, names another one */
        event_setting_overridden("data", options->data_in_file);
    }
    if (adopt_socket(options, &running->listener, &failure) != STATUS_OK) {
        return refuse(event_socket_refused, failure.status, failure.text);
    }
    int code = look_ahead(options, running->listener.fd >= 0, &running->found);
    if (code != EXIT_CODE_STOPPED || running->listener.fd >= 0) {
        return code;
    }
    return listener_check(options->socket, options->socket_group, &failure) == STATUS_OK
               ? EXIT_CODE_STOPPED
               : refuse_socket(options, running, &failure);
}

static int prepare_and_serve(struct options *options, struct running *running)
{
    struct start_watch *watch = start_watch_new(options->data);
    int code = prepare(options, running);
    if (code == EXIT_CODE_STOPPED) {
        code = store_open(options, running->found.files.spare, &running->store);
    }
    start_watch_free(watch);
    if (code == EXIT_CODE_STOPPED) {
        code = serve(options, running);
    }
    assert(code != EXIT_CODE_STOPPED || running->listener.fd < 0); /* the loop took it, and has closed it */
    return code;
}

/* `--create-only`: what a start with --create does before it serves. */
static int create(struct options *options, struct running *running)
{
    struct directory_error error;
    if (directory_look(options->data, false, store_look, &error) == DIRECTORY_OK) {
        event_store_exists(options->data);
        return EXIT_CODE_STOPPED;
    }
    options->create = true;
    int code = look_ahead(options, true, &running->found);
    if (code == EXIT_CODE_STOPPED) {
        code = store_open(options, running->found.files.spare, &running->store);
    }
    return code;
}

static int run(struct options *options, int (*work)(struct options *options, struct running *running))
{
    struct running running = {
        .listener = {.fd = -1, .adopted_fd = -1, .adopted_flags = -1},
    };
    struct failure failure;
    assert(options->data[0] != '\0'); /* options_check refuses a start without it */
    store_init(&running.store);
    crash_prepare();
    if (start_log(options, &failure) != STATUS_OK) {
        return refuse(event_server_refused, failure.status, failure.text);
    }
    int code = work(options, &running);
    int listen_fd = running.reopens ? dup(running.listener.adopted_fd) : -1; /* systemd's, if it passed one */
    if (exit_code_needs_person(code)) {
        listener_turn_away(&running.listener);
    }
    listener_close(&running.listener);
    server_close_engine(options, running.store.engine); /* all that was accepted is written and synced */
    if (running.reopens && code == EXIT_CODE_STOPPED && signals_give_back()) {
        log_stop();
        notify_execute_anew(arguments, listen_fd);
        code = EXIT_CODE_FAILED; /* the supervisor starts it */
    }
    leave_at_once(code); /* the directory stays locked until the process is gone */
    store_close(&running.store);
    return code;
}

/* Ends the connections that wait at a socket of systemd's: for each, systemd would start the daemon again. */
static void turn_clients_away(void)
{
    struct listener listener;
    struct notify_error error;
    struct failure failure;
    int fd = -1;
    if (notify_listen_fd(&fd, &error) && fd >= 0 && listener_adopt(fd, &listener, &failure) == STATUS_OK) {
        listener_turn_away(&listener);
        listener_close(&listener);
    }
}

static int refuse_options(const struct options_errors *errors)
{
    assert(errors->count > 0);
    options_each_error(errors, check_say_error);
    if (argument_count == 1) {
        fputs("Type one of\n"
              "  cairnd --config FILE                       settings in a file, such as "
              "/etc/cairn/cairnd.conf\n"
              "  cairnd --data DIR --socket PATH --create   a new store, the first time; then without "
              "--create\n"
              "  cairnd --help                              all settings and exit codes\n",
              stderr);
    }
    turn_clients_away();
    return options_exit_code(errors);
}

int main(int argc, char **argv)
{
    struct options options;
    static struct options_errors errors;
    assert(thread_is(THREAD_OTHER)); /* what is prepared here comes before there are threads */
    standard_files_keep();
    signals_prepare();
    memory_init();
    pool_prepare();
    argument_count = argc;
    arguments = argv;
    switch (options_load(argc, argv, environ, &options, &errors)) {
    case OPTIONS_RUN:
        return run(&options, prepare_and_serve);
    case OPTIONS_CREATE:
        return run(&options, create);
    case OPTIONS_PRINT:
        options_print(&options, stdout);
        return EXIT_CODE_STOPPED;
    case OPTIONS_CHECK:
        return check_configuration(options.data, argc, argv, environ, store_look);
    case OPTIONS_VERSION:
        printf("cairnd %s (%s)\n", CAIRND_VERSION, engine_traits(engine_default())->text);
        return EXIT_CODE_STOPPED;
    case OPTIONS_HELP:
        options_help(stdout);
        return EXIT_CODE_STOPPED;
    case OPTIONS_REFUSED:
        break;
    }
    return refuse_options(&errors);
}
