/* Commits a block, sets metadata, and reads both back, one blocking call at a time.
 *
 *   blocking SOCKET          exits 0 if everything came back as it was written */
#include <cairn.h>
#include <stdio.h>
#include <string.h>

static int failed(const char *what, const struct cairn_reply *reply)
{
    fprintf(stderr, "%s: %s: %s\n", what, cairn_status_text(reply->status), reply->text);
    return 1;
}

static int example(struct cairn_connection *connection)
{
    const struct cairn_reply *reply;
    if (cairn_read_height(connection, &(struct cairn_read_height_request){.timeout_us = 0}, &reply) !=
        CAIRN_OK) {
        return failed("height", reply);
    }
    const uint64_t height = reply->height + 1;

    /* Durable when it returns: the block and the new height together, or neither. */
    const struct cairn_block block = {
        .height = height,
        .header = cairn_text("header"),
        .data = cairn_text("transactions"),
    };
    const struct cairn_commit_request commit = {.blocks = &block, .block_count = 1, .rise_to = height};
    if (cairn_commit(connection, &commit, &reply) != CAIRN_OK) {
        return failed("commit", reply);
    }

    /* Accepted when it returns: in order, readable, on its way to the disk. */
    const struct cairn_operation set = {
        .kind = CAIRN_SET,
        .name = cairn_text("example"),
        .value = cairn_text("value"),
    };
    const struct cairn_write_metadata_request write = {.operations = &set, .operation_count = 1};
    if (cairn_write_metadata(connection, &write, &reply) != CAIRN_OK) {
        return failed("set", reply);
    }

    if (cairn_get(connection, &(struct cairn_get_request){.name = set.name}, &reply) != CAIRN_OK) {
        return failed("get", reply);
    }
    if (reply->found.value.bytes != 5 || memcmp(reply->found.value.data, "value", 5) != 0) {
        fprintf(stderr, "get: another value than was set\n");
        return 1;
    }
    const struct cairn_read_block_request read = {.height = height, .parts = CAIRN_DATA};
    if (cairn_read_block(connection, &read, &reply) != CAIRN_OK) {
        return failed("block", reply);
    }
    if (reply->block.data.bytes != 12 || memcmp(reply->block.data.data, "transactions", 12) != 0) {
        fprintf(stderr, "block: other data than was committed\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL,
                                                 .name = "example"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: blocking SOCKET: %s\n", cairn_client_error(NULL));
        return 2;
    }
    int result = 1;
    if (cairn_connect(client, 5000000, &connection) == CAIRN_OK) {
        result = example(connection);
        /* waits until the metadata is written */
        const enum cairn_status closed = cairn_close(connection, 0, NULL);
        if (closed != CAIRN_OK) {
            fprintf(stderr, "close: %s\n", cairn_status_text(closed));
            result = 1;
        }
    } else {
        fprintf(stderr, "%s\n", cairn_client_error(client));
    }
    cairn_client_free(client);
    return result;
}
