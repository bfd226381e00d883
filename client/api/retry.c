/* Pacing of repeats. What is repeated is decided by what a status says about the write, and by whether time alone may help.
 *
 * A retry's life, in its `state`:
 *
 * - all zero: nothing has failed yet. The first failure sets the deadline, the first pause and where the random numbers begin
 * - each further failure doubles the pause, up to the longest
 * - zero again, after a success
 *
 * Ways to fail: none. */
#include <assert.h>
#include <string.h>

#include "client/cairn.h"
#include "client/connection/clock.h"
#include "client/message/check.h"

enum {
    /* All chosen: a daemon that starts in milliseconds is met soon, one that is down costs some five attempts a second. */
    PAUSE_US_MIN = 1000,
    PAUSE_US_MAX = 250000, /* the pause is doubled up to it */
    TIMEOUT_US = 30000000, /* the default */

    /* What the words of `state` are. */
    DEADLINE_US = 0, /* absolute; 0: nothing has failed yet */
    PAUSE_US = 1,    /* the next one, before it is cut */
    RANDOM = 2,
};

static bool changes_nothing(enum cairn_request_kind kind)
{
    switch (kind) {
    case CAIRN_PING:
    case CAIRN_STATUS_PAGE:
    case CAIRN_CHAINS:
    case CAIRN_READ_HEIGHT:
    case CAIRN_READ_BLOCK:
    case CAIRN_READ_BLOCKS:
    case CAIRN_READ_STATE:
    case CAIRN_GET:
    case CAIRN_GET_MANY:
    case CAIRN_LIST:
    case CAIRN_READ_USAGE:
    case CAIRN_BARRIER:
        return true;
    default: /* a write, or a request of a later version */
        return false;
    }
}

static bool may_pass(enum cairn_request_kind kind, enum cairn_status status)
{
    switch (status) {
    case CAIRN_BUSY:
    case CAIRN_NO_SPACE:
    case CAIRN_SHUTTING_DOWN:
    case CAIRN_NOT_SENT:
    case CAIRN_CANNOT_CONNECT:
    case CAIRN_FULL:
        assert(cairn_status_applied(status) == CAIRN_NOT_APPLIED); /* nothing happens twice */
        return true;
    case CAIRN_TIMEOUT:
    case CAIRN_CONNECTION_LOST:
    case CAIRN_IO_ERROR:
        return changes_nothing(kind);
    default:
        return false;
    }
}

/* The next number of splitmix64, a generator that needs one word of state. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t cairn_retry_pause_us(struct cairn_retry *retry, enum cairn_request_kind kind,
                             enum cairn_status status)
{
    if (status == CAIRN_OK || status == CAIRN_NOT_FOUND) {
        memset(retry->state, 0, sizeof retry->state);
        return -1;
    }
    if (!may_pass(kind, status) || !RESERVED_IS_ZERO(retry)) {
        return -1;
    }
    uint64_t now = clock_now_us();
    if (retry->state[DEADLINE_US] == 0) {
        uint64_t timeout_us = retry->timeout_us != 0 ? retry->timeout_us : TIMEOUT_US;
        retry->state[DEADLINE_US] = clock_deadline_us(now, timeout_us);
        retry->state[PAUSE_US] = PAUSE_US_MIN;
        retry->state[RANDOM] = now * 1000003 ^ (uintptr_t)retry;
    }
    if (now >= retry->state[DEADLINE_US]) {
        return -1;
    }
    uint64_t pause_us = retry->state[PAUSE_US], left_us = retry->state[DEADLINE_US] - now;
    pause_us = pause_us < PAUSE_US_MAX ? pause_us : PAUSE_US_MAX;
    retry->state[PAUSE_US] = 2 * pause_us;
    pause_us -= random_next(&retry->state[RANDOM]) % (pause_us / 2 + 1);
    return (int64_t)(pause_us < left_us ? pause_us : left_us);
}

bool cairn_retry_wait(struct cairn_retry *retry, enum cairn_request_kind kind, enum cairn_status status)
{
    int64_t pause_us = cairn_retry_pause_us(retry, kind, status);
    if (pause_us < 0) {
        return false;
    }
    clock_sleep_us((uint64_t)pause_us);
    return true;
}
