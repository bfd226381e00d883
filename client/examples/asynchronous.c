/* Sets many names, a thousand requests in flight, from a poll loop; a barrier behind them tells that all is written.
 *
 *   asynchronous SOCKET      exits 0 if every name was set and written */
#include <cairn.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

enum {
    WRITES = 10000,
    IN_FLIGHT = 1000,
};

struct progress {
    int accepted;
    int failed;
    bool written;
};

static void set_completed(void *context, const struct cairn_reply *reply)
{
    struct progress *progress = context;
    if (reply->status == CAIRN_OK) {
        progress->accepted++;
    } else {
        progress->failed++;
        fprintf(stderr, "set: %s\n", reply->text);
    }
}

static void barrier_completed(void *context, const struct cairn_reply *reply)
{
    struct progress *progress = context;
    progress->written = reply->status == CAIRN_OK;
    progress->failed += reply->status != CAIRN_OK;
}

static enum cairn_status submit_next(struct cairn_connection *connection, int number,
                                     struct progress *progress)
{
    if (number == WRITES) {
        const struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN};
        return cairn_submit_barrier(connection, &barrier, barrier_completed, progress);
    }
    const struct cairn_slice bytes = {.data = &number, .bytes = sizeof number};
    const struct cairn_operation set = {.kind = CAIRN_SET, .name = bytes, .value = cairn_text("value")};
    const struct cairn_write_metadata_request write = {.operations = &set, .operation_count = 1};
    return cairn_submit_write_metadata(connection, &write, set_completed, progress);
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL};
    if (cairn_client_new(&options, &client) != CAIRN_OK ||
        cairn_connection_open(client, &connection) != CAIRN_OK) {
        fprintf(stderr, "usage: asynchronous SOCKET: %s\n", cairn_client_error(NULL));
        return 2;
    }
    struct progress progress = {.accepted = 0};
    int next = 0;
    while (!progress.written && progress.failed == 0) {
        while (next <= WRITES && cairn_connection_in_flight(connection) < IN_FLIGHT &&
               submit_next(connection, next, &progress) == CAIRN_OK) {
            next++;
        }
        struct pollfd fd = {cairn_connection_fd(connection), cairn_connection_events(connection), 0};
        int64_t timeout_us = cairn_connection_timeout_us(connection);
        poll(&fd, 1, timeout_us < 0 ? -1 : (int)(timeout_us / 1000) + 1);
        if (cairn_connection_process(connection, fd.revents) != CAIRN_OK) {
            fprintf(stderr, "%s\n", cairn_connection_error(connection));
            break;
        }
    }
    cairn_client_free(client);
    return progress.written && progress.accepted == WRITES ? 0 : 1;
}
