/* What makes a simulation repeat: one clock, one source of choices, tasks that stop where they are told, and a trace of all that
 * happened, from one seed. Everything runs on the calling thread.
 *
 * - scheduler_begin starts the clock and the trace; from then on the program's clock_gettime and getrandom are to ask here.
 * - A task is a thread of the daemon's: it runs until it pauses, and goes on when it is stepped after its pause.
 * - scheduler_end leaves the real clock. No task is left then.
 *
 * Nothing here may depend on an address, on the real clock or on another thread. */
#ifndef TESTS_FAULT_SIMULATION_SCHEDULER_H
#define TESTS_FAULT_SIMULATION_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/thread.h"

void scheduler_begin(uint64_t seed);
void scheduler_end(void);
bool scheduler_is_on(void);

/* ---- the clock ---- */

/* As the daemon reads it: each reading takes a moment. */
uint64_t scheduler_read_clock_ns(void);
/* The same without that, and since scheduler_begin. */
uint64_t scheduler_now_us(void);
uint64_t scheduler_elapsed_us(void);
void scheduler_pass_us(uint64_t us);

/* ---- choices ---- */

uint64_t scheduler_next(void);
uint64_t scheduler_below(uint64_t bound);
bool scheduler_chance(unsigned percent);
bool scheduler_chance_of(uint64_t one_in);

/* ---- the trace ---- */

/* Something happened. `what` tells by its letters. */
void scheduler_note(const char *what, uint64_t first, uint64_t second);
void scheduler_note_bytes(const void *bytes, size_t count);
/* A digest of all that happened. */
uint64_t scheduler_trace(void);

/* ---- tasks ---- */

struct task;

/* It begins with its first step, in that role. */
struct task *task_new(enum thread_role role, void (*run)(void *argument), void *argument);
/* Whether its pause is over; and when it is. */
bool task_is_due(const struct task *task);
uint64_t task_due_us(const struct task *task);
/* Goes on until it pauses or ends; true: it has ended, and is freed. The caller is the loop. */
bool task_step(struct task *task);

/* Of the task that runs: it goes on in so many microseconds at the earliest. Without a task that runs: nothing. */
void task_pause_us(uint64_t us);
bool task_is_running(void);

#endif
