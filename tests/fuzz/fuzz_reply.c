/* Any bytes as what a daemon answers: the client library must end up with every request completed once, and the
 * connection alive or lost with a text.
 *
 * An input is a row of frames: one byte for the request that is answered, flags, status, two bytes of length, body. Only
 * so do inputs get past the header. Requests above those there are take the bytes as they come. */
#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/connection/internal.h"
#include "proto/frame.h"

enum {
    REQUESTS = 19,
    CUT_BYTES = 5, /* before each frame's body */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int completed[REQUESTS];
static volatile uint8_t touched;

static void touch(struct cairn_slice slice)
{
    const uint8_t *bytes = slice.data;
    for (size_t i = 0; i < slice.bytes; i++) {
        touched ^= bytes[i];
    }
}

static void on_completion(void *context, const struct cairn_reply *reply)
{
    (*(int *)context)++;
    assert(reply->text != NULL);
    if (reply->status != CAIRN_OK) {
        return;
    }
    if (reply->kind == CAIRN_READ_BLOCK) {
        touch(reply->block.header);
        touch(reply->block.hash);
    } else if (reply->kind == CAIRN_GET) {
        touch(reply->found.value);
    } else if (reply->kind == CAIRN_CHAINS) {
        for (size_t i = 0; i < reply->chains.count; i++) {
            touch(reply->chains.entries[i].name);
        }
    } else if (reply->kind == CAIRN_STATUS_PAGE) {
        for (size_t i = 0; i < reply->page.count; i++) {
            touch(reply->page.entries[i].name);
            touch(reply->page.entries[i].text);
        }
    }
}

static bool on_block(void *context, const struct cairn_block *block)
{
    (void)context;
    touch(block->data);
    return block->height != 77;
}

static bool on_metadata(void *context, const struct cairn_metadata *metadata)
{
    (void)context;
    touch(metadata->name);
    touch(metadata->value);
    return metadata->of_height != 77;
}

#define SUBMIT(name, request_type, ...)                                                                      \
    submitted += cairn_submit_##name(connection, &(const struct request_type){__VA_ARGS__}, on_completion,   \
                                     &completed[submitted]) == CAIRN_OK
#define SUBMIT_STREAM(name, request_type, item, ...)                                                         \
    submitted += cairn_submit_##name(connection, &(const struct request_type){__VA_ARGS__}, item,            \
                                     on_completion, &completed[submitted]) == CAIRN_OK

static void submit_all(struct cairn_connection *connection)
{
    const struct cairn_operation set = {.kind = CAIRN_SET, .name = cairn_text("name")};
    const uint64_t heights[] = {3, 1};
    const struct cairn_slice names[] = {cairn_text("a"), cairn_text("b")};
    int submitted = 0;
    SUBMIT(ping, cairn_ping_request, .timeout_us = 0);
    SUBMIT(status_page, cairn_status_page_request, .timeout_us = 0);
    SUBMIT(chains, cairn_chains_request, .timeout_us = 0);
    SUBMIT(create_chain, cairn_create_chain_request, .chain = cairn_text("c"));
    SUBMIT(read_height, cairn_read_height_request, .timeout_us = 0);
    SUBMIT(read_block, cairn_read_block_request, .height = 1, .parts = CAIRN_HEADER | CAIRN_HASH);
    SUBMIT_STREAM(read_blocks, cairn_read_blocks_request, on_block, .heights = heights, .height_count = 2,
                  .parts = CAIRN_DATA);
    SUBMIT_STREAM(read_blocks, cairn_read_blocks_request, on_block, .first = 1, .last = 80,
                  .parts = CAIRN_DATA);
    SUBMIT(read_state, cairn_read_state_request, .timeout_us = 0);
    SUBMIT(get, cairn_get_request, .name = cairn_text("name"));
    SUBMIT_STREAM(get_many, cairn_get_many_request, on_metadata, .names = names, .name_count = 2);
    SUBMIT_STREAM(list, cairn_list_request, on_metadata, .window_bytes = 300);
    SUBMIT(write_metadata, cairn_write_metadata_request, .operations = &set, .operation_count = 1);
    SUBMIT(commit, cairn_commit_request, .metadata = &set, .metadata_count = 1, .carry = true);
    SUBMIT(prune, cairn_prune_request, .blocks = true, .blocks_through = 1);
    SUBMIT(drain, cairn_drain_request, .timeout_us = 0);
    SUBMIT(drop_chain, cairn_drop_chain_request, .timeout_us = 0);
    SUBMIT(rollback, cairn_rollback_request, .to = 1);
    SUBMIT(barrier, cairn_barrier_request, .level = CAIRN_WRITTEN);
    assert(submitted == REQUESTS);
}

/* Sends the input's frames; the requests' types and ids are those the library gave them. */
static void answer(const struct cairn_connection *connection, int fd, const uint8_t *data, size_t size)
{
    uint8_t types[REQUESTS];
    uint64_t ids[REQUESTS];
    int count = 0;
    for (const struct request *request = connection->first; request != NULL; request = request->next) {
        types[count] = request->type;
        ids[count++] = request->id;
    }
    while (size >= CUT_BYTES) {
        size_t bytes = (size_t)data[3] | (size_t)data[4] << 8;
        uint8_t header[FRAME_REPLY_BYTES];
        bytes = bytes < size - CUT_BYTES ? bytes : size - CUT_BYTES;
        if (data[0] < REQUESTS) {
            const struct frame_reply reply = {
                .type = types[data[0]],
                .id = ids[data[0]],
                .flags = data[1],
                .status = data[2],
                .body_bytes = (uint32_t)bytes,
                .written_through = data[1],
            };
            frame_reply_encode(&reply, header);
            (void)!send(fd, header, sizeof header, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        (void)!send(fd, data + CUT_BYTES, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        data += CUT_BYTES + bytes;
        size -= CUT_BYTES + bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    int sockets[2];
    memset(completed, 0, sizeof completed);
    const struct cairn_client_options options = {.socket_path = "/nonexistent/socket"};
    if (cairn_client_new(&options, &client) != CAIRN_OK ||
        cairn_connection_open(client, &connection) != CAIRN_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        abort();
    }
    connection->transport.fd = sockets[0];
    connection->transport.body_bytes_max = FRAME_BYTES_MIN;
    connection->state = CONNECTION_READY;
    connection->run = client->run = 1;
    submit_all(connection);
    assert(cairn_connection_process(connection, POLLOUT) == CAIRN_OK);
    answer(connection, sockets[1], data, size);
    close(sockets[1]);
    for (int i = 0; cairn_connection_process(connection, POLLIN) == CAIRN_OK; i++) {
        assert(i < 1000);
    }
    assert(cairn_connection_get_state(connection) == CAIRN_LOST &&
           cairn_connection_error(connection)[0] != '\0');
    for (int i = 0; i < REQUESTS; i++) {
        assert(completed[i] == 1);
    }
    cairn_client_free(client);
    return 0;
}
