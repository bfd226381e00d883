/* The sandbox becomes a list of rules, of which the one with the longest path counts, as for mounts: ProtectSystem= and ProtectHome=
 * make theirs, and the paths that the unit names make the others.
 *
 * Ways to fail: a property that is not understood makes no rule, so that the check lets pass what the start may still refuse. */
#include "daemon/host/unit.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"

enum { ANSWER_BYTES = 64 << 10 }; /* far above what systemctl prints of these properties */

#define STATES "/var/lib/cairn-" /* of the instances, cairnd@NAME, each its own */

static const char question[] =
    "systemctl show "
    "--property=LoadState,User,Group,LimitNOFILE,ProtectSystem,ProtectHome,PrivateTmp,ReadWritePaths,"
    "ReadOnlyPaths,InaccessiblePaths,BindPaths,StateDirectory,RuntimeDirectory,CacheDirectory,LogsDirectory";

/* "@NAME" for the directory of an instance, else "". */
static void find_instance(const char *data, size_t room, char *ret_instance)
{
    size_t length = strlen(STATES);
    const char *name = strncmp(data, STATES, length) == 0 ? data + length : "";
    size_t letters = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    bool is_instance =
        letters > 0 && (name[letters] == '\0' || strcmp(name + letters, "/") == 0) && letters + 2 < room;
    snprintf(ret_instance, room, "%s%.*s", is_instance ? "@" : "", is_instance ? (int)letters : 0, name);
}

static void add_rule(struct unit *unit, enum unit_access access, const char *above, const char *path,
                     size_t length)
{
    if (unit->rule_count < UNIT_RULES_MAX && strlen(above) + length < UNIT_PATH_BYTES) {
        struct unit_rule *rule = &unit->rules[unit->rule_count++];
        rule->access = access;
        rule->is_made = *above != '\0';
        snprintf(rule->path, sizeof rule->path, "%s%.*s", above, (int)length, path);
    }
}

/* Words with blanks between; each may begin with - or +, and go on behind a colon. */
static void add_paths(struct unit *unit, enum unit_access access, const char *above, const char *words)
{
    assert(access <= UNIT_HIDES);
    for (const char *at = words + strspn(words, " "); *at != '\0'; at += strspn(at, " ")) {
        const char *path = at + strspn(at, "-+");
        add_rule(unit, access, above, path, strcspn(path, " :"));
        at += strcspn(at, " ");
    }
}

static void add_system(struct unit *unit, const char *value)
{
    if (strcmp(value, "strict") == 0) {
        add_paths(unit, UNIT_READS, "", "/");
        add_paths(unit, UNIT_WRITES, "", "/dev /proc /sys");
    } else if (strcmp(value, "full") == 0) {
        add_paths(unit, UNIT_READS, "", "/usr /boot /efi /etc");
    } else if (strcmp(value, "yes") == 0) {
        add_paths(unit, UNIT_READS, "", "/usr /boot /efi");
    }
}

static void take(struct unit *unit, const char *name, const char *value, bool *is_loaded)
{
    static const struct {
        const char *name, *above;
        enum unit_access access;
    } paths[] = {
        {"ReadWritePaths", "", UNIT_WRITES},         {"ReadOnlyPaths", "", UNIT_READS},
        {"InaccessiblePaths", "", UNIT_HIDES},       {"StateDirectory", "/var/lib/", UNIT_WRITES},
        {"RuntimeDirectory", "/run/", UNIT_WRITES},  {"CacheDirectory", "/var/cache/", UNIT_WRITES},
        {"LogsDirectory", "/var/log/", UNIT_WRITES},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(name, paths[i].name) == 0) {
            add_paths(unit, paths[i].access, paths[i].above, value);
        }
    }
    if (strcmp(name, "LoadState") == 0) {
        *is_loaded = strcmp(value, "loaded") == 0;
    } else if (strcmp(name, "User") == 0) {
        snprintf(unit->user, sizeof unit->user, "%s", value);
    } else if (strcmp(name, "Group") == 0) {
        snprintf(unit->group, sizeof unit->group, "%s", value);
    } else if (strcmp(name, "LimitNOFILE") == 0 && strtoull(value, NULL, 10) > 0) {
        unit->files_max = strtoull(value, NULL, 10);
    } else if (strcmp(name, "ProtectSystem") == 0) {
        add_system(unit, value);
    } else if (strcmp(name, "ProtectHome") == 0 && strcmp(value, "no") != 0) {
        add_paths(unit, strcmp(value, "read-only") == 0 ? UNIT_READS : UNIT_HIDES, "",
                  "/home /root /run/user");
    } else if (strcmp(name, "PrivateTmp") == 0 && strcmp(value, "yes") == 0) {
        add_paths(unit, UNIT_HIDES, "", "/tmp /var/tmp");
    } else if (strcmp(name, "BindPaths") == 0) {
        for (const char *at = value + strspn(value, " "); *at != '\0'; at += strspn(at, " ")) {
            size_t length = strcspn(at, " "), source = strcspn(at, ": "); /* SOURCE:DESTINATION:OPTION */
            const char *path = source < length ? at + source + 1 : at + strspn(at, "-");
            add_rule(unit, UNIT_WRITES, "", path, strcspn(path, ": "));
            at += length;
        }
    }
}

bool unit_parse(const char *text, struct unit *ret_unit)
{
    bool is_loaded = false;
    *ret_unit = (struct unit){.files_max = UINT64_MAX};
    while (*text != '\0') {
        char line[4096];
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), text);
        text += length + (text[length] != '\0');
        char *equals = strchr(line, '=');
        if (equals != NULL) {
            *equals = '\0';
            take(ret_unit, line, equals + 1, &is_loaded);
        }
    }
    return is_loaded;
}

bool unit_ask(const char *data, struct unit *ret_unit)
{
    char instance[UNIT_USER_BYTES], name[UNIT_NAME_BYTES], command[sizeof question + UNIT_NAME_BYTES + 16];
    assert(thread_is(THREAD_OTHER)); /* it forks, and waits for another process */
    find_instance(data, sizeof instance, instance);
    snprintf(name, sizeof name, "cairnd%s.service", instance);
    snprintf(command, sizeof command, "%s %s 2>/dev/null", question, name);
    FILE *answer = popen(command, "re");
    char *text = answer == NULL ? NULL : malloc(ANSWER_BYTES);
    bool is_known = false;
    if (text != NULL) {
        text[fread(text, 1, ANSWER_BYTES - 1, answer)] = '\0';
        is_known = unit_parse(text, ret_unit);
        memcpy(ret_unit->name, name, sizeof name);
    }
    free(text);
    return (answer == NULL || pclose(answer) == 0) && is_known;
}

/* Whether it is the path, or one above it. */
static bool covers(const char *rule, const char *path)
{
    size_t length = strlen(rule);
    while (length > 0 && rule[length - 1] == '/') {
        length--;
    }
    return strncmp(rule, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

enum unit_access unit_access_of(const struct unit *unit, const char *path)
{
    enum unit_access access = UNIT_WRITES;
    size_t longest = 0;
    assert(path[0] == '/');
    for (size_t i = 0; i < unit->rule_count; i++) {
        const struct unit_rule *rule = &unit->rules[i];
        if (covers(rule->path, path) && strlen(rule->path) >= longest) {
            longest = strlen(rule->path);
            access = rule->access;
        }
    }
    return access;
}

bool unit_makes(const struct unit *unit, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    for (size_t i = 0; i < unit->rule_count; i++) {
        const struct unit_rule *rule = &unit->rules[i];
        if (rule->is_made && strlen(rule->path) == length && memcmp(rule->path, path, length) == 0) {
            return true;
        }
    }
    return false;
}

/* systemd sets SYSTEMD_EXEC_PID to the pid of each process that it starts: by that a unit's process is told from others. */
const char *unit_create_hint(const char *data)
{
    static char hint[UNIT_NAME_BYTES];
    char instance[UNIT_USER_BYTES];
    const char *pid = getenv("SYSTEMD_EXEC_PID");
    if (pid == NULL || strtol(pid, NULL, 10) != getpid()) {
        return "give --create";
    }
    find_instance(data, sizeof instance, instance);
    snprintf(hint, sizeof hint, "type systemctl start cairnd-create%s", instance);
    return hint;
}

bool unit_become_user(const struct unit *unit)
{
    assert(thread_is(THREAD_OTHER)); /* the ids of all threads change, so there should be one */
    if (unit->user[0] == '\0') {
        return true;
    }
    errno = 0;
    const struct passwd *user = getpwnam(unit->user);
    if (user == NULL) {
        return false;
    }
    uid_t uid = user->pw_uid;
    gid_t gid = user->pw_gid;
    if (unit->group[0] != '\0') {
        const struct group *group = getgrnam(unit->group);
        gid = group != NULL ? group->gr_gid : gid;
    }
    return initgroups(unit->user, gid) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}
