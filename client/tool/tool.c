/* The tool's connection: opened once, used by one verb, ended with the process. If it is lost the verb fails, and says why; the
 * tool does not connect again.
 *
 * What goes wrong is one line on stderr. Its parts may come from the daemon, a file or the command line, so that what is not
 * printable is escaped here, for all of them. */
#include "client/tool/tool.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/tool/encoding.h"
#include "client/tool/fatal.h"

enum {
    /* of accepted metadata, as of a bench or a replay at level accepted; chosen: they never fill it */
    KEPT_BYTES_MAX = 512 << 20,
};

static bool says_json; /* set once, before anything is said */

void tool_say_json(bool json)
{
    says_json = json;
}

const char *tool_exit_name(enum tool_exit code)
{
    switch (code) {
#define TOOL_EXIT_NAME(name, number, text)                                                                   \
    case TOOL_##name:                                                                                        \
        return #name;
        TOOL_EXIT_LIST(TOOL_EXIT_NAME)
#undef TOOL_EXIT_NAME
    }
    return "";
}

/* Says one line. `code` TOOL_OK: it is a warning. `status`: the daemon's or the library's, or NULL. `reason`: of a conflict, or "". */
static void say(enum tool_exit code, const char *status, const char *reason, const char *format,
                va_list arguments)
{
    char *text = NULL;
    assert(tool_exit_name(code)[0] != '\0'); /* each has a row in the table */
    if (vasprintf(&text, format, arguments) < 0) {
        fatal("not enough memory");
    }
    char *escaped = text_escape(text);
    free(text);
    fflush(stdout);
    if (!says_json) {
        fprintf(stderr, "cairn: %s%s\n", code == TOOL_OK ? "warning: " : "", escaped);
        free(escaped);
        return;
    }
    json_t *what = code == TOOL_OK ? json_object()
                                   : json_pack("{s:i, s:s}", "exit", (int)code, "name", tool_exit_name(code));
    if (status != NULL) {
        json_object_set_new(what, "status", json_string(status));
    }
    if (reason[0] != '\0') {
        json_object_set_new(what, "reason", json_string(reason));
    }
    json_object_set_new(what, "text", json_string(escaped));
    free(escaped);
    json_t *document =
        json_pack("{s:i, s:o}", "schema", TOOL_JSON_SCHEMA, code == TOOL_OK ? "warning" : "error", what);
    if (document == NULL) {
        fatal("not enough memory");
    }
    json_dumpf(document, stderr, JSON_COMPACT | JSON_ENSURE_ASCII);
    fputc('\n', stderr);
    json_decref(document);
}

enum tool_exit tool_fail(enum tool_exit code, const char *format, ...)
{
    va_list arguments;
    assert(code != TOOL_OK);
    va_start(arguments, format);
    say(code, NULL, "", format, arguments);
    va_end(arguments);
    return code;
}

void tool_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(TOOL_OK, NULL, "", format, arguments);
    va_end(arguments);
}

enum tool_exit tool_fail_of(enum cairn_status status, const char *format, ...)
{
    va_list arguments;
    assert(status != CAIRN_OK);
    va_start(arguments, format);
    say(tool_exit_of(status), cairn_status_text(status), "", format, arguments);
    va_end(arguments);
    return tool_exit_of(status);
}

int64_t tool_now_us(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(!failed); /* every Linux has this clock */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum cairn_status tool_await(struct cairn_connection *connection, uint64_t deadline_us)
{
    enum cairn_status status = CAIRN_OK;
    assert(deadline_us > 0);
    int64_t end = deadline_us > INT64_MAX / 2 ? INT64_MAX : tool_now_us() + (int64_t)deadline_us;
    while (cairn_connection_get_state(connection) == CAIRN_CONNECTING) {
        int64_t left_us = end - tool_now_us();
        int64_t own_us = cairn_connection_timeout_us(connection);
        if (left_us <= 0) {
            return CAIRN_CANNOT_CONNECT;
        }
        int64_t wait_us = own_us >= 0 && own_us < left_us ? own_us : left_us;
        struct pollfd socket = {.fd = cairn_connection_fd(connection),
                                .events = cairn_connection_events(connection)};
        int wait_ms = wait_us > 1000000000 ? 1000000 : (int)((wait_us + 999) / 1000);
        int ready = poll(&socket, 1, wait_ms);
        status = cairn_connection_process(connection, ready > 0 ? socket.revents : 0);
    }
    return cairn_connection_get_state(connection) == CAIRN_READY ? CAIRN_OK
           : status != CAIRN_OK                                  ? status
                                                                 : CAIRN_CANNOT_CONNECT;
}

enum cairn_status tool_try_connect(struct tool *tool, uint64_t deadline_us)
{
    assert(tool->socket_path != NULL && deadline_us > 0);
    struct cairn_client_options options = {
        .socket_path = tool->socket_path,
        .name = "cairn",
        .timeout_us = tool->deadline_us,
        .kept_bytes_max = KEPT_BYTES_MAX,
    };
    if (tool->client == NULL && cairn_client_new(&options, &tool->client) != CAIRN_OK) {
        return CAIRN_USAGE;
    }
    cairn_connection_free(tool->connection);
    tool->connection = NULL;
    enum cairn_status status = cairn_connection_open(tool->client, &tool->connection);
    return status == CAIRN_OK ? tool_await(tool->connection, deadline_us) : status;
}

enum tool_exit tool_connect_failed(const struct tool *tool, enum cairn_status status)
{
    assert(status != CAIRN_OK);
    if (tool->client == NULL) {
        return tool_fail(TOOL_USAGE, "the path of the socket is not of 1 to 107 bytes (%s): %s",
                         tool->socket_origin, tool->socket_path);
    }
    const char *why = tool->connection != NULL ? cairn_connection_error(tool->connection) : "";
    why = why[0] != '\0' ? why : cairn_status_text(status);
    return strstr(why, tool->socket_path) != NULL
               ? tool_fail_of(status, "%s (%s)", why, tool->socket_origin)
               : tool_fail_of(status, "%s: %s (%s)", tool->socket_path, why, tool->socket_origin);
}

enum tool_exit tool_connect(struct tool *tool)
{
    assert(tool->client == NULL && tool->connection == NULL); /* a run connects once */
    enum cairn_status status = tool_try_connect(tool, tool->deadline_us);
    return status == CAIRN_OK ? TOOL_OK : tool_connect_failed(tool, status);
}

enum tool_exit tool_check(struct tool *tool)
{
    assert(tool->connection != NULL);
    enum cairn_status status = cairn_connection_process(tool->connection, POLLIN);
    return status == CAIRN_OK ? TOOL_OK
                              : tool_fail(TOOL_UNKNOWN, "%s", cairn_connection_error(tool->connection));
}

enum tool_exit tool_exit_of(enum cairn_status status)
{
    switch (status) {
    case CAIRN_OK:
        return TOOL_OK;
    case CAIRN_NOT_FOUND:
        return TOOL_NOT_FOUND;
    case CAIRN_CANNOT_CONNECT:
    case CAIRN_NOT_SENT:
    case CAIRN_STORE_CHANGED:
        return TOOL_CANNOT_CONNECT;
    case CAIRN_TIMEOUT:
        return TOOL_TIMEOUT;
    case CAIRN_IO_ERROR:
    case CAIRN_CONNECTION_LOST:
        return TOOL_UNKNOWN;
    case CAIRN_CONFLICT:
        return TOOL_CONFLICT;
    case CAIRN_BUSY:
        return TOOL_BUSY;
    case CAIRN_NO_MEMORY:
        return TOOL_FAILURE;
    default:
        return TOOL_REFUSED;
    }
}

/* tool_fail_of() of a conflict with that reason. */
static enum tool_exit fail_for(enum cairn_status status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum tool_exit fail_for(enum cairn_status status, const char *reason, const char *format, ...)
{
    va_list arguments;
    assert(status == CAIRN_CONFLICT);
    va_start(arguments, format);
    say(tool_exit_of(status), cairn_status_text(status), reason, format, arguments);
    va_end(arguments);
    return tool_exit_of(status);
}

enum tool_exit tool_result(struct tool *tool, enum cairn_status status, const struct cairn_reply *reply)
{
    if (status == CAIRN_OK) {
        return TOOL_OK;
    }
    assert(tool->connection != NULL); /* the call that failed was made on it */
    const char *text = reply != NULL && reply->text != NULL ? reply->text : "";
    if (text[0] == '\0' && status != CAIRN_NOT_FOUND) {
        text = cairn_connection_error(tool->connection);
    }
    const char *what = cairn_status_text(status);
    const char *reason = reply != NULL ? cairn_reason_text(reply->reason) : "";
    if (reason[0] != '\0') {
        return fail_for(status, reason, "%s (%s): %s", what, reason, text);
    }
    if (text[0] == '\0' || strstr(text, what) != NULL) {
        return tool_fail_of(status, "%s", text[0] != '\0' ? text : what);
    }
    return tool_fail_of(status, "%s: %s", what, text);
}
