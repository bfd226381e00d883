/* Everything here is relaxed: the numbers order nothing, and the worst that an old one does is a look's delay. */
#include "daemon/observe/heartbeat.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The heartbeat that the calling thread has entered; NULL: none. */
static _Thread_local struct heartbeat *current;

static uint64_t get(const _Atomic(uint64_t) *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* One thread writes, so there is no need to add in one step. */
static void set(_Atomic(uint64_t) *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

/* ---- at work ---- */

void heartbeat_enter(struct heartbeat *heartbeat)
{
    assert(current == NULL); /* a piece of work in another would end that one with it */
    current = heartbeat;
    if (current != NULL) {
        assert(get(&current->beats) % 2 == 0);
        set(&current->beats, get(&current->beats) + 1);
    }
}

void heartbeat_leave(void)
{
    if (current != NULL) {
        assert(get(&current->beats) % 2 == 1);
        set(&current->beats, get(&current->beats) + 1);
        current = NULL;
    }
}

void heartbeat_go_on(void)
{
    if (current != NULL) {
        assert(get(&current->beats) % 2 == 1); /* it is at work, and stays so */
        set(&current->beats, get(&current->beats) + 2);
    }
}

void heartbeat_ask(struct heartbeat *heartbeat)
{
    set(&heartbeat->asked, get(&heartbeat->asked) + 1);
}

void heartbeat_take(struct heartbeat *heartbeat)
{
    assert(get(&heartbeat->taken) <= get(&heartbeat->asked));
    set(&heartbeat->taken, get(&heartbeat->asked));
}

void heartbeat_show(struct heartbeat *heartbeat, bool is_at_work, uint64_t moves)
{
    assert(heartbeat != current); /* a stage counts for itself, or is entered */
    assert(moves < UINT64_MAX / 2);
    set(&heartbeat->beats, 2 * moves + is_at_work);
}

/* ---- looking ---- */

void heartbeat_look(struct heartbeat_watch *watch, struct heartbeat *heartbeat, uint64_t elapsed_us)
{
    uint64_t beats = get(&heartbeat->beats), taken = get(&heartbeat->taken);
    bool is_at_work = beats % 2 == 1 || get(&heartbeat->asked) != taken;
    if (is_at_work && beats == watch->beats && taken == watch->taken) {
        watch->unmoved_us += elapsed_us < HEARTBEAT_LOOK_US_MAX ? elapsed_us : HEARTBEAT_LOOK_US_MAX;
    } else {
        watch->unmoved_us = 0;
    }
    watch->beats = beats;
    watch->taken = taken;
    set(&heartbeat->stalled_at, watch->unmoved_us >= HEARTBEAT_STALLED_US ? beats + 1 : 0);
}

static uint64_t longest_of_pool(const struct heartbeats_watch *watch)
{
    uint64_t longest_us = 0;
    for (size_t i = 0; i < HEARTBEAT_POOL_MAX; i++) {
        uint64_t unmoved_us = watch->pool[i].unmoved_us;
        longest_us = unmoved_us > longest_us ? unmoved_us : longest_us;
    }
    return longest_us;
}

struct heartbeats_seen heartbeats_look(struct heartbeats_watch *watch, struct heartbeats *heartbeats,
                                       uint64_t elapsed_us)
{
    heartbeat_look(&watch->loop, &heartbeats->loop, elapsed_us);
    heartbeat_look(&watch->writer, &heartbeats->writer, elapsed_us);
    heartbeat_look(&watch->memory, &heartbeats->memory, elapsed_us);
    for (size_t i = 0; i < HEARTBEAT_POOL_MAX; i++) {
        heartbeat_look(&watch->pool[i], &heartbeats->pool[i], elapsed_us);
    }
    const uint64_t unmoved_us[HEARTBEAT_STAGES] = {
        [HEARTBEAT_LOOP] = watch->loop.unmoved_us,
        [HEARTBEAT_WRITER] = watch->writer.unmoved_us,
        [HEARTBEAT_POOL] = longest_of_pool(watch),
        [HEARTBEAT_MEMORY] = watch->memory.unmoved_us,
    };
    struct heartbeats_seen seen = {0};
    for (int stage = 0; stage < HEARTBEAT_STAGES; stage++) {
        assert(watch->stalled_us[stage] == 0 || watch->stalled_us[stage] >= HEARTBEAT_STALLED_US);
        bool was_stalled = watch->stalled_us[stage] > 0;
        bool is_stalled = unmoved_us[stage] >= HEARTBEAT_STALLED_US;
        seen.lasted_us[stage] = is_stalled ? unmoved_us[stage] : watch->stalled_us[stage];
        seen.stalled |= (unsigned)is_stalled << stage;
        seen.began |= (unsigned)(is_stalled && !was_stalled) << stage;
        seen.ended |= (unsigned)(was_stalled && !is_stalled) << stage;
        watch->stalled_us[stage] = is_stalled ? unmoved_us[stage] : 0;
    }
    return seen;
}

static bool is_stalled(const struct heartbeat *heartbeat)
{
    return get(&heartbeat->stalled_at) == get(&heartbeat->beats) + 1;
}

unsigned heartbeats_stalled(const struct heartbeats *heartbeats)
{
    unsigned stalled = (unsigned)is_stalled(&heartbeats->loop) << HEARTBEAT_LOOP |
                       (unsigned)is_stalled(&heartbeats->writer) << HEARTBEAT_WRITER |
                       (unsigned)is_stalled(&heartbeats->memory) << HEARTBEAT_MEMORY;
    for (size_t i = 0; i < HEARTBEAT_POOL_MAX; i++) {
        stalled |= (unsigned)is_stalled(&heartbeats->pool[i]) << HEARTBEAT_POOL;
    }
    return stalled;
}

const char *heartbeat_text(unsigned stages, char text[HEARTBEAT_TEXT_BYTES])
{
    static const char *const names[HEARTBEAT_STAGES] = {
        [HEARTBEAT_LOOP] = "loop",
        [HEARTBEAT_WRITER] = "writer",
        [HEARTBEAT_POOL] = "pool",
        [HEARTBEAT_MEMORY] = "memory for requests",
    };
    assert(stages < 1U << HEARTBEAT_STAGES);
    size_t length = 0;
    text[0] = '\0';
    for (int stage = 0; stage < HEARTBEAT_STAGES; stage++) {
        if ((stages >> stage & 1) != 0) {
            length += (size_t)snprintf(text + length, HEARTBEAT_TEXT_BYTES - length, "%s%s",
                                       length > 0 ? ", " : "", names[stage]);
        }
    }
    assert(length < HEARTBEAT_TEXT_BYTES); /* all names have room */
    return text;
}
