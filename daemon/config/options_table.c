/* The rows, and how their names are spelled and found. Nothing here changes while the daemon runs. */
#include "daemon/config/options_table.h"

#include <assert.h>
#include <string.h>

#include "proto/limits.h"

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define US  1ULL
#define MS  1000ULL
#define S   1000000ULL

#define BY_SYSTEMD "unless systemd passes a socket"
#define LASTING_CREATE                                                                                       \
    "a setting that stays would make a new, empty store wherever a disk is not mounted; give --create "      \
    "once, "                                                                                                 \
    "or systemctl start cairnd-create"

/* A row: the setting's name, its field, and what its type needs. */
#define ROW(NAME, FIELD, TYPE)     .name = NAME, .offset = offsetof(struct options, FIELD), .type = TYPE
#define TEXT(NAME, FIELD)          ROW(NAME, FIELD, SETTING_TEXT), .text_bytes = sizeof((struct options *)NULL)->FIELD
#define RANGE(INITIAL, MIN, MAX)   .initial = (INITIAL), .min = (MIN), .max = (MAX)
#define COUNT(NAME, FIELD, ...)    ROW(NAME, FIELD, SETTING_COUNT), RANGE(__VA_ARGS__)
#define BYTES(NAME, FIELD, ...)    ROW(NAME, FIELD, SETTING_BYTES), RANGE(__VA_ARGS__)
#define DURATION(NAME, FIELD, ...) ROW(NAME, FIELD, SETTING_DURATION), RANGE(__VA_ARGS__)

/* clang-format off */
const struct setting options_table[] = {
    {TEXT("config", config), .group = "Start", .argument = "FILE",
     .file_refusal = "a configuration file cannot name another",
     .help = "file with settings"},
    {TEXT("data", data), .argument = "DIR", .help = "data directory; required"},
    {ROW("create", create, SETTING_FLAG),
     .file_refusal = LASTING_CREATE, .environment_refusal = LASTING_CREATE,
     .help = "make a new store in the data directory if it is absent or empty"},
    {ROW("accept_loss", accept_loss, SETTING_FLAG),
     .file_refusal = "a loss is accepted for one start: give --accept-loss once",
     .help = "open a damaged store without what is lost, this once"},
    {TEXT("socket", socket), .group = "Who may connect", .argument = "PATH", .unless = BY_SYSTEMD,
     .help = "path of the Unix socket; not needed if systemd passes one"},
    {ROW("socket_mode", socket_mode, SETTING_MODE), RANGE(0660, 0, 0777), .unless = BY_SYSTEMD,
     .help = "permission bits of the socket"},
    {TEXT("socket_group", socket_group), .argument = "GROUP", .unless = BY_SYSTEMD,
     .help = "group of the socket, name or number; empty: the daemon's own"},
    {TEXT("readers", readers), .argument = "LIST",
     .help = "users and %groups that may read; no list at all: everybody is an admin"},
    {TEXT("writers", writers), .argument = "LIST", .help = "users and %groups that may also write, and claim chains"},
    {TEXT("admins", admins), .argument = "LIST", .help = "users and %groups that may also prune, roll back and drop without a claim, and drain"},
    {COUNT("queue_operations_max", queue_operations_max, 8192, 16, 1 << 24), .group = "Queued metadata",
     .reloadable = true, .help = "metadata operations the queue holds"},
    {BYTES("queue_bytes_max", queue_bytes_max, 32 * MIB, 64 * KIB, 16 * GIB),
     .reloadable = true, .help = "bytes of metadata the queue holds"},
    {DURATION("flush_delay", flush_delay_us, 20 * MS, 100 * US, 3600 * S),
     .reloadable = true, .help = "age at which queued metadata is written unasked"},
    {DURATION("sync_interval", sync_interval_us, 1 * S, 1 * MS, 3600 * S),
     .reloadable = true, .help = "age at which written data is synced unasked"},
    {BYTES("frame_bytes_max", frame_bytes_max, FRAME_BYTES_DEFAULT, FRAME_BYTES_MIN, FRAME_BYTES_MAX),
     .group = "Bounds", .help = "body of one frame"},
    {BYTES("requests_bytes_max", requests_bytes_max, 256 * MIB, 2 * FRAME_BYTES_MIN, 64 * GIB),
     .help = "all requests in flight; at least twice frame_bytes_max"},
    {BYTES("replies_bytes_max", replies_bytes_max, 256 * MIB, REPLIES_BYTES_PER_CLIENT, 64 * GIB),
     .reloadable = true, .help = "all replies that wait; at least frame_bytes_max"},
    {COUNT("connections_max", connections_max, 1024, 1, 65536), .help = "connections at a time"},
    {COUNT("streams_max", streams_max, 64, 1, 65536), .help = "open scans and streams at a time"},
    {COUNT("chains_max", chains_max, 1024, 1, 65536), .help = "chains in the store"},
    {BYTES("cache_bytes", cache_bytes, 64 * MIB, 64 * KIB, 1024 * GIB), .help = "cache of what was read from the disk"},
    {DURATION("hello_timeout", hello_timeout_us, 10 * S, 10 * MS, 3600 * S), .group = "Time-outs",
     .reloadable = true, .help = "for a new connection to say hello"},
    {DURATION("frame_timeout", frame_timeout_us, 30 * S, 10 * MS, 3600 * S),
     .reloadable = true, .help = "for the rest of a frame, once there is room for it"},
    {DURATION("stream_timeout", stream_timeout_us, 30 * S, 10 * MS, 3600 * S),
     .reloadable = true, .help = "how long replies may wait untaken, and a stream without credit"},
    {DURATION("claim_grace", claim_grace_us, 5 * S, 10 * MS, 3600 * S), .reloadable = true,
     .help = "how long a claim is held behind its last connection"},
    {DURATION("stop_timeout", stop_timeout_us, 30 * S, 1 * MS, 3600 * S), .reloadable = true,
     .help = "time to finish what was accepted, when told to stop"},
    {DURATION("stall_timeout", stall_timeout_us, 20 * S, 2 * S, 30 * 86400 * S), .reloadable = true,
     .help = "the process ends when its loop, its writer or a read does not move for that long"},
    {ROW("log_level", log_level, SETTING_CHOICE), .choices = "error|warning|info|debug", .initial = LOG_LEVEL_INFO,
     .group = "Log", .reloadable = true, .help = "what is logged: this and all that is more severe"},
    {ROW("log_format", log_format, SETTING_CHOICE), .choices = "auto|text|json|journal", .initial = LOG_FORMAT_AUTO,
     .help = "form of the log on stderr"},
    {BYTES("log_bytes_per_second", log_bytes_per_second, 64 * KIB, LOG_BYTES_PER_SECOND_MIN, LOG_BYTES_PER_SECOND_MAX),
     .reloadable = true, .help = "of all lines but errors, start and stop; what is beyond is dropped and counted"},
};
/* clang-format on */

enum { SETTINGS = sizeof options_table / sizeof options_table[0] };

const size_t options_table_count = SETTINGS;

static_assert((int)SETTINGS <= OPTIONS_COUNT_MAX, "struct options has an origin for every setting");
static_assert(sizeof(enum log_level) == sizeof(unsigned), "a choice is stored as an unsigned");
static_assert(sizeof(enum log_format) == sizeof(unsigned), "a choice is stored as an unsigned");
static_assert((int)OPTIONS_PATH_BYTES <= SETTING_VALUE_BYTES, "every value has room as text");

const struct options_command options_commands[OPTIONS_COMMANDS] = {
    {"create-only", OPTIONS_CREATE, "make a new store in the data directory if there is none, and end"},
    {"check-config", OPTIONS_CHECK, "say whether a start would go well, change nothing, and end"},
    {"print-config", OPTIONS_PRINT, "print every setting with its origin, and end"},
    {"version", OPTIONS_VERSION, "print the version, and end"},
    {"help", OPTIONS_HELP, "print this, and end"},
};

void options_table_spell(const char *name, bool environment, char *ret_spelled)
{
    size_t length = strlen(name);

    assert(length < OPTIONS_NAME_BYTES);
    for (size_t i = 0; i <= length; i++) {
        if (environment) {
            ret_spelled[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
        } else {
            ret_spelled[i] = (char)(name[i] == '_' ? '-' : name[i]);
        }
    }
}

const struct setting *options_table_find(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(options_table[i].name, name) == 0) {
            return &options_table[i];
        }
    }
    return NULL;
}

const char *options_table_nearest(const char *name, bool with_commands)
{
    size_t distance_min = strlen(name) / 3 + 2; /* a third of the name may be wrong, and a letter more */
    const char *best = NULL;

    for (size_t i = 0; i < SETTINGS + (with_commands ? OPTIONS_COMMANDS : 0); i++) {
        const char *candidate = i < SETTINGS ? options_table[i].name : options_commands[i - SETTINGS].name;
        size_t distance = setting_name_distance(name, candidate);

        if (distance < distance_min) {
            distance_min = distance;
            best = candidate;
        }
    }
    return best;
}
