/* What the files of a simulation share: its state, and its steps, in which one of loop, writer, pool, clients and clock moves. False of
 * any: the complaint of the oracle says what does not fit. */
#ifndef TESTS_FAULT_SIMULATION_STEPS_H
#define TESTS_FAULT_SIMULATION_STEPS_H

#include "tests/fault/simulation.h"
#include "tests/fault/simulation_daemon.h"
#include "tests/fault/simulation_oracle.h"
#include "tests/lib/generator.h"

enum { SIMULATION_STEPS_MAX = 3000000 }; /* far above what any request takes */

enum actor { ACTOR_LOOP, ACTOR_WRITER, ACTOR_POOL, ACTOR_CLIENT, ACTOR_CLAIMANT, ACTOR_CLOCK, ACTORS };

struct sender {
    size_t calls[DUMP_OPERATIONS]; /* of the round, in order */
    size_t count, sent;
    uint64_t asleep_until_us;
};

struct simulation {
    const struct simulation_config *config;
    struct simulation_result *result;
    struct simulated_limits limits;
    struct simulated_plan plan; /* what goes wrong while it may */
    uint64_t weights[ACTORS], weight;
    bool space_changes;
    unsigned deadlines_percent; /* of metadata */
    unsigned large_percent;     /* of requests */
    unsigned sleeps_of_1000;    /* moves of a client */
    struct oracle oracle;
    uint64_t round_began_us;
    uint64_t resend_of[ROUND_CALLS_MAX]; /* of the round's calls; 0: sent for the first time */
    struct sender senders[CONNECTIONS_MAX];
    uint64_t seen_progress;
    unsigned quiet_steps;
};

extern struct simulation simulation;

/* These are in flight together from here on; what was kept before is gone. */
void simulation_begin_round(const struct operation *operations, size_t n);

/* One actor moves, by chance; time passes when none has anything to do. */
bool simulation_step(void);
bool simulation_step_some(uint64_t steps);
/* Until so many calls of the round are answered; and until the daemon has started all that was sent, for frames are kept as long as the
 * round, and the claimants' round has ended. */
bool simulation_step_until(size_t answered);
bool simulation_step_until_started(void);

/* The client takes a reply. */
bool simulation_take_reply(unsigned client, const struct wire_frame *frame);
/* What went wrong so far explains answers from here on. */
void simulation_note_excuses(void);

#endif
