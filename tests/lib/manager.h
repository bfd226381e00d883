/* systemd's end of the notify socket: what the daemon tells is kept until it is asked for. */
#ifndef TESTS_LIB_MANAGER_H
#define TESTS_LIB_MANAGER_H

#include <stdbool.h>

struct manager {
    int fd;
    char name[64]; /* for NOTIFY_SOCKET */
};

struct manager manager_open(void);
void manager_close(struct manager *manager);

/* Takes what was told up to the first that begins so; the others are dropped. False: it does not come within that time. */
bool manager_hears(struct manager *manager, const char *text, int milliseconds);

/* Whether one of those told so far begins so; all are dropped. */
bool manager_has_heard(struct manager *manager, const char *text);
void manager_forget(struct manager *manager);

/* The oldest that was told; "": nothing. Valid until the next call. */
const char *manager_take(struct manager *manager);

#endif
