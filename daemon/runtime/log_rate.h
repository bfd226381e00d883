/* How many bytes of lines may be logged: a token bucket. It holds what a second brings in and is full at the start, so that a burst
 * of lines is written at once; a line is admitted while anything is left in it, and charged when its length is known. In the long run
 * that is bytes_per_second, and over any time at most a burst and a line more.
 *
 * Pure: the caller reads the clock. A clock that goes back brings nothing in. */
#ifndef DAEMON_LOG_RATE_H
#define DAEMON_LOG_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_RATE_BYTES_MIN = 1 << 10,
    LOG_RATE_BYTES_MAX = 1 << 30,
};

struct log_rate {
    uint64_t bytes_per_second; /* LOG_RATE_BYTES_MIN to LOG_RATE_BYTES_MAX */
    int64_t left; /* in millionths of a byte; below 0 after a line that was longer than what was left */
    uint64_t refilled_us; /* what came in until then is in it */
};

void log_rate_init(uint64_t bytes_per_second, uint64_t now_us, struct log_rate *ret_rate);

/* Another rate from now on. What is left stays, as far as it fits. */
void log_rate_change(struct log_rate *rate, uint64_t bytes_per_second, uint64_t now_us);

/* Whether a line may be written now. */
bool log_rate_admits(struct log_rate *rate, uint64_t now_us);

void log_rate_charge(struct log_rate *rate, uint64_t bytes);

#endif
