/* A value's way: setting_init puts the default into the structure, setting_parse replaces it by what a file, the environment
 * or the command line has, setting_format gives it back as text that setting_parse accepts.
 *
 * Ways to fail: a number that overflows, an unknown unit, anything behind the value or a value outside its bounds. Each is
 * refused with a reason that names what would be right, and the structure keeps the value it had. */
#include "daemon/config/setting.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/runtime/utf8.h"

enum { NAME_BYTES_MAX = 48 }; /* of a name, what setting_name_distance compares */

struct unit {
    const char *name;
    uint64_t factor;
};

/* In rising order: format_number takes the last that divides. */
static const struct unit byte_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40},
};
static const struct unit duration_units[] = {
    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"min", 60000000}, {"h", 3600000000},
};

enum {
    BYTE_UNITS = sizeof byte_units / sizeof byte_units[0],
    DURATION_UNITS = sizeof duration_units / sizeof duration_units[0],
};

static uint64_t number_get(const struct setting *setting, const void *structure)
{
    uint64_t number;

    assert(setting->type >= SETTING_COUNT); /* the field is a uint64_t */
    memcpy(&number, (const char *)structure + setting->offset, sizeof number);
    return number;
}

static void number_set(const struct setting *setting, void *structure, uint64_t number)
{
    assert(setting->type >= SETTING_COUNT);
    assert(number >= setting->min && number <= setting->max); /* readers of the structure check no bounds */
    memcpy((char *)structure + setting->offset, &number, sizeof number);
}

static unsigned choice_get(const struct setting *setting, const void *structure)
{
    unsigned choice;

    assert(setting->type == SETTING_CHOICE); /* the field is an enum */
    memcpy(&choice, (const char *)structure + setting->offset, sizeof choice);
    return choice;
}

static void choice_set(const struct setting *setting, void *structure, unsigned choice)
{
    assert(setting->type == SETTING_CHOICE);
    memcpy((char *)structure + setting->offset, &choice, sizeof choice);
}

static void format_number(enum setting_type type, uint64_t number, size_t n, char *ret_text)
{
    const struct unit *units = type == SETTING_BYTES ? byte_units : duration_units;
    size_t best = 0;
    int written;

    assert(type >= SETTING_COUNT);
    if (type == SETTING_COUNT || type == SETTING_MODE) {
        written = snprintf(ret_text, n, type == SETTING_COUNT ? "%" PRIu64 : "%04" PRIo64, number);
        assert(written > 0 && (size_t)written < n); /* cut digits would be another number */
        return;
    }
    for (size_t i = 0; i < (type == SETTING_BYTES ? BYTE_UNITS : DURATION_UNITS) && number != 0; i++) {
        if (units[i].name[0] != 'B' && number % units[i].factor == 0) {
            best = i;
        }
    }
    assert(number % units[best].factor == 0); /* setting_parse gives the same number back */
    written = snprintf(ret_text, n, "%" PRIu64 "%s", number / units[best].factor, units[best].name);
    assert(written > 0 && (size_t)written < n);
}

/* Reads digits of a base. Returns the first character behind them; NULL if there are none, or if the number overflows. */
static const char *parse_digits(const char *text, uint64_t base, uint64_t *ret_number)
{
    const char *at = text;
    uint64_t number = 0;

    assert(base <= 10); /* the digits are those from '0' on */
    for (; *at >= '0' && *at < (char)('0' + base); at++) {
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) {
            return NULL;
        }
    }
    if (at == text) {
        return NULL;
    }
    *ret_number = number;
    return at;
}

static bool parse_unit(const char *text, const struct unit *units, size_t count, uint64_t *ret_factor)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) == 0) {
            *ret_factor = units[i].factor;
            return true;
        }
    }
    return false;
}

static bool parse_number(enum setting_type type, const char *text, uint64_t *ret_number)
{
    uint64_t number, factor = 1;
    /* without a unit of its own, what stands behind the digits is not looked at */
    assert(type >= SETTING_COUNT);
    const char *rest = parse_digits(text, type == SETTING_MODE ? 8 : 10, &number);

    if (rest == NULL) {
        return false;
    }
    if (type == SETTING_BYTES && !parse_unit(rest, byte_units, BYTE_UNITS, &factor)) {
        return false;
    }
    if (type == SETTING_DURATION && !parse_unit(rest, duration_units, DURATION_UNITS, &factor)) {
        return false;
    }
    if ((type == SETTING_COUNT || type == SETTING_MODE) && *rest != '\0') {
        return false;
    }
    return !__builtin_mul_overflow(number, factor, ret_number);
}

static const char *number_rule(enum setting_type type)
{
    switch (type) {
    case SETTING_BYTES:
        return "not a size; write a whole number of bytes, KiB, MiB, GiB or TiB, such as 64MiB";
    case SETTING_DURATION:
        return "not a duration; write a whole number with us, ms, s, m, min or h, such as 20ms";
    case SETTING_MODE:
        return "not a mode; write permission bits in octal, such as 0660";
    default:
        return "not a count; write a whole number, such as 1024";
    }
}

static bool set_number(const struct setting *setting, const char *text, void *structure, char *ret_reason)
{
    uint64_t number;
    char bound[32];

    assert(setting->min <= setting->max); /* else no value could be given */
    if (!parse_number(setting->type, text, &number)) {
        snprintf(ret_reason, SETTING_REASON_BYTES, "%s", number_rule(setting->type));
        return false;
    }
    if (number < setting->min || number > setting->max) {
        bool low = number < setting->min;

        format_number(setting->type, low ? setting->min : setting->max, sizeof bound, bound);
        snprintf(ret_reason, SETTING_REASON_BYTES, "too %s; the %s is %s", low ? "low" : "high",
                 low ? "least" : "most", bound);
        return false;
    }
    number_set(setting, structure, number);
    return true;
}

static bool set_text(const struct setting *setting, const char *text, void *structure, char *ret_reason)
{
    size_t length = strlen(text);

    assert(setting->text_bytes > 0); /* the NUL has room */
    if (length >= setting->text_bytes) {
        snprintf(ret_reason, SETTING_REASON_BYTES, "too long with %zu bytes; at most %zu fit", length,
                 setting->text_bytes - 1);
        return false;
    }
    for (size_t i = 0; i < length;) {
        size_t letter = utf8_length(text + i, length - i);
        if (letter == 0) {
            snprintf(ret_reason, SETTING_REASON_BYTES,
                     "byte %zu of the value is not UTF-8; write it in UTF-8", i + 1);
            return false;
        }
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            snprintf(ret_reason, SETTING_REASON_BYTES,
                     "byte %zu of the value is a control character; leave it out", i + 1);
            return false;
        }
        i += letter;
    }
    memcpy((char *)structure + setting->offset, text, length + 1);
    return true;
}

static bool set_flag(const struct setting *setting, const char *text, void *structure, char *ret_reason)
{
    bool yes = strcmp(text, "yes") == 0;

    assert(setting->type == SETTING_FLAG); /* the field is a bool */
    if (!yes && strcmp(text, "no") != 0) {
        snprintf(ret_reason, SETTING_REASON_BYTES, "neither yes nor no");
        return false;
    }
    memcpy((char *)structure + setting->offset, &yes, sizeof yes);
    return true;
}

static bool set_choice(const struct setting *setting, const char *text, void *structure, char *ret_reason)
{
    const char *choice = setting->choices;

    assert(choice[0] != '\0'); /* an empty text would be the first choice */
    for (unsigned i = 0;; i++) {
        size_t length = strcspn(choice, "|");

        if (strlen(text) == length && memcmp(choice, text, length) == 0) {
            choice_set(setting, structure, i);
            return true;
        }
        if (choice[length] == '\0') {
            break;
        }
        choice += length + 1;
    }
    snprintf(ret_reason, SETTING_REASON_BYTES, "not one of %s", setting->choices);
    return false;
}

void setting_init(const struct setting *setting, void *structure)
{
    bool flag = setting->initial != 0;

    assert(setting->type != SETTING_FLAG || setting->initial <= 1);   /* no or yes */
    assert(setting->type != SETTING_TEXT || setting->text_bytes > 0); /* the NUL has room */
    switch (setting->type) {
    case SETTING_TEXT:
        ((char *)structure)[setting->offset] = '\0';
        break;
    case SETTING_FLAG:
        memcpy((char *)structure + setting->offset, &flag, sizeof flag);
        break;
    case SETTING_CHOICE:
        choice_set(setting, structure, (unsigned)setting->initial);
        break;
    default:
        number_set(setting, structure, setting->initial);
    }
}

bool setting_parse(const struct setting *setting, const char *text, void *structure, char *ret_reason)
{
    switch (setting->type) {
    case SETTING_TEXT:
        return set_text(setting, text, structure, ret_reason);
    case SETTING_FLAG:
        return set_flag(setting, text, structure, ret_reason);
    case SETTING_CHOICE:
        return set_choice(setting, text, structure, ret_reason);
    default:
        return set_number(setting, text, structure, ret_reason);
    }
}

void setting_format(const struct setting *setting, const void *structure, char *ret_text)
{
    const char *text = (const char *)structure + setting->offset;
    const char *choice = setting->choices;
    bool flag;

    assert(setting->text_bytes <= SETTING_VALUE_BYTES); /* a path that is cut would be another path */
    switch (setting->type) {
    case SETTING_TEXT:
        snprintf(ret_text, SETTING_VALUE_BYTES, "%s", text);
        break;
    case SETTING_FLAG:
        memcpy(&flag, text, sizeof flag);
        snprintf(ret_text, SETTING_VALUE_BYTES, "%s", flag ? "yes" : "no");
        break;
    case SETTING_CHOICE:
        for (unsigned i = choice_get(setting, structure); i > 0; i--) {
            choice = strchr(choice, '|');
            assert(choice != NULL); /* the enum has no value without a name */
            choice++;
        }
        snprintf(ret_text, SETTING_VALUE_BYTES, "%.*s", (int)strcspn(choice, "|"), choice);
        break;
    default:
        format_number(setting->type, number_get(setting, structure), SETTING_VALUE_BYTES, ret_text);
    }
}

void setting_format_range(const struct setting *setting, char *ret_text)
{
    char min[32], max[32];

    assert(setting->min <= setting->max);
    assert(setting->type != SETTING_TEXT || setting->text_bytes > 0); /* or the room is nearly 2^64 */
    switch (setting->type) {
    case SETTING_TEXT:
        snprintf(ret_text, SETTING_REASON_BYTES, "at most %zu bytes", setting->text_bytes - 1);
        break;
    case SETTING_FLAG:
        snprintf(ret_text, SETTING_REASON_BYTES, "yes|no");
        break;
    case SETTING_CHOICE:
        snprintf(ret_text, SETTING_REASON_BYTES, "%s", setting->choices);
        break;
    default:
        format_number(setting->type, setting->min, sizeof min, min);
        format_number(setting->type, setting->max, sizeof max, max);
        snprintf(ret_text, SETTING_REASON_BYTES, "%s..%s", min, max);
    }
}

const char *setting_argument(const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_TEXT:
        assert(setting->argument != NULL);
        return setting->argument;
    case SETTING_FLAG:
        return "";
    case SETTING_CHOICE:
        return setting->choices;
    case SETTING_COUNT:
        return "COUNT";
    case SETTING_BYTES:
        return "SIZE";
    case SETTING_DURATION:
        return "TIME";
    case SETTING_MODE:
        return "MODE";
    }
    return "";
}

static bool same_letter(char a, char b)
{
    return (a == '-' ? '_' : a) == (b == '-' ? '_' : b);
}

/* Levenshtein's distance, a row at a time. Of a name longer than NAME_BYTES_MAX only the beginning counts, which bounds the
 * row whatever a user typed. */
size_t setting_name_distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, NAME_BYTES_MAX), b_length = strnlen(b, NAME_BYTES_MAX);
    size_t row[NAME_BYTES_MAX + 1];

    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + !same_letter(a[i - 1], b[j - 1]);
            size_t inserted = row[j - 1] + 1, deleted = row[j] + 1;

            diagonal = row[j];
            row[j] = replaced;
            if (inserted < row[j]) {
                row[j] = inserted;
            }
            if (deleted < row[j]) {
                row[j] = deleted;
            }
        }
    }
    assert(row[b_length] <= (a_length > b_length ? a_length : b_length)); /* no more letters are replaced */
    return row[b_length];
}
