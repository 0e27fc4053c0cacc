/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress bar.
 */

#include "client/edgectl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/clock.h"

#define PROGRESS_QUIET_NS 1000000000U
#define PROGRESS_EVERY_NS 100000000U
#define PROGRESS_BAR 30
#define PROGRESS_MAX_LINE 256

void progress_init(struct progress *progress, const char *what, uint64_t total) {
    *progress = (struct progress){
        .what = what,
        .total = MAX(total, (uint64_t)1),
        .start_ns = clock_now_ns(),
        .on = isatty(STDERR_FILENO),
    };
}

void progress_format(const char *what, uint64_t done, uint64_t total, uint64_t elapsed_ns,
                     unsigned columns, char *ret, unsigned size) {
    double part = (double)MIN(done, total) / (double)total;
    double left = part > 0 ? (double)elapsed_ns / 1e9 * (1 - part) / part : 0;
    uint64_t seconds = (uint64_t)(left + 0.5);
    char bar[PROGRESS_BAR + 1];
    unsigned full = (unsigned)(part * PROGRESS_BAR);
    memset(bar, '#', full);
    memset(bar + full, '.', PROGRESS_BAR - full);
    bar[PROGRESS_BAR] = 0;
    snprintf(ret, MIN(size, columns), "%s [%s] %3.0f %%  %" PRIu64 ":%02u left", what, bar,
             part * 100, seconds / 60, (unsigned)(seconds % 60));
}

static unsigned terminal_columns(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void progress_update(struct progress *progress, uint64_t done) {
    if (!progress->on)
        return;
    uint64_t now = clock_now_ns();
    if (now - progress->start_ns < PROGRESS_QUIET_NS ||
        now - progress->shown_ns < PROGRESS_EVERY_NS)
        return;
    char line[PROGRESS_MAX_LINE];
    progress_format(progress->what, done, progress->total, now - progress->start_ns,
                    terminal_columns(), line, sizeof(line));
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    progress->shown_ns = now;
    progress->shown = true;
}

void progress_end(struct progress *progress) {
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
