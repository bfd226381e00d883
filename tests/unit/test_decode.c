/* From messages to plain values: what is taken over, and what is refused with which text; decoding itself answers nobody. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static struct request *request;
static struct failure failure;

static void setup(void)
{
    service_open();
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 1, .body_bytes = 1000};
    struct budget_request memory = budget_request_of(true, 1000);
    served.started++;
    request = request_new(&served.session, &header, &memory, thread_now_us());
    request->is_starting = true;
}

static void teardown(void)
{
    ck_assert_uint_eq(served.reply_count, 0);
    ck_assert_uint_eq(served.ended, 0);
    request->is_starting = false;
    request_end(request);
    service_close();
}

static void assert_failure(enum status status, enum status expected, const char *words)
{
    ck_assert_int_eq(status, expected);
    ck_assert_int_eq(failure.status, expected);
    ck_assert_msg(strstr(failure.text, words) != NULL, "\"%s\" does not say \"%s\"", failure.text, words);
}

static bool slice_is(struct slice slice, const char *text)
{
    return slice.bytes == strlen(text) && memcmp(slice.data, text, slice.bytes) == 0;
}

/* ---- names ---- */

START_TEST(a_name_has_1_to_1024_bytes)
{
    const struct {
        size_t bytes;
        enum status status;
    } cases[] = {{0, STATUS_INVALID},
                 {1, STATUS_OK},
                 {METADATA_NAME_BYTES_MAX, STATUS_OK},
                 {METADATA_NAME_BYTES_MAX + 1, STATUS_TOO_LARGE}};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(decode_name(bytes_random(1, cases[i].bytes), &failure), cases[i].status);
    }
    ck_assert_ptr_nonnull(strstr(failure.text, "1025 bytes"));
}
END_TEST

/* ---- metadata ---- */

static enum status decode_one(Cairn__MetadataOperation *operation, bool is_queued,
                              struct decoded_metadata *ret_metadata)
{
    return decode_metadata(request, &operation, 1, is_queued ? DECODE_QUEUED : DECODE_OTHER, ret_metadata,
                           &failure);
}

START_TEST(operations_keep_their_order_and_kind)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set_at("a", "value", 9));
    metadata_add(write, operation_delete("b"));
    metadata_add(write, operation_raise("c", 17));
    struct decoded_metadata decoded;
    ck_assert_int_eq(decode_metadata(request, write->operations, 3, DECODE_QUEUED, &decoded, &failure),
                     STATUS_OK);
    ck_assert_uint_eq(decoded.count, 3);
    const struct metadata_operation *operations = decoded.operations;
    ck_assert(operations[0].kind == METADATA_SET && slice_is(operations[0].name, "a"));
    ck_assert(slice_is(operations[0].value, "value") && operations[0].of_height == 9);
    ck_assert(operations[1].kind == METADATA_DELETE && slice_is(operations[1].name, "b"));
    ck_assert(operations[2].kind == METADATA_RAISE && operations[2].raise == 17);
    ck_assert_uint_eq(operations[1].of_height + operations[2].of_height, 0);
}
END_TEST

START_TEST(no_operations_are_fine_where_they_come_with_something_else)
{
    struct decoded_metadata decoded = {.count = 1};
    ck_assert_int_eq(decode_metadata(request, NULL, 0, DECODE_COMMIT, &decoded, &failure), STATUS_OK);
    ck_assert_uint_eq(decoded.count, 0);
}
END_TEST

START_TEST(an_operation_that_contradicts_itself_is_invalid)
{
    struct decoded_metadata decoded = {.count = 77};
    Cairn__MetadataOperation *bound_delete = operation_delete("a");
    bound_delete->has_of_height = true;
    bound_delete->of_height = 3;
    assert_failure(decode_one(bound_delete, true, &decoded), STATUS_INVALID, "only a set can bind");
    Cairn__MetadataOperation *false_delete = operation_delete("a");
    false_delete->delete_ = false;
    assert_failure(decode_one(false_delete, true, &decoded), STATUS_INVALID, "delete is false");
    Cairn__MetadataOperation *none = operation_delete("a");
    none->operation_case = CAIRN__METADATA_OPERATION__OPERATION__NOT_SET;
    assert_failure(decode_one(none, true, &decoded), STATUS_INVALID, "none is given");
    assert_failure(decode_one(operation_set_at("a", "b", 0), true, &decoded), STATUS_INVALID, "height 0");
    assert_failure(decode_one(operation_set("", "b"), true, &decoded), STATUS_INVALID, "0 bytes");
    ck_assert_uint_eq(decoded.count, 77); /* untouched */
}
END_TEST

/* NULL: that end is left out. */
static Cairn__MetadataOperation *operation_range(const char *from, const char *to)
{
    Cairn__MetadataOperation *operation = operation_delete("");
    Cairn__NameRange *range = kept_alloc(sizeof *range);
    cairn__name_range__init(range);
    range->has_from = from != NULL;
    range->from = bytes_of(from != NULL ? from : "");
    range->has_to = to != NULL;
    range->to = bytes_of(to != NULL ? to : "");
    operation->has_name = false;
    operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE_RANGE;
    operation->delete_range = range;
    return operation;
}

START_TEST(a_range_of_names_may_leave_out_either_end)
{
    static const struct {
        const char *from, *to;
        enum status status;
    } cases[] = {{"a", "b", STATUS_OK},      {NULL, "b", STATUS_OK},  {"a", NULL, STATUS_OK},
                 {NULL, NULL, STATUS_OK},    {NULL, "", STATUS_OK},   {"b", "b", STATUS_INVALID},
                 {"b", "a", STATUS_INVALID}, {"", "", STATUS_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Cairn__MetadataOperation *operation = operation_range(cases[i].from, cases[i].to);
        struct decoded_metadata decoded;
        ck_assert_int_eq(decode_metadata(request, &operation, 1, DECODE_COMMIT, &decoded, &failure),
                         cases[i].status);
        if (cases[i].status == STATUS_OK) {
            const struct metadata_operation *range = decoded.operations;
            ck_assert(decoded.range_count == 1 && range->kind == METADATA_DELETE_RANGE);
            ck_assert(slice_is(range->name, cases[i].from != NULL ? cases[i].from : ""));
            ck_assert(range->has_to == (cases[i].to != NULL));
            ck_assert(!range->has_to || slice_is(range->to, cases[i].to));
        }
    }
}
END_TEST

START_TEST(ranges_are_for_commits_without_a_name_and_bounded)
{
    struct decoded_metadata decoded;
    Cairn__MetadataOperation *operations[DELETE_RANGES_MAX + 1];
    operations[0] = operation_range("a", "b");
    assert_failure(decode_one(operations[0], true, &decoded), STATUS_INVALID, "only a commit");
    assert_failure(decode_one(operations[0], false, &decoded), STATUS_INVALID, "only a commit");
    operations[0]->has_name = true;
    assert_failure(decode_metadata(request, operations, 1, DECODE_COMMIT, &decoded, &failure), STATUS_INVALID,
                   "neither a name");
    operations[0]->has_name = false;
    operations[0]->delete_range->to = bytes_random(1, METADATA_NAME_BYTES_MAX + 1);
    assert_failure(decode_metadata(request, operations, 1, DECODE_COMMIT, &decoded, &failure),
                   STATUS_TOO_LARGE, "1025 bytes");
    for (size_t i = 0; i <= DELETE_RANGES_MAX; i++) {
        operations[i] = operation_range("a", "b");
    }
    assert_failure(
        decode_metadata(request, operations, DELETE_RANGES_MAX + 1, DECODE_COMMIT, &decoded, &failure),
        STATUS_TOO_LARGE, "at most 1024");
}
END_TEST

START_TEST(a_value_as_long_as_hello_says_fits_a_frame_with_the_longest_names)
{
    const uint64_t frames[] = {FRAME_BYTES_MIN, 1 << 20, FRAME_BYTES_MAX};
    for (size_t i = 0; i < 3; i++) {
        uint64_t value_bytes = decode_value_bytes_max(frames[i], UINT64_MAX);
        ck_assert_uint_gt(value_bytes,
                          frames[i] < QUEUED_VALUE_BYTES_MAX ? frames[i] / 2 : QUEUED_VALUE_BYTES_MAX - 1);
        ck_assert_uint_le(value_bytes, QUEUED_VALUE_BYTES_MAX);
        ProtobufCBinaryData value = {value_bytes, kept_alloc(value_bytes)};
        Cairn__MetadataOperation *set = operation_set_bytes(bytes_random(1, METADATA_NAME_BYTES_MAX), value);
        set->has_of_height = true;
        set->of_height = UINT64_MAX;
        Cairn__WriteMetadata *write = metadata_new(set);
        write->has_chain = write->has_level = write->has_deadline_us = write->has_resend_of = true;
        write->chain = bytes_random(1, CHAIN_NAME_BYTES_MAX);
        write->level = CAIRN__LEVEL__LEVEL_DURABLE;
        write->deadline_us = write->resend_of = UINT64_MAX;
        ck_assert_uint_le(protobuf_c_message_get_packed_size(&write->base), frames[i]);
    }
    ck_assert_uint_le(decode_value_bytes_max(FRAME_BYTES_MAX, 64 << 10) + METADATA_NAME_BYTES_MAX, 64 << 10);
}
END_TEST

START_TEST(only_a_queued_value_is_bounded_and_not_one_of_a_commit)
{
    struct decoded_metadata decoded;
    uint8_t *bytes = kept_alloc(QUEUED_VALUE_BYTES_MAX + 1);
    ProtobufCBinaryData largest = {QUEUED_VALUE_BYTES_MAX, bytes},
                        beyond = {QUEUED_VALUE_BYTES_MAX + 1, bytes};
    ck_assert_int_eq(decode_one(operation_set_bytes(bytes_of("a"), largest), true, &decoded), STATUS_OK);
    assert_failure(decode_one(operation_set_bytes(bytes_of("a"), beyond), true, &decoded), STATUS_TOO_LARGE,
                   "send it in a commit");
    ck_assert_int_eq(decode_one(operation_set_bytes(bytes_of("a"), beyond), false, &decoded), STATUS_OK);
}
END_TEST

START_TEST(more_operations_than_the_request_has_memory_for_are_too_large)
{
    struct decoded_metadata decoded;
    Cairn__MetadataOperation *operation = operation_delete("a");
    size_t count = 1 << 20;
    Cairn__MetadataOperation **operations = kept_alloc(count * sizeof(Cairn__MetadataOperation *));
    for (size_t i = 0; i < count; i++) {
        operations[i] = operation;
    }
    assert_failure(decode_metadata(request, operations, count, DECODE_COMMIT, &decoded, &failure),
                   STATUS_TOO_LARGE, "send it in parts");
    request->is_short = true;
    assert_failure(decode_metadata(request, operations, count, DECODE_COMMIT, &decoded, &failure),
                   STATUS_BUSY, "try again later");
}
END_TEST

/* ---- jobs ---- */

START_TEST(a_commit_takes_over_all_its_parts)
{
    Cairn__Commit *commit = commit_of_block(5, "header");
    commit_state(commit, 4, "state");
    commit_delete_state(commit, 2);
    commit_metadata(commit, operation_set("name", "value"));
    commit->has_expected_height = true;
    commit->expected_height = 4;
    struct job job = {0};
    ck_assert_int_eq(decode_commit(request, commit, &job, &failure), STATUS_OK);
    ck_assert(job.kind == JOB_COMMIT && job.level == LEVEL_DURABLE);
    ck_assert(job.commit.block_count == 1 && job.commit.blocks[0].height == 5);
    ck_assert(slice_is(job.commit.blocks[0].header, "header") && job.commit.blocks[0].hash.bytes == 0);
    ck_assert(job.commit.state_count == 1 && slice_is(job.commit.states[0].value, "state"));
    ck_assert(job.commit.delete_state_count == 1 && job.commit.delete_states[0] == 2);
    ck_assert(job.commit.rise_to == 5 && job.commit.has_expected_height && job.commit.expected_height == 4);
    ck_assert(job.metadata_count == 1 && slice_is(job.metadata[0].name, "name"));
    ck_assert(job.commit.delete_block_count == 0 && !job.commit.deletes_names);
    uint64_t deleted[] = {3, 0};
    commit->delete_blocks = deleted;
    commit->n_delete_blocks = 1;
    commit_metadata(commit, operation_range("a", NULL));
    job = (struct job){0};
    ck_assert_int_eq(decode_commit(request, commit, &job, &failure), STATUS_OK);
    ck_assert(job.commit.delete_block_count == 1 && job.commit.delete_blocks[0] == 3);
    ck_assert(job.commit.deletes_names && job_deletes_ranges(&job));
    commit->n_delete_blocks = 2;
    job = (struct job){0};
    assert_failure(decode_commit(request, commit, &job, &failure), STATUS_INVALID, "block 0");
}
END_TEST

START_TEST(a_job_is_never_answered_before_it_is_written)
{
    const struct {
        Cairn__Level asked;
        enum level level;
    } cases[] = {{CAIRN__LEVEL__LEVEL_ACCEPTED, LEVEL_WRITTEN},
                 {CAIRN__LEVEL__LEVEL_WRITTEN, LEVEL_WRITTEN},
                 {CAIRN__LEVEL__LEVEL_DURABLE, LEVEL_DURABLE}};
    for (size_t i = 0; i < 3; i++) {
        Cairn__Prune *prune = prune_blocks(1);
        prune->has_level = true;
        prune->level = cases[i].asked;
        struct job job = {0};
        ck_assert_int_eq(decode_prune(request, prune, &job, &failure), STATUS_OK);
        ck_assert_int_eq(job.level, cases[i].level);
    }
}
END_TEST

START_TEST(a_block_without_a_height_or_with_a_hash_of_no_length_is_invalid)
{
    struct job job = {0};
    assert_failure(decode_commit(request, commit_of_block(0, "h"), &job, &failure), STATUS_INVALID, "from 1");
    Cairn__Commit *commit = commit_of_block(3, "h");
    commit->blocks[0]->has_hash = true;
    job = (struct job){0};
    assert_failure(decode_commit(request, commit, &job, &failure), STATUS_INVALID, "block 3");
    commit->blocks[0]->hash = bytes_random(1, HASH_BYTES_MAX + 1);
    job = (struct job){0};
    assert_failure(decode_commit(request, commit, &job, &failure), STATUS_INVALID, "65 bytes");
    commit->blocks[0]->hash = bytes_random(1, HASH_BYTES_MAX);
    job = (struct job){0};
    ck_assert_int_eq(decode_commit(request, commit, &job, &failure), STATUS_OK);
}
END_TEST

START_TEST(a_state_needs_a_height_and_may_be_the_genesis_state)
{
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 0, "genesis");
    struct job job = {0};
    ck_assert_int_eq(decode_commit(request, commit, &job, &failure), STATUS_OK);
    commit->states[0]->has_height = false;
    job = (struct job){0};
    assert_failure(decode_commit(request, commit, &job, &failure), STATUS_INVALID, "without a height");
}
END_TEST

START_TEST(a_prune_names_blocks_states_or_both)
{
    struct job job = {0};
    ck_assert_int_eq(decode_prune(request, prune_states(7), &job, &failure), STATUS_OK);
    ck_assert(job.kind == JOB_PRUNE && !job.prune.has_blocks && job.prune.states_through == 7);
    job = (struct job){0};
    assert_failure(decode_prune(request, prune_blocks(0), &job, &failure), STATUS_INVALID, "from 1");
}
END_TEST

START_TEST(a_rollback_takes_over_its_guards)
{
    Cairn__Rollback *rollback = rollback_to(12);
    rollback_guard(rollback, "final", false);
    rollback_guard(rollback, "mark", true);
    struct job job = {0};
    ck_assert_int_eq(decode_rollback(request, rollback, &job, &failure), STATUS_OK);
    ck_assert(job.kind == JOB_ROLLBACK && job.rollback.to == 12 && job.rollback.guard_count == 2);
    ck_assert(slice_is(job.rollback.guards[0].name, "final") && !job.rollback.guards[0].lower);
    ck_assert(slice_is(job.rollback.guards[1].name, "mark") && job.rollback.guards[1].lower);
    ck_assert(!job.rollback.guards[0].pass_malformed);
    rollback->guards[1]->has_pass_malformed = rollback->guards[1]->pass_malformed = true;
    job = (struct job){0};
    ck_assert_int_eq(decode_rollback(request, rollback, &job, &failure), STATUS_OK);
    ck_assert(!job.rollback.guards[0].pass_malformed && job.rollback.guards[1].pass_malformed);
    rollback_guard(rollback, "", true);
    job = (struct job){0};
    assert_failure(decode_rollback(request, rollback, &job, &failure), STATUS_INVALID, "0 bytes");
    rollback->has_to = false;
    job = (struct job){0};
    assert_failure(decode_rollback(request, rollback, &job, &failure), STATUS_INVALID, "go back to");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("decode", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_name_has_1_to_1024_bytes);
    tcase_add_test(tests, operations_keep_their_order_and_kind);
    tcase_add_test(tests, no_operations_are_fine_where_they_come_with_something_else);
    tcase_add_test(tests, an_operation_that_contradicts_itself_is_invalid);
    tcase_add_test(tests, a_range_of_names_may_leave_out_either_end);
    tcase_add_test(tests, ranges_are_for_commits_without_a_name_and_bounded);
    tcase_add_test(tests, a_value_as_long_as_hello_says_fits_a_frame_with_the_longest_names);
    tcase_add_test(tests, only_a_queued_value_is_bounded_and_not_one_of_a_commit);
    tcase_add_test(tests, more_operations_than_the_request_has_memory_for_are_too_large);
    tcase_add_test(tests, a_commit_takes_over_all_its_parts);
    tcase_add_test(tests, a_job_is_never_answered_before_it_is_written);
    tcase_add_test(tests, a_block_without_a_height_or_with_a_hash_of_no_length_is_invalid);
    tcase_add_test(tests, a_state_needs_a_height_and_may_be_the_genesis_state);
    tcase_add_test(tests, a_prune_names_blocks_states_or_both);
    tcase_add_test(tests, a_rollback_takes_over_its_guards);
    return suite_run(suite, false);
}
