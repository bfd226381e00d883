/* Any bytes as a configuration file: never a fault; what is refused has texts of one line; what is taken is in its bounds
 * and, printed, is read back to the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct options_errors errors;

static void check_errors(void)
{
    assert(errors.count > 0);
    for (size_t i = 0; i < errors.count && i < OPTIONS_ERRORS_MAX; i++) {
        size_t length = strnlen(errors.texts[i], sizeof errors.texts[i]);
        assert(length > 0 && length < sizeof errors.texts[i]);
        for (size_t at = 0; at < length; at++) {
            assert(errors.texts[i][at] >= ' ' && errors.texts[i][at] < 0x7f);
        }
    }
}

static void check_printed(const struct options *options)
{
    static struct options again;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert(out != NULL);
    options_print(options, out);
    fclose(out);
    options_init(&again);
    bool parsed = options_parse_file(&again, "printed", text, n, &errors);
    assert(parsed);
    assert(options->queue_bytes_max == again.queue_bytes_max);
    assert(strcmp(options->data, again.data) == 0 && strcmp(options->readers, again.readers) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    char *text = malloc(size + 1); /* a copy of exact size, so that a byte read beyond the end is found */
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    char *exact = realloc(text, size == 0 ? 1 : size);
    assert(exact != NULL);

    options_init(&options);
    errors.count = 0;
    if (options_parse_file(&options, "fuzz.conf", exact, size, &errors)) {
        assert(options.frame_bytes_max >= 65536 && options.frame_bytes_max <= 256 << 20);
        assert(options.streams_max >= 1);
        assert(!options.create && options.config[0] == '\0');
        check_printed(&options);
        if (!options_check(&options, &errors)) {
            check_errors();
        }
    } else {
        check_errors();
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
    errors.count = 0;
    if (!options_parse_environment(&options, environment, &errors)) {
        check_errors();
    }
    free(variable);
    return 0;
}
