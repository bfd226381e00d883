/* Requests that are answered by a stream, and those about an open one.
 *
 * - A request for a stream is validated, takes what it needs of its message into a stream_kind, and becomes a stream
 *   (stream.c), which answers it to its last frame.
 * - Credit and cancel name an open stream by its request's id, and end at once. They have no reply: for a stream that has
 *   ended meanwhile they do nothing, for the two may cross on the way.
 *
 * What is malformed, or names no chain, is refused once, and no stream opens. */
#include <assert.h>

#include "daemon/serve/decode.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "daemon/serve/stream.h"
#include "proto/cairn.pb-c.h"

static uint64_t first_window(bool has_window, uint64_t window_bytes)
{
    return has_window ? window_bytes : WINDOW_BYTES_DEFAULT;
}

/* Starts the stream, or refuses the request: if the message is not good, *failure says why. */
static enum request_progress start(struct request *request, const struct stream_kind *kind, bool is_good,
                                   uint64_t window_bytes, struct failure *failure)
{
    assert(kind->make_source != NULL);
    if (!is_good || request_chain(request, kind->has_chain, kind->chain, failure) == NULL) {
        request_refuse_for(request, failure);
    } else {
        stream_start(request, kind, window_bytes);
    }
    return REQUEST_TAKEN;
}

/* ---- blocks ---- */

static struct source *make_blocks(const struct stream_kind *kind, const struct fetch *fetch,
                                  struct pending *pending)
{
    (void)pending; /* blocks are never queued */

    assert(kind->blocks.heights != NULL || kind->blocks.first >= 1); /* a list or a range, as validated */
    return source_of_blocks(fetch, &kind->blocks);
}

/* Whether the message names blocks, one way only; if not, *failure says why. */
static enum status validate_blocks(const Cairn__ReadBlocks *message, struct failure *failure)
{
    bool is_list = message->n_heights > 0;
    bool is_range =
        message->has_first && message->has_last && message->first >= 1 && message->first <= message->last;
    assert(!is_list || message->heights != NULL); /* as unpacking made it */
    if (is_list == (message->has_first || message->has_last) || (!is_list && !is_range)) {
        return failure_set(
            failure, STATUS_INVALID,
            "a read of blocks names either heights, or first and last with 1 <= first <= last");
    }
    if (message->n_heights > READ_ITEMS_MAX) {
        return failure_set(failure, STATUS_TOO_LARGE, "a read of %zu heights: at most %d, or name a range",
                           message->n_heights, READ_ITEMS_MAX);
    }
    for (size_t i = 0; i < message->n_heights; i++) {
        if (message->heights[i] == 0) {
            return failure_set(failure, STATUS_INVALID, "a read of block 0: heights are from 1");
        }
    }
    if (message->has_parts && !fetch_parts_are_valid(message->parts)) {
        return failure_set(failure, STATUS_INVALID, "parts = %u names a part that no block has",
                           message->parts);
    }
    return STATUS_OK;
}

enum request_progress stream_blocks(struct request *request)
{
    const Cairn__ReadBlocks *message = (const Cairn__ReadBlocks *)request->message;
    struct failure failure;
    assert(message->base.descriptor == &cairn__read_blocks__descriptor);
    bool is_good = validate_blocks(message, &failure) == STATUS_OK;
    struct stream_kind kind = {
        .has_chain = message->has_chain,
        .chain = message->chain,
        .make_source = make_blocks,
        .blocks =
            {
                .heights = message->n_heights > 0 ? message->heights : NULL,
                .height_count = message->n_heights,
                .first = message->first,
                .last = message->last,
                .parts = message->has_parts ? message->parts : 0,
            },
    };
    return start(request, &kind, is_good, first_window(message->has_window_bytes, message->window_bytes),
                 &failure);
}

/* ---- metadata ---- */

static struct source *make_names(const struct stream_kind *kind, const struct fetch *fetch,
                                 struct pending *pending)
{
    assert(kind->names != NULL);
    return source_of_names(fetch, pending, kind->names, kind->name_count, kind->name_parts);
}

/* The names asked for, in the arena. NULL: *failure says why. */
static const struct slice *take_names(struct request *request, const Cairn__GetMetadataMany *message,
                                      struct failure *failure)
{
    if (message->n_names > READ_ITEMS_MAX) {
        failure_set(failure, STATUS_TOO_LARGE, "a read of %zu names: at most %d", message->n_names,
                    READ_ITEMS_MAX);
        return NULL;
    }
    assert(message->n_names == 0 || message->names != NULL);
    for (size_t i = 0; i < message->n_names; i++) {
        if (decode_name(message->names[i], failure) != STATUS_OK) {
            return NULL;
        }
    }
    struct slice *names = request_memory(request, (message->n_names + 1) * sizeof names[0], failure);
    for (size_t i = 0; names != NULL && i < message->n_names; i++) {
        names[i] = request_slice(message->names[i]);
    }
    return names;
}

enum request_progress stream_metadata(struct request *request)
{
    const Cairn__GetMetadataMany *message = (const Cairn__GetMetadataMany *)request->message;
    struct failure failure;
    assert(message->base.descriptor == &cairn__get_metadata_many__descriptor);
    struct stream_kind kind = {
        .has_chain = message->has_chain,
        .chain = message->chain,
        .make_source = make_names,
        .names = take_names(request, message, &failure),
        .name_count = message->n_names,
    };
    bool is_good = kind.names != NULL &&
                   decode_parts(message->has_parts, message->parts, &kind.name_parts, &failure) == STATUS_OK;
    return start(request, &kind, is_good, first_window(message->has_window_bytes, message->window_bytes),
                 &failure);
}

static struct source *make_list(const struct stream_kind *kind, const struct fetch *fetch,
                                struct pending *pending)
{
    assert(kind->list.prefix.bytes <= METADATA_NAME_BYTES_MAX); /* its keys are of bounded length */
    return source_of_list(fetch, pending, &kind->list);
}

enum request_progress stream_list(struct request *request)
{
    const Cairn__ListMetadata *message = (const Cairn__ListMetadata *)request->message;
    assert(message->base.descriptor == &cairn__list_metadata__descriptor);
    struct failure failure;
    struct stream_kind kind = {
        .has_chain = message->has_chain,
        .chain = message->chain,
        .make_source = make_list,
        .list =
            {
                .prefix = request_slice(message->prefix),
                .start = request_slice(message->start),
                .has_end = message->has_end,
                .end = request_slice(message->end),
                .is_reverse = message->has_reverse && message->reverse,
                .limit = message->has_limit ? message->limit : 0,
            },
    };
    bool is_good = message->prefix.len <= METADATA_NAME_BYTES_MAX &&
                   message->start.len <= METADATA_NAME_BYTES_MAX &&
                   message->end.len <= METADATA_NAME_BYTES_MAX;
    if (!is_good) {
        failure_set(&failure, STATUS_TOO_LARGE,
                    "a prefix of %zu bytes, a start of %zu, an end of %zu: names have at most %d",
                    message->prefix.len, message->start.len, message->end.len, METADATA_NAME_BYTES_MAX);
    } else {
        is_good = decode_parts(message->has_parts, message->parts, &kind.list.parts, &failure) == STATUS_OK;
    }
    return start(request, &kind, is_good, first_window(message->has_window_bytes, message->window_bytes),
                 &failure);
}

/* ---- about an open stream ---- */

enum request_progress stream_credit(struct request *request)
{
    const Cairn__Credit *message = (const Cairn__Credit *)request->message;
    assert(request_is_about_stream(request)); /* it has no reply of its own */
    stream_add_credit(request->session, request->id, message->bytes);
    request_end(request);
    return REQUEST_TAKEN;
}

enum request_progress stream_cancel(struct request *request)
{
    assert(request_is_about_stream(request));
    stream_end(request->session, request->id);
    request_end(request);
    return REQUEST_TAKEN;
}
