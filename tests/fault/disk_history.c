/* A history keeps the initial tree and the operations; an image replays both from the beginning, so that no state is carried
 * from one image to the next. Whatever fails here is the test's own fault, and fails the test. */
#include "tests/fault/disk_history.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/recorder.h"
#include "tests/lib/random.h"

enum { PAGE_BYTES = 4096, SECTOR_BYTES = 512 };

struct operation {
    struct recorded head;
    uint8_t *bytes; /* owned */
};

struct disk_history {
    uint64_t root; /* inode */
    struct operation *operations;
    size_t count, room;
    size_t initial;      /* so many of them make the tree as it was found; they are on the device */
    uint64_t read_bytes; /* of the record */
};

/* ---- reading ---- */

static void append(struct disk_history *history, struct recorded head, const void *bytes)
{
    if (history->count == history->room) {
        history->room = history->room == 0 ? 1024 : 2 * history->room;
        history->operations = realloc(history->operations, history->room * sizeof *history->operations);
        ck_assert_ptr_nonnull(history->operations);
    }
    struct operation *operation = &history->operations[history->count++];
    *operation = (struct operation){head, head.bytes > 0 ? malloc(head.bytes) : NULL};
    if (head.bytes > 0) {
        ck_assert_ptr_nonnull(operation->bytes);
        memcpy(operation->bytes, bytes, head.bytes);
    }
}

static void append_file(struct disk_history *history, const char *path, uint64_t inode)
{
    static uint8_t piece[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s", path);
    uint64_t offset = 0;
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0) {
        append(history, (struct recorded){RECORDED_WRITE, (uint32_t)n, inode, 0, offset}, piece);
        offset += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    close(fd);
    append(history, (struct recorded){RECORDED_SIZE, 0, inode, 0, offset}, NULL);
    append(history, (struct recorded){RECORDED_SYNC, 0, inode, 0, 0}, NULL);
}

static void append_tree(struct disk_history *history, const char *path, uint64_t inode)
{
    DIR *stream = opendir(path);
    ck_assert_msg(stream != NULL, "%s", path);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        char below[PATH_MAX];
        struct stat found;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        ck_assert_int_eq(lstat(below, &found), 0);
        if (!S_ISDIR(found.st_mode) && !S_ISREG(found.st_mode)) {
            continue;
        }
        enum recorded_kind kind = S_ISDIR(found.st_mode) ? RECORDED_ADD_DIRECTORY : RECORDED_ADD;
        append(history, (struct recorded){kind, (uint32_t)strlen(entry->d_name), inode, found.st_ino, 0},
               entry->d_name);
        if (S_ISDIR(found.st_mode)) {
            append_tree(history, below, found.st_ino);
        } else {
            append_file(history, below, found.st_ino);
        }
    }
    closedir(stream);
    append(history, (struct recorded){RECORDED_SYNC, 0, inode, 0, 0}, NULL);
}

struct disk_history *disk_history_of(const char *directory)
{
    struct disk_history *history = calloc(1, sizeof *history);
    struct stat found;
    ck_assert_ptr_nonnull(history);
    ck_assert_int_eq(stat(directory, &found), 0);
    history->root = found.st_ino;
    append_tree(history, directory, found.st_ino);
    history->initial = history->count;
    return history;
}

void disk_history_free(struct disk_history *history)
{
    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->count; i++) {
        free(history->operations[i].bytes);
    }
    free(history->operations);
    free(history);
}

void disk_history_read(struct disk_history *history, const char *record)
{
    FILE *file = fopen(record, "re");
    ck_assert_msg(file != NULL && fseeko(file, (off_t)history->read_bytes, SEEK_SET) == 0, "%s", record);
    struct recorded head;
    while (fread(&head, sizeof head, 1, file) == 1) {
        uint8_t *bytes = malloc(head.bytes + 1U);
        ck_assert_ptr_nonnull(bytes);
        ck_assert_uint_eq(fread(bytes, 1, head.bytes, file), head.bytes);
        append(history, head, bytes);
        free(bytes);
    }
    history->read_bytes = (uint64_t)ftello(file);
    fclose(file);
}

uint64_t disk_history_operations(const struct disk_history *history)
{
    return history->count - history->initial;
}

/* ---- the disk, as of a moment ---- */

struct name {
    char *text; /* owned */
    uint64_t inode;
};

struct node {
    uint64_t inode;
    bool is_directory;
    /* a file: what is on the device, and the operations since its last sync */
    uint8_t *bytes;
    uint64_t size, room;
    /* a directory: the names on the device */
    struct name *names;
    size_t name_count;
    const struct operation **pending;
    size_t pending_count;
    struct node *next;
};

struct disk {
    struct node *nodes[4096]; /* by inode */
    struct random_source random;
};

static struct node *node_of(struct disk *disk, uint64_t inode)
{
    struct node **at = &disk->nodes[inode % 4096];
    while (*at != NULL && (*at)->inode != inode) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        ck_assert_ptr_nonnull(*at);
        (*at)->inode = inode;
    }
    return *at;
}

/* Behind `size` there are zeros, in `room` and behind it: a file that was only given a size takes no memory. */
static void set_size(struct node *node, uint64_t size)
{
    uint64_t end = node->size < node->room ? node->size : node->room;
    if (size < end) {
        memset(node->bytes + size, 0, end - size);
    }
    node->size = size;
}

static void put_bytes(struct node *node, uint64_t offset, const uint8_t *bytes, uint64_t n)
{
    if (n == 0) {
        return;
    }
    if (offset + n > node->room) {
        uint64_t room = offset + n < 2 * node->room ? 2 * node->room : offset + n;
        node->bytes = realloc(node->bytes, room);
        ck_assert_ptr_nonnull(node->bytes);
        memset(node->bytes + node->room, 0, room - node->room);
        node->room = room;
    }
    memcpy(node->bytes + offset, bytes, n);
    node->size = offset + n > node->size ? offset + n : node->size;
}

static void remove_name(struct node *node, const char *text)
{
    for (size_t i = 0; i < node->name_count; i++) {
        if (strcmp(node->names[i].text, text) == 0) {
            free(node->names[i].text);
            node->names[i] = node->names[--node->name_count];
            return;
        }
    }
}

static void add_name(struct node *node, const char *text, size_t length, uint64_t inode)
{
    char *copy = strndup(text, length);
    ck_assert_ptr_nonnull(copy);
    remove_name(node, copy);
    node->names = realloc(node->names, (node->name_count + 1) * sizeof *node->names);
    ck_assert_ptr_nonnull(node->names);
    node->names[node->name_count++] = (struct name){copy, inode};
}

/* Whole: it reaches the device. */
static void apply(struct node *node, const struct operation *operation)
{
    const struct recorded *head = &operation->head;
    const char *text = (const char *)operation->bytes;
    char name[NAME_MAX + 1];
    switch ((enum recorded_kind)head->kind) {
    case RECORDED_WRITE:
        put_bytes(node, head->offset, operation->bytes, head->bytes);
        return;
    case RECORDED_SIZE:
        set_size(node, head->offset);
        return;
    case RECORDED_ADD:
    case RECORDED_ADD_DIRECTORY:
        add_name(node, text, head->bytes, head->other);
        return;
    case RECORDED_REMOVE:
        snprintf(name, sizeof name, "%.*s", (int)head->bytes, text);
        remove_name(node, name);
        return;
    case RECORDED_RENAME:
        snprintf(name, sizeof name, "%s", text);
        remove_name(node, name);
        add_name(node, text + strlen(name) + 1, head->bytes - strlen(name) - 1, head->other);
        return;
    case RECORDED_SYNC:
    case RECORDED_SYNC_FAILED:
        ck_abort_msg("a sync is never pending");
    }
}

/* How many of the pending operations a page of the file has seen when it goes to the device: what it holds then is what the first
 * of them left in it. A failed sync has tried all or none. */
static size_t seen_by_page(const struct node *node, uint64_t seed, uint64_t page, bool is_failed_sync)
{
    struct random_source random = random_from(seed + page);
    size_t seen = (size_t)random_below(&random, is_failed_sync ? 2 : node->pending_count + 1);
    return is_failed_sync ? seen * node->pending_count : seen;
}

/* Applies the pending operations page by page. */
static void apply_pages(struct disk *disk, struct node *node, bool is_failed_sync)
{
    uint64_t seed = random_below(&disk->random, UINT64_MAX / 2);
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct operation *operation = node->pending[i];
        const struct recorded *head = &operation->head;
        if (head->kind != RECORDED_WRITE) {
            if (random_chance(&disk->random, 50)) {
                apply(node, operation);
            }
            continue;
        }
        for (uint64_t at = 0; at < head->bytes;) {
            uint64_t page = (head->offset + at) / PAGE_BYTES;
            uint64_t end = page * PAGE_BYTES + PAGE_BYTES - head->offset;
            end = end < head->bytes ? end : head->bytes;
            if (i < seen_by_page(node, seed, page, is_failed_sync)) {
                put_bytes(node, head->offset + at, operation->bytes + at, end - at);
            }
            at = end;
        }
    }
}

static void clear_pending(struct node *node)
{
    node->pending_count = 0;
}

static void operate(struct disk *disk, const struct operation *operation)
{
    struct node *node = node_of(disk, operation->head.inode);
    switch ((enum recorded_kind)operation->head.kind) {
    case RECORDED_SYNC:
        for (size_t i = 0; i < node->pending_count; i++) {
            apply(node, node->pending[i]);
        }
        clear_pending(node);
        return;
    case RECORDED_SYNC_FAILED:
        apply_pages(disk, node, true);
        clear_pending(node);
        return;
    case RECORDED_ADD_DIRECTORY:
        node_of(disk, operation->head.other)->is_directory = true;
        break;
    default:
        break;
    }
    if ((node->pending_count & (node->pending_count - 1)) == 0) { /* full: powers of two are its rooms */
        size_t room = node->pending_count == 0 ? 1 : 2 * node->pending_count;
        node->pending = realloc(node->pending, room * sizeof(void *));
        ck_assert_ptr_nonnull(node->pending);
    }
    node->pending[node->pending_count++] = operation;
}

/* ---- the cut ---- */

static void cut_beginning(struct disk *disk, struct node *node)
{
    size_t kept = (size_t)random_below(&disk->random, node->pending_count + 1);
    for (size_t i = 0; i < kept; i++) {
        apply(node, node->pending[i]);
    }
    if (kept < node->pending_count && node->pending[kept]->head.kind == RECORDED_WRITE) {
        const struct operation *torn = node->pending[kept];
        uint64_t end = torn->head.offset + random_below(&disk->random, torn->head.bytes + 1U);
        end = end / SECTOR_BYTES * SECTOR_BYTES;
        if (end > torn->head.offset) {
            put_bytes(node, torn->head.offset, torn->bytes, end - torn->head.offset);
        }
    }
}

static uint64_t size_with_all(const struct node *node)
{
    uint64_t size = node->size;
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct recorded *head = &node->pending[i]->head;
        uint64_t end = head->offset + head->bytes;
        size = head->kind == RECORDED_SIZE ? head->offset : end > size ? end : size;
    }
    return size;
}

static void cut_file(struct disk *disk, struct node *node)
{
    uint64_t size = size_with_all(node);
    switch (random_below(&disk->random, 4)) {
    case 0: /* nothing */
        break;
    case 1:
        for (size_t i = 0; i < node->pending_count; i++) {
            apply(node, node->pending[i]);
        }
        break;
    case 2:
        cut_beginning(disk, node);
        break;
    default:
        apply_pages(disk, node, false);
        break;
    }
    if (size > node->size && random_chance(&disk->random, 30)) {
        set_size(node, size); /* the size came through, its pages did not */
    }
}

static void cut_directory(struct disk *disk, struct node *node)
{
    size_t kept = random_chance(&disk->random, 30) ? 0
                  : random_chance(&disk->random, 50)
                      ? node->pending_count
                      : (size_t)random_below(&disk->random, node->pending_count + 1);
    for (size_t i = 0; i < kept; i++) {
        apply(node, node->pending[i]);
    }
}

static void write_file(const struct node *node, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ck_assert_msg(fd >= 0, "%s", path);
    ck_assert_int_eq(ftruncate(fd, (off_t)node->size), 0);
    uint64_t bytes = node->size < node->room ? node->size : node->room;
    for (uint64_t at = 0; at < bytes;) {
        ssize_t n = write(fd, node->bytes + at, bytes - at);
        ck_assert_int_gt(n, 0);
        at += (uint64_t)n;
    }
    close(fd);
}

static void write_tree(struct disk *disk, struct node *node, const char *path)
{
    ck_assert_msg(mkdir(path, 0750) == 0, "%s", path);
    for (size_t i = 0; i < node->name_count; i++) {
        char below[PATH_MAX];
        struct node *child = node_of(disk, node->names[i].inode);
        snprintf(below, sizeof below, "%s/%s", path, node->names[i].text);
        if (child->is_directory) {
            write_tree(disk, child, below);
        } else {
            write_file(child, below);
        }
    }
}

static void disk_free(struct disk *disk)
{
    for (size_t i = 0; i < 4096; i++) {
        for (struct node *node = disk->nodes[i], *next; node != NULL; node = next) {
            next = node->next;
            for (size_t k = 0; k < node->name_count; k++) {
                free(node->names[k].text);
            }
            free(node->names);
            free(node->bytes);
            free(node->pending);
            free(node);
        }
    }
    free(disk);
}

/* The disk behind so many operations, with what is pending then. */
static struct disk *disk_new(const struct disk_history *history, uint64_t operations, uint64_t seed)
{
    ck_assert_uint_le(history->initial + operations, history->count);
    struct disk *disk = calloc(1, sizeof *disk);
    ck_assert_ptr_nonnull(disk);
    disk->random = random_from(seed);
    node_of(disk, history->root)->is_directory = true;
    for (size_t i = 0; i < history->initial + operations; i++) {
        operate(disk, &history->operations[i]);
    }
    return disk;
}

void disk_history_image(const struct disk_history *history, uint64_t operations, uint64_t seed,
                        const char *directory)
{
    struct disk *disk = disk_new(history, operations, seed);
    for (size_t i = 0; i < 4096; i++) {
        for (struct node *node = disk->nodes[i]; node != NULL; node = node->next) {
            if (node->is_directory) {
                cut_directory(disk, node);
            } else {
                cut_file(disk, node);
            }
        }
    }
    write_tree(disk, node_of(disk, history->root), directory);
    disk_free(disk);
}

/* All pending writes but what of them lies in the first one's first page. */
static void apply_behind_first_page(struct node *node)
{
    ck_assert_uint_gt(node->pending_count, 0);
    uint64_t end = (node->pending[0]->head.offset / PAGE_BYTES + 1) * PAGE_BYTES;
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct recorded *head = &node->pending[i]->head;
        ck_assert_uint_eq(head->kind, RECORDED_WRITE);
        uint64_t lost = head->offset >= end ? 0 : end - head->offset;
        if (lost < head->bytes) {
            put_bytes(node, head->offset + lost, node->pending[i]->bytes + lost, head->bytes - lost);
        }
    }
}

void disk_history_image_with_hole(const struct disk_history *history, uint64_t inode, const char *directory)
{
    struct disk *disk = disk_new(history, disk_history_operations(history), 0);
    for (size_t i = 0; i < 4096; i++) {
        for (struct node *node = disk->nodes[i]; node != NULL; node = node->next) {
            if (node->inode == inode) {
                apply_behind_first_page(node);
                continue;
            }
            for (size_t k = 0; k < node->pending_count; k++) {
                apply(node, node->pending[k]);
            }
        }
    }
    write_tree(disk, node_of(disk, history->root), directory);
    disk_free(disk);
}
