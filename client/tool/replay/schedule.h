/* Which calls of a trace may be sent: those whose caller's previous call, and all calls that they name as `after`, are answered.
 * Pure: its user says what was answered and what time it is, and gets the next call. */
#ifndef TOOL_SCHEDULE_H
#define TOOL_SCHEDULE_H

#include "client/tool/replay/trace.h"

struct schedule {
    const struct trace *trace;
    size_t *waits_for;     /* by call: how many of those before it are not answered */
    size_t *waiting;       /* calls that wait, grouped by the call they wait for */
    size_t *waiting_first; /* by call: where its group starts; one more for the end */
    size_t *ready;         /* calls that may go out, in the order they became so; at most one a caller */
    size_t ready_count;
    size_t begin, end; /* the calls between two reopens that are being replayed */
    size_t answered;   /* of these */
};

void schedule_init(struct schedule *schedule, const struct trace *trace);
void schedule_close(struct schedule *schedule);

/* Goes on to the calls up to the next reopen, or the end; all before must be answered. False: there are none left.
 * There may be none up to the next reopen. */
bool schedule_open(struct schedule *schedule) CAIRN_MUST_CHECK;

/* Takes the next call that is ready and was recorded at `time_us` or before. False: there is none. */
bool schedule_take(struct schedule *schedule, int64_t time_us, size_t *ret_call) CAIRN_MUST_CHECK;

/* When the earliest ready call was recorded; INT64_MAX if none is ready. */
int64_t schedule_next_time_us(const struct schedule *schedule);

/* Takes note that a call that was taken is answered. */
void schedule_answered(struct schedule *schedule, size_t call);

/* Whether all calls up to the reopen are answered. */
bool schedule_done(const struct schedule *schedule);

#endif
