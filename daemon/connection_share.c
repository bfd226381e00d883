/* What all connections share: memory for requests and replies, and the queues of those who wait for it. */
#include "daemon/connection_internal.h"

void waiting_remove(struct waiting_list *list, struct connection *connection)
{
    for (struct connection **link = &list->first; *link != NULL; link = &(*link)->next_waiting) {
        if (*link == connection) {
            *link = connection->next_waiting;
            if (*link == NULL) {
                list->last = link;
            }
            connection->next_waiting = NULL;
            return;
        }
    }
}

void waiting_append(struct waiting_list *list, struct connection *connection)
{
    connection->next_waiting = NULL;
    *list->last = connection;
    list->last = &connection->next_waiting;
}

bool connection_set_requests_are_full(const struct connection_set *set)
{
    return set->service->requests_bytes >= set->limits.requests_bytes_max + SMALL_FRAMES_BYTES;
}

bool connection_set_replies_are_full(const struct connection_set *set)
{
    return set->service->replies_bytes >= set->service->replies_bytes_max;
}

/* Room for a large frame is set aside before its body is read: its bytes, and what they unpack to. One always finds room,
 * or small requests that stay could keep it out for ever. */
bool connection_set_reserve(struct connection_set *set, struct connection *connection)
{
    uint64_t bytes = 2 * (uint64_t)connection->frame.body_bytes;
    if (connection->frame.body_bytes <= FRAME_BYTES_UNRESERVED) {
        return true;
    }
    bool is_next = set->for_memory.first == NULL || set->for_memory.first == connection;
    bool fits =
        set->reserved_bytes == 0 || set->service->requests_bytes + bytes <= set->limits.requests_bytes_max;
    if (!is_next || !fits) {
        return false;
    }
    connection->reserved_bytes = bytes;
    set->reserved_bytes += bytes;
    set->service->requests_bytes += bytes;
    return true;
}

void connection_set_release(struct connection_set *set, struct connection *connection)
{
    set->service->requests_bytes -= connection->reserved_bytes;
    set->reserved_bytes -= connection->reserved_bytes;
    connection->reserved_bytes = 0;
}
