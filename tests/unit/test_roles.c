/* Who may do what: lists of users and groups, and a peer's place in them. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/roles.h"
#include "tests/lib/suite.h"

static struct failure failure;

static struct roles lists(const char *readers, const char *writers, const char *admins)
{
    struct roles roles;
    ck_assert_msg(roles_init(readers, writers, admins, &roles, &failure), "%s", failure.text);
    return roles;
}

static enum role role_of(const struct roles *roles, uid_t uid, gid_t gid)
{
    return roles_of(roles, uid, &gid, 1);
}

START_TEST(without_lists_everybody_is_an_admin)
{
    struct roles roles = lists("", "", "");
    ck_assert_int_eq(role_of(&roles, 0, 0), ROLE_ADMIN);
    ck_assert_int_eq(role_of(&roles, 4711, 4711), ROLE_ADMIN);
    ck_assert_int_eq(roles_of_peer(&roles, -1), ROLE_ADMIN);
}
END_TEST

START_TEST(with_a_list_only_those_in_one_get_in_and_the_highest_role_counts)
{
    struct roles roles = lists("1000, %50,%51", " 1001\t1000 ", "%52,root");
    ck_assert_int_eq(role_of(&roles, 0, 7), ROLE_ADMIN); /* by name */
    ck_assert_int_eq(role_of(&roles, 1000, 7), ROLE_WRITER);
    ck_assert_int_eq(role_of(&roles, 1001, 50), ROLE_WRITER);
    ck_assert_int_eq(role_of(&roles, 1001, 52), ROLE_ADMIN);
    ck_assert_int_eq(role_of(&roles, 1002, 51), ROLE_READER);
    ck_assert_int_eq(role_of(&roles, 1002, 7), ROLE_NONE);
    ck_assert_int_eq(role_of(&roles, 50, 1000), ROLE_NONE); /* a uid is no gid */
    const gid_t gids[] = {1, 2, 52, 3};
    ck_assert_int_eq(roles_of(&roles, 1002, gids, 4), ROLE_ADMIN);
    ck_assert_int_eq(roles_of(&roles, 1002, gids, 2), ROLE_NONE);
    ck_assert_int_eq(roles_of_peer(&roles, -1), ROLE_NONE);
    roles = lists("%root", "", ""); /* a group by its name */
    ck_assert_int_eq(role_of(&roles, 1002, 0), ROLE_READER);
    ck_assert_int_eq(role_of(&roles, 0, 7), ROLE_NONE);
    roles = lists("", "", "1000,1000"); /* named twice, and once below what it has */
    ck_assert_int_eq(role_of(&roles, 1000, 7), ROLE_ADMIN);
}
END_TEST

START_TEST(what_is_nobody_is_refused_with_the_setting_and_the_name)
{
    static const char *const bad[] = {"no-such-user", "%no-such-group", "-1",  "4294967295",
                                      "99999999999",  "root,%",         "%%0", ", ,"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct roles roles = {.count = 77};
        ck_assert_msg(!roles_init("", bad[i], "", &roles, &failure), "%s", bad[i]);
        ck_assert_msg(strncmp(failure.text, "writers: ", 9) == 0, "%s", failure.text);
        ck_assert_uint_eq(roles.count, 77);
    }
    static char list[300];
    memset(list, 'x', sizeof list - 1);
    struct roles unnamed;
    ck_assert(!roles_init(list, "", "", &unnamed, &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "readers: a name of 299 bytes"));
    ck_assert(!roles_init("12x", "", "", &unnamed, &failure));
    char many[ROLES_ENTRIES_MAX * 2 + 3] = "";
    for (int i = 0; i <= ROLES_ENTRIES_MAX; i++) {
        strcat(many, i == 0 ? "1" : ",1");
    }
    struct roles roles;
    ck_assert(!roles_init("", "", many, &roles, &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "admins: more than 128"));
}
END_TEST

START_TEST(a_peer_has_the_role_of_its_process_with_its_supplementary_groups)
{
    if (geteuid() != 0) {
        printf("skipped: only root can change its user\n");
        return;
    }
    static const struct {
        uid_t uid;
        gid_t gid, group;
        enum role expected;
    } peers[] = {{4001, 60, 61, ROLE_READER},
                 {4002, 62, 61, ROLE_WRITER},
                 {4002, 60, 62, ROLE_WRITER},
                 {4002, 60, 61, ROLE_NONE},
                 {4003, 60, 62, ROLE_ADMIN}};
    struct roles roles = lists("4001", "%62", "4003");
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        int results[2];
        ck_assert_int_eq(pipe(results), 0);
        pid_t child = fork();
        if (child == 0) { /* a socket pair's peer is who made it */
            int pair[2];
            bool is_set = setgroups(1, &peers[i].group) == 0 && setgid(peers[i].gid) == 0 &&
                          setuid(peers[i].uid) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
            int role = is_set ? (int)roles_of_peer(&roles, pair[0]) : -1;
            _exit(write(results[1], &role, sizeof role) != sizeof role);
        }
        int role, status;
        ck_assert_int_eq(read(results[0], &role, sizeof role), sizeof role);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(role, (int)peers[i].expected);
        close(results[0]);
        close(results[1]);
    }
}
END_TEST

START_TEST(roles_have_names)
{
    ck_assert_str_eq(roles_text(ROLE_NONE), "nobody");
    ck_assert_str_eq(roles_text(ROLE_READER), "reader");
    ck_assert_str_eq(roles_text(ROLE_WRITER), "writer");
    ck_assert_str_eq(roles_text(ROLE_ADMIN), "admin");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("roles", 30, &tests);
    tcase_add_test(tests, without_lists_everybody_is_an_admin);
    tcase_add_test(tests, with_a_list_only_those_in_one_get_in_and_the_highest_role_counts);
    tcase_add_test(tests, what_is_nobody_is_refused_with_the_setting_and_the_name);
    tcase_add_test(tests, a_peer_has_the_role_of_its_process_with_its_supplementary_groups);
    tcase_add_test(tests, roles_have_names);
    return suite_run(suite, false);
}
