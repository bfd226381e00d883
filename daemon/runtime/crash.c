/* A crash's life:
 *
 * - Before it: what needs memory or files is made at the start, and what is printed to the C library's stderr is kept as well, since
 *   a failed assert prints its text there.
 * - The first thread that crashes writes the report, by calls that are safe in a signal handler; any other waits for the end. A crash
 *   inside the report, or one that takes CRASH_SECONDS, ends the process with the report unfinished.
 * - The frames go to a file in memory first, since backtrace_symbols_fd waits for its reader without end.
 *
 * Ways to fail: each leaves out a part of the report. Builds with a sanitizer keep that one's own report. */
#include "daemon/runtime/crash.h"

#include <assert.h>
#include <elf.h>
#include <execinfo.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/version.h"

enum {
    STDERR_WAIT_MS = 1000,   /* chosen: a reader of stderr that lives takes some within it */
    CRASH_SECONDS = 10,      /* chosen: above what a report takes, STDERR_WAIT_MS included */
    FRAMES_MAX = 64,         /* chosen: the walk of a request is shorter */
    WORDS_BYTES = 512,       /* an assert's text: file, line, function and condition */
    REPORT_BYTES = 16 << 10, /* FRAMES_MAX lines of a path, an offset and an address */
    STACK_BYTES = 64 << 10,  /* for the handler, where the loop's own stack is used up */
    BUILD_ID_BYTES_MAX = 32,
};

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};

static struct {
    /* fixed by crash_prepare */
    bool is_prepared;
    bool is_journal;
    int frames_fd; /* -1: frames go to stderr at once */
    char build_id[2 * BUILD_ID_BYTES_MAX + 1];
    char stack[STACK_BYTES];
    /* any thread; two that print at a time may mix their texts */
    char words[WORDS_BYTES];
    /* the thread that crashes */
    atomic_int thread; /* its id; 0: none has */
    char report[REPORT_BYTES];
} crash = {.frames_fd = -1};

/* ---- stderr ---- */

/* Writes as much as is taken in time; false: not all. poll() may be wrong about whether stderr takes it without waiting, but for pipes,
 * sockets and terminals it is right. */
static bool write_last(const char *bytes, size_t n)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (n > 0 && poll(&pollfd, 1, STDERR_WAIT_MS) > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, n);
        if (written <= 0) {
            break;
        }
        bytes += written;
        n -= (size_t)written;
    }
    return n == 0;
}

/* The journal takes the level of a line from its beginning. */
static const char *prefix(void)
{
    return crash.is_journal ? LOG_JOURNAL_ERROR : "";
}

static ssize_t write_words(void *unused, const char *bytes, size_t n)
{
    size_t kept = n < WORDS_BYTES - 1 ? n : WORDS_BYTES - 1;
    (void)unused;
    memcpy(crash.words, bytes, kept);
    crash.words[kept] = '\0';
    (void)(write_last(prefix(), strlen(prefix())) && write_last(bytes, n)); /* there is no other place */
    return (ssize_t)n;
}

static void replace_stderr(void)
{
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_words});
    if (stream != NULL && setvbuf(stream, NULL, _IONBF, 0) == 0) {
        stderr = stream;
    }
}

/* ---- the report: nothing here but what a signal handler may call ---- */

struct report {
    size_t length;
    char bytes[2 * WORDS_BYTES];
};

static void add(struct report *report, const char *text)
{
    for (; *text != '\0' && report->length < sizeof report->bytes - 1; text++) {
        report->bytes[report->length++] = *text == '\n' ? ' ' : *text;
    }
}

static void add_number(struct report *report, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    add(report, digits + at);
}

static bool write_head(int number, const siginfo_t *info)
{
    struct report report = {0};
    char thread[16 + 1] = ""; /* the kernel's length of a name */
    const char *name = sigabbrev_np(number);
    (void)prctl(PR_GET_NAME, thread);
    add(&report, prefix());
    add(&report, "cairnd " CAIRND_VERSION " (build ");
    add(&report, crash.build_id);
    add(&report, ") crashed by SIG");
    add(&report, name != NULL ? name : "?");
    if (info->si_code > 0 && number != SIGABRT) {
        add(&report, " at address 0x");
        add_number(&report, (uintptr_t)info->si_addr, 16);
    }
    add(&report, " in process ");
    add_number(&report, (uint64_t)getpid(), 10);
    add(&report, ", thread ");
    add_number(&report, (uint64_t)gettid(), 10);
    add(&report, " ");
    add(&report, thread);
    add(&report, crash.words[0] != '\0' ? ", after it printed: " : "");
    add(&report, crash.words);
    report.bytes[report.length++] = '\n';
    return write_last(report.bytes, report.length);
}

static void write_frames(void)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    backtrace_symbols_fd(frames, count, crash.frames_fd >= 0 ? crash.frames_fd : STDERR_FILENO);
    ssize_t n = crash.frames_fd >= 0 ? pread(crash.frames_fd, crash.report, sizeof crash.report, 0) : 0;
    for (const char *at = crash.report, *end = at + (n > 0 ? n : 0); at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop == NULL ? end : stop + 1;
        if (!write_last(prefix(), strlen(prefix())) || !write_last(at, (size_t)(next - at))) {
            break;
        }
        at = next;
    }
}

/* What is left of the signal kills: a fault happens again when the handler returns, another one is raised. */
static void end_by(int number, const siginfo_t *info)
{
    (void)signal(number, SIG_DFL);
    if (info->si_code <= 0) {
        (void)raise(number);
    }
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    int none = 0, self = gettid();
    (void)context;
    if (!atomic_compare_exchange_strong(&crash.thread, &none, self)) {
        while (none != self) {
            (void)poll(NULL, 0, -1); /* until the other one has ended the process */
        }
        end_by(number, info); /* a crash in the report */
        return;
    }
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(CRASH_SECONDS);
    if (write_head(number, info)) {
        write_frames();
    }
    end_by(number, info);
}

/* ---- before a crash ---- */

/* Of the first object that is loaded, the program itself. */
static int find_build_id(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        const char *at = (const char *)(object->dlpi_addr + header->p_vaddr), *end = at + header->p_memsz;
        while (header->p_type == PT_NOTE && (size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            const char *bytes = at + sizeof note + ((note.n_namesz + 3U) & ~3U);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= BUILD_ID_BYTES_MAX) {
                for (size_t j = 0; j < note.n_descsz; j++) {
                    snprintf(crash.build_id + 2 * j, 3, "%02x", (unsigned char)bytes[j]);
                }
                return 1;
            }
            at = bytes + ((note.n_descsz + 3U) & ~3U);
        }
    }
    return 1;
}

static void handle(void)
{
    stack_t stack = {.ss_sp = crash.stack, .ss_size = sizeof crash.stack};
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int failed = sigaltstack(&stack, NULL);
    failed |= sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) {
        failed |= sigaction(fatal[i], &action, NULL);
    }
    assert(!failed);
}

void crash_prepare(void)
{
    void *frame;
    assert(thread_is(THREAD_OTHER) && !crash.is_prepared);
    crash.is_prepared = true;
    crash.is_journal = log_stderr_is_journal();
    (void)dl_iterate_phdr(find_build_id, NULL);
    replace_stderr();
    if (!MEMORY_IS_WATCHED) {
        crash.frames_fd = memfd_create("cairnd-crash", MFD_CLOEXEC);
        (void)backtrace(&frame, 1); /* the first call loads a library */
        handle();
    }
}
