/* Damage met while running (contract 9): a damaged block fails the reads and writes that need it, and nothing else, at any number
 * of starts; a raise over it is left out alone, and told. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { BLOCKS = 40, NAMES = 400, DATA_BYTES = 5000 /* lies in a blob file */, EXIT_DAMAGED = 65 };

#define DAMAGED_VALUE                                                                                        \
    "a value that is damaged" /* a name lies in a table without what it shares with others */

static const char *name_of(int number)
{
    return kept_format("name %04d", number);
}

/* Whether the database has a file that ends so. */
static bool has_file(const struct rig *rig, const char *ending)
{
    DIR *directory = opendir(kept_format("%s/db", rig->daemon.data));
    const struct dirent *entry;
    bool has = false;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        has |= end != NULL && strcmp(end, ending) == 0;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return has;
}

/* Flips a byte in that text where the files that end so have it; the daemon does not run. */
static void damage_at(const struct rig *rig, const char *ending, const void *text, size_t bytes)
{
    DIR *directory = opendir(kept_format("%s/db", rig->daemon.data));
    const struct dirent *entry;
    unsigned damaged = 0;
    while ((entry = readdir(directory)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, ending) != 0) {
            continue;
        }
        FILE *file = fopen(kept_format("%s/db/%s", rig->daemon.data, entry->d_name), "r+");
        ck_assert(file != NULL && fseek(file, 0, SEEK_END) == 0);
        size_t size = (size_t)ftell(file);
        uint8_t *content = kept_alloc(size + 1);
        rewind(file);
        ck_assert_uint_eq(fread(content, 1, size, file), size);
        const uint8_t *found = memmem(content, size, text, bytes);
        if (found != NULL) {
            long place = found - content + (long)bytes / 2;
            ck_assert_int_eq(fseek(file, place, SEEK_SET), 0);
            fputc(content[place] ^ 0xff, file);
            damaged++;
        }
        ck_assert_int_eq(fclose(file), 0);
    }
    closedir(directory);
    ck_assert_uint_gt(damaged, 0);
}

/* Blocks and names in a table: a prune whose space is given back has all flushed, at the start behind it at the latest. */
static void make_tables(struct rig *rig)
{
    Cairn__Commit *commit = commit_new();
    for (int i = 1; i <= BLOCKS; i++) {
        commit_block(commit, (uint64_t)i, kept_format("header %d", i))->data =
            bytes_random((uint64_t)i, DATA_BYTES);
    }
    commit_rise(commit, BLOCKS);
    commit_ok(&rig->wire, commit);
    for (int i = 0; i < NAMES; i++) {
        set(&rig->wire, name_of(i), i == NAMES / 2 ? DAMAGED_VALUE : "a value that stays");
    }
    ck_assert_int_eq(ask_prune(&rig->wire, prune_blocks(2)).status, STATUS_OK);
    rig_restart(rig, "");
    for (int i = 0; !has_file(rig, ".sst") || !has_file(rig, ".blob"); i++) {
        ck_assert_int_lt(i, 1200);
        wire_poll(&rig->wire, 100);
    }
    wire_close(&rig->wire);
    ck_assert_int_eq(daemon_stop(&rig->daemon), 0);
}

static Cairn__WriteMetadata *raise_at(const char *name, Cairn__Level level)
{
    Cairn__WriteMetadata *write = metadata_new(operation_raise(name, 7));
    write->has_level = true;
    write->level = level;
    return write;
}

static struct reply get(struct wire *wire, const char *name)
{
    Cairn__GetMetadata message = CAIRN__GET_METADATA__INIT;
    message.has_name = true;
    message.name = bytes_of(name);
    return ask(wire, FRAME_GET_METADATA, &message);
}

START_TEST(test_a_damaged_name_is_refused_and_all_else_goes_on)
{
    struct rig rig = rig_start("");
    const char *damaged = name_of(NAMES / 2);
    make_tables(&rig);
    damage_at(&rig, ".sst", DAMAGED_VALUE, strlen(DAMAGED_VALUE));
    for (int start = 0; start < 2; start++) {
        daemon_start(&rig.daemon, "");
        rig.wire = wire_open(rig.daemon.socket);
        struct wire other = rig_open(&rig);
        struct reply read = get(&rig.wire, damaged);
        ck_assert_msg(read.status == STATUS_DAMAGED, "%s: %s", status_text(read.status), read.text);
        ck_assert_ptr_nonnull(strstr(read.text, ".sst"));
        ck_assert(metadata_is(&rig.wire, name_of(1), "a value that stays"));

        ck_assert_int_eq(ask_metadata(&rig.wire, raise_at(damaged, CAIRN__LEVEL__LEVEL_ACCEPTED)).status,
                         STATUS_OK);
        ck_assert_int_eq(ask_metadata(&rig.wire, raise_at(damaged, CAIRN__LEVEL__LEVEL_DURABLE)).status,
                         STATUS_DAMAGED);
        ck_assert_int_eq(ask_metadata(&rig.wire, raise_at("other", CAIRN__LEVEL__LEVEL_DURABLE)).status,
                         STATUS_OK);
        ck_assert(metadata_holds_number(&rig.wire, "other", 7));
        ck_assert_int_eq(ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_DURABLE).status, STATUS_DAMAGED);
        ck_assert_int_eq(ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_DURABLE).status, STATUS_OK);
        ck_assert_int_eq(ask_barrier(&other, CAIRN__LEVEL__LEVEL_WRITTEN).status, STATUS_DAMAGED);

        Cairn__Commit *commit = commit_of_block(BLOCKS + 1, "refused");
        commit_metadata(commit, operation_raise(damaged, 7));
        struct written refused = ask_commit(&rig.wire, commit);
        ck_assert_msg(refused.status == STATUS_DAMAGED, "%s: %s", status_text(refused.status), refused.text);
        ck_assert(block_is(&rig.wire, BLOCKS + 1, NULL));
        commit_ok(&rig.wire, commit_of_block(BLOCKS + 2 + (uint64_t)start, "goes on"));

        ck_assert_uint_ge(status_number(&rig.wire, "damage.reads"), 1);
        ck_assert_uint_ge(status_number(&rig.wire, "damage.raises"),
                          1); /* the two may have been one group's */
        ck_assert_uint_eq(status_number(&rig.wire, "damage.writes"), 1);
        ck_assert_uint_ge(status_number(&rig.wire, "damage.files"),
                          1); /* and what failed in the background */
        ck_assert_str_ne(status_string(&rig.wire, "health"), "ok");
        ck_assert(daemon_says(&rig.daemon, "damage_found"));
        wire_close(&other);
        wire_close(&rig.wire);
        ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    }
    daemon_start(&rig.daemon, "");
    rig.wire = wire_open(rig.daemon.socket);
    set(&rig.wire, damaged, "anew"); /* does not read what was there */
    ck_assert(metadata_is(&rig.wire, damaged, "anew"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_damaged_block_is_refused_and_the_others_are_read)
{
    struct rig rig = rig_start("");
    make_tables(&rig);
    ProtobufCBinaryData data = bytes_random(BLOCKS / 2, DATA_BYTES);
    damage_at(&rig, ".blob", data.data, data.len);
    for (int start = 0; start < 2; start++) {
        daemon_start(&rig.daemon, "");
        rig.wire = wire_open(rig.daemon.socket);
        for (uint64_t height = 3; height <= BLOCKS; height++) {
            Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
            read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
            read.height = height;
            read.has_parts = true;
            read.parts = CAIRN__PART__PART_DATA;
            struct reply reply = ask(&rig.wire, FRAME_READ_BLOCK, &read);
            ck_assert_int_eq(reply.status, height == BLOCKS / 2 ? STATUS_DAMAGED : STATUS_OK);
            ck_assert(block_is(&rig.wire, height, kept_format("header %d", (int)height)));
        }
        ck_assert_uint_ge(status_number(&rig.wire, "damage.reads"), 1);
        commit_ok(&rig.wire, commit_of_block(BLOCKS + 1, "goes on"));
        wire_close(&rig.wire);
        ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    }
    daemon_start(&rig.daemon, "");
    rig.wire = wire_open(rig.daemon.socket);
    rig_end(&rig);
}
END_TEST

/* Of the files of large values one is left empty, and the others are removed; the daemon does not run. */
static void lose_values(const struct rig *rig)
{
    bool is_removed = false;
    DIR *directory = opendir(kept_format("%s/db", rig->daemon.data));
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end != NULL && strcmp(end, ".blob") == 0) {
            const char *path = kept_format("%s/db/%s", rig->daemon.data, entry->d_name);
            ck_assert_int_eq(is_removed ? unlink(path) : truncate(path, 0), 0);
            is_removed = true;
        }
    }
    closedir(directory);
}

static enum status read_data(struct wire *wire, uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_DATA;
    return ask(wire, FRAME_READ_BLOCK, &read).status;
}

START_TEST(test_a_loss_of_large_values_is_accepted_once_and_for_all)
{
    struct rig rig = rig_start("");
    make_tables(&rig);
    lose_values(&rig);
    daemon_launch(&rig.daemon, "");
    ck_assert_int_eq(daemon_wait(&rig.daemon, 60000), EXIT_DAMAGED);
    for (int start = 0; start < 3; start++) {
        daemon_start(&rig.daemon, start == 0 ? "--accept-loss" : "");
        rig.wire = wire_open(rig.daemon.socket);
        ck_assert_int_eq(read_data(&rig.wire, BLOCKS / 2), STATUS_DAMAGED);
        ck_assert(metadata_is(&rig.wire, name_of(1), "a value that stays"));
        commit_ok(&rig.wire, commit_of_block(BLOCKS + 1 + (uint64_t)start, "goes on"));
        ck_assert(block_is(&rig.wire, BLOCKS + 1, "goes on"));
        wire_close(&rig.wire);
        ck_assert_int_eq(daemon_stop(&rig.daemon), 0);
    }
    daemon_start(&rig.daemon, "");
    rig.wire = wire_open(rig.daemon.socket);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("damage", 600, &tests);
    tcase_add_test(tests, test_a_damaged_name_is_refused_and_all_else_goes_on);
    tcase_add_test(tests, test_a_damaged_block_is_refused_and_the_others_are_read);
    tcase_add_test(tests, test_a_loss_of_large_values_is_accepted_once_and_for_all);
    return suite_run(suite, true);
}
