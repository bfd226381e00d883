/* Damage: each failure counts, each file is known once, and the last text stands for all. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/observe/damage.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

static struct damage *damage;

static void setup(void)
{
    thread_set_role(THREAD_LOOP);
    damage = damage_new();
}

static void teardown(void)
{
    damage_free(damage);
}

static void note(enum damage_met_by met_by, const char *text)
{
    struct failure failure;
    failure_set(&failure, STATUS_DAMAGED, "%s", text);
    damage_note(damage, met_by, &failure);
}

START_TEST(nothing_is_damaged_until_it_is_noted)
{
    ck_assert_uint_eq(damage_files(damage), 0);
    ck_assert_uint_eq(damage_count(damage, DAMAGE_READ), 0);
    ck_assert_ptr_null(damage_text(damage));
}
END_TEST

START_TEST(each_failure_counts_and_each_file_once)
{
    note(DAMAGE_READ, "reading a key: Corruption: mismatch in /data/db/000012.sst offset 0 size 99");
    note(DAMAGE_READ, "reading a key: Corruption: mismatch in /data/db/000012.sst offset 4096 size 99");
    note(DAMAGE_WRITE, "reading a key: Corruption: mismatch in /data/db/000013.blob offset 0");
    note(DAMAGE_RAISE, "reading a key: IO error: /data/db/000012.sst: Input/output error");
    ck_assert_uint_eq(damage_count(damage, DAMAGE_READ), 2);
    ck_assert_uint_eq(damage_count(damage, DAMAGE_WRITE), 1);
    ck_assert_uint_eq(damage_count(damage, DAMAGE_RAISE), 1);
    ck_assert_uint_eq(damage_count(damage, DAMAGE_BACKGROUND), 0);
    ck_assert_uint_eq(damage_files(damage), 2);
    ck_assert_ptr_nonnull(strstr(damage_text(damage), "Input/output error"));
}
END_TEST

START_TEST(failures_that_name_no_file_are_one_more)
{
    note(DAMAGE_READ, "damaged store: a header record of chain number 1 cannot be understood");
    note(DAMAGE_READ, "damaged store: a metadata record of chain number 2 cannot be understood");
    ck_assert_uint_eq(damage_files(damage), 1);
    ck_assert_ptr_nonnull(strstr(damage_text(damage), "chain number 2"));
}
END_TEST

START_TEST(more_files_than_are_told_apart_still_count)
{
    char line[200];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "Corruption: in /data/%0*d.sst", i % 100, i); /* some names are cut */
        note(DAMAGE_READ, line);
    }
    ck_assert_uint_eq(damage_count(damage, DAMAGE_READ), 1000);
    ck_assert_uint_gt(damage_files(damage), 10);
    ck_assert_uint_lt(damage_files(damage), 1000);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("damage", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_is_damaged_until_it_is_noted);
    tcase_add_test(tests, each_failure_counts_and_each_file_once);
    tcase_add_test(tests, failures_that_name_no_file_are_one_more);
    tcase_add_test(tests, more_files_than_are_told_apart_still_count);
    return suite_run(suite, true);
}
