/* What a caller may pass in: each rule of cairn.h is held against each request that it is for, and the text names what broke it. */
#include <string.h>

#include "client/message/check.h"
#include "proto/limits.h"
#include "tests/lib/suite.h"

static const struct cairn_slice no_data = {.data = NULL, .bytes = 1};
static const struct cairn_slice too_long = {.data = "", .bytes = SIZE_MAX - 3};

#define GOOD(name, ...)                                                                                      \
    do {                                                                                                     \
        const struct cairn_##name##_request request_ = {__VA_ARGS__};                                        \
        const char *why_ = "untouched";                                                                      \
        ck_assert_int_eq(check_##name(&request_, &why_), CAIRN_OK);                                          \
        ck_assert_str_eq(why_, "untouched");                                                                 \
    } while (0)

#define BAD(wanted, said, name, ...)                                                                         \
    do {                                                                                                     \
        const struct cairn_##name##_request request_ = {__VA_ARGS__};                                        \
        const char *why_ = "";                                                                               \
        ck_assert_int_eq(check_##name(&request_, &why_), wanted);                                            \
        ck_assert_msg(strstr(why_, said) != NULL, "%s", why_);                                               \
    } while (0)

/* Each word counts. */
#define RESERVED(name)                                                                                       \
    do {                                                                                                     \
        GOOD(name, .timeout_us = 1);                                                                         \
        const size_t words_ = sizeof((struct cairn_##name##_request *)0)->reserved / sizeof(uint64_t);       \
        for (size_t word_ = 0; word_ < words_; word_++) {                                                    \
            struct cairn_##name##_request given_ = {.timeout_us = 1};                                        \
            const char *why_ = "";                                                                           \
            given_.reserved[word_] = UINT64_C(1) << 63;                                                      \
            ck_assert_int_eq(check_##name(&given_, &why_), CAIRN_USAGE);                                     \
            ck_assert_ptr_nonnull(strstr(why_, "reserved"));                                                 \
        }                                                                                                    \
    } while (0)

START_TEST(reserved_words_of_every_request_must_be_zero)
{
    RESERVED(ping);
    RESERVED(status_page);
    RESERVED(chains);
    RESERVED(create_chain);
    RESERVED(drop_chain);
    RESERVED(claim);
    RESERVED(release);
    RESERVED(read_usage);
    RESERVED(read_height);
    RESERVED(read_block);
    RESERVED(read_blocks);
    RESERVED(read_state);
    RESERVED(get);
    RESERVED(get_many);
    RESERVED(list);
    RESERVED(write_metadata);
    RESERVED(commit);
    RESERVED(prune);
    RESERVED(rollback);
    RESERVED(barrier);
}
END_TEST

START_TEST(reserved_words_of_entries_must_be_zero)
{
    for (size_t word = 0; word < 4; word++) {
        struct cairn_operation operations[2] = {{.kind = CAIRN_DELETE}, {.kind = CAIRN_DELETE}};
        struct cairn_block blocks[2] = {{.height = 1}, {.height = 2}};
        struct cairn_state states[2] = {{.height = 1}, {.height = 2}};
        struct cairn_guard guards[2] = {{.lower = true}, {.lower = true}};
        GOOD(write_metadata, .operations = operations, .operation_count = 2);
        GOOD(commit, .blocks = blocks, .block_count = 2, .states = states, .state_count = 2,
             .metadata = operations, .metadata_count = 2);
        GOOD(prune, .metadata = operations, .metadata_count = 2);
        GOOD(rollback, .guards = guards, .guard_count = 2, .metadata = operations, .metadata_count = 2);
        operations[1].reserved[word % 2] = blocks[1].reserved[word] = 1;
        states[1].reserved[word] = guards[1].reserved[word % 3] = 1;
        BAD(CAIRN_USAGE, "entry", write_metadata, .operations = operations, .operation_count = 2);
        BAD(CAIRN_USAGE, "entry", commit, .blocks = blocks, .block_count = 2);
        BAD(CAIRN_USAGE, "entry", commit, .states = states, .state_count = 2);
        BAD(CAIRN_USAGE, "entry", commit, .metadata = operations, .metadata_count = 2);
        BAD(CAIRN_USAGE, "entry", prune, .metadata = operations, .metadata_count = 2);
        BAD(CAIRN_USAGE, "entry", rollback, .guards = guards, .guard_count = 2);
        BAD(CAIRN_USAGE, "entry", rollback, .metadata = operations, .metadata_count = 2);
    }
}
END_TEST

START_TEST(a_slice_without_data_is_usage_and_one_beyond_any_frame_too_large)
{
    const struct {
        struct cairn_slice slice;
        enum cairn_status status;
    } slices[] = {{no_data, CAIRN_USAGE}, {too_long, CAIRN_TOO_LARGE}};
    for (size_t i = 0; i < 2; i++) {
        const struct cairn_slice bad = slices[i].slice;
        const enum cairn_status status = slices[i].status;
        const struct cairn_operation name = {.kind = CAIRN_DELETE, .name = bad};
        const struct cairn_operation value = {.kind = CAIRN_SET, .name = cairn_text("n"), .value = bad};
        const struct cairn_operation range = {.kind = CAIRN_DELETE_RANGE, .to = bad};
        BAD(status, "slice", commit, .metadata = &range, .metadata_count = 1);
        const struct cairn_block blocks[] = {
            {.header = bad}, {.data = bad}, {.signature = bad}, {.hash = bad}};
        const struct cairn_state state = {.value = bad};
        const struct cairn_guard guard = {.name = bad};
        const struct cairn_slice names[] = {cairn_text("n"), bad};
        BAD(status, "slice", create_chain, .chain = bad);
        BAD(status, "slice", drop_chain, .chain = bad);
        BAD(status, "slice", read_height, .chain = bad);
        BAD(status, "slice", read_block, .chain = bad);
        BAD(status, "slice", read_block, .hash = bad);
        BAD(status, "slice", read_blocks, .chain = bad);
        BAD(status, "slice", read_state, .chain = bad);
        BAD(status, "slice", get, .chain = bad);
        BAD(status, "slice", get, .name = bad);
        BAD(status, "slice", get_many, .chain = bad);
        BAD(status, "slice", get_many, .names = names, .name_count = 2);
        BAD(status, "slice", list, .chain = bad);
        BAD(status, "slice", list, .prefix = bad);
        BAD(status, "slice", list, .start = bad);
        BAD(status, "slice", list, .end = bad);
        BAD(status, "slice", claim, .chain = bad);
        BAD(status, "slice", claim, .writer_name = bad);
        BAD(status, "slice", release, .chain = bad);
        BAD(status, "slice", read_usage, .chain = bad);
        BAD(status, "slice", write_metadata, .chain = bad);
        BAD(status, "slice", write_metadata, .operations = &name, .operation_count = 1);
        BAD(status, "slice", write_metadata, .operations = &value, .operation_count = 1);
        BAD(status, "slice", commit, .chain = bad);
        for (size_t part = 0; part < 4; part++) {
            BAD(status, "slice", commit, .blocks = &blocks[part], .block_count = 1);
        }
        BAD(status, "slice", commit, .states = &state, .state_count = 1);
        BAD(status, "slice", prune, .chain = bad);
        BAD(status, "slice", rollback, .chain = bad);
        BAD(status, "slice", rollback, .guards = &guard, .guard_count = 1);
    }
    /* What no operation of that kind sends is not looked at. */
    const struct cairn_operation unused = {.kind = CAIRN_DELETE, .name = cairn_text("n"), .value = no_data};
    GOOD(write_metadata, .operations = &unused, .operation_count = 1);
}
END_TEST

START_TEST(a_count_without_an_array_is_usage_and_one_beyond_any_frame_too_large)
{
    const uint64_t height = 1;
    const struct cairn_slice name = cairn_text("n");
    const struct cairn_operation operation = {.kind = CAIRN_DELETE};
    const struct cairn_block block = {.height = 1};
    const struct cairn_state state = {.height = 1};
    const struct cairn_guard guard = {.lower = true};
    BAD(CAIRN_USAGE, "`heights`", read_blocks, .height_count = 1);
    BAD(CAIRN_USAGE, "`names`", get_many, .name_count = 1);
    BAD(CAIRN_USAGE, "`operations`", write_metadata, .operation_count = 1);
    BAD(CAIRN_USAGE, "`blocks`", commit, .block_count = 1);
    BAD(CAIRN_USAGE, "`states`", commit, .state_count = 1);
    BAD(CAIRN_USAGE, "`delete_states`", commit, .delete_state_count = 1);
    BAD(CAIRN_USAGE, "`delete_blocks`", commit, .delete_block_count = 1);
    BAD(CAIRN_USAGE, "`metadata`", commit, .metadata_count = 1);
    BAD(CAIRN_USAGE, "`metadata`", prune, .metadata_count = 1);
    BAD(CAIRN_USAGE, "`guards`", rollback, .guard_count = 1);
    BAD(CAIRN_USAGE, "`metadata`", rollback, .metadata_count = 1);
    BAD(CAIRN_TOO_LARGE, "items", read_blocks, .heights = &height, .height_count = READ_ITEMS_MAX + 1);
    BAD(CAIRN_TOO_LARGE, "items", get_many, .names = &name, .name_count = READ_ITEMS_MAX + 1);
    BAD(CAIRN_TOO_LARGE, "items", write_metadata, .operations = &operation, .operation_count = SIZE_MAX);
    BAD(CAIRN_TOO_LARGE, "items", commit, .blocks = &block, .block_count = SIZE_MAX);
    BAD(CAIRN_TOO_LARGE, "items", commit, .states = &state, .state_count = SIZE_MAX);
    BAD(CAIRN_TOO_LARGE, "items", commit, .delete_states = &height, .delete_state_count = SIZE_MAX);
    BAD(CAIRN_TOO_LARGE, "items", commit, .metadata = &operation, .metadata_count = SIZE_MAX);
    BAD(CAIRN_TOO_LARGE, "items", rollback, .guards = &guard, .guard_count = SIZE_MAX);
}
END_TEST

START_TEST(a_range_is_deleted_only_in_a_commit)
{
    const struct cairn_operation range = {.kind = CAIRN_DELETE_RANGE};
    GOOD(commit, .metadata = &range, .metadata_count = 1);
    BAD(CAIRN_USAGE, "commit", write_metadata, .operations = &range, .operation_count = 1);
    BAD(CAIRN_USAGE, "commit", prune, .metadata = &range, .metadata_count = 1);
    BAD(CAIRN_USAGE, "commit", rollback, .metadata = &range, .metadata_count = 1);
}
END_TEST

START_TEST(levels_parts_and_kinds_are_of_their_enum)
{
    const int levels[] = {-1, CAIRN_DURABLE + 1, 77};
    for (size_t i = 0; i < 3; i++) {
        const enum cairn_level level = (enum cairn_level)levels[i];
        BAD(CAIRN_USAGE, "`level`", write_metadata, .level = level);
        BAD(CAIRN_USAGE, "`level`", commit, .level = level);
        BAD(CAIRN_USAGE, "`level`", prune, .level = level);
        BAD(CAIRN_USAGE, "`level`", rollback, .level = level);
        BAD(CAIRN_USAGE, "`level`", barrier, .level = level);
    }
    BAD(CAIRN_USAGE, "`parts`", read_block, .parts = CAIRN_ALL_PARTS + 1);
    BAD(CAIRN_USAGE, "`parts`", read_blocks, .parts = 1u << 31);
    BAD(CAIRN_USAGE, "`parts`", get, .parts = CAIRN_PRESENCE << 1);
    BAD(CAIRN_USAGE, "`parts`", get_many, .parts = CAIRN_PRESENCE << 1);
    BAD(CAIRN_USAGE, "`parts`", list, .parts = 1u << 31);
    GOOD(list, .parts = CAIRN_VALUE | CAIRN_BINDING | CAIRN_SIZE | CAIRN_PRESENCE);
    const struct cairn_guard guard = {.pass_malformed = 2};
    BAD(CAIRN_USAGE, "`pass_malformed`", rollback, .guards = &guard, .guard_count = 1);
    const int kinds[] = {0, -1, CAIRN_DELETE_RANGE + 1};
    for (size_t i = 0; i < 3; i++) {
        const struct cairn_operation operation = {.kind = (enum cairn_operation_kind)kinds[i]};
        BAD(CAIRN_USAGE, "`kind`", write_metadata, .operations = &operation, .operation_count = 1);
        BAD(CAIRN_USAGE, "`kind`", commit, .metadata = &operation, .metadata_count = 1);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("check", 20, &tests);
    tcase_add_test(tests, reserved_words_of_every_request_must_be_zero);
    tcase_add_test(tests, reserved_words_of_entries_must_be_zero);
    tcase_add_test(tests, a_slice_without_data_is_usage_and_one_beyond_any_frame_too_large);
    tcase_add_test(tests, a_count_without_an_array_is_usage_and_one_beyond_any_frame_too_large);
    tcase_add_test(tests, a_range_is_deleted_only_in_a_commit);
    tcase_add_test(tests, levels_parts_and_kinds_are_of_their_enum);
    return suite_run(suite, true);
}
