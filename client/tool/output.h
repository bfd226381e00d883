/* What the tool prints: lines for people, or one JSON object a line. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <jansson.h>

#include "client/tool/tool.h"

/* A number; above 2^63 - 1, which not every JSON reader can hold, a string of digits. */
json_t *output_number(uint64_t number);

/* {"base64": ...}, with "text" where the bytes are printable UTF-8 and "u64" where they are a number of 8 bytes. */
json_t *output_bytes(struct cairn_slice slice);

/* Bytes that should be text, such as a chain's name; if they are not valid UTF-8, as output_bytes(). */
json_t *output_text(struct cairn_slice slice);

/* Prints the object on a line, and frees it. */
void output_json(json_t *json);

/* Prints the exact bytes. */
void output_raw(struct cairn_slice slice);

/* Prints bytes for people, without a newline: as they are if they are printable, else as "0x" and hexadecimal; 8 bytes also as a
 * number. At most `bytes_max` of them are shown, 0: all. */
void output_value(struct cairn_slice slice, size_t bytes_max);

/* Prints the reply to a write. */
void output_written(const struct tool *tool, const struct cairn_written *written);

/* The level's name; "unknown" for a number that is not a level. */
const char *output_level(enum cairn_level level);

#endif
