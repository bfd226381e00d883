/* The document's examples against the daemon: they tell one story, request by request, and each reply of the daemon has the status
 * and the fields that the document shows. What the frames mean byte for byte is test_golden's; that the daemon sends them is
 * this test's. */
#include <check.h>
#include <string.h>

#include "tests/lib/golden.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

static const struct golden *golden_named(const char *name)
{
    for (size_t i = 0; i < golden_count; i++) {
        if (strcmp(goldens[i].name, name) == 0) {
            return &goldens[i];
        }
    }
    ck_abort_msg("no golden frame %s", name);
    return NULL;
}

static const void *member(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static bool is_there(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED
               ? *(const size_t *)member(message, field->quantifier_offset) > 0
               : *(const protobuf_c_boolean *)member(message, field->quantifier_offset);
}

/* Whether a number is 0, or bytes are empty. */
static bool is_nothing(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *at = member(message, field->offset);
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
        return *(const uint64_t *)at == 0;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    default:
        return false;
    }
}

/* Numbers and texts of the daemon are its own; which fields it sets, and which of them are nothing, is the document's. */
static void compare(const struct golden *expected, const ProtobufCMessage *found)
{
    const ProtobufCMessageDescriptor *descriptor = expected->message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool is_shown = is_there(expected->message, field);
        ck_assert_msg(is_there(found, field) == is_shown, "%s: the document %s %s, the daemon does not",
                      expected->name, is_shown ? "shows" : "leaves out", field->name);
        bool is_single = is_shown && field->label != PROTOBUF_C_LABEL_REPEATED;
        ck_assert_msg(!is_single || is_nothing(found, field) == is_nothing(expected->message, field),
                      "%s: %s is nothing in one of document and daemon", expected->name, field->name);
    }
}

/* Sends the request of that name, and compares the reply with the one shown. */
static void compare_reply(struct wire *wire, const char *request, const char *reply)
{
    const struct golden *asked = golden_named(request), *expected = golden_named(reply);
    ck_assert(!asked->is_reply && expected->is_reply && expected->reply.type == asked->reply.type);
    struct wire_frame *frame = wire_frame(wire, wire_send(wire, asked->reply.type, asked->message));
    ck_assert_msg(frame->header.status == expected->reply.status, "%s: %s instead of %s", request,
                  status_text(frame->header.status), status_text(expected->reply.status));
    ck_assert_uint_eq(frame->header.flags, expected->reply.flags);
    if (expected->message == NULL) {
        ck_assert_uint_eq(frame->header.body_bytes, 0);
        return;
    }
    compare(expected, wire_unpack(expected->message->descriptor, frame->body, frame->header.body_bytes));
}

START_TEST(test_the_daemon_answers_the_documents_requests_as_it_shows)
{
    struct rig rig = rig_start("");
    struct wire *wire = &rig.wire;
    compare_reply(wire, "ping", "ping_reply");
    compare_reply(wire, "create_chain", "create_chain_reply");
    compare_reply(wire, "commit", "commit_reply");
    compare_reply(wire, "commit_conditional", "commit_conflict_reply");
    compare_reply(wire, "write_metadata", "write_metadata_reply");
    compare_reply(wire, "write_metadata_batch", "write_metadata_batch_reply");
    compare_reply(wire, "height", "height_reply");
    compare_reply(wire, "read_block", "read_block_reply");
    compare_reply(wire, "read_block_by_hash", "read_block_not_found_reply");
    compare_reply(wire, "read_state", "read_state_reply");
    compare_reply(wire, "get_metadata", "get_metadata_reply");
    compare_reply(wire, "get_metadata_parts", "get_metadata_parts_reply");
    compare_reply(wire, "commit_deletes", "commit_deletes_reply");
    compare_reply(wire, "usage", "usage_reply");
    fill_blocks(wire, 2, 9);
    ask_metadata(wire, metadata_new(operation_set_at("bound", "x", 5)));
    compare_reply(wire, "prune", "prune_reply");
    compare_reply(wire, "chains", "chains_reply");
    compare_reply(wire, "prune_dry_run", "prune_dry_run_reply");
    compare_reply(wire, "rollback", "rollback_reply");
    compare_reply(wire, "barrier", "barrier_reply");
    compare_reply(wire, "claim", "claim_reply");
    compare_reply(wire, "commit_numbered", "commit_numbered_reply");
    compare_reply(wire, "commit_again", "commit_repeated_reply");
    compare_reply(wire, "present", "present_conflict_reply"); /* it drew other bits */
    compare_reply(wire, "release", "release_reply");
    compare_reply(wire, "claim", "claim_reply");
    compare_reply(wire, "drop_chain", "drop_chain_reply");
    compare_reply(wire, "drain", "drain_reply");
    ck_assert(wire_ends(wire, WIRE_PATIENCE_MS));
    ck_assert_int_eq(daemon_wait(&rig.daemon, WIRE_PATIENCE_MS), 0);
    wire_close(wire);
    daemon_close(&rig.daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("document", 60, &tests);
    tcase_add_test(tests, test_the_daemon_answers_the_documents_requests_as_it_shows);
    return suite_run(suite, false);
}
