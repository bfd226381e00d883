/* A cairnd of the test's own: its directory, its socket, its process. $CAIRND names the binary.
 *
 * daemon_new makes the places; daemon_start runs it and waits until the socket accepts; it may be stopped or killed and
 * started again on the same data; daemon_close ends what still runs and removes all. A test that fails before that
 * leaves its directory to suite_run, which shows the stderr in it. The process dies with the test's. */
#ifndef TESTS_LIB_DAEMON_H
#define TESTS_LIB_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/lib/directory.h"

struct daemon {
    struct directory home;
    char data[80];
    char socket[80];
    char errors[80];            /* what it wrote to stderr, over all its starts */
    const char *const *prefix;  /* words before the binary, NULL-ended; NULL: none */
    const char *environment[8]; /* NAME=value, what the test adds; NAME: what it takes away */
    int errors_fd;              /* its stderr, what the test reads instead of `errors`; -1: none */
    int adopt_fd;               /* a listening socket it gets as fd 3; -1: none */
    bool made;                  /* the store was made: no more --create */
    pid_t pid;                  /* 0: does not run */
};

struct daemon daemon_new(void);
/* A listening socket for adopt_fd; the test's to close. */
int daemon_listen_at(const char *path);
/* `arguments`: words with one blank between them, "" for none. */
void daemon_launch(struct daemon *daemon, const char *arguments);
/* Launches and waits until the socket accepts; fails the test if it does not. */
void daemon_start(struct daemon *daemon, const char *arguments);
bool daemon_wait_ready(struct daemon *daemon);
/* Like daemon_start, but false where that fails the test. */
bool daemon_try_start(struct daemon *daemon, const char *arguments);

/* The exit code, 128 + the signal it died of, or -1 if it still runs after that time. */
int daemon_wait(struct daemon *daemon, int milliseconds);
/* SIGTERM, and the exit code. */
int daemon_stop(struct daemon *daemon);
/* SIGKILL. */
void daemon_kill(struct daemon *daemon);
void daemon_close(struct daemon *daemon);

/* The pid of cairnd itself, also below a prefix. */
pid_t daemon_process(const struct daemon *daemon);
void daemon_signal(const struct daemon *daemon, int signal_number);
/* Until none of its threads has wanted the processor or the disk for about that long, however busy the machine is. Asks
 * it for nothing. */
void daemon_wait_idle(const struct daemon *daemon, int milliseconds);
/* Of its memory. */
uint64_t daemon_resident_bytes(const struct daemon *daemon);
/* Kept. */
char *daemon_errors(const struct daemon *daemon);
/* Whether `text` turns up in its stderr within a few seconds. */
bool daemon_says(const struct daemon *daemon, const char *text);

/* Runs a program to its end. Kept: what it wrote. Fails the test if it takes longer than that. */
struct program {
    int exit_code;
    char *output;
    char *errors;
};
struct program program_run(const char *const *words, int milliseconds);
/* Runs a shell's command line. */
struct program shell_run(int milliseconds, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
