/* Verbs that read heights, blocks and states. Each checks its arguments before it connects. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/encoding.h"
#include "client/tool/nearest.h"
#include "client/tool/output.h"
#include "client/tool/verbs/verbs.h"

enum tool_exit verb_height(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    struct cairn_read_height_request request = {.chain = tool->chain};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_read_height(tool->connection, &request, &reply);
    if (status == CAIRN_OK && tool->json) {
        output_json(json_pack("{s:o}", "height", output_number(reply->height)));
    } else if (status == CAIRN_OK) {
        printf("%" PRIu64 "\n", reply->height);
    }
    return tool_result(tool, status, reply);
}

static const struct {
    const char *name;
    unsigned bit;
} parts[] = {
    {"header", CAIRN_HEADER}, {"data", CAIRN_DATA}, {"signature", CAIRN_SIGNATURE}, {"hash", CAIRN_HASH}};

enum {
    PART_COUNT = sizeof parts / sizeof parts[0],
};

static struct cairn_slice part_of(const struct cairn_block *block, unsigned bit)
{
    switch (bit) {
    case CAIRN_HEADER:
        return block->header;
    case CAIRN_DATA:
        return block->data;
    case CAIRN_SIGNATURE:
        return block->signature;
    default:
        assert(bit == CAIRN_HASH);
        return block->hash;
    }
}

/* Says that there is no such part, and which was probably meant. */
static enum tool_exit unknown_part(const char *text, size_t length)
{
    char part[64], best[64];
    snprintf(part, sizeof part, "%.*s", length < sizeof part ? (int)length : (int)sizeof part - 1, text);
    nearest_of_words(part, "header data signature hash none", best, sizeof best);
    return tool_fail(TOOL_USAGE,
                     "--parts is a list of header, data, signature, hash, or none; not \"%s\"%s%s%s", part,
                     best[0] != '\0' ? "; did you mean " : "", best, best[0] != '\0' ? "?" : "");
}

/* Reads --parts, a list of parts; without it all parts are read. */
static enum tool_exit read_parts(const struct tool *tool, unsigned *ret_parts)
{
    const struct tool_given *given = argument_given(tool, "parts");
    unsigned mask = 0;
    if (given == NULL) {
        *ret_parts = CAIRN_ALL_PARTS;
        return TOOL_OK;
    }
    assert(given->value != NULL); /* --parts takes a value */
    const char *at = given->value;
    while (*at != '\0') {
        size_t length = strcspn(at, ",");
        unsigned bit = 0;
        for (size_t i = 0; i < PART_COUNT; i++) {
            if (strlen(parts[i].name) == length && strncmp(parts[i].name, at, length) == 0) {
                bit = parts[i].bit;
            }
        }
        if (bit == 0 && !(length == 4 && strncmp(at, "none", 4) == 0)) {
            return unknown_part(at, length);
        }
        mask |= bit;
        at += length + (at[length] == ',');
    }
    *ret_parts = mask;
    return TOOL_OK;
}

static void print_block_json(const struct cairn_block *block)
{
    json_t *object = json_pack("{s:o}", "height", output_number(block->height));
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (block->parts & parts[i].bit) {
            json_object_set_new(object, parts[i].name, output_bytes(part_of(block, parts[i].bit)));
        }
    }
    output_json(object);
}

static void print_block_table(const struct cairn_block *block)
{
    printf("height     %" PRIu64 "\n", block->height);
    for (size_t i = 0; i < PART_COUNT; i++) {
        struct cairn_slice part = part_of(block, parts[i].bit);
        if (!(block->parts & parts[i].bit)) {
            continue;
        }
        if (parts[i].bit == CAIRN_HASH) {
            char *text = hex_encode(part);
            printf("%-10s %s\n", parts[i].name, text);
            free(text);
            continue;
        }
        char digest[DIGEST_TEXT_BYTES];
        struct digest full = digest_of(part);
        digest_text(&full, digest);
        printf("%-10s %zu bytes, sha256 %s...\n", parts[i].name, part.bytes, digest);
    }
}

static bool print_block(void *context, const struct cairn_block *block)
{
    const struct tool *tool = context;
    if (argument_given(tool, "raw") != NULL) {
        for (size_t i = 0; i < PART_COUNT; i++) {
            if (block->parts & parts[i].bit) {
                output_raw(part_of(block, parts[i].bit));
            }
        }
    } else if (tool->json) {
        print_block_json(block);
    } else {
        print_block_table(block);
    }
    return true;
}

static enum tool_exit read_block_range(struct tool *tool, uint64_t first, unsigned mask)
{
    assert(argument_given(tool, "to") != NULL); /* else the range would end at 0 */
    struct cairn_read_blocks_request request = {.chain = tool->chain, .first = first, .parts = mask};
    enum tool_exit result = argument_height_option(tool, "to", NULL, &request.last);
    if (result == TOOL_OK && request.last < first) {
        return tool_fail(TOOL_USAGE,
                         "--to %" PRIu64 " is below the HEIGHT %" PRIu64 " where the range begins",
                         request.last, first);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_read_blocks(tool->connection, &request, print_block, tool, &reply);
    return tool_result(tool, status, reply);
}

enum tool_exit verb_block(struct tool *tool)
{
    assert(tool->argument_count <= 1); /* so says the table */
    struct cairn_read_block_request request = {.chain = tool->chain};
    const struct tool_given *hash = argument_given(tool, "hash");
    enum tool_exit result = read_parts(tool, &request.parts);
    if (result == TOOL_OK && (tool->argument_count == 1) == (hash != NULL)) {
        return hash != NULL ? tool_fail(TOOL_USAGE, "give a HEIGHT or --hash, not both")
               : argument_given(tool, "to") != NULL
                   ? tool_fail(TOOL_USAGE,
                               "--to needs the HEIGHT where the range begins: cairn block HEIGHT --to HEIGHT")
                   : tool_fail(TOOL_USAGE, "say which block: a HEIGHT or --hash HEX");
    }
    if (result == TOOL_OK && argument_given(tool, "raw") != NULL && __builtin_popcount(request.parts) != 1) {
        return tool_fail(TOOL_USAGE, "--raw prints one part: name it by --parts");
    }
    if (result == TOOL_OK) {
        result = hash != NULL ? argument_hex(tool, "--hash", hash->value, &request.hash)
                              : argument_height("HEIGHT", tool->arguments[0], &request.height);
    }
    if (result == TOOL_OK && hash != NULL && request.hash.bytes == 0) {
        return tool_fail(TOOL_USAGE, "--hash is of 1 to 64 bytes");
    }
    if (result == TOOL_OK && argument_given(tool, "to") != NULL) {
        return hash != NULL ? tool_fail(TOOL_USAGE, "--to goes with a HEIGHT, not with --hash")
                            : read_block_range(tool, request.height, request.parts);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_read_block(tool->connection, &request, &reply);
    if (status == CAIRN_NOT_FOUND) {
        return hash != NULL ? tool_fail_of(status, "not found: the block with hash %s", hash->value)
                            : tool_fail_of(status, "not found: block %" PRIu64, request.height);
    }
    if (status == CAIRN_OK) {
        print_block(tool, &reply->block);
    }
    return tool_result(tool, status, reply);
}

enum tool_exit verb_state(struct tool *tool)
{
    assert(tool->argument_count <= 1); /* so says the table */
    struct cairn_read_state_request request = {.chain = tool->chain, .at_height = tool->argument_count == 1};
    enum tool_exit result = TOOL_OK;
    if (request.at_height) {
        result = argument_number("HEIGHT", tool->arguments[0], &request.height);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_read_state(tool->connection, &request, &reply);
    if (status == CAIRN_NOT_FOUND) {
        return request.at_height
                   ? tool_fail_of(status, "not found: the state at height %" PRIu64, request.height)
                   : tool_fail_of(status, "not found: the state at the chain's height");
    }
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    if (argument_given(tool, "raw") != NULL) {
        output_raw(reply->state.value);
    } else if (tool->json) {
        output_json(json_pack("{s:o, s:o}", "height", output_number(reply->state.height), "value",
                              output_bytes(reply->state.value)));
    } else {
        printf("height     %" PRIu64 "\nvalue      ", reply->state.height);
        output_value(reply->state.value, 256);
        putchar('\n');
    }
    return TOOL_OK;
}
