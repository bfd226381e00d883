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

/* Held by frames that need no room set aside. */
static uint64_t small_bytes(const struct connection_set *set)
{
    return set->service->requests_bytes - set->service->requests_large_bytes;
}

/* So much is kept for them, whatever the large ones take. */
static uint64_t small_bytes_kept(const struct connection_set *set)
{
    return set->limits.requests_bytes_max / SMALL_FRAMES_PART;
}

/* Small frames make room for a large one that waits. */
bool connection_set_requests_are_full(const struct connection_set *set)
{
    bool others_want_it =
        set->for_memory.first != NULL || set->service->requests_bytes >= set->limits.requests_bytes_max;
    return others_want_it && small_bytes(set) >= small_bytes_kept(set);
}

bool connection_set_replies_are_full(const struct connection_set *set)
{
    return set->service->replies_bytes >= set->service->replies_bytes_max;
}

static bool fits(const struct connection_set *set, uint64_t bytes)
{
    uint64_t large = set->service->requests_large_bytes;
    uint64_t small = small_bytes(set), kept = small_bytes_kept(set);
    if (large == 0) {
        return small <= kept; /* one always finds room, even where the bound is just twice its bytes */
    }
    return large + (small > kept ? small : kept) + bytes <= set->limits.requests_bytes_max;
}

/* Room for a large frame is set aside before its body is read. */
bool connection_set_reserve(struct connection_set *set, struct connection *connection)
{
    uint64_t bytes = request_bytes_to_reserve(connection->frame.body_bytes);
    if (bytes == 0) {
        return true;
    }
    bool is_next = set->for_memory.first == NULL || set->for_memory.first == connection;
    if (!is_next || !fits(set, bytes)) {
        return false;
    }
    connection->reserved_bytes = bytes;
    set->service->requests_large_bytes += bytes;
    set->service->requests_bytes += bytes;
    return true;
}

void connection_set_release(struct connection_set *set, struct connection *connection)
{
    set->service->requests_bytes -= connection->reserved_bytes;
    set->service->requests_large_bytes -= connection->reserved_bytes;
    connection->reserved_bytes = 0;
}
