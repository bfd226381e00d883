/* The nearest of several words to one that was mistyped: "did you mean". Pure. */
#ifndef TOOL_NEAREST_H
#define TOOL_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word;
    const char *best; /* NULL: none is near enough */
    size_t distance;  /* of the best; before there is one, the first that is too far */
};

/* Begins to look for what is nearest to the word. */
struct nearest nearest_to(const char *word);

/* Offers one more word, which is borrowed. Of several that are equally near, the first is the best. */
void nearest_offer(struct nearest *nearest, const char *candidate);

/* Offers each of the words that stand between blanks, and copies the best; `ret_best` is empty if none is near enough. */
void nearest_of_words(const char *word, const char *words, char *ret_best, size_t best_bytes);

#endif
