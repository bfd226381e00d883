/* What one client sent to one chain, what it was told of it, and so what may be there after the daemon was killed. Pure: the test
 * keeps it in its own memory, where no kill reaches it.
 *
 * - journal_next invents a request that is legal behind those before; who sends it notes the answer.
 * - All requests of one connection are accepted in the order they are sent. Those of the commit lane and those of the metadata lane
 *   are numbered apart, and each leaves its number in the store. So two numbers say which of each are on disk, and with them the
 *   model says all that has to be there.
 * - journal_judge compares that with what a daemon shows, and goes on from there. */
#ifndef TESTS_FAULT_KILL_JOURNAL_H
#define TESTS_FAULT_KILL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/random.h"

enum {
    JOURNAL_SLOTS = 8,    /* names of each sort */
    JOURNAL_WINDOW = 128, /* heights between what is pruned and what is there */
    JOURNAL_ENTRIES = 1024,
    COMPLAINT_BYTES = 512,
};

enum entry_kind {
    /* metadata, queued; each raises "seen" to its number in the same batch */
    ENTRY_SET,
    ENTRY_DELETE,
    ENTRY_BIND, /* sets a name bound to `height` */
    /* the commit lane; each sets "lane" to its number */
    ENTRY_COMMIT, /* the block and the state above the height */
    ENTRY_TOUCH,  /* the same, and a name that metadata uses: it carries if that is queued */
    ENTRY_CARRY,  /* the same, and asks to carry */
    ENTRY_PRUNE,  /* blocks and states up to `height`: it carries */
    ENTRY_ROLLBACK,
};

struct entry {
    enum entry_kind kind;
    uint64_t number; /* of its lane, from 1 */
    uint64_t height;
    unsigned slot;
    unsigned level;  /* that it asks for: 1 accepted, 2 written, 3 durable */
    uint64_t before; /* the last of the other lane that has to be there if it is there */
    /* the answer */
    bool is_answered;
    unsigned level_told;
    uint64_t sequence;
};

static inline bool entry_is_lane(const struct entry *entry)
{
    return entry->kind >= ENTRY_COMMIT;
}

/* A name's value: 0: absent; else twice the number of what set it, and one more if that was of the commit lane. */
struct bound {
    uint64_t value;
    uint64_t height;
};

/* All that a chain holds. Blocks and states by height modulo the window; a number of the commit lane; 0: absent. */
struct image {
    uint64_t height, pruned, lane, seen;
    uint64_t slots[JOURNAL_SLOTS];
    struct bound bound[JOURNAL_SLOTS];
    uint64_t blocks[JOURNAL_WINDOW], states[JOURNAL_WINDOW];
};

struct journal {
    struct image base; /* what was there when it was last judged */
    struct image sent; /* with all that was sent since */
    uint64_t lane_sent, metadata_sent;
    struct entry entries[JOURNAL_ENTRIES];
    size_t count;
};

struct complaint_text {
    char text[COMPLAINT_BYTES]; /* "": none */
};

/* Invents the next request; NULL: the journal is full. */
struct entry *journal_next(struct journal *journal, struct random_source *random);

/* The last numbers of both lanes that have to be there: answered as written, or numbered up to `through`. */
struct reached {
    uint64_t lane, metadata;
};
struct reached journal_must(const struct journal *journal, uint64_t through);

/* Whether what is there after a start may be there; `must` is the least. */
bool journal_may_be(const struct journal *journal, const struct image *there, const struct reached *must,
                    struct complaint_text *ret_complaint);

/* Whether exactly that is there which a start found (`before`), and what was answered, be it since. */
bool journal_is_resent(const struct journal *journal, const struct image *before, const struct image *there,
                       struct complaint_text *ret_complaint);

/* The highest number of the order that an entry has whose metadata is there; 0: none. And whether one is missing, or there, against
 * what that number says: metadata reaches the disk in one order, whoever sent it. */
uint64_t journal_highest(const struct journal *journal, const struct image *there);
bool journal_fits(const struct journal *journal, const struct image *there, uint64_t on_disk,
                  struct complaint_text *ret_complaint);

/* Goes on from what is there. */
void journal_rebase(struct journal *journal, const struct image *there);

#endif
