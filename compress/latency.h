/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long one run of a network takes, on the calling thread, one item at a time, from the initial state.
 */

#include <stdint.h>

#include "base/attributes.h"

struct dataset;
struct image;

struct latency {
    double median_us, p99_us;
    uint32_t runs;
};

/*
 * Runs for about `seconds`, at least LATENCY_MIN_RUNS times, after some runs that do not count. The inputs are samples of
 * `data` in turn, or zeros where it is NULL. -ENOMEM.
 */
#define LATENCY_MIN_RUNS 11
#define LATENCY_MAX_RUNS 100000
_nodiscard_ int latency_measure(const struct image *image, const struct dataset *data,
                                double seconds, struct latency *ret_latency);
