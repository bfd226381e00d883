/* The look ahead: each part's refusal is told, all at once, with the code that a start would end with; a good one refuses nothing and
 * leaves nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/start_check.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

static char home[64];
static struct options options;
static struct unit unit;
static struct start_check_config config;
static struct start_check_found found;
static unsigned refused[START_CHECK_PARTS];
static char said[4096];

static void refuse(enum start_check_part part, const char *error)
{
    ck_assert_int_lt(part, START_CHECK_PARTS);
    refused[part]++;
    strncat(said, error, sizeof said - strlen(said) - 1);
}

static void note(const char *text)
{
    strncat(said, text, sizeof said - strlen(said) - 1);
}

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    (void)database;
    snprintf(ret_error->text, sizeof ret_error->text, "there is none");
    return DIRECTORY_LOST;
}

static void setup(void)
{
    snprintf(home, sizeof home, "/tmp/cairn-check.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    options_init(&options);
    snprintf(options.data, sizeof options.data, "%s/data", home);
    snprintf(options.socket, sizeof options.socket, "%s/socket", home);
    config = (struct start_check_config){
        .options = &options, .look = look, .is_without_start = true, .refuse = refuse, .note = note};
}

static void teardown(void)
{
    shell("rm -rf %s", home);
}

static enum exit_code check(void)
{
    memset(refused, 0, sizeof refused);
    said[0] = '\0';
    return start_check(&config, &found);
}

static void expect(enum start_check_part part, enum exit_code code, const char *text)
{
    ck_assert_int_eq(check(), code);
    for (unsigned i = 0; i < START_CHECK_PARTS; i++) {
        ck_assert_msg(refused[i] == (i == part), "part %u: %s", i, said);
    }
    ck_assert_msg(strstr(said, text) != NULL, "%s", said);
}

START_TEST(good_configuration_is_refused_nothing_and_nothing_is_made)
{
    ck_assert_msg(check() == EXIT_CODE_STOPPED, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "--create"));
    ck_assert_int_ne(access(options.data, F_OK), 0);
    ck_assert_int_ne(access(options.socket, F_OK), 0);
    ck_assert_uint_gt(found.files.needed, options.connections_max);
    options.create = true;
    config.is_without_start = false;
    ck_assert_msg(check() == EXIT_CODE_STOPPED, "%s", said);
    ck_assert_str_eq(said, "");
    ck_assert_int_ne(access(options.data, F_OK), 0);
}
END_TEST

START_TEST(each_part_is_refused_with_its_reason)
{
    strcpy(options.readers, "no-such-user");
    expect(START_CHECK_ROLES, EXIT_CODE_REFUSED, "no-such-user");
    strcpy(options.admins, "%no-such-group");
    ck_assert_int_eq(check(), EXIT_CODE_REFUSED);
    ck_assert_uint_eq(refused[START_CHECK_ROLES], 2); /* each list's error is told */
    ck_assert(strstr(said, "no-such-user") != NULL && strstr(said, "no-such-group") != NULL);
    options.admins[0] = options.readers[0] = '\0';
    strcpy(options.socket_group, "no-such-group");
    expect(START_CHECK_SOCKET, EXIT_CODE_REFUSED, "no-such-group");
    options.socket_group[0] = '\0';
    snprintf(options.socket, sizeof options.socket, "%s/absent/socket", home);
    expect(START_CHECK_SOCKET, EXIT_CODE_REFUSED, "No such file or directory");
    options.socket[0] = '\0';
    ck_assert_int_eq(check(), EXIT_CODE_STOPPED); /* systemd may pass one */
    config.is_without_start = false;
    options.create = true;
    expect(START_CHECK_SOCKET, EXIT_CODE_REFUSED, "--socket PATH");
    config.is_socket_passed = true;
    ck_assert_int_eq(check(), EXIT_CODE_STOPPED);
    options.create = false;
    expect(START_CHECK_DIRECTORY, EXIT_CODE_REFUSED, "--create");
    snprintf(options.data, sizeof options.data, "%s/absent/data", home);
    expect(START_CHECK_DIRECTORY, EXIT_CODE_REFUSED, "no such directory");
}
END_TEST

START_TEST(all_that_is_wrong_is_told_at_once)
{
    strcpy(options.readers, "no-such-user");
    strcpy(options.socket_group, "no-such-group");
    snprintf(options.data, sizeof options.data, "%s/absent/data", home);
    ck_assert_int_eq(check(), EXIT_CODE_REFUSED);
    ck_assert(refused[START_CHECK_ROLES] == 1 && refused[START_CHECK_SOCKET] == 1 &&
              refused[START_CHECK_DIRECTORY] == 1);
}
END_TEST

START_TEST(damaged_stamp_has_its_own_code)
{
    char path[192];
    ck_assert_int_eq(mkdir(options.data, 0700), 0);
    snprintf(path, sizeof path, "%.100s/cairn.store", options.data);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs("cairn store\nformat", file);
    fclose(file);
    expect(START_CHECK_DIRECTORY, EXIT_CODE_DAMAGED, "cairn.store");
}
END_TEST

START_TEST(sandbox_of_the_unit_is_judged_from_outside)
{
    config.unit = &unit;
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=strict\n", &unit));
    ck_assert_int_eq(check(), EXIT_CODE_REFUSED);
    ck_assert(refused[START_CHECK_SOCKET] == 1 && refused[START_CHECK_DIRECTORY] == 1);
    ck_assert_ptr_nonnull(strstr(said, "ReadWritePaths="));
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=strict\nReadWritePaths=/tmp\n", &unit));
    ck_assert_msg(check() == EXIT_CODE_STOPPED, "%s", said);
    ck_assert(unit_parse("LoadState=loaded\nPrivateTmp=yes\n", &unit));
    ck_assert_int_eq(check(), EXIT_CODE_REFUSED);
    ck_assert_ptr_nonnull(strstr(said, "hides what is there"));
    ck_assert(unit_parse("LoadState=loaded\nLimitNOFILE=100\n", &unit));
    expect(START_CHECK_FILES, EXIT_CODE_REFUSED, "LimitNOFILE");
}
END_TEST

START_TEST(what_the_unit_makes_may_be_absent)
{
    config.unit = &unit;
    ck_assert(unit_parse("LoadState=loaded\nProtectSystem=strict\nStateDirectory=cairn-"
                         "absent\nRuntimeDirectory=cairn-absent\n",
                         &unit));
    strcpy(options.data, "/var/lib/cairn-absent");
    strcpy(options.socket, "/run/cairn-absent/socket");
    ck_assert_msg(check() == EXIT_CODE_STOPPED, "%s", said);
    strcpy(options.data, "/var/lib/cairn-absent/below");
    ck_assert_int_eq(check(), EXIT_CODE_REFUSED);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("start_check", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, good_configuration_is_refused_nothing_and_nothing_is_made);
    tcase_add_test(tests, each_part_is_refused_with_its_reason);
    tcase_add_test(tests, all_that_is_wrong_is_told_at_once);
    tcase_add_test(tests, damaged_stamp_has_its_own_code);
    tcase_add_test(tests, sandbox_of_the_unit_is_judged_from_outside);
    tcase_add_test(tests, what_the_unit_makes_may_be_absent);
    return suite_run(suite, false);
}
