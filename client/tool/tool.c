/* The tool's connection: opened once, used by one verb, ended with the process. If it is lost the verb fails, and says why; the
 * tool does not connect again. */
#include "client/tool/tool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum tool_exit tool_fail(enum tool_exit code, const char *format, ...)
{
    va_list arguments;
    assert(code != TOOL_OK);
    va_start(arguments, format);
    fflush(stdout);
    fputs("cairn: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
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

enum tool_exit tool_connect(struct tool *tool)
{
    if (tool->socket_path == NULL) {
        return tool_fail(TOOL_USAGE, "no socket: give --socket PATH or set CAIRN_SOCKET");
    }
    assert(tool->client == NULL && tool->connection == NULL); /* a run connects once */
    struct cairn_client_options options = {
        .socket_path = tool->socket_path,
        .name = "cairn",
        .timeout_us = tool->deadline_us,
        .kept_bytes_max = (size_t)512 << 20,
    };
    if (cairn_client_new(&options, &tool->client) != CAIRN_OK) {
        return tool_fail(TOOL_USAGE, "socket path too long, at most 107 bytes: %s", tool->socket_path);
    }
    enum cairn_status status = cairn_connection_open(tool->client, &tool->connection);
    if (status == CAIRN_OK) {
        status = tool_await(tool->connection, tool->deadline_us);
    }
    if (status != CAIRN_OK) {
        const char *why = tool->connection != NULL ? cairn_connection_error(tool->connection) : "";
        return why[0] != '\0' ? tool_fail(TOOL_CANNOT_CONNECT, "%s", why)
                              : tool_fail(TOOL_CANNOT_CONNECT, "cannot connect to %s: %s", tool->socket_path,
                                          cairn_status_text(status));
    }
    return TOOL_OK;
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
    if (text[0] == '\0' || strstr(text, what) != NULL) {
        return tool_fail(tool_exit_of(status), "%s", text[0] != '\0' ? text : what);
    }
    return tool_fail(tool_exit_of(status), "%s: %s", what, text);
}
