/* The fixture of the client library's tests. */
#include "tests/lib/client_fixture.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

struct client_fixture fixture;

void fixture_completed(void *context, const struct cairn_reply *reply)
{
    struct seen *seen = context;
    if (fixture.stopping) {
        return;
    }
    ck_assert(!seen->submitting);
    seen->count++;
    seen->status = reply->status;
    seen->items = reply->items;
    seen->order = ++fixture.completed;
    snprintf(seen->text, sizeof seen->text, "%s", reply->text);
    if (reply->status == CAIRN_OK && reply->kind >= CAIRN_WRITE_METADATA) {
        seen->sequence = reply->write.sequence;
    }
}

enum cairn_status fixture_run(void)
{
    enum cairn_status status = CAIRN_OK;
    struct pollfd waiting;
    do {
        waiting = (struct pollfd){cairn_connection_fd(fixture.connection),
                                  cairn_connection_events(fixture.connection), 0};
        poll(&waiting, 1, 0);
        status = cairn_connection_process(fixture.connection, waiting.revents);
    } while (status == CAIRN_OK && (waiting.revents & (POLLIN | POLLOUT)));
    return status;
}

void fixture_start(struct cairn_client_options options)
{
    fixture.completed = 0;
    fixture.stopping = false;
    fake_daemon_start(&fixture.daemon);
    options.socket_path = fixture.daemon.path;
    ck_assert_int_eq(cairn_client_new(&options, &fixture.client), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_open(fixture.client, &fixture.connection), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_get_state(fixture.connection), CAIRN_READY);
}

void fixture_stop(void)
{
    fixture.stopping = true;
    cairn_client_free(fixture.client);
    close(fixture.fd);
    fake_daemon_stop(&fixture.daemon);
}
