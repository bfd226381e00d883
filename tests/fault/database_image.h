/* Images: databases as a process left them, in memory and in a directory, to be damaged and looked at.
 *
 * - image_begin makes the directory; image_make lets processes live in it, one after the other, and reads what they left. They write
 *   batches with the numbers from 1 on, each of which sets a key of its own, some of them synced; the files have tables and
 *   large values among them. The last process is killed or stops.
 * - image_restore puts the image into the directory, as often as it is needed; image_renew begins anew, image_end removes all.
 *
 * What fails, fails the test at hand. One image at a time. */
#ifndef TESTS_FAULT_DATABASE_IMAGE_H
#define TESTS_FAULT_DATABASE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/rocksdb/audit_record.h"
#include "tests/lib/directory.h"
#include "tests/lib/random.h"

enum { IMAGE_NAME_BYTES = 32, IMAGE_FILES_MAX = 64 };

struct image_file {
    char name[IMAGE_NAME_BYTES];
    uint8_t *bytes;
    size_t size;
    size_t synced; /* of a log: so much of it was, as its process knows */
};

/* What a process tells of its life, in memory that it shares. */
struct image_life {
    int batches; /* so many were written, */
    int durable; /* and so many of them synced, as it was told */
    int logs;
    struct {
        char name[IMAGE_NAME_BYTES];
        size_t synced;
    } log[IMAGE_FILES_MAX];
};

struct image {
    struct directory root; /* the database is db in it */
    struct image_life *life;
    struct image_file files[IMAGE_FILES_MAX];
    int count;
};

extern struct image image;

void image_begin(void);
void image_end(void);
void image_renew(void);

/* With a tail, the last process ends with writes that are not synced, and a sync that is under way. */
void image_make(struct random_source *random, bool has_tail);
void image_restore(void);

/* ---- files ---- */

/* Kept, as what the next one returns; db.state is beside the database. */
char *image_database(void);
char *image_path(const char *name);
bool image_name_ends(const char *name, const char *end);
void image_write_file(const char *name, const void *bytes, size_t n);
void image_read_records(const struct image_file *file, const struct audit_receiver *receiver);
void image_ignore_record(void *context, const struct audit_record *record); /* for its `find` */

/* ---- batches ---- */

/* Valid until the next call. */
struct slice image_key(int batch);
struct slice image_value(int batch);

/* How many batches undamaged bytes say were synced, if those from `from` to `to` of a file are not. A batch has two numbers. */
int image_synced_batches(const struct image_file *damaged, uint64_t from, uint64_t to);

/* Runs the body in a process of its own; returns its status, as waitpid has it. */
int image_run_in_child(void (*body)(void *context), void *context);

#endif
