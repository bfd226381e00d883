/* One order, two lanes (contract 2, 4): carrying, coalescing, what is seen when, scans of one instant. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

START_TEST(test_commit_that_asks_carries_all_metadata_accepted_before)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "a", "1");
    set(&rig.wire, "b", "1");
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit->has_carry = commit->carry = true;
    struct written written = commit_ok(&rig.wire, commit);
    struct written later = set(&rig.wire, "c", "1");
    ck_assert_uint_gt(later.sequence, written.sequence);
    ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 1);
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "a", "1") && metadata_is(&rig.wire, "b", "1"));
    ck_assert(metadata_is(&rig.wire, "c", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_may_reach_the_disk_before_metadata_accepted_before_it)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "mark", "1");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 1);
    rig_crash(&rig, "");
    ck_assert(block_is(&rig.wire, 1, "one"));
    ck_assert(metadata_is(&rig.wire, "mark", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_touching_a_queued_name_carries_unasked)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "other", "1");
    set(&rig.wire, "mark", "queued");
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit_metadata(commit, operation_set("mark", "committed"));
    commit_ok(&rig.wire, commit);
    ck_assert(metadata_is(&rig.wire, "mark", "committed"));
    ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 0);
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "mark", "committed"));
    ck_assert(metadata_is(&rig.wire, "other", "1"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_in_a_commit_counts_what_is_queued_before_it)
{
    struct rig rig = rig_start("--flush-delay 1h");
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 9)));
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit_metadata(commit, operation_raise("mark", 5));
    commit_ok(&rig.wire, commit);
    ck_assert(metadata_holds_number(&rig.wire, "mark", 9));
    rig_crash(&rig, "");
    ck_assert(metadata_holds_number(&rig.wire, "mark", 9));
    rig_end(&rig);
}
END_TEST

START_TEST(test_refused_commit_carries_nothing)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "mark", "queued");
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit->has_carry = commit->carry = true;
    commit->has_expected_height = true;
    commit->expected_height = 5;
    commit_metadata(commit, operation_set("mark", "committed"));
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_CONFLICT);
    ck_assert(metadata_is(&rig.wire, "mark", "queued"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_metadata_never_outlives_a_commit_accepted_before_it)
{
    for (int round = 0; round < 15; round++) {
        struct rig rig = rig_start("--flush-delay 1ms");
        for (uint64_t height = 1; height <= 300;
             height++) { /* each mark behind its commit, nothing awaited */
            wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(height, "block"));
            wire_send(&rig.wire, FRAME_WRITE_METADATA, metadata_new(operation_raise("mark", height)));
        }
        sleep_ms((unsigned)round);
        rig_crash(&rig, "");
        uint64_t height = get_height(&rig.wire);
        Cairn__MetadataReply *mark = get_metadata(&rig.wire, "mark");
        uint64_t marked = 0;
        if (mark != NULL) {
            memcpy(&marked, mark->value.data, sizeof marked);
        }
        ck_assert_uint_le(marked, height);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(test_queued_metadata_is_seen_at_once_on_every_connection)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct wire other = rig_open(&rig);
    for (int i = 0; i < 50; i++) {
        char *value = kept_format("%d", i);
        set(&rig.wire, "a", value);
        ck_assert(metadata_is(&other, "a", value));
    }
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_is_seen_whole_or_not_at_all)
{
    struct rig rig = rig_start("");
    struct wire writer = rig_open(&rig);
    enum { COMMITS = 200 };
    for (uint64_t i = 1; i <= COMMITS; i++) {
        Cairn__Commit *commit = commit_of_block(i, "block");
        commit_state(commit, i, kept_format("%d", (int)i));
        commit_metadata(commit, operation_set("x", kept_format("%d", (int)i)));
        commit_metadata(commit, operation_set("y", kept_format("%d", (int)i)));
        wire_send(&writer, FRAME_COMMIT, commit);
    }
    uint64_t height = 0;
    ProtobufCBinaryData names[] = {bytes_of("x"), bytes_of("y")};
    Cairn__GetMetadataMany get = CAIRN__GET_METADATA_MANY__INIT;
    get.names = names;
    get.n_names = 2;
    while (height < COMMITS) {
        size_t n;
        Cairn__MetadataReply **pair =
            receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_GET_METADATA_MANY, &get), &n);
        ck_assert_uint_eq(n, 2);
        ck_assert(pair[0]->absent == pair[1]->absent && bytes_same(pair[0]->value, pair[1]->value));
        Cairn__StateReply *state = get_tip_state(&rig.wire);
        if (state != NULL) { /* height and state are of one instant */
            ck_assert(bytes_are(state->value, kept_format("%d", (int)state->height)));
            ck_assert_uint_ge(state->height, height);
            height = state->height;
        }
        wire_poll(&writer, 0);
    }
    wire_close(&writer);
    rig_end(&rig);
}
END_TEST

START_TEST(test_batch_is_never_seen_in_part)
{
    struct rig rig = rig_start("--flush-delay 1ms");
    struct wire writer = rig_open(&rig);
    for (int i = 0; i < 400; i++) {
        Cairn__WriteMetadata *write = metadata_new(NULL);
        for (int at = 0; at < 10; at++) {
            metadata_add(write, operation_set(kept_format("p/%d", at), kept_format("%d", i)));
        }
        wire_send(&writer, FRAME_WRITE_METADATA, write);
        size_t n;
        Cairn__MetadataReply **seen = list_metadata(&rig.wire, "p/", &n);
        ck_assert(n == 0 || n == 10);
        for (size_t at = 1; at < n; at++) {
            ck_assert(bytes_same(seen[0]->value, seen[at]->value));
        }
        wire_poll(&writer, 0);
    }
    wire_close(&writer);
    rig_end(&rig);
}
END_TEST

START_TEST(test_scan_is_one_instant_while_writes_go_on)
{
    struct rig rig = rig_start("--flush-delay 1ms");
    enum { NAMES = 3000 };
    for (int first = 0; first < NAMES; first += 500) {
        Cairn__WriteMetadata *write = metadata_new(NULL);
        for (int i = first; i < first + 500; i++) {
            metadata_add(write, operation_set(kept_format("s/%04d", i), "before"));
        }
        ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    }
    struct wire reader = rig_open(&rig);
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_prefix = list.has_window_bytes = true;
    list.prefix = bytes_of("s/");
    list.window_bytes = 300;
    uint64_t id = wire_send(&reader, FRAME_LIST_METADATA, &list);
    while (reader.waiting == NULL) {
        wire_poll(&reader, 1000);
    }
    for (int i = 0; i < NAMES; i += 3) { /* the scan holds nobody up, its own connection neither */
        ck_assert_int_eq(
            ask_metadata(&reader, metadata_new(operation_set(kept_format("s/%04d", i), "after"))).status,
            STATUS_OK);
        if (i % 600 == 0) {
            Cairn__Commit *commit = commit_new();
            commit->has_carry = commit->carry = true;
            commit_metadata(commit, operation_delete(kept_format("s/%04d", i + 1)));
            commit_ok(&rig.wire, commit);
        }
    }
    size_t n;
    Cairn__MetadataReply **seen = receive_metadata(&reader, id, &n);
    ck_assert_uint_eq(n, NAMES);
    for (size_t i = 0; i < n; i++) {
        ck_assert(bytes_are(seen[i]->value, "before"));
    }
    ck_assert(metadata_is(&rig.wire, "s/0003", "after"));
    ck_assert(metadata_is(&rig.wire, "s/0001", NULL));
    wire_close(&reader);
    rig_end(&rig);
}
END_TEST

START_TEST(test_large_batch_is_whole_after_a_crash)
{
    enum { NAMES = 4000 };
    for (unsigned round = 0; round < 6; round++) {
        struct rig rig = rig_start("--flush-delay 1ms");
        set(&rig.wire, "before", "x");
        for (int batch = 0; batch < 3; batch++) {
            Cairn__WriteMetadata *write = metadata_new(NULL);
            for (int i = 0; i < NAMES; i++) {
                metadata_add(write, operation_set(kept_format("l/%d", i), kept_format("%d", batch)));
            }
            wire_send(&rig.wire, FRAME_WRITE_METADATA, write);
        }
        sleep_ms(round * 4);
        rig_crash(&rig, "");
        size_t n;
        Cairn__MetadataReply **seen = list_metadata(&rig.wire, "l/", &n);
        ck_assert_msg(n == 0 || n == NAMES, "%zu of %d names", n, NAMES);
        for (size_t i = 1; i < n; i++) {
            ck_assert(bytes_same(seen[i]->value, seen[0]->value));
        }
        ck_assert(n == 0 || metadata_is(&rig.wire, "before", "x"));
        rig_end(&rig);
        kept_clear();
    }
}
END_TEST

START_TEST(test_metadata_gets_its_turn_under_endless_commits)
{
    struct rig rig = rig_start("--flush-delay 5ms");
    struct wire committer = rig_open(&rig);
    struct written mark = set(&rig.wire, "mark", "x");
    uint64_t until = clock_ms() + (uint64_t)patience_ms(60000);
    uint64_t answered = 0, height = 0;
    do { /* a commit always waits; 20 flush delays are 100 ms */
        while (height < answered + 64) {
            height++;
            wire_send(&committer, FRAME_COMMIT, commit_of_block(height, "block"));
        }
        ck_assert_int_eq(wire_any_frame(&committer)->header.status, STATUS_OK);
        answered++;
        ck_assert_uint_lt(clock_ms(), until);
    } while (committer.written_through < mark.sequence);
    wire_close(&committer);
    rig_end(&rig);
}
END_TEST

START_TEST(test_own_answered_writes_are_always_seen)
{
    struct rig rig = rig_start("");
    struct wire other = rig_open(&rig);
    for (uint64_t i = 1; i <= 100; i++) {
        char *text = kept_format("%d", (int)i);
        commit_ok(&rig.wire, commit_of_block(i, text));
        ck_assert(block_is(&other, i, text));
        ck_assert_uint_eq(get_height(&other), i);
    }
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order", 60, &tests);
    tcase_add_test(tests, test_commit_that_asks_carries_all_metadata_accepted_before);
    tcase_add_test(tests, test_commit_may_reach_the_disk_before_metadata_accepted_before_it);
    tcase_add_test(tests, test_commit_touching_a_queued_name_carries_unasked);
    tcase_add_test(tests, test_raise_in_a_commit_counts_what_is_queued_before_it);
    tcase_add_test(tests, test_refused_commit_carries_nothing);
    tcase_add_test(tests, test_metadata_never_outlives_a_commit_accepted_before_it);
    tcase_add_test(tests, test_queued_metadata_is_seen_at_once_on_every_connection);
    tcase_add_test(tests, test_commit_is_seen_whole_or_not_at_all);
    tcase_add_test(tests, test_batch_is_never_seen_in_part);
    tcase_add_test(tests, test_scan_is_one_instant_while_writes_go_on);
    tcase_add_test(tests, test_large_batch_is_whole_after_a_crash);
    tcase_add_test(tests, test_metadata_gets_its_turn_under_endless_commits);
    tcase_add_test(tests, test_own_answered_writes_are_always_seen);
    return suite_run(suite, false);
}
