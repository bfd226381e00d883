#include "tests/fault/history.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for one more of that many bytes. */
static void *grow(void *array, size_t count, size_t *room, size_t bytes)
{
    if (count < *room) {
        return array;
    }
    *room = *room == 0 ? 64 : 2 * *room;
    void *grown = realloc(array, *room * bytes);
    if (grown == NULL) {
        abort();
    }
    return grown;
}

struct action *history_add(struct history *history)
{
    history->actions = grow(history->actions, history->count, &history->room, sizeof *history->actions);
    struct action *action = &history->actions[history->count++];
    *action = (struct action){.ended = UINT64_MAX};
    return action;
}

void history_drop(struct history *history, unsigned client, uint64_t sequence)
{
    history->dropped =
        grow(history->dropped, history->dropped_count, &history->dropped_room, sizeof *history->dropped);
    history->dropped[history->dropped_count++] = (struct dropped_write){client, sequence};
}

void history_free(struct history *history)
{
    free(history->actions);
    free(history->dropped);
    free(history->before.parts);
    free(history->found.parts);
    free(history->base.parts);
    free(history->resent.parts);
    *history = (struct history){0};
}

void image_put(struct image *image, const struct part *part)
{
    image->parts = grow(image->parts, image->count, &image->room, sizeof *image->parts);
    image->parts[image->count++] = *part;
}

static int compare_parts(const void *left, const void *right)
{
    uint64_t a = ((const struct part *)left)->name, b = ((const struct part *)right)->name;
    return (a > b) - (a < b);
}

void image_sort(struct image *image)
{
    if (image->count > 0) {
        qsort(image->parts, image->count, sizeof *image->parts, compare_parts);
    }
}

struct part image_get(const struct image *image, uint64_t name)
{
    const struct part wanted = {.name = name};
    const struct part *found =
        image->count == 0 ? NULL
                          : bsearch(&wanted, image->parts, image->count, sizeof *image->parts, compare_parts);
    return found != NULL ? *found : wanted;
}

void image_copy(struct image *image, const struct image *from)
{
    image->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        image_put(image, &from->parts[i]);
    }
}
