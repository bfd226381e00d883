/* A dry run: a request that is answered by what a prune or a rollback would drop, and changes nothing. It is a read of one instant, and
 * uses no number. Loop only. */
#ifndef DAEMON_DRY_RUN_H
#define DAEMON_DRY_RUN_H

#include "daemon/lanes/job.h"
#include "daemon/serve/request.h"

/* Answers the request, sooner or later, or refuses it. The job says what would be dropped, and lies in the request's arena; its
 * chain is looked for at its turn. */
void dry_run_start(struct request *request, bool has_chain, ProtobufCBinaryData chain, const struct job *job);

#endif
