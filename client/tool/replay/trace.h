/* A recorded trace: the storage calls of a node with the answers it got. Read whole, before a clock starts. */
#ifndef TOOL_TRACE_H
#define TOOL_TRACE_H

#include "client/cairn.h"
#include "client/tool/encoding.h"
#include "client/tool/region.h"

#define TRACE_OP_LIST(X)                                                                                     \
    X(HEIGHT, "height")                                                                                      \
    X(BLOCK, "block")                                                                                        \
    X(STATE, "state")                                                                                        \
    X(GET, "get")                                                                                            \
    X(LIST, "list")                                                                                          \
    X(SET, "set")                                                                                            \
    X(DELETE, "delete")                                                                                      \
    X(BATCH, "batch")                                                                                        \
    X(COMMIT, "commit")                                                                                      \
    X(PRUNE, "prune")                                                                                        \
    X(ROLLBACK, "rollback")                                                                                  \
    X(REOPEN, "reopen")

#define TRACE_OP_ENUM(name, text) TRACE_##name,
enum trace_op { TRACE_OP_LIST(TRACE_OP_ENUM) TRACE_OPS };
#undef TRACE_OP_ENUM

/* The parts of a block in the order in which answers tell them. Bit 1 << part is that part in enum cairn_part. */
enum trace_part { TRACE_HEADER, TRACE_DATA, TRACE_SIGNATURE, TRACE_HASH, TRACE_PARTS };

enum trace_answer_kind {
    TRACE_ANSWER_NONE, /* of a reopen only */
    TRACE_ANSWER_OK,
    TRACE_ANSWER_REFUSED,
    TRACE_ANSWER_NOT_FOUND,
    TRACE_ANSWER_HEIGHT,
    TRACE_ANSWER_BLOCK,
    TRACE_ANSWER_STATE,
    TRACE_ANSWER_VALUE,
    TRACE_ANSWER_ENTRIES,
};

struct trace_entry {
    struct cairn_slice name;
    struct cairn_slice value;
};

struct trace_answer {
    enum trace_answer_kind kind;
    bool has_height; /* always with a height; with a block if it was read by hash */
    uint64_t height;
    unsigned parts; /* of a block: mask of those with a digest */
    struct digest digests[TRACE_PARTS];
    struct digest state;
    struct cairn_slice value;
    struct trace_entry *entries; /* in byte order of the name */
    size_t entry_count;
};

struct trace_call {
    uint64_t number;
    size_t line;
    enum trace_op op;
    size_t caller, chain; /* into the trace's names */
    int64_t time_us;
    const size_t *after; /* into the trace's calls, each before this one */
    size_t after_count;

    /* By op; all but the chain is set. set, delete and batch are a `write`. */
    union {
        struct cairn_read_height_request height;
        struct cairn_read_block_request block;
        struct cairn_read_state_request state;
        struct cairn_get_request get;
        struct cairn_list_request list;
        struct cairn_write_metadata_request write;
        struct cairn_commit_request commit;
        struct cairn_prune_request prune;
        struct cairn_rollback_request rollback;
    };
    struct trace_answer answer;
};

struct trace_names {
    const char **names; /* in the region */
    size_t count, capacity;
};

struct trace {
    struct trace_call *calls; /* in rising order of their numbers */
    size_t count, capacity;
    struct trace_names callers, chains;
    bool is_described; /* there was a first line that describes it */
    bool is_counted;   /* and tells how many calls there are: */
    uint64_t declared; /* so many */
    struct trace_names declared_chains;
    struct region region; /* all that the calls point to */
};

enum {
    TRACE_ERROR_BYTES = 1024,
};

void trace_close(struct trace *trace);

const char *trace_op_text(enum trace_op op);
const char *trace_part_text(enum trace_part part);

#endif
