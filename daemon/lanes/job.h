/* A job: one write for the commit lane, as plain values, on its way from the loop to the writer thread and back.
 *
 * - The loop fills it in, numbers it, and submits it; what its slices borrow stays until it is done.
 * - The writer validates and applies it at its place and sets the outcome; then it is the loop's again, which calls `done` once. */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "daemon/runtime/failure.h"
#include "daemon/schema/metadata.h"
#include "daemon/schema/record.h"

enum job_kind {
    JOB_COMMIT,
    JOB_PRUNE,
    JOB_ROLLBACK,
    JOB_CREATE_CHAIN,
    JOB_DROP_CHAIN,
    JOB_CLAIM,
    JOB_PRESENT, /* changes nothing: tells the last number that was applied under an epoch */
    JOB_RELEASE,
    JOB_FORGET_DROPS, /* the space of dropped chains was asked back; nobody waits for it */
    JOB_SWEEP,        /* a slice of the sweep behind a prune; nobody waits for it */
    JOB_RESERVE,      /* more sequence numbers; nobody waits for it */
};

/* Whether it is of the order's own: it has no number, and nobody waits for it. */
static inline bool job_is_own(enum job_kind kind)
{
    return kind == JOB_FORGET_DROPS || kind == JOB_SWEEP || kind == JOB_RESERVE;
}

/* Acknowledgement levels, in rising order. Values as on the wire. */
enum level {
    LEVEL_ACCEPTED = 1,
    LEVEL_WRITTEN = 2,
    LEVEL_DURABLE = 3,
};

struct job_block {
    uint64_t height;
    struct slice header;
    struct slice data;
    struct slice signature;
    struct slice hash; /* empty: SHA-256 of the header */
};

struct job_state {
    uint64_t height;
    struct slice value;
};

struct job_guard {
    struct slice name;
    bool lower;          /* else refuse */
    bool pass_malformed; /* a value that is no height passes; else the rollback is STATUS_INVALID */
};

struct job_commit {
    const struct job_block *blocks;
    size_t block_count;
    const struct job_state *states;
    size_t state_count;
    const uint64_t *delete_states;
    size_t delete_state_count;
    uint64_t rise_to; /* 0: leave the height */
    bool has_expected_height;
    uint64_t expected_height;
    const uint64_t *delete_blocks;
    size_t delete_block_count;
    bool deletes_names; /* of its metadata operations some are METADATA_DELETE_RANGE */
};

struct job_prune {
    bool has_blocks;
    uint64_t blocks_through;
    bool has_states;
    uint64_t states_through;
};

struct job_rollback {
    uint64_t to;
    const struct job_guard *guards;
    size_t guard_count;
};

struct job_drop {
    struct slice name; /* the chain's */
    bool makes_anew;   /* it is there again behind it, empty and under the same number: "default" */
};

struct job_present {
    struct epoch epoch;
    /* set by the writer */
    bool is_known; /* the chain has, or had, that epoch */
    uint64_t last_number;
};

/* The numbers of chains, both included. */
struct job_forget {
    uint32_t first;
    uint32_t last;
};

/* What a rollback dropped or would drop. Of a slice of the sweep: entries of the hash index, in `blocks`, and names. */
struct job_counts {
    uint64_t blocks;
    uint64_t states;
    uint64_t metadata;
    uint64_t lowered;
};

struct job {
    /* fixed once submitted */
    enum job_kind kind;
    enum level level; /* LEVEL_WRITTEN or LEVEL_DURABLE */
    uint32_t chain;
    uint64_t sequence;      /* 0 for those that nobody waits for */
    uint64_t carry_through; /* it carries metadata up to this number; 0: none */
    uint64_t number;        /* under the chain's last epoch, from 1: it is applied once; 0: it has none */
    bool is_behind_drop;    /* of its chain: only whether its number was applied before that is judged */
    uint64_t bytes;         /* what it takes of the log, about; 0: not known */
    union {
        struct job_commit commit;
        struct job_prune prune;
        struct job_rollback rollback;
        struct slice chain_name; /* JOB_CREATE_CHAIN */
        struct job_drop drop;    /* JOB_DROP_CHAIN */
        /* JOB_CLAIM, JOB_RELEASE: the claim as the job leaves it. Without a sequence number there is none to release */
        struct claim_record claim;
        struct job_present present; /* JOB_PRESENT */
        struct job_forget forget;   /* JOB_FORGET_DROPS */
        uint64_t reserve_through;   /* JOB_RESERVE */
        uint64_t sweep_ns;          /* JOB_SWEEP: how long the slice may take; set by the writer */
    };
    const struct metadata_operation *metadata;
    size_t metadata_count;
    uint64_t submitted_ns;
    void (*done)(struct job *job);
    void *owner; /* of `done` */
    /* set by the writer */
    uint64_t validate_from_ns;
    uint64_t validated_ns;
    enum status status;
    struct failure failure; /* unless STATUS_OK */
    struct job_counts counts;
    struct chain_marks marks; /* the chain's, after it */
    bool is_repeated;         /* it has a number that was applied before, and has changed nothing */
    bool swept_all;           /* JOB_SWEEP: nothing is left to sweep */
    /* owned by the holder of the job: a lane, a completion, the loop */
    struct job *next;
    /* loop only */
    struct job *younger; /* the next of all that are in flight */
};

/* Whether it deletes whole ranges of keys. Such a job always carries, and is alone in its write set. */
static inline bool job_deletes_ranges(const struct job *job)
{
    return job->kind == JOB_PRUNE || job->kind == JOB_ROLLBACK || job->kind == JOB_DROP_CHAIN ||
           (job->kind == JOB_COMMIT && job->commit.deletes_names);
}

/* Whether it carries, asked or not: takes all metadata that was accepted before it into its own write. */
static inline bool job_always_carries(const struct job *job)
{
    return job_deletes_ranges(job) || job->kind == JOB_CLAIM || job->kind == JOB_RELEASE;
}

#endif
