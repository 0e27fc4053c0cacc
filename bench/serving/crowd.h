/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Many clients at once, each with one call under way, in one thread.
 */

#include <stddef.h>

struct crowd {
    double per_second;
    double p50, p99; /* us of a call */
};

/* Calls on all `fds` for `seconds`. */
void crowd_run(const int *fds, unsigned n, const char *message, size_t size, double seconds,
               struct crowd *ret_crowd);
