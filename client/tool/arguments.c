/* Values from the command line. They are text unless an option says otherwise, so that any byte can be given. Whatever is wrong
 * with one is said on stderr; nothing is kept of it. */
#include "client/tool/arguments.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/encoding.h"

const struct tool_given *argument_given(const struct tool *tool, const char *name)
{
    assert(tool->given_count == 0 || tool->given != NULL);
    for (size_t i = tool->given_count; i-- > 0;) {
        if (strcmp(tool->given[i].option->name, name) == 0) {
            return &tool->given[i];
        }
    }
    return NULL;
}

static bool read_u64(const char *text, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
        return false;
    }
    *ret_number = number;
    return true;
}

enum tool_exit argument_number(const char *what, const char *text, uint64_t *ret_number)
{
    return read_u64(text, ret_number)
               ? TOOL_OK
               : tool_fail(TOOL_USAGE, "%s is a whole number from 0 to %" PRIu64 ", not \"%s\"", what,
                           UINT64_MAX, text);
}

enum tool_exit argument_height(const char *what, const char *text, uint64_t *ret_height)
{
    uint64_t height;
    bool is_number = read_u64(text, &height);
    if (!is_number || height == 0) {
        return tool_fail(is_number ? TOOL_REFUSED : TOOL_USAGE,
                         "%s is a height from 1 to %" PRIu64 ", not \"%s\"", what, UINT64_MAX, text);
    }
    *ret_height = height;
    return TOOL_OK;
}

enum tool_exit argument_duration(const char *what, const char *text, uint64_t *ret_us)
{
    static const struct {
        const char *unit;
        double us;
    } units[] = {{"", 1e6}, {"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"min", 60e6}, {"h", 3600e6}};
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        double us = number * units[i].us;
        bool digit = text[0] >= '0' && text[0] <= '9';
        if (digit && strcmp(end, units[i].unit) == 0 && us >= 1 && us < 1e15) {
            *ret_us = (uint64_t)us;
            return TOOL_OK;
        }
    }
    return tool_fail(TOOL_USAGE, "%s is a time above 0 such as 500ms, 2s or 1m, not \"%s\"", what, text);
}

static enum tool_exit
read_option(const struct tool *tool, const char *name, bool *ret_given, uint64_t *ret_number,
            enum tool_exit (*read)(const char *what, const char *text, uint64_t *ret_number))
{
    const struct tool_given *given = argument_given(tool, name);
    if (ret_given != NULL) {
        *ret_given = given != NULL;
    }
    if (given == NULL) {
        return TOOL_OK;
    }
    assert(given->value != NULL); /* options of this kind take a value */
    char what[64];
    snprintf(what, sizeof what, "--%s", name);
    return read(what, given->value, ret_number);
}

enum tool_exit argument_option(const struct tool *tool, const char *name, bool *ret_given,
                               uint64_t *ret_number)
{
    return read_option(tool, name, ret_given, ret_number, argument_number);
}

enum tool_exit argument_height_option(const struct tool *tool, const char *name, bool *ret_given,
                                      uint64_t *ret_height)
{
    return read_option(tool, name, ret_given, ret_height, argument_height);
}

enum tool_exit argument_as_u64(const struct tool *tool, bool *ret_as_u64)
{
    const struct tool_given *given = argument_given(tool, "as");
    assert(given == NULL || given->value != NULL); /* --as takes a value */
    if (given != NULL && strcmp(given->value, "u64") != 0) {
        return tool_fail(TOOL_USAGE, "--as is u64, not \"%s\"", given->value);
    }
    *ret_as_u64 = given != NULL;
    return TOOL_OK;
}

/* Reads all of a file into the tool's memory. */
static bool read_all(struct tool *tool, FILE *file, struct cairn_slice *ret_value)
{
    char *buffer = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&buffer, &size);
    char step[64 << 10];
    size_t got;
    if (memory == NULL) {
        return false;
    }
    while ((got = fread(step, 1, sizeof step, file)) > 0 && fwrite(step, 1, got, memory) == got) {
    }
    bool good = !ferror(file) && !ferror(memory);
    if (fclose(memory) == 0 && good) {
        char *copy = region_allocate(&tool->region, size + 1, 1);
        memcpy(copy, buffer, size);
        *ret_value = (struct cairn_slice){copy, size};
    } else {
        good = false;
    }
    free(buffer);
    return good;
}

enum tool_exit argument_file(struct tool *tool, const char *path, struct cairn_slice *ret_value)
{
    bool standard = strcmp(path, "-") == 0;
    if (standard && tool->stdin_is_read) {
        return tool_fail(TOOL_USAGE, "only one value can come from stdin");
    }
    FILE *file = standard ? stdin : fopen(path, "re");
    tool->stdin_is_read |= standard;
    bool good = file != NULL && read_all(tool, file, ret_value);
    int reason = errno;
    if (file != NULL && !standard) {
        fclose(file);
    }
    return good ? TOOL_OK
                : tool_fail(TOOL_USAGE, "cannot read %s: %s", standard ? "stdin" : path, strerror(reason));
}

enum tool_exit argument_hex(struct tool *tool, const char *what, const char *text,
                            struct cairn_slice *ret_value)
{
    size_t text_bytes = strlen(text);
    uint8_t *data = region_allocate(&tool->region, hex_decoded_max(text_bytes) + 1, 1);
    if (!hex_decode(text, text_bytes, data, &ret_value->bytes)) {
        return tool_fail(TOOL_USAGE, "%s is not hexadecimal: \"%s\"", what, text);
    }
    assert(ret_value->bytes <= hex_decoded_max(text_bytes));
    ret_value->data = data;
    return TOOL_OK;
}

/* Reads a number into 8 bytes, little-endian. */
static enum tool_exit read_as_u64(struct tool *tool, const char *what, const char *text,
                                  struct cairn_slice *ret_value)
{
    uint64_t number;
    enum tool_exit result = argument_number(what, text, &number);
    if (result != TOOL_OK) {
        return result;
    }
    uint8_t *data = region_allocate(&tool->region, sizeof number, 1);
    for (size_t i = 0; i < sizeof number; i++) {
        data[i] = (uint8_t)(number >> (8 * i));
    }
    *ret_value = (struct cairn_slice){data, sizeof number};
    return TOOL_OK;
}

enum tool_exit argument_value(struct tool *tool, const char *what, const char *text,
                              struct cairn_slice *ret_value)
{
    bool as_u64 = false;
    enum tool_exit result = argument_as_u64(tool, &as_u64);
    if (result != TOOL_OK || as_u64) {
        return result != TOOL_OK ? result : read_as_u64(tool, what, text, ret_value);
    }
    if (strcmp(text, "-") == 0) {
        return argument_file(tool, text, ret_value);
    }
    if (text[0] == '@') {
        return argument_file(tool, text + 1, ret_value);
    }
    if (argument_given(tool, "hex") != NULL) {
        return argument_hex(tool, what, text, ret_value);
    }
    if (argument_given(tool, "base64") == NULL) {
        *ret_value = cairn_text(text);
        return TOOL_OK;
    }
    size_t text_bytes = strlen(text);
    uint8_t *data = region_allocate(&tool->region, base64_decoded_max(text_bytes) + 1, 1);
    if (!base64_decode(text, text_bytes, data, &ret_value->bytes)) {
        return tool_fail(TOOL_USAGE, "%s is not base64: \"%s\"", what, text);
    }
    assert(ret_value->bytes <= base64_decoded_max(text_bytes));
    ret_value->data = data;
    return TOOL_OK;
}

enum tool_exit argument_name(struct tool *tool, const char *text, size_t text_bytes,
                             struct cairn_slice *ret_name)
{
    char *copy = region_allocate(&tool->region, text_bytes + 1, 1);
    memcpy(copy, text, text_bytes);
    if (argument_given(tool, "hex-names") != NULL) {
        return argument_hex(tool, "a name", copy, ret_name);
    }
    *ret_name = (struct cairn_slice){copy, text_bytes};
    return TOOL_OK;
}

/* Splits NAME=VALUE at the first equals sign, and reads the name. */
static enum tool_exit read_pair(struct tool *tool, const struct tool_given *given,
                                struct cairn_slice *ret_name, const char **ret_value)
{
    assert(given->value != NULL); /* --set and --raise take a value */
    const char *equals = strchr(given->value, '=');
    if (equals == NULL) {
        return tool_fail(TOOL_USAGE, "--%s is %s, not \"%s\"", given->option->name, given->option->argument,
                         given->value);
    }
    *ret_value = equals + 1;
    return argument_name(tool, given->value, (size_t)(equals - given->value), ret_name);
}

static enum tool_exit read_operation(struct tool *tool, const struct tool_given *given,
                                     struct cairn_operation *operation)
{
    const char *value = NULL;
    enum tool_exit result;
    assert(operation->name.data == NULL); /* each option has an operation of its own */
    if (strcmp(given->option->name, "delete") == 0) {
        operation->kind = CAIRN_DELETE;
        return argument_name(tool, given->value, strlen(given->value), &operation->name);
    }
    result = read_pair(tool, given, &operation->name, &value);
    if (result != TOOL_OK) {
        return result;
    }
    if (strcmp(given->option->name, "raise") == 0) {
        operation->kind = CAIRN_RAISE;
        return argument_number("--raise", value, &operation->raise);
    }
    operation->kind = CAIRN_SET;
    return argument_value(tool, "--set", value, &operation->value);
}

enum tool_exit argument_operations(struct tool *tool, const struct cairn_operation **ret_operations,
                                   size_t *ret_count)
{
    struct cairn_operation *operations =
        region_allocate(&tool->region, tool->given_count, sizeof *operations);
    size_t count = 0;
    for (size_t i = 0; i < tool->given_count; i++) {
        const struct tool_given *given = &tool->given[i];
        const char *name = given->option->name;
        enum tool_exit result = TOOL_OK;
        if (strcmp(name, "of-height") == 0) {
            if (count == 0 || operations[count - 1].kind != CAIRN_SET) {
                return tool_fail(TOOL_USAGE, "--of-height comes behind the --set that it binds");
            }
            result = argument_height("--of-height", given->value, &operations[count - 1].of_height);
        } else if (strcmp(name, "set") == 0 || strcmp(name, "raise") == 0 || strcmp(name, "delete") == 0) {
            result = read_operation(tool, given, &operations[count++]);
        }
        if (result != TOOL_OK) {
            return result;
        }
    }
    assert(count <= tool->given_count);
    *ret_operations = operations;
    *ret_count = count;
    return TOOL_OK;
}
