/* Commits a block exactly once, over a busy or restarting daemon. What is known not to be applied is sent again, with growing
 * pauses; what is unknown is looked up: the block at that height, if there is one, is ours if it has our hash.
 *
 *   retry SOCKET             exits 0 once the block is there */
#include <cairn.h>
#include <stdio.h>
#include <string.h>

/* The hash is the caller's; a node has one for each of its blocks. */
static const char hash_of_ours[] = "the hash of the example's block";

enum found { OURS, ANOTHER, NONE, UNKNOWN };

static enum found look(struct cairn_connection *connection, uint64_t height)
{
    const struct cairn_read_block_request read = {.height = height, .parts = CAIRN_HASH};
    const struct cairn_reply *reply;
    struct cairn_retry retry = {.timeout_us = 10000000};
    enum cairn_status status;
    do {
        status = cairn_read_block(connection, &read, &reply);
    } while (cairn_retry_wait(&retry, CAIRN_READ_BLOCK, status));
    if (status == CAIRN_NOT_FOUND) {
        return NONE;
    }
    if (status != CAIRN_OK) {
        fprintf(stderr, "read: %s: %s\n", cairn_status_text(status), reply->text);
        return UNKNOWN;
    }
    const struct cairn_slice hash = reply->block.hash;
    return hash.bytes == sizeof hash_of_ours && memcmp(hash.data, hash_of_ours, hash.bytes) == 0 ? OURS
                                                                                                 : ANOTHER;
}

/* Commits the block unless it is there; 0 once it is. */
static int commit_once(struct cairn_connection *connection, uint64_t height)
{
    const struct cairn_block block = {
        .height = height,
        .header = cairn_text("header"),
        .hash = {.data = hash_of_ours, .bytes = sizeof hash_of_ours},
    };
    const struct cairn_commit_request commit = {
        .if_height = true, /* another writer's commit in between is a conflict, not an overwrite */
        .expected_height = height - 1,
        .blocks = &block,
        .block_count = 1,
        .rise_to = height,
    };
    for (;;) {
        const struct cairn_reply *reply;
        struct cairn_retry retry = {.timeout_us = 10000000};
        enum cairn_status status;
        do {
            status = cairn_commit(connection, &commit, &reply);
        } while (cairn_retry_wait(&retry, CAIRN_COMMIT, status));
        if (status == CAIRN_OK) {
            return 0;
        }
        fprintf(stderr, "commit: %s: %s\n", cairn_status_text(status), reply->text);
        if (cairn_status_applied(status) != CAIRN_UNKNOWN) {
            return 1;
        }
        const enum found found = look(connection, height);
        if (found != NONE) {
            return found == OURS ? 0 : 1;
        }
    }
}

static int example(struct cairn_connection *connection)
{
    const struct cairn_read_height_request height = {.timeout_us = 0};
    const struct cairn_reply *reply;
    if (cairn_read_height(connection, &height, &reply) != CAIRN_OK) {
        fprintf(stderr, "height: %s: %s\n", cairn_status_text(reply->status), reply->text);
        return 1;
    }
    const uint64_t next = reply->height + 1;
    if (commit_once(connection, next) != 0) {
        return 1;
    }
    return look(connection, next) == OURS ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL, .name = "retry"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: retry SOCKET: %s\n", cairn_client_error(NULL));
        return 2;
    }
    int result = 1;
    if (cairn_connect(client, 5000000, &connection) == CAIRN_OK) {
        result = example(connection);
    } else {
        fprintf(stderr, "%s\n", cairn_client_error(client));
    }
    cairn_client_free(client);
    return result;
}
