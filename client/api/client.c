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

#include "client/connection/connection.h"

#ifndef CAIRN_VERSION
#define CAIRN_VERSION "0.1.0"
#endif

static_assert(sizeof((struct cairn_client_counters *)0)->store_id == STORE_ID_BYTES, "a store id fits");

const char *cairn_version(void)
{
    return CAIRN_VERSION;
}

enum cairn_status cairn_client_new(const struct cairn_client_options *options,
                                   struct cairn_client **ret_client)
{
    const struct sockaddr_un address;
    if (options == NULL || options->socket_path == NULL || options->socket_path[0] == '\0' ||
        strlen(options->socket_path) >= sizeof address.sun_path ||
        (options->name != NULL && strlen(options->name) > CLIENT_NAME_BYTES_MAX)) {
        return CAIRN_USAGE;
    }
    struct cairn_client *client = calloc(1, sizeof *client);
    char *path = strdup(options->socket_path);
    char *name = strdup(options->name != NULL ? options->name : "");
    if (client == NULL || path == NULL || name == NULL) {
        free(client);
        free(path);
        free(name);
        return CAIRN_NO_MEMORY;
    }
    client->options = *options;
    client->options.socket_path = path;
    client->options.name = name;
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
    assert(client->options.timeout_us > 0 &&
           client->options.in_flight_max > 0); /* else no request lives or fits */
    *ret_client = client;
    return CAIRN_OK;
}

void cairn_client_free(struct cairn_client *client)
{
    if (client == NULL || client->in_callback > 0) {
        return;
    }
    while (client->connections != NULL) {
        connection_end(client->connections);
    }
    assert(client->resends == 0); /* no request is left that points at kept metadata */
    keep_clear(&client->kept);
    free((char *)(uintptr_t)client->options.socket_path);
    free((char *)(uintptr_t)client->options.name);
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
        return CAIRN_USAGE;
    }
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        if (!connection_state_is_lost(each->state)) {
            return CAIRN_USAGE;
        }
    }
    assert(client->resends == 0); /* no request is left that points at kept metadata */
    client->dropped_operations += client->kept.operations;
    keep_clear(&client->kept);
    client->store_known = false;
    memset(client->store_id, 0, STORE_ID_BYTES);
    client->store_changed = false;
    client->run = client->run_random = client->written_through = client->durable_through = 0;
    client->resend_next_us = 0;
    return CAIRN_OK;
}
