/* A failure's life here: it is counted, and the file that its text names is looked up among those named before; a new one is
 * logged and remembered. The text of the last one stays for the health line. */
#include "daemon/observe/damage.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    /* So many damaged files are told apart, and logged; later ones are counted as reads and writes only. Chosen: with more of
     * them the device is to be replaced, whichever they are. */
    FILES_MAX = 64,
    FILE_NAME_BYTES_MAX = 64, /* with its NUL; the engine's names are shorter. A longer one is cut */
};

struct damage {
    uint64_t counts[DAMAGE_MET_BY];
    char files[FILES_MAX][FILE_NAME_BYTES_MAX]; /* "" for the failures that name none */
    uint64_t file_count;
    struct failure last; /* if anything was counted */
};

struct damage *damage_new(void)
{
    return memory_new(sizeof(struct damage));
}

void damage_free(struct damage *damage)
{
    free(damage);
}

/* Copies the last component of the first path in the text, which the engine names the file by; "" if there is none. */
static void copy_file_name(const char *text, char *ret_name)
{
    size_t bytes = 0;
    const char *path = strchr(text, '/');
    if (path != NULL) {
        size_t path_bytes = strcspn(path, " \t:,;");
        const char *end = path + path_bytes;
        const char *name = end;
        while (name > path && name[-1] != '/') {
            name--;
        }
        bytes = (size_t)(end - name);
        bytes = bytes < FILE_NAME_BYTES_MAX - 1 ? bytes : FILE_NAME_BYTES_MAX - 1;
        memcpy(ret_name, name, bytes);
    }
    assert(bytes < FILE_NAME_BYTES_MAX); /* the NUL has room */
    ret_name[bytes] = '\0';
}

static bool is_known(const struct damage *damage, const char *name)
{
    assert(damage->file_count <= FILES_MAX);
    for (uint64_t i = 0; i < damage->file_count; i++) {
        if (strcmp(damage->files[i], name) == 0) {
            return true;
        }
    }
    return damage->file_count == FILES_MAX;
}

void damage_note(struct damage *damage, enum damage_met_by met_by, const struct failure *failure)
{
    char name[FILE_NAME_BYTES_MAX];
    assert(thread_is(THREAD_LOOP)); /* no lock guards the counts */
    assert(met_by < DAMAGE_MET_BY);
    if (failure->status != STATUS_DAMAGED && failure->status != STATUS_IO_ERROR) {
        return;
    }
    damage->counts[met_by]++;
    damage->last = *failure;
    copy_file_name(failure->text, name);
    if (!is_known(damage, name)) {
        assert(damage->file_count < FILES_MAX); /* when they are told apart no more, each is known */
        memcpy(damage->files[damage->file_count++], name, sizeof name);
        event_damage_found(failure->text, name);
    }
}

uint64_t damage_count(const struct damage *damage, enum damage_met_by met_by)
{
    assert(met_by < DAMAGE_MET_BY);
    return damage->counts[met_by];
}

uint64_t damage_files(const struct damage *damage)
{
    assert(thread_is(THREAD_LOOP));
    return damage->file_count;
}

const char *damage_text(const struct damage *damage)
{
    return damage->file_count > 0 ? damage->last.text : NULL; /* the first failure names the first file */
}
