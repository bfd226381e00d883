/* Recorded answers: two are equal only if all is, and what is printed reads as the same answer again. */
#include <stdlib.h>
#include <string.h>

#include "client/tool/replay/trace_answer.h"
#include "client/tool/replay/trace_line.h"
#include "tests/lib/suite.h"

static struct trace trace;

static void teardown(void)
{
    trace_close(&trace);
}

static bool parse(enum trace_op op, const char *answer, struct trace_call *ret_call)
{
    struct trace_line line = {.trace = &trace};
    *ret_call = (struct trace_call){.op = op};
    line.object = json_pack("{s:o}", "answer", json_loads(answer, JSON_DECODE_ANY, NULL));
    ck_assert_ptr_nonnull(line.object);
    bool good = trace_answer_parse(&line, ret_call);
    ck_assert(good || line.error[0] != '\0');
    json_decref(line.object);
    return good;
}

#define DIGEST(digits) "{\"len\":3,\"sha256\":\"" digits "\"}"

static const struct {
    enum trace_op op;
    const char *answer, *other;
} pairs[] = {
    {TRACE_SET, "\"ok\"", "\"refused\""},
    {TRACE_GET, "{\"value\":\"YQ==\"}", "{\"value\":\"Yg==\"}"},
    {TRACE_GET, "{\"value\":\"\"}", "\"not found\""},
    {TRACE_HEIGHT, "{\"height\":7}", "{\"height\":8}"},
    {TRACE_STATE, "{\"state\":" DIGEST("0011223344556677") "}", "{\"state\":" DIGEST("0011223344556678") "}"},
    {TRACE_BLOCK, "{\"data\":" DIGEST("0011223344556677") "}", "{\"header\":" DIGEST("0011223344556677") "}"},
    {TRACE_BLOCK, "{\"data\":" DIGEST("0011223344556677") ",\"height\":1}",
     "{\"data\":" DIGEST("0011223344556677") "}"},
    {TRACE_LIST, "{\"entries\":[{\"name\":\"a\",\"value\":\"YQ==\"}]}", "{\"entries\":[]}"},
    {TRACE_LIST, "{\"entries\":[{\"name\":\"a\",\"value\":\"YQ==\"}]}",
     "{\"entries\":[{\"name\":\"a\",\"value\":\"\"}]}"},
};

START_TEST(answers_are_equal_or_they_are_not)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct trace_call first, again, other;
        ck_assert(parse(pairs[i].op, pairs[i].answer, &first) && parse(pairs[i].op, pairs[i].answer, &again));
        ck_assert(parse(pairs[i].op, pairs[i].other, &other));
        ck_assert_msg(trace_answer_equal(&first.answer, &again.answer), "%s", pairs[i].answer);
        ck_assert_msg(!trace_answer_equal(&first.answer, &other.answer), "%s", pairs[i].answer);
        ck_assert(!trace_answer_equal(&other.answer, &first.answer));
    }
}
END_TEST

START_TEST(what_is_printed_reads_as_the_same_answer)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct trace_call call, again;
        ck_assert(parse(pairs[i].op, pairs[i].answer, &call));
        char *text = trace_answer_text(&call.answer);
        ck_assert_msg(parse(pairs[i].op, text, &again) && trace_answer_equal(&call.answer, &again.answer),
                      "%s", text);
        free(text);
    }
}
END_TEST

START_TEST(an_answer_of_the_wrong_kind_fails)
{
    struct trace_call call;
    ck_assert(!parse(TRACE_SET, "{\"height\":7}", &call));
    ck_assert(!parse(TRACE_HEIGHT, "{}", &call));
    ck_assert(!parse(TRACE_HEIGHT, "{\"height\":-1}", &call));
    ck_assert(!parse(TRACE_GET, "{\"value\":\"no base64\"}", &call));
    ck_assert(!parse(TRACE_STATE, "{\"state\":{\"len\":3,\"sha256\":\"00\"}}", &call));
    ck_assert(!parse(TRACE_LIST, "{\"entries\":[7]}", &call));
    ck_assert(!parse(TRACE_GET, "7", &call) && !parse(TRACE_GET, "\"perhaps\"", &call));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("trace_answer", 20, &tests);
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, answers_are_equal_or_they_are_not);
    tcase_add_test(tests, what_is_printed_reads_as_the_same_answer);
    tcase_add_test(tests, an_answer_of_the_wrong_kind_fails);
    return suite_run(suite, true);
}
