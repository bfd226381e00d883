#include "tests/fault/kill_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

enum { NAME_BYTES = 16 };

static void complain(struct complaint_text *complaint, const char *what, const char *text)
{
    snprintf(complaint->text, sizeof complaint->text, "%s %.300s", what, text);
}

static uint64_t number_in(ProtobufCBinaryData bytes)
{
    char text[32] = {0};
    memcpy(text, bytes.data, bytes.len < sizeof text - 1 ? bytes.len : sizeof text - 1);
    return strtoull(text, NULL, 10);
}

/* Names are those of name_of, "lane" and "seen". */
static bool take_name(struct image *image, const Cairn__MetadataReply *found)
{
    char name[NAME_BYTES] = {0};
    unsigned slot;
    if (found->name.len >= sizeof name) {
        return false;
    }
    memcpy(name, found->name.data, found->name.len);
    if (strcmp(name, "lane") == 0) {
        image->lane = number_in(found->value);
    } else if (strcmp(name, "seen") == 0 && found->value.len == sizeof image->seen) {
        memcpy(&image->seen, found->value.data, sizeof image->seen); /* little-endian, as this machine */
    } else if (sscanf(name, "slot%u", &slot) == 1 && slot < JOURNAL_SLOTS) {
        image->slots[slot] = number_in(found->value);
    } else if (sscanf(name, "bound%u", &slot) == 1 && slot < JOURNAL_SLOTS) {
        image->bound[slot] = (struct bound){number_in(found->value), found->of_height};
    } else {
        return false;
    }
    return true;
}

static bool read_names(struct wire *wire, const char *chain, struct image *image,
                       struct complaint_text *ret_complaint)
{
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    size_t count;
    list.has_chain = true;
    list.chain = bytes_of(chain);
    Cairn__MetadataReply **found =
        receive_metadata(wire, wire_send(wire, FRAME_LIST_METADATA, &list), &count);
    for (size_t i = 0; i < count; i++) {
        if (!take_name(image, found[i])) {
            complain(ret_complaint, "a name that nobody wrote", "");
            return false;
        }
    }
    return true;
}

static bool read_blocks(struct wire *wire, const char *chain, struct image *image,
                        struct complaint_text *ret_complaint)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    size_t count;
    read.has_chain = true;
    read.chain = bytes_of(chain);
    read.has_first = read.has_last = read.has_parts = true;
    read.first = 1;
    read.last = UINT64_MAX;
    read.parts = 1;
    Cairn__BlockReply **blocks = receive_blocks(wire, wire_send(wire, FRAME_READ_BLOCKS, &read), &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t height = blocks[i]->height;
        if (height <= image->pruned || height > image->height) {
            complain(ret_complaint, "a block where there is none", kept_format("height %" PRIu64, height));
            return false;
        }
        image->blocks[height % JOURNAL_WINDOW] = number_in(blocks[i]->header);
    }
    return true;
}

static bool read_states(struct wire *wire, const char *chain, struct image *image,
                        struct complaint_text *ret_complaint)
{
    uint64_t ids[JOURNAL_WINDOW], first = image->pruned;
    size_t count = 0;
    while (first + count <= image->height + 2 && count < JOURNAL_WINDOW) {
        Cairn__ReadState read = CAIRN__READ_STATE__INIT;
        read.has_chain = read.has_height = true;
        read.chain = bytes_of(chain);
        read.height = first + count;
        ids[count++] = wire_send(wire, FRAME_READ_STATE, &read);
    }
    for (size_t i = 0; i < count; i++) {
        struct reply reply = reply_to(wire, ids[i]);
        uint64_t height = first + i;
        bool may_be = height > image->pruned && height <= image->height;
        if (reply.status == STATUS_OK && may_be) {
            Cairn__StateReply *state =
                wire_unpack(&cairn__state_reply__descriptor, reply.body.data, reply.body.len);
            image->states[height % JOURNAL_WINDOW] = number_in(state->value);
        } else if (reply.status != STATUS_NOT_FOUND) {
            complain(ret_complaint, "a state",
                     reply.status == STATUS_OK ? "where there is none" : reply.text);
            return false;
        }
    }
    return true;
}

bool image_read(struct wire *wire, const char *name, struct image *ret_image,
                struct complaint_text *ret_complaint)
{
    struct image image = {0};
    const Cairn__ChainEntry *chain = get_chain(wire, name);
    if (chain == NULL) {
        complain(ret_complaint, "the chain is gone", "");
        return false;
    }
    image.height = chain->height;
    image.pruned = chain->has_blocks_pruned_through ? chain->blocks_pruned_through : 0;
    if (image.height - image.pruned >= JOURNAL_WINDOW ||
        (chain->has_states_pruned_through ? chain->states_pruned_through : 0) != image.pruned) {
        complain(ret_complaint, "heights do not fit each other", "");
        return false;
    }
    bool is_read = read_names(wire, name, &image, ret_complaint) &&
                   read_blocks(wire, name, &image, ret_complaint) &&
                   read_states(wire, name, &image, ret_complaint);
    *ret_image = image;
    return is_read;
}
