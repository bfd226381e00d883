/* What the contract says is there, for tests/lib/applied.h: one chain in a small world. What is pruned and not yet swept counts as gone, as
 * it does for readers. Pure. */
#ifndef TESTS_LIB_APPLIED_MODEL_H
#define TESTS_LIB_APPLIED_MODEL_H

#include "tests/lib/applied.h"

enum { MODEL_HEIGHTS = 12, MODEL_HASHES = 6, MODEL_NAMES = 6, MODEL_EPOCHS_MAX = 64 };

/* model_hashes[0] is none. */
extern const char *const model_hashes[MODEL_HASHES + 1];
extern const char *const model_names[MODEL_NAMES];

struct applied_name {
    bool present;
    uint64_t of_height;
    size_t length;
    uint8_t bytes[8];
};

struct applied_model_epoch {
    struct epoch epoch;
    uint64_t last_number;
};

struct applied_model {
    uint64_t height;
    uint64_t blocks_pruned;
    uint64_t states_from;
    uint64_t hash_of[MODEL_HEIGHTS + 1]; /* 0: no block */
    bool has_data[MODEL_HEIGHTS + 1];
    uint64_t index[MODEL_HASHES + 1];
    bool states[MODEL_HEIGHTS + 1];
    struct applied_name names[MODEL_NAMES];
    /* of the chain's claims, in order: the last one is the chain's last epoch */
    struct applied_model_epoch epochs[MODEL_EPOCHS_MAX];
    size_t epoch_count;
    bool is_released;
    uint64_t number_before_drop; /* of the chain that was dropped, until there is a claim or a restart */
};

/* The operations take effect, one after the other. */
void applied_model_metadata(struct applied_model *model, const struct metadata_operation *operations,
                            size_t count);

struct applied_model_answer {
    enum status status;
    enum conflict_reason reason; /* REASON_NUMBER, where it is that */
    bool is_repeated;
    struct job_counts counts; /* what goes: a dry run says it */
};

/* A commit, prune or rollback, behind what it carries; where it is refused the model is left as it comes. */
struct applied_model_answer applied_model_job(struct applied_model *model, const struct job *job);

void applied_model_claim(struct applied_model *model, struct epoch epoch);
/* Of the last epoch. */
uint64_t applied_model_last_number(const struct applied_model *model);
/* And made anew, empty. */
void applied_model_drop(struct applied_model *model);

#endif
