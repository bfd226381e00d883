/* One request of the model test, or the death of a daemon between requests: plain values, small enough to keep a hundred
 * thousand of them, the same for the model and for the wire.
 *
 * The model lives in a small world: a few chains, names, hashes and values, known by their place in a table, and heights
 * up to 63. On the wire a height becomes a wider one in the same order, so that keys cross byte borders. */
#ifndef TESTS_LIB_OPERATION_H
#define TESTS_LIB_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    CHAINS_KNOWN = 3,   /* "default" is the first */
    NAMES_KNOWN = 24,   /* in byte order */
    NAMES_OF_MARKS = 8, /* the first: never bound, often numbers */
    PREFIXES_KNOWN = 5,
    HASHES_KNOWN = 48,
    VALUES_KNOWN = 512, /* none has 8 bytes */
    HEIGHTS_KNOWN = 64, /* 0 to 63 */
    ITEMS_MAX = 5,      /* in each list of an operation */
    CONNECTIONS_MAX = 4,
};

enum operation_kind {
    OPERATION_HEIGHT,
    OPERATION_BLOCK,
    OPERATION_BLOCK_BY_HASH,
    OPERATION_BLOCK_LIST,
    OPERATION_BLOCK_RANGE,
    OPERATION_STATE,
    OPERATION_TIP_STATE,
    OPERATION_GET,
    OPERATION_GET_MANY,
    OPERATION_LIST,
    OPERATION_CHAINS,

    OPERATION_METADATA,
    OPERATION_COMMIT,
    OPERATION_PRUNE,
    OPERATION_ROLLBACK,
    OPERATION_DRY_PRUNE,
    OPERATION_DRY_ROLLBACK,
    OPERATION_CREATE_CHAIN,
    OPERATION_DROP_CHAIN,
    OPERATION_CLAIM,   /* taken over from whoever holds it; this and the next are alone in their rounds */
    OPERATION_RELEASE, /* whoever holds it */
    OPERATION_BARRIER,

    OPERATION_STOP, /* SIGTERM, after `height` replies of its round; then a new start */
    OPERATION_KILL, /* SIGKILL, likewise */
    OPERATION_KINDS,
};

/* Of a write under a claim: which number it has, by the chain's last one and the writes before it in its round. */
enum operation_numbering { NUMBERING_NONE, NUMBERING_NEXT, NUMBERING_AGAIN, NUMBERING_AHEAD };

enum edit_kind { EDIT_SET, EDIT_SET_NUMBER, EDIT_DELETE, EDIT_RAISE, EDIT_DELETE_RANGE };

struct edit {
    enum edit_kind kind;
    uint32_t name;  /* of a range the first; NAMES_KNOWN: from the first of all */
    uint64_t value; /* place in the table of values, the number, or of a range the name behind it, likewise */
    uint32_t of_height; /* 0: unbound */
};

struct operation {
    enum operation_kind kind;
    uint32_t round; /* all of a round are in flight together */
    uint32_t connection;
    uint32_t chain;
    uint32_t level; /* 0: the default */
    uint32_t parts;
    uint32_t window; /* bytes; 0: the default */
    uint32_t height; /* to read, prune blocks through, roll back to; first of a range */
    uint32_t last;   /* of a range; states to prune through */
    uint32_t hash;
    uint32_t prefix;
    uint32_t start; /* name, NAMES_KNOWN: none */
    uint32_t end;   /* one more than the name; 0: none */
    uint32_t limit;
    bool reverse;
    uint32_t name_parts; /* one more than the mask; 0: none is given */
    uint32_t rise_to;    /* 0: none */
    uint32_t expected;
    bool has_expected, carry, prune_blocks, prune_states;
    enum operation_numbering numbering;
    uint32_t number; /* from that, before the round is sent; 0: none */
    uint32_t n_blocks, n_block_deletes, n_states, n_deletes, n_edits, n_guards, n_items;
    struct {
        uint32_t height, header, data, hash;
    } blocks[ITEMS_MAX];
    struct {
        uint32_t height, value;
    } states[ITEMS_MAX];
    uint32_t deletes[ITEMS_MAX]; /* heights of states */
    uint32_t block_deletes[ITEMS_MAX];
    struct edit edits[ITEMS_MAX];
    struct {
        uint32_t name;
        bool lower, pass_malformed;
    } guards[ITEMS_MAX];
    uint32_t items[ITEMS_MAX]; /* heights or names to read */
};

/* What was answered, or must be: values that can be compared byte by byte, and read by people. */
struct answer {
    enum status status;
    size_t n;
    char text[8000];
};

void answer_add(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool answer_equal(const struct answer *left, const struct answer *right);

/* Written by the model in the order of sequence numbers, carried out by the commit lane or the metadata lane. */
bool operation_is_write(const struct operation *operation);
bool operation_is_commit(const struct operation *operation);
bool operation_is_stream(const struct operation *operation);
bool operation_is_dry_run(const struct operation *operation);
bool operation_is_end(const struct operation *operation); /* of the daemon */
/* What of a name it asks for, as the wire's mask. */
uint32_t operation_name_parts(const struct operation *operation);
bool operation_deletes_range(const struct operation *operation);
/* A line for people, kept. */
char *operation_text(const struct operation *operation);

/* ---- the tables ---- */

struct bytes {
    const uint8_t *data;
    size_t n;
};
const char *name_of_chain(uint32_t chain);
struct bytes name_bytes(uint32_t name);
/* NAMES_KNOWN if it is none. */
uint32_t name_of(const void *data, size_t n);
struct bytes prefix_bytes(uint32_t prefix);
bool name_has_prefix(uint32_t name, uint32_t prefix);
struct bytes hash_bytes(uint32_t hash);
struct bytes value_bytes(uint32_t value);
/* The first place that holds the same bytes: many hold none. What is kept of a value is this place, for no read tells the
 * others from it. */
uint32_t value_place(uint32_t value);
uint64_t height_on_wire(uint32_t height);
/* HEIGHTS_KNOWN if it is none. */
uint32_t height_of(uint64_t on_wire);
/* The value that stands as signature beside a header. */
uint32_t signature_of(uint32_t header);
uint64_t bytes_digest(const void *data, size_t n);
uint64_t value_digest(uint32_t value);
uint64_t number_digest(uint64_t number);
uint64_t hash_digest(uint32_t hash);

#endif
