/* Progress: what the line says, and that it fits every width. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* What a terminal of that width shows of three looks, a second apart; the last one is of another sum. */
static const char *shown(unsigned short columns)
{
    static char seen[1024];
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    int real = dup(STDERR_FILENO), master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert(terminal >= 0 && ioctl(master, TIOCSWINSZ, &size) == 0);
    dup2(terminal, STDERR_FILENO);
    struct progress progress;
    progress_begin(&progress, "name", "calls");
    ck_assert_int_gt(progress_wait_us(&progress), 0);
    progress_clear(&progress); /* nothing was drawn */
    const uint64_t counts[] = {100, 300, 900, 50};
    for (int i = 0; i < 4; i++) {
        struct progress_look look = {.count = counts[i], .part = 0.25 * (i + 1), .left_us = -1};
        progress_show(&progress, &look, 1000000 * (i + 1));
        progress_show(&progress, &look, 1000000 * (i + 1) + 1); /* too soon */
    }
    progress_clear(&progress);
    dup2(real, STDERR_FILENO);
    close(terminal);
    size_t bytes = 0;
    ssize_t n;
    do { /* what was written comes in parts, and then an error, for nobody has the terminal open any more */
        n = read(master, seen + bytes, sizeof seen - 1 - bytes);
        bytes += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    seen[bytes] = '\0';
    close(real);
    close(master);
    return seen;
}

#define CLEAR "\r\033[K"

START_TEST(a_terminal_shows_it_and_is_clear_behind_it)
{
    static const char all[] =
        CLEAR " 25 %  0:00 left  name" CLEAR " 50 %  0:00 left  200 calls/s  name" CLEAR
              " 75 %  0:00 left  300 calls/s  name" CLEAR "100 %  0:00 left  name" CLEAR;
    ck_assert_str_eq(shown(0), all); /* a terminal that does not say how wide it is */
    ck_assert_str_eq(shown(200), all);
    ck_assert_str_eq(shown(6), CLEAR " 25 %" CLEAR " 50 %" CLEAR " 75 %" CLEAR "100 %" CLEAR);
}
END_TEST

START_TEST(without_a_terminal_nothing_is_shown)
{
    struct progress progress;
    struct progress_look look = {.count = 1};
    FILE *file = tmpfile();
    int real = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    progress_begin(&progress, "name", "calls");
    ck_assert_int_eq(progress_wait_us(&progress), -1);
    progress_show(&progress, &look, 1000000);
    progress_clear(&progress);
    dup2(real, STDERR_FILENO);
    ck_assert_int_eq(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
    close(real);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("progress", 20, &tests);
    tcase_add_test(tests, it_tells_part_rate_and_what_is_left);
    tcase_add_test(tests, it_is_shorter_than_any_terminal_is_wide);
    tcase_add_test(tests, a_terminal_shows_it_and_is_clear_behind_it);
    tcase_add_test(tests, without_a_terminal_nothing_is_shown);
    return suite_run(suite, true);
}
