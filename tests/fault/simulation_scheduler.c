/* A task is a context with a stack of its own, on the one thread there is; it keeps the role that it has for the daemon's asserts. All is
 * an ordinary function call away from the test's loop: what a task does between two pauses is one step, and nothing comes between. */
#include "tests/fault/simulation_scheduler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "daemon/runtime/memory.h"
#include "tests/lib/random.h"

enum {
    STACK_BYTES = 256 << 10, /* far above what a step of the writer or a read takes */
    STACKS_KEPT = 64,        /* more than tasks at a time */
    READING_NS = 137,        /* what a look at the clock takes; any would do */
};

#define CLOCK_BEGINS_NS UINT64_C(1000000000000) /* no time that is compared with it is before 0 */

struct task {
    ucontext_t context, caller;
    enum thread_role role;
    void (*run)(void *argument);
    void *argument;
    uint64_t due_us;
    bool has_ended;
    void *stack;
};

static struct {
    bool is_on;
    uint64_t now_ns;
    struct random_source random;
    uint64_t trace;
    struct task *running; /* NULL: the loop */
    void *stacks[STACKS_KEPT];
    size_t stack_count;
} scheduler;

void scheduler_begin(uint64_t seed)
{
    assert(!scheduler.is_on);
    scheduler.is_on = true;
    scheduler.now_ns = CLOCK_BEGINS_NS;
    scheduler.random = random_from(seed);
    scheduler.trace = 1;
}

void scheduler_end(void)
{
    assert(scheduler.is_on && scheduler.running == NULL);
    while (scheduler.stack_count > 0) {
        free(scheduler.stacks[--scheduler.stack_count]);
    }
    scheduler.is_on = false;
}

bool scheduler_is_on(void)
{
    return scheduler.is_on;
}

/* ---- the clock ---- */

uint64_t scheduler_read_clock_ns(void)
{
    return scheduler.now_ns += READING_NS;
}

uint64_t scheduler_now_us(void)
{
    return scheduler.now_ns / 1000;
}

uint64_t scheduler_elapsed_us(void)
{
    return (scheduler.now_ns - CLOCK_BEGINS_NS) / 1000;
}

void scheduler_pass_us(uint64_t us)
{
    scheduler.now_ns += us * 1000;
}

/* ---- choices ---- */

uint64_t scheduler_next(void)
{
    return random_next(&scheduler.random);
}

uint64_t scheduler_below(uint64_t bound)
{
    return random_below(&scheduler.random, bound);
}

bool scheduler_chance(unsigned percent)
{
    return random_chance(&scheduler.random, percent);
}

bool scheduler_chance_of(uint64_t one_in)
{
    return random_below(&scheduler.random, one_in) == 0;
}

/* ---- the trace ---- */

static void trace(uint64_t word)
{
    scheduler.trace = (scheduler.trace ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    scheduler.trace ^= scheduler.trace >> 29;
}

void scheduler_note(const char *what, uint64_t first, uint64_t second)
{
    scheduler_note_bytes(what, strlen(what));
    trace(first);
    trace(second);
    trace(scheduler.now_ns);
}

void scheduler_note_bytes(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    trace(count);
    for (size_t i = 0; i < count; i++) {
        trace(at[i]);
    }
}

uint64_t scheduler_trace(void)
{
    return scheduler.trace;
}

/* ---- tasks ---- */

static void task_main(void)
{
    struct task *task = scheduler.running;
    task->run(task->argument);
    task->has_ended = true;
    swapcontext(&task->context, &task->caller);
    abort(); /* nobody steps it again */
}

struct task *task_new(enum thread_role role, void (*run)(void *argument), void *argument)
{
    struct task *task = memory_new(sizeof *task);
    task->role = role;
    task->run = run;
    task->argument = argument;
    task->stack =
        scheduler.stack_count > 0 ? scheduler.stacks[--scheduler.stack_count] : memory_raw(STACK_BYTES);
    int failed = getcontext(&task->context);
    assert(!failed);
    task->context.uc_stack.ss_sp = task->stack;
    task->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&task->context, task_main, 0);
    return task;
}

bool task_is_due(const struct task *task)
{
    return scheduler_now_us() >= task->due_us;
}

uint64_t task_due_us(const struct task *task)
{
    return task->due_us;
}

static void task_free(struct task *task)
{
    assert(task->has_ended);
    if (scheduler.stack_count < STACKS_KEPT) {
        scheduler.stacks[scheduler.stack_count++] = task->stack;
    } else {
        free(task->stack);
    }
    free(task);
}

bool task_step(struct task *task)
{
    assert(thread_is(THREAD_LOOP) && scheduler.running == NULL && !task->has_ended);
    scheduler.running = task;
    thread_set_role(task->role);
    int failed = swapcontext(&task->caller, &task->context);
    assert(!failed);
    scheduler.running = NULL;
    thread_set_role(THREAD_LOOP);
    bool has_ended = task->has_ended;
    if (has_ended) {
        task_free(task);
    }
    return has_ended;
}

void task_pause_us(uint64_t us)
{
    struct task *task = scheduler.running;
    if (task == NULL) {
        return;
    }
    task->due_us = scheduler_now_us() + us;
    int failed = swapcontext(&task->context, &task->caller);
    assert(!failed);
}

bool task_is_running(void)
{
    return scheduler.running != NULL;
}
