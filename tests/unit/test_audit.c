/* The auditor on synthesized logs, where each case is known, and on what RocksDB makes. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"
#include "tests/lib/wal_builder.h"

enum { STORE = 77, LOG_NUMBER = 5, BATCHES = 9 };

static struct directory directory;
static int directory_fd;
static struct audit audit;
static struct failure failure;

static void setup(void)
{
    directory = directory_new();
    directory_fd = open(directory.path, O_RDONLY | O_DIRECTORY);
}

static void teardown(void)
{
    audit_free(&audit);
    close(directory_fd);
    directory_remove(&directory);
}

/* ---- making files ---- */

static void write_file(const char *name, const void *bytes, size_t n)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

/* A manifest that says: tables hold all up to `sequence`, and logs count from LOG_NUMBER on. */
static void write_manifest(uint64_t sequence)
{
    struct wal_builder file = {0};
    const uint8_t edit[] = {2, LOG_NUMBER, 9, 0, 3, 20, 4, (uint8_t)sequence};
    ck_assert_uint_lt(sequence, 0x80);
    wal_builder_add(&file, "\1\1c", 3); /* a comparator */
    wal_builder_add(&file, edit, sizeof edit);
    write_file("MANIFEST-000004", file.bytes, file.count);
    write_file("CURRENT", "MANIFEST-000004\n", 16);
    wal_builder_clear(&file);
}

/* Where the batches of a log end. */
static size_t ends[BATCHES + 1];

/* A log with the batches of numbers from `from` on, two to each. The mark of each says that all before it was synced, up to
 * synced_max. */
static void write_log(uint64_t number, uint64_t from, size_t batches, uint64_t synced_max)
{
    struct wal_builder file = {0};
    for (size_t i = 0; i < batches; i++) {
        uint64_t sequence = from + 2 * i;
        struct wal_mark mark = {STORE, sequence - 1 < synced_max ? sequence - 1 : synced_max};
        wal_builder_add_batch(&file, sequence, 2, &mark, 3000 * i);
        ends[i + 1] = file.count;
    }
    write_file(kept_format("%06" PRIu64 ".log", number), file.bytes, file.count);
    wal_builder_clear(&file);
}

static char *log_path(uint64_t number)
{
    return directory_path(&directory, kept_format("%06" PRIu64 ".log", number));
}

static void cut_log(uint64_t number, size_t bytes)
{
    ck_assert_int_eq(truncate(log_path(number), (off_t)bytes), 0);
}

static void zero_log(uint64_t number, size_t from, size_t bytes)
{
    uint8_t *zeros = calloc(1, bytes);
    int fd = open(log_path(number), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, zeros, bytes, (off_t)from), (ssize_t)bytes);
    close(fd);
    free(zeros);
}

/* ---- looking ---- */

static enum audit_verdict look_knowing(bool is_known, uint64_t synced)
{
    const struct audit_known known = {is_known, STORE, synced};
    unsigned long before = directory_digest(directory.path);
    audit_free(&audit);
    ck_assert_msg(audit_look(directory_fd, &known, &audit, &failure), "%s", failure.text);
    ck_assert_uint_eq(directory_digest(directory.path), before);
    return audit.verdict;
}

static enum audit_verdict look(void)
{
    return look_knowing(true, 0);
}

static void expect_damage(const char *text)
{
    ck_assert_int_eq(look(), AUDIT_DAMAGED);
    ck_assert_msg(strstr(audit.text, text) != NULL, "%s", audit.text);
}

static void expect_broken(const char *text)
{
    ck_assert_int_eq(look(), AUDIT_BROKEN);
    ck_assert_msg(strstr(audit.text, text) != NULL, "%s", audit.text);
}

static void expect_whole(uint64_t sequence)
{
    ck_assert_msg(look() == AUDIT_WHOLE, "%s", audit.text);
    ck_assert_uint_eq(audit.sequence, sequence);
    ck_assert_uint_eq(audit.torn_bytes, 0);
}

/* Looks, cuts, and looks again. */
static void expect_torn(uint64_t sequence)
{
    ck_assert_msg(look() == AUDIT_TORN, "%s", audit.text);
    ck_assert_ptr_nonnull(strstr(audit.text, "torn tail, "));
    ck_assert_uint_eq(audit.sequence, sequence);
    ck_assert_uint_gt(audit.torn_bytes, 0);
    ck_assert(audit_cut(directory_fd, &audit, &failure));
    expect_whole(sequence);
}

/* ---- logs ---- */

START_TEST(whole_logs_are_whole)
{
    write_manifest(10);
    expect_whole(10); /* no log at all: a death before the first one */
    write_log(5, 11, BATCHES, UINT64_MAX);
    expect_whole(28);
    write_log(8, 29, 3, UINT64_MAX);
    expect_whole(34);
    write_log(9, 35, 0, 0);
    write_log(4, 1, 5, UINT64_MAX); /* below the one from which on logs count */
    expect_whole(34);
    ck_assert_uint_eq(audit.log_count, 3);
}
END_TEST

START_TEST(a_log_of_any_length_is_read)
{
    struct wal_builder file = {0};
    write_manifest(10);
    wal_builder_add_batch(&file, 11, 1, NULL, (2 << 20) + 5);
    write_file("000005.log", file.bytes, file.count);
    wal_builder_clear(&file);
    expect_whole(11);
    cut_log(5, 2 << 20);
    expect_torn(10);
}
END_TEST

START_TEST(logs_may_begin_with_what_tables_hold)
{
    write_manifest(14);
    write_log(5, 11, BATCHES, UINT64_MAX);
    expect_whole(28);
}
END_TEST

START_TEST(logs_of_a_store_of_which_nothing_is_known_may_begin_behind_that)
{
    write_manifest(9);
    write_log(5, 11, BATCHES, UINT64_MAX);
    expect_damage("numbers 10 to 26 were synced and are gone");
    ck_assert_int_eq(look_knowing(false, 0), AUDIT_WHOLE);
    ck_assert_uint_eq(audit.sequence, 28);
}
END_TEST

START_TEST(each_cut_behind_what_was_synced_is_a_torn_tail)
{
    write_manifest(10);
    write_log(5, 11, BATCHES, 16);
    for (size_t to = ends[BATCHES]; to > ends[4]; to -= to > ends[4] + 977 ? 977 : 1) {
        write_log(5, 11, BATCHES, 16); /* the fourth batch is the first whose mark says 16 */
        cut_log(5, to);
        enum audit_verdict verdict = look();
        ck_assert_msg(verdict < AUDIT_DAMAGED, "%s", audit.text);
        if (verdict == AUDIT_TORN) {
            expect_torn(audit.sequence);
        }
    }
}
END_TEST

START_TEST(a_hole_is_damage_only_if_a_readable_mark_says_that_it_was_synced)
{
    write_manifest(10);
    write_log(5, 11, BATCHES, 16); /* up to the third batch */
    zero_log(5, ends[2] + 20, 100);
    expect_damage("numbers 15 to 16 were synced and are gone");
    write_log(5, 11, BATCHES, 16);
    zero_log(5, ends[3], 100);
    expect_torn(16);
    write_log(5, 11, BATCHES, 16);
    zero_log(5, ends[6] + 40, 4000);
    expect_torn(22);
    write_log(5, 11, BATCHES, UINT64_MAX);
    zero_log(5, ends[BATCHES - 1], 10); /* the last one: nothing says that it was */
    expect_torn(26);
}
END_TEST

START_TEST(the_state_says_it_where_nothing_in_the_log_does)
{
    write_manifest(10);
    write_log(5, 11, BATCHES, UINT64_MAX);
    ck_assert_int_eq(look_knowing(true, 28), AUDIT_WHOLE);
    ck_assert_int_eq(look_knowing(true, 29), AUDIT_DAMAGED);
    cut_log(5, ends[5]);
    ck_assert_int_eq(look_knowing(true, 20), AUDIT_WHOLE);
    ck_assert_int_eq(look_knowing(true, 21), AUDIT_DAMAGED);
    ck_assert_msg(strstr(audit.text, "it ends too early, or a log is missing; engine numbers 21 to 21") !=
                      NULL,
                  "%s", audit.text);
    ck_assert_int_eq(look_knowing(false, 21), AUDIT_WHOLE);
    ck_assert_int_eq(unlink(log_path(5)), 0);
    ck_assert_int_eq(look_knowing(true, 10), AUDIT_WHOLE);
    ck_assert_int_eq(look_knowing(true, 11), AUDIT_DAMAGED);
}
END_TEST

START_TEST(marks_of_another_store_say_nothing)
{
    struct wal_builder file = {0};
    const struct wal_mark other = {STORE + 1, 1000};
    write_manifest(10);
    write_log(5, 11, 2, 10);
    wal_builder_add_batch(&file, 50, 1, &other, 10);
    write_file("000006.log", file.bytes, file.count);
    wal_builder_clear(&file);
    expect_torn(14);
    write_log(6, 50, 1, 1000);
    expect_damage("numbers 15 to 49 were synced and are gone");
    write_log(5, 11, 3, 12); /* where nothing is known each mark counts, and may be the store's own */
    zero_log(5, ends[1] + 20, 100);
    write_log(6, 50, 1, 1000);
    ck_assert_int_eq(look_knowing(false, 0), AUDIT_DAMAGED);
}
END_TEST

START_TEST(a_log_that_is_missing_is_damage_if_what_follows_says_so)
{
    write_manifest(10);
    write_log(5, 11, 3, UINT64_MAX);
    write_log(7, 17, 3, UINT64_MAX);
    write_log(9, 23, 3, UINT64_MAX);
    expect_whole(28);
    ck_assert_int_eq(unlink(log_path(7)), 0);
    expect_damage("000009.log, bytes 0 to ");
    ck_assert_int_eq(unlink(log_path(9)), 0);
    expect_whole(16); /* nothing that is left says more */
    write_log(7, 17, 3, 16);
    write_log(9, 23, 3, 16);
    ck_assert_int_eq(unlink(log_path(7)), 0);
    expect_torn(16); /* it was never synced */
    ck_assert_int_eq(unlink(log_path(5)), 0);
    write_log(7, 17, 3, 16);
    expect_damage("numbers 11 to 16 were synced and are gone");
}
END_TEST

START_TEST(a_log_in_the_place_of_another_is_noticed)
{
    write_manifest(10);
    write_log(5, 17, 3, UINT64_MAX);
    write_log(7, 11, 3, UINT64_MAX);
    expect_damage("000005.log, bytes 0 to ");
}
END_TEST

START_TEST(behind_a_torn_log_nothing_counts)
{
    write_manifest(10);
    write_log(5, 11, 3, 12);
    cut_log(5, ends[2] + 50);
    write_log(7, 17, 3, 12);
    ck_assert_int_eq(look(), AUDIT_TORN);
    ck_assert_uint_eq(audit.sequence, 14);
    cut_log(7, 0); /* a death in the middle of cutting: the last log goes first */
    expect_torn(14);
    struct stat found;
    ck_assert_int_eq(stat(log_path(7), &found), 0);
    ck_assert_int_eq(found.st_size, 0);
    write_log(8, 15, 2, 14); /* as the next run goes on */
    expect_whole(18);
}
END_TEST

START_TEST(logs_of_before_have_no_marks)
{
    struct wal_builder file = {0};
    write_manifest(0);
    for (uint64_t sequence = 1; sequence < 10; sequence++) {
        wal_builder_add_batch(&file, sequence, 1, NULL, 10);
    }
    write_file("000005.log", file.bytes, file.count);
    ck_assert_int_eq(look_knowing(false, 0), AUDIT_WHOLE);
    cut_log(5, file.count - 3);
    ck_assert_int_eq(look_knowing(false, 0), AUDIT_TORN);
    ck_assert_uint_eq(audit.sequence, 8);
    wal_builder_clear(&file);
}
END_TEST

/* ---- manifest ---- */

START_TEST(without_its_manifest_nothing_is_known)
{
    write_manifest(10);
    write_file("CURRENT", "MANIFEST-000004", 15);
    expect_broken("CURRENT does not name a manifest");
    write_file("CURRENT", "MANIFEST-4\n", 11);
    expect_broken("CURRENT does not name a manifest");
    write_file("CURRENT", "MANIFEST-000004\n\0", 17);
    expect_broken("CURRENT does not name a manifest");
    write_file("CURRENT", "MANIFEST-000000\n", 16);
    expect_broken("CURRENT does not name a manifest");
    write_file("CURRENT", "", 0);
    expect_broken("CURRENT does not name a manifest");
    write_file("CURRENT", "MANIFEST-000005\n", 16);
    expect_broken("MANIFEST-000005 is missing");
    write_file("MANIFEST-000005", "", 0);
    expect_broken("MANIFEST-000005 has no beginning");
    struct wal_builder file = {0};
    wal_builder_add(&file, "\4\12", 2); /* a sequence number, and no next file */
    write_file("MANIFEST-000005", file.bytes, file.count);
    wal_builder_clear(&file);
    expect_broken("MANIFEST-000005 has no beginning");
    ck_assert_int_eq(unlink(directory_path(&directory, "CURRENT")), 0);
    expect_broken("CURRENT, which names the manifest, is missing");
}
END_TEST

START_TEST(a_manifest_with_a_hole_is_damaged_and_one_with_a_torn_tail_is_cut)
{
    struct wal_builder file = {0};
    const uint8_t edit[] = {2, LOG_NUMBER, 9, 0, 3, 20, 4, 10}, later[] = {4, 12};
    wal_builder_add(&file, "\1\1c", 3);
    wal_builder_add(&file, edit, sizeof edit);
    size_t to = file.count;
    wal_builder_add(&file, later, sizeof later);
    write_file("CURRENT", "MANIFEST-000004\n", 16);
    file.bytes[to - 1] ^= 1;
    write_file("MANIFEST-000004", file.bytes, file.count);
    expect_broken("MANIFEST-000004: what is at byte 10 cannot be read");
    file.bytes[to - 1] ^= 1;
    file.bytes[file.count - 1] ^= 1;
    write_file("MANIFEST-000004", file.bytes, file.count);
    expect_torn(10);
    write_log(5, 13, 2, 12); /* behind what the lost edit said */
    expect_damage("numbers 11 to 12 were synced and are gone");
    file.bytes[file.count - 1] ^= 1;
    write_file("MANIFEST-000004", file.bytes, file.count);
    expect_whole(16);
    wal_builder_add(&file, "\7", 1);
    write_file("MANIFEST-000004", file.bytes, file.count);
    expect_broken("it has a record that cannot be understood");
    wal_builder_clear(&file);
}
END_TEST

/* The manifest names two tables, a blob file, and a log that is synced up to its 30th byte. */
static void write_manifest_with_files(void)
{
    static const uint8_t table[] = {
        103, 0,   8, 100, 9, 'k', 1, 1, 0, 0, 0, 0, 0, 0,        /* level, number, size, from, */
        9,   'k', 1, 1,   0, 0,   0, 0, 0, 0, 3, 9, 4, 1, 7, 1}; /* to, numbers, its blob */
    static const uint8_t table_without_blob[] = {103, 0,   9, 50, 9, 'k', 1, 1, 0, 0, 0, 0, 0, 0,
                                                 9,   'k', 1, 1,  0, 0,   0, 0, 0, 0, 3, 9, 1};
    static const uint8_t blob[] = {0x90, 3, 7, 2, 50, 0, 0, 0}; /* number, count, bytes */
    static const uint8_t log[] = {0x87, 0x40, 4, LOG_NUMBER, 2, 30, 1};
    struct wal_builder file = {0};
    const uint8_t edit[] = {2, LOG_NUMBER, 9, 0, 3, 20, 4, 0};
    wal_builder_add(&file, edit, sizeof edit);
    wal_builder_add(&file, table, sizeof table);
    wal_builder_add(&file, table_without_blob, sizeof table_without_blob);
    wal_builder_add(&file, blob, sizeof blob);
    wal_builder_add(&file, log, sizeof log);
    write_file("MANIFEST-000004", file.bytes, file.count);
    write_file("CURRENT", "MANIFEST-000004\n", 16);
    wal_builder_clear(&file);
}

START_TEST(what_the_manifest_names_has_to_be_there)
{
    char bytes[200] = "";
    write_manifest_with_files();
    write_log(5, 10, 1, 9);
    write_file("000008.sst", bytes, 100);
    write_file("000009.sst", bytes, 50);
    write_file("000007.blob", bytes, 112);
    write_file("000010.blob", bytes, 10); /* which an open deletes */
    expect_whole(11);
    ck_assert_uint_eq(audit.named_count, 4);
    ck_assert_mem_eq(audit.named, ((uint64_t[]){5, 7, 8, 9}), 4 * sizeof audit.named[0]);
    write_file("000008.sst", bytes, 99);
    expect_broken("000008.sst has 99 bytes instead of 100");
    ck_assert_int_eq(unlink(directory_path(&directory, "000008.sst")), 0);
    expect_broken("000008.sst is missing");
    write_file("000008.sst", bytes, 100);
    write_file("000007.blob", bytes, 113);
    expect_damage("000007.blob has 113 bytes instead of 112");
    ck_assert_int_eq(unlink(directory_path(&directory, "000007.blob")), 0);
    expect_damage("000007.blob is missing");
    ck_assert(audit_cut(directory_fd, &audit, &failure)); /* the loss is accepted, once */
    expect_whole(11);
    write_file("000007.blob", bytes, 100);
    expect_damage("000007.blob has 100 bytes instead of 112");
    ck_assert(audit_cut(directory_fd, &audit, &failure));
    expect_whole(11);
    cut_log(5, 29);
    expect_damage("000005.log: bytes 0 to 30 were synced, and cannot be read");
    ck_assert_int_eq(unlink(log_path(5)), 0);
    expect_damage("000005.log is missing");
}
END_TEST

static void expect_failure(int fd, const char *text)
{
    const struct audit_known known = {0};
    ck_assert(!audit_look(fd, &known, &audit, &failure));
    ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
    ck_assert_msg(strstr(failure.text, text) != NULL, "%s", failure.text);
}

START_TEST(what_cannot_be_read_is_no_damage)
{
    write_manifest(10);
    ck_assert_int_eq(symlink("000005.log", log_path(5)), 0); /* leads to itself */
    expect_failure(directory_fd, "000005.log cannot be read: ");
    write_manifest_with_files();
    ck_assert_int_eq(symlink("000008.sst", directory_path(&directory, "000008.sst")), 0);
    expect_failure(directory_fd, "000008.sst cannot be looked at: ");
    ck_assert_int_eq(unlink(directory_path(&directory, "MANIFEST-000004")), 0);
    ck_assert_int_eq(mkdir(directory_path(&directory, "MANIFEST-000004"), 0700), 0);
    expect_failure(directory_fd, "MANIFEST-000004 cannot be read: ");
    ck_assert_int_eq(unlink(directory_path(&directory, "CURRENT")), 0);
    ck_assert_int_eq(mkdir(directory_path(&directory, "CURRENT"), 0700), 0);
    expect_failure(directory_fd, "CURRENT cannot be read: ");
    int file = open(log_path(6), O_RDWR | O_CREAT, 0600);
    expect_failure(file, "CURRENT cannot be opened: ");
    close(file);
}
END_TEST

/* Each call that fails is a failure, and no verdict on the store. */
START_TEST(each_call_that_fails_is_a_failure)
{
    const struct audit_known known = {true, STORE, 0};
    char bytes[112] = "";
    bool is_met = true;
    write_manifest_with_files();
    write_log(5, 10, 3, 9);
    write_file("000008.sst", bytes, 100);
    write_file("000009.sst", bytes, 50);
    write_file("000007.blob", bytes, 112);
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            audit_free(&audit);
            failing_plan(call, nth, EIO);
            bool is_read = audit_look(directory_fd, &known, &audit, &failure);
            is_met = failing_end();
            ck_assert_int_eq(is_read, !is_met);
            ck_assert(is_read || strstr(failure.text, "Input/output error") != NULL);
            ck_assert(!is_read || audit.verdict == AUDIT_WHOLE);
        }
    }
    failing_plan(FAILING_PREAD, 2, EINTR);
    expect_whole(15);
    ck_assert(failing_end());
}
END_TEST

START_TEST(what_is_found_behind_the_end_need_be_no_batch)
{
    struct wal_builder file = {0};
    write_manifest(10);
    wal_builder_add_batch(&file, 11, 1, NULL, 10);
    wal_builder_add(&file, "short", 5);
    wal_builder_add_batch(&file, 12, 1, NULL, 10);
    write_file("000005.log", file.bytes, file.count);
    wal_builder_clear(&file);
    expect_torn(11);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, whole_logs_are_whole);
    tcase_add_test(tests, a_log_of_any_length_is_read);
    tcase_add_test(tests, logs_may_begin_with_what_tables_hold);
    tcase_add_test(tests, logs_of_a_store_of_which_nothing_is_known_may_begin_behind_that);
    tcase_add_test(tests, each_cut_behind_what_was_synced_is_a_torn_tail);
    tcase_add_test(tests, a_hole_is_damage_only_if_a_readable_mark_says_that_it_was_synced);
    tcase_add_test(tests, the_state_says_it_where_nothing_in_the_log_does);
    tcase_add_test(tests, marks_of_another_store_say_nothing);
    tcase_add_test(tests, a_log_that_is_missing_is_damage_if_what_follows_says_so);
    tcase_add_test(tests, a_log_in_the_place_of_another_is_noticed);
    tcase_add_test(tests, behind_a_torn_log_nothing_counts);
    tcase_add_test(tests, logs_of_before_have_no_marks);
    tcase_add_test(tests, without_its_manifest_nothing_is_known);
    tcase_add_test(tests, a_manifest_with_a_hole_is_damaged_and_one_with_a_torn_tail_is_cut);
    tcase_add_test(tests, what_the_manifest_names_has_to_be_there);
    tcase_add_test(tests, what_cannot_be_read_is_no_damage);
    tcase_add_test(tests, each_call_that_fails_is_a_failure);
    tcase_add_test(tests, what_is_found_behind_the_end_need_be_no_batch);
    return suite_run(suite, true);
}
