#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/history_load.h"
#include "tests/lib/kept.h"

enum { TEXT_BYTES = 24 };

static const char letters[] = {[REGISTER_NAME] = 'n',
                               [REGISTER_BOUND] = 'b',
                               [REGISTER_RAISED] = 'r',
                               [REGISTER_SEEN] = 's',
                               [REGISTER_LANE] = 'l'};

const char *register_name(uint64_t name)
{
    return kept_format("%c%" PRIu64, letters[register_kind_of(name)], register_number(name));
}

uint64_t register_named(unsigned chain, struct cairn_slice name)
{
    char text[TEXT_BYTES] = {0};
    if (name.bytes < 2 || name.bytes >= sizeof text) {
        return 0;
    }
    memcpy(text, name.data, name.bytes);
    const char *letter = memchr(letters + REGISTER_NAME, text[0], sizeof letters - REGISTER_NAME);
    return letter == NULL
               ? 0
               : register_of(chain, (enum register_kind)(letter - letters), strtoull(text + 1, NULL, 10));
}

uint64_t value_in(struct cairn_slice value, enum register_kind kind)
{
    char text[TEXT_BYTES] = {0}, *end;
    if (kind == REGISTER_RAISED) {
        uint64_t number = 0;
        for (size_t i = value.bytes; i > 0; i--) {
            number = number << 8 | ((const uint8_t *)value.data)[i - 1];
        }
        return value.bytes == sizeof number ? number : UINT64_MAX;
    }
    if (value.bytes == 0 || value.bytes >= sizeof text) {
        return UINT64_MAX;
    }
    memcpy(text, value.data, value.bytes);
    uint64_t number = strtoull(text, &end, 10);
    return *end == '\0' ? number : UINT64_MAX;
}

uint64_t value_of_block(const struct cairn_block *block)
{
    uint64_t value = value_in(block->header, REGISTER_BLOCK);
    bool is_whole =
        value == value_in(block->data, REGISTER_BLOCK) && value == value_in(block->signature, REGISTER_BLOCK);
    return is_whole ? value : UINT64_MAX;
}

/* ---- images ---- */

struct reader {
    struct image *image;
    unsigned chain;
};

static bool take_name(void *context, const struct cairn_metadata *found)
{
    const struct reader *reader = context;
    uint64_t name = register_named(reader->chain, found->name);
    ck_assert_msg(name != 0, "a name that nobody wrote");
    image_put(reader->image,
              &(struct part){name, value_in(found->value, register_kind_of(name)), found->of_height});
    return true;
}

static bool take_block(void *context, const struct cairn_block *block)
{
    const struct reader *reader = context;
    uint64_t name = register_of(reader->chain, REGISTER_BLOCK, block->height);
    image_put(reader->image, &(struct part){.name = name, .value = value_of_block(block)});
    return true;
}

static void take_number(struct image *image, unsigned chain, enum register_kind kind, uint64_t value)
{
    if (value != 0) {
        image_put(image, &(struct part){.name = register_of(chain, kind, 0), .value = value});
    }
}

static void take_states(struct cairn_connection *connection, const struct reader *reader, uint64_t first,
                        uint64_t last)
{
    for (uint64_t height = first; height <= last; height++) {
        struct cairn_read_state_request request = {
            .chain = cairn_text(fleet_chains[reader->chain]), .at_height = true, .height = height};
        const struct cairn_reply *reply;
        enum cairn_status status = cairn_read_state(connection, &request, &reply);
        ck_assert_msg(status == CAIRN_OK || status == CAIRN_NOT_FOUND, "a state: %s", reply->text);
        if (status == CAIRN_OK) {
            uint64_t name = register_of(reader->chain, REGISTER_STATE, height);
            image_put(reader->image,
                      &(struct part){.name = name, .value = value_in(reply->state.value, REGISTER_STATE)});
        }
    }
}

static void take_chain(struct cairn_connection *connection, const struct reader *reader,
                       const struct cairn_chain *chain)
{
    const struct cairn_slice name = cairn_text(fleet_chains[reader->chain]);
    uint64_t pruned = chain->blocks_pruned ? chain->blocks_pruned_through : 0;
    uint64_t height = chain->height;
    struct cairn_list_request list = {.chain = name};
    struct cairn_read_blocks_request blocks = {
        .chain = name, .first = 1, .last = UINT64_MAX, .parts = CAIRN_ALL_PARTS};
    take_number(reader->image, reader->chain, REGISTER_HEIGHT, height);
    take_number(reader->image, reader->chain, REGISTER_PRUNED, pruned);
    void *context = (void *)(uintptr_t)reader;
    ck_assert_int_eq(cairn_list(connection, &list, take_name, context, NULL), CAIRN_OK);
    ck_assert_int_eq(cairn_read_blocks(connection, &blocks, take_block, context, NULL), CAIRN_OK);
    take_states(connection, reader, pruned > 0 ? pruned - 1 : 0, height + 1);
}

void fleet_take_image(struct fleet *fleet, struct image *ret_image)
{
    const struct cairn_client_options options = {.socket_path = fleet->daemon.socket,
                                                 .timeout_us = 120000000};
    struct cairn_client *client;
    struct cairn_connection *connection;
    const struct cairn_chains_request request = {0};
    const struct cairn_reply *reply;
    struct cairn_chain chains[HISTORY_CHAINS];
    ret_image->count = 0;
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
    ck_assert_int_eq(cairn_chains(connection, &request, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->chains.count, HISTORY_CHAINS + 1); /* the last is the claimed one */
    for (unsigned i = 0; i < HISTORY_CHAINS; i++) {
        chains[i] = reply->chains.entries[i]; /* in byte order, as ours; names are not looked at */
    }
    for (unsigned i = 0; i < HISTORY_CHAINS; i++) {
        const struct reader reader = {ret_image, i};
        fleet->heights[i] = chains[i].height;
        fleet->pruned[i] = chains[i].blocks_pruned ? chains[i].blocks_pruned_through : 0;
        take_chain(connection, &reader, &chains[i]);
    }
    cairn_client_free(client);
    image_sort(ret_image);
}
