/* A temporary daemon's life:
 *
 * - made: a directory that only this user can enter
 * - started: cairnd makes a store in it, and writes its log beside the store
 * - ended by itself: only told; the directory stays for the command, which may look at it
 * - removed: told to stop, killed if it does not, and the directory goes with all that is in it
 *
 * Ways to fail: no directory or no process, which leaves nothing; a directory that cannot be removed, which is told. */
#include "client/tool/verbs/temporary_daemon.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STOP_US = 30 * 1000000,    /* after that it is killed; cairnd's own stop_timeout */
    STOP_PAUSE_US = 5000,      /* between two looks whether it has ended */
    LOG_BYTES_TOLD_MAX = 2048, /* of the log's end; chosen: some ten lines */
    WALK_DESCRIPTORS_MAX = 16, /* the directory is three levels deep */
};

enum tool_exit temporary_daemon_make(struct temporary_daemon *daemon)
{
    const char *place = getenv("TMPDIR");
    place = place != NULL && place[0] != '\0' ? place : "/tmp";
    *daemon = (struct temporary_daemon){.pid = 0};
    char directory[TEMPORARY_PATH_BYTES];
    int length = snprintf(directory, sizeof directory, "%s/cairn-run-XXXXXX", place);
    if (length + (int)strlen("/cairnd.sock") >= TEMPORARY_SOCKET_BYTES) {
        return tool_fail(TOOL_USAGE, "the path of a socket below TMPDIR would be longer than 107 bytes: %s",
                         place);
    }
    if (mkdtemp(directory) == NULL) {
        return tool_fail(TOOL_RUN_FAILED, "cannot make a directory in %s: %s", place, strerror(errno));
    }
    memcpy(daemon->directory, directory, (size_t)length + 1);
    snprintf(daemon->socket, sizeof daemon->socket, "%.90s/cairnd.sock", directory);
    return TOOL_OK;
}

/* Writes the path of cairnd: beside the tool if it is there, else the name alone, to be looked for in PATH. */
static void find_beside(char ret_path[static TEMPORARY_PATH_BYTES])
{
    static const char name[] = "cairnd";
    ssize_t length = readlink("/proc/self/exe", ret_path, TEMPORARY_PATH_BYTES - sizeof name);
    ret_path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(ret_path, '/');
    if (slash != NULL) {
        memcpy(slash + 1, name, sizeof name);
    }
    if (slash == NULL || access(ret_path, X_OK) != 0) {
        memcpy(ret_path, name, sizeof name);
    }
}

/* Becomes cairnd; in the child. */
static _Noreturn void become(const struct temporary_daemon *daemon, const char *path, pid_t parent,
                             int failure_fd)
{
    char data[TEMPORARY_PATH_BYTES + 8], log[TEMPORARY_PATH_BYTES + 8];
    snprintf(data, sizeof data, "%s/data", daemon->directory);
    snprintf(log, sizeof log, "%s/log", daemon->directory);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    sigset_t none;
    sigemptyset(&none);
    unsetenv("NOTIFY_SOCKET"); /* of the unit that the tool runs in, if any */
    unsetenv("LISTEN_FDS");
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && null >= 0 && out >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0 && setsid() >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        execlp(path, path, "--data", data, "--socket", daemon->socket, "--create", (char *)NULL);
    }
    int reason = errno;
    ssize_t written = write(failure_fd, &reason, sizeof reason);
    _exit(written == sizeof reason ? TOOL_RUN_FAILED : TOOL_FAILURE);
}

enum tool_exit temporary_daemon_start(struct temporary_daemon *daemon, const char *path)
{
    char beside[TEMPORARY_PATH_BYTES];
    int failure[2], reason = 0;
    assert(daemon->directory[0] != '\0' && daemon->pid == 0);
    if (path == NULL) {
        find_beside(beside);
        path = beside;
    }
    if (pipe2(failure, O_CLOEXEC) != 0) {
        return tool_fail(TOOL_RUN_FAILED, "cannot start cairnd: %s", strerror(errno));
    }
    pid_t self = getpid(), pid = fork();
    if (pid == 0) {
        become(daemon, path, self, failure[1]);
    }
    reason = pid < 0 ? errno : 0;
    close(failure[1]);
    ssize_t got = pid < 0 ? 0 : read(failure[0], &reason, sizeof reason); /* until it is executed */
    close(failure[0]);
    if (pid > 0 && got == 0) {
        daemon->pid = pid;
        return TOOL_OK;
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    return tool_fail(reason == ENOENT ? TOOL_USAGE : TOOL_RUN_FAILED,
                     "cannot execute %s: %s; --cairnd PATH names the daemon", path, strerror(reason));
}

bool temporary_daemon_ended(struct temporary_daemon *daemon, pid_t pid, int status)
{
    if (daemon->pid == 0 || pid != daemon->pid) {
        return false;
    }
    daemon->pid = 0;
    daemon->status = status;
    return true;
}

void temporary_daemon_tell_end(const struct temporary_daemon *daemon)
{
    char path[TEMPORARY_PATH_BYTES + 8], end[LOG_BYTES_TOLD_MAX + 1];
    assert(daemon->pid == 0);
    if (WIFSIGNALED(daemon->status)) {
        tool_warn("the daemon ended by signal %d (%s)", WTERMSIG(daemon->status),
                  strsignal(WTERMSIG(daemon->status)));
    } else {
        tool_warn("the daemon ended with exit code %d", WEXITSTATUS(daemon->status));
    }
    snprintf(path, sizeof path, "%s/log", daemon->directory);
    FILE *log = fopen(path, "re");
    if (log == NULL) {
        return;
    }
    if (fseek(log, -LOG_BYTES_TOLD_MAX, SEEK_END) != 0) {
        rewind(log);
    }
    end[fread(end, 1, LOG_BYTES_TOLD_MAX, log)] = '\0';
    fclose(log);
    for (char *rest = end, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] != '\0') {
            tool_warn("its log: %s", line);
        }
    }
}

static void stop(struct temporary_daemon *daemon)
{
    int64_t end_us = tool_now_us() + STOP_US;
    int status = 0;
    kill(daemon->pid, SIGTERM);
    while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
        if (tool_now_us() >= end_us) {
            tool_warn("the daemon did not stop in %d s, and is killed", STOP_US / 1000000);
            kill(daemon->pid, SIGKILL);
            waitpid(daemon->pid, &status, 0);
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = STOP_PAUSE_US * 1000}, NULL);
    }
    temporary_daemon_ended(daemon, daemon->pid, status);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        temporary_daemon_tell_end(daemon);
    }
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

void temporary_daemon_remove(struct temporary_daemon *daemon)
{
    if (daemon->pid != 0) {
        stop(daemon);
    }
    if (daemon->directory[0] != '\0' &&
        nftw(daemon->directory, remove_one, WALK_DESCRIPTORS_MAX, FTW_DEPTH | FTW_PHYS) != 0) {
        tool_warn("cannot remove %s: %s", daemon->directory, strerror(errno));
    }
    daemon->directory[0] = '\0';
}
