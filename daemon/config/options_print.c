/* What is printed of the options: the values that are in force, as a file that gives the same ones, and the help. Only the stream can
 * fail, and its owner looks at that. */
#include <assert.h>
#include <string.h>

#include "daemon/config/configuration.h"
#include "daemon/config/options.h"
#include "daemon/config/options_table.h"
#include "daemon/config/setting.h"

enum { VALUE_COLUMNS = 40 }; /* the origins begin behind them */

void options_print(const struct options *options, FILE *out)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    char value[SETTING_VALUE_BYTES];

    for (size_t i = 0; i < options_table_count; i++) {
        const struct setting *setting = &options_table[i];
        const struct options_origin *origin = &options->origins[i];

        assert(origin->source <= OPTIONS_FLAG);
        setting_format(setting, options, value);
        int width = fprintf(out, "%s%s = ", setting->file_refusal != NULL ? "# " : "", setting->name);
        width += configuration_write_value(value, out);
        fprintf(out, "%*s ; ", width < VALUE_COLUMNS ? VALUE_COLUMNS - width : 0, "");
        if (origin->source == OPTIONS_FILE) {
            fprintf(out, "%s:%u", options->config, origin->line);
        } else {
            fputs(sources[origin->source], out);
        }
        fprintf(out, "%s%s\n", setting->unless != NULL ? ", " : "",
                setting->unless != NULL ? setting->unless : "");
    }
}

void options_each_error(const struct options_errors *errors, void (*say)(const char *error))
{
    char more[64];

    for (size_t i = 0; i < errors->count && i < OPTIONS_ERRORS_MAX; i++) {
        say(errors->texts[i]);
    }
    if (errors->count > OPTIONS_ERRORS_MAX) {
        snprintf(more, sizeof more, "and %zu more", errors->count - OPTIONS_ERRORS_MAX);
        say(more);
    }
}

enum exit_code options_exit_code(const struct options_errors *errors)
{
    assert(errors->count > 0 && errors->passing <= errors->count);
    return errors->passing == errors->count ? EXIT_CODE_FAILED : EXIT_CODE_REFUSED;
}

static void help_setting(const struct setting *setting, const struct options *initial, FILE *out)
{
    char name[OPTIONS_NAME_BYTES], flag[2 * OPTIONS_NAME_BYTES], range[SETTING_REASON_BYTES],
        value[SETTING_VALUE_BYTES];
    const char *argument = setting_argument(setting);
    bool is_choice = setting->type == SETTING_CHOICE;

    assert(setting->help != NULL); /* it would be printed as (null) */
    options_table_spell(setting->name, false, name);
    snprintf(flag, sizeof flag, "%s%s%s", name, *argument != '\0' ? " " : "", is_choice ? "WORD" : argument);
    fprintf(out, "  --%-27s %s\n", flag, setting->help);
    if (setting->type != SETTING_TEXT && setting->type != SETTING_FLAG) {
        setting_format(setting, initial, value);
        setting_format_range(setting, range);
        fprintf(out, "%32s%s; default %s%s\n", "", range, value, setting->reloadable ? "; reload" : "");
    }
}

void options_help(FILE *out)
{
    struct options initial;

    options_init(&initial);
    fputs("cairnd --config FILE [--create] [--SETTING VALUE]...\n"
          "cairnd --data DIR --socket PATH [--create] [--SETTING VALUE]...\n\n"
          "Keeps a node's data in DIR and serves it over the Unix socket PATH. --create is for the first "
          "start: it makes the\n"
          "store.\n\n"
          "Settings, also as CAIRND_SETTING in the environment, and as setting = VALUE in FILE with _ for -. "
          "The command line\n"
          "goes before the environment, that before the file. What says \"reload\" is also taken over by a "
          "reload (SIGHUP),\n"
          "the rest by a restart.\n",
          out);
    for (size_t i = 0; i < options_table_count; i++) {
        assert(i > 0 || options_table[i].group != NULL); /* each setting stands below a title */
        if (options_table[i].group != NULL) {
            fprintf(out, "\n%s:\n\n", options_table[i].group);
        }
        help_setting(&options_table[i], &initial, out);
    }
    fputs("\nInstead of serving:\n\n", out);
    for (size_t i = 0; i < OPTIONS_COMMANDS; i++) {
        fprintf(out, "  --%-27s %s\n", options_commands[i].name, options_commands[i].help);
    }
    fputs("\nSignals: TERM and INT stop it, HUP reloads the settings; USR1, USR2 and ALRM change nothing.\n\n"
          "Exit codes; of those with a * the unit tries no restart, since a person must act:\n\n",
          out);
    for (size_t i = 0; i < EXIT_CODES; i++) {
        fprintf(out, "  %2d%s %s\n", exit_codes[i].code, exit_codes[i].needs_person ? "*" : " ",
                exit_codes[i].meaning);
    }
}
