/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Weights of one layer on a grid: w = q * scale with q of few bits. Rows are output channels. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "base/random.h"

struct graph;
struct layer;

/* How scales are chosen, in the order of grid_ranges. */
enum grid_range { GRID_MAX, GRID_MSE };
extern const char *const grid_ranges[];
/* How weights are rounded, in the order of grid_roundings. */
enum grid_rounding { GRID_NEAREST, GRID_STOCHASTIC, GRID_ADAPTIVE };
extern const char *const grid_roundings[];

struct grid {
    uint32_t rows, depth;
    uint32_t
        group; /* consecutive weights of a row that share a scale, divides depth; 0: all rows share one */
    int32_t min, max;  /* of q; min < 0 < max */
    uint32_t n_scales; /* 1 or rows * depth / group, row major */
    float *scales;
    float *w;   /* [rows][depth] */
    int32_t *q; /* [rows][depth] */
};

/* The layer's weights; scales and q are zeros. -ENOMEM. */
_nodiscard_ int grid_init(struct grid *grid, const struct graph *graph, const struct layer *layer,
                          uint32_t group, int32_t min, int32_t max);
void grid_deinit(struct grid *grid);

static inline uint32_t grid_scale_index(const struct grid *grid, uint32_t row, uint32_t k) {
    return grid->group ? row * (grid->depth / grid->group) + k / grid->group : 0;
}
static inline float grid_scale(const struct grid *grid, uint32_t row, uint32_t k) {
    return grid->scales[grid_scale_index(grid, row, k)];
}

/* Scales so that no weight is clipped, or (GRID_MSE) for the least squared error. A group of zeros gets the scale 1. */
void grid_choose_scales(struct grid *grid, enum grid_range range);
/* Codes at the given scales: to the nearest, halves away from zero. */
void grid_round_nearest(struct grid *grid);
/* Up or down by chance, so that the expected value is the weight (Gupta et al. 2015, arXiv 1502.02551). */
void grid_round_stochastic(struct grid *grid, struct random *random);
/* The weight that q stands for. */
static inline float grid_value(const struct grid *grid, uint32_t row, uint32_t k) {
    return (float)grid->q[(size_t)row * grid->depth + k] * grid_scale(grid, row, k);
}
