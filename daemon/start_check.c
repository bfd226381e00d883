/* Every part is checked, by the room that opens it in a start, whatever the others found. The exit code is that of the first refusal
 * that a person must mend; if there is none, that of a failure which may pass.
 *
 * Ways to fail: what the system does not tell, such as the space that is free, refuses nothing. */
#include "daemon/start_check.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/host/listener.h"

enum {
    SPACE_NEW_BYTES = 4 << 20, /* measured: on a smaller file system a new store takes no write */
    FILES_NEW = 64,            /* it makes some 20, and takes no write with fewer than 32 left */
};

struct check {
    const struct start_check_config *config;
    enum exit_code code;
};

static void refuse(struct check *check, enum start_check_part part, enum exit_code code, const char *error)
{
    assert(code != EXIT_CODE_STOPPED);
    if (check->code == EXIT_CODE_STOPPED || check->code == EXIT_CODE_FAILED) {
        check->code = code;
    }
    check->config->refuse(part, error);
}

static void refuse_failure(struct check *check, enum start_check_part part, const struct failure *failure)
{
    refuse(check, part, exit_code_of_start(failure->status), failure->text);
}

__attribute__((format(printf, 3, 4))) static void
refuse_setting(struct check *check, enum start_check_part part, const char *format, ...)
{
    char error[DIRECTORY_ERROR_BYTES + UNIT_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, sizeof error, format, arguments);
    va_end(arguments);
    refuse(check, part, EXIT_CODE_REFUSED, error);
}

/* Resolves each list by itself, so that every wrong one is reported; then all together, which may be too many. */
static void check_roles(struct check *check, struct roles *ret_roles)
{
    const struct options *options = check->config->options;
    const char *const lists[][3] = {
        {options->readers, "", ""},
        {"", options->writers, ""},
        {"", "", options->admins},
        {options->readers, options->writers, options->admins},
    };
    struct failure failure;
    bool is_good = true;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        bool is_all = i == sizeof lists / sizeof lists[0] - 1; /* only all of them together can be too many */
        if ((!is_all || is_good) && !roles_init(lists[i][0], lists[i][1], lists[i][2], ret_roles, &failure)) {
            refuse_failure(check, START_CHECK_ROLES, &failure);
            is_good = false;
        }
    }
}

static void check_files(struct check *check, struct process_limits_files *ret_limit)
{
    const struct unit *unit = check->config->unit;
    uint64_t connections_max = check->config->options->connections_max;
    if (!process_limits_raise_files(connections_max, unit != NULL ? unit->files_max : UINT64_MAX,
                                    ret_limit)) {
        refuse_setting(check, START_CHECK_FILES,
                       "connections_max = %" PRIu64 ": takes %" PRIu64
                       " file descriptors and the limit is %" PRIu64
                       "; raise LimitNOFILE or lower connections_max",
                       connections_max, ret_limit->needed, ret_limit->limit);
    }
}

/* The limits of this process on the size of files and on address space. Those of a unit cannot be told from outside. */
static void check_limits(struct check *check)
{
    uint64_t bytes = 0;
    if (check->config->unit != NULL) {
        return;
    }
    if (!process_limits_raise_file_size(&bytes)) {
        refuse_setting(check, START_CHECK_DIRECTORY,
                       "files may have %" PRIu64 " bytes here, and a store's have up to %" PRIu64
                       "; raise LimitFSIZE (ulimit -f)",
                       bytes, PROCESS_LIMITS_FILE_SIZE_MIN);
    }
    if (!process_limits_raise_memory(&bytes)) {
        refuse_setting(check, START_CHECK_MEMORY,
                       "the limit on address space is %" PRIu64 " bytes, and a start takes %" PRIu64
                       "; raise LimitAS (ulimit -v), or bound memory by MemoryMax= instead",
                       bytes, PROCESS_LIMITS_MEMORY_MIN);
    }
}

/* Resolves the path, or, if nothing is there, its parent directory. */
static bool find_real(const char *path, char *ret_real)
{
    char parent[PATH_MAX];
    if (realpath(path, ret_real) != NULL) {
        return true;
    }
    snprintf(parent, sizeof parent, "%s", path);
    return realpath(dirname(parent), ret_real) != NULL;
}

static void check_sandbox(struct check *check, enum start_check_part part, const char *name, const char *path)
{
    char real[PATH_MAX];
    const struct unit *unit = check->config->unit;
    if (unit == NULL || !find_real(path, real)) {
        return; /* what cannot be found is refused elsewhere */
    }
    enum unit_access access = unit_access_of(unit, real);
    if (access == UNIT_READS) {
        refuse_setting(
            check, part,
            "%s = %s: the sandbox of %s lets nothing be written there; put ReadWritePaths=%s below "
            "[Service] by systemctl edit %s",
            name, path, unit->name, real, unit->name);
    } else if (access == UNIT_HIDES) {
        refuse_setting(
            check, part,
            "%s = %s: the sandbox of %s hides what is there (PrivateTmp=, ProtectHome=); name another place",
            name, path, unit->name);
    }
}

/* Whether the directory, of a file the one that it lies in, is absent, and the unit's start makes it. */
static bool is_made_by_unit(const struct check *check, const char *path, bool is_file)
{
    char copy[PATH_MAX];
    const struct unit *unit = check->config->unit;
    snprintf(copy, sizeof copy, "%s", path);
    const char *directory = is_file ? dirname(copy) : copy;
    return unit != NULL && access(directory, F_OK) != 0 && unit_makes(unit, directory);
}

static void check_socket(struct check *check)
{
    const struct options *options = check->config->options;
    struct failure failure;
    if (check->config->is_socket_passed) {
        return;
    }
    if (options->socket[0] == '\0' && check->config->is_without_start) {
        check->config->note("no socket is named: that is good where systemd passes one");
    } else if (options->socket[0] == '\0') {
        refuse_setting(check, START_CHECK_SOCKET,
                       "no path is set: name one with --socket PATH, or pass a socket from systemd");
    } else if (is_made_by_unit(check, options->socket, true)) {
        check->config->note("the socket's directory is absent: the unit's start makes it");
    } else if (listener_look(options->socket, options->socket_group, &failure) != STATUS_OK) {
        refuse_failure(check, START_CHECK_SOCKET, &failure);
    } else {
        check_sandbox(check, START_CHECK_SOCKET, "socket", options->socket);
    }
}

/* A new store needs space; an existing one serves reads without it, and refuses writes. */
static void check_space(struct check *check, bool is_new)
{
    const char *path = check->config->options->data;
    char real[PATH_MAX];
    struct statvfs space;
    if (!find_real(path, real) || statvfs(real, &space) != 0) {
        return;
    }
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (is_new && free_bytes < SPACE_NEW_BYTES) {
        refuse_setting(check, START_CHECK_DIRECTORY,
                       "data = %s: %" PRIu64
                       " KiB are free there, and a new store takes %d KiB at the least; free some, or "
                       "name another place",
                       path, free_bytes / 1024, SPACE_NEW_BYTES / 1024);
    } else if (is_new && space.f_files > 0 && space.f_favail < FILES_NEW) {
        refuse_setting(
            check, START_CHECK_DIRECTORY,
            "data = %s: %" PRIu64
            " files (inodes) are left there, and a new store takes %d at the least; remove some, or "
            "name another place",
            path, (uint64_t)space.f_favail, FILES_NEW);
    } else if (free_bytes < SPACE_NEW_BYTES) {
        check->config->note(
            "the data directory's file system is full: writes are refused until there is space");
    }
}

static void check_directory(struct check *check)
{
    const struct start_check_config *config = check->config;
    const char *path = config->options->data;
    struct directory_error error, missing;
    if (is_made_by_unit(check, path, false)) {
        config->note("the data directory is absent: the unit that makes a store makes it too (systemctl "
                     "start cairnd-create)");
        return;
    }
    enum directory_result result = directory_look(path, false, config->look, &error);
    bool is_new = result == DIRECTORY_MISSING && (config->options->create || config->is_without_start);
    if (is_new) {
        missing = error;
        result = directory_look(path, true, config->look, &error);
    }
    if (result != DIRECTORY_OK) {
        refuse(check, START_CHECK_DIRECTORY, directory_exit_code(result), error.text);
        return;
    }
    if (is_new && !config->options->create) {
        char text[DIRECTORY_ERROR_BYTES + 64];
        snprintf(text, sizeof text, "a start is refused until there is a store: %s", missing.text);
        config->note(text);
    }
    check_sandbox(check, START_CHECK_DIRECTORY, "data", path);
    check_space(check, is_new);
}

enum exit_code start_check(const struct start_check_config *config, struct start_check_found *ret_found)
{
    struct check check = {.config = config, .code = EXIT_CODE_STOPPED};
    assert(config->options->data[0] != '\0'); /* options_check refuses a start without it */
    check_roles(&check, &ret_found->roles);
    check_files(&check, &ret_found->files);
    check_limits(&check);
    check_socket(&check);
    check_directory(&check);
    return check.code;
}
