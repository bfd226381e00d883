#include "tests/lib/manager.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/suite.h"

struct manager manager_open(void)
{
    static unsigned opened;
    struct manager manager;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(manager.name, sizeof manager.name, "@cairn-notify-%ld-%u", (long)getpid(), ++opened);
    memcpy(address.sun_path + 1, manager.name + 1, strlen(manager.name) - 1);
    manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(manager.fd, 0);
    ck_assert_int_eq(bind(manager.fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(manager.name))),
                     0);
    return manager;
}

void manager_close(struct manager *manager)
{
    close(manager->fd);
}

const char *manager_take(struct manager *manager)
{
    static char text[1024];
    ssize_t n = recv(manager->fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

bool manager_hears(struct manager *manager, const char *text, int milliseconds)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(milliseconds);
    for (;;) {
        const char *told = manager_take(manager);
        if (strncmp(told, text, strlen(text)) == 0) {
            return true;
        }
        if (clock_ms() > until) {
            return false;
        }
        if (*told == '\0') {
            sleep_ms(2);
        }
    }
}

bool manager_has_heard(struct manager *manager, const char *text)
{
    bool has = false;
    for (const char *told = manager_take(manager); *told != '\0'; told = manager_take(manager)) {
        has |= strncmp(told, text, strlen(text)) == 0;
    }
    return has;
}

void manager_forget(struct manager *manager)
{
    (void)manager_has_heard(manager, "");
}
