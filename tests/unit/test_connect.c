/* What stands in the way of a connection is told, by status and by text, and what time does not mend is told at once. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"
#include "tests/lib/suite.h"

enum {
    SHORT_US = 50000,     /* for what time may mend: nothing comes, however long one waits */
    LONG_US = 3600000000, /* for what it does not: a test that waited for it would time out */
};

static struct fake_daemon fake;
static struct cairn_client *client;

static void setup(void)
{
    fake_daemon_start(&fake);
    const struct cairn_client_options options = {.socket_path = fake.path};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    ck_assert_str_eq(cairn_client_error(client), "");
}

static void teardown(void)
{
    cairn_client_free(client);
    fake_daemon_stop(&fake);
}

/* Connecting fails with that status, and a text with both words. */
static void expect(uint64_t timeout_us, enum cairn_status status, const char *first, const char *second)
{
    struct cairn_connection *connection = NULL;
    ck_assert_int_eq(cairn_connect(client, timeout_us, &connection), status);
    ck_assert_ptr_null(connection);
    const char *text = cairn_client_error(client);
    ck_assert_msg(strstr(text, first) != NULL && strstr(text, second) != NULL, "%s", text);
}

START_TEST(no_socket_is_told)
{
    unlink(fake.path);
    expect(SHORT_US, CAIRN_CANNOT_CONNECT, fake.path, "No such file");
}
END_TEST

START_TEST(nobody_who_listens_is_told)
{
    close(fake.listener);
    fake.listener = -1;
    expect(SHORT_US, CAIRN_CANNOT_CONNECT, fake.path, "nobody listens");
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_told)
{
    unlink(fake.path);
    FILE *file = fopen(fake.path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    expect(SHORT_US, CAIRN_CANNOT_CONNECT, fake.path, "not a socket");
}
END_TEST

START_TEST(no_permission_is_told_at_once)
{
    if (geteuid() == 0) {
        ck_assert_int_eq(chmod(fake.directory, 0755), 0);
        ck_assert_int_eq(chmod(fake.path, 0), 0);
        ck_assert_int_eq(seteuid(65534), 0);
    } else {
        ck_assert_int_eq(chmod(fake.path, 0), 0);
    }
    expect(LONG_US, CAIRN_PERMISSION, fake.path, "Permission denied");
    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(0), 0);
    }
}
END_TEST

START_TEST(no_hello_is_told)
{
    expect(SHORT_US, CAIRN_CANNOT_CONNECT, fake.path, "no answer to the hello");
}
END_TEST

static enum status refusal;

static void *refuse_until_closed(void *unused)
{
    struct fake_frame frame;
    (void)unused;
    for (;;) {
        int fd = accept4(fake.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return NULL;
        }
        fake_receive(fd, &frame);
        if (refusal != STATUS_OK) {
            fake_send_error(fd, &frame, refusal, "because I say so");
        } else {
            fake.store_id[0]++;
            fake_daemon_hello(&fake, fd, &frame);
        }
        close(fd);
    }
}

static void expect_refusal(enum status refused, uint64_t timeout_us, enum cairn_status status,
                           const char *text)
{
    pthread_t thread;
    refusal = refused;
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse_until_closed, NULL), 0);
    expect(timeout_us, status, fake.path, text);
    shutdown(fake.listener, SHUT_RDWR); /* ends the thread's accept() */
    pthread_join(thread, NULL);
}

/* Without a time limit: until the connection is lost. */
static void expect_lost(enum status refused, enum cairn_status status)
{
    struct cairn_connection *connection;
    pthread_t thread;
    refusal = refused;
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse_until_closed, NULL), 0);
    ck_assert_int_eq(cairn_connection_open(client, &connection), CAIRN_OK);
    while (cairn_connection_get_state(connection) != CAIRN_LOST) {
        struct pollfd waiting = {cairn_connection_fd(connection), cairn_connection_events(connection), 0};
        (void)poll(&waiting, 1, -1);
        enum cairn_status got = cairn_connection_process(connection, waiting.revents);
        ck_assert(got == CAIRN_OK || got == status);
    }
    ck_assert_ptr_nonnull(strstr(cairn_connection_error(connection), "because I say so"));
    cairn_connection_free(connection);
    shutdown(fake.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
}

START_TEST(what_the_daemon_says_when_it_refuses_is_told)
{
    static const struct {
        enum status refused;
        enum cairn_status status;
    } refusals[] = {{STATUS_BUSY, CAIRN_BUSY},
                    {STATUS_SHUTTING_DOWN, CAIRN_SHUTTING_DOWN},
                    {STATUS_PERMISSION, CAIRN_PERMISSION},
                    {STATUS_UNSUPPORTED, CAIRN_UNSUPPORTED},
                    {STATUS_IO_ERROR, CAIRN_CANNOT_CONNECT},
                    {STATUS_INVALID, CAIRN_CANNOT_CONNECT}};
    expect_lost(refusals[_i].refused, refusals[_i].status);
}
END_TEST

enum { REFUSED_FIRST = 3 };

static void *refuse_some(void *unused)
{
    struct fake_frame frame;
    (void)unused;
    for (int i = 0; i < REFUSED_FIRST; i++) {
        int fd = fake_daemon_accept(&fake);
        fake_receive(fd, &frame);
        fake_send_error(fd, &frame, STATUS_BUSY, "because I say so");
        close(fd);
    }
    return (void *)(intptr_t)fake_daemon_meet(&fake);
}

START_TEST(a_busy_daemon_is_tried_again)
{
    struct cairn_connection *connection;
    pthread_t thread;
    void *fd;
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse_some, NULL), 0);
    ck_assert_int_eq(cairn_connect(client, LONG_US, &connection), CAIRN_OK);
    pthread_join(thread, &fd);
    close((int)(intptr_t)fd);
}
END_TEST

START_TEST(a_user_who_is_not_let_in_is_told_at_once)
{
    expect_refusal(STATUS_PERMISSION, LONG_US, CAIRN_PERMISSION, "because I say so");
}
END_TEST

START_TEST(another_protocol_is_told_at_once)
{
    expect_refusal(STATUS_UNSUPPORTED, LONG_US, CAIRN_UNSUPPORTED, "because I say so");
}
END_TEST

static void *meet_once(void *unused)
{
    (void)unused;
    close(fake_daemon_meet(&fake));
    return NULL;
}

START_TEST(another_store_is_told_at_once)
{
    struct cairn_connection *connection;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, meet_once, NULL), 0);
    ck_assert_int_eq(cairn_connect(client, LONG_US, &connection), CAIRN_OK);
    pthread_join(thread, NULL);
    expect_refusal(STATUS_OK, LONG_US, CAIRN_STORE_CHANGED, "another store");
    ck_assert_int_eq(cairn_client_forget(client),
                     CAIRN_USAGE); /* the first connection does not know that it is lost */
    ck_assert_ptr_nonnull(strstr(cairn_client_error(client), "not lost"));
}
END_TEST

START_TEST(a_client_that_is_not_made_says_why)
{
    static char path[200];
    static char name[66];
    struct cairn_client *none = NULL;
    memset(path, 'p', sizeof path - 1);
    memset(name, 'n', sizeof name - 1);
    const struct {
        struct cairn_client_options options;
        const char *text;
    } bad[] = {{{.name = "x"}, "socket_path"},
               {{.socket_path = ""}, "socket_path"},
               {{.socket_path = path}, "107"},
               {{.socket_path = "p", .name = name}, "64"},
               {{.socket_path = "p", .reserved = {0, 0, 0, 0, 0, 0, 0, 1}}, "reserved"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(cairn_client_new(&bad[i].options, &none), CAIRN_USAGE);
        ck_assert_msg(strstr(cairn_client_error(NULL), bad[i].text) != NULL, "%s", cairn_client_error(NULL));
    }
    ck_assert_int_eq(cairn_client_new(NULL, &none), CAIRN_USAGE);
    ck_assert_ptr_nonnull(strstr(cairn_client_error(NULL), "no options"));
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(the_version_is_the_headers)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", CAIRN_VERSION_MAJOR, CAIRN_VERSION_MINOR, CAIRN_VERSION_PATCH);
    ck_assert_str_eq(cairn_version(), text);
    ck_assert_str_eq(text, CAIRN_VERSION); /* what the Makefile found in the header */
    ck_assert_int_eq(cairn_version_number(), CAIRN_VERSION_NUMBER);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connect", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, no_socket_is_told);
    tcase_add_test(tests, nobody_who_listens_is_told);
    tcase_add_test(tests, a_file_that_is_no_socket_is_told);
    tcase_add_test(tests, no_permission_is_told_at_once);
    tcase_add_test(tests, no_hello_is_told);
    tcase_add_loop_test(tests, what_the_daemon_says_when_it_refuses_is_told, 0, 6);
    tcase_add_test(tests, a_busy_daemon_is_tried_again);
    tcase_add_test(tests, a_user_who_is_not_let_in_is_told_at_once);
    tcase_add_test(tests, another_protocol_is_told_at_once);
    tcase_add_test(tests, another_store_is_told_at_once);
    tcase_add_test(tests, a_client_that_is_not_made_says_why);
    tcase_add_test(tests, the_version_is_the_headers);
    return suite_run(suite, true);
}
