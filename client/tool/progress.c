/* The line is made for the terminal's width each time it is drawn, so that it never wraps: a line that did would leave its beginning
 * behind with each drawing. What is of least use goes first. Without a terminal nothing is drawn. */
#include "client/tool/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    INTERVAL_US = 200000, /* between two drawings; chosen */
    COLUMNS_DEFAULT = 80, /* where the terminal does not say */
    TEXT_BYTES = 512,
};

void progress_begin(struct progress *progress, const char *what, const char *unit)
{
    *progress = (struct progress){.what = what, .unit = unit, .is_shown = isatty(STDERR_FILENO)};
}

int64_t progress_wait_us(const struct progress *progress)
{
    return progress->is_shown ? INTERVAL_US : -1;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size.ws_col : COLUMNS_DEFAULT;
}

/* 1:02:03, or 2:03. */
static void time_text(int64_t seconds, char *ret_text, size_t bytes)
{
    assert(seconds >= 0);
    if (seconds >= 3600) {
        snprintf(ret_text, bytes, "%" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60),
                 (int)(seconds % 60));
    } else {
        snprintf(ret_text, bytes, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
    }
}

void progress_line(const char *what, const char *unit, const struct progress_look *look, double rate,
                   size_t columns, char *ret_text, size_t bytes)
{
    char percent[16] = "", left[48] = "", speed[64] = "", name[TEXT_BYTES] = "";
    assert(bytes > 0);
    if (look->part >= 0) {
        double part = look->part < 1 ? look->part : 1;
        int64_t left_us = look->left_us >= 0 ? look->left_us
                          : part > 0         ? (int64_t)((double)look->passed_us * (1 - part) / part)
                                             : -1;
        snprintf(percent, sizeof percent, "%3d %%", (int)(part * 100));
        if (left_us >= 0) {
            char text[32];
            time_text((left_us + 999999) / 1000000, text, sizeof text);
            snprintf(left, sizeof left, "%s left", text);
        }
    }
    if (rate >= 0) {
        snprintf(speed, sizeof speed, "%.0f %s/s", rate, unit);
    }
    snprintf(name, sizeof name, "%s", what);
    const char *const parts[] = {percent, left, speed, name};
    size_t used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t length = strlen(parts[i]), gap = used > 0 ? 2 : 0;
        if (length > 0 && used + gap + length < columns && used + gap + length < bytes) {
            used += (size_t)snprintf(ret_text + used, bytes - used, "%s%s", gap > 0 ? "  " : "", parts[i]);
        }
    }
}

void progress_show(struct progress *progress, const struct progress_look *look, int64_t now_us)
{
    int64_t since_us = now_us - progress->shown_us;
    if (!progress->is_shown || since_us < INTERVAL_US) {
        return;
    }
    bool is_first = progress->shown_us == 0 || look->count < progress->shown;
    double rate = is_first ? -1 : (double)(look->count - progress->shown) * 1e6 / (double)since_us;
    progress->rate = is_first || progress->rate <= 0 ? rate : (3 * progress->rate + rate) / 4;
    progress->shown_us = now_us;
    progress->shown = look->count;
    char text[TEXT_BYTES];
    progress_line(progress->what, progress->unit, look, progress->rate, terminal_columns(), text,
                  sizeof text);
    fprintf(stderr, "\r\033[K%s", text);
}

void progress_clear(struct progress *progress)
{
    if (progress->is_shown && progress->shown_us != 0) {
        fprintf(stderr, "\r\033[K");
    }
    progress->shown_us = 0;
}
