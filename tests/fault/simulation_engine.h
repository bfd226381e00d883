/* The disk of a simulation: the fake engine, at whose calls tasks pause for as long as a device takes, and where what the plan
 * says goes wrong. What the store keeps outlives its engine, as the fake's disk does.
 *
 * A plant is a fault of the daemon's or the engine's that breaks a promise: a simulation that does not find it is worth nothing. */
#ifndef TESTS_FAULT_SIMULATION_ENGINE_H
#define TESTS_FAULT_SIMULATION_ENGINE_H

#include "daemon/engine/engine.h"
#include "tests/fake_engine/fake_disk.h"

enum simulation_plant {
    PLANT_NONE,
    /* of the engine */
    PLANT_SYNC_IS_NONE,       /* syncs are acknowledged and not done */
    PLANT_EDIT_IS_LOST,       /* a batch lacks one edit */
    PLANT_BATCH_IN_HALVES,    /* a batch is two writes */
    PLANT_POINT_IS_LATE,      /* reads see what was written after their point was taken */
    PLANT_FAILED_IS_ABSENT,   /* a read that failed says that nothing is there */
    PLANT_REFUSED_IS_APPLIED, /* a write that says it was not applied was */
    PLANT_NUMBERS_REPEAT,     /* a start finds the numbers of the one before */
    /* of what the daemon says */
    PLANT_DURABLE_EARLY,   /* what is written is said to be durable */
    PLANT_WRITTEN_EARLY,   /* what is accepted is said to be written */
    PLANT_NUMBERS_SWAPPED, /* two writes change their numbers */
    PLANT_REPLY_IS_LOST,
    PLANT_WRITE_IS_ANOTHER, /* another write is carried out than that which is answered */
    /* of claims */
    PLANT_NUMBER_IS_FORGOTTEN, /* a batch lacks the number that it was applied under: it is applied twice */
    PLANT_EPOCH_IS_REVIVED,    /* a write under an epoch that was replaced is taken */
    PLANT_END_IS_LATE,         /* a session ends with its epoch, but after the answer that replaced it */
    PLANT_RESEND_IS_NEW, /* metadata of an earlier run is taken though its chain was rolled back or claimed since */
    /* of copies of the store */
    PLANT_BITS_REPEAT, /* runs and epochs of all copies have the same bits */
    PLANTS,
};

/* What goes wrong and how slow it is, changed at any time. */
struct simulated_plan {
    enum simulation_plant plant;
    uint64_t pause_us_max;             /* of most calls */
    unsigned hangs_of_1000;            /* calls that take seconds */
    unsigned blocks_percent;           /* reads that memory cannot answer */
    unsigned reads_fail_percent;       /* of the loop's and the pool's */
    unsigned writer_fails_percent;     /* of the writer's, but for names */
    unsigned names_fail_percent;       /* the writer's of names: raises over them are left out */
    unsigned refuses_percent;          /* writes: no space, or no memory */
    unsigned background_fails_of_1000; /* of the writer's steps; nothing else may come of it */
    unsigned space;                    /* 1: none for metadata, 2: nor for commits */
    bool dies_at_start;                /* before or behind the first write of a start, if it has one */
    bool write_in_doubt;               /* the next write, once */
    bool sync_in_doubt;                /* the next sync, once */
};

extern struct simulated_plan simulated_plan;

/* What went wrong since it was cleared, by whoever counts. */
struct simulated_faults {
    uint64_t reads; /* that failed */
    uint64_t writer_reads;
    uint64_t names;   /* of those */
    uint64_t refused; /* writes */
    bool died;        /* at a start's own write */
};

extern struct simulated_faults simulated_faults;

/* Opens the store on that disk, which has that path. */
enum engine_result simulated_engine_open(struct fake_disk *disk, const char *path, struct engine **ret_engine,
                                         struct failure *failure) MUST_CHECK;

#endif
