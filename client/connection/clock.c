/* Microseconds of the monotonic clock, which no change of the wall clock moves. It cannot fail. */
#include "client/connection/clock.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

uint64_t clock_now_us(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(!failed); /* every Linux has this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_deadline_us(uint64_t now_us, uint64_t timeout_us)
{
    assert(now_us < NEVER_US);
    return timeout_us < NEVER_US - now_us ? now_us + timeout_us : NEVER_US;
}

void clock_sleep_us(uint64_t us)
{
    assert(us / 1000000 <= INT32_MAX); /* a time_t of any width holds it */
    struct timespec left = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
