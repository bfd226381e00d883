/* Only the shortest form of a character is well-formed, and surrogates are none (RFC 3629). */
#include "daemon/runtime/utf8.h"

#include <assert.h>

size_t utf8_length(const void *bytes, size_t n)
{
    const unsigned char *text = bytes;
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    assert(n > 0); /* the first byte was read */
    if (length == 0 || text[0] > 0xf4 || length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return length;
}
