/* The engine under test: the conformance tests say what is to hold, this says of whom. Life:
 *
 * - A test begins with subject_begin, given its loop's number: an empty directory, and a store in it that is open.
 *   subject_end, the teardown, closes and removes both.
 * - subject_begin_closed leaves the directory empty; subject_run then goes through whole lives of a process, and subject_open
 *   opens what they left. An engine on disk lives in a child process meanwhile, so all runs come before the first open.
 *
 * What fails, fails the test at hand. */
#ifndef TESTS_LIB_SUBJECT_H
#define TESTS_LIB_SUBJECT_H

#include "daemon/engine/engine.h"
#include "daemon/engine/engine_type.h"

/* The subjects by number, and the end of Check's loops. */
enum { SUBJECT_ROCKSDB, SUBJECT_FAKE, SUBJECTS };

enum { SUBJECT_CACHE_BYTES = 8 << 20 };

struct subject {
    const struct engine_type *type;
    const char *path;
    struct engine *engine; /* NULL: closed */
    struct failure failure;
};

extern struct subject subject;

void subject_begin(int number);
void subject_begin_closed(int number);
void subject_end(void);

void subject_open(bool create);
/* Cleanly. */
void subject_reopen(void);

enum run_end {
    RUN_CLOSED_CLEAN,
    RUN_CLOSED_FAST,
    RUN_KILLED, /* without a close */
    RUN_ENDS,
};

/* A process opens the store, made if it is not there, does what `body` does with `subject`, and ends so. */
void subject_run(void (*body)(void), enum run_end end);

/* ---- shorthand ---- */

struct slice text(const char *string);

void subject_write(struct engine_edit *edits, size_t count);
void subject_put(struct slice key, struct slice value);
void subject_delete(struct slice key);
void subject_delete_range(struct slice from, struct slice to);
/* Behind a sync, for what is only in the log may have to stay. Returns how many bytes that gave back. Writer. */
uint64_t subject_reclaim(struct slice from, struct slice to);

/* NULL expected: it is not there. The point may be NULL; what memory alone answers agrees, or is nothing. */
void subject_expect_bytes(struct engine_point *point, struct slice key, const struct slice *expected);
void subject_expect(struct engine_point *point, const char *key, const char *expected);

/* The rest of the walk: keys of one letter each, values all `value`. */
void subject_expect_walk(struct engine_cursor *cursor, const char *expected, const char *value);
struct engine_cursor *subject_cursor(struct engine_point *point, const char *from, const char *to,
                                     bool is_reverse);

#endif
