/* The drain request: kept until the end of the stop, answered then with what was counted, an admin's alone, and one at a time. */
#include <check.h>

#include "daemon/serve/drain.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/kept.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

static const Cairn__Drain message = CAIRN__DRAIN__INIT;

START_TEST(request_is_answered_at_the_end_with_what_was_counted)
{
    service_open();
    ck_assert(!drain_is_wanted(&served.service));
    ck_assert_int_eq(service_start(FRAME_DRAIN, &message, NULL), REQUEST_TAKEN);
    ck_assert(drain_is_wanted(&served.service));
    ck_assert_uint_eq(served.reply_count, 0);
    served.service.draining = true;
    drain_end(&served.service, 37, 2);
    ck_assert(!drain_is_wanted(&served.service));
    ck_assert_uint_eq(served.reply_count, 1);
    ck_assert_int_eq(served.replies[0].status, STATUS_OK);
    const Cairn__DrainReply *reply =
        cairn__drain_reply__unpack(kept_allocator(), served.replies[0].body.len, served.replies[0].body.data);
    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->operations, 37);
    ck_assert_uint_eq(reply->connections, 2);
    drain_end(&served.service, 0, 0); /* nobody has asked: a stop by a signal */
    ck_assert_uint_eq(served.reply_count, 1);
    service_close();
}
END_TEST

START_TEST(second_request_is_told_that_it_stops_already)
{
    service_open();
    ck_assert_int_eq(service_start(FRAME_DRAIN, &message, NULL), REQUEST_TAKEN);
    ck_assert_int_eq(service_start(FRAME_DRAIN, &message, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    ck_assert_int_eq(served.replies[0].status, STATUS_SHUTTING_DOWN);
    served.service.draining = true;
    drain_end(&served.service, 0, 1);
    ck_assert_uint_eq(served.reply_count, 2);
    ck_assert_int_eq(service_start(FRAME_DRAIN, &message, NULL), REQUEST_TAKEN);
    ck_assert_int_eq(served.replies[2].status, STATUS_SHUTTING_DOWN);
    service_close();
}
END_TEST

START_TEST(only_an_admin_may_ask)
{
    service_open();
    served.session.role = ROLE_WRITER;
    ck_assert_int_eq(service_start(FRAME_DRAIN, &message, NULL), REQUEST_TAKEN);
    ck_assert(!drain_is_wanted(&served.service));
    ck_assert_int_eq(served.replies[0].status, STATUS_PERMISSION);
    service_close();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("drain", 30, &tests);
    tcase_add_test(tests, request_is_answered_at_the_end_with_what_was_counted);
    tcase_add_test(tests, second_request_is_told_that_it_stops_already);
    tcase_add_test(tests, only_an_admin_may_ask);
    return suite_run(suite, true);
}
