/* A word is a workload's name, then keys in any order; of a key given twice the last counts. Each workload has its own keys, so that
 * a mistyped or misplaced key is an error and not ignored. The error names the word and what would be right. */
#include "client/tool/bench/bench_workload.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMIT = 1 << BENCH_COMMIT,
    METADATA = 1 << BENCH_METADATA,
    GET = 1 << BENCH_GET,
    HEADER = 1 << BENCH_HEADER,
    BLOCK = 1 << BENCH_BLOCK,
    STREAM = 1 << BENCH_STREAM,
    ALL = (1 << BENCH_KINDS) - 1,
};

static const char *const names[BENCH_KINDS] = {
    [BENCH_COMMIT] = "commit", [BENCH_METADATA] = "metadata", [BENCH_GET] = "get",
    [BENCH_HEIGHT] = "height", [BENCH_HEADER] = "header",     [BENCH_BLOCK] = "block",
    [BENCH_STREAM] = "stream", [BENCH_EVNODE] = "evnode",
};

#define MILLION     (UINT64_C(1000) * 1000)
#define FIELD(name) offsetof(struct bench_workload, name)

/* Keys whose value is a number. */
static const struct key {
    const char *name;
    unsigned kinds; /* that take it */
    uint64_t min, max;
    size_t field;
} keys[] = {
    {"clients", ALL, 1, 65000, FIELD(clients)},
    {"depth", ALL, 1, 65536, FIELD(depth)},
    {"rate", ALL, 1, 1000 * MILLION, FIELD(rate)},
    {"count", ALL, 1, MILLION *MILLION, FIELD(count)},
    {"size", COMMIT | METADATA | GET, 0, 256 * MILLION, FIELD(size)},
    {"header", COMMIT, BENCH_HEADER_BYTES_MIN, 16 * MILLION, FIELD(header)},
    {"batch", COMMIT | METADATA, 1, 16384, FIELD(batch)},
    {"names", METADATA | GET, 1, MILLION, FIELD(names)},
    {"heights", HEADER | BLOCK | STREAM, 1, 1000 * MILLION, FIELD(heights)},
};

static const struct {
    const char *name;
    unsigned kinds;
} other_keys[] = {{"level", COMMIT | METADATA}, {"nice", ALL}};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static bool is(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(text, name, length) == 0;
}

/* Lists the names of all kinds or, if `kind` is not NULL, the keys of one. */
static const char *list(char *buffer, size_t bytes, const enum bench_kind *kind)
{
    assert(bytes > 0);
    size_t length = 0;
    buffer[0] = '\0';
    size_t count = kind == NULL ? LENGTH(names) : LENGTH(keys) + LENGTH(other_keys);
    for (size_t i = 0; i < count; i++) {
        const char *name = kind == NULL       ? names[i]
                           : i < LENGTH(keys) ? keys[i].name
                                              : other_keys[i - LENGTH(keys)].name;
        unsigned kinds = kind == NULL       ? ALL
                         : i < LENGTH(keys) ? keys[i].kinds
                                            : other_keys[i - LENGTH(keys)].kinds;
        if ((kind == NULL || (kinds & 1U << *kind) != 0) && length < bytes) {
            length += (size_t)snprintf(buffer + length, bytes - length, "%s%s", length > 0 ? ", " : "", name);
        }
    }
    return buffer;
}

static bool parse_number(const char *text, size_t length, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t unit = *end == 'k' ? 1000 : *end == 'M' ? MILLION : 1;
    end += unit > 1;
    if (text[0] < '0' || text[0] > '9' || errno != 0 || end != text + length || number > UINT64_MAX / unit) {
        return false;
    }
    *ret_number = number * unit;
    return true;
}

static bool parse_level(const char *text, size_t length, enum cairn_level *ret_level)
{
    static const char *const levels[] = {
        [CAIRN_ACCEPTED] = "accepted", [CAIRN_WRITTEN] = "written", [CAIRN_DURABLE] = "durable"};
    for (int level = CAIRN_ACCEPTED; level <= CAIRN_DURABLE; level++) {
        if (is(text, length, levels[level])) {
            *ret_level = (enum cairn_level)level;
            return true;
        }
    }
    return false;
}

static bool parse_nice(const char *text, size_t length, int *ret_nice)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (length == 0 || end != text + length || number < -20 || number > 19) {
        return false;
    }
    *ret_nice = (int)number;
    return true;
}

/* Reads a key and its value. False: *ret_wrong says what would be right. */
static bool parse_key(struct bench_workload *workload, const char *text, size_t length,
                      char ret_wrong[static BENCH_ERROR_BYTES / 2])
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    const char *value = equals != NULL ? equals + 1 : text + length;
    size_t value_length = length - (size_t)(value - text);
    const unsigned kind = 1U << workload->kind;
    const size_t wrong_bytes = BENCH_ERROR_BYTES / 2;
    if (is(text, name_length, "level") && (kind & other_keys[0].kinds) != 0) {
        bool commits = workload->kind == BENCH_COMMIT;
        snprintf(ret_wrong, wrong_bytes, "%swritten or durable", commits ? "" : "accepted, ");
        return parse_level(value, value_length, &workload->level) &&
               (!commits || workload->level != CAIRN_ACCEPTED);
    }
    if (is(text, name_length, "nice")) {
        snprintf(ret_wrong, wrong_bytes, "a number from -20 to 19");
        return parse_nice(value, value_length, &workload->nice);
    }
    if (is(text, name_length, "names") && workload->kind == BENCH_METADATA &&
        is(value, value_length, "new")) {
        workload->names = 0;
        return true;
    }
    for (const struct key *key = keys; key < keys + LENGTH(keys); key++) {
        if (is(text, name_length, key->name) && (kind & key->kinds) != 0) {
            uint64_t number;
            bool or_new = key->field == FIELD(names) && workload->kind == BENCH_METADATA;
            snprintf(ret_wrong, wrong_bytes, "a number from %llu to %llu, with k or M for 1000s%s",
                     (unsigned long long)key->min, (unsigned long long)key->max, or_new ? ", or new" : "");
            if (!parse_number(value, value_length, &number) || number < key->min || number > key->max) {
                return false;
            }
            assert(key->field + sizeof number <= sizeof *workload);
            memcpy((char *)workload + key->field, &number, sizeof number);
            return true;
        }
    }
    char known[BENCH_ERROR_BYTES / 4];
    snprintf(ret_wrong, wrong_bytes, "one of the keys of %s: %s", names[workload->kind],
             list(known, sizeof known, &workload->kind));
    return false;
}

static bool parse_name(const char *text, size_t length, enum bench_kind *ret_kind)
{
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        if (is(text, length, names[kind])) {
            *ret_kind = (enum bench_kind)kind;
            return true;
        }
    }
    return false;
}

bool bench_workload_parse(const char *word, struct bench_workload *ret_workload,
                          char ret_error[static BENCH_ERROR_BYTES])
{
    struct bench_workload workload = {
        .word = word, .clients = 1, .depth = 1, .batch = 1, .names = 64, .header = 500};
    size_t length = strcspn(word, ",");
    if (!parse_name(word, length, &workload.kind)) {
        char known[BENCH_ERROR_BYTES / 4];
        snprintf(ret_error, BENCH_ERROR_BYTES, "workload \"%.100s\": \"%.*s\" is not one of %s", word,
                 (int)(length < 100 ? length : 100), word, list(known, sizeof known, NULL));
        return false;
    }
    assert(workload.kind < BENCH_KINDS);
    workload.size = workload.kind == BENCH_COMMIT ? 1000 : workload.kind == BENCH_EVNODE ? 8 : 64;
    workload.heights = workload.kind == BENCH_STREAM ? 1000 : 0;
    workload.level = workload.kind == BENCH_COMMIT ? CAIRN_DURABLE : CAIRN_ACCEPTED;
    for (const char *at = word + length; *at != '\0'; at += length) {
        char wrong[BENCH_ERROR_BYTES / 2];
        at++;
        length = strcspn(at, ",");
        if (!parse_key(&workload, at, length, wrong)) {
            snprintf(ret_error, BENCH_ERROR_BYTES, "workload \"%.100s\": \"%.*s\" is not %s", word,
                     (int)(length < 60 ? length : 60), at, wrong);
            return false;
        }
    }
    *ret_workload = workload;
    return true;
}

bool bench_workload_reads_blocks(const struct bench_workload *workload)
{
    return workload->kind == BENCH_HEADER || workload->kind == BENCH_BLOCK || workload->kind == BENCH_STREAM;
}

bool bench_workload_reads_names(const struct bench_workload *workload)
{
    return workload->kind == BENCH_GET || workload->kind == BENCH_EVNODE;
}

uint64_t bench_workload_operations(const struct bench_workload *workload)
{
    return workload->kind == BENCH_STREAM ? workload->heights : workload->batch;
}
