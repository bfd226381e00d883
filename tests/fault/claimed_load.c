#include "tests/fault/claimed_load.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    IN_FLIGHT = 8,       /* writes; and as many reads */
    TAKE_OVER_OF = 4000, /* pumps, about one of them; chosen: some in each run */
    BACK_MAX = 20,
    WAIT_MS = 120000,
};

struct claimed_asked {
    struct claimed_client *client;
    size_t at;
    struct claimed_read read;
};

static struct claimed_asked *asked_new(struct claimed_client *client)
{
    struct claimed_asked *asked = malloc(sizeof *asked);
    ck_assert_ptr_nonnull(asked);
    *asked = (struct claimed_asked){.client = client};
    return asked;
}

static uint64_t number_in(struct cairn_slice value)
{
    char text[24] = {0};
    ck_assert_uint_lt(value.bytes, sizeof text);
    memcpy(text, value.data, value.bytes);
    return strtoull(text, NULL, 10);
}

/* ---- writes ---- */

static void written(void *context, const struct cairn_reply *reply)
{
    struct claimed_asked *asked = context;
    struct claimed_load *load = asked->client->load;
    struct claimed_write *write = &load->history.writes[asked->at];
    enum cairn_applied applied = cairn_status_applied(reply->status);
    asked->client->in_flight--;
    write->ended = ++load->tick;
    if (applied != CAIRN_UNKNOWN) { /* else the judge objects */
        write->end = reply->status == CAIRN_OK ? CLAIMED_DONE : CLAIMED_REFUSED;
    }
    load->written += reply->status == CAIRN_OK;
    load->repeated += reply->status == CAIRN_OK && reply->write.repeated;
    load->refused += reply->status != CAIRN_OK;
    load->has_ended |= reply->status != CAIRN_OK;
    free(asked);
}

static enum cairn_status submit(struct claimed_client *client, const struct claimed_write *write,
                                enum cairn_level level, struct claimed_asked *asked)
{
    const struct cairn_slice id = cairn_text(kept_format("%" PRIu64, write->id));
    const struct cairn_slice height = cairn_text(kept_format("%" PRIu64, write->height));
    const struct cairn_operation metadata[] = {
        {.kind = CAIRN_SET, .name = cairn_text("last"), .value = id},
        {.kind = CAIRN_SET, .name = cairn_text("height"), .value = height},
    };
    if (write->is_rollback) {
        const struct cairn_rollback_request rollback = {.chain = cairn_text(CLAIMED_CHAIN),
                                                        .to = write->height,
                                                        .metadata = metadata,
                                                        .metadata_count = 2};
        return cairn_submit_rollback(client->connection, &rollback, written, asked);
    }
    const struct cairn_block block = {.height = write->height, .header = id};
    const struct cairn_commit_request commit = {.chain = cairn_text(CLAIMED_CHAIN),
                                                .level = level,
                                                .blocks = &block,
                                                .block_count = 1,
                                                .rise_to = write->height,
                                                .metadata = metadata,
                                                .metadata_count = 2};
    return cairn_submit_commit(client->connection, &commit, written, asked);
}

static void write_next(struct claimed_load *load)
{
    struct claimed_history *history = &load->history;
    struct claimed_client *client = &load->writers[load->holder];
    uint64_t height = load->sent.height;
    bool is_rollback = height == CLAIMED_HEIGHTS || (height > 1 && random_chance(&load->random, 15));
    uint64_t back = is_rollback ? random_below(&load->random, height < BACK_MAX ? height : BACK_MAX) : 0;
    struct claimed_asked *asked = asked_new(client);
    asked->at = history->write_count;
    struct claimed_write *write = &history->writes[asked->at];
    *write = (struct claimed_write){.id = ++load->tick,
                                    .height = is_rollback ? height - back : height + 1,
                                    .is_rollback = is_rollback,
                                    .began = load->tick,
                                    .ended = UINT64_MAX};
    enum cairn_level level = random_chance(&load->random, 50) ? CAIRN_WRITTEN : CAIRN_DURABLE;
    if (submit(client, write, level, asked) != CAIRN_OK) {
        free(asked);
        return;
    }
    history->write_count++;
    client->in_flight++;
    claimed_apply(&load->sent, write);
}

/* ---- reads ---- */

static bool take_name(void *context, const struct cairn_metadata *found)
{
    struct claimed_asked *asked = context;
    if (!found->absent) {
        bool is_last = found->name.bytes == strlen("last");
        *(is_last ? &asked->read.last : &asked->read.height) = number_in(found->value);
    }
    return true;
}

static void has_read(void *context, const struct cairn_reply *reply)
{
    struct claimed_asked *asked = context;
    struct claimed_load *load = asked->client->load;
    asked->client->in_flight--;
    if (reply->status == CAIRN_OK && load->history.read_count < CLAIMED_READS_MAX) {
        asked->read.ended = ++load->tick;
        load->history.reads[load->history.read_count++] = asked->read;
        load->read++;
    }
    free(asked);
}

static void read_next(struct claimed_load *load)
{
    const struct cairn_slice names[] = {cairn_text("last"), cairn_text("height")};
    const struct cairn_get_many_request many = {
        .chain = cairn_text(CLAIMED_CHAIN), .names = names, .name_count = 2};
    struct claimed_asked *asked = asked_new(&load->reader);
    asked->read.began = ++load->tick;
    if (cairn_submit_get_many(load->reader.connection, &many, take_name, has_read, asked) != CAIRN_OK) {
        free(asked);
        return;
    }
    load->reader.in_flight++;
}

/* ---- life ---- */

static const struct cairn_claim_request claim_request = {.chain = {CLAIMED_CHAIN, sizeof CLAIMED_CHAIN - 1},
                                                         .writer_name = {"writer", sizeof "writer" - 1},
                                                         .take_over = true};

static void open_client(struct claimed_load *load, const char *socket, struct claimed_client *client)
{
    const struct cairn_client_options options = {.socket_path = socket, .timeout_us = CAIRN_NO_TIMEOUT};
    client->load = load;
    ck_assert_int_eq(cairn_client_new(&options, &client->library), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client->library, 0, &client->connection), CAIRN_OK);
}

static void claim(struct claimed_client *client)
{
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_claim(client->connection, &claim_request, &reply);
    ck_assert_msg(status == CAIRN_OK, "claim: %s", cairn_connection_error(client->connection));
}

void claimed_begin(struct claimed_load *load, const char *socket, uint64_t seed)
{
    memset(load, 0, sizeof *load);
    load->random = random_from(seed);
    for (unsigned i = 0; i < CLAIMED_WRITERS; i++) {
        open_client(load, socket, &load->writers[i]);
    }
    open_client(load, socket, &load->reader);
    const struct cairn_create_chain_request create = {.chain = cairn_text(CLAIMED_CHAIN)};
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_create_chain(load->writers[0].connection, &create, &reply), CAIRN_OK);
    claim(&load->writers[0]);
}

void claimed_close(struct claimed_load *load)
{
    for (unsigned i = 0; i < CLAIMED_WRITERS; i++) {
        cairn_client_free(load->writers[i].library);
    }
    cairn_client_free(load->reader.library);
}

static void process(struct claimed_client *client, int milliseconds)
{
    struct pollfd polled = {.fd = cairn_connection_fd(client->connection),
                            .events = cairn_connection_events(client->connection)};
    (void)poll(&polled, 1, milliseconds);
    (void)cairn_connection_process(client->connection, polled.revents);
}

/* A client whose claim was taken over ends its connection, if it does not know what became of a write: the next one tells. */
static void process_all(struct claimed_load *load, int milliseconds)
{
    struct claimed_client *all[] = {&load->writers[0], &load->writers[1], &load->reader};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (cairn_connection_get_state(all[i]->connection) == CAIRN_LOST) {
            (void)cairn_connection_reconnect(all[i]->connection);
        }
        process(all[i], i == 0 ? milliseconds : 0);
    }
}

static bool is_ready(const struct claimed_client *client)
{
    return cairn_connection_get_state(client->connection) == CAIRN_READY;
}

/* All that was asked is answered: what was refused goes, unless something is done behind it, which the judge is to see. */
static void go_on_from_done(struct claimed_load *load)
{
    struct claimed_history *history = &load->history;
    size_t done = 0, end;
    load->sent = history->before;
    while (done < history->write_count && history->writes[done].end == CLAIMED_DONE) {
        claimed_apply(&load->sent, &history->writes[done++]);
    }
    for (end = done; end < history->write_count && history->writes[end].end == CLAIMED_REFUSED; end++) {
    }
    history->write_count = end == history->write_count ? done : history->write_count;
    load->has_ended = false;
}

static unsigned writes_in_flight(const struct claimed_load *load)
{
    return load->writers[0].in_flight + load->writers[1].in_flight;
}

/* ---- taking over ---- */

/* Unanswered, it is asked for again when the daemon is back. */
static void taken_over(void *context, const struct cairn_reply *reply)
{
    struct claimed_client *client = context;
    struct claimed_load *load = client->load;
    if (reply->status == CAIRN_OK) {
        load->takes_over = false;
        load->holder = 1 - load->holder;
        load->taken_over++;
    }
}

static void take_over(struct claimed_load *load)
{
    struct claimed_client *other = &load->writers[1 - load->holder];
    load->takes_over = load->has_ended = true;
    if (cairn_submit_claim(other->connection, &claim_request, taken_over, other) != CAIRN_OK) {
        load->takes_over = false;
    }
}

/* ---- at work ---- */

void claimed_pump(struct claimed_load *load)
{
    struct claimed_client *writer = &load->writers[load->holder];
    process_all(load, 0);
    if (load->has_ended && !load->takes_over && writes_in_flight(load) == 0) {
        go_on_from_done(load);
    }
    if (!load->has_ended && !load->takes_over && is_ready(&load->writers[1 - load->holder]) &&
        random_below(&load->random, TAKE_OVER_OF) == 0) {
        take_over(load);
    }
    while (!load->has_ended && is_ready(writer) && writer->in_flight < IN_FLIGHT &&
           load->history.write_count < CLAIMED_WRITES_MAX && random_chance(&load->random, 60)) {
        write_next(load);
    }
    while (is_ready(&load->reader) && load->reader.in_flight < IN_FLIGHT &&
           random_chance(&load->random, 60)) {
        read_next(load);
    }
    kept_clear();
}

/* ---- after the end ---- */

static bool take_block(void *context, const struct cairn_block *block)
{
    struct claimed_state *state = context;
    ck_assert_uint_le(block->height, CLAIMED_HEIGHTS);
    state->blocks[block->height] = number_in(block->header);
    return true;
}

static bool take_state_name(void *context, const struct cairn_metadata *found)
{
    struct claimed_state *state = context;
    if (!found->absent) {
        state->last = number_in(found->value);
    }
    return true;
}

static void take_state(struct claimed_load *load)
{
    struct claimed_state *state = &load->history.after;
    const struct cairn_slice chain = cairn_text(CLAIMED_CHAIN), last = cairn_text("last");
    const struct cairn_get_many_request many = {.chain = chain, .names = &last, .name_count = 1};
    const struct cairn_read_blocks_request blocks = {
        .chain = chain, .first = 1, .last = UINT64_MAX, .parts = CAIRN_HEADER};
    const struct cairn_read_height_request height = {.chain = chain};
    const struct cairn_reply *reply;
    *state = (struct claimed_state){0};
    struct cairn_connection *connection = load->reader.connection;
    ck_assert_int_eq(cairn_get_many(connection, &many, take_state_name, state, NULL), CAIRN_OK);
    ck_assert_int_eq(cairn_read_blocks(connection, &blocks, take_block, state, NULL), CAIRN_OK);
    ck_assert_int_eq(cairn_read_height(connection, &height, &reply), CAIRN_OK);
    state->height = reply->height;
}

static void reconnect(struct claimed_load *load, struct claimed_client *client, uint64_t until)
{
    while (!is_ready(client)) {
        ck_assert_msg(clock_ms() < until, "a client under a claim does not come back: %s",
                      cairn_connection_error(client->connection));
        process_all(load, 1);
    }
}

void claimed_come_back(struct claimed_load *load)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    for (unsigned i = 0; i < CLAIMED_WRITERS; i++) {
        reconnect(load, &load->writers[i], until);
    }
    reconnect(load, &load->reader, until);
    while (writes_in_flight(load) > 0 || load->reader.in_flight > 0) {
        ck_assert_msg(clock_ms() < until, "a write under a claim is not answered");
        process_all(load, 1);
    }
    if (load->takes_over) {
        load->holder = 1 - load->holder;
        load->takes_over = false;
        claim(&load->writers[load->holder]);
    }
    go_on_from_done(load);
    take_state(load);
}

void claimed_next(struct claimed_load *load)
{
    load->history.before = load->history.after;
    load->history.write_count = load->history.read_count = 0;
}
