/* Each function answers one question from times and counts alone; schedule.h has the constants and their origins. */
#include "daemon/writer/schedule.h"

#include <assert.h>

static_assert(SCHEDULE_STARVED_TIME_PART > 1, "commits keep most of the writer's time");
static_assert(SCHEDULE_SHARE_BYTES_COMMITTING <= SCHEDULE_SHARE_BYTES_SYNCING,
              "shares shrink under pressure");
static_assert(SCHEDULE_SHARE_BYTES_SYNCING <= SCHEDULE_SHARE_BYTES, "shares shrink under pressure");
static_assert(SCHEDULE_SYNCING_NS >= SCHEDULE_COMMIT_SPIN_NS_MAX / 2,
              "who reads more because of a long commit is done before the loop spins for its end");

static uint64_t add_saturated(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

/* ---- queued metadata ---- */

uint64_t schedule_flush_in_us(const struct schedule_queue *queue, uint64_t now_us)
{
    assert(queue->operations_max > 0 && queue->bytes_max > 0);
    if (queue->oldest_us == SCHEDULE_NEVER_US) {
        return SCHEDULE_NEVER_US;
    }
    bool is_filled = queue->operations >= queue->operations_max / SCHEDULE_QUEUE_DUE_PART ||
                     queue->bytes >= queue->bytes_max / SCHEDULE_QUEUE_DUE_PART;
    if (is_filled || queue->is_waited_for || queue->is_stopping) {
        return 0;
    }
    uint64_t age_us = schedule_elapsed(queue->oldest_us, now_us);
    return age_us >= queue->flush_delay_us ? 0 : queue->flush_delay_us - age_us;
}

bool schedule_closes_open_group(uint64_t groups_with_writer)
{
    return groups_with_writer == 0;
}

/* ---- the writer's turns ---- */

bool schedule_group_is_starved(uint64_t opened_us, uint64_t next_turn_us, uint64_t flush_delay_us,
                               uint64_t now_us)
{
    return now_us >= next_turn_us &&
           schedule_elapsed(opened_us, now_us) >= SCHEDULE_STARVED_FLUSH_DELAYS * flush_delay_us;
}

uint64_t schedule_next_starved_turn_us(uint64_t start_us, uint64_t end_us)
{
    uint64_t took_us = schedule_elapsed(start_us, end_us);
    return add_saturated(end_us, (SCHEDULE_STARVED_TIME_PART - 1) * took_us);
}

bool schedule_expects_commit(uint64_t last_us, uint64_t now_us)
{
    return last_us != 0 && schedule_elapsed(last_us, now_us) < SCHEDULE_COMMITTING_US;
}

uint64_t schedule_learn_group_jobs(uint64_t jobs_mean_8, uint64_t jobs)
{
    assert(jobs > 0);
    return jobs_mean_8 - jobs_mean_8 / 8 + jobs;
}

bool schedule_shares_groups(uint64_t jobs_mean_8)
{
    return jobs_mean_8 > 8 * SCHEDULE_SHARED_GROUP_JOBS;
}

uint64_t schedule_sweep_from_us(const struct schedule_sweep *sweep, uint64_t now_us)
{
    uint64_t from_us = add_saturated(sweep->ended_us, SCHEDULE_SWEEP_PAUSE_US);
    bool waits = schedule_expects_commit(sweep->committed_us, now_us) && now_us < from_us &&
                 sweep->commit_groups < SCHEDULE_SWEEP_PAUSE_GROUPS;
    return waits ? from_us : 0;
}

bool schedule_sweep_is_starved(const struct schedule_sweep *sweep, uint64_t flush_delay_us, uint64_t now_us)
{
    return schedule_elapsed(sweep->ended_us, now_us) >= SCHEDULE_STARVED_FLUSH_DELAYS * flush_delay_us;
}

uint64_t schedule_stop_wait_us(uint64_t most_us, uint64_t stop_until_us, uint64_t now_us)
{
    uint64_t half_us = schedule_elapsed(now_us, stop_until_us) / 2;
    return half_us < most_us ? half_us : most_us;
}

uint64_t schedule_sync_at_us(uint64_t unsynced_since_us, uint64_t sync_interval_us)
{
    return unsynced_since_us == 0 ? SCHEDULE_NEVER_US : add_saturated(unsynced_since_us, sync_interval_us);
}

bool schedule_asks_sync(const struct schedule_sync *sync)
{
    assert(sync->durable_through <= sync->written_through && sync->written_through <= sync->last_sequence);
    bool waits = sync->waited_for != 0 && sync->waited_for <= sync->written_through;
    bool stops = sync->is_stopping && sync->written_through == sync->last_sequence;
    return (waits || stops) && !sync->is_asked && sync->durable_through < sync->written_through;
}

/* ---- what connections share ---- */

enum schedule_pressure schedule_pressure(bool is_committing, uint64_t commit_rest_ns)
{
    if (!is_committing) {
        return SCHEDULE_PRESSURE_NONE;
    }
    return commit_rest_ns >= SCHEDULE_SYNCING_NS ? SCHEDULE_PRESSURE_SYNCING : SCHEDULE_PRESSURE_COMMITTING;
}

uint32_t schedule_share_bytes(enum schedule_pressure pressure)
{
    switch (pressure) {
    case SCHEDULE_PRESSURE_NONE:
        return SCHEDULE_SHARE_BYTES;
    case SCHEDULE_PRESSURE_SYNCING:
        return SCHEDULE_SHARE_BYTES_SYNCING;
    case SCHEDULE_PRESSURE_COMMITTING:
        return SCHEDULE_SHARE_BYTES_COMMITTING;
    }
    assert(false);
}

bool schedule_contender_reads(const struct schedule_contender *contender)
{
    assert(contender->iterations > 0);
    bool others_first = contender->had_served && contender->iterations < contender->contenders;
    return !contender->has_served && !others_first;
}

bool schedule_holds_replies(const struct schedule_replies *replies, uint64_t now_us)
{
    bool is_many = replies->is_bulk && replies->count >= SCHEDULE_REPLIES_MANY;
    bool is_young = schedule_elapsed(replies->oldest_us, now_us) < SCHEDULE_REPLIES_HELD_US;
    bool is_only_accepted = replies->count > 0 && replies->accepted == replies->count;
    assert(replies->accepted <= replies->count);
    bool is_held =
        (replies->is_committing && is_many) || (replies->is_commit_about_to_end && is_only_accepted);
    return is_held && is_young && !replies->is_express;
}

bool schedule_sends_replies_early(uint64_t count, uint64_t connections_at_work, bool is_committing)
{
    return count >= SCHEDULE_REPLIES_MANY && connections_at_work <= 1 && !is_committing;
}

/* ---- whether the loop sleeps ---- */

bool schedule_loop_spins(const struct schedule_loop *loop, uint64_t *ret_sleep_ns)
{
    bool expects_request =
        !loop->has_jobs && !loop->shares_groups && spin_holds(loop->requests, loop->request_waited_ns);
    bool spins = expects_request || loop->holds_replies || loop->has_completions || loop->spins_for_jobs;
    *ret_sleep_ns = spins ? 0 : loop->jobs_sleep_ns;
    return spins;
}
