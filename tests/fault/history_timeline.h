/* What follows from a history: its writes in the order of their numbers, and for each register the versions that it had. Made once, then
 * only read. */
#ifndef TESTS_FAULT_HISTORY_TIMELINE_H
#define TESTS_FAULT_HISTORY_TIMELINE_H

#include "tests/fault/history.h"

/* What a register holds from that number on. Metadata is seen from its acceptance, what a commit wrote from its publication, each
 * lane in order: so what is seen of a register is, of the versions that are seen at all, the one with the highest number. */
struct version {
    uint64_t name;
    uint64_t sequence; /* 0: what was there before */
    uint64_t value;
    uint64_t of_height;
    bool of_lane;          /* of the commit lane */
    uint64_t ghost;        /* bound to a height that a prune before it takes: seen until that prune is */
    uint64_t ghost_before; /* the number of that prune */
};

struct timeline {
    const struct history *history;
    const struct action **writes; /* those that were done, by number */
    size_t write_count;
    const struct action **unknown; /* writes whose result is unknown */
    size_t unknown_count;
    struct version *versions; /* by name, then by number */
    size_t version_count, version_room;
};

/* False: a write was done where the contract refuses it, or two have one number. */
bool timeline_make(const struct history *history, struct timeline *ret_timeline,
                   struct objection *ret_objection);
void timeline_free(struct timeline *timeline);

/* All versions of a register, the first with number 0 if it was there before. */
struct version_range {
    const struct version *versions;
    size_t count;
};
struct version_range timeline_versions(const struct timeline *timeline, uint64_t name);

/* Whether a write may change that register, wherever it comes in the order. */
bool action_may_write(const struct action *action, uint64_t name);
bool action_is_lane(const struct action *action);
bool action_is_write(const struct action *action);
/* Whether a write of unknown result that began before that tick may have changed the register. */
bool timeline_is_open(const struct timeline *timeline, uint64_t name, uint64_t tick);

bool object(struct objection *objection, const struct action *action, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *register_text(uint64_t name);

#endif
