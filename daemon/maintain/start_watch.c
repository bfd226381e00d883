/* The watch has a thread of its own, since main's waits for the device. The thread logs when the start takes long, and again each time that
 * it has lasted twice as long as at the last line. It ends with the start, and touches no disk. */
#include "daemon/maintain/start_watch.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum { START_LONG_US = 3000000 }; /* chosen: a start on a device that answers has read its log by then */

struct start_watch {
    /* fixed after start */
    const char *path;
    uint64_t began_us;
    pthread_t thread;
    struct mutex mutex;
    /* under mutex */
    bool is_over;
};

static void *start_watch_thread_main(void *argument)
{
    struct start_watch *watch = argument;
    uint64_t long_us = START_LONG_US;
    thread_set_role(THREAD_WATCHDOG);
    mutex_lock(&watch->mutex);
    while (!watch->is_over) {
        uint64_t now_us = thread_now_us();
        if (now_us < watch->began_us + long_us) {
            mutex_wait(&watch->mutex, watch->began_us + long_us);
            continue;
        }
        event_start_waits(watch->path, (now_us - watch->began_us) / 1000);
        long_us = 2 * (now_us - watch->began_us);
    }
    mutex_unlock(&watch->mutex);
    return NULL;
}

struct start_watch *start_watch_new(const char *path)
{
    assert(thread_is(THREAD_OTHER) && *path != '\0');
    struct start_watch *watch = memory_new(sizeof *watch);
    watch->path = path;
    watch->began_us = thread_now_us();
    mutex_init(&watch->mutex);
    if (pthread_create(&watch->thread, NULL, start_watch_thread_main, watch) != 0) {
        mutex_close(&watch->mutex);
        free(watch);
        return NULL;
    }
    return watch;
}

void start_watch_free(struct start_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    assert(thread_is(THREAD_OTHER));
    mutex_lock(&watch->mutex);
    watch->is_over = true;
    mutex_unlock_and_signal(&watch->mutex);
    int failed = pthread_join(watch->thread, NULL);
    assert(!failed);
    mutex_close(&watch->mutex);
    free(watch);
}
