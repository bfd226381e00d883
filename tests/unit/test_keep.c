/* The list of kept metadata against a model of plain arrays: what is kept, in which order it is sent again, and what the
 * counters say, whatever a daemon answers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/keep.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    STEPS = 6000,
    WRITES_MAX = 100,
    BODY_BYTES_MAX = 40000, /* some writes are larger than what shares a chunk */
};

static uint8_t filler[BODY_BYTES_MAX];

static void add(struct kept_list *list, uint64_t sequence, size_t operations)
{
    ck_assert(keep_add(list, filler, (size_t)sequence % 100, operations, sequence, sequence));
}

/* The sequences in the list's order. */
static void assert_order(const struct kept_list *list, const uint64_t *expected, size_t count)
{
    const struct kept *kept = list->first, *previous = NULL;
    for (size_t i = 0; i < count; i++, kept = kept->next) {
        ck_assert_ptr_nonnull(kept);
        ck_assert_uint_eq(kept->sequence, expected[i]);
        ck_assert_ptr_eq(kept->previous, previous);
        previous = kept;
    }
    ck_assert_ptr_null(kept);
    ck_assert_ptr_eq(list->last, previous);
}

START_TEST(writes_stand_in_the_order_of_their_numbers_however_their_answers_came)
{
    struct kept_list list = {.first = NULL};
    const uint64_t added[] = {5, 2, 9, 1, 7}, expected[] = {1, 2, 5, 7, 9};
    for (size_t i = 0; i < 5; i++) {
        add(&list, added[i], 1);
    }
    assert_order(&list, expected, 5);
    keep_cover(&list, 5);
    assert_order(&list, expected + 3, 2);
    keep_clear(&list);
    ck_assert_uint_eq(list.bytes, 0);
}
END_TEST

START_TEST(a_body_is_kept_byte_for_byte_whatever_its_size)
{
    struct kept_list list = {.first = NULL};
    for (size_t bytes = 0, sequence = 1; bytes < BODY_BYTES_MAX; bytes = bytes * 3 + 1, sequence++) {
        ck_assert(keep_add(&list, filler, bytes, 1, sequence, sequence));
    }
    size_t bytes = 0;
    for (const struct kept *kept = list.first; kept != NULL; kept = kept->next, bytes = bytes * 3 + 1) {
        ck_assert_uint_eq(kept->body_bytes, bytes);
        ck_assert_int_eq(memcmp(kept->body, filler, bytes), 0);
    }
    keep_clear(&list);
}
END_TEST

START_TEST(a_later_run_drops_what_it_found_and_loses_the_rest)
{
    struct kept_list list = {.first = NULL};
    const uint64_t expected[] = {3, 4};
    for (uint64_t sequence = 1; sequence <= 4; sequence++) {
        add(&list, sequence, sequence);
    }
    keep_judge(&list, 2);
    assert_order(&list, expected, 2);
    ck_assert_uint_eq(list.unsettled, 2);
    ck_assert_uint_eq(list.unsettled_operations, 7);
    ck_assert_uint_eq(list.operations, 7);
    keep_clear(&list);
}
END_TEST

/* A daemon whose disk is full refuses all that is under way. */
/* As of a write that goes before them, since it was first sent before them. */
START_TEST(what_is_accepted_while_others_are_lost_stands_before_these)
{
    struct kept_list list = {.first = NULL};
    const uint64_t expected[] = {102, 2, 3};
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        add(&list, sequence, 1);
    }
    keep_judge(&list, 1);
    ck_assert_uint_eq(keep_unsettled_stamp(&list), 2);
    ck_assert(keep_add(&list, filler, 1, 1, 102, 1));
    assert_order(&list, expected, 3);
    struct kept *second = keep_resend_next(&list), *third = keep_resend_next(&list);
    ck_assert_uint_eq(second->sequence, 2);
    keep_accepted(&list, third, 104);
    ck_assert_uint_eq(keep_unsettled_stamp(&list), 2);
    keep_accepted(&list, second, 103);
    ck_assert_uint_eq(keep_unsettled_stamp(&list), NO_STAMP);
    keep_clear(&list);
}
END_TEST

/* No stamp of one that stands before another is higher: what waits for the one waits for the other. */
START_TEST(stamps_rise_in_the_order_of_the_list)
{
    struct kept_list list = {.first = NULL};
    const uint64_t sequences[] = {10, 30, 20, 40}, stamps[] = {5, 8, 3, 7}, expected[] = {3, 3, 7, 7};
    for (size_t i = 0; i < 4; i++) {
        ck_assert(keep_add(&list, filler, 1, 1, sequences[i], stamps[i]));
    }
    const struct kept *kept = list.first;
    for (size_t i = 0; i < 4; i++, kept = kept->next) {
        ck_assert_uint_eq(kept->stamp, expected[i]);
    }
    keep_clear(&list);
}
END_TEST

START_TEST(after_several_refusals_the_first_refused_is_sent_first)
{
    struct kept_list list = {.first = NULL};
    struct kept *sent[3];
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        add(&list, sequence, 1);
    }
    keep_judge(&list, 0);
    for (size_t i = 0; i < 3; i++) {
        sent[i] = keep_resend_next(&list);
    }
    for (size_t i = 0; i < 3; i++) {
        keep_lost_from(&list, sent[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        ck_assert_ptr_eq(keep_resend_next(&list), sent[i]);
    }
    keep_clear(&list);
}
END_TEST

/* ---- bodies, which share chunks of memory ---- */

enum { KEPT_MAX = 3000, KEPT_BYTES_MAX = 40 << 10 };

static size_t kept_length(uint64_t sequence)
{
    return sequence % 97 == 0 ? sequence * 7919 % KEPT_BYTES_MAX : sequence % 61;
}

static void expect_kept(const struct kept_list *list)
{
    static uint8_t body[KEPT_BYTES_MAX];
    uint64_t last = 0, operations = 0;
    for (const struct kept *kept = list->first; kept != NULL; kept = kept->next) {
        ck_assert_uint_gt(kept->sequence, last);
        last = kept->sequence;
        operations += kept->operations;
        ck_assert_uint_eq(kept->body_bytes, kept_length(kept->sequence));
        memset(body, (int)(uint8_t)kept->sequence, kept->body_bytes);
        ck_assert_int_eq(memcmp(kept->body, body, kept->body_bytes), 0);
    }
    ck_assert_uint_eq(operations, list->operations);
}

START_TEST(what_is_kept_stays_as_it_was_until_it_is_covered)
{
    static uint8_t body[KEPT_BYTES_MAX];
    struct random_source random = random_from(random_seed("test_keep: bodies"));
    struct kept_list list = {.first = NULL};
    uint64_t next = 1, covered = 0;
    while (next < 20 * KEPT_MAX) {
        uint64_t wanted = random_below(&random, KEPT_MAX);
        for (uint64_t i = 0; i < wanted; i += 2, next += 2) { /* two connections' answers: out of order */
            for (uint64_t sequence = next + 1; sequence >= next; sequence--) {
                memset(body, (int)(uint8_t)sequence, kept_length(sequence));
                ck_assert(keep_add(&list, body, kept_length(sequence), 1 + sequence % 3, sequence, sequence));
            }
        }
        expect_kept(&list);
        covered += random_below(&random, next - covered);
        keep_cover(&list, covered);
        ck_assert(list.first == NULL ? list.bytes == 0 : list.first->sequence == covered + 1);
        expect_kept(&list);
    }
    keep_clear(&list);
    ck_assert_uint_eq(list.bytes + list.operations, 0);
}
END_TEST

/* ---- the model: writes in their order, each with its number, state and operations ---- */

struct write {
    uint64_t sequence;
    enum kept_state state;
    size_t operations;
};

struct model {
    struct write writes[WRITES_MAX];
    size_t count;
    struct kept *under_way[WRITES_MAX]; /* in the order sent */
    size_t under_way_count;
    bool refused; /* nothing is sent until all that is under way is answered */
    uint64_t next_sequence;
};

static size_t model_index(const struct kept_list *list, const struct kept *kept)
{
    size_t index = 0;
    for (const struct kept *each = list->first; each != kept; each = each->next) {
        index++;
    }
    return index;
}

static void model_remove(struct model *model, size_t index)
{
    model->count--;
    memmove(&model->writes[index], &model->writes[index + 1],
            (model->count - index) * sizeof model->writes[0]);
}

static void model_assert(const struct model *model, const struct kept_list *list)
{
    uint64_t operations = 0, unsettled = 0, unsettled_operations = 0;
    const struct kept *kept = list->first, *first_lost = NULL;
    for (size_t i = 0; i < model->count; i++, kept = kept->next) {
        const struct write *write = &model->writes[i];
        ck_assert_ptr_nonnull(kept);
        ck_assert_uint_eq(kept->sequence, write->sequence);
        ck_assert_int_eq(kept->state, write->state);
        operations += write->operations;
        unsettled += write->state != KEPT_ACCEPTED;
        unsettled_operations += write->state != KEPT_ACCEPTED ? write->operations : 0;
        first_lost = first_lost == NULL && write->state == KEPT_LOST ? kept : first_lost;
    }
    ck_assert_ptr_null(kept);
    ck_assert_ptr_eq(list->next_lost, first_lost);
    ck_assert_uint_eq(list->operations, operations);
    ck_assert_uint_eq(list->unsettled, unsettled);
    ck_assert_uint_eq(list->unsettled_operations, unsettled_operations);
}

/* Writes are only added while nothing is unsettled: the library holds new ones back. */
static void model_add(struct model *model, struct kept_list *list, struct random_source *random)
{
    if (model->count == WRITES_MAX || list->unsettled > 0) {
        return;
    }
    size_t operations = 1 + random_below(random, 5);
    size_t bytes = random_below(random, random_chance(random, 5) ? BODY_BYTES_MAX : 200);
    uint64_t sequence = ++model->next_sequence;
    ck_assert(keep_add(list, filler, bytes, operations, sequence, sequence));
    model->writes[model->count++] = (struct write){sequence, KEPT_ACCEPTED, operations};
}

static void model_cover(struct model *model, struct kept_list *list, struct random_source *random)
{
    uint64_t through = model->next_sequence - random_below(random, 20) % (model->next_sequence + 1);
    while (model->count > 0 && model->writes[0].state == KEPT_ACCEPTED &&
           model->writes[0].sequence <= through) {
        model_remove(model, 0);
    }
    keep_cover(list, through);
}

static void model_judge(struct model *model, struct kept_list *list, struct random_source *random)
{
    uint64_t on_disk = random_below(random, model->next_sequence + 1);
    for (size_t i = model->count; i-- > 0;) {
        if (model->writes[i].state == KEPT_ACCEPTED && model->writes[i].sequence <= on_disk) {
            model_remove(model, i);
        } else {
            model->writes[i].state = KEPT_LOST;
        }
    }
    model->under_way_count = 0;
    model->refused = false;
    keep_judge(list, on_disk);
}

static void model_send(struct model *model, struct kept_list *list)
{
    if (model->refused && model->under_way_count > 0) {
        return;
    }
    model->refused = false;
    struct kept *kept = keep_resend_next(list);
    for (size_t i = 0; i < model->count; i++) {
        if (model->writes[i].state == KEPT_LOST) {
            ck_assert_ptr_nonnull(kept);
            ck_assert_uint_eq(kept->sequence, model->writes[i].sequence);
            model->writes[i].state = KEPT_RESENT;
            model->under_way[model->under_way_count++] = kept;
            return;
        }
    }
    ck_assert_ptr_null(kept);
}

/* Answers come in the order sent, as the daemon's for one connection do not have to: any of them is taken. */
static void model_answer(struct model *model, struct kept_list *list, struct random_source *random)
{
    if (model->under_way_count == 0) {
        return;
    }
    size_t taken = random_below(random, model->under_way_count);
    struct kept *kept = model->under_way[taken];
    model->under_way_count--;
    memmove(&model->under_way[taken], &model->under_way[taken + 1],
            (model->under_way_count - taken) * sizeof model->under_way[0]);
    size_t index = model_index(list, kept);
    unsigned outcome = (unsigned)random_below(random, 10);
    if (outcome < 6) {
        uint64_t sequence = ++model->next_sequence;
        if (model->writes[index].state == KEPT_RESENT) {
            model->writes[index].state = KEPT_ACCEPTED;
            model->writes[index].sequence = sequence;
        }
        keep_accepted(list, kept, sequence);
    } else if (outcome < 8) {
        model_remove(model, index);
        keep_drop(list, kept);
    } else {
        for (size_t i = index; i < model->count; i++) {
            model->writes[i].state = KEPT_LOST;
        }
        model->refused = true;
        keep_lost_from(list, kept);
    }
}

START_TEST(no_order_of_answers_refusals_and_restarts_loses_a_write_or_its_place)
{
    static struct model model;
    struct random_source random = random_from(random_seed("test_keep"));
    struct kept_list list = {.first = NULL};
    model = (struct model){.next_sequence = 0};
    random_fill(&random, filler, sizeof filler);
    for (int step = 0; step < STEPS; step++) {
        switch (random_below(&random, 12)) {
        case 0:
            if (random_chance(&random, 10)) {
                model_judge(&model, &list, &random);
            }
            break;
        case 1:
            if (random_chance(&random, 20)) {
                model_cover(&model, &list, &random);
            }
            break;
        case 2:
        case 3:
        case 4:
        case 5:
            model_send(&model, &list);
            break;
        case 6:
        case 7:
        case 8:
            model_answer(&model, &list, &random);
            break;
        default:
            model_add(&model, &list, &random);
        }
        model_assert(&model, &list);
    }
    keep_clear(&list);
    ck_assert_ptr_null(list.first);
    ck_assert_uint_eq(list.bytes, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("keep", 20, &tests);
    tcase_add_test(tests, writes_stand_in_the_order_of_their_numbers_however_their_answers_came);
    tcase_add_test(tests, a_body_is_kept_byte_for_byte_whatever_its_size);
    tcase_add_test(tests, a_later_run_drops_what_it_found_and_loses_the_rest);
    tcase_add_test(tests, what_is_accepted_while_others_are_lost_stands_before_these);
    tcase_add_test(tests, stamps_rise_in_the_order_of_the_list);
    tcase_add_test(tests, after_several_refusals_the_first_refused_is_sent_first);
    tcase_add_test(tests, what_is_kept_stays_as_it_was_until_it_is_covered);
    tcase_add_test(tests, no_order_of_answers_refusals_and_restarts_loses_a_write_or_its_place);
    return suite_run(suite, true);
}
