/* Waiting for connections, against a daemon that a second thread plays: a signal does not end a call, and a client may have more
 * connections than one poll() waits for. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"
#include "tests/lib/suite.h"

enum {
    WAIT_US = 20000000,
    CONNECTIONS = 70,   /* more than one poll() waits for */
    SIGNAL_US = 20000,  /* between two signals */
    ANSWER_US = 200000, /* some of them come before it */
};

static struct fake_daemon fake;
static struct cairn_client *client;
static struct cairn_connection *connections[CONNECTIONS];
static volatile sig_atomic_t signals;

static void setup(void)
{
    fake_daemon_start(&fake);
    const struct cairn_client_options options = {
        .socket_path = fake.path, .name = "test", .timeout_us = WAIT_US};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
}

static void teardown(void)
{
    cairn_client_free(client);
    fake_daemon_stop(&fake);
}

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static enum cairn_status ping(struct cairn_connection *connection)
{
    const struct cairn_reply *reply;
    return cairn_ping(connection, &(struct cairn_ping_request){.timeout_us = WAIT_US}, &reply);
}

static void answer_ping(int fd)
{
    struct fake_frame frame;
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_PING);
    usleep(ANSWER_US);
    fake_send(fd, &(struct frame_reply){.type = frame.type, .id = frame.id}, "");
}

static void *answer_late(void *unused)
{
    int fd = fake_daemon_meet(&fake);
    answer_ping(fd);
    close(fd);
    return unused;
}

/* Signals go to the thread that waits: the player has them blocked. */
static pthread_t play(void *(*part)(void *))
{
    sigset_t alarm, before;
    pthread_t player;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &alarm, &before), 0);
    ck_assert_int_eq(pthread_create(&player, NULL, part, NULL), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    return player;
}

START_TEST(a_signal_does_not_end_a_call)
{
    const struct sigaction counting = {.sa_handler = count_signal};
    const struct itimerval often = {{.tv_usec = SIGNAL_US}, {.tv_usec = SIGNAL_US}}, never = {0};
    pthread_t player = play(answer_late);
    ck_assert_int_eq(cairn_connect(client, WAIT_US, &connections[0]), CAIRN_OK);
    ck_assert_int_eq(sigaction(SIGALRM, &counting, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    ck_assert_int_eq(ping(connections[0]), CAIRN_OK);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_gt(signals, 0);
    ck_assert_int_eq(pthread_join(player, NULL), 0);
}
END_TEST

static void *take_again_on_the_first(void *unused)
{
    struct fake_frame frame;
    int fds[CONNECTIONS];
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    fake_send_written(fd, &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_daemon_restart(&fake, 0);
    close(fd);
    fds[0] = fake_daemon_meet(&fake);
    fake_receive(fds[0], &frame);
    for (int i = 1; i < CONNECTIONS; i++) {
        fds[i] = fake_daemon_meet(&fake);
    }
    fake_send_written(fds[0], &frame, 100, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_receive(fds[CONNECTIONS - 1], &frame);
    fake_send_written(fds[CONNECTIONS - 1], &frame, 101, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    return unused;
}

static enum cairn_status set_name(struct cairn_connection *connection, uint64_t *ret_sequence)
{
    const struct cairn_reply *reply;
    const struct cairn_operation set = {.kind = CAIRN_SET, .name = cairn_text("name")};
    const struct cairn_write_metadata_request write = {.operations = &set, .operation_count = 1};
    enum cairn_status status = cairn_write_metadata(connection, &write, &reply);
    *ret_sequence = reply->write.sequence;
    return status;
}

static void process_until_ready(struct cairn_connection *connection)
{
    while (cairn_connection_get_state(connection) != CAIRN_READY) {
        struct pollfd waiting = {cairn_connection_fd(connection), cairn_connection_events(connection), 0};
        ck_assert_int_eq(poll(&waiting, 1, WAIT_US / 1000), 1);
        ck_assert_int_eq(cairn_connection_process(connection, waiting.revents), CAIRN_OK);
    }
}

/* A write waits for what the first connection sends again, however many others there are. */
START_TEST(a_client_may_have_more_connections_than_one_poll_waits_for)
{
    uint64_t sequence;
    pthread_t player = play(take_again_on_the_first);
    ck_assert_int_eq(cairn_connect(client, WAIT_US, &connections[0]), CAIRN_OK);
    ck_assert_int_eq(set_name(connections[0], &sequence), CAIRN_OK);
    struct pollfd closed = {cairn_connection_fd(connections[0]), POLLRDHUP, 0};
    ck_assert_int_eq(poll(&closed, 1, WAIT_US / 1000), 1);
    ck_assert_int_eq(cairn_connection_process(connections[0], POLLIN), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_connection_reconnect(connections[0]), CAIRN_OK);
    process_until_ready(connections[0]);
    for (int i = 1; i < CONNECTIONS; i++) {
        ck_assert_int_eq(cairn_connect(client, WAIT_US, &connections[i]), CAIRN_OK);
    }
    ck_assert_int_eq(set_name(connections[CONNECTIONS - 1], &sequence), CAIRN_OK);
    ck_assert_uint_eq(sequence, 101);
    ck_assert_int_eq(pthread_join(player, NULL), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("wait", 240, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_signal_does_not_end_a_call);
    tcase_add_test(tests, a_client_may_have_more_connections_than_one_poll_waits_for);
    return suite_run(suite, true);
}
