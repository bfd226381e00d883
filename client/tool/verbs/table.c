/* The table of verbs: each verb's name, arguments, help and options, what it takes, and the function that runs it. */
#include "client/tool/verbs/table.h"

#include <limits.h>
#include <stdio.h>

#include "client/tool/arguments.h"
#include "client/tool/bench/bench.h"
#include "client/tool/bench/bench_workload.h"
#include "client/tool/output.h"
#include "client/tool/replay/replay.h"
#include "client/tool/verbs/verbs.h"

#define NO_OPTION {NULL, 0, NULL, NULL, NULL}
#define RAW       {"raw", 0, NULL, "print the exact bytes and nothing else", NULL}
#define YES       {"yes", 'y', NULL, "do not ask; needed where nobody can be asked", NULL}

static enum tool_exit verb_version(struct tool *tool)
{
    if (tool->json) {
        output_json(json_pack("{s:s}", "version", cairn_version()));
    } else {
        printf("cairn %s\n", cairn_version());
    }
    return TOOL_OK;
}

static const struct tool_option block_options[] = {
    {"hash", 0, "HEX", "the block with this hash", NULL},
    {"to", 0, "HEIGHT", "all blocks up to this height", NULL},
    {"parts", 0, "LIST", "of header,data,signature,hash, or none; default: all",
     "header data signature hash none"},
    RAW,
    NO_OPTION,
};

static const struct tool_option raw_options[] = {RAW, NO_OPTION};

static const struct tool_option get_options[] = {RAW, ARGUMENT_NAME_OPTIONS, NO_OPTION};

static const struct tool_option set_options[] = {
    {"of-height", 0, "HEIGHT", "bind it to this height: it is pruned and rolled back with it", NULL},
    ARGUMENT_VALUE_OPTIONS,
    ARGUMENT_NAME_OPTIONS,
    NO_OPTION,
};

static const struct tool_option name_options[] = {ARGUMENT_NAME_OPTIONS, NO_OPTION};

static const struct tool_option list_options[] = {
    {"start", 0, "NAME", "the first name to list", NULL},
    {"limit", 0, "COUNT", "list at most COUNT names", NULL},
    ARGUMENT_NAME_OPTIONS,
    NO_OPTION,
};

static const struct tool_option commit_options[] = {
    {"block", 0, "HEIGHT:HEADER[:DATA[:SIGNATURE]]", "a block; each part is a file, - for stdin, or empty",
     "FILE"},
    {"hash", 0, "HEX", "the hash of the --block before it; default: SHA-256 of the header", NULL},
    {"state", 0, "HEIGHT:FILE", "a state", "FILE"},
    {"delete-state", 0, "HEIGHT", "delete a state", NULL},
    {"rise-to", 0, "HEIGHT", "raise the chain's height to it, if it is lower", NULL},
    {"expect-height", 0, "HEIGHT", "refuse unless this is the chain's height", NULL},
    {"carry", 0, NULL, "write all metadata accepted before with it", NULL},
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

static const struct tool_option prune_options[] = {
    {"blocks", 0, "HEIGHT", "drop blocks up to and including it", NULL},
    {"states", 0, "HEIGHT", "drop states up to and including it", NULL},
    YES,
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

static const struct tool_option rollback_options[] = {
    {"to", 0, "HEIGHT", "the height to go back to", NULL},
    {"guard", 0, "NAME[:lower]",
     "metadata holding a height that must not be above --to; with :lower it is lowered", NULL},
    {"dry-run", 'n', NULL, "change nothing, say what would be removed", NULL},
    YES,
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

static const struct tool_option replay_options[] = {
    {"pace", 0, NULL, "make each call at its recorded time, not as fast as the daemon answers", NULL},
    {"chain-prefix", 0, "TEXT", "names the chains TEXT-main, ...; default: the file's name", NULL},
    NO_OPTION,
};

static const struct tool_option bench_options[] = {
    {"duration", 0, "TIME", "how long to measure; default: 10s", NULL},
    {"warmup", 0, "TIME", "how long to run before that; default: 1s", NULL},
    {"csv", 0, NULL, "print comma-separated values", NULL},
    {"seed", 0, "NUMBER", "of the random choices; default: 0", NULL},
    NO_OPTION,
};

#define BENCH_DETAILS                                                                                        \
    "A WORKLOAD is NAME[,KEY=VALUE]... All run at the same time, each with a client of its own.\n"           \
    "  commit    commit blocks at the next heights\n"                                                        \
    "  metadata  set names\n"                                                                                \
    "  get       read names; height: read the height\n"                                                      \
    "  header    read header and hash of a random height; block: read all of it\n"                           \
    "  stream    stream blocks, ascending through the chain, then again from its start\n"                    \
    "  evnode    the calls of a node, in their proportions\n"                                                \
    "Keys, with k and M for 1000s:\n"                                                                        \
    "  clients=1  connections                depth=1   requests in flight on each\n"                         \
    "  rate=N     operations/s offered (open loop: latency counts from when a request was due); default:\n"  \
    "             as many as are answered (closed loop)\n"                                                   \
    "  count=N    ends after N operations instead of --duration, without warm-up\n"                          \
    "  size=BYTES of a block's data (1000) or a value (64)       header=500  bytes of a header\n"            \
    "  batch=1    blocks or names in a request                   level=accepted|written|durable\n"           \
    "  names=64   how many names take turns, or new: every name is a new one\n"                              \
    "  heights=N  of a stream (1000); of header and block: the last N (all)      nice=N  of its thread\n"    \
    "Latencies are of requests, rates of operations. The blocks and names stay in the store.\n"

#define META_DETAILS                                                                                         \
    "NAME is a text, or with --hex-names hexadecimal. A value is shown as it is if it is printable, else "   \
    "in\n"                                                                                                   \
    "hexadecimal; --raw and -o json give every byte.\n"

const struct tool_verb table_of_verbs[] = {
    {"ping", "", "ask the daemon whether it answers, and how fast", NULL, NULL, NULL, 0, 0, false, false,
     verb_ping},
    {"status", "[ENTRY...]", "print the daemon's status page",
     "ENTRY stands for itself and all entries below it: queue is queue.operations, queue.bytes, ...\n", NULL,
     NULL, 0, INT_MAX, false, false, verb_status},
    {"height", "", "print the chain's height", NULL, NULL, NULL, 0, 0, true, false, verb_height},
    {"block", "[HEIGHT]", "read a block by height or hash, or a range of them", NULL, NULL, block_options, 0,
     1, true, false, verb_block},
    {"state", "[HEIGHT]", "read the state at a height, or at the chain's height", NULL, NULL, raw_options, 0,
     1, true, false, verb_state},
    {"meta get", "NAME...", "read metadata", META_DETAILS, NULL, get_options, 1, 16384, true, false,
     verb_meta_get},
    {"meta set", "NAME VALUE", "set metadata",
     "VALUE is a text, or with --hex or --base64 the bytes it stands for; @FILE is what the file holds, - "
     "what\n"
     "stdin holds.\n",
     NULL, set_options, 2, 2, true, true, verb_meta_set},
    {"meta del", "NAME...", "delete metadata, all names at once", NULL, NULL, name_options, 1, INT_MAX, true,
     true, verb_meta_delete},
    {"meta list", "[PREFIX]", "list metadata in byte order of the name", META_DETAILS, NULL, list_options, 0,
     1, true, false, verb_meta_list},
    {"meta raise", "NAME NUMBER", "set metadata to a number, if it is greater than the stored one",
     "The number is stored as 8 bytes, little-endian.\n", NULL, name_options, 2, 2, true, true,
     verb_meta_raise},
    {"commit", "", "commit blocks, states, a height and metadata, all or nothing", NULL, NULL, commit_options,
     0, 0, true, true, verb_commit},
    {"barrier", "", "wait until everything accepted has reached --level; default: durable", NULL, NULL, NULL,
     0, 0, false, true, verb_barrier},
    {"prune", "", "drop old blocks and states",
     "Metadata given with it is applied after the prune, in the same write.\n", NULL, prune_options, 0, 0,
     true, true, verb_prune},
    {"rollback", "", "go back to a height",
     "Metadata given with it is applied after the rollback, in the same write.\n", NULL, rollback_options, 0,
     0, true, true, verb_rollback},
    {"chains", "", "list the chains", NULL, NULL, NULL, 0, 0, false, false, verb_chains},
    {"chains list", "", "list the chains", NULL, NULL, NULL, 0, 0, false, false, verb_chains},
    {"chains create", "NAME", "create a chain", "NAME is 1 to 64 of a-z 0-9 . _ -\n", NULL, NULL, 1, 1, false,
     false, verb_chains_create},
    {"replay", "FILE...", "make a recorded node's calls and compare every answer",
     "FILE is a recording, .jsonl or .jsonl.zst. Its chains are created under names of their own and must be "
     "empty.\n"
     "One connection stands for each recorded caller. --deadline bounds each answer. With several files a\n"
     "--chain-prefix is followed by the file's number: TEXT-1-main, TEXT-2-main, ...\n",
     "FILE", replay_options, 1, INT_MAX, false, false, verb_replay},
    {"bench", "WORKLOAD...", "measure how fast the daemon answers", BENCH_DETAILS,
     "commit metadata get height header block stream evnode", bench_options, 1, BENCH_WORKLOADS_MAX, true,
     false, verb_bench},
    {"completion", "SHELL", "print a completion script: source <(cairn completion bash)", NULL, "bash", NULL,
     1, 1, false, false, verb_completion},
    {"version", "", "print the tool's version", NULL, NULL, NULL, 0, 0, false, false, verb_version},
    {0},
};
