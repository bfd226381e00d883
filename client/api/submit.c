/* The submits of cairn.h: each makes the request's frame, describes the answer that it expects, and adds the request. Whatever
 * fails, nothing is added, and the connection's failure says why. */
#include <assert.h>

#include "client/connection/claim.h"
#include "client/connection/release.h"
#include "client/connection/request.h"
#include "client/message/check.h"
#include "client/message/encode.h"

/* What every submit checks first. */
static enum cairn_status submit_begin(struct cairn_connection *connection, const void *request)
{
    const struct cairn_client_options *options = &connection->client->options;
    if (request == NULL) {
        return failure_set(&connection->failure, CAIRN_USAGE, "no request given");
    }
    if (!fork_mark_is_ours(connection->client->fork_mark)) {
        return failure_set(&connection->failure, CAIRN_USAGE, "%s", FORKED_TEXT);
    }
    /* an idle connection takes any request */
    assert(connection->in_flight > 0 || connection->in_flight_bytes == 0);
    if (connection->state == CONNECTION_SUPERSEDED) {
        return failure_set(&connection->failure, CAIRN_NOT_SENT,
                           "the daemon has been started again: reconnect");
    }
    if (connection_state_is_lost(connection->state)) {
        return CAIRN_NOT_SENT; /* the failure still says why it is lost */
    }
    if (connection->in_flight + connection->abandoned >= options->in_flight_max ||
        (connection->in_flight > 0 && connection->in_flight_bytes >= options->in_flight_bytes_max)) {
        return failure_set(&connection->failure, CAIRN_FULL,
                           "%zu requests of %zu bytes are in flight: process the connection first",
                           connection->in_flight, connection->in_flight_bytes);
    }
    return CAIRN_OK;
}

/* Says why a request cannot be encoded. */
static enum cairn_status submit_refuse(struct cairn_connection *connection, const struct request *model,
                                       enum cairn_status status, const char *why)
{
    return failure_set(&connection->failure, status, "%s: %s", frame_type_text(model->type), why);
}

/* Adds the request that was encoded with `status`, unless it is too large or too much is in flight. */
static enum cairn_status submit_end(struct cairn_connection *connection, enum cairn_status status,
                                    struct request *model, struct encoded *encoded, uint64_t timeout_us)
{
    const struct cairn_client_options *options = &connection->client->options;
    if (status == CAIRN_TOO_LARGE) {
        return failure_set(&connection->failure, status, "%s: longer than any frame may be: split it",
                           frame_type_text(model->type));
    }
    if (status == CAIRN_FULL) {
        return failure_set(
            &connection->failure, status,
            "%llu bytes of accepted metadata are not known to be written: submit a barrier at level "
            "written and await it",
            (unsigned long long)connection->client->kept.bytes);
    }
    if (status == CAIRN_CONFLICT) {
        return failure_set(&connection->failure, status, "%s: this client's claim of the chain has ended: %s",
                           frame_type_text(model->type), model->claim->why);
    }
    if (status != CAIRN_OK) {
        return failure_set(&connection->failure, status, "%s: no memory here", frame_type_text(model->type));
    }
    size_t body_bytes = encoded->frame->bytes - FRAME_REQUEST_BYTES;
    if (connection->state == CONNECTION_READY) { /* else it is asked once the hello is answered */
        status = request_fits(connection, model, body_bytes, &connection->failure);
    }
    if (status == CAIRN_OK && connection->in_flight > 0 &&
        connection->in_flight_bytes + encoded->frame->bytes > options->in_flight_bytes_max) {
        status =
            failure_set(&connection->failure, CAIRN_FULL,
                        "%zu bytes are in flight: process the connection first", connection->in_flight_bytes);
    }
    if (status != CAIRN_OK) {
        frame_out_free(encoded->frame);
        return status;
    }
    assert(timeout_us > 0 && encoded->body_bytes <= body_bytes);
    model->timeout_us = timeout_us;
    model->body_bytes = encoded->body_bytes;
    if (!request_add(connection, model, encoded->frame)) {
        return failure_set(&connection->failure, CAIRN_NO_MEMORY, "no memory here");
    }
    return CAIRN_OK;
}

/* The request's timeout, or the client's default. */
static uint64_t timeout(const struct cairn_connection *connection, uint64_t timeout_us)
{
    assert(connection->client->options.timeout_us > 0); /* 0 would end the request at once */
    return timeout_us != 0 ? timeout_us : connection->client->options.timeout_us;
}

#define SUBMIT(name, request_type, encode, ...)                                                              \
    enum cairn_status cairn_submit_##name(struct cairn_connection *connection,                               \
                                          const struct request_type *request, cairn_completion completion,   \
                                          void *context)                                                     \
    {                                                                                                        \
        struct encoded encoded;                                                                              \
        const char *why;                                                                                     \
        enum cairn_status status = submit_begin(connection, request);                                        \
        if (status != CAIRN_OK) {                                                                            \
            return status;                                                                                   \
        }                                                                                                    \
        uint64_t timeout_us = timeout(connection, request->timeout_us);                                      \
        struct request model = {.completion = completion, .context = context, __VA_ARGS__};                  \
        status = check_##name(request, &why);                                                                \
        if (status != CAIRN_OK) {                                                                            \
            return submit_refuse(connection, &model, status, why);                                           \
        }                                                                                                    \
        return submit_end(connection, encode, &model, &encoded, timeout_us);                                 \
    }

#define SUBMIT_STREAM(name, request_type, item_type, encode, ...)                                            \
    enum cairn_status cairn_submit_##name(struct cairn_connection *connection,                               \
                                          const struct request_type *request, item_type item,                \
                                          cairn_completion completion, void *context)                        \
    {                                                                                                        \
        struct encoded encoded;                                                                              \
        const char *why;                                                                                     \
        enum cairn_status status = submit_begin(connection, request);                                        \
        if (status != CAIRN_OK) {                                                                            \
            return status;                                                                                   \
        }                                                                                                    \
        uint64_t timeout_us = timeout(connection, request->timeout_us);                                      \
        uint64_t window = request->window_bytes != 0 ? request->window_bytes : WINDOW_BYTES_DEFAULT;         \
        struct request model = {.completion = completion,                                                    \
                                .context = context,                                                          \
                                .window = window,                                                            \
                                .window_left = window,                                                       \
                                __VA_ARGS__};                                                                \
        status = check_##name(request, &why);                                                                \
        if (status != CAIRN_OK) {                                                                            \
            return submit_refuse(connection, &model, status, why);                                           \
        }                                                                                                    \
        return submit_end(connection, encode, &model, &encoded, timeout_us);                                 \
    }

/* The level that the answer reaches at least: the daemon raises accepted to written. */
static enum cairn_level commit_level(enum cairn_level level)
{
    if (level == CAIRN_LEVEL_DEFAULT) {
        return CAIRN_DURABLE;
    }
    return level == CAIRN_ACCEPTED ? CAIRN_WRITTEN : level;
}

/* How many items the answer has at most. */
static uint64_t blocks_max(const struct cairn_read_blocks_request *request)
{
    if (request->height_count > 0) {
        return request->height_count;
    }
    if (request->last < request->first) {
        return 0;
    }
    uint64_t span = request->last - request->first;
    return span == UINT64_MAX ? span : span + 1;
}

SUBMIT(ping, cairn_ping_request, encode_empty(FRAME_PING, &encoded), .kind = CAIRN_PING, .type = FRAME_PING)

SUBMIT(status_page, cairn_status_page_request, encode_empty(FRAME_STATUS, &encoded),
       .kind = CAIRN_STATUS_PAGE, .type = FRAME_STATUS)

SUBMIT(chains, cairn_chains_request, encode_empty(FRAME_CHAINS, &encoded), .kind = CAIRN_CHAINS,
       .type = FRAME_CHAINS)

SUBMIT(create_chain, cairn_create_chain_request, encode_create_chain(request, &encoded),
       .kind = CAIRN_CREATE_CHAIN, .type = FRAME_CREATE_CHAIN, .ordered = true)

/* Notes the client's claim of the chain that is written to. CAIRN_CONFLICT: it has ended. */
static enum cairn_status under_claim(const struct cairn_connection *connection, struct cairn_slice chain,
                                     struct request *model)
{
    model->claim = claim_of(connection->client, chain);
    return model->claim != NULL && model->claim->state == CLAIM_ENDED ? CAIRN_CONFLICT : CAIRN_OK;
}

/* The same of a commit, prune or rollback, which is numbered. */
static enum cairn_status numbered(struct cairn_connection *connection, struct cairn_slice chain,
                                  struct request *model)
{
    enum cairn_status status = under_claim(connection, chain, model);
    if (status == CAIRN_OK && model->claim != NULL) {
        model->numbered = model->survives = claim_numbers(connection, model->claim);
    }
    return status;
}

static enum cairn_status drop_begin(const struct cairn_connection *connection,
                                    const struct cairn_drop_chain_request *request, struct request *model,
                                    struct encoded *ret_encoded)
{
    enum cairn_status status = under_claim(connection, request->chain, model);
    return status == CAIRN_OK ? encode_drop_chain(request, ret_encoded) : status;
}

static enum cairn_status claim_begin(struct cairn_connection *connection,
                                     const struct cairn_claim_request *request, uint64_t timeout_us,
                                     struct request *model, struct encoded *ret_encoded)
{
    model->claim = claim_prepare(connection->client, request->chain);
    return model->claim != NULL ? encode_claim(request, timeout_us, ret_encoded) : CAIRN_NO_MEMORY;
}

static enum cairn_status release_begin(const struct cairn_connection *connection,
                                       const struct cairn_release_request *request, struct request *model,
                                       struct encoded *ret_encoded)
{
    model->claim = claim_of(connection->client, request->chain);
    return encode_release(request, ret_encoded);
}

SUBMIT(drop_chain, cairn_drop_chain_request, drop_begin(connection, request, &model, &encoded),
       .kind = CAIRN_DROP_CHAIN, .type = FRAME_DROP_CHAIN, .ordered = true, .carries = true,
       .expected = {.level = CAIRN_DURABLE})

SUBMIT(drain, cairn_drain_request, encode_empty(FRAME_DRAIN, &encoded), .kind = CAIRN_DRAIN,
       .type = FRAME_DRAIN, .ordered = true)

SUBMIT(claim, cairn_claim_request, claim_begin(connection, request, timeout_us, &model, &encoded),
       .kind = CAIRN_CLAIM, .type = FRAME_CLAIM, .ordered = true, .carries = true, .features = FEATURE_CLAIMS,
       .expected = {.level = CAIRN_DURABLE})

SUBMIT(release, cairn_release_request, release_begin(connection, request, &model, &encoded),
       .kind = CAIRN_RELEASE, .type = FRAME_RELEASE, .ordered = true, .carries = true,
       .features = FEATURE_CLAIMS, .expected = {.level = CAIRN_DURABLE})

SUBMIT(read_usage, cairn_read_usage_request, encode_usage(request, &encoded), .kind = CAIRN_READ_USAGE,
       .type = FRAME_USAGE)

SUBMIT(read_height, cairn_read_height_request, encode_height(request, &encoded), .kind = CAIRN_READ_HEIGHT,
       .type = FRAME_HEIGHT)

SUBMIT(read_block, cairn_read_block_request, encode_block(request, &encoded), .kind = CAIRN_READ_BLOCK,
       .type = FRAME_READ_BLOCK, .expected.parts = request->parts)

SUBMIT_STREAM(read_blocks, cairn_read_blocks_request, cairn_block_item, encode_blocks(request, &encoded),
              .kind = CAIRN_READ_BLOCKS, .type = FRAME_READ_BLOCKS, .block_item = item,
              .expected = {.parts = request->parts,
                           .in_range = request->height_count == 0,
                           .first = request->first,
                           .last = request->last,
                           .exact = request->height_count > 0,
                           .items_max = blocks_max(request)})

SUBMIT(read_state, cairn_read_state_request, encode_state(request, &encoded), .kind = CAIRN_READ_STATE,
       .type = FRAME_READ_STATE)

SUBMIT(get, cairn_get_request, encode_get(request, &encoded), .kind = CAIRN_GET, .type = FRAME_GET_METADATA,
       .features = request->parts != 0 ? FEATURE_LISTS : 0, .expected.parts = request->parts)

SUBMIT_STREAM(get_many, cairn_get_many_request, cairn_metadata_item, encode_get_many(request, &encoded),
              .kind = CAIRN_GET_MANY, .type = FRAME_GET_METADATA_MANY, .metadata_item = item,
              .features = request->parts != 0 ? FEATURE_LISTS : 0,
              .expected = {.parts = request->parts, .exact = true, .items_max = request->name_count})

/* What a list asks for that an earlier daemon would leave out. */
static uint64_t list_features(const struct cairn_list_request *request)
{
    return request->end.bytes > 0 || request->reverse || request->parts != 0 ? FEATURE_LISTS : 0;
}

SUBMIT_STREAM(list, cairn_list_request, cairn_metadata_item, encode_list(request, &encoded),
              .kind = CAIRN_LIST, .type = FRAME_LIST_METADATA, .metadata_item = item,
              .features = list_features(request),
              .expected = {.parts = request->parts,
                           .items_max = request->limit != 0 ? request->limit : UINT64_MAX})

/* Encodes a commit, and notes what its deletes and its chain's claim mean for the request. */
static enum cairn_status commit_begin(struct cairn_connection *connection,
                                      const struct cairn_commit_request *request, uint64_t timeout_us,
                                      struct request *model, struct encoded *ret_encoded)
{
    bool range = false;
    for (size_t i = 0; i < request->metadata_count; i++) {
        range |= request->metadata[i].kind == CAIRN_DELETE_RANGE;
    }
    model->carries = request->carry || range;
    model->features = range || request->delete_block_count > 0 ? FEATURE_DELETES : 0;
    model->operations = request->metadata_count;
    enum cairn_status status = numbered(connection, request->chain, model);
    return status == CAIRN_OK ? encode_commit(request, timeout_us, ret_encoded) : status;
}

static enum cairn_status prune_begin(struct cairn_connection *connection,
                                     const struct cairn_prune_request *request, uint64_t timeout_us,
                                     struct request *model, struct encoded *ret_encoded)
{
    enum cairn_status status = request->dry_run ? CAIRN_OK : numbered(connection, request->chain, model);
    return status == CAIRN_OK ? encode_prune(request, timeout_us, ret_encoded) : status;
}

static enum cairn_status rollback_begin(struct cairn_connection *connection,
                                        const struct cairn_rollback_request *request, uint64_t timeout_us,
                                        struct request *model, struct encoded *ret_encoded)
{
    enum cairn_status status = request->dry_run ? CAIRN_OK : numbered(connection, request->chain, model);
    return status == CAIRN_OK ? encode_rollback(request, timeout_us, ret_encoded) : status;
}

SUBMIT(commit, cairn_commit_request, commit_begin(connection, request, timeout_us, &model, &encoded),
       .kind = CAIRN_COMMIT, .type = FRAME_COMMIT, .ordered = true,
       .expected = {.level = commit_level(request->level)})

SUBMIT(prune, cairn_prune_request, prune_begin(connection, request, timeout_us, &model, &encoded),
       .kind = CAIRN_PRUNE, .type = FRAME_PRUNE, .ordered = true, .carries = !request->dry_run,
       .features = request->dry_run ? FEATURE_PRUNE_DRY_RUN : 0,
       .expected = {.level = commit_level(request->level), .dry_run = request->dry_run})

SUBMIT(rollback, cairn_rollback_request, rollback_begin(connection, request, timeout_us, &model, &encoded),
       .kind = CAIRN_ROLLBACK, .type = FRAME_ROLLBACK, .ordered = true, .carries = !request->dry_run,
       .expected = {.level = commit_level(request->level), .dry_run = request->dry_run})

SUBMIT(barrier, cairn_barrier_request, encode_barrier(request, &encoded), .kind = CAIRN_BARRIER,
       .type = FRAME_BARRIER, .ordered = true, .carries = request->level != CAIRN_ACCEPTED)

/* The level that the answer reaches at least. */
static enum cairn_level metadata_level(enum cairn_level level)
{
    return level == CAIRN_LEVEL_DEFAULT ? CAIRN_ACCEPTED : level;
}

/* Encodes a metadata write, unless too much is kept already. */
static enum cairn_status kept_begin(struct cairn_connection *connection,
                                    const struct cairn_write_metadata_request *request, uint64_t timeout_us,
                                    struct request *model, struct encoded *ret_encoded)
{
    const struct cairn_client *client = connection->client;
    enum cairn_status status = under_claim(connection, request->chain, model);
    if (status != CAIRN_OK) {
        return status;
    }
    model->survives = model->claim != NULL && metadata_level(request->level) == CAIRN_ACCEPTED;
    assert(client->options.kept_bytes_max > 0); /* else no write would ever be taken */
    if (client->kept.bytes >= client->options.kept_bytes_max) {
        return CAIRN_FULL;
    }
    return encode_write_metadata(request, timeout_us, ret_encoded);
}

SUBMIT(write_metadata, cairn_write_metadata_request,
       kept_begin(connection, request, timeout_us, &model, &encoded), .kind = CAIRN_WRITE_METADATA,
       .type = FRAME_WRITE_METADATA, .ordered = true, .operations = request->operation_count,
       .expected = {.level = metadata_level(request->level)})
