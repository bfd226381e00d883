#include "tests/fault/history_example.h"

#include <assert.h>

/* ---- the history: one chain, ids are ticks ---- */

#define HEIGHT   REGISTER_OF(0, REGISTER_HEIGHT, 0)
#define BLOCK(n) REGISTER_OF(0, REGISTER_BLOCK, n)
#define STATE(n) REGISTER_OF(0, REGISTER_STATE, n)
#define NAME(n)  REGISTER_OF(0, REGISTER_NAME, n)
#define BOUND    REGISTER_OF(0, REGISTER_BOUND, 0)
#define RAISED   REGISTER_OF(0, REGISTER_RAISED, 0)
#define SEEN(n)  REGISTER_OF(0, REGISTER_SEEN, n)
#define LANE(n)  REGISTER_OF(0, REGISTER_LANE, n)

enum { NUMBER_BEFORE = 10 };

/* What each action wrote or read; a name of 0 ends it. */
struct example {
    struct action action;
    struct part parts[5];
};

#define READ(client_, from, to)                                                                              \
    {.id = from, .kind = ACTION_READ, .client = client_, .began = from, .ended = to}
#define WRITE(kind_, client_, from, to, number, told)                                                        \
    {.id = from,                                                                                             \
     .kind = kind_,                                                                                          \
     .client = client_,                                                                                      \
     .began = from,                                                                                          \
     .ended = to,                                                                                            \
     .level = told,                                                                                          \
     .level_told = told,                                                                                     \
     .sequence = number}

static const struct example examples[] = {
    {WRITE(ACTION_METADATA, 0, 100, 101, 11, ASKED_ACCEPTED), {{NAME(0), 100, 0}, {SEEN(0), 100, 0}}},
    {READ(1, 102, 103), {{NAME(0), 100, 0}}},
    {WRITE(ACTION_COMMIT, 2, 104, 111, 12, ASKED_DURABLE),
     {{BLOCK(2), 104, 0}, {STATE(2), 104, 0}, {LANE(2), 104, 0}}},
    {WRITE(ACTION_METADATA, 1, 105, 106, 13, ASKED_ACCEPTED), {{NAME(1), 105, 0}, {SEEN(1), 105, 0}}},
    {READ(3, 107, 108), {{NAME(0), 100, 0}, {NAME(1), 105, 0}, {BLOCK(2), 0, 0}}},
    {READ(3, 109, 110), {{HEIGHT, 1, 0}, {BLOCK(2), 0, 0}}},
    {READ(3, 112, 113), {{HEIGHT, 2, 0}, {BLOCK(2), 104, 0}, {STATE(2), 104, 0}}},
    {WRITE(ACTION_METADATA, 0, 114, 115, 14, ASKED_ACCEPTED), {{NAME(0), 0, 0}, {SEEN(0), 114, 0}}},
    {READ(1, 116, 117), {{NAME(0), 0, 0}}},
    {WRITE(ACTION_BARRIER, 1, 118, 119, 14, ASKED_WRITTEN), {{0}}},
    {WRITE(ACTION_METADATA, 4, 120, 121, 15, ASKED_ACCEPTED), {{RAISED, 120, 0}, {SEEN(4), 120, 0}}},
    {WRITE(ACTION_METADATA, 5, 122, 123, 16, ASKED_ACCEPTED), {{RAISED, 122, 0}, {SEEN(5), 122, 0}}},
    {READ(1, 124, 125), {{RAISED, 122, 0}}},
    {WRITE(ACTION_METADATA, 0, 126, 127, 17, ASKED_ACCEPTED),
     {{NAME(2), 126, 0}, {NAME(3), 126, 0}, {SEEN(0), 126, 0}}},
    {READ(1, 128, 129), {{NAME(2), 126, 0}, {NAME(3), 126, 0}}},
    {WRITE(ACTION_COMMIT, 3, 130, 131, 0, ASKED_DURABLE),
     {{BLOCK(3), 130, 0}, {LANE(3), 130, 0}}}, /* refused */
    {WRITE(ACTION_METADATA, 6, 132, 133, 18, ASKED_ACCEPTED), {{BOUND, 132, 3}, {SEEN(6), 132, 0}}},
    {WRITE(ACTION_COMMIT, 2, 134, 135, 20, ASKED_DURABLE),
     {{BLOCK(3), 134, 0}, {STATE(3), 134, 0}, {LANE(2), 134, 0}}}, /* carries */
    {READ(1, 136, 137), {{BLOCK(3), 134, 0}, {BOUND, 132, 3}}},
    {WRITE(ACTION_ROLLBACK, 3, 138, 139, 21, ASKED_DURABLE), {{LANE(3), 138, 0}}},
    {READ(1, 140, 141), {{HEIGHT, 2, 0}, {BLOCK(3), 0, 0}, {BOUND, 0, 0}}},
    {WRITE(ACTION_METADATA, 0, 142, 143, 22, ASKED_ACCEPTED), {{NAME(4), 142, 0}, {SEEN(0), 142, 0}}},
    {WRITE(ACTION_METADATA, 1, 144, 145, 23, ASKED_ACCEPTED), {{NAME(5), 144, 0}, {SEEN(1), 144, 0}}},
    {WRITE(ACTION_COMMIT, 2, 146, UINT64_MAX, 0, ASKED_DURABLE), {{BLOCK(3), 146, 0}, {LANE(2), 146, 0}}},
    {WRITE(ACTION_METADATA, 2, 147, UINT64_MAX, 0, ASKED_ACCEPTED), {{NAME(4), 147, 0}, {SEEN(2), 147, 0}}},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

static const struct part parts_before[] = {
    {HEIGHT, 1, 0}, {BLOCK(1), 1, 0}, {STATE(1), 1, 0}, {NAME(0), 2, 0}};

static const struct part parts_found[] = {
    {HEIGHT, 2, 0},     {BLOCK(1), 1, 0},  {BLOCK(2), 104, 0}, {STATE(1), 1, 0},
    {STATE(2), 104, 0}, {NAME(1), 105, 0}, {NAME(2), 126, 0},  {NAME(3), 126, 0},
    {RAISED, 122, 0},   {SEEN(0), 126, 0}, {SEEN(1), 105, 0},  {SEEN(4), 120, 0},
    {SEEN(5), 122, 0},  {SEEN(6), 132, 0}, {LANE(2), 134, 0},  {LANE(3), 138, 0},
};

static const struct part parts_resent[] = {
    {NAME(4), 142, 0}, {NAME(5), 144, 0}, {SEEN(0), 142, 0}, {SEEN(1), 144, 0}};

static struct action *by_id(struct history *history, uint64_t id)
{
    for (size_t i = 0; i < history->count; i++) {
        if (history->actions[i].id == id) {
            return &history->actions[i];
        }
    }
    assert(0);
    return NULL;
}

static void set_part(struct image *image, uint64_t name, uint64_t value)
{
    for (size_t i = 0; i < image->count; i++) {
        if (image->parts[i].name == name) {
            image->parts[i].value = value;
            return;
        }
    }
    image_put(image, &(struct part){name, value, 0});
    image_sort(image);
}

/* Whatever a reply says is written is written by then. */
static void fill(struct action *action, uint64_t *written)
{
    if (action->ended == UINT64_MAX) {
        action->end = END_UNKNOWN;
        return;
    }
    action->end = END_DONE;
    bool is_reached = action->level_told >= ASKED_WRITTEN && action->sequence > *written;
    *written = is_reached ? action->sequence : *written;
    action->written_through = action->durable_through = *written;
}

struct history history_example(void)
{
    struct history history = {.number_before = NUMBER_BEFORE, .on_disk = 18};
    uint64_t written = NUMBER_BEFORE;
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct action *action = history_add(&history);
        *action = examples[i].action;
        fill(action, &written);
        while (action->part_count < 5 && examples[i].parts[action->part_count].name != 0) {
            action->parts[action->part_count] = examples[i].parts[action->part_count];
            action->part_count++;
        }
    }
    by_id(&history, 104)->height = 2;
    by_id(&history, 130)->end = END_REFUSED;
    by_id(&history, 130)->height = 3;
    by_id(&history, 130)->has_expected = true;
    by_id(&history, 130)->expected = 5;
    by_id(&history, 134)->height = 3;
    by_id(&history, 134)->carries = true;
    by_id(&history, 138)->height = 2;
    by_id(&history, 146)->height = 3;
    for (size_t i = 0; i < sizeof parts_before / sizeof parts_before[0]; i++) {
        image_put(&history.before, &parts_before[i]);
    }
    for (size_t i = 0; i < sizeof parts_found / sizeof parts_found[0]; i++) {
        image_put(&history.found, &parts_found[i]);
    }
    image_sort(&history.found);
    image_copy(&history.base, &history.found);
    image_copy(&history.resent, &history.found);
    for (size_t i = 0; i < sizeof parts_resent / sizeof parts_resent[0]; i++) {
        set_part(&history.resent, parts_resent[i].name, parts_resent[i].value);
    }
    return history;
}

/* ---- what is wrong ---- */

static void plant_stale_read(struct history *history)
{
    by_id(history, 116)->parts[0].value = 100;
}

static void plant_lost_write(struct history *history)
{
    by_id(history, 102)->parts[0].value = 2;
}

static void plant_read_of_the_future(struct history *history)
{
    struct action *read = by_id(history, 109);
    read->parts[0] = (struct part){NAME(2), 126, 0};
}

static void plant_value_of_nobody(struct history *history)
{
    by_id(history, 102)->parts[0].value = 777;
}

static void plant_number_twice(struct history *history)
{
    by_id(history, 105)->sequence = 12;
}

static void plant_number_of_an_earlier_run(struct history *history)
{
    by_id(history, 100)->sequence = NUMBER_BEFORE;
}

static void plant_reordered_pair(struct history *history)
{
    by_id(history, 100)->sequence = 14;
    by_id(history, 114)->sequence = 11;
}

static void plant_reordered_clients(struct history *history)
{
    by_id(history, 120)->sequence = 16;
    by_id(history, 122)->sequence = 15;
}

static void plant_half_a_batch(struct history *history)
{
    by_id(history, 128)->parts[1].value = 0;
}

static void plant_absence_for_a_failure(struct history *history)
{
    by_id(history, 112)->parts[1].value = 0;
}

static void plant_failure(struct history *history)
{
    by_id(history, 112)->end = END_FAILED;
}

static void plant_two_instants(struct history *history)
{
    by_id(history, 109)->parts[0].value = 2;
}

static void plant_seen_and_gone(struct history *history)
{
    by_id(history, 107)->parts[2].value = 104;
}

static void plant_raise_that_goes_back(struct history *history)
{
    by_id(history, 124)->parts[0].value = 120;
}

static void plant_block_behind_a_rollback(struct history *history)
{
    by_id(history, 140)->parts[1].value = 134;
}

static void plant_bound_name_behind_a_rollback(struct history *history)
{
    by_id(history, 140)->parts[2] = (struct part){BOUND, 132, 3};
}

static void plant_wrong_binding(struct history *history)
{
    by_id(history, 136)->parts[1].of_height = 2;
}

static void plant_wrong_level(struct history *history)
{
    by_id(history, 104)->level_told = ASKED_WRITTEN;
}

static void plant_numbers_that_fall(struct history *history)
{
    by_id(history, 126)->written_through = 13;
    by_id(history, 126)->durable_through = 13;
}

static void plant_durable_ahead(struct history *history)
{
    by_id(history, 126)->durable_through = 16;
}

static void plant_early_barrier(struct history *history)
{
    by_id(history, 118)->sequence = 13;
}

static void plant_condition_that_does_not_hold(struct history *history)
{
    by_id(history, 104)->has_expected = true;
    by_id(history, 104)->expected = 7;
}

static void plant_refusal_without_a_reason(struct history *history)
{
    by_id(history, 130)->expected = 2;
}

static void plant_block_lost(struct history *history)
{
    set_part(&history->found, BLOCK(2), 0);
}

static void plant_written_metadata_lost(struct history *history)
{
    by_id(history, 132)->level = by_id(history, 132)->level_told = ASKED_WRITTEN;
    history->on_disk = 17;
}

static void plant_carried_metadata_lost(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        struct action *action = &history->actions[i];
        action->written_through = action->written_through > 17 ? 17 : action->written_through;
        action->durable_through = action->written_through;
    }
    history->on_disk = 17;
}

static void plant_metadata_ahead_of_its_commit(struct history *history)
{
    set_part(&history->found, SEEN(2), 147);
    set_part(&history->found, NAME(4), 147);
}

static void plant_batch_half_there(struct history *history)
{
    set_part(&history->found, NAME(3), 0);
}

static void plant_number_above_what_was_found(struct history *history)
{
    history->on_disk = 22;
}

static void plant_accepted_lost_by_a_stop(struct history *history)
{
    history->is_stopped = true;
}

static void plant_not_sent_again(struct history *history)
{
    set_part(&history->resent, NAME(5), 0);
}

static void plant_sent_again_twice(struct history *history)
{
    set_part(&history->resent, NAME(2), 142);
}

static void plant_dropped_for_nothing(struct history *history)
{
    history_drop(history, 0, 22);
}

static void plant_dropped_in_silence(struct history *history)
{
    history->rolled_back[0] = true;
}

const struct planted_fault planted_faults[] = {
    {"stale read", plant_stale_read, "cannot have been"},
    {"lost write", plant_lost_write, "cannot have been"},
    {"read of the future", plant_read_of_the_future, "cannot have been"},
    {"value of nobody", plant_value_of_nobody, "cannot have been"},
    {"number given twice", plant_number_twice, "was given before"},
    {"number of an earlier run", plant_number_of_an_earlier_run, "was given before"},
    {"reordered pair", plant_reordered_pair, "below the client's write before it"},
    {"reordered clients", plant_reordered_clients, "a later write is numbered below"},
    {"half a batch", plant_half_a_batch, "cannot have been"},
    {"absence for a failure", plant_absence_for_a_failure, "cannot have been"},
    {"failure", plant_failure, "nothing explains"},
    {"two instants", plant_two_instants, "cannot have been"},
    {"seen and gone", plant_seen_and_gone, "cannot have been"},
    {"raise that goes back", plant_raise_that_goes_back, "cannot have been"},
    {"block behind a rollback", plant_block_behind_a_rollback, "cannot have been"},
    {"bound name behind a rollback", plant_bound_name_behind_a_rollback, "cannot have been"},
    {"wrong binding", plant_wrong_binding, "cannot have been"},
    {"wrong level", plant_wrong_level, "where 3 was asked"},
    {"numbers that fall", plant_numbers_that_fall, "after"},
    {"durable ahead of written", plant_durable_ahead, "durable through 16"},
    {"early barrier", plant_early_barrier, "a barrier behind"},
    {"condition that does not hold", plant_condition_that_does_not_hold, "conditional on height 7"},
    {"refusal without a reason", plant_refusal_without_a_reason, "refused without a reason"},
    {"block lost", plant_block_lost, "after the end block 2"},
    {"written metadata lost", plant_written_metadata_lost, "written metadata is gone"},
    {"carried metadata lost", plant_carried_metadata_lost, "did not carry it"},
    {"metadata ahead of its commit", plant_metadata_ahead_of_its_commit, "without the commit"},
    {"batch half there", plant_batch_half_there, "after the end name 3"},
    {"number above what was found", plant_number_above_what_was_found, "after the end"},
    {"accepted, lost by a stop", plant_accepted_lost_by_a_stop, "clean stop"},
    {"not sent again", plant_not_sent_again, "after the clients came back name 5"},
    {"sent again where it was not lost", plant_sent_again_twice, "after the clients came back name 2"},
    {"dropped for nothing", plant_dropped_for_nothing, "dropped for nothing"},
    {"dropped in silence", plant_dropped_in_silence, "nobody was told"},
};
const size_t planted_fault_count = sizeof planted_faults / sizeof planted_faults[0];
