/* The listening socket: who may connect to it, what it replaces and what it leaves alone, and that nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/host/listener.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

enum { NOBODY = 65534 };

static struct directory home;
static const char *path;
static struct listener listener;
static struct failure failure;

static void setup(void)
{
    home = directory_new();
    path = directory_path(&home, "socket");
    listener = (struct listener){.fd = -1, .adopted_fd = -1, .adopted_flags = -1};
}

static enum status open_with(uint64_t mode, const char *group)
{
    failure.text[0] = '\0';
    return listener_open(path, mode, group, &listener, &failure);
}

static struct sockaddr_un address_of(const char *of_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(of_path), sizeof address.sun_path);
    strcpy(address.sun_path, of_path);
    return address;
}

/* The errno of a connection, 0 if it was made. */
static int try_connect(void)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static void bind_file(bool listening)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (listening) {
        ck_assert_int_eq(listen(fd, 1), 0);
    } else {
        close(fd);
    }
}

START_TEST(socket_has_its_mode_whatever_the_umask_and_is_gone_after_close)
{
    static const mode_t modes[] = {0660, 0600, 0777, 0606};
    static const mode_t masks[] = {0, 022, 0777};
    struct stat entry;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        for (size_t at = 0; at < sizeof masks / sizeof masks[0]; at++) {
            umask(masks[at]);
            ck_assert_int_eq(open_with(modes[i], ""), STATUS_OK);
            ck_assert_uint_eq(umask(masks[at]), masks[at]);
            ck_assert_int_eq(lstat(path, &entry), 0);
            ck_assert_uint_eq(entry.st_mode & 07777, modes[i]);
            ck_assert_int_eq(try_connect(), 0);
            listener_close(&listener);
            ck_assert_int_eq(lstat(path, &entry), -1);
        }
    }
    listener_close(&listener);
}
END_TEST

START_TEST(stale_socket_file_is_replaced)
{
    bind_file(false);
    ck_assert_int_eq(try_connect(), ECONNREFUSED);
    ck_assert_int_eq(open_with(0600, ""), STATUS_OK);
    ck_assert_int_eq(try_connect(), 0);
    listener_close(&listener);
}
END_TEST

START_TEST(socket_of_another_process_and_any_other_file_are_left_alone)
{
    bind_file(true);
    ck_assert_int_eq(open_with(0600, ""), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, "listens"));
    ck_assert_int_eq(try_connect(), 0);
    unlink(path);
    file_write(path, "precious");
    ck_assert_int_eq(open_with(0600, ""), STATUS_INVALID);
    ck_assert_str_eq(file_read(path), "precious");
    unlink(path);
    ck_assert_int_eq(symlink("precious", path), 0);
    ck_assert_int_eq(open_with(0600, ""), STATUS_INVALID);
    ck_assert_int_eq(listener.fd, -1);
}
END_TEST

START_TEST(a_check_says_what_opening_would_and_changes_nothing)
{
    struct stat entry;
    ck_assert_int_eq(listener_check(path, "", &failure), STATUS_OK);
    ck_assert(!file_exists(path));
    bind_file(false);
    ck_assert_int_eq(listener_check(path, "", &failure), STATUS_OK);
    ck_assert_int_eq(lstat(path, &entry), 0); /* the stale one is still there */
    ck_assert_int_eq(listener_check(path, "no-such-group", &failure), STATUS_INVALID);
    ck_assert_int_eq(unlink(path), 0);
    bind_file(true);
    ck_assert_int_eq(listener_check(path, "", &failure), STATUS_INVALID);
    ck_assert_int_eq(try_connect(), 0);
    ck_assert_int_eq(listener_check(directory_path(&home, "absent/socket"), "", &failure), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, directory_path(&home, "absent: ")));
    ck_assert_ptr_nonnull(strstr(failure.text, "make it, or name another path"));
}
END_TEST

START_TEST(close_leaves_a_file_that_replaced_ours)
{
    ck_assert_int_eq(open_with(0600, ""), STATUS_OK);
    ck_assert_int_eq(rename(path, directory_path(&home, "ours")),
                     0); /* keeps the inode from being used again */
    bind_file(true);
    listener_close(&listener);
    ck_assert_int_eq(try_connect(), 0);
}
END_TEST

START_TEST(group_is_a_name_or_a_number_that_can_be_one)
{
    static const char *const wrong[] = {"no-such-group",        "-1", "4294967295", "4294967296",
                                        "18446744073709551616", " 5", "5x",         "+5"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(open_with(0660, wrong[i]) == STATUS_INVALID, "%s", wrong[i]);
        ck_assert_ptr_nonnull(strstr(failure.text, "no such group"));
        ck_assert(!file_exists(path));
    }
    char number[32];
    struct stat entry;
    snprintf(number, sizeof number, "%u", (unsigned)getgid());
    ck_assert_int_eq(open_with(0660, number), STATUS_OK);
    ck_assert_int_eq(stat(path, &entry), 0);
    ck_assert_uint_eq(entry.st_gid, getgid());
    listener_close(&listener);
}
END_TEST

/* Only root may give a file to any group. */
START_TEST(start_that_fails_behind_bind_leaves_no_file)
{
    bool is_root = geteuid() == 0;
    if (is_root) {
        char above[sizeof home.path];
        strcpy(above, home.path);
        ck_assert_int_eq(chmod(dirname(above), 0711), 0);
        ck_assert_int_eq(chown(home.path, NOBODY, NOBODY), 0);
        ck_assert_int_eq(setgroups(0, NULL), 0);
        ck_assert_int_eq(setegid(NOBODY), 0);
        ck_assert_int_eq(seteuid(NOBODY), 0);
    }
    enum status opened = open_with(0660, "0");
    if (is_root) {
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0); /* or a sanitizer cannot look at the process */
    }
    ck_assert_int_eq(opened, STATUS_INVALID);
    ck_assert_msg(strstr(failure.text, "group") != NULL, "%s", failure.text);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(listener.fd, -1);
}
END_TEST

START_TEST(missing_directory_is_said_with_its_reason)
{
    path = directory_path(&home, "nowhere/socket");
    ck_assert_int_eq(open_with(0600, ""), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, strerror(ENOENT)));
}
END_TEST

static int connect_as_client(void)
{
    struct sockaddr_un address = address_of(path);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

START_TEST(clients_that_wait_at_an_adopted_socket_are_turned_away)
{
    ck_assert_int_eq(listener_open(path, 0600, "", &listener, &failure), STATUS_OK);
    struct listener adopted;
    ck_assert_int_eq(listener_adopt(dup(listener.fd), &adopted, &failure), STATUS_OK);
    int first = connect_as_client(), second = connect_as_client();
    char byte;
    listener_turn_away(&adopted);
    ck_assert_int_eq(read(first, &byte, 1), 0); /* the end */
    ck_assert_int_eq(read(second, &byte, 1), 0);
    listener_turn_away(&adopted); /* nobody waits: it does not wait either */
    close(first);
    close(second);
    listener_close(&adopted);
}
END_TEST

START_TEST(adopted_socket_is_left_with_its_flags_and_its_file)
{
    ck_assert_int_eq(open_with(0600, ""), STATUS_OK);
    struct listener adopted;
    int systemd = dup(listener.fd);
    int flags = fcntl(systemd, F_GETFL) & ~O_NONBLOCK;
    ck_assert_int_eq(fcntl(systemd, F_SETFL, flags), 0);
    ck_assert_int_eq(listener_adopt(dup(systemd), &adopted, &failure), STATUS_OK);
    ck_assert_int_eq(fcntl(adopted.fd, F_SETFL, flags | O_NONBLOCK), 0); /* as the loop does */
    listener_close(&adopted);
    ck_assert_int_eq(fcntl(systemd, F_GETFL), flags);
    ck_assert_int_eq(try_connect(), 0);
    listener_close(&listener);
}
END_TEST

START_TEST(without_descriptors_both_say_so)
{
    struct rlimit before, limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    limit = (struct rlimit){(rlim_t)fd + 1, before.rlim_max};
    for (int low = 0; low < fd; low++) { /* no gap below the bound */
        if (fcntl(low, F_GETFD) < 0) {
            ck_assert_int_eq(dup2(fd, low), low);
        }
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct listener adopted = {.fd = -7};
    enum status opened = open_with(0600, "");
    enum status taken = listener_adopt(fd, &adopted, &failure);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(opened, STATUS_INVALID);
    ck_assert_int_eq(taken, STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, strerror(EMFILE)));
    ck_assert_int_eq(adopted.fd, -7);
    ck_assert(!file_exists(path));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("listener", 30, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, socket_has_its_mode_whatever_the_umask_and_is_gone_after_close);
    tcase_add_test(tests, stale_socket_file_is_replaced);
    tcase_add_test(tests, socket_of_another_process_and_any_other_file_are_left_alone);
    tcase_add_test(tests, a_check_says_what_opening_would_and_changes_nothing);
    tcase_add_test(tests, close_leaves_a_file_that_replaced_ours);
    tcase_add_test(tests, group_is_a_name_or_a_number_that_can_be_one);
    tcase_add_test(tests, start_that_fails_behind_bind_leaves_no_file);
    tcase_add_test(tests, missing_directory_is_said_with_its_reason);
    tcase_add_test(tests, clients_that_wait_at_an_adopted_socket_are_turned_away);
    tcase_add_test(tests, adopted_socket_is_left_with_its_flags_and_its_file);
    tcase_add_test(tests, without_descriptors_both_say_so);
    return suite_run(suite, true);
}
