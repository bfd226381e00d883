/* Lists of edits as tests write them: what is put is copied, and the list is written and emptied in one call. */
#ifndef TESTS_LIB_ENGINE_EDITS_H
#define TESTS_LIB_ENGINE_EDITS_H

#include "daemon/engine/engine.h"

struct engine_edits {
    struct engine_edit *list;
    size_t count;
    size_t capacity;
};

void engine_edits_put(struct engine_edits *edits, struct slice key, struct slice value);
void engine_edits_delete(struct engine_edits *edits, struct slice key);
void engine_edits_delete_range(struct engine_edits *edits, struct slice from, struct slice to);

/* Has to go well. */
void engine_edits_write(struct engine_edits *edits, struct engine *engine);

/* Accepts a zeroed one; it is as zeroed afterwards. */
void engine_edits_clear(struct engine_edits *edits);

/* Opens the engine that stores are made with; has to go well. */
struct engine *engine_opened(const char *path, bool create);

#endif
