/* Turns: whose request is next, of those that wait for the same thing. Turns go between uids, then between the processes of one,
 * then between the connections of one; what one connection waits for is given in the order in which it began to wait. Pure: no
 * clock, no thread, no lock.
 *
 * A member is a connection. It joins once, with its uid and pid, and may wait in any number of lists then. To wait, to be given
 * something and to give up take the same time however many wait; to join looks through the uids and processes there are. */
#ifndef DAEMON_TURNS_H
#define DAEMON_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is waited for, each a list. */
enum turns_list {
    TURNS_SLICE,             /* time of an iteration, for requests that were read */
    TURNS_ROOM,              /* room in the queue, for a write that was read */
    TURNS_WRITE_MEMORY,      /* memory for the frame of a large write */
    TURNS_READ_MEMORY,       /* the same of any other large request */
    TURNS_REQUESTS,          /* memory for requests of any size, so that a connection may be read from */
    TURNS_REPLIES,           /* memory for replies, of a connection that has left many unread */
    TURNS_STREAMS,           /* a place for a new stream */
    TURNS_STREAMS_RETURNING, /* for one that had given it up */
    TURNS_POINTS, /* a thread of the pool, and room for what it reads: a small point read, a large one */
    TURNS_POINTS_LARGE,
    TURNS_STEPS, /* the same for a stream's step */
    TURNS_STEPS_LARGE,
    TURNS_BACKGROUND, /* the same for work that nobody waits for */
    TURNS_BACKGROUND_LARGE,
    TURNS_LISTS,
};

#define TURNS_NOBODY UINT64_MAX /* as a uid: what the daemon itself waits for */

struct turns_member;

/* One wait; embedded in what it is for. Zeroed: it does not wait. */
struct turn {
    void *owner;
    struct turns_member *member; /* NULL: it does not wait */
    struct turn *next, *previous;
};

/* Where a member stands in one list. */
struct turns_place {
    struct turns_member *next,
        *previous;              /* in the ring of those beside it that wait; NULL: nothing of it waits */
    struct turns_member *first; /* of those below it that wait: whose turn it is */
    struct turn *first_turn, *last_turn; /* of a connection, oldest first */
};

/* All zero before it joins. */
struct turns_member {
    /* of a connection its process, of that its uid; NULL: it has not joined, or is the top */
    struct turns_member *above;
    struct turns_place places[TURNS_LISTS];
};

struct turns;

struct turns *turns_new(void);
void turns_free(struct turns *turns); /* accepts NULL; no member is left */

/* A member that leaves waits for nothing; one that never joined may leave. */
void turns_join(struct turns *turns, struct turns_member *member, uint64_t uid, uint64_t pid);
void turns_leave(struct turns *turns, struct turns_member *member);

/* How many members have the uid of this one, itself included. */
uint64_t turns_of_uid(const struct turns_member *member);

/* The owner begins to wait. A turn is in one list at most. */
void turns_wait(struct turns *turns, enum turns_list list, struct turns_member *member, struct turn *turn,
                void *owner);

/* Whose turn it is, its owner; NULL: nobody waits. */
void *turns_first(const struct turns *turns, enum turns_list list);

/* The first, in the order of turns, for which `may` says yes. It is asked about the oldest wait of each connection. */
void *turns_find(const struct turns *turns, enum turns_list list,
                 bool (*may)(const void *owner, const void *context), const void *context);

/* The wait, the oldest of its connection, was given what it waits for: it ends, and its connection, process and uid become the last in
 * their rings. */
void turns_take(struct turns *turns, enum turns_list list, struct turn *turn);

/* A wait that ends by itself; the turn of nobody else changes. */
void turns_drop(struct turns *turns, enum turns_list list, struct turn *turn);

static inline bool turn_waits(const struct turn *turn)
{
    return turn->member != NULL;
}

/* How many wait in a list. */
uint64_t turns_count(const struct turns *turns, enum turns_list list);

#endif
