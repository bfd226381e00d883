#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/side.h"

enum kind { NUMBER, BYTES, SECONDS, LEVEL, FLAG };

static const struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t least, most, usual;
} known[] = {
#define FIELD(name) offsetof(struct side_options, name)
    {"request", BYTES, FIELD(request_bytes), 16, 256 << 20, 128},
    {"reply", BYTES, FIELD(reply_bytes), 16, 256 << 20, 128},
    {"clients", NUMBER, FIELD(clients), 1, 100000, 1},
    {"depth", NUMBER, FIELD(depth), 1, 100000, 1},
    {"size", BYTES, FIELD(size_bytes), 1, 256 << 20, 0},
    {"header", BYTES, FIELD(header_bytes), 8, 1 << 20, 500},
    {"names", NUMBER, FIELD(names), 1, 10000000, 64},
    {"batch", NUMBER, FIELD(batch), 1, 100000, 1},
    {"heights", NUMBER, FIELD(heights), 1, UINT32_MAX, 0},
    {"duration", SECONDS, FIELD(duration_ns), 0, 1000000, 10000000000},
    {"warmup", SECONDS, FIELD(warmup_ns), 0, 1000000, 1000000000},
    {"level", LEVEL, FIELD(is_durable), 0, 1, 1},
    {"cold", FLAG, FIELD(is_cold), 0, 1, 0},
#undef FIELD
};

enum { KNOWN = sizeof known / sizeof known[0] };

static bool given[KNOWN];

static bool read_number(const struct option *option, const char *text, uint64_t *ret_value)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    uint64_t unit = 1;
    if (end != NULL && option->kind == BYTES && (*end == 'k' || *end == 'M')) {
        unit = *end == 'k' ? 1000 : 1000000;
        end++;
    }
    if (end == NULL || *end != '\0' || errno != 0 || value > option->most / unit ||
        value * unit < option->least) {
        fprintf(stderr, "side: --%s is a number from %" PRIu64 " to %" PRIu64 "%s, not \"%s\"\n",
                option->name, option->least, option->most,
                option->kind == BYTES ? ", k and M behind it are thousands and millions" : "", text);
        return false;
    }
    *ret_value = value * unit;
    return true;
}

static bool read_seconds(const struct option *option, const char *text, uint64_t *ret_value)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > (double)option->most) {
        fprintf(stderr, "side: --%s is a number of seconds, not \"%s\"\n", option->name, text);
        return false;
    }
    *ret_value = (uint64_t)(seconds * 1e9);
    return true;
}

static bool read_value(const struct option *option, const char *text, uint64_t *ret_value)
{
    switch (option->kind) {
    case NUMBER:
    case BYTES:
        return read_number(option, text, ret_value);
    case SECONDS:
        return read_seconds(option, text, ret_value);
    case LEVEL:
        if (strcmp(text, "durable") != 0 && strcmp(text, "written") != 0) {
            fprintf(stderr, "side: --level is durable or written, not \"%s\"\n", text);
            return false;
        }
        *ret_value = text[0] == 'd';
        return true;
    case FLAG:
        *ret_value = 1;
        return true;
    }
    return false;
}

/* Takes the option at `arguments`, and its value from the same word or the next; moves on to the last word of it. */
static bool take_option(struct side_options *options, char ***arguments)
{
    const char *name = **arguments + 2;
    size_t length = strcspn(name, "=");
    for (size_t i = 0; i < KNOWN; i++) {
        const struct option *option = &known[i];
        if (strlen(option->name) != length || strncmp(option->name, name, length) != 0) {
            continue;
        }
        const char *text = name[length] == '=' ? name + length + 1 : NULL;
        if (option->kind != FLAG && text == NULL) {
            text = *++*arguments;
        } else if (option->kind == FLAG && text != NULL) {
            fprintf(stderr, "side: --%s takes no value\n", option->name);
            return false;
        }
        if (option->kind != FLAG && text == NULL) {
            fprintf(stderr, "side: --%s takes a value\n", option->name);
            return false;
        }
        given[i] = true;
        return read_value(option, text, (uint64_t *)((char *)options + option->offset));
    }
    fprintf(stderr, "side: no option is called --%.*s\n", (int)length, name);
    return false;
}

bool side_options_read(struct side_options *options, int count, char **arguments)
{
    *options = (struct side_options){.words = side_memory((size_t)count + 1, sizeof options->words[0])};
    for (size_t i = 0; i < KNOWN; i++) {
        *(uint64_t *)((char *)options + known[i].offset) = known[i].usual;
    }
    for (char **argument = arguments + 1; *argument != NULL; argument++) {
        if (strncmp(*argument, "--", 2) != 0) {
            options->words[options->word_count++] = *argument;
        } else if (!take_option(options, &argument)) {
            return false;
        }
    }
    return true;
}

bool side_options_given(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (given[i] && strcmp(known[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool side_options_only(const char *mode, const char *allowed)
{
    for (size_t i = 0; i < KNOWN; i++) {
        bool found = !given[i];
        for (const char *name = allowed; *name != '\0' && !found;) {
            size_t length = strcspn(name, " ");
            found = strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0;
            name += length + (name[length] == ' ');
        }
        if (!found) {
            fprintf(stderr, "side: %s takes no --%s\n", mode, known[i].name);
            return false;
        }
    }
    return true;
}
