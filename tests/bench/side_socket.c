/* A connection's life: it sends its first requests, `depth` of them, and from then on as many as replies came by each
 * read, in one send. One connection waits in recv itself; of more, epoll says which have something to read. Both
 * directions are only waited for together where the kernel did not take all that was to be sent.
 *
 * Ways to fail: no connection, a connection lost, a reply that is not the expected one, no reply at all. Each ends the
 * measurement with a text. */
#include "tests/bench/side_socket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 << 10,
    FILLER_BYTES = 256 << 10, /* as much as stays near the processor */
    PIECES_MAX = 64,
    EVENTS_MAX = 1024,
    PATIENCE_S = 30,
    REQUESTS_BYTES_MAX = 1 << 30,
};

struct wire {
    int fd;
    bool waits_to_send; /* as epoll knows it */
    size_t send_at;     /* in the exchange's requests */
    size_t unsent;      /* bytes from there */
    size_t expected;    /* the request whose reply is next */
    size_t head_bytes;  /* of the reply being received, as far as they came */
    size_t reply_left;  /* bytes of it behind these */
    uint8_t head[EXCHANGE_HEAD_BYTES_MAX];
    size_t in_flight;   /* requests */
    size_t newest;      /* into `times`, where the next request's goes */
    uint64_t *times_ns; /* of the requests in flight: when they were submitted */
};

struct run {
    const struct exchange *exchange;
    size_t depth;
    struct wire *wires;
    size_t wire_count;
    int epoll;
    struct measure *measure;
    bool failed;
    uint8_t *buffer;
    uint8_t *filler;
};

bool exchange_init(struct exchange *exchange, size_t depth)
{
    size_t count = exchange->count;
    if (count + depth > REQUESTS_BYTES_MAX / exchange->kept_bytes) {
        (void)side_fail("%zu requests of %zu bytes are more than this program keeps", count + depth,
                        exchange->kept_bytes);
        return false;
    }
    exchange->requests = side_memory(count + depth, exchange->kept_bytes);
    exchange->heads = side_memory(count, exchange->head_bytes);
    side_fill(exchange->requests, count * exchange->kept_bytes);
    return true;
}

void exchange_repeat(struct exchange *exchange, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        memcpy(exchange->requests + (exchange->count + i) * exchange->kept_bytes,
               exchange->requests + i % exchange->count * exchange->kept_bytes, exchange->kept_bytes);
    }
}

void exchange_close(struct exchange *exchange)
{
    free(exchange->requests);
    free(exchange->heads);
}

static void fail(struct run *run, const char *text, const char *more)
{
    if (!run->failed) {
        run->failed = true;
        (void)side_fail("%s%s%s", text, more[0] != '\0' ? ": " : "", more);
    }
}

/* ---- sending ---- */

static void submit(struct run *run, struct wire *wire, size_t count, uint64_t now_ns)
{
    for (size_t i = 0; i < count; i++) {
        wire->times_ns[wire->newest] = now_ns;
        wire->newest = wire->newest + 1 == run->depth ? 0 : wire->newest + 1;
    }
    wire->in_flight += count;
    wire->unsent += count * run->exchange->request_bytes;
}

/* At most `depth` requests are unsent, so what is to be sent lies in one piece if it has no filler. */
static ssize_t send_some(struct run *run, const struct wire *wire, int flags)
{
    const struct exchange *exchange = run->exchange;
    if (exchange->kept_bytes == exchange->request_bytes) {
        return send(wire->fd, exchange->requests + wire->send_at, wire->unsent, flags);
    }
    struct iovec pieces[PIECES_MAX];
    struct msghdr message = {.msg_iov = pieces};
    size_t request = wire->send_at / exchange->request_bytes, at = wire->send_at % exchange->request_bytes;
    for (size_t left = wire->unsent; left > 0 && message.msg_iovlen < PIECES_MAX;) {
        struct iovec *piece = &pieces[message.msg_iovlen++];
        if (at < exchange->kept_bytes) {
            *piece = (struct iovec){exchange->requests + request * exchange->kept_bytes + at,
                                    exchange->kept_bytes - at};
        } else {
            size_t filler = exchange->request_bytes - at;
            *piece = (struct iovec){run->filler, filler < FILLER_BYTES ? filler : FILLER_BYTES};
        }
        left -= piece->iov_len;
        at += piece->iov_len;
        request += at / exchange->request_bytes;
        at %= exchange->request_bytes;
    }
    return sendmsg(wire->fd, &message, flags);
}

static void send_on(struct run *run, struct wire *wire)
{
    /* a single request is answered only when all of it is there: nothing else could be done meanwhile */
    int flags = MSG_NOSIGNAL | (run->depth == 1 && run->wire_count == 1 ? 0 : MSG_DONTWAIT);
    while (wire->unsent > 0) {
        ssize_t sent = send_some(run, wire, flags);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            if (errno != EAGAIN) {
                fail(run, "cannot send", strerror(errno));
            }
            return;
        }
        wire->unsent -= (size_t)sent;
        wire->send_at += (size_t)sent;
        size_t end = run->exchange->count * run->exchange->request_bytes;
        wire->send_at -= wire->send_at >= end ? end : 0;
    }
}

/* ---- receiving ---- */

static void answered(struct run *run, struct wire *wire, uint64_t now_ns)
{
    size_t oldest = wire->newest >= wire->in_flight ? wire->newest - wire->in_flight
                                                    : wire->newest + run->depth - wire->in_flight;
    measure_add(run->measure, now_ns - wire->times_ns[oldest], 1);
    wire->in_flight--;
    wire->expected = wire->expected + 1 == run->exchange->count ? 0 : wire->expected + 1;
}

static void wrong_reply(struct run *run, const uint8_t *data, size_t bytes)
{
    char text[3 * EXCHANGE_HEAD_BYTES_MAX + 128];
    size_t at = 0;
    for (size_t i = 0; i < bytes && i < 64; i++) {
        text[at++] = data[i] >= ' ' && data[i] < 127 ? (char)data[i] : '.';
    }
    text[at] = '\0';
    fail(run, "a reply is not the expected one", text);
}

/* The head of a reply, as far as it came; how many bytes were taken of it. */
static size_t take_head(struct run *run, struct wire *wire, const uint8_t *data, size_t bytes)
{
    const struct exchange *exchange = run->exchange;
    size_t missing = exchange->head_bytes - wire->head_bytes;
    size_t taken = bytes < missing ? bytes : missing;
    memcpy(wire->head + wire->head_bytes, data, taken);
    wire->head_bytes += taken;
    wire->reply_left = exchange->reply_bytes - wire->head_bytes;
    if (memcmp(wire->head, exchange->heads + wire->expected * exchange->head_bytes, wire->head_bytes) != 0) {
        wrong_reply(run, data, bytes);
    }
    return taken;
}

/* Takes a whole reply, or as much of one as came. */
static size_t take_one(struct run *run, struct wire *wire, const uint8_t *data, size_t bytes, uint64_t now_ns)
{
    const struct exchange *exchange = run->exchange;
    if (wire->head_bytes == 0 && bytes >= exchange->reply_bytes) {
        if (memcmp(data, exchange->heads + wire->expected * exchange->head_bytes, exchange->head_bytes) !=
            0) {
            wrong_reply(run, data, bytes);
        }
        answered(run, wire, now_ns);
        return exchange->reply_bytes;
    }
    size_t taken;
    if (wire->head_bytes < exchange->head_bytes) {
        taken = take_head(run, wire, data, bytes);
    } else {
        taken = bytes < wire->reply_left ? bytes : wire->reply_left;
        wire->reply_left -= taken;
    }
    if (wire->head_bytes == exchange->head_bytes && wire->reply_left == 0) {
        wire->head_bytes = 0;
        answered(run, wire, now_ns);
    }
    return taken;
}

/* Takes in what was read; how many replies it completed. */
static size_t take(struct run *run, struct wire *wire, const uint8_t *data, size_t bytes, uint64_t now_ns)
{
    size_t before = wire->in_flight;
    while (bytes > 0 && !run->failed) {
        if (wire->in_flight == 0) {
            fail(run, "a reply came that nothing had asked for", "");
            break;
        }
        size_t taken = take_one(run, wire, data, bytes, now_ns);
        data += taken;
        bytes -= taken;
    }
    return before - wire->in_flight;
}

/* Reads once, and sends what may follow. False: it is over. */
static bool receive(struct run *run, struct wire *wire, int flags)
{
    ssize_t got = recv(wire->fd, run->buffer, READ_BYTES, flags);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        fail(run, "the connection was lost", got < 0 ? strerror(errno) : "the server closed it");
        return false;
    }
    uint64_t now_ns = side_now_ns();
    size_t completed = take(run, wire, run->buffer, (size_t)got, now_ns);
    if (!measure_goes_on(run->measure, now_ns) || run->failed) {
        return false;
    }
    if (completed > 0) {
        submit(run, wire, completed, completed > 1 ? side_now_ns() : now_ns);
        send_on(run, wire);
    }
    return !run->failed;
}

/* ---- loops ---- */

static void run_one(struct run *run)
{
    struct wire *wire = run->wires;
    do {
        int flags = 0;
        if (wire->unsent > 0) {
            struct pollfd ready = {.fd = wire->fd, .events = POLLIN | POLLOUT};
            (void)ppoll(&ready, 1, NULL, NULL);
            send_on(run, wire);
            flags = MSG_DONTWAIT;
        }
        if (!receive(run, wire, flags)) {
            return;
        }
    } while (!run->failed);
}

static void watch(struct run *run, struct wire *wire, int operation)
{
    wire->waits_to_send = wire->unsent > 0;
    struct epoll_event event = {.events = EPOLLIN | (wire->waits_to_send ? EPOLLOUT : 0), .data.ptr = wire};
    if (epoll_ctl(run->epoll, operation, wire->fd, &event) != 0) {
        fail(run, "cannot watch a connection", strerror(errno));
    }
}

static void run_many(struct run *run)
{
    static struct epoll_event events[EVENTS_MAX];
    while (!run->failed) {
        int ready = epoll_wait(run->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            struct wire *wire = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                send_on(run, wire);
            }
            if ((events[i].events & ~(uint32_t)EPOLLOUT) && !receive(run, wire, MSG_DONTWAIT)) {
                return;
            }
            if (wire->waits_to_send != (wire->unsent > 0)) {
                watch(run, wire, EPOLL_CTL_MOD);
            }
        }
    }
}

static void connect_all(struct run *run, const char *path)
{
    for (size_t i = 0; i < run->wire_count && !run->failed; i++) {
        struct wire *wire = &run->wires[i];
        wire->times_ns = side_memory(run->depth, sizeof wire->times_ns[0]);
        wire->expected = i % run->exchange->count;
        wire->send_at = wire->expected * run->exchange->request_bytes;
        wire->fd = side_connect(path);
        run->failed = wire->fd < 0;
    }
}

enum side_exit exchange_run(const struct exchange *exchange, const char *socket,
                            const struct side_options *options, struct measure *measure)
{
    struct run run = {
        .exchange = exchange,
        .depth = options->depth,
        .wires = side_memory(options->clients, sizeof run.wires[0]),
        .wire_count = options->clients,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .measure = measure,
        .buffer = side_memory(READ_BYTES, 1),
        .filler = side_memory(FILLER_BYTES, 1),
    };
    for (size_t i = 0; i < run.wire_count; i++) {
        run.wires[i].fd = -1;
    }
    side_raise_files();
    connect_all(&run, socket);
    side_limit_time(options->warmup_ns + options->duration_ns);
    measure_start(measure, options);
    for (size_t i = 0; i < run.wire_count && !run.failed; i++) {
        submit(&run, &run.wires[i], run.depth, side_now_ns());
        send_on(&run, &run.wires[i]);
        if (run.wire_count > 1 && !run.failed) {
            watch(&run, &run.wires[i], EPOLL_CTL_ADD);
        }
    }
    if (!run.failed) {
        (run.wire_count == 1 ? run_one : run_many)(&run);
    }
    for (size_t i = 0; i < run.wire_count; i++) {
        close(run.wires[i].fd);
        free(run.wires[i].times_ns);
    }
    close(run.epoll);
    free(run.wires);
    free(run.buffer);
    free(run.filler);
    return run.failed ? SIDE_FAILED : SIDE_OK;
}

/* ---- sockets in general ---- */

int side_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        (void)side_fail("%s: longer than a socket's path may be", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)side_fail("%s: cannot connect: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

void side_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void too_long(int number)
{
    (void)number;
    static const char text[] = "side: no reply: it takes much longer than it should\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        /* it ends the same */
    }
    _exit(SIDE_FAILED);
}

void side_limit_time(uint64_t duration_ns)
{
    signal(SIGALRM, too_long);
    alarm((unsigned)(duration_ns / 1000000000) + PATIENCE_S);
}
