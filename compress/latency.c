/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timing runs one by one.
 */

#include "compress/latency.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "compress/run.h"

#define WARM_UP_RUNS 3

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank. */
static double quantile_us(const uint64_t *sorted, uint32_t n, double q) {
    uint32_t at = (uint32_t)(q * n);
    return (double)sorted[MIN(at, n - 1)] / 1e3;
}

static int measure(struct run *run, double seconds, uint64_t *times, uint32_t *ret_n) {
    uint64_t begin = clock_now_ns(), limit = (uint64_t)(seconds * 1e9);
    uint32_t n = 0;
    int r = 0;
    while (r == 0 && n < LATENCY_MAX_RUNS &&
           (n < LATENCY_MIN_RUNS || clock_now_ns() - begin < limit)) {
        r = run_prepare(run);
        uint64_t start = clock_now_ns();
        if (r == 0)
            r = run_once(run);
        times[n++] = clock_now_ns() - start;
    }
    *ret_n = n;
    return r;
}

int latency_measure(const struct image *image, const struct dataset *data, double seconds,
                    struct latency *ret_latency) {
    _cleanup_(run_deinit) struct run run;
    int r = run_init(&run, image, data);
    if (r)
        return r;
    uint64_t *times = malloc(LATENCY_MAX_RUNS * sizeof(*times));
    uint32_t n = 0;
    if (!times)
        r = err_origin(-ENOMEM);
    for (int i = 0; r == 0 && i < WARM_UP_RUNS; i++)
        r = run_once(&run);
    if (r == 0)
        r = measure(&run, seconds, times, &n);
    if (r == 0) {
        qsort(times, n, sizeof(*times), compare_ns);
        *ret_latency = (struct latency){.median_us = quantile_us(times, n, 0.5),
                                        .p99_us = quantile_us(times, n, 0.99),
                                        .runs = n};
    }
    free(times);
    return r;
}
