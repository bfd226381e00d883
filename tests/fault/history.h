/* What many clients asked one daemon, what they were told, and what was there after it had ended: one run's history. Pure; the judge of
 * it is history_judge, which knows nothing but the history and the contract.
 *
 * - All that a chain holds is registers: its height, a block, a name. Each write has an id, which is also the value it leaves, so that
 *   a value tells who wrote it; 0 is absence. A height's value is that height.
 * - began and ended are ticks of one clock that rises with each event: of two actions one was before the other if it ended before
 *   the other began.
 * - A run starts from an image of all registers and ends with one, taken while nobody writes. After that the clients connect again, and
 *   a last image shows what they sent again. */
#ifndef TESTS_FAULT_HISTORY_H
#define TESTS_FAULT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HISTORY_CHAINS = 3,
    HISTORY_CLIENTS = 64,
    HISTORY_BOUND = 4, /* names of a chain that are bound to heights */
    PARTS_MAX = 14,
    OBJECTION_BYTES = 512,
};

enum register_kind {
    REGISTER_HEIGHT = 1,
    REGISTER_PRUNED, /* blocks and states alike */
    REGISTER_BLOCK,  /* by height */
    REGISTER_STATE,
    REGISTER_NAME,   /* metadata, set and deleted */
    REGISTER_BOUND,  /* set bound to a height, and deleted */
    REGISTER_RAISED, /* only raised */
    REGISTER_SEEN,   /* by client: its last write of the metadata lane on this chain */
    REGISTER_LANE,   /* by client: its last of the commit lane */
};

/* chain, kind and number in one word, in this order of weight; never 0. */
#define REGISTER_OF(chain, kind, number)                                                                     \
    ((uint64_t)(chain) << 60 | (uint64_t)(kind) << 56 | (uint64_t)(number))

static inline uint64_t register_of(unsigned chain, enum register_kind kind, uint64_t number)
{
    return REGISTER_OF(chain, kind, number);
}

static inline unsigned register_chain(uint64_t name)
{
    return (unsigned)(name >> 60);
}

static inline enum register_kind register_kind_of(uint64_t name)
{
    return (enum register_kind)(name >> 56 & 15);
}

static inline uint64_t register_number(uint64_t name)
{
    return name & ((UINT64_C(1) << 56) - 1);
}

/* A register and what an action wrote to it, or read there. */
struct part {
    uint64_t name;
    uint64_t value;
    uint64_t of_height; /* 0: not bound */
};

enum action_kind {
    ACTION_READ,
    ACTION_BARRIER,
    ACTION_METADATA,
    ACTION_COMMIT,
    ACTION_PRUNE,
    ACTION_ROLLBACK
};

enum action_end {
    END_UNKNOWN, /* not answered before the run ended */
    END_DONE,
    END_REFUSED,     /* conflict */
    END_NOT_APPLIED, /* never sent, or the daemon was stopping */
    END_FAILED,      /* any other answer */
};

/* As in the protocol. */
enum action_level { ASKED_DEFAULT, ASKED_ACCEPTED, ASKED_WRITTEN, ASKED_DURABLE };

struct action {
    uint64_t id; /* rising in the order in which they were asked */
    enum action_kind kind;
    enum action_end end;
    unsigned client, chain;
    uint64_t began, ended; /* ended: UINT64_MAX if it is unknown */
    unsigned level, level_told;
    uint64_t sequence; /* of a write that is done, and of a barrier */
    uint64_t written_through, durable_through;
    bool carries;
    bool has_expected;
    uint64_t expected; /* the height that a commit is conditional on */
    uint64_t height;   /* to rise to, to prune through, to roll back to */
    size_t part_count;
    struct part parts[PARTS_MAX]; /* what it writes, or what it read, all of one instant */
};

struct image {
    struct part *parts; /* by name; what is not in it is absent, heights are 0 */
    size_t count, room;
};

/* Accepted metadata that the library reported as not applied when it was sent again. */
struct dropped_write {
    unsigned client;
    uint64_t sequence;
};

struct history {
    uint64_t number_before;                  /* the highest of the runs before */
    uint64_t written_before, durable_before; /* the highest that a reply of theirs said */
    struct image before;
    struct action *actions; /* in the order of their ids */
    size_t count, room;
    bool is_stopped; /* by SIGTERM: all that was accepted is there; else killed */
    /* after the next start */
    uint64_t on_disk; /* the highest metadata number that it found */
    struct image found;
    bool rolled_back[HISTORY_CHAINS]; /* by the test, before the clients came back */
    struct image base;                /* behind that */
    struct image resent;              /* when all clients had come back */
    struct dropped_write *dropped;
    size_t dropped_count, dropped_room;
};

struct objection {
    char text[OBJECTION_BYTES];
};

struct action *history_add(struct history *history); /* stays where it is until the next call */
void history_drop(struct history *history, unsigned client, uint64_t sequence);
void history_free(struct history *history);

void image_put(struct image *image, const struct part *part);
/* Puts it in order; each name is there once. */
void image_sort(struct image *image);
struct part image_get(const struct image *image, uint64_t name);
void image_copy(struct image *image, const struct image *from);

/* False: the contract is broken, and the objection says by what. */
bool history_judge(const struct history *history, struct objection *ret_objection);

#endif
