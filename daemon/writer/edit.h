/* Edits: what one write is going to change, readable before it is written. Writer thread only.
 *
 * A key that was edited reads as edited, any other as the store has it. */
#ifndef DAEMON_EDIT_H
#define DAEMON_EDIT_H

#include "daemon/engine/engine.h"
#include "daemon/schema/key.h"

struct edit_set;

struct edit_set *edit_new(struct engine *engine);
void edit_free(struct edit_set *edits);

/* Forgets all edits. */
void edit_clear(struct edit_set *edits);

/* Reads a key. STATUS_OK, STATUS_NOT_FOUND, STATUS_IO_ERROR. The value is valid until the key is edited again or the value is
 * released. */
enum status edit_get(struct edit_set *edits, const struct key *key, struct engine_value *ret_value,
                     struct failure *failure) MUST_CHECK;

/* Whether the key was edited, without asking the store. */
bool edit_has(const struct edit_set *edits, const struct key *key);

/* Sets a key. The value is borrowed until edit_clear; or it is to be filled in by the caller, and the set's own. */
void edit_put(struct edit_set *edits, const struct key *key, struct slice value);
uint8_t *edit_put_new(struct edit_set *edits, const struct key *key, size_t bytes) MUST_CHECK;
void edit_delete(struct edit_set *edits, const struct key *key);

/* Deletes what the store has in that range, before every other edit; edit_get does not know of it. */
void edit_delete_range(struct edit_set *edits, const struct key *from, const struct key *to);

/* A place among the edits, to which all that came behind it can be taken back. */
struct edit_mark {
    const struct edit *last;
    size_t range_count;
    size_t bytes;
};

struct edit_mark edit_mark(const struct edit_set *edits);
void edit_take_back(struct edit_set *edits, struct edit_mark mark);

/* Keys and values edited so far, in bytes. */
size_t edit_bytes(const struct edit_set *edits);

/* Calls back for each edited key, in the order of their last edit. `each` may edit that key again, no other. */
typedef void (*edit_each_fn)(void *context, const struct key *key, bool present, struct slice value);
void edit_each(struct edit_set *edits, edit_each_fn each, void *context);

/* All edits, as engine_write takes them, until the next call that edits or lists; and how many they are. */
struct engine_edit *edit_list(struct edit_set *edits, size_t *ret_count);

#endif
