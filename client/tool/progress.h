/* Progress: one line on stderr, if that is a terminal, drawn over itself while a verb works. */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* of what it is; borrowed */
    const char *unit; /* what the rate counts: "calls" */
    bool is_shown;    /* stderr is a terminal */
    int64_t shown_us; /* when it was drawn last; 0: never */
    uint64_t shown;   /* how many there were then */
    double rate;      /* a second, smoothed */
};

/* How far it is. */
struct progress_look {
    uint64_t count;    /* so far, of what the rate counts */
    double part;       /* of all, from 0 to 1; below 0: not known */
    int64_t left_us;   /* below 0: by part and rate of the past */
    int64_t passed_us; /* since the beginning */
};

void progress_begin(struct progress *progress, const char *what, const char *unit);

/* How long until it may be drawn again; -1: never. */
int64_t progress_wait_us(const struct progress *progress);

/* Draws it, unless that was a moment ago. */
void progress_show(struct progress *progress, const struct progress_look *look, int64_t now_us);

/* Takes the line away. */
void progress_clear(struct progress *progress);

/* The line for so many columns: as much of it as fits, the end first to go. Pure. */
void progress_line(const char *what, const char *unit, const struct progress_look *look, double rate,
                   size_t columns, char *ret_text, size_t bytes);

#endif
