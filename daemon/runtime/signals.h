/* Signals of the process. Life: main prepares them before anything else; what would kill by default and means nothing to cairnd is
 * ignored, and a hangup waits until the loop takes it, so that one that comes during a start is a reload right behind it. SIGTERM and
 * SIGINT end a start at once, as a kill -9 would; once the loop runs they stop the daemon in order. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

/* On main's thread, before there are others: they inherit what is blocked. */
void signals_prepare(void);

/* A hangup waits again, also for what the process executes next, which prepares and takes it as this one did. main's thread. */
void signals_hold_hangups(void);

/* On the loop's thread, which is main's, once a hangup has its handler there. */
void signals_take_hangups(void);

#endif
