/* Damage to the small files of a data directory: the stamp, the numbers, the reserve, the lock file, and what the engine keeps beside its
 * database. Each is cut, also to any length, zeroed, deleted, swapped with another store's, replaced by what is no file, or not to be
 * opened, behind a stop and behind a kill -9.
 *
 * - Either the daemon starts, and all that was acknowledged is there, in the same store, in a run and with numbers behind those before;
 * - or it ends by itself, with a code that needs a person, and says which file it is and what to do. With the file put back, it starts,
 *   and all is there.
 *
 * The table says which of both it is. CAIRN_SEED repeats a run, CAIRN_CUTS says at how many lengths each file is cut. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/limits.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

enum {
    DAMAGED = 65,
    REFUSED = 78,
    ANY_END = -2, /* it serves, or one of the two */
    CUTS = 4,     /* of each file, unless CAIRN_CUTS says otherwise */
    END_MS = 30000,
};

/* ---- stores ---- */

/* A store, its daemon, and what it acknowledged. */
struct store {
    struct daemon daemon;
    uint8_t id[STORE_ID_BYTES];
    uint64_t height, run, sequence;
};

static struct store one, smaller, larger; /* the one that is damaged, and two to swap files with */

static Cairn__HelloReply *say_hello(const struct store *store, struct wire *ret_wire)
{
    *ret_wire = wire_connect(store->daemon.socket);
    Cairn__HelloReply *hello = ask_hello(ret_wire, &(Cairn__Hello)CAIRN__HELLO__INIT);
    ck_assert_uint_eq(hello->store_id.len, STORE_ID_BYTES);
    return hello;
}

static void end_daemon(struct store *store, bool is_killed)
{
    if (is_killed) {
        daemon_kill(&store->daemon);
    } else {
        ck_assert_int_eq(daemon_stop(&store->daemon), 0);
    }
}

static struct store store_new(uint64_t blocks, unsigned runs, bool is_killed)
{
    struct store store = {.daemon = daemon_new()};
    for (unsigned i = 0; i < runs; i++) {
        struct wire wire;
        daemon_start(&store.daemon, "");
        const Cairn__HelloReply *hello = say_hello(&store, &wire);
        store.run = hello->run;
        memcpy(store.id, hello->store_id.data, STORE_ID_BYTES);
        for (uint64_t n = 0; n < blocks; n++) {
            store.sequence = commit_ok(&wire, commit_of_block(++store.height, "block")).sequence;
        }
        wire_close(&wire);
        end_daemon(&store, is_killed);
    }
    return store;
}

static void back_up(const struct store *store)
{
    shell("cp -a %s %s/kept", store->daemon.data, store->daemon.home.path);
}

static void put_back(const struct store *store, const char *name)
{
    shell("cd %s && rm -rf data/%s moved && cp -a kept/%s data/%s", store->daemon.home.path, name, name,
          name);
}

static void put_all_back(const struct store *store)
{
    shell("cd %s && rm -rf data moved && cp -a kept data", store->daemon.home.path);
}

/* ---- damage ---- */

static off_t cut_to; /* bytes */

static void cut(const char *path)
{
    ck_assert_int_eq(truncate(path, cut_to), 0);
}

static void zero(const char *path)
{
    shell("n=$(stat -c %%s %s) && truncate -s 0 %s && truncate -s $n %s", path, path, path);
}

static void delete(const char *path)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void take_from_smaller(const char *path)
{
    shell("cp %s/%s %s", smaller.daemon.data, strrchr(path, '/') + 1, path);
}

static void take_from_larger(const char *path)
{
    shell("cp %s/%s %s", larger.daemon.data, strrchr(path, '/') + 1, path);
}

static void make_directory(const char *path)
{
    shell("rm %s && mkdir %s", path, path);
}

static void link_to_whole(const char *path)
{
    shell("mv %s %s/moved && ln -s ../moved %s", path, one.daemon.home.path, path);
}

static void link_to_nothing(const char *path)
{
    shell("rm %s && ln -s nothing %s", path, path);
}

static void make_pipe(const char *path)
{
    shell("rm %s && mkfifo %s", path, path);
}

static void make_socket(const char *path)
{
    (void)unlink(path);
    ck_assert_int_eq(mknod(path, S_IFSOCK | 0600, 0), 0);
}

static void forbid(const char *path)
{
    ck_assert_int_eq(chmod(path, 0), 0);
}

enum { CUT, FORBIDDEN = 10, DAMAGES };

static const struct {
    const char *name;
    void (*damage)(const char *path);
} damages[DAMAGES] = {
    {"cut", cut},
    {"zeroed", zero},
    {"deleted", delete},
    {"that of a smaller store", take_from_smaller},
    {"that of a larger store", take_from_larger},
    {"a directory", make_directory},
    {"a link", link_to_whole},
    {"a link to nothing", link_to_nothing},
    {"a pipe", make_pipe},
    {"a socket", make_socket},
    {"forbidden", forbid},
};

/* What a start does then, in the order of damages; 0: it serves, else its exit code. */
static const struct {
    const char *name;
    int codes[DAMAGES];
} files[] = {
    {"cairn.store",
     {ANY_END, REFUSED, REFUSED, DAMAGED, DAMAGED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    {"cairn.numbers",
     {ANY_END, DAMAGED, DAMAGED, DAMAGED, DAMAGED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    {"cairn.lock", {0, 0, 0, 0, 0, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    {"cairn.reserve", {0, 0, 0, 0, 0, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    {"db.state", {0, 0, 0, 0, DAMAGED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
};

enum { FILES = sizeof files / sizeof files[0] };

/* ---- judging ---- */

/* NULL: all is there that was acknowledged, in the same store, and what comes now comes behind it. */
static const char *fault_of(struct store *store)
{
    struct wire wire;
    const Cairn__HelloReply *hello = say_hello(store, &wire);
    const char *fault = memcmp(hello->store_id.data, store->id, STORE_ID_BYTES) != 0 ? "it is another store"
                        : hello->run <= store->run           ? "its run was given before"
                        : get_height(&wire) != store->height ? "its height is another one"
                                                             : NULL;
    for (uint64_t height = 1; height <= store->height && fault == NULL; height++) {
        fault = block_is(&wire, height, "block") ? NULL : "a block is gone";
    }
    if (fault == NULL &&
        commit_ok(&wire, commit_of_block(store->height + 1, "block")).sequence <= store->sequence) {
        fault = "its numbers were given before";
    }
    wire_close(&wire);
    return fault;
}

static bool is_as_expected(int code, int expected)
{
    return code == expected || (expected == ANY_END && (code == 0 || code == DAMAGED || code == REFUSED));
}

/* A person reads which file it is, and what to do. */
static bool tells_a_person(const char *text, const char *name)
{
    bool is_named =
        strstr(text, name) != NULL || (strcmp(name, "db.state") == 0 && strstr(text, "were synced") != NULL);
    return is_named && (strstr(text, "estore") != NULL || strstr(text, "put back") != NULL ||
                        strstr(text, "has to be") != NULL);
}

static void try_damage(size_t file, size_t damage)
{
    const char *name = files[file].name;
    (void)unlink(one.daemon.errors);
    damages[damage].damage(kept_format("%s/%s", one.daemon.data, name));
    int code = daemon_try_start(&one.daemon, "") ? 0 : daemon_wait(&one.daemon, END_MS);
    const char *said = daemon_errors(&one.daemon);
    ck_assert_msg(is_as_expected(code, files[file].codes[damage]), "%s %s (%ld bytes): code %d: %s", name,
                  damages[damage].name, (long)cut_to, code, said);
    ck_assert_msg(code == 0 || tells_a_person(said, name), "%s %s: %s", name, damages[damage].name, said);
    if (code != 0) {
        put_back(&one, name);
        one.daemon.prefix = NULL;
        daemon_start(&one.daemon, "");
    }
    const char *fault = fault_of(&one);
    ck_assert_msg(fault == NULL, "%s %s (%ld bytes): %s", name, damages[damage].name, (long)cut_to, fault);
    end_daemon(&one, true);
    put_all_back(&one);
    kept_clear();
}

static void make_stores(bool is_killed)
{
    smaller = store_new(1, 1, is_killed);
    larger = store_new(8, 5, is_killed);
    one = store_new(4, 2, is_killed);
    back_up(&one);
}

static void close_stores(void)
{
    daemon_close(&smaller.daemon);
    daemon_close(&larger.daemon);
    daemon_close(&one.daemon);
}

START_TEST(each_is_harmless_or_refused_with_a_remedy)
{
    unsigned points = 0;
    make_stores(_i == 1);
    for (size_t file = 0; file < FILES; file++) {
        for (size_t damage = CUT + 1; damage < FORBIDDEN; damage++, points++) {
            try_damage(file, damage);
        }
    }
    close_stores();
    tell_points(points);
}
END_TEST

START_TEST(each_is_harmless_or_refused_wherever_it_is_cut)
{
    struct random_source random = random_from(random_seed("store files"));
    const char *text = getenv("CAIRN_CUTS");
    uint64_t cuts = text != NULL ? strtoull(text, NULL, 10) : CUTS;
    make_stores(_i == 1);
    for (size_t file = 0; file < FILES; file++) {
        struct stat found;
        ck_assert_int_eq(stat(kept_format("%s/%s", one.daemon.data, files[file].name), &found), 0);
        for (uint64_t i = 0; i < cuts; i++) {
            cut_to = i == 0   ? 0
                     : i == 1 ? found.st_size - 1
                              : (off_t)random_below(&random, (uint64_t)found.st_size);
            try_damage(file, CUT);
        }
    }
    close_stores();
    tell_points(cuts * FILES);
}
END_TEST

/* As nobody, since root may read anything. */
START_TEST(what_may_not_be_read_is_refused)
{
    static const char *const as_nobody[] = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                            NULL};
    if (geteuid() != 0) {
        printf("skipped: only root can give files to nobody\n");
        return;
    }
    make_stores(false);
    ck_assert_int_eq(chmod(kept_format("%s/..", one.daemon.home.path), 0711), 0);
    shell("chown -R 65534:65534 %s && chmod 700 %s", one.daemon.home.path, one.daemon.home.path);
    for (size_t file = 0; file < FILES; file++) {
        one.daemon.prefix = as_nobody;
        try_damage(file, FORBIDDEN);
    }
    close_stores();
    tell_points(FILES);
}
END_TEST

/* The judge is shown another store in place of this one, an older copy of it, and one that acknowledged more than is there. */
START_TEST(what_is_lost_is_seen)
{
    make_stores(true);
    shell("cd %s && rm -r data && cp -a %s data", one.daemon.home.path, larger.daemon.data);
    daemon_start(&one.daemon, "");
    ck_assert_str_eq(fault_of(&one), "it is another store");
    end_daemon(&one, true);
    put_all_back(&one);
    one.run += 2;
    daemon_start(&one.daemon, "");
    ck_assert_str_eq(fault_of(&one), "its run was given before");
    one.run -= 2, one.height++;
    ck_assert_str_eq(fault_of(&one), "its height is another one");
    one.height--, one.sequence += UINT64_C(1) << 60;
    ck_assert_str_eq(fault_of(&one), "its numbers were given before");
    ck_assert(!tells_a_person("cairn.store: cannot be read", "cairn.store"));
    close_stores();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("store_files", 600, &tests);
    tcase_add_test(tests, what_is_lost_is_seen);
    tcase_add_loop_test(tests, each_is_harmless_or_refused_with_a_remedy, 0, 2);
    tcase_add_loop_test(tests, each_is_harmless_or_refused_wherever_it_is_cut, 0, 2);
    tcase_add_test(tests, what_may_not_be_read_is_refused);
    return suite_run(suite, true);
}
