/* The table of settings and the four places their values come from. A file, an environment or a command line is taken in
 * the order it is written; the first thing wrong in it ends the reading with a text that names it. */
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
#include "daemon/config/setting.h"
#include "proto/limits.h"

#define KIB             (1ULL << 10)
#define MIB             (1ULL << 20)
#define GIB             (1ULL << 30)
#define US              1ULL
#define MS              1000ULL
#define S               1000000ULL
#define ENVIRONMENT     "CAIRND_"
#define ENVIRONMENT_LEN (sizeof ENVIRONMENT - 1)

enum {
    FILE_BYTES_MAX = 1 << 20,
    NAME_BYTES = 64,  /* room for a setting's name */
    QUOTE_BYTES = 96, /* of a value repeated in an error's text */
};

/* A row: the setting's name, its field, and the rest by its kind. */
#define ROW(NAME, FIELD, TYPE)     .name = NAME, .offset = offsetof(struct options, FIELD), .type = TYPE
#define TEXT(NAME, FIELD)          ROW(NAME, FIELD, SETTING_TEXT), .text_bytes = sizeof((struct options *)NULL)->FIELD
#define RANGE(INITIAL, MIN, MAX)   .initial = (INITIAL), .min = (MIN), .max = (MAX)
#define COUNT(NAME, FIELD, ...)    ROW(NAME, FIELD, SETTING_COUNT), RANGE(__VA_ARGS__)
#define BYTES(NAME, FIELD, ...)    ROW(NAME, FIELD, SETTING_BYTES), RANGE(__VA_ARGS__)
#define DURATION(NAME, FIELD, ...) ROW(NAME, FIELD, SETTING_DURATION), RANGE(__VA_ARGS__)

/* clang-format off */
static const struct setting settings[] = {
    {TEXT("config", config),
     .file_refusal = "a configuration file cannot name another",
     .help = "file with settings"},
    {TEXT("data", data), .help = "data directory; required"},
    {ROW("create", create, SETTING_FLAG),
     .file_refusal = "a new store is made only when a start asks for it: give --create once",
     .help = "make a new store in the data directory if it is absent or empty"},
    {TEXT("socket", socket), .help = "path of the Unix socket; not needed if systemd passes one"},
    {ROW("socket_mode", socket_mode, SETTING_MODE), RANGE(0660, 0, 0777), .help = "permission bits of the socket"},
    {TEXT("socket_group", socket_group), .help = "group of the socket, name or number; empty: the daemon's own"},
    {COUNT("queue_operations_max", queue_operations_max, 8192, 16, 1 << 24),
     .help = "metadata operations the queue holds"},
    {BYTES("queue_bytes_max", queue_bytes_max, 32 * MIB, 64 * KIB, 16 * GIB),
     .help = "bytes of metadata the queue holds"},
    {DURATION("flush_delay", flush_delay_us, 20 * MS, 100 * US, 10 * S),
     .help = "age at which queued metadata is written unasked"},
    {DURATION("sync_interval", sync_interval_us, 1 * S, 1 * MS, 3600 * S),
     .help = "age at which written data is synced unasked"},
    {BYTES("frame_bytes_max", frame_bytes_max, FRAME_BYTES_DEFAULT, FRAME_BYTES_LOWEST, FRAME_BYTES_HIGHEST),
     .help = "body of one frame"},
    {BYTES("requests_bytes_max", requests_bytes_max, 256 * MIB, 2 * FRAME_BYTES_LOWEST, 64 * GIB),
     .help = "all requests in flight; at least twice frame_bytes_max"},
    {BYTES("replies_bytes_max", replies_bytes_max, 256 * MIB, REPLIES_BYTES_PER_CLIENT, 64 * GIB),
     .help = "all replies that wait; at least frame_bytes_max"},
    {COUNT("connections_max", connections_max, 1024, 1, 65536), .help = "connections at a time"},
    {COUNT("streams_max", streams_max, 64, 1, 65536), .help = "open scans and streams at a time"},
    {COUNT("chains_max", chains_max, 1024, 1, 65536), .help = "chains in the store"},
    {BYTES("cache_bytes", cache_bytes, 64 * MIB, 64 * KIB, 1024 * GIB), .help = "cache of what was read from the disk"},
    {DURATION("stop_timeout", stop_timeout_us, 30 * S, 1 * MS, 3600 * S), .reloadable = true,
     .help = "time to finish what was accepted, when told to stop"},
    {ROW("log_level", log_level, SETTING_CHOICE), .choices = "error|warning|info|debug", .initial = LOG_LEVEL_INFO,
     .reloadable = true, .help = "what is logged: this and what is graver"},
    {ROW("log_format", log_format, SETTING_CHOICE), .choices = "auto|text|json|journal", .initial = LOG_FORMAT_AUTO,
     .help = "form of the log on stderr"},
};
/* clang-format on */

enum { SETTINGS = sizeof settings / sizeof settings[0] };

static_assert((int)SETTINGS <= OPTIONS_COUNT_MAX, "every setting has its origin");
static_assert(sizeof(enum log_level) == sizeof(unsigned), "a choice is an unsigned");
static_assert(sizeof(enum log_format) == sizeof(unsigned), "a choice is an unsigned");
static_assert((int)OPTIONS_PATH_BYTES <= SETTING_VALUE_BYTES, "every value has room as text");

/* What only the command line takes; in the order of their actions below. */
static const struct {
    const char *name;
    enum options_action action;
    const char *help;
} commands[] = {
    {"check-config", OPTIONS_CHECK, "say whether the settings are good, and end"},
    {"print-config", OPTIONS_PRINT, "print every setting with its origin, and end"},
    {"version", OPTIONS_VERSION, "print the version, and end"},
    {"help", OPTIONS_HELP, "print this, and end"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

__attribute__((format(printf, 2, 3))) static bool fail(struct options_error *ret_error, const char *format,
                                                       ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return false;
}

/* What somebody wrote, fit to be repeated on one line: cut, and without control characters. */
static const char *quote(const char *text, char *ret_quoted)
{
    size_t length = strnlen(text, QUOTE_BYTES);

    for (size_t i = 0; i < length; i++)
        ret_quoted[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    if (length == QUOTE_BYTES)
        memcpy(ret_quoted + QUOTE_BYTES - 4, "...", 4);
    else
        ret_quoted[length] = '\0';
    return ret_quoted;
}

/* The name of a setting as the environment or the command line has it. */
static void spell(const char *name, bool environment, char *ret_spelled)
{
    size_t length = strlen(name);

    assert(length < NAME_BYTES);
    for (size_t i = 0; i <= length; i++)
        if (environment)
            ret_spelled[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
        else
            ret_spelled[i] = (char)(name[i] == '_' ? '-' : name[i]);
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

/* The known name that looks most like this one, NULL if none does. */
static const char *nearest(const char *name, bool with_commands)
{
    size_t least = strlen(name) / 3 + 2;
    const char *best = NULL;

    for (size_t i = 0; i < SETTINGS + (with_commands ? COMMANDS : 0); i++) {
        const char *candidate = i < SETTINGS ? settings[i].name : commands[i - SETTINGS].name;
        size_t distance = setting_name_distance(name, candidate);

        if (distance < least) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

/* Takes a value over, unless the one there comes from a source that goes before. Either way it must be a good one. */
static bool set(struct options *options, const struct setting *setting, const char *value,
                enum options_source source, unsigned line, char *ret_reason)
{
    struct options_origin *origin = &options->origins[setting - settings];
    struct options judged;

    if (origin->source > source)
        return setting_parse(setting, value, &judged, ret_reason);
    if (!setting_parse(setting, value, options, ret_reason))
        return false;
    *origin = (struct options_origin){source, line};
    return true;
}

void options_init(struct options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    for (size_t i = 0; i < SETTINGS; i++)
        setting_init(&settings[i], ret_options);
}

/* ---- the configuration file ---- */

struct file_context {
    struct options *options;
    unsigned lines[SETTINGS]; /* where each setting stands, 0: not yet */
};

/* The taker of configuration_read. */
static bool file_take(void *context, unsigned line, const char *name, const char *value,
                      char ret_text[CONFIGURATION_ERROR_BYTES])
{
    struct file_context *file = context;
    const struct setting *setting = find(name);
    char reason[SETTING_REASON_BYTES], quoted[QUOTE_BYTES];
    const char *near = nearest(name, false);
    unsigned *first;

    if (setting == NULL) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "there is no setting \"%s\"; %s%s%s",
                 quote(name, quoted), near != NULL ? "did you mean " : "cairnd --help lists them",
                 near != NULL ? near : "", near != NULL ? "?" : "");
        return false;
    }
    first = &file->lines[setting - settings];
    if (setting->file_refusal != NULL)
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "%s may not stand here: %s", name,
                 setting->file_refusal);
    else if (*first != 0)
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES,
                 "%s stands here a second time, first on line %u; leave one out", name, *first);
    else if (!set(file->options, setting, value, OPTIONS_FILE, line, reason))
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "%s = \"%s\": %s", name, quote(value, quoted), reason);
    else {
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

    if (configuration_read(bytes, n, file_take, &file, &error))
        return true;
    return fail(ret_error, "%s:%u: %s", quote(file_name, quoted), error.line, error.text);
}

/* ---- the environment ---- */

/* Takes NAME=value, of a variable CAIRND_NAME=value. */
static bool environment_take(struct options *options, const char *variable, struct options_error *ret_error)
{
    char name[NAME_BYTES], spelled[NAME_BYTES], quoted[QUOTE_BYTES], reason[SETTING_REASON_BYTES];
    const char *equals = strchr(variable, '=');
    const struct setting *setting = NULL;
    const char *near;

    for (size_t i = 0; i < SETTINGS && setting == NULL; i++) {
        size_t length = strlen(settings[i].name);

        spell(settings[i].name, true, spelled);
        if (strncmp(variable, spelled, length) == 0 && variable[length] == '=')
            setting = &settings[i];
    }
    if (setting == NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(equals - variable), variable);
        for (size_t i = 0; name[i] != '\0'; i++)
            name[i] = (char)tolower((unsigned char)name[i]);
        near = nearest(name, false);
        if (near == NULL)
            return fail(ret_error,
                        "environment: there is no setting " ENVIRONMENT "%s; cairnd --help lists them",
                        quote(variable, quoted));
        spell(near, true, spelled);
        return fail(ret_error,
                    "environment: there is no setting " ENVIRONMENT "%s; did you mean " ENVIRONMENT "%s?",
                    quote(variable, quoted), spelled);
    }
    if (!set(options, setting, equals + 1, OPTIONS_ENVIRONMENT, 0, reason))
        return fail(ret_error, "environment: " ENVIRONMENT "%s: %s", quote(variable, quoted), reason);
    return true;
}

bool options_parse_environment(struct options *options, char *const *environment,
                               struct options_error *ret_error)
{
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, ENVIRONMENT, ENVIRONMENT_LEN) == 0 && strchr(*environment, '=') != NULL)
            if (!environment_take(options, *environment + ENVIRONMENT_LEN, ret_error))
                return false;
    return true;
}

/* ---- the command line ---- */

static void long_options(char names[][NAME_BYTES], struct option *ret_long)
{
    memset(ret_long, 0, (SETTINGS + COMMANDS + 1) * sizeof *ret_long);
    for (size_t i = 0; i < SETTINGS; i++) {
        spell(settings[i].name, false, names[i]);
        ret_long[i].name = names[i];
        ret_long[i].has_arg = settings[i].type == SETTING_FLAG ? no_argument : required_argument;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        ret_long[SETTINGS + i].name = commands[i].name;
        ret_long[SETTINGS + i].has_arg = no_argument;
    }
}

/* getopt_long's '?' and ':', as a text. */
static bool refuse_argument(int answer, const char *argument, struct options_error *ret_error)
{
    char quoted[QUOTE_BYTES], name[NAME_BYTES], hint[NAME_BYTES];
    const char *near;

    quote(argument, quoted);
    if (answer == ':')
        return fail(ret_error, "%s lacks its value; cairnd --help says what it takes", quoted);
    if (strncmp(argument, "--", 2) != 0)
        return fail(ret_error, "there is no flag %s; cairnd --help lists them", quoted);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    near = nearest(name, true);
    if (near == NULL)
        return fail(ret_error, "there is no flag %s; cairnd --help lists them", quoted);
    spell(near, false, hint);
    if (strcmp(name, hint) == 0)
        return fail(ret_error, "--%s takes no value", hint);
    return fail(ret_error, "there is no flag %s; did you mean --%s?", quoted, hint);
}

enum options_action options_parse_arguments(struct options *options, int argc, char **argv,
                                            struct options_error *ret_error)
{
    char names[SETTINGS][NAME_BYTES], reason[SETTING_REASON_BYTES], quoted[QUOTE_BYTES];
    struct option known[SETTINGS + COMMANDS + 1];
    enum options_action action = OPTIONS_RUN;

    long_options(names, known);
    optind = 0; /* glibc: start anew */
    opterr = 0;
    for (;;) {
        int place = 0;
        int before = optind > 0 ? optind : 1;
        int answer = getopt_long(argc, argv, "+:", known, &place);

        if (answer == -1)
            break;
        if (answer != 0) {
            refuse_argument(answer, argv[before], ret_error);
            return OPTIONS_USAGE_ERROR;
        }
        if (place >= SETTINGS) {
            action = commands[place - SETTINGS].action;
            continue;
        }
        if (!set(options, &settings[place], optarg != NULL ? optarg : "yes", OPTIONS_FLAG, 0, reason)) {
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

    if (options->data[0] == '\0')
        return fail(
            ret_error,
            "no data directory; name it with --data DIR, or data = DIR in the file given by --config");
    if (options->requests_bytes_max / 2 < frame)
        return fail(ret_error,
                    "requests_bytes_max (%" PRIu64 " bytes) must be at least twice frame_bytes_max (%" PRIu64
                    " bytes); raise it or lower the other",
                    options->requests_bytes_max, frame);
    if (options->replies_bytes_max < frame)
        return fail(ret_error,
                    "replies_bytes_max (%" PRIu64 " bytes) must be at least frame_bytes_max (%" PRIu64
                    " bytes); raise it or lower the other",
                    options->replies_bytes_max, frame);
    return true;
}

void options_reload(struct options *options, const struct options *fresh, size_t ignored_bytes,
                    char *ret_ignored)
{
    char before[SETTING_VALUE_BYTES], after[SETTING_VALUE_BYTES], reason[SETTING_REASON_BYTES];
    size_t used = 0;

    assert(ignored_bytes > 0);
    ret_ignored[0] = '\0';
    for (size_t i = 0; i < SETTINGS; i++) {
        setting_format(&settings[i], options, before);
        setting_format(&settings[i], fresh, after);
        if (settings[i].reloadable) {
            bool taken = setting_parse(&settings[i], after, options, reason);

            assert(taken); /* it was formatted from a good value */
            options->origins[i] = fresh->origins[i];
        } else if (strcmp(before, after) != 0 && used < ignored_bytes)
            used += (size_t)snprintf(ret_ignored + used, ignored_bytes - used, "%s%s", used > 0 ? ", " : "",
                                     settings[i].name);
    }
}

void options_print(const struct options *options, FILE *out)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    char value[SETTING_VALUE_BYTES];

    for (size_t i = 0; i < SETTINGS; i++) {
        const struct options_origin *origin = &options->origins[i];
        const char *before = settings[i].file_refusal != NULL ? "# " : "";
        int width;

        setting_format(&settings[i], options, value);
        width = fprintf(out, "%s%s = %s", before, settings[i].name, value);
        fprintf(out, "%*s ; ", width < 40 ? 40 - width : 0, "");
        if (origin->source == OPTIONS_FILE)
            fprintf(out, "%s:%u\n", options->config, origin->line);
        else
            fprintf(out, "%s\n", sources[origin->source]);
    }
}

void options_help(FILE *out)
{
    char name[NAME_BYTES], range[SETTING_REASON_BYTES], value[SETTING_VALUE_BYTES];
    struct options initial;

    options_init(&initial);
    fprintf(
        out,
        "cairnd [--config FILE] --data DIR --socket PATH [--create] [--SETTING VALUE]...\n\n"
        "Keeps a node's data in DIR and serves it over the Unix socket PATH.\n\n"
        "Settings, also as CAIRND_SETTING in the environment, and as setting = VALUE in FILE with _ for -.\n"
        "The command line goes before the environment, that before the file.\n\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        spell(settings[i].name, false, name);
        fprintf(out, "  --%-22s %s", name, settings[i].help);
        if (settings[i].type != SETTING_TEXT && settings[i].type != SETTING_FLAG) {
            setting_format(&settings[i], &initial, value);
            setting_format_range(&settings[i], range);
            fprintf(out, "\n%27s%s; default %s%s", "", range, value,
                    settings[i].reloadable ? "; taken over by a reload (SIGHUP)" : "");
        }
        fputc('\n', out);
    }
    fputs("\nInstead of serving:\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  --%-22s %s\n", commands[i].name, commands[i].help);
    fputs("\nExit codes: 0 stopped as told, 1 failed, 2 wrong usage, 73 another daemon has the directory,\n"
          "74 an I/O error ended it, 78 the directory is not a store this daemon serves.\n",
          out);
}

/* Reads the file and takes it over. */
static bool load_file(struct options *options, struct options_error *ret_error)
{
    FILE *file = fopen(options->config, "re");
    char *bytes = file == NULL ? NULL : malloc(FILE_BYTES_MAX);
    char name[QUOTE_BYTES];
    bool loaded;
    size_t n;

    if (file == NULL)
        return fail(ret_error, "%s: cannot be opened: %s", quote(options->config, name), strerror(errno));
    errno = ENOMEM;
    n = bytes == NULL ? 0 : fread(bytes, 1, FILE_BYTES_MAX, file);
    if (bytes == NULL || ferror(file))
        loaded = fail(ret_error, "%s: cannot be read: %s", quote(options->config, name), strerror(errno));
    else if (n == FILE_BYTES_MAX)
        loaded =
            fail(ret_error, "%s: larger than 1 MiB; no configuration file is", quote(options->config, name));
    else
        loaded = options_parse_file(options, options->config, bytes, n, ret_error);
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
    if (action == OPTIONS_USAGE_ERROR || action == OPTIONS_VERSION || action == OPTIONS_HELP)
        return action;
    if (!options_parse_environment(ret_options, environment, ret_error))
        return OPTIONS_CONFIG_ERROR;
    if (ret_options->config[0] != '\0' && !load_file(ret_options, ret_error))
        return OPTIONS_CONFIG_ERROR;
    if (action != OPTIONS_PRINT && !options_check(ret_options, ret_error))
        return ret_options->data[0] == '\0' ? OPTIONS_USAGE_ERROR : OPTIONS_CONFIG_ERROR;
    return action;
}
