/* Adaptive spinning: whether a thread spins while it waits for what lately came within microseconds, or sleeps.
 *
 * - spin_learn keeps a moving mean of how long the awaited thing took.
 * - A thread spins while that mean is short and the thing is not yet overdue. To fall asleep and be woken costs tens of
 *   microseconds, which somebody waits for; to spin for long only burns a processor.
 * - For what comes for certain and takes longer there is a timed sleep: until shortly before it is due, then a spin.
 *
 * Pure: the caller reads the clock. A wrong mean costs time, never correctness: a thread that sleeps is woken by a signal too. */
#ifndef DAEMON_SPIN_H
#define DAEMON_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spin {
    uint64_t spin_ns_max; /* fixed after start: what takes longer than this in the mean is slept for */
    uint64_t mean_ns;     /* how long it took lately */
};

/* Takes into the mean how long it took this time. One outlier counts as eight times spin_ns_max at most. */
void spin_learn(struct spin *spin, uint64_t took_ns);

/* Whether to go on spinning after a wait of waited_ns. */
bool spin_holds(const struct spin *spin, uint64_t waited_ns);

/* The same for what comes for certain. If the answer is no, *ret_sleep_ns is how long to sleep before asking again; 0 is
 * until woken. It is 0 too while the answer is yes. */
bool spin_holds_when_due(const struct spin *spin, uint64_t waited_ns, uint64_t *ret_sleep_ns);

#endif
