/* What all connections share: memory for requests and replies, and the queues of those who wait for it. */
#include "daemon/net/connection_internal.h"

enum {
    SMALL_FRAMES_PART = 32,             /* of the memory for requests: for small frames at any rate, */
    SMALL_FRAMES_BYTES_LEAST = 1 << 20, /* and no less than this */
};

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

/* Held by all but large writes. */
static uint64_t small_bytes(const struct connection_set *set)
{
    return set->service->requests_bytes - set->service->requests_large_bytes;
}

/* So much is theirs at any rate, beyond the bound where it is just twice that of a frame. */
static uint64_t small_bytes_kept(const struct connection_set *set)
{
    uint64_t part = set->limits.requests_bytes_max / SMALL_FRAMES_PART;
    return part > SMALL_FRAMES_BYTES_LEAST ? part : SMALL_FRAMES_BYTES_LEAST;
}

/* The room of one largest frame is kept free of small ones, which may stay as long as their clients want. */
bool connection_set_requests_are_full(const struct connection_set *set)
{
    uint64_t large = set->service->requests_large_bytes;
    uint64_t largest = request_bytes_to_reserve(set->service->frame_bytes_max);
    uint64_t small = small_bytes(set);
    return small >= small_bytes_kept(set) &&
           small + (large > largest ? large : largest) >= set->limits.requests_bytes_max;
}

bool connection_set_replies_are_full(const struct connection_set *set)
{
    return set->service->replies_bytes >= set->service->replies_bytes_max;
}

uint64_t connection_set_room(const struct connection_set *set, bool is_large)
{
    uint64_t most = set->limits.requests_bytes_max + small_bytes_kept(set);
    uint64_t held = set->service->requests_bytes;
    if (is_large && set->service->requests_large_bytes == 0) {
        return UINT64_MAX;
    }
    return held < most ? most - held : 0;
}

/* Room for a large frame is set aside before its body is read. */
bool connection_set_reserve(struct connection_set *set, struct connection *connection)
{
    uint64_t bytes = request_bytes_to_reserve(connection->frame.body_bytes);
    if (bytes == 0) {
        return true;
    }
    bool is_next = set->for_memory.first == NULL || set->for_memory.first == connection;
    if (!is_next || bytes > connection_set_room(set, true)) {
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
