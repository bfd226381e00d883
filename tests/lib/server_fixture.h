/* A server on the fake engine, in a process of its own. Life of a test:
 *
 * - server_fixture_run forks; the child makes a disk, has `prepare` (NULL: nothing) put faults on it, opens the engine and the
 *   socket, and runs the server. The parent connects to server_fixture.socket.
 * - server_fixture_wait gives the child's exit code: SERVER_FIXTURE_STOPPED, if all that was accepted is on the device;
 *   SERVER_FIXTURE_REFUSED, if the server could not start; or what the server itself ended the process with. */
#ifndef TESTS_LIB_SERVER_FIXTURE_H
#define TESTS_LIB_SERVER_FIXTURE_H

#include <sys/types.h>

#include "daemon/server.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/directory.h"

enum {
    SERVER_FIXTURE_STOPPED = 0,
    SERVER_FIXTURE_UNSYNCED = 10, /* it stopped, and something is not on the device */
    SERVER_FIXTURE_REFUSED = 11,
};

struct server_fixture {
    struct directory home;
    char socket[80];
    char text[80]; /* a file: what the failure of a refused start says */
    pid_t pid;
    /* the child's, for `prepare` */
    struct fake_disk *disk;
    struct options *options;
    struct listener *listener;
    /* each reload changes settings: one operation less in the queue, and a short time for a hello */
    bool take;
};

extern struct server_fixture server_fixture;

void server_fixture_open(void);
/* Ends the child if it still runs, and removes all. */
void server_fixture_close(void);

void server_fixture_run(void (*prepare)(void));
/* Until the socket accepts. */
void server_fixture_await(void);
/* -1: it still runs after that time, which a sanitizer makes longer. */
int server_fixture_wait(int milliseconds);
/* Sends the child a signal. */
void server_fixture_signal(int number);

#endif
