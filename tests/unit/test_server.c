/* The server: it serves what is sent, hears signals, and never waits for the disk. */
#include <check.h>
#include <signal.h>

#include "tests/lib/messages.h"
#include "tests/lib/server_fixture.h"
#include "tests/lib/suite.h"

START_TEST(what_is_sent_is_answered_and_all_of_it_is_on_the_device_after_a_stop)
{
    server_fixture_run(NULL);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value");
    struct written written = ask_commit(&wire, commit_of_block(1, "header"));
    ck_assert_int_eq(written.status, STATUS_OK);
    ck_assert_int_eq(written.level, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(metadata_is(&wire, "name", "value"));
    ck_assert(block_is(&wire, 1, "header"));
    (void)set(&wire, "late", "value"); /* accepted only */
    server_fixture_signal(SIGTERM);
    ck_assert_int_eq(server_fixture_wait(10000), SERVER_FIXTURE_STOPPED);
    wire_close(&wire);
}
END_TEST

START_TEST(a_hangup_reads_the_configuration_again_and_serving_goes_on)
{
    server_fixture_run(NULL);
    server_fixture_await();
    server_fixture_signal(SIGHUP);
    for (int i = 0; i < patience_ms(5000) && !file_exists(server_fixture.text); i++) {
        sleep_ms(1);
    }
    ck_assert(file_exists(server_fixture.text));
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value");
    wire_close(&wire);
    server_fixture_signal(SIGINT);
    ck_assert_int_eq(server_fixture_wait(10000), SERVER_FIXTURE_STOPPED);
}
END_TEST

/* Behind the start's own write no other goes on. */
static void hang(void *context)
{
    (void)context;
    fake_disk_close_gate(server_fixture.disk, FAKE_WRITE, FAKE_BEFORE);
}

static void hang_behind_the_start(void)
{
    fake_disk_hook(server_fixture.disk, FAKE_WRITE, FAKE_AFTER, hang, NULL);
}

START_TEST(the_loop_answers_while_a_write_hangs)
{
    server_fixture_run(hang_behind_the_start);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket), other = wire_open(server_fixture.socket);
    uint64_t hanging = wire_send(&other, FRAME_COMMIT, commit_of_block(1, "header"));
    (void)set(&wire, "name", "value");
    ck_assert(metadata_is(&wire, "name", "value"));
    ck_assert_ptr_null(wire_try_frame(&other, hanging, 50));
    ck_assert_uint_eq(get_height(&wire), 0);
    wire_close(&wire);
    wire_close(&other);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("server", 60, &tests);
    tcase_add_checked_fixture(tests, server_fixture_open, server_fixture_close);
    tcase_add_test(tests, what_is_sent_is_answered_and_all_of_it_is_on_the_device_after_a_stop);
    tcase_add_test(tests, a_hangup_reads_the_configuration_again_and_serving_goes_on);
    tcase_add_test(tests, the_loop_answers_while_a_write_hangs);
    return suite_run(suite, true);
}
