/* What a metadata operation does to the value of a name. Pure; all slices are borrowed.
 *
 * Operations on one name, all but those on ranges, fold into a `metadata_change`: what replaces the value, if anything, and the greatest
 * raise since. A raise only ever takes the greater number, so the folded change gives what the operations give one by one. */
#ifndef DAEMON_METADATA_H
#define DAEMON_METADATA_H

#include "daemon/schema/slice.h"

enum metadata_kind {
    METADATA_NONE, /* leaves the value as it is; only in a change */
    METADATA_SET,
    METADATA_DELETE,
    METADATA_RAISE,        /* only in an operation, */
    METADATA_DELETE_RANGE, /* as this one, and only of a commit */
};

/* One operation as it was asked for. */
struct metadata_operation {
    enum metadata_kind kind;
    bool has_to;       /* METADATA_DELETE_RANGE; false: to the last name */
    struct slice name; /* METADATA_DELETE_RANGE: the first, which may be empty */
    union {
        struct slice value; /* METADATA_SET */
        struct slice to;    /* METADATA_DELETE_RANGE: not in it */
    };
    uint64_t of_height; /* METADATA_SET; 0: unbound */
    uint64_t raise;     /* METADATA_RAISE */
};

/* What a name holds. */
struct metadata_value {
    bool present;
    uint64_t of_height; /* 0: unbound */
    struct slice value;
};

/* What the operations on one name amount to. */
struct metadata_change {
    enum metadata_kind kind; /* NONE, SET or DELETE */
    uint64_t of_height;
    struct slice value;
    uint64_t raise; /* 0: none */
};

/* The number that a raise compares with: the value's 8 bytes, little-endian; 0 if it is absent or of another length. */
uint64_t metadata_number(struct metadata_value value);

/* True for a value of exactly 8 bytes. */
bool metadata_is_number(struct metadata_value value);

/* Writes the number as 8 bytes little-endian. */
void metadata_put_number(uint64_t number, uint8_t *ret_bytes);

/* Whether what is bound to of_height (0: unbound) went with the blocks up to blocks_pruned (0: none). */
bool metadata_is_pruned(uint64_t of_height, uint64_t blocks_pruned);

/* What a name holds after the change. `before` is what it held, needed only if change.kind is METADATA_NONE; what is
 * bound to a pruned height counts as absent. The result borrows from both and from number_bytes, 8 bytes. */
struct metadata_value metadata_after(struct metadata_change change, struct metadata_value before,
                                     uint64_t blocks_pruned, uint8_t *number_bytes);

#endif
