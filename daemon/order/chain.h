/* The chains by name, and what is visible of each. Loop only. */
#ifndef DAEMON_CHAIN_H
#define DAEMON_CHAIN_H

#include "daemon/order/chain_claim.h"
#include "daemon/order/dropped.h"
#include "daemon/order/gone.h"
#include "daemon/runtime/name_hash.h"
#include "daemon/schema/record.h"
#include "daemon/schema/slice.h"
#include "proto/limits.h"

struct chain {
    /* fixed */
    uint32_t id; /* from 1 */
    uint8_t name_bytes;
    uint8_t name[CHAIN_NAME_BYTES_MAX];
    /* loop only */
    uint64_t serial; /* differs from all other chains of this run, and from "default" before a drop */
    bool visible;    /* false: its creation is under way */
    uint32_t creations_queued; /* creations in the commit lane */
    bool is_dropping;          /* its drop is in the commit lane: no other write is accepted */
    bool is_removed; /* it is out of the set, and is freed when its sweep comes back, or with the set */
    struct chain *next_removed;
    struct chain_marks marks; /* as of the view */
    uint64_t made_sequence;   /* of what made it; 0: not known */
    struct chain_claim claim;
    uint64_t rollbacks_queued; /* rollbacks in the commit lane */
    bool sweeping;             /* its sweep is with the writer */
    uint64_t blocks_reclaimed; /* as marks.blocks_swept was when their space was last asked back */
    uint64_t states_reclaimed; /* as marks.states_from */
    bool is_looked_through;    /* what the run before may have left was asked back */
    bool has_rest;             /* it was last asked back while others wrote, so some may be left */
    struct dropped dropped;    /* and not asked back yet */
    struct dropped_tops tops;
    uint64_t dropped_us;      /* when some of it was last reclaimed; 0: never */
    uint64_t dropped_wait_us; /* how long little of it waits from then on */
    struct job sweep;
    UT_hash_handle hh;
};

struct chain_set;

struct chain_set *chain_set_new(uint32_t chains_max);
void chain_set_free(struct chain_set *chains);

/* 1 to 64 of a-z 0-9 . _ - */
bool chain_name_is_valid(struct slice name);

/* The chain of that name, visible or not; NULL if there is none. */
struct chain *chain_find(const struct chain_set *chains, struct slice name);
struct chain *chain_by_id(const struct chain_set *chains, uint32_t id);

/* Adds one, not visible yet; NULL if there are as many as there may be, or the id is another's or above chains_max. An id of 0: the
 * least that is free, and if there is one, of those whose space was asked back. */
struct chain *chain_add(struct chain_set *chains, struct slice name, uint32_t id);

/* Takes it out of the set: its name and its id are free. It is freed, unless the writer has its sweep. */
void chain_remove(struct chain_set *chains, struct chain *chain);
/* Frees one that was removed while its sweep was with the writer, which handed it back. */
void chain_free_removed(struct chain_set *chains, struct chain *chain);
/* Makes a chain anew that was dropped ("default"): it keeps its id and name, and nothing else. */
void chain_renew(struct chain_set *chains, struct chain *chain);

/* The ids whose space is to be asked back. */
struct gone *chain_gone(const struct chain_set *chains);

uint32_t chain_count(const struct chain_set *chains);
uint32_t chain_ids_max(const struct chain_set *chains);

/* In byte order of the name: the first, and the one behind a chain; NULL at the end. */
struct chain *chain_first(const struct chain_set *chains);
struct chain *chain_next(const struct chain *chain);

static inline struct slice chain_name(const struct chain *chain)
{
    return slice_of(chain->name, chain->name_bytes);
}

#endif
