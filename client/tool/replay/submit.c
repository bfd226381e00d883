/* A recorded call holds its request; this adds the chain and chooses the submit. */
#include "client/tool/replay/submit.h"

#include <assert.h>

static enum cairn_status submit_write(struct cairn_connection *connection, const struct trace_call *call,
                                      struct cairn_slice chain, cairn_completion completion, void *context)
{
    assert(call->op == TRACE_SET || call->op == TRACE_DELETE || call->op == TRACE_BATCH);
    struct cairn_write_metadata_request request = call->write;
    if (request.operation_count == 0) {
        /* The daemon refuses a batch without operations. A barrier at its level completes when such a batch would. */
        enum cairn_level level = request.level != CAIRN_LEVEL_DEFAULT ? request.level : CAIRN_ACCEPTED;
        return cairn_submit_barrier(connection, &(struct cairn_barrier_request){.level = level}, completion,
                                    context);
    }
    request.chain = chain;
    return cairn_submit_write_metadata(connection, &request, completion, context);
}

enum cairn_status submit_call(struct cairn_connection *connection, const struct trace_call *call,
                              struct cairn_slice chain, cairn_metadata_item item, cairn_completion completion,
                              void *context)
{
    struct trace_call copy = *call;
    switch (call->op) {
    case TRACE_HEIGHT:
        copy.height.chain = chain;
        return cairn_submit_read_height(connection, &copy.height, completion, context);
    case TRACE_BLOCK:
        copy.block.chain = chain;
        return cairn_submit_read_block(connection, &copy.block, completion, context);
    case TRACE_STATE:
        copy.state.chain = chain;
        return cairn_submit_read_state(connection, &copy.state, completion, context);
    case TRACE_GET:
        copy.get.chain = chain;
        return cairn_submit_get(connection, &copy.get, completion, context);
    case TRACE_LIST:
        copy.list.chain = chain;
        return cairn_submit_list(connection, &copy.list, item, completion, context);
    case TRACE_SET:
    case TRACE_DELETE:
    case TRACE_BATCH:
        return submit_write(connection, call, chain, completion, context);
    case TRACE_COMMIT:
        copy.commit.chain = chain;
        return cairn_submit_commit(connection, &copy.commit, completion, context);
    case TRACE_PRUNE:
        copy.prune.chain = chain;
        return cairn_submit_prune(connection, &copy.prune, completion, context);
    case TRACE_ROLLBACK:
        copy.rollback.chain = chain;
        return cairn_submit_rollback(connection, &copy.rollback, completion, context);
    case TRACE_REOPEN:
    case TRACE_OPS:
        break;
    }
    assert(!"the schedule takes no reopen");
    return CAIRN_USAGE;
}
