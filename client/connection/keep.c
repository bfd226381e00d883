/* A kept write's life:
 *
 * - added when its acceptance is read, at the place of its number: answers of several connections come in any order
 * - dropped when a reply says that it is written; this goes from the front, up to the first that is lost or sent again
 * - when a later run is met: dropped if that run found it on disk, else lost
 * - sent again from the front. A refusal for now makes it and all behind it lost, so that nothing overtakes it. What was
 *   accepted behind it is then applied a second time, in the same order, which ends in the same values
 *
 * Clients add and drop writes by the thousand, in nearly the same order. So writes lie one behind the other in chunks of memory,
 * and a chunk is freed or filled again once none of its writes is kept.
 *
 * The one way to fail is that there is no memory to add a write; the list is then as it was. */
#include "client/connection/keep.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = 64 << 10, /* chosen: about 500 small writes */
};

struct kept_chunk {
    size_t used_bytes;
    size_t living; /* how many of its writes are kept */
    bool alone;    /* it was made for one large write */
    alignas(struct kept) uint8_t memory[];
};

/* The room that a write takes in a chunk. */
static size_t kept_bytes(size_t body_bytes)
{
    size_t align = alignof(struct kept);
    return (sizeof(struct kept) + body_bytes + align - 1) / align * align;
}

/* Changes a write's state, and counts it. */
static void state_move(struct kept_list *list, struct kept *kept, enum kept_state state)
{
    bool was = kept->state != KEPT_ACCEPTED, is = state != KEPT_ACCEPTED;
    if (was && !is) {
        assert(list->unsettled > 0 && list->unsettled_operations >= kept->operations);
        list->unsettled--;
        list->unsettled_operations -= kept->operations;
    } else if (!was && is) {
        list->unsettled++;
        list->unsettled_operations += kept->operations;
    }
    kept->state = state;
}

/* Finds room for a write, in the chunk that is being filled or in a new one. A write that takes more than a quarter of a chunk
 * gets a chunk of its own. NULL: no memory. */
static struct kept *kept_place(struct kept_list *list, size_t bytes)
{
    struct kept_chunk *chunk = list->chunk;
    bool alone = bytes > CHUNK_BYTES / 4;
    if (alone || chunk == NULL || CHUNK_BYTES - chunk->used_bytes < bytes) {
        chunk = !alone && list->spare != NULL ? list->spare
                                              : malloc(sizeof *chunk + (alone ? bytes : CHUNK_BYTES));
        if (chunk == NULL) {
            return NULL;
        }
        *chunk = (struct kept_chunk){.alone = alone};
        if (!alone) {
            list->spare = list->spare == chunk ? NULL : list->spare;
            list->chunk = chunk;
        }
    }
    assert(alone || chunk->used_bytes + bytes <= CHUNK_BYTES);
    struct kept *kept = (void *)(chunk->memory + chunk->used_bytes);
    chunk->used_bytes += bytes;
    chunk->living++;
    kept->chunk = chunk;
    return kept;
}

/* Gives back the room of a write; with the last write of a chunk also the chunk. */
static void kept_free(struct kept_list *list, const struct kept *kept)
{
    struct kept_chunk *chunk = kept->chunk;
    assert(chunk->living > 0);
    if (--chunk->living > 0) {
        return;
    }
    if (chunk == list->chunk) {
        chunk->used_bytes = 0;
    } else if (!chunk->alone && list->spare == NULL) {
        list->spare = chunk;
    } else {
        free(chunk);
    }
}

uint64_t keep_unsettled_stamp(const struct kept_list *list)
{
    assert((list->unsettled_first == NULL) == (list->unsettled == 0));
    return list->unsettled_first != NULL ? list->unsettled_first->stamp : NO_STAMP;
}

/* `kept` is accepted now, or about to be freed: if it was the first unsettled one, finds the next. */
static void unsettled_pass(struct kept_list *list, const struct kept *kept)
{
    if (list->unsettled_first != kept) {
        return;
    }
    do {
        list->unsettled_first = list->unsettled_first->next;
    } while (list->unsettled_first != NULL && list->unsettled_first->state == KEPT_ACCEPTED);
}

bool keep_add(struct kept_list *list, const uint8_t *body, size_t body_bytes, size_t operations,
              uint64_t sequence, uint64_t stamp)
{
    assert(body_bytes <= UINT32_MAX && sequence > 0); /* no frame is longer, and no write has number 0 */
    struct kept *kept = kept_place(list, kept_bytes(body_bytes));
    if (kept == NULL) {
        return false;
    }
    kept->state = KEPT_ACCEPTED;
    kept->sequence = sequence;
    kept->operations = operations;
    kept->stamp = stamp;
    kept->body_bytes = (uint32_t)body_bytes;
    if (body_bytes > 0) {
        memcpy(kept->body, body, body_bytes);
    }

    /* One that was accepted while others wait to be sent again went out before these, whose numbers are of an earlier run. */
    struct kept *before = list->unsettled_first != NULL ? list->unsettled_first->previous : list->last;
    while (before != NULL && before->sequence > sequence) {
        before = before->previous;
    }
    for (struct kept *each = before; each != NULL && each->stamp > stamp; each = each->previous) {
        each->stamp = stamp;
    }
    kept->previous = before;
    kept->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = kept;
    *(kept->next != NULL ? &kept->next->previous : &list->last) = kept;
    if (kept->next != NULL && kept->next->stamp < stamp) {
        kept->stamp = kept->next->stamp;
    }
    list->operations += operations;
    list->bytes += kept_bytes(body_bytes);
    return true;
}

void keep_drop(struct kept_list *list, struct kept *kept)
{
    assert(list->operations >= kept->operations && list->bytes >= kept_bytes(kept->body_bytes));
    if (list->next_lost == kept) {
        list->next_lost = kept->next; /* all behind the first lost write are lost too */
    }
    state_move(list, kept, KEPT_ACCEPTED);
    unsettled_pass(list, kept);
    *(kept->previous != NULL ? &kept->previous->next : &list->first) = kept->next;
    *(kept->next != NULL ? &kept->next->previous : &list->last) = kept->previous;
    list->operations -= kept->operations;
    list->bytes -= kept_bytes(kept->body_bytes);
    kept_free(list, kept);
}

void keep_cover(struct kept_list *list, uint64_t written_through)
{
    while (list->first != NULL && list->first->state == KEPT_ACCEPTED &&
           list->first->sequence <= written_through) {
        keep_drop(list, list->first);
    }
}

void keep_judge(struct kept_list *list, uint64_t on_disk)
{
    struct kept *next;
    for (struct kept *kept = list->first; kept != NULL; kept = next) {
        next = kept->next;
        if (kept->state == KEPT_ACCEPTED && kept->sequence <= on_disk) {
            keep_drop(list, kept);
        } else {
            state_move(list, kept, KEPT_LOST);
        }
    }
    assert(list->unsettled_operations == list->operations); /* all that is left is lost */
    list->next_lost = list->unsettled_first = list->first;
}

struct kept *keep_resend_next(struct kept_list *list)
{
    struct kept *kept = list->next_lost;
    if (kept != NULL) {
        assert(kept->state == KEPT_LOST);
        state_move(list, kept, KEPT_RESENT);
        list->next_lost = kept->next;
    }
    return kept;
}

void keep_accepted(struct kept_list *list, struct kept *kept, uint64_t sequence)
{
    assert(kept->state != KEPT_ACCEPTED && sequence > 0);
    if (kept->state == KEPT_RESENT) { /* a lost one is sent once more, still under its old number */
        kept->sequence = sequence;
        state_move(list, kept, KEPT_ACCEPTED);
        unsettled_pass(list, kept);
    }
}

void keep_lost_from(struct kept_list *list, struct kept *kept)
{
    assert(kept->state != KEPT_ACCEPTED); /* it was under way */
    if (kept->state == KEPT_LOST) {
        return; /* an earlier refusal did it already: next_lost is here or before, and must not move behind it */
    }
    const struct kept *end = list->next_lost;
    for (struct kept *each = kept; each != NULL && each != end; each = each->next) {
        state_move(list, each, KEPT_LOST);
    }
    list->next_lost = kept;
}

void keep_clear(struct kept_list *list)
{
    while (list->first != NULL) {
        keep_drop(list, list->first);
    }
    assert(list->operations == 0 && list->bytes == 0 && list->unsettled == 0);
    free(list->chunk);
    free(list->spare);
    list->chunk = list->spare = NULL;
}
