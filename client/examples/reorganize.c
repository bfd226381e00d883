/* What a node does when the chain takes another branch: looks what a rollback would drop, rolls back while a finality mark stands
 * guard, and commits the other branch in its place. Then prunes what is final.
 *
 *   reorganize SOCKET        exits 0 if the other branch is the chain */
#include <cairn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BRANCH = 3 }; /* blocks */

static int failed(const char *what, const struct cairn_reply *reply)
{
    fprintf(stderr, "%s: %s: %s\n", what, cairn_status_text(reply->status), reply->text);
    return 1;
}

/* Commits the next blocks, with a state and a note each; the notes are bound to their blocks and go with them. */
static int commit_branch(struct cairn_connection *connection, uint64_t first, const char *branch)
{
    for (uint64_t height = first; height < first + BRANCH; height++) {
        char note[32];
        const struct cairn_reply *reply;
        snprintf(note, sizeof note, "note/%" PRIu64, height);
        const struct cairn_block block = {.height = height, .header = cairn_text(branch)};
        const struct cairn_state state = {.height = height, .value = cairn_text("state")};
        const struct cairn_operation set = {
            .kind = CAIRN_SET,
            .name = cairn_text(note),
            .value = cairn_text(branch),
            .of_height = height,
        };
        const struct cairn_commit_request commit = {
            .level =
                CAIRN_WRITTEN, /* survives the daemon; the barrier below makes all of them durable at once */
            .if_height = true,
            .expected_height = height - 1,
            .blocks = &block,
            .block_count = 1,
            .states = &state,
            .state_count = 1,
            .rise_to = height,
            .metadata = &set,
            .metadata_count = 1,
        };
        if (cairn_commit(connection, &commit, &reply) != CAIRN_OK) {
            return failed("commit", reply);
        }
    }
    return 0;
}

static int roll_back(struct cairn_connection *connection, uint64_t to)
{
    /* Refuses if the mark "final" lies above the target. It is absent here, so it passes. */
    const struct cairn_guard guard = {.name = cairn_text("final"), .lower = false};
    struct cairn_rollback_request rollback = {.to = to, .guards = &guard, .guard_count = 1, .dry_run = true};
    const struct cairn_reply *reply;
    if (cairn_rollback(connection, &rollback, &reply) != CAIRN_OK) {
        return failed("dry run", reply);
    }
    printf("would drop %" PRIu64 " blocks, %" PRIu64 " states, %" PRIu64 " names\n", reply->write.blocks,
           reply->write.states, reply->write.metadata);
    rollback.dry_run = false;
    return cairn_rollback(connection, &rollback, &reply) == CAIRN_OK ? 0 : failed("rollback", reply);
}

static int example(struct cairn_connection *connection)
{
    const struct cairn_read_height_request height = {.timeout_us = 0};
    const struct cairn_reply *reply;
    if (cairn_read_height(connection, &height, &reply) != CAIRN_OK) {
        return failed("height", reply);
    }
    const uint64_t base = reply->height;
    if (commit_branch(connection, base + 1, "one") != 0 || roll_back(connection, base + 1) != 0 ||
        commit_branch(connection, base + 2, "other") != 0) {
        return 1;
    }
    const struct cairn_barrier_request barrier = {.level = CAIRN_DURABLE};
    if (cairn_barrier(connection, &barrier, &reply) != CAIRN_OK) {
        return failed("barrier", reply);
    }
    const struct cairn_read_block_request read = {.height = base + 2, .parts = CAIRN_HEADER};
    if (cairn_read_block(connection, &read, &reply) != CAIRN_OK) {
        return failed("block", reply);
    }
    if (reply->block.header.bytes != 5 || memcmp(reply->block.header.data, "other", 5) != 0) {
        fprintf(stderr, "block %" PRIu64 " is of the branch that was left\n", base + 2);
        return 1;
    }
    const struct cairn_prune_request prune = {.blocks = true, .blocks_through = base + 1};
    return cairn_prune(connection, &prune, &reply) == CAIRN_OK ? 0 : failed("prune", reply);
}

int main(int argc, char **argv)
{
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL,
                                                 .name = "reorganize"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: reorganize SOCKET: %s\n", cairn_client_error(NULL));
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
