/* A client's life:
 *
 * - made with options that are checked, copied, and completed with defaults
 * - its connections meet a store and its runs, and keep metadata in it
 * - freed by its user, with its connections; what is kept is then in the daemon's hands alone
 *
 * Ways to fail: options that break a rule of cairn.h, and no memory; nothing is made then. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "client/connection/claim.h"
#include "client/connection/connection.h"
#include "client/message/check.h"

static_assert(sizeof((struct cairn_client_counters *)0)->store_id == STORE_ID_BYTES, "a store id fits");

#define TEXT_OF(number)                   #number
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

/* Why the last cairn_client_new() of this thread failed: there is no client that could keep it. */
static _Thread_local const char *new_failure = "";

const char *cairn_version(void)
{
    return VERSION_TEXT(CAIRN_VERSION_MAJOR, CAIRN_VERSION_MINOR, CAIRN_VERSION_PATCH);
}

int cairn_version_number(void)
{
    return CAIRN_VERSION_NUMBER;
}

/* Which rule of cairn.h the options break; NULL: none. */
static const char *options_fault(const struct cairn_client_options *options)
{
    const struct sockaddr_un address;
    if (options == NULL) {
        return "no options given";
    }
    if (options->socket_path == NULL || options->socket_path[0] == '\0') {
        return "socket_path: no path given";
    }
    if (strlen(options->socket_path) >= sizeof address.sun_path) {
        return "socket_path: longer than the 107 bytes that a socket's path may have";
    }
    if (options->name != NULL && strlen(options->name) > CLIENT_NAME_BYTES_MAX) {
        return "name: longer than 64 bytes";
    }
    if (!RESERVED_IS_ZERO(options)) {
        return "`reserved` is not zero: zero the options before fields are set";
    }
    return NULL;
}

/* Makes a client with copies of the strings, and without defaults. NULL: no memory. */
static struct cairn_client *client_make(const struct cairn_client_options *options)
{
    struct cairn_client *client = calloc(1, sizeof *client);
    char *path = strdup(options->socket_path);
    char *name = strdup(options->name != NULL ? options->name : "");
    struct fork_mark *mark = fork_mark_new();
    if (client == NULL || path == NULL || name == NULL || mark == NULL) {
        free(client);
        free(path);
        free(name);
        fork_mark_free(mark);
        return NULL;
    }
    client->options = *options;
    client->options.socket_path = path;
    client->options.name = name;
    client->fork_mark = mark;
    return client;
}

enum cairn_status cairn_client_new(const struct cairn_client_options *options,
                                   struct cairn_client **ret_client)
{
    const char *fault = options_fault(options);
    if (fault != NULL) {
        new_failure = fault;
        return CAIRN_USAGE;
    }
    struct cairn_client *client = client_make(options);
    if (client == NULL) {
        new_failure = "no memory here for a client";
        return CAIRN_NO_MEMORY;
    }
    if (options->timeout_us == 0) {
        client->options.timeout_us = TIMEOUT_US_DEFAULT;
    }
    if (options->in_flight_max == 0) {
        client->options.in_flight_max = IN_FLIGHT_DEFAULT;
    }
    if (options->in_flight_bytes_max == 0) {
        client->options.in_flight_bytes_max = IN_FLIGHT_BYTES_DEFAULT;
    }
    if (options->kept_bytes_max == 0) {
        client->options.kept_bytes_max = KEPT_BYTES_DEFAULT;
    }
    /* else no request lives or fits */
    assert(client->options.timeout_us > 0 && client->options.in_flight_max > 0);
    *ret_client = client;
    return CAIRN_OK;
}

const char *cairn_client_error(const struct cairn_client *client)
{
    return client != NULL ? client->failure.text : new_failure;
}

void cairn_client_free(struct cairn_client *client)
{
    if (client == NULL || client->in_callback > 0) {
        return;
    }
    while (client->connections != NULL) {
        connection_end(client->connections);
    }
    assert(client->resends == 0 && client->again == 0); /* no request is left that points at kept metadata */
    keep_clear(&client->kept);
    claim_clear(client);
    free((char *)(uintptr_t)client->options.socket_path);
    free((char *)(uintptr_t)client->options.name);
    fork_mark_free(client->fork_mark);
    free(client);
}

void cairn_client_get_counters(const struct cairn_client *client, struct cairn_client_counters *ret_counters)
{
    assert(client->kept.unsettled_operations <= client->kept.operations); /* what is lost is kept */
    *ret_counters = (struct cairn_client_counters){
        .kept_operations = client->kept.operations,
        .kept_bytes = client->kept.bytes,
        .lost_operations = client->kept.unsettled_operations,
        .resent_operations = client->resent_operations,
        .dropped_operations = client->dropped_operations,
        .written_through = client->written_through,
        .durable_through = client->durable_through,
        .run = client->run,
    };
    memcpy(ret_counters->store_id, client->store_id, STORE_ID_BYTES);
}

enum cairn_status cairn_client_forget(struct cairn_client *client)
{
    if (client->in_callback > 0) {
        return failure_set(&client->failure, CAIRN_USAGE, "forget: from a callback");
    }
    if (!fork_mark_is_ours(client->fork_mark)) {
        return failure_set(&client->failure, CAIRN_USAGE, "forget: %s", FORKED_TEXT);
    }
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        if (!connection_state_is_lost(each->state)) {
            return failure_set(&client->failure, CAIRN_USAGE,
                               "forget: a connection of the client is not lost: free it first");
        }
    }
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        connection_give_up(each);
    }
    assert(client->resends == 0 && client->again == 0); /* no request is left that points at kept metadata */
    claim_clear(client);
    client->dropped_operations += client->kept.operations;
    keep_clear(&client->kept);
    client->store_known = false;
    memset(client->store_id, 0, STORE_ID_BYTES);
    client->store_changed = false;
    client->run = client->run_random = client->written_through = client->durable_through = 0;
    client->resend_next_us = 0;
    return CAIRN_OK;
}
