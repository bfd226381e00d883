/* The examples of the client library do what they say. $CAIRN_EXAMPLES is where they were built. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

static void run_example(const char *name)
{
    const char *place = getenv("CAIRN_EXAMPLES");
    if (place == NULL || *place == '\0') {
        return;
    }
    struct rig rig = rig_start("");
    for (int i = 0; i < 2; i++) { /* also on a store that is not empty */
        struct program program = shell_run(60000, "exec %s/%s %s", place, name, rig.daemon.socket);
        ck_assert_msg(program.exit_code == 0, "%s: exit %d: %s%s", name, program.exit_code, program.output,
                      program.errors);
    }
    rig_end(&rig);
}

static const char *const all[] = {"asynchronous", "blocking", "claim", "reorganize", "retry", "stream", "uv"};

START_TEST(test_example_runs)
{
    run_example(all[_i]);
}
END_TEST

START_TEST(test_examples_fail_with_a_message_where_nobody_listens)
{
    static const char *const names[] = {"blocking", "asynchronous"};
    const char *place = getenv("CAIRN_EXAMPLES");
    if (place == NULL || *place == '\0') {
        return;
    }
    struct daemon daemon = daemon_new(); /* never started */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct program program = shell_run(60000, "exec %s/%s %s", place, names[i], daemon.socket);
        ck_assert_msg(program.exit_code == 1, "%s: exit %d", names[i], program.exit_code);
        ck_assert_msg(strstr(program.errors, "cannot connect") != NULL, "%s: %s", names[i], program.errors);
    }
    daemon_close(&daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("examples", 90, &tests);
    tcase_add_loop_test(tests, test_example_runs, 0, sizeof all / sizeof *all);
    tcase_add_test(tests, test_examples_fail_with_a_message_where_nobody_listens);
    return suite_run(suite, false);
}
