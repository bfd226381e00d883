/* The watch over a start: there is no server yet whose health could say that nothing moves, so the log says that the start takes long,
 * and where. On main's thread. */
#ifndef DAEMON_START_WATCH_H
#define DAEMON_START_WATCH_H

struct start_watch;

/* `path`, borrowed, is the data directory. NULL: there is no thread for it, and nobody is told. */
struct start_watch *start_watch_new(const char *path);

/* The start is over. Accepts NULL. */
void start_watch_free(struct start_watch *watch);

#endif
