/* What systemctl says of a unit: user, limit and sandbox, of which the rule for the longest path counts. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/unit.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

static struct unit unit;

static const char shipped[] =
    "LoadState=loaded\nUser=cairn\nGroup=cairn\nLimitNOFILE=65536\nProtectSystem=strict\n"
    "ProtectHome=yes\nPrivateTmp=yes\nReadWritePaths=\nReadOnlyPaths=\nInaccessiblePaths=\n"
    "BindPaths=\nStateDirectory=cairn\nRuntimeDirectory=cairn\nCacheDirectory=\nLogsDirectory=\n";

START_TEST(shipped_unit_writes_its_own_directories_alone)
{
    ck_assert(unit_parse(shipped, &unit));
    ck_assert_str_eq(unit.user, "cairn");
    ck_assert_str_eq(unit.group, "cairn");
    ck_assert_uint_eq(unit.files_max, 65536);
    ck_assert_int_eq(unit_access_of(&unit, "/var/lib/cairn"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/var/lib/cairn/a"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/run/cairn"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/var/lib/cairnd"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/srv/cairn"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/home/a"), UNIT_HIDES);
    ck_assert_int_eq(unit_access_of(&unit, "/tmp/x"), UNIT_HIDES);
    ck_assert(unit_makes(&unit, "/var/lib/cairn") && unit_makes(&unit, "/run/cairn/"));
    ck_assert(!unit_makes(&unit, "/var/lib/cairn/a") && !unit_makes(&unit, "/srv"));
}
END_TEST

START_TEST(paths_that_a_drop_in_names_go_before_the_rest)
{
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=strict\nProtectHome=read-only\n"
                         "ReadWritePaths=/srv/cairn -/home/node/data +/mnt\nReadOnlyPaths=/srv/cairn/not\n"
                         "InaccessiblePaths=/mnt/hidden\nBindPaths=/a:/opt/b:rbind /c\n",
                         &unit));
    ck_assert_int_eq(unit_access_of(&unit, "/srv/cairn"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/srv/cairn/not/x"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/srv"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/home/node/data"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/home/node"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/mnt/x"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/mnt/hidden"), UNIT_HIDES);
    ck_assert_int_eq(unit_access_of(&unit, "/opt/b/x"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/a"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/c"), UNIT_WRITES);
    ck_assert_str_eq(unit.user, "");
    ck_assert_uint_eq(unit.files_max, UINT64_MAX);
}
END_TEST

START_TEST(weaker_sandboxes_protect_less)
{
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=full\nProtectHome=no\nPrivateTmp=no\n", &unit));
    ck_assert_int_eq(unit_access_of(&unit, "/etc/x"), UNIT_READS);
    ck_assert_int_eq(unit_access_of(&unit, "/srv/x"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/tmp/x"), UNIT_WRITES);
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=yes\n", &unit));
    ck_assert_int_eq(unit_access_of(&unit, "/etc/x"), UNIT_WRITES);
    ck_assert_int_eq(unit_access_of(&unit, "/usr/x"), UNIT_READS);
}
END_TEST

START_TEST(unit_that_is_not_loaded_says_nothing)
{
    ck_assert(!unit_parse("LoadState=not-found\nUser=\n", &unit));
    ck_assert(!unit_parse("", &unit));
    ck_assert(!unit_parse("nonsense", &unit));
}
END_TEST

START_TEST(more_rules_than_there_is_room_for_are_left_out)
{
    char text[8192] = "LoadState=loaded\nReadWritePaths=";
    for (size_t i = 0; i < 2 * UNIT_RULES_MAX; i++) {
        strcat(text, "/a/b ");
    }
    ck_assert(unit_parse(text, &unit));
    ck_assert_uint_eq(unit.rule_count, UNIT_RULES_MAX);
}
END_TEST

START_TEST(systemctl_is_asked_and_may_be_absent)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "systemctl");
    ck_assert_int_eq(setenv("PATH", place.path, 1), 0);
    ck_assert(!unit_ask("/d", &unit));
    file_write(path, "#!/bin/sh\necho LoadState=loaded\necho User=somebody\n");
    ck_assert_int_eq(chmod(path, 0700), 0);
    ck_assert(unit_ask("/d", &unit));
    ck_assert_str_eq(unit.user, "somebody");
    ck_assert_str_eq(unit.name, "cairnd.service");
    file_write(
        path,
        "#!/bin/sh\necho LoadState=loaded\nfor last; do :; done; echo User=$last\n"); /* its last word */
    ck_assert(unit_ask("/var/lib/cairn-a.b/", &unit));
    ck_assert_str_eq(unit.name, "cairnd@a.b.service");
    ck_assert_str_eq(unit.user, "cairnd@a.b.service");
    ck_assert(unit_ask("/var/lib/cairn-a;b", &unit));
    ck_assert_str_eq(unit.user, "cairnd.service");
    ck_assert(unit_ask("/var/lib/cairn-a/b", &unit));
    ck_assert_str_eq(unit.user, "cairnd.service");
    file_write(path, "#!/bin/sh\necho LoadState=loaded\nexit 1\n");
    ck_assert(!unit_ask("/d", &unit));
    directory_remove(&place);
}
END_TEST

static int become(const char *user)
{
    struct unit of = {0};
    strcpy(of.user, user);
    pid_t child = fork();
    if (child == 0) {
        bool is_done = unit_become_user(&of);
        _exit(!is_done ? 1 : geteuid() == 0 ? 2 : setuid(0) == 0 ? 3 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

START_TEST(root_becomes_the_unit_s_user_for_good)
{
    if (geteuid() != 0) {
        return;
    }
    ck_assert_int_eq(become("nobody"), 0);
    ck_assert_int_eq(become("no-such-user"), 1);
    ck_assert_int_eq(become(""), 2); /* root's unit */
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("unit", 30, &tests);
    tcase_add_test(tests, shipped_unit_writes_its_own_directories_alone);
    tcase_add_test(tests, paths_that_a_drop_in_names_go_before_the_rest);
    tcase_add_test(tests, weaker_sandboxes_protect_less);
    tcase_add_test(tests, unit_that_is_not_loaded_says_nothing);
    tcase_add_test(tests, more_rules_than_there_is_room_for_are_left_out);
    tcase_add_test(tests, systemctl_is_asked_and_may_be_absent);
    tcase_add_test(tests, root_becomes_the_unit_s_user_for_good);
    return suite_run(suite, true);
}
