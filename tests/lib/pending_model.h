/* A naive pending map beside the real one: the list of all operations accepted and not finished, folded anew for every
 * question. Each call goes to both, and asserts that they agree; used by the unit test and the fuzz entry. */
#ifndef TESTS_LIB_PENDING_MODEL_H
#define TESTS_LIB_PENDING_MODEL_H

#include "daemon/lanes/pending.h"

enum {
    PENDING_MODEL_NAMES = 96, /* more than a group holds */
    PENDING_MODEL_CHAINS = 2, /* numbered from 1 */
    PENDING_MODEL_VALUE_BYTES_MAX = METADATA_GROUP_BYTES_MAX + (8 << 10),
};

struct pending_model;

struct pending_model *pending_model_new(uint64_t operations_max, uint64_t bytes_max);
/* Both maps, whatever they hold. */
void pending_model_free(struct pending_model *model);

/* What operations are made of; static. Eight names each share their first byte. */
struct slice pending_model_name(unsigned index);
struct slice pending_model_value(unsigned pattern, size_t bytes);

/* Adds the request if there is room; says whether. Its names and values are the above. */
bool pending_model_request(struct pending_model *model, uint32_t chain,
                           const struct metadata_operation *operations, size_t count);
void pending_model_close(struct pending_model *model);
/* Takes what is closed, and checks each group to the last entry. */
void pending_model_take(struct pending_model *model);
/* Finishes the oldest group that was taken; says whether there was one. */
bool pending_model_finish(struct pending_model *model);

/* Compares all that can be asked. */
void pending_model_check(const struct pending_model *model);

#endif
