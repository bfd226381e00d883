/* Accepted metadata that is not known to be written, in the order it was accepted. Pure.
 *
 * A write is kept as the body of its request, under the number it was accepted with, until a reply's written_through reaches
 * that number. When a later run of the daemon is met, keep_judge() drops what that run found on disk, and makes what remains lost:
 * to be sent again, from first to last. A write that is accepted again stays at its place, under its new number. The order in
 * the list never changes; where nothing is lost or sent again it is also the order of the numbers. */
#ifndef CLIENT_KEEP_H
#define CLIENT_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kept_state {
    KEPT_ACCEPTED, /* accepted by the run that the client knows, under `sequence` */
    KEPT_LOST,     /* lost with an earlier run, or refused for now: to be sent again */
    KEPT_RESENT,   /* sent again, and not answered yet */
};

struct kept_chunk;

struct kept {
    struct kept *next, *previous;
    struct kept_chunk *chunk; /* the memory it lies in */
    uint64_t sequence;        /* the number under which it was accepted last */
    uint64_t stamp; /* its place among the client's writes; none behind it in the list has a lower one */
    size_t operations;
    enum kept_state state;
    uint32_t body_bytes;
    uint8_t body[]; /* chain and operations, without level, deadline and resend_of */
};

struct kept_list {
    struct kept *first, *last;
    struct kept *next_lost;       /* the first that is KEPT_LOST; NULL: none is */
    struct kept *unsettled_first; /* the first that is not KEPT_ACCEPTED; NULL: none */
    uint64_t operations;          /* of all writes */
    uint64_t bytes;               /* of all writes */
    uint64_t unsettled;           /* how many writes are not KEPT_ACCEPTED */
    uint64_t unsettled_operations;
    struct kept_chunk *chunk; /* the one being filled; NULL: none */
    struct kept_chunk *spare; /* an empty one for later; NULL: none */
};

/* Copies the body, and puts it at the place of its number; those before it get its stamp if theirs is higher. False: no memory, and
 * nothing is changed. */
bool keep_add(struct kept_list *list, const uint8_t *body, size_t body_bytes, size_t operations,
              uint64_t sequence, uint64_t stamp) __attribute__((warn_unused_result));

#define NO_STAMP UINT64_MAX

/* The lowest stamp of the writes that are not KEPT_ACCEPTED: no write with a higher one may go out. NO_STAMP: all are. */
uint64_t keep_unsettled_stamp(const struct kept_list *list);

/* Drops, from the front, the accepted writes with a number up to `written_through`. */
void keep_cover(struct kept_list *list, uint64_t written_through);

/* Takes note of a later run, which found on disk what the run before had accepted up to number `on_disk`: drops that; all other
 * writes become lost. */
void keep_judge(struct kept_list *list, uint64_t on_disk);

/* Takes the next write to send again, which becomes KEPT_RESENT. NULL: there is none. */
struct kept *keep_resend_next(struct kept_list *list);

/* A write that was sent again is accepted, under a new number. One that became lost meanwhile stays lost. */
void keep_accepted(struct kept_list *list, struct kept *kept, uint64_t sequence);

/* A write that was sent again is refused for good: frees it. */
void keep_drop(struct kept_list *list, struct kept *kept);

/* A write that was sent again is refused for now, or will not be answered: it and all writes behind it become lost. */
void keep_lost_from(struct kept_list *list, struct kept *kept);

/* Drops all writes, and frees all memory. */
void keep_clear(struct kept_list *list);

#endif
