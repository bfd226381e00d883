/* Bursts are due at multiples of a step from the start, so that no rounding adds up. Nothing can fail. */
#include "client/tool/bench/bench_pace.h"

#include <assert.h>

#define SECOND_NS   1e9
#define STEP_NS_MIN 1e6 /* chosen: 1,000 wake-ups a second cost little beside the requests */

/* How many requests the first `steps` bursts have together. */
static uint64_t through(const struct bench_pace *pace, uint64_t steps)
{
    return (uint64_t)((double)steps * pace->per_step);
}

static uint64_t step_time_ns(const struct bench_pace *pace, uint64_t step)
{
    return pace->start_ns + (uint64_t)((double)step * pace->step_ns);
}

void bench_pace_init(struct bench_pace *pace, double requests_per_second, uint64_t start_ns)
{
    assert(requests_per_second > 0);
    double step_ns = SECOND_NS / requests_per_second;
    *pace = (struct bench_pace){.start_ns = start_ns, .next_ns = start_ns, .step_ns = step_ns, .per_step = 1};
    if (step_ns < STEP_NS_MIN) {
        pace->step_ns = STEP_NS_MIN;
        pace->per_step = requests_per_second * (STEP_NS_MIN / SECOND_NS);
    }
    pace->taken_end = through(pace, 1);
}

void bench_pace_advance(struct bench_pace *pace, uint64_t now_ns)
{
    if (now_ns < pace->next_ns) {
        return;
    }
    pace->steps = (uint64_t)((double)(now_ns - pace->start_ns) / pace->step_ns);
    do { /* usually once; rounding may need a second time */
        pace->steps++;
        pace->next_ns = step_time_ns(pace, pace->steps);
    } while (pace->next_ns <= now_ns);
    pace->due = through(pace, pace->steps);
    assert(pace->due >= pace->taken && pace->next_ns > now_ns);
}

uint64_t bench_pace_time_ns(const struct bench_pace *pace)
{
    assert(pace->taken < pace->taken_end); /* the next request belongs to that step */
    return step_time_ns(pace, pace->taken_step);
}

void bench_pace_take(struct bench_pace *pace)
{
    pace->taken++;
    while (pace->taken >= pace->taken_end) {
        pace->taken_step++;
        pace->taken_end = through(pace, pace->taken_step + 1);
    }
}
