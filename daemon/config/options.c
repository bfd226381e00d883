/* The options' life: defaults, then the command line, which may only ask for help and names the configuration file, then the
 * environment, then that file. A value replaces one from a source that ranks below its own, whatever the order. At SIGHUP main
 * builds fresh options in the same way and takes the reloadable ones over.
 *
 * Ways to fail: each error is noted and reading goes on, so that one look shows all of them; the options must not be used then. A
 * command line is read only up to its first error, since what follows may be the value of the faulty option. */
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
#include "daemon/runtime/exit_code.h"

#define ENVIRONMENT     "CAIRND_"
#define ENVIRONMENT_LEN (sizeof ENVIRONMENT - 1)

enum {
    FILE_BYTES_MAX = 1 << 20, /* a larger file was named by mistake */
    QUOTE_BYTES = 256,        /* room for a text repeated in an error's, with its NUL */
};

__attribute__((format(printf, 2, 3))) static bool fail(struct options_errors *errors, const char *format, ...)
{
    va_list arguments;

    if (errors->count < OPTIONS_ERRORS_MAX) {
        va_start(arguments, format);
        vsnprintf(errors->texts[errors->count], sizeof errors->texts[0], format, arguments);
        va_end(arguments);
    }
    errors->count++;
    return false;
}

/* A text from outside, made fit to be repeated on one line of a terminal: what is not printable ASCII becomes \xNN, and it is cut. */
static const char *quote(const char *text, char *ret_quoted)
{
    size_t used = 0;

    for (; *text != '\0' && used < QUOTE_BYTES - sizeof "\\xff...."; text++) {
        bool is_plain = *text >= ' ' && *text < 0x7f;
        used += (size_t)snprintf(ret_quoted + used, QUOTE_BYTES - used, is_plain ? "%c" : "\\x%02x",
                                 (unsigned char)*text);
    }
    snprintf(ret_quoted + used, QUOTE_BYTES - used, "%s", *text == '\0' ? "" : "...");
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
        bool is_good = setting_parse(setting, value, &judged, ret_reason);
        bool is_other =
            is_good && strcmp(setting->name, "data") == 0 && strcmp(judged.data, options->data) != 0;
        if (is_other && source == OPTIONS_FILE) {
            snprintf(options->data_in_file, sizeof options->data_in_file, "%s", judged.data);
        }
        return is_good;
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
    const char *name;
    struct options_errors *errors;
    unsigned lines[OPTIONS_COUNT_MAX]; /* where each setting stands, 0: not yet */
};

static bool file_take(void *context, unsigned line, const char *name, const char *value,
                      char ret_text[CONFIGURATION_ERROR_BYTES])
{
    struct file_context *file = context;
    const struct setting *setting = options_table_find(name);
    char reason[SETTING_REASON_BYTES], quoted[QUOTE_BYTES];
    unsigned *first;

    assert(line > 0); /* 0 in file->lines means: not seen yet */
    if (setting == NULL) {
        const char *near = options_table_nearest(name, false);
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
        *first = line;
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "%s = \"%s\": %s", name, quote(value, quoted), reason);
    } else {
        *first = line;
        return true;
    }
    return false;
}

static void file_refuse(void *context, unsigned line, const char *text)
{
    struct file_context *file = context;
    char quoted[QUOTE_BYTES];

    assert(line > 0);
    fail(file->errors, "%s:%u: %s", quote(file->name, quoted), line, text);
}

bool options_parse_file(struct options *options, const char *file_name, const char *bytes, size_t n,
                        struct options_errors *errors)
{
    struct file_context file = {.options = options, .name = file_name, .errors = errors};
    struct configuration_taker taker = {file_take, file_refuse, &file};
    size_t before = errors->count;

    bool is_good = configuration_read(bytes, n, &taker);
    assert(is_good == (errors->count == before)); /* each refusal has its text */
    return is_good;
}

/* ---- the environment ---- */

/* Takes NAME=value, of a variable CAIRND_NAME=value. */
static bool environment_take(struct options *options, const char *variable, struct options_errors *errors)
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
            return fail(errors,
                        "environment: there is no setting " ENVIRONMENT "%s; cairnd --help lists them",
                        quote(variable, quoted));
        }
        options_table_spell(near, true, spelled);
        return fail(errors,
                    "environment: there is no setting " ENVIRONMENT "%s; did you mean " ENVIRONMENT "%s?",
                    quote(variable, quoted), spelled);
    }
    if (setting->environment_refusal != NULL) {
        return fail(errors, "environment: " ENVIRONMENT "%s may not stand here: %s", quote(variable, quoted),
                    setting->environment_refusal);
    }
    if (!set(options, setting, equals + 1, OPTIONS_ENVIRONMENT, 0, reason)) {
        return fail(errors, "environment: " ENVIRONMENT "%s: %s", quote(variable, quoted), reason);
    }
    return true;
}

bool options_parse_environment(struct options *options, char *const *environment,
                               struct options_errors *errors)
{
    bool is_good = true;

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, ENVIRONMENT, ENVIRONMENT_LEN) == 0 && strchr(*environment, '=') != NULL) {
            is_good = environment_take(options, *environment + ENVIRONMENT_LEN, errors) && is_good;
        }
    }
    return is_good;
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
static bool refuse_argument(int answer, const char *argument, struct options_errors *errors)
{
    char quoted[QUOTE_BYTES], name[OPTIONS_NAME_BYTES], hint[OPTIONS_NAME_BYTES];
    const char *near;

    assert(answer == '?' || answer == ':');
    quote(argument, quoted);
    if (answer == ':') {
        return fail(errors, "%s lacks its value; cairnd --help says what it takes", quoted);
    }
    if (strncmp(argument, "--", 2) != 0) {
        return fail(errors, "there is no flag %s; cairnd --help lists them", quoted);
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    near = options_table_nearest(name, true);
    if (near == NULL) {
        return fail(errors, "there is no flag %s; cairnd --help lists them", quoted);
    }
    options_table_spell(near, false, hint);
    if (strcmp(name, hint) == 0) {
        return fail(errors, "--%s takes no value", hint);
    }
    return fail(errors, "there is no flag %s; did you mean --%s?", quoted, hint);
}

enum options_action options_parse_arguments(struct options *options, int argc, char **argv,
                                            struct options_errors *errors)
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
            refuse_argument(answer, argv[before], errors);
            return OPTIONS_REFUSED;
        }
        place = (size_t)at;
        assert(place < options_table_count + OPTIONS_COMMANDS); /* long_options has no others */
        if (place >= options_table_count) {
            action = options_commands[place - options_table_count].action;
            continue;
        }
        if (!set(options, &options_table[place], optarg != NULL ? optarg : "yes", OPTIONS_FLAG, 0, reason)) {
            fail(errors, "--%s \"%s\": %s", names[place], quote(optarg, quoted), reason);
            return OPTIONS_REFUSED;
        }
    }
    if (optind < argc) {
        fail(errors, "\"%s\" is no flag; every argument of cairnd begins with --",
             quote(argv[optind], quoted));
        return OPTIONS_REFUSED;
    }
    return action;
}

/* ---- the whole ---- */

bool options_check(const struct options *options, struct options_errors *errors)
{
    uint64_t frame = options->frame_bytes_max;
    bool is_good = true;

    if (options->data[0] == '\0') {
        is_good =
            fail(errors,
                 "no data directory; name it with --data DIR, or data = DIR in the file given by --config");
    }
    if (options->requests_bytes_max / 2 < frame) {
        is_good =
            fail(errors,
                 "requests_bytes_max (%" PRIu64 " bytes) must be at least twice frame_bytes_max (%" PRIu64
                 " bytes); raise it or lower the other",
                 options->requests_bytes_max, frame);
    }
    if (options->replies_bytes_max < frame) {
        is_good = fail(errors,
                       "replies_bytes_max (%" PRIu64 " bytes) must be at least frame_bytes_max (%" PRIu64
                       " bytes); raise it or lower the other",
                       options->replies_bytes_max, frame);
    }
    return is_good;
}

enum options_source options_source_of(const struct options *options, const char *name)
{
    const struct setting *setting = options_table_find(name);
    assert(setting != NULL);
    return options->origins[setting - options_table].source;
}

bool options_reload(struct options *options, const struct options *fresh, options_tell *tell,
                    struct options_errors *errors)
{
    char before[SETTING_VALUE_BYTES], after[SETTING_VALUE_BYTES], reason[SETTING_REASON_BYTES];
    struct options mixed = *options;

    assert(options != fresh); /* what changes is told from what is the same */
    for (size_t i = 0; i < options_table_count; i++) {
        if (options_table[i].reloadable) {
            setting_format(&options_table[i], fresh, after);
            bool taken = setting_parse(&options_table[i], after, &mixed, reason);
            assert(taken); /* it was formatted from a good value */
            mixed.origins[i] = fresh->origins[i];
        }
    }
    if (!options_check(&mixed, errors)) {
        return fail(errors,
                    "that is so beside settings that change only with a restart: restart to take all over");
    }
    for (size_t i = 0; i < options_table_count; i++) {
        setting_format(&options_table[i], options, before);
        setting_format(&options_table[i], fresh, after);
        if (strcmp(before, after) != 0) {
            tell(options_table[i].name, before, after, options_table[i].reloadable);
        }
    }
    *options = mixed;
    return true;
}

/* Takes over the settings of the file that options->config names. */
static bool load_file(struct options *options, struct options_errors *errors)
{
    assert(options->config[0] != '\0'); /* a file was named */
    FILE *file = fopen(options->config, "re");
    char *bytes = file == NULL ? NULL : malloc(FILE_BYTES_MAX);
    char name[QUOTE_BYTES];
    bool loaded;
    size_t n;

    if (file == NULL) {
        errors->passing += exit_code_status_of_errno(errno) != STATUS_INVALID;
        return fail(errors, "%s: cannot be opened: %s", quote(options->config, name), strerror(errno));
    }
    errno = ENOMEM;
    n = bytes == NULL ? 0 : fread(bytes, 1, FILE_BYTES_MAX, file);
    if (bytes == NULL || ferror(file)) {
        errors->passing += exit_code_status_of_errno(errno) != STATUS_INVALID;
        loaded = fail(errors, "%s: cannot be read: %s", quote(options->config, name), strerror(errno));
    } else if (n == FILE_BYTES_MAX) {
        loaded =
            fail(errors, "%s: larger than 1 MiB; no configuration file is", quote(options->config, name));
    } else {
        loaded = options_parse_file(options, options->config, bytes, n, errors);
    }
    free(bytes);
    fclose(file);
    return loaded;
}

enum options_action options_load(int argc, char **argv, char *const *environment, struct options *ret_options,
                                 struct options_errors *ret_errors)
{
    enum options_action action;

    options_init(ret_options);
    ret_errors->count = ret_errors->passing = 0;
    action = options_parse_arguments(ret_options, argc, argv, ret_errors);
    if (action == OPTIONS_VERSION || action == OPTIONS_HELP) {
        return action;
    }
    bool is_good = options_parse_environment(ret_options, environment, ret_errors);
    if (ret_options->config[0] != '\0') {
        is_good = load_file(ret_options, ret_errors) && is_good;
    }
    if (action != OPTIONS_REFUSED && is_good && action != OPTIONS_PRINT) {
        is_good = options_check(ret_options, ret_errors);
    }
    assert(is_good || ret_errors->count > 0); /* main would end without a word */
    return is_good ? action : OPTIONS_REFUSED;
}
