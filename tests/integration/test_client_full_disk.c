/* What clients meet whose daemon starts without space (contract §§3, 9, 12). A claim, by libcairn: reads go on, writes wait, and when there
 * is space all goes on without another start. If nothing says what was synced, they are told once that the store changed. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
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

/* Which run answers. With `before`, whether its clients are told that the store changed, too. */
static const Cairn__HelloReply *ask_run(const struct daemon *daemon, const Cairn__HelloReply *before)
{
    struct wire wire = wire_try_connect(daemon->socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_resume_run = hello.has_resume_random = before != NULL;
    hello.resume_run = before != NULL ? before->run : 0;
    hello.resume_random = before != NULL ? before->run_random : 0;
    const Cairn__HelloReply *said = ask_hello(&wire, &hello);
    wire_close(&wire);
    return said;
}

static void await_healed(struct rig *rig)
{
    uint64_t until_ms = clock_ms() + LONG_US / 1000;
    const char *health;
    while ((health = rig_health(rig)) == NULL || strcmp(health, "ok") != 0) {
        ck_assert_msg(clock_ms() < until_ms, "not healed: %s", daemon_errors(&rig->daemon));
        sleep_ms(10);
    }
}

/* No start without space can write down that it forgot the runs before, but in their numbers. */
START_TEST(clients_are_told_once_that_the_store_changed)
{
    struct rig rig = {.daemon = daemon_new()};
    struct daemon *daemon = &rig.daemon;
    const char *disk = directory_path(&daemon->home, "disk");
    if (!small_disk_tmpfs(disk, DISK_MIB)) {
        daemon_close(daemon);
        return;
    }
    snprintf(daemon->data, sizeof daemon->data, "%s/data", disk);
    daemon_start(daemon, "");
    const Cairn__HelloReply *first = ask_run(daemon, NULL);
    daemon_kill(daemon);
    ck_assert_int_eq(unlink(kept_format("%s/cairn.reserve", daemon->data)), 0);
    ck_assert_int_eq(unlink(kept_format("%s/db.state", daemon->data)), 0);
    small_disk_fill(disk, 0);
    daemon_start(daemon, "");
    const Cairn__HelloReply *second = ask_run(daemon, first);
    ck_assert(second->store_changed);
    daemon_kill(daemon);
    daemon_start(daemon, "");
    const Cairn__HelloReply *third = ask_run(daemon, second);
    ck_assert_msg(!third->store_changed, "told twice, with no space");
    rig.wire = wire_open(daemon->socket);
    ck_assert_str_eq(status_string(&rig.wire, "health"), "no space: the store is open for reading only");
    small_disk_heal(disk);
    await_healed(&rig);
    ck_assert(daemon_says(daemon, "space_reopened"));
    ck_assert_msg(!ask_run(daemon, second)->store_changed, "told twice, once there was space");
    ck_assert(!ask_run(daemon, third)->store_changed);
    ck_assert(ask_run(daemon, first)->store_changed);
    rig_restart(&rig, "");
    ck_assert(!ask_run(daemon, third)->store_changed);
    for (uint64_t height = 1; height <= 3; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "h"));
    }
    daemon_kill(daemon);
    wire_close(&rig.wire);
    ck_assert_int_eq(shell_run(LONG_US / 1000, "truncate -s 0 %s/db/*.log", daemon->data).exit_code, 0);
    daemon_start(daemon, "--accept-loss");
    ck_assert_msg(ask_run(daemon, third)->store_changed, "what was read may be gone, and nobody is told");
    ck_assert_int_eq(daemon_stop(daemon), 0);
    small_disk_unmount(disk);
    daemon_close(daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("client_full_disk", 600, &tests);
    tcase_add_test(tests, a_claim_goes_on_when_a_daemon_that_started_without_space_has_some);
    tcase_add_test(tests, clients_are_told_once_that_the_store_changed);
    return suite_run(suite, false);
}
