/* The library's one clock: it only goes forward. Pauses and deadlines are told by it. */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <stdint.h>

#define NEVER_US UINT64_MAX

uint64_t clock_now_us(void);

/* When a time that starts now is over; NEVER_US where the clock does not reach so far. */
uint64_t clock_deadline_us(uint64_t now_us, uint64_t timeout_us);

#endif
