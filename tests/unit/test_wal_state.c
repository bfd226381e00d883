/* What is kept of the log outside of it: found again as it was written, also where the file is damaged or gone. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/wal_state.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static struct directory directory;
static struct failure failure;

static void setup(void)
{
    directory = directory_new();
}

static void teardown(void)
{
    directory_remove(&directory);
}

static struct wal_state *opened(struct wal_state *state)
{
    ck_assert_msg(wal_state_open(directory_path(&directory, "db"), state, &failure), "%s", failure.text);
    return state;
}

static void damage(off_t at)
{
    int fd = open(directory_path(&directory, "db.state"), O_RDWR);
    ck_assert_int_eq(pwrite(fd, "damage", 6, at), 6);
    close(fd);
}

START_TEST(a_new_store_has_none_and_gets_one)
{
    struct wal_state state, again;
    ck_assert(!opened(&state)->is_known);
    wal_state_advance(&state, 5); /* there is no file yet: an open that did not end makes none */
    wal_state_note(&state, 6);
    wal_state_begin_run(&state, 1);
    wal_state_note_failure(&state);
    ck_assert(!file_exists(directory_path(&directory, "db.state")));
    ck_assert(wal_state_renew(&state, 7, &failure));
    ck_assert(opened(&again)->is_known);
    ck_assert_uint_eq(again.record.store, state.store);
    ck_assert_uint_eq(again.record.synced, 7);
    ck_assert(!again.record.has_failed);
    wal_state_close(&again);
    wal_state_close(&state);
    wal_state_close(&state);
}
END_TEST

START_TEST(numbers_only_grow_until_the_next_open)
{
    struct wal_state state, again;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    wal_state_advance(&state, 9);
    wal_state_advance(&state, 8);
    ck_assert_uint_eq(opened(&again)->record.synced, 9);
    ck_assert(wal_state_renew(&again, 3, &failure)); /* a loss was accepted */
    wal_state_close(&again);
    ck_assert_uint_eq(opened(&again)->record.synced, 3);
    wal_state_close(&again);
    wal_state_close(&state);
}
END_TEST

START_TEST(what_was_noted_without_waiting_is_found_and_written_over)
{
    struct wal_state state, again;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    wal_state_note(&state, 9);
    wal_state_note(&state, 8);
    ck_assert_uint_eq(opened(&again)->record.synced, 9);
    wal_state_close(&again);
    mutex_lock(&state.lock);
    wal_state_note(&state, 20); /* while another one writes it is left out */
    mutex_unlock(&state.lock);
    ck_assert_uint_eq(state.noted, 9);
    wal_state_note(&state, 10);
    wal_state_note(&state, 11);
    damage(8); /* as a power cut may leave the copy that nobody waited for */
    ck_assert_uint_eq(opened(&again)->record.synced, 7);
    wal_state_close(&again);
    wal_state_advance(&state, 11);
    damage(8);
    ck_assert_uint_eq(opened(&again)->record.synced, 11);
    wal_state_close(&again);
    wal_state_note(&state, 12);
    wal_state_note_failure(&state);
    wal_state_note(&state, 13);
    ck_assert_uint_eq(opened(&again)->record.synced, 12);
    ck_assert(again.record.has_failed);
    wal_state_close(&again);
    wal_state_close(&state);
}
END_TEST

START_TEST(the_last_run_stays)
{
    struct wal_state state;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    ck_assert_uint_eq(state.record.run, 0);
    wal_state_begin_run(&state, UINT64_C(0x123456789abc));
    wal_state_advance(&state, 8);
    wal_state_close(&state);
    ck_assert(wal_state_renew(opened(&state), 9, &failure));
    wal_state_note_failure(&state);
    wal_state_close(&state);
    ck_assert_uint_eq(opened(&state)->record.run, UINT64_C(0x123456789abc));
    wal_state_close(&state);
}
END_TEST

/* As where a start that accepts a loss is cut short, once or twice. */
START_TEST(a_loss_stays_noted_until_a_run_begins)
{
    struct wal_state state;
    ck_assert(wal_state_note_loss(opened(&state), &failure)); /* there is no file yet */
    ck_assert(wal_state_renew(&state, 7, &failure));
    wal_state_close(&state);
    ck_assert(opened(&state)->record.has_lost);
    wal_state_begin_run(&state, 4);
    wal_state_close(&state);
    ck_assert(!opened(&state)->record.has_lost);
    wal_state_note_failure(&state);
    ck_assert(wal_state_note_loss(&state, &failure));
    wal_state_close(&state);
    ck_assert(opened(&state)->record.has_lost && state.record.has_failed);
    ck_assert_uint_eq(state.record.run, 4); /* numbers that are older than it are refused as before */
    ck_assert_uint_eq(state.record.synced, 7);
    ck_assert(wal_state_renew(&state, 5, &failure));
    wal_state_close(&state);
    ck_assert(opened(&state)->record.has_lost && !state.record.has_failed);
    failing_plan(FAILING_PWRITE, 1, EIO);
    ck_assert(!wal_state_note_loss(&state, &failure));
    ck_assert(failing_end());
    wal_state_close(&state);
}
END_TEST

START_TEST(a_run_that_could_not_be_written_is_by_the_next_write)
{
    struct wal_state state;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    failing_plan(FAILING_PWRITE, 1, EIO);
    wal_state_begin_run(&state, 4);
    ck_assert(failing_end());
    wal_state_advance(&state, 8);
    wal_state_close(&state);
    ck_assert_uint_eq(opened(&state)->record.run, 4);
    wal_state_close(&state);
}
END_TEST

START_TEST(a_failure_stays_noted_until_the_next_open_has_ended)
{
    struct wal_state state, again;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    wal_state_note_failure(&state);
    wal_state_note_failure(&state);
    wal_state_advance(&state, 9);
    wal_state_close(&state);
    ck_assert(opened(&again)->record.has_failed);
    ck_assert_uint_eq(again.record.synced, 7);
    wal_state_close(&again);
    ck_assert(opened(&again)->record.has_failed);
    ck_assert(wal_state_renew(&again, 7, &failure));
    wal_state_close(&again);
    ck_assert(!opened(&again)->record.has_failed);
    wal_state_close(&again);
}
END_TEST

START_TEST(damage_to_one_copy_loses_nothing_and_to_both_leaves_it_unknown)
{
    struct wal_state state;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    wal_state_close(&state);
    damage(8);
    ck_assert(opened(&state)->is_known);
    ck_assert_uint_eq(state.record.synced, 7);
    wal_state_close(&state);
    damage(4096 + 8);
    ck_assert(!opened(&state)->is_known);
    ck_assert(wal_state_renew(&state, 8, &failure));
    wal_state_close(&state);
    ck_assert_uint_eq(opened(&state)->record.synced, 8);
    wal_state_close(&state);
}
END_TEST

START_TEST(what_cannot_be_found_or_read_is_a_failure)
{
    struct wal_state state = {.directory_fd = -1};
    ck_assert(!wal_state_open("/dev/null/db", &state, &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "what is known of its log cannot be found"));
    ck_assert(!wal_state_open(kept_format("/tmp/%0300d", 0), &state, &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "File name too long"));
    ck_assert(!wal_state_open(kept_format("/tmp/%05000d/db", 0), &state, &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "File name too long"));
    wal_state_close(&state);
}
END_TEST

START_TEST(a_path_without_a_directory_is_one_in_the_working_directory)
{
    struct wal_state state;
    ck_assert_int_eq(chdir(directory.path), 0);
    ck_assert(wal_state_open("db", &state, &failure));
    ck_assert(wal_state_renew(&state, 7, &failure));
    wal_state_close(&state);
    ck_assert(opened(&state)->is_known);
    wal_state_close(&state);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert(wal_state_open("/no-such-database", &state, &failure));
    ck_assert(!state.is_known);
    wal_state_close(&state);
}
END_TEST

/* What a later version may have written. */
START_TEST(a_record_that_is_not_understood_counts_as_none)
{
    static const uint8_t records[][24] = {{2}, {1, 4}};
    int fd = open(directory.path, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct wal_state state;
        ck_assert_int_eq(mirrored_file_make(fd, "db.state", records[i], sizeof records[i]), MIRRORED_OK);
        ck_assert(!opened(&state)->is_known);
        wal_state_close(&state);
    }
    close(fd);
}
END_TEST

START_TEST(without_random_bytes_stores_still_differ)
{
    struct wal_state state, other;
    failing_plan(FAILING_GETRANDOM, 1, EAGAIN);
    opened(&state);
    ck_assert(failing_end());
    opened(&other);
    ck_assert_uint_ne(state.store, other.store);
    wal_state_close(&state);
    wal_state_close(&other);
}
END_TEST

/* Opening, the first write and one over it, each with a call that fails: it is a failure, and what was there before is still read. */
START_TEST(each_call_that_fails_leaves_what_was_known)
{
    bool is_met = true;
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            struct wal_state state = {.directory_fd = -1}, again;
            (void)unlink(directory_path(&directory, "db.state"));
            failure.text[0] = '\0';
            failing_plan(call, nth, EIO);
            bool is_open = wal_state_open(directory_path(&directory, "db"), &state, &failure);
            bool is_made = is_open && wal_state_renew(&state, 7, &failure);
            bool is_renewed = is_made && wal_state_renew(&state, 9, &failure);
            is_met = failing_end();
            ck_assert(is_renewed || strstr(failure.text, "what is known of its log cannot be ") != NULL);
            wal_state_close(&state);
            bool is_known = opened(&again)->is_known;
            ck_assert(is_known || !is_made);
            ck_assert(!is_renewed || again.record.synced == 9);
            ck_assert(!is_made || again.record.synced >= 7);
            wal_state_close(&again);
        }
    }
}
END_TEST

START_TEST(what_cannot_be_noted_leaves_what_was)
{
    struct wal_state state, again;
    ck_assert(wal_state_renew(opened(&state), 7, &failure));
    failing_plan(FAILING_PWRITE, 1, EIO);
    wal_state_advance(&state, 9);
    ck_assert(failing_end());
    ck_assert_uint_eq(state.record.synced, 7);
    failing_plan(FAILING_FDATASYNC, 1, EIO);
    wal_state_note_failure(&state);
    ck_assert(failing_end());
    wal_state_advance(&state, 10); /* it has failed, whatever could be written */
    ck_assert_uint_eq(state.record.synced, 7);
    wal_state_close(&state);
    ck_assert(opened(&again)->is_known);
    ck_assert_uint_eq(again.record.synced, 7);
    wal_state_close(&again);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("wal_state", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_new_store_has_none_and_gets_one);
    tcase_add_test(tests, numbers_only_grow_until_the_next_open);
    tcase_add_test(tests, what_was_noted_without_waiting_is_found_and_written_over);
    tcase_add_test(tests, the_last_run_stays);
    tcase_add_test(tests, a_loss_stays_noted_until_a_run_begins);
    tcase_add_test(tests, a_run_that_could_not_be_written_is_by_the_next_write);
    tcase_add_test(tests, a_failure_stays_noted_until_the_next_open_has_ended);
    tcase_add_test(tests, damage_to_one_copy_loses_nothing_and_to_both_leaves_it_unknown);
    tcase_add_test(tests, what_cannot_be_found_or_read_is_a_failure);
    tcase_add_test(tests, a_path_without_a_directory_is_one_in_the_working_directory);
    tcase_add_test(tests, a_record_that_is_not_understood_counts_as_none);
    tcase_add_test(tests, without_random_bytes_stores_still_differ);
    tcase_add_test(tests, each_call_that_fails_leaves_what_was_known);
    tcase_add_test(tests, what_cannot_be_noted_leaves_what_was);
    return suite_run(suite, true);
}
