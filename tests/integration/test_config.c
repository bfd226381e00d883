/* The settings of cairnd from outside: where they come from, what it says to wrong ones, what it prints. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { EXIT_REFUSED = 78, RUN_MS = 10000 };

static const char *cairnd(void)
{
    const char *binary = getenv("CAIRND");
    ck_assert_ptr_nonnull(binary);
    return binary;
}

/* Fails unless the daemon, told to check that configuration, names all of what is in `wanted`, separated by |. */
static void expect_refused(const char *text, const char *wanted)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "cairnd.conf");
    file_write(path, text);
    struct program program = shell_run(RUN_MS, "exec %s --config %s --data %s/d --socket %s/s --check-config",
                                       cairnd(), path, place.path, place.path);
    ck_assert_msg(program.exit_code == EXIT_REFUSED, "exit %d: %s", program.exit_code, program.errors);
    ck_assert_msg(strstr(program.errors, "cairnd.conf") != NULL, "the file is not named: %s", program.errors);
    char *parts = kept_copy(wanted, strlen(wanted));
    for (char *part = strtok(parts, "|"); part != NULL; part = strtok(NULL, "|")) {
        ck_assert_msg(strstr(program.errors, part) != NULL, "no '%s' in: %s", part, program.errors);
    }
    ck_assert(!file_exists(directory_path(&place, "d")));
    directory_remove(&place);
}

START_TEST(test_unknown_key_names_file_line_and_what_would_be_right)
{
    expect_refused("# a comment\nqueue_operation_max = 5\n", "2|queue_operation_max|queue_operations_max");
}
END_TEST

START_TEST(test_bad_value_names_file_line_value_and_what_would_be_right)
{
    expect_refused("flush_delay = 20\n", "1|flush_delay|20|ms");
    expect_refused("\n\nframe_bytes_max = 1TiB\n", "3|frame_bytes_max|1TiB|256MiB");
    expect_refused("socket_mode = 999\n", "1|socket_mode|999|0660");
    expect_refused("log_level = loud\n", "1|log_level|loud|info");
}
END_TEST

START_TEST(test_relations_between_bounds_are_checked)
{
    struct program program = shell_run(RUN_MS,
                                       "exec %s --data /nonexistent/d --socket /nonexistent/s "
                                       "--frame-bytes-max 128MiB --requests-bytes-max 64MiB --check-config",
                                       cairnd());
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_ptr_nonnull(strstr(program.errors, "requests_bytes_max"));
}
END_TEST

START_TEST(test_flag_goes_before_environment_before_file_before_default)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "cairnd.conf");
    file_write(path, "streams_max = 5\nchains_max = 6\nconnections_max = 7\n");
    struct program program =
        shell_run(RUN_MS,
                  "CAIRND_STREAMS_MAX=15 CAIRND_CHAINS_MAX=16 exec %s --config %s --data %s/d --socket %s/s "
                  "--streams-max 25 --print-config",
                  cairnd(), path, place.path, place.path);
    ck_assert_msg(program.exit_code == 0, "%s", program.errors);
    ck_assert_ptr_nonnull(strstr(program.output, "streams_max = 25"));
    ck_assert_ptr_nonnull(strstr(program.output, "chains_max = 16"));
    ck_assert_ptr_nonnull(strstr(program.output, "connections_max = 7"));
    ck_assert_ptr_nonnull(strstr(program.output, "flush_delay = 20ms"));
    ck_assert_ptr_nonnull(strstr(program.output, "cairnd.conf")); /* origins */
    ck_assert_ptr_nonnull(strstr(program.output, "environment"));
    char *again = directory_path(&place, "again.conf"); /* what it prints it takes */
    file_write(again, program.output);
    struct program second =
        shell_run(RUN_MS, "exec %s --config %s --data %s/d --print-config", cairnd(), again, place.path);
    ck_assert_msg(second.exit_code == 0, "%s", second.errors);
    directory_remove(&place);
}
END_TEST

START_TEST(test_defaults_are_those_of_the_contract)
{
    struct program program =
        shell_run(RUN_MS, "exec %s --data /nonexistent/d --socket /nonexistent/s --print-config", cairnd());
    static const char *const lines[] = {
        "queue_operations_max = 8192", "queue_bytes_max = 32MiB",     "flush_delay = 20ms",
        "sync_interval = 1s",          "frame_bytes_max = 64MiB",     "connections_max = 1024",
        "replies_bytes_max = 256MiB",  "requests_bytes_max = 256MiB", "streams_max = 64",
        "chains_max = 1024",           "socket_mode = 0660",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_msg(strstr(program.output, lines[i]) != NULL, "no '%s' in: %s", lines[i], program.output);
    }
}
END_TEST

START_TEST(test_all_that_is_wrong_is_named_at_once)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "cairnd.conf");
    file_write(path, "flush_dely = 3ms\nqueue_bytes_max = 5\n[x]\ndata = /a\xff\n");
    struct program program =
        shell_run(RUN_MS, "CAIRND_NONSENSE=1 CAIRND_STREAMS_MAX=x exec %s --config %s", cairnd(), path);
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    static const char *const wrong[] = {
        "cairnd.conf:1: there is no setting \"flush_dely\"; did you mean flush_delay?",
        "cairnd.conf:2: queue_bytes_max = \"5\"",
        "cairnd.conf:3: a section",
        "cairnd.conf:4: data = \"/a\\xff\": byte 3 of the value is not UTF-8",
        "CAIRND_NONSENSE",
        "CAIRND_STREAMS_MAX=x: not a count",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(strstr(program.errors, wrong[i]) != NULL, "no '%s' in: %s", wrong[i], program.errors);
    }
    directory_remove(&place);
}
END_TEST

START_TEST(test_comments_and_quotes_are_taken)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "cairnd.conf");
    file_write(path, kept_format("data = %s/d # note\nsocket = \"%s/a b\" ; note\n", place.path, place.path));
    struct program program = shell_run(RUN_MS, "exec %s --config %s --print-config", cairnd(), path);
    ck_assert_int_eq(program.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(program.output, kept_format("\ndata = %s/d ", place.path)));
    ck_assert_ptr_nonnull(strstr(program.output, kept_format("\nsocket = %s/a b ", place.path)));
    directory_remove(&place);
}
END_TEST

START_TEST(test_without_a_word_it_says_what_to_type)
{
    struct program program = shell_run(RUN_MS, "exec env -i %s", cairnd());
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_ptr_nonnull(strstr(program.errors, "cairnd --data DIR --socket PATH --create"));
    ck_assert_ptr_nonnull(strstr(program.errors, "cairnd --config FILE"));
    ck_assert_ptr_nonnull(strstr(program.errors, "cairnd --help"));
}
END_TEST

START_TEST(test_settings_that_a_passed_socket_overrides_are_named)
{
    struct daemon daemon = daemon_new();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", daemon.socket);
    daemon.adopt_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(daemon.adopt_fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(daemon.adopt_fd, 16), 0);
    daemon_start(&daemon,
                 kept_format("--socket %s", daemon.socket)); /* the same path: nothing is overridden */
    struct wire wire = wire_open(daemon.socket);             /* the socket accepts before the daemon does */
    wire_close(&wire);
    ck_assert_ptr_null(strstr(daemon_errors(&daemon), "setting_overridden"));
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    daemon_start(&daemon, "--socket /nonexistent/s --socket-mode 0600");
    wire = wire_open(daemon.socket);
    wire_close(&wire);
    ck_assert(daemon_says(&daemon, "\"setting\":\"socket\",\"value\":\"/nonexistent/s\""));
    ck_assert(daemon_says(&daemon, "\"setting\":\"socket_mode\",\"value\":\"0600\""));
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    close(daemon.adopt_fd);
    daemon_close(&daemon);
}
END_TEST

/* The journal takes a line's priority from its beginning, if stderr is its stream. */
START_TEST(test_errors_reach_the_journal_as_errors)
{
    struct directory place = directory_new();
    char *path = directory_path(&place, "stderr");
    struct program program =
        shell_run(RUN_MS,
                  "exec 2>%s; JOURNAL_STREAM=$(stat -L -c %%d:%%i /dev/stderr) exec %s --data %s/d "
                  "--socket %s/s --streams-max x",
                  path, cairnd(), place.path, place.path);
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_msg(strncmp(file_read(path), "<3>cairnd: --streams-max", 24) == 0, "%s", file_read(path));
    program = shell_run(
        RUN_MS,
        "exec 2>%s; JOURNAL_STREAM=$(stat -L -c %%d:%%i /dev/stderr) exec %s --data %s/none/d --socket "
        "%s/s --log-format text",
        path, cairnd(), place.path, place.path);
    ck_assert_int_eq(program.exit_code, EXIT_REFUSED);
    ck_assert_msg(strncmp(file_read(path), "<3>", 3) == 0, "%s", file_read(path));
    ck_assert_ptr_nonnull(strstr(file_read(path), "event=directory_refused"));
    directory_remove(&place);
}
END_TEST

START_TEST(test_command_line_errors_are_refused)
{
    ck_assert_int_eq(shell_run(RUN_MS, "exec %s --no-such-flag", cairnd()).exit_code, EXIT_REFUSED);
    ck_assert_int_eq(
        shell_run(RUN_MS, "exec %s --data /nonexistent --socket /nonexistent/s extra", cairnd()).exit_code,
        EXIT_REFUSED);
    struct program program = shell_run(RUN_MS, "exec %s --flush-delay never --data /nonexistent", cairnd());
    ck_assert_int_gt(program.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(program.errors, "never"));
}
END_TEST

START_TEST(test_help_and_version)
{
    struct program help = shell_run(RUN_MS, "exec %s --help", cairnd());
    ck_assert_int_eq(help.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(help.output, "--queue-operations-max"));
    struct program version = shell_run(RUN_MS, "exec %s --version", cairnd());
    ck_assert_int_eq(version.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(version.output, "RocksDB")); /* which engine it runs */
}
END_TEST

START_TEST(test_status_page_has_what_operators_look_for)
{
    static const char *const numbers[] = {
        "run",
        "uptime_us",
        "sequence.last",
        "sequence.written_through",
        "sequence.durable_through",
        "queue.operations",
        "queue.bytes",
        "queue.operations_max",
        "queue.bytes_max",
        "connections",
        "connections.refused",
        "frames.bad",
        "commits",
        "commits.refused",
        "syncs",
        "groups",
        "metadata.accepted",
        "metadata.written",
        "prunes",
        "rollbacks",
        "streams.open",
        "requests.bytes",
        "replies.bytes",
        "chains",
    };
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ask_prune(&rig.wire, prune_blocks(1));
    ask_rollback(&rig.wire, rollback_to(4));
    ask_prune(&rig.wire, prune_blocks(9));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        status_number(&rig.wire, numbers[i]);
    }
    ck_assert_uint_eq(status_number(&rig.wire, "prunes"), 1);
    ck_assert_uint_eq(status_number(&rig.wire, "rollbacks"), 1);
    ck_assert_uint_ge(status_number(&rig.wire, "commits.refused"), 1);
    ck_assert_uint_eq(status_number(&rig.wire, "chains"), 1);
    ck_assert_uint_eq(strlen(status_string(&rig.wire, "store_id")), 32);
    ck_assert_uint_gt(strlen(status_string(&rig.wire, "version")), 0);
    ck_assert_ptr_nonnull(strstr(status_string(&rig.wire, "engine"), "RocksDB"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_json_log_is_one_object_a_line)
{
    struct rig rig = rig_start("--log-format json");
    ck_assert(daemon_says(&rig.daemon, "\"event\":\"ready\""));
    char *said = daemon_errors(&rig.daemon);
    for (char *line = strtok(said, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_msg(line[0] == '{' && line[strlen(line) - 1] == '}', "%s", line);
    }
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("config", 60, &tests);
    tcase_add_test(tests, test_unknown_key_names_file_line_and_what_would_be_right);
    tcase_add_test(tests, test_bad_value_names_file_line_value_and_what_would_be_right);
    tcase_add_test(tests, test_relations_between_bounds_are_checked);
    tcase_add_test(tests, test_flag_goes_before_environment_before_file_before_default);
    tcase_add_test(tests, test_defaults_are_those_of_the_contract);
    tcase_add_test(tests, test_all_that_is_wrong_is_named_at_once);
    tcase_add_test(tests, test_comments_and_quotes_are_taken);
    tcase_add_test(tests, test_without_a_word_it_says_what_to_type);
    tcase_add_test(tests, test_settings_that_a_passed_socket_overrides_are_named);
    tcase_add_test(tests, test_errors_reach_the_journal_as_errors);
    tcase_add_test(tests, test_command_line_errors_are_refused);
    tcase_add_test(tests, test_help_and_version);
    tcase_add_test(tests, test_status_page_has_what_operators_look_for);
    tcase_add_test(tests, test_json_log_is_one_object_a_line);
    return suite_run(suite, false);
}
