/* Bytes as text and back: base64, hexadecimal, and the short digests of recorded answers. Pure. */
#ifndef TOOL_ENCODING_H
#define TOOL_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cairn.h"

/* How long a value is, and the first 8 bytes of its SHA-256: enough to tell values apart. */
struct digest {
    uint64_t size;
    uint8_t sha256[8];
};

enum {
    DIGEST_TEXT_BYTES = 17, /* 16 hexadecimal digits and the NUL */
};

/* How many bytes the text of `text_bytes` characters can hold at most. */
size_t base64_decoded_max(size_t text_bytes);
size_t hex_decoded_max(size_t text_bytes);

/* Decode strictly: the whole text, canonical padding, nothing around it. False: it is not such a text, and what
 * `ret_data` (of the size above) holds is undefined. */
bool base64_decode(const char *text, size_t text_bytes, uint8_t *ret_data, size_t *ret_size) CAIRN_MUST_CHECK;
bool hex_decode(const char *text, size_t text_bytes, uint8_t *ret_data, size_t *ret_size) CAIRN_MUST_CHECK;

/* Return a text that the caller frees. A slice of 1 GiB is too long for base64. */
char *base64_encode(struct cairn_slice slice);
char *hex_encode(struct cairn_slice slice);

/* Whether the bytes are valid UTF-8 without control characters. */
bool bytes_are_text(struct cairn_slice slice);

/* Return a text that the caller frees, safe for any terminal: only the bytes 0x20 to 0x7e print as themselves, every other byte as
 * \xNN. bytes_escape() doubles a backslash, so that different bytes give different texts. text_escape() leaves it alone, for a text
 * whose parts are escaped already. */
char *bytes_escape(struct cairn_slice slice);
char *text_escape(const char *text);

bool bytes_equal(struct cairn_slice a, struct cairn_slice b);

/* The unsigned 64-bit little-endian number that 8 bytes hold; false for any other size. */
bool bytes_u64(struct cairn_slice slice, uint64_t *ret_number) CAIRN_MUST_CHECK;

struct digest digest_of(struct cairn_slice slice);
bool digest_equal(const struct digest *a, const struct digest *b);

/* The digest's hash as text, as recordings write it, and back. */
void digest_text(const struct digest *digest, char ret_text[static DIGEST_TEXT_BYTES]);
bool digest_parse(const char *text, size_t text_bytes, struct digest *ret_digest) CAIRN_MUST_CHECK;

#endif
