/* Accepted metadata that is not known to be written, in the order it was accepted. Pure: no clock, no socket.
 *
 * A write is kept as the request it was, under the number it was accepted with, until a reply's written_through covers
 * it. When a later run of the daemon is met, keep_judge() drops what that found on disk and marks the rest lost: to be
 * sent again, from the first to the last. Each that is accepted anew goes on being kept at its place under its new
 * number. The order in the list never changes; where nothing is lost or under way it is also the order of the numbers. */
#ifndef CLIENT_KEEP_H
#define CLIENT_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kept_state {
    KEPT_ACCEPTED, /* by the run the client knows, under `sequence` */
    KEPT_LOST,     /* with an earlier run, or its re-sending was not answered: is to be sent again */
    KEPT_RESENT,   /* sent again, not answered yet */
};

struct kept_chunk;

struct kept {
    struct kept *next, *previous;
    struct kept_chunk *chunk; /* whose memory it is in */
    uint64_t sequence;        /* the number it was accepted under last */
    size_t operations;
    enum kept_state state;
    uint32_t body_bytes;
    uint8_t body[]; /* chain and operations, without level, deadline and resend_of */
};

struct kept_list {
    struct kept *first, *last;
    struct kept *next_lost; /* the first that is KEPT_LOST */
    uint64_t operations;
    uint64_t bytes;
    uint64_t unsettled;            /* writes that are not KEPT_ACCEPTED */
    uint64_t unsettled_operations; /* operations in them */
    struct kept_chunk *chunk;      /* that is being filled; NULL: none */
    struct kept_chunk *spare;      /* an empty one; NULL: none */
};

/* Copies the body and puts it at its number's place. False: no memory. */
bool keep_add(struct kept_list *list, const uint8_t *body, size_t body_bytes, size_t operations,
              uint64_t sequence) __attribute__((warn_unused_result));

/* Drops what is accepted with a number up to `written_through`. */
void keep_cover(struct kept_list *list, uint64_t written_through);

/* A later run was met, which found metadata up to `on_disk` of the run before: drops that, all else is lost. */
void keep_judge(struct kept_list *list, uint64_t on_disk);

/* The next to send again becomes KEPT_RESENT; NULL if there is none. */
struct kept *keep_resend_next(struct kept_list *list);

/* What became of one that was KEPT_RESENT: accepted under a new number; refused for good (frees it); or refused for now
 * or not answered: it and all behind it are lost. */
void keep_accepted(struct kept_list *list, struct kept *kept, uint64_t sequence);
void keep_drop(struct kept_list *list, struct kept *kept);
void keep_lost_from(struct kept_list *list, struct kept *kept);

/* Drops all and frees all memory. */
void keep_clear(struct kept_list *list);

#endif
