/* A chain's life:
 *
 * - chain_add gives it an id and enters it by name and by id, not visible yet; the order makes it visible once its creation is on
 *   disk, or removes it if that failed.
 * - Once its drop is on disk chain_remove takes it out, and its id is gone, which reclaim is told by. "default" is renewed instead.
 * - chain_set_free frees those that are left.
 *
 * An id may be given again at once, for the drop has deleted every key of it. The sweep of the old chain may still be with the writer then,
 * where it finds nothing to do, or does a slice of the new one's. */
#include "daemon/order/chain.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

struct chain_set {
    uint32_t chains_max; /* ids are from 1 to it */
    struct chain *by_name;
    struct chain **by_id;
    struct chain *removed; /* whose sweeps are with the writer */
    struct gone *gone;
    uint32_t count;
    uint64_t serials; /* given so far */
};

struct chain_set *chain_set_new(uint32_t chains_max)
{
    assert(chains_max > 0 && chains_max <= CHAIN_IDS_MAX);
    struct chain_set *chains = memory_new(sizeof *chains);
    chains->chains_max = chains_max;
    chains->by_id = memory_new((chains_max + 1) * sizeof(struct chain *));
    chains->gone = gone_new();
    return chains;
}

void chain_set_free(struct chain_set *chains)
{
    if (chains == NULL) {
        return;
    }
    struct chain *chain;
    struct chain *next;
    HASH_ITER(hh, chains->by_name, chain, next)
    {
        HASH_DEL(chains->by_name, chain);
        free(chain);
    }
    while (chains->removed != NULL) { /* the writer has ended, and hands nothing back any more */
        chain = chains->removed;
        chains->removed = chain->next_removed;
        free(chain);
    }
    gone_free(chains->gone);
    free(chains->by_id);
    free(chains);
}

bool chain_name_is_valid(struct slice name)
{
    if (name.bytes < 1 || name.bytes > CHAIN_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.bytes; i++) {
        uint8_t byte = name.data[i];
        bool is_letter = byte >= 'a' && byte <= 'z';
        bool is_digit = byte >= '0' && byte <= '9';
        if (!is_letter && !is_digit && byte != '.' && byte != '_' && byte != '-') {
            return false;
        }
    }
    return true;
}

struct chain *chain_find(const struct chain_set *chains, struct slice name)
{
    assert(thread_is(THREAD_LOOP));
    struct chain *chain = NULL;
    if (name.bytes >= 1 && name.bytes <= CHAIN_NAME_BYTES_MAX) {
        HASH_FIND(hh, chains->by_name, name.data, name.bytes, chain);
    }
    return chain;
}

struct chain *chain_by_id(const struct chain_set *chains, uint32_t id)
{
    assert(thread_is(THREAD_LOOP));
    struct chain *chain = id >= 1 && id <= chains->chains_max ? chains->by_id[id] : NULL;
    assert(chain == NULL || chain->id == id);
    return chain;
}

static int compare(const struct chain *left, const struct chain *right)
{
    return slice_compare(chain_name(left), chain_name(right));
}

/* The least id that is free; 0: none is. */
static uint32_t free_id(const struct chain_set *chains)
{
    uint32_t least = 0;
    for (uint32_t id = 1; id <= chains->chains_max; id++) {
        if (chains->by_id[id] != NULL) {
            continue;
        }
        if (!gone_has(chains->gone, id)) {
            return id;
        }
        least = least == 0 ? id : least;
    }
    assert((least == 0) == (chains->count == chains->chains_max)); /* each chain has one */
    return least;
}

struct chain *chain_add(struct chain_set *chains, struct slice name, uint32_t id)
{
    assert(chain_name_is_valid(name));
    assert(chain_find(chains, name) == NULL);
    if (id == 0) {
        id = free_id(chains);
    }
    if (id == 0 || id > chains->chains_max || chains->by_id[id] != NULL) {
        return NULL;
    }
    assert(chains->count < chains->chains_max); /* there is one for each id that is taken */
    struct chain *chain = memory_new(sizeof *chain);
    chain->id = id;
    chain->serial = ++chains->serials;
    chain->name_bytes = (uint8_t)name.bytes;
    memcpy(chain->name, name.data, name.bytes);
    chains->by_id[id] = chain;
    chains->count++;
    HASH_ADD_KEYPTR_INORDER(hh, chains->by_name, chain->name, chain->name_bytes, chain, compare);
    return chain;
}

void chain_remove(struct chain_set *chains, struct chain *chain)
{
    assert(thread_is(THREAD_LOOP));
    assert(chains->by_id[chain->id] == chain && !chain->is_removed);
    HASH_DEL(chains->by_name, chain);
    chains->by_id[chain->id] = NULL;
    chains->count--;
    if (chain->visible) { /* else nothing was ever written for it */
        gone_add(chains->gone, chain->id, chain->id);
    }
    if (!chain->sweeping) {
        free(chain);
        return;
    }
    chain->is_removed = true;
    chain->next_removed = chains->removed;
    chains->removed = chain;
}

void chain_free_removed(struct chain_set *chains, struct chain *chain)
{
    assert(chain->is_removed && !chain->sweeping); /* the writer has nothing of it any more */
    struct chain **link = &chains->removed;
    while (*link != chain) {
        link = &(*link)->next_removed;
        assert(*link != NULL); /* it is in the list */
    }
    *link = chain->next_removed;
    free(chain);
}

void chain_renew(struct chain_set *chains, struct chain *chain)
{
    assert(thread_is(THREAD_LOOP));
    assert(chains->by_id[chain->id] == chain && chain->visible);
    gone_add(chains->gone, chain->id, chain->id);
    chain->serial = ++chains->serials;
    chain->marks = (struct chain_marks){0};
    chain_claim_clear(&chain->claim);
    chain->blocks_reclaimed = chain->states_reclaimed = 0;
    chain->is_looked_through = true; /* there is nothing yet that was not noted */
    chain->dropped = (struct dropped){0};
    chain->tops = (struct dropped_tops){0};
    chain->dropped_us = chain->dropped_wait_us = 0;
}

struct gone *chain_gone(const struct chain_set *chains)
{
    assert(thread_is(THREAD_LOOP));
    return chains->gone;
}

uint32_t chain_count(const struct chain_set *chains)
{
    assert(chains->count <= chains->chains_max);
    return chains->count;
}

uint32_t chain_ids_max(const struct chain_set *chains)
{
    return chains->chains_max;
}

struct chain *chain_first(const struct chain_set *chains)
{
    assert((chains->by_name == NULL) == (chains->count == 0)); /* a walk comes to each that is counted */
    return chains->by_name;
}

struct chain *chain_next(const struct chain *chain)
{
    return chain->hh.next;
}
