/* The bucket counts millionths of a byte, so that what a microsecond brings in is a whole number. A line is charged after it was
 * admitted, so the bucket may be in debt: then nothing is admitted until time has paid for it. */
#include "daemon/runtime/log_rate.h"

#include <assert.h>

#define MILLIONTHS 1000000

/* What the bucket holds at most: what comes in within a second. */
static int64_t capacity(const struct log_rate *rate)
{
    assert(rate->bytes_per_second >= LOG_RATE_BYTES_MIN && rate->bytes_per_second <= LOG_RATE_BYTES_MAX);
    return (int64_t)rate->bytes_per_second * MILLIONTHS; /* below 2^50 */
}

/* In a microsecond as many millionths of a byte come in as bytes do in a second. */
static void refill(struct log_rate *rate, uint64_t now_us)
{
    if (now_us <= rate->refilled_us) {
        return;
    }
    int64_t missing = capacity(rate) - rate->left;
    uint64_t elapsed_us = now_us - rate->refilled_us;
    assert(missing >= 0);
    rate->refilled_us = now_us;
    if (elapsed_us > (uint64_t)missing / rate->bytes_per_second) {
        rate->left += missing;
    } else {
        rate->left += (int64_t)(elapsed_us * rate->bytes_per_second);
    }
}

void log_rate_init(uint64_t bytes_per_second, uint64_t now_us, struct log_rate *ret_rate)
{
    *ret_rate = (struct log_rate){.bytes_per_second = bytes_per_second, .refilled_us = now_us};
    ret_rate->left = capacity(ret_rate);
}

void log_rate_change(struct log_rate *rate, uint64_t bytes_per_second, uint64_t now_us)
{
    refill(rate, now_us);
    rate->bytes_per_second = bytes_per_second;
    int64_t most = capacity(rate);
    if (rate->left > most) {
        rate->left = most;
    }
}

bool log_rate_admits(struct log_rate *rate, uint64_t now_us)
{
    refill(rate, now_us);
    assert(rate->left <= capacity(rate)); /* or a burst would be longer than a second's worth */
    return rate->left > 0;
}

void log_rate_charge(struct log_rate *rate, uint64_t bytes)
{
    assert(bytes <= LOG_RATE_BYTES_MAX); /* a line's length */
    rate->left -= (int64_t)bytes * MILLIONTHS;
}
