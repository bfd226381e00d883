/* A service without connections: the fake engine, an order whose writer is stepped from here, a pool, and one session that records
 * what it is sent. One a process, as every test has one of its own. Life:
 *
 * - service_open makes all of it; the test may change limits before, and the disk's faults at any time.
 * - The test starts requests and iterates; each iteration does what the daemon's does, and steps the writer until it is idle.
 * - service_close ends what is still open, and checks that each request has ended and all memory was given back.
 *
 * The calling thread has the loop's role. Replies are kept until the test ends. */
#ifndef TESTS_LIB_SERVICE_FIXTURE_H
#define TESTS_LIB_SERVICE_FIXTURE_H

#include <uv.h>

#include "daemon/serve/dispatch.h"
#include "daemon/serve/stream.h"
#include "tests/fake_engine/fake_disk.h"
#include "tests/lib/numbers_fixture.h"

#define STREAM_TIMEOUT_US                                                                                    \
    3000000000 /* far above what any test takes: it is over when the test's clock says so */

struct service_reply {
    struct frame_reply header;
    enum status status;
    ProtobufCBinaryData body;
    const char *text; /* of the error; "" if there is none */
    int reason;       /* of the error, 0 if it has none, as the next one */
    bool has_last_number;
    uint64_t last_number;
};

struct service_fixture {
    /* limits, for the next service_open; 0: a default */
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t frame_bytes_max;
    uint64_t replies_bytes_max;
    uint64_t streams_max;
    /* what is there */
    uv_loop_t loop;
    struct fake_disk *disk;
    struct numbers_fixture numbers;
    struct stages stages;
    struct service service;
    struct session session;
    bool counts_replies; /* what is sent counts among the session's replies until service_take_replies */
    uint64_t started;    /* requests */
    uint64_t ended;
    /* what was sent, oldest first */
    struct service_reply *replies;
    size_t reply_count;
};

extern struct service_fixture served;

void service_open(void);
void service_close(void);

/* Starts a request of that message, or body, with an id of its own: that of the next call is one more. *ret_request, unless NULL, is
 * only to be used if the answer is REQUEST_WAITS. */
uint64_t service_next_id(void);
enum request_progress service_start(uint8_t type, const void *message, struct request **ret_request);
enum request_progress service_start_bytes(uint8_t type, const void *body, size_t body_bytes,
                                          struct request **ret_request);
/* The same under that id, for credit and cancel. */
enum request_progress service_start_as(uint64_t id, uint8_t type, const void *message);

/* One iteration of the loop, with the writer stepped until it is idle; until all requests have ended. */
void service_iterate(void);
void service_settle(void);
/* Iterates until there are so many replies. */
void service_await_replies(size_t count);

/* Starts a request, settles, and returns its last reply. */
struct service_reply service_ask(uint8_t type, const void *message);
/* The same, and it has to be refused with that status, once, in a text that has those words. */
void service_ask_refused(uint8_t type, const void *message, enum status status, const char *words);
void service_ask_conflict(uint8_t type, const void *message, enum conflict_reason reason, const char *words);

/* What was counted has gone out: the session's reads and streams go on. */
void service_take_replies(void);
/* The peer is gone, as a connection sees it. */
void service_hang_up(void);

#endif
