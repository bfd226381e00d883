/* Values from the command line. What a function returns in a slice lives as long as the tool. TOOL_USAGE: the value is wrong, or a file
 * that it names cannot be read. It is said on stderr, where `what` names the value. */
#ifndef TOOL_ARGUMENTS_H
#define TOOL_ARGUMENTS_H

#include "client/tool/tool.h"

/* The verb's option of this name, as it was given last; NULL: it was not given. */
const struct tool_given *argument_given(const struct tool *tool, const char *name);

/* A whole number. */
enum tool_exit argument_number(const char *what, const char *text, uint64_t *ret_number) CAIRN_MUST_CHECK;

/* A height from 1. 0 is TOOL_REFUSED, the daemon's answer to an invalid request. */
enum tool_exit argument_height(const char *what, const char *text, uint64_t *ret_height) CAIRN_MUST_CHECK;

/* A time above 0: a number followed by us, ms, s, m, min or h; a plain number is seconds. */
enum tool_exit argument_duration(const char *what, const char *text, uint64_t *ret_us) CAIRN_MUST_CHECK;

/* The number that an option of the verb has. If it was not given, *ret_number is untouched. *ret_given, which may be NULL, says
 * whether it was. */
enum tool_exit argument_option(const struct tool *tool, const char *name, bool *ret_given,
                               uint64_t *ret_number) CAIRN_MUST_CHECK;

/* The same of an option that has a height from 1. */
enum tool_exit argument_height_option(const struct tool *tool, const char *name, bool *ret_given,
                                      uint64_t *ret_height) CAIRN_MUST_CHECK;

/* Whether --as u64 was given: values are numbers. */
enum tool_exit argument_as_u64(const struct tool *tool, bool *ret_as_u64) CAIRN_MUST_CHECK;

/* A value: with --as u64 a number, stored as 8 bytes, little-endian. Else `-` is what stdin holds, `@FILE` what a file holds; anything else
 * is text or, with --hex or --base64, encoded bytes. */
enum tool_exit argument_value(struct tool *tool, const char *what, const char *text,
                              struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* A name: text or, with --hex-names, hexadecimal. */
enum tool_exit argument_name(struct tool *tool, const char *text, size_t text_bytes,
                             struct cairn_slice *ret_name) CAIRN_MUST_CHECK;

/* Bytes given in hexadecimal. */
enum tool_exit argument_hex(struct tool *tool, const char *what, const char *text,
                            struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* What a file holds; `-` is stdin, which can be read once. */
enum tool_exit argument_file(struct tool *tool, const char *path,
                             struct cairn_slice *ret_value) CAIRN_MUST_CHECK;

/* The operations that --set, --of-height, --raise and --delete ask for, in the order given. */
enum tool_exit argument_operations(struct tool *tool, const struct cairn_operation **ret_operations,
                                   size_t *ret_count) CAIRN_MUST_CHECK;

/* The options that these functions read, for the table of verbs. */
#define ARGUMENT_AS_OPTION(text) {"as", 0, "u64", text, "u64"}
#define ARGUMENT_VALUE_OPTIONS                                                                               \
    {"hex", 0, NULL, "values are hexadecimal", NULL}, {"base64", 0, NULL, "values are base64", NULL},        \
        ARGUMENT_AS_OPTION("values are numbers, stored as 8 bytes, little-endian")
#define ARGUMENT_NAME_OPTIONS {"hex-names", 0, NULL, "names are hexadecimal", NULL}
#define ARGUMENT_OPERATION_OPTIONS                                                                           \
    {"set", 0, "NAME=VALUE", "set metadata; VALUE as text, @FILE, or - for stdin", "VALUE"},                 \
        {"of-height", 0, "HEIGHT", "bind the --set before it to this height", NULL},                         \
        {"raise", 0, "NAME=NUMBER", "raise metadata to the number, if it is lower", NULL},                   \
        {"delete", 0, "NAME", "delete metadata", NULL}, ARGUMENT_VALUE_OPTIONS, ARGUMENT_NAME_OPTIONS

#endif
