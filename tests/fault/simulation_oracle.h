/* The contract as oracle of a simulation: what each reply may say, given the model of all before it and what the disk may have kept.
 * It sees frames and nothing else of the daemon. Life:
 *
 * - oracle_begin_round is given the requests that are in flight together; then it is told what is sent, and takes each reply.
 * - A round that everybody survives is judged by oracle_end_round.
 * - After a crash, a stop, a lost connection or raises that were left out oracle_crashed works out the states that are allowed; a dump
 *   of all that is there leaves those that fit, and oracle_came_back goes on from there.
 *
 * False of any call: something does not fit, and the complaint says what. The model is that of tests/lib. */
#ifndef TESTS_FAULT_SIMULATION_ORACLE_H
#define TESTS_FAULT_SIMULATION_ORACLE_H

#include "tests/lib/model_states.h"
#include "tests/lib/operation_wire.h"

enum {
    ORACLE_HISTORY_MAX = 512,
    ORACLE_RUNS_MAX = 1024, /* of a store; as many are remembered by it */
};

/* What may have come in the way of requests of the round, beside what the model says. */
struct oracle_excuses {
    bool reads_fail;        /* `io error` and `damaged` to a read */
    bool engine_refuses;    /* `no space` and `busy` to a write */
    bool writer_reads_fail; /* `damaged` to a write of the commit lane */
    bool raises_left_out;   /* `damaged` to metadata and barriers: all but raises was carried out */
    bool metadata_refused;  /* `no space` to metadata that does more than delete */
    bool commits_refused;   /* the same to commits, and to the making of chains */
    bool streams_late;      /* `busy` to a stream that its client left */
    bool is_stopping;       /* `shutting down` */
    bool writing_ended;     /* `io error` to a write: it is unknown */
};

struct oracle_run {
    uint64_t run, random;      /* run 0: none */
    uint64_t metadata_on_disk; /* that its start found */
    uint64_t began_at;         /* an event of its own; 0: none has these bits */
};

/* What is known of a store, whether or not a daemon runs on it. */
struct oracle_store {
    struct model durable;                    /* without the history */
    uint64_t last_sequence;                  /* the highest number seen of any kind */
    struct oracle_run runs[ORACLE_RUNS_MAX]; /* those that clients were told of, in order */
    size_t run_count;
};

struct oracle {
    struct oracle_store store; /* that clients meet now */
    struct model now;          /* everything answered is in it */
    struct call history[ORACLE_HISTORY_MAX];
    size_t n_history;
    uint64_t written_through, durable_through; /* the highest told in this run */
    struct {
        uint64_t written_through, durable_through;
    } told[CONNECTIONS_MAX];           /* to each connection last */
    uint64_t last_write;               /* the highest of a write answered in an earlier round of this run */
    struct call lost[ROUND_CALLS_MAX]; /* what clients were told is accepted and not written, in order */
    size_t n_lost;
    bool resends;             /* the round is of such: nothing but a deadline refuses them */
    uint64_t sequence_before; /* the store's last_sequence when the round began */
    uint64_t events;          /* the clock of sent_at and answered_at */
    struct round round;
    struct outcome outcomes[ROUND_CALLS_MAX];
    uint64_t busy_from_us[ROUND_CALLS_MAX]; /* when a call's deadline is over, at the earliest; 0: none */
    size_t answered;
    struct oracle_excuses excuses;
    struct states states; /* those that are left after a crash */
    bool has_restarted;   /* since: the hello's number says something of them */
    bool swaps_numbers;   /* a plant */
    uint64_t excused;     /* answers, in all */
    bool is_beyond;       /* there were too many states to say anything: the run ends here */
    struct complaint complaint;
};

enum { ORACLE_FIRST_ID = 1000 }; /* of the round's calls; below it the clients' hellos */

enum oracle_end { ORACLE_KILLED, ORACLE_CUT, ORACLE_STOPPED, ORACLE_HUNG_UP, ORACLE_DAMAGED };

void oracle_begin(struct oracle *oracle);
void oracle_end(struct oracle *oracle);

void oracle_begin_round(struct oracle *oracle, const struct operation *operations, size_t n);
void oracle_sent(struct oracle *oracle, size_t call, uint64_t busy_from_us);
/* *ret_credit: so many bytes of a stream were taken. */
bool oracle_take(struct oracle *oracle, const struct wire_frame *frame, uint64_t now_us,
                 uint64_t *ret_credit);
/* `said`: the run that the client named as its last one. Unless the store had that run, it is told that the store changed. */
bool oracle_take_hello(struct oracle *oracle, const struct wire_frame *frame, uint32_t connection,
                       bool is_first, const struct oracle_run *said);
bool oracle_has_all(const struct oracle *oracle);
bool oracle_end_round(struct oracle *oracle);

bool oracle_crashed(struct oracle *oracle, enum oracle_end end);
/* Behind a round of dump_operations, all answered, in the run after it. */
bool oracle_came_back(struct oracle *oracle);
/* Clients meet another store from here on, and `store` is the one before. No daemon runs, and the crash of the last one, with nothing in
 * flight and all durable, is judged. */
bool oracle_change_store(struct oracle *oracle, struct oracle_store *store);
/* Of the calls that are lost, those that the hello says are to be sent again: the first, and how many. */
const struct call *oracle_lost(const struct oracle *oracle, size_t *ret_count);

/* ---- simulation_oracle.c to simulation_oracle_runs.c, and back ---- */

/* What every reply promises. */
bool oracle_take_numbers(struct oracle *oracle, const struct frame_reply *header, uint32_t connection);
/* The highest number seen. */
uint64_t oracle_highest(const struct oracle *oracle);
/* The highest number of metadata that the last start found. */
uint64_t oracle_metadata_on_disk(const struct oracle *oracle);

/* ---- simulation_excuses.c ---- */

/* Whether something that went wrong explains the answer. */
bool oracle_is_excused(const struct oracle *oracle, const struct call *call);
/* Whether a fault may have refused the call of that number, and nobody was there for the answer. */
bool oracle_may_be_refused(const struct oracle *oracle, size_t call);

#endif
