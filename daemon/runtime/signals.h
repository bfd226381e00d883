/* Signals of the process. Life:
 *
 * - main prepares them before anything else: those that end a process by default and have no meaning here are ignored, and SIGHUP is blocked
 *   until the loop takes it, so that one that comes during a start is a reload right after it. SIGTERM and SIGINT end a start at once, as
 *   a kill -9 would. What a parent had ignored or blocked makes no difference; a shell's `&` ignores SIGINT and SIGQUIT, for example.
 * - Once the loop runs, all three are noted, and a descriptor tells the loop. They stay so to the end of the process: what comes while a
 *   stop closes the store changes nothing.
 *
 * Way to fail: there may be no descriptor to note them with. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <stdbool.h>

#include "proto/status.h"

/* On main's thread, before there are others: they inherit what is blocked. */
void signals_prepare(void);

/* From here on SIGTERM, SIGINT and SIGHUP are noted. Returns a descriptor that is readable while one is, and that stays open; -1: errno
 * says why there is none. The loop's thread, which is main's. */
int signals_note(void) MUST_CHECK;

/* Gives one that was noted, each once however often it came. False: there is none. The loop's thread. */
bool signals_next(int *ret_number);

/* On the loop's thread, once hangups are noted. */
void signals_take_hangups(void);

/* For what the process executes next, which prepares and takes signals as this one did: SIGTERM and SIGINT end it again, and a hangup waits.
 * False: one of the first two was noted and not given, so that the process has to end. main's thread. */
bool signals_give_back(void) MUST_CHECK;

#endif
