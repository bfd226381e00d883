/* One poll() for the connections that have to be waited for, each of which is processed then. Where a client has more than that takes, they
 * take turns, for the one that a call waits for may be any of them. A signal ends the wait early: deadlines are looked at all the same. */
#include "client/connection/wait.h"

#include <assert.h>
#include <poll.h>

#include "client/connection/claim.h"
#include "client/connection/clock.h"
#include "client/connection/connection.h"

enum {
    /* Both chosen. */
    POLLED_MAX = 64,             /* connections that one poll() waits for */
    OTHERS_MAX = POLLED_MAX - 1, /* beside that of the call */
    POLLED_MS_MAX = 10,          /* how long, if the client has more connections than that */
};

/* For how long poll() may wait; -1: without limit. It is a minute at most, which keeps the sum within an int. */
static int poll_ms(uint64_t left_us, int64_t wait_us)
{
    uint64_t wait = wait_us < 0 ? NEVER_US : (uint64_t)wait_us;
    wait = wait < left_us ? wait : left_us;
    if (wait == NEVER_US) {
        return -1;
    }
    return wait / 1000 < 60000 ? (int)((wait + 999) / 1000) : 60000;
}

/* The others that are not lost, as many as one poll() takes beside `connection`. Returns how many there are. */
static nfds_t take_others(const struct cairn_connection *connection, struct cairn_connection **ret_others)
{
    struct cairn_client *client = connection->client;
    size_t all = 0, index = 0;
    nfds_t count = 0;
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        all += each != connection && !connection_state_is_lost(each->state);
    }
    size_t skipped = all > OTHERS_MAX ? client->waits++ * OTHERS_MAX % all : 0;
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        if (each != connection && !connection_state_is_lost(each->state) &&
            (index++ + all - skipped) % all < OTHERS_MAX) {
            ret_others[count++] = each;
        }
    }
    assert(count == (all < OTHERS_MAX ? all : OTHERS_MAX));
    return count;
}

void connection_wait(struct cairn_connection *connection, uint64_t left_us)
{
    struct cairn_client *client = connection->client;
    assert(client->in_callback == 0);
    struct cairn_connection *polled[POLLED_MAX] = {connection};
    struct pollfd fds[POLLED_MAX];
    nfds_t count = 1;
    bool all = client->kept.unsettled > 0 || client->again > 0 || claims_under_way(client);
    count += all ? take_others(connection, polled + 1) : 0;
    int64_t wait_us = -1;
    for (nfds_t i = 0; i < count; i++) {
        int64_t each_us = cairn_connection_timeout_us(polled[i]);
        wait_us = each_us >= 0 && (wait_us < 0 || each_us < wait_us) ? each_us : wait_us;
        fds[i] = (struct pollfd){
            .fd = cairn_connection_fd(polled[i]),
            .events = cairn_connection_events(polled[i]),
        };
    }
    int timeout_ms = poll_ms(left_us, wait_us);
    if (count == POLLED_MAX && (timeout_ms < 0 || timeout_ms > POLLED_MS_MAX)) {
        timeout_ms = POLLED_MS_MAX;
    }
    if (poll(fds, count, timeout_ms) < 0) {
        for (nfds_t i = 0; i < count; i++) {
            fds[i].revents = 0; /* a signal came; processing still looks at the deadlines */
        }
    }
    for (nfds_t i = 0; i < count; i++) {
        connection_process(polled[i], fds[i].revents);
    }
}
