/* A child of fork() knows that what it holds is its parent's: its calls do nothing, and what it frees the parent keeps. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/connection/fork_mark.h"
#include "tests/lib/client_fixture.h"
#include "tests/lib/suite.h"

static const struct cairn_ping_request ping = {.timeout_us = 0};

/* Runs it in a child, whose exit code counts what was wrong there. */
static void in_child(int (*faults)(void))
{
    pid_t child = fork();
    if (child == 0) {
        _exit(faults());
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %#x",
                  (unsigned)status);
}

static struct fork_mark *mark;

static int mark_is_ours(void)
{
    return fork_mark_is_ours(mark);
}

START_TEST(a_mark_is_its_makers_only)
{
    mark = fork_mark_new();
    ck_assert_ptr_nonnull(mark);
    ck_assert(fork_mark_is_ours(mark));
    in_child(mark_is_ours);
    ck_assert(fork_mark_is_ours(mark));
    fork_mark_free(mark);
    fork_mark_free(NULL);
}
END_TEST

static int refused(enum cairn_status status, const char *text)
{
    return status != CAIRN_USAGE || strstr(text, "fork()") == NULL;
}

static int calls_are_refused(void)
{
    struct cairn_connection *connection = fixture.connection, *other = NULL;
    const struct cairn_reply *reply = NULL;
    int faults = 0;
    faults += refused(cairn_submit_ping(connection, &ping, NULL, NULL), cairn_connection_error(connection));
    faults += refused(cairn_connection_process(connection, POLLIN), cairn_connection_error(connection));
    faults += refused(cairn_connection_reconnect(connection), cairn_connection_error(connection));
    faults += refused(cairn_close(connection, 1, NULL), cairn_connection_error(connection));
    faults += refused(cairn_ping(connection, &ping, &reply), cairn_connection_error(connection));
    faults += reply == NULL || reply->status != CAIRN_USAGE;
    faults += refused(cairn_connection_open(fixture.client, &other), cairn_client_error(fixture.client));
    faults += refused(cairn_connect(fixture.client, 1, &other), cairn_client_error(fixture.client));
    faults += refused(cairn_client_forget(fixture.client), cairn_client_error(fixture.client));
    faults += other != NULL;
    return faults;
}

static int frees_its_copy(void)
{
    int before = fixture.completed;
    cairn_client_free(fixture.client);
    return fixture.completed != before; /* the completions are the parent's */
}

/* The parent's connection answers. */
static void expect_a_reply(struct seen *seen)
{
    struct fake_frame frame;
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fake_receive(fixture.fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_PING);
    Cairn__PingReply reply = CAIRN__PING_REPLY__INIT;
    fake_send_message(fixture.fd, &frame, 0, &reply.base);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen->count, 1);
    ck_assert_int_eq(seen->status, CAIRN_OK);
    ck_assert(fake_quiet(fixture.fd));
}

START_TEST(a_child_sends_receives_and_connects_nothing)
{
    struct seen seen = {.count = 0};
    fixture_start((struct cairn_client_options){.timeout_us = 0});
    ck_assert_int_eq(cairn_submit_ping(fixture.connection, &ping, fixture_completed, &seen), CAIRN_OK);
    in_child(calls_are_refused);
    expect_a_reply(&seen);
    fixture_stop();
}
END_TEST

START_TEST(what_a_child_frees_its_parent_keeps)
{
    struct seen seen = {.count = 0};
    fixture_start((struct cairn_client_options){.timeout_us = 0});
    ck_assert_int_eq(cairn_submit_ping(fixture.connection, &ping, fixture_completed, &seen), CAIRN_OK);
    in_child(frees_its_copy);
    expect_a_reply(&seen);
    fixture_stop();
}
END_TEST

START_TEST(a_daemon_that_closes_causes_no_signal)
{
    struct seen seen[2] = {{.count = 0}};
    struct sigaction action;
    fixture_start((struct cairn_client_options){.timeout_us = 0});
    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
    ck_assert(action.sa_handler == SIG_DFL); /* a signal would end this test */
    close(fixture.fd);
    fixture.fd = -1;
    ck_assert_int_eq(cairn_submit_ping(fixture.connection, &ping, fixture_completed, &seen[0]), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_process(fixture.connection, 0),
                     CAIRN_CONNECTION_LOST); /* it only sends */
    ck_assert_int_eq(seen[0].count, 1);
    ck_assert_int_eq(seen[0].status, CAIRN_NOT_SENT);
    ck_assert_int_eq(cairn_connection_fd(fixture.connection), -1);
    ck_assert_int_eq(cairn_connection_events(fixture.connection), 0);
    fixture_stop();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("fork_mark", 20, &tests);
    tcase_add_test(tests, a_mark_is_its_makers_only);
    tcase_add_test(tests, a_child_sends_receives_and_connects_nothing);
    tcase_add_test(tests, what_a_child_frees_its_parent_keeps);
    tcase_add_test(tests, a_daemon_that_closes_causes_no_signal);
    return suite_run(suite, true);
}
