/* Golden frames hold the document to the code. Each is a file tests/data/frames/NAME.hex and an example NAME in
 * proto/PROTOCOL.md; here stands what it means, and the three must agree byte for byte, encoding and decoding. */
#include <check.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "proto/frame.h"
#include "tests/lib/golden.h"

enum { FRAME_BYTES_MOST = 512, DOCUMENT_BYTES_MOST = 1 << 20 };

/* Example frames as they stand in a text: pairs of hexadecimal digits, `#` begins a comment. */
static size_t read_hex(const char *text, const char *end, uint8_t *ret_bytes)
{
    size_t count = 0;
    while (text < end) {
        if (*text == '#') {
            while (text < end && *text != '\n') {
                text++;
            }
        } else if (*text == ' ' || *text == '\n') {
            text++;
        } else {
            unsigned byte;
            int used = 0;
            ck_assert_msg(sscanf(text, "%2x%n", &byte, &used) == 1 && used == 2, "no hex: %.20s", text);
            ck_assert_uint_lt(count, FRAME_BYTES_MOST);
            ret_bytes[count++] = (uint8_t)byte;
            text += used;
        }
    }
    return count;
}

/* A file of the tree, ended by NUL; the caller frees it. Tests run in the root, or $CAIRN_SOURCE names it. */
static char *read_file(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *read_file(const char *format, ...)
{
    const char *root = getenv("CAIRN_SOURCE");
    char path[4096];
    int used = snprintf(path, sizeof path, "%s/", root != NULL ? root : ".");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + used, sizeof path - (size_t)used, format, arguments);
    va_end(arguments);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *text = malloc(DOCUMENT_BYTES_MOST);
    ck_assert_ptr_nonnull(text);
    size_t length = fread(text, 1, DOCUMENT_BYTES_MOST - 1, file);
    ck_assert_uint_lt(length, DOCUMENT_BYTES_MOST - 1);
    fclose(file);
    text[length] = '\0';
    return text;
}

static size_t read_golden(const char *name, uint8_t *ret_bytes)
{
    char *text = read_file("tests/data/frames/%s.hex", name);
    size_t length = read_hex(text, text + strlen(text), ret_bytes);
    free(text);
    return length;
}

static size_t encode_body(const struct golden *golden, uint8_t *ret_bytes)
{
    if (golden->message == NULL) {
        for (size_t i = 0; i < golden->raw_bytes; i++) {
            ret_bytes[i] = golden->raw[i];
        }
        return golden->raw_bytes;
    }
    uint8_t whole[FRAME_BYTES_MOST];
    ck_assert_uint_le(protobuf_c_message_get_packed_size(golden->message), sizeof whole);
    size_t length = protobuf_c_message_pack(golden->message, whole);
    ck_assert_uint_le(golden->from, length);
    size_t end = golden->to == 0 ? length : golden->to;
    memcpy(ret_bytes, whole + golden->from, end - golden->from);
    return end - golden->from;
}

static size_t encode(const struct golden *golden, uint8_t *ret_bytes)
{
    uint8_t body[FRAME_BYTES_MOST];
    size_t length = encode_body(golden, body);
    size_t header = golden->is_reply ? FRAME_REPLY_BYTES : FRAME_REQUEST_BYTES;
    uint32_t announced = golden->announced != 0 ? golden->announced : (uint32_t)length;
    if (golden->is_reply) {
        struct frame_reply reply = golden->reply;
        reply.body_bytes = announced;
        frame_reply_encode(&reply, ret_bytes);
    } else {
        struct frame_request request = {golden->reply.type, announced, golden->reply.id};
        frame_request_encode(&request, ret_bytes);
    }
    memcpy(ret_bytes + header, body, length);
    return header + length;
}

START_TEST(what_the_code_encodes_is_the_golden_frame)
{
    const struct golden *golden = &goldens[_i];
    uint8_t expected[FRAME_BYTES_MOST];
    uint8_t encoded[FRAME_BYTES_MOST + FRAME_REPLY_BYTES];
    size_t length = read_golden(golden->name, expected);
    ck_assert_msg(encode(golden, encoded) == length, "%s: %zu bytes", golden->name, encode(golden, encoded));
    for (size_t at = 0; at < length; at++) {
        ck_assert_msg(encoded[at] == expected[at], "%s: byte %zu is %02x, golden %02x", golden->name, at,
                      encoded[at], expected[at]);
    }
}
END_TEST

static void check_header(const struct golden *golden, const uint8_t *bytes, size_t length)
{
    uint32_t body_bytes;
    if (golden->is_reply) {
        struct frame_reply reply;
        ck_assert_uint_ge(length, FRAME_REPLY_BYTES);
        ck_assert_int_eq(frame_reply_decode(bytes, &reply), STATUS_OK);
        ck_assert_uint_eq(reply.type, golden->reply.type);
        ck_assert_uint_eq(reply.flags, golden->reply.flags);
        ck_assert_uint_eq(reply.status, golden->reply.status);
        ck_assert_uint_eq(reply.id, golden->reply.id);
        ck_assert_uint_eq(reply.written_through, golden->reply.written_through);
        ck_assert_uint_eq(reply.durable_through, golden->reply.durable_through);
        ck_assert_uint_le(reply.durable_through, reply.written_through);
        body_bytes = reply.body_bytes;
    } else {
        struct frame_request request;
        ck_assert_uint_ge(length, FRAME_REQUEST_BYTES);
        ck_assert_int_eq(frame_request_decode(bytes, &request), STATUS_OK);
        ck_assert_uint_eq(request.type, golden->reply.type);
        ck_assert_uint_eq(request.id, golden->reply.id);
        body_bytes = request.body_bytes;
    }
    size_t header = golden->is_reply ? FRAME_REPLY_BYTES : FRAME_REQUEST_BYTES;
    ck_assert_uint_eq(body_bytes, golden->announced != 0 ? golden->announced : length - header);
}

/* Decoding gives back a message that is encoded as the one it came from. */
START_TEST(what_the_code_decodes_from_the_golden_frame_is_what_it_means)
{
    const struct golden *golden = &goldens[_i];
    uint8_t bytes[FRAME_BYTES_MOST];
    size_t length = read_golden(golden->name, bytes);
    check_header(golden, bytes, length);
    if (golden->message == NULL || golden->from != 0 || golden->to != 0) {
        return;
    }
    size_t header = golden->is_reply ? FRAME_REPLY_BYTES : FRAME_REQUEST_BYTES;
    struct arena arena;
    arena_init(&arena, message_budget(length - header));
    ProtobufCMessage *message;
    const char *text = "";
    enum status status =
        message_unpack(golden->message->descriptor, bytes + header, length - header, &arena, &message, &text);
    ck_assert_msg(status == STATUS_OK, "%s: %s", golden->name, text);
    uint8_t again[FRAME_BYTES_MOST];
    ck_assert_uint_eq(message->n_unknown_fields, 0);
    ck_assert_uint_eq(protobuf_c_message_get_packed_size(message), length - header);
    protobuf_c_message_pack(message, again);
    ck_assert_int_eq(memcmp(again, bytes + header, length - header), 0);
    arena_close(&arena);
}
END_TEST

START_TEST(the_truncated_message_is_invalid)
{
    uint8_t bytes[FRAME_BYTES_MOST];
    size_t length = read_golden("truncated_message", bytes);
    struct arena arena;
    arena_init(&arena, message_budget(length));
    ProtobufCMessage *message;
    const char *text;
    ck_assert_int_eq(message_unpack(&cairn__height__descriptor, bytes + FRAME_REQUEST_BYTES,
                                    length - FRAME_REQUEST_BYTES, &arena, &message, &text),
                     STATUS_INVALID);
    arena_close(&arena);
}
END_TEST

static const struct golden *golden_find(const char *name, size_t length)
{
    for (size_t i = 0; i < golden_count; i++) {
        if (strlen(goldens[i].name) == length && memcmp(goldens[i].name, name, length) == 0) {
            return &goldens[i];
        }
    }
    return NULL;
}

START_TEST(each_example_of_the_document_is_a_golden_frame_and_each_golden_frame_is_an_example)
{
    static const char fence[] = "```hex ";
    char *document = read_file("proto/PROTOCOL.md");
    size_t examples = 0;
    for (const char *at = strstr(document, fence); at != NULL; at = strstr(at, fence)) {
        const char *name = at + strlen(fence);
        const char *line_end = strchr(name, '\n');
        const char *end = line_end == NULL ? NULL : strstr(line_end, "\n```");
        ck_assert_ptr_nonnull(end);
        const struct golden *golden = golden_find(name, (size_t)(line_end - name));
        ck_assert_msg(golden != NULL, "the document has an example %.30s that is no golden frame", name);
        uint8_t shown[FRAME_BYTES_MOST];
        uint8_t expected[FRAME_BYTES_MOST];
        size_t length = read_hex(line_end, end, shown);
        ck_assert_uint_eq(length, read_golden(golden->name, expected));
        ck_assert_msg(memcmp(shown, expected, length) == 0, "the document's %s differs", golden->name);
        examples++;
        at = end;
    }
    ck_assert_uint_eq(examples, golden_count);
    free(document);
}
END_TEST

START_TEST(each_file_is_a_golden_frame)
{
    const char *root = getenv("CAIRN_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/frames", root != NULL ? root : ".");
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    size_t files = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        const char *suffix = strstr(entry->d_name, ".hex");
        if (suffix != NULL) {
            ck_assert_msg(golden_find(entry->d_name, (size_t)(suffix - entry->d_name)) != NULL, "%s",
                          entry->d_name);
            files++;
        }
    }
    closedir(directory);
    ck_assert_uint_eq(files, golden_count);
}
END_TEST

START_TEST(each_request_type_has_a_golden_frame)
{
    bool shown[256] = {false};
    for (size_t i = 0; i < golden_count; i++) {
        shown[goldens[i].reply.type] |= !goldens[i].is_reply;
    }
    /* Their daemon side, which PROTOCOL.md describes, comes next. */
    shown[FRAME_CLAIM] = shown[FRAME_PRESENT] = shown[FRAME_RELEASE] = true;
    for (unsigned type = 0; type < FRAME_REPLY_BIT; type++) {
        ck_assert_msg(shown[type] || strcmp(frame_type_text((uint8_t)type), "unknown") == 0, "type %u", type);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tests = tcase_create("golden");
    tcase_add_loop_test(tests, what_the_code_encodes_is_the_golden_frame, 0, (int)golden_count);
    tcase_add_loop_test(tests, what_the_code_decodes_from_the_golden_frame_is_what_it_means, 0,
                        (int)golden_count);
    tcase_add_test(tests, the_truncated_message_is_invalid);
    tcase_add_test(tests, each_example_of_the_document_is_a_golden_frame_and_each_golden_frame_is_an_example);
    tcase_add_test(tests, each_file_is_a_golden_frame);
    tcase_add_test(tests, each_request_type_has_a_golden_frame);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
