/* The check has three steps: root becomes the unit's user, since root may open everything; the configuration is read as that user; and
 * start_check looks at all that a start would open.
 *
 * Ways to fail: if the process cannot become the unit's user, the configuration is refused. Without a cairnd.service and a user cairn
 * the check goes on as root. */
#include "daemon/check_configuration.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/log.h"

enum { TEXT_BYTES = 256 };

void check_say_error(const char *error)
{
    log_say(LOG_LEVEL_ERROR, error);
}

static void refuse_part(enum start_check_part part, const char *error)
{
    assert(part < START_CHECK_PARTS);
    check_say_error(error);
}

static void note(const char *text)
{
    log_say(LOG_LEVEL_INFO, text);
}

/* Becomes the user that a start would run as. False: that failed, and was reported. *ret_is_asked: systemd knows the unit. */
static bool become_judged(const char *data, struct unit *ret_unit, bool *ret_is_asked)
{
    char text[TEXT_BYTES];
    assert(geteuid() == 0); /* only root may become somebody else */
    *ret_is_asked = unit_ask(data, ret_unit);
    if (!*ret_is_asked) {
        *ret_unit = (struct unit){.name = "cairnd.service", .user = UNIT_USER, .files_max = UINT64_MAX};
    }
    if (unit_become_user(ret_unit)) {
        snprintf(text, sizeof text, "judged as user %s%s%s",
                 ret_unit->user[0] != '\0' ? ret_unit->user : "root",
                 *ret_is_asked ? ", in the sandbox of " : "", *ret_is_asked ? ret_unit->name : "");
        note(text);
        return true;
    }
    bool is_absent = errno == 0;
    if (is_absent && !*ret_is_asked) {
        note("judged as user root: there is no cairnd.service and no user " UNIT_USER);
        return true;
    }
    snprintf(text, sizeof text, "user %s, as %s has it: %s", ret_unit->user, ret_unit->name,
             is_absent ? "there is none; systemd-sysusers makes it" : strerror(errno));
    check_say_error(text);
    return false;
}

enum exit_code check_configuration(const char *data, int argc, char **argv, char *const *environment,
                                   directory_look_fn *look)
{
    static struct options options;
    static struct options_errors errors;
    struct start_check_found found;
    struct unit unit;
    bool is_asked = false;
    if (geteuid() == 0 && !become_judged(data, &unit, &is_asked)) {
        return EXIT_CODE_REFUSED;
    }
    if (options_load(argc, argv, environment, &options, &errors) != OPTIONS_CHECK) {
        assert(errors.count > 0); /* the same words asked for a check before */
        options_each_error(&errors, check_say_error);
        return options_exit_code(&errors);
    }
    struct start_check_config config = {
        .options = &options,
        .look = look,
        .unit = is_asked ? &unit : NULL,
        .is_without_start = true,
        .refuse = refuse_part,
        .note = note,
    };
    enum exit_code code = start_check(&config, &found);
    if (code == EXIT_CODE_STOPPED) {
        printf("the configuration is good\n");
    }
    return code;
}
