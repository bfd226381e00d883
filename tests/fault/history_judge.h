/* The two halves of history_judge. */
#ifndef TESTS_FAULT_HISTORY_JUDGE_H
#define TESTS_FAULT_HISTORY_JUDGE_H

#include "tests/fault/history_timeline.h"

/* Numbers, levels and reads, while the run lasted. */
bool judge_run(const struct timeline *timeline, struct objection *ret_objection);
/* What was there after it, and after the clients had sent again what was lost. */
bool judge_end(const struct timeline *timeline, struct objection *ret_objection);

#endif
