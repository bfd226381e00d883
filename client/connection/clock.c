/* Microseconds of the monotonic clock. */
#include "client/connection/clock.h"

#include <time.h>

uint64_t clock_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_deadline_us(uint64_t now_us, uint64_t timeout_us)
{
    return timeout_us < NEVER_US - now_us ? now_us + timeout_us : NEVER_US;
}
