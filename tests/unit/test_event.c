/* The catalogue: every event is written once, with a name of its own, its text and its fields. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/observe/event.h"
#include "daemon/runtime/log.h"
#include "tests/lib/suite.h"

static const char *write_space(enum event_name name)
{
    static void (*const writes[EVENTS])(uint64_t, uint64_t, uint64_t, uint64_t) = {
        [EVENT_SPACE_LOW] = event_space_low,           [EVENT_SPACE_OUT] = event_space_out,
        [EVENT_SPACE_BACK] = event_space_back,         [EVENT_SPACE_NONE] = event_space_none,
        [EVENT_SPACE_REOPENED] = event_space_reopened,
    };
    ck_assert(name < EVENTS && writes[name] != NULL);
    writes[name](1, 2, 4, 3);
    return "free_bytes reserve_bytes soft_bytes hard_bytes";
}

/* Of the start and of a reload. */
static const char *write_early(enum event_name name)
{
    switch (name) {
    case EVENT_FILES_LIMIT_TOO_LOW:
        return event_files_limit_too_low("because"), "error";
    case EVENT_DIRECTORY_REFUSED:
        return event_directory_refused("because"), "error";
    case EVENT_STORE_REFUSED:
        return event_store_refused("because"), "error";
    case EVENT_STORE_CUT:
        return event_store_cut("because"), "error";
    case EVENT_RUNS_FORGOTTEN:
        return event_runs_forgotten(7, 9), "from to";
    case EVENT_STORE_MADE:
        return event_store_made("/d"), "path";
    case EVENT_STORE_EXISTS:
        return event_store_exists("/d"), "path";
    case EVENT_SOCKET_REFUSED:
        return event_socket_refused("because"), "error";
    case EVENT_SERVER_REFUSED:
        return event_server_refused("because"), "error";
    case EVENT_SETTING_OVERRIDDEN:
        return event_setting_overridden("socket", "/s"), "setting value";
    case EVENT_START_WAITS:
        return event_start_waits("/d", 3000), "path lasted_ms";
    case EVENT_READY:
        return event_ready(7, "engine 1"), "pid run engine";
    case EVENT_SETTING_CHANGED:
        return event_setting_changed("flush_delay", "20ms", "30ms"), "setting before after";
    case EVENT_SETTING_KEPT:
        return event_setting_kept("data", "/a", "/b"), "setting before after";
    case EVENT_RELOADED:
        return event_reloaded("data, socket"), "needs_restart";
    case EVENT_RELOAD_REFUSED:
        return event_reload_refused("because"), "error";
    default:
        ck_abort_msg("no event of the start");
        return NULL;
    }
}

static const char *write_claim(enum event_name name)
{
    const struct event_claim claim = {slice_of("aux", 3), slice_of("node", 4), 1001, 77, 1234};
    if (name == EVENT_CLAIMED) {
        event_claimed(&claim);
    } else if (name == EVENT_CLAIM_TAKEN_OVER) {
        event_claim_taken_over(&claim);
    } else {
        event_claim_released(&claim);
    }
    return "chain writer uid pid sequence";
}

/* Writes the event with values that a test can tell; returns its fields. The compiler complains when one is missing. */
static const char *write_one(enum event_name name)
{
    switch (name) {
    case EVENT_FILES_LIMIT_TOO_LOW:
    case EVENT_DIRECTORY_REFUSED:
    case EVENT_STORE_REFUSED:
    case EVENT_STORE_CUT:
    case EVENT_RUNS_FORGOTTEN:
    case EVENT_STORE_MADE:
    case EVENT_STORE_EXISTS:
    case EVENT_SOCKET_REFUSED:
    case EVENT_SERVER_REFUSED:
    case EVENT_SETTING_OVERRIDDEN:
    case EVENT_START_WAITS:
    case EVENT_READY:
    case EVENT_SETTING_CHANGED:
    case EVENT_SETTING_KEPT:
    case EVENT_RELOADED:
    case EVENT_RELOAD_REFUSED:
        return write_early(name);
    case EVENT_STOPPING:
        return event_stopping(3, 5), "connections operations";
    case EVENT_STOPPED:
        return event_stopped(5), "operations";
    case EVENT_STOP_TIMED_OUT:
        return event_stop_timed_out(5), "operations";
    case EVENT_WRITE_FAILED:
        return event_write_failed("because"), "error";
    case EVENT_DIRECTORY_GONE:
        return event_directory_gone("because"), "error";
    case EVENT_DAMAGE_FOUND:
        return event_damage_found("because", "000012.sst"), "error file";
    case EVENT_RAISES_LEFT_OUT:
        return event_raises_left_out("because", 2, 1234), "error raises sequence";
    case EVENT_STALLED:
        return event_stalled("writer", 1000), "what lasted_ms";
    case EVENT_MOVES_AGAIN:
        return event_moves_again("writer", 1500), "what lasted_ms";
    case EVENT_STALL_TIMED_OUT:
        return event_stall_timed_out("writer, pool", 20000), "what timeout_ms";
    case EVENT_CLAIMED ... EVENT_CLAIM_RELEASED:
        return write_claim(name);
    case EVENT_CONNECTION_REFUSED:
        return event_connection_refused(1024), "connections_max";
    case EVENT_PEER_REFUSED:
        return event_peer_refused(1001), "uid";
    case EVENT_ACCEPT_FAILED:
        return event_accept_failed("because"), "error";
    case EVENT_ACCEPTING_STOPPED:
        event_accepting_stopped();
        return "";
    case EVENT_CONNECTION_TIMED_OUT:
        return event_connection_timed_out("because", 33), "error type";
    case EVENT_FRAME_REFUSED:
        event_frame_refused("because", 255);
        return "error type";
    case EVENT_FRAME_CUT:
        return event_frame_cut("because", 33), "error type";
    case EVENT_REQUEST_MALFORMED:
        return event_request_malformed(33, UINT32_MAX), "type bytes";
    case EVENT_RECLAIM_FAILED:
        event_reclaim_failed("because", 3, 2, 10);
        return "error chain_number failures retry_seconds";
    case EVENT_LOG_LINES_DROPPED:
        return event_log_lines_dropped(9), "lines";
    case EVENT_SPACE_LACKING:
        return event_space_lacking("because", 4), "error failures";
    case EVENT_SPACE_LOW ... EVENT_SPACE_REOPENED:
    case EVENTS:
        break;
    }
    return write_space(name);
}

static void start(void)
{
    struct failure failure;
    struct log_config config = {LOG_LEVEL_DEBUG, LOG_FORMAT_JSON, 1 << 20, event_log_lines_dropped};
    ck_assert(log_start(&config, &failure));
}

/* The event as the log writes it in JSON. */
static json_t *capture(enum event_name name, const char **ret_fields)
{
    char line[1024];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int errors = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    start();
    *ret_fields = write_one(name);
    while (!log_stop()) {
    }
    ck_assert_int_ge(dup2(errors, STDERR_FILENO), 0);
    close(errors);
    rewind(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_int_eq(fgetc(file), EOF); /* one line */
    fclose(file);
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(object != NULL, "%s", line);
    return object;
}

START_TEST(every_event_is_one_line_with_its_name_and_exactly_its_fields)
{
    for (int name = 0; name < EVENTS; name++) {
        const char *fields;
        json_t *object = capture((enum event_name)name, &fields);
        size_t count = 4; /* time, level, event, message */
        ck_assert_str_eq(json_string_value(json_object_get(object, "event")),
                         event_text((enum event_name)name));
        ck_assert_uint_gt(strlen(json_string_value(json_object_get(object, "message"))), 0);
        char copy[128], *save;
        snprintf(copy, sizeof copy, "%s", fields);
        for (char *field = strtok_r(copy, " ", &save); field != NULL; field = strtok_r(NULL, " ", &save)) {
            ck_assert_msg(json_object_get(object, field) != NULL, "%s has no %s",
                          event_text((enum event_name)name), field);
            count++;
        }
        ck_assert_uint_eq(json_object_size(object), count);
        json_decref(object);
    }
}
END_TEST

START_TEST(values_are_those_of_the_call)
{
    const char *fields;
    json_t *object = capture(EVENT_REQUEST_MALFORMED, &fields);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "type")), 33);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "bytes")), UINT32_MAX);
    json_decref(object);
    object = capture(EVENT_READY, &fields);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "pid")), getpid());
    ck_assert_int_eq(json_integer_value(json_object_get(object, "run")), 7);
    ck_assert_str_eq(json_string_value(json_object_get(object, "engine")), "engine 1");
    json_decref(object);
}
END_TEST

START_TEST(names_are_plain_and_no_two_the_same)
{
    for (int name = 0; name < EVENTS; name++) {
        const char *text = event_text((enum event_name)name);
        ck_assert_uint_gt(strlen(text), 0);
        ck_assert_uint_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz_"), strlen(text));
        for (int other = 0; other < name; other++) {
            ck_assert_str_ne(event_text((enum event_name)other), text);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("event", 30, &tests);
    tcase_add_test(tests, every_event_is_one_line_with_its_name_and_exactly_its_fields);
    tcase_add_test(tests, values_are_those_of_the_call);
    tcase_add_test(tests, names_are_plain_and_no_two_the_same);
    return suite_run(suite, true);
}
