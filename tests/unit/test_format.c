/* FORMAT.md, the description of the bytes on disk, against the code that writes them: kinds, lengths, layouts and the stamp. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/host/numbers.h"
#include "daemon/host/stamp.h"
#include "daemon/order/gone.h"
#include "daemon/schema/key.h"
#include "daemon/schema/record.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

static char document[1 << 15];

static void setup(void)
{
    const char *root = getenv("CAIRN_SOURCE"); /* unset: tests run in the root */
    char path[4096];
    snprintf(path, sizeof path, "%s/daemon/schema/FORMAT.md", root != NULL ? root : ".");
    const char *text = file_read(path);
    ck_assert_msg(*text != '\0', "cannot read %s", path);
    ck_assert_uint_lt(strlen(text), sizeof document);
    strcpy(document, text);
}

/* The line of the document that begins so, without its end. */
static const char *line_of(const char *beginning)
{
    static char line[1024];
    const char *at = document;
    while (strncmp(at, beginning, strlen(beginning)) != 0) {
        at = strchr(at, '\n');
        ck_assert_msg(at != NULL, "FORMAT.md has no line that begins with \"%s\"", beginning);
        at++;
    }
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static void assert_says(const char *beginning, const char *text)
{
    const char *line = line_of(beginning);
    ck_assert_msg(strstr(line, text) != NULL, "not \"%s\" in: %s", text, line);
}

/* The chain id and what the document has behind the kind. The compiler complains when a kind is missing. */
static const char *row_of(enum key_kind kind)
{
    switch (kind) {
    case KEY_CHAIN_NAME:
        return "| 0 | `n` | the chain's name, 1 to 64 bytes |";
    case KEY_DROPPED:
        return "| 0 | `g` | a chain's id, 4 bytes |";
    case KEY_SEQUENCE:
        return "| 0 | `q` | – |";
    case KEY_METADATA_ON_DISK:
        return "| 0 | `w` | – |";
    case KEY_RUN:
        return "| 0 | `r` | the run's number, 8 bytes, from 1 |";
    case KEY_MARKS:
        return "| from 1 | `c` | – |";
    case KEY_MADE:
        return "| from 1 | `b` | – |";
    case KEY_CLAIM:
        return "| from 1 | `l` | – |";
    case KEY_EPOCH:
        return "| from 1 | `e` | sequence number of a claim |";
    case KEY_HEADER:
        return "| from 1 | `h` | height |";
    case KEY_DATA:
        return "| from 1 | `d` | height |";
    case KEY_HASH:
        return "| from 1 | `i` | hash, 1 to 64 bytes |";
    case KEY_STATE:
        return "| from 1 | `s` | height, from 0 |";
    case KEY_METADATA:
        return "| from 1 | `m` | name, 1 to 1,024 bytes |";
    case KEY_BOUND:
        return "| from 1 | `x` | height, then name |";
    }
    return NULL;
}

START_TEST(table_of_kinds_is_the_enum)
{
    size_t in_code = 0, in_document = 0;
    for (int byte = 0; byte <= UINT8_MAX; byte++) {
        const char *row = row_of((enum key_kind)byte);
        if (row != NULL) {
            ck_assert_int_eq(*(strchr(row, '`') + 1), byte);
            line_of(row);
            in_code++;
        }
    }
    for (const char *at = document; (at = strchr(at, '\n')) != NULL;) {
        at++;
        in_document += strncmp(at, "| 0 | `", 7) == 0 || strncmp(at, "| from 1 | `", 12) == 0;
    }
    ck_assert_uint_eq(in_document, in_code);
}
END_TEST

START_TEST(bounds_are_those_of_the_code)
{
    ck_assert_int_eq(CHAIN_NAME_BYTES_MAX, 64);
    ck_assert_int_eq(HASH_BYTES_MAX, 64);
    ck_assert_int_eq(METADATA_NAME_BYTES_MAX, 1024);
    assert_says("A key is ", "the chain's id (4 bytes), one byte for the kind");
    ck_assert_uint_eq(key_of_kind(1, KEY_MARKS).bytes, 4 + 1);
    ck_assert_uint_eq(key_of_height(1, KEY_DATA, 1).bytes, 4 + 1 + 8);
    ck_assert_uint_eq(key_of_dropped(1).bytes, 4 + 1 + 4);
    assert_says("chains are from 1 to", "65,536");
    ck_assert_int_eq(CHAIN_IDS_MAX, 65536);
    assert_says("| marks |", "40 bytes");
    ck_assert_int_eq(RECORD_MARKS_BYTES, 40);
    assert_says("| epoch |", "16 bytes");
    ck_assert_int_eq(RECORD_EPOCH_BYTES, 16);
    assert_says("| claim |", "1 to 64 bytes, to the end");
    ck_assert_int_eq(RECORD_CLAIM_HEAD_BYTES, 5 * 8);
    ck_assert_int_eq(WRITER_NAME_BYTES_MAX, 64);
    assert_says("| 0 | `r` |", "16 bytes");
    ck_assert_int_eq(RECORD_RUN_BYTES, 16);
    assert_says("The record of `" NUMBERS_NAME "`", "24,608 bytes");
    ck_assert_int_eq(NUMBERS_RECORD_BYTES, 24608);
    ck_assert_int_eq(NUMBERS_RUN_BYTES, 3 * 8);
    assert_says("| metadata |", "the height it is bound to, 0 for none (8) · the value");
    ck_assert_int_eq(RECORD_METADATA_HEAD_BYTES, 8);
    assert_says("Run n, ", "the last 1,024 runs");
    ck_assert_int_eq(NUMBERS_RUNS, 1024);
}
END_TEST

START_TEST(records_have_the_layout_of_the_document)
{
    assert_says("| header |",
                "length of the data (8 bytes) · length of the header (8) · length of the hash, 1 to 64 (1) · "
                "hash · header · signature");
    struct header_record header = {.data_bytes = 0x0102030405060708,
                                   .hash = slice_of("HASH", 4),
                                   .header = slice_of("head", 4),
                                   .signature = slice_of("sign", 4)};
    uint8_t bytes[64];
    ck_assert_uint_eq(record_header_bytes(&header), 29);
    record_write_header(&header, bytes);
    ck_assert_mem_eq(bytes, "\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\4\4HASHheadsign", 29);

    assert_says(
        "| marks |",
        "height of the chain, 0 for none · blocks are pruned up to and including, 0 for none · states "
        "below are pruned");
    struct chain_marks marks = {1, 2, 3, 4, 5};
    record_write_marks(&marks, bytes);
    ck_assert_mem_eq(bytes,
                     "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\5", 40);
    ck_assert(marks.height == 1 && marks.blocks_pruned == 2 && marks.states_from == 3 &&
              marks.blocks_swept == 4 && marks.cut_sequence == 5);

    assert_says("| claim |",
                "sequence number of the claim (8) · random bits, not 0 (8) · sequence number of its release, "
                "0 for none (8) · uid (8) · pid (8) · writer's name");
    struct claim_record claim = {{1, 2}, 3, 4, 5, slice_of("name", 4)};
    ck_assert_uint_eq(record_claim_bytes(&claim), 44);
    record_write_claim(&claim, bytes);
    ck_assert_mem_eq(
        bytes, "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\5name", 44);
    assert_says("| epoch |", "its claim's random bits (8) · the last number");
    struct epoch_record epoch = {6, 7};
    record_write_epoch(&epoch, bytes);
    ck_assert_mem_eq(bytes, "\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\7", 16);

    assert_says("| 0 | `r` |",
                "the first sequence number of the run (8) · the greatest number of queued metadata");
    struct run_record run = {.first_sequence = 6, .metadata_on_disk = 7};
    record_write_run(&run, bytes);
    ck_assert_mem_eq(bytes, "\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\7", 16);
}
END_TEST

START_TEST(stamp_of_the_document_is_one)
{
    char text[512] = "", format[64];
    struct stamp stamp;
    unsigned long newer;
    const char *at = strstr(document, "    cairn store\n");
    ck_assert_ptr_nonnull(at);
    while (strncmp(at, "    ", 4) == 0) { /* the lines of the example */
        size_t length = strcspn(at, "\n") + 1;
        strncat(text, at + 4, length - 4);
        at += length;
    }
    ck_assert_int_eq(stamp_parse(text, strlen(text), &stamp, &newer), STAMP_OK);
    ck_assert(stamp.is_new);
    ck_assert_uint_eq(stamp.id[0], 0x01);
    ck_assert_uint_eq(stamp.id[7], 0xef);
    snprintf(format, sizeof format, "# The store on disk, format %d", STAMP_FORMAT);
    line_of(format);
    assert_says("| `" STAMP_NAME "`", "the stamp");
    assert_says("| `" STAMP_TMP_NAME "`", "a stamp that is being written");
    assert_says("| `" NUMBERS_NAME "`", "a mirrored file");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("format", 30, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, table_of_kinds_is_the_enum);
    tcase_add_test(tests, bounds_are_those_of_the_code);
    tcase_add_test(tests, records_have_the_layout_of_the_document);
    tcase_add_test(tests, stamp_of_the_document_is_one);
    return suite_run(suite, true);
}
