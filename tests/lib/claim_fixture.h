/* A client that claims a chain of a fake daemon on the first of its two connections, and what became of its requests. */
#ifndef TESTS_LIB_CLAIM_FIXTURE_H
#define TESTS_LIB_CLAIM_FIXTURE_H

#include "client/cairn.h"
#include "tests/lib/fake_daemon.h"

enum { CLAIMS_CONNECTIONS = 2, CLAIMS_EPOCH = 40, CLAIMS_EPOCH_RANDOM = 7, CLAIMS_LONG_US = 60000000 };

struct claim_fixture {
    struct fake_daemon fake;
    struct cairn_client *client;
    struct cairn_connection *connections[CLAIMS_CONNECTIONS];
    int fds[CLAIMS_CONNECTIONS]; /* the daemon's ends */
    bool ended;                  /* the test's own variables are gone */
};

extern struct claim_fixture claims;

/* What became of a request; the context of result_completed(). */
struct result {
    int count;
    enum cairn_status status;
    enum cairn_reason reason;
    struct cairn_written write;
};

void result_completed(void *context, const struct cairn_reply *reply);
bool result_is(const struct result *result, enum cairn_status status, enum cairn_reason reason);
bool result_is_open(const struct result *result);
/* Processes one connection until there is nothing to do. */
enum cairn_status claims_run(int which);
void claims_meet(int which);
void claims_lose(int which);
void claims_reconnect(int which);
struct fake_frame claims_expect(int which, uint8_t type);
struct fake_frame claims_expect_commit(int which, uint64_t rise_to, uint64_t number);
struct fake_frame claims_expect_set(int which, char name, uint64_t resend_of);
struct fake_frame claims_expect_present(int which, bool for_numbers);
void claims_answer_present(int which, const struct fake_frame *frame, uint64_t last_number);
void claims_refuse(int which, const struct fake_frame *frame, Cairn__ConflictReason reason, int last_number);
void claims_answer(int which, const struct fake_frame *frame, uint64_t sequence, Cairn__Level level);
void claims_commit(int which, uint64_t rise_to, struct result *result);
void claims_set(int which, char name, struct result *result);
/* Answers a Claim with an epoch, and claims. */
void claims_send_granted(int which, const struct fake_frame *claim);
void claims_claim(int which);
/* The first connection has claimed; the claim is presented on the other. */
void claims_start(void);
void claims_stop(void);
/* The daemon dies and starts again, having found metadata up to `on_disk`. */
void claims_restart(uint64_t on_disk);

#endif
