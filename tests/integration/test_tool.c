/* The operator's tool: its verbs, what it prints, its exit codes. $CAIRN is the tool. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/tool_fixture.h"

enum { RUN_MS = TOOL_RUN_MS };

START_TEST(test_ping_and_status)
{
    struct rig rig = rig_start("");
    cairn(&rig, DONE, "ping");
    expect_in(cairn(&rig, DONE, "status"), "queue.operations");
    expect_in(cairn(&rig, DONE, "-o json status queue.operations"),
              "{\"schema\":2,\"queue.operations\":\"0\"}");
    struct program nothing = shell_run(RUN_MS, "exec %s -s %s -o json status nosuch queue.operation",
                                       getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(nothing.exit_code, NOT_FOUND);
    ck_assert_str_eq(nothing.output, "");
    expect_in(nothing.errors, "\"exit\":3");
    expect_in(nothing.errors, "nosuch");
    expect_in(nothing.errors, "did you mean queue.operations?");
    expect_in(cairn_errors(&rig, NOT_FOUND, "status queu"), "did you mean queue?");
    expect_in(cairn_errors(&rig, NOT_FOUND, "status nosuch"), "cairn status prints all");
    rig_end(&rig);
}
END_TEST

START_TEST(test_socket_from_the_environment)
{
    struct rig rig = rig_start("");
    struct program program =
        shell_run(RUN_MS, "CAIRN_SOCKET=%s exec %s height", rig.daemon.socket, getenv("CAIRN"));
    ck_assert_int_eq(program.exit_code, DONE);
    program = shell_run(RUN_MS, "CAIRN_SOCKET=%s.none exec %s height", rig.daemon.socket, getenv("CAIRN"));
    ck_assert_int_eq(program.exit_code, NOBODY);
    expect_in(program.errors, "s.none");
    expect_in(program.errors, "from CAIRN_SOCKET");
    program = shell_run(RUN_MS, "CAIRN_SOCKET=/%0200d exec %s height", 0, getenv("CAIRN"));
    ck_assert_int_eq(program.exit_code, USAGE);
    expect_in(program.errors, "from CAIRN_SOCKET");
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_block_state_height)
{
    struct rig rig = rig_start("");
    char *header = directory_path(&rig.daemon.home, "header");
    char *state = directory_path(&rig.daemon.home, "state");
    file_write(header, "the header");
    file_write(state, "the state");
    cairn(&rig, DONE, "commit --block 3:%s:%s --state 3:%s --rise-to 3 --set a=b", header, state, state);
    expect_in(cairn(&rig, DONE, "-o json height"), "\"height\":\"3\"}");
    ck_assert_str_eq(cairn(&rig, DONE, "block 3 --raw --parts header"), "the header");
    ck_assert_str_eq(cairn(&rig, DONE, "state --raw"), "the state");
    expect_in(cairn(&rig, DONE, "-o json block 3"), "\"height\":\"3\"");
    expect_in(cairn(&rig, DONE, "-o json block 3"), "\"dGhlIGhlYWRlcg==\"");
    cairn(&rig, NOT_FOUND, "block 4");
    cairn(&rig, NOT_FOUND, "state 4");
    cairn(&rig, CONFLICT, "commit --expect-height 9 --rise-to 10");
    expect_in(cairn_errors(&rig, USAGE, "commit --block 4"), "--block is HEIGHT:HEADER");
    cairn(&rig, NOT_FOUND, "block 4");
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    rig_end(&rig);
}
END_TEST

START_TEST(test_metadata_verbs)
{
    struct rig rig = rig_start("");
    cairn(&rig, DONE, "meta set name value");
    expect_in(cairn(&rig, DONE, "meta get name"), "value");
    cairn(&rig, DONE, "meta raise mark 7");
    expect_in(cairn(&rig, DONE, "-o json meta get mark"), "\"u64\":\"7\"");
    cairn(&rig, DONE, "meta raise mark 3");
    ck_assert(metadata_holds_number(&rig.wire, "mark", 7));
    expect_in(cairn(&rig, DONE, "-o json meta list"), "\"text\":\"mark\"");
    cairn(&rig, DONE, "meta del name mark");
    ck_assert(metadata_is(&rig.wire, "name", NULL) && metadata_is(&rig.wire, "mark", NULL));
    cairn(&rig, NOT_FOUND, "meta get name");
    cairn(&rig, DONE, "meta set number 18446744073709551615 --as u64");
    ck_assert(metadata_holds_number(&rig.wire, "number", UINT64_MAX));
    ck_assert_str_eq(cairn(&rig, DONE, "meta get number --as u64"), "18446744073709551615\n");
    cairn(&rig, DONE, "meta set word hello");
    expect_in(cairn(&rig, FAILED, "meta list --as u64"), "number\t18446744073709551615\n");
    cairn(&rig, FAILED, "meta get word --as u64");
    rig_end(&rig);
}
END_TEST

START_TEST(test_lists_go_both_ways_and_ranges_go)
{
    struct rig rig = rig_start("");
    for (int i = 1; i <= 5; i++) {
        cairn(&rig, DONE, "meta set n%d %.*s", i, i, "value");
    }
    ck_assert_str_eq(cairn(&rig, DONE, "meta list --reverse --end n5 --start n2 --limit 2"),
                     "n4\tvalu\nn3\tval\n");
    ck_assert_str_eq(cairn(&rig, DONE, "meta list n --keys-only --limit 2"), "n1\nn2\n");
    ck_assert_str_eq(cairn(&rig, DONE, "meta list n --sizes --limit 2"), "n1\t1\nn2\t2\n");
    expect_in(cairn(&rig, DONE, "-o json meta list n5 --sizes"), "\"size\":\"5\"");
    cairn(&rig, USAGE, "meta list --sizes --as u64");
    cairn(&rig, USAGE, "meta del --range a b c");
    cairn(&rig, DONE, "meta del --range n2 n4");
    ck_assert_str_eq(cairn(&rig, DONE, "meta list --keys-only"), "n1\nn4\nn5\n");
    expect_in(cairn_errors(&rig, USAGE, "meta del --range n4"), "give --yes where nobody can be asked");
    ck_assert_str_eq(cairn(&rig, DONE, "meta list --keys-only"), "n1\nn4\nn5\n");
    cairn(&rig, DONE, "meta del --range n4 --yes");
    ck_assert_str_eq(cairn(&rig, DONE, "meta list --keys-only"), "n1\n");
    char *header = directory_path(&rig.daemon.home, "header");
    file_write(header, "the header");
    cairn(&rig, DONE, "commit --block 1:%s --rise-to 1", header);
    cairn(&rig, DONE, "commit --delete-block 1");
    cairn(&rig, NOT_FOUND, "block 1");
    ck_assert_str_eq(cairn(&rig, DONE, "height"), "1\n");
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_conflict_says_its_reason_and_a_guard_may_let_a_malformed_value_pass)
{
    struct rig rig = rig_start("");
    cairn(&rig, DONE, "commit --state 0:/dev/null --state 1:/dev/null --rise-to 2");
    expect_in(cairn_errors(&rig, CONFLICT, "commit --expect-height 9 --rise-to 3"), "conflict (height)");
    expect_in(cairn_errors(&rig, CONFLICT, "-o json rollback --to 9 -y"), "\"reason\":\"height\"");
    cairn(&rig, DONE, "meta set mark text");
    cairn(&rig, DONE, "meta set high 9 --as u64");
    cairn(&rig, REFUSED, "rollback --to 1 --guard mark -y");
    expect_in(cairn_errors(&rig, CONFLICT, "rollback --to 1 --guard mark:pass --guard high:pass -y"),
              "conflict (guard)");
    expect_in(cairn(&rig, DONE, "rollback --to 1 --guard mark:lower:pass --guard high:lower -y"),
              "guards lowered: 1");
    rig_end(&rig);
}
END_TEST

START_TEST(test_chains_say_who_has_claimed_and_release_ends_that)
{
    struct rig rig = rig_start("");
    const struct cairn_client_options options = {.socket_path = rig.daemon.socket};
    const struct cairn_claim_request claim = {.writer_name = cairn_text("the node")};
    struct cairn_client *client;
    struct cairn_connection *connection;
    cairn(&rig, DONE, "chains create aux");
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
    ck_assert_int_eq(cairn_claim(connection, &claim, NULL), CAIRN_OK);
    const char *holder = kept_format("the node (pid %d, uid %d)\n", (int)getpid(), (int)getuid());
    expect_in(cairn(&rig, DONE, "chains"), holder);
    const char *json = kept_format(
        "\"claim\":{\"writer\":\"the node\",\"pid\":%d,\"uid\":%d,\"held\":true,\"sequence\":", (int)getpid(),
        (int)getuid());
    expect_in(cairn(&rig, DONE, "-o json chains"), json);
    expect_in(cairn(&rig, DONE, "-o json chains"), "\"claim\":null"); /* of aux */
    expect_in(cairn(&rig, DONE, "-o json chains"), "\"bytes\":\"");   /* small chains take about nothing */
    expect_in(cairn_errors(&rig, CONFLICT, "meta set a b"), "conflict (claimed)");
    cairn(&rig, DONE, "chains release default"); /* nobody can be asked */
    cairn(&rig, DONE, "chains release default"); /* nothing is claimed */
    cairn(&rig, DONE, "meta set a b");
    const struct cairn_commit_request commit = {.rise_to = 1};
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_commit(connection, &commit, &reply), CAIRN_CONFLICT);
    ck_assert_int_eq(reply->reason, CAIRN_REASON_CLAIMED);
    cairn_client_free(client);
    rig_end(&rig);
}
END_TEST

START_TEST(test_values_are_binary_safe)
{
    struct rig rig = rig_start("");
    ProtobufCBinaryData value = bytes_random(1, 5000);
    value.data[10] = 0;
    ask_metadata(&rig.wire, metadata_new(operation_set_bytes(bytes_of("bytes"), value)));
    char *copy = directory_path(&rig.daemon.home, "copy");
    cairn(&rig, DONE, "meta get bytes --raw > %s", copy);
    cairn(&rig, DONE, "meta set again @%s", copy);
    ck_assert(bytes_same(get_metadata(&rig.wire, "again")->value, value));
    rig_end(&rig);
}
END_TEST

START_TEST(test_barrier_prune_rollback_chains)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    cairn(&rig, DONE, "barrier");
    expect_in(cairn(&rig, DONE, "prune --blocks 2 --dry-run"), "would drop 2 blocks, 0 states, 0 metadata");
    ck_assert(block_is(&rig.wire, 2, "header 2"));
    cairn(&rig, DONE, "prune --blocks 2 --yes");
    cairn(&rig, CONFLICT, "prune --blocks 11 --yes");
    cairn(&rig, DONE, "rollback --to 8 --dry-run");
    ck_assert_uint_eq(get_height(&rig.wire), 10);
    cairn(&rig, DONE, "rollback --to 8 --yes");
    ck_assert_uint_eq(get_height(&rig.wire), 8);
    cairn(&rig, CONFLICT, "rollback --to 2 --yes");
    cairn(&rig, DONE, "chains create other");
    expect_in(cairn(&rig, DONE, "-o json chains"), "\"other\"");
    cairn(&rig, DONE, "chains create gone");
    cairn(&rig, DONE, "chains drop gone --yes");
    cairn(&rig, 9, "chains drop gone --yes"); /* invalid: there is none */
    ck_assert_ptr_null(strstr(cairn(&rig, DONE, "chains"), "gone"));
    expect_in(cairn(&rig, DONE, "-o json --chain other height"), "\"height\":\"0\"}");
    ck_assert_str_eq(cairn(&rig, DONE, "-o csv --chain other height"), "\"height\"\r\n\"0\"\r\n");
    rig_end(&rig);
}
END_TEST

START_TEST(test_destructive_verbs_ask_and_take_no_silence_for_yes)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    const char *tool = getenv("CAIRN");
    ck_assert_int_ne(
        shell_run(RUN_MS, "%s -s %s rollback --to 2 </dev/null", tool, rig.daemon.socket).exit_code, DONE);
    struct program prune = shell_run(RUN_MS, "%s -s %s prune --blocks 2 </dev/null", tool, rig.daemon.socket);
    ck_assert_int_eq(prune.exit_code, USAGE);
    expect_in(prune.errors, "blocks up to 2");
    struct program drop =
        shell_run(RUN_MS, "%s -s %s chains drop default </dev/null", tool, rig.daemon.socket);
    ck_assert_int_eq(drop.exit_code, USAGE);
    expect_in(drop.errors, "Drop all, at height 5");
    ck_assert(get_height(&rig.wire) == 5 && block_is(&rig.wire, 1, "header 1"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_set_that_is_answered_survives_the_daemons_death)
{
    /* queued metadata is written because somebody waits for it */
    struct rig rig = rig_start("--flush-delay 1h");
    expect_in(cairn(&rig, DONE, "meta set name value"), "written, ");
    expect_in(cairn(&rig, DONE, "meta raise mark 7"), "written, ");
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "name", "value"));
    ck_assert(metadata_holds_number(&rig.wire, "mark", 7));
    rig_end(&rig);
}
END_TEST

START_TEST(test_ping_waits_for_a_daemon)
{
    struct rig rig = rig_start("");
    const char *tool = getenv("CAIRN");
    struct program none = shell_run(RUN_MS, "exec %s -s %s.none ping --wait 200ms", tool, rig.daemon.socket);
    ck_assert_int_eq(none.exit_code, NOBODY);
    wire_close(&rig.wire);
    ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    fflush(NULL);
    pid_t waiter = fork();
    if (waiter == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(shell_run(5 * RUN_MS, "exec %s -s %s ping --wait 90s", tool, rig.daemon.socket).exit_code);
    }
    daemon_start(&rig.daemon, "");
    int status;
    ck_assert_int_eq(waitpid(waiter, &status, 0), waiter);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == DONE);
    rig.wire = rig_open(&rig);
    rig_end(&rig);
}
END_TEST

START_TEST(test_version_and_help_are_found_where_they_are_looked_for)
{
    const char *tool = getenv("CAIRN");
    static const char *const versions[] = {"--version", "-V", "version"};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct program version = shell_run(RUN_MS, "exec %s %s", tool, versions[i]);
        ck_assert_int_eq(version.exit_code, DONE);
        ck_assert_int_eq(strncmp(version.output, "cairn ", 6), 0);
    }
    struct program help = shell_run(RUN_MS, "exec %s help", tool);
    ck_assert_int_eq(help.exit_code, DONE);
    expect_in(help.output, "141");
    help = shell_run(RUN_MS, "exec %s help meta set", tool);
    ck_assert_int_eq(help.exit_code, DONE);
    expect_in(help.output, "default: written");
    ck_assert_int_eq(shell_run(RUN_MS, "exec %s help meta", tool).exit_code, DONE);
    struct program unknown = shell_run(RUN_MS, "exec %s help stauts", tool);
    ck_assert_int_eq(unknown.exit_code, USAGE);
    expect_in(unknown.errors, "did you mean status?");
}
END_TEST

/* What bash offers, by the tool's own script, for the last of these words; they stand as bash cuts them. */
static char *bash_offers(const struct rig *rig, const char *words)
{
    struct program bash =
        shell_run(RUN_MS,
                  "cd %s && exec bash -c 'source <(\"$CAIRN\" completion bash); COMP_WORDS=(\"$CAIRN\" "
                  "--socket %s -d 20s %s); "
                  "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cairn; printf \"%%s \" \"${COMPREPLY[@]}\"'",
                  rig->daemon.home.path, rig->daemon.socket, words);
    ck_assert_str_eq(bash.errors, "");
    return bash.output;
}

START_TEST(test_bash_completes_chains_status_names_and_files)
{
    struct rig rig = rig_start("");
    cairn(&rig, DONE, "chains create alpha-chain");
    file_write(directory_path(&rig.daemon.home, "some-file"), "");
    ck_assert_str_eq(bash_offers(&rig, "height --chain al"), "alpha-chain ");
    ck_assert_str_eq(bash_offers(&rig, "height --chain = al"), "alpha-chain ");
    expect_in(bash_offers(&rig, "status queue.op"), "queue.operations ");
    ck_assert_str_eq(bash_offers(&rig, "meta set --level = d"), "durable ");
    ck_assert_str_eq(bash_offers(&rig, "meta set --level ="), "accepted written durable ");
    ck_assert_str_eq(bash_offers(&rig, "replay some-f"), "some-file ");
    ck_assert_str_eq(bash_offers(&rig, "meta set name @some-f"), "@some-file ");
    ck_assert_str_eq(bash_offers(&rig, "commit --block 7 : some-file : some-f"), "some-file ");
    ck_assert_str_eq(bash_offers(&rig, "commit --set name = @some-f"), "@some-file ");
    ck_assert_str_eq(bash_offers(&rig, "meta get nothing"), " ");
    struct program cairnd = shell_run(
        RUN_MS,
        "exec bash -c 'source <(\"$CAIRN\" completion bash); COMP_WORDS=(\"$CAIRND\" --print); COMP_CWORD=1; "
        "_cairnd; echo \"${COMPREPLY[@]}\"'");
    ck_assert_str_eq(cairnd.output, "--print-config\n");
    rig_end(&rig);
}
END_TEST

START_TEST(test_each_verb_has_help_with_an_example)
{
    static const char *const verbs[] = {"ping",     "status",   "height",   "block",     "state",
                                        "meta get", "meta set", "meta del", "meta list", "meta raise",
                                        "commit",   "barrier",  "prune",    "rollback",  "chains",
                                        "replay",   "bench"};
    const char *tool = getenv("CAIRN");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct program help = shell_run(RUN_MS, "exec %s %s --help", tool, verbs[i]);
        ck_assert_int_eq(help.exit_code, DONE);
        expect_in(help.output, "usage:");
        expect_in(help.output, "Example:");
    }
}
END_TEST

START_TEST(test_help_of_the_first_word_lists_the_verbs_that_start_with_it)
{
    static const struct {
        const char *words, *listed[5], *not_listed;
    } helps[] = {
        {"meta --help", {"meta get", "meta set", "meta del", "meta list", "meta raise"}, "rollback"},
        {"meta -h", {"meta get", "meta set", "meta del", "meta list", "meta raise"}, "rollback"},
        {"--help meta", {"meta get", "meta set", "meta del", "meta list", "meta raise"}, "rollback"},
        {"chains --help", {"chains list", "chains create"}, "rollback"},
    };
    const char *tool = getenv("CAIRN");
    for (size_t i = 0; i < sizeof helps / sizeof *helps; i++) {
        struct program help = shell_run(RUN_MS, "exec %s %s", tool, helps[i].words);
        ck_assert_msg(help.exit_code == DONE, "%s: exit %d: %s", helps[i].words, help.exit_code, help.errors);
        expect_in(help.output, "usage: cairn ");
        for (size_t at = 0; at < 5 && helps[i].listed[at] != NULL; at++) {
            expect_in(help.output, helps[i].listed[at]);
        }
        ck_assert_ptr_null(strstr(help.output, helps[i].not_listed));
    }
    ck_assert_int_eq(shell_run(RUN_MS, "exec %s meta", tool).exit_code, USAGE);
    ck_assert_int_eq(shell_run(RUN_MS, "exec %s nonsense --help", tool).exit_code, USAGE);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool", 150, &tests);
    tcase_add_test(tests, test_ping_and_status);
    tcase_add_test(tests, test_socket_from_the_environment);
    tcase_add_test(tests, test_commit_block_state_height);
    tcase_add_test(tests, test_metadata_verbs);
    tcase_add_test(tests, test_lists_go_both_ways_and_ranges_go);
    tcase_add_test(tests, test_a_conflict_says_its_reason_and_a_guard_may_let_a_malformed_value_pass);
    tcase_add_test(tests, test_chains_say_who_has_claimed_and_release_ends_that);
    tcase_add_test(tests, test_values_are_binary_safe);
    tcase_add_test(tests, test_barrier_prune_rollback_chains);
    tcase_add_test(tests, test_destructive_verbs_ask_and_take_no_silence_for_yes);
    tcase_add_test(tests, test_a_set_that_is_answered_survives_the_daemons_death);
    tcase_add_test(tests, test_ping_waits_for_a_daemon);
    tcase_add_test(tests, test_version_and_help_are_found_where_they_are_looked_for);
    tcase_add_test(tests, test_bash_completes_chains_status_names_and_files);
    tcase_add_test(tests, test_each_verb_has_help_with_an_example);
    tcase_add_test(tests, test_help_of_the_first_word_lists_the_verbs_that_start_with_it);
    return suite_run(suite, false);
}
