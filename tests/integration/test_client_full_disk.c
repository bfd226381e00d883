/* A claim on a daemon that starts without space (contract §§9, 12), by libcairn: reads go on, writes wait, and when there is space all goes on
 * without another start. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum {
    DISK_MIB = 96,
    LONG_US = 300000000,
    SHORT_US = 300000, /* several Presents */
    READS = 20,
};

static struct cairn_connection *connection;
static const struct cairn_reply *reply;

static enum cairn_status commit_at(uint64_t height, uint64_t timeout_us)
{
    const struct cairn_commit_request commit = {.rise_to = height, .timeout_us = timeout_us};
    return cairn_commit(connection, &commit, &reply);
}

static void expect_height(uint64_t height)
{
    const struct cairn_read_height_request request = {.timeout_us = LONG_US};
    ck_assert_msg(cairn_read_height(connection, &request, &reply) == CAIRN_OK, "%s", reply->text);
    ck_assert_uint_eq(reply->height, height);
}

START_TEST(a_claim_goes_on_when_a_daemon_that_started_without_space_has_some)
{
    struct daemon daemon = daemon_new();
    const char *disk = directory_path(&daemon.home, "disk");
    if (!small_disk_tmpfs(disk, DISK_MIB)) {
        daemon_close(&daemon);
        return;
    }
    snprintf(daemon.data, sizeof daemon.data, "%s/data", disk);
    daemon_start(&daemon, "");
    struct cairn_client *client;
    const struct cairn_client_options options = {.socket_path = daemon.socket};
    const struct cairn_claim_request claim = {.writer_name = cairn_text("test"), .timeout_us = LONG_US};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client, LONG_US, &connection), CAIRN_OK);
    ck_assert_int_eq(cairn_claim(connection, &claim, &reply), CAIRN_OK);
    ck_assert_int_eq(commit_at(1, LONG_US), CAIRN_OK);

    daemon_kill(&daemon);
    ck_assert_int_eq(unlink(kept_format("%s/cairn.reserve", daemon.data)), 0);
    small_disk_fill(disk, 0);
    daemon_start(&daemon, "");
    for (int i = 0; i < READS; i++) {
        expect_height(1);
    }
    ck_assert_int_eq(commit_at(2, SHORT_US), CAIRN_NOT_SENT);
    expect_height(1);
    small_disk_heal(disk);
    ck_assert_msg(commit_at(3, LONG_US) == CAIRN_OK, "%s", reply->text);
    expect_height(3);
    cairn_client_free(client);
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    small_disk_unmount(disk);
    daemon_close(&daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("client_full_disk", 600, &tests);
    tcase_add_test(tests, a_claim_goes_on_when_a_daemon_that_started_without_space_has_some);
    return suite_run(suite, false);
}
