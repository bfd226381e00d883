/* The table of verbs: each verb's name, arguments, help and options, what it takes, and the function that runs it. */
#include "client/tool/verbs/table.h"

#include <limits.h>

#include "client/tool/arguments.h"
#include "client/tool/bench/bench.h"
#include "client/tool/bench/bench_workload.h"
#include "client/tool/confirm.h"
#include "client/tool/replay/replay.h"
#include "client/tool/verbs/completion_scripts.h"
#include "client/tool/verbs/verbs.h"

#define NO_OPTION {NULL, 0, NULL, NULL, NULL}
#define RAW       {"raw", 0, NULL, "print the exact bytes and nothing else, also on a terminal", NULL}
#define AS_NUMBER ARGUMENT_AS_OPTION("print numbers: values of 8 bytes, little-endian")

static const struct tool_option ping_options[] = {
    {"wait", 0, "TIME", "if no daemon answers, try again for so long: 500ms, 10s, 1m", NULL},
    NO_OPTION,
};

static const struct tool_option block_options[] = {
    {"hash", 0, "HEX", "the block with this hash", NULL},
    {"to", 0, "HEIGHT", "all blocks up to this height", NULL},
    {"parts", 0, "LIST", "of header,data,signature,hash, or none; default: all",
     "header data signature hash none"},
    RAW,
    NO_OPTION,
};

static const struct tool_option raw_options[] = {RAW, NO_OPTION};

static const struct tool_option get_options[] = {RAW, AS_NUMBER, ARGUMENT_NAME_OPTIONS, NO_OPTION};

static const struct tool_option set_options[] = {
    {"of-height", 0, "HEIGHT", "bind it to this height: it is pruned and rolled back with it", NULL},
    ARGUMENT_VALUE_OPTIONS,
    ARGUMENT_NAME_OPTIONS,
    NO_OPTION,
};

static const struct tool_option raise_options[] = {ARGUMENT_NAME_OPTIONS, NO_OPTION};

static const struct tool_option delete_options[] = {
    {"range", 0, NULL, "delete the names from the first NAME, included, to the second, not included", NULL},
    CONFIRM_OPTION,
    ARGUMENT_NAME_OPTIONS,
    NO_OPTION,
};

static const struct tool_option list_options[] = {
    {"start", 0, "NAME", "list no name before this one", NULL},
    {"end", 0, "NAME", "list neither this name nor any behind it", NULL},
    {"reverse", 0, NULL, "from the last name down", NULL},
    {"limit", 0, "COUNT", "list at most COUNT names, from where the list begins; 0: all", NULL},
    {"keys-only", 0, NULL, "print the names alone", NULL},
    {"sizes", 0, NULL, "print the sizes of the values, in bytes, in their place", NULL},
    AS_NUMBER,
    ARGUMENT_NAME_OPTIONS,
    NO_OPTION,
};

static const struct tool_option commit_options[] = {
    {"block", 0, "HEIGHT:HEADER[:DATA[:SIGNATURE]]", "a block; each part is a file, - for stdin, or empty",
     "PARTS"},
    {"hash", 0, "HEX", "the hash of the --block before it; default: SHA-256 of the header", NULL},
    {"state", 0, "HEIGHT:FILE", "a state", "PARTS"},
    {"delete-state", 0, "HEIGHT", "delete a state", NULL},
    {"delete-block", 0, "HEIGHT", "delete a block; the height and what is bound to it stay", NULL},
    {"rise-to", 0, "HEIGHT", "raise the chain's height to it, if it is lower", NULL},
    {"expect-height", 0, "HEIGHT", "refuse unless this is the chain's height", NULL},
    {"carry", 0, NULL, "write all metadata accepted before with it", NULL},
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

#define DRY_RUN {"dry-run", 'n', NULL, "change nothing, say what would be removed", NULL}

static const struct tool_option prune_options[] = {
    {"blocks", 0, "HEIGHT", "drop blocks up to and including it", NULL},
    {"states", 0, "HEIGHT", "drop states up to and including it", NULL},
    DRY_RUN,
    CONFIRM_OPTION,
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

static const struct tool_option rollback_options[] = {
    {"to", 0, "HEIGHT", "the height to go back to", NULL},
    {"guard", 0, "NAME[:lower][:pass]", "refuse if the metadata NAME holds a height above --to", NULL},
    DRY_RUN,
    CONFIRM_OPTION,
    ARGUMENT_OPERATION_OPTIONS,
    NO_OPTION,
};

static const struct tool_option drop_options[] = {
    CONFIRM_OPTION,
    NO_OPTION,
};

static const struct tool_option replay_options[] = {
    {"pace", 0, NULL, "make each call at its recorded time, not as fast as the daemon answers", NULL},
    {"chain-prefix", 0, "TEXT", "names the chains TEXT-main, ...; default: the file's name", NULL},
    {"keep", 0, NULL, "do not drop the chains at the end", NULL},
    NO_OPTION,
};

static const struct tool_option bench_options[] = {
    {"duration", 0, "TIME", "how long to measure; default: 10s", NULL},
    {"warmup", 0, "TIME", "how long to run before that; default: 1s", NULL},
    {"csv", 0, NULL, "print comma-separated values", NULL},
    {"keep", 0, NULL, "do not drop the chain at the end", NULL},
    {"seed", 0, "NUMBER", "of the random choices; default: 0", NULL},
    NO_OPTION,
};

static const struct tool_option run_options[] = {
    {"cairnd", 0, "PATH", "the daemon; default: the one beside this tool, else the one in PATH", "FILE"},
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
    "Latencies are of requests, rates of operations. Without --chain all is written into a chain that\n"     \
    "bench makes, and drops at the end. In a chain that it did not make it writes nothing: there height,\n"  \
    "header, block and stream work, and get if the names that it reads are there.\n"

#define META_DETAILS                                                                                         \
    "NAME is a text, or with --hex-names hexadecimal. On a terminal a byte outside 0x20 to 0x7e prints\n"    \
    "as \\xNN, and a backslash as two.\n"

#define GUARD_DETAILS                                                                                        \
    "A guard with :lower is lowered to --to instead; one with :pass passes if its value is not a height\n"   \
    "of 8 bytes, little-endian.\n"

#define LATER_DETAILS(what) "Metadata given with it is applied after the " what ", in the same write.\n"

const struct tool_verb table_of_verbs[] = {
    {.name = "ping",
     .arguments = "",
     .summary = "ask the daemon whether it answers, and how fast",
     .example = "cairn ping --wait 10s && cairn status health\n",
     .options = ping_options,
     .run = verb_ping},
    {.name = "status",
     .arguments = "[ENTRY...]",
     .summary = "print the daemon's status page",
     .details =
         "ENTRY stands for itself and all entries below it: queue is queue.operations, queue.bytes, ...\n",
     .example = "cairn status queue\n",
     .choices = "STATUS",
     .arguments_max = INT_MAX,
     .run = verb_status},
    {.name = "drain",
     .arguments = "",
     .summary = "stop the daemon, once all that it accepted is written and synced",
     .details =
         "It is what SIGTERM does, with an answer: all is written and synced, and the process ends a moment "
         "later. Under\n"
         "systemd the socket unit starts the daemon again for the next client: systemctl stop cairnd.socket "
         "cairnd\n"
         "keeps it stopped, and waits for its end, as a copy of the data directory has to.\n",
     .example = "cairn drain --deadline 2m\n",
     .run = verb_drain},
    {.name = "height",
     .arguments = "",
     .summary = "print the chain's height",
     .example = "cairn height --chain main\n",
     .has_chain = true,
     .run = verb_height},
    {.name = "block",
     .arguments = "[HEIGHT]",
     .summary = "read a block by height or hash, or a range of them",
     .example = "cairn block 7 --parts data --raw > data\ncairn block 1 --to 5 --parts hash\n",
     .options = block_options,
     .arguments_max = 1,
     .has_chain = true,
     .run = verb_block},
    {.name = "state",
     .arguments = "[HEIGHT]",
     .summary = "read the state at a height, or at the chain's height",
     .example = "cairn state --raw > state\n",
     .options = raw_options,
     .arguments_max = 1,
     .has_chain = true,
     .run = verb_state},
    {.name = "meta get",
     .arguments = "NAME...",
     .summary = "read metadata",
     .details = META_DETAILS "One value goes into a pipe or file as it is, without a newline.\n",
     .example = "cairn meta get greeting\ncairn meta get included --as u64\n",
     .options = get_options,
     .arguments_min = 1,
     .arguments_max = 16384,
     .has_chain = true,
     .run = verb_meta_get},
    {.name = "meta set",
     .arguments = "NAME VALUE",
     .summary = "set metadata",
     .details =
         "VALUE is a text or, with --hex, --base64 or --as u64, what it stands for; @FILE is what the file\n"
         "holds, - what stdin holds.\n",
     .choices = "VALUE",
     .example = "cairn meta set greeting hello\ncairn meta set included 7 --as u64\n",
     .options = set_options,
     .arguments_min = 2,
     .arguments_max = 2,
     .level = CAIRN_WRITTEN,
     .has_chain = true,
     .run = verb_meta_set},
    {.name = "meta del",
     .arguments = "NAME...",
     .summary = "delete metadata, all names at once",
     .details =
         "Of more than one name it asks first, on a terminal. --range takes FROM and TO, or FROM alone: to "
         "the last name,\n"
         "for which --yes is needed where nobody can be asked.\n"
         "It is a commit, in a time that does not depend on how many names there are.\n",
     .example = "cairn meta del greeting\ncairn meta del --range bench- bench.\n",
     .options = delete_options,
     .arguments_min = 1,
     .arguments_max = INT_MAX,
     .level = CAIRN_WRITTEN,
     .has_chain = true,
     .run = verb_meta_delete},
    {.name = "meta list",
     .arguments = "[PREFIX]",
     .summary = "list metadata in byte order of the name, or in reverse",
     .details = META_DETAILS
     "Of a long value its first 64 bytes, size and digest are shown; meta get and -o json give all.\n",
     .example = "cairn meta list bench- --limit 10\n",
     .options = list_options,
     .arguments_max = 1,
     .has_chain = true,
     .run = verb_meta_list},
    {.name = "meta raise",
     .arguments = "NAME NUMBER",
     .summary = "set metadata to a number, if it is greater than the stored one",
     .details = "The number is stored as 8 bytes, little-endian.\n",
     .example = "cairn meta raise included 7\n",
     .options = raise_options,
     .arguments_min = 2,
     .arguments_max = 2,
     .level = CAIRN_WRITTEN,
     .has_chain = true,
     .run = verb_meta_raise},
    {.name = "commit",
     .arguments = "",
     .summary = "commit blocks, states, a height and metadata, all or nothing",
     .example = "cairn commit --block 1:header:data --rise-to 1 --set included=1\n",
     .options = commit_options,
     .level = CAIRN_DURABLE,
     .has_chain = true,
     .run = verb_commit},
    {.name = "barrier",
     .arguments = "",
     .summary = "wait until everything accepted has reached a level",
     .example = "cairn barrier --level durable\n",
     .level = CAIRN_DURABLE,
     .run = verb_barrier},
    {.name = "prune",
     .arguments = "",
     .summary = "drop old blocks and states",
     .details = LATER_DETAILS("prune"),
     .example = "cairn prune --blocks 1000 --states 1990 --dry-run\n",
     .options = prune_options,
     .level = CAIRN_DURABLE,
     .has_chain = true,
     .run = verb_prune},
    {.name = "rollback",
     .arguments = "",
     .summary = "go back to a height",
     .details = LATER_DETAILS("rollback") GUARD_DETAILS,
     .example = "cairn rollback --to 1990 --guard included --dry-run\n",
     .options = rollback_options,
     .level = CAIRN_DURABLE,
     .has_chain = true,
     .run = verb_rollback},
    {.name = "chains",
     .arguments = "",
     .summary = "list the chains: heights, bytes, and who has claimed them",
     .example = "cairn chains\n",
     .run = verb_chains},
    {.name = "chains list",
     .arguments = "",
     .summary = "list the chains: heights, bytes, and who has claimed them",
     .example = "cairn chains list -o json\n",
     .run = verb_chains},
    {.name = "chains create",
     .arguments = "NAME",
     .summary = "create a chain; durable when it answers",
     .details = "NAME is 1 to 64 of a-z 0-9 . _ -\n",
     .example = "cairn chains create main\n",
     .arguments_min = 1,
     .arguments_max = 1,
     .run = verb_chains_create},
    {.name = "chains release",
     .arguments = "NAME",
     .summary = "end the claim of a chain, whoever holds it; durable when it answers",
     .details =
         "Its holder can write to the chain again only after a new claim. If the holder is gone, this is\n"
         "not needed: once claim_grace is over, the next claim is granted.\n",
     .example = "cairn chains release main\n",
     .choices = "CHAIN",
     .options = drop_options,
     .arguments_min = 1,
     .arguments_max = 1,
     .run = verb_chains_release},
    {.name = "chains drop",
     .arguments = "NAME",
     .summary = "drop a chain with all that is in it; durable when it answers",
     .details = "Its space comes back in the background. \"default\" is made anew, empty.\n",
     .example = "cairn chains drop old\n",
     .choices = "CHAIN",
     .options = drop_options,
     .arguments_min = 1,
     .arguments_max = 1,
     .run = verb_chains_drop},
    {.name = "replay",
     .arguments = "FILE...",
     .summary = "make a recorded node's calls and compare every answer",
     .details =
         "FILE is a recording, .jsonl or .jsonl.zst. Its chains are created under names of their own, "
         "and dropped at\n"
         "the end, also of a replay that failed or was interrupted. One connection stands for each "
         "recorded\n"
         "caller. --deadline bounds each answer. With several files a --chain-prefix is followed by the "
         "file's\n"
         "number: TEXT-1-main, TEXT-2-main, ...\n",
     .example = "cairn replay follower.jsonl.zst --pace\n",
     .choices = "FILE",
     .options = replay_options,
     .arguments_min = 1,
     .arguments_max = INT_MAX,
     .run = verb_replay},
    {.name = "bench",
     .arguments = "WORKLOAD...",
     .summary = "measure how fast the daemon answers",
     .details = BENCH_DETAILS,
     .example = "cairn bench commit metadata,rate=100k --duration 30s\n",
     .choices = "commit metadata get height header block stream evnode",
     .options = bench_options,
     .arguments_min = 1,
     .arguments_max = BENCH_WORKLOADS_MAX,
     .has_chain = true,
     .own_chain = "one of its own",
     .run = verb_bench},
    {.name = "run",
     .arguments = "[--] COMMAND [ARGUMENT...]",
     .summary = "run a command with a daemon and a store of its own",
     .details = "For tests: the store is in a temporary directory, CAIRN_SOCKET names the daemon's socket, "
                "and both end\n"
                "with the command, whose exit code this is. Settings of the daemon may stand in the "
                "environment, as\n"
                "CAIRND_NAME.\n",
     .example = "cairn run -- sh -c 'cairn meta set greeting hello && cairn meta get greeting'\n",
     .choices = "FILE",
     .options = run_options,
     .arguments_min = 1,
     .arguments_max = INT_MAX,
     .is_local = true,
     .ends_options = true,
     .run = verb_run},
    {.name = "completion",
     .arguments = "SHELL [-- WORD...]",
     .summary = "print a completion script for a shell",
     .details = "SHELL is bash, zsh or fish. With the words of a command line it prints what may stand in "
                "the place of the\n"
                "last one: that is what the script calls.\n",
     .example = "source <(cairn completion bash)\n",
     .choices = COMPLETION_SHELLS,
     .arguments_min = 1,
     .arguments_max = INT_MAX,
     .is_local = true,
     .ends_options = true,
     .run = verb_completion},
    {.name = "help",
     .arguments = "[VERB]",
     .summary = "print help, of all or of one verb",
     .example = "cairn help meta set\n",
     .choices = "VERB",
     .arguments_max = 2,
     .is_local = true,
     .run = verb_help},
    {.name = "version",
     .arguments = "",
     .summary = "print the tool's version",
     .example = "cairn version\n",
     .is_local = true,
     .run = verb_version},
    {0},
};
