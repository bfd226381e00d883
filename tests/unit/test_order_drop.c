/* The order drops chains: in one step, also over a cut, and remembers whose space is to be asked back. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/suite.h"

static struct failure failure;

struct submitted {
    struct job job;
    bool is_done;
};

static void on_done(struct job *job)
{
    struct submitted *submitted = job->owner;
    ck_assert(!submitted->is_done);
    submitted->is_done = true;
}

static struct chain *find(const char *name)
{
    return chain_find(order_chains(order_fixture.order), slice_of(name, strlen(name)));
}

static void submit(struct submitted *submitted, struct job job)
{
    *submitted = (struct submitted){.job = job};
    submitted->job.level = LEVEL_DURABLE;
    submitted->job.done = on_done;
    submitted->job.owner = submitted;
    order_submit(order_fixture.order, &submitted->job, false, order_fixture.now_us * 1000);
}

static void submit_create(struct submitted *create, const char *name)
{
    struct chain *chain = chain_add(order_chains(order_fixture.order), slice_of(name, strlen(name)), 0);
    ck_assert_ptr_nonnull(chain);
    submit(create,
           (struct job){.kind = JOB_CREATE_CHAIN, .chain = chain->id, .chain_name = chain_name(chain)});
}

static void submit_drop(struct submitted *drop, const struct chain *chain)
{
    bool is_default = chain == order_fixture.chain;
    submit(drop, (struct job){.kind = JOB_DROP_CHAIN,
                              .chain = chain->id,
                              .drop = {.name = chain_name(chain), .makes_anew = is_default}});
}

static void make(const char *name)
{
    struct submitted create;
    submit_create(&create, name);
    order_fixture_settle();
    ck_assert_int_eq(create.job.status, STATUS_OK);
}

static void drop(const char *name)
{
    struct submitted submitted;
    submit_drop(&submitted, find(name));
    order_fixture_settle();
    ck_assert_int_eq(submitted.job.status, STATUS_OK);
}

static void commit(const struct chain *chain, uint64_t height)
{
    struct order_commit order_commit;
    order_commit_init(&order_commit, LEVEL_DURABLE, height);
    order_commit.job.chain = chain->id;
    order_commit_submit(&order_commit, false);
    order_fixture_settle();
    ck_assert_int_eq(order_commit.job.status, STATUS_OK);
}

static bool is_gone(uint32_t id)
{
    return gone_has(chain_gone(order_chains(order_fixture.order)), id);
}

static bool disk_has(const struct key *key)
{
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(order_fixture.engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), &value, &failure);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

static void restart(void)
{
    order_fixture_end_run();
    order_fixture_start_run();
}

START_TEST(it_carries_what_is_queued_and_takes_the_chain_with_it_in_one_step)
{
    make("other");
    struct chain *chain = find("other");
    uint32_t id = chain->id;
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of("n", 1), .value = slice_of("v", 1)};
    uint64_t sequence;
    ck_assert_int_eq(order_metadata(order_fixture.order, chain, &operation, 1, 0, order_fixture.now_us,
                                    &sequence, &failure),
                     ORDER_ACCEPTED);
    (void)order_fixture_set('d', "value");
    struct submitted dropped;
    submit_drop(&dropped, chain);
    ck_assert(chain->is_dropping && dropped.job.carry_through > sequence);
    ck_assert_ptr_eq(find("other"), chain);
    order_fixture_settle();
    ck_assert(dropped.is_done && find("other") == NULL && is_gone(id));
    ck_assert_uint_eq(pending_operations(order_pending(order_fixture.order)), 0);
    ck_assert_int_eq(order_fixture_disk_value('d'), 'v'); /* another chain's: it is written */
    struct key key = key_of_name(id, KEY_METADATA, slice_of("n", 1));
    ck_assert(!disk_has(&key));
    ck_assert_uint_eq(order_counters(order_fixture.order)->drops, 1);
}
END_TEST

START_TEST(a_cut_leaves_the_chain_whole_or_gone)
{
    make("other");
    commit(find("other"), 7);
    uint32_t id = find("other")->id;
    struct key key = key_of_height(id, KEY_HEADER, 7);
    struct submitted dropped;
    submit_drop(&dropped, find("other"));
    fake_disk_cut(order_fixture.disk); /* before the writer has run */
    restart();
    ck_assert(find("other") != NULL && find("other")->marks.height == 7 && disk_has(&key));
    ck_assert(!is_gone(id));
    drop("other");
    fake_disk_cut(order_fixture.disk); /* it was durable */
    restart();
    ck_assert(find("other") == NULL && !disk_has(&key));
    ck_assert(is_gone(id));
}
END_TEST

START_TEST(default_is_there_again_over_a_restart_and_takes_nothing_of_before)
{
    uint64_t old = order_fixture_set('a', "value"), sequence;
    commit(order_fixture.chain, 7);
    drop("default");
    restart();
    ck_assert_ptr_nonnull(order_fixture.chain);
    ck_assert_uint_eq(order_fixture.chain->marks.height, 0);
    ck_assert(!order_fixture_has_block(7));
    ck_assert_int_eq(order_fixture_disk_value('a'), '\0');
    ck_assert_int_eq(order_fixture_try_set('a', "value", old, &sequence, &failure), ORDER_REFUSED);
    ck_assert_int_eq(failure.status, STATUS_CONFLICT);
    ck_assert_int_eq(failure.reason, REASON_DROPPED);
    commit(order_fixture.chain, 1);
}
END_TEST

START_TEST(one_that_is_made_again_has_nothing_of_it_over_a_restart_too)
{
    make("other");
    commit(find("other"), 7);
    uint32_t id = find("other")->id;
    drop("other");
    uint32_t first, last;
    ck_assert(gone_take(chain_gone(order_chains(order_fixture.order)), &first, &last));
    make("other");
    ck_assert_uint_eq(find("other")->id, id);
    restart();
    struct key key = key_of_height(id, KEY_HEADER, 7);
    ck_assert(find("other")->marks.height == 0 && !disk_has(&key));
    commit(find("other"), 7);
    ck_assert(disk_has(&key));
}
END_TEST

/* Whose space was asked back is forgotten, but a later drop of the same number is not. */
START_TEST(a_drop_is_remembered_until_its_space_was_asked_back)
{
    struct order *order = order_fixture.order;
    uint32_t first, last;
    make("a");
    make("b");
    uint32_t a = find("a")->id, b = find("b")->id;
    drop("a");
    drop("b");
    restart();
    order = order_fixture.order;
    ck_assert(is_gone(a) && is_gone(b));
    ck_assert(gone_take(chain_gone(order_chains(order)), &first, &last));
    ck_assert(first == a && last == b);
    make("a");
    ck_assert_uint_eq(find("a")->id, a);
    drop("a"); /* while the space of the earlier one is asked back */
    order_forget_drops(order, first, last);
    order_fixture_settle();
    order_fixture_step_until_idle();
    restart();
    ck_assert(is_gone(a) && !is_gone(b));
    make("b");
    struct submitted dropping;
    first = last = find("b")->id;
    submit_drop(&dropping, find("b"));
    order_forget_drops(order_fixture.order, first, last); /* not yet known whether it goes */
    order_fixture_settle();
    restart();
    ck_assert(is_gone(first));
}
END_TEST

START_TEST(the_sweep_of_a_dropped_chain_may_come_back_late_or_never)
{
    for (int run = 0; run < 2; run++) {
        make("other");
        struct chain *chain = find("other");
        uint32_t id = chain->id;
        commit(chain, 7);
        struct submitted prune, dropped;
        submit(
            &prune,
            (struct job){.kind = JOB_PRUNE, .chain = id, .prune = {.has_blocks = true, .blocks_through = 5}});
        (void)order_fixture_step();
        (void)order_fixture_iterate(); /* its completion has the sweep asked for */
        ck_assert(prune.is_done && chain->sweeping);
        submit_drop(&dropped, chain);
        while (!dropped.is_done) { /* which of the two comes first is the schedule's */
            (void)order_fixture_step();
            (void)order_fixture_iterate();
        }
        ck_assert_ptr_null(find("other"));
        if (run == 0) {
            make("other"); /* under another number, or under the same */
            order_fixture_settle();
            ck_assert_uint_eq(find("other")->marks.blocks_pruned, 0);
            drop("other");
        }
    }
}
END_TEST

START_TEST(one_that_was_not_applied_leaves_the_chain_as_it_was)
{
    make("other");
    struct chain *chain = find("other");
    commit(chain, 7);
    struct submitted dropped;
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    submit_drop(&dropped, chain);
    order_fixture_settle();
    ck_assert_int_eq(dropped.job.status, STATUS_NO_SPACE);
    ck_assert_ptr_eq(find("other"), chain);
    ck_assert(!chain->is_dropping && !is_gone(chain->id));
    commit(chain, 8);
    ck_assert_uint_eq(chain->marks.height, 8);
    drop("other");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_drop", 30, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, it_carries_what_is_queued_and_takes_the_chain_with_it_in_one_step);
    tcase_add_test(tests, a_cut_leaves_the_chain_whole_or_gone);
    tcase_add_test(tests, default_is_there_again_over_a_restart_and_takes_nothing_of_before);
    tcase_add_test(tests, one_that_is_made_again_has_nothing_of_it_over_a_restart_too);
    tcase_add_test(tests, a_drop_is_remembered_until_its_space_was_asked_back);
    tcase_add_test(tests, the_sweep_of_a_dropped_chain_may_come_back_late_or_never);
    tcase_add_test(tests, one_that_was_not_applied_leaves_the_chain_as_it_was);
    return suite_run(suite, true);
}
