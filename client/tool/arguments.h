/* Values from the command line. Every function but the last says on stderr what is wrong and returns TOOL_USAGE, or
 * TOOL_FAILURE where a file cannot be read; `what` names the value there. */
#ifndef TOOL_ARGUMENTS_H
#define TOOL_ARGUMENTS_H

#include "client/tool/tool.h"

/* The last time the option of the verb was given; NULL: never. */
const struct tool_given *argument_given(const struct tool *tool, const char *name);

enum tool_exit argument_number(const char *what, const char *text, uint64_t *ret_number) CAIRN_MUST_CHECK;

/* A number with us, ms, s, m or h behind it; without, seconds. */
enum tool_exit argument_duration(const char *what, const char *text, uint64_t *ret_us) CAIRN_MUST_CHECK;

/* The number of an option of the verb; *ret_given, if not NULL, says whether it was given. */
enum tool_exit argument_option(const struct tool *tool, const char *name, bool *ret_given,
                               uint64_t *ret_number) CAIRN_MUST_CHECK;

/* A value: `-` is what stdin holds, `@FILE` what a file holds, anything else a text, or with --hex or --base64 the
 * bytes it stands for. It is the tool's. */
enum tool_exit argument_value(struct tool *tool, const char *what, const char *text,
                              struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* A name: a text, or with --hex-names the bytes it stands for. */
enum tool_exit argument_name(struct tool *tool, const char *text, size_t text_bytes,
                             struct cairn_slice *ret_name) CAIRN_MUST_CHECK;

/* Bytes given in hexadecimal. */
enum tool_exit argument_hex(struct tool *tool, const char *what, const char *text,
                            struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* What a file holds; `-` is stdin. It is the tool's. */
enum tool_exit argument_file(struct tool *tool, const char *path,
                             struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* The operations that --set, --of-height, --raise and --delete ask for, in the order given. They are the tool's. */
enum tool_exit argument_operations(struct tool *tool, const struct cairn_operation **ret_operations,
                                   size_t *ret_count) CAIRN_MUST_CHECK;

/* The options that the above read, for the tables of verbs. */
#define ARGUMENT_VALUE_OPTIONS                                                                               \
    {"hex", 0, NULL, "values are hexadecimal", NULL},                                                        \
    {                                                                                                        \
        "base64", 0, NULL, "values are base64", NULL                                                         \
    }
#define ARGUMENT_NAME_OPTIONS {"hex-names", 0, NULL, "names are hexadecimal", NULL}
#define ARGUMENT_OPERATION_OPTIONS                                                                           \
    {"set", 0, "NAME=VALUE", "set metadata; VALUE as text, @FILE, or - for stdin", NULL},                    \
        {"of-height", 0, "HEIGHT", "bind the --set before it to this height", NULL},                         \
        {"raise", 0, "NAME=NUMBER", "raise metadata to the number, if it is lower", NULL},                   \
        {"delete", 0, "NAME", "delete metadata", NULL}, ARGUMENT_VALUE_OPTIONS, ARGUMENT_NAME_OPTIONS

#endif
