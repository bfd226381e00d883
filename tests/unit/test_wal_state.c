/* What is kept of the log outside of it: found again as it was written, also where the file is damaged or gone. */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/wal_state.h"
#include "tests/lib/directory.h"
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
    wal_state_close(&state);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("wal_state", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_new_store_has_none_and_gets_one);
    tcase_add_test(tests, numbers_only_grow_until_the_next_open);
    tcase_add_test(tests, a_failure_stays_noted_until_the_next_open_has_ended);
    tcase_add_test(tests, damage_to_one_copy_loses_nothing_and_to_both_leaves_it_unknown);
    tcase_add_test(tests, what_cannot_be_found_or_read_is_a_failure);
    return suite_run(suite, true);
}
