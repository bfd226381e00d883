/* The list of kept metadata.
 *
 * - added when its acceptance is read, at its number's place: answers of several connections come in any order
 * - covered from the front, up to the first that is lost or under way
 * - judged when a later run is met: found on disk and dropped, or lost
 * - sent again from the front; a refusal for now puts all behind it back to lost, so that nothing overtakes it. What
 *   was accepted behind it is then applied once more, in the same order, which ends in the same values
 *
 * No memory when adding leaves the list as it was. */
#include "client/keep.h"

#include <assert.h>
#include <stdlib.h>

#include "client/transport.h"

static uint64_t kept_bytes(const struct kept *kept)
{
    return kept->body_bytes + sizeof *kept;
}

static void settle(struct kept_list *list, struct kept *kept, enum kept_state state)
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

bool keep_add(struct kept_list *list, struct frame_out *frame, size_t body_bytes, size_t operations,
              uint64_t sequence)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        return false;
    }
    kept->state = KEPT_ACCEPTED;
    kept->sequence = sequence;
    kept->operations = operations;
    kept->body_bytes = body_bytes;
    kept->frame = frame;

    struct kept *before = list->last;
    while (before != NULL && before->sequence > sequence) {
        before = before->previous;
    }
    kept->previous = before;
    kept->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = kept;
    *(kept->next != NULL ? &kept->next->previous : &list->last) = kept;
    list->operations += operations;
    list->bytes += kept_bytes(kept);
    return true;
}

void keep_drop(struct kept_list *list, struct kept *kept)
{
    if (list->next_lost == kept) {
        list->next_lost = kept->next;
    }
    settle(list, kept, KEPT_ACCEPTED);
    *(kept->previous != NULL ? &kept->previous->next : &list->first) = kept->next;
    *(kept->next != NULL ? &kept->next->previous : &list->last) = kept->previous;
    list->operations -= kept->operations;
    list->bytes -= kept_bytes(kept);
    frame_out_free(kept->frame);
    free(kept);
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
            settle(list, kept, KEPT_LOST);
        }
    }
    list->next_lost = list->first;
}

struct kept *keep_resend_next(struct kept_list *list)
{
    struct kept *kept = list->next_lost;
    if (kept != NULL) {
        assert(kept->state == KEPT_LOST);
        settle(list, kept, KEPT_RESENT);
        list->next_lost = kept->next;
    }
    return kept;
}

void keep_accepted(struct kept_list *list, struct kept *kept, uint64_t sequence)
{
    if (kept->state == KEPT_RESENT) { /* else it goes again all the same, under its old number */
        kept->sequence = sequence;
        settle(list, kept, KEPT_ACCEPTED);
    }
}

void keep_lost_from(struct kept_list *list, struct kept *kept)
{
    struct kept *before = list->next_lost;
    for (struct kept *each = kept; each != NULL && each != before; each = each->next) {
        settle(list, each, KEPT_LOST);
    }
    list->next_lost = kept;
}

void keep_clear(struct kept_list *list)
{
    while (list->first != NULL) {
        keep_drop(list, list->first);
    }
}
