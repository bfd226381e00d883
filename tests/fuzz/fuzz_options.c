/* Any bytes as a configuration file: never a fault; what is refused has a text of one line; what is taken is in its bounds
 * and, printed, is read back to the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct options_error *error)
{
    size_t length = strnlen(error->text, sizeof error->text);
    assert(length > 0 && length < sizeof error->text);
    for (size_t i = 0; i < length; i++) {
        assert((unsigned char)error->text[i] >= ' ');
    }
}

static void check_printed(const struct options *options)
{
    static struct options again;
    struct options_error error;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert(out != NULL);
    options_print(options, out);
    fclose(out);
    options_init(&again);
    if (strstr(options->data, ";") == NULL && strstr(options->socket, ";") == NULL &&
        strstr(options->socket_group, ";") == NULL) {
        bool parsed = options_parse_file(&again, "printed", text, n, &error);
        assert(parsed || strstr(error.text, "longer than") != NULL);
        assert(!parsed || options->queue_bytes_max == again.queue_bytes_max);
        assert(!parsed || strcmp(options->data, again.data) == 0);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    struct options_error error = {{0}};
    char *text = malloc(size + 1); /* a copy of exact size, so that a byte read beyond the end is found */
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    char *exact = realloc(text, size == 0 ? 1 : size);
    assert(exact != NULL);

    options_init(&options);
    if (options_parse_file(&options, "fuzz.conf", exact, size, &error)) {
        assert(options.frame_bytes_max >= 65536 && options.frame_bytes_max <= 256 << 20);
        assert(options.streams_max >= 1);
        assert(!options.create && options.config[0] == '\0');
        check_printed(&options);
        if (!options_check(&options, &error)) {
            check_error(&error);
        }
    } else {
        check_error(&error);
    }
    free(exact);

    /* and as a variable of the environment */
    char *variable = malloc(size + sizeof "CAIRND_");
    assert(variable != NULL);
    memcpy(variable, "CAIRND_", 7);
    if (size > 0) {
        memcpy(variable + 7, data, size);
    }
    variable[size + 7] = '\0';
    char *environment[] = {variable, NULL};
    options_init(&options);
    if (!options_parse_environment(&options, environment, &error)) {
        check_error(&error);
    }
    free(variable);
    return 0;
}
