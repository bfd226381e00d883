/* What the tool prints: lines for people, or one JSON object a line. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <jansson.h>

#include "client/tool/tool.h"

/* A u64 of the daemon: a string of digits, whatever its size, for not every reader of JSON holds numbers above 2^53. */
json_t *output_number(uint64_t number);

/* What the tool itself counts or measures: a number. */
json_t *output_count(uint64_t count);

/* {"base64": ...}, with "text" where the bytes are UTF-8 without control characters and "u64" where they are 8. */
json_t *output_bytes(struct cairn_slice slice);

/* Bytes that should be text, such as a chain's name; if they are not valid UTF-8, as output_bytes(). */
json_t *output_text(struct cairn_slice slice);

/* From here on output_json() prints comma-separated values (RFC 4180) instead: a row each, behind one row with the keys of the first.
 * Bytes are base64. */
void output_as_csv(bool csv);

/* Prints the object on a line, behind "schema", and frees it. The line is ASCII, safe for any terminal. */
void output_json(json_t *json);

/* Prints the exact bytes. */
void output_raw(struct cairn_slice slice);

/* Prints bytes for people, without a newline: bytes_escape(). Of more than `bytes_max` bytes, 0: no bound, only so many are shown, with a
 * backslash and three dots, the size and a digest, so that different bytes print differently also then. */
void output_value(struct cairn_slice slice, size_t bytes_max);

/* Prints them so in a column of that width. */
void output_column(struct cairn_slice slice, int columns);

/* Prints the reply to a write. */
void output_written(const struct tool *tool, const struct cairn_written *written);

#endif
