/* The modes of side, and which of its options each takes. */
#include "tests/bench/side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mode {
    const char *name;
    const char *second; /* the word behind the first argument; NULL: none */
    const char *arguments;
    bool more; /* any number of arguments may follow the last */
    const char *options;
    enum side_exit (*run)(const struct side_options *options);
};

static const struct mode modes[] = {
    {"echo-server", NULL, "SOCKET", false, "", side_echo_server},
    {"echo", NULL, "SOCKET", false, "request reply clients depth duration warmup", side_echo},
    {"redis", "set", "SOCKET set", false, "size names clients depth duration warmup", side_redis},
    {"redis", "get", "SOCKET get", false, "size names clients depth duration warmup", side_redis},
    {"rocksdb", "commit", "DIRECTORY commit", false, "size header batch level duration warmup",
     side_rocksdb_commit},
    {"rocksdb", "stream", "DIRECTORY stream", false, "heights cold duration warmup", side_rocksdb_stream},
    {"replay-server", NULL, "SOCKET DIRECTORY", false, "", side_replay_server},
    {"replay", NULL, "SOCKET FILE...", true, "", side_replay},
};

enum { MODES = sizeof modes / sizeof modes[0] };

static void usage(void)
{
    fprintf(stderr, "usage:\n");
    for (size_t i = 0; i < MODES; i++) {
        fprintf(stderr, "  side %s %s", modes[i].name, modes[i].arguments);
        for (const char *option = modes[i].options; *option != '\0';) {
            int length = (int)strcspn(option, " ");
            fprintf(stderr, " [--%.*s]", length, option);
            option += length + (option[length] == ' ');
        }
        fprintf(stderr, "\n");
    }
}

static int run(const struct side_options *options)
{
    for (size_t i = 0; i < MODES && options->word_count > 0; i++) {
        const struct mode *mode = &modes[i];
        size_t words = strchr(mode->arguments, ' ') != NULL ? 3 : 2;
        if (strcmp(options->words[0], mode->name) == 0 &&
            (options->word_count == words || (mode->more && options->word_count > words)) &&
            (mode->second == NULL || strcmp(options->words[2], mode->second) == 0)) {
            return side_options_only(mode->name, mode->options) ? (int)mode->run(options) : SIDE_USAGE;
        }
    }
    fprintf(stderr, "side: no such mode, or not with those words\n");
    usage();
    return SIDE_USAGE;
}

int main(int argc, char **argv)
{
    struct side_options options;
    int code = side_options_read(&options, argc, argv) ? run(&options) : SIDE_USAGE;
    free(options.words);
    return code;
}
