/* A set's life: the signals are taken, chains are made one by one, the verb works in them, and the end drops them in the order in which
 * they were made.
 *
 * Ways to fail: a chain that exists already is not the verb's, and is never dropped. A drop may fail or stay unanswered:
 * the daemon is gone or too old, or the deadline of the end is over. The name is told then, so that it can be dropped by hand. */
#include "client/tool/own_chains.h"

#include <assert.h>
#include <signal.h>
#include <unistd.h>

enum {
    DROP_US_MAX = 5000000,  /* how long the end waits for each drop; chosen */
    SECOND_US_MIN = 500000, /* timeout(1) sends a signal twice, to the process and to its group; chosen */
};

static volatile sig_atomic_t interrupted; /* the process has one set of signals, and so one of these */
static int64_t interrupted_us;            /* when; before it is set */

void own_chains_interrupt(int number)
{
    const int64_t now_us = tool_now_us();
    if (interrupted == 0) {
        interrupted_us = now_us;
        interrupted = 1;
    } else if (now_us - interrupted_us >= SECOND_US_MIN) {
        _exit(number == SIGINT ? TOOL_INTERRUPTED : 128 + number);
    }
}

void own_chains_begin(struct own_chains *own, struct tool *tool, size_t count_max, bool is_kept)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP};
    *own = (struct own_chains){.tool = tool, .is_kept = is_kept, .capacity = count_max};
    own->names = region_allocate(&tool->region, count_max, sizeof *own->names);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        struct sigaction action = {.sa_handler = own_chains_interrupt}, before; /* a poll ends with EINTR */
        if (sigaction(taken[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(taken[i], &action, NULL);
        }
    }
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away would end the process with its chains undropped */
}

enum tool_exit own_chains_make(struct own_chains *own, struct cairn_slice chain, bool *ret_existed)
{
    assert(own->count < own->capacity);
    struct cairn_create_chain_request request = {.chain = chain};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_create_chain(own->tool->connection, &request, &reply);
    bool existed = status == CAIRN_OK && !reply->write.created;
    *ret_existed = existed;
    if (status != CAIRN_OK) {
        return tool_result(own->tool, status, reply);
    }
    if (existed) {
        return TOOL_FAILURE;
    }
    own->names[own->count++] = chain;
    return TOOL_OK;
}

bool own_chains_interrupted(void)
{
    return interrupted != 0;
}

static void drop(struct own_chains *own, struct cairn_slice chain)
{
    struct cairn_drop_chain_request request = {
        .chain = chain,
        .timeout_us = own->tool->deadline_us < DROP_US_MAX ? own->tool->deadline_us : DROP_US_MAX,
    };
    const struct cairn_reply *reply = NULL;
    enum cairn_status status = cairn_drop_chain(own->tool->connection, &request, &reply);
    if (status != CAIRN_OK) {
        const char *why = reply != NULL && reply->text != NULL && reply->text[0] != '\0'
                              ? reply->text
                              : cairn_status_text(status);
        tool_warn("chain %.*s stays (%s); once the daemon answers: cairn chains drop %.*s", (int)chain.bytes,
                  (const char *)chain.data, why, (int)chain.bytes, (const char *)chain.data);
    }
}

enum tool_exit own_chains_end(struct own_chains *own, enum tool_exit result)
{
    for (size_t i = 0; i < own->count && !own->is_kept; i++) {
        drop(own, own->names[i]);
    }
    own->count = 0;
    return result == TOOL_OK && interrupted != 0 ? TOOL_INTERRUPTED : result;
}
