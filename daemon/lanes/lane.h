/* The lanes: lists of jobs and of metadata groups, oldest first.
 *
 * `last` is where the next one is linked: at the `first` of an empty list, else at the `next` of its last element. No locks: the
 * writer's mutex guards the lanes that loop and writer thread share; the lanes that the thread has taken are its own. */
#ifndef DAEMON_LANE_H
#define DAEMON_LANE_H

#include <assert.h>

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
    assert(*list->last == NULL);                               /* nothing is linked behind the last */
    assert(list->first != NULL || list->last == &list->first); /* or no walk from `first` finds the job */
    assert(list->last != &job->next); /* appended twice, it would be linked to itself */
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static inline struct job *job_take(struct job_list *list)
{
    struct job *job = list->first;
    assert(job != NULL);                /* the caller saw that the lane is not empty */
    assert(list->last != &list->first); /* it lies in an element, so that this list has an end */
    assert(job->next != NULL || list->last == &job->next); /* the last one takes the end with it */
    list->first = job->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    job->next = NULL;
    return job;
}

static inline void job_move_all(struct job_list *from, struct job_list *to)
{
    assert(*from->last == NULL && *to->last == NULL);
    assert((from->first == NULL) == (from->last == &from->first)); /* else to->last would lead into `from` */
    if (from->first != NULL) {
        *to->last = from->first;
        to->last = from->last;
        from->first = NULL;
        from->last = &from->first;
    }
}

static inline void group_append_all(struct group_list *list, struct metadata_group *groups)
{
    assert(*list->last == NULL);
    assert(list->first != NULL || list->last == &list->first); /* or nobody finds the groups */
    assert(list->first != groups || groups == NULL);           /* or the walk to the end would not end */
    *list->last = groups;
    while (*list->last != NULL) {
        list->last = &(*list->last)->next;
    }
}

static inline void group_move_all(struct group_list *from, struct group_list *to)
{
    assert(*from->last == NULL && *to->last == NULL);
    assert((from->first == NULL) == (from->last == &from->first)); /* else to->last would lead into `from` */
    if (from->first != NULL) {
        *to->last = from->first;
        to->last = from->last;
        from->first = NULL;
        from->last = &from->first;
    }
}

static inline struct metadata_group *group_take(struct group_list *list)
{
    struct metadata_group *group = list->first;
    assert(group != NULL);
    assert(group->next != NULL || list->last == &group->next); /* the last one takes the end with it */
    list->first = group->next;
    if (list->first == NULL) {
        list->last = &list->first;
    }
    group->next = NULL;
    return group;
}

/* All that may wait for the writer. */
struct lanes {
    struct job_list commits;
    struct job_list sweeps;
    struct group_list groups;
};

static inline void lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){0};
    lanes->commits.last = &lanes->commits.first;
    lanes->sweeps.last = &lanes->sweeps.first;
    lanes->groups.last = &lanes->groups.first;
}

static inline void lanes_move_all(struct lanes *from, struct lanes *to)
{
    assert(from != to); /* a list that is moved to itself would lead round in a circle */
    job_move_all(&from->commits, &to->commits);
    job_move_all(&from->sweeps, &to->sweeps);
    group_move_all(&from->groups, &to->groups);
}

#endif
