#include "tests/lib/daemon.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    WORDS_MAX = 64,
    READY_MS = 30000,
    STOP_MS = 30000,
    IDLE_MAX_MS = 20000,
    SAID_MS = 20000,
};

struct daemon daemon_new(void)
{
    struct daemon daemon = {.home = directory_new(), .errors_fd = -1, .adopt_fd = -1};
    snprintf(daemon.data, sizeof daemon.data, "%s/data", daemon.home.path);
    snprintf(daemon.socket, sizeof daemon.socket, "%s/s", daemon.home.path);
    snprintf(daemon.errors, sizeof daemon.errors, "%s/stderr", daemon.home.path);
    return daemon;
}

/* A machine that is slow, or stands for a while, ends no test; those about a time-out set it. */
static void be_patient(void)
{
    setenv("CAIRND_HELLO_TIMEOUT", "1h", 1);
    setenv("CAIRND_FRAME_TIMEOUT", "1h", 1);
    setenv("CAIRND_STREAM_TIMEOUT", "1h", 1);
    setenv("CAIRND_STOP_TIMEOUT", "1h", 1);
    setenv("CAIRND_STALL_TIMEOUT", "1h", 1);
}

/* In the child: becomes cairnd. */
static void become(const struct daemon *daemon, const char **words)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unsetenv("NOTIFY_SOCKET");
    be_patient();
    for (size_t i = 0; i < 8 && daemon->environment[i] != NULL; i++) {
        putenv((char *)(uintptr_t)daemon->environment[i]);
    }
    int errors = open(daemon->errors, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int nothing = open("/dev/null", O_RDONLY);
    if (errors < 0 || nothing < 0) {
        _exit(126);
    }
    dup2(nothing, 0);
    dup2(errors, 1);
    dup2(daemon->errors_fd >= 0 ? daemon->errors_fd : errors, 2);
    if (daemon->adopt_fd >= 0) {
        char own[16];
        snprintf(own, sizeof own, "%d", (int)getpid());
        setenv("LISTEN_PID", own, 1);
        setenv("LISTEN_FDS", "1", 1);
        if (daemon->adopt_fd == 3) {
            fcntl(3, F_SETFD, 0);
        } else {
            dup2(daemon->adopt_fd, 3);
        }
    }
    close_range(daemon->adopt_fd >= 0 ? 4 : 3, ~0U, 0);
    execvp(words[0], (char *const *)(uintptr_t)words);
    fprintf(stderr, "cannot run %s: %s\n", words[0], strerror(errno));
    _exit(127);
}

void daemon_launch(struct daemon *daemon, const char *arguments)
{
    const char *binary = getenv("CAIRND");
    if (binary == NULL || daemon->pid != 0) {
        ck_abort_msg("%s", binary == NULL ? "CAIRND does not name the daemon" : "it runs already");
    }
    const char *words[WORDS_MAX];
    size_t n = 0;
    for (size_t i = 0; daemon->prefix != NULL && daemon->prefix[i] != NULL; i++) {
        words[n++] = daemon->prefix[i];
    }
    words[n++] = binary;
    words[n++] = "--data";
    words[n++] = daemon->data;
    if (daemon->adopt_fd < 0) {
        words[n++] = "--socket";
        words[n++] = daemon->socket;
    }
    if (!daemon->made) {
        words[n++] = "--create";
    }
    char *rest = kept_copy(arguments, strlen(arguments));
    for (char *word = strtok(rest, " "); word != NULL && n < WORDS_MAX - 1; word = strtok(NULL, " ")) {
        words[n++] = word;
    }
    words[n] = NULL;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        become(daemon, words);
    }
    ck_assert_msg(child > 0, "fork failed");
    daemon->pid = child;
}

int daemon_listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

static bool accepts(const struct daemon *daemon)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", daemon->socket);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

bool daemon_wait_ready(struct daemon *daemon)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(READY_MS);
    while (!accepts(daemon)) {
        siginfo_t ended = {0};
        if (waitid(P_PID, (id_t)daemon->pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0) {
            return false;
        }
        if (clock_ms() > until) {
            return false;
        }
        sleep_ms(2);
    }
    daemon->made = true;
    return true;
}

bool daemon_try_start(struct daemon *daemon, const char *arguments)
{
    daemon_launch(daemon, arguments);
    return daemon_wait_ready(daemon);
}

void daemon_start(struct daemon *daemon, const char *arguments)
{
    if (!daemon_try_start(daemon, arguments)) {
        char *said = daemon_errors(daemon);
        daemon_kill(daemon);
        ck_abort_msg("cairnd %s did not start: %s", arguments, said);
    }
}

static int wait_for(pid_t pid, int milliseconds)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    for (unsigned pause = 1;; pause = pause < 10 ? pause + 1 : 10) {
        int status;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (ended < 0) {
            return 255;
        }
        if (clock_ms() > until) {
            return -1;
        }
        sleep_ms(pause);
    }
}

int daemon_wait(struct daemon *daemon, int milliseconds)
{
    int code = wait_for(daemon->pid, milliseconds);
    if (code >= 0) {
        daemon->pid = 0;
    }
    return code;
}

pid_t daemon_process(const struct daemon *daemon)
{
    pid_t pid = daemon->pid;
    for (unsigned depth = 0; daemon->prefix != NULL && depth < 4; depth++) {
        FILE *children = fopen(kept_format("/proc/%d/task/%d/children", (int)pid, (int)pid), "re");
        int child = 0;
        bool found = children != NULL && fscanf(children, "%d", &child) == 1;
        if (children != NULL) {
            fclose(children);
        }
        if (!found) {
            break;
        }
        pid = child;
    }
    return pid;
}

void daemon_signal(const struct daemon *daemon, int signal_number)
{
    kill(daemon_process(daemon), signal_number);
}

int daemon_stop(struct daemon *daemon)
{
    daemon_signal(daemon, SIGTERM);
    int code = daemon_wait(daemon, STOP_MS);
    if (code < 0) {
        daemon_kill(daemon);
        ck_abort_msg("cairnd does not stop: %s", daemon_errors(daemon));
    }
    return code;
}

void daemon_kill(struct daemon *daemon)
{
    if (daemon->pid == 0) {
        return;
    }
    pid_t process = daemon_process(daemon);
    kill(process, SIGKILL);
    if (daemon_wait(daemon, STOP_MS) < 0) {
        kill(daemon->pid, SIGKILL);
        waitpid(daemon->pid, NULL, 0);
        daemon->pid = 0;
    }
}

void daemon_close(struct daemon *daemon)
{
    daemon_kill(daemon);
    directory_remove(&daemon->home);
}

/* Whether all threads sleep and wait neither for a processor nor for a disk. */
static bool is_asleep(pid_t process)
{
    char *tasks = kept_format("/proc/%d/task", (int)process);
    DIR *directory = opendir(tasks);
    bool asleep = directory != NULL;
    for (struct dirent *entry; asleep && (entry = readdir(directory)) != NULL;) {
        char state = 'S';
        char line[256];
        FILE *stat =
            entry->d_name[0] == '.' ? NULL : fopen(kept_format("%s/%s/stat", tasks, entry->d_name), "re");
        if (stat != NULL && fgets(line, sizeof line, stat) != NULL && strrchr(line, ')') != NULL) {
            state = strrchr(line, ')')[2];
        }
        if (stat != NULL) {
            fclose(stat);
        }
        asleep = state == 'S';
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return asleep;
}

void daemon_wait_idle(const struct daemon *daemon, int milliseconds)
{
    enum { LOOK_MS = 10 };
    uint64_t until = clock_ms() + (uint64_t)patience_ms(IDLE_MAX_MS);
    for (int asleep_ms = 0; asleep_ms < milliseconds && clock_ms() < until; asleep_ms += LOOK_MS) {
        sleep_ms(LOOK_MS);
        if (!is_asleep(daemon_process(daemon))) {
            asleep_ms = -LOOK_MS;
        }
    }
}

uint64_t daemon_resident_bytes(const struct daemon *daemon)
{
    FILE *file = fopen(kept_format("/proc/%d/status", (int)daemon_process(daemon)), "re");
    char line[256];
    unsigned long long kibibytes = 0;
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        (void)!sscanf(line, "VmRSS: %llu kB", &kibibytes);
    }
    fclose(file);
    ck_assert_uint_gt(kibibytes, 0);
    return kibibytes << 10;
}

char *daemon_errors(const struct daemon *daemon)
{
    return file_read(daemon->errors);
}

bool daemon_says(const struct daemon *daemon, const char *text)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SAID_MS);
    while (strstr(daemon_errors(daemon), text) == NULL) {
        if (clock_ms() > until) {
            return false;
        }
        sleep_ms(10);
    }
    return true;
}

struct program program_run(const char *const *words, int milliseconds)
{
    struct directory place = directory_new();
    char *output = directory_path(&place, "out");
    char *errors = directory_path(&place, "err");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(open(output, O_WRONLY | O_CREAT, 0600), 1);
        dup2(open(errors, O_WRONLY | O_CREAT, 0600), 2);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    int code = wait_for(child, milliseconds);
    struct program program = {code, file_read(output), file_read(errors)};
    if (code < 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        ck_abort_msg("%s takes too long: %s%s", words[0], program.output, program.errors);
    }
    directory_remove(&place);
    return program;
}

struct program shell_run(int milliseconds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *command;
    if (vasprintf(&command, format, arguments) < 0) {
        abort();
    }
    va_end(arguments);
    const char *words[] = {"/bin/sh", "-c", command, NULL};
    struct program program = program_run(words, milliseconds);
    free(command);
    return program;
}
