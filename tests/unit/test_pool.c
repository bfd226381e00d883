/* The pool: in what order work starts, and what has to be there for it. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "daemon/observe/heartbeat.h"
#include "daemon/read/pool.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

enum { ROOM = 100 << 20, LARGE = 10 << 20, SMALL = 1000, TIMES = 20 };

static uv_loop_t loop;
static struct pool *pool;
static struct budget *budget;
static struct turns *turns;
static struct budget_client client;
static struct budget_stream stream;
static unsigned done;

enum { OWNERS = 4 };

static struct turns_member owners[OWNERS]; /* of one uid each */

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
    turns = turns_new();
    pool = pool_new(&loop, budget, turns, NULL);
    for (uint64_t i = 0; i < OWNERS; i++) {
        turns_join(turns, &owners[i], i, 0);
    }
}

static void teardown(void)
{
    pool_free(pool);
    for (uint64_t i = 0; i < OWNERS; i++) {
        turns_leave(turns, &owners[i]);
    }
    turns_free(turns);
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
    (void)pool_iterate(pool, thread_now_us());
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

static struct task little;
static unsigned little_seen; /* how many were done when it was first seen to have started */

static void on_done_beside(struct pool_work *work)
{
    on_done(work);
    if (little_seen == 0 && little.work.state != POOL_QUEUED) {
        little_seen = done;
    }
}

START_TEST(of_a_uid_with_much_work_and_one_with_little_each_has_every_other_turn)
{
    enum { MUCH = 60 };
    struct task much[MUCH];
    for (int i = 0; i < MUCH; i++) {
        much[i] =
            (struct task){.work = {.run = run, .done = on_done_beside, .bytes = SMALL, .member = &owners[0]}};
        pool_submit(pool, &much[i].work, POOL_POINT);
    }
    little =
        (struct task){.work = {.run = run, .done = on_done_beside, .bytes = SMALL, .member = &owners[1]}};
    pool_submit(pool, &little.work, POOL_POINT);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(done, MUCH + 1);
    ck_assert_uint_le(little_seen, 8); /* all that ran may be done at once, before any turn is given; of 60 */
}
END_TEST

/* ---- work that hangs ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

static atomic_uint hang_begun;

static void hang(struct pool_work *work)
{
    (void)work;
    atomic_fetch_add(&hang_begun, 1);
    pthread_mutex_lock(&gate_lock); /* which the test holds */
    pthread_mutex_unlock(&gate_lock);
}

static void submit_of(struct task *task, void (*body)(struct pool_work *work), int owner,
                      enum pool_class work_class)
{
    *task = (struct task){.work = {.run = body, .done = on_done, .member = &owners[owner], .bytes = SMALL}};
    pool_submit(pool, &task->work, work_class);
}

static void pass_slow_time(void)
{
    (void)pool_iterate(pool, thread_now_us() + POOL_SLOW_US);
}

static void run_until_done(const struct task *task)
{
    while (task->done_at == 0) {
        (void)pool_iterate(pool, thread_now_us());
        uv_run(&loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
}

static void end_hanging(void)
{
    pthread_mutex_unlock(&gate_lock);
    uv_run(&loop, UV_RUN_DEFAULT);
}

START_TEST(reads_that_hang_leave_places_to_others)
{
    struct task hanging[POOL_AT_ONCE], other;
    pthread_mutex_lock(&gate_lock);
    for (int i = 0; i < POOL_AT_ONCE; i++) {
        submit_of(&hanging[i], hang, 0, POOL_POINT);
    }
    submit_of(&other, run, 1, POOL_POINT);
    pass_slow_time();
    run_until_done(&other);
    end_hanging();
    ck_assert_uint_eq(done, POOL_AT_ONCE + 1);
}
END_TEST

/* Time passes until nothing more starts; how many of them are at work then. */
static int settle(const struct task *tasks, int count)
{
    int running = 0;
    for (int i = 0; i < POOL_READS_MAX; i++) {
        sleep_ms(POOL_SLOW_US / 1000 + 1);
        (void)pool_iterate(pool, thread_now_us());
    }
    for (int i = 0; i < count; i++) {
        running += tasks[i].work.state == POOL_RUNNING;
    }
    return running;
}

START_TEST(an_owner_whose_reads_hang_leaves_half_of_the_places_to_others)
{
    struct task hanging[POOL_READS_MAX], other;
    pthread_mutex_lock(&gate_lock);
    for (int i = 0; i < POOL_READS_MAX; i++) {
        submit_of(&hanging[i], hang, 0, POOL_POINT);
    }
    submit_of(&other, run, 1, POOL_POINT); /* behind all of them */
    int running = settle(hanging, POOL_READS_MAX);
    ck_assert_int_le(running, POOL_READS_MAX / 2);
    ck_assert_int_ge(running, POOL_READS_MAX / 2 - 1); /* the other one's may have been slow too */
    run_until_done(&other);
    for (int i = 0; i < 20; i++) { /* and again and again */
        submit_of(&other, run, 1, POOL_POINT);
        run_until_done(&other);
    }
    end_hanging();
    while (done < POOL_READS_MAX + 21) {
        (void)pool_iterate(pool, thread_now_us());
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}
END_TEST

START_TEST(once_half_of_the_places_are_slow_an_owner_has_one)
{
    enum { COUNT = POOL_READS_MAX / 2 };
    struct task hanging[OWNERS][COUNT], other;
    pthread_mutex_lock(&gate_lock);
    for (int owner = 0; owner < OWNERS - 1; owner++) {
        for (int i = 0; i < COUNT; i++) {
            submit_of(&hanging[owner][i], hang, owner, POOL_POINT);
        }
        ck_assert_int_le(settle(hanging[owner], COUNT), owner == 0 ? COUNT : 1);
    }
    submit_of(&other, run, OWNERS - 1, POOL_POINT);
    run_until_done(&other);
    end_hanging();
    while (done < (OWNERS - 1) * COUNT + 1) {
        (void)pool_iterate(pool, thread_now_us());
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}
END_TEST

START_TEST(streams_that_hang_leave_half_of_the_places_to_point_reads)
{
    struct task hanging[POOL_READS_MAX], other;
    int running = 0;
    pthread_mutex_lock(&gate_lock);
    for (int i = 0; i < POOL_READS_MAX; i++) {
        hanging[i] = (struct task){.work = {.run = hang, .done = on_done, .bytes = SMALL}};
        pool_submit(pool, &hanging[i].work, POOL_STREAM);
    }
    for (int i = 0; i < POOL_READS_MAX; i++) {
        pass_slow_time();
    }
    for (int i = 0; i < POOL_READS_MAX; i++) {
        running += hanging[i].work.state == POOL_RUNNING;
    }
    ck_assert_int_le(running, POOL_STREAMS_MAX);
    submit_of(&other, run, 1, POOL_POINT);
    run_until_done(&other);
    end_hanging();
    while (done < POOL_READS_MAX + 1) {
        (void)pool_iterate(pool, thread_now_us());
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}
END_TEST

START_TEST(background_work_starts_at_once_and_takes_no_read_s_place)
{
    struct task hanging[POOL_BACKGROUND_MAX], reads[POOL_AT_ONCE];
    pthread_mutex_lock(&gate_lock);
    for (int i = 0; i < POOL_BACKGROUND_MAX; i++) {
        submit_of(&hanging[i], hang, 0, POOL_BACKGROUND);
        ck_assert_int_eq(hanging[i].work.state, POOL_RUNNING);
    }
    for (int i = 0; i < POOL_AT_ONCE; i++) {
        submit_of(&reads[i], run, 0, POOL_POINT);
        ck_assert_int_eq(reads[i].work.state, POOL_RUNNING);
    }
    for (int i = 0; i < POOL_AT_ONCE; i++) {
        run_until_done(&reads[i]);
    }
    end_hanging();
}
END_TEST

START_TEST(what_may_take_minutes_is_not_watched_and_other_background_work_is)
{
    static struct heartbeats heartbeats;
    struct task task = {.work = {.run = hang, .done = on_done, .may_take_minutes = _i == 1}};
    pool_free(pool);
    pool = pool_new(&loop, budget, turns, &heartbeats);
    hang_begun = 0;
    pthread_mutex_lock(&gate_lock);
    pool_submit(pool, &task.work, POOL_BACKGROUND);
    while (hang_begun == 0) {
        uv_sleep(1);
    }
    bool is_at_work = heartbeats.pool[task.work.place].beats % 2 == 1;
    end_hanging();
    ck_assert_int_eq(is_at_work, _i == 0);
}
END_TEST

START_TEST(the_pool_asks_for_a_turn_when_what_waits_may_start)
{
    struct task hanging[POOL_AT_ONCE + 1];
    pthread_mutex_lock(&gate_lock);
    ck_assert_uint_eq(pool_iterate(pool, thread_now_us()), UINT64_MAX);
    for (int i = 0; i < POOL_AT_ONCE; i++) {
        submit_of(&hanging[i], hang, 0, POOL_POINT);
    }
    ck_assert_uint_eq(pool_iterate(pool, thread_now_us()), UINT64_MAX); /* nothing waits */
    submit_of(&hanging[POOL_AT_ONCE], hang, 1, POOL_POINT);
    uint64_t started_us = hanging[0].work.started_us;
    if (hanging[POOL_AT_ONCE].work.state == POOL_QUEUED) { /* unless the machine is slow too */
        ck_assert_uint_eq(pool_iterate(pool, started_us + 1), POOL_SLOW_US - 1);
        ck_assert_int_eq(hanging[POOL_AT_ONCE].work.state, POOL_QUEUED);
        (void)pool_iterate(pool, started_us + POOL_SLOW_US);
    }
    ck_assert_int_eq(hanging[POOL_AT_ONCE].work.state, POOL_RUNNING);
    end_hanging();
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
    tcase_add_test(tests, of_a_uid_with_much_work_and_one_with_little_each_has_every_other_turn);
    tcase_add_test(tests, work_larger_than_the_room_runs_alone_whatever_sources_keep);
    tcase_add_test(tests, reads_that_hang_leave_places_to_others);
    tcase_add_test(tests, an_owner_whose_reads_hang_leaves_half_of_the_places_to_others);
    tcase_add_test(tests, once_half_of_the_places_are_slow_an_owner_has_one);
    tcase_add_test(tests, streams_that_hang_leave_half_of_the_places_to_point_reads);
    tcase_add_test(tests, background_work_starts_at_once_and_takes_no_read_s_place);
    tcase_add_loop_test(tests, what_may_take_minutes_is_not_watched_and_other_background_work_is, 0, 2);
    tcase_add_test(tests, the_pool_asks_for_a_turn_when_what_waits_may_start);
    pool_prepare();
    return suite_run(suite, true);
}
