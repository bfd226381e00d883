/* The budget of memory in a model of what connections might do: whatever is asked in whatever order, the sum stays under the
 * bounds, and whoever waits goes on when the others have ended. */
#include <check.h>
#include <string.h>

#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    MIB = 1 << 20,
    FRAME_MAX = 4 * MIB,
    REPLIES_MAX = 16 * MIB,
    CLIENTS = 6,
    SLOTS = 30,
    STEPS = 4000,
    SMALL_MAX = 64 << 10, /* what one small request holds */
    REPLY = 100,
    ANSWER = 256 << 10, /* from memory, or a stream's step */
};

static struct budget *budget;

struct slot {
    enum { FREE, WAITING, READING, STARTED } state;
    struct budget_request request;
    uint64_t since; /* WAITING: the lower one goes first */
};

struct read_slot {
    enum { READ_FREE, READ_WAITING, READ_RUNNING } state;
    unsigned client;
    uint64_t bytes;
};

struct stream_slot {
    bool is_open;
    struct budget_stream stream;
};

struct world {
    struct random_source random;
    uint64_t frame_bytes_max;
    uint64_t requests_bytes_max;
    struct slot slots[SLOTS];
    struct read_slot reads[SLOTS];
    struct stream_slot streams[CLIENTS];
    struct budget_client clients[CLIENTS];
    uint64_t arrived;
    uint64_t excess_bytes; /* of a large write that was alone */
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static void check_bounds(const struct world *world)
{
    uint64_t most = larger(world->requests_bytes_max, 4 * world->frame_bytes_max) +
                    larger(world->requests_bytes_max / 32, MIB) + SMALL_MAX + world->excess_bytes;
    ck_assert_uint_le(budget_requests_bytes(budget), most);
    uint64_t cursors = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        cursors += world->streams[i].stream.cursor_bytes;
    }
    ck_assert_uint_le(cursors, 2 * REPLIES_MAX);
    most = REPLIES_MAX + cursors + ANSWER + (uint64_t)CLIENTS * (2 * CLIENT_UNREAD_BYTES_MAX + REPLY);
    ck_assert_uint_le(budget_answers_bytes(budget), most);
}

/* As connection_set.c does: oldest first, but for those that are passed over. */
static void grant(struct world *world)
{
    enum budget_answer answer = BUDGET_GRANTED;
    uint64_t after = 0;
    while (answer != BUDGET_WAITS) {
        struct slot *next = NULL;
        for (size_t i = 0; i < SLOTS; i++) {
            struct slot *slot = &world->slots[i];
            if (slot->state == WAITING && slot->since > after &&
                (next == NULL || slot->since < next->since)) {
                next = slot;
            }
        }
        if (next == NULL) {
            return;
        }
        after = next->since;
        answer = budget_request_reserve(budget, &next->request);
        next->state = answer == BUDGET_GRANTED ? READING : WAITING;
    }
}

static void end_request(struct world *world, struct slot *slot)
{
    budget_request_end(budget, &slot->request);
    slot->state = FREE;
    bool has_write = false;
    for (size_t i = 0; i < SLOTS; i++) {
        has_write |= world->slots[i].state == STARTED && world->slots[i].request.is_write;
    }
    world->excess_bytes = has_write ? world->excess_bytes : 0;
    grant(world);
}

static void start_request(struct world *world, struct slot *slot)
{
    uint64_t room = budget_request_room(budget, &slot->request);
    uint64_t wanted = slot->request.body_bytes * (1 + below(world, 6));
    if (room == UINT64_MAX && wanted > slot->request.reserved_bytes) {
        world->excess_bytes = larger(world->excess_bytes, wanted - slot->request.reserved_bytes);
    }
    budget_request_hold(budget, &slot->request, wanted < room ? wanted : room);
    slot->state = STARTED;
}

static void move_request(struct world *world)
{
    struct slot *slot = &world->slots[below(world, SLOTS)];
    if (slot->state == STARTED || (slot->state == READING && below(world, 4) == 0)) {
        end_request(world, slot); /* or its client died */
    } else if (slot->state == READING) {
        start_request(world, slot);
    } else if (slot->state == FREE && !budget_requests_are_full(budget)) {
        bool is_large = below(world, 2) == 0;
        uint64_t body = is_large ? FRAME_BYTES_UNRESERVED + 1 +
                                       below(world, world->frame_bytes_max - FRAME_BYTES_UNRESERVED)
                                 : below(world, FRAME_BYTES_UNRESERVED);
        slot->request = budget_request_of(below(world, 2) == 0, body);
        if (is_large) {
            slot->state = WAITING;
            slot->since = ++world->arrived;
            grant(world);
        } else {
            budget_request_hold(budget, &slot->request, below(world, SMALL_MAX));
            slot->state = STARTED;
        }
    }
}

static void start_reads(struct world *world)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct read_slot *read = &world->reads[i];
        if (read->state == READ_WAITING && budget_may_read(budget, read->bytes)) {
            budget_read_begins(budget, read->bytes);
            read->state = READ_RUNNING;
        }
    }
}

static void finish_read(struct world *world, struct read_slot *read)
{
    struct budget_client *client = &world->clients[read->client];
    budget_read_ends(budget, read->bytes);
    budget_client_read_ends(client, read->bytes);
    budget_reply_queued(budget, client, below(world, read->bytes) + 1);
    read->state = READ_FREE;
}

static void move_read(struct world *world)
{
    struct read_slot *read = &world->reads[below(world, SLOTS)];
    unsigned index = (unsigned)below(world, CLIENTS);
    struct budget_client *client = &world->clients[index];
    uint64_t bytes = below(world, 8) == 0 ? 1 + below(world, REPLIES_MAX) : 1 + below(world, ANSWER);
    if (read->state == READ_RUNNING) {
        finish_read(world, read);
    } else if (read->state == READ_FREE && budget_client_may_read(client, bytes)) {
        *read = (struct read_slot){.state = READ_WAITING, .client = index, .bytes = bytes};
        budget_client_read_begins(client, bytes);
    }
    start_reads(world);
}

static void send_replies(struct world *world, struct budget_client *client)
{
    budget_reply_gone(budget, client, client->replies_bytes);
    start_reads(world);
}

static void move_client(struct world *world)
{
    struct budget_client *client = &world->clients[below(world, CLIENTS)];
    if (below(world, 3) == 0) {
        send_replies(world, client);
    } else if (budget_may_answer(budget) && budget_client_may_send(client)) {
        budget_reply_queued(budget, client, 1 + below(world, ANSWER));
    } else if (budget_client_may_have_short(client)) {
        budget_reply_queued(budget, client, 1 + below(world, CLIENT_UNREAD_BYTES_MAX));
    } else if (!budget_client_must_pause(budget, client)) {
        budget_reply_queued(budget, client, REPLY);
    }
}

static void close_stream(struct stream_slot *slot)
{
    budget_stream_gone(budget, &slot->stream, slot->stream.unsent_bytes);
    budget_stream_close(budget, &slot->stream);
    slot->is_open = false;
}

static void move_stream(struct world *world)
{
    struct stream_slot *slot = &world->streams[below(world, CLIENTS)];
    uint64_t open = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        open += world->streams[i].is_open;
    }
    uint64_t queue_bytes = below(world, REPLIES_MAX);
    if (!slot->is_open && budget_may_open_stream(budget, open, queue_bytes, 0)) {
        budget_stream_open(budget, &slot->stream, queue_bytes);
        slot->is_open = true;
    } else if (slot->is_open && below(world, 4) == 0) {
        close_stream(slot);
    } else if (slot->is_open && budget_stream_may_read(&slot->stream) && budget_may_read(budget, ANSWER)) {
        budget_read_begins(budget, ANSWER);
        check_bounds(world);
        budget_read_ends(budget, ANSWER);
        budget_stream_read(budget, &slot->stream, below(world, ANSWER));
    }
}

static bool is_at_work(const struct world *world)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (world->slots[i].state == READING || world->slots[i].state == STARTED ||
            world->reads[i].state == READ_RUNNING) {
            return true;
        }
    }
    return false;
}

/* All that go on by themselves end, one after the other; then nobody waits. */
static void end_all(struct world *world)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        if (world->streams[i].is_open) {
            close_stream(&world->streams[i]);
        }
    }
    do {
        for (size_t i = 0; i < SLOTS; i++) {
            if (world->slots[i].state == READING || world->slots[i].state == STARTED) {
                end_request(world, &world->slots[i]);
            }
            if (world->reads[i].state == READ_RUNNING) {
                finish_read(world, &world->reads[i]);
            }
            check_bounds(world);
        }
        for (size_t i = 0; i < CLIENTS; i++) {
            send_replies(world, &world->clients[i]); /* which may have a read begin that waited for room */
        }
    } while (is_at_work(world));
    for (size_t i = 0; i < SLOTS; i++) {
        ck_assert_int_eq(world->slots[i].state, FREE);
        ck_assert_int_eq(world->reads[i].state, READ_FREE);
    }
    ck_assert_uint_eq(budget_requests_bytes(budget) + budget_answers_bytes(budget), 0);
}

START_TEST(whatever_is_asked_the_sum_holds_and_all_who_wait_go_on)
{
    static void (*const moves[])(struct world *) = {move_request, move_request, move_read, move_client,
                                                    move_stream};
    static struct world world;
    memset(&world, 0, sizeof world);
    world.random = random_from(random_seed("budget") + (uint64_t)_i);
    world.frame_bytes_max = FRAME_MAX;
    world.requests_bytes_max = (2 + (uint64_t)_i % 4) * FRAME_MAX; /* from the least that is allowed */
    thread_set_role(THREAD_LOOP);
    budget = budget_new(&(struct budget_limits){.frame_bytes_max = world.frame_bytes_max,
                                                .requests_bytes_max = world.requests_bytes_max,
                                                .replies_bytes_max = REPLIES_MAX});
    for (int i = 0; i < STEPS; i++) {
        moves[below(&world, sizeof moves / sizeof moves[0])](&world);
        check_bounds(&world);
        if (below(&world, STEPS / 4) == 0) {
            end_all(&world);
        }
    }
    end_all(&world);
    budget_free(budget);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("budget model", 60, &tests);
    tcase_add_loop_test(tests, whatever_is_asked_the_sum_holds_and_all_who_wait_go_on, 0, 40);
    return suite_run(suite, true);
}
