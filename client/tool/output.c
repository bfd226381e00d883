/* What the tool prints. JSON keeps its keys in the order in which they were set, so that the same answer prints the same line. */
#include "client/tool/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tool/encoding.h"
#include "client/tool/fatal.h"
#include "client/tool/verb.h"

/* A measured number is no more exact than 9 digits, and one such as 0.1 prints as it is. */
static const size_t JSON_FLAGS = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9);

json_t *output_number(uint64_t number)
{
    return json_sprintf("%" PRIu64, number);
}

json_t *output_count(uint64_t count)
{
    assert(count <= INT64_MAX); /* it took time to count so far */
    return json_integer((json_int_t)count);
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

static bool prints_csv, has_csv_heading;

void output_as_csv(bool csv)
{
    prints_csv = csv;
    has_csv_heading = false;
}

/* Prints a cell; it is quoted, for a text may hold commas. */
static void print_cell(const char *text, bool is_first)
{
    char *escaped = text_escape(text);
    fputs(is_first ? "\"" : ",\"", stdout);
    for (const char *at = escaped; *at != '\0'; at++) {
        fputs(*at == '"' ? "\"\"" : (char[]){*at, '\0'}, stdout);
    }
    putchar('"');
    free(escaped);
}

/* Prints the object's values as a row. */
static void print_row(json_t *json)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    assert(json_is_object(json));
    json_object_foreach(json, key, value)
    {
        const json_t *bytes = json_is_object(value) ? json_object_get(value, "base64") : NULL;
        char *dumped = json_dumps(value, JSON_FLAGS | JSON_ENCODE_ANY);
        if (dumped == NULL) {
            fatal("not enough memory");
        }
        print_cell(bytes != NULL           ? json_string_value(bytes)
                   : json_is_string(value) ? json_string_value(value)
                   : json_is_null(value)   ? ""
                                           : dumped,
                   is_first);
        free(dumped);
        is_first = false;
    }
    puts("\r");
}

static void print_csv(json_t *json)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    if (!has_csv_heading) {
        json_object_foreach(json, key, value)
        {
            print_cell(key, is_first);
            is_first = false;
        }
        puts("\r");
    }
    has_csv_heading = true;
    print_row(json);
}

void output_json(json_t *json)
{
    if (json == NULL) {
        fatal("not enough memory"); /* texts that are not UTF-8 went through output_text() */
    }
    if (prints_csv) {
        print_csv(json);
        json_decref(json);
        return;
    }
    json_t *document = json_pack("{s:i}", "schema", TOOL_JSON_SCHEMA);
    if (document == NULL || json_object_update(document, json) != 0) {
        fatal("not enough memory");
    }
    json_dumpf(document, stdout, JSON_FLAGS);
    putchar('\n');
    json_decref(document);
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
    shown.bytes = bytes_max > 0 && shown.bytes > bytes_max ? bytes_max : shown.bytes;
    char *text = bytes_escape(shown);
    fputs(text, stdout);
    free(text);
    if (shown.bytes < slice.bytes) {
        char sha256[DIGEST_TEXT_BYTES];
        struct digest digest = digest_of(slice);
        digest_text(&digest, sha256);
        printf("\\... %zu bytes, sha256 %s", slice.bytes, sha256); /* no escape begins so */
    }
}

void output_column(struct cairn_slice slice, int columns)
{
    char *text = bytes_escape(slice);
    printf("%-*s", columns, text);
    free(text);
}

void output_written(const struct tool *tool, const struct cairn_written *written)
{
    if (tool->json) {
        output_json(json_pack("{s:o, s:s}", "sequence", output_number(written->sequence), "level",
                              verb_level_text(written->level)));
    } else {
        printf("%s, sequence %" PRIu64 "\n", verb_level_text(written->level), written->sequence);
    }
}
