#include "tests/fault/kill_load.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/kill_image.h"
#include "tests/fault/kill_request.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum {
    WAIT_MS = 60000,
    REQUEST_US = 600000000, /* of libcairn: that runs on while the daemon is down */
    REMADE_ONE_IN = 300,    /* requests by hand; chosen: some in each store */
};

static bool lives_on(const struct client *client)
{
    return client->library != NULL;
}

static void complain(struct client *client, const char *what, const char *text)
{
    struct complaint_text *complaint = &client->load->complaint;
    if (complaint->text[0] == '\0') {
        snprintf(complaint->text, sizeof complaint->text, "chain %s: %s: %.300s", client->chain, what, text);
    }
}

/* ---- by hand ---- */

static void note_answer(struct client *client, struct entry *entry, uint64_t sequence, unsigned level)
{
    entry->is_answered = true;
    entry->sequence = sequence;
    entry->level_told = level;
    client->load->answered++;
}

static void note_through(struct load *load, uint64_t through)
{
    load->through = through > load->through ? through : load->through;
}

/* ---- a chain anew ---- */

static void send_drop(struct client *client)
{
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of(client->chain);
    client->remake_id = wire_send(&client->wire, FRAME_DROP_CHAIN, &drop);
    client->remake = REMAKE_DROPS;
}

static void send_create(struct client *client)
{
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    create.has_chain = true;
    create.chain = bytes_of(client->chain);
    client->remake_id = wire_send(&client->wire, FRAME_CREATE_CHAIN, &create);
    client->remake = REMAKE_CREATES;
}

static void forget_chain(struct client *client)
{
    static const struct image empty;
    journal_rebase(&client->journal, &empty);
}

static void take_remake(struct client *client)
{
    if (client->remake == REMAKE_DROPS) {
        forget_chain(client);
        send_create(client);
        return;
    }
    client->remake = REMAKE_NONE;
    client->load->remade++;
}

/* After a kill: a chain whose drop was sent may be gone, and one whose drop was answered has nothing of before; then it is made. One that is
 * there is judged by its journal, as ever. */
static void settle_remake(struct client *client, struct wire *wire)
{
    bool may_be_gone = client->remake >= REMAKE_DROPS;
    client->remake = REMAKE_NONE;
    if (may_be_gone && get_chain(wire, client->chain) == NULL) {
        ck_assert_int_eq(ask_create_chain(wire, client->chain).status, STATUS_OK);
        forget_chain(client);
        client->load->remade++;
    }
}

static void take_frame(struct client *client, const struct wire_frame *frame)
{
    note_through(client->load, frame->header.written_through);
    if (frame->header.id == client->remake_id && client->remake >= REMAKE_DROPS) {
        if (frame->header.status != STATUS_OK) {
            complain(client, "a chain is not dropped, or not made", status_text(frame->header.status));
            return;
        }
        take_remake(client);
        return;
    }
    for (int i = 0; i < LOAD_IN_FLIGHT; i++) {
        if (client->waiting[i].id != frame->header.id || client->waiting[i].id == 0) {
            continue;
        }
        client->waiting[i].id = 0;
        client->in_flight--;
        if (frame->header.status != STATUS_OK) {
            complain(client, "a request was refused", kept_format("status %d", (int)frame->header.status));
            return;
        }
        Cairn__WriteReply *reply =
            wire_unpack(&cairn__write_reply__descriptor, frame->body, frame->header.body_bytes);
        note_answer(client, client->waiting[i].entry, reply->sequence, (unsigned)reply->level);
    }
}

static void take_frames(struct client *client, int milliseconds)
{
    struct wire_frame *frame;
    (void)wire_poll(&client->wire, milliseconds);
    while ((frame = wire_take(&client->wire)) != NULL) {
        take_frame(client, frame);
    }
    if (client->wire.fault != NULL) {
        complain(client, "a reply is wrong", client->wire.fault);
    }
}

/* ---- with libcairn ---- */

struct pending_reply {
    struct client *client;
    struct entry *entry;
};

static void completed(void *context, const struct cairn_reply *reply)
{
    struct pending_reply *pending = context;
    struct client *client = pending->client;
    client->in_flight--;
    note_through(client->load, reply->written_through);
    if (reply->status == CAIRN_OK) {
        note_answer(client, pending->entry, reply->write.sequence, (unsigned)reply->write.level);
    } else if (client->has_claim && entry_is_lane(pending->entry)) {
        complain(client, "a numbered write did not go on", reply->text);
    } else if (cairn_status_applied(reply->status) != CAIRN_UNKNOWN && reply->status != CAIRN_NOT_SENT) {
        complain(client, "a request was refused", reply->text);
    }
    free(pending);
}

static void dropped(void *context, const struct cairn_dropped *what)
{
    complain(context, "accepted metadata was dropped", what->text);
}

static void submit(struct client *client, struct entry *entry)
{
    struct pending_reply *pending = malloc(sizeof *pending);
    *pending = (struct pending_reply){client, entry};
    enum cairn_status status = request_submit(client->connection, client->chain, entry, completed, pending);
    ck_assert_msg(status == CAIRN_OK, "submit: %s", cairn_connection_error(client->connection));
}

static void process(struct client *client, int milliseconds)
{
    struct pollfd pollfd = {.fd = cairn_connection_fd(client->connection),
                            .events = cairn_connection_events(client->connection)};
    (void)poll(&pollfd, 1, milliseconds);
    (void)cairn_connection_process(client->connection, pollfd.revents);
}

static void settled(void *context, const struct cairn_reply *reply)
{
    *(enum cairn_status *)context = reply->status;
}

/* Connects anew, whereupon the library sends again what was lost, and waits until all of that is written. */
static bool live_on(struct client *client)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    const enum cairn_status none = (enum cairn_status)255;
    enum cairn_status status = none;
    struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN};
    while (cairn_connection_get_state(client->connection) != CAIRN_READY && clock_ms() < until) {
        if (cairn_connection_get_state(client->connection) == CAIRN_LOST) {
            (void)cairn_connection_reconnect(client->connection);
        }
        process(client, 1);
    }
    if (cairn_submit_barrier(client->connection, &barrier, settled, &status) != CAIRN_OK) {
        complain(client, "it cannot live on", cairn_connection_error(client->connection));
        return false;
    }
    while ((status == none || client->in_flight > 0) && clock_ms() < until) {
        process(client, 1);
    }
    if (status != CAIRN_OK || client->in_flight > 0) {
        complain(client, "what was lost was not written again", cairn_connection_error(client->connection));
    }
    return status == CAIRN_OK && client->in_flight == 0;
}

/* ---- life ---- */

static void open_library(struct client *client)
{
    struct cairn_client_options options = {.socket_path = client->load->daemon.socket,
                                           .timeout_us = REQUEST_US,
                                           .on_dropped = dropped,
                                           .context = client};
    ck_assert_int_eq(cairn_client_new(&options, &client->library), CAIRN_OK);
    ck_assert_int_eq(cairn_connect(client->library, WAIT_MS * 1000ULL, &client->connection), CAIRN_OK);
}

static void claim(struct client *client)
{
    const struct cairn_claim_request request = {.chain = cairn_text(client->chain),
                                                .writer_name = cairn_text("kill")};
    const struct cairn_reply *reply;
    ck_assert_int_eq(cairn_claim(client->connection, &request, &reply), CAIRN_OK);
    client->has_claim = true;
}

void load_begin(struct load *load, uint64_t seed)
{
    *load = (struct load){.daemon = daemon_new(), .random = random_from(seed)};
    daemon_start(&load->daemon, "");
    struct wire wire = wire_open(load->daemon.socket);
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        struct client *client = &load->clients[i];
        client->load = load;
        client->wire.fd = -1;
        snprintf(client->chain, sizeof client->chain, "c%d", i);
        ck_assert_int_eq(ask_create_chain(&wire, client->chain).status, STATUS_OK);
        if (i < LOAD_LIVING) {
            open_library(client);
            if (i == 0) {
                claim(client);
            }
        } else {
            client->wire = wire_open(load->daemon.socket);
        }
    }
    wire_close(&wire);
}

void load_end(struct load *load)
{
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        cairn_client_free(load->clients[i].library);
        wire_close(&load->clients[i].wire);
    }
    daemon_close(&load->daemon);
    kept_clear();
}

static void send_next(struct client *client)
{
    if (client->remake == REMAKE_NONE && !lives_on(client) &&
        random_below(&client->load->random, REMADE_ONE_IN) == 0) {
        client->remake = REMAKE_WAITS;
    }
    if (client->remake == REMAKE_WAITS && client->in_flight == 0) {
        send_drop(client);
    }
    if (client->remake != REMAKE_NONE) {
        return;
    }
    struct entry *entry = journal_next(&client->journal, &client->load->random);
    if (entry == NULL) {
        return;
    }
    client->in_flight++;
    if (lives_on(client)) {
        submit(client, entry);
        return;
    }
    int place = 0;
    while (client->waiting[place].id != 0) {
        place++;
    }
    client->waiting[place].entry = entry;
    client->waiting[place].id = request_send(&client->wire, client->chain, entry);
}

void load_pump(struct load *load, unsigned milliseconds)
{
    uint64_t until = clock_ms() + milliseconds;
    do {
        struct client *client = &load->clients[random_below(&load->random, LOAD_CLIENTS)];
        if (client->in_flight < LOAD_IN_FLIGHT) {
            send_next(client);
        }
        if (lives_on(client)) {
            process(client, 0);
        } else {
            take_frames(client, 0);
        }
    } while (clock_ms() < until);
}

/* What was sent by hand and is not answered now never will be. */
static void bury(struct client *client)
{
    while (!client->wire.ended) {
        take_frames(client, WAIT_MS);
    }
    wire_close(&client->wire);
    memset(client->waiting, 0, sizeof client->waiting);
    client->load->lost += client->in_flight;
    client->in_flight = 0;
}

void load_kill(struct load *load)
{
    daemon_kill(&load->daemon);
    load->kills++;
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        struct client *client = &load->clients[i];
        if (!lives_on(client)) {
            bury(client);
            continue;
        }
        uint64_t in_flight = client->in_flight;
        while (cairn_connection_get_state(client->connection) != CAIRN_LOST ||
               cairn_connection_timeout_us(client->connection) == 0) {
            process(client, 1);
        }
        load->outlived += client->in_flight;
        load->lost += in_flight - client->in_flight;
        ck_assert(client->in_flight == 0 || client->has_claim);
    }
}

bool load_restart(struct load *load)
{
    static const char *const arguments[] = {"", "--flush-delay 1ms", "--flush-delay 10s --sync-interval 10s",
                                            "--queue-operations-max 128 --sync-interval 1ms"};
    const char *chosen = arguments[random_below(&load->random, sizeof arguments / sizeof arguments[0])];
    while (random_chance(&load->random, 15)) {
        daemon_launch(&load->daemon, chosen);
        sleep_ms((unsigned)random_below(&load->random, 60));
        daemon_kill(&load->daemon);
        load->kills++;
    }
    return daemon_try_start(&load->daemon, chosen);
}

/* ---- judging ---- */

static bool judge_found(struct load *load, const struct image images[LOAD_CLIENTS], uint64_t on_disk)
{
    uint64_t highest = 0;
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        uint64_t of_client = journal_highest(&load->clients[i].journal, &images[i]);
        highest = of_client > highest ? of_client : highest;
    }
    if (highest > on_disk) {
        snprintf(load->complaint.text, sizeof load->complaint.text,
                 "number %" PRIu64 " is on disk, the hello tells of %" PRIu64, highest, on_disk);
        return false;
    }
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        struct client *client = &load->clients[i];
        struct complaint_text complaint;
        struct reached must = journal_must(&client->journal, load->through);
        if (!journal_may_be(&client->journal, &images[i], &must, &complaint) ||
            !journal_fits(&client->journal, &images[i], on_disk, &complaint)) {
            complain(client, "after the start", complaint.text);
            return false;
        }
    }
    return true;
}

/* Behind the re-sending everything that was accepted is there. */
static bool judge_living(struct client *client, struct wire *wire, struct image *image)
{
    struct complaint_text complaint;
    const struct image before = *image;
    if (!live_on(client)) {
        return false;
    }
    if (!image_read(wire, client->chain, image, &complaint) ||
        !journal_is_resent(&client->journal, &before, image, &complaint)) {
        complain(client, "after the re-sending", complaint.text);
        return false;
    }
    return true;
}

bool load_judge(struct load *load)
{
    static struct image images[LOAD_CLIENTS];
    struct wire wire = wire_connect(load->daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    uint64_t on_disk = ask_hello(&wire, &hello)->metadata_on_disk;
    bool is_good = load->complaint.text[0] == '\0';
    for (int i = 0; i < LOAD_CLIENTS && is_good; i++) {
        struct client *client = &load->clients[i];
        struct complaint_text complaint;
        settle_remake(client, &wire);
        is_good = image_read(&wire, client->chain, &images[i], &complaint);
        if (!is_good) {
            complain(client, "after the start", complaint.text);
        }
    }
    is_good = is_good && judge_found(load, images, on_disk);
    load->through = 0;
    for (int i = 0; i < LOAD_CLIENTS && is_good; i++) {
        struct client *client = &load->clients[i];
        if (lives_on(client)) {
            is_good = judge_living(client, &wire, &images[i]);
        } else {
            client->wire = wire_open(load->daemon.socket);
        }
        journal_rebase(&client->journal, &images[i]);
    }
    wire_close(&wire);
    kept_clear();
    return is_good;
}
