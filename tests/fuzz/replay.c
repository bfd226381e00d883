/* Runs a fuzz entry without a fuzzer, so that it is part of every `make check`: over its corpus, then over random inputs
 * and random changes of the corpus, from a seed that is printed.
 *
 *   fuzz_NAME [FILE...]
 *
 * With files: over those alone, to see a found input fail again. CAIRN_CORPUS names the directory with a directory of
 * inputs for each NAME, CAIRN_FUZZ_INPUTS how many inputs to make, CAIRN_SEED the seed. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many usual inputs one of this entry's takes the time of; an entry that says nothing: 1. */
extern const unsigned fuzz_weight __attribute__((weak));

enum { INPUT_BYTES_MAX = 64 << 10, MADE_BYTES_MAX = 4096, CORPUS_MAX = 4096, CHANGES_MAX = 8 };

struct input {
    uint8_t *bytes;
    size_t length;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;

static bool add_file(const char *path)
{
    FILE *file = fopen(path, "re");
    uint8_t *bytes = file == NULL ? NULL : malloc(INPUT_BYTES_MAX);
    if (bytes == NULL || corpus_count == CORPUS_MAX) {
        fprintf(stderr, "%s: cannot be taken: %s\n", path, strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        free(bytes);
        return false;
    }
    corpus[corpus_count++] = (struct input){bytes, fread(bytes, 1, INPUT_BYTES_MAX, file)};
    fclose(file);
    return true;
}

/* The files of a directory in the order of their names; a directory that is not there has none. */
static bool add_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    bool added = true;
    for (int i = 0; i < count; i++) {
        char *name;
        if (entries[i]->d_name[0] != '.' && added) {
            added = asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0 && add_file(name);
            free(name);
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return added;
}

/* Sets, inserts, removes or repeats a few bytes. */
static size_t change(struct random_source *random, uint8_t *bytes, size_t length)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, 0xca, '\n', '=', '#', '"'};
    size_t at = random_below(random, length + 1), count = 1 + random_below(random, 8);

    switch (random_below(random, 5)) {
    case 0:
        if (at < length) {
            bytes[at] = (uint8_t)random_next(random);
        }
        return length;
    case 1:
        if (at < length) {
            bytes[at] = telling[random_below(random, sizeof telling)];
        }
        return length;
    case 2:
        if (at < length) {
            bytes[at] = (uint8_t)(bytes[at] ^ 1U << random_below(random, 8));
        }
        return length;
    case 3:
        if (length + count > MADE_BYTES_MAX) {
            return length;
        }
        memmove(bytes + at + count, bytes + at, length - at);
        random_fill(random, bytes + at, count);
        return length + count;
    default:
        if (at + count > length) {
            return at;
        }
        memmove(bytes + at, bytes + at + count, length - at - count);
        return length - count;
    }
}

static size_t make_input(struct random_source *random, uint8_t *ret_bytes)
{
    size_t length;
    if (corpus_count == 0 || random_chance(random, 10)) {
        length = random_below(random, 256);
        random_fill(random, ret_bytes, length);
        return length;
    }
    const struct input *input = &corpus[random_below(random, corpus_count)];
    length = input->length < MADE_BYTES_MAX ? input->length : MADE_BYTES_MAX;
    memcpy(ret_bytes, input->bytes, length);
    for (uint64_t i = 1 + random_below(random, CHANGES_MAX); i > 0; i--) {
        length = change(random, ret_bytes, length);
    }
    return length;
}

static bool gather(int argc, char **argv)
{
    const char *directory = getenv("CAIRN_CORPUS");
    const char *name = strrchr(argv[0], '/');
    bool gathered = true;
    char *path;

    for (int i = 1; i < argc; i++) {
        gathered = gathered && add_file(argv[i]);
    }
    if (argc > 1 || directory == NULL) {
        return gathered;
    }
    name = name == NULL ? argv[0] : name + 1;
    if (strncmp(name, "fuzz_", 5) == 0) {
        name += 5;
    }
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        return false;
    }
    gathered = add_directory(path);
    free(path);
    return gathered;
}

int main(int argc, char **argv)
{
    const char *inputs = getenv("CAIRN_FUZZ_INPUTS");
    unsigned long count = argc > 1                            ? 0
                          : inputs == NULL || *inputs == '\0' ? 20000
                                                              : strtoul(inputs, NULL, 10);
    static uint8_t bytes[MADE_BYTES_MAX];

    count = &fuzz_weight != NULL ? count / fuzz_weight : count;
    if (!gather(argc, argv)) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < corpus_count; i++) {
        LLVMFuzzerTestOneInput(corpus[i].bytes, corpus[i].length);
    }
    struct random_source random = random_from(random_seed("fuzz inputs"));
    for (unsigned long i = 0; i < count; i++) {
        size_t length = make_input(&random, bytes);
        LLVMFuzzerTestOneInput(bytes, length);
    }
    for (size_t i = 0; i < corpus_count; i++) {
        free(corpus[i].bytes);
    }
    printf("%zu inputs of the corpus and %lu made ones\n", corpus_count, count);
    printf("100%%: Checks: 1, Failures: 0, Errors: 0\n"); /* as Check says it, for scripts/test.sh */
    return EXIT_SUCCESS;
}
