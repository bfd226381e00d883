/* Requests about the connection and the daemon. All are answered at once, from what the loop has in memory. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/engine/engine.h"
#include "daemon/observe/metrics.h"
#include "daemon/order/order_space.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/request.h"
#include "daemon/serve/stream.h"
#include "daemon/version.h"
#include "proto/cairn.pb-c.h"

/* The version to speak, or 0: *failure says why not. */
static uint32_t choose_version(const Cairn__Hello *hello, struct failure *failure)
{
    static_assert(PROTOCOL_VERSION_MIN > 0 && PROTOCOL_VERSION_MIN <= PROTOCOL_VERSION_MAX, "0 says none");
    uint32_t min = hello->has_version_min ? hello->version_min : 1;
    uint32_t max = hello->has_version_max ? hello->version_max : 1;
    if (min > PROTOCOL_VERSION_MAX || max < PROTOCOL_VERSION_MIN || min > max) {
        failure_set(failure, STATUS_UNSUPPORTED,
                    "no common version: the client speaks %u to %u, the daemon %d to %d", min, max,
                    PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MAX);
        return 0;
    }
    uint32_t version = max < PROTOCOL_VERSION_MAX ? max : PROTOCOL_VERSION_MAX;
    assert(version >= min && version >= PROTOCOL_VERSION_MIN); /* both speak it */
    return version;
}

enum {
    /* all that this daemon has */
    FEATURES = FEATURE_PRUNE_DRY_RUN | FEATURE_LISTS | FEATURE_DELETES | FEATURE_CLAIMS
};

static_assert((int)FEATURE_CLAIMS == (int)CAIRN__FEATURE__FEATURE_CLAIMS, "as on the wire");
static_assert((int)FEATURE_PRUNE_DRY_RUN == (int)CAIRN__FEATURE__FEATURE_PRUNE_DRY_RUN, "as on the wire");
static_assert((int)FEATURE_LISTS == (int)CAIRN__FEATURE__FEATURE_LISTS, "likewise");
static_assert((int)FEATURE_DELETES == (int)CAIRN__FEATURE__FEATURE_DELETES, "likewise");

static void reply_hello(struct request *request, const Cairn__Hello *hello, uint32_t version)
{
    const struct service *service = request->service;
    assert(version >= PROTOCOL_VERSION_MIN && version <= PROTOCOL_VERSION_MAX);
    Cairn__HelloReply reply = CAIRN__HELLO_REPLY__INIT;
    reply.has_version = true;
    reply.version = version;
    reply.has_features = true;
    reply.features = hello->features & FEATURES;
    reply.has_daemon_version = true;
    reply.daemon_version = request_binary(CAIRND_VERSION, sizeof CAIRND_VERSION - 1);
    reply.has_store_id = true;
    reply.store_id = request_binary(service->store_id, sizeof service->store_id);
    reply.has_run = true;
    reply.run = order_run(service->order);
    reply.has_run_random = true;
    reply.run_random = order_run_random(service->order);
    if (hello->has_resume_random && hello->has_resume_run && hello->resume_run != 0) {
        reply.store_changed = !order_knows_run(service->order, hello->resume_run, hello->resume_random);
        reply.has_store_changed = reply.store_changed;
    }
    reply.has_metadata_on_disk = true;
    reply.metadata_on_disk =
        order_metadata_on_disk(service->order, hello->has_resume_run ? hello->resume_run : 0);
    reply.has_frame_bytes_max = true;
    reply.frame_bytes_max = service->frame_bytes_max;
    reply.has_value_bytes_max = true;
    reply.value_bytes_max = service->value_bytes_max;
    reply.has_window_bytes_max = true;
    reply.window_bytes_max = WINDOW_BYTES_MAX;
    request_reply(request, STATUS_OK, &reply.base);
}

enum request_progress admin_hello(struct request *request)
{
    const Cairn__Hello *hello = (const Cairn__Hello *)request->message;
    struct failure failure;
    assert(hello->base.descriptor == &cairn__hello__descriptor);
    if (request->session->is_greeted) {
        request_refuse(request, STATUS_INVALID, "hello comes once, as the first frame");
        return REQUEST_TAKEN;
    }
    uint32_t version = choose_version(hello, &failure);
    if (version == 0) {
        request_refuse_for(request, &failure);
        return REQUEST_TAKEN;
    }
    if (hello->client_name.len > CLIENT_NAME_BYTES_MAX) {
        request_refuse(request, STATUS_INVALID, "a client's name of %zu bytes: at most %d",
                       hello->client_name.len, CLIENT_NAME_BYTES_MAX);
        return REQUEST_TAKEN;
    }
    request->session->is_greeted = true;
    /* A client that was in this run before may not know yet of those that were left out since. An older client does not send the run's
     * bits, by which it is told from the run of that number on another copy of the store. */
    const struct order *order = request->service->order;
    bool was_here = hello->has_resume_run && hello->resume_run == order_run(order) &&
                    (!hello->has_resume_random || hello->resume_random == order_run_random(order));
    request->session->left_out_told = was_here ? 0 : order_left_out(order)->raises;
    reply_hello(request, hello, version);
    return REQUEST_TAKEN;
}

enum request_progress admin_ping(struct request *request)
{
    request_reply_empty(request, STATUS_OK);
    return REQUEST_TAKEN;
}

/* ---- status ---- */

struct status_page {
    Cairn__StatusEntry *entries; /* grows */
    size_t count;
    size_t capacity;
    char stalled[16 + HEARTBEAT_TEXT_BYTES]; /* text of an entry */
};

/* An entry without a value, for the caller to fill in before the next is added. The name is borrowed until the page is packed. */
static Cairn__StatusEntry *add_entry(struct status_page *page, const char *name)
{
    if (page->count == page->capacity) {
        page->capacity = page->capacity == 0 ? 128 : 2 * page->capacity;
        page->entries = memory_resize(page->entries, page->capacity * sizeof page->entries[0]);
    }
    assert(page->count < page->capacity);
    Cairn__StatusEntry *entry = &page->entries[page->count++];
    cairn__status_entry__init(entry);
    entry->has_name = true;
    entry->name = request_binary(name, strlen(name));
    return entry;
}

static void add_number(struct status_page *page, const char *name, uint64_t number)
{
    Cairn__StatusEntry *entry = add_entry(page, name);
    entry->value_case = CAIRN__STATUS_ENTRY__VALUE_NUMBER;
    entry->number = number;
}

static void add_text(struct status_page *page, const char *name, const char *text)
{
    Cairn__StatusEntry *entry = add_entry(page, name);
    entry->value_case = CAIRN__STATUS_ENTRY__VALUE_TEXT;
    entry->text = request_binary(text, strlen(text));
}

static void add_metric(void *page, const struct metric *metric, uint64_t value)
{
    add_number(page, metric->name, value);
}

/* Names of the stages' entries: they stay until the page is packed. */
struct stage_names {
    char text[STAGES][4][40];
};

static void add_stages(struct status_page *page, const struct stages *stages, struct stage_names *names)
{
    static const char *const suffixes[] = {"count", "p50_ns", "p99_ns", "max_ns"};
    for (int i = 0; i < STAGES; i++) {
        const struct histogram *histogram = &stages->histograms[i];
        const uint64_t numbers[] = {histogram->count, histogram_percentile_ns(histogram, 500000),
                                    histogram_percentile_ns(histogram, 990000), histogram->max_ns};
        for (int k = 0; k < 4; k++) {
            char *name = names->text[i][k];
            int length = snprintf(name, sizeof names->text[i][k], "stage.%s.%s", stage_text((enum stage)i),
                                  suffixes[k]);
            assert(length > 0 && (size_t)length < sizeof names->text[i][k]); /* not cut: two would be one */
            add_number(page, name, numbers[k]);
        }
    }
}

static void reply_page(struct request *request, const struct status_page *page)
{
    assert(page->count > 0);
    Cairn__StatusReply reply = CAIRN__STATUS_REPLY__INIT;
    Cairn__StatusEntry **pointers = memory_new(page->count * sizeof pointers[0]);
    for (size_t i = 0; i < page->count; i++) {
        pointers[i] = &page->entries[i];
    }
    reply.n_entries = page->count;
    reply.entries = pointers;
    request_reply(request, STATUS_OK, &reply.base);
    free(pointers);
}

/* NULL: there is enough. */
static const char *space_health(const struct order *order)
{
    static const char *const texts[] = {[SPACE_ENOUGH] = NULL,
                                        [SPACE_SOFT] = "no space for metadata",
                                        [SPACE_HARD] = "no space for commits",
                                        [SPACE_NONE] = "no space: the store is open for reading only"};
    enum space_state state = order_space_state(order);
    assert(state < sizeof texts / sizeof texts[0]); /* each state has its row */
    return texts[state];
}

static void add_health(struct status_page *page, const struct service *service)
{
    const struct failure *failure = order_failure(service->order);
    const char *damage = damage_text(order_damage(service->order));
    unsigned stalled = service->heartbeats != NULL ? heartbeats_stalled(service->heartbeats) : 0;
    stalled &= ~(1U << HEARTBEAT_LOOP); /* which answers */
    if (failure != NULL) {
        add_text(page, "health", failure->text);
    } else if (stalled != 0) {
        char stages[HEARTBEAT_TEXT_BYTES];
        int length =
            snprintf(page->stalled, sizeof page->stalled, "stalled: %s", heartbeat_text(stalled, stages));
        assert(length > 0 && (size_t)length < sizeof page->stalled); /* no name of a stage is cut */
        add_text(page, "health", page->stalled);
    } else {
        const char *space = space_health(service->order);
        add_text(page, "health",
                 service->draining ? "stopping"
                 : space != NULL   ? space
                 : damage != NULL  ? damage
                                   : "ok");
    }
}

static void add_daemon(struct status_page *page, const struct service *service, const char *store_id)
{
    add_text(page, "version", CAIRND_VERSION);
    add_text(page, "engine", engine_traits(engine_default())->text);
    add_health(page, service);
    add_text(page, "store_id", store_id);
}

static void measure_order(struct order *order)
{
    const struct order_counters *counters = order_counters(order);
    /* readers of the page rely on that order */
    assert(order_durable_through(order) <= order_written_through(order));
    metrics_set(METRIC_RUN, order_run(order));
    metrics_set(METRIC_CHAINS, chain_count(order_chains(order)));
    metrics_set(METRIC_SEQUENCE_LAST, order_sequence(order));
    metrics_set(METRIC_SEQUENCE_WRITTEN, order_written_through(order));
    metrics_set(METRIC_SEQUENCE_DURABLE, order_durable_through(order));
    metrics_set(METRIC_QUEUE_OPERATIONS, pending_operations(order_pending(order)));
    metrics_set(METRIC_QUEUE_BYTES, pending_bytes(order_pending(order)));
    metrics_set(METRIC_COMMITS, counters->commits);
    metrics_set(METRIC_COMMITS_REFUSED, counters->refused);
    metrics_set(METRIC_COMMITS_REPEATED, counters->repeated);
    metrics_set(METRIC_PRUNES, counters->prunes);
    metrics_set(METRIC_ROLLBACKS, counters->rollbacks);
    metrics_set(METRIC_CHAINS_DROPPED, counters->drops);
    metrics_set(METRIC_SYNCS, counters->syncs);
    metrics_set(METRIC_GROUPS, counters->groups);
    metrics_set(METRIC_METADATA_ACCEPTED, counters->metadata_accepted);
    metrics_set(METRIC_METADATA_WRITTEN, counters->metadata_written);
}

static void measure_damage(const struct damage *damage)
{
    metrics_set(METRIC_DAMAGE_FILES, damage_files(damage));
    metrics_set(METRIC_DAMAGE_READS, damage_count(damage, DAMAGE_READ));
    metrics_set(METRIC_DAMAGE_WRITES, damage_count(damage, DAMAGE_WRITE));
    metrics_set(METRIC_DAMAGE_RAISES, damage_count(damage, DAMAGE_RAISE));
    metrics_set(METRIC_DAMAGE_BACKGROUND, damage_count(damage, DAMAGE_BACKGROUND));
}

/* Sets the numbers that their owners keep for themselves. */
static void measure(const struct service *service)
{
    uint64_t now_us = thread_now_us();
    assert(now_us >= service->started_us); /* one clock, which never goes back */
    measure_order(service->order);
    measure_damage(order_damage(service->order));
    metrics_set(METRIC_UPTIME_US, now_us - service->started_us);
    metrics_set(METRIC_LOG_DROPPED, log_dropped());
    metrics_set(METRIC_QUEUE_OPERATIONS_MAX, service->queue_operations_max);
    metrics_set(METRIC_QUEUE_BYTES_MAX, service->queue_bytes_max);
    metrics_set(METRIC_CONNECTIONS, service->connections);
    metrics_set(METRIC_CONNECTIONS_REFUSED, service->connections_refused);
    metrics_set(METRIC_FRAMES_BAD, service->frames_bad);
    metrics_set(METRIC_STREAMS_OPEN, stream_count(service->streams));
    metrics_set(METRIC_STREAMS_AT_WORK, stream_count_at_work(service->streams));
    metrics_set(METRIC_REQUESTS_BYTES, budget_requests_bytes(service->budget));
    metrics_set(METRIC_REPLIES_BYTES, budget_replies_bytes(service->budget));
}

enum request_progress admin_status(struct request *request)
{
    const struct service *service = request->service;
    struct status_page page = {0};
    struct stage_names stage_names;
    char store_id[2 * STORE_ID_BYTES + 1];
    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        snprintf(store_id + 2 * i, 3, "%02x", service->store_id[i]);
    }
    add_daemon(&page, service, store_id);
    measure(service);
    metrics_each(add_metric, &page);
    engine_metrics(service->engine, add_metric, &page);
    add_stages(&page, service->stages, &stage_names);
    reply_page(request, &page);
    free(page.entries);
    return REQUEST_TAKEN;
}
