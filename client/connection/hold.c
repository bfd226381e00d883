/* Numbers under a claim are given one after the other, when frames go to the transport. They are given again in two cases:
 *
 * - A write ended before it was sent: those behind it move up.
 * - A write was refused: all that were asked for behind it are refused too (`is_doomed`). The daemon refuses those that it has, since a
 *   number is missing before theirs; those that wait are sent with a number that it refuses. The next write that is asked for gets the
 *   number of the refused one, and the daemon judges it behind all of these.
 *
 * Ways to fail: none. */
#include "client/connection/hold.h"

#include <assert.h>

uint64_t hold_again_stamp(const struct cairn_client *client)
{
    uint64_t lowest = NO_STAMP;
    if (client->again == 0) {
        return lowest;
    }
    for (const struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        if (each->again == 0) {
            continue;
        }
        const struct request *request = each->first;
        while (!request->again) {
            request = request->next; /* the list is in the order of stamps */
            assert(request != NULL);
        }
        lowest = request->stamp < lowest ? request->stamp : lowest;
    }
    return lowest;
}

bool hold_may_go(const struct cairn_connection *connection, const struct request *request)
{
    const struct cairn_client *client = connection->client;
    assert(request->ordered && request->stamp > 0 && request->stamp < NO_STAMP);
    /* a Claim need not wait for what other connections are to send again: granted, it ends what waits under it */
    bool gives_up = request->type == FRAME_CLAIM && connection->again == 0;
    if (request->stamp > keep_unsettled_stamp(&client->kept) ||
        (!gives_up && request->stamp > hold_again_stamp(client))) {
        return false;
    }
    if (request->claim != NULL && request->type != FRAME_CLAIM && connection->present_next != NULL) {
        return false;
    }
    return !request->numbered || (!request->claim->presenting && request->claim->claiming == 0);
}

static void give_number(struct request *request)
{
    struct claim *claim = request->claim;
    assert(request->numbered && claim != NULL && claim->next_number > 0);
    request->number = request->is_doomed ? claim->next_number + 1 : claim->next_number++;
    frame_out_set_number(request->frame, request->type, request->id, request->body_bytes,
                         request->type == FRAME_COMMIT ? FIELD_COMMIT_NUMBER : FIELD_NUMBER, request->number);
}

void hold_queue(struct cairn_connection *connection, struct request *request)
{
    assert(connection->state == CONNECTION_READY && request->frame->sent == 0);
    hold_clear_again(connection, request);
    request->overtaken = 0;
    if (request->numbered) {
        give_number(request);
    }
    if (request->type == FRAME_CLAIM) {
        request->claim->claiming++;
    }
    request_state_move(&request->state, REQUEST_QUEUED);
    frame_queue_push(&connection->transport.out, request->frame);
}

void hold_set_again(struct cairn_connection *connection, struct request *request)
{
    connection->client->again += !request->again;
    connection->again += !request->again;
    request->again = true;
}

void hold_clear_again(struct cairn_connection *connection, struct request *request)
{
    assert(!request->again || (connection->again > 0 && connection->client->again >= connection->again));
    connection->client->again -= request->again;
    connection->again -= request->again;
    request->again = false;
}

void hold_free_number(struct cairn_connection *connection, const struct request *request)
{
    struct claim *claim = request->claim;
    assert(request->numbered && request->number > 0 && claim->connection == connection);
    if (request->is_doomed) {
        return; /* its number was never one that the daemon takes */
    }
    claim->next_number = request->number;
    for (struct request *each = request->next; each != NULL; each = each->next) {
        if (each->numbered && each->claim == claim && each->number > 0 && !each->is_doomed) {
            assert(each->state == REQUEST_QUEUED && each->frame->sent == 0);
            give_number(each);
        }
    }
}

void hold_refuse_behind(struct cairn_connection *connection, const struct request *request)
{
    struct claim *claim = request->claim;
    assert(request->numbered && request->number > 0 && claim->connection == connection);
    if (request->is_doomed) {
        return; /* the number was freed by one before it, and may have been given since */
    }
    claim->next_number = request->number;
    for (struct request *each = request->next; each != NULL; each = each->next) {
        each->is_doomed |= each->numbered && each->claim == claim;
    }
}
