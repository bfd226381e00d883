/* The store's opening: a new one is made only if asked for, opens again, and has one owner; numbers that are lost, or older than the
 * database, refuse the start until that loss is accepted. A database that is lost or damaged refuses it too. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/order/order_start.h"
#include "daemon/store.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

static char home[64];
static struct options options;
static struct store store; /* the numbers are too large for the stack */

static void setup(void)
{
    snprintf(home, sizeof home, "/tmp/cairn-store.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    options_init(&options);
    snprintf(options.data, sizeof options.data, "%s/data", home);
    options.create = true;
    store_init(&store);
}

static void close_all(void)
{
    engine_close(store.engine, ENGINE_CLOSE_CLEAN);
    store_close(&store);
    store_init(&store);
}

static void teardown(void)
{
    close_all();
    shell("rm -rf %s", home);
}

static void expect(enum exit_code code)
{
    ck_assert_int_eq(store_open(&options, 0, &store), code);
}

START_TEST(new_store_is_made_once_and_opens_again)
{
    options.create = false;
    expect(EXIT_CODE_REFUSED);
    ck_assert_int_ne(access(options.data, F_OK), 0);
    close_all();
    options.create = true;
    expect(EXIT_CODE_STOPPED);
    ck_assert(store.engine != NULL && store.reserve != NULL && store.numbers.file.fd >= 0);
    ck_assert_int_eq(store.directory.numbers_fd, store.numbers.file.fd);
    close_all();
    options.create = false;
    expect(EXIT_CODE_STOPPED);
    ck_assert(!store.directory.is_new && !store.numbers_lost);
}
END_TEST

START_TEST(lost_or_damaged_database_refuses_a_start_with_its_code)
{
    expect(EXIT_CODE_STOPPED);
    close_all();
    shell("mv %s/db/CURRENT %s/CURRENT && echo MANIFEST-999999 > %s/db/CURRENT", options.data, home,
          options.data);
    expect(EXIT_CODE_DAMAGED);
    close_all();
    shell("rm %s/db/CURRENT", options.data);
    expect(EXIT_CODE_DAMAGED);
    close_all();
    shell("mv %s/CURRENT %s/db/CURRENT", home, options.data);
    expect(EXIT_CODE_STOPPED);
}
END_TEST

START_TEST(store_has_one_owner)
{
    static struct store other;
    expect(EXIT_CODE_STOPPED);
    store_init(&other);
    ck_assert_int_eq(store_open(&options, 0, &other), EXIT_CODE_TAKEN);
    ck_assert_ptr_null(other.engine);
    store_close(&other);
}
END_TEST

static void begin_run(void)
{
    struct failure failure;
    ck_assert_msg(numbers_begin_run(&store.numbers, 0, false, &failure), "%s", failure.text);
    engine_begin_run(store.engine, store.numbers.run);
}

/* Numbers that are made by the clock are refused, too, if they are older than the database: the next run would count backwards. */
START_TEST(numbers_made_by_a_clock_that_is_wrong_are_refused)
{
    expect(EXIT_CODE_STOPPED);
    engine_begin_run(store.engine, UINT64_C(1) << 40); /* more seconds than have passed since 1970 */
    close_all();
    options.accept_loss = true;
    expect(EXIT_CODE_DAMAGED);
}
END_TEST

START_TEST(lost_numbers_refuse_a_start_until_that_is_accepted)
{
    expect(EXIT_CODE_STOPPED);
    begin_run();
    close_all();
    shell("rm %s/cairn.numbers", options.data);
    expect(EXIT_CODE_DAMAGED);
    close_all();
    options.accept_loss = true;
    expect(EXIT_CODE_STOPPED);
    ck_assert(store.numbers_lost && store.numbers.run > 1);
    close_all();
    options.accept_loss = false;
    expect(EXIT_CODE_STOPPED);
    ck_assert(!store.numbers_lost);
}
END_TEST

START_TEST(older_numbers_refuse_a_start_until_that_is_accepted)
{
    expect(EXIT_CODE_STOPPED);
    begin_run();
    close_all();
    shell("cp %s/cairn.numbers %s/copy", options.data, home);
    expect(EXIT_CODE_STOPPED);
    begin_run();
    close_all();
    shell("cp %s/copy %s/cairn.numbers", home, options.data);
    expect(EXIT_CODE_DAMAGED);
    close_all();
    options.accept_loss = true;
    expect(EXIT_CODE_STOPPED);
    ck_assert(store.numbers_lost && store.numbers.run > 2);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("store", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, new_store_is_made_once_and_opens_again);
    tcase_add_test(tests, lost_or_damaged_database_refuses_a_start_with_its_code);
    tcase_add_test(tests, store_has_one_owner);
    tcase_add_test(tests, numbers_made_by_a_clock_that_is_wrong_are_refused);
    tcase_add_test(tests, lost_numbers_refuse_a_start_until_that_is_accepted);
    tcase_add_test(tests, older_numbers_refuse_a_start_until_that_is_accepted);
    return suite_run(suite, false);
}
