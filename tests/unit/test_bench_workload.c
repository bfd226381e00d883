/* A workload's word means what it says, or is refused by name. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/bench/bench_workload.h"
#include "tests/lib/suite.h"

static struct bench_workload parsed(const char *word)
{
    struct bench_workload workload;
    char error[BENCH_ERROR_BYTES];
    ck_assert_msg(bench_workload_parse(word, &workload, error), "%s: %s", word, error);
    ck_assert_str_eq(workload.word, word);
    return workload;
}

START_TEST(a_bare_name_has_the_defaults)
{
    struct bench_workload commit = parsed("commit"), metadata = parsed("metadata"), stream = parsed("stream");
    ck_assert(commit.kind == BENCH_COMMIT && commit.level == CAIRN_DURABLE);
    ck_assert(commit.clients == 1 && commit.depth == 1 && commit.rate == 0 && commit.count == 0);
    ck_assert(commit.batch == 1 && commit.header == 500 && commit.size == 1000 && commit.nice == 0);
    ck_assert(metadata.kind == BENCH_METADATA && metadata.level == CAIRN_ACCEPTED);
    ck_assert(metadata.size == 64 && metadata.names == 64);
    ck_assert(stream.kind == BENCH_STREAM && stream.heights == 1000);
    ck_assert(parsed("header").heights == 0 && parsed("get").names == 64);
    ck_assert(parsed("height").kind == BENCH_HEIGHT && parsed("block").kind == BENCH_BLOCK);
    ck_assert(parsed("evnode").kind == BENCH_EVNODE);
}
END_TEST

START_TEST(every_key_is_taken)
{
    struct bench_workload all = parsed(
        "commit,clients=64,depth=2,rate=300k,count=1M,size=20k,header=512,batch=16,level=written,nice=-3");
    ck_assert(all.clients == 64 && all.depth == 2 && all.rate == 300000 && all.count == 1000000);
    ck_assert(all.size == 20000 && all.header == 512 && all.batch == 16);
    ck_assert(all.level == CAIRN_WRITTEN && all.nice == -3);
    ck_assert_uint_eq(parsed("metadata,names=new").names, 0);
    ck_assert_uint_eq(parsed("metadata,names=100k").names, 100000);
    ck_assert_uint_eq(parsed("header,heights=10k").heights, 10000);
    ck_assert_uint_eq(parsed("metadata,depth=1,depth=7").depth, 7);
    ck_assert_int_eq(parsed("metadata,level=durable").level, CAIRN_DURABLE);
}
END_TEST

START_TEST(what_a_request_counts_for)
{
    struct bench_workload batch = parsed("metadata,batch=512"), stream = parsed("stream,heights=10"),
                          get = parsed("get");
    ck_assert_uint_eq(bench_workload_operations(&batch), 512);
    ck_assert_uint_eq(bench_workload_operations(&stream), 10);
    ck_assert_uint_eq(bench_workload_operations(&get), 1);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_and_named)
{
    static const struct {
        const char *word, *named;
    } bad[] = {
        {"", "\"\""},
        {"comit", "\"comit\""},
        {"commits", "\"commits\""},
        {"com", "\"com\""},
        {"commit,", "\"\""},
        {"commit,,depth=1", "\"\""},
        {"commit,fast", "\"fast\""},
        {"commit,depth", "\"depth\""},
        {"commit,depth=", "\"depth=\""},
        {"commit,depth=0", "\"depth=0\""},
        {"commit,depth=-1", "\"depth=-1\""},
        {"commit,depth= 1", "\"depth= 1\""},
        {"commit,depth=1x", "\"depth=1x\""},
        {"commit,depth=1kk", "\"depth=1kk\""},
        {"commit,depth=99999999999999999999", "\"depth=99999999999999999999\""},
        {"commit,depth=18446744073709551615k", "\"depth=18446744073709551615k\""},
        {"commit,header=15", "\"header=15\""},
        {"commit,names=3", "\"names=3\""},
        {"commit,level=accepted", "\"level=accepted\""},
        {"commit,level=dur", "\"level=dur\""},
        {"commit,nice=20", "\"nice=20\""},
        {"commit,nice=", "\"nice=\""},
        {"get,level=durable", "\"level=durable\""},
        {"get,names=new", "\"names=new\""},
        {"height,size=5", "\"size=5\""},
        {"stream,batch=5", "\"batch=5\""},
        {"evnode,size=5", "\"size=5\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bench_workload workload = {.depth = 4711};
        char error[BENCH_ERROR_BYTES] = "";
        ck_assert_msg(!bench_workload_parse(bad[i].word, &workload, error), "%s", bad[i].word);
        ck_assert_msg(strstr(error, bad[i].word) != NULL && strstr(error, bad[i].named) != NULL, "%s", error);
        ck_assert_uint_eq(workload.depth, 4711);
    }
}
END_TEST

START_TEST(a_word_of_any_length_is_refused)
{
    enum { LONG = 100000 };
    char *word = malloc(LONG + 1), error[BENCH_ERROR_BYTES];
    struct bench_workload workload;
    memset(word, 'a', LONG);
    word[LONG] = '\0';
    ck_assert(!bench_workload_parse(word, &workload, error));
    memcpy(word, "get,", 4);
    ck_assert(!bench_workload_parse(word, &workload, error));
    ck_assert_uint_lt(strlen(error), sizeof error);
    free(word);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bench_workload", 60, &tests);
    tcase_add_test(tests, a_bare_name_has_the_defaults);
    tcase_add_test(tests, every_key_is_taken);
    tcase_add_test(tests, what_a_request_counts_for);
    tcase_add_test(tests, what_makes_no_sense_is_refused_and_named);
    tcase_add_test(tests, a_word_of_any_length_is_refused);
    return suite_run(suite, false);
}
