#include "tests/lib/trouble.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum {
    NO_ANSWER_MS = 300,
};

/* The thread of that process that writes, by its name; 0: it has none. */
static pid_t find_writer(pid_t process)
{
    pid_t writer = 0;
    struct dirent **entries;
    int found = scandir(kept_format("/proc/%d/task", (int)process), &entries, NULL, NULL);
    for (int i = 0; i < found; i++) {
        pid_t thread = (pid_t)atoi(entries[i]->d_name);
        char name[32] = {0};
        int fd = open(kept_format("/proc/%d/task/%d/comm", (int)process, (int)thread), O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
        close(fd);
        if (length > 0 && strcmp(name, "cairn-writer\n") == 0) {
            writer = thread;
        }
        free(entries[i]);
    }
    if (found >= 0) {
        free(entries);
    }
    return writer;
}

static bool stop_thread(pid_t thread)
{
    int status;
    return ptrace(PTRACE_SEIZE, thread, NULL, NULL) == 0 &&
           ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 && waitpid(thread, &status, __WALL) == thread &&
           WIFSTOPPED(status);
}

struct frozen trouble_freeze_writer(const struct daemon *daemon)
{
    pid_t thread = find_writer(daemon_process(daemon));
    ck_assert_msg(thread != 0, "no thread is the writer");
    ck_assert_msg(stop_thread(thread), "cannot stop thread %d: %s", (int)thread, strerror(errno));
    struct wire wire = wire_open(daemon->socket);
    uint64_t id = wire_send(&wire, FRAME_COMMIT, commit_new());
    ck_assert_ptr_null(wire_try_frame(&wire, id, NO_ANSWER_MS));
    free(wire.bytes);
    return (struct frozen){thread, wire.fd};
}

void trouble_thaw(struct frozen *frozen)
{
    if (frozen->thread != 0) {
        ptrace(PTRACE_DETACH, frozen->thread, NULL, NULL);
        close(frozen->fd);
    }
    *frozen = (struct frozen){0};
}

bool trouble_buried(struct frozen *frozen, int milliseconds)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    int status;
    while (waitpid(frozen->thread, &status, __WALL | WNOHANG) == 0 || WIFSTOPPED(status)) {
        if (clock_ms() > until) {
            return false;
        }
        sleep_ms(5);
    }
    close(frozen->fd);
    *frozen = (struct frozen){0};
    return true;
}

bool trouble_has_strace(void)
{
    return !under_sanitizer() && system("command -v strace >/dev/null 2>&1") == 0;
}

static bool all_traced(pid_t process)
{
    struct dirent **entries;
    int found = scandir(kept_format("/proc/%d/task", (int)process), &entries, NULL, NULL);
    bool all = found > 0;
    for (int i = 0; i < found; i++) {
        FILE *status = fopen(kept_format("/proc/%d/task/%s/status", (int)process, entries[i]->d_name), "re");
        char line[256];
        int tracer = entries[i]->d_name[0] == '.';
        while (status != NULL && tracer == 0 && fgets(line, sizeof line, status) != NULL) {
            (void)!sscanf(line, "TracerPid: %d", &tracer);
        }
        if (status != NULL) {
            fclose(status);
        }
        all &= tracer != 0;
        free(entries[i]);
    }
    if (found >= 0) {
        free(entries);
    }
    return all;
}

struct injection trouble_inject(const struct daemon *daemon, const char *what, const char *path)
{
    struct injection injection;
    snprintf(injection.log, sizeof injection.log, "%s/strace", daemon->home.path);
    const char *calls = kept_format("trace=%.*s", (int)strcspn(what, ":"), what);
    const char *words[] = {"strace",
                           "-f",
                           "-q",
                           "-o",
                           injection.log,
                           "-p",
                           kept_format("%d", (int)daemon_process(daemon)),
                           "-e",
                           calls,
                           "-e",
                           kept_format("inject=%s", what),
                           path != NULL ? "-P" : NULL,
                           path,
                           NULL};
    fflush(NULL);
    injection.strace = fork();
    if (injection.strace == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(20000);
    while (!all_traced(daemon_process(daemon))) {
        ck_assert_msg(clock_ms() < until, "strace does not attach");
        sleep_ms(10);
    }
    sleep_ms(50);
    return injection;
}

void trouble_end(struct injection *injection)
{
    kill(injection->strace, SIGTERM);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(5000);
    while (waitpid(injection->strace, NULL, WNOHANG) == 0) {
        if (clock_ms() > until) {
            kill(injection->strace, SIGKILL);
        }
        sleep_ms(5);
    }
}

char *trouble_log_file(const struct daemon *daemon)
{
    /* the newest of the files that end so, anywhere in the data directory */
    struct program found =
        shell_run(5000, "find %s -name '*.log' -printf '%%f %%p\\n' | sort | tail -n 1", daemon->data);
    char *path = strchr(found.output, ' ');
    ck_assert_ptr_nonnull(path);
    path[strcspn(path, "\n")] = '\0';
    return path + 1;
}
