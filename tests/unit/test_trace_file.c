/* Lines of a file: plain or compressed they are the same, and what is cut is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "client/tool/replay/trace_file.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

static struct directory directory;

static void setup(void)
{
    directory = directory_new();
}

static void teardown(void)
{
    directory_remove(&directory);
}

static struct trace_file *open_bytes(const void *bytes, size_t count)
{
    const char *path = directory_path(&directory, "file");
    FILE *file = fopen(path, "we");
    ck_assert(file != NULL && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
    struct trace_file *opened = trace_file_open(path);
    ck_assert_ptr_nonnull(opened);
    return opened;
}

static void expect_lines(struct trace_file *file, const char *const *lines, size_t count)
{
    const char *line;
    size_t size;
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(trace_file_next(file, &line, &size), TRACE_FILE_LINE);
        ck_assert(size == strlen(lines[i]) && memcmp(line, lines[i], size) == 0);
        ck_assert_uint_eq(trace_file_number(file), i + 1);
    }
}

START_TEST(lines_are_the_same_plain_and_compressed_and_the_last_needs_no_newline)
{
    static const char text[] = "one\n\ntwo words\nlast";
    static const char *const lines[] = {"one", "", "two words", "last"};
    uint8_t compressed[200];
    size_t bytes = ZSTD_compress(compressed, sizeof compressed, text, strlen(text), 3);
    ck_assert(!ZSTD_isError(bytes));
    for (int i = 0; i < 2; i++) {
        struct trace_file *file = i == 0 ? open_bytes(text, strlen(text)) : open_bytes(compressed, bytes);
        const char *line;
        size_t size;
        expect_lines(file, lines, 4);
        ck_assert_int_eq(trace_file_next(file, &line, &size), TRACE_FILE_END);
        trace_file_close(file);
    }
}
END_TEST

START_TEST(a_line_longer_than_a_step_of_reading_is_whole)
{
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 5);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nend\n", 5);
    struct trace_file *file = open_bytes(text, LONG + 5);
    const char *line;
    size_t size;
    ck_assert_int_eq(trace_file_next(file, &line, &size), TRACE_FILE_LINE);
    ck_assert(size == LONG && memcmp(line, text, LONG) == 0);
    ck_assert_int_eq(trace_file_next(file, &line, &size), TRACE_FILE_LINE);
    ck_assert_uint_eq(size, 3);
    trace_file_close(file);
    free(text);
}
END_TEST

START_TEST(a_compressed_file_that_is_cut_or_damaged_fails_behind_its_good_lines)
{
    char text[3000];
    uint8_t compressed[4000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 50 == 49 ? '\n' : (char)('a' + i * i % 23);
    }
    size_t bytes = ZSTD_compress(compressed, sizeof compressed, text, sizeof text, 3);
    ck_assert(!ZSTD_isError(bytes));
    struct trace_file *file = open_bytes(compressed, bytes - 3);
    const char *line;
    size_t size;
    enum trace_file_result result;
    while ((result = trace_file_next(file, &line, &size)) == TRACE_FILE_LINE) {
        ck_assert_uint_eq(size, 49);
    }
    ck_assert_int_eq(result, TRACE_FILE_FAILED);
    ck_assert(trace_file_error(file)[0] != '\0');
    trace_file_close(file);
    trace_file_close(NULL);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_not_opened)
{
    ck_assert_ptr_null(trace_file_open(directory_path(&directory, "nothing")));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("trace_file", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lines_are_the_same_plain_and_compressed_and_the_last_needs_no_newline);
    tcase_add_test(tests, a_line_longer_than_a_step_of_reading_is_whole);
    tcase_add_test(tests, a_compressed_file_that_is_cut_or_damaged_fails_behind_its_good_lines);
    tcase_add_test(tests, a_file_that_is_not_there_is_not_opened);
    return suite_run(suite, true);
}
