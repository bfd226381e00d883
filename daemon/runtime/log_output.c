/* A line's life: it is copied into the batch that fills; the log's thread takes the whole batch, leaves an empty one in its place, and
 * writes line after line by write(2), or to the journal. Nothing else writes, so nothing else waits: whatever stderr is.
 *
 * Why a thread: nothing that could be asked of stderr itself never waits. O_NONBLOCK belongs to the open file, which the daemon
 * shares with its parent; a socket cannot be opened a second time; poll() says little of a terminal that was stopped and nothing
 * of a file on a hung disk; the journal's socket waits inside libsystemd. The thread may wait in all of them.
 *
 * - Before log_output_start and once its thread has ended, the caller writes. Nobody is served then.
 * - A line is dropped, and counted, when the rate does not admit it, when the batch that fills has no room because the other one is
 *   not taken, and when its write fails. The thread then logs how many were dropped, once in NOTICE_US at most: behind the
 *   first line that is taken again, or by itself if it only was the rate.
 * - A stop gives the thread 100 ms to write what is there, or a second while stderr would take a line. A thread that waits longer is
 *   left behind, and the process's end ends it; but if it waits for a file on a hung disk, the kernel lets no process end before
 *   that disk answers.
 *
 * Ways to fail: an entry that the journal does not take goes to stderr as text. A stderr that somebody else made O_NONBLOCK is
 * waited for. A write that fails may leave a part of its line. */
#include "daemon/runtime/log_output.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* the place in our source says less than the message */
#include <systemd/sd-journal.h>

#include "daemon/runtime/log_rate.h"
#include "daemon/runtime/thread.h"

enum {
    /* Chosen: some 500 lines, and above the burst that the default of log_bytes_per_second admits. */
    BATCH_BYTES = 128 << 10,
    /* What lines of peers leave free for the others, which no rate bounds. */
    RESERVE_BYTES = LOG_OUTPUT_LINE_BYTES_MAX,
    NOTICE_US = 1000000, /* chosen: so that notices are few beside a flood's lines */
    STOP_US = 100000,    /* chosen: a reader that lives takes a batch within it; no operator notices it */
    /* While stderr would take a line: it is the machine that is busy. With ten threads for each processor 100 ms were too short. */
    STOP_BUSY_US = 1000000,
    STOP_LOOK_US = 500,
    PARTS_MAX = 32, /* above what log_form_journal makes */
};

static_assert(BATCH_BYTES >= 2 * RESERVE_BYTES, "a line of a peer has room in an empty batch");

struct header {
    uint32_t text_bytes;
    uint32_t parts_bytes;
};

struct batch {
    size_t bytes;
    char lines[BATCH_BYTES]; /* each a header, its text, its parts */
};

enum state {
    DIRECT,  /* there is no thread: callers write */
    RUNNING, /* the thread writes */
    ENDING,  /* the thread writes what is there, and ends */
};

static struct output {
    atomic_int state;       /* an enum state; set under the mutex, but for the first start */
    _Atomic uint64_t drops; /* lines, since the process began */

    /* Fixed while the thread runs. */
    bool has_mutex;
    void (*say_dropped)(uint64_t lines);

    struct mutex mutex;

    /* Under the mutex. */
    struct log_rate rate;
    struct batch *filling;
    uint64_t unsaid; /* lines that were dropped and not yet told of */

    /* The log thread's, and under the mutex while there is none. */
    struct batch *leaving;
    bool is_broken;          /* the last write failed: a notice would too */
    uint64_t notice_from_us; /* no notice before */
} output;

static struct batch batches[2];

static enum state state_now(void)
{
    return (enum state)atomic_load_explicit(&output.state, memory_order_acquire);
}

/* ---- writing, without the mutex ---- */

static bool wait_for_stderr(void)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&pollfd, 1, -1) >= 0 || errno == EINTR;
}

/* One write(2), so that it stays whole beside what others write there; more only if stderr took less. */
static bool write_text(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, n);
        if (written > 0) {
            text += written;
            n -= (size_t)written;
        } else if (written == 0 || (errno != EINTR && (errno != EAGAIN || !wait_for_stderr()))) {
            return false;
        }
    }
    return true;
}

static int split_parts(const char *parts, size_t n, struct iovec *ret_parts)
{
    int count = 0;
    for (size_t at = 0; at < n;) {
        uint32_t length;
        assert(count < PARTS_MAX && n - at >= sizeof length);
        memcpy(&length, parts + at, sizeof length);
        at += sizeof length;
        assert(length <= n - at);
        ret_parts[count++] = (struct iovec){(void *)(uintptr_t)(parts + at), length};
        at += length;
    }
    return count;
}

static bool write_line(const struct log_output_line *line)
{
    assert(line->text_bytes > 0); /* what the journal does not take goes to stderr by it */
    struct iovec parts[2 * PARTS_MAX];
    if (line->message_bytes > 0) {
        int count = split_parts(line->message, line->message_bytes, parts);
        count += split_parts(line->values, line->values_bytes, parts + count);
        if (sd_journal_sendv(parts, count) == 0) {
            return true;
        }
    }
    return write_text(line->text, line->text_bytes);
}

/* ---- the thread ---- */

/* Returns how many of the lines were dropped. */
static uint64_t log_thread_write(const struct batch *batch)
{
    uint64_t failed = 0;
    assert(thread_is(THREAD_LOG) && batch->bytes <= sizeof batch->lines);
    for (size_t at = 0; at < batch->bytes;) {
        struct header header;
        memcpy(&header, batch->lines + at, sizeof header);
        at += sizeof header;
        const char *text = batch->lines + at;
        struct log_output_line line = {
            .text = text,
            .text_bytes = header.text_bytes,
            .message = text + header.text_bytes,
            .message_bytes = header.parts_bytes,
        };
        at += header.text_bytes + header.parts_bytes;
        assert(at <= batch->bytes);
        output.is_broken = !write_line(&line);
        failed += output.is_broken;
    }
    return failed;
}

static bool notice_is_due(void)
{
    mutex_assert_held(&output.mutex);
    return output.unsaid > 0 && !output.is_broken &&
           (state_now() == ENDING || thread_now_us() >= output.notice_from_us);
}

/* Takes the batch that fills and writes it. */
static void log_thread_take_batch(void)
{
    struct batch *taken = output.filling;
    mutex_assert_held(&output.mutex);
    assert(output.leaving->bytes == 0);
    output.filling = output.leaving;
    output.leaving = taken;
    mutex_unlock(&output.mutex);
    uint64_t failed = log_thread_write(taken);
    taken->bytes = 0;
    mutex_lock(&output.mutex);
    output.unsaid += failed;
    atomic_fetch_add_explicit(&output.drops, failed, memory_order_relaxed);
}

/* Says how many lines were dropped; they stay unsaid if that is not taken either. */
static void log_thread_notice(void)
{
    uint64_t lines = output.unsaid;
    mutex_assert_held(&output.mutex);
    assert(thread_is(THREAD_LOG)); /* what say_dropped logs is written at once */
    assert(lines > 0 && !output.is_broken);
    output.unsaid = 0;
    output.notice_from_us = thread_now_us() + NOTICE_US;
    mutex_unlock(&output.mutex);
    output.say_dropped(lines);
    mutex_lock(&output.mutex);
    output.unsaid += output.is_broken ? lines : 0;
}

static void *log_thread_main(void *unused)
{
    assert(state_now() != DIRECT && output.filling != output.leaving); /* set before the thread was made */
    thread_set_role(THREAD_LOG);
    mutex_lock(&output.mutex);
    for (;;) {
        if (output.filling->bytes > 0) {
            log_thread_take_batch();
        } else if (!notice_is_due()) {
            if (state_now() == ENDING) {
                break;
            }
            bool has_notice = output.unsaid > 0 && !output.is_broken;
            mutex_wait(&output.mutex, has_notice ? output.notice_from_us : 0);
        }
        if (notice_is_due()) {
            log_thread_notice();
        }
    }
    atomic_store_explicit(&output.state, DIRECT, memory_order_release);
    mutex_unlock(&output.mutex);
    return unused;
}

/* The thread is nobody's to wait for, for it may never end; and no signal is its business: a terminal would stop the process by
 * SIGTTOU for what a background process writes, a closed pipe end it by SIGPIPE. */
static int create_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    int failed = pthread_attr_init(&attributes);
    failed |= pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    failed |= pthread_sigmask(SIG_SETMASK, &all, &before);
    assert(!failed);
    int error = pthread_create(&thread, &attributes, log_thread_main, NULL);
    failed = pthread_sigmask(SIG_SETMASK, &before, NULL);
    failed |= pthread_attr_destroy(&attributes);
    assert(!failed);
    return error;
}

/* ---- for callers ---- */

bool log_output_start(uint64_t bytes_per_second, void (*say_dropped)(uint64_t lines))
{
    assert(thread_is(THREAD_OTHER) && state_now() == DIRECT);
    assert(say_dropped != NULL); /* it is called when the first line was dropped */
    if (!output.has_mutex) {
        mutex_init(&output.mutex); /* never closed: a thread left behind may come back to it */
        output.has_mutex = true;
    }
    log_rate_init(bytes_per_second, thread_now_us(), &output.rate);
    output.say_dropped = say_dropped;
    output.filling = &batches[0];
    output.leaving = &batches[1];
    output.unsaid = 0;
    output.is_broken = false;
    output.notice_from_us = 0;
    atomic_store_explicit(&output.state, RUNNING, memory_order_release);
    int error = create_thread();
    if (error != 0) {
        atomic_store_explicit(&output.state, DIRECT, memory_order_release);
        errno = error;
        return false;
    }
    return true;
}

/* Whether stderr would take a line now; of a file always. */
static bool stderr_takes(void)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLOUT) != 0;
}

bool log_output_stop(void)
{
    assert(!thread_is(THREAD_LOG)); /* it would wait for itself */
    uint64_t begin_us = thread_now_us();
    if (state_now() == RUNNING) {
        mutex_lock(&output.mutex);
        atomic_store_explicit(&output.state, ENDING, memory_order_release);
        mutex_unlock_and_signal(&output.mutex);
    }
    while (state_now() != DIRECT && thread_now_us() - begin_us < (stderr_takes() ? STOP_BUSY_US : STOP_US)) {
        usleep(STOP_LOOK_US);
    }
    return state_now() == DIRECT;
}

void log_output_rate_set(uint64_t bytes_per_second)
{
    assert(bytes_per_second >= LOG_RATE_BYTES_MIN && bytes_per_second <= LOG_RATE_BYTES_MAX);
    if (state_now() == DIRECT) {
        return;
    }
    uint64_t now_us = thread_now_us();
    mutex_lock(&output.mutex);
    log_rate_change(&output.rate, bytes_per_second, now_us);
    mutex_unlock(&output.mutex);
}

/* Whether the calling thread writes its lines itself. */
static bool is_direct(void)
{
    return state_now() == DIRECT || thread_is(THREAD_LOG);
}

/* Counts a line that is dropped, and unlocks the mutex. The thread is woken by the first alone: it then knows when it has to
 * tell of it and of those that follow. */
static void drop_and_unlock(void)
{
    mutex_assert_held(&output.mutex);
    atomic_fetch_add_explicit(&output.drops, 1, memory_order_relaxed);
    if (output.unsaid++ == 0) {
        mutex_unlock_and_signal(&output.mutex);
    } else {
        mutex_unlock(&output.mutex);
    }
}

bool log_output_admits(void)
{
    if (is_direct()) {
        return true;
    }
    uint64_t now_us = thread_now_us();
    mutex_lock(&output.mutex);
    if (!log_rate_admits(&output.rate, now_us)) {
        drop_and_unlock();
        return false;
    }
    mutex_unlock(&output.mutex);
    return true;
}

static void append(struct batch *batch, const void *bytes, size_t n)
{
    mutex_assert_held(&output.mutex);
    assert(n <= sizeof batch->lines - batch->bytes);
    if (n > 0) {
        memcpy(batch->lines + batch->bytes, bytes, n);
        batch->bytes += n;
    }
}

static void write_directly(const struct log_output_line *line)
{
    bool is_written = write_line(line);
    if (thread_is(THREAD_LOG)) {
        output.is_broken = !is_written;
    }
    if (!is_written) {
        atomic_fetch_add_explicit(&output.drops, 1, memory_order_relaxed);
    }
}

void log_output_put(const struct log_output_line *line, bool is_bounded)
{
    struct header header = {
        .text_bytes = (uint32_t)line->text_bytes,
        .parts_bytes = (uint32_t)(line->message_bytes + line->values_bytes),
    };
    size_t bytes = sizeof header + header.text_bytes + header.parts_bytes;
    assert(line->text_bytes > 0 && bytes <= LOG_OUTPUT_LINE_BYTES_MAX);
    if (is_direct()) {
        write_directly(line);
        return;
    }
    mutex_lock(&output.mutex);
    struct batch *batch = output.filling;
    bool was_empty = batch->bytes == 0;
    size_t room = sizeof batch->lines - batch->bytes;
    if (bytes + (is_bounded ? RESERVE_BYTES : 0) > room) {
        drop_and_unlock();
        return;
    }
    if (is_bounded) {
        log_rate_charge(&output.rate, header.parts_bytes > 0 ? header.parts_bytes : header.text_bytes);
    }
    append(batch, &header, sizeof header);
    append(batch, line->text, line->text_bytes);
    append(batch, line->message, line->message_bytes);
    append(batch, line->values, line->values_bytes);
    if (was_empty) {
        mutex_unlock_and_signal(&output.mutex);
    } else {
        mutex_unlock(&output.mutex); /* the thread was woken by the first line, or is at work */
    }
}

uint64_t log_output_dropped(void)
{
    return atomic_load_explicit(&output.drops, memory_order_relaxed);
}
