/* The model test's own parts: the naive store, the checking of rounds, the states allowed after a crash. Each is given small
 * cases made by hand, right ones and wrong ones: a checker that cannot fail checks nothing. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/generator.h"
#include "tests/lib/kept.h"
#include "tests/lib/model_round.h"
#include "tests/lib/model_states.h"
#include "tests/lib/suite.h"

/* ---- operations by hand ---- */

static struct operation metadata(uint32_t connection, uint32_t name, uint64_t value)
{
    return (struct operation){.kind = OPERATION_METADATA,
                              .connection = connection,
                              .n_edits = 1,
                              .edits = {{EDIT_SET, name, value, 0}}};
}

static struct operation raise(uint32_t name, uint64_t number)
{
    return (struct operation){
        .kind = OPERATION_METADATA, .n_edits = 1, .edits = {{EDIT_RAISE, name, number, 0}}};
}

static struct operation block(uint32_t connection, uint32_t height, uint32_t header)
{
    return (struct operation){.kind = OPERATION_COMMIT,
                              .connection = connection,
                              .n_blocks = 1,
                              .blocks = {{height, header, 2, header % HASHES_KNOWN}},
                              .rise_to = height};
}

static struct operation rollback(uint32_t to)
{
    return (struct operation){.kind = OPERATION_ROLLBACK, .height = to};
}

static struct operation prune(uint32_t through)
{
    return (struct operation){.kind = OPERATION_PRUNE, .height = through, .prune_blocks = true};
}

static struct operation get(uint32_t connection, uint32_t name)
{
    return (struct operation){.kind = OPERATION_GET, .connection = connection, .n_items = 1, .items = {name}};
}

static const struct answer *answer_of(const struct model *model, const struct operation *read)
{
    struct answer *answer = kept_alloc(sizeof *answer);
    model_read(model, read, answer);
    return answer;
}

static const struct answer *answer_status(enum status status)
{
    struct answer *answer = kept_alloc(sizeof *answer);
    struct model_result result = {.status = status};
    model_result_text(&result, answer);
    return answer;
}

static struct call *add(struct round *round, struct operation operation)
{
    struct operation *own = kept_copy(&operation, sizeof operation);
    round->calls[round->n].operation = own;
    return &round->calls[round->n++];
}

static struct call *add_answered(struct round *round, struct operation operation, uint64_t sequence,
                                 const struct answer *answer)
{
    struct call *call = add(round, operation);
    call->answered = true;
    call->sequence = sequence;
    call->level = operation_is_commit(&operation) ? 3 : 1;
    call->answer = answer;
    return call;
}

static struct call *add_ok(struct round *round, struct operation operation, uint64_t sequence)
{
    return add_answered(round, operation, sequence, answer_status(STATUS_OK));
}

static void apply(struct model *model, struct operation operation)
{
    ck_assert_int_eq(model_judge(model, &operation).status, STATUS_OK);
    model_apply(model, &operation);
}

static bool fits(const struct round *round, const struct model *before)
{
    static struct complaint complaint;
    struct model model = *before;
    return round_check(round, &model, &complaint);
}

/* ---- the store ---- */

START_TEST(test_hash_entry_goes_with_the_block_committed_last)
{
    struct model model = model_new();
    struct operation by_hash = {.kind = OPERATION_BLOCK_BY_HASH, .hash = 7};
    apply(&model, block(0, 2, 7));
    apply(&model, block(0, 1, 7));
    ck_assert_uint_eq(model.chains[0].hashes[7], 1);
    apply(&model, block(0, 2, 8));
    ck_assert_int_eq(answer_of(&model, &by_hash)->status, STATUS_OK);
    apply(&model, block(0, 1, 8));
    ck_assert_int_eq(answer_of(&model, &by_hash)->status, STATUS_NOT_FOUND);
}
END_TEST

START_TEST(test_raise_keeps_value_and_binding_unless_it_is_greater)
{
    struct model model = model_new();
    struct operation bound = metadata(0, 9, 50);
    bound.edits[0] = (struct edit){EDIT_SET_NUMBER, 9, 50, 4};
    apply(&model, bound);
    apply(&model, raise(9, 50));
    ck_assert_uint_eq(model.chains[0].metadata[9].of_height, 4);
    apply(&model, raise(9, 51));
    ck_assert_uint_eq(model.chains[0].metadata[9].of_height, 0);
    ck_assert_uint_eq(model.chains[0].metadata[9].value, 51);
    apply(&model, raise(10, 0));
    ck_assert_uint_eq(model.chains[0].metadata[10].there, 0);
}
END_TEST

START_TEST(test_prune_drops_what_is_bound_and_refuses_above_the_height)
{
    struct model model = model_new();
    for (uint32_t height = 1; height <= 5; height++) {
        apply(&model, block(0, height, height));
    }
    struct operation bound = metadata(0, 9, 1);
    bound.edits[0].of_height = 3;
    apply(&model, bound);
    apply(&model, prune(3));
    ck_assert_uint_eq(model.chains[0].metadata[9].there, 0);
    apply(&model, bound); /* taken, and pruned at once */
    ck_assert_uint_eq(model.chains[0].metadata[9].there, 0);
    struct operation above = prune(6), late = block(0, 3, 1), deep = rollback(3), fine = rollback(4);
    ck_assert_int_eq(model_judge(&model, &above).status, STATUS_CONFLICT);
    ck_assert_int_eq(model_judge(&model, &late).status, STATUS_CONFLICT);
    ck_assert_int_eq(model_judge(&model, &deep).status, STATUS_CONFLICT);
    ck_assert_int_eq(model_judge(&model, &fine).status, STATUS_OK);
}
END_TEST

START_TEST(test_rollback_obeys_guards_and_states)
{
    struct model model = model_new();
    for (uint32_t height = 1; height <= 5; height++) {
        apply(&model, block(0, height, height));
    }
    apply(&model, raise(0, 4));
    struct operation back = rollback(2);
    back.n_guards = 1;
    back.guards[0].name = 0;
    ck_assert_int_eq(model_judge(&model, &back).status, STATUS_CONFLICT);
    back.guards[0].lower = true;
    struct model_result result = model_judge(&model, &back);
    ck_assert(result.status == STATUS_OK && result.lowered == 1 && result.blocks == 3);
    struct operation state = {.kind = OPERATION_COMMIT, .n_states = 1, .states = {{3, 1}}};
    apply(&model, state);
    ck_assert_int_eq(model_judge(&model, &back).status, STATUS_CONFLICT);
    state.states[0].height = 2;
    apply(&model, state);
    apply(&model, back);
    ck_assert_uint_eq(model.chains[0].metadata[0].value, 2);
    ck_assert_uint_eq(model.chains[0].height, 2);
    apply(&model, metadata(0, 0, 5)); /* not of 8 bytes */
    ck_assert_int_eq(model_judge(&model, &back).status, STATUS_INVALID);
}
END_TEST

/* ---- rounds ---- */

START_TEST(test_write_order_is_that_of_the_numbers)
{
    struct round round = {0};
    struct model model = model_new();
    struct operation first = metadata(0, 1, 10), second = metadata(1, 1, 20);
    add_ok(&round, first, 8);
    add_ok(&round, second, 7);
    static struct complaint complaint;
    ck_assert(round_check(&round, &model, &complaint));
    ck_assert_uint_eq(model.chains[0].metadata[1].value, 10);
}
END_TEST

START_TEST(test_commit_carried_out_against_its_condition_is_caught)
{
    struct round round = {0};
    struct model model = model_new();
    struct operation commit = block(0, 1, 1);
    commit.has_expected = true;
    commit.expected = 1;
    struct call *call = add_ok(&round, commit, 5);
    ck_assert(!fits(&round, &model));
    call->answer = answer_status(STATUS_CONFLICT);
    ck_assert(fits(&round, &model));
}
END_TEST

START_TEST(test_refusal_must_be_right_somewhere_between_its_neighbours)
{
    struct round round = {0};
    struct model model = model_new();
    struct operation commit = block(0, 2, 2);
    commit.has_expected = true;
    commit.expected = 0;
    add_ok(&round, block(1, 1, 1), 5); /* another connection's: before or after */
    add_answered(&round, commit, 0, answer_status(STATUS_CONFLICT));
    ck_assert(fits(&round, &model));
    round.n = 0;
    add_answered(&round, commit, 0, answer_status(STATUS_CONFLICT));
    add_ok(&round, block(0, 1, 1), 5); /* its own connection's, sent later: it cannot have been in the way */
    ck_assert(!fits(&round, &model));
    round.n = 0;
    add_answered(&round, metadata(0, 1, 1), 0, answer_status(STATUS_CONFLICT)); /* never refused */
    ck_assert(!fits(&round, &model));
}
END_TEST

START_TEST(test_read_sees_a_prefix_of_each_lane_and_nothing_else)
{
    struct model before = model_new(), seen;
    struct operation first = metadata(0, 8, 10), second = metadata(0, 9, 20), third = metadata(0, 8, 30);
    struct operation both = {.kind = OPERATION_GET_MANY, .connection = 1, .n_items = 2, .items = {8, 9}};
    static const struct {
        bool first, second, third, allowed;
    } cases[] = {
        {false, false, false, true}, {true, false, false, true},  {true, true, false, true},
        {true, true, true, true},    {false, true, false, false}, {true, false, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct round round = {0};
        add_ok(&round, first, 1);
        add_ok(&round, second, 2);
        add_ok(&round, third, 3);
        seen = before;
        const struct operation *writes[] = {cases[i].first ? &first : NULL, cases[i].second ? &second : NULL,
                                            cases[i].third ? &third : NULL};
        for (unsigned at = 0; at < 3; at++) {
            if (writes[at] != NULL) {
                model_apply(&seen, writes[at]);
            }
        }
        add_answered(&round, both, 0, answer_of(&seen, &both));
        ck_assert_int_eq(fits(&round, &before), cases[i].allowed);
    }
}
END_TEST

START_TEST(test_commit_is_seen_with_metadata_accepted_before_it_never_without)
{
    struct model before = model_new();
    struct operation mark = metadata(0, 8, 10), commit = block(0, 1, 1);
    commit.n_edits = 1;
    commit.edits[0] = (struct edit){EDIT_SET, 9, 20, 0};
    struct operation both = {.kind = OPERATION_GET_MANY, .connection = 1, .n_items = 2, .items = {8, 9}};
    for (unsigned later = 0; later < 2; later++) { /* the metadata's number below or above the commit's */
        struct round round = {0};
        add_ok(&round, mark, 5 + later * 2);
        add_ok(&round, commit, 6);
        struct model seen = before;
        model_apply(&seen, &commit);
        add_answered(&round, both, 0, answer_of(&seen, &both));
        ck_assert_int_eq(fits(&round, &before), later == 1);
        seen = before;
        model_apply(&seen, &mark); /* ahead of the commit it may be seen */
        round.calls[2].answer = answer_of(&seen, &both);
        ck_assert(fits(&round, &before));
    }
}
END_TEST

START_TEST(test_read_sees_what_was_answered_before_it_and_nothing_sent_after_it)
{
    struct model before = model_new(), after = before;
    struct operation mark = metadata(0, 8, 10), read = get(1, 8);
    model_apply(&after, &mark);
    for (unsigned late = 0; late < 2; late++) {
        struct round round = {0};
        struct call *write = add_ok(&round, mark, 5);
        struct call *call = add_answered(&round, read, 0, answer_of(late ? &after : &before, &read));
        write->sent_at = late ? 5 : 1;
        write->answered_at = late ? 6 : 2;
        call->sent_at = 3;
        call->answered_at = 4;
        ck_assert(!fits(&round, &before));
        call->answer = answer_of(late ? &before : &after, &read);
        ck_assert(fits(&round, &before));
    }
}
END_TEST

START_TEST(test_wrong_answers_to_every_read_are_caught)
{
    struct model model = model_new();
    struct episode episode = episode_new(11, 400);
    for (size_t i = 0; i < episode.n; i++) {
        const struct operation *operation = &episode.operations[i];
        if (operation_is_write(operation) && model_judge(&model, operation).status == STATUS_OK) {
            model_apply(&model, operation);
        }
    }
    struct operation dump[DUMP_OPERATIONS];
    size_t n = dump_operations(dump), with_text = 0;
    for (size_t i = 0; i < n; i++) {
        struct round round = {0};
        struct answer wrong = *answer_of(&model, &dump[i]);
        add_answered(&round, dump[i], 0, &wrong);
        ck_assert(fits(&round, &model));
        if (wrong.n > 0) {
            with_text++;
            wrong.text[wrong.n - 2] ^= 1;
            ck_assert(!fits(&round, &model));
        } else {
            wrong.status = STATUS_OK;
            ck_assert(!fits(&round, &model) || dump[i].kind == OPERATION_LIST ||
                      dump[i].kind == OPERATION_BLOCK_RANGE);
        }
    }
    ck_assert_uint_gt(with_text, 20);
    episode_free(&episode);
}
END_TEST

/* ---- states after a crash ---- */

static struct round no_round;

/* Whether some allowed state answers a read of two names like this: 0: absent, else the value. */
static bool allows(const struct states *states, uint64_t first, uint64_t second)
{
    for (size_t i = 0; i < states->n; i++) {
        const struct model_entry *entries = states->list[i].model.chains[0].metadata;
        if ((entries[8].there ? entries[8].value : 0) == first &&
            (entries[9].there ? entries[9].value : 0) == second) {
            return true;
        }
    }
    return false;
}

static struct states after(const struct round *written, const struct round *last, uint64_t on_disk_through)
{
    static const struct call *calls[ROUND_CALLS_MAX];
    size_t n = round_applied(written, calls);
    struct model before = model_new();
    struct history history = {calls, n, last, on_disk_through, 0};
    return states_after(&before, &history);
}

START_TEST(test_crash_leaves_a_prefix_of_the_metadata)
{
    struct round written = {0};
    add_ok(&written, metadata(0, 8, 10), 1);
    add_ok(&written, metadata(0, 9, 20), 2);
    add_ok(&written, metadata(0, 8, 30), 3);
    struct states states = after(&written, NULL, 0);
    ck_assert_uint_eq(states.n, 4);
    ck_assert(allows(&states, 0, 0) && allows(&states, 10, 0) && allows(&states, 10, 20) &&
              allows(&states, 30, 20));
    ck_assert(!allows(&states, 0, 20) && !allows(&states, 30, 0));
    states_free(&states);
    states = after(&written, NULL, 2); /* 2 is known to be written */
    ck_assert_uint_eq(states.n, 2);
    ck_assert(!allows(&states, 10, 0));
    states_narrow_hello(&states, 2);
    ck_assert_uint_eq(states.n, 1);
    states_narrow_hello(&states, 3);
    ck_assert_uint_eq(states.n, 0);
    states_free(&states);
}
END_TEST

START_TEST(test_crash_never_loses_an_answered_commit_nor_what_it_carried)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        struct round written = {0};
        add_ok(&written, metadata(0, 8, 10), 1);
        struct operation commit = block(0, 1, 1);
        commit.carry = kind == 1;
        commit.n_edits = kind == 2; /* touches the name that is queued */
        commit.edits[0] = (struct edit){EDIT_SET, 8, 40, 0};
        add_ok(&written, commit, 2);
        add_ok(&written, metadata(0, 9, 20), 3);
        struct states states = after(&written, NULL, 0);
        ck_assert_uint_eq(states.n, kind == 0 ? 3 : 2);
        for (size_t i = 0; i < states.n; i++) {
            ck_assert_uint_eq(states.list[i].model.chains[0].height, 1);
        }
        ck_assert_int_eq(allows(&states, 0, 0), kind == 0);
        ck_assert_int_eq(allows(&states, 40, 20), kind == 2);
        states_free(&states);
    }
}
END_TEST

START_TEST(test_metadata_never_survives_a_commit_accepted_before_it)
{
    struct round last = {0};
    add(&last, block(0, 1, 1));                               /* not answered */
    struct call *mark = add_ok(&last, metadata(0, 8, 10), 9); /* sent behind it */
    struct states states = after(&no_round, &last, 0);
    bool with = false, without = false;
    for (size_t i = 0; i < states.n; i++) {
        const struct model_chain *chain = &states.list[i].model.chains[0];
        ck_assert(chain->height == 1 || !chain->metadata[8].there);
        with |= chain->height == 1 && chain->metadata[8].there;
        without |= chain->height == 0;
    }
    ck_assert(with && without);
    states_free(&states);
    mark->level = 2; /* it is known to be on disk: so is the commit */
    states = after(&no_round, &last, 0);
    ck_assert_uint_eq(states.n, 1);
    ck_assert_uint_eq(states.list[0].model.chains[0].height, 1);
    states_free(&states);
}
END_TEST

START_TEST(test_power_cut_keeps_what_is_durable_and_a_prefix_of_the_rest)
{
    struct round written = {0};
    add_ok(&written, block(0, 1, 1), 1); /* durable */
    add_ok(&written, metadata(0, 8, 10), 2)->level = 2;
    add_ok(&written, block(0, 2, 2), 3)->level = 2;
    static const struct call *calls[ROUND_CALLS_MAX];
    struct model before = model_new();
    struct history history = {calls, round_applied(&written, calls), NULL, 0, 3};
    struct states states = states_after(&before, &history);
    ck_assert_uint_eq(states.n, 4);
    for (size_t i = 0; i < states.n; i++) {
        ck_assert_uint_ge(states.list[i].model.chains[0].height, 1);
    }
    states_free(&states);
    history.level_kept = 2; /* a kill */
    states = states_after(&before, &history);
    ck_assert_uint_eq(states.n, 1);
    ck_assert_uint_eq(states.list[0].model.chains[0].height, 2);
    states_free(&states);
}
END_TEST

START_TEST(test_unanswered_writes_are_there_whole_or_not_at_all)
{
    struct round last = {0};
    struct operation both = metadata(0, 8, 10);
    both.n_edits = 2;
    both.edits[1] = (struct edit){EDIT_SET, 9, 20, 0};
    add(&last, both);
    add(&last, metadata(1, 9, 30));
    struct states states = after(&no_round, &last, 0);
    ck_assert(allows(&states, 0, 0) && allows(&states, 10, 20) && allows(&states, 0, 30) &&
              allows(&states, 10, 30));
    ck_assert(!allows(&states, 10, 0) && !allows(&states, 0, 20));
    ck_assert_uint_eq(states.n, 4);
    struct operation read = get(0, 9);
    struct model seen = model_new();
    model_apply(&seen, last.calls[1].operation);
    states_narrow_read(&states, &read, answer_of(&seen, &read));
    states_merge(&states);
    ck_assert_uint_eq(states.n, 2);
    states_free(&states);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("model", 60, &tests);
    tcase_add_test(tests, test_hash_entry_goes_with_the_block_committed_last);
    tcase_add_test(tests, test_raise_keeps_value_and_binding_unless_it_is_greater);
    tcase_add_test(tests, test_prune_drops_what_is_bound_and_refuses_above_the_height);
    tcase_add_test(tests, test_rollback_obeys_guards_and_states);
    tcase_add_test(tests, test_write_order_is_that_of_the_numbers);
    tcase_add_test(tests, test_commit_carried_out_against_its_condition_is_caught);
    tcase_add_test(tests, test_refusal_must_be_right_somewhere_between_its_neighbours);
    tcase_add_test(tests, test_read_sees_a_prefix_of_each_lane_and_nothing_else);
    tcase_add_test(tests, test_commit_is_seen_with_metadata_accepted_before_it_never_without);
    tcase_add_test(tests, test_read_sees_what_was_answered_before_it_and_nothing_sent_after_it);
    tcase_add_test(tests, test_wrong_answers_to_every_read_are_caught);
    tcase_add_test(tests, test_crash_leaves_a_prefix_of_the_metadata);
    tcase_add_test(tests, test_crash_never_loses_an_answered_commit_nor_what_it_carried);
    tcase_add_test(tests, test_metadata_never_survives_a_commit_accepted_before_it);
    tcase_add_test(tests, test_power_cut_keeps_what_is_durable_and_a_prefix_of_the_rest);
    tcase_add_test(tests, test_unanswered_writes_are_there_whole_or_not_at_all);
    return suite_run(suite, false);
}
