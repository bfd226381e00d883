/* What the tool prints. JSON keeps its keys in the order in which they were set, so that the same answer prints the same line. */
#include "client/tool/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tool/encoding.h"
#include "client/tool/fatal.h"

json_t *output_number(uint64_t number)
{
    if (number <= INT64_MAX) {
        return json_integer((json_int_t)number);
    }
    return json_sprintf("%" PRIu64, number);
}

json_t *output_bytes(struct cairn_slice slice)
{
    json_t *object = json_object();
    char *text = base64_encode(slice);
    json_object_set_new(object, "base64", json_string(text));
    free(text);
    if (bytes_are_text(slice)) {
        json_object_set_new(object, "text", json_stringn(slice.bytes > 0 ? slice.data : "", slice.bytes));
    }
    uint64_t number;
    if (bytes_u64(slice, &number)) {
        json_object_set_new(object, "u64", output_number(number));
    }
    return object;
}

json_t *output_text(struct cairn_slice slice)
{
    json_t *text = json_stringn(slice.bytes > 0 ? slice.data : "", slice.bytes);
    return text != NULL ? text : output_bytes(slice);
}

void output_json(json_t *json)
{
    if (json == NULL) {
        fatal("not enough memory"); /* texts that are not UTF-8 went through output_text() */
    }
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

void output_raw(struct cairn_slice slice)
{
    if (slice.bytes > 0) {
        fwrite(slice.data, 1, slice.bytes, stdout);
    }
}

void output_value(struct cairn_slice slice, size_t bytes_max)
{
    struct cairn_slice shown = slice;
    if (bytes_max > 0 && shown.bytes > bytes_max) {
        shown.bytes = bytes_max;
        while (shown.bytes > 0 && (((const uint8_t *)slice.data)[shown.bytes] & 0xC0) == 0x80) {
            shown.bytes--; /* do not cut inside a character */
        }
    }
    assert(shown.bytes <= slice.bytes);
    if (bytes_are_text(slice)) {
        output_raw(shown);
    } else {
        shown.bytes = bytes_max > 0 && slice.bytes > bytes_max ? bytes_max : slice.bytes;
        char *text = hex_encode(shown);
        printf("0x%s", text);
        free(text);
    }
    uint64_t number;
    if (bytes_u64(slice, &number)) {
        printf(" (%" PRIu64 ")", number);
    } else if (shown.bytes < slice.bytes) {
        printf("... (%zu bytes)", slice.bytes);
    }
}

const char *output_level(enum cairn_level level)
{
    switch (level) {
    case CAIRN_ACCEPTED:
        return "accepted";
    case CAIRN_WRITTEN:
        return "written";
    case CAIRN_DURABLE:
        return "durable";
    case CAIRN_LEVEL_DEFAULT:
        break;
    }
    return "unknown";
}

void output_written(const struct tool *tool, const struct cairn_written *written)
{
    if (tool->json) {
        output_json(json_pack("{s:o, s:s}", "sequence", output_number(written->sequence), "level",
                              output_level(written->level)));
    } else {
        printf("%s, sequence %" PRIu64 "\n", output_level(written->level), written->sequence);
    }
}
