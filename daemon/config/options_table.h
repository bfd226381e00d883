/* The table of settings: for each its name, type, default, bounds and help; and the commands that only the command line
 * takes. options.c reads values into struct options by it. Pure. */
#ifndef DAEMON_OPTIONS_TABLE_H
#define DAEMON_OPTIONS_TABLE_H

#include "daemon/config/options.h"
#include "daemon/config/setting.h"

enum {
    OPTIONS_NAME_BYTES = 64, /* room for the name of a setting or a command, with its NUL */
    OPTIONS_COMMANDS = 5,
};

/* The settings, in the order in which they are printed. A setting's place here is its place in struct options' origins. */
extern const struct setting options_table[];
extern const size_t options_table_count; /* at most OPTIONS_COUNT_MAX */

struct options_command {
    const char *name;
    enum options_action action;
    const char *help;
};

extern const struct options_command options_commands[OPTIONS_COMMANDS];

/* The setting of that name, static; NULL if there is none. */
const struct setting *options_table_find(const char *name);

/* The name of a setting, or with_commands of a command, that is most like this one; static. NULL if none is close. */
const char *options_table_nearest(const char *name, bool with_commands);

/* Writes the name as the environment (in capitals) or the command line (with dashes) has it, to OPTIONS_NAME_BYTES. */
void options_table_spell(const char *name, bool environment, char *ret_spelled);

#endif
