/* One run of the operator's tool: what a verb is, what the command line gave, the connection, and the exit code. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "client/cairn.h"
#include "client/tool/region.h"

#define TOOL_EXIT_LIST(X)                                                                                    \
    X(OK, 0, "done")                                                                                         \
    X(FAILURE, 1, "failed; of a replay: an answer differed or a call failed")                                \
    X(USAGE, 2, "the command line is wrong")                                                                 \
    X(NOT_FOUND, 3, "the daemon looked, and it is not there")                                                \
    X(CANNOT_CONNECT, 4, "no daemon answers on the socket; nothing was applied")                             \
    X(TIMEOUT, 5, "no answer by the deadline; a write may have been applied")                                \
    X(UNKNOWN, 6, "I/O error or connection lost; a write may have been applied")                             \
    X(CONFLICT, 7, "a condition, guard or pruned height is in the way; not applied")                         \
    X(BUSY, 8, "no room by the deadline, or too many connections; not applied")                              \
    X(REFUSED, 9, "refused otherwise: invalid, too large, no space, ...; not applied")

#define TOOL_EXIT_ENUM(name, code, text) TOOL_##name = (code),
enum tool_exit { TOOL_EXIT_LIST(TOOL_EXIT_ENUM) };
#undef TOOL_EXIT_ENUM

enum {
    TOOL_DEADLINE_US_DEFAULT = 30 * 1000000, /* chosen: as libcairn's */
};

/* A flag, or an option with a value. */
struct tool_option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* what the help calls it; NULL: a flag */
    const char *help;
    const char *choices; /* for completion: words, "FILE", or NULL */
};

struct tool;

struct tool_verb {
    const char *name;      /* one or two words */
    const char *arguments; /* what the help calls them */
    const char *summary;
    const char *details;               /* more of the help, or NULL */
    const char *choices;               /* of the arguments, as of an option */
    const struct tool_option *options; /* of its own; ends with an empty one; NULL: none */
    int arguments_min, arguments_max;
    bool has_chain, has_level; /* takes --chain, --level */
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

    const char *socket_path;
    struct cairn_slice chain;
    enum cairn_level level;
    uint64_t deadline_us; /* of each request, and of connecting */
    bool json, help;

    struct cairn_client *client;
    struct cairn_connection *connection;
    struct region region; /* values from the command line */
    bool stdin_is_read;   /* it can be read only once */
};

/* Says "cairn: ..." on stderr, and returns `code`, which is not TOOL_OK. */
enum tool_exit tool_fail(enum tool_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Microseconds of a clock that never goes back. */
int64_t tool_now_us(void);

/* ---- the daemon ---- */

/* Makes the client and its connection; it tries once. Not TOOL_OK: stderr says why. */
enum tool_exit tool_connect(struct tool *tool) CAIRN_MUST_CHECK;

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
