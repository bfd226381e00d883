/* Manifests in which something cannot be read before a whole record: what a power cut may leave of a write that was under way is cut off,
 * if the store is whole without it. Anything else is damage. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"
#include "tests/lib/wal_builder.h"

enum { STORE = 77, LOG = 5, SEQUENCE = 10, PAGE = 4096, BLOCK = 32768, SYNCED_TO = 3000 };

static struct directory directory;
static int directory_fd;
static struct audit audit;
static struct failure failure;

static struct wal_builder file; /* the manifest */
static size_t synced_to;

static void write_file(const char *name, const void *bytes, size_t n)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void write_manifest(void)
{
    write_file("MANIFEST-000004", file.bytes, file.count);
}

/* An edit of that many bytes, which changes nothing. */
static void add_edit(size_t bytes)
{
    uint8_t *edit = calloc(1, bytes);
    for (size_t i = 0; i < bytes; i += 2) {
        edit[i] = 9; /* the previous log: 0 */
    }
    wal_builder_add(&file, edit, bytes);
    free(edit);
}

/* So much of it was synced, and so long are the edits that were under way. */
static void make(size_t synced_min, size_t first_bytes, size_t second_bytes)
{
    static const uint8_t beginning[] = {2, LOG, 9, 0, 3, 20, 4, SEQUENCE};
    wal_builder_clear(&file);
    wal_builder_add(&file, beginning, sizeof beginning);
    while (file.count < synced_min) {
        add_edit(100);
    }
    synced_to = file.count;
    add_edit(first_bytes);
    add_edit(second_bytes);
}

static void zero(size_t from, size_t to)
{
    memset(file.bytes + from, 0, to - from);
}

static void write_log(uint64_t from)
{
    struct wal_builder log = {0};
    for (uint64_t sequence = from; sequence < from + 6; sequence++) {
        wal_builder_add_batch(&log, sequence, 1, &(struct wal_mark){STORE, sequence - 1}, 10);
    }
    write_file("000005.log", log.bytes, log.count);
    wal_builder_clear(&log);
}

static void make_hole(void)
{
    make(SYNCED_TO, 400, 3000); /* the second one crosses the end of the first page */
    zero(synced_to, PAGE);
    add_edit(100);
}

static void setup(void)
{
    directory = directory_new();
    directory_fd = open(directory.path, O_RDONLY | O_DIRECTORY);
    write_file("CURRENT", "MANIFEST-000004\n", 16);
    write_log(SEQUENCE + 1);
    make_hole();
}

static void teardown(void)
{
    audit_free(&audit);
    wal_builder_clear(&file);
    close(directory_fd);
    directory_remove(&directory);
}

static enum audit_verdict look(bool is_known, uint64_t synced)
{
    const struct audit_known known = {is_known, STORE, synced};
    write_manifest();
    audit_free(&audit);
    ck_assert_msg(audit_look(directory_fd, &known, &audit, &failure), "%s", failure.text);
    return audit.verdict;
}

static void expect_torn(void)
{
    ck_assert_msg(look(true, SEQUENCE + 6) == AUDIT_TORN, "%s", audit.text);
    ck_assert_ptr_nonnull(strstr(audit.text, "torn tail, "));
    ck_assert_uint_eq(audit.manifest.whole_to, synced_to);
    ck_assert_uint_eq(audit.sequence, SEQUENCE + 6);
    ck_assert(audit_cut(directory_fd, &audit, &failure));
    file.count = synced_to;
    ck_assert_int_eq(look(true, SEQUENCE + 6), AUDIT_WHOLE);
}

static void expect_broken(void)
{
    ck_assert_int_eq(look(true, SEQUENCE + 6), AUDIT_BROKEN);
    ck_assert_msg(strstr(audit.text, "MANIFEST-000004: what is at byte ") != NULL, "%s", audit.text);
}

START_TEST(a_page_that_was_not_written_is_a_torn_tail)
{
    expect_torn();
}
END_TEST

START_TEST(a_page_in_the_middle_of_an_edit_that_was_not_written_is_a_torn_tail)
{
    make(SYNCED_TO, 9000, 100);
    zero(PAGE, 2 * PAGE);
    expect_torn();
    make(BLOCK - 100, 9000, 100); /* its beginning, in the block before, can be read */
    zero(BLOCK, BLOCK + PAGE);
    expect_torn();
}
END_TEST

START_TEST(an_edit_that_is_cut_off_in_its_second_block_is_a_torn_tail)
{
    make(BLOCK - 100, 9000, 100);
    file.count = BLOCK + 2000;
    expect_torn();
    make(BLOCK - 100, 9000, 100);
    file.count = BLOCK;
    expect_torn();
}
END_TEST

/* As where a write went to another place: nothing lies between the edit that is cut off and the next one. */
START_TEST(an_edit_of_which_the_second_block_is_another_one_is_damage)
{
    make(BLOCK - 100, 9000, 100);
    size_t second = synced_to + 2 * 7 + 9000; /* a header each for the edit's two parts */
    memmove(file.bytes + BLOCK, file.bytes + second, file.count - second);
    file.count -= second - BLOCK;
    expect_broken();
}
END_TEST

/* Every byte of an edit with others behind it, also where it ends a page. */
START_TEST(an_edit_in_which_a_byte_flipped_is_damage)
{
    static const size_t places[] = {SYNCED_TO, PAGE - 200, PAGE - 100, BLOCK - 120};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        make(places[i], 120, 5000);
        add_edit(100);
        for (size_t at = synced_to; at < synced_to + 120; at++) {
            file.bytes[at] ^= 1;
            expect_broken();
            file.bytes[at] ^= 1;
        }
    }
}
END_TEST

START_TEST(zeros_that_end_in_the_middle_of_a_page_are_damage)
{
    make(SYNCED_TO, 400, 3000);
    zero(synced_to, synced_to + 407);
    expect_broken();
}
END_TEST

START_TEST(a_hole_is_damage_if_anything_is_missing_without_what_lies_behind_it)
{
    ck_assert_int_eq(look(true, SEQUENCE + 7), AUDIT_BROKEN);  /* the log is too short */
    ck_assert_int_eq(look(false, SEQUENCE + 6), AUDIT_BROKEN); /* nobody knows how long it was */
    write_log(SEQUENCE + 2);
    expect_broken(); /* it does not follow the tables */
    ck_assert_int_eq(renameat(directory_fd, "000005.log", directory_fd, "000006.log"), 0);
    expect_broken(); /* it is not the first that is needed */
    ck_assert_int_eq(unlinkat(directory_fd, "000006.log", 0), 0);
    expect_broken();
}
END_TEST

/* A start that flushes what it read from logs asks for those behind them, and only then makes one, of whichever number is next. */
START_TEST(the_first_log_may_have_a_greater_number_than_the_manifest_asks_for)
{
    ck_assert_int_eq(renameat(directory_fd, "000005.log", directory_fd, "000008.log"), 0);
    expect_torn();
    make_hole();
    write_file("000008.log", "", 0); /* others may have gone with what lies behind the hole */
    ck_assert_int_eq(look(true, SEQUENCE), AUDIT_BROKEN);
}
END_TEST

/* As long as no log was given up the manifest names none. */
START_TEST(a_store_without_tables_needs_its_logs_from_the_first_number_on)
{
    static const uint8_t beginning[] = {9, 0, 3, 20, 4, 0};
    wal_builder_clear(&file);
    wal_builder_add(&file, beginning, sizeof beginning);
    size_t from = file.count;
    add_edit(3000);
    add_edit(3000);
    zero(from, PAGE);
    add_edit(100);
    write_log(1);
    ck_assert_msg(look(true, 6) == AUDIT_TORN, "%s", audit.text);
    ck_assert_uint_eq(audit.sequence, 6);
    write_file("000005.log", "", 0);
    ck_assert_int_eq(look(true, 0), AUDIT_BROKEN);
}
END_TEST

START_TEST(a_hole_that_hides_the_beginning_is_damage)
{
    make(0, 100, 100);
    zero(0, file.count);
    while (file.count < PAGE) {
        add_edit(100);
    }
    zero(0, PAGE);
    add_edit(100);
    ck_assert_int_eq(look(true, 0), AUDIT_BROKEN);
    ck_assert_msg(strstr(audit.text, "MANIFEST-000004 has no beginning") != NULL, "%s", audit.text);
}
END_TEST

START_TEST(a_hole_that_cannot_be_read_is_a_failure)
{
    const struct audit_known known = {true, STORE, 0};
    bool is_met = true;
    write_manifest();
    for (unsigned nth = 1; is_met; nth++) {
        audit_free(&audit);
        failing_plan(FAILING_PREAD, nth, EIO);
        bool is_read = audit_look(directory_fd, &known, &audit, &failure);
        is_met = failing_end();
        ck_assert_int_eq(is_read, !is_met);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit_hole", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_page_that_was_not_written_is_a_torn_tail);
    tcase_add_test(tests, a_page_in_the_middle_of_an_edit_that_was_not_written_is_a_torn_tail);
    tcase_add_test(tests, an_edit_that_is_cut_off_in_its_second_block_is_a_torn_tail);
    tcase_add_test(tests, an_edit_of_which_the_second_block_is_another_one_is_damage);
    tcase_add_test(tests, an_edit_in_which_a_byte_flipped_is_damage);
    tcase_add_test(tests, zeros_that_end_in_the_middle_of_a_page_are_damage);
    tcase_add_test(tests, a_hole_is_damage_if_anything_is_missing_without_what_lies_behind_it);
    tcase_add_test(tests, the_first_log_may_have_a_greater_number_than_the_manifest_asks_for);
    tcase_add_test(tests, a_store_without_tables_needs_its_logs_from_the_first_number_on);
    tcase_add_test(tests, a_hole_that_hides_the_beginning_is_damage);
    tcase_add_test(tests, a_hole_that_cannot_be_read_is_a_failure);
    return suite_run(suite, true);
}
