/* The statuses: their codes never move, each says what happened to the write, a code from elsewhere is safe. */
#include <check.h>
#include <stdlib.h>

#include "proto/status.h"

static const struct {
    enum status status;
    int code;
    enum status_applied applied;
    const char *text;
} documented[] = {
    {STATUS_OK, 0, STATUS_APPLIED, "ok"},
    {STATUS_NOT_FOUND, 1, STATUS_NOT_APPLIED, "not found"},
    {STATUS_INVALID, 2, STATUS_NOT_APPLIED, "invalid"},
    {STATUS_TOO_LARGE, 3, STATUS_NOT_APPLIED, "too large"},
    {STATUS_CONFLICT, 4, STATUS_NOT_APPLIED, "conflict"},
    {STATUS_BUSY, 5, STATUS_NOT_APPLIED, "busy"},
    {STATUS_NO_SPACE, 6, STATUS_NOT_APPLIED, "no space"},
    {STATUS_SHUTTING_DOWN, 7, STATUS_NOT_APPLIED, "shutting down"},
    {STATUS_PERMISSION, 8, STATUS_NOT_APPLIED, "permission"},
    {STATUS_UNSUPPORTED, 9, STATUS_NOT_APPLIED, "unsupported"},
    {STATUS_READ_ONLY, 10, STATUS_NOT_APPLIED, "read only"},
    {STATUS_IO_ERROR, 11, STATUS_UNKNOWN, "io error"},
    {STATUS_DAMAGED, 12, STATUS_NOT_APPLIED, "damaged"},
};

START_TEST(statuses_are_the_documented_ones)
{
    ck_assert_uint_eq(sizeof documented / sizeof documented[0], STATUS_COUNT);
    for (int code = 0; code < STATUS_COUNT; code++) {
        ck_assert_int_eq(documented[code].status, code);
        ck_assert_int_eq(documented[code].code, code);
        ck_assert_int_eq(status_applied((enum status)code), documented[code].applied);
        ck_assert_str_eq(status_text((enum status)code), documented[code].text);
    }
}
END_TEST

START_TEST(a_code_from_a_later_version_leaves_the_write_unknown)
{
    for (int code = STATUS_COUNT; code < 256; code++) {
        ck_assert_int_eq(status_applied((enum status)code), STATUS_UNKNOWN);
        ck_assert_str_eq(status_text((enum status)code), "unknown status");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tests = tcase_create("status");
    tcase_add_test(tests, statuses_are_the_documented_ones);
    tcase_add_test(tests, a_code_from_a_later_version_leaves_the_write_unknown);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
