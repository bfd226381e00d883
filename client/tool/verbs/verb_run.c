/* cairn run: a daemon of its own for one command. Its life:
 *
 * - signals that end a process, and those of children, are blocked from the start, and taken one by one
 * - a temporary daemon is started, and answers
 * - the command runs, with CAIRN_SOCKET set; a signal that was sent to the tool is passed on to it, one that the terminal sent it
 *   already has
 * - the command has ended: the daemon is stopped, its directory removed, and the command's exit code is the tool's
 *
 * Ways to fail: a daemon that does not start, or a command that cannot be executed, has an exit code of its own; a daemon that ends
 * while the command runs is told, and leaves the exit code to the command. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/verbs/temporary_daemon.h"
#include "client/tool/verbs/verbs.h"

enum {
    READY_US = 60 * 1000000,     /* for the daemon to answer; chosen: a hundred times what a start takes */
    READY_STEP_US = 1000 * 1000, /* of it, for one attempt */
    READY_PAUSE_US = 10 * 1000,  /* between two of them */
    SIGNAL_EXIT = 128,           /* what shells add to the signal */
};

/* The signals that the tool takes one by one. */
static sigset_t taken_signals(void)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        sigaddset(&set, taken[i]);
    }
    return set;
}

/* Whether a signal that ends a process is pending: it is taken then. */
static int pending_end(const sigset_t *set)
{
    for (int number; (number = sigtimedwait(set, NULL, &(struct timespec){0})) > 0;) {
        if (number != SIGCHLD) {
            return number;
        }
    }
    return 0;
}

/* Waits until the daemon answers. */
static enum tool_exit await_ready(struct tool *tool, struct temporary_daemon *daemon, const sigset_t *signals)
{
    int64_t end_us = tool_now_us() + READY_US;
    assert(daemon->pid > 0 && tool->client == NULL); /* it was just started */
    tool->socket_path = daemon->socket;
    tool->socket_origin = "the daemon of this run";
    for (;;) {
        int status, number = pending_end(signals);
        if (number > 0) {
            return (enum tool_exit)(SIGNAL_EXIT + number);
        }
        pid_t ended = waitpid(daemon->pid, &status, WNOHANG);
        if (ended > 0 && temporary_daemon_ended(daemon, ended, status)) {
            temporary_daemon_tell_end(daemon);
            return tool_fail(TOOL_RUN_FAILED, "the daemon ended before it was ready");
        }
        enum cairn_status connected = tool_try_connect(tool, READY_STEP_US);
        if (connected == CAIRN_OK) {
            break;
        }
        if (tool_now_us() >= end_us) {
            (void)tool_connect_failed(tool, connected);
            return TOOL_RUN_FAILED;
        }
        nanosleep(&(struct timespec){.tv_nsec = READY_PAUSE_US * 1000}, NULL);
    }
    cairn_client_free(tool->client);
    tool->client = NULL;
    tool->connection = NULL;
    return TOOL_OK;
}

/* Becomes the command; in the child. */
static _Noreturn void become(char **words, const sigset_t *mask)
{
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(words[0], words);
    enum tool_exit code = errno == ENOENT ? TOOL_RUN_NO_COMMAND : TOOL_RUN_CANNOT_EXECUTE;
    (void)tool_fail(code, "cannot execute %s: %s", words[0], strerror(errno));
    _exit((int)code);
}

/* Waits for the command's end, and returns its exit code. */
static enum tool_exit await_command(pid_t command, struct temporary_daemon *daemon, const sigset_t *signals)
{
    assert(command > 0);
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(signals, &info);
        if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL) {
            kill(command, number);
        }
        int status;
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (temporary_daemon_ended(daemon, ended, status)) {
                temporary_daemon_tell_end(daemon);
            } else if (ended == command) {
                return (enum tool_exit)(WIFSIGNALED(status) ? SIGNAL_EXIT + WTERMSIG(status)
                                                            : WEXITSTATUS(status));
            }
        }
    }
}

static enum tool_exit run_command(struct tool *tool, struct temporary_daemon *daemon, const sigset_t *signals,
                                  const sigset_t *mask)
{
    assert(tool->argument_count > 0 && tool->arguments[tool->argument_count] == NULL); /* as main's */
    if (setenv("CAIRN_SOCKET", daemon->socket, 1) != 0) {
        return tool_fail(TOOL_RUN_FAILED, "cannot set CAIRN_SOCKET: %s", strerror(errno));
    }
    pid_t command = fork();
    if (command == 0) {
        become(tool->arguments, mask);
    }
    return command > 0 ? await_command(command, daemon, signals)
                       : tool_fail(TOOL_RUN_FAILED, "cannot start the command: %s", strerror(errno));
}

enum tool_exit verb_run(struct tool *tool)
{
    struct temporary_daemon daemon;
    const struct tool_given *cairnd = argument_given(tool, "cairnd");
    sigset_t signals = taken_signals(), mask;
    if (tool->has_socket) {
        return tool_fail(TOOL_USAGE, "cairn run makes a socket of its own: it takes no --socket");
    }
    sigprocmask(SIG_BLOCK, &signals, &mask);
    enum tool_exit result = temporary_daemon_make(&daemon);
    if (result == TOOL_OK) {
        result = temporary_daemon_start(&daemon, cairnd != NULL ? cairnd->value : NULL);
    }
    if (result == TOOL_OK) {
        result = await_ready(tool, &daemon, &signals);
    }
    if (result == TOOL_OK) {
        result = run_command(tool, &daemon, &signals, &mask);
    }
    temporary_daemon_remove(&daemon);
    return result;
}
