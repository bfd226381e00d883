/* Queued metadata (contract 1, 5, 7): set, delete, batch, raise, values and names at their bounds, height binding. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

START_TEST(test_set_get_delete_and_overwrite)
{
    struct rig rig = rig_start("");
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    set(&rig.wire, "a", "1");
    ck_assert(metadata_is(&rig.wire, "a", "1"));
    set(&rig.wire, "a", "2");
    ck_assert(metadata_is(&rig.wire, "a", "2"));
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_delete("a"))).status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_delete_of_absent_name_is_ok)
{
    struct rig rig = rig_start("");
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_delete("none"))).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_empty_value_is_a_value)
{
    struct rig rig = rig_start("");
    set(&rig.wire, "empty", "");
    Cairn__MetadataReply *reply = get_metadata(&rig.wire, "empty");
    ck_assert_ptr_nonnull(reply);
    ck_assert(reply->has_value && reply->value.len == 0);
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    rig_restart(&rig, "");
    ck_assert(metadata_is(&rig.wire, "empty", ""));
    rig_end(&rig);
}
END_TEST

START_TEST(test_names_are_opaque_bytes)
{
    static const char *const names[] = {"/", "//a/../b", "a/", ".", "\xff\xfe", " ", "\n", "%00", "\xc3\x28"};
    struct rig rig = rig_start("");
    Cairn__WriteMetadata *write = metadata_new(NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        metadata_add(write, operation_set(names[i], names[i]));
    }
    static const uint8_t with_nul[] = {'a', 0, 'b'};
    ProtobufCBinaryData binary = {sizeof with_nul, kept_copy(with_nul, sizeof with_nul)};
    metadata_add(write, operation_set_bytes(binary, bytes_of("nul inside")));
    metadata_add(write, operation_set("a", "only a"));
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    rig_restart(&rig, "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert(metadata_is(&rig.wire, names[i], names[i]));
    }
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = binary;
    struct reply reply = ask(&rig.wire, FRAME_GET_METADATA, &get);
    ck_assert_int_eq(reply.status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "a", "only a"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_batch_is_atomic_and_later_of_one_name_counts)
{
    struct rig rig = rig_start("");
    set(&rig.wire, "gone", "x");
    Cairn__WriteMetadata *write = metadata_new(operation_set("a", "1"));
    metadata_add(write, operation_set("a", "2"));
    metadata_add(write, operation_delete("gone"));
    metadata_add(write, operation_raise("mark", 7));
    metadata_add(write, operation_delete("b"));
    metadata_add(write, operation_set("b", "after its delete"));
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "a", "2"));
    ck_assert(metadata_is(&rig.wire, "gone", NULL));
    ck_assert(metadata_is(&rig.wire, "b", "after its delete"));
    ck_assert(metadata_holds_number(&rig.wire, "mark", 7));
    rig_end(&rig);
}
END_TEST

START_TEST(test_one_bad_operation_refuses_the_whole_batch)
{
    struct rig rig = rig_start("");
    Cairn__WriteMetadata *write = metadata_new(operation_set("good", "1"));
    metadata_add(write, operation_set("", "no name"));
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_INVALID);
    ck_assert(metadata_is(&rig.wire, "good", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_only_ever_raises)
{
    struct rig rig = rig_start("");
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 5)));
    ck_assert(metadata_holds_number(&rig.wire, "mark", 5));
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 3)));
    ck_assert(metadata_holds_number(&rig.wire, "mark", 5));
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", UINT64_MAX)));
    ck_assert(metadata_holds_number(&rig.wire, "mark", UINT64_MAX));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_to_0_of_an_absent_name_leaves_it_absent)
{
    struct rig rig = rig_start("");
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 0))).status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "mark", NULL));
    set(&rig.wire, "word", "seven b");
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_raise("word", 0))).status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "word", "seven b"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_counts_a_value_not_of_8_bytes_as_0)
{
    struct rig rig = rig_start("");
    set(&rig.wire, "mark", "not a number");
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 1)));
    ck_assert(metadata_holds_number(&rig.wire, "mark", 1));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_over_a_stored_value_not_in_memory)
{
    struct rig rig = rig_start("");
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 50)));
    rig_restart(&rig, "");
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 49)));
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    ck_assert(metadata_holds_number(&rig.wire, "mark", 50));
    rig_restart(&rig, "");
    ck_assert(metadata_holds_number(&rig.wire, "mark", 50));
    rig_end(&rig);
}
END_TEST

START_TEST(test_raise_leaves_binding_unless_it_changes_the_value)
{
    struct rig rig = rig_start("");
    Cairn__MetadataOperation *bound = operation_set_at("mark", "", 9);
    bound->value = bytes_of_number(10);
    ask_metadata(&rig.wire, metadata_new(bound));
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 10)));
    Cairn__MetadataReply *reply = get_metadata(&rig.wire, "mark");
    ck_assert(reply->has_of_height && reply->of_height == 9);
    ask_metadata(&rig.wire, metadata_new(operation_raise("mark", 11)));
    reply = get_metadata(&rig.wire, "mark");
    ck_assert(!reply->has_of_height);
    rig_restart(&rig, "");
    ck_assert(!get_metadata(&rig.wire, "mark")->has_of_height);
    rig_end(&rig);
}
END_TEST

START_TEST(test_binding_is_read_back_and_replaced_by_a_later_set)
{
    struct rig rig = rig_start("");
    ask_metadata(&rig.wire, metadata_new(operation_set_at("a", "1", 3)));
    ck_assert_uint_eq(get_metadata(&rig.wire, "a")->of_height, 3);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("a", "1", 4)));
    ck_assert_uint_eq(get_metadata(&rig.wire, "a")->of_height, 4);
    set(&rig.wire, "a", "1");
    ck_assert(!get_metadata(&rig.wire, "a")->has_of_height);
    rig_end(&rig);
}
END_TEST

START_TEST(test_set_bound_to_a_pruned_height_is_taken_and_pruned_at_once)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    ask_prune(&rig.wire, prune_blocks(5));
    set(&rig.wire, "a", "before");
    struct written late = ask_metadata(&rig.wire, metadata_new(operation_set_at("a", "late", 5)));
    ck_assert_int_eq(late.status, STATUS_OK);
    ck_assert_uint_gt(late.sequence, 0);
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    rig_restart(&rig, "");
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_name_of_0_bytes_is_invalid_and_1025_too_large)
{
    struct rig rig = rig_start("");
    ProtobufCBinaryData longest = bytes_random(3, 1024);
    ProtobufCBinaryData too_long = bytes_random(3, 1025);
    ck_assert_int_eq(ask_metadata(&rig.wire, metadata_new(operation_set("", "x"))).status, STATUS_INVALID);
    struct written refused =
        ask_metadata(&rig.wire, metadata_new(operation_set_bytes(too_long, bytes_of("x"))));
    ck_assert_int_eq(refused.status, STATUS_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(refused.text, "1024"));
    struct written taken = ask_metadata(&rig.wire, metadata_new(operation_set_bytes(longest, bytes_of("x"))));
    ck_assert_int_eq(taken.status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_queued_value_of_16_mib_fits_one_byte_more_is_too_large)
{
    struct rig rig = rig_start("");
    ProtobufCBinaryData value = bytes_random(4, (16 << 20) + 1);
    struct written refused =
        ask_metadata(&rig.wire, metadata_new(operation_set_bytes(bytes_of("big"), value)));
    ck_assert_int_eq(refused.status, STATUS_TOO_LARGE);
    ck_assert(metadata_is(&rig.wire, "big", NULL));
    value.len--;
    struct written taken = ask_metadata(&rig.wire, metadata_new(operation_set_bytes(bytes_of("big"), value)));
    ck_assert_int_eq(taken.status, STATUS_OK);
    ck_assert(bytes_same(get_metadata(&rig.wire, "big")->value, value));
    rig_end(&rig);
}
END_TEST

START_TEST(test_request_an_empty_queue_could_not_hold_is_too_large)
{
    struct rig rig = rig_start("--queue-operations-max 16");
    Cairn__WriteMetadata *write = metadata_new(NULL);
    for (int i = 0; i < 17; i++) {
        metadata_add(write, operation_set(kept_format("name %d", i), "x"));
    }
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_TOO_LARGE);
    ck_assert(metadata_is(&rig.wire, "name 0", NULL));
    write->n_operations = 16;
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_coalescing_writes_fewer_operations_than_accepted)
{
    struct rig rig = rig_start("--flush-delay 200ms");
    enum { WRITES = 500 };
    uint64_t ids[WRITES];
    for (unsigned i = 0; i < WRITES; i++) {
        Cairn__WriteMetadata *write = metadata_new(operation_set("same name", kept_format("%u", i)));
        ids[i] = wire_send(&rig.wire, FRAME_WRITE_METADATA, write);
    }
    for (unsigned i = 0; i < WRITES; i++) {
        ck_assert_int_eq(written_reply(&rig.wire, ids[i]).status, STATUS_OK);
    }
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    ck_assert_uint_eq(status_number(&rig.wire, "metadata.accepted"), WRITES);
    ck_assert_uint_lt(status_number(&rig.wire, "metadata.written"), WRITES / 2);
    ck_assert(metadata_is(&rig.wire, "same name", kept_format("%d", WRITES - 1)));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("metadata", 60, &tests);
    tcase_add_test(tests, test_set_get_delete_and_overwrite);
    tcase_add_test(tests, test_delete_of_absent_name_is_ok);
    tcase_add_test(tests, test_empty_value_is_a_value);
    tcase_add_test(tests, test_names_are_opaque_bytes);
    tcase_add_test(tests, test_batch_is_atomic_and_later_of_one_name_counts);
    tcase_add_test(tests, test_one_bad_operation_refuses_the_whole_batch);
    tcase_add_test(tests, test_raise_only_ever_raises);
    tcase_add_test(tests, test_raise_to_0_of_an_absent_name_leaves_it_absent);
    tcase_add_test(tests, test_raise_counts_a_value_not_of_8_bytes_as_0);
    tcase_add_test(tests, test_raise_over_a_stored_value_not_in_memory);
    tcase_add_test(tests, test_raise_leaves_binding_unless_it_changes_the_value);
    tcase_add_test(tests, test_binding_is_read_back_and_replaced_by_a_later_set);
    tcase_add_test(tests, test_set_bound_to_a_pruned_height_is_taken_and_pruned_at_once);
    tcase_add_test(tests, test_name_of_0_bytes_is_invalid_and_1025_too_large);
    tcase_add_test(tests, test_queued_value_of_16_mib_fits_one_byte_more_is_too_large);
    tcase_add_test(tests, test_request_an_empty_queue_could_not_hold_is_too_large);
    tcase_add_test(tests, test_coalescing_writes_fewer_operations_than_accepted);
    return suite_run(suite, false);
}
