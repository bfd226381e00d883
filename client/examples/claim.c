/* Commits blocks as the one writer of a chain. Under the claim a lost connection or a killed daemon does not show: each commit happens
 * once, and its call returns when that is known. Compare retry.c, which has to find out by itself.
 *
 *   claim SOCKET             exits 0 once the blocks are there */
#include <cairn.h>
#include <stdio.h>

enum { BLOCKS = 10 };

static int failed(const char *what, const struct cairn_reply *reply)
{
    fprintf(stderr, "%s: %s: %s %s\n", what, cairn_status_text(reply->status), reply->text,
            reply->reason == CAIRN_REASON_CLAIMED ? "(another node writes to this chain)" : "");
    return 1;
}

static int example(struct cairn_connection *connection)
{
    const struct cairn_slice chain = cairn_text("claimed");
    const struct cairn_create_chain_request create = {.chain = chain};
    const struct cairn_read_height_request read = {.chain = chain};
    const struct cairn_reply *reply;
    if (cairn_create_chain(connection, &create, &reply) != CAIRN_OK) {
        return failed("create chain", reply);
    }

    /* From here on no other client writes to the chain, and what this one does not know of is not there. */
    const struct cairn_claim_request claim = {.chain = chain, .writer_name = cairn_text("example")};
    if (cairn_claim(connection, &claim, &reply) != CAIRN_OK) {
        return failed("claim", reply);
    }
    if (cairn_read_height(connection, &read, &reply) != CAIRN_OK) {
        return failed("height", reply);
    }
    for (uint64_t height = reply->height + 1, last = reply->height + BLOCKS; height <= last; height++) {
        const struct cairn_block block = {.height = height, .header = cairn_text("header")};
        const struct cairn_commit_request commit = {
            .chain = chain,
            .timeout_us = CAIRN_NO_TIMEOUT, /* until it is known, also over a restart of the daemon */
            .blocks = &block,
            .block_count = 1,
            .rise_to = height,
        };
        if (cairn_commit(connection, &commit, &reply) != CAIRN_OK) {
            return failed("commit", reply); /* not applied, unless cairn_status_applied() says otherwise */
        }
    }

    /* A node that ends without it keeps others out for some seconds more. */
    const struct cairn_release_request release = {.chain = chain};
    return cairn_release(connection, &release, &reply) == CAIRN_OK ? 0 : failed("release", reply);
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL, .name = "claim"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: claim SOCKET: %s\n", cairn_client_error(NULL));
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
