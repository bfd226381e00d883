/* A reload (SIGHUP): what it takes over counts from then on, what it does not is named, and a wrong configuration changes nothing. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/manager.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { TOLD_MS = 20000 };

static struct daemon daemon_;
static struct manager manager;
static char *config;

static void start(const char *text)
{
    daemon_ = daemon_new();
    manager = manager_open();
    daemon_.environment[0] = kept_format("NOTIFY_SOCKET=%s", manager.name);
    daemon_.environment[1] = "CAIRND_HELLO_TIMEOUT"; /* it would go before the file */
    config = directory_path(&daemon_.home, "cairnd.conf");
    file_write(config, text);
    daemon_start(&daemon_, kept_format("--config %s", config));
    ck_assert(manager_hears(&manager, "STATUS=serving", TOLD_MS));
}

static void stop(struct wire *wire)
{
    wire_close(wire);
    ck_assert_int_eq(daemon_stop(&daemon_), 0);
    manager_close(&manager);
    daemon_close(&daemon_);
}

static void reload(const char *text)
{
    file_write(config, text);
    daemon_signal(&daemon_, SIGHUP);
    ck_assert(manager_hears(&manager, "RELOADING=1", TOLD_MS));
    ck_assert(manager_hears(&manager, "READY=1", TOLD_MS));
}

START_TEST(test_bounds_change_and_each_change_is_logged)
{
    start("queue_operations_max = 64\nqueue_bytes_max = 1MiB\n");
    struct wire wire = wire_open(daemon_.socket);
    ck_assert_uint_eq(status_number(&wire, "queue.operations_max"), 64);
    reload("queue_operations_max = 128\nqueue_bytes_max = 64KiB\nchains_max = 7\nlog_level = debug\n");
    ck_assert_uint_eq(status_number(&wire, "queue.operations_max"), 128);
    ck_assert_uint_eq(status_number(&wire, "queue.bytes_max"), 64 << 10);
    ck_assert(
        daemon_says(&daemon_, "\"setting\":\"queue_operations_max\",\"before\":\"64\",\"after\":\"128\""));
    ck_assert(
        daemon_says(&daemon_, "\"setting\":\"queue_bytes_max\",\"before\":\"1MiB\",\"after\":\"64KiB\""));
    ck_assert(daemon_says(&daemon_, "\"setting\":\"log_level\",\"before\":\"info\",\"after\":\"debug\""));
    ck_assert(daemon_says(&daemon_, "\"event\":\"setting_kept\""));
    ck_assert(daemon_says(&daemon_, "\"needs_restart\":\"chains_max\""));
    Cairn__WriteMetadata *large = metadata_new(operation_set_bytes(bytes_of("a"), bytes_random(1, 65 << 10)));
    ck_assert_int_eq(ask_metadata(&wire, large).status,
                     STATUS_TOO_LARGE); /* an empty queue could not hold it now */
    set(&wire, "a", "x");
    reload("queue_operations_max = 128\nqueue_bytes_max = 1MiB\n");
    ck_assert_int_eq(ask_metadata(&wire, large).status, STATUS_OK);
    stop(&wire);
}
END_TEST

/* What is queued under a higher bound stays, and what waits for room gets it. */
START_TEST(test_lower_bounds_hold_back_what_comes_and_drop_nothing)
{
    start("flush_delay = 1h\nqueue_operations_max = 8192\n");
    struct wire wire = wire_open(daemon_.socket);
    for (int i = 0; i < 500; i++) {
        set(&wire, kept_format("%d", i), "x");
    }
    reload("flush_delay = 1h\nqueue_operations_max = 16\n");
    for (int i = 500; i < 600; i++) {
        set(&wire, kept_format("%d", i), "x");
    }
    for (int i = 0; i < 600; i++) {
        ck_assert(metadata_is(&wire, kept_format("%d", i), "x"));
    }
    ck_assert_uint_le(status_number(&wire, "queue.operations"), 16);
    stop(&wire);
}
END_TEST

START_TEST(test_sync_interval_counts_at_once)
{
    start("sync_interval = 1h\nflush_delay = 1ms\n");
    struct wire wire = wire_open(daemon_.socket);
    uint64_t sequence = ask_metadata(&wire, metadata_new(operation_set("a", "x"))).sequence;
    reload("sync_interval = 10ms\nflush_delay = 1ms\n");
    uint64_t until = clock_ms() + (uint64_t)patience_ms(20000);
    do {
        sleep_ms(5);
        get_height(&wire);
    } while (wire.durable_through < sequence && clock_ms() < until);
    ck_assert_uint_ge(wire.durable_through, sequence);
    stop(&wire);
}
END_TEST

START_TEST(test_time_outs_count_for_those_who_wait_already)
{
    start("hello_timeout = 1h\n");
    struct wire wire = wire_open(daemon_.socket), silent = wire_connect(daemon_.socket);
    set(&wire, "a", "x");
    reload("hello_timeout = 50ms\n");
    ck_assert(wire_ends(&silent, 20000));
    ck_assert(metadata_is(&wire, "a", "x"));
    wire_close(&silent);
    stop(&wire);
}
END_TEST

START_TEST(test_wrong_configuration_changes_nothing_and_all_of_it_is_named)
{
    start("queue_operations_max = 64\nreplies_bytes_max = 64MiB\n");
    struct wire wire = wire_open(daemon_.socket);
    reload("queue_operations_max = 128\nflush_dely = 3ms\nlog_level = nonsense\n");
    ck_assert(daemon_says(&daemon_, "did you mean flush_delay?"));
    ck_assert(daemon_says(&daemon_, "nonsense"));
    ck_assert_uint_eq(status_number(&wire, "queue.operations_max"), 64);
    reload("queue_operations_max = 128\nframe_bytes_max = 1MiB\nreplies_bytes_max = 16MiB\n");
    ck_assert(daemon_says(&daemon_, "restart to take all over")); /* beside the frame_bytes_max in force */
    ck_assert_uint_eq(status_number(&wire, "queue.operations_max"), 64);
    ck_assert_int_eq(unlink(config), 0);
    daemon_signal(&daemon_, SIGHUP);
    ck_assert(daemon_says(&daemon_, "cannot be opened: No such file or directory"));
    set(&wire, "a", "x");
    stop(&wire);
}
END_TEST

/* A pool that is taken for stalled stays so, and ends the daemon at stall_timeout. */
static void await_health(struct wire *wire)
{
    sleep_ms(2000); /* of which one makes a stall */
    uint64_t until = clock_ms() + (uint64_t)patience_ms(TOLD_MS);
    while (strcmp(status_string(wire, "health"), "ok") != 0) { /* else a slow disk was seen */
        ck_assert_msg(clock_ms() < until, "health says %s", status_string(wire, "health"));
        sleep_ms(20);
    }
}

/* The file is a pipe that nobody has written to yet. */
START_TEST(test_reload_that_waits_for_its_file_holds_up_nobody)
{
    start("log_level = info\n");
    ck_assert_int_eq(unlink(config), 0);
    ck_assert_int_eq(mkfifo(config, 0600), 0);
    daemon_signal(&daemon_, SIGHUP);
    ck_assert(manager_hears(&manager, "RELOADING=1", TOLD_MS));
    struct wire wire = wire_open(daemon_.socket);
    set(&wire, "a", "served meanwhile");
    commit_ok(&wire, commit_of_block(1, "one"));
    await_health(&wire);
    ck_assert(!manager_has_heard(&manager, "READY=1"));
    int writer = open(config, O_WRONLY | O_CLOEXEC); /* waits until somebody reads */
    ck_assert_int_eq(write(writer, "log_level = debug\n", 18), 18);
    close(writer);
    ck_assert(manager_hears(&manager, "READY=1", TOLD_MS));
    ck_assert(daemon_says(&daemon_, "reloaded"));
    stop(&wire);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("reload", 60, &tests);
    tcase_add_test(tests, test_bounds_change_and_each_change_is_logged);
    tcase_add_test(tests, test_lower_bounds_hold_back_what_comes_and_drop_nothing);
    tcase_add_test(tests, test_sync_interval_counts_at_once);
    tcase_add_test(tests, test_time_outs_count_for_those_who_wait_already);
    tcase_add_test(tests, test_wrong_configuration_changes_nothing_and_all_of_it_is_named);
    tcase_add_test(tests, test_reload_that_waits_for_its_file_holds_up_nobody);
    return suite_run(suite, false);
}
