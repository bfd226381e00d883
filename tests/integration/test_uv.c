/* cairn_uv.h in a real loop beside a real daemon: kill -9 and a restart in the middle, a number that another file takes over, an end
 * from inside a completion. */
#include <cairn_uv.h>
#include <check.h>
#include <dirent.h>
#include <string.h>

#include "tests/lib/daemon.h"
#include "tests/lib/suite.h"

enum {
    NAMES = 2000,
    IN_FLIGHT = 64,
    KILL_AT = 500,    /* names written: the daemon is killed then */
    ATTEMPTS_MIN = 5, /* that fail, before it is started again */
    PAUSE_MS_MIN = 8, /* behind the last of them: 1 ms, doubled four times, and cut by a half at most */
    LOSSES_MAX = 1000,
};

struct run;

struct slot {
    struct run *run;
    int number;
    bool in_flight;
};

/* Names that are set, each until it is known to be, over however many connections. */
struct run {
    struct daemon daemon;
    struct cairn_client *client;
    struct cairn_uv uv;
    uv_loop_t loop;
    struct slot slots[IN_FLIGHT];
    int next, done;
    int ready, lost; /* how often `changed` said so */
    int taken_fd;    /* opened by a completion; -1: none */
    bool takes_fd, killed, is_started, closed;
};

static int open_files(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static void submit_idle(struct run *run);

static void set_completed(void *context, const struct cairn_reply *reply)
{
    struct slot *slot = context;
    struct run *run = slot->run;
    slot->in_flight = false;
    if (reply->status == CAIRN_OK) {
        run->done++;
        slot->number = run->next++;
        submit_idle(run);
    } else if (run->takes_fd && run->taken_fd < 0) {
        /* gets the number of the lost connection's */
        run->taken_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void barrier_completed(void *context, const struct cairn_reply *reply)
{
    struct run *run = context;
    if (reply->status == CAIRN_OK) {
        cairn_uv_close(&run->uv, NULL); /* in a completion */
    }
}

static void submit_idle(struct run *run)
{
    struct cairn_connection *connection = run->uv.connection;
    if (run->done >= KILL_AT && !run->killed) {
        run->killed = true;
        daemon_kill(&run->daemon);
    }
    if (run->done == NAMES) {
        const struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN};
        ck_assert_int_eq(cairn_submit_barrier(connection, &barrier, barrier_completed, run), CAIRN_OK);
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct slot *slot = &run->slots[i];
        const struct cairn_slice name = {.data = &slot->number, .bytes = sizeof slot->number};
        const struct cairn_operation set = {.kind = CAIRN_SET, .name = name, .value = name};
        const struct cairn_write_metadata_request write = {.operations = &set, .operation_count = 1};
        if (!slot->in_flight && slot->number < NAMES) {
            enum cairn_status status = cairn_submit_write_metadata(connection, &write, set_completed, slot);
            slot->in_flight = status == CAIRN_OK;
            ck_assert(status == CAIRN_OK || run->killed);
        }
    }
}

static void changed(struct cairn_uv *uv, enum cairn_status status, const char *text)
{
    struct run *run = uv->data;
    if (status == CAIRN_OK) {
        run->ready++;
        submit_idle(run);
        return;
    }
    ck_assert_str_ne(text, "");
    ck_assert_int_eq(cairn_connection_get_state(uv->connection), CAIRN_LOST);
    ck_assert_int_lt(++run->lost, LOSSES_MAX);
    if (run->lost == ATTEMPTS_MIN && !run->is_started) {
        ck_assert_uint_ge(uv_timer_get_due_in(&uv->timer), PAUSE_MS_MIN);
        run->is_started = true;
        daemon_start(&run->daemon, "");
    }
}

static void run_begin(struct run *run)
{
    *run = (struct run){.daemon = daemon_new(), .next = IN_FLIGHT, .taken_fd = -1};
    for (int i = 0; i < IN_FLIGHT; i++) {
        run->slots[i] = (struct slot){.run = run, .number = i};
    }
    const struct cairn_client_options options = {.socket_path = run->daemon.socket};
    ck_assert_int_eq(cairn_client_new(&options, &run->client), CAIRN_OK);
    ck_assert_int_eq(uv_loop_init(&run->loop), 0);
}

static void run_end(struct run *run)
{
    ck_assert_int_eq(uv_loop_close(&run->loop), 0); /* no handle is left */
    cairn_client_free(run->client);
    daemon_close(&run->daemon);
}

/* Every name is there with its value. */
static void expect_all_names(struct run *run)
{
    struct cairn_connection *connection;
    ck_assert_int_eq(cairn_connect(run->client, 0, &connection), CAIRN_OK);
    for (int i = 0; i < NAMES; i++) {
        const struct cairn_reply *reply;
        const struct cairn_get_request get = {.name = {.data = &i, .bytes = sizeof i}};
        ck_assert_int_eq(cairn_get(connection, &get, &reply), CAIRN_OK);
        ck_assert(reply->found.value.bytes == sizeof i && memcmp(reply->found.value.data, &i, sizeof i) == 0);
    }
    ck_assert_int_eq(cairn_close(connection, 0, NULL), CAIRN_OK);
}

static void write_over_a_kill(bool takes_fd)
{
    struct run run;
    run_begin(&run);
    run.takes_fd = takes_fd;
    daemon_start(&run.daemon, "");
    int before = open_files();
    ck_assert_int_eq(cairn_uv_start(&run.uv, &run.loop, run.client, changed, &run), CAIRN_OK);
    ck_assert_int_eq(run.ready + run.lost, 0); /* it runs from the loop */
    uv_run(&run.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(run.done, NAMES);
    ck_assert_int_eq(run.ready, 2);
    ck_assert_int_ge(run.lost, ATTEMPTS_MIN);
    if (takes_fd) {
        ck_assert_int_ge(run.taken_fd, 0);
        close(run.taken_fd);
    }
    ck_assert_int_eq(open_files(), before);
    expect_all_names(&run);
    run_end(&run);
}

START_TEST(test_writes_go_on_after_kill_minus_9_and_a_restart)
{
    write_over_a_kill(false);
}
END_TEST

START_TEST(test_a_file_that_takes_the_number_of_a_lost_connection_is_left_alone)
{
    write_over_a_kill(true);
}
END_TEST

START_TEST(test_a_daemon_that_comes_later_is_met)
{
    struct run run;
    run_begin(&run);
    run.killed = true; /* it is not there yet, and is started after some attempts */
    ck_assert_int_eq(cairn_uv_start(&run.uv, &run.loop, run.client, changed, &run), CAIRN_OK);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(run.ready, 1);
    expect_all_names(&run);
    run_end(&run);
}
END_TEST

static void closed(struct cairn_uv *uv)
{
    struct run *run = uv->data;
    ck_assert(!run->closed);
    run->closed = true;
}

static void close_at_once(struct cairn_uv *uv, enum cairn_status status, const char *text)
{
    struct run *run = uv->data;
    (void)text;
    run->lost += status != CAIRN_OK;
    run->ready += status == CAIRN_OK;
    cairn_uv_close(uv, closed); /* in `changed` */
    cairn_uv_close(uv, closed);
    ck_assert(!run->closed);
}

START_TEST(test_it_is_closed_from_its_own_callback_when_ready_and_when_lost)
{
    for (int is_there = 0; is_there <= 1; is_there++) {
        struct run run;
        run_begin(&run);
        if (is_there) {
            daemon_start(&run.daemon, "");
        }
        ck_assert_int_eq(cairn_uv_start(&run.uv, &run.loop, run.client, close_at_once, &run), CAIRN_OK);
        uv_run(&run.loop, UV_RUN_DEFAULT);
        ck_assert(run.closed && run.ready == is_there && run.lost == !is_there);
        run_end(&run);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("uv", 120, &tests);
    tcase_add_test(tests, test_writes_go_on_after_kill_minus_9_and_a_restart);
    tcase_add_test(tests, test_a_file_that_takes_the_number_of_a_lost_connection_is_left_alone);
    tcase_add_test(tests, test_a_daemon_that_comes_later_is_met);
    tcase_add_test(tests, test_it_is_closed_from_its_own_callback_when_ready_and_when_lost);
    return suite_run(suite, false);
}
