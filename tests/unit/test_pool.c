/* The pool: in what order work starts, and what has to be there for it. */
#include <check.h>
#include <uv.h>

#include "daemon/read/pool.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

enum { ROOM = 100 << 20, LARGE = 10 << 20, SMALL = 1000, TIMES = 20 };

static uv_loop_t loop;
static struct pool *pool;
static struct budget *budget;
static struct budget_client client;
static struct budget_stream stream;
static unsigned done;

struct task {
    struct pool_work work;
    unsigned times; /* to be submitted again */
    unsigned done_at;
};

static void setup(void)
{
    const struct budget_limits limits = {
        .frame_bytes_max = 1 << 20, .requests_bytes_max = 2 << 20, .replies_bytes_max = ROOM};
    thread_set_role(THREAD_LOOP);
    client = (struct budget_client){0};
    stream = (struct budget_stream){0};
    budget = budget_new(&limits);
    done = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    pool = pool_new(&loop, budget);
}

static void teardown(void)
{
    pool_free(pool);
    budget_free(budget);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void run(struct pool_work *work)
{
    ck_assert(thread_is(THREAD_POOL) && work->state == POOL_RUNNING);
    uv_sleep(1);
}

static void on_done(struct pool_work *work)
{
    struct task *task = (struct task *)work;
    ck_assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE);
    task->done_at = ++done;
    if (task->times > 0) {
        task->times--;
        pool_submit(pool, work, POOL_STREAM);
    }
}

static void submit(struct task *task, uint64_t bytes, unsigned times)
{
    *task = (struct task){.work = {.run = run, .done = on_done, .bytes = bytes}, .times = times};
    pool_submit(pool, &task->work, POOL_STREAM);
}

/* Three of them keep both threads that streams may have. */
static void assert_others_have_turns(uint64_t bytes, uint64_t bytes_of_other)
{
    struct task tasks[3];
    struct task other;
    for (int i = 0; i < 3; i++) {
        submit(&tasks[i], bytes, TIMES);
    }
    submit(&other, bytes_of_other, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_gt(other.done_at, 0);
    ck_assert_uint_lt(other.done_at, 8);
}

START_TEST(large_work_without_end_keeps_no_small_work_waiting)
{
    assert_others_have_turns(LARGE, SMALL);
}
END_TEST

START_TEST(small_work_without_end_keeps_no_large_work_waiting)
{
    assert_others_have_turns(SMALL, LARGE);
}
END_TEST

START_TEST(large_work_without_room_waits_and_small_work_passes_it)
{
    struct task large, small;
    budget_reply_queued(budget, &client, ROOM - LARGE);
    submit(&large, LARGE, 0); /* it would need twice that */
    submit(&small, SMALL, 0);
    ck_assert(large.work.state == POOL_QUEUED && small.work.state == POOL_RUNNING);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(large.done_at == 0 && small.done_at == 1);
    budget_reply_gone(budget, &client, ROOM - LARGE);
    pool_turn(pool);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(large.done_at, 2);
}
END_TEST

START_TEST(work_larger_than_the_room_runs_alone_whatever_sources_keep)
{
    struct task first, second;
    budget_stream_open(budget, &stream, 1000);
    submit(&first, ROOM, 0);
    submit(&second, ROOM, 0);
    ck_assert(first.work.state == POOL_RUNNING && second.work.state == POOL_QUEUED);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(first.done_at == 1 && second.done_at == 2);
    ck_assert_uint_eq(budget_answers_bytes(budget), 1000);
    budget_stream_close(budget, &stream);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("pool", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, large_work_without_end_keeps_no_small_work_waiting);
    tcase_add_test(tests, small_work_without_end_keeps_no_large_work_waiting);
    tcase_add_test(tests, large_work_without_room_waits_and_small_work_passes_it);
    tcase_add_test(tests, work_larger_than_the_room_runs_alone_whatever_sources_keep);
    return suite_run(suite, true);
}
