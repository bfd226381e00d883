/* The lanes: lists of jobs and of segments, oldest first. `last` of an empty list leads to its `first`. No locks. */
#ifndef DAEMON_LANE_H
#define DAEMON_LANE_H

#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"

struct job_list {
    struct job *first;
    struct job **last;
};

struct segment_list {
    struct pending_segment *first;
    struct pending_segment **last;
};

static inline void job_append(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static inline struct job *job_take(struct job_list *list)
{
    struct job *job = list->first;
    list->first = job->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    job->next = NULL;
    return job;
}

static inline void job_move_all(struct job_list *from, struct job_list *to)
{
    if (from->first != NULL) {
        *to->last = from->first;
        to->last = from->last;
        from->first = NULL;
        from->last = &from->first;
    }
}

static inline void segment_append_all(struct segment_list *list, struct pending_segment *segments)
{
    *list->last = segments;
    while (*list->last != NULL) {
        list->last = &(*list->last)->next;
    }
}

static inline struct pending_segment *segment_take(struct segment_list *list)
{
    struct pending_segment *segment = list->first;
    list->first = segment->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    segment->next = NULL;
    return segment;
}

#endif
