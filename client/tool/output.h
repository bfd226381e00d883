/* What the tool prints: lines for people, or one JSON object a line. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <jansson.h>

#include "client/tool/tool.h"

/* A number; above what JSON readers hold exactly as an integer of 64 bits with sign, as a string of digits. */
json_t *output_number(uint64_t number);

/* {"base64": ...}, with "text" where the bytes are printable UTF-8 and "u64" where they are a number of 8 bytes. */
json_t *output_bytes(struct cairn_slice slice);

/* Bytes that are text by their rules, as a chain's name; should they be none after all, as output_bytes(). */
json_t *output_text(struct cairn_slice slice);

/* Prints and ends the object. */
void output_json(json_t *json);

/* The exact bytes. */
void output_raw(struct cairn_slice slice);

/* The bytes for people, without a line's end: as they are if printable, else "0x" and hexadecimal, with the number
 * where they are one. `most` bounds the bytes shown, 0 for all. */
void output_value(struct cairn_slice slice, size_t most);

/* The reply to a write. */
void output_written(const struct tool *tool, const struct cairn_written *written);

const char *output_level(enum cairn_level level);

#endif
