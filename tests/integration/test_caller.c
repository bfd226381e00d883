/* Nothing that a caller does ends its process: whatever is called, in whatever order, with whatever values, also from callbacks, while
 * the daemon is killed and started again. Each request completes once. $CAIRN_SEED repeats a run. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/cairn.h"
#include "tests/lib/daemon.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    CLIENTS = 12,
    ACTS = 1000,      /* of each client */
    CONNECTIONS = 4,  /* at a time */
    DEPTH_MAX = 3,    /* of callbacks that act, inside callbacks that act */
    ENTRIES = 4,      /* of each array */
    BYTES = 64 << 10, /* of the longest slice that can be sent */
    LONG_US = 300000000,
};

static struct daemon daemon_of_test;
static struct random_source random_acts;
static struct cairn_client *client;
static struct cairn_connection *connections[CONNECTIONS];
static int depth; /* of callbacks that are on the stack */
static uint64_t submitted, completed, answered;
static uint8_t bytes[BYTES];
static struct cairn_operation operations[ENTRIES];
static struct cairn_block blocks[ENTRIES];
static struct cairn_state states[ENTRIES];
static struct cairn_guard guards[ENTRIES];
static struct cairn_slice names[ENTRIES];
static uint64_t heights[ENTRIES];

static uint64_t below(uint64_t bound)
{
    return random_below(&random_acts, bound);
}

static bool chance(unsigned percent)
{
    return random_chance(&random_acts, percent);
}

/* A number as a caller may pass it by mistake. */
static uint64_t number(void)
{
    const uint64_t numbers[] = {
        0, 1, UINT64_MAX, UINT64_MAX - 1, below(10), below(100000), UINT64_C(1) << below(64)};
    return numbers[below(sizeof numbers / sizeof *numbers)];
}

static struct cairn_slice slice(void)
{
    const struct cairn_slice slices[] = {
        {NULL, 0},          {NULL, below(3)}, {bytes, SIZE_MAX - below(5)}, {bytes, below(BYTES)},
        {bytes, below(20)}, {bytes, 7},
    };
    return slices[chance(80) ? 4 : below(sizeof slices / sizeof *slices)];
}

static struct cairn_slice chain(void)
{
    return chance(90) ? cairn_text("") : slice();
}

static enum cairn_level level(void)
{
    return (enum cairn_level)(chance(95) ? below(4) : number());
}

static void entries_make(void)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        operations[i] = (struct cairn_operation){
            .kind = (enum cairn_operation_kind)(chance(95) ? 1 + below(chance(80) ? 3 : 4) : number()),
            .name = slice(),
            .value = slice(),
            .to = slice(),
            .raise = number(),
            .of_height = chance(50) ? 0 : number(),
        };
        blocks[i] = (struct cairn_block){
            .height = chance(80) ? below(20) : number(), .header = slice(), .data = slice()};
        states[i] = (struct cairn_state){.height = below(20), .value = slice()};
        guards[i] = (struct cairn_guard){.name = slice(), .lower = chance(50), .pass_malformed = below(2)};
        names[i] = slice();
        heights[i] = number();
        operations[i].reserved[0] = blocks[i].reserved[3] = chance(98) ? 0 : number();
    }
}

static void act(void);

static void act_inside(void)
{
    if (depth < DEPTH_MAX && chance(25)) {
        depth++;
        act();
        depth--;
    }
}

static void request_completed(void *context, const struct cairn_reply *reply)
{
    (void)context;
    ck_assert_ptr_nonnull(reply->text);
    completed++;
    answered += reply->status == CAIRN_OK;
    act_inside();
}

static bool block_came(void *context, const struct cairn_block *block)
{
    (void)context;
    (void)block;
    act_inside();
    return chance(80);
}

static bool metadata_came(void *context, const struct cairn_metadata *metadata)
{
    (void)context;
    (void)metadata;
    act_inside();
    return chance(80);
}

static void metadata_dropped(void *context, const struct cairn_dropped *dropped)
{
    (void)context;
    (void)dropped;
    act_inside();
}

/* Makes the request, blocking or not; `request_` is what the case has filled in. */
#define MAKE(name, ...)                                                                                      \
    do {                                                                                                     \
        struct cairn_##name##_request request_ = {.timeout_us = 1 + below(20000), __VA_ARGS__};              \
        const struct cairn_##name##_request *given_ = chance(98) ? &request_ : NULL;                         \
        const struct cairn_reply *reply_;                                                                    \
        request_.reserved[below(sizeof request_.reserved / 8)] = chance(98) ? 0 : number();                  \
        if (chance(30)) {                                                                                    \
            enum cairn_status status_ = cairn_##name(connection, given_, &reply_);                           \
            ck_assert(reply_->status == status_ && reply_->text != NULL);                                    \
        } else {                                                                                             \
            submitted += cairn_submit_##name(connection, given_, request_completed, NULL) == CAIRN_OK;       \
        }                                                                                                    \
    } while (0)
#define MAKE_STREAM(name, item, ...)                                                                         \
    do {                                                                                                     \
        struct cairn_##name##_request request_ = {.timeout_us = 1 + below(20000), __VA_ARGS__};              \
        const struct cairn_##name##_request *given_ = chance(98) ? &request_ : NULL;                         \
        const struct cairn_reply *reply_;                                                                    \
        request_.reserved[below(sizeof request_.reserved / 8)] = chance(98) ? 0 : number();                  \
        if (chance(30)) {                                                                                    \
            enum cairn_status status_ =                                                                      \
                cairn_##name(connection, given_, chance(90) ? item : NULL, NULL, &reply_);                   \
            ck_assert(reply_->status == status_ && reply_->text != NULL);                                    \
        } else {                                                                                             \
            submitted += cairn_submit_##name(connection, given_, item, request_completed, NULL) == CAIRN_OK; \
        }                                                                                                    \
    } while (0)

static void make_read(struct cairn_connection *connection)
{
    const unsigned parts = (unsigned)(chance(50) ? 0 : below(17));
    switch (below(9)) {
    case 0:
        MAKE(ping);
        break;
    case 1:
        MAKE(chains);
        break;
    case 2:
        MAKE(read_block, .chain = chain(), .height = number(), .hash = slice(),
             .parts = (unsigned)(chance(95) ? below(16) : number()));
        break;
    case 3:
        MAKE_STREAM(read_blocks, block_came, .heights = chance(50) ? heights : NULL,
                    .height_count = below(ENTRIES), .first = number(), .last = number(),
                    .parts = (unsigned)below(16), .window_bytes = number());
        break;
    case 4:
        MAKE(read_state, .chain = chain(), .at_height = chance(50), .height = number());
        break;
    case 5:
        MAKE(get, .chain = chain(), .name = slice(), .parts = parts);
        break;
    case 6:
        MAKE_STREAM(get_many, metadata_came, .names = names,
                    .name_count = chance(95) ? below(ENTRIES) : 1 << 20, .window_bytes = number(),
                    .parts = parts);
        break;
    case 7:
        MAKE(read_usage, .chain = chain());
        break;
    default:
        MAKE_STREAM(list, metadata_came, .chain = chain(), .limit = number(), .window_bytes = number(),
                    .end = slice(), .reverse = chance(50), .parts = parts);
        break;
    }
}

static void make_write(struct cairn_connection *connection)
{
    switch (below(9)) {
    case 0:
        MAKE(write_metadata, .chain = chain(), .level = level(), .operations = chance(95) ? operations : NULL,
             .operation_count = below(ENTRIES + 1));
        break;
    case 1:
        MAKE(commit, .chain = chain(), .level = level(), .carry = chance(50), .blocks = blocks,
             .block_count = chance(98) ? below(ENTRIES + 1) : SIZE_MAX, .states = states,
             .state_count = below(ENTRIES + 1), .delete_states = heights,
             .delete_state_count = below(ENTRIES), .delete_blocks = heights,
             .delete_block_count = chance(80) ? 0 : below(ENTRIES), .rise_to = below(30),
             .metadata = operations, .metadata_count = below(ENTRIES + 1));
        break;
    case 2:
        MAKE(prune, .chain = chain(), .level = level(), .blocks = chance(50), .blocks_through = below(10),
             .states = chance(50), .states_through = below(5), .dry_run = chance(50));
        break;
    case 3:
        MAKE(rollback, .chain = chain(), .level = level(), .to = below(20), .guards = guards,
             .guard_count = below(ENTRIES), .dry_run = chance(50));
        break;
    case 4:
        MAKE(create_chain, .chain = slice());
        break;
    case 5:
        MAKE(drop_chain, .chain = slice());
        break;
    case 6:
        MAKE(claim, .chain = chain(), .writer_name = slice(), .take_over = chance(80));
        break;
    case 7:
        MAKE(release, .chain = chain(), .any = chance(50));
        break;
    default:
        MAKE(barrier, .level = level());
        break;
    }
}

static void process(struct cairn_connection *connection)
{
    struct pollfd waiting = {cairn_connection_fd(connection), cairn_connection_events(connection), 0};
    (void)poll(&waiting, 1, (int)below(2));
    (void)cairn_connection_timeout_us(connection);
    (void)cairn_connection_process(connection, chance(90) ? waiting.revents : (short)below(64));
}

static void act_on(struct cairn_connection **place)
{
    struct cairn_connection *connection = *place;
    switch (below(12)) {
    case 0:
        *place = NULL;
        cairn_connection_free(connection);
        break;
    case 1:
        if (depth == 0) { /* in a callback it is refused, and the connection stays */
            *place = NULL;
            (void)cairn_close(connection, 1 + below(5000), NULL);
        } else {
            ck_assert_int_eq(cairn_close(connection, 1, NULL), CAIRN_USAGE);
        }
        break;
    case 2:
        (void)cairn_connection_reconnect(connection);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        process(connection);
        break;
    case 7:
    case 8:
        make_read(connection);
        break;
    default:
        make_write(connection);
        break;
    }
}

/* A call that waits may call back, and what is called back may have filled the place meanwhile. */
static void make_connection(struct cairn_connection **place)
{
    struct cairn_connection *made = NULL;
    if (chance(50)) {
        (void)!cairn_connection_open(client, &made);
    } else if (cairn_connect(client, 1 + below(3000), &made) != CAIRN_OK) {
        ck_assert_ptr_null(made);
    }
    if (*place == NULL) {
        *place = made;
    } else if (made != NULL) {
        cairn_connection_free(made);
    }
}

static void act(void)
{
    struct cairn_client_counters counters;
    struct cairn_connection **place = &connections[below(CONNECTIONS)];
    entries_make();
    if (chance(1)) {
        (void)!cairn_client_forget(client);
    } else if (chance(1)) {
        cairn_client_get_counters(client, &counters);
    } else if (depth > 0 && chance(1)) {
        cairn_client_free(client); /* does nothing */
    } else if (*place != NULL) {
        act_on(place);
    } else {
        make_connection(place);
    }
}

START_TEST(test_no_call_of_any_caller_ends_its_process)
{
    random_acts = random_from(random_seed("caller"));
    daemon_of_test = daemon_new();
    daemon_start(&daemon_of_test, "");
    for (int i = 0; i < CLIENTS; i++) {
        const struct cairn_client_options options = {
            .socket_path = daemon_of_test.socket,
            .timeout_us = 1 + below(50000),
            .in_flight_max = chance(70) ? 0 : 1 + below(5),
            .in_flight_bytes_max = chance(70) ? 0 : 1 + below(1000),
            .kept_bytes_max = chance(70) ? 0 : 1 + below(500),
            .on_dropped = metadata_dropped,
        };
        ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
        for (int j = 0; j < ACTS; j++) {
            act();
            if (i % 3 == 1 && j == ACTS / 2) {
                daemon_kill(&daemon_of_test);
            } else if (i % 3 == 1 && j == ACTS * 3 / 4) {
                daemon_start(&daemon_of_test, "");
            }
        }
        memset(connections, 0, sizeof connections);
        depth = DEPTH_MAX; /* completions act no more */
        cairn_client_free(client);
        depth = 0;
        ck_assert_uint_eq(completed, submitted);
    }
    ck_assert_uint_gt(answered, 0);
    ck_assert_int_eq(daemon_stop(&daemon_of_test), 0);
    daemon_close(&daemon_of_test);
}
END_TEST

static void free_second(void *context, const struct cairn_reply *reply)
{
    (void)context;
    ck_assert_int_eq(reply->status, CAIRN_OK);
    cairn_connection_free(connections[1]);
}

static void free_first(void *context, const struct cairn_reply *reply)
{
    (void)context;
    ck_assert_int_ne(reply->status, CAIRN_OK); /* its connection ends */
    cairn_connection_free(connections[0]);
}

/* Another connection ends as the call does, and what that completes frees the call's own. */
START_TEST(test_a_call_whose_connection_is_freed_at_its_end_says_so)
{
    daemon_of_test = daemon_new();
    daemon_start(&daemon_of_test, "");
    const struct cairn_client_options options = {.socket_path = daemon_of_test.socket};
    ck_assert_int_eq(cairn_client_new(&options, &client), CAIRN_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(cairn_connect(client, LONG_US, &connections[i]), CAIRN_OK);
    }
    const struct cairn_ping_request request = {.timeout_us = LONG_US};
    ck_assert_int_eq(cairn_submit_ping(connections[0], &request, free_second, NULL), CAIRN_OK);
    ck_assert_int_eq(cairn_submit_ping(connections[1], &request, free_first, NULL), CAIRN_OK);
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_ping(connections[0], &request, &reply), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(reply->status, CAIRN_CONNECTION_LOST);
    ck_assert_str_eq(reply->text, "a callback freed the connection");
    cairn_client_free(client);
    ck_assert_int_eq(daemon_stop(&daemon_of_test), 0);
    daemon_close(&daemon_of_test);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("caller", 240, &tests);
    tcase_add_test(tests, test_no_call_of_any_caller_ends_its_process);
    tcase_add_test(tests, test_a_call_whose_connection_is_freed_at_its_end_says_so);
    return suite_run(suite, false);
}
