/* Commits a hundred blocks at once, and reads them back as a stream whose items come one at a time, however many there are. Then
 * lists metadata, and ends that stream early.
 *
 *   stream SOCKET            exits 0 if all that was written came back */
#include <cairn.h>
#include <stdio.h>
#include <string.h>

enum {
    BLOCKS = 100,
    NAMES_WANTED = 3,
};

struct seen {
    uint64_t next; /* the height that comes next */
    uint64_t blocks, bytes;
    int names;
};

static int failed(const char *what, const struct cairn_reply *reply)
{
    fprintf(stderr, "%s: %s: %s\n", what, cairn_status_text(reply->status), reply->text);
    return 1;
}

/* Runs for each block; false would end the stream. */
static bool block_came(void *context, const struct cairn_block *block)
{
    struct seen *seen = context;
    if (block->height != seen->next++) {
        fprintf(stderr, "block %llu came out of order\n", (unsigned long long)block->height);
        return false;
    }
    seen->blocks++;
    seen->bytes += block->data.bytes;
    return true;
}

static bool name_came(void *context, const struct cairn_metadata *metadata)
{
    struct seen *seen = context;
    printf("%.*s\n", (int)metadata->name.bytes, (const char *)metadata->name.data);
    return ++seen->names < NAMES_WANTED;
}

static int commit_blocks(struct cairn_connection *connection, uint64_t first)
{
    static const char transactions[1000];
    struct cairn_block blocks[BLOCKS];
    struct cairn_operation sets[NAMES_WANTED + 1];
    char names[NAMES_WANTED + 1][24];
    const struct cairn_reply *reply;
    memset(blocks, 0, sizeof blocks); /* what is not set must be zero */
    memset(sets, 0, sizeof sets);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        blocks[i].height = first + i;
        blocks[i].header = cairn_text("header");
        blocks[i].data = (struct cairn_slice){.data = transactions, .bytes = sizeof transactions};
    }
    for (int i = 0; i <= NAMES_WANTED; i++) {
        snprintf(names[i], sizeof names[i], "stream/%d", i);
        sets[i].kind = CAIRN_SET;
        sets[i].name = cairn_text(names[i]);
    }
    const struct cairn_commit_request commit = {
        .blocks = blocks,
        .block_count = BLOCKS,
        .rise_to = first + BLOCKS - 1,
        .metadata = sets,
        .metadata_count = NAMES_WANTED + 1,
    };
    return cairn_commit(connection, &commit, &reply) == CAIRN_OK ? 0 : failed("commit", reply);
}

static int example(struct cairn_connection *connection)
{
    const struct cairn_reply *reply;
    const struct cairn_read_height_request height = {.timeout_us = 0};
    if (cairn_read_height(connection, &height, &reply) != CAIRN_OK) {
        return failed("height", reply);
    }
    const uint64_t first = reply->height + 1;
    if (commit_blocks(connection, first) != 0) {
        return 1;
    }

    struct seen seen = {.next = first};
    const struct cairn_read_blocks_request blocks = {
        .first = first,
        .last = first + BLOCKS - 1,
        .parts = CAIRN_DATA,
    };
    if (cairn_read_blocks(connection, &blocks, block_came, &seen, &reply) != CAIRN_OK) {
        return failed("blocks", reply);
    }
    printf("%llu blocks of %llu bytes\n", (unsigned long long)seen.blocks, (unsigned long long)seen.bytes);

    const struct cairn_list_request list = {.prefix = cairn_text("stream/")};
    if (cairn_list(connection, &list, name_came, &seen, &reply) != CAIRN_OK) {
        return failed("list", reply);
    }
    return seen.blocks == BLOCKS && seen.names == NAMES_WANTED ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL, .name = "stream"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: stream SOCKET: %s\n", cairn_client_error(NULL));
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
