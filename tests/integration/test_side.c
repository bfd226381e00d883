/* side, what cairn is compared with: every mode runs and measures something, its servers answer as they are asked, and
 * what is wrong ends with a text. $CAIRN_SIDE is the program. Its client of a Redis is tried on a server that is none. */
#include <check.h>
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

#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { RUN_MS = 20000, REPLAY_MS = 120000, READY_MS = 10000 };
enum { DONE = 0, FAILED = 1, USAGE = 2 };

#define SHORT "--duration 0.1 --warmup 0.02"

static const char *side_program(void)
{
    const char *program = getenv("CAIRN_SIDE");
    ck_assert_msg(program != NULL, "CAIRN_SIDE does not name the program");
    return program;
}

/* Runs `side ARGUMENTS` by a shell, and expects that exit code. Kept. */
static struct program side(int expected, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct program side(int expected, const char *format, ...)
{
    char arguments[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    struct program program = shell_run(REPLAY_MS, "exec %s %s", side_program(), arguments);
    ck_assert_msg(program.exit_code == expected, "side %s: exit %d, not %d: %s%s", arguments,
                  program.exit_code, expected, program.output, program.errors);
    ck_assert_msg((expected == DONE) == (program.errors[0] == '\0'), "side %s said: %s", arguments,
                  program.errors);
    return program;
}

/* ---- the CSV ---- */

struct row {
    char workload[256];
    unsigned long clients, depth;
    double rate_asked, seconds;
    unsigned long requests, operations, failed;
    double rate, p50_us, p90_us, p99_us, p999_us, max_us;
};

/* The lines behind the header; how many there are. */
static size_t rows_read(const char *csv, struct row *rows, size_t rows_max)
{
    static const char header[] = "workload,clients,depth,rate_asked,seconds,requests,operations,failed,rate,"
                                 "p50_us,p90_us,p99_us,p999_us,max_us\n";
    ck_assert_msg(strncmp(csv, header, sizeof header - 1) == 0, "another header: %s", csv);
    csv += sizeof header - 1;
    size_t count = 0;
    for (; *csv != '\0' && count < rows_max; csv = strchr(csv, '\n') + 1) {
        struct row *row = &rows[count++];
        int length = 0;
        int fields = sscanf(csv, "%255[^,],%lu,%lu,%lf,%lf,%lu,%lu,%lu,%lf,%lf,%lf,%lf,%lf,%lf%n",
                            row->workload, &row->clients, &row->depth, &row->rate_asked, &row->seconds,
                            &row->requests, &row->operations, &row->failed, &row->rate, &row->p50_us,
                            &row->p90_us, &row->p99_us, &row->p999_us, &row->max_us, &length);
        ck_assert_msg(fields == 14 && csv[length] == '\n', "not a line of the CSV: %s", csv);
        ck_assert_msg(row->rate > 0 && row->seconds > 0 && row->requests > 0 && row->failed == 0 &&
                          row->rate_asked == 0,
                      "nothing was measured: %s", csv);
        ck_assert_msg(row->p50_us > 0 && row->p50_us <= row->p90_us && row->p90_us <= row->p99_us &&
                          row->p99_us <= row->p999_us && row->p999_us <= row->max_us,
                      "latencies that cannot be: %s", csv);
    }
    return count;
}

static struct row row_of(struct program program)
{
    struct row row;
    ck_assert_uint_eq(rows_read(program.output, &row, 1), 1);
    return row;
}

/* ---- servers ---- */

struct server {
    pid_t pid;
    char *socket;
};

static int try_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

/* `side MODE SOCKET [STORE]`, once it accepts. */
static struct server server_start(const struct directory *home, const char *mode, const char *store)
{
    struct server server = {.socket = directory_path(home, "socket")};
    const char *program = side_program();
    fflush(NULL);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, program, mode, server.socket, store, (char *)NULL);
        _exit(127);
    }
    int fd = -1;
    for (uint64_t end = clock_ms() + (uint64_t)patience_ms(READY_MS); fd < 0 && clock_ms() < end;) {
        sleep_ms(5);
        fd = try_connect(server.socket);
    }
    ck_assert_msg(fd >= 0, "side %s does not listen", mode);
    close(fd);
    return server;
}

/* It ends well when it is told to. */
static void server_stop(const struct server *server)
{
    int status;
    kill(server->pid, SIGTERM);
    ck_assert_int_eq(waitpid(server->pid, &status, 0), server->pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == DONE, "a server ended with status %d", status);
    ck_assert(!file_exists(server->socket));
}

/* A server that answers whatever comes with that text, or with nothing but its end. */
static struct server liar_start(const struct directory *home, const char *text)
{
    struct server server = {.socket = directory_path(home, "liar")};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", server.socket);
    unlink(server.socket);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    fflush(NULL);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char request[4096];
        int fd = accept(listener, NULL, NULL);
        bool good = read(fd, request, sizeof request) > 0;
        good = good && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
        good = good && shutdown(fd, SHUT_WR) == 0 && read(fd, request, sizeof request) >= 0;
        _exit(good ? 0 : 1);
    }
    close(listener);
    return server;
}

/* ---- tests ---- */

START_TEST(test_echo_measures_one_and_many)
{
    struct directory home = directory_new();
    struct server server = server_start(&home, "echo-server", NULL);
    struct row row = row_of(side(DONE, "echo %s " SHORT, server.socket));
    ck_assert_str_eq(row.workload, "echo;request=128;reply=128");
    ck_assert(row.clients == 1 && row.depth == 1 && row.operations == row.requests);
    row = row_of(side(DONE, "echo %s --depth 16 --request=16 --reply 16 " SHORT, server.socket));
    ck_assert(row.clients == 1 && row.depth == 16);
    row = row_of(side(DONE, "echo %s --clients 20 --depth 3 --reply 5k " SHORT, server.socket));
    ck_assert(row.clients == 20 && row.depth == 3);
    server_stop(&server);
    directory_remove(&home);
}
END_TEST

START_TEST(test_echo_of_large_requests_and_replies)
{
    struct directory home = directory_new();
    struct server server = server_start(&home, "echo-server", NULL);
    row_of(side(DONE, "echo %s --request 64M " SHORT, server.socket));
    row_of(side(DONE, "echo %s --reply 64M " SHORT, server.socket));
    row_of(side(DONE, "echo %s --request 1M --reply 1M --depth 8 --clients 2 " SHORT, server.socket));
    row_of(side(DONE, "echo %s --request 65537 --reply 32769 --depth 5 " SHORT, server.socket));
    server_stop(&server);
    directory_remove(&home);
}
END_TEST

struct head {
    uint32_t bytes, reply_bytes;
    uint64_t id;
};

/* Requests of odd sizes in one stream, cut anywhere: all replies come in order and as long as asked for. */
START_TEST(test_echo_replies_are_as_long_as_asked_for)
{
    struct directory home = directory_new();
    struct server server = server_start(&home, "echo-server", NULL);
    static const struct head heads[] = {
        {16, 16, 1}, {17, 40000, 2}, {116, 300, UINT64_MAX}, {70000, 17, 4}, {16, 100000, 5}};
    enum { HEADS = sizeof heads / sizeof heads[0], PIECE_BYTES = 1009 };
    size_t bytes = 0, expected = 0, sent = 0, got = 0;
    uint8_t *stream = kept_alloc(200000), *replies = kept_alloc(200000);
    for (int i = 0; i < HEADS; i++) {
        memcpy(stream + bytes, &heads[i], sizeof heads[i]);
        bytes += heads[i].bytes;
        expected += heads[i].reply_bytes;
    }
    int fd = try_connect(server.socket);
    while (sent < bytes) {
        size_t piece = bytes - sent < PIECE_BYTES ? bytes - sent : PIECE_BYTES;
        ck_assert_int_eq(write(fd, stream + sent, piece), (ssize_t)piece);
        sent += piece;
    }
    while (got < expected) {
        ssize_t more = read(fd, replies + got, 200000 - got);
        ck_assert_int_gt(more, 0);
        got += (size_t)more;
    }
    ck_assert_uint_eq(got, expected);
    for (int i = 0; i < HEADS; i++) {
        ck_assert_msg(memcmp(replies, &heads[i].id, 8) == 0 &&
                          memcmp(replies + 8, &heads[i].reply_bytes, 4) == 0,
                      "reply %d is not that to its request", i);
        replies += heads[i].reply_bytes;
    }
    sleep_ms(20);
    ck_assert(recv(fd, replies, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    close(fd);
    server_stop(&server);
    directory_remove(&home);
}
END_TEST

/* Nonsense ends its connection, and no other. */
START_TEST(test_echo_server_survives_nonsense)
{
    struct directory home = directory_new();
    struct server server = server_start(&home, "echo-server", NULL);
    static const struct head heads[] = {{15, 16, 1}, {16, 15, 1}, {16, UINT32_C(1) << 31 | 16, 1}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char byte;
        int fd = try_connect(server.socket);
        ck_assert_int_eq(write(fd, &heads[i], sizeof heads[i]), sizeof heads[i]);
        ck_assert_int_eq(read(fd, &byte, 1), 0);
        close(fd);
    }
    row_of(side(DONE, "echo %s " SHORT, server.socket));
    server_stop(&server);
    directory_remove(&home);
}
END_TEST

START_TEST(test_rocksdb_commits_go_on_and_stream_back)
{
    struct directory home = directory_new();
    char *store = directory_path(&home, "store");
    struct row durable = row_of(side(DONE, "rocksdb %s commit --duration 0.1 --warmup 0", store));
    ck_assert_uint_eq(durable.operations, durable.requests);
    struct row written = row_of(side(
        DONE, "rocksdb %s commit --level written --batch 10 --size 5k --duration 0.1 --warmup 0", store));
    ck_assert_uint_eq(written.operations, 10 * written.requests);
    unsigned long heights = durable.operations + written.operations;
    struct row all = row_of(side(DONE, "rocksdb %s stream --heights %lu", store, heights));
    ck_assert(all.requests == 1 && all.operations == heights);
    all = row_of(side(DONE, "rocksdb %s stream --cold --heights %lu", store, heights));
    ck_assert(all.requests == 1 && all.operations == heights);
    struct row some = row_of(side(DONE, "rocksdb %s stream --heights 7 " SHORT, store));
    ck_assert_uint_eq(some.operations, 7 * some.requests);
    side(FAILED, "rocksdb %s stream --heights %lu", store, heights + 1);
    side(FAILED, "rocksdb %s stream --heights 1", directory_path(&home, "none"));
    side(FAILED, "rocksdb %s/not/there commit " SHORT, home.path);
    directory_remove(&home);
}
END_TEST

/* The calls of the recordings, but for their reopens, as the files' first lines tell. */
START_TEST(test_replay_has_every_call_answered)
{
    struct directory home = directory_new();
    char *store = directory_path(&home, "store");
    struct server server = server_start(&home, "replay-server", store);
    const char *data = getenv("CAIRN_TEST_DATA");
    ck_assert_ptr_nonnull(data);
    struct program program =
        side(DONE, "replay %s %s/aggregator.jsonl.zst %s/follower.jsonl.zst", server.socket, data, data);
    struct row rows[2];
    ck_assert_uint_eq(rows_read(program.output, rows, 2), 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(strncmp(rows[i].workload, "replay;", 7) == 0, "workload %s", rows[i].workload);
        struct program counted =
            shell_run(RUN_MS, "zstd -dcq %s | grep -c '\"answer\":'", rows[i].workload + 7);
        ck_assert_uint_eq(rows[i].operations, strtoul(counted.output, NULL, 10));
        ck_assert_uint_eq(rows[i].requests, rows[i].operations);
    }
    server_stop(&server);
    row_of(side(DONE, "rocksdb %s stream --heights 1700", store)); /* the commits' blocks are there */
    side(FAILED, "replay %s %s/none", server.socket, data);
    directory_remove(&home);
}
END_TEST

START_TEST(test_wrong_replies_and_lost_connections_fail)
{
    struct directory home = directory_new();
    static const char *const modes[][2] = {{"echo", ""}, {"redis", "set"}, {"redis", "get"}};
    static const char *const texts[] = {"-ERR unknown command\r\n", ""};
    for (size_t i = 0; i < 6; i++) {
        struct server liar = liar_start(&home, texts[i / 3]);
        char *command =
            kept_format("%s %s %s %s " SHORT, side_program(), modes[i % 3][0], liar.socket, modes[i % 3][1]);
        struct program program = shell_run(RUN_MS, "exec %s", command);
        ck_assert_int_eq(program.exit_code, FAILED);
        const char *said = i < 3 ? "not the expected one: -ERR" : "the server closed it";
        ck_assert_msg(strstr(program.errors, said) != NULL, "%s said: %s", command, program.errors);
        ck_assert_str_eq(program.output, "");
        int status;
        waitpid(liar.pid, &status, 0);
        ck_assert_int_eq(status, 0);
        side(FAILED, "echo %s " SHORT, liar.socket); /* nobody listens there any more */
    }
    directory_remove(&home);
}
END_TEST

START_TEST(test_bad_command_lines_are_told)
{
    static const char *const lines[] = {
        "",
        "dance",
        "echo",
        "echo S T",
        "redis S",
        "redis S del",
        "rocksdb D",
        "rocksdb D stream",
        "replay S",
        "replay-server S",
        "echo S --depth",
        "echo S --depth 0",
        "echo S --depth -1",
        "echo S --depth 1x",
        "echo S --request 15",
        "echo S --request 1G",
        "echo S --duration soon",
        "echo S --duration -1",
        "echo S --names 3",
        "echo S --deep 3",
        "rocksdb D commit --level accepted",
        "rocksdb D commit --cold",
        "rocksdb D stream --heights 3 --cold=yes",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        side(USAGE, "%s", lines[i]);
    }
    side(FAILED, "echo-server /none/of/these");
    side(FAILED, "echo-server /%0200d", 1);
}
END_TEST

int main(void)
{
    TCase *cases;
    Suite *suite = suite_new("side", 200, &cases);
    tcase_add_test(cases, test_echo_measures_one_and_many);
    tcase_add_test(cases, test_echo_of_large_requests_and_replies);
    tcase_add_test(cases, test_echo_replies_are_as_long_as_asked_for);
    tcase_add_test(cases, test_echo_server_survives_nonsense);
    tcase_add_test(cases, test_rocksdb_commits_go_on_and_stream_back);
    tcase_add_test(cases, test_replay_has_every_call_answered);
    tcase_add_test(cases, test_wrong_replies_and_lost_connections_fail);
    tcase_add_test(cases, test_bad_command_lines_are_told);
    return suite_run(suite, true);
}
