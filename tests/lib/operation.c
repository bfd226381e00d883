#include "tests/lib/operation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/random.h"

enum { VALUE_BYTES_MAX = 3000 };

/* In byte order; the marks first. */
static const struct {
    const char *text;
    size_t n;
} names[NAMES_KNOWN] = {
    {"\x00", 1},       {"\x00m", 2}, {"m", 1},     {"m/", 2},    {"m/1", 3},    {"m/10", 4},
    {"m/2", 3},        {"mark", 4},  {"n", 1},     {"n\x00", 2}, {"n\x00z", 3}, {"n/", 2},
    {"n/\x00", 3},     {"n/a", 3},   {"n/a/b", 5}, {"n/ab", 4},  {"n/b", 3},    {"n/\xff", 3},
    {"n/\xff\xff", 4}, {"n0", 2},    {"o", 1},     {"\xfe", 1},  {"\xff", 1},   {"\xff\xff", 2},
};
static const char *const prefixes[PREFIXES_KNOWN] = {"", "m", "n/", "n/\xff", "\xff"};
static const char *const chains[CHAINS_KNOWN] = {"default", "aux", "z.9_-"};
static const char *const kinds[OPERATION_KINDS] = {
    "height",     "block", "block by hash", "block list", "block range",  "state",
    "tip state",  "get",   "get many",      "list",       "chains",       "metadata",
    "commit",     "prune", "rollback",      "dry prune",  "dry rollback", "create chain",
    "drop chain", "claim", "release",       "barrier",    "stop",         "kill",
};

void answer_add(struct answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(answer->text + answer->n, sizeof answer->text - answer->n, format, arguments);
    va_end(arguments);
    size_t room = sizeof answer->text - answer->n - 1;
    answer->n += (size_t)n < room ? (size_t)n : room;
}

bool answer_equal(const struct answer *left, const struct answer *right)
{
    return left->status == right->status && left->n == right->n &&
           memcmp(left->text, right->text, left->n) == 0;
}

bool operation_is_commit(const struct operation *operation)
{
    return operation->kind == OPERATION_COMMIT || operation->kind == OPERATION_PRUNE ||
           operation->kind == OPERATION_ROLLBACK || operation->kind == OPERATION_CREATE_CHAIN ||
           operation->kind == OPERATION_DROP_CHAIN || operation->kind == OPERATION_CLAIM ||
           operation->kind == OPERATION_RELEASE;
}

bool operation_is_write(const struct operation *operation)
{
    return operation->kind == OPERATION_METADATA || operation_is_commit(operation);
}

bool operation_is_stream(const struct operation *operation)
{
    return operation->kind == OPERATION_BLOCK_LIST || operation->kind == OPERATION_BLOCK_RANGE ||
           operation->kind == OPERATION_GET_MANY || operation->kind == OPERATION_LIST;
}

bool operation_is_dry_run(const struct operation *operation)
{
    return operation->kind == OPERATION_DRY_PRUNE || operation->kind == OPERATION_DRY_ROLLBACK;
}

bool operation_is_end(const struct operation *operation)
{
    return operation->kind == OPERATION_STOP || operation->kind == OPERATION_KILL;
}

uint32_t operation_name_parts(const struct operation *operation)
{
    return operation->name_parts == 0 ? 3 : operation->name_parts - 1; /* value and binding */
}

bool operation_deletes_range(const struct operation *operation)
{
    bool deletes = false;
    for (uint32_t i = 0; i < operation->n_edits; i++) {
        deletes |= operation->edits[i].kind == EDIT_DELETE_RANGE;
    }
    return deletes;
}

static void edit_text(struct answer *line, const struct edit *edit)
{
    static const char *const verbs[] = {"set", "number", "delete", "raise", "delete range"};
    answer_add(line, " %s %u", verbs[edit->kind], edit->name);
    if (edit->kind != EDIT_DELETE) {
        answer_add(line, "=%" PRIu64, edit->value);
    }
    if (edit->of_height != 0) {
        answer_add(line, "@%u", edit->of_height);
    }
}

static void lists_text(struct answer *line, const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->n_blocks; i++) {
        answer_add(line, " block %u=(%u,%u,#%u)", operation->blocks[i].height, operation->blocks[i].header,
                   operation->blocks[i].data, operation->blocks[i].hash);
    }
    for (uint32_t i = 0; i < operation->n_block_deletes; i++) {
        answer_add(line, " delete block %u", operation->block_deletes[i]);
    }
    for (uint32_t i = 0; i < operation->n_states; i++) {
        answer_add(line, " state %u=%u", operation->states[i].height, operation->states[i].value);
    }
    for (uint32_t i = 0; i < operation->n_deletes; i++) {
        answer_add(line, " delete state %u", operation->deletes[i]);
    }
    for (uint32_t i = 0; i < operation->n_guards; i++) {
        answer_add(line, " guard %u %s%s", operation->guards[i].name,
                   operation->guards[i].lower ? "lower" : "refuse",
                   operation->guards[i].pass_malformed ? " passing malformed" : "");
    }
    for (uint32_t i = 0; i < operation->n_edits; i++) {
        edit_text(line, &operation->edits[i]);
    }
    for (uint32_t i = 0; i < operation->n_items; i++) {
        answer_add(line, " %u", operation->items[i]);
    }
}

char *operation_text(const struct operation *operation)
{
    struct answer line = {0};
    answer_add(&line, "round %u connection %u: %s", operation->round, operation->connection,
               kinds[operation->kind]);
    if (operation_is_end(operation)) {
        answer_add(&line, " after %u replies", operation->height);
        return kept_copy(line.text, line.n);
    }
    answer_add(&line, " chain %u", operation->chain);
    if (operation->number != 0) {
        answer_add(&line, " number %u", operation->number);
    }
    if (operation->level != 0) {
        answer_add(&line, " level %u", operation->level);
    }
    if (operation->has_expected) {
        answer_add(&line, " expecting %u", operation->expected);
    }
    if (operation->carry) {
        answer_add(&line, " carry");
    }
    if (operation->rise_to != 0) {
        answer_add(&line, " rise to %u", operation->rise_to);
    }
    if (operation->kind == OPERATION_PRUNE || operation->kind == OPERATION_DRY_PRUNE) {
        answer_add(&line, operation->prune_blocks ? " blocks through %u" : "", operation->height);
        answer_add(&line, operation->prune_states ? " states through %u" : "", operation->last);
    } else if (operation->kind == OPERATION_LIST) {
        answer_add(&line, " prefix %u start %u end+1 %u limit %u%s parts %u", operation->prefix,
                   operation->start, operation->end, operation->limit, operation->reverse ? " reverse" : "",
                   operation_name_parts(operation));
    } else {
        answer_add(&line, " height %u last %u hash %u parts %u", operation->height, operation->last,
                   operation->hash, operation->parts);
    }
    lists_text(&line, operation);
    return kept_copy(line.text, line.n);
}

/* ---- the tables ---- */

const char *name_of_chain(uint32_t chain)
{
    return chains[chain];
}

struct bytes name_bytes(uint32_t name)
{
    return (struct bytes){(const uint8_t *)names[name].text, names[name].n};
}

uint32_t name_of(const void *data, size_t n)
{
    uint32_t name = 0;
    while (name < NAMES_KNOWN && (names[name].n != n || memcmp(names[name].text, data, n) != 0)) {
        name++;
    }
    return name;
}

struct bytes prefix_bytes(uint32_t prefix)
{
    return (struct bytes){(const uint8_t *)prefixes[prefix], strlen(prefixes[prefix])};
}

bool name_has_prefix(uint32_t name, uint32_t prefix)
{
    struct bytes start = prefix_bytes(prefix);
    return names[name].n >= start.n && memcmp(names[name].text, start.data, start.n) == 0;
}

struct bytes hash_bytes(uint32_t hash)
{
    static char table[HASHES_KNOWN][64];
    if (table[hash][0] == '\0') { /* of lengths 1 to 48, each first byte its own */
        memset(table[hash], 'h', 1 + hash);
        table[hash][0] = (char)(1 + hash);
    }
    return (struct bytes){(const uint8_t *)table[hash], 1 + hash};
}

struct bytes value_bytes(uint32_t value)
{
    static uint8_t *table[VALUES_KNOWN];
    size_t n = value % 16 == 0 ? 0 : value % 50 == 1 ? 700 + value : 1 + value % 31;
    n += n == 8; /* 8 bytes would be a number */
    if (table[value] == NULL) {
        static uint8_t space[VALUES_KNOWN][VALUE_BYTES_MAX];
        table[value] = space[value];
        struct random_source source = random_from(value);
        random_fill(&source, table[value], n);
    }
    return (struct bytes){table[value], n};
}

static bool same_value(uint32_t left, uint32_t right)
{
    struct bytes a = value_bytes(left), b = value_bytes(right);
    return a.n == b.n && memcmp(a.data, b.data, a.n) == 0;
}

uint32_t value_place(uint32_t value)
{
    static uint32_t table[VALUES_KNOWN]; /* one more than the place; 0: not looked for yet */
    if (table[value] == 0) {
        uint32_t place = 0;
        while (!same_value(place, value)) {
            place++;
        }
        table[value] = place + 1;
    }
    return table[value] - 1;
}

uint64_t height_on_wire(uint32_t height)
{
    if (height <= 20) {
        return height;
    }
    return height <= 40 ? 220 + height : (UINT64_C(1) << 32) - 50 + height;
}

uint32_t height_of(uint64_t on_wire)
{
    uint32_t height = 0;
    while (height < HEIGHTS_KNOWN && height_on_wire(height) != on_wire) {
        height++;
    }
    return height;
}

uint64_t bytes_digest(const void *data, size_t n)
{
    const uint8_t *bytes = data;
    uint64_t digest = UINT64_C(14695981039346656037) + n;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return digest;
}

uint64_t value_digest(uint32_t value)
{
    static uint64_t table[VALUES_KNOWN];
    if (table[value] == 0) {
        struct bytes bytes = value_bytes(value);
        table[value] = bytes_digest(bytes.data, bytes.n);
    }
    return table[value];
}

uint64_t number_digest(uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> 8 * i);
    }
    return bytes_digest(bytes, sizeof bytes);
}

uint64_t hash_digest(uint32_t hash)
{
    struct bytes bytes = hash_bytes(hash);
    return bytes_digest(bytes.data, bytes.n);
}

uint32_t signature_of(uint32_t header)
{
    return (header + 256) % VALUES_KNOWN;
}
