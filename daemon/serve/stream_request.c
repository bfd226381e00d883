/* Requests that are answered by a stream, and those about an open one. */
#include "daemon/serve/decode.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "daemon/serve/stream.h"
#include "proto/cairn.pb-c.h"

static uint64_t first_window(bool has_window, uint64_t window_bytes)
{
    return has_window ? window_bytes : WINDOW_BYTES_DEFAULT;
}

/* ---- blocks ---- */

static struct source *make_blocks(const struct stream_kind *kind, const struct fetch *fetch,
                                  struct pending *pending)
{
    (void)pending;
    return source_of_blocks(fetch, &kind->blocks);
}

/* False: the request was refused. */
static bool judge_blocks(struct request *request, const Cairn__ReadBlocks *message)
{
    bool is_list = message->n_heights > 0;
    bool is_range =
        message->has_first && message->has_last && message->first >= 1 && message->first <= message->last;
    if (is_list == (message->has_first || message->has_last) || (!is_list && !is_range)) {
        request_refuse(request, STATUS_INVALID,
                       "a read of blocks names either heights, or first and last with 1 <= first <= last");
        return false;
    }
    if (message->n_heights > READ_ITEMS_MAX) {
        request_refuse(request, STATUS_TOO_LARGE, "a read of %zu heights: at most %d, or name a range",
                       message->n_heights, READ_ITEMS_MAX);
        return false;
    }
    for (size_t i = 0; i < message->n_heights; i++) {
        if (message->heights[i] == 0) {
            request_refuse(request, STATUS_INVALID, "a read of block 0: heights are from 1");
            return false;
        }
    }
    if (message->has_parts && !fetch_parts_are_valid(message->parts)) {
        request_refuse(request, STATUS_INVALID, "parts = %u names a part that no block has", message->parts);
        return false;
    }
    return true;
}

enum request_progress stream_blocks(struct request *request)
{
    const Cairn__ReadBlocks *message = (const Cairn__ReadBlocks *)request->message;
    if (!judge_blocks(request, message)) {
        return REQUEST_TAKEN;
    }
    struct stream_kind kind = {
        .chain = request_chain(request, message->has_chain, message->chain),
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
    if (kind.chain != NULL) {
        stream_start(request, &kind, first_window(message->has_window_bytes, message->window_bytes));
    }
    return REQUEST_TAKEN;
}

/* ---- metadata ---- */

static struct source *make_names(const struct stream_kind *kind, const struct fetch *fetch,
                                 struct pending *pending)
{
    return source_of_names(fetch, pending, kind->names, kind->name_count);
}

/* The names asked for; NULL once the request was refused. */
static const struct slice *take_names(struct request *request, const Cairn__GetMetadataMany *message)
{
    if (message->n_names > READ_ITEMS_MAX) {
        request_refuse(request, STATUS_TOO_LARGE, "a read of %zu names: at most %d", message->n_names,
                       READ_ITEMS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < message->n_names; i++) {
        if (!decode_name(request, message->names[i])) {
            return NULL;
        }
    }
    struct slice *names = request_memory(request, (message->n_names + 1) * sizeof names[0]);
    for (size_t i = 0; names != NULL && i < message->n_names; i++) {
        names[i] = request_slice(message->names[i]);
    }
    return names;
}

enum request_progress stream_metadata(struct request *request)
{
    const Cairn__GetMetadataMany *message = (const Cairn__GetMetadataMany *)request->message;
    struct stream_kind kind = {.make_source = make_names, .name_count = message->n_names};
    kind.chain = request_chain(request, message->has_chain, message->chain);
    if (kind.chain == NULL) {
        return REQUEST_TAKEN;
    }
    kind.names = take_names(request, message);
    if (kind.names != NULL) {
        stream_start(request, &kind, first_window(message->has_window_bytes, message->window_bytes));
    }
    return REQUEST_TAKEN;
}

static struct source *make_list(const struct stream_kind *kind, const struct fetch *fetch,
                                struct pending *pending)
{
    return source_of_list(fetch, pending, &kind->list);
}

enum request_progress stream_list(struct request *request)
{
    const Cairn__ListMetadata *message = (const Cairn__ListMetadata *)request->message;
    if (message->prefix.len > METADATA_NAME_BYTES_MAX || message->start.len > METADATA_NAME_BYTES_MAX) {
        request_refuse(request, STATUS_TOO_LARGE,
                       "a prefix of %zu bytes, a start of %zu: names have at most %d", message->prefix.len,
                       message->start.len, METADATA_NAME_BYTES_MAX);
        return REQUEST_TAKEN;
    }
    struct stream_kind kind = {
        .chain = request_chain(request, message->has_chain, message->chain),
        .make_source = make_list,
        .list =
            {
                .prefix = request_slice(message->prefix),
                .start = request_slice(message->start),
                .limit = message->has_limit ? message->limit : 0,
            },
    };
    if (kind.chain != NULL) {
        stream_start(request, &kind, first_window(message->has_window_bytes, message->window_bytes));
    }
    return REQUEST_TAKEN;
}

/* ---- about an open stream ---- */

enum request_progress stream_credit(struct request *request)
{
    const Cairn__Credit *message = (const Cairn__Credit *)request->message;
    stream_add_credit(request->session, request->id, message->bytes);
    request_end(request);
    return REQUEST_TAKEN;
}

enum request_progress stream_cancel(struct request *request)
{
    stream_end(request->session, request->id);
    request_end(request);
    return REQUEST_TAKEN;
}
