/* The index of errors has an anchor for each exit code and each status that the code's tables have. $CAIRN_SOURCE is the tree. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/tool.h"
#include "proto/status.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static char *index_text;

static void setup(void)
{
    const char *source = getenv("CAIRN_SOURCE");
    ck_assert_msg(source != NULL, "CAIRN_SOURCE does not name the tree");
    index_text = file_read(kept_format("%s/client/tool/ERRORS.md", source));
    ck_assert_uint_gt(strlen(index_text), 0);
}

/* The line of the anchor's row; it fails the test if there is none, or if it has no text. */
static const char *row_of(const char *anchor)
{
    char *found = strstr(index_text, kept_format("| <a id=\"%s\"></a>", anchor));
    ck_assert_msg(found != NULL, "client/tool/ERRORS.md has no row for %s", anchor);
    return kept_copy(found, strcspn(found, "\n"));
}

START_TEST(every_exit_code_has_a_row_with_its_name){
#define TOOL_EXIT_ROW(name, code, text)                                                                      \
    ck_assert_ptr_nonnull(strstr(row_of("exit-" #code), "</a>" #code " " #name " |"));
    TOOL_EXIT_LIST(TOOL_EXIT_ROW)
#undef TOOL_EXIT_ROW
} END_TEST

    static void check_status(enum cairn_status status)
{
    char *anchor = kept_format("status-%s", cairn_status_text(status));
    for (char *at = anchor; *at != '\0'; at++) {
        *at = *at == ' ' ? '-' : (char)tolower((unsigned char)*at);
    }
    const char *row = row_of(anchor);
    char *named = kept_format("</a>%s | %d |", cairn_status_text(status), (int)tool_exit_of(status));
    ck_assert_msg(strstr(row, named) != NULL, "no \"%s\" in: %s", named, row);
}

START_TEST(every_status_has_a_row_with_its_exit_code)
{
    for (int code = 0; code < STATUS_COUNT; code++) {
        check_status((enum cairn_status)code);
    }
    for (int code = CAIRN_TIMEOUT; strcmp(cairn_status_text((enum cairn_status)code), "unknown status") != 0;
         code++) {
        check_status((enum cairn_status)code);
    }
}
END_TEST

START_TEST(every_row_is_of_a_code_or_status_that_is_there)
{
    int rows = 0, expected = STATUS_COUNT;
    for (const char *at = index_text; (at = strstr(at, "<a id=\"")) != NULL; at++) {
        rows++;
    }
#define TOOL_EXIT_COUNT(name, code, text) expected++;
    TOOL_EXIT_LIST(TOOL_EXIT_COUNT)
#undef TOOL_EXIT_COUNT
    for (int code = CAIRN_TIMEOUT; strcmp(cairn_status_text((enum cairn_status)code), "unknown status") != 0;
         code++) {
        expected++;
    }
    ck_assert_int_eq(rows, expected);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("error_index", 20, &tests);
    tcase_add_checked_fixture(tests, setup, kept_clear);
    tcase_add_test(tests, every_exit_code_has_a_row_with_its_name);
    tcase_add_test(tests, every_status_has_a_row_with_its_exit_code);
    tcase_add_test(tests, every_row_is_of_a_code_or_status_that_is_there);
    return suite_run(suite, true);
}
