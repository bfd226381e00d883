/* The lanes: lists of jobs and of metadata groups, oldest first. `last` of an empty list leads to its `first`. No locks. */
#ifndef DAEMON_LANE_H
#define DAEMON_LANE_H

#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"

struct job_list {
    struct job *first;
    struct job **last;
};

struct group_list {
    struct metadata_group *first;
    struct metadata_group **last;
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

static inline void group_append_all(struct group_list *list, struct metadata_group *groups)
{
    *list->last = groups;
    while (*list->last != NULL) {
        list->last = &(*list->last)->next;
    }
}

static inline struct metadata_group *group_take(struct group_list *list)
{
    struct metadata_group *group = list->first;
    list->first = group->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    group->next = NULL;
    return group;
}

#endif
