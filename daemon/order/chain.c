/* A chain's life: chain_add gives it an id and enters it by name and by id, not visible yet; the order makes it visible once its
 * creation is on disk; chain_set_free frees all. None is ever removed. */
#include "daemon/order/chain.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

struct chain_set {
    uint32_t chains_max; /* ids are from 1 to it */
    struct chain *by_name;
    struct chain **by_id;
    uint32_t count;
};

struct chain_set *chain_set_new(uint32_t chains_max)
{
    assert(chains_max > 0 && chains_max < UINT32_MAX);
    struct chain_set *chains = memory_new(sizeof *chains);
    chains->chains_max = chains_max;
    chains->by_id = memory_new((chains_max + 1) * sizeof(struct chain *));
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

struct chain *chain_add(struct chain_set *chains, struct slice name, uint32_t id)
{
    assert(chain_name_is_valid(name));
    assert(chain_find(chains, name) == NULL);
    if (id == 0) {
        id = chains->count + 1;
    }
    if (id > chains->chains_max || chains->by_id[id] != NULL) {
        return NULL;
    }
    assert(chains->count < chains->chains_max); /* there is one for each id that is taken */
    struct chain *chain = memory_new(sizeof *chain);
    chain->id = id;
    chain->name_bytes = (uint8_t)name.bytes;
    memcpy(chain->name, name.data, name.bytes);
    chains->by_id[id] = chain;
    chains->count++;
    HASH_ADD_KEYPTR_INORDER(hh, chains->by_name, chain->name, chain->name_bytes, chain, compare);
    return chain;
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
