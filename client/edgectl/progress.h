/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A bar with the time left, on stderr, where stderr is a terminal and the work takes longer than a second. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* borrowed */
    uint64_t total;
    uint64_t start_ns, shown_ns;
    bool on;    /* stderr is a terminal */
    bool shown; /* a bar stands on the line */
};

void progress_init(struct progress *progress, const char *what, uint64_t total);
/* Says that `done` of `total` are done. Cheap enough for every step. */
void progress_update(struct progress *progress, uint64_t done);
/* Takes the bar away. Call before printing anything else. */
void progress_end(struct progress *progress);

/* Writes the line for `done` of `total` after `elapsed_ns` into ret (size bytes), `columns` wide at most. */
void progress_format(const char *what, uint64_t done, uint64_t total, uint64_t elapsed_ns,
                     unsigned columns, char *ret, unsigned size);
