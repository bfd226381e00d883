/* The options' life: defaults, then the command line, which may only ask for help and names the configuration file, then the
 * environment, then that file. A value replaces one from a source that ranks below its own, whatever the order. At SIGHUP main
 * builds fresh options in the same way and takes the reloadable ones over.
 *
 * Ways to fail: the first thing wrong in a source ends the reading with a text that names it; the options are then useless. */
#include "daemon/config/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/configuration.h"
#include "daemon/config/options_table.h"
#include "daemon/config/setting.h"

#define ENVIRONMENT     "CAIRND_"
#define ENVIRONMENT_LEN (sizeof ENVIRONMENT - 1)

enum {
    FILE_BYTES_MAX = 1 << 20, /* a larger file was named by mistake */
    QUOTE_BYTES = 96,         /* room for a value repeated in an error's text, with its NUL */
};

__attribute__((format(printf, 2, 3))) static bool fail(struct options_error *ret_error, const char *format,
                                                       ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return false;
}

/* A text from outside, made fit to be repeated on one line: cut, and without control characters. */
static const char *quote(const char *text, char *ret_quoted)
{
    size_t length = strnlen(text, QUOTE_BYTES);

    for (size_t i = 0; i < length; i++) {
        ret_quoted[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    }
    if (length == QUOTE_BYTES) {
        memcpy(ret_quoted + QUOTE_BYTES - 4, "...", 4);
    } else {
        ret_quoted[length] = '\0';
    }
    return ret_quoted;
}

/* Takes a value over, unless the present one is from a source that ranks above. A bad value is refused in either case. */
static bool set(struct options *options, const struct setting *setting, const char *value,
                enum options_source source, unsigned line, char *ret_reason)
{
    struct options_origin *origin = &options->origins[setting - options_table];
    struct options judged;

    assert(setting >= options_table && setting < options_table + options_table_count); /* it has an origin */
    assert((source == OPTIONS_FILE) == (line > 0)); /* options_print shows a line only of the file */
    if (origin->source > source) {
        return setting_parse(setting, value, &judged, ret_reason);
    }
    if (!setting_parse(setting, value, options, ret_reason)) {
        return false;
    }
    *origin = (struct options_origin){source, line};
    return true;
}

void options_init(struct options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    for (size_t i = 0; i < options_table_count; i++) {
        setting_init(&options_table[i], ret_options);
    }
}

/* ---- the configuration file ---- */

struct file_context {
    struct options *options;
    unsigned lines[OPTIONS_COUNT_MAX]; /* where each setting stands, 0: not yet */
};

/* configuration_read calls it for each setting. */
static bool file_take(void *context, unsigned line, const char *name, const char *value,
                      char ret_text[CONFIGURATION_ERROR_BYTES])
{
    struct file_context *file = context;
    const struct setting *setting = options_table_find(name);
    char reason[SETTING_REASON_BYTES], quoted[QUOTE_BYTES];
    const char *near = options_table_nearest(name, false);
    unsigned *first;

    assert(line > 0); /* 0 in file->lines means: not seen yet */
    if (setting == NULL) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "there is no setting \"%s\"; %s%s%s",
                 quote(name, quoted), near != NULL ? "did you mean " : "cairnd --help lists them",
                 near != NULL ? near : "", near != NULL ? "?" : "");
        return false;
    }
    first = &file->lines[setting - options_table];
    if (setting->file_refusal != NULL) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "%s may not stand here: %s", name,
                 setting->file_refusal);
    } else if (*first != 0) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES,
                 "%s stands here a second time, first on line %u; leave one out", name, *first);
    } else if (!set(file->options, setting, value, OPTIONS_FILE, line, reason)) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "%s = \"%s\": %s", name, quote(value, quoted), reason);
    } else {
        *first = line;
        return true;
    }
    return false;
}

bool options_parse_file(struct options *options, const char *file_name, const char *bytes, size_t n,
                        struct options_error *ret_error)
{
    struct file_context file = {.options = options};
    struct configuration_error error;
    char quoted[QUOTE_BYTES];

    if (configuration_read(bytes, n, file_take, &file, &error)) {
        return true;
    }
    assert(error.line > 0);
    return fail(ret_error, "%s:%u: %s", quote(file_name, quoted), error.line, error.text);
}

/* ---- the environment ---- */

/* Takes NAME=value, of a variable CAIRND_NAME=value. */
static bool environment_take(struct options *options, const char *variable, struct options_error *ret_error)
{
    char name[OPTIONS_NAME_BYTES], spelled[OPTIONS_NAME_BYTES], quoted[QUOTE_BYTES],
        reason[SETTING_REASON_BYTES];
    const char *equals = strchr(variable, '=');
    const struct setting *setting = NULL;
    const char *near;

    assert(equals != NULL); /* the name ends before it, the value begins behind it */
    for (size_t i = 0; i < options_table_count && setting == NULL; i++) {
        size_t length = strlen(options_table[i].name);

        options_table_spell(options_table[i].name, true, spelled);
        if (strncmp(variable, spelled, length) == 0 && variable[length] == '=') {
            setting = &options_table[i];
        }
    }
    if (setting == NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(equals - variable), variable);
        for (size_t i = 0; name[i] != '\0'; i++) {
            name[i] = (char)tolower((unsigned char)name[i]);
        }
        near = options_table_nearest(name, false);
        if (near == NULL) {
            return fail(ret_error,
                        "environment: there is no setting " ENVIRONMENT "%s; cairnd --help lists them",
                        quote(variable, quoted));
        }
        options_table_spell(near, true, spelled);
        return fail(ret_error,
                    "environment: there is no setting " ENVIRONMENT "%s; did you mean " ENVIRONMENT "%s?",
                    quote(variable, quoted), spelled);
    }
    if (!set(options, setting, equals + 1, OPTIONS_ENVIRONMENT, 0, reason)) {
        return fail(ret_error, "environment: " ENVIRONMENT "%s: %s", quote(variable, quoted), reason);
    }
    return true;
}

bool options_parse_environment(struct options *options, char *const *environment,
                               struct options_error *ret_error)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, ENVIRONMENT, ENVIRONMENT_LEN) == 0 && strchr(*environment, '=') != NULL) {
            if (!environment_take(options, *environment + ENVIRONMENT_LEN, ret_error)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the command line ---- */

static void long_options(char names[][OPTIONS_NAME_BYTES], struct option *ret_long)
{
    memset(ret_long, 0, (options_table_count + OPTIONS_COMMANDS + 1) * sizeof *ret_long);
    for (size_t i = 0; i < options_table_count; i++) {
        options_table_spell(options_table[i].name, false, names[i]);
        ret_long[i].name = names[i];
        ret_long[i].has_arg = options_table[i].type == SETTING_FLAG ? no_argument : required_argument;
    }
    for (size_t i = 0; i < OPTIONS_COMMANDS; i++) {
        ret_long[options_table_count + i].name = options_commands[i].name;
        ret_long[options_table_count + i].has_arg = no_argument;
    }
}

/* Says what getopt_long meant by '?' or ':' for the argument. */
static bool refuse_argument(int answer, const char *argument, struct options_error *ret_error)
{
    char quoted[QUOTE_BYTES], name[OPTIONS_NAME_BYTES], hint[OPTIONS_NAME_BYTES];
    const char *near;

    assert(answer == '?' || answer == ':');
    quote(argument, quoted);
    if (answer == ':') {
        return fail(ret_error, "%s lacks its value; cairnd --help says what it takes", quoted);
    }
    if (strncmp(argument, "--", 2) != 0) {
        return fail(ret_error, "there is no flag %s; cairnd --help lists them", quoted);
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    near = options_table_nearest(name, true);
    if (near == NULL) {
        return fail(ret_error, "there is no flag %s; cairnd --help lists them", quoted);
    }
    options_table_spell(near, false, hint);
    if (strcmp(name, hint) == 0) {
        return fail(ret_error, "--%s takes no value", hint);
    }
    return fail(ret_error, "there is no flag %s; did you mean --%s?", quoted, hint);
}

enum options_action options_parse_arguments(struct options *options, int argc, char **argv,
                                            struct options_error *ret_error)
{
    char names[OPTIONS_COUNT_MAX][OPTIONS_NAME_BYTES], reason[SETTING_REASON_BYTES], quoted[QUOTE_BYTES];
    struct option known[OPTIONS_COUNT_MAX + OPTIONS_COMMANDS + 1];
    enum options_action action = OPTIONS_RUN;

    long_options(names, known);
    optind = 0; /* glibc starts anew with 0; main may load options more than once */
    opterr = 0;
    for (;;) {
        size_t place;
        int at = 0;
        int before = optind > 0 ? optind : 1;
        int answer = getopt_long(argc, argv, "+:", known, &at);

        if (answer == -1) {
            break;
        }
        if (answer != 0) {
            refuse_argument(answer, argv[before], ret_error);
            return OPTIONS_USAGE_ERROR;
        }
        place = (size_t)at;
        assert(place < options_table_count + OPTIONS_COMMANDS); /* long_options has no others */
        if (place >= options_table_count) {
            action = options_commands[place - options_table_count].action;
            continue;
        }
        if (!set(options, &options_table[place], optarg != NULL ? optarg : "yes", OPTIONS_FLAG, 0, reason)) {
            fail(ret_error, "--%s \"%s\": %s", names[place], quote(optarg, quoted), reason);
            return OPTIONS_USAGE_ERROR;
        }
    }
    if (optind < argc) {
        fail(ret_error, "\"%s\" is no flag; every argument of cairnd begins with --",
             quote(argv[optind], quoted));
        return OPTIONS_USAGE_ERROR;
    }
    return action;
}

/* ---- the whole ---- */

bool options_check(const struct options *options, struct options_error *ret_error)
{
    uint64_t frame = options->frame_bytes_max;

    if (options->data[0] == '\0') {
        return fail(
            ret_error,
            "no data directory; name it with --data DIR, or data = DIR in the file given by --config");
    }
    if (options->requests_bytes_max / 2 < frame) {
        return fail(ret_error,
                    "requests_bytes_max (%" PRIu64 " bytes) must be at least twice frame_bytes_max (%" PRIu64
                    " bytes); raise it or lower the other",
                    options->requests_bytes_max, frame);
    }
    if (options->replies_bytes_max < frame) {
        return fail(ret_error,
                    "replies_bytes_max (%" PRIu64 " bytes) must be at least frame_bytes_max (%" PRIu64
                    " bytes); raise it or lower the other",
                    options->replies_bytes_max, frame);
    }
    return true;
}

void options_reload(struct options *options, const struct options *fresh, size_t ignored_bytes,
                    char *ret_ignored)
{
    char before[SETTING_VALUE_BYTES], after[SETTING_VALUE_BYTES], reason[SETTING_REASON_BYTES];
    size_t used = 0;

    assert(ignored_bytes > 0); /* the NUL has room */
    assert(options != fresh);  /* what changes is told from what is the same */
    ret_ignored[0] = '\0';
    for (size_t i = 0; i < options_table_count; i++) {
        setting_format(&options_table[i], options, before);
        setting_format(&options_table[i], fresh, after);
        if (options_table[i].reloadable) {
            bool taken = setting_parse(&options_table[i], after, options, reason);

            assert(taken); /* it was formatted from a good value */
            options->origins[i] = fresh->origins[i];
        } else if (strcmp(before, after) != 0 && used < ignored_bytes) {
            used += (size_t)snprintf(ret_ignored + used, ignored_bytes - used, "%s%s", used > 0 ? ", " : "",
                                     options_table[i].name);
        }
    }
}

void options_print(const struct options *options, FILE *out)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    char value[SETTING_VALUE_BYTES];

    for (size_t i = 0; i < options_table_count; i++) {
        const struct options_origin *origin = &options->origins[i];
        const char *before = options_table[i].file_refusal != NULL ? "# " : "";
        int width;

        assert(origin->source <= OPTIONS_FLAG);
        setting_format(&options_table[i], options, value);
        width = fprintf(out, "%s%s = %s", before, options_table[i].name, value);
        fprintf(out, "%*s ; ", width < 40 ? 40 - width : 0, "");
        if (origin->source == OPTIONS_FILE) {
            fprintf(out, "%s:%u\n", options->config, origin->line);
        } else {
            fprintf(out, "%s\n", sources[origin->source]);
        }
    }
}

void options_help(FILE *out)
{
    char name[OPTIONS_NAME_BYTES], range[SETTING_REASON_BYTES], value[SETTING_VALUE_BYTES];
    struct options initial;

    options_init(&initial);
    fprintf(
        out,
        "cairnd [--config FILE] --data DIR --socket PATH [--create] [--SETTING VALUE]...\n\n"
        "Keeps a node's data in DIR and serves it over the Unix socket PATH.\n\n"
        "Settings, also as CAIRND_SETTING in the environment, and as setting = VALUE in FILE with _ for -.\n"
        "The command line goes before the environment, that before the file.\n\n");
    for (size_t i = 0; i < options_table_count; i++) {
        assert(options_table[i].help != NULL); /* it would be printed as (null) */
        options_table_spell(options_table[i].name, false, name);
        fprintf(out, "  --%-22s %s", name, options_table[i].help);
        if (options_table[i].type != SETTING_TEXT && options_table[i].type != SETTING_FLAG) {
            setting_format(&options_table[i], &initial, value);
            setting_format_range(&options_table[i], range);
            fprintf(out, "\n%27s%s; default %s%s", "", range, value,
                    options_table[i].reloadable ? "; taken over by a reload (SIGHUP)" : "");
        }
        fputc('\n', out);
    }
    fputs("\nInstead of serving:\n\n", out);
    for (size_t i = 0; i < OPTIONS_COMMANDS; i++) {
        fprintf(out, "  --%-22s %s\n", options_commands[i].name, options_commands[i].help);
    }
    fputs("\nExit codes: 0 stopped as told, 1 failed, 2 wrong usage, 65 the store is damaged, 73 another "
          "daemon has the\n"
          "directory, 74 an I/O error ended it, 78 the directory is not a store this daemon serves.\n",
          out);
}

/* Takes over the settings of the file that options->config names. */
static bool load_file(struct options *options, struct options_error *ret_error)
{
    assert(options->config[0] != '\0'); /* a file was named */
    FILE *file = fopen(options->config, "re");
    char *bytes = file == NULL ? NULL : malloc(FILE_BYTES_MAX);
    char name[QUOTE_BYTES];
    bool loaded;
    size_t n;

    if (file == NULL) {
        return fail(ret_error, "%s: cannot be opened: %s", quote(options->config, name), strerror(errno));
    }
    errno = ENOMEM;
    n = bytes == NULL ? 0 : fread(bytes, 1, FILE_BYTES_MAX, file);
    if (bytes == NULL || ferror(file)) {
        loaded = fail(ret_error, "%s: cannot be read: %s", quote(options->config, name), strerror(errno));
    } else if (n == FILE_BYTES_MAX) {
        loaded =
            fail(ret_error, "%s: larger than 1 MiB; no configuration file is", quote(options->config, name));
    } else {
        loaded = options_parse_file(options, options->config, bytes, n, ret_error);
    }
    free(bytes);
    fclose(file);
    return loaded;
}

enum options_action options_load(int argc, char **argv, char *const *environment, struct options *ret_options,
                                 struct options_error *ret_error)
{
    enum options_action action;

    options_init(ret_options);
    action = options_parse_arguments(ret_options, argc, argv, ret_error);
    if (action == OPTIONS_USAGE_ERROR || action == OPTIONS_VERSION || action == OPTIONS_HELP) {
        return action;
    }
    if (!options_parse_environment(ret_options, environment, ret_error)) {
        return OPTIONS_CONFIG_ERROR;
    }
    if (ret_options->config[0] != '\0' && !load_file(ret_options, ret_error)) {
        return OPTIONS_CONFIG_ERROR;
    }
    if (action != OPTIONS_PRINT && !options_check(ret_options, ret_error)) {
        return ret_options->data[0] == '\0' ? OPTIONS_USAGE_ERROR : OPTIONS_CONFIG_ERROR;
    }
    return action;
}
