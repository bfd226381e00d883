/* What an answer says, in words that are the same whether they come from the model or from a reply. Values stand as
 * digests, heights as on the wire. */
#ifndef TESTS_LIB_WORDS_H
#define TESTS_LIB_WORDS_H

#include "tests/lib/operation.h"

void words_height(struct answer *answer, uint64_t height);
/* Parts that are not in the mask are not told. */
void words_block(struct answer *answer, uint64_t height, uint32_t parts, uint64_t header, uint64_t data,
                 uint64_t signature, uint64_t hash);
void words_absent_block(struct answer *answer, uint64_t height);
void words_state(struct answer *answer, uint64_t height, uint64_t value);
/* NAMES_KNOWN: the name is not told, nor is what is not in the mask. of_height 0: unbound. */
void words_metadata(struct answer *answer, uint32_t name, uint32_t parts, uint64_t value, uint64_t of_height,
                    uint64_t size);
void words_absent_metadata(struct answer *answer, uint32_t name);
/* states: one more than the height; 0: none. */
void words_chain(struct answer *answer, const char *name, uint64_t height, uint64_t blocks, uint64_t states);

#endif
