/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Latency histogram: logarithmic buckets of eight linear steps each (relative error below 1/8), fixed size, no
 * allocation. Values are nanoseconds. One thread at a time.
 */

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 3
#define HISTOGRAM_STEPS (1 << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
/* The value below which `quantile` (0 to 1) of the values lie, interpolated in its bucket; 0 where empty. */
uint64_t histogram_quantile_ns(const struct histogram *h, double quantile);
/* How many values are at most `ns`, counted by whole buckets. Never decreases with `ns`. */
uint64_t histogram_count_le(const struct histogram *h, uint64_t ns);
