/* A small history that is right, and the same with one thing wrong: what the judge has to tell apart. */
#ifndef TESTS_FAULT_HISTORY_EXAMPLE_H
#define TESTS_FAULT_HISTORY_EXAMPLE_H

#include "tests/fault/history.h"

struct planted_fault {
    const char *what;
    void (*plant)(struct history *history);
    const char *objection; /* words of it */
};

struct history history_example(void);

extern const struct planted_fault planted_faults[];
extern const size_t planted_fault_count;

#endif
