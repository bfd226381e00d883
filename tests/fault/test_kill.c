/* kill -9 at random moments, under mixed load, again and again (contract 2, 3, 9): all that was answered as written or durable is
 * there, nothing is half applied, metadata is a prefix in one order and never ahead of its commits, and what was accepted from a
 * client that lives on is there once it has connected again.
 *
 * CAIRN_KILL_CYCLES says how many times. It prints its seed. */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/kill_load.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    CYCLES = 300,
    PUMP_MS_MAX = 80,
    MUCH = 300,         /* requests answered */
    STORE_CYCLES = 100, /* of one store; then a new one is made */
};

static struct load load;

static void report(const char *what, uint64_t cycles)
{
    printf("kill: %s %" PRIu64 " cycles, %" PRIu64 " kills, %" PRIu64 " requests answered, %" PRIu64
           " unanswered, %" PRIu64 " answered by a later run, %" PRIu64 " chains made anew\n",
           what, cycles, load.kills, load.answered, load.lost, load.outlived, load.remade);
    fflush(stdout);
}

/* So much that there is something to lose. */
static void pump_much(void)
{
    uint64_t until = load.answered + MUCH;
    while (load.answered < until) {
        load_pump(&load, 10);
    }
}

/* False: the complaint says what is wrong. */
static bool cycle(void (*plant)(void))
{
    if (plant == NULL) {
        load_pump(&load, (unsigned)random_below(&load.random, PUMP_MS_MAX));
    } else {
        pump_much();
    }
    load_kill(&load);
    if (!load_restart(&load)) {
        snprintf(load.complaint.text, sizeof load.complaint.text, "it does not start: %.300s",
                 daemon_errors(&load.daemon));
        return false;
    }
    if (plant != NULL) {
        plant();
    }
    return load_judge(&load);
}

/* The sum of all stores stays in the load. */
static void begin_store(uint64_t seed)
{
    struct load before = {.answered = load.answered,
                          .lost = load.lost,
                          .kills = load.kills,
                          .outlived = load.outlived,
                          .remade = load.remade};
    load_begin(&load, seed);
    load.answered = before.answered;
    load.lost = before.lost;
    load.kills = before.kills;
    load.outlived = before.outlived;
    load.remade = before.remade;
}

static uint64_t cycles_wanted(void)
{
    const char *text = getenv("CAIRN_KILL_CYCLES");
    return text == NULL || *text == '\0' ? CYCLES : strtoull(text, NULL, 10);
}

START_TEST(nothing_that_was_answered_is_lost_and_nothing_is_half_applied)
{
    uint64_t seed = random_seed("kill"), cycles = cycles_wanted(), done = 0;
    begin_store(seed);
    while (done < cycles) {
        if (done > 0 && done % STORE_CYCLES == 0) {
            load_end(&load);
            begin_store(seed + done);
            report("after", done);
        }
        bool is_good = cycle(NULL);
        done++;
        ck_assert_msg(is_good, "cycle %" PRIu64 ": %s", done, load.complaint.text);
    }
    report("did", done);
    tell_points(done);
    load_end(&load);
}
END_TEST

/* ---- planted faults: each has to be found ---- */

/* A chain may be dropped, and not made anew yet: nothing is planted there, and the next cycle tries again. */

static void take_a_state(void)
{
    struct wire wire = wire_open(load.daemon.socket);
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        struct client *client = &load.clients[i];
        const Cairn__ChainEntry *chain = get_chain(&wire, client->chain);
        if (client->has_claim || chain == NULL) {
            continue;
        }
        Cairn__Commit *commit = commit_new();
        commit_delete_state(commit, chain->height);
        commit->has_chain = true;
        commit->chain = bytes_of(client->chain);
        (void)commit_ok(&wire, commit);
    }
    wire_close(&wire);
}

static void write_metadata(Cairn__MetadataOperation *operation)
{
    struct wire wire = wire_open(load.daemon.socket);
    const char *chain = load.clients[LOAD_CLIENTS - 1].chain;
    Cairn__WriteMetadata *write = metadata_new(operation);
    write->has_chain = true;
    write->chain = bytes_of(chain);
    write->has_level = true;
    write->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    if (get_chain(&wire, chain) != NULL) {
        ck_assert_int_eq(ask_metadata(&wire, write).status, STATUS_OK);
    }
    wire_close(&wire);
}

static void set_marks_back(void)
{
    write_metadata(operation_set_bytes(bytes_of("seen"), bytes_of_number(0)));
}

static void set_marks_ahead(void)
{
    write_metadata(operation_set_bytes(bytes_of("seen"), bytes_of_number(UINT64_MAX / 4)));
}

static void set_another_s_name(void)
{
    write_metadata(operation_set("slot0", "1"));
}

static void claim_more_than_was_answered(void)
{
    struct client *client = &load.clients[LOAD_CLIENTS - 1];
    for (size_t i = 0; i < client->journal.count; i++) {
        client->journal.entries[i].is_answered = true; /* those too that were under way */
        client->journal.entries[i].level_told = 3;
    }
    (void)journal_next(&client->journal, &load.random);
    client->journal.entries[client->journal.count - 1].is_answered = true;
    client->journal.entries[client->journal.count - 1].level_told = 2;
}

static void claim_another_order(void)
{
    for (int i = LOAD_LIVING; i < LOAD_CLIENTS; i++) {
        struct journal *journal = &load.clients[i].journal;
        for (size_t k = 0; k < journal->count; k++) {
            journal->entries[k].sequence += journal->entries[k].is_answered ? 1000000000 : 0;
        }
    }
}

/* As if a chain had been dropped, and all of it were there again. */
static void claim_a_drop(void)
{
    static const struct image empty;
    journal_rebase(&load.clients[LOAD_CLIENTS - 1].journal, &empty);
}

/* As if the later run had answered one more, which it never applied. */
static void claim_a_numbered_write(void)
{
    struct client *client = &load.clients[0];
    ck_assert(client->has_claim);
    do {
        struct entry *entry = journal_next(&client->journal, &load.random);
        ck_assert_ptr_nonnull(entry);
        entry->sequence = UINT64_MAX;
        entry->is_answered = entry_is_lane(entry);
    } while (!client->journal.entries[client->journal.count - 1].is_answered);
}

static void (*const plants[])(void) = {take_a_state,
                                       set_marks_back,
                                       set_marks_ahead,
                                       set_another_s_name,
                                       claim_more_than_was_answered,
                                       claim_another_order,
                                       claim_a_drop,
                                       claim_a_numbered_write};
enum { PLANTS = sizeof plants / sizeof plants[0] };

START_TEST(planted_fault_is_found)
{
    begin_store(random_seed("kill, planted"));
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(cycle(NULL), "%s", load.complaint.text);
    }
    bool is_found = false;
    for (int i = 0; i < 3 && !is_found; i++) {
        is_found = !cycle(plants[_i]);
    }
    ck_assert(is_found);
    printf("kill: found \"%s\"\n", load.complaint.text);
    load_end(&load);
}
END_TEST

/* Half of what the last run wrote is cut off while no daemon runs. */
START_TEST(log_that_lost_its_end_is_found)
{
    begin_store(random_seed("kill, cut"));
    pump_much();
    load_kill(&load);
    struct program cut = shell_run(
        10000,
        "cd %s && for log in $(find . -name '*.log'); do truncate -s $(($(stat -c %%s $log) / 2)) $log; done",
        load.daemon.data);
    ck_assert_int_eq(cut.exit_code, 0);
    ck_assert(!daemon_try_start(&load.daemon, "") || !load_judge(&load));
    load_end(&load);
}
END_TEST

int main(void)
{
    TCase *tests;
    /* of a machine ten times as slow */
    Suite *suite = suite_new("kill", 240 + 3.0 * (double)cycles_wanted(), &tests);
    tcase_add_test(tests, nothing_that_was_answered_is_lost_and_nothing_is_half_applied);
    tcase_add_loop_test(tests, planted_fault_is_found, 0, PLANTS);
    tcase_add_test(tests, log_that_lost_its_end_is_found);
    return suite_run(suite, true);
}
