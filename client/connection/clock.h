/* The library's only clock, for pauses and deadlines. It never goes back. */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <stdint.h>

#define NEVER_US UINT64_MAX /* as a time: never; as a timeout: none */

uint64_t clock_now_us(void);

/* The time at which a timeout that starts at now_us is over; NEVER_US if the clock cannot reach it. */
uint64_t clock_deadline_us(uint64_t now_us, uint64_t timeout_us);

/* Sleeps that long, also if signals come. */
void clock_sleep_us(uint64_t us);

#endif
