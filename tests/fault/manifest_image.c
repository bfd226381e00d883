#include "tests/fault/manifest_image.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 4096, EDIT_BYTES = 60 };

/* The number of the previous log is 0, again and again. */
void manifest_add_edit(struct wal_builder *manifest, size_t bytes)
{
    uint8_t edit[2 * PAGE_BYTES];
    for (size_t i = 0; i < bytes; i++) {
        edit[i] = i % 2 == 0 ? 9 : 0;
    }
    wal_builder_add(manifest, edit, bytes);
}

size_t manifest_add_edits(struct random_source *random, struct wal_builder *manifest)
{
    do {
        manifest_add_edit(manifest, EDIT_BYTES);
    } while (manifest->count % PAGE_BYTES > PAGE_BYTES - 2 * EDIT_BYTES || !random_chance(random, 5));
    size_t synced = manifest->count;
    manifest_add_edit(manifest, EDIT_BYTES);
    manifest_add_edit(manifest, 2 * (PAGE_BYTES / 2 + random_below(random, PAGE_BYTES / 2)));
    manifest_add_edit(manifest, EDIT_BYTES);
    return synced;
}

size_t manifest_page_end(size_t at)
{
    return at / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES;
}

const struct image_file *manifest_image_present(void)
{
    const struct image_file *manifest = NULL;
    for (int i = 0; i < image.count; i++) { /* by name: the last has the greatest number */
        manifest = strncmp(image.files[i].name, "MANIFEST", 8) == 0 ? &image.files[i] : manifest;
    }
    return manifest;
}

size_t manifest_image_extend(struct random_source *random, const struct image_file *file,
                             struct wal_builder *ret_manifest)
{
    struct wal_builder manifest = {.bytes = malloc(file->size), .count = file->size, .capacity = file->size};
    memcpy(manifest.bytes, file->bytes, file->size);
    size_t synced = manifest_add_edits(random, &manifest);
    *ret_manifest = manifest;
    return synced;
}
