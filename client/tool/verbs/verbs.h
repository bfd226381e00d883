/* The functions that run the verbs, except replay and bench, which have folders of their own. Each runs once, prints the result, says
 * on stderr what went wrong, and returns the exit code. */
#ifndef TOOL_VERBS_H
#define TOOL_VERBS_H

#include "client/tool/tool.h"

/* verb_daemon.c */
enum tool_exit verb_ping(struct tool *tool);
enum tool_exit verb_status(struct tool *tool);
enum tool_exit verb_drain(struct tool *tool);
enum tool_exit verb_chains(struct tool *tool);
enum tool_exit verb_chains_create(struct tool *tool);
enum tool_exit verb_chains_release(struct tool *tool);

/* Connects to a daemon that may not listen yet: tries again for at most `wait_us`. Not TOOL_OK: stderr says why the last attempt
 * failed. */
enum tool_exit verb_wait_for_daemon(struct tool *tool, uint64_t wait_us) CAIRN_MUST_CHECK;

/* verb_read.c */
enum tool_exit verb_height(struct tool *tool);
enum tool_exit verb_block(struct tool *tool);
enum tool_exit verb_state(struct tool *tool);

/* verb_metadata.c */
enum tool_exit verb_meta_get(struct tool *tool);
enum tool_exit verb_meta_set(struct tool *tool);
enum tool_exit verb_meta_delete(struct tool *tool);
enum tool_exit verb_meta_raise(struct tool *tool);
enum tool_exit verb_meta_list(struct tool *tool);

/* verb_write.c */
enum tool_exit verb_commit(struct tool *tool);
enum tool_exit verb_barrier(struct tool *tool);
enum tool_exit verb_prune(struct tool *tool);
enum tool_exit verb_rollback(struct tool *tool);
enum tool_exit verb_chains_drop(struct tool *tool);

/* verb_run.c */
enum tool_exit verb_run(struct tool *tool);

/* verb_help.c */
enum tool_exit verb_help(struct tool *tool);
enum tool_exit verb_version(struct tool *tool);

/* completion.c */
enum tool_exit verb_completion(struct tool *tool);

#endif
