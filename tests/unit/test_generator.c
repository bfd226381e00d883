/* The dump of the model test's generator: two states of the naive store are equal exactly if every read of the dump answers
 * alike. Where they are not, a run of the model test is red by chance: after a crash it finds two states and cannot tell
 * which of them the daemon is in. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/generator.h"
#include "tests/lib/model_states.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { EPISODES = 10, EPISODE_OPERATIONS = 300, KINDS_OF_VALUE = 5, WRITES = 6 };

/* What all reads of the dump answer. */
static uint64_t dump_digest(const struct model *model)
{
    static struct operation dump[DUMP_OPERATIONS];
    size_t n = dump_operations(dump);
    uint64_t digests[DUMP_OPERATIONS] = {0};
    for (size_t i = 0; i < n; i++) {
        struct answer answer;
        model_read(model, &dump[i], &answer);
        digests[i] = bytes_digest(answer.text, answer.n) + answer.status;
    }
    return bytes_digest(digests, sizeof digests);
}

static void assert_told_apart(const struct possible *states, size_t n)
{
    uint64_t *dumps = calloc(n, sizeof *dumps);
    ck_assert(dumps != NULL || n == 0);
    for (size_t i = 0; i < n; i++) {
        dumps[i] = dump_digest(&states[i].model);
        for (size_t j = 0; j < i; j++) {
            bool equal = model_equal(&states[i].model, &states[j].model);
            ck_assert_msg(equal == (dumps[i] == dumps[j]), "states %zu and %zu: %s", j, i,
                          equal ? "equal, but a read tells them apart" : "no read tells them apart");
        }
    }
    free(dumps);
}

/* ---- places in the table of values that hold the same bytes, the empty value above all ---- */

static struct operation operation_with(unsigned kind, uint32_t value)
{
    struct operation operation = {.kind = OPERATION_COMMIT};
    switch (kind) {
    case 0:
        operation.n_edits = 1;
        operation.edits[0] = (struct edit){EDIT_SET, 8, value, 0};
        break;
    case 1:
        operation.n_states = 1;
        operation.states[0].value = value;
        break;
    default: /* a block's header, with which its signature changes, its data, its hash */
        operation.n_blocks = 1;
        operation.blocks[0].height = 1;
        operation.blocks[0].header = kind == 2 ? value : 0;
        operation.blocks[0].data = kind == 3 ? value : 0;
        operation.blocks[0].hash = kind == 4 ? value % HASHES_KNOWN : 0;
    }
    return operation;
}

START_TEST(test_values_of_the_same_bytes_make_the_same_state)
{
    struct possible *states = calloc(VALUES_KNOWN, sizeof *states);
    ck_assert_ptr_nonnull(states);
    for (uint32_t value = 0; value < VALUES_KNOWN; value++) {
        struct operation operation = operation_with((unsigned)_i, value);
        states[value].model = model_new();
        model_apply(&states[value].model, &operation);
    }
    assert_told_apart(states, VALUES_KNOWN);
    free(states);
}
END_TEST

/* ---- the states that a crash may leave, of random writes ---- */

/* The next writes, all in one round, of which some were answered. */
static void fill_round(struct round *round, struct operation *operations, const struct episode *episode,
                       size_t at, struct model model, struct random_source *random)
{
    static const struct answer fine = {.status = STATUS_OK};
    *round = (struct round){.n = 0};
    for (; at < episode->n && round->n < WRITES; at++) {
        struct operation *operation = &operations[round->n];
        *operation = episode->operations[at];
        operation->round = 1;
        if (!operation_is_write(operation) || model_judge(&model, operation).status != STATUS_OK) {
            continue;
        }
        struct call *call = &round->calls[round->n++];
        call->operation = operation;
        if (random_chance(random, 40)) {
            call->answered = true;
            call->sequence = round->n;
            call->level = operation_is_commit(operation) ? 2 : 1;
            call->answer = &fine;
            model_apply(&model, operation);
        }
    }
}

START_TEST(test_dump_tells_the_states_after_a_crash_apart)
{
    static struct round round;
    struct operation operations[WRITES];
    uint64_t seed = (uint64_t)_i + 1;
    struct random_source random = random_from(seed);
    struct episode episode = episode_new(seed, EPISODE_OPERATIONS);
    struct model model = model_new();
    for (size_t at = 0; at < episode.n; at++) {
        const struct operation *operation = &episode.operations[at];
        if (operation_is_write(operation) && model_judge(&model, operation).status == STATUS_OK) {
            model_apply(&model, operation);
        }
        if (!random_chance(&random, 5)) {
            continue;
        }
        fill_round(&round, operations, &episode, at, model, &random);
        struct states states = states_after(&model, &(struct history){.round = &round});
        ck_assert(!states.overflow);
        states_merge(&states);
        assert_told_apart(states.list, states.n);
        states_free(&states);
    }
    episode_free(&episode);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("generator", 60, &tests);
    tcase_add_loop_test(tests, test_values_of_the_same_bytes_make_the_same_state, 0, KINDS_OF_VALUE);
    tcase_add_loop_test(tests, test_dump_tells_the_states_after_a_crash_apart, 0, EPISODES);
    return suite_run(suite, false);
}
