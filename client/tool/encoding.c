/* libcrypto decodes base64; the checks here make that strict, since it would skip blanks and take padding anywhere. Without memory
 * the process ends. */
#include "client/tool/encoding.h"

#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/fatal.h"

size_t base64_decoded_max(size_t text_bytes)
{
    return text_bytes / 4 * 3;
}

size_t hex_decoded_max(size_t text_bytes)
{
    return text_bytes / 2;
}

static bool base64_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool base64_decode(const char *text, size_t text_bytes, uint8_t *ret_data, size_t *ret_size)
{
    if (text_bytes % 4 != 0 || text_bytes > INT_MAX) {
        return false;
    }
    if (text_bytes == 0) {
        *ret_size = 0;
        return true;
    }
    assert(text_bytes >= 4);
    size_t padding = text[text_bytes - 1] != '=' ? 0 : text[text_bytes - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < text_bytes - padding; i++) {
        if (!base64_digit(text[i])) {
            return false;
        }
    }
    if (EVP_DecodeBlock(ret_data, (const unsigned char *)text, (int)text_bytes) < 0) {
        return false;
    }
    size_t size = base64_decoded_max(text_bytes) - padding;
    for (size_t i = 0; i < padding; i++) {
        if (ret_data[size + i] != 0) {
            return false; /* the last digit has bits that belong to no byte */
        }
    }
    *ret_size = size;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(const char *text, size_t text_bytes, uint8_t *ret_data, size_t *ret_size)
{
    if (text_bytes % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < text_bytes; i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_data[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret_size = text_bytes / 2;
    return true;
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL) {
        fatal("not enough memory");
    }
    return memory;
}

char *base64_encode(struct cairn_slice slice)
{
    assert(slice.bytes <= (size_t)1 << 30); /* frames and recorded lines are shorter */
    char *text = allocate((slice.bytes + 2) / 3 * 4 + 1);
    text[0] = '\0';
    if (slice.bytes > 0) {
        EVP_EncodeBlock((unsigned char *)text, slice.data, (int)slice.bytes);
    }
    return text;
}

static void hex_write(const uint8_t *data, size_t size, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = digits[data[i] >> 4];
        ret_text[2 * i + 1] = digits[data[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

char *hex_encode(struct cairn_slice slice)
{
    assert(slice.bytes <= (size_t)1 << 30); /* frames and recorded lines are shorter */
    char *text = allocate(2 * slice.bytes + 1);
    hex_write(slice.data, slice.bytes, text);
    return text;
}

/* The length of the UTF-8 sequence at `data`, 0 if it is none: no overlong forms, no surrogates, nothing above
 * U+10FFFF. */
static size_t utf8_sequence(const uint8_t *data, size_t size)
{
    uint8_t first = data[0];
    assert(size > 0);
    if (first < 0x80) {
        return 1;
    }
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || size < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xE0 && data[1] < 0xA0) || (first == 0xF0 && data[1] < 0x90);
    bool outside = (first == 0xED && data[1] > 0x9F) || (first == 0xF4 && data[1] > 0x8F);
    return overlong || outside ? 0 : length;
}

bool bytes_are_text(struct cairn_slice slice)
{
    for (size_t i = 0; i < slice.bytes;) {
        const uint8_t *at = (const uint8_t *)slice.data + i;
        size_t length = utf8_sequence(at, slice.bytes - i);
        bool control = at[0] < 0x20 || at[0] == 0x7F || (length == 2 && at[0] == 0xC2 && at[1] < 0xA0);
        if (length == 0 || control) {
            return false;
        }
        i += length;
        assert(i <= slice.bytes);
    }
    return true;
}

static char *escape(const uint8_t *data, size_t size, bool doubles_backslash)
{
    static const char digits[] = "0123456789abcdef";
    assert(size <= (size_t)1 << 30); /* frames and command lines are shorter */
    char *text = allocate(4 * size + 1), *end = text;
    for (size_t i = 0; i < size; i++) {
        bool is_printable = data[i] >= 0x20 && data[i] <= 0x7e;
        if (!is_printable) {
            *end++ = '\\';
            *end++ = 'x';
            *end++ = digits[data[i] >> 4];
            *end++ = digits[data[i] & 15];
            continue;
        }
        if (data[i] == '\\' && doubles_backslash) {
            *end++ = '\\';
        }
        *end++ = (char)data[i];
    }
    *end = '\0';
    return text;
}

char *bytes_escape(struct cairn_slice slice)
{
    return escape(slice.data, slice.bytes, true);
}

char *text_escape(const char *text)
{
    return escape((const uint8_t *)text, strlen(text), false);
}

bool bytes_equal(struct cairn_slice a, struct cairn_slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool bytes_u64(struct cairn_slice slice, uint64_t *ret_number)
{
    const uint8_t *data = slice.data;
    if (slice.bytes != 8) {
        return false;
    }
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number |= (uint64_t)data[i] << (8 * i);
    }
    *ret_number = number;
    return true;
}

struct digest digest_of(struct cairn_slice slice)
{
    uint8_t full[EVP_MAX_MD_SIZE];
    if (EVP_Digest(slice.bytes > 0 ? slice.data : full, slice.bytes, full, NULL, EVP_sha256(), NULL) != 1) {
        fatal("not enough memory");
    }
    struct digest digest = {.size = slice.bytes};
    memcpy(digest.sha256, full, sizeof digest.sha256);
    return digest;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return a->size == b->size && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

void digest_text(const struct digest *digest, char ret_text[static DIGEST_TEXT_BYTES])
{
    hex_write(digest->sha256, sizeof digest->sha256, ret_text);
}

bool digest_parse(const char *text, size_t text_bytes, struct digest *ret_digest)
{
    size_t size;
    assert(hex_decoded_max(DIGEST_TEXT_BYTES - 1) == sizeof ret_digest->sha256);
    return text_bytes == DIGEST_TEXT_BYTES - 1 && hex_decode(text, text_bytes, ret_digest->sha256, &size);
}
