#include "tests/lib/server_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/roles.h"
#include "tests/lib/numbers_fixture.h"
#include "tests/lib/suite.h"
#include "tests/lib/wire.h"

static const char path[] = "server-fixture";

struct server_fixture server_fixture;

void server_fixture_open(void)
{
    server_fixture = (struct server_fixture){.home = directory_new()};
    snprintf(server_fixture.socket, sizeof server_fixture.socket, "%s/socket", server_fixture.home.path);
    snprintf(server_fixture.text, sizeof server_fixture.text, "%s/text", server_fixture.home.path);
}

void server_fixture_close(void)
{
    if (server_fixture.pid != 0) {
        kill(server_fixture.pid, SIGKILL);
        (void)waitpid(server_fixture.pid, NULL, 0);
    }
    directory_remove(&server_fixture.home);
}

/* ---- the child ---- */

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "server_fixture: %s\n", what);
        _exit(99);
    }
}

static void read_options(void)
{
}

static void take_options(struct options *options)
{
    if (server_fixture.take) {
        options->queue_operations_max--;
        options->hello_timeout_us = 10000;
    }
    file_write(server_fixture.text, "reloaded");
}

static void silence(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0, "stderr");
    close(fd);
}

/* A test may have left none. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static int run(void (*prepare)(void))
{
    static uint8_t store_id[64];
    static const struct roles roles; /* no list */
    static struct numbers_fixture numbers;
    struct engine_config engine_config = {.path = path, .create = true, .cache_bytes_max = 1 << 20};
    struct engine *engine;
    struct listener listener;
    struct options options;
    static struct options_errors errors;
    struct failure failure;
    char *arguments[] = {"cairnd", "--data", server_fixture.home.path, NULL};
    char *environment[] = {NULL};
    require(options_load(3, arguments, environment, &options, &errors) == OPTIONS_RUN, errors.texts[0]);
    server_fixture.disk = fake_disk_new(path, 1);
    numbers_fixture_open(&numbers, NULL);
    server_fixture.options = &options;
    server_fixture.listener = &listener;
    require(engine_open(&engine_fake, &engine_config, &engine, &failure) == ENGINE_OK, failure.text);
    require(listener_open(server_fixture.socket, 0600, "", &listener, &failure) == STATUS_OK, failure.text);
    if (prepare != NULL) {
        prepare();
    }
    struct server_config config = {.options = &options,
                                   .engine = engine,
                                   .numbers = &numbers.numbers,
                                   .roles = &roles,
                                   .listener = &listener,
                                   .store_id = store_id,
                                   .read_options = read_options,
                                   .take_options = take_options};
    if (server_run(&config, &failure) == SERVER_REFUSED) {
        allow_descriptors();
        file_write(server_fixture.text, failure.text);
        return SERVER_FIXTURE_REFUSED;
    }
    listener_close(&listener);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    bool is_synced = fake_disk_unsynced(server_fixture.disk) == 0;
    numbers_fixture_close(&numbers);
    fake_disk_free(server_fixture.disk);
    return is_synced ? SERVER_FIXTURE_STOPPED : SERVER_FIXTURE_UNSYNCED;
}

/* ---- the parent ---- */

void server_fixture_run(void (*prepare)(void))
{
    server_fixture.pid = fork();
    ck_assert_int_ge(server_fixture.pid, 0);
    if (server_fixture.pid == 0) {
        silence();
        signal(SIGPIPE, SIG_IGN);
        _exit(run(prepare));
    }
}

void server_fixture_await(void)
{
    for (int i = 0; i < patience_ms(20000); i++) {
        struct wire wire = wire_try_connect(server_fixture.socket);
        bool accepts = wire.fd >= 0 && wire_try_hello(&wire);
        wire_close(&wire);
        if (accepts) {
            return;
        }
        sleep_ms(1);
    }
    ck_abort_msg("the server does not accept");
}

int server_fixture_wait(int milliseconds)
{
    for (int i = 0; i < patience_ms(milliseconds); i++) {
        int status;
        if (waitpid(server_fixture.pid, &status, WNOHANG) == server_fixture.pid) {
            server_fixture.pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        sleep_ms(1);
    }
    return -1;
}

void server_fixture_signal(int number)
{
    ck_assert_int_eq(kill(server_fixture.pid, number), 0);
}
