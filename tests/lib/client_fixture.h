/* One client with one connection, ready, to a fake daemon; and what its completions saw. */
#ifndef TESTS_LIB_CLIENT_FIXTURE_H
#define TESTS_LIB_CLIENT_FIXTURE_H

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"

struct client_fixture {
    struct fake_daemon daemon;
    struct cairn_client *client;
    struct cairn_connection *connection;
    int fd;        /* the daemon's end of the connection */
    int completed; /* how many completions ran */
    bool stopping; /* the test's own variables are gone: completions leave them alone */
};

extern struct client_fixture fixture;

/* What the completion of one request saw. */
struct seen {
    int count;
    int order;       /* among all completions */
    bool submitting; /* set around the submit: no completion may run then */
    enum cairn_status status;
    uint64_t sequence, items;
    char text[256];
};

/* Connects, with the socket's path filled in. */
void fixture_start(struct cairn_client_options options);
void fixture_stop(void);

/* Processes until there is nothing to do; the last status. */
enum cairn_status fixture_run(void);

/* A completion; the context is a struct seen. */
void fixture_completed(void *context, const struct cairn_reply *reply);

#endif
