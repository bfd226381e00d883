/* A start that the machine or the store refuses: it is a failure with a text, and the process goes on. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/server_fixture.h"
#include "tests/lib/suite.h"

static void check_refused(void (*prepare)(void), const char *text)
{
    server_fixture_run(prepare);
    ck_assert_int_eq(server_fixture_wait(20000), SERVER_FIXTURE_REFUSED);
    ck_assert_msg(strstr(file_read(server_fixture.text), text) != NULL, "%s", file_read(server_fixture.text));
}

/* As many descriptors as are open, and so many more. */
static void leave_descriptors(unsigned spare)
{
    int first_free = dup(STDERR_FILENO);
    struct rlimit limit;
    close(first_free);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = (rlim_t)first_free + spare;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void leave_none(void)
{
    leave_descriptors(0);
}

/* Enough for the look beforehand and for part of the loop. */
static void leave_a_few(void)
{
    leave_descriptors(5);
}

START_TEST(a_machine_without_descriptors_refuses_the_start)
{
    check_refused(leave_none, "raise the limits on open files");
}
END_TEST

START_TEST(a_machine_with_too_few_descriptors_refuses_the_start)
{
    check_refused(leave_a_few, "raise the limits on open files");
}
END_TEST

/* No thread can have a stack of so many bytes. */
static void refuse_threads(void)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, (size_t)1 << 46) == 0) {
        (void)pthread_setattr_default_np(&attributes);
    }
}

START_TEST(a_machine_without_threads_refuses_the_start)
{
    check_refused(refuse_threads, "raise the limits on open files, threads");
}
END_TEST

static void fail_reads(void)
{
    fake_disk_chance(server_fixture.disk, FAKE_GET, FAKE_FAILS, 100);
}

START_TEST(a_store_that_cannot_be_read_refuses_the_start)
{
    check_refused(fail_reads, "fault injected");
}
END_TEST

static void replace_listener(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup3(fd, server_fixture.listener->fd, O_CLOEXEC);
    close(fd);
}

START_TEST(a_socket_that_is_none_refuses_the_start)
{
    check_refused(replace_listener, "cannot be listened at");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("server_start", 60, &tests);
    tcase_add_checked_fixture(tests, server_fixture_open, server_fixture_close);
    tcase_add_test(tests, a_machine_without_descriptors_refuses_the_start);
    tcase_add_test(tests, a_machine_with_too_few_descriptors_refuses_the_start);
    tcase_add_test(tests, a_machine_without_threads_refuses_the_start);
    tcase_add_test(tests, a_store_that_cannot_be_read_refuses_the_start);
    tcase_add_test(tests, a_socket_that_is_none_refuses_the_start);
    return suite_run(suite, true);
}
