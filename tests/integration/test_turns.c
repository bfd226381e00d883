/* Turns between uids (contract 7): a uid with 900 connections that fill the queue, take all memory for large frames, or leave
 * streams standing does not keep another uid's client from its turn. Judged by the order of service, which the numbers of writes
 * tell, and never by time. To connect as another uid takes root. */
#include <check.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { MANY = 900, FILES = 2048, OTHER_UID = 65534, THIRD_UID = 65533 };

static struct wire many[MANY];

static bool may_change_uid(void)
{
    struct rlimit files = {.rlim_cur = FILES, .rlim_max = FILES};
    if (geteuid() != 0) {
        printf("skipped: only root can connect as another uid\n");
        return false;
    }
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        printf("skipped: no more than %d open files are allowed\n", FILES);
        return false;
    }
    return true;
}

/* Starts a daemon that every uid may connect to. */
static struct rig start(const char *arguments)
{
    struct rig rig = rig_start(arguments);
    char *root = kept_format("%s/..", rig.daemon.home.path);
    ck_assert_int_eq(chmod(root, 0711), 0);
    ck_assert_int_eq(chmod(rig.daemon.home.path, 0711), 0);
    ck_assert_int_eq(chmod(rig.daemon.socket, 0666), 0);
    return rig;
}

/* The kernel notes the uid that a peer has when it connects. */
static struct wire connect_as(const struct rig *rig, uid_t uid)
{
    ck_assert_int_eq(seteuid(uid), 0);
    struct wire wire = wire_connect(rig->daemon.socket);
    ck_assert_int_eq(seteuid(0), 0);
    return wire;
}

static void open_many(const struct rig *rig, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        many[i] = connect_as(rig, OTHER_UID);
        ck_assert(wire_try_hello(&many[i]));
    }
}

/* Until the daemon has taken all that was sent on it from the kernel: what it asks for waits for its turn then. */
static void await_taken(const struct wire *wire)
{
    int unread = 1;
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(WIRE_PATIENCE_MS); unread > 0; sleep_ms(1)) {
        ck_assert_int_eq(ioctl(wire->fd, SIOCOUTQ, &unread), 0);
        ck_assert_uint_lt(clock_ms(), until);
    }
}

static void close_many(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wire_close(&many[i]);
    }
}

START_TEST(test_room_in_the_queue_goes_by_turns)
{
    enum { QUEUE = 256 };
    if (!may_change_uid()) {
        return;
    }
    struct rig rig = start("--queue-operations-max 256");
    open_many(&rig, MANY);
    uint64_t before = set(&rig.wire, "first", "x").sequence;
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    for (int i = 0; i < MANY; i++) { /* one each: behind a write that waits nothing is read */
        wire_send(&many[i], FRAME_WRITE_METADATA, metadata_new(operation_set(kept_format("%d", i), "x")));
    }
    for (int i = 0; i < MANY; i++) {
        await_taken(&many[i]);
    }
    uint64_t id = wire_send(&rig.wire, FRAME_WRITE_METADATA, metadata_new(operation_set("mine", "x")));
    await_taken(&rig.wire);
    trouble_thaw(&frozen);
    struct written written = written_reply(&rig.wire, id);
    ck_assert_int_eq(written.status, STATUS_OK);
    /* the queue was full of the others'; the empty commit that the writer was stopped at has a number too */
    ck_assert_msg(written.sequence <= before + QUEUE + 4, "%lu writes were before it",
                  written.sequence - before);
    close_many(MANY);
    rig_end(&rig);
}
END_TEST

static ProtobufCBinaryData large_frame(void)
{
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, 900000);
    size_t body = cairn__commit__get_packed_size(commit);
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = (uint32_t)body, .id = 5};
    uint8_t *bytes = kept_alloc(FRAME_REQUEST_BYTES + body);
    frame_request_encode(&request, bytes);
    cairn__commit__pack(commit, bytes + FRAME_REQUEST_BYTES);
    return (ProtobufCBinaryData){FRAME_REQUEST_BYTES + body, bytes};
}

START_TEST(test_memory_for_large_frames_goes_by_turns)
{
    enum { SENDERS = 40, FIRST = 1000 };
    if (!may_change_uid()) {
        return;
    }
    struct rig rig = start("--frame-bytes-max 1MiB --requests-bytes-max 2MiB");
    ProtobufCBinaryData frame = large_frame();
    open_many(&rig, SENDERS);
    uint64_t before = commit_ok(&rig.wire, commit_of_block(1, "first")).sequence;
    for (int i = 0; i < SENDERS; i++) { /* the first has the memory, the others wait for it in this order */
        wire_send_bytes(&many[i], frame.data, FIRST);
        await_taken(&many[i]);
    }
    wire_send_bytes(&rig.wire, frame.data, FIRST);
    await_taken(&rig.wire);
    wire_send_bytes(&many[0], frame.data + FIRST, frame.len - FIRST);
    ck_assert_int_eq(written_reply(&many[0], 5).status, STATUS_OK);
    wire_send_bytes(&many[1], frame.data + FIRST, frame.len - FIRST);
    ck_assert_int_eq(written_reply(&many[1], 5).status, STATUS_OK);
    wire_send_bytes(&rig.wire, frame.data + FIRST, frame.len - FIRST);
    struct written written = written_reply(&rig.wire, 5);
    ck_assert_int_eq(written.status, STATUS_OK);
    ck_assert_msg(written.sequence <= before + 3, "%lu commits were before it", written.sequence - before);
    close_many(SENDERS);
    rig_end(&rig);
}
END_TEST

START_TEST(test_places_for_streams_go_by_turns)
{
    if (!may_change_uid()) {
        return;
    }
    struct rig rig = start("--streams-max 4");
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT, unread = list;
    unread.has_window_bytes = true; /* of 0: it cannot end */
    set(&rig.wire, "a", "x");
    open_many(&rig, MANY);
    for (int i = 0; i < MANY; i++) {
        (void)wire_send(&many[i], FRAME_LIST_METADATA, &unread);
    }
    for (int i = 0; i < MANY; i++) {
        await_taken(&many[i]);
    }
    uint64_t id = wire_send(&rig.wire, FRAME_LIST_METADATA, &list);
    await_taken(&rig.wire);
    for (int i = 0; i < MANY / 2; i++) { /* its turn comes before the others' half */
        wire_send_frame(&many[i], FRAME_CANCEL, many[i].last_id, NULL, 0);
    }
    (void)wire_frame(&rig.wire, id);
    close_many(MANY);
    rig_end(&rig);
}
END_TEST

START_TEST(test_the_last_connections_are_for_uids_that_have_none)
{
    enum { CONNECTIONS = 40, KEPT = CONNECTIONS / 4 };
    if (!may_change_uid()) {
        return;
    }
    struct rig rig = start("--connections-max 40"); /* the rig has one */
    open_many(&rig, CONNECTIONS - KEPT - 1);
    struct wire refused = connect_as(&rig, OTHER_UID);
    ck_assert_int_eq(wire_any_frame(&refused)->header.status, STATUS_BUSY);
    wire_close(&refused);
    struct wire third = connect_as(&rig, THIRD_UID);
    ck_assert(wire_try_hello(&third));
    ck_assert_uint_eq(get_height(&third), 0);
    wire_close(&third);
    close_many(CONNECTIONS - KEPT - 1);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("turns", 120, &tests);
    tcase_add_test(tests, test_room_in_the_queue_goes_by_turns);
    tcase_add_test(tests, test_memory_for_large_frames_goes_by_turns);
    tcase_add_test(tests, test_places_for_streams_go_by_turns);
    tcase_add_test(tests, test_the_last_connections_are_for_uids_that_have_none);
    return suite_run(suite, false);
}
