/* The blocking calls, against a daemon that a second thread plays: connecting anew, what is repeated and what never is,
 * how long replies live, closing. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"

enum { WAIT_MS = 60000 }; /* for what comes */

static struct fake_daemon fake;
static struct cairn_client *client;
static struct cairn_connection *connection;
static pthread_t player;
static int last_fd = -1; /* of the player, left open by it */

static void play(void *(*part)(void *))
{
    ck_assert_int_eq(pthread_create(&player, NULL, part, NULL), 0);
}

static void played(void)
{
    ck_assert_int_eq(pthread_join(player, NULL), 0);
}

static void setup(void)
{
    fake_daemon_start(&fake);
    const struct cairn_client_options options = {
        .socket_path = fake.path, .name = "test", .timeout_us = WAIT_MS * 1000};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
}

static void teardown(void)
{
    cairn_client_free(client);
    fake_daemon_stop(&fake);
}

static void connect_to(void *(*part)(void *))
{
    play(part);
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
}

/* Until the daemon's end of the connection is closed. */
static void wait_closed(void)
{
    struct pollfd waiting = {cairn_connection_fd(connection), POLLRDHUP, 0};
    ck_assert_int_eq(poll(&waiting, 1, WAIT_MS), 1);
}

static void answer_height(int fd, uint64_t height)
{
    struct fake_frame frame;
    Cairn__HeightReply reply = CAIRN__HEIGHT_REPLY__INIT;
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_HEIGHT);
    reply.has_height = true;
    reply.height = height;
    fake_send_message(fd, &frame, 0, &reply.base);
}

static enum cairn_status read_height(uint64_t *ret_height)
{
    const struct cairn_reply *reply;
    enum cairn_status status =
        cairn_read_height(connection, &(struct cairn_read_height_request){.timeout_us = 2000000}, &reply);
    ck_assert_int_eq(reply->status, status);
    *ret_height = reply->height;
    return status;
}

static enum cairn_status set_name(uint64_t timeout_us, const struct cairn_reply **ret_reply)
{
    const struct cairn_operation set = {.kind = CAIRN_SET, .name = cairn_text("name")};
    const struct cairn_write_metadata_request request = {
        .operations = &set, .operation_count = 1, .timeout_us = timeout_us};
    return cairn_write_metadata(connection, &request, ret_reply);
}

static void *answer_a_block(void *unused)
{
    struct fake_frame frame;
    Cairn__BlockReply reply = CAIRN__BLOCK_REPLY__INIT;
    uint8_t data[] = "data\0data";
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    reply.has_height = reply.has_data = reply.has_signature = true;
    reply.height = 7;
    reply.data = (ProtobufCBinaryData){.data = data, .len = 9};
    fake_send_message(fd, &frame, 0, &reply.base);
    fake_receive(fd, &frame);
    fake_send(fd, &(struct frame_reply){.type = frame.type, .id = frame.id, .status = STATUS_NOT_FOUND}, "");
    close(fd);
    return unused;
}

START_TEST(a_reply_lives_until_the_next_call)
{
    const struct cairn_reply *reply;
    const struct cairn_read_block_request request = {.height = 7, .parts = CAIRN_DATA | CAIRN_SIGNATURE};
    connect_to(answer_a_block);
    ck_assert_int_eq(cairn_read_block(connection, &request, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->block.height, 7);
    ck_assert_uint_eq(reply->block.parts, CAIRN_DATA | CAIRN_SIGNATURE);
    ck_assert_uint_eq(reply->block.data.bytes, 9);
    ck_assert_mem_eq(reply->block.data.data, "data\0data", 9);
    ck_assert_uint_eq(reply->block.signature.bytes, 0);
    ck_assert_int_eq(cairn_read_block(connection, &request, &reply), CAIRN_NOT_FOUND);
    ck_assert_str_ne(reply->text, "");
    played();
}
END_TEST

/* Answers a read of a block, closes instead of taking the commit, and meets the client again for it. */
static void *take_back_a_block(void *unused)
{
    struct fake_frame frame;
    Cairn__BlockReply reply = CAIRN__BLOCK_REPLY__INIT;
    uint8_t data[] = "data of the block";
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    reply.has_height = reply.has_data = true;
    reply.height = 7;
    reply.data = (ProtobufCBinaryData){.data = data, .len = sizeof data};
    fake_send_message(fd, &frame, 0, &reply.base);
    close(fd);
    fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_COMMIT);
    Cairn__Commit *commit = cairn__commit__unpack(NULL, frame.bytes, frame.body);
    ck_assert(commit != NULL && commit->n_blocks == 1 && commit->n_metadata == 1);
    ck_assert_uint_eq(commit->blocks[0]->height, 7);
    ck_assert_uint_eq(commit->blocks[0]->data.len, sizeof data);
    ck_assert_mem_eq(commit->blocks[0]->data.data, data, sizeof data);
    ck_assert_mem_eq(commit->metadata[0]->value.data, data, sizeof data);
    cairn__commit__free_unpacked(commit, NULL);
    fake_send_written(fd, &frame, 9, CAIRN__LEVEL__LEVEL_DURABLE, 9);
    last_fd = fd;
    return unused;
}

START_TEST(a_reply_may_be_passed_to_the_next_call)
{
    const struct cairn_reply *reply;
    const struct cairn_read_block_request read = {.height = 7, .parts = CAIRN_DATA};
    connect_to(take_back_a_block);
    ck_assert_int_eq(cairn_read_block(connection, &read, &reply), CAIRN_OK);
    wait_closed(); /* so that the commit is encoded again for the next connection */
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text("copy"), .value = reply->block.data};
    const struct cairn_commit_request commit = {
        .blocks = &reply->block, .block_count = 1, .metadata = &set, .metadata_count = 1};
    ck_assert_int_eq(cairn_commit(connection, &commit, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->write.sequence, 9);
    played();
    close(last_fd);
}
END_TEST

static void *lose_a_read(void *unused)
{
    struct fake_frame frame;
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    close(fd);
    fd = fake_daemon_meet(&fake);
    answer_height(fd, 9);
    close(fd);
    fd = fake_daemon_meet(&fake);
    answer_height(fd, 10);
    last_fd = fd;
    return unused;
}

START_TEST(a_lost_read_is_sent_again)
{
    uint64_t height;
    connect_to(lose_a_read);
    ck_assert_int_eq(read_height(&height), CAIRN_OK);
    ck_assert_uint_eq(height, 9);
    wait_closed();
    ck_assert_int_eq(read_height(&height), CAIRN_OK);
    ck_assert_uint_eq(height, 10);
    played();
    close(last_fd);
}
END_TEST

static void *lose_a_write(void *unused)
{
    struct fake_frame frame;
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_WRITE_METADATA);
    close(fd);
    return unused;
}

START_TEST(a_write_that_was_sent_and_lost_is_unknown)
{
    const struct cairn_reply *reply;
    connect_to(lose_a_write);
    ck_assert_int_eq(set_name(0, &reply), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(reply->status, CAIRN_CONNECTION_LOST);
    ck_assert_str_ne(reply->text, "");
    played();
}
END_TEST

static void *meet_twice(void *unused)
{
    struct fake_frame frame;
    int fd = fake_daemon_meet(&fake);
    close(fd);
    fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    fake_send_written(fd, &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_receive(fd, &frame); /* the barrier of the close */
    ck_assert_int_eq(frame.type, FRAME_BARRIER);
    fake_send_written(fd, &frame, 3, CAIRN__LEVEL__LEVEL_WRITTEN, 3);
    close(fd);
    return unused;
}

START_TEST(a_write_on_a_connection_found_dead_is_sent_on_a_new_one)
{
    const struct cairn_reply *reply;
    uint64_t unwritten = 99;
    connect_to(meet_twice);
    wait_closed();
    enum cairn_status status = set_name(0, &reply);
    ck_assert_int_eq(status, CAIRN_OK);
    ck_assert_uint_eq(reply->write.sequence, 3);
    ck_assert_int_eq(cairn_close(connection, 0, &unwritten), CAIRN_OK);
    ck_assert_uint_eq(unwritten, 0);
    played();
}
END_TEST

START_TEST(nobody_listening_is_told_within_the_time)
{
    struct cairn_connection *none = NULL;
    close(fake.listener);
    fake.listener = -1;
    ck_assert_int_eq(cairn_connect(client, 30000, &none), CAIRN_CANNOT_CONNECT);
    ck_assert_ptr_null(none);
}
END_TEST

static void *accept_and_drain(void *unused)
{
    struct fake_frame frame;
    Cairn__DrainReply reply = CAIRN__DRAIN_REPLY__INIT;
    uint8_t body[16];
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    fake_send_written(fd, &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_DRAIN);
    reply.has_operations = true;
    reply.operations = 1;
    const struct frame_reply header = {.type = FRAME_DRAIN,
                                       .id = frame.id,
                                       .body_bytes = (uint32_t)cairn__drain_reply__pack(&reply, body),
                                       .written_through = 3,
                                       .durable_through = 3};
    fake_send(fd, &header, body);
    last_fd = fd; /* its end is not seen yet when the client closes */
    return unused;
}

START_TEST(behind_a_drain_there_is_nothing_to_wait_for)
{
    const struct cairn_reply *reply;
    uint64_t unwritten = 77;
    char byte;
    connect_to(accept_and_drain);
    ck_assert_int_eq(set_name(0, &reply), CAIRN_OK);
    ck_assert_int_eq(cairn_drain(connection, &(struct cairn_drain_request){.timeout_us = 0}, &reply),
                     CAIRN_OK);
    ck_assert_uint_eq(reply->drained.operations, 1);
    played();
    ck_assert_int_eq(cairn_close(connection, 0, &unwritten), CAIRN_OK);
    ck_assert_uint_eq(unwritten, 0);
    ck_assert_int_eq(read(last_fd, &byte, 1), 0); /* closed, without a barrier before */
    close(last_fd);
}
END_TEST

static void *accept_and_be_silent(void *unused)
{
    struct fake_frame frame;
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    fake_send_written(fd, &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    while (read(fd, &frame, sizeof frame) > 0) { /* its barrier, until the client has given up */
    }
    close(fd);
    return unused;
}

START_TEST(closing_reports_what_is_not_written)
{
    uint64_t unwritten = 0;
    struct cairn_client_counters counters;
    connect_to(accept_and_be_silent);
    ck_assert_int_eq(set_name(0, NULL), CAIRN_OK);
    enum cairn_status status = cairn_close(connection, 200000, &unwritten);
    ck_assert(status == CAIRN_TIMEOUT || status == CAIRN_NOT_SENT); /* on a machine too slow to send it */
    ck_assert_uint_eq(unwritten, 1);
    cairn_client_get_counters(client, &counters);
    ck_assert_uint_eq(counters.kept_operations, 1);
    ck_assert_int_eq(cairn_close(NULL, 0, &unwritten), CAIRN_OK);
    cairn_connection_free(NULL);
    cairn_client_free(NULL);
    played();
}
END_TEST

static void *restart_and_take_again(void *unused)
{
    struct fake_frame frame;
    int fds[2] = {fake_daemon_meet(&fake), fake_daemon_meet(&fake)};
    fake_receive(fds[0], &frame);
    fake_send_written(fds[0], &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    answer_height(fds[1], 1); /* the client has both: now the daemon dies */
    close(fake.listener);
    unlink(fake.path);
    close(fds[0]);
    close(fds[1]);
    usleep(30000);
    fake.listener = -1;
    fake_daemon_restart(&fake, 0);
    fds[0] = fake_daemon_meet(&fake);
    ck_assert_uint_eq(fake.resume_run, 1);
    for (uint64_t sequence = 100; sequence < 102; sequence++) { /* the old write, then the new one */
        fake_receive(fds[0], &frame);
        Cairn__WriteMetadata *message = cairn__write_metadata__unpack(NULL, frame.bytes, frame.body);
        ck_assert_uint_eq(message->resend_of, sequence == 100 ? 3 : 0);
        cairn__write_metadata__free_unpacked(message, NULL);
        fake_send_written(fds[0], &frame, sequence, CAIRN__LEVEL__LEVEL_ACCEPTED, sequence);
    }
    close(fds[0]);
    return unused;
}

START_TEST(a_write_after_a_crash_waits_for_the_daemon_and_for_what_was_accepted)
{
    uint64_t height;
    struct cairn_connection *first;
    const struct cairn_reply *reply;
    connect_to(restart_and_take_again);
    first = connection;
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
    struct cairn_connection *second = connection;
    connection = first;
    ck_assert_int_eq(set_name(0, &reply), CAIRN_OK);
    connection = second;
    ck_assert_int_eq(read_height(&height), CAIRN_OK);
    wait_closed();
    ck_assert_int_eq(set_name(0, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->write.sequence, 101);
    played();
}
END_TEST

static void *take_again_on_the_other(void *unused)
{
    struct fake_frame frame;
    int fds[2] = {fake_daemon_meet(&fake), -1};
    fake_receive(fds[0], &frame);
    fake_send_written(fds[0], &frame, 3, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_daemon_restart(&fake, 0);
    close(fds[0]);
    fds[0] = fake_daemon_meet(&fake);
    fake_receive(fds[0], &frame);
    fds[1] = fake_daemon_meet(&fake);
    fake_send_written(fds[0], &frame, 100, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    fake_receive(fds[1], &frame);
    fake_send_written(fds[1], &frame, 101, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    close(fds[0]);
    close(fds[1]);
    return unused;
}

START_TEST(a_write_waits_for_what_another_connection_sends_again)
{
    const struct cairn_reply *reply;
    struct cairn_client_counters counters;
    connect_to(take_again_on_the_other);
    ck_assert_int_eq(set_name(0, &reply), CAIRN_OK);
    wait_closed();
    ck_assert_int_eq(cairn_connection_process(connection, POLLIN), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_connection_reconnect(connection), CAIRN_OK);
    do { /* until its hello is answered; the old write goes out then, and its answer is not awaited */
        struct pollfd waiting = {cairn_connection_fd(connection), cairn_connection_events(connection), 0};
        ck_assert_int_eq(poll(&waiting, 1, WAIT_MS), 1);
        ck_assert_int_eq(cairn_connection_process(connection, waiting.revents), CAIRN_OK);
    } while (cairn_connection_get_state(connection) != CAIRN_READY);
    ck_assert_int_eq(cairn_connect(client, 0, &connection), CAIRN_OK);
    ck_assert_int_eq(set_name(0, &reply), CAIRN_OK);
    ck_assert_uint_eq(reply->write.sequence, 101);
    cairn_client_get_counters(client, &counters);
    ck_assert_uint_eq(counters.resent_operations, 1);
    played();
}
END_TEST

static void free_it(void *context, const struct cairn_reply *reply)
{
    (void)context;
    ck_assert_int_eq(reply->status, CAIRN_OK);
    cairn_connection_free(connection);
}

static void *answer_only_the_first(void *unused)
{
    struct fake_frame frame;
    int fd = fake_daemon_meet(&fake);
    fake_receive(fd, &frame);
    fake_send(fd, &(struct frame_reply){.type = frame.type, .id = frame.id}, "");
    fake_receive(fd, &frame);
    usleep(50000);
    close(fd);
    return unused;
}

START_TEST(a_callback_may_free_the_connection_of_a_blocking_call)
{
    const struct cairn_reply *reply;
    connect_to(answer_only_the_first);
    ck_assert_int_eq(
        cairn_submit_ping(connection, &(struct cairn_ping_request){.timeout_us = 0}, free_it, NULL),
        CAIRN_OK);
    ck_assert_int_eq(cairn_ping(connection, &(struct cairn_ping_request){.timeout_us = 0}, &reply),
                     CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(reply->status, CAIRN_CONNECTION_LOST);
    played();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blocking");
    TCase *blocking = tcase_create("blocking");
    tcase_set_timeout(blocking, 240);
    tcase_add_checked_fixture(blocking, setup, teardown);
    tcase_add_test(blocking, a_reply_lives_until_the_next_call);
    tcase_add_test(blocking, a_reply_may_be_passed_to_the_next_call);
    tcase_add_test(blocking, a_lost_read_is_sent_again);
    tcase_add_test(blocking, a_write_that_was_sent_and_lost_is_unknown);
    tcase_add_test(blocking, a_write_on_a_connection_found_dead_is_sent_on_a_new_one);
    tcase_add_test(blocking, nobody_listening_is_told_within_the_time);
    tcase_add_test(blocking, closing_reports_what_is_not_written);
    tcase_add_test(blocking, behind_a_drain_there_is_nothing_to_wait_for);
    tcase_add_test(blocking, a_write_after_a_crash_waits_for_the_daemon_and_for_what_was_accepted);
    tcase_add_test(blocking, a_write_waits_for_what_another_connection_sends_again);
    tcase_add_test(blocking, a_callback_may_free_the_connection_of_a_blocking_call);
    suite_add_tcase(suite, blocking);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
