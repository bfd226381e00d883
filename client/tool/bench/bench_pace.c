#include "client/tool/bench/bench_pace.h"

#define SECOND_NS     1e9
#define STEP_NS_LEAST 1e6

/* How many requests the first so many bursts have. */
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
    double step_ns = SECOND_NS / requests_per_second;
    *pace = (struct bench_pace){.start_ns = start_ns, .next_ns = start_ns, .step_ns = step_ns, .per_step = 1};
    if (step_ns < STEP_NS_LEAST) {
        pace->step_ns = STEP_NS_LEAST;
        pace->per_step = requests_per_second * (STEP_NS_LEAST / SECOND_NS);
    }
    pace->taken_end = through(pace, 1);
}

void bench_pace_advance(struct bench_pace *pace, uint64_t now_ns)
{
    if (now_ns < pace->next_ns) {
        return;
    }
    pace->steps = (uint64_t)((double)(now_ns - pace->start_ns) / pace->step_ns);
    do { /* once, but for what rounding leaves */
        pace->steps++;
        pace->next_ns = step_time_ns(pace, pace->steps);
    } while (pace->next_ns <= now_ns);
    pace->due = through(pace, pace->steps);
}

uint64_t bench_pace_time_ns(const struct bench_pace *pace)
{
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
