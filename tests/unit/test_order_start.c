/* A start: what it takes before the first answer, what it remembers of earlier runs, and what ends it. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/order_fixture.h"
#include "tests/lib/suite.h"

static struct failure failure;

static struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

/* The next start ends with that status and a text, and has written nothing. */
static void check_start_fails(enum status status, const char *says)
{
    uint64_t writes = fake_disk_calls(order_fixture.disk, FAKE_WRITE);
    failure = (struct failure){0};
    ck_assert_int_eq(order_fixture_try_run(&failure), status);
    ck_assert_int_eq(failure.status, status);
    ck_assert_msg(strstr(failure.text, says) != NULL, "%s", failure.text);
    ck_assert_uint_eq(fake_disk_calls(order_fixture.disk, FAKE_WRITE), writes);
    order_fixture_end_run();
}

/* Puts bytes under a key, in place of what is there, with the run's engine. */
static void put(const struct key *key, struct slice value)
{
    struct engine_edit edit = {ENGINE_PUT, key_slice(key), value};
    ck_assert_int_eq(engine_write(order_fixture.engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
}

START_TEST(the_first_start_makes_default_and_takes_run_one_durably)
{
    ck_assert_uint_eq(order_run(order_fixture.order), 1);
    ck_assert_uint_eq(chain_count(order_chains(order_fixture.order)), 1);
    ck_assert(order_fixture.chain->visible);
    ck_assert_uint_eq(fake_disk_unsynced(order_fixture.disk), 0);
    fake_disk_cut(order_fixture.disk);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert_uint_eq(order_run(order_fixture.order), 2);
    ck_assert_uint_eq(chain_count(order_chains(order_fixture.order)), 1);
}
END_TEST

START_TEST(a_start_behind_a_cut_knows_the_metadata_number_that_the_cut_left)
{
    struct order_wait durable;
    uint64_t kept = order_fixture_set('a', "value");
    order_wait_begin(&durable, kept, LEVEL_DURABLE);
    while (!durable.is_told) {
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
    }
    (void)order_fixture_set('b', "value"); /* accepted only */
    fake_disk_cut(order_fixture.disk);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert_uint_eq(order_metadata_on_disk(order_fixture.order, 0), kept);
    ck_assert_uint_eq(order_metadata_on_disk(order_fixture.order, 1), kept);
    ck_assert_uint_eq(order_metadata_on_disk(order_fixture.order, 3), 0); /* a run that never was */
    ck_assert_uint_gt(order_fixture_set('a', "value"), kept + 1);
    ck_assert_int_eq(order_fixture_disk_value('b'), '\0');
}
END_TEST

/* The end of a run is what the start behind it found. */
START_TEST(a_start_remembers_as_many_runs_as_it_says_with_their_bits_and_ends)
{
    static uint64_t randoms[NUMBERS_RUNS + 20], ends[NUMBERS_RUNS + 20];
    for (uint64_t run = 1; run < NUMBERS_RUNS + 10; run++) {
        if (run % 100 == 1 || run % 100 == 99) {
            (void)order_fixture_set('a', "value");
        }
        order_fixture_settle();
        ck_assert_uint_eq(order_run(order_fixture.order), run);
        randoms[run] = order_run_random(order_fixture.order);
        order_fixture_end_run();
        order_fixture_start_run();
        ends[run] = order_metadata_on_disk(order_fixture.order, 0);
    }
    const struct order *order = order_fixture.order;
    uint64_t last = order_run(order);
    for (uint64_t run = 1; run < last; run++) {
        bool is_known = last - run < NUMBERS_RUNS;
        ck_assert_int_eq(order_knows_run(order, run, randoms[run]), is_known);
        ck_assert(!order_knows_run(order, run, randoms[run] + 1));
        ck_assert_uint_eq(order_metadata_on_disk(order, run), is_known ? ends[run] : 0);
    }
    ck_assert(order_knows_run(order, last, order_run_random(order)));
    ck_assert(!order_knows_run(order, last + 1, order_run_random(order)));
    ck_assert(!order_knows_run(order, 0, 0));
}
END_TEST

START_TEST(a_start_writes_to_the_database_only_to_make_default)
{
    order_fixture_end_run();
    uint64_t writes = fake_disk_calls(order_fixture.disk, FAKE_WRITE);
    order_fixture_start_run();
    ck_assert_uint_eq(fake_disk_calls(order_fixture.disk, FAKE_WRITE), writes);
}
END_TEST

START_TEST(numbers_that_are_older_than_the_database_end_the_start)
{
    struct key key = key_of_kind(0, KEY_METADATA_ON_DISK);
    uint8_t bytes[8];
    record_put_u64(order_fixture.order->reserved_through + 1, bytes);
    put(&key, slice_of(bytes, sizeof bytes));
    order_fixture_end_run();
    check_start_fails(STATUS_DAMAGED, NUMBERS_NAME " is older than the database");
}
END_TEST

START_TEST(numbers_that_do_not_know_the_last_run_end_the_start)
{
    engine_begin_run(order_fixture.engine, order_run(order_fixture.order) + 1);
    order_fixture_end_run();
    check_start_fails(STATUS_DAMAGED, NUMBERS_NAME " is older than the database");
}
END_TEST

/* A remedy that makes the same numbers again is none. */
START_TEST(numbers_made_by_a_clock_that_is_wrong_end_the_start_and_name_the_clock_first)
{
    struct numbers *numbers = &order_fixture.numbers.numbers;
    uint8_t bytes[8];
    record_put_u64(order_fixture.order->reserved_through + 1, bytes);
    struct key key =
        _i == 0 ? key_of_kind(0, KEY_METADATA_ON_DISK) : key_of_kind(order_fixture.chain->id, KEY_MADE);
    put(&key, slice_of(bytes, sizeof bytes));
    order_fixture_end_run();
    numbers->is_by_clock = true;
    check_start_fails(STATUS_DAMAGED, "the system's clock is wrong: it says 1970-01-01, and " NUMBERS_NAME);
    ck_assert_ptr_nonnull(
        strstr(failure.text, _i == 0 ? ". Set the clock and give --accept-loss once more"
                                     : ". Set the clock, remove the file and give --accept-loss once more"));
}
END_TEST

/* As where the database and what the engine keeps beside it were put back from a copy. */
START_TEST(runs_that_the_engine_does_not_know_are_forgotten)
{
    uint64_t first = order_run_random(order_fixture.order);
    struct numbers *numbers = &order_fixture.numbers.numbers;
    order_fixture_end_run();
    for (int start = 0; start < 2; start++) {
        ck_assert(numbers_begin_run(numbers, 0, false, &failure));
    }
    uint64_t second = numbers_run(numbers, 2)->random, third = numbers_run(numbers, 3)->random;
    order_fixture_start_run();
    ck_assert_uint_eq(order_run(order_fixture.order), 4);
    ck_assert(order_knows_run(order_fixture.order, 1, first));
    ck_assert(!order_knows_run(order_fixture.order, 2, second));
    ck_assert(!order_knows_run(order_fixture.order, 3, third));
    uint64_t fourth = order_run_random(order_fixture.order);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert(order_knows_run(order_fixture.order, 4, fourth));
    ck_assert(!order_knows_run(order_fixture.order, 3, third));
}
END_TEST

START_TEST(what_format_1_left_in_the_database_is_deleted_once)
{
    uint8_t bytes[8] = {0};
    struct key keys[] = {key_of_kind(0, KEY_SEQUENCE), key_of_height(0, KEY_RUN, 1),
                         key_of_height(0, KEY_RUN, UINT64_MAX)};
    for (size_t i = 0; i < 3; i++) {
        put(&keys[i], slice_of(bytes, sizeof bytes));
    }
    order_fixture_end_run();
    order_fixture_start_run();
    for (size_t i = 0; i < 3; i++) {
        struct engine_value value = {0};
        ck_assert_int_eq(
            engine_get(order_fixture.engine, NULL, ENGINE_MAY_BLOCK, key_slice(&keys[i]), &value, &failure),
            ENGINE_NOT_FOUND);
    }
}
END_TEST

static const enum fake_call reads[] = {FAKE_GET, FAKE_NEXT};

/* Whichever read of a start fails: it says so, changes nothing, and the next start goes well. Only where a chain's last block is it
 * can do without. */
START_TEST(a_start_ends_at_any_read_that_fails_but_one)
{
    uint64_t goes_on = 0;
    enum fake_call call = reads[_i];
    uint64_t run = order_run(order_fixture.order);
    uint64_t sequence = order_fixture_set('a', "value");
    order_fixture_settle();
    order_fixture_end_run();
    uint64_t calls = fake_disk_calls(order_fixture.disk, call);
    order_fixture_start_run();
    calls = fake_disk_calls(order_fixture.disk, call) - calls;
    order_fixture_end_run();
    ck_assert_uint_gt(calls, 1);
    for (unsigned nth = 1; nth <= calls; nth++) {
        uint64_t writes = fake_disk_calls(order_fixture.disk, FAKE_WRITE);
        fake_disk_fault(order_fixture.disk, call, FAKE_FAILS, nth);
        if (order_fixture_try_run(&failure) == STATUS_OK) {
            const struct damage *damage = order_damage(order_fixture.order);
            ck_assert_uint_eq(damage_count(damage, DAMAGE_BACKGROUND), 1);
            ck_assert_ptr_nonnull(strstr(damage_text(damage), "fault injected"));
            goes_on++;
        } else {
            ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
            ck_assert_msg(strstr(failure.text, "fault injected") != NULL, "%s", failure.text);
            ck_assert_uint_eq(fake_disk_calls(order_fixture.disk, FAKE_WRITE), writes);
        }
        order_fixture_end_run();
    }
    ck_assert_uint_eq(goes_on, call == FAKE_NEXT);
    order_fixture_start_run();
    ck_assert_uint_eq(order_run(order_fixture.order), run + 2 + goes_on);
    ck_assert_uint_eq(order_metadata_on_disk(order_fixture.order, 0), sequence);
}
END_TEST

START_TEST(a_start_whose_write_is_not_done_ends_and_leaves_the_next_one_its_numbers)
{
    static const enum fake_fault faults[] = {FAKE_FAILS, FAKE_IN_DOUBT};
    uint64_t last = order_fixture_set('a', "value");
    order_fixture_end_run();
    fake_disk_free(order_fixture.disk);
    order_fixture.disk = fake_disk_new("order-fixture", 1); /* so that there is something to write */
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, faults[_i], 1);
    ck_assert_int_eq(order_fixture_try_run(&failure), STATUS_IO_ERROR);
    ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert_uint_gt(order_fixture_set('a', "value"), last);
}
END_TEST

/* Records that no daemon writes: a claim's and its epoch's among what a whole store has, one of them in another's place. */
enum bad_record {
    BAD_METADATA,
    BAD_MARKS,
    BAD_MADE,
    BAD_CHAIN,
    BAD_NAME,
    BAD_ID,
    BAD_DROPPED,
    BAD_DROPPED_ID,
    BAD_CLAIM,
    BAD_EPOCH,
    OTHER_EPOCH,
    NO_EPOCH,
    BAD_RECORDS,
};

static void put_claim(uint64_t epoch_random)
{
    uint8_t bytes[RECORD_CLAIM_HEAD_BYTES + 8], epoch[RECORD_EPOCH_BYTES];
    struct claim_record claim = {.epoch = {9, 77}, .name = slice_of("writer", 6)};
    struct key key = key_of_kind(order_fixture.chain->id, KEY_CLAIM);
    ck_assert_uint_le(record_claim_bytes(&claim), sizeof bytes);
    record_write_claim(&claim, bytes);
    put(&key, slice_of(bytes, record_claim_bytes(&claim)));
    if (epoch_random != 0) {
        struct key epoch_key = key_of_height(order_fixture.chain->id, KEY_EPOCH, 9);
        record_write_epoch(&(struct epoch_record){.random = epoch_random, .last_number = 5}, epoch);
        put(&epoch_key, slice_of(epoch, sizeof epoch));
    }
}

START_TEST(a_claim_and_what_was_applied_under_it_are_known_after_a_start)
{
    put_claim(77);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert_uint_eq(order_fixture.chain->claim.last.epoch.sequence, 9);
    ck_assert_uint_eq(order_fixture.chain->claim.last.epoch.random, 77);
    ck_assert_uint_eq(order_fixture.chain->claim.number_max, 5);
}
END_TEST

/* A claim that is made now would stand below one that is there. */
START_TEST(numbers_that_are_older_than_what_a_chain_names_end_the_start)
{
    struct chain_marks marks = order_fixture.chain->marks;
    uint32_t chain = order_fixture.chain->id;
    uint64_t sequence = order_fixture.order->reserved_through + (_i % 2 == 0);
    struct key key = key_of_kind(chain, _i < 2 ? KEY_MARKS : KEY_MADE);
    uint8_t bytes[RECORD_MARKS_BYTES];
    marks.cut_sequence = sequence;
    if (_i < 2) {
        record_write_marks(&marks, bytes);
    } else {
        record_put_u64(sequence, bytes);
    }
    put(&key, slice_of(bytes, _i < 2 ? sizeof bytes : 8));
    order_fixture_end_run();
    if (_i % 2 == 0) {
        check_start_fails(STATUS_DAMAGED, NUMBERS_NAME " is older than the database, in which a chain has");
        order_fixture.numbers.numbers.reserved_through = sequence;
        thread_set_role(THREAD_WRITER);
        ck_assert(numbers_reserve(&order_fixture.numbers.numbers, sequence + 1, &failure));
        thread_set_role(THREAD_LOOP);
    }
    order_fixture_start_run();
}
END_TEST

START_TEST(records_that_cannot_be_understood_end_the_start_with_their_name)
{
    uint32_t chain = order_fixture.chain->id;
    static const uint8_t zero[8];
    struct key no_chain = key_of_dropped(1);
    memset(no_chain.data + no_chain.bytes - sizeof(uint32_t), 0, sizeof(uint32_t));
    const struct {
        struct key key;
        struct slice value;
        const char *text;
    } records[BAD_RECORDS] = {
        [BAD_METADATA] = {key_of_kind(0, KEY_METADATA_ON_DISK), text("bad"), "the highest metadata number"},
        [BAD_MARKS] = {key_of_kind(chain, KEY_MARKS), text("bad"), "a chain's marks"},
        [BAD_MADE] = {key_of_kind(chain, KEY_MADE), text("bad"), "a chain's making"},
        [BAD_CHAIN] = {key_of_name(0, KEY_CHAIN_NAME, text("default")), text("bad"), "the list of chains"},
        [BAD_NAME] = {key_of_name(0, KEY_CHAIN_NAME, text("no/chain")), text("bad"), "the list of chains"},
        [BAD_ID] = {key_of_name(0, KEY_CHAIN_NAME, text("other")), slice_of(zero, 8), "the list of chains"},
        [BAD_DROPPED] = {key_of_dropped(3), text("bad"), "the list of dropped chains"},
        [BAD_DROPPED_ID] = {no_chain, slice_of(zero, 8), "the list of dropped chains"},
        [BAD_CLAIM] = {key_of_kind(chain, KEY_CLAIM), text("bad"), "a chain's claim"},
        [BAD_EPOCH] = {key_of_height(chain, KEY_EPOCH, 9), text("bad"), "a chain's epoch"},
        [OTHER_EPOCH] = {.text = "a chain's epoch"},
        [NO_EPOCH] = {.text = "a chain's epoch"},
    };
    put_claim(_i == OTHER_EPOCH ? 78 : _i == NO_EPOCH ? 0 : 77);
    if (records[_i].value.bytes > 0) {
        put(&records[_i].key, records[_i].value);
    }
    order_fixture_end_run();
    check_start_fails(STATUS_DAMAGED, records[_i].text);
    ck_assert_int_eq(order_fixture_try_run(&failure), STATUS_DAMAGED); /* and goes on doing so */
}
END_TEST

START_TEST(more_chains_than_chains_max_end_the_start_and_name_the_setting)
{
    uint8_t id[8];
    struct key key = key_of_name(0, KEY_CHAIN_NAME, slice_of("other", 5));
    record_put_u64(ORDER_FIXTURE_CHAINS_MAX + 1, id);
    put(&key, slice_of(id, sizeof id));
    order_fixture_end_run();
    ck_assert_int_eq(order_fixture_try_run(&failure), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, "chains_max"));
}
END_TEST

START_TEST(chains_that_were_dropped_before_are_gone_and_their_numbers_may_be_any)
{
    uint8_t value[8] = {0};
    struct key keys[] = {key_of_dropped(order_fixture.chain->id), key_of_dropped(CHAIN_IDS_MAX)};
    put(&keys[0], slice_of(value, sizeof value));
    put(&keys[1], slice_of(value, sizeof value)); /* above chains_max: that was greater then */
    order_fixture_end_run();
    order_fixture_start_run();
    const struct gone *gone = chain_gone(order_chains(order_fixture.order));
    ck_assert(gone_has(gone, order_fixture.chain->id) && gone_has(gone, CHAIN_IDS_MAX));
    ck_assert(!gone_has(gone, 2));
    struct key beyond = key_of_dropped(CHAIN_IDS_MAX + 1);
    put(&beyond, slice_of(value, sizeof value));
    order_fixture_end_run();
    check_start_fails(STATUS_DAMAGED, "the list of dropped chains");
}
END_TEST

START_TEST(numbers_that_are_used_up_end_the_start)
{
    order_fixture_end_run();
    struct numbers *numbers = &order_fixture.numbers.numbers;
    *(_i == 0 ? &numbers->run : &numbers->reserved_through) = NUMBERS_MAX;
    static struct numbers_fixture full;
    numbers_fixture_open(&full, numbers);
    numbers_fixture_close(&order_fixture.numbers);
    order_fixture.numbers = full;
    check_start_fails(STATUS_INVALID, "used up");
}
END_TEST

START_TEST(a_list_of_chains_without_default_ends_the_start)
{
    uint8_t id[8];
    struct key missing = key_of_name(0, KEY_CHAIN_NAME, slice_of("default", 7));
    struct key key = key_of_name(0, KEY_CHAIN_NAME, slice_of("other", 5));
    record_put_u64(2, id); /* as many chains as that are there, says the next free id */
    put(&key, slice_of(id, sizeof id));
    struct key marks = key_of_kind(2, KEY_MARKS);
    uint8_t zero[RECORD_MARKS_BYTES] = {0};
    record_write_marks(&(struct chain_marks){0}, zero);
    put(&marks, slice_of(zero, sizeof zero));
    struct engine_edit edit = {.kind = ENGINE_DELETE, .key = key_slice(&missing)};
    ck_assert_int_eq(engine_write(order_fixture.engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
    order_fixture_end_run();
    check_start_fails(STATUS_DAMAGED, "the list of chains");
    ck_assert_int_eq(order_fixture_try_run(&failure), STATUS_DAMAGED);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_start", 20, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, the_first_start_makes_default_and_takes_run_one_durably);
    tcase_add_test(tests, a_start_behind_a_cut_knows_the_metadata_number_that_the_cut_left);
    tcase_add_test(tests, a_start_remembers_as_many_runs_as_it_says_with_their_bits_and_ends);
    tcase_add_test(tests, a_start_writes_to_the_database_only_to_make_default);
    tcase_add_test(tests, numbers_that_are_older_than_the_database_end_the_start);
    tcase_add_test(tests, numbers_that_do_not_know_the_last_run_end_the_start);
    tcase_add_loop_test(tests, numbers_made_by_a_clock_that_is_wrong_end_the_start_and_name_the_clock_first,
                        0, 2);
    tcase_add_test(tests, runs_that_the_engine_does_not_know_are_forgotten);
    tcase_add_loop_test(tests, numbers_that_are_older_than_what_a_chain_names_end_the_start, 0, 4);
    tcase_add_test(tests, what_format_1_left_in_the_database_is_deleted_once);
    tcase_add_loop_test(tests, a_start_ends_at_any_read_that_fails_but_one, 0,
                        sizeof reads / sizeof reads[0]);
    tcase_add_loop_test(tests, a_start_whose_write_is_not_done_ends_and_leaves_the_next_one_its_numbers, 0,
                        2);
    tcase_add_loop_test(tests, records_that_cannot_be_understood_end_the_start_with_their_name, 0,
                        BAD_RECORDS);
    tcase_add_test(tests, a_claim_and_what_was_applied_under_it_are_known_after_a_start);
    tcase_add_test(tests, more_chains_than_chains_max_end_the_start_and_name_the_setting);
    tcase_add_test(tests, chains_that_were_dropped_before_are_gone_and_their_numbers_may_be_any);
    tcase_add_loop_test(tests, numbers_that_are_used_up_end_the_start, 0, 2);
    tcase_add_test(tests, a_list_of_chains_without_default_ends_the_start);
    return suite_run(suite, true);
}
