/* The settings of cairnd: one table gives each its name, type, default, bounds and help, and the configuration file, the
 * environment, the command line, --help and --print-config all follow from it. Pure, but for options_load, which reads the
 * configuration file.
 *
 * A setting NAME is `NAME = VALUE` in the file, CAIRND_NAME in the environment, --NAME VALUE on the command line, with dashes. The
 * command line goes before the environment, that before the file, that before the default, in whatever order they are taken over.
 *
 * Every function that can fail adds what is wrong and what would be right to its options_errors, all of it and not only the first,
 * and leaves the options in a state that may only be thrown away.
 *
 * One thread at a time: main's at the start, one of the pool at each reload. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/log.h"
#include "proto/status.h"

enum {
    /* One part in so many of cache_bytes is the record cache's; the engine has the other parts. */
    OPTIONS_RECORD_CACHE_PART = 4,
    OPTIONS_PATH_BYTES = 4096,
    OPTIONS_SOCKET_BYTES = 108, /* sun_path, with its NUL */
    OPTIONS_GROUP_BYTES = 64,
    OPTIONS_LIST_BYTES = 4096,
    OPTIONS_ERROR_BYTES = 1024,
    OPTIONS_ERRORS_MAX = 64, /* more than there are settings */
    OPTIONS_COUNT_MAX = 40,
};

/* Where a setting's value comes from, in rising rank. */
enum options_source {
    OPTIONS_DEFAULT,
    OPTIONS_FILE,
    OPTIONS_ENVIRONMENT,
    OPTIONS_FLAG,
};

struct options_origin {
    enum options_source source;
    unsigned line; /* of the configuration file */
};

struct options {
    char config[OPTIONS_PATH_BYTES]; /* the configuration file; empty: none */
    char data[OPTIONS_PATH_BYTES];   /* the data directory */
    /* what the file says, where `data` comes from elsewhere and counts; empty: the file says nothing else */
    char data_in_file[OPTIONS_PATH_BYTES];
    bool create;      /* make a new store in it if there is none; from the command line alone */
    bool accept_loss; /* open a damaged store without what is lost; never from the file */

    char socket[OPTIONS_SOCKET_BYTES];      /* empty: only a socket adopted from systemd */
    uint64_t socket_mode;                   /* permission bits */
    char socket_group[OPTIONS_GROUP_BYTES]; /* name or number; empty: the daemon's own */

    char readers[OPTIONS_LIST_BYTES]; /* who may what: users and %groups */
    char writers[OPTIONS_LIST_BYTES];
    char admins[OPTIONS_LIST_BYTES];

    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;

    uint64_t frame_bytes_max;
    uint64_t requests_bytes_max;
    uint64_t replies_bytes_max;
    uint64_t connections_max;
    uint64_t streams_max;
    uint64_t chains_max;
    uint64_t hello_timeout_us;
    uint64_t frame_timeout_us;
    uint64_t stream_timeout_us;
    uint64_t claim_grace_us;

    uint64_t cache_bytes;
    uint64_t stop_timeout_us;
    uint64_t stall_timeout_us;

    enum log_level log_level;
    enum log_format log_format;
    uint64_t log_bytes_per_second;

    struct options_origin origins[OPTIONS_COUNT_MAX]; /* by place in the table */
};

/* What is wrong, zeroed at first. */
struct options_errors {
    size_t count;   /* of all, of which the first OPTIONS_ERRORS_MAX have a text */
    size_t passing; /* of these: what another try may mend */
    char texts[OPTIONS_ERRORS_MAX][OPTIONS_ERROR_BYTES]; /* each one line, no newline at its end */
};

/* What main is to do. */
enum options_action {
    OPTIONS_RUN,     /* serve */
    OPTIONS_PRINT,   /* options_print, and end */
    OPTIONS_CREATE,  /* make a store, and end */
    OPTIONS_CHECK,   /* say whether a start would go well, and end */
    OPTIONS_VERSION, /* say the version, and end */
    OPTIONS_HELP,    /* options_help, and end */
    OPTIONS_REFUSED, /* the errors say what is wrong, wherever it comes from */
};

/* What cairnd was told: defaults, then file, environment and command line, then options_check. For help and version nothing
 * but the command line is looked at. `argv` is read only, `environment` is main's environ. The options are good unless it returns
 * OPTIONS_REFUSED; then *ret_errors says at least one thing. */
enum options_action options_load(int argc, char **argv, char *const *environment, struct options *ret_options,
                                 struct options_errors *ret_errors) MUST_CHECK;

void options_init(struct options *ret_options);

/* Takes over the settings in a configuration file of n bytes. file_name is only for the errors' texts. */
bool options_parse_file(struct options *options, const char *file_name, const char *bytes, size_t n,
                        struct options_errors *errors) MUST_CHECK;

/* Takes over every CAIRND_NAME=value of a NULL-ended environment. */
bool options_parse_environment(struct options *options, char *const *environment,
                               struct options_errors *errors) MUST_CHECK;

/* Takes over the command line, up to what is wrong in it. Uses getopt_long's globals. */
enum options_action options_parse_arguments(struct options *options, int argc, char **argv,
                                            struct options_errors *errors) MUST_CHECK;

/* Checks the values together: each setting that must be given is given, and bounds fit each other. */
bool options_check(const struct options *options, struct options_errors *errors) MUST_CHECK;

/* Is told of a setting whose value differs; is_taken: it has the new one from now on, else from the next start on. */
typedef void options_tell(const char *name, const char *before, const char *after, bool is_taken);

/* Takes from `fresh` each setting that may change while the daemon runs, if they fit those that may not. False: they do not; nothing
 * was taken and nobody was told. */
bool options_reload(struct options *options, const struct options *fresh, options_tell *tell,
                    struct options_errors *errors) MUST_CHECK;

enum options_source options_source_of(const struct options *options, const char *name);

/* Calls `say` with each text, and once more if there were more errors than texts. */
void options_each_error(const struct options_errors *errors, void (*say)(const char *error));

/* The exit code of a start with these errors. */
enum exit_code options_exit_code(const struct options_errors *errors);

/* Every setting as a line a configuration file takes, with its origin as a comment behind it; and the help. */
void options_print(const struct options *options, FILE *out);
void options_help(FILE *out);

#endif
