#include "tests/fake_engine/fake_map.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

enum { VERSIONS_MIN = 64 };

static struct slice key_of(const struct fake_version *version)
{
    return slice_of(version->key, version->key_bytes);
}

static void version_free(struct fake_version *version)
{
    free(version->key);
    free(version->value);
}

void fake_map_close(struct fake_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        version_free(&map->versions[i]);
    }
    free(map->versions);
    *map = (struct fake_map){0};
}

/* The first version that lies behind the key as of `number`. */
static size_t place_behind(const struct fake_map *map, struct slice key, uint64_t number)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct fake_version *version = &map->versions[middle];
        int order = slice_compare(key_of(version), key);
        if (order < 0 || (order == 0 && version->number <= number)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first version of the key, or of the next one. */
static size_t place_of(const struct fake_map *map, struct slice key)
{
    return place_behind(map, key, 0); /* writes count from 1 */
}

static bool is_of(const struct fake_version *version, struct slice key)
{
    return slice_equal(key_of(version), key);
}

/* The version as of `number` of the key whose versions end before `end`; NULL: it is not there. */
static const struct fake_version *seen_before(const struct fake_map *map, size_t end, uint64_t number)
{
    assert(end > 0);
    struct slice key = key_of(&map->versions[end - 1]);
    size_t behind = place_behind(map, key, number);
    if (behind == 0 || !is_of(&map->versions[behind - 1], key) || map->versions[behind - 1].is_deleted) {
        return NULL;
    }
    return &map->versions[behind - 1];
}

/* ---- writing ---- */

static void make_room(struct fake_map *map, size_t more)
{
    if (map->count + more > map->capacity) {
        size_t doubled = 2 * map->capacity + VERSIONS_MIN;
        map->capacity = map->count + more > doubled ? map->count + more : doubled;
        map->versions = memory_resize(map->versions, map->capacity * sizeof *map->versions);
    }
}

static void set(struct fake_map *map, uint64_t number, struct slice key, bool is_deleted, struct slice value)
{
    assert(number > 0);
    struct fake_version version = {
        .key = memory_copy(key.data, key.bytes),
        .key_bytes = key.bytes,
        .number = number,
        .is_deleted = is_deleted,
        .value = memory_copy(value.data, value.bytes),
        .value_bytes = value.bytes,
    };
    size_t place = place_behind(map, key, UINT64_MAX);
    struct fake_version *before = place > 0 ? &map->versions[place - 1] : NULL;
    if (before != NULL && is_of(before, key) && before->number == number) {
        version_free(before);
        *before = version;
        return;
    }
    assert(before == NULL || !is_of(before, key) || before->number < number);
    make_room(map, 1);
    memmove(&map->versions[place + 1], &map->versions[place], (map->count - place) * sizeof version);
    map->versions[place] = version;
    map->count++;
}

struct fake_map fake_map_copy(const struct fake_map *map)
{
    struct fake_map copy = {0};
    make_room(&copy, map->count);
    for (; copy.count < map->count; copy.count++) {
        struct fake_version version = map->versions[copy.count];
        version.key = memory_copy(version.key, version.key_bytes);
        version.value = memory_copy(version.value, version.value_bytes);
        copy.versions[copy.count] = version;
    }
    return copy;
}

void fake_map_put(struct fake_map *map, uint64_t number, struct slice key, struct slice value)
{
    set(map, number, key, false, value);
}

void fake_map_delete(struct fake_map *map, uint64_t number, struct slice key)
{
    set(map, number, key, true, slice_of(NULL, 0));
}

/* Built anew, for to move what lies behind once a key would take long where a range is large. */
void fake_map_delete_range(struct fake_map *map, uint64_t number, struct slice from, struct slice to)
{
    size_t begin = place_of(map, from), end = place_of(map, to);
    struct fake_map with = {0};
    make_room(&with, 2 * map->count);
    for (size_t i = 0; i < map->count; i++) {
        struct fake_version *version = &map->versions[i];
        with.versions[with.count++] = *version;
        bool is_newest = i + 1 == map->count || !is_of(&map->versions[i + 1], key_of(version));
        if (i < begin || i >= end || !is_newest || version->is_deleted) {
            continue;
        }
        if (version->number == number) {
            free(version->value);
            with.versions[with.count - 1].is_deleted = true;
            with.versions[with.count - 1].value = NULL;
            with.versions[with.count - 1].value_bytes = 0;
            continue;
        }
        with.versions[with.count++] = (struct fake_version){
            .key = memory_copy(version->key, version->key_bytes),
            .key_bytes = version->key_bytes,
            .number = number,
            .is_deleted = true,
        };
    }
    free(map->versions);
    *map = with;
}

/* ---- reading ---- */

const struct fake_version *fake_map_find(const struct fake_map *map, uint64_t number, struct slice key)
{
    size_t behind = place_behind(map, key, UINT64_MAX);
    if (behind == 0 || !is_of(&map->versions[behind - 1], key)) {
        return NULL;
    }
    return seen_before(map, behind, number);
}

const struct fake_version *fake_map_from(const struct fake_map *map, uint64_t number, struct slice from,
                                         bool is_included)
{
    size_t place = is_included ? place_of(map, from) : place_behind(map, from, UINT64_MAX);
    while (place < map->count) {
        size_t end = place_behind(map, key_of(&map->versions[place]), UINT64_MAX);
        const struct fake_version *seen = seen_before(map, end, number);
        if (seen != NULL) {
            return seen;
        }
        place = end;
    }
    return NULL;
}

const struct fake_version *fake_map_before(const struct fake_map *map, uint64_t number, struct slice to)
{
    size_t end = place_of(map, to);
    while (end > 0) {
        const struct fake_version *seen = seen_before(map, end, number);
        if (seen != NULL) {
            return seen;
        }
        end = place_of(map, key_of(&map->versions[end - 1]));
    }
    return NULL;
}

/* ---- forgetting ---- */

void fake_map_collect(struct fake_map *map, uint64_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->count; i++) {
        struct fake_version version = map->versions[i];
        const struct fake_version *next = i + 1 < map->count ? &map->versions[i + 1] : NULL;
        bool is_hidden = next != NULL && is_of(next, key_of(&version)) && next->number <= number;
        if (is_hidden || (version.is_deleted && version.number <= number)) {
            version_free(&version);
        } else {
            map->versions[kept++] = version;
        }
    }
    map->count = kept;
}

void fake_map_drop_above(struct fake_map *map, uint64_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (map->versions[i].number > number) {
            version_free(&map->versions[i]);
        } else {
            map->versions[kept++] = map->versions[i];
        }
    }
    map->count = kept;
}

size_t fake_map_keys(const struct fake_map *map, uint64_t number, uint64_t *ret_bytes)
{
    size_t keys = 0;
    uint64_t bytes = 0;
    for (size_t place = 0; place < map->count;) {
        size_t end = place_behind(map, key_of(&map->versions[place]), UINT64_MAX);
        const struct fake_version *seen = seen_before(map, end, number);
        if (seen != NULL) {
            keys++;
            bytes += seen->value_bytes;
        }
        place = end;
    }
    *ret_bytes = bytes;
    return keys;
}
