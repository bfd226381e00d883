/* What the files of the engine on RocksDB have in common: its errors are text and end here, and its properties have names. */
#include "daemon/engine/rocksdb/rocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/host/held.h"

/* Paths in the text are shown as people know them. */
static void set_failure(const char *doing, const char *text, struct failure *failure)
{
    assert(text != NULL); /* RocksDB gives a text with each failure, and none with a success */
    char shown[FAILURE_TEXT_BYTES];
    held_copy_text(text, sizeof shown, shown);
    failure_set(failure, STATUS_IO_ERROR, "%s: %s", doing, shown);
}

void rocks_fail(const char *doing, char *text, struct failure *failure)
{
    set_failure(doing, text, failure);
    rocksdb_free(text);
}

static bool begins(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool rocks_is_no_space(const char *text)
{
    return strstr(text, "No space left on device") != NULL || strstr(text, "Disk quota exceeded") != NULL;
}

void rocks_fail_text(const char *doing, const char *text, struct failure *failure)
{
    set_failure(doing, text, failure);
    if (begins(text, "Corruption: ") || begins(text, "IO error: No such file or directory")) {
        failure->status = STATUS_DAMAGED;
    }
}

void rocks_fail_read(const char *doing, char *text, struct failure *failure)
{
    rocks_fail_text(doing, text, failure);
    rocksdb_free(text);
}

uint64_t rocks_young_tables(const struct rocks *rocks)
{
    assert(rocks->db != NULL); /* as above */
    /* it has no number for it */
    char *tables = rocksdb_property_value(rocks->db, "rocksdb.num-files-at-level0");
    uint64_t count = tables != NULL ? strtoul(tables, NULL, 10) : 0;
    rocksdb_free(tables);
    return count;
}

uint64_t rocks_number(const struct rocks *rocks, const char *property)
{
    assert(rocks->db != NULL); /* properties are those of an open store */
    uint64_t value = 0;
    (void)rocksdb_property_int(rocks->db, property, &value);
    return value;
}
