/* A quota (contract 9): the file system has room, and refuses this user any more of it with EDQUOT. No call says so beforehand, so the first
 * write that meets it may end the daemon as a failed one does, and the next start serves: reads go on, writes are `no space`, nothing that
 * was acknowledged is lost. Once the quota is lifted, writes are taken again, by the same process. What only deletes goes on from the
 * reserve, by more than the log has left, and ends no daemon that knows of the quota. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/runtime/exit_code.h"
#include "tests/fault/quota_control.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    ENDS_MAX = 2, /* of the daemon, before it knows of the quota */
    BLOCK_BYTES = 200 << 10,
    REFUSALS = 20, /* one after the other, over several looks */
    PAUSE_MS = 50,
    WAIT_MS = 60000,
    SAID_BYTES = 1500,
    LEFTS = 3, /* how much the quota leaves: so many times */
    LEFT_BYTES = 20 << 20,
    DELETES = 500, /* in one request, */
    NAME_BYTES = 1000,
    DELETES_MIB = 200, /* all of them: more than two logs */
    KEPT = 20,         /* names that nobody deletes; blocks that nobody prunes */
    NAMES = 50,
    VALUE_BYTES = 50000,
    CHANGES = 10,     /* of the quota, unless CAIRN_POINTS says otherwise, */
    CHANGE_MS = 1000, /* and how long each stays in the mean */
};

struct quota {
    struct rig rig;
    struct directory place;
    struct quota_control *control;
    char preload[160], control_path[120], root[120], config[120], arguments[160];
    uint64_t height; /* acknowledged */
    int ends, lifts;
    int lift_after_ms; /* lifts the quota when an answer takes that long; 0: never */
};

static void quota_begin(struct quota *quota)
{
    *quota = (struct quota){.rig.daemon = daemon_new(), .place = directory_new()};
    struct daemon *daemon = &quota->rig.daemon;
    char *path = directory_path(&quota->place, "control");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert(fd >= 0 && ftruncate(fd, sizeof *quota->control) == 0);
    quota->control = mmap(NULL, sizeof *quota->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(quota->control, MAP_FAILED);
    close(fd);
    snprintf(quota->preload, sizeof quota->preload, "LD_PRELOAD=%s/preload_quota.so", getenv("CAIRN_FAULT"));
    snprintf(quota->control_path, sizeof quota->control_path, QUOTA_ENVIRONMENT "=%s", path);
    snprintf(quota->root, sizeof quota->root, QUOTA_ROOT_ENVIRONMENT "=%s/data", daemon->home.path);
    daemon->environment[0] = quota->preload;
    daemon->environment[1] = quota->control_path;
    daemon->environment[2] = quota->root;
    snprintf(quota->config, sizeof quota->config, "%s", directory_path(&quota->place, "conf"));
    snprintf(quota->arguments, sizeof quota->arguments, "--config %s", quota->config);
    file_write(quota->config, "queue_bytes_max = 32MiB\n");
    daemon_start(daemon, quota->arguments);
    quota->rig.wire = wire_open(daemon->socket);
}

static void quota_end(struct quota *quota)
{
    wire_close(&quota->rig.wire);
    ck_assert_int_eq(daemon_stop(&quota->rig.daemon), 0);
    daemon_close(&quota->rig.daemon);
    munmap(quota->control, sizeof *quota->control);
    directory_remove(&quota->place);
}

/* The end of what the daemon wrote: a message of a failed test is short. */
static const char *said(const struct quota *quota)
{
    const char *text = daemon_errors(&quota->rig.daemon);
    size_t bytes = strlen(text);
    return bytes > SAID_BYTES ? text + bytes - SAID_BYTES : text;
}

static uint64_t used_bytes(const struct quota *quota)
{
    struct program result = shell_run(WAIT_MS, "du -sk %s", quota->rig.daemon.data);
    ck_assert_int_eq(result.exit_code, 0);
    return strtoull(result.output, NULL, 10) << 10;
}

/* STATUS_COUNT: the daemon has ended, or opens its store anew. */
static enum status answer(struct quota *quota, uint64_t id)
{
    struct wire *wire = &quota->rig.wire;
    const struct wire_frame *frame = NULL;
    if (quota->lift_after_ms > 0) { /* queued metadata that was accepted waits for room */
        frame = wire_try_frame(wire, id, quota->lift_after_ms);
        if (frame == NULL && !wire->ended) {
            quota->lifts++;
            atomic_store(&quota->control->bytes, 0);
        }
    }
    frame = frame != NULL ? frame : wire_try_frame(wire, id, patience_ms(WAIT_MS));
    ck_assert_msg(frame != NULL || wire->ended, "no answer: %s", said(quota));
    bool is_ending = frame == NULL || frame->header.status == STATUS_IO_ERROR ||
                     frame->header.status == STATUS_SHUTTING_DOWN;
    return is_ending ? STATUS_COUNT : (enum status)frame->header.status;
}

static enum status write_block(struct quota *quota)
{
    Cairn__Commit *commit = commit_of_block(quota->height + 1, "h");
    commit->blocks[0]->has_data = true;
    commit->blocks[0]->data = bytes_random(quota->height + 1, BLOCK_BYTES);
    enum status status = answer(quota, wire_send(&quota->rig.wire, FRAME_COMMIT, commit));
    quota->height += status == STATUS_OK;
    ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE || status == STATUS_COUNT, "status %d",
                  status);
    kept_clear();
    return status;
}

static enum status set_name(struct quota *quota)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set("name", "value"));
    return answer(quota, wire_send(&quota->rig.wire, FRAME_WRITE_METADATA, write));
}

static void start_again(struct quota *quota)
{
    wire_close(&quota->rig.wire);
    daemon_start(&quota->rig.daemon, quota->arguments);
    quota->rig.wire = wire_open(quota->rig.daemon.socket);
}

/* What ended the daemon may do so a few times, as what a start gives back goes to the next writes. */
static void write_until_refused(struct quota *quota)
{
    for (int refusals = 0; refusals < REFUSALS;) {
        enum status status = rig_reconnect(&quota->rig) ? write_block(quota) : STATUS_COUNT;
        if (status == STATUS_COUNT && (quota->rig.wire.ended || quota->rig.wire.fd < 0)) {
            int code = daemon_wait(&quota->rig.daemon, patience_ms(WAIT_MS));
            ck_assert_msg(code == EXIT_CODE_WRITE_FAILED && ++quota->ends <= ENDS_MAX, "end %d, with %d: %s",
                          quota->ends, code, said(quota));
            start_again(quota);
        }
        refusals = status == STATUS_NO_SPACE ? refusals + 1 : 0;
        sleep_ms(status == STATUS_NO_SPACE ? PAUSE_MS : 0);
    }
}

static void expect_acknowledged(struct quota *quota)
{
    for (uint64_t height = 1; height <= quota->height; height++) {
        const Cairn__BlockReply *block = get_block(&quota->rig.wire, height, 15);
        ck_assert_msg(block != NULL && bytes_same(block->data, bytes_random(height, BLOCK_BYTES)),
                      "block %lu of %lu", height, quota->height);
        kept_clear();
    }
}

static void await_ok(struct quota *quota, enum status (*write)(struct quota *quota))
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    enum status status = STATUS_NO_SPACE;
    while (status != STATUS_OK) {
        ck_assert_msg(clock_ms() < until_ms, "it does not come to that: %s", said(quota));
        status = rig_reconnect(&quota->rig) ? write(quota) : STATUS_COUNT;
        sleep_ms(5);
    }
}

static void await_taken(struct quota *quota)
{
    await_ok(quota, write_block);
    await_ok(quota, set_name);
}

/* The quota leaves room for commits, and none for metadata. */
static void raise_between_the_marks(struct quota *quota)
{
    struct wire *wire = &quota->rig.wire;
    uint64_t soft = status_number(wire, "space.soft_bytes"), hard = status_number(wire, "space.hard_bytes");
    uint64_t held = status_number(wire, "space.reserve_bytes");
    atomic_store(&quota->control->bytes, used_bytes(quota) + (soft + hard) / 2 - held);
}

/* Then no step of setting aside meets the quota: a write does. */
static void await_reserve(struct quota *quota)
{
    struct wire *wire = &quota->rig.wire;
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (status_number(wire, "space.reserve_bytes") < status_number(wire, "space.reserve_bytes_max")) {
        ck_assert_uint_lt(clock_ms(), until_ms);
        sleep_ms(10);
    }
}

START_TEST(beyond_a_quota_reads_go_on_and_writes_do_once_it_is_lifted)
{
    struct quota quota;
    quota_begin(&quota);
    ck_assert_int_eq(write_block(&quota), STATUS_OK);
    if (_i >= LEFTS) {
        await_reserve(&quota);
    }
    atomic_store(&quota.control->bytes, used_bytes(&quota) + (uint64_t)LEFT_BYTES * (uint64_t)(_i % LEFTS));
    write_until_refused(&quota);
    ck_assert_uint_gt(atomic_load(&quota.control->refused), 0);
    ck_assert_int_eq(set_name(&quota), STATUS_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(status_string(&quota.rig.wire, "health"), "no space"));
    expect_acknowledged(&quota);
    atomic_store(&quota.control->bytes, 0);
    await_taken(&quota);
    ck_assert_int_eq(daemon_wait(&quota.rig.daemon, 0), -1); /* the same process */
    expect_acknowledged(&quota);
    daemon_kill(&quota.rig.daemon);
    start_again(&quota);
    expect_acknowledged(&quota);
    printf("quota: %lu blocks, %d ends as after a failed write\n", quota.height, quota.ends);
    quota_end(&quota);
}
END_TEST

/* STATUS_OK: it does. A write that came before that would meet the quota itself, and end the daemon. */
static enum status refuses(struct quota *quota)
{
    bool does = strstr(status_string(&quota->rig.wire, "health"), "no space for commits") != NULL;
    return does ? STATUS_OK : STATUS_NO_SPACE;
}

/* What only deletes; true: it is done. */
static bool write_deletes(struct quota *quota, uint64_t number)
{
    struct wire *wire = &quota->rig.wire;
    uint64_t id;
    if (number % 10 == 0) {
        Cairn__Prune *prune = prune_blocks(1);
        prune_metadata(prune, operation_delete("name"));
        id = wire_send(wire, FRAME_PRUNE, prune);
    } else {
        Cairn__WriteMetadata *write = metadata_new(operation_delete(kept_format("name %lu", number)));
        write->has_level = true;
        write->level = CAIRN__LEVEL__LEVEL_DURABLE;
        for (uint64_t i = 1; i < DELETES; i++) {
            metadata_add(write, operation_delete(kept_format("%0*lu", NAME_BYTES, number * DELETES + i)));
        }
        id = wire_send(wire, FRAME_WRITE_METADATA, write);
    }
    enum status status = answer(quota, id);
    kept_clear();
    ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE,
                  "request %lu: status %d, exit code %d: %s", number, status,
                  status == STATUS_COUNT ? daemon_wait(&quota->rig.daemon, WAIT_MS) : 0, said(quota));
    return status == STATUS_OK;
}

/* So many MiB of them. */
static uint64_t delete_much(struct quota *quota, uint64_t number, uint64_t mib)
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS), refused = 0;
    uint64_t end = number + (mib << 20) / (DELETES * NAME_BYTES);
    while (number < end) {
        bool is_done = write_deletes(quota, number);
        refused += !is_done;
        number += is_done;
        ck_assert_msg(clock_ms() < until_ms, "refused %lu times, up to request %lu: %s", refused, number,
                      said(quota));
        sleep_ms(is_done ? 0 : 10);
    }
    return refused;
}

static void expect_names(struct quota *quota, uint64_t deleted)
{
    for (uint64_t i = 0; i < KEPT; i++) {
        ck_assert(metadata_is(&quota->rig.wire, kept_format("kept %lu", i), "value"));
    }
    for (uint64_t i = 0; i < deleted; i++) {
        ck_assert(i % 10 == 0 || metadata_is(&quota->rig.wire, kept_format("name %lu", i), NULL));
    }
    kept_clear();
}

/* It meets the quota when it sets more aside, as a larger queue wants it, and then holds what it held. */
START_TEST(behind_a_quota_deletes_and_prunes_go_on_from_the_reserve)
{
    struct quota quota;
    quota_begin(&quota);
    for (uint64_t i = 0; i < KEPT; i++) {
        ck_assert_int_eq(write_block(&quota), STATUS_OK);
        set(&quota.rig.wire, kept_format("kept %lu", i), "value");
        set(&quota.rig.wire, kept_format("name %lu", i), "value");
    }
    await_reserve(&quota);
    atomic_store(&quota.control->bytes, used_bytes(&quota) + (uint64_t)LEFT_BYTES * (uint64_t)_i);
    file_write(quota.config, "queue_bytes_max = 256MiB\n");
    daemon_signal(&quota.rig.daemon, SIGHUP);
    await_ok(&quota, refuses);
    raise_between_the_marks(&quota);
    await_ok(&quota, write_block);
    ck_assert_int_eq(set_name(&quota), STATUS_NO_SPACE);
    atomic_store(&quota.control->bytes, used_bytes(&quota) + (uint64_t)LEFT_BYTES * (uint64_t)_i);
    await_ok(&quota, refuses);
    ck_assert_int_eq(quota.ends, 0);
    uint64_t refused = delete_much(&quota, 1, DELETES_MIB);
    uint64_t deleted = (DELETES_MIB << 20) / (DELETES * NAME_BYTES);
    expect_names(&quota, deleted);
    daemon_kill(&quota.rig.daemon);
    start_again(&quota);
    expect_names(&quota, deleted);
    write_until_refused(&quota);
    printf("quota: %lu requests that delete, %lu times refused, %d ends\n", deleted, refused, quota.ends);
    atomic_store(&quota.control->bytes, 0);
    await_taken(&quota);
    expect_names(&quota, deleted);
    for (uint64_t height = 2; height <= quota.height; height++) { /* the first is pruned */
        ck_assert_ptr_nonnull(get_block(&quota.rig.wire, height, 15));
        kept_clear();
    }
    quota_end(&quota);
}
END_TEST

/* ---- a quota that comes and goes ---- */

/* Every write is answered before the next, so at most one is in doubt when the daemon ends; nobody writes its name until all is read. */
struct storm {
    struct quota quota;
    struct random_source random;
    uint64_t last;                     /* value given */
    uint64_t is[NAMES], may_be[NAMES]; /* values; 0: none. `may_be` was not answered; UINT64_MAX: all were */
    uint64_t may_be_pruned;
    uint64_t kills, looks, written, refused;
};

static const char *value_of(uint64_t number)
{
    return number == 0 ? NULL : kept_format("%0*lu", VALUE_BYTES, number);
}

static void expect_all(struct storm *storm)
{
    struct wire *wire = &storm->quota.rig.wire;
    for (uint64_t i = 0; i < NAMES; i++) {
        const char *name = kept_format("name %lu", i);
        bool is_new = storm->may_be[i] != UINT64_MAX && metadata_is(wire, name, value_of(storm->may_be[i]));
        storm->is[i] = is_new ? storm->may_be[i] : storm->is[i];
        storm->may_be[i] = UINT64_MAX;
        ck_assert_msg(metadata_is(wire, name, value_of(storm->is[i])), "name %lu is not %lu: %s", i,
                      storm->is[i], said(&storm->quota));
        kept_clear();
    }
    storm->looks++;
    for (uint64_t height = storm->may_be_pruned + 1; height <= storm->quota.height; height++) {
        const Cairn__BlockReply *block = get_block(wire, height, 15);
        ck_assert_msg(block != NULL && bytes_same(block->data, bytes_random(height, BLOCK_BYTES)),
                      "block %lu of %lu", height, storm->quota.height);
        kept_clear();
    }
}

/* Until it is there again, whoever ended it. */
static void return_to(struct storm *storm)
{
    struct quota *quota = &storm->quota;
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    while (quota->rig.daemon.pid == 0 || !rig_reconnect(&quota->rig)) {
        ck_assert_msg(clock_ms() < until_ms, "nobody answers: %s", said(quota));
        int code = quota->rig.daemon.pid == 0 ? EXIT_CODE_WRITE_FAILED : daemon_wait(&quota->rig.daemon, 10);
        ck_assert_msg(code == -1 || code == EXIT_CODE_WRITE_FAILED, "it ended with %d: %s", code,
                      said(quota));
        if (code != -1) {
            quota->ends += quota->rig.daemon.pid != 0;
            start_again(quota);
        }
    }
}

/* Without a quota, for a daemon that meets one may end while it is asked. */
static void look_at_all(struct storm *storm)
{
    uint64_t until_ms = clock_ms() + (uint64_t)patience_ms(WAIT_MS);
    atomic_store(&storm->quota.control->bytes, 0);
    do {
        ck_assert_msg(clock_ms() < until_ms, "it does not come to that: %s", said(&storm->quota));
        sleep_ms(5);
        return_to(storm); /* what failed before may have ended it */
    } while (write_block(&storm->quota) != STATUS_OK || set_name(&storm->quota) != STATUS_OK);
    expect_all(storm);
}

static uint64_t send_names(struct storm *storm, uint64_t name, bool is_set)
{
    uint64_t value = is_set ? ++storm->last : 0;
    const char *text = kept_format("name %lu", name);
    Cairn__WriteMetadata *write =
        metadata_new(is_set ? operation_set(text, value_of(value)) : operation_delete(text));
    for (uint64_t i = 0; i < DELETES && !is_set; i++) {
        metadata_add(write, operation_delete(kept_format("%0*lu", NAME_BYTES, random_next(&storm->random))));
    }
    write->has_level = true;
    write->level = CAIRN__LEVEL__LEVEL_DURABLE;
    storm->may_be[name] = value;
    return wire_send(&storm->quota.rig.wire, FRAME_WRITE_METADATA, write);
}

static void write_one(struct storm *storm)
{
    struct quota *quota = &storm->quota;
    uint64_t choice = random_below(&storm->random, 100), name = random_below(&storm->random, NAMES);
    enum status status;
    if (choice < 50 || (choice < 95 && storm->may_be[name] != UINT64_MAX)) {
        status = write_block(quota);
    } else if (choice < 95) {
        status = answer(quota, send_names(storm, name, choice < 75));
        storm->is[name] = status == STATUS_OK ? storm->may_be[name] : storm->is[name];
        storm->may_be[name] = status == STATUS_COUNT ? storm->may_be[name] : UINT64_MAX;
    } else {
        uint64_t to = quota->height > KEPT ? quota->height - KEPT : 0;
        status =
            to == 0 ? STATUS_OK : answer(quota, wire_send(&quota->rig.wire, FRAME_PRUNE, prune_blocks(to)));
        storm->may_be_pruned = status == STATUS_NO_SPACE ? storm->may_be_pruned : to;
    }
    kept_clear();
    ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE || status == STATUS_COUNT, "status %d",
                  status);
    storm->written += status == STATUS_OK;
    storm->refused += status == STATUS_NO_SPACE;
    if (status == STATUS_COUNT) {
        return_to(storm);
    }
}

/* None, one that leaves up to 250 MiB, or one that is exceeded. */
static void change_quota(struct storm *storm)
{
    struct quota *quota = &storm->quota;
    uint64_t used = used_bytes(quota), choice = random_below(&storm->random, 10);
    uint64_t left = random_below(&storm->random, 250 << 20);
    atomic_store(&quota->control->bytes, choice < 3   ? 0
                                         : choice < 5 ? used - left % (used / 4)
                                                      : used + left);
}

START_TEST(a_quota_that_comes_and_goes_under_load_and_kills_costs_nothing_acknowledged)
{
    struct storm storm = {.random = random_from(random_seed("quota"))};
    const char *points = getenv("CAIRN_POINTS");
    uint64_t changes = points != NULL ? strtoull(points, NULL, 10) : CHANGES;
    quota_begin(&storm.quota);
    storm.quota.lift_after_ms = 2 * CHANGE_MS;
    for (uint64_t i = 0; i < NAMES; i++) {
        storm.may_be[i] = UINT64_MAX;
    }
    for (uint64_t change = 0; change < changes; change++) {
        uint64_t until_ms = clock_ms() + random_below(&storm.random, 2 * CHANGE_MS);
        change_quota(&storm);
        while (clock_ms() < until_ms) {
            write_one(&storm);
        }
        if (random_chance(&storm.random, 20)) {
            uint64_t name = random_below(&storm.random, NAMES);
            if (storm.may_be[name] == UINT64_MAX) {
                (void)send_names(&storm, name, random_chance(&storm.random, 50));
            }
            daemon_kill(&storm.quota.rig.daemon);
            storm.kills++;
            start_again(&storm.quota);
        }
        if (random_chance(&storm.random, 30)) {
            look_at_all(&storm);
        }
    }
    look_at_all(&storm);
    tell_points(changes);
    printf("quota: %lu changes, %lu writes, %lu refused, %lu kills, %lu looks, %d lifts, %d ends as after a "
           "failed "
           "write\n",
           changes, storm.written, storm.refused, storm.kills, storm.looks, storm.quota.lifts,
           storm.quota.ends);
    quota_end(&storm.quota);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("quota", 600, &tests);
    tcase_add_loop_test(tests, behind_a_quota_deletes_and_prunes_go_on_from_the_reserve, 0, 2);
    tcase_add_loop_test(tests, beyond_a_quota_reads_go_on_and_writes_do_once_it_is_lifted, 0, 2 * LEFTS);
    tcase_add_test(tests, a_quota_that_comes_and_goes_under_load_and_kills_costs_nothing_acknowledged);
    return suite_run(suite, false);
}
