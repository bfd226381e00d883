/* A daemon's reply as a recorded answer: of each call the part that a recording has, and nothing more. */
#include <string.h>

#include "client/tool/replay/compare.h"
#include "tests/lib/suite.h"

START_TEST(a_block_has_the_parts_it_came_with_and_a_height_if_it_was_asked_for_by_hash)
{
    struct trace_call call = {.op = TRACE_BLOCK};
    struct trace_answer answer = {.kind = TRACE_ANSWER_NONE};
    struct cairn_reply reply = {.status = CAIRN_OK,
                                .block = {.height = 5,
                                          .parts = CAIRN_DATA | CAIRN_HASH,
                                          .data = cairn_text("data"),
                                          .hash = cairn_text("h")}};
    ck_assert(compare_answer(&call, &reply, &answer));
    ck_assert(answer.kind == TRACE_ANSWER_BLOCK && answer.parts == (CAIRN_DATA | CAIRN_HASH) &&
              !answer.has_height);
    struct digest expected = digest_of(cairn_text("data"));
    ck_assert(digest_equal(&answer.digests[TRACE_DATA], &expected));
    call.block.hash = cairn_text("h");
    answer = (struct trace_answer){.kind = TRACE_ANSWER_NONE};
    ck_assert(compare_answer(&call, &reply, &answer));
    ck_assert(answer.has_height && answer.height == 5);
}
END_TEST

START_TEST(statuses_are_answers_but_failures_are_none)
{
    const struct trace_call call = {.op = TRACE_SET};
    struct trace_answer answer = {.kind = TRACE_ANSWER_NONE};
    const struct {
        enum cairn_status status;
        enum trace_answer_kind kind;
    } good[] = {{CAIRN_OK, TRACE_ANSWER_OK},
                {CAIRN_NOT_FOUND, TRACE_ANSWER_NOT_FOUND},
                {CAIRN_CONFLICT, TRACE_ANSWER_REFUSED}};
    const enum cairn_status bad[] = {CAIRN_INVALID, CAIRN_BUSY, CAIRN_NO_SPACE, CAIRN_TIMEOUT,
                                     CAIRN_NO_MEMORY};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert(compare_answer(&call, &(struct cairn_reply){.status = good[i].status}, &answer));
        ck_assert_int_eq(answer.kind, good[i].kind);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!compare_answer(&call, &(struct cairn_reply){.status = bad[i]}, &answer));
    }
}
END_TEST

START_TEST(the_items_of_a_list_are_copied_however_many_there_are)
{
    enum { ITEMS = 100 };
    struct region region = {.blocks = NULL};
    struct trace_answer answer = {.kind = TRACE_ANSWER_NONE};
    for (int i = 0; i < ITEMS; i++) {
        char name[2] = {(char)i, '\0'}; /* gone when the next one comes */
        const struct cairn_metadata item = {.name = {name, 1}, .value = {name, i % 2 == 0 ? 1 : 0}};
        compare_entry(&region, &answer, &item);
    }
    ck_assert_uint_eq(answer.entry_count, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert(answer.entries[i].name.bytes == 1 && *(const char *)answer.entries[i].name.data == (char)i);
        ck_assert_uint_eq(answer.entries[i].value.bytes, i % 2 == 0 ? 1 : 0);
    }
    region_close(&region);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("compare", 20, &tests);
    tcase_add_test(tests, a_block_has_the_parts_it_came_with_and_a_height_if_it_was_asked_for_by_hash);
    tcase_add_test(tests, statuses_are_answers_but_failures_are_none);
    tcase_add_test(tests, the_items_of_a_list_are_copied_however_many_there_are);
    return suite_run(suite, true);
}
