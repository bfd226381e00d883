/* Answers are read from a trace, compared, and printed. The comparison has no tolerance: two answers are equal or they are not.
 * A value of the wrong kind fails the line. */
#include "client/tool/replay/trace_answer.h"

#include <assert.h>
#include <string.h>

#include "client/tool/replay/trace_line.h"

static bool read_digest(struct trace_line *line, json_t *object, const char *key, struct digest *ret_digest)
{
    uint64_t size = 0;
    if (!json_is_object(object)) {
        return trace_line_fail(line, "the answer's \"%s\" is not an object of \"len\" and \"sha256\"", key);
    }
    if (!trace_line_u64(line, object, "len", true, NULL, &size)) {
        return false;
    }
    json_t *hash = trace_line_value(object, "sha256");
    if (!json_is_string(hash) ||
        !digest_parse(json_string_value(hash), json_string_length(hash), ret_digest)) {
        return trace_line_fail(line, "the answer's \"sha256\" of \"%s\" is not 16 hexadecimal digits", key);
    }
    ret_digest->size = size;
    return true;
}

static bool read_block_answer(struct trace_line *line, json_t *object, struct trace_answer *answer)
{
    assert(answer->parts == 0); /* the line is read once */
    answer->kind = TRACE_ANSWER_BLOCK;
    if (!trace_line_u64(line, object, "height", false, &answer->has_height, &answer->height)) {
        return false;
    }
    for (int part = 0; part < TRACE_PARTS; part++) {
        const char *key = trace_part_text((enum trace_part)part);
        json_t *digest = trace_line_value(object, key);
        if (digest == NULL) {
            continue;
        }
        if (!read_digest(line, digest, key, &answer->digests[part])) {
            return false;
        }
        answer->parts |= 1u << part;
    }
    return true;
}

static bool read_entries(struct trace_line *line, json_t *object, struct trace_answer *answer)
{
    json_t *list = NULL;
    if (!trace_line_array(line, object, "entries", &list)) {
        return false;
    }
    if (list == NULL) {
        return trace_line_fail(line, "the answer's \"entries\" are missing");
    }
    size_t count = json_array_size(list);
    struct trace_entry *entries = trace_line_allocate(line, count, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(list, i);
        if (!json_is_object(entry)) {
            return trace_line_fail(line, "the answer's \"entries\" hold something that is no object");
        }
        if (!trace_line_text(line, entry, "name", true, &entries[i].name) ||
            !trace_line_base64(line, entry, "value", true, NULL, &entries[i].value)) {
            return false;
        }
    }
    answer->kind = TRACE_ANSWER_ENTRIES;
    answer->entries = entries;
    answer->entry_count = count;
    return true;
}

static bool read_object_answer(struct trace_line *line, enum trace_op op, json_t *object,
                               struct trace_answer *answer)
{
    switch (op) {
    case TRACE_HEIGHT:
        answer->kind = TRACE_ANSWER_HEIGHT;
        return trace_line_u64(line, object, "height", true, &answer->has_height, &answer->height);
    case TRACE_BLOCK:
        return read_block_answer(line, object, answer);
    case TRACE_STATE:
        answer->kind = TRACE_ANSWER_STATE;
        return read_digest(line, trace_line_value(object, "state"), "state", &answer->state);
    case TRACE_GET:
        answer->kind = TRACE_ANSWER_VALUE;
        return trace_line_base64(line, object, "value", true, NULL, &answer->value);
    case TRACE_LIST:
        return read_entries(line, object, answer);
    default:
        return trace_line_fail(line, "the answer to a %s is \"ok\" or \"refused\"", trace_op_text(op));
    }
}

bool trace_answer_parse(struct trace_line *line, struct trace_call *call)
{
    assert(call->op < TRACE_REOPEN); /* a reopen has no answer */
    static const struct {
        const char *text;
        enum trace_answer_kind kind;
    } words[] = {
        {"ok", TRACE_ANSWER_OK},
        {"refused", TRACE_ANSWER_REFUSED},
        {"not found", TRACE_ANSWER_NOT_FOUND},
    };
    json_t *answer = trace_line_value(line->object, "answer");
    if (answer == NULL) {
        return trace_line_fail(line, "\"answer\" is missing");
    }
    if (json_is_object(answer)) {
        return read_object_answer(line, call->op, answer, &call->answer);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0] && json_is_string(answer); i++) {
        if (strcmp(json_string_value(answer), words[i].text) == 0) {
            call->answer.kind = words[i].kind;
            return true;
        }
    }
    return trace_line_fail(line, "\"answer\" is neither an object nor \"ok\", \"refused\" or \"not found\"");
}

static bool blocks_equal(const struct trace_answer *a, const struct trace_answer *b)
{
    assert(a->kind == TRACE_ANSWER_BLOCK && b->kind == TRACE_ANSWER_BLOCK);
    if (a->parts != b->parts || a->has_height != b->has_height || a->height != b->height) {
        return false;
    }
    for (int part = 0; part < TRACE_PARTS; part++) {
        if ((a->parts & 1u << part) && !digest_equal(&a->digests[part], &b->digests[part])) {
            return false;
        }
    }
    return true;
}

static bool entries_equal(const struct trace_answer *a, const struct trace_answer *b)
{
    assert(a->kind == TRACE_ANSWER_ENTRIES && b->kind == TRACE_ANSWER_ENTRIES);
    if (a->entry_count != b->entry_count) {
        return false;
    }
    for (size_t i = 0; i < a->entry_count; i++) {
        if (!bytes_equal(a->entries[i].name, b->entries[i].name) ||
            !bytes_equal(a->entries[i].value, b->entries[i].value)) {
            return false;
        }
    }
    return true;
}

bool trace_answer_equal(const struct trace_answer *a, const struct trace_answer *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case TRACE_ANSWER_NONE:
    case TRACE_ANSWER_OK:
    case TRACE_ANSWER_REFUSED:
    case TRACE_ANSWER_NOT_FOUND:
        return true;
    case TRACE_ANSWER_HEIGHT:
        return a->height == b->height;
    case TRACE_ANSWER_BLOCK:
        return blocks_equal(a, b);
    case TRACE_ANSWER_STATE:
        return digest_equal(&a->state, &b->state);
    case TRACE_ANSWER_VALUE:
        return bytes_equal(a->value, b->value);
    case TRACE_ANSWER_ENTRIES:
        return entries_equal(a, b);
    }
    assert(!"the switch has all kinds");
    return false;
}

static json_t *digest_json(const struct digest *digest)
{
    char text[DIGEST_TEXT_BYTES];
    digest_text(digest, text);
    return json_pack("{s:I, s:s}", "len", (json_int_t)digest->size, "sha256", text);
}

static json_t *base64_json(struct cairn_slice slice)
{
    char *text = base64_encode(slice);
    json_t *json = json_string(text);
    free(text);
    return json;
}

/* A name as text if it is valid UTF-8, as recorded ones are; else in base64. */
static json_t *name_json(struct cairn_slice name)
{
    json_t *json = json_stringn(name.bytes > 0 ? name.data : "", name.bytes);
    return json != NULL ? json : base64_json(name);
}

static json_t *block_json(const struct trace_answer *answer)
{
    assert(answer->parts < 1u << TRACE_PARTS);
    json_t *object = json_object();
    for (int part = 0; part < TRACE_PARTS; part++) {
        if (answer->parts & 1u << part) {
            json_object_set_new(object, trace_part_text((enum trace_part)part),
                                digest_json(&answer->digests[part]));
        }
    }
    if (answer->has_height) {
        json_object_set_new(object, "height", json_integer((json_int_t)answer->height));
    }
    return object;
}

static json_t *entries_json(const struct trace_answer *answer)
{
    assert(answer->entries != NULL || answer->entry_count == 0);
    json_t *list = json_array();
    for (size_t i = 0; i < answer->entry_count; i++) {
        const struct trace_entry *entry = &answer->entries[i];
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", name_json(entry->name), "value",
                                              base64_json(entry->value)));
    }
    return json_pack("{s:o}", "entries", list);
}

static json_t *answer_json(const struct trace_answer *answer)
{
    switch (answer->kind) {
    case TRACE_ANSWER_NONE:
        return json_string("none");
    case TRACE_ANSWER_OK:
        return json_string("ok");
    case TRACE_ANSWER_REFUSED:
        return json_string("refused");
    case TRACE_ANSWER_NOT_FOUND:
        return json_string("not found");
    case TRACE_ANSWER_HEIGHT:
        return json_pack("{s:I}", "height", (json_int_t)answer->height);
    case TRACE_ANSWER_BLOCK:
        return block_json(answer);
    case TRACE_ANSWER_STATE:
        return json_pack("{s:o}", "state", digest_json(&answer->state));
    case TRACE_ANSWER_VALUE:
        return json_pack("{s:o}", "value", base64_json(answer->value));
    case TRACE_ANSWER_ENTRIES:
        return entries_json(answer);
    }
    assert(!"the switch has all kinds");
    return NULL;
}

char *trace_answer_text(const struct trace_answer *answer)
{
    json_t *json = answer_json(answer);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    return text != NULL ? text : strdup("?");
}
