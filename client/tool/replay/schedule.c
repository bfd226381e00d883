/* A call's life here: it waits, is ready, is taken, is answered. A call waits only for calls before it, so the first call that is
 * not answered is always ready or taken, and a schedule cannot deadlock. Without memory the process ends. */
#include "client/tool/replay/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/fatal.h"

static const size_t NO_CALL = SIZE_MAX;

static size_t *counters_new(size_t count)
{
    size_t *counters = calloc(count + 1, sizeof *counters);
    if (counters == NULL) {
        fatal("not enough memory");
    }
    return counters;
}

/* Visits all pairs of calls of which the second waits for the first. With `place` it stores them, without it counts them. */
static void pairs_walk(struct schedule *schedule, size_t *place)
{
    const struct trace *trace = schedule->trace;
    size_t *latest = counters_new(trace->callers.count); /* by caller: its previous call */
    for (size_t i = 0; i < trace->callers.count; i++) {
        latest[i] = NO_CALL;
    }
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_call *call = &trace->calls[i];
        if (call->op == TRACE_REOPEN) {
            continue;
        }
        for (size_t k = 0; k <= call->after_count; k++) {
            size_t before = k < call->after_count ? call->after[k] : latest[call->caller];
            if (before == NO_CALL || trace->calls[before].op == TRACE_REOPEN) {
                continue;
            }
            assert(before < i);
            if (place != NULL) {
                schedule->waiting[place[before]++] = i;
            } else {
                schedule->waiting_first[before + 1]++;
                schedule->waits_for[i]++;
            }
        }
        latest[call->caller] = i;
    }
    free(latest);
}

void schedule_init(struct schedule *schedule, const struct trace *trace)
{
    assert(trace->count == 0 || trace->calls != NULL);
    *schedule = (struct schedule){.trace = trace};
    schedule->waits_for = counters_new(trace->count);
    schedule->waiting_first = counters_new(trace->count);
    schedule->ready = counters_new(trace->callers.count);
    pairs_walk(schedule, NULL);
    for (size_t i = 0; i < trace->count; i++) {
        schedule->waiting_first[i + 1] += schedule->waiting_first[i];
    }
    schedule->waiting = counters_new(schedule->waiting_first[trace->count]);
    size_t *place = counters_new(trace->count);
    memcpy(place, schedule->waiting_first, trace->count * sizeof place[0]);
    pairs_walk(schedule, place);
    free(place);
}

void schedule_close(struct schedule *schedule)
{
    free(schedule->waits_for);
    free(schedule->waiting);
    free(schedule->waiting_first);
    free(schedule->ready);
    *schedule = (struct schedule){0};
}

bool schedule_open(struct schedule *schedule)
{
    const struct trace *trace = schedule->trace;
    assert(schedule_done(schedule));
    size_t begin = schedule->end;
    if (begin < trace->count && trace->calls[begin].op == TRACE_REOPEN) {
        begin++;
    }
    if (begin == trace->count) {
        return false;
    }
    size_t end = begin;
    while (end < trace->count && trace->calls[end].op != TRACE_REOPEN) {
        if (schedule->waits_for[end] == 0) {
            assert(schedule->ready_count < trace->callers.count); /* a caller has one call at a time */
            schedule->ready[schedule->ready_count++] = end;
        }
        end++;
    }
    schedule->begin = begin;
    schedule->end = end;
    schedule->answered = 0;
    return true;
}

bool schedule_take(struct schedule *schedule, int64_t time_us, size_t *ret_call)
{
    assert(schedule->ready_count <= schedule->end - schedule->begin);
    for (size_t i = 0; i < schedule->ready_count; i++) {
        size_t call = schedule->ready[i];
        if (schedule->trace->calls[call].time_us <= time_us) {
            schedule->ready_count--;
            memmove(&schedule->ready[i], &schedule->ready[i + 1],
                    (schedule->ready_count - i) * sizeof schedule->ready[0]);
            *ret_call = call;
            return true;
        }
    }
    return false;
}

int64_t schedule_next_time_us(const struct schedule *schedule)
{
    assert(schedule->ready_count <= schedule->end - schedule->begin);
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < schedule->ready_count; i++) {
        int64_t time_us = schedule->trace->calls[schedule->ready[i]].time_us;
        next = time_us < next ? time_us : next;
    }
    return next;
}

void schedule_answered(struct schedule *schedule, size_t call)
{
    assert(call >= schedule->begin && call < schedule->end);
    for (size_t i = schedule->waiting_first[call]; i < schedule->waiting_first[call + 1]; i++) {
        size_t waiting = schedule->waiting[i];
        assert(schedule->waits_for[waiting] > 0);
        if (--schedule->waits_for[waiting] == 0 && waiting < schedule->end) {
            schedule->ready[schedule->ready_count++] = waiting;
        }
    }
    schedule->answered++;
    assert(schedule->answered <= schedule->end - schedule->begin); /* no call is answered twice */
}

bool schedule_done(const struct schedule *schedule)
{
    assert(schedule->begin <= schedule->end && schedule->end <= schedule->trace->count);
    return schedule->answered == schedule->end - schedule->begin;
}
