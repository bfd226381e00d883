/* The list is in the order of since_us, with those that have none yet at its end. A turn stamps these, walking back from the end, so
 * that each is looked at once. */
#include "daemon/runtime/timeout.h"

#include <assert.h>
#include <stddef.h>

void timeout_start(struct timeout_list *list, struct timeout *timeout)
{
    timeout_stop(list, timeout);
    assert(timeout->owner != NULL); /* it was started */
    assert((list->first == NULL) == (list->last == NULL));
    timeout->is_running = true;
    timeout->since_us = 0;
    timeout->previous = list->last;
    timeout->next = NULL;
    if (list->last == NULL) {
        list->first = timeout;
    } else {
        list->last->next = timeout;
    }
    list->last = timeout;
}

void timeout_stop(struct timeout_list *list, struct timeout *timeout)
{
    if (!timeout->is_running) {
        return;
    }
    assert(list->first != NULL && list->last != NULL);               /* it stands in this list */
    assert((timeout->previous == NULL) == (list->first == timeout)); /* and in no other one */
    if (timeout->previous == NULL) {
        list->first = timeout->next;
    } else {
        timeout->previous->next = timeout->next;
    }
    if (timeout->next == NULL) {
        list->last = timeout->previous;
    } else {
        timeout->next->previous = timeout->previous;
    }
    timeout->is_running = false;
}

struct timeout *timeout_turn(struct timeout_list *list, uint64_t now_us)
{
    assert(now_us > 0); /* 0 says that it is not stamped */
    for (struct timeout *fresh = list->last; fresh != NULL && fresh->since_us == 0; fresh = fresh->previous) {
        fresh->since_us = now_us;
    }
    return timeout_in_us(list, now_us) == 0 ? list->first : NULL;
}

uint64_t timeout_in_us(const struct timeout_list *list, uint64_t now_us)
{
    if (list->first == NULL) {
        return UINT64_MAX;
    }
    assert(list->first->since_us > 0); /* the turn came before */
    uint64_t elapsed_us = now_us > list->first->since_us ? now_us - list->first->since_us : 0;
    return elapsed_us < list->length_us ? list->length_us - elapsed_us : 0;
}
