/* The journal keeps each write that was answered and each thing that a reply said of the disk, beside the number of operations
 * recorded by then. Whatever goes wrong here fails the test. */
#include "tests/fault/recorded_run.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    EXIT_LATCHED = 74,
    WRITES_OF_A_RUN_MAX = 60,
    SYNCS_MAX = 20, /* of a run, before one fails */
};

/* What was written with a number up to that. */
static void add_written(const struct journal *journal, uint64_t run, uint64_t durable_through,
                        struct floor *floor)
{
    for (size_t i = 0; i < journal->wrote_count; i++) {
        const struct wrote *wrote = &journal->wrote[i];
        if (wrote->run == run && wrote->sequence <= durable_through) {
            floor->height = wrote->height > floor->height ? wrote->height : floor->height;
            floor->mark = wrote->mark > floor->mark ? wrote->mark : floor->mark;
            floor->steps = wrote->steps > floor->steps ? wrote->steps : floor->steps;
        }
    }
}

struct floor history_floor(const struct history *history, uint64_t operations)
{
    const struct journal *journal = history->journal;
    struct floor floor = {.height = journal->base_height,
                          .mark = journal->base_mark,
                          .steps = journal->base_steps,
                          .sequence = journal->base_sequence,
                          .run = journal->base_run,
                          .row = recorded_chain_row(&journal->chain, operations),
                          .has_store = journal->base_run > 0};
    uint64_t durable = 0; /* of the last run: what an earlier one accepted may have gone with it */
    for (size_t i = 0; i < journal->told_count && journal->told[i].operations <= operations; i++) {
        const struct told *told = &journal->told[i];
        durable = told->run != floor.run || told->durable_through > durable ? told->durable_through : durable;
        floor.height = told->height > floor.height ? told->height : floor.height;
        floor.mark = told->mark > floor.mark ? told->mark : floor.mark;
        floor.steps = told->steps > floor.steps ? told->steps : floor.steps;
        floor.run = told->run;
        floor.has_store = true;
        add_written(journal, told->run, durable, &floor);
    }
    floor.sequence = durable > floor.sequence ? durable : floor.sequence;
    return floor;
}

uint64_t history_recorded(const struct history *history)
{
    return atomic_load(&history->control->operations);
}

static void make_control(struct history *history)
{
    char *path = directory_path(&history->place, RECORDER_CONTROL_NAME);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof *history->control), 0);
    history->control = mmap(NULL, sizeof *history->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(history->control, MAP_FAILED);
    close(fd);
    file_write(directory_path(&history->place, RECORDER_RECORD_NAME), "");
}

/* Of a daemon whose home has, or will have, its data in it. */
void history_begin(struct history *history, struct daemon daemon, uint64_t seed, const struct floor *base)
{
    *history = (struct history){.daemon = daemon, .place = directory_new(), .random = random_from(seed)};
    history->journal = calloc(1, sizeof *history->journal);
    ck_assert_ptr_nonnull(history->journal);
    if (base != NULL) {
        history->journal->base_height = base->height;
        history->journal->base_mark = base->mark;
        history->journal->base_steps = base->steps;
        history->journal->base_sequence = base->sequence;
        history->journal->base_run = base->run;
        history->height = base->height;
        history->mark = base->mark;
        for (size_t i = 0; i < base->row->count; i++) {
            recorded_chain_note(&history->journal->chain, i, base->row->steps[i], 0);
        }
    }
    make_control(history);
    history->disk = disk_history_of(daemon.home.path);
    snprintf(history->preload, sizeof history->preload, "LD_PRELOAD=%s/preload_recorder.so",
             getenv("CAIRN_FAULT"));
    snprintf(history->record, sizeof history->record, RECORDER_ENVIRONMENT "=%s", history->place.path);
    snprintf(history->root, sizeof history->root, RECORDER_ROOT_ENVIRONMENT "=%s", daemon.home.path);
    history->daemon.environment[0] = history->preload;
    history->daemon.environment[1] = history->record;
    history->daemon.environment[2] = history->root;
}

void history_end(struct history *history)
{
    daemon_close(&history->daemon);
    disk_history_free(history->disk);
    munmap(history->control, sizeof *history->control);
    directory_remove(&history->place);
    free(history->journal);
}

static void tell(struct history *history, struct told told)
{
    struct journal *journal = history->journal;
    ck_assert_uint_lt(journal->told_count, JOURNAL_MAX);
    told.operations = history_recorded(history);
    told.run = history->run;
    journal->told[journal->told_count++] = told;
}

static void note_write(struct history *history, struct wrote wrote)
{
    struct journal *journal = history->journal;
    ck_assert_uint_lt(journal->wrote_count, JOURNAL_MAX);
    journal->wrote[journal->wrote_count++] = wrote;
}

/* ---- one run ---- */

char *history_header(uint64_t height)
{
    return kept_format("block %lu", height);
}

uint64_t history_mark(struct wire *wire)
{
    return recorded_number(wire, NULL, "mark");
}

/* Whether the last commit to the chain that is there is also the last number of its epoch. Claims the chain. */
static const char *number_fault(struct wire *wire, const char *chain)
{
    Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
    epoch.has_sequence = epoch.has_random = true;
    epoch.sequence = recorded_number(wire, chain, "epoch sequence");
    epoch.random = recorded_number(wire, chain, "epoch random");
    uint64_t number = recorded_number(wire, chain, "number");
    const char *fault = NULL;
    if (number != 0) { /* granted or not: a run may have claimed since, and committed nothing */
        struct claimed presented = ask_present(wire, chain, &epoch, true);
        if (presented.last_number != number) {
            fault = kept_format("number %lu is there, its epoch tells of %lu: %s", number,
                                presented.last_number, presented.text);
        }
    }
    ck_assert_int_eq(take_over(wire, chain, "after the cut").status, STATUS_OK);
    return fault;
}

const char *history_numbers_fault(struct wire *wire, const struct floor *floor, uint64_t height,
                                  size_t *ret_steps)
{
    static const struct chain_row none = {.count = 0};
    const struct chain_row *row = floor->row != NULL ? floor->row : &none;
    const char *fault = recorded_chain_fault(wire, row, floor->steps, height, ret_steps);
    fault = fault != NULL ? fault : number_fault(wire, NULL);
    return fault != NULL || get_chain(wire, RECORDED_CHAIN) == NULL ? fault
                                                                    : number_fault(wire, RECORDED_CHAIN);
}

static void claim(struct history *history, struct numbering *numbering, const char *chain)
{
    *numbering = (struct numbering){chain, claim_ok(&history->wire, chain, "recorded"), 0};
}

/* What it finds counts as durable from here on, for a start makes durable what it recovers. */
static void run_begin(struct history *history)
{
    daemon_start(&history->daemon, "--flush-delay 2ms --sync-interval 20ms");
    history->wire = wire_connect(history->daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    const Cairn__HelloReply *reply = ask_hello(&history->wire, &hello);
    ck_assert_msg(reply->run > history->journal->base_run, "run %lu was given before", reply->run);
    history->height = get_height(&history->wire);
    history->mark = history_mark(&history->wire);
    history->run = reply->run;
    struct floor floor = history_floor(history, history_recorded(history));
    size_t steps;
    const char *fault = history_numbers_fault(&history->wire, &floor, history->height, &steps);
    ck_assert_msg(fault == NULL, "%s", fault);
    recorded_chain_note(&history->journal->chain, steps, (struct step){STEP_NONE, 0, 0},
                        history_recorded(history));
    tell(history, (struct told){.durable_through = history->wire.durable_through,
                                .height = history->height,
                                .mark = history->mark,
                                .steps = steps});
    claim(history, &history->of_default, NULL);
    if (get_chain(&history->wire, RECORDED_CHAIN) != NULL) {
        claim(history, &history->of_chain, RECORDED_CHAIN);
    }
}

static Cairn__Level some_level(struct history *history, Cairn__Level lowest)
{
    uint64_t choice = random_below(&history->random, 3);
    Cairn__Level level = choice == 0   ? CAIRN__LEVEL__LEVEL_ACCEPTED
                         : choice == 1 ? CAIRN__LEVEL__LEVEL_WRITTEN
                                       : CAIRN__LEVEL__LEVEL_DURABLE;
    return level < lowest ? lowest : level;
}

struct sent {
    uint64_t id, height, mark, steps;
    enum step_kind step;
};

static uint64_t send_numbered(struct history *history, Cairn__Commit *commit, struct numbering *numbering)
{
    uint64_t number = ++numbering->number;
    commit_metadata(
        commit, operation_set_bytes(bytes_of("epoch sequence"), bytes_of_number(numbering->epoch.sequence)));
    commit_metadata(commit,
                    operation_set_bytes(bytes_of("epoch random"), bytes_of_number(numbering->epoch.random)));
    commit_metadata(commit, operation_set_bytes(bytes_of("number"), bytes_of_number(number)));
    commit->has_level = true;
    commit->level = some_level(history, CAIRN__LEVEL__LEVEL_WRITTEN);
    return wire_send(&history->wire, FRAME_COMMIT, numbered(commit, numbering->chain, number));
}

static struct sent send_commit(struct history *history)
{
    uint64_t height = ++history->height;
    Cairn__Commit *commit = commit_of_block(height, history_header(height));
    if (random_chance(&history->random, 30)) {
        commit->blocks[0]->data = bytes_random(height, random_below(&history->random, 20000));
    }
    commit_state(commit, height, history_header(height));
    commit_metadata(commit, operation_raise("with commits", height));
    return (struct sent){send_numbered(history, commit, &history->of_default), .height = height};
}

/* The mark says which commit was sent before it. */
static struct sent send_mark(struct history *history)
{
    Cairn__WriteMetadata *write = metadata_new(operation_raise("mark", ++history->mark));
    metadata_add(write, operation_raise("not ahead", history->height));
    write->has_level = true;
    write->level = some_level(history, CAIRN__LEVEL__LEVEL_ACCEPTED);
    return (struct sent){wire_send(&history->wire, FRAME_WRITE_METADATA, write), .mark = history->mark};
}

static struct sent send_step(struct history *history)
{
    Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    uint64_t operations = history_recorded(history);
    const struct chain_row *row = recorded_chain_row(&history->journal->chain, operations);
    struct step step = {STEP_BLOCK, recorded_chain_next_id(), history->height};
    if (!recorded_chain_is_there(row)) {
        step.kind = STEP_MADE;
    } else if (random_chance(&history->random, 30)) {
        step.kind = STEP_DROPPED;
    }
    recorded_chain_note(&history->journal->chain, row->count, step, operations);
    struct sent sent = {.steps = row->count + 1, .step = step.kind};
    create.has_chain = drop.has_chain = true;
    create.chain = drop.chain = bytes_of(RECORDED_CHAIN);
    if (step.kind == STEP_BLOCK) {
        uint64_t height = recorded_chain_blocks(row) + 1;
        sent.id = send_numbered(history, commit_of_block(height, recorded_chain_header(step.id)),
                                &history->of_chain);
    } else if (step.kind == STEP_MADE) {
        sent.id = wire_send(&history->wire, FRAME_CREATE_CHAIN, &create);
    } else {
        sent.id = wire_send(&history->wire, FRAME_DROP_CHAIN, &drop);
    }
    return sent;
}

static struct sent send_something(struct history *history)
{
    uint64_t choice = random_below(&history->random, 100);
    return choice < 40 ? send_commit(history) : choice < 80 ? send_mark(history) : send_step(history);
}

/* NULL: the daemon has ended. */
static struct wire_frame *receive_frame(struct history *history, uint64_t id)
{
    struct wire_frame *frame = wire_try_frame(&history->wire, id, patience_ms(20000));
    if (frame == NULL || frame->header.status == STATUS_IO_ERROR) {
        ck_assert_msg(frame != NULL || history->wire.ended, "no answer");
        return NULL;
    }
    ck_assert_int_eq(frame->header.status, STATUS_OK);
    return frame;
}

/* The chain that was made. False: the daemon has ended. */
static bool claim_made(struct history *history)
{
    uint64_t id = send_claim(&history->wire, RECORDED_CHAIN, "recorded", false);
    const struct wire_frame *frame = receive_frame(history, id);
    if (frame == NULL) {
        return false;
    }
    const Cairn__ClaimReply *reply =
        wire_unpack(&cairn__claim_reply__descriptor, frame->body, frame->header.body_bytes);
    history->of_chain = (struct numbering){RECORDED_CHAIN, *reply->epoch, 0};
    return true;
}

/* False: the daemon has ended. */
static bool receive(struct history *history, const struct sent *sent)
{
    const struct wire_frame *frame = receive_frame(history, sent->id);
    if (frame == NULL) {
        return false;
    }
    const Cairn__WriteReply *reply =
        wire_unpack(&cairn__write_reply__descriptor, frame->body, frame->header.body_bytes);
    note_write(history, (struct wrote){history->run, reply->sequence, sent->height, sent->mark, sent->steps});
    struct told told = {.durable_through = frame->header.durable_through};
    if (reply->level == CAIRN__LEVEL__LEVEL_DURABLE) {
        /* with all commits before it, for they reach the disk in order; marks do likewise */
        told.height = sent->height;
        told.mark = sent->mark;
        told.steps = sent->steps;
    }
    tell(history, told);
    return sent->step != STEP_MADE || claim_made(history);
}

static void run_write(struct history *history)
{
    struct sent sent[WRITES_OF_A_RUN_MAX];
    size_t count = random_below(&history->random, WRITES_OF_A_RUN_MAX), received = 0;
    bool lives = true;
    for (size_t i = 0; i < count && lives; i++) {
        sent[i] = send_something(history);
        /* until a chain is made or dropped, what is sent to it is refused */
        bool is_alone = sent[i].step == STEP_MADE || sent[i].step == STEP_DROPPED;
        bool waits = is_alone || random_chance(&history->random, 30) || i + 1 == count;
        while (waits && lives && received <= i) {
            lives = receive(history, &sent[received++]);
        }
        if (random_chance(&history->random, 5)) {
            sleep_ms(30); /* longer than sync_interval */
        }
    }
}

static void run_end(struct history *history, enum ending ending)
{
    if (ending == STOPPED) {
        wire_close(&history->wire);
        ck_assert_int_eq(daemon_stop(&history->daemon), 0);
        return;
    }
    if (ending == SYNC_FAILED) {
        struct sent sent;
        do { /* until the sync that fails has come */
            sent = send_commit(history);
        } while (receive(history, &sent));
        ck_assert_int_eq(daemon_wait(&history->daemon, patience_ms(20000)), EXIT_LATCHED);
    }
    atomic_store(&history->control->syncs_left, 0);
    if (history->daemon.pid != 0) {
        pthread_mutex_lock(&history->control->lock); /* no call is cut in two */
        kill(daemon_process(&history->daemon), SIGKILL);
        daemon_kill(&history->daemon);
        pthread_mutex_unlock(&history->control->lock);
    }
    wire_close(&history->wire);
}

void history_run(struct history *history)
{
    enum ending ending = (enum ending)random_below(&history->random, ENDINGS);
    run_begin(history);
    if (ending == SYNC_FAILED) {
        atomic_store(&history->control->syncs_left, 1 + random_below(&history->random, SYNCS_MAX));
    }
    run_write(history);
    run_end(history, ending);
}
