/* What a client chose the size of, and the machine has no memory for, is refused: the daemon goes on, and has it once there is. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    LARGE_BYTES = 40 << 20,  /* of a block's data */
    QUEUED_BYTES = 12 << 20, /* of a queued value */
    PIECE_BYTES = 4 << 20,   /* the largest window of a stream */
};

/* Lets the daemon take so much more address space than it has now; RLIM_INFINITY: as much as it likes. */
static void limit(const struct rig *rig, rlim_t more_bytes)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (more_bytes != RLIM_INFINITY) {
        unsigned long pages = 0;
        FILE *file = fopen(kept_format("/proc/%d/statm", (int)daemon_process(&rig->daemon)), "r");
        ck_assert(file != NULL && fscanf(file, "%lu", &pages) == 1);
        fclose(file);
        limit.rlim_cur = pages * 4096 + more_bytes;
    }
    ck_assert_int_eq(prlimit(daemon_process(&rig->daemon), RLIMIT_AS, &limit, NULL), 0);
}

static Cairn__Commit *large_commit(uint64_t height)
{
    Cairn__Commit *commit = commit_of_block(height, "large");
    commit->blocks[0]->data = bytes_random(height, LARGE_BYTES);
    return commit;
}

static struct reply read_data(struct wire *wire, uint64_t height)
{
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = height;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_DATA;
    return ask(wire, FRAME_READ_BLOCK, &read);
}

/* Refused, or carried out after all: what the daemon had taken it may have given back since its limit was set. */
static bool is_refused(enum status status, const char *text)
{
    ck_assert_msg(status == STATUS_BUSY || status == STATUS_OK, "%s: %s", status_text(status), text);
    return status == STATUS_BUSY;
}

/* What is small goes on as ever. */
static void assert_serves(struct wire *wire, const char *name)
{
    set(wire, name, "small");
    ck_assert(metadata_is(wire, name, "small"));
}

/* A large commit while the daemon may take only so much more; behind it all goes on, and once it may take what it likes it is taken. */
static struct rig commit_without_memory(rlim_t more_bytes)
{
    struct rig rig = rig_start("");
    struct wire other = rig_open(&rig);
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    limit(&rig, more_bytes);
    struct written written = ask_commit(&other, large_commit(2));
    if (is_refused(written.status, written.text)) {
        ck_assert(block_is(&rig.wire, 2, NULL));
    }
    wire_close(&other);
    assert_serves(&rig.wire, "short");
    limit(&rig, RLIM_INFINITY);
    commit_ok(&rig.wire, large_commit(2));
    return rig;
}

START_TEST(test_a_frame_without_memory_is_busy_and_its_connection_ends)
{
    if (under_sanitizer()) { /* sanitizers take address space as they like */
        return;
    }
    struct rig rig = commit_without_memory(LARGE_BYTES / 2);
    rig_end(&rig);
}
END_TEST

/* Enough for the frame, unless other threads take it, not for what the engine copies of it. */
START_TEST(test_a_batch_without_memory_is_busy_and_not_applied)
{
    if (under_sanitizer()) { /* sanitizers take address space as they like */
        return;
    }
    struct rig rig = commit_without_memory(LARGE_BYTES * 2);
    rig_crash(&rig, "");
    ck_assert(block_is(&rig.wire, 2, "large") && metadata_is(&rig.wire, "short", "small"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_queued_value_without_memory_is_busy_and_not_applied)
{
    if (under_sanitizer()) { /* sanitizers take address space as they like */
        return;
    }
    struct rig rig = rig_start("");
    set(&rig.wire, "large", "before");
    Cairn__WriteMetadata *write =
        metadata_new(operation_set_bytes(bytes_of("large"), bytes_random(1, QUEUED_BYTES)));
    struct wire other = rig_open(&rig);
    limit(&rig,
          QUEUED_BYTES + QUEUED_BYTES / 2); /* for the frame, unless other threads take it, not for a copy */
    struct written written = ask_metadata(&other, write);
    if (is_refused(written.status, written.text)) {
        ck_assert(metadata_is(&rig.wire, "large", "before"));
    }
    wire_close(&other);
    assert_serves(&rig.wire, "short");
    limit(&rig, RLIM_INFINITY);
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    ck_assert_int_eq(ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_DURABLE).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_an_answer_without_memory_is_busy)
{
    if (under_sanitizer()) { /* sanitizers take address space as they like */
        return;
    }
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, large_commit(1));
    rig_restart(&rig, "");
    limit(&rig, LARGE_BYTES);
    struct reply reply = read_data(&rig.wire, 1);
    (void)is_refused(reply.status, reply.text);
    assert_serves(&rig.wire, "short");
    limit(&rig, RLIM_INFINITY);
    ck_assert_int_eq(read_data(&rig.wire, 1).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

/* The message is in memory whole; what goes out is cut to what there is memory for. */
START_TEST(test_a_stream_without_memory_for_its_piece_goes_out_in_smaller_ones)
{
    if (under_sanitizer()) { /* sanitizers take address space as they like */
        return;
    }
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, large_commit(1));
    rig_restart(
        &rig,
        ""); /* else the engine may still be writing that to a table, and takes what memory there is for it */
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = read.last = 1;
    read.parts = CAIRN__PART__PART_DATA;
    read.window_bytes = 1;
    struct wire other = rig_open(&rig);
    uint64_t id = wire_send(&other, FRAME_READ_BLOCKS, &read);
    size_t received = wire_frame(&other, id)->header.body_bytes;
    limit(&rig, PIECE_BYTES / 2);
    while (received < LARGE_BYTES / 2) {
        size_t before = received;
        wire_give_credit(&other, id, PIECE_BYTES);
        while (received < before + PIECE_BYTES) {
            received += wire_frame(&other, id)->header.body_bytes;
        }
    }
    assert_serves(&rig.wire, "short");
    limit(&rig, RLIM_INFINITY);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("short_memory", 300, &tests);
    tcase_add_test(tests, test_a_frame_without_memory_is_busy_and_its_connection_ends);
    tcase_add_test(tests, test_a_batch_without_memory_is_busy_and_not_applied);
    tcase_add_test(tests, test_a_queued_value_without_memory_is_busy_and_not_applied);
    tcase_add_test(tests, test_an_answer_without_memory_is_busy);
    tcase_add_test(tests, test_a_stream_without_memory_for_its_piece_goes_out_in_smaller_ones);
    return suite_run(suite, true);
}
