/* Claims and numbers against a model of contract 12: four connections claim, take over, present, release, write and send again, on two
 * chains, one of which is dropped and made anew, over kills of the daemon and copies of its data that are put back. Every answer is known
 * beforehand. Time has no part in it: the grace is an hour, so that every claim that was not released is held. */
#include <check.h>
#include <string.h>

#include "tests/lib/claims.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    SESSIONS = 4,
    CHAINS = 2,
    EPOCHS_MAX = 2000,
    STEPS = 1500,
    STEPS_A_RUN = 125,
    STRANGERS = 8,
    SHELL_MS = 20000,
    NONE = -1
};

#define ARGUMENTS "--claim-grace 1h"

static const unsigned CLAIMED = CAIRN__CONFLICT_REASON__REASON_CLAIMED;
static const unsigned NUMBER = CAIRN__CONFLICT_REASON__REASON_NUMBER;
static const unsigned HEIGHT = CAIRN__CONFLICT_REASON__REASON_HEIGHT;

struct model_epoch {
    Cairn__Epoch epoch;
    uint64_t last_number;
    bool is_of_chain; /* else it went with a chain of that name */
};

struct model_chain {
    const char *name;
    bool is_there;
    uint64_t height;
    struct model_epoch epochs[EPOCHS_MAX]; /* of all chains of that name; the last claim's is the last one */
    int epoch_count;
    bool stands;      /* the last claim was not released, and not dropped */
    int numbers_from; /* the session; NONE */
    Cairn__Epoch
        strangers[STRANGERS]; /* the last ones that were given since a copy was made, and it was put back */
    int stranger_count;       /* of all */
};

static struct model_chain chains[CHAINS];
static struct model_chain copied[CHAINS]; /* as the copy has them */
static int presented[SESSIONS][CHAINS];   /* an epoch of that chain; NONE */
static struct wire sessions[SESSIONS];
static struct random_source source;
static struct rig rig;
static unsigned step;

static void begin(void)
{
    for (int i = 0; i < SESSIONS; i++) {
        sessions[i] = rig_open(&rig);
        for (int k = 0; k < CHAINS; k++) {
            presented[i][k] = NONE;
        }
    }
    for (int k = 0; k < CHAINS; k++) {
        chains[k].numbers_from = NONE;
    }
}

static void shell(const char *line)
{
    struct program program = shell_run(SHELL_MS, "%s", line);
    ck_assert_msg(program.exit_code == 0, "%s: %s", line, program.errors);
}

/* Without the reserve, which is large and says nothing. */
static void copy_data(void)
{
    const char *data = rig.daemon.data;
    shell(kept_format("rm -rf %s.copy %s/cairn.reserve && cp -a %s %s.copy", data, data, data, data));
    memcpy(copied, chains, sizeof chains);
}

/* What was claimed since is of another store. */
static void put_back(void)
{
    const char *data = rig.daemon.data;
    shell(kept_format("rm -rf %s && cp -a %s.copy %s", data, data, data));
    for (int k = 0; k < CHAINS; k++) {
        struct model_chain *copy = &copied[k];
        for (int i = copy->epoch_count; i < chains[k].epoch_count; i++) {
            copy->strangers[copy->stranger_count++ % STRANGERS] = chains[k].epochs[i].epoch;
        }
        chains[k] = *copy;
    }
}

/* Of a run that is over a client is told whether the store knows it. */
static void resume(const Cairn__HelloReply *before, bool is_changed)
{
    struct wire wire = wire_try_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_resume_run = hello.has_resume_random = true;
    hello.resume_run = before->run;
    hello.resume_random = before->run_random;
    ck_assert_int_eq(ask_hello(&wire, &hello)->store_changed, is_changed);
    wire_close(&wire);
}

/* The n-th; a copy is put back with the second behind it, which has run numbers of its own. */
static void crash(unsigned n)
{
    struct wire wire = wire_try_connect(rig.daemon.socket);
    const Cairn__HelloReply *before = ask_hello(&wire, &(Cairn__Hello)CAIRN__HELLO__INIT);
    wire_close(&wire);
    for (int i = 0; i < SESSIONS; i++) {
        wire_close(&sessions[i]);
    }
    wire_close(&rig.wire);
    daemon_kill(&rig.daemon);
    if (n % 3 == 0) {
        copy_data();
    } else if (n % 3 == 2) {
        put_back();
    }
    daemon_start(&rig.daemon, ARGUMENTS);
    rig.wire = wire_open(rig.daemon.socket);
    resume(before, n % 3 == 2);
    begin();
}

static void reconnect(int session)
{
    wire_close(&sessions[session]);
    sessions[session] = rig_open(&rig);
    for (int k = 0; k < CHAINS; k++) {
        presented[session][k] = NONE;
        chains[k].numbers_from = chains[k].numbers_from == session ? NONE : chains[k].numbers_from;
    }
}

/* ---- what is expected ---- */

struct expected {
    enum status status;
    unsigned reason;
    bool is_repeated;
};

static bool writes_under_last(int session, int k)
{
    return chains[k].stands && presented[session][k] == chains[k].epoch_count - 1;
}

/* Of a write with that number, 0 for none, whose other conditions hold or not. */
static struct expected judge(int session, int k, uint64_t number, bool holds)
{
    const struct model_chain *chain = &chains[k];
    bool has_epoch = presented[session][k] != NONE;
    if (!chain->is_there || (number != 0 && !has_epoch)) {
        return (struct expected){.status = STATUS_INVALID};
    }
    if (has_epoch ? !writes_under_last(session, k) : chain->stands) {
        return (struct expected){STATUS_CONFLICT, CLAIMED, false};
    }
    uint64_t last = number != 0 ? chain->epochs[chain->epoch_count - 1].last_number : 0;
    if (number != 0 && chain->numbers_from != session) {
        return (struct expected){STATUS_CONFLICT, NUMBER, false};
    }
    if (number != 0 && number <= last) {
        return (struct expected){.status = STATUS_OK, .is_repeated = true};
    }
    if (number > last + 1) {
        return (struct expected){STATUS_CONFLICT, NUMBER, false};
    }
    return holds ? (struct expected){.status = STATUS_OK} : (struct expected){STATUS_CONFLICT, HEIGHT, false};
}

static void assert_same(const char *what, struct expected expected, enum status status, unsigned reason,
                        bool is_repeated, const char *text)
{
    ck_assert_msg(
        status == expected.status && reason == expected.reason && is_repeated == expected.is_repeated,
        "step %u, %s: %s, reason %u, repeated %d instead of %s, %u, %d: %s", step, what, status_text(status),
        reason, is_repeated, status_text(expected.status), expected.reason, expected.is_repeated, text);
}

/* Whether it was applied now. */
static bool assert_written(const char *what, struct expected expected, struct written written)
{
    assert_same(what, expected, written.status, written.reason, written.repeated, written.text);
    return written.status == STATUS_OK && !written.repeated;
}

/* ---- steps ---- */

static uint64_t some_number(const struct model_chain *chain)
{
    uint64_t last = chain->epoch_count > 0 ? chain->epochs[chain->epoch_count - 1].last_number : 0;
    if (random_chance(&source, 60)) {
        return last + 1;
    }
    return 1 + random_below(&source, last + 2);
}

static void note_number(struct model_chain *chain, uint64_t number)
{
    if (number != 0) {
        chain->epochs[chain->epoch_count - 1].last_number = number;
    }
}

static void commit(int session, int k)
{
    struct model_chain *chain = &chains[k];
    uint64_t number = random_chance(&source, 60) ? some_number(chain) : 0;
    bool holds = random_chance(&source, 85);
    Cairn__Commit *message = commit_to(commit_of_block(chain->height + 1, "header"), chain->name);
    message->has_expected_height = true;
    message->expected_height = chain->height + (holds ? 0 : 7);
    message->has_number = number != 0;
    message->number = number;
    if (assert_written("commit", judge(session, k, number, holds), ask_commit(&sessions[session], message))) {
        chain->height++;
        note_number(chain, number);
    }
}

static void rollback(int session, int k)
{
    struct model_chain *chain = &chains[k];
    uint64_t number = random_chance(&source, 60) ? some_number(chain) : 0;
    bool holds = random_chance(&source, 85);
    Cairn__Rollback *message = rollback_to(holds ? chain->height : chain->height + 7);
    message->has_chain = true;
    message->chain = bytes_of(chain->name);
    message->has_number = number != 0;
    message->number = number;
    if (assert_written("rollback", judge(session, k, number, holds),
                       ask_rollback(&sessions[session], message))) {
        note_number(chain, number);
    }
}

static void metadata(int session, int k)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set("name", "value"));
    write->has_chain = true;
    write->chain = bytes_of(chains[k].name);
    (void)assert_written("metadata", judge(session, k, 0, true), ask_metadata(&sessions[session], write));
}

static void claim(int session, int k)
{
    struct model_chain *chain = &chains[k];
    bool takes_over = random_chance(&source, 30);
    bool is_free = !chain->stands || writes_under_last(session, k) || takes_over;
    struct expected expected = {.status = STATUS_OK};
    if (!chain->is_there) {
        expected.status = STATUS_INVALID;
    } else if (!is_free) {
        expected = (struct expected){STATUS_CONFLICT, CLAIMED, false};
    }
    struct claimed claimed =
        claimed_reply(&sessions[session], send_claim(&sessions[session], chain->name, "node", takes_over));
    assert_same("claim", expected, claimed.status, claimed.reason, false, claimed.text);
    if (claimed.status == STATUS_OK) {
        ck_assert_int_lt(chain->epoch_count, EPOCHS_MAX);
        chain->epochs[chain->epoch_count] = (struct model_epoch){claimed.epoch, 0, true};
        presented[session][k] = chain->epoch_count++;
        chain->stands = true;
        chain->numbers_from = session;
    }
}

static void present_stranger(int session, int k)
{
    const struct model_chain *chain = &chains[k];
    int known = chain->stranger_count < STRANGERS ? chain->stranger_count : STRANGERS;
    if (known == 0) {
        return;
    }
    const Cairn__Epoch *epoch = &chain->strangers[random_below(&source, (uint64_t)known)];
    struct expected expected = {STATUS_CONFLICT, CLAIMED, false};
    if (!chain->is_there) {
        expected = (struct expected){.status = STATUS_INVALID};
    }
    struct claimed answer = ask_present(&sessions[session], chain->name, epoch, random_chance(&source, 50));
    assert_same("present a stranger", expected, answer.status, answer.reason, false, answer.text);
    ck_assert_uint_eq(answer.last_number, UINT64_MAX);
}

static void present(int session, int k)
{
    struct model_chain *chain = &chains[k];
    if (chain->epoch_count == 0) {
        return;
    }
    bool for_numbers = random_chance(&source, 50);
    int chosen = chain->epoch_count - 1;
    if (random_chance(&source, 30)) {
        chosen = (int)random_below(&source, (uint64_t)chain->epoch_count);
    }
    const struct model_epoch *epoch = &chain->epochs[chosen];
    bool is_last = chain->stands && chosen == chain->epoch_count - 1;
    struct expected expected = {.status = STATUS_OK};
    if (!chain->is_there) {
        expected.status = STATUS_INVALID;
    } else if (!is_last) {
        expected = (struct expected){STATUS_CONFLICT, CLAIMED, false};
    }
    struct claimed answer = ask_present(&sessions[session], chain->name, &epoch->epoch, for_numbers);
    assert_same("present", expected, answer.status, answer.reason, false, answer.text);
    if (chain->is_there) {
        ck_assert_uint_eq(answer.last_number, epoch->is_of_chain ? epoch->last_number : UINT64_MAX);
    }
    if (answer.status == STATUS_OK) {
        presented[session][k] = chosen;
        chain->numbers_from = for_numbers ? session : chain->numbers_from;
    }
}

static void release(int session, int k)
{
    struct model_chain *chain = &chains[k];
    bool any = random_chance(&source, 30);
    struct expected expected = {.status = STATUS_OK};
    if (!chain->is_there) {
        expected.status = STATUS_INVALID;
    } else if (!any && !writes_under_last(session, k)) {
        expected = (struct expected){STATUS_CONFLICT, CLAIMED, false};
    }
    if (assert_written("release", expected, ask_release(&sessions[session], chain->name, any))) {
        chain->stands = false;
    }
}

/* The second chain is dropped, and made anew. */
static void drop_or_make(int session)
{
    struct model_chain *chain = &chains[1];
    if (!chain->is_there) {
        ck_assert_int_eq(ask_create_chain(&sessions[session], chain->name).status, STATUS_OK);
        chain->is_there = true;
        return;
    }
    Cairn__DropChain drop = CAIRN__DROP_CHAIN__INIT;
    drop.has_chain = true;
    drop.chain = bytes_of(chain->name);
    struct written written =
        written_reply(&sessions[session], wire_send(&sessions[session], FRAME_DROP_CHAIN, &drop));
    if (assert_written("drop", judge(session, 1, 0, true), written)) {
        chain->is_there = chain->stands = false;
        chain->height = 0;
        chain->numbers_from = NONE;
        for (int i = 0; i < chain->epoch_count; i++) {
            chain->epochs[i].is_of_chain = false;
        }
    }
}

static void compare_chains(void)
{
    for (int k = 0; k < CHAINS; k++) {
        const struct model_chain *chain = &chains[k];
        const Cairn__ChainEntry *entry = get_chain(&rig.wire, chain->name);
        ck_assert_msg((entry != NULL) == chain->is_there, "step %u: chain %s", step, chain->name);
        if (entry != NULL) {
            ck_assert_uint_eq(entry->height, chain->height);
            ck_assert_int_eq(entry->has_claim_sequence, chain->stands);
            ck_assert(!chain->stands ||
                      (entry->claim_held &&
                       entry->claim_sequence == chain->epochs[chain->epoch_count - 1].epoch.sequence));
        }
    }
}

static void step_once(void)
{
    int session = (int)random_below(&source, SESSIONS), k = (int)random_below(&source, CHAINS);
    if (chains[k].numbers_from != NONE && random_chance(&source, 60)) { /* or hardly a write would be taken */
        session = chains[k].numbers_from;
    }
    switch (random_below(&source, 20)) {
    case 0:
        claim(session, k);
        return;
    case 1:
        present_stranger(session, k);
        return;
    case 2:
    case 3:
    case 4:
        present(session, k);
        return;
    case 5:
        if (random_chance(&source, 30)) {
            release(session, k);
        }
        return;
    case 6:
        reconnect(session);
        return;
    case 7:
        if (!chains[1].is_there || random_chance(&source, 10)) {
            drop_or_make(session);
        }
        return;
    case 8:
    case 9:
        metadata(session, k);
        return;
    case 10:
    case 11:
        rollback(session, k);
        return;
    default:
        commit(session, k);
    }
}

START_TEST(test_every_answer_is_the_models)
{
    source = random_from(random_seed("claim_model"));
    rig = rig_start(ARGUMENTS);
    chains[0] = (struct model_chain){.name = "default", .is_there = true};
    chains[1] = (struct model_chain){.name = "aux"};
    begin();
    for (step = 0; step < STEPS; step++) {
        if (step % STEPS_A_RUN == STEPS_A_RUN - 1) {
            crash(step / STEPS_A_RUN);
        }
        step_once();
        if (step % 10 == 0) {
            compare_chains();
        }
    }
    compare_chains();
    for (int i = 0; i < SESSIONS; i++) {
        wire_close(&sessions[i]);
    }
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("claim_model", 300, &tests);
    tcase_add_test(tests, test_every_answer_is_the_models);
    return suite_run(suite, true);
}
