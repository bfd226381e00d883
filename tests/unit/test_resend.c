/* Accepted metadata outlives the daemon: what the client library keeps, sends again, drops and refuses (contract §3). */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"
#include "tests/lib/suite.h"

enum { CONNECTIONS = 2, RESEND_PAUSE_US = 100000 };

static struct fake_daemon fake;
static struct cairn_client *client;
static struct cairn_connection *connections[CONNECTIONS];
static int fds[CONNECTIONS]; /* the daemon's ends */
static int drops;
static bool ended; /* the test's own variables are gone */
static struct cairn_dropped dropped;

static void on_dropped(void *context, const struct cairn_dropped *what)
{
    (void)context;
    dropped = *what;
    dropped.text = NULL;
    drops++;
}

static void on_completion(void *context, const struct cairn_reply *reply)
{
    if (!ended) {
        ck_assert_int_eq(*(int *)context, -1);
        *(int *)context = (int)reply->status;
    }
}

/* Processes one connection until there is nothing to do. */
static enum cairn_status run(int which)
{
    enum cairn_status status;
    struct pollfd waiting;
    do {
        waiting = (struct pollfd){cairn_connection_fd(connections[which]),
                                  cairn_connection_events(connections[which]), 0};
        poll(&waiting, 1, 0);
        status = cairn_connection_process(connections[which], waiting.revents);
    } while (status == CAIRN_OK && (waiting.revents & (POLLIN | POLLOUT)));
    return status;
}

static void meet(int which)
{
    ck_assert_int_eq(run(which), CAIRN_OK);
    fds[which] = fake_daemon_meet(&fake);
    ck_assert_int_eq(run(which), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_get_state(connections[which]), CAIRN_READY);
}

static void setup(void)
{
    fake_daemon_start(&fake);
    drops = 0;
    ended = false;
    const struct cairn_client_options options = {
        .socket_path = fake.path, .on_dropped = on_dropped, .kept_bytes_max = 1000};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    for (int i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_eq(cairn_connection_open(client, &connections[i]), CAIRN_OK);
        meet(i);
    }
}

static void teardown(void)
{
    ended = true;
    cairn_client_free(client);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    fake_daemon_stop(&fake);
}

static void submit_set(int which, char name, int *ret_status)
{
    const struct cairn_operation set = {.kind = CAIRN_SET, .name = {&name, 1}, .value = cairn_text("value")};
    const struct cairn_write_metadata_request request = {
        .operations = &set, .operation_count = 1, .timeout_us = 60000000};
    *ret_status = -1;
    ck_assert_int_eq(cairn_submit_write_metadata(connections[which], &request, on_completion, ret_status),
                     CAIRN_OK);
}

/* Receives a metadata write and checks it; returns the frame to answer. */
static struct fake_frame expect_set(int fd, char name, uint64_t resend_of)
{
    struct fake_frame frame;
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_WRITE_METADATA);
    Cairn__WriteMetadata *message = cairn__write_metadata__unpack(NULL, frame.bytes, frame.body);
    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(message->n_operations, 1);
    ck_assert_int_eq(message->operations[0]->name.data[0], name);
    ck_assert_uint_eq(message->operations[0]->value.len, 5);
    ck_assert_uint_eq(message->resend_of, resend_of);
    ck_assert_int_eq(message->has_deadline_us, resend_of == 0);
    cairn__write_metadata__free_unpacked(message, NULL);
    return frame;
}

static void accept_set(int fd, char name, uint64_t resend_of, uint64_t sequence, uint64_t written_through)
{
    struct fake_frame frame = expect_set(fd, name, resend_of);
    fake_send_written(fd, &frame, sequence, CAIRN__LEVEL__LEVEL_ACCEPTED, written_through);
}

static void refuse_set(int fd, char name, uint64_t resend_of, enum status status)
{
    struct fake_frame frame = expect_set(fd, name, resend_of);
    fake_send_error(fd, &frame, status, "refused");
}

/* Has `count` writes a, b, c… accepted on the first connection, numbered from 10. */
static void keep(int count)
{
    for (int i = 0; i < count; i++) {
        int status;
        submit_set(0, (char)('a' + i), &status);
        ck_assert_int_eq(run(0), CAIRN_OK);
        accept_set(fds[0], (char)('a' + i), 0, (uint64_t)(10 + i), 0);
        ck_assert_int_eq(run(0), CAIRN_OK);
        ck_assert_int_eq(status, CAIRN_OK);
    }
}

/* The daemon dies, and starts again having found metadata up to `on_disk`. */
static void restart(uint64_t on_disk)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
        fds[i] = -1;
    }
    fake_daemon_restart(&fake, on_disk);
}

static void reconnect(int which)
{
    if (cairn_connection_get_state(connections[which]) != CAIRN_LOST) {
        ck_assert_int_eq(run(which), CAIRN_CONNECTION_LOST);
    }
    ck_assert_int_eq(cairn_connection_reconnect(connections[which]), CAIRN_OK);
    meet(which);
}

static struct cairn_client_counters counters(void)
{
    struct cairn_client_counters now;
    cairn_client_get_counters(client, &now);
    return now;
}

START_TEST(what_a_later_run_lacks_is_sent_again_in_order_before_new_writes)
{
    int new_write, height = -1;
    struct fake_frame frame;
    keep(4);
    ck_assert_uint_eq(counters().kept_operations, 4);
    restart(11); /* 10 and 11 were found on disk */
    reconnect(0);
    ck_assert_uint_eq(fake.resume_run, 1);
    reconnect(1);
    ck_assert_uint_eq(counters().lost_operations, 2);

    /* A new write on the other connection waits; a read does not. */
    submit_set(1, 'z', &new_write);
    ck_assert_int_eq(cairn_submit_read_height(connections[1],
                                              &(struct cairn_read_height_request){.timeout_us = 0},
                                              on_completion, &height),
                     CAIRN_OK);
    ck_assert_int_eq(run(1), CAIRN_OK);
    fake_receive(fds[1], &frame);
    ck_assert_int_eq(frame.type, FRAME_HEIGHT);
    ck_assert(fake_quiet(fds[1]));

    accept_set(fds[0], 'c', 12, 1000, 0);
    accept_set(fds[0], 'd', 13, 1001, 0);
    ck_assert(fake_quiet(fds[0]));
    ck_assert(!(cairn_connection_events(connections[1]) & POLLOUT));
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert(cairn_connection_events(connections[1]) & POLLOUT);
    ck_assert_int_eq(run(1), CAIRN_OK);
    accept_set(fds[1], 'z', 0, 1002, 0);
    ck_assert_int_eq(run(1), CAIRN_OK);
    ck_assert_int_eq(new_write, CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 3);
    ck_assert_uint_eq(counters().resent_operations, 2);

    /* Each went on being kept under its new number. */
    restart(1000);
    reconnect(1);
    ck_assert_uint_eq(fake.resume_run, 2);
    accept_set(fds[1], 'd', 1001, 2000, 2000);
    accept_set(fds[1], 'z', 1002, 2001, 2001);
    ck_assert_int_eq(run(1), CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 0);
}
END_TEST

START_TEST(what_waits_for_the_hello_is_sorted_when_it_comes)
{
    int new_write, height = -1;
    struct fake_frame frame;
    keep(1);
    restart(0);
    reconnect(0);
    ck_assert_int_eq(run(1), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_connection_reconnect(connections[1]), CAIRN_OK);
    submit_set(1, 'z', &new_write);
    ck_assert_int_eq(cairn_submit_read_height(connections[1],
                                              &(struct cairn_read_height_request){.timeout_us = 0},
                                              on_completion, &height),
                     CAIRN_OK);
    meet(1);
    fake_receive(fds[1], &frame);
    ck_assert_int_eq(frame.type, FRAME_HEIGHT);
    ck_assert(fake_quiet(fds[1]));
    accept_set(fds[0], 'a', 10, 1000, 0);
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert_int_eq(run(1), CAIRN_OK);
    accept_set(fds[1], 'z', 0, 1001, 0);
}
END_TEST

START_TEST(the_same_run_gets_nothing_again)
{
    keep(3);
    close(fds[0]);
    reconnect(0);
    ck_assert(fake_quiet(fds[0]));
    ck_assert_uint_eq(counters().kept_operations, 3);
    ck_assert_uint_eq(counters().lost_operations, 0);
}
END_TEST

START_TEST(what_is_written_is_kept_no_longer)
{
    int status;
    keep(3);
    submit_set(1, 'x', &status);
    run(1);
    accept_set(fds[1], 'x', 0, 20, 11); /* any reply tells, on any connection */
    run(1);
    ck_assert_uint_eq(counters().kept_operations, 2);
    restart(0);
    reconnect(0);
    accept_set(fds[0], 'c', 12, 1000, 0);
    accept_set(fds[0], 'x', 20, 1001, 0);
    ck_assert(fake_quiet(fds[0]));
}
END_TEST

START_TEST(a_barrier_tells_that_all_before_it_is_written)
{
    int status = -1;
    struct fake_frame frame;
    const struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN};
    keep(2);
    ck_assert_int_eq(cairn_submit_barrier(connections[1], &barrier, on_completion, &status), CAIRN_OK);
    run(1);
    fake_receive(fds[1], &frame);
    fake_send_written(fds[1], &frame, 11, CAIRN__LEVEL__LEVEL_WRITTEN, 0);
    run(1);
    ck_assert_int_eq(status, CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 0);
}
END_TEST

START_TEST(what_a_rollback_overtook_is_dropped_and_reported)
{
    keep(3);
    restart(0);
    reconnect(0);
    accept_set(fds[0], 'a', 10, 1000, 0);
    refuse_set(fds[0], 'b', 11, STATUS_CONFLICT);
    accept_set(fds[0], 'c', 12, 1002, 0);
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert_int_eq(drops, 1);
    ck_assert_int_eq(dropped.status, CAIRN_CONFLICT);
    ck_assert_uint_eq(dropped.sequence, 11);
    ck_assert_uint_eq(dropped.operations, 1);
    ck_assert_uint_eq(counters().dropped_operations, 1);
    ck_assert_uint_eq(counters().kept_operations, 2);
    ck_assert_uint_eq(counters().lost_operations, 0);
}
END_TEST

START_TEST(nothing_overtakes_what_is_refused_for_now)
{
    keep(3);
    restart(0);
    reconnect(0);
    accept_set(fds[0], 'a', 10, 1000, 0);
    refuse_set(fds[0], 'b', 11, (enum status)_i);
    ck_assert_int_eq(run(0), CAIRN_OK);
    usleep(RESEND_PAUSE_US + 1000);
    ck_assert_int_eq(run(0), CAIRN_OK);
    accept_set(fds[0], 'c', 12, 1002, 0); /* only now, and nothing is sent before it */
    ck_assert(fake_quiet(fds[0]));
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert_int_eq(drops, 0);
    accept_set(fds[0], 'b', 11, 1003, 0);
    refuse_set(fds[0], 'c', 12, STATUS_BUSY);
    uint64_t refused_ms = clock_ms();
    ck_assert_int_eq(run(0), CAIRN_OK);
    if (fake_quiet(fds[0])) {
        ck_assert_uint_eq(counters().lost_operations, 1);
        int64_t pause_us = cairn_connection_timeout_us(connections[0]);
        ck_assert_int_ge(pause_us, 0);
        usleep((useconds_t)pause_us + 1000);
        ck_assert_int_eq(run(0), CAIRN_OK);
    }
    ck_assert_uint_ge(clock_ms() - refused_ms + 1, RESEND_PAUSE_US / 1000); /* it was not sent before that */
    accept_set(fds[0], 'c', 12, 1004, 1004);
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 0);
}
END_TEST

START_TEST(a_full_disk_that_refuses_all_delays_them_and_nothing_else)
{
    int status;
    keep(3);
    restart(0);
    reconnect(0);
    submit_set(0, 'd', &status);
    for (char name = 'a'; name <= 'c'; name++) {
        refuse_set(fds[0], name, (uint64_t)(10 + name - 'a'), STATUS_NO_SPACE);
    }
    ck_assert_int_eq(run(0), CAIRN_OK);
    usleep(RESEND_PAUSE_US + 1000);
    ck_assert_int_eq(run(0), CAIRN_OK);
    for (char name = 'a'; name <= 'c'; name++) {
        accept_set(fds[0], name, (uint64_t)(10 + name - 'a'), (uint64_t)(1000 + name), 0);
    }
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert_uint_eq(counters().lost_operations, 0);
    (void)expect_set(fds[0], 'd', 0); /* the new write waited for them, and not for ever */
}
END_TEST

START_TEST(another_connection_takes_over_when_the_resender_is_lost)
{
    keep(3);
    restart(0);
    reconnect(0);
    reconnect(1);
    accept_set(fds[0], 'a', 10, 1000, 0);
    ck_assert_int_eq(run(0), CAIRN_OK);
    close(fds[0]);
    ck_assert_int_eq(run(0), CAIRN_CONNECTION_LOST);
    ck_assert(cairn_connection_events(connections[1]) & POLLOUT);
    ck_assert_int_eq(run(1), CAIRN_OK);
    accept_set(fds[1], 'b', 11, 1005, 0);
    accept_set(fds[1], 'c', 12, 1006, 0);
    ck_assert_int_eq(run(1), CAIRN_OK);
    ck_assert_uint_eq(counters().lost_operations, 0);
    fds[0] = -1;
}
END_TEST

START_TEST(kept_from_several_runs_is_judged_by_the_run_it_is_of)
{
    keep(3);
    restart(0);
    reconnect(0);
    accept_set(fds[0], 'a', 10, 1000, 0); /* the second run accepted one, then died */
    ck_assert_int_eq(run(0), CAIRN_OK);
    restart(1000);
    reconnect(0);
    ck_assert_uint_eq(fake.resume_run, 2);
    accept_set(fds[0], 'b', 11, 2000, 0);
    accept_set(fds[0], 'c', 12, 2001, 0);
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert(fake_quiet(fds[0]));
    ck_assert_uint_eq(counters().kept_operations, 2);
}
END_TEST

START_TEST(an_answer_of_the_ended_run_not_read_yet_is_sent_again_too)
{
    int late, unanswered;
    struct fake_frame frame;
    keep(1);
    submit_set(1, 'y', &late);
    submit_set(1, 'u', &unanswered);
    run(1);
    accept_set(fds[1], 'y', 0, 15, 0); /* lies unread in the second connection's socket */
    frame = expect_set(fds[1], 'u', 0);
    ck_assert_uint_ne(frame.id, 0);
    restart(0);
    reconnect(0);
    ck_assert_int_eq(late, -1);
    accept_set(fds[0], 'a', 10, 1000, 0);
    accept_set(fds[0], 'y', 15, 1001, 0);
    ck_assert_int_eq(run(0), CAIRN_OK);
    ck_assert(fake_quiet(fds[0]));
    ck_assert_int_eq(cairn_connection_timeout_us(connections[1]), 0);
    ck_assert_int_eq(run(1), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(late, CAIRN_OK);
    ck_assert_int_eq(unanswered, CAIRN_CONNECTION_LOST);
    ck_assert_uint_eq(counters().kept_operations, 2);
}
END_TEST

START_TEST(another_store_is_refused_and_gets_nothing)
{
    int status;
    keep(2);
    restart(0);
    fake.store_id[0] ^= 1;
    ck_assert_int_eq(run(0), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_connection_reconnect(connections[0]), CAIRN_OK);
    submit_set(0, 'n', &status);
    ck_assert_int_eq(run(0), CAIRN_OK);
    fds[0] = fake_daemon_meet(&fake);
    ck_assert_int_eq(run(0), CAIRN_STORE_CHANGED);
    ck_assert_int_eq(status, CAIRN_STORE_CHANGED);
    ck_assert_uint_eq(counters().kept_operations, 2);
    char byte;
    ck_assert_int_eq(read(fds[0], &byte, 1), 0); /* closed, and nothing sent before */

    ck_assert_int_eq(cairn_client_forget(client), CAIRN_USAGE);
    ck_assert_int_eq(run(1), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_client_forget(client), CAIRN_OK);
    ck_assert_uint_eq(counters().dropped_operations, 2);
    reconnect(0);
    ck_assert_uint_eq(fake.resume_run, 0);
    ck_assert(fake_quiet(fds[0]));
}
END_TEST

START_TEST(a_commit_is_never_sent_again)
{
    int status = -1;
    struct fake_frame frame;
    const struct cairn_block block = {.height = 1};
    const struct cairn_commit_request commit = {.blocks = &block, .block_count = 1};
    ck_assert_int_eq(cairn_submit_commit(connections[0], &commit, on_completion, &status), CAIRN_OK);
    run(0);
    fake_receive(fds[0], &frame);
    restart(0);
    reconnect(0);
    ck_assert_int_eq(status, CAIRN_CONNECTION_LOST);
    ck_assert(fake_quiet(fds[0]));
}
END_TEST

START_TEST(kept_metadata_is_bounded)
{
    const struct cairn_operation set = {.kind = CAIRN_DELETE, .name = cairn_text("name")};
    const struct cairn_write_metadata_request request = {.operations = &set, .operation_count = 1};
    int count = 0;
    while (count < 100 && cairn_submit_write_metadata(connections[0], &request, NULL, NULL) == CAIRN_OK) {
        struct fake_frame frame;
        run(0);
        fake_receive(fds[0], &frame);
        fake_send_written(fds[0], &frame, (uint64_t)++count, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
        run(0);
    }
    ck_assert_int_lt(count, 20);
    ck_assert_int_eq(cairn_submit_write_metadata(connections[0], &request, NULL, NULL), CAIRN_FULL);
    ck_assert_uint_ge(counters().kept_bytes, 1000);
}
END_TEST

int main(void)
{
    TCase *resend;
    Suite *suite = suite_new("resend", 60, &resend);
    tcase_add_checked_fixture(resend, setup, teardown);
    tcase_add_test(resend, what_a_later_run_lacks_is_sent_again_in_order_before_new_writes);
    tcase_add_test(resend, what_waits_for_the_hello_is_sorted_when_it_comes);
    tcase_add_test(resend, the_same_run_gets_nothing_again);
    tcase_add_test(resend, what_is_written_is_kept_no_longer);
    tcase_add_test(resend, a_barrier_tells_that_all_before_it_is_written);
    tcase_add_test(resend, what_a_rollback_overtook_is_dropped_and_reported);
    tcase_add_loop_test(resend, nothing_overtakes_what_is_refused_for_now, STATUS_BUSY, STATUS_UNSUPPORTED);
    tcase_add_loop_test(resend, nothing_overtakes_what_is_refused_for_now, STATUS_READ_ONLY, STATUS_DAMAGED);
    tcase_add_test(resend, a_full_disk_that_refuses_all_delays_them_and_nothing_else);
    tcase_add_test(resend, another_connection_takes_over_when_the_resender_is_lost);
    tcase_add_test(resend, kept_from_several_runs_is_judged_by_the_run_it_is_of);
    tcase_add_test(resend, an_answer_of_the_ended_run_not_read_yet_is_sent_again_too);
    tcase_add_test(resend, another_store_is_refused_and_gets_nothing);
    tcase_add_test(resend, a_commit_is_never_sent_again);
    tcase_add_test(resend, kept_metadata_is_bounded);
    return suite_run(suite, true);
}
