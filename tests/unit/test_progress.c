/* Progress: what the line says, and that it fits every width. */
#include <string.h>

#include "client/tool/progress.h"
#include "tests/lib/suite.h"

static char text[512];

static const char *line(double part, int64_t left_us, double rate, size_t columns)
{
    const struct progress_look look = {.count = 500, .part = part, .left_us = left_us, .passed_us = 60000000};
    progress_line("recording.jsonl", "calls", &look, rate, columns, text, sizeof text);
    return text;
}

START_TEST(it_tells_part_rate_and_what_is_left)
{
    ck_assert_str_eq(line(0.25, -1, 1234.4, 100), " 25 %  3:00 left  1234 calls/s  recording.jsonl");
    ck_assert_str_eq(line(0.5, 3723000000, 10, 100), " 50 %  1:02:03 left  10 calls/s  recording.jsonl");
    ck_assert_str_eq(line(0, -1, -1, 100), "  0 %  recording.jsonl"); /* nothing is known yet */
    ck_assert_str_eq(line(-1, -1, 10, 100), "10 calls/s  recording.jsonl");
    ck_assert_str_eq(line(1.5, 0, 10, 100), "100 %  0:00 left  10 calls/s  recording.jsonl");
}
END_TEST

START_TEST(it_is_shorter_than_any_terminal_is_wide)
{
    for (size_t columns = 1; columns < 120; columns++) {
        ck_assert_uint_lt(strlen(line(0.25, 1000000, 1e9, columns)), columns);
    }
    ck_assert_str_eq(line(0.25, -1, 1234, 20), " 25 %  3:00 left");
    ck_assert_str_eq(line(0.25, -1, 1234, 6), " 25 %");
    ck_assert_str_eq(line(0.25, -1, 1234, 5), "");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("progress", 20, &tests);
    tcase_add_test(tests, it_tells_part_rate_and_what_is_left);
    tcase_add_test(tests, it_is_shorter_than_any_terminal_is_wide);
    return suite_run(suite, true);
}
