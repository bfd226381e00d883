#include "tests/lib/directory.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"

enum { SHOWN_BYTES = 20000 };

static char root[48];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void directory_root_make(bool fast)
{
    const char *parent = getenv("TMPDIR");
    if (fast && access("/dev/shm", W_OK) == 0) {
        parent = "/dev/shm";
    }
    /* a socket's path has room for 107 bytes: a long TMPDIR is left for /tmp */
    if (parent == NULL || *parent == '\0' || strlen(parent) > 24) {
        parent = "/tmp";
    }
    snprintf(root, sizeof root, "%s/cairn-XXXXXX", parent);
    if (mkdtemp(root) == NULL) {
        perror(root);
        exit(2);
    }
}

void directory_root_remove(void)
{
    remove_all(root);
}

static int tell_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)kind;
    const char *name = path + place->base;
    if (strcmp(name, "stderr") == 0 && info->st_size > 0) {
        char *text = file_read(path);
        size_t n = strlen(text);
        printf("a daemon of a failed test said:\n%s\n", n > SHOWN_BYTES ? text + n - SHOWN_BYTES : text);
    }
    return 0;
}

void directory_root_tell(void)
{
    nftw(root, tell_one, 16, FTW_PHYS);
}

struct directory directory_new(void)
{
    struct directory directory;
    snprintf(directory.path, sizeof directory.path, "%s/XXXXXX", root);
    if (mkdtemp(directory.path) == NULL) {
        ck_abort_msg("cannot make %s", directory.path);
    }
    return directory;
}

void directory_remove(const struct directory *directory)
{
    remove_all(directory->path);
}

char *directory_path(const struct directory *directory, const char *name)
{
    return kept_format("%s/%s", directory->path, name);
}

char *file_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return kept_copy("", 0);
    }
    char *text = kept_alloc((size_t)info.st_size + 1);
    ssize_t n = read(fd, text, (size_t)info.st_size);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return text;
}

void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        ck_abort_msg("cannot write %s", path);
    }
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static unsigned long digest;

static void digest_bytes(const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ bytes[i]) * 1099511628211UL;
    }
}

static int digest_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)place;
    unsigned long before = digest;
    digest = 14695981039346656037UL;
    digest_bytes(path, strlen(path));
    if (kind == FTW_F) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char buffer[4096];
        ssize_t n;
        while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0) {
            digest_bytes(buffer, (size_t)n);
        }
        digest_bytes(&info->st_size, sizeof info->st_size);
        close(fd);
    }
    digest = before + digest; /* whatever the order in which they are met */
    return 0;
}

unsigned long directory_digest(const char *path)
{
    digest = 0;
    nftw(path, digest_one, 16, FTW_PHYS);
    return digest;
}
