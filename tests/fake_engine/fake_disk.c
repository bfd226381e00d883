#include "tests/fake_engine/fake_disk.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "tests/fake_engine/fake_disk_internal.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake_disk *registry; /* under registry_lock */

void fake_disk_lock(struct fake_disk *disk)
{
    int failed = pthread_mutex_lock(&disk->lock);
    assert(!failed);
}

void fake_disk_unlock(struct fake_disk *disk)
{
    int failed = pthread_mutex_unlock(&disk->lock);
    assert(!failed);
}

/* ---- by path ---- */

static struct fake_disk *find(const char *path)
{
    struct fake_disk *disk = registry;
    while (disk != NULL && strcmp(disk->path, path) != 0) {
        disk = disk->next;
    }
    return disk;
}

/* Under the registry's lock. */
static struct fake_disk *make(const char *path, uint64_t seed)
{
    struct fake_disk *disk = memory_new(sizeof *disk);
    disk->path = memory_copy(path, strlen(path) + 1);
    struct random_source seeds = random_from(seed);
    for (size_t i = 0; i < sizeof disk->random / sizeof *disk->random; i++) {
        disk->random[i] = random_from(random_next(&seeds));
    }
    int failed = pthread_mutex_init(&disk->lock, NULL);
    failed |= pthread_cond_init(&disk->changed, NULL);
    assert(!failed);
    disk->next = registry;
    registry = disk;
    return disk;
}

struct fake_disk *fake_disk_new(const char *path, uint64_t seed)
{
    pthread_mutex_lock(&registry_lock);
    assert(find(path) == NULL);
    struct fake_disk *disk = make(path, seed);
    pthread_mutex_unlock(&registry_lock);
    return disk;
}

struct fake_disk *fake_disk_copy(struct fake_disk *disk, const char *path, uint64_t seed)
{
    struct fake_disk *copy = fake_disk_new(path, seed);
    fake_disk_lock(disk);
    assert(disk->engine == NULL);
    fake_disk_recover(disk); /* what is in doubt is decided once */
    assert(disk->synced == disk->logged && disk->written == disk->logged);
    copy->has_store = disk->has_store;
    copy->map = fake_map_copy(&disk->map);
    copy->synced = copy->written = copy->logged = disk->logged;
    copy->run = disk->run;
    fake_disk_unlock(disk);
    return copy;
}

struct fake_disk *fake_disk_of(const char *path, bool create)
{
    pthread_mutex_lock(&registry_lock);
    struct fake_disk *disk = find(path);
    if (disk == NULL && create) {
        disk = make(path, 0);
    }
    pthread_mutex_unlock(&registry_lock);
    return disk;
}

void fake_disk_free(struct fake_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    assert(disk->engine == NULL);
    pthread_mutex_lock(&registry_lock);
    struct fake_disk **link = &registry;
    while (*link != disk) {
        link = &(*link)->next;
    }
    *link = disk->next;
    pthread_mutex_unlock(&registry_lock);
    fake_map_close(&disk->map);
    int failed = pthread_mutex_destroy(&disk->lock);
    failed |= pthread_cond_destroy(&disk->changed);
    assert(!failed);
    free((void *)(uintptr_t)disk->cold_from.data);
    free((void *)(uintptr_t)disk->cold_to.data);
    free(disk->path);
    free(disk);
}

/* ---- faults ---- */

void fake_disk_fault(struct fake_disk *disk, enum fake_call call, enum fake_fault fault, unsigned nth)
{
    assert(nth > 0);
    fake_disk_lock(disk);
    unsigned *waiting = disk->waiting[call][fault];
    size_t i = 0;
    while (i < FAKE_WAITING_MAX && waiting[i] != 0) {
        i++;
    }
    assert(i < FAKE_WAITING_MAX);
    waiting[i] = nth;
    fake_disk_unlock(disk);
}

void fake_disk_chance(struct fake_disk *disk, enum fake_call call, enum fake_fault fault, unsigned percent)
{
    fake_disk_lock(disk);
    disk->chance_percent[call][fault] = percent;
    fake_disk_unlock(disk);
}

void fake_disk_set_cold(struct fake_disk *disk, struct slice from, struct slice to)
{
    fake_disk_lock(disk);
    free((void *)(uintptr_t)disk->cold_from.data);
    free((void *)(uintptr_t)disk->cold_to.data);
    disk->cold_from = slice_of(memory_copy(from.data, from.bytes), from.bytes);
    disk->cold_to = slice_of(memory_copy(to.data, to.bytes), to.bytes);
    fake_disk_unlock(disk);
}

bool fake_disk_is_cold(const struct fake_disk *disk, struct slice key)
{
    return slice_compare(key, disk->cold_from) >= 0 && slice_compare(key, disk->cold_to) < 0;
}

static bool meets(struct fake_disk *disk, enum fake_call call, enum fake_fault fault)
{
    bool is_met = false;
    unsigned *waiting = disk->waiting[call][fault];
    for (size_t i = 0; i < FAKE_WAITING_MAX; i++) {
        if (waiting[i] > 0 && --waiting[i] == 0) {
            is_met = true;
        }
    }
    unsigned percent = disk->chance_percent[call][fault];
    return (percent > 0 && random_chance(&disk->random[call], percent)) || is_met;
}

/* ---- gates and hooks ---- */

static void pass(struct fake_disk *disk, struct fake_gate *gate)
{
    if (gate->hook != NULL) {
        fake_hook_fn *hook = gate->hook;
        void *context = gate->context;
        fake_disk_unlock(disk);
        hook(context);
        fake_disk_lock(disk);
    }
    if (!gate->is_closed) {
        return;
    }
    uint64_t ticket = gate->arrived++;
    pthread_cond_broadcast(&disk->changed);
    while (ticket >= gate->admitted) {
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
}

void fake_disk_begin(struct fake_disk *disk, enum fake_call call, bool can_be_blocked,
                     bool ret_faults[static FAKE_FAULTS])
{
    disk->calls[call]++;
    ret_faults[FAKE_FAILS] = meets(disk, call, FAKE_FAILS);
    ret_faults[FAKE_LACKS_MEMORY] = meets(disk, call, FAKE_LACKS_MEMORY);
    ret_faults[FAKE_IN_DOUBT] = meets(disk, call, FAKE_IN_DOUBT);
    ret_faults[FAKE_BLOCKS] = can_be_blocked && meets(disk, call, FAKE_BLOCKS);
    pass(disk, &disk->gates[call][FAKE_BEFORE]);
}

void fake_disk_end(struct fake_disk *disk, enum fake_call call)
{
    pass(disk, &disk->gates[call][FAKE_AFTER]);
}

void fake_disk_close_gate(struct fake_disk *disk, enum fake_call call, enum fake_moment moment)
{
    fake_disk_lock(disk);
    disk->gates[call][moment].is_closed = true;
    fake_disk_unlock(disk);
}

void fake_disk_await(struct fake_disk *disk, enum fake_call call, enum fake_moment moment)
{
    fake_disk_lock(disk);
    struct fake_gate *gate = &disk->gates[call][moment];
    while (gate->arrived == gate->admitted) {
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    fake_disk_unlock(disk);
}

void fake_disk_let_through(struct fake_disk *disk, enum fake_call call, enum fake_moment moment)
{
    fake_disk_lock(disk);
    struct fake_gate *gate = &disk->gates[call][moment];
    assert(gate->admitted < gate->arrived); /* fake_disk_await sees to that */
    gate->admitted++;
    pthread_cond_broadcast(&disk->changed);
    fake_disk_unlock(disk);
}

void fake_disk_wake(struct fake_disk *disk, enum fake_call call, enum fake_moment moment)
{
    disk->gates[call][moment].admitted = disk->gates[call][moment].arrived;
    pthread_cond_broadcast(&disk->changed);
}

void fake_disk_open_gate(struct fake_disk *disk, enum fake_call call, enum fake_moment moment)
{
    fake_disk_lock(disk);
    disk->gates[call][moment].is_closed = false;
    fake_disk_wake(disk, call, moment);
    fake_disk_unlock(disk);
}

void fake_disk_hook(struct fake_disk *disk, enum fake_call call, enum fake_moment moment, fake_hook_fn *hook,
                    void *context)
{
    fake_disk_lock(disk);
    disk->gates[call][moment].hook = hook;
    disk->gates[call][moment].context = context;
    fake_disk_unlock(disk);
}

/* ---- the end of a run ---- */

void fake_disk_kill(struct fake_disk *disk)
{
    fake_disk_lock(disk);
    disk->is_over = true;
    fake_disk_unlock(disk);
}

void fake_disk_cut(struct fake_disk *disk)
{
    fake_disk_lock(disk);
    /* a second cut takes from what the first one left */
    uint64_t end = disk->is_cut ? disk->kept : disk->logged;
    disk->kept = disk->synced + random_below(&disk->random[FAKE_OTHER], end - disk->synced + 1);
    disk->is_cut = true;
    disk->is_over = true;
    fake_disk_unlock(disk);
}

void fake_disk_recover(struct fake_disk *disk)
{
    if (disk->is_cut) {
        disk->logged = disk->kept;
    } else if (disk->logged > disk->written && random_chance(&disk->random[FAKE_OTHER], 50)) {
        disk->logged = disk->written;
    }
    fake_map_drop_above(&disk->map, disk->logged);
    disk->written = disk->logged;
    disk->synced = disk->logged; /* as engine_open promises */
    disk->is_cut = false;
    disk->is_over = false;
}

/* ---- what happened ---- */

uint64_t fake_disk_calls(struct fake_disk *disk, enum fake_call call)
{
    fake_disk_lock(disk);
    uint64_t calls = disk->calls[call];
    fake_disk_unlock(disk);
    return calls;
}

uint64_t fake_disk_unsynced(struct fake_disk *disk)
{
    fake_disk_lock(disk);
    uint64_t unsynced = disk->written - disk->synced;
    fake_disk_unlock(disk);
    return unsynced;
}

void fake_disk_fail_background(struct fake_disk *disk, enum status status)
{
    fake_disk_lock(disk);
    disk->background_failure = status;
    fake_disk_unlock(disk);
}
