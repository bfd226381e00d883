/* The distance of two words counts the letters to insert, to delete, to replace, and the neighbours to exchange. A word is near if no
 * more than a third of the typed one is wrong; one letter may always be. */
#include "client/tool/nearest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    WORD_BYTES_MAX = 32, /* of words that are compared; all names of the tool are shorter */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_BYTES_MAX + 1]; /* the one being filled, the one above it, and that above */
    size_t a_length = strlen(a), b_length = strlen(b);
    assert(a_length <= WORD_BYTES_MAX && b_length <= WORD_BYTES_MAX);
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], above_that[j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

struct nearest nearest_to(const char *word)
{
    size_t far = strlen(word) / 3 + 1;
    return (struct nearest){.word = word, .distance = far < 2 ? 2 : far};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    assert(nearest->word != NULL);
    if (strlen(nearest->word) > WORD_BYTES_MAX || strlen(candidate) > WORD_BYTES_MAX) {
        return;
    }
    size_t far = distance(nearest->word, candidate);
    if (far < nearest->distance && far < strlen(candidate)) { /* some of it is right */
        nearest->distance = far;
        nearest->best = candidate;
    }
}

void nearest_of_words(const char *word, const char *words, char *ret_best, size_t best_bytes)
{
    struct nearest nearest = nearest_to(word);
    assert(best_bytes > WORD_BYTES_MAX);
    ret_best[0] = '\0';
    while (*words != '\0') {
        char candidate[WORD_BYTES_MAX + 1];
        size_t length = strcspn(words, " ");
        if (length <= WORD_BYTES_MAX) {
            snprintf(candidate, sizeof candidate, "%.*s", (int)length, words);
            nearest.best = NULL;
            nearest_offer(&nearest, candidate);
            if (nearest.best != NULL) {
                snprintf(ret_best, best_bytes, "%s", candidate);
            }
        }
        words += length + strspn(words + length, " ");
    }
}
