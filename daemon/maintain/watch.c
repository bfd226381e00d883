/* A directory that is removed under its daemon takes writes and syncs as before, and keeps nothing of them; no call fails until the
 * engine makes its next file. So somebody has to look:
 *
 * - Each WATCH_INTERVAL_US the loop has the pool compare the names in the data directory with what is held.
 * - What is found missing stays found. The server then ends the process before it acknowledges anything more.
 *
 * Ways to fail: where the system does not say, nothing counts as missing. While the disk hangs, so does the look. */
#include "daemon/maintain/watch.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/host/directory.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    /* chosen: from a look's end to the next; so a loss is noticed within a second */
    WATCH_INTERVAL_US = 500000,
};

struct watch {
    struct pool_work work; /* first */
    /* fixed after start */
    const struct directory *directory;
    struct pool *pool;
    /* loop only */
    uint64_t due_us;
    bool is_stopped;
    bool is_gone; /* error says what */
    /* the pool's while it runs */
    enum directory_result result;
    struct directory_error error;
};

struct watch *watch_new(const struct directory *directory, struct pool *pool)
{
    assert(thread_is(THREAD_LOOP));                            /* as the pool is */
    assert(directory == NULL || directory->directory_fd >= 0); /* the pool looks at it later */
    struct watch *watch = memory_new(sizeof *watch);
    watch->directory = directory;
    watch->pool = pool;
    return watch;
}

bool watch_is_idle(const struct watch *watch)
{
    assert(thread_is(THREAD_LOOP)); /* which alone moves work to and from the pool */
    return watch->work.state == POOL_IDLE;
}

void watch_free(struct watch *watch)
{
    assert(watch == NULL || watch_is_idle(watch)); /* or the pool would go on in freed memory */
    free(watch);
}

static void watch_run(struct pool_work *work)
{
    struct watch *watch = (struct watch *)work; /* its first member */
    assert(thread_is(THREAD_POOL));             /* the look may wait for the disk */
    watch->result = directory_check(watch->directory, &watch->error);
}

static void watch_done(struct pool_work *work)
{
    struct watch *watch = (struct watch *)work;
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* the result is the loop's again */
    assert(!watch->is_gone); /* what was found missing stays found: nothing looks again */
    watch->is_gone = watch->result == DIRECTORY_LOST;
    watch->due_us = thread_now_us() + WATCH_INTERVAL_US;
}

uint64_t watch_iterate(struct watch *watch, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP));
    if (watch->directory == NULL || watch->is_stopped || watch->is_gone || watch->work.state != POOL_IDLE) {
        return UINT64_MAX;
    }
    if (now_us < watch->due_us) {
        return watch->due_us - now_us;
    }
    watch->work.run = watch_run;
    watch->work.done = watch_done;
    pool_submit(watch->pool, &watch->work, POOL_POINT);
    return UINT64_MAX;
}

const char *watch_error(const struct watch *watch)
{
    assert(thread_is(THREAD_LOOP));
    return watch->is_gone ? watch->error.text : NULL;
}

void watch_stop(struct watch *watch)
{
    /* no call of watch_iterate is under way that could still start something */
    assert(thread_is(THREAD_LOOP));
    watch->is_stopped = true;
}
