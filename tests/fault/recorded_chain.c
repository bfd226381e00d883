/* A beginning of the row fits what is there if the chain is there or not as behind its last step, with the blocks of that life alone. Of
 * several that fit the longest is taken: they tell the same. */
#include "tests/fault/recorded_chain.h"

#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"

void recorded_chain_note(struct chain_journal *journal, size_t place, struct step step, uint64_t operations)
{
    ck_assert_uint_lt(journal->count, CHAIN_STEPS_MAX);
    journal->sent[journal->count].step = step;
    journal->sent[journal->count].place = place;
    journal->sent[journal->count++].operations = operations;
}

struct chain_row *recorded_chain_row(const struct chain_journal *journal, uint64_t operations)
{
    struct chain_row *row = kept_alloc(sizeof *row);
    for (size_t i = 0; i < journal->count && journal->sent[i].operations <= operations; i++) {
        row->count = journal->sent[i].place;
        if (journal->sent[i].step.kind != STEP_NONE) {
            row->steps[row->count++] = journal->sent[i].step;
        }
    }
    return row;
}

static bool is_there(const struct chain_row *row, size_t place)
{
    return place > 0 && row->steps[place - 1].kind != STEP_DROPPED;
}

static size_t blocks_of(const struct chain_row *row, size_t place)
{
    size_t blocks = 0;
    while (blocks < place && row->steps[place - 1 - blocks].kind == STEP_BLOCK) {
        blocks++;
    }
    return blocks;
}

bool recorded_chain_is_there(const struct chain_row *row)
{
    return is_there(row, row->count);
}

size_t recorded_chain_blocks(const struct chain_row *row)
{
    return blocks_of(row, row->count);
}

uint64_t recorded_chain_next_id(void)
{
    static uint64_t last;
    return ++last;
}

char *recorded_chain_header(uint64_t id)
{
    return kept_format("step %lu", id);
}

uint64_t recorded_number(struct wire *wire, const char *chain, const char *name)
{
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    uint64_t number;
    get.has_chain = chain != NULL;
    get.chain = bytes_of(chain != NULL ? chain : "");
    get.has_name = true;
    get.name = bytes_of(name);
    struct reply reply = ask(wire, FRAME_GET_METADATA, &get);
    if (reply.status == STATUS_NOT_FOUND) {
        return 0;
    }
    ck_assert_msg(reply.status == STATUS_OK, "%s: %s", name, reply.text);
    const Cairn__MetadataReply *found =
        wire_unpack(&cairn__metadata_reply__descriptor, reply.body.data, reply.body.len);
    ck_assert_uint_eq(found->value.len, sizeof number);
    memcpy(&number, found->value.data, sizeof number); /* little-endian, as this machine */
    return number;
}

static Cairn__BlockReply **read_blocks(struct wire *wire, size_t *ret_count)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_chain = read.has_first = read.has_last = read.has_parts = true;
    read.chain = bytes_of(RECORDED_CHAIN);
    read.first = 1;
    read.last = UINT64_MAX;
    read.parts = CAIRN__PART__PART_HEADER;
    return receive_blocks(wire, wire_send(wire, FRAME_READ_BLOCKS, &read), ret_count);
}

/* Whether these are the blocks behind so many steps. */
static bool fits(const struct chain_row *row, size_t place, Cairn__BlockReply **blocks, size_t count)
{
    if (blocks_of(row, place) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t id = row->steps[place - count + i].id;
        if (blocks[i]->height != i + 1 || !bytes_are(blocks[i]->header, recorded_chain_header(id))) {
            return false;
        }
    }
    return true;
}

const char *recorded_chain_fault(struct wire *wire, const struct chain_row *row, size_t durable,
                                 uint64_t height, size_t *ret_place)
{
    const Cairn__ChainEntry *entry = get_chain(wire, RECORDED_CHAIN);
    Cairn__BlockReply **blocks = NULL;
    size_t count = 0;
    if (entry != NULL) {
        blocks = read_blocks(wire, &count);
        if (entry->height != count) {
            return kept_format("the chain has %zu blocks, its height is %lu", count, entry->height);
        }
        if ((recorded_number(wire, RECORDED_CHAIN, "number") != 0) != (count > 0)) {
            return kept_format("the chain has %zu blocks, and a number that does not fit", count);
        }
    }
    for (size_t place = row->count + 1; place-- > durable;) {
        bool is_behind = place == 0 || row->steps[place - 1].height <= height;
        bool is_before = place == row->count || height <= row->steps[place].height;
        if (is_behind && is_before && is_there(row, place) == (entry != NULL) &&
            fits(row, place, blocks, count)) {
            *ret_place = place;
            return NULL;
        }
    }
    return kept_format(
        "the chain is %s with %zu blocks, the last one \"%.*s\"; of %zu steps %zu are durable, "
        "and the default chain's height is %lu",
        entry != NULL ? "there" : "not there", count, count > 0 ? (int)blocks[count - 1]->header.len : 0,
        count > 0 ? (const char *)blocks[count - 1]->header.data : "", row->count, durable, height);
}
