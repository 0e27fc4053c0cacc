/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Measures a source: several callers, each with a lane of its own and one call under way, for a given time. Called by
 * one thread; it starts its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "client/edgectl/source.h"

#define LOAD_MAX_CALLERS 256
#define LOAD_MAX_CALLS ((size_t)1 << 22) /* of one caller; it stops there */
#define LOAD_SEED 1                      /* of the random inputs */

struct load_plan {
    uint32_t callers;
    /* Of them computing at a time; the others wait for their turn. As many as callers: no limit. */
    uint32_t threads;
    uint32_t batch;
    double seconds;
};

struct load_result {
    uint64_t *ns; /* of each call, ascending */
    size_t n;
    uint64_t first_ns; /* the first call, with nothing warm */
    double seconds;    /* that the calls took together */
    double per_second; /* items */
};

enum {
    LOAD_E_FAILED = 1, /* a call failed; the diag says why */
};

/* 0, -ENOMEM, LOAD_E_FAILED. */
_nodiscard_ int load_run(struct source *source, const struct load_plan *plan,
                         struct load_result *ret_result, struct diag *diag);
void load_result_deinit(struct load_result *result);
/* The latency below which `quantile` (0 to 1) of the calls lie. */
uint64_t load_quantile_ns(const struct load_result *result, double quantile);

/* Random inputs for `batch` items of a source, and room for the outputs. */
struct load_buffers {
    void *inputs[GRAPH_MAX_IO], *outputs[GRAPH_MAX_IO];
};
_nodiscard_ int load_buffers_init(struct load_buffers *buffers, const struct source *source,
                                  uint32_t batch);
void load_buffers_deinit(struct load_buffers *buffers);
