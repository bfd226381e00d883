/* A client written from the protocol's document alone, without a line of ours, works against the daemon. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

START_TEST(test_client_written_from_the_document_alone_works)
{
    const char *source = getenv("CAIRN_SOURCE");
    char *script = kept_format("%s/tests/integration/independent_client.py", source == NULL ? "." : source);
    ck_assert_msg(file_exists(script), "no %s", script);
    struct rig rig = rig_start("");
    struct program program =
        shell_run(100000, "PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 %s %s", script, rig.daemon.socket);
    ck_assert_msg(program.exit_code == 0, "exit %d: %s%s", program.exit_code, program.output, program.errors);
    ck_assert_ptr_nonnull(strstr(program.output, " 0 failed"));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("independent client", 120, &tests);
    tcase_add_test(tests, test_client_written_from_the_document_alone_works);
    return suite_run(suite, false);
}
