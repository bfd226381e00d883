/* A reply becomes an answer in the form of the recordings: values as they are, parts and states as length and digest. Without
 * memory the process ends. */
#include "client/tool/replay/compare.h"

#include <assert.h>
#include <string.h>

static_assert(CAIRN_HEADER == 1 << TRACE_HEADER && CAIRN_DATA == 1 << TRACE_DATA &&
                  CAIRN_SIGNATURE == 1 << TRACE_SIGNATURE && CAIRN_HASH == 1 << TRACE_HASH,
              "masks of parts are the library's");

static struct cairn_slice kept(struct region *region, struct cairn_slice slice)
{
    void *copy = region_allocate(region, slice.bytes + 1, 1);
    if (slice.bytes > 0) {
        memcpy(copy, slice.data, slice.bytes);
    }
    return (struct cairn_slice){copy, slice.bytes};
}

void compare_entry(struct region *region, struct trace_answer *answer, const struct cairn_metadata *item)
{
    assert(!item->absent); /* the library passes on only names that a list has */
    size_t count = answer->entry_count;
    if ((count & (count - 1)) == 0) { /* the array is full at every power of two */
        struct trace_entry *grown = region_allocate(region, count == 0 ? 1 : 2 * count, sizeof *grown);
        if (count > 0) {
            memcpy(grown, answer->entries, count * sizeof *grown);
        }
        answer->entries = grown;
    }
    answer->entries[answer->entry_count++] =
        (struct trace_entry){.name = kept(region, item->name), .value = kept(region, item->value)};
}

static void block_answer(const struct trace_call *call, const struct cairn_block *block,
                         struct trace_answer *answer)
{
    const struct cairn_slice parts[TRACE_PARTS] = {
        [TRACE_HEADER] = block->header,
        [TRACE_DATA] = block->data,
        [TRACE_SIGNATURE] = block->signature,
        [TRACE_HASH] = block->hash,
    };
    assert(!block->absent && block->parts < 1u << TRACE_PARTS);
    answer->kind = TRACE_ANSWER_BLOCK;
    answer->parts = block->parts;
    for (int part = 0; part < TRACE_PARTS; part++) {
        if (block->parts & 1u << part) {
            answer->digests[part] = digest_of(parts[part]);
        }
    }
    if (call->block.hash.bytes > 0) {
        answer->has_height = true;
        answer->height = block->height;
    }
}

static void found_answer(const struct trace_call *call, const struct cairn_reply *reply,
                         struct trace_answer *answer)
{
    switch (call->op) {
    case TRACE_HEIGHT:
        answer->kind = TRACE_ANSWER_HEIGHT;
        answer->has_height = true;
        answer->height = reply->height;
        return;
    case TRACE_BLOCK:
        block_answer(call, &reply->block, answer);
        return;
    case TRACE_STATE:
        answer->kind = TRACE_ANSWER_STATE;
        answer->state = digest_of(reply->state.value);
        return;
    case TRACE_GET:
        answer->kind = TRACE_ANSWER_VALUE;
        answer->value = reply->found.value;
        return;
    case TRACE_LIST:
        answer->kind = TRACE_ANSWER_ENTRIES;
        return;
    default:
        answer->kind = TRACE_ANSWER_OK;
    }
}

bool compare_answer(const struct trace_call *call, const struct cairn_reply *reply,
                    struct trace_answer *answer)
{
    assert(call->op < TRACE_REOPEN); /* a reopen has no answer */
    switch (reply->status) {
    case CAIRN_OK:
        found_answer(call, reply, answer);
        return true;
    case CAIRN_NOT_FOUND:
        answer->kind = TRACE_ANSWER_NOT_FOUND;
        return true;
    case CAIRN_CONFLICT:
        answer->kind = TRACE_ANSWER_REFUSED;
        return true;
    default:
        return false;
    }
}
