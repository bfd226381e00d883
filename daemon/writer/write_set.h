/* The write set: what one write is going to change, readable before it is written. Writer thread only.
 *
 * - A change puts or deletes one key, or deletes a range of keys. A later change of a key supersedes the earlier one, and a range
 *   those that were made before it.
 * - A key that was changed reads as changed, any other as the store has it.
 * - Changes behind a mark can be taken back; all go at once with write_set_clear.
 *
 * Failures: only reading the store can fail, and that changes nothing. */
#ifndef DAEMON_WRITE_SET_H
#define DAEMON_WRITE_SET_H

#include "daemon/engine/engine.h"
#include "daemon/schema/key.h"

struct write_set;

/* The engine is borrowed. */
struct write_set *write_set_new(struct engine *engine);
/* Accepts NULL. */
void write_set_free(struct write_set *set);

/* Forgets all changes. */
void write_set_clear(struct write_set *set);

/* Reads a key; may wait for the device. The value is valid until the key is changed again or the value is released.
 * STATUS_OK         *ret_value is to be released
 * STATUS_NOT_FOUND  the store and the set have nothing
 * STATUS_DAMAGED    the store could not be read; `failure` says why */
enum status write_set_get(struct write_set *set, const struct key *key, struct engine_value *ret_value,
                          struct failure *failure) MUST_CHECK;

/* Whether the set itself puts or deletes the key. Does not ask the store. */
bool write_set_has(const struct write_set *set, const struct key *key);

/* Puts a key, which is copied. The value is borrowed until write_set_clear. */
void write_set_put(struct write_set *set, const struct key *key, struct slice value);
/* The same, with `bytes` of the set's own memory for the value, which the caller fills in. */
uint8_t *write_set_put_new(struct write_set *set, const struct key *key, size_t bytes) MUST_CHECK;
void write_set_delete(struct write_set *set, const struct key *key);

/* Deletes a key that nothing in this set reads or changes any more; for very many, as it takes little more memory than the key. */
void write_set_drop(struct write_set *set, const struct key *key);

/* Deletes all keys from `from` to `to` (excluded), those that the set has put so far too, in time that does not depend on how many the store
 * has of them. Both are copied. */
void write_set_delete_range(struct write_set *set, const struct key *from, const struct key *to);

/* A place among the changes. It is valid until the set is cleared or taken back to an earlier mark. */
struct write_set_mark {
    const struct write_set_change *last;
    uint64_t change_count;
    const struct write_set_drops *drops;
    size_t drop_bytes;
    size_t range_count;
    size_t bytes;
};

struct write_set_mark write_set_mark(const struct write_set *set);
/* Takes back every change that was made behind the mark. */
void write_set_take_back(struct write_set *set, struct write_set_mark mark);

/* Keys and values of all changes so far, in bytes, those that were superseded included. */
size_t write_set_bytes(const struct write_set *set);
/* The memory that they take. */
size_t write_set_memory(const struct write_set *set);

/* Calls back for each key that the set puts or deletes, unless a range behind that deletes it, in the order of their last change. `each`
 * may change that key again, no other. */
typedef void (*write_set_each_fn)(void *context, const struct key *key, bool present, struct slice value);
void write_set_each(struct write_set *set, write_set_each_fn each, void *context);

/* All changes as engine_write takes them, and how many they are. Borrowed until the set is next changed or listed. */
struct engine_edit *write_set_list(struct write_set *set, size_t *ret_count);

#endif
