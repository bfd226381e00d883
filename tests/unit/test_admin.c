/* Requests about the connection and the daemon. */
#include <check.h>

#include "daemon/order/order_internal.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

/* ---- hello ---- */

static void setup_ungreeted(void)
{
    service_open();
    served.session.is_greeted = false;
}

START_TEST(hello_tells_the_store_and_the_bounds)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    memset(served.service.store_id, 0xab, STORE_ID_BYTES);
    struct service_reply reply = service_ask(FRAME_HELLO, &hello);
    const Cairn__HelloReply *told =
        cairn__hello_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(told != NULL && served.session.is_greeted);
    ck_assert_uint_eq(told->version, 1);
    ck_assert_uint_eq(told->run, order_run(served.service.order));
    ck_assert_uint_eq(told->frame_bytes_max, served.service.frame_bytes_max);
    ck_assert(told->store_id.len == STORE_ID_BYTES && told->store_id.data[3] == 0xab);
}
END_TEST

static const Cairn__HelloReply *resume(uint64_t run, bool has_random, uint64_t random)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    served.session.is_greeted = false;
    hello.has_resume_run = true;
    hello.resume_run = run;
    hello.has_resume_random = has_random;
    hello.resume_random = random;
    struct service_reply reply = service_ask(FRAME_HELLO, &hello);
    ck_assert_int_eq(reply.status, STATUS_OK);
    return cairn__hello_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
}

START_TEST(hello_tells_whether_the_store_knows_the_run_if_its_bits_are_sent)
{
    uint64_t run = order_run(served.service.order), random = order_run_random(served.service.order);
    ck_assert_uint_eq(resume(run, true, random)->run_random, random);
    ck_assert(!resume(run, true, random)->store_changed);
    ck_assert(resume(run, true, random ^ 1)->store_changed);
    ck_assert(resume(run, true, 0)->store_changed);
    ck_assert(resume(run + 1, true, random)->store_changed);
    ck_assert(resume(UINT64_MAX, true, random)->store_changed);
    ck_assert(!resume(run + 1, false, 0)->has_store_changed); /* an older client is answered as ever */
    ck_assert(!resume(0, true, random)->has_store_changed);
}
END_TEST

/* A run of that number on another copy of the store was another one. */
START_TEST(a_client_of_this_very_run_is_told_of_raises_that_were_left_out_while_it_was_away)
{
    uint64_t run = order_run(served.service.order), random = order_run_random(served.service.order);
    const struct {
        uint64_t run;
        bool has_random;
        uint64_t random;
        bool is_told;
    } cases[] = {{run, true, random, true},
                 {run, true, random ^ 1, false},
                 {run, false, 0, true}, /* an older client */
                 {run + 1, true, random, false}};
    served.service.order->left_out = (struct order_left_out){.raises = 3, .last_sequence = 9};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)resume(cases[i].run, cases[i].has_random, cases[i].random);
        ck_assert_uint_eq(served.session.left_out_told, cases[i].is_told ? 0 : 3);
    }
}
END_TEST

START_TEST(hello_agrees_on_a_version_that_both_speak_or_refuses)
{
    const struct {
        uint32_t min, max;
        bool is_spoken;
    } cases[] = {{1, 1, true}, {1, 9, true}, {0, 1, true}, {2, 9, false}, {0, 0, false}, {1, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        served.session.is_greeted = false;
        Cairn__Hello hello = CAIRN__HELLO__INIT;
        hello.has_version_min = hello.has_version_max = true;
        hello.version_min = cases[i].min;
        hello.version_max = cases[i].max;
        struct service_reply reply = service_ask(FRAME_HELLO, &hello);
        ck_assert_int_eq(reply.status, cases[i].is_spoken ? STATUS_OK : STATUS_UNSUPPORTED);
        ck_assert(served.session.is_greeted == cases[i].is_spoken);
    }
}
END_TEST

START_TEST(of_the_features_asked_for_those_are_in_force_that_there_are)
{
    static const struct {
        uint64_t asked;
        uint64_t in_force;
    } cases[] = {{0, 0},
                 {FEATURE_PRUNE_DRY_RUN, FEATURE_PRUNE_DRY_RUN},
                 {UINT64_C(1) << 63, 0},
                 {UINT64_MAX, FEATURE_PRUNE_DRY_RUN | FEATURE_LISTS | FEATURE_DELETES | FEATURE_CLAIMS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        served.session.is_greeted = false;
        Cairn__Hello hello = CAIRN__HELLO__INIT;
        hello.has_features = true;
        hello.features = cases[i].asked;
        struct service_reply reply = service_ask(FRAME_HELLO, &hello);
        const Cairn__HelloReply *message =
            cairn__hello_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
        ck_assert_uint_eq(message->features, cases[i].in_force);
    }
}
END_TEST

START_TEST(hello_comes_once_and_with_a_short_name)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_client_name = true;
    hello.client_name = bytes_random(1, CLIENT_NAME_BYTES_MAX + 1);
    service_ask_refused(FRAME_HELLO, &hello, STATUS_INVALID, "65 bytes");
    ck_assert(!served.session.is_greeted);
    hello.client_name.len = CLIENT_NAME_BYTES_MAX;
    ck_assert_int_eq(service_ask(FRAME_HELLO, &hello).status, STATUS_OK);
    service_ask_refused(FRAME_HELLO, &hello, STATUS_INVALID, "once");
}
END_TEST

/* ---- the status page ---- */

static const Cairn__StatusEntry *entry_of(const Cairn__StatusReply *page, const char *name)
{
    const Cairn__StatusEntry *found = NULL;
    for (size_t i = 0; i < page->n_entries; i++) {
        if (bytes_are(page->entries[i]->name, name)) {
            ck_assert_msg(found == NULL, "%s is there twice", name);
            found = page->entries[i];
        }
    }
    ck_assert_msg(found != NULL, "no %s", name);
    return found;
}

static const Cairn__StatusReply *status_page(void)
{
    Cairn__Status message = CAIRN__STATUS__INIT;
    struct service_reply reply = service_ask(FRAME_STATUS, &message);
    const Cairn__StatusReply *page =
        cairn__status_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_ptr_nonnull(page);
    return page;
}

START_TEST(the_status_page_has_each_name_once_and_follows_what_happens)
{
    ck_assert_uint_eq(entry_of(status_page(), "commits")->number, 0);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(1, "header")).status, STATUS_OK);
    const Cairn__StatusReply *page = status_page();
    ck_assert_uint_eq(entry_of(page, "commits")->number, 1);
    ck_assert_uint_eq(entry_of(page, "sequence.last")->number, order_sequence(served.service.order));
    ck_assert_uint_eq(entry_of(page, "stage.commit.count")->number, 1);
    for (size_t i = 0; i < page->n_entries; i++) {
        (void)entry_of(page, kept_copy(page->entries[i]->name.data, page->entries[i]->name.len));
    }
}
END_TEST

START_TEST(health_says_that_the_daemon_stops_or_why_it_failed)
{
    ck_assert(bytes_are(entry_of(status_page(), "health")->text, "ok"));
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_IN_DOUBT, 100);
    ck_assert_int_eq(service_ask(FRAME_COMMIT, commit_of_block(1, "header")).status, STATUS_IO_ERROR);
    ck_assert(bytes_are(entry_of(status_page(), "health")->text, order_failure(served.service.order)->text));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("admin", 20, &tests);
    tcase_add_checked_fixture(tests, service_open, service_close);
    tcase_add_test(tests, the_status_page_has_each_name_once_and_follows_what_happens);
    tcase_add_test(tests, health_says_that_the_daemon_stops_or_why_it_failed);
    TCase *hello = tcase_create("hello");
    tcase_add_checked_fixture(hello, setup_ungreeted, service_close);
    tcase_add_test(hello, hello_tells_the_store_and_the_bounds);
    tcase_add_test(hello, hello_tells_whether_the_store_knows_the_run_if_its_bits_are_sent);
    tcase_add_test(hello, a_client_of_this_very_run_is_told_of_raises_that_were_left_out_while_it_was_away);
    tcase_add_test(hello, hello_agrees_on_a_version_that_both_speak_or_refuses);
    tcase_add_test(hello, of_the_features_asked_for_those_are_in_force_that_there_are);
    tcase_add_test(hello, hello_comes_once_and_with_a_short_name);
    suite_add_tcase(suite, hello);
    return suite_run(suite, false);
}
