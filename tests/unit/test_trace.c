/* The reader of recorded traces: what a good line says arrives in the call, and a bad line is told by file, line, call
 * and what is wrong with it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "client/tool/replay/trace_answer.h"
#include "client/tool/replay/trace_read.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

#define FIRST "{\"trace\":1,\"recorded_from\":\"a test\",\"calls\":2,\"chains\":[\"main\",\"aux\"]}\n"
#define CALL  "\"caller\":\"a\",\"t_us\":5,\"chain\":\"main\","

static struct trace read_good(const char *text)
{
    struct directory directory = directory_new();
    struct trace trace;
    char error[TRACE_ERROR_BYTES] = "";
    const char *path = directory_path(&directory, "trace.jsonl");
    file_write(path, text);
    bool good = trace_read(path, &trace, error);
    directory_remove(&directory);
    ck_assert_msg(good, "%s", error);
    return trace;
}

/* The whole text of the one good call. */
static struct trace read_call(const char *rest)
{
    char text[4096];
    snprintf(text, sizeof text, FIRST "{\"n\":1," CALL "%s}\n", rest);
    struct trace trace = read_good(text);
    ck_assert_uint_eq(trace.count, 1);
    return trace;
}

static void assert_slice(struct cairn_slice slice, const char *text)
{
    ck_assert_uint_eq(slice.bytes, strlen(text));
    ck_assert_mem_eq(slice.data, text, slice.bytes);
}

START_TEST(the_description_and_who_called_when_are_kept)
{
    struct trace trace =
        read_good(FIRST "{\"n\":1," CALL "\"op\":\"height\",\"answer\":{\"height\":7}}\n"
                        "{\"op\":\"reopen\",\"n\":2}\n"
                        "\n"
                        "{\"answer\":\"not found\",\"name\":\"x\",\"op\":\"get\",\"chain\":\"aux\","
                        "\"after\":[1],\"t_us\":9,\"caller\":\"b\",\"n\":4}");
    ck_assert_uint_eq(trace.declared, 2);
    ck_assert_uint_eq(trace.count, 3);
    ck_assert_int_eq(trace.calls[0].op, TRACE_HEIGHT);
    ck_assert_uint_eq(trace.calls[0].answer.height, 7);
    ck_assert_int_eq(trace.calls[0].time_us, 5);
    ck_assert_int_eq(trace.calls[1].op, TRACE_REOPEN);
    ck_assert_uint_eq(trace.calls[2].number, 4);
    ck_assert_uint_eq(trace.calls[2].line, 5);
    ck_assert_uint_eq(trace.calls[2].after_count, 1);
    ck_assert_uint_eq(trace.calls[2].after[0], 0);
    ck_assert_str_eq(trace.callers.names[trace.calls[2].caller], "b");
    ck_assert_str_eq(trace.chains.names[trace.calls[2].chain], "aux");
    trace_close(&trace);
}
END_TEST

/* What trace_is_whole() says is wrong with it; "" if nothing is. */
static const char *part(const char *text)
{
    static char error[TRACE_ERROR_BYTES];
    struct trace trace = read_good(text);
    error[0] = '\0';
    ck_assert_int_eq(trace_is_whole(&trace, "trace.jsonl", error), error[0] == '\0');
    trace_close(&trace);
    return error;
}

#define HEIGHT(n, chain)                                                                                     \
    "{\"n\":" n ",\"caller\":\"a\",\"t_us\":5,\"chain\":\"" chain                                            \
    "\",\"op\":\"height\",\"answer\":{\"height\":7}}\n"

START_TEST(a_recording_is_whole_if_it_is_what_its_first_line_says)
{
    ck_assert_str_eq(part(FIRST HEIGHT("1", "main") HEIGHT("2", "aux")), "");
    ck_assert_str_eq(part(FIRST HEIGHT("1", "main") "{\"op\":\"reopen\",\"n\":2}\n"), "");
    ck_assert_ptr_nonnull(strstr(part(FIRST HEIGHT("1", "main")), "2 calls, and there are 1: it was cut"));
    ck_assert_ptr_nonnull(strstr(part(FIRST), "it was cut"));
    ck_assert_ptr_nonnull(
        strstr(part(FIRST HEIGHT("1", "main") HEIGHT("2", "main") HEIGHT("3", "aux")), "lines were added"));
    ck_assert_ptr_nonnull(strstr(part(HEIGHT("1", "main")), "first line does not say"));
    ck_assert_ptr_nonnull(
        strstr(part("{\"trace\":1,\"chains\":[\"main\"]}\n" HEIGHT("1", "main")), "first line does not say"));
    ck_assert_ptr_nonnull(strstr(part(FIRST HEIGHT("1", "main") HEIGHT("2", "other")),
                                 "trace.jsonl:3: call 2: the first line tells of no chain \"other\""));
}
END_TEST

START_TEST(what_is_not_told_has_a_default)
{
    struct trace trace =
        read_good("{\"n\":3,\"op\":\"set\",\"name\":\"x\",\"value\":\"\",\"level\":null,\"answer\":\"ok\"}");
    const struct trace_call *call = &trace.calls[0];
    ck_assert_str_eq(trace.chains.names[call->chain], "main");
    ck_assert_int_eq(call->time_us, 0);
    ck_assert_int_eq(call->write.level, CAIRN_LEVEL_DEFAULT);
    ck_assert_uint_eq(call->write.operations[0].value.bytes, 0);
    ck_assert_uint_eq(call->write.operations[0].of_height, 0);
    trace_close(&trace);
}
END_TEST

START_TEST(a_block_is_read_by_height_or_hash)
{
    struct trace trace =
        read_call("\"op\":\"block\",\"height\":12,\"parts\":[\"data\",\"header\"],\"answer\":{"
                  "\"header\":{\"len\":3,\"sha256\":\"0011223344556677\"},"
                  "\"data\":{\"sha256\":\"8899aabbccddeeff\",\"len\":0}}");
    ck_assert_uint_eq(trace.calls[0].block.height, 12);
    ck_assert_uint_eq(trace.calls[0].block.parts, CAIRN_HEADER | CAIRN_DATA);
    ck_assert_int_eq(trace.calls[0].answer.kind, TRACE_ANSWER_BLOCK);
    ck_assert_uint_eq(trace.calls[0].answer.parts, CAIRN_HEADER | CAIRN_DATA);
    ck_assert_uint_eq(trace.calls[0].answer.digests[TRACE_HEADER].size, 3);
    ck_assert_uint_eq(trace.calls[0].answer.digests[TRACE_DATA].sha256[7], 0xff);
    trace_close(&trace);
    trace = read_call("\"op\":\"block\",\"hash\":\"YWJj\",\"answer\":{\"height\":4}");
    assert_slice(trace.calls[0].block.hash, "abc");
    ck_assert_uint_eq(trace.calls[0].block.parts, 0);
    ck_assert(trace.calls[0].answer.has_height);
    trace_close(&trace);
}
END_TEST

START_TEST(a_state_is_read_by_height_or_at_the_tip)
{
    struct trace trace = read_call("\"op\":\"state\",\"height\":0,\"answer\":\"not found\"");
    ck_assert(trace.calls[0].state.at_height);
    trace_close(&trace);
    trace = read_call(
        "\"op\":\"state\",\"tip\":true,\"answer\":{\"state\":{\"len\":1,\"sha256\":\"0011223344556677\"}}");
    ck_assert(!trace.calls[0].state.at_height);
    ck_assert_uint_eq(trace.calls[0].answer.state.size, 1);
    trace_close(&trace);
}
END_TEST

START_TEST(a_batch_holds_sets_deletes_and_raises_in_order)
{
    struct trace trace =
        read_call("\"op\":\"batch\",\"level\":\"written\",\"metadata\":[{\"name\":\"a\",\"value\":\"YQ==\","
                  "\"of_height\":9},"
                  "{\"name\":\"b\",\"delete\":true},{\"name\":\"c\",\"raise\":77}],\"answer\":\"ok\"");
    const struct cairn_write_metadata_request *write = &trace.calls[0].write;
    ck_assert_int_eq(write->level, CAIRN_WRITTEN);
    ck_assert_uint_eq(write->operation_count, 3);
    ck_assert_int_eq(write->operations[0].kind, CAIRN_SET);
    assert_slice(write->operations[0].value, "a");
    ck_assert_uint_eq(write->operations[0].of_height, 9);
    ck_assert_int_eq(write->operations[1].kind, CAIRN_DELETE);
    assert_slice(write->operations[1].name, "b");
    ck_assert_int_eq(write->operations[2].kind, CAIRN_RAISE);
    ck_assert_uint_eq(write->operations[2].raise, 77);
    trace_close(&trace);
}
END_TEST

START_TEST(a_commit_holds_all_its_parts)
{
    struct trace trace = read_call(
        "\"op\":\"commit\",\"level\":\"durable\",\"blocks\":[{\"height\":2,\"header\":\"aA==\",\"data\":\"\"}"
        ","
        "{\"height\":3,\"header\":\"aQ==\",\"data\":\"ag==\",\"signature\":\"aw==\",\"hash\":\"bA==\"}],"
        "\"states\":[{\"height\":0,\"value\":\"c3Q=\"}],\"delete_states\":[1,2],\"rise_to\":3,\"carry\":true,"
        "\"expected_height\":0,\"metadata\":[{\"name\":\"m\",\"value\":\"\"}],\"answer\":\"refused\"");
    const struct cairn_commit_request *commit = &trace.calls[0].commit;
    ck_assert_uint_eq(commit->block_count, 2);
    assert_slice(commit->blocks[0].header, "h");
    ck_assert_uint_eq(commit->blocks[0].hash.bytes, 0);
    assert_slice(commit->blocks[1].signature, "k");
    assert_slice(commit->blocks[1].hash, "l");
    assert_slice(commit->states[0].value, "st");
    ck_assert_uint_eq(commit->delete_state_count, 2);
    ck_assert_uint_eq(commit->delete_states[1], 2);
    ck_assert_uint_eq(commit->rise_to, 3);
    ck_assert(commit->carry && commit->if_height);
    ck_assert_uint_eq(commit->expected_height, 0);
    ck_assert_uint_eq(commit->metadata_count, 1);
    ck_assert_int_eq(trace.calls[0].answer.kind, TRACE_ANSWER_REFUSED);
    trace_close(&trace);
}
END_TEST

START_TEST(a_prune_takes_blocks_states_or_neither)
{
    struct trace trace = read_call("\"op\":\"prune\",\"blocks\":0,\"metadata\":[],\"answer\":\"ok\"");
    ck_assert(!trace.calls[0].prune.blocks && !trace.calls[0].prune.states);
    trace_close(&trace);
    trace = read_call("\"op\":\"prune\",\"blocks\":5,\"states\":0,\"answer\":\"ok\"");
    ck_assert(trace.calls[0].prune.blocks && trace.calls[0].prune.states);
    ck_assert_uint_eq(trace.calls[0].prune.blocks_through, 5);
    trace_close(&trace);
}
END_TEST

START_TEST(a_rollback_has_guards_or_none)
{
    struct trace trace = read_call("\"op\":\"rollback\",\"to\":0,\"answer\":\"ok\"");
    ck_assert_uint_eq(trace.calls[0].rollback.guard_count, 0);
    trace_close(&trace);
    trace = read_call("\"op\":\"rollback\",\"to\":4,\"guard\":{\"name\":\"d\",\"if_above\":\"lower\"},"
                      "\"metadata\":[{\"name\":\"x\",\"delete\":true}],\"answer\":\"ok\"");
    ck_assert_uint_eq(trace.calls[0].rollback.guard_count, 1);
    ck_assert(trace.calls[0].rollback.guards[0].lower);
    ck_assert_uint_eq(trace.calls[0].rollback.metadata_count, 1);
    trace_close(&trace);
    trace = read_call("\"op\":\"rollback\",\"to\":4,\"guard\":{\"name\":\"d\"},\"answer\":\"ok\"");
    ck_assert(!trace.calls[0].rollback.guards[0].lower);
    trace_close(&trace);
}
END_TEST

START_TEST(a_list_keeps_its_entries)
{
    struct trace trace =
        read_call("\"op\":\"list\",\"answer\":{\"entries\":[{\"name\":\"a\",\"value\":\"YQ==\"},"
                  "{\"name\":\"b\\u0000\",\"value\":\"\"}]}");
    const struct trace_answer *answer = &trace.calls[0].answer;
    ck_assert_uint_eq(trace.calls[0].list.prefix.bytes, 0);
    ck_assert_uint_eq(answer->entry_count, 2);
    ck_assert_uint_eq(answer->entries[1].name.bytes, 2);
    trace_close(&trace);
}
END_TEST

/* Each is the line that follows a first, good call; what is said about it must hold the words. */
static const struct {
    const char *line;
    const char *words;
} bad_lines[] = {
    {"{\"n\":2,", "not JSON"},
    {"[1]", "not a JSON object"},
    {"nonsense", "not JSON"},
    {"{\"n\":2,\"n\":2," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "duplicate"},
    {"{" CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "\"n\" is missing"},
    {"{\"n\":\"2\"," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "\"n\" is not a whole number"},
    {"{\"n\":2,\"t_us\":9223372036854775807,\"op\":\"height\",\"answer\":{\"height\":1}}",
     "\"t_us\" is above"},
    {"{\"n\":1," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "call 1: calls have rising numbers"},
    {"{\"n\":2," CALL "\"answer\":\"ok\"}", "call 2: \"op\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"compact\",\"answer\":\"ok\"}", "call 2: unknown op \"compact\""},
    {"{\"n\":2," CALL "\"op\":\"height\"}", "\"answer\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"height\",\"answer\":\"maybe\"}", "\"answer\" is neither"},
    {"{\"n\":2," CALL "\"op\":\"height\",\"answer\":{}}", "\"height\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"height\",\"answer\":{\"height\":-1}}", "not a whole number"},
    {"{\"n\":2," CALL "\"op\":\"set\",\"name\":\"x\",\"value\":\"\",\"answer\":{\"height\":1}}",
     "is \"ok\" or \"refused\""},
    {"{\"n\":2,\"after\":[2]," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}",
     "call 2, which does not come before"},
    {"{\"n\":3,\"after\":[2]," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}",
     "call 2, which does not come before"},
    {"{\"n\":2,\"after\":[0]," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "no call's number"},
    {"{\"n\":2,\"after\":1," CALL "\"op\":\"height\",\"answer\":{\"height\":1}}", "\"after\" is not a list"},
    {"{\"n\":2,\"caller\":5,\"op\":\"height\",\"answer\":{\"height\":1}}", "\"caller\" is not a string"},
    {"{\"n\":2," CALL "\"op\":\"block\",\"parts\":[],\"answer\":\"not found\"}",
     "either by \"height\" or by \"hash\""},
    {"{\"n\":2," CALL "\"op\":\"block\",\"height\":1,\"hash\":\"YQ==\",\"answer\":\"not found\"}",
     "either by"},
    {"{\"n\":2," CALL "\"op\":\"block\",\"hash\":\"YQ=\",\"answer\":\"not found\"}",
     "\"hash\" is not base64"},
    {"{\"n\":2," CALL "\"op\":\"block\",\"height\":1,\"parts\":[\"body\"],\"answer\":\"not found\"}",
     "\"parts\" holds"},
    {"{\"n\":2," CALL "\"op\":\"block\",\"height\":1,\"answer\":{\"data\":{\"len\":1,\"sha256\":\"00\"}}}",
     "16 hexadecimal"},
    {"{\"n\":2," CALL
     "\"op\":\"block\",\"height\":1,\"answer\":{\"data\":{\"sha256\":\"0011223344556677\"}}}",
     "\"len\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"state\",\"answer\":\"not found\"}", "either by \"height\" or at the \"tip\""},
    {"{\"n\":2," CALL "\"op\":\"get\",\"answer\":\"not found\"}", "\"name\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"get\",\"name\":\"x\",\"answer\":{\"value\":\"=\"}}",
     "\"value\" is not base64"},
    {"{\"n\":2," CALL "\"op\":\"list\",\"prefix\":\"\",\"answer\":{}}", "\"entries\" are missing"},
    {"{\"n\":2," CALL "\"op\":\"set\",\"name\":\"x\",\"answer\":\"ok\"}", "\"value\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"set\",\"name\":\"x\",\"value\":\"a b=\",\"answer\":\"ok\"}",
     "\"value\" is not base64"},
    {"{\"n\":2," CALL "\"op\":\"delete\",\"name\":\"x\",\"level\":\"soon\",\"answer\":\"ok\"}",
     "\"level\" is none of"},
    {"{\"n\":2," CALL "\"op\":\"batch\",\"metadata\":[1],\"answer\":\"ok\"}", "\"metadata\" holds something"},
    {"{\"n\":2," CALL "\"op\":\"batch\",\"metadata\":{},\"answer\":\"ok\"}", "\"metadata\" is not a list"},
    {"{\"n\":2," CALL "\"op\":\"commit\",\"blocks\":[{\"header\":\"\"}],\"answer\":\"ok\"}",
     "\"height\" is missing"},
    {"{\"n\":2," CALL "\"op\":\"commit\",\"delete_states\":[\"1\"],\"answer\":\"ok\"}",
     "\"delete_states\" holds"},
    {"{\"n\":2," CALL "\"op\":\"rollback\",\"answer\":\"ok\"}", "\"to\" is missing"},
    {"{\"n\":2," CALL
     "\"op\":\"rollback\",\"to\":1,\"guard\":{\"name\":\"d\",\"if_above\":\"ask\"},\"answer\":\"ok\"}",
     "\"if_above\" is neither"},
    {"{\"trace\":1}", "only the first line"},
};

START_TEST(chains_that_no_daemon_would_take_are_refused)
{
    static const char *const names[] = {"ma/in", "", "Main", "main\\u0000x"};
    struct directory directory = directory_new();
    const char *path = directory_path(&directory, "bad.jsonl");
    char text[128], error[TRACE_ERROR_BYTES];
    struct trace trace;
    snprintf(text, sizeof text, "{\"trace\":1,\"calls\":0,\"chains\":[\"%s\"]}\n", names[_i]);
    file_write(path, text);
    ck_assert_msg(!trace_read(path, &trace, error), "taken for good: %s", names[_i]);
    directory_remove(&directory);
}
END_TEST

START_TEST(a_bad_line_is_told_by_file_line_and_what_is_wrong)
{
    struct directory directory = directory_new();
    const char *path = directory_path(&directory, "bad.jsonl");
    char text[4096], place[128], error[TRACE_ERROR_BYTES];
    struct trace trace;
    snprintf(text, sizeof text, FIRST "{\"n\":1," CALL "\"op\":\"height\",\"answer\":{\"height\":7}}\n%s\n",
             bad_lines[_i].line);
    file_write(path, text);
    ck_assert_msg(!trace_read(path, &trace, error), "taken for good: %s", bad_lines[_i].line);
    snprintf(place, sizeof place, "%s:3: ", path);
    ck_assert_msg(strncmp(error, place, strlen(place)) == 0, "%s", error);
    ck_assert_msg(strstr(error, bad_lines[_i].words) != NULL, "\"%s\" is not in: %s", bad_lines[_i].words,
                  error);
    directory_remove(&directory);
}
END_TEST

START_TEST(a_trace_of_another_version_is_not_read)
{
    struct directory directory = directory_new();
    const char *path = directory_path(&directory, "later.jsonl");
    char error[TRACE_ERROR_BYTES];
    struct trace trace;
    file_write(path, "{\"trace\":2}\n");
    ck_assert(!trace_read(path, &trace, error));
    ck_assert_ptr_nonnull(strstr(error, "version"));
    ck_assert(!trace_read(directory_path(&directory, "none.jsonl"), &trace, error));
    ck_assert_ptr_nonnull(strstr(error, "No such file"));
    directory_remove(&directory);
}
END_TEST

static void bytes_write(const char *path, const void *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, data, size), (ssize_t)size);
    close(file);
}

START_TEST(a_compressed_trace_is_read_whole_or_not_at_all)
{
    struct directory directory = directory_new();
    const char *path = directory_path(&directory, "trace.jsonl.zst");
    const size_t lines = 5000, most = lines * 100;
    char *text = malloc(most);
    char error[TRACE_ERROR_BYTES];
    struct trace trace;
    size_t size = 0;
    for (size_t i = 1; i <= lines; i++) {
        size += (size_t)snprintf(text + size, most - size,
                                 "{\"n\":%zu," CALL "\"op\":\"height\",\"answer\":{\"height\":%zu}}\n", i,
                                 i * i % 977);
    }
    char *packed = malloc(ZSTD_compressBound(size));
    size_t packed_size = ZSTD_compress(packed, ZSTD_compressBound(size), text, size, 3);
    ck_assert(!ZSTD_isError(packed_size));
    bytes_write(path, packed, packed_size);
    ck_assert_msg(trace_read(path, &trace, error), "%s", error);
    ck_assert_uint_eq(trace.count, lines);
    ck_assert_uint_eq(trace.calls[lines - 1].answer.height, lines * lines % 977);
    trace_close(&trace);
    bytes_write(path, packed, packed_size / 2);
    ck_assert(!trace_read(path, &trace, error));
    ck_assert_ptr_nonnull(strstr(error, "cut short"));
    packed[packed_size / 2] ^= 0x55;
    packed[packed_size / 2 + 1] ^= 0x55;
    bytes_write(path, packed, packed_size);
    ck_assert(!trace_read(path, &trace, error));
    free(packed);
    free(text);
    directory_remove(&directory);
}
END_TEST

START_TEST(answers_differ_by_any_value_in_them)
{
    struct trace_answer a = {.kind = TRACE_ANSWER_BLOCK, .parts = CAIRN_HEADER};
    struct trace_answer b = a;
    ck_assert(trace_answer_equal(&a, &b));
    b.digests[TRACE_HEADER].sha256[7] = 1;
    ck_assert(!trace_answer_equal(&a, &b));
    b = a;
    b.digests[TRACE_HEADER].size = 1;
    ck_assert(!trace_answer_equal(&a, &b));
    b = a;
    b.parts |= CAIRN_DATA;
    ck_assert(!trace_answer_equal(&a, &b));
    b = a;
    b.has_height = true;
    ck_assert(!trace_answer_equal(&a, &b));
    b = (struct trace_answer){.kind = TRACE_ANSWER_NOT_FOUND};
    ck_assert(!trace_answer_equal(&a, &b));
    struct trace_entry first[] = {{cairn_text("a"), cairn_text("1")}, {cairn_text("b"), cairn_text("2")}};
    struct trace_entry second[] = {{cairn_text("b"), cairn_text("2")}, {cairn_text("a"), cairn_text("1")}};
    a = (struct trace_answer){.kind = TRACE_ANSWER_ENTRIES, .entries = first, .entry_count = 2};
    b = (struct trace_answer){.kind = TRACE_ANSWER_ENTRIES, .entries = second, .entry_count = 2};
    ck_assert(trace_answer_equal(&a, &a));
    ck_assert(!trace_answer_equal(&a, &b));
}
END_TEST

START_TEST(an_answer_is_told_as_it_is_recorded)
{
    static const char *const answers[] = {
        "\"op\":\"get\",\"name\":\"x\",\"answer\":\"not found\"",
        "\"op\":\"get\",\"name\":\"x\",\"answer\":{\"value\":\"YWI=\"}",
        "\"op\":\"height\",\"answer\":{\"height\":12}",
        "\"op\":\"block\",\"hash\":\"YQ==\",\"answer\":{\"data\":{\"len\":3,\"sha256\":\"0011223344556677\"},"
        "\"height\":4}",
        "\"op\":\"list\",\"answer\":{\"entries\":[{\"name\":\"a\",\"value\":\"\"}]}",
        "\"op\":\"commit\",\"answer\":\"refused\"",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct trace trace = read_call(answers[i]);
        char *text = trace_answer_text(&trace.calls[0].answer);
        ck_assert_str_eq(text, strstr(answers[i], "\"answer\":") + strlen("\"answer\":"));
        free(text);
        trace_close(&trace);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("trace", 20, &tests);
    tcase_add_test(tests, the_description_and_who_called_when_are_kept);
    tcase_add_test(tests, a_recording_is_whole_if_it_is_what_its_first_line_says);
    tcase_add_test(tests, what_is_not_told_has_a_default);
    tcase_add_test(tests, a_block_is_read_by_height_or_hash);
    tcase_add_test(tests, a_state_is_read_by_height_or_at_the_tip);
    tcase_add_test(tests, a_batch_holds_sets_deletes_and_raises_in_order);
    tcase_add_test(tests, a_commit_holds_all_its_parts);
    tcase_add_test(tests, a_prune_takes_blocks_states_or_neither);
    tcase_add_test(tests, a_rollback_has_guards_or_none);
    tcase_add_test(tests, a_list_keeps_its_entries);
    tcase_add_loop_test(tests, chains_that_no_daemon_would_take_are_refused, 0, 4);
    tcase_add_loop_test(tests, a_bad_line_is_told_by_file_line_and_what_is_wrong, 0,
                        (int)(sizeof bad_lines / sizeof bad_lines[0]));
    tcase_add_test(tests, a_trace_of_another_version_is_not_read);
    tcase_add_test(tests, a_compressed_trace_is_read_whole_or_not_at_all);
    tcase_add_test(tests, answers_differ_by_any_value_in_them);
    tcase_add_test(tests, an_answer_is_told_as_it_is_recorded);
    return suite_run(suite, true);
}
