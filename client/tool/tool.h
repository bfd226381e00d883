/* One run of the operator's tool: what a verb is, what the command line gave, the connection, and the exit code. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "client/cairn.h"
#include "client/tool/region.h"

/* The one table of exit codes: the help, ERRORS.md and completion follow it. 125 to 127 are of `cairn run` alone, as env and timeout
 * have them; 128 and more are signals, as shells count them. */
#define TOOL_EXIT_LIST(X)                                                                                    \
    X(OK, 0, "done")                                                                                         \
    X(FAILURE, 1, "failed; of a replay: an answer differed or a call failed")                                \
    X(USAGE, 2, "wrong usage: the command line, a file that it names, or the environment")                   \
    X(NOT_FOUND, 3, "the daemon looked, and it is not there")                                                \
    X(CANNOT_CONNECT, 4, "no daemon answers on the socket; nothing was applied")                             \
    X(TIMEOUT, 5, "no answer by the deadline; a write may have been applied")                                \
    X(UNKNOWN, 6, "I/O error or connection lost; a write may have been applied")                             \
    X(CONFLICT, 7, "a condition, guard or pruned height is in the way; not applied")                         \
    X(BUSY, 8, "no room by the deadline, or too many connections; not applied")                              \
    X(REFUSED, 9, "refused otherwise: invalid, too large, no space, ...; not applied")                       \
    X(RUN_FAILED, 125, "of run: the daemon did not start, or its directory could not be made")               \
    X(RUN_CANNOT_EXECUTE, 126, "of run: the command cannot be executed")                                     \
    X(RUN_NO_COMMAND, 127, "of run: there is no such command")                                               \
    X(INTERRUPTED, 130, "interrupted by Ctrl-C; a write may have been applied")                              \
    X(OUTPUT_CLOSED, 141, "the reader of the output closed it; a write may have been applied")

#define TOOL_EXIT_ENUM(name, code, text) TOOL_##name = (code),
enum tool_exit { TOOL_EXIT_LIST(TOOL_EXIT_ENUM) };
#undef TOOL_EXIT_ENUM

enum {
    TOOL_DEADLINE_US_DEFAULT = 30 * 1000000, /* chosen: as libcairn's */
    TOOL_JSON_SCHEMA = 2, /* of what -o json prints; 1 had no number, and two types for a u64 */
};

#define TOOL_SOCKET_DEFAULT "/run/cairn/cairnd.sock" /* where the systemd unit listens */

/* A flag, or an option with a value. */
struct tool_option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* what the help calls it; NULL: a flag */
    const char *help;
    const char *
        choices; /* for completion: words, "FILE", "VALUE" (@FILE, NAME=@FILE), "PARTS" (HEIGHT:FILE), "CHAIN",
                            "STATUS", "VERB", or NULL */
};

struct tool;

struct tool_verb {
    const char *name;      /* one or two words */
    const char *arguments; /* what the help calls them */
    const char *summary;
    const char *details;               /* more of the help, lines with their ends; or NULL */
    const char *example;               /* command lines that work, as details */
    const char *choices;               /* of the arguments, as of an option */
    const struct tool_option *options; /* of its own; ends with an empty one; NULL: none */
    int arguments_min, arguments_max;
    enum cairn_level level; /* its default; CAIRN_LEVEL_DEFAULT: it takes no --level */
    bool has_chain;         /* it takes --chain */
    const char *own_chain;  /* for the help: which chain it takes without --chain; NULL: "default" */
    bool is_local;          /* it needs no daemon: --socket and --deadline mean nothing */
    bool ends_options;      /* what follows its first argument is not its own: a command to run */
    enum tool_exit (*run)(struct tool *tool);
};

struct tool_given {
    const struct tool_option *option;
    const char *value;
};

struct tool {
    const struct tool_verb *verbs; /* all there are, fixed from the start; ends with an empty one */
    const struct tool_verb *verb;  /* the one to run; NULL: none */
    const char *group;             /* the first word of several verbs, whose help is asked for; NULL: none */
    char **arguments;
    int argument_count;
    struct tool_given *given; /* the verb's own options, in the order given */
    size_t given_count;

    const char *socket_path, *socket_origin; /* where the path comes from, for messages */
    struct cairn_slice chain;
    enum cairn_level level;
    uint64_t deadline_us;           /* of each request, and of connecting */
    bool json;                      /* objects are printed, as JSON or comma-separated values */
    bool help, version, has_socket; /* --help, --version, --socket were given */

    struct cairn_client *client;
    struct cairn_connection *connection;
    struct region region; /* values from the command line */
    bool stdin_is_read;   /* it can be read only once */
};

/* From here on failures are said in JSON, if `json`. The command line has not been read when the first may come, so that this is a
 * setting of the process and not of a tool. */
void tool_say_json(bool json);

/* Says "cairn: ..." on stderr or, in JSON, {"schema": 2, "error": {"exit": ..., "name": ..., "text": ...}}, and returns `code`, which
 * is not TOOL_OK. Bytes of the text that are not printable are escaped. */
enum tool_exit tool_fail(enum tool_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of a call that returned this status, which JSON names; the exit code is the status's. */
enum tool_exit tool_fail_of(enum cairn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says "cairn: warning: ..." or {"schema": 2, "warning": {"text": ...}} likewise. */
void tool_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code's name, as in the table; "" for a number that is not in it. */
const char *tool_exit_name(enum tool_exit code);

/* Microseconds of a clock that never goes back. */
int64_t tool_now_us(void);

/* ---- the daemon ---- */

/* Makes the client and its connection; it tries once. Not TOOL_OK: stderr says why. */
enum tool_exit tool_connect(struct tool *tool) CAIRN_MUST_CHECK;

/* The same for verbs that wait for a daemon or can do without: says nothing, gives up after `deadline_us`, and may be called again
 * after a failure. */
enum cairn_status tool_try_connect(struct tool *tool, uint64_t deadline_us) CAIRN_MUST_CHECK;

/* Says why tool_try_connect() failed with this status, and returns the exit code. */
enum tool_exit tool_connect_failed(const struct tool *tool, enum cairn_status status);

/* Checks that the tool's connection is not lost. A blocking call would connect again, and hide that the daemon was restarted. Not
 * TOOL_OK: stderr says why. */
enum tool_exit tool_check(struct tool *tool) CAIRN_MUST_CHECK;

/* Waits until a connection that was just opened is ready or lost. */
enum cairn_status tool_await(struct cairn_connection *connection, uint64_t deadline_us) CAIRN_MUST_CHECK;

/* The exit code of a verb that ended with this status. */
enum tool_exit tool_exit_of(enum cairn_status status);

/* The exit code of a verb whose last call returned this; says on stderr what went wrong, if anything did. `reply` may be NULL. */
enum tool_exit tool_result(struct tool *tool, enum cairn_status status, const struct cairn_reply *reply);

#endif
