/* Manifests with edits that change nothing behind those that a database has: so they reach over pages, as they do after many flushes. */
#ifndef TESTS_FAULT_MANIFEST_IMAGE_H
#define TESTS_FAULT_MANIFEST_IMAGE_H

#include "tests/fault/database_image.h"
#include "tests/lib/wal_builder.h"

void manifest_add_edit(struct wal_builder *manifest, size_t bytes);

/* Adds edits that count as synced, until the next one begins in the middle of a page, and then a write of some, of which the last begins
 * in a later page. Returns where that write begins. */
size_t manifest_add_edits(struct random_source *random, struct wal_builder *manifest);

/* Where the page ends in which that byte is. */
size_t manifest_page_end(size_t at);

/* The image's present manifest, and it with such edits. */
const struct image_file *manifest_image_present(void);
size_t manifest_image_extend(struct random_source *random, const struct image_file *file,
                             struct wal_builder *ret_manifest);

#endif
