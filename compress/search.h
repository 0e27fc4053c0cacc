/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looks for the recipe that makes a network as small, or as fast, as its budgets allow: which technique at which strength
 * in which layer, and which numbers. Fixed recipes are where it begins, so the result is never worse than the best of
 * them. Deterministic for a seed, but for what depends on measured latencies and `max_seconds`. One thread calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/evaluate.h"
#include "kernels/cpu.h"

struct cJSON;
struct dataset;
struct diag;
struct graph;

#define SEARCH_MAX_TRIALS 800
#define SEARCH_MAX_SECONDS 604800

struct search_options {
    enum metric metric;
    double max_drop;       /* relative to the float network, as evaluation_drop(); NAN: none */
    double margin;         /* standard errors of the drop that have to fit in too, lab.h; 0: none */
    size_t max_bytes;      /* 0: none */
    double max_latency_us; /* 0: none */
    bool fastest;          /* look for the least latency, not for the fewest bytes */
    const char *preset;    /* NULL: general */
    const char *input;     /* the file that the result's history names; NULL: none */
    uint64_t seed;
    double max_seconds; /* no trial begins after it, but for the float network; 0: no limit */
    unsigned threads;   /* 0: all CPUs */
    enum tier tier;
    /* Called after each trial; NULL: not. */
    void (*progress)(void *arg, uint32_t trials, uint32_t max_trials);
    void *progress_arg;
};

/*
 * Without max_drop, the most accurate network within the other budgets. Most techniques need `calibration`. *ret_part
 * has "sensitivity", "points" and "choices" (docs/compressing.md); *ret_recipe is for recipe_from_json(). Both are the
 * caller's. 0, -ENOMEM, COMPRESS_E_INVALID: data that do not fit, an unknown preset, or no recipe meets the budgets;
 * then the diag says how near the nearest comes.
 */
_nodiscard_ int search_run(const struct search_options *options, const struct graph *graph,
                           const struct dataset *calibration, const struct dataset *validation,
                           struct cJSON **ret_part, struct cJSON **ret_recipe, struct diag *diag);
