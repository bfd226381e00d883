#include "tests/lib/words.h"

#include <string.h>

/* printf is too slow for some ten million of these. */
static void add_text(struct answer *answer, const char *text)
{
    size_t n = strlen(text);
    if (n < sizeof answer->text - answer->n) {
        memcpy(answer->text + answer->n, text, n);
        answer->n += n;
    }
}

static void add_number(struct answer *answer, const char *label, uint64_t number)
{
    char text[24] = {0};
    char *at = text + sizeof text - 1;
    do {
        *--at = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number != 0);
    add_text(answer, label);
    add_text(answer, at);
}

void words_height(struct answer *answer, uint64_t height)
{
    add_number(answer, "height ", height);
}

void words_block(struct answer *answer, uint64_t height, uint32_t parts, uint64_t header, uint64_t data,
                 uint64_t signature, uint64_t hash)
{
    add_number(answer, "[block ", height);
    const uint64_t digests[] = {header, data, signature, hash};
    static const char *const labels[] = {" header ", " data ", " signature ", " hash "};
    for (unsigned i = 0; i < 4; i++) {
        if (parts & 1U << i) {
            add_number(answer, labels[i], digests[i]);
        }
    }
    add_text(answer, "]");
}

void words_absent_block(struct answer *answer, uint64_t height)
{
    add_number(answer, "[no block ", height);
    add_text(answer, "]");
}

void words_state(struct answer *answer, uint64_t height, uint64_t value)
{
    add_number(answer, "state ", height);
    add_number(answer, " = ", value);
}

void words_metadata(struct answer *answer, uint32_t name, uint32_t parts, uint64_t value, uint64_t of_height,
                    uint64_t size)
{
    add_text(answer, "[");
    if (name != NAMES_KNOWN) {
        add_number(answer, "name ", name);
    }
    if (parts & 1) {
        add_number(answer, " = ", value);
    }
    if (parts & 2 && of_height != 0) {
        add_number(answer, " of ", of_height);
    }
    if (parts & 4) {
        add_number(answer, " size ", size);
    }
    add_text(answer, "]");
}

void words_absent_metadata(struct answer *answer, uint32_t name)
{
    add_number(answer, "[no name ", name);
    add_text(answer, "]");
}

void words_chain(struct answer *answer, const char *name, uint64_t height, uint64_t blocks, uint64_t states)
{
    add_text(answer, "[chain ");
    add_text(answer, name);
    add_number(answer, " height ", height);
    add_number(answer, " blocks pruned ", blocks);
    add_number(answer, " states pruned ", states);
    add_text(answer, "]");
}
