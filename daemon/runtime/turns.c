/* Members form a tree: the top, uids, processes, connections. The life of a connection in it:
 *
 * - It joins: its uid and its process are found, or made.
 * - It waits: the wait joins the end of the connection's own list. If it is the only one, the connection joins the end of the ring of
 *   its process's connections that wait; if it is the first there, so does the process in its uid's ring, and the uid at the top.
 * - It is given a turn when it is the first of its ring, and its process and uid are. At each of the three levels the turn then goes
 *   to the next of the ring. One of which nothing waits any more leaves its ring, and comes back at the end.
 * - It leaves: its process and its uid are freed with their last connection.
 *
 * So of n uids that wait each gets every n-th turn, however many connections the others have. Nothing can fail. */
#include "daemon/runtime/turns.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

enum { TURNS_LEVELS = 3 }; /* below the top */

/* The top, a uid or a process. */
struct turns_group {
    struct turns_member member; /* first */
    uint64_t key;               /* uid or pid */
    uint64_t connections;
    struct turns_group *groups; /* below it */
    struct turns_group *next;   /* beside it */
};

struct turns {
    struct turns_group top;
    uint64_t waiting[TURNS_LISTS];
};

struct turns *turns_new(void)
{
    return memory_new(sizeof(struct turns));
}

void turns_free(struct turns *turns)
{
    /* they refer to it */
    assert(turns == NULL || (turns->top.connections == 0 && turns->top.groups == NULL));
    free(turns);
}

/* ---- members ---- */

static struct turns_group *group_of(struct turns_member *member)
{
    static_assert(offsetof(struct turns_group, member) == 0, "what is above a member is a group");
    return (struct turns_group *)member;
}

/* The group of that key below this one; made if there is none. */
static struct turns_group *group_join(struct turns_group *above, uint64_t key)
{
    struct turns_group *group = above->groups;
    while (group != NULL && group->key != key) {
        group = group->next;
    }
    if (group == NULL) {
        group = memory_new(sizeof *group);
        group->member.above = &above->member;
        group->key = key;
        group->next = above->groups;
        above->groups = group;
    }
    group->connections++;
    return group;
}

/* Frees the group if no connection is left in it. */
static void group_leave(struct turns_group *group)
{
    assert(group->connections > 0);
    if (--group->connections > 0) {
        return;
    }
    assert(group->groups == NULL);
    struct turns_group **link = &group_of(group->member.above)->groups;
    while (*link != group) {
        link = &(*link)->next;
    }
    *link = group->next;
    free(group);
}

void turns_join(struct turns *turns, struct turns_member *member, uint64_t uid, uint64_t pid)
{
    assert(member->above == NULL); /* once */
    turns->top.connections++;
    member->above = &group_join(group_join(&turns->top, uid), pid)->member;
}

void turns_leave(struct turns *turns, struct turns_member *member)
{
    if (member->above == NULL) {
        return;
    }
    for (int list = 0; list < TURNS_LISTS; list++) {
        assert(member->places[list].first_turn == NULL); /* or a turn would be given to freed memory */
    }
    struct turns_group *process = group_of(member->above);
    struct turns_group *uid = group_of(process->member.above);
    group_leave(process);
    group_leave(uid);
    assert(turns->top.connections > 0); /* it joined these turns */
    turns->top.connections--;
    member->above = NULL;
}

uint64_t turns_of_uid(const struct turns_member *member)
{
    assert(member->above != NULL);
    return group_of(member->above->above)->connections;
}

/* ---- waiting ---- */

static void ring_append(enum turns_list list, struct turns_member *member)
{
    struct turns_place *place = &member->places[list], *above = &member->above->places[list];
    assert(place->next == NULL && place->previous == NULL);
    if (above->first == NULL) {
        above->first = place->next = place->previous = member;
        return;
    }
    place->next = above->first;
    place->previous = above->first->places[list].previous;
    place->next->places[list].previous = member;
    place->previous->places[list].next = member;
}

static void ring_remove(enum turns_list list, struct turns_member *member)
{
    struct turns_place *place = &member->places[list], *above = &member->above->places[list];
    assert(place->next != NULL && above->first != NULL);
    bool is_alone = place->next == member;
    place->next->places[list].previous = place->previous;
    place->previous->places[list].next = place->next;
    if (above->first == member) {
        above->first = is_alone ? NULL : place->next;
    }
    place->next = place->previous = NULL;
}

void turns_wait(struct turns *turns, enum turns_list list, struct turns_member *member, struct turn *turn,
                void *owner)
{
    struct turns_place *place = &member->places[list];
    assert(list < TURNS_LISTS);
    assert(owner != NULL); /* turns_first gives NULL where nobody waits */
    assert(turn->member == NULL && member->above != NULL);
    *turn = (struct turn){.owner = owner, .member = member, .previous = place->last_turn};
    *(place->last_turn != NULL ? &place->last_turn->next : &place->first_turn) = turn;
    place->last_turn = turn;
    turns->waiting[list]++;
    for (; member->above != NULL && member->places[list].next == NULL; member = member->above) {
        ring_append(list, member);
    }
}

void turns_drop(struct turns *turns, enum turns_list list, struct turn *turn)
{
    struct turns_member *member = turn->member;
    assert(list < TURNS_LISTS);
    assert(member != NULL && turns->waiting[list] > 0);
    struct turns_place *place = &member->places[list];
    *(turn->previous != NULL ? &turn->previous->next : &place->first_turn) = turn->next;
    *(turn->next != NULL ? &turn->next->previous : &place->last_turn) = turn->previous;
    *turn = (struct turn){.owner = NULL};
    turns->waiting[list]--;
    if (place->first_turn != NULL) {
        return;
    }
    do {
        ring_remove(list, member);
        member = member->above;
    } while (member->above != NULL && member->places[list].first == NULL);
}

/* ---- turns ---- */

static struct turn *first_turn(const struct turns *turns, enum turns_list list)
{
    const struct turns_member *member = &turns->top.member;
    if (member->places[list].first == NULL) {
        return NULL;
    }
    for (int level = 0; level < TURNS_LEVELS; level++) {
        member = member->places[list].first;
        assert(member != NULL); /* each level has somebody who waits, or it would not stand in its ring */
    }
    return member->places[list].first_turn;
}

void *turns_first(const struct turns *turns, enum turns_list list)
{
    assert(list < TURNS_LISTS);
    if (turns->waiting[list] == 0) {
        return NULL; /* in most iterations of the loop */
    }
    const struct turn *turn = first_turn(turns, list);
    assert(turn != NULL); /* one of those that are counted */
    return turn->owner;
}

/* Asks about the waits below the member, in the order of its ring. */
static void *find_below(const struct turns_member *above, enum turns_list list, int levels,
                        bool (*may)(const void *owner, const void *context), const void *context)
{
    assert(levels >= 0 && levels <= TURNS_LEVELS); /* a connection is the last to be asked */
    if (levels == 0) {
        void *owner = above->places[list].first_turn->owner;
        return may(owner, context) ? owner : NULL;
    }
    void *found = NULL;
    const struct turns_member *first = above->places[list].first, *member = first;
    while (member != NULL && found == NULL) {
        found = find_below(member, list, levels - 1, may, context);
        member = member->places[list].next != first ? member->places[list].next : NULL;
    }
    return found;
}

void *turns_find(const struct turns *turns, enum turns_list list,
                 bool (*may)(const void *owner, const void *context), const void *context)
{
    assert(list < TURNS_LISTS);
    return find_below(&turns->top.member, list, TURNS_LEVELS, may, context);
}

void turns_take(struct turns *turns, enum turns_list list, struct turn *turn)
{
    assert(list < TURNS_LISTS);
    assert(turn->member != NULL && turn->previous == NULL); /* what a connection waits for stays in order */
    for (struct turns_member *member = turn->member; member->above != NULL; member = member->above) {
        ring_remove(list, member);
        ring_append(list, member);
    }
    turns_drop(turns, list, turn);
}

uint64_t turns_count(const struct turns *turns, enum turns_list list)
{
    assert(list < TURNS_LISTS);
    return turns->waiting[list];
}
