/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scales and plain roundings of weights.
 */

#include "compress/grid.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/layer.h"
#include "model/graph.h"

#define MSE_STEPS 64
#define MSE_SMALLEST 0.3F   /* of the scale that clips nothing */
#define MIN_SCALE 0x1p-100F /* below it, weights count as zeros */

const char *const grid_ranges[] = {"max", "mse", NULL};
const char *const grid_roundings[] = {"nearest", "stochastic", "adaptive", NULL};

int grid_init(struct grid *grid, const struct graph *graph, const struct layer *layer,
              uint32_t group, int32_t min, int32_t max) {
    size_t n = (size_t)layer->out * layer->depth;
    struct grid g = {.rows = layer->out,
                     .depth = layer->depth,
                     .group = group,
                     .min = min,
                     .max = max,
                     .n_scales = group ? (uint32_t)(n / group) : 1};
    g.scales = calloc(g.n_scales, sizeof(*g.scales));
    g.w = malloc(n * sizeof(*g.w));
    g.q = calloc(n, sizeof(*g.q));
    if (!g.scales || !g.w || !g.q) {
        grid_deinit(&g);
        return err_origin(-ENOMEM);
    }
    const float *w = layer_weights(graph, layer)->data;
    for (uint32_t c = 0; c < g.rows; c++)
        for (uint32_t k = 0; k < g.depth; k++)
            g.w[(size_t)c * g.depth + k] = w[layer_index(layer, c, k)];
    *grid = g;
    return 0;
}

void grid_deinit(struct grid *grid) {
    free(grid->scales);
    free(grid->w);
    free(grid->q);
}

static float clamped(const struct grid *grid, float code) {
    return fminf(fmaxf(code, (float)grid->min), (float)grid->max);
}

/* The scale at which none of the n weights is clipped. */
static float scale_of_max(const struct grid *grid, const float *w, size_t n) {
    float low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = fminf(low, w[i]);
        high = fmaxf(high, w[i]);
    }
    float scale = fmaxf(high, -low) / (float)grid->max;
    return scale > MIN_SCALE ? scale : 1;
}

static double squared_error(const struct grid *grid, const float *w, size_t n, float scale) {
    double error = 0;
    float per_unit = 1 / scale;
    for (size_t i = 0; i < n; i++) {
        float e = w[i] - clamped(grid, nearbyintf(w[i] * per_unit)) * scale;
        error += (double)(e * e);
    }
    return error;
}

static float scale_of_mse(const struct grid *grid, const float *w, size_t n) {
    float full = scale_of_max(grid, w, n), best = full;
    double least = squared_error(grid, w, n, full);
    for (int i = 1; i <= MSE_STEPS && least > 0; i++) {
        float scale = full * (1 - (1 - MSE_SMALLEST) * (float)i / MSE_STEPS);
        double e = squared_error(grid, w, n, scale);
        if (e < least) {
            least = e;
            best = scale;
        }
    }
    return best;
}

void grid_choose_scales(struct grid *grid, enum grid_range range) {
    size_t n = (size_t)grid->rows * grid->depth / grid->n_scales;
    for (uint32_t i = 0; i < grid->n_scales; i++) {
        const float *w = grid->w + i * n;
        grid->scales[i] = range == GRID_MSE ? scale_of_mse(grid, w, n) : scale_of_max(grid, w, n);
    }
}

void grid_round_nearest(struct grid *grid) {
    for (uint32_t r = 0; r < grid->rows; r++)
        for (uint32_t k = 0; k < grid->depth; k++) {
            size_t i = (size_t)r * grid->depth + k;
            grid->q[i] = (int32_t)clamped(grid, roundf(grid->w[i] / grid_scale(grid, r, k)));
        }
}

void grid_round_stochastic(struct grid *grid, struct random *random) {
    for (uint32_t r = 0; r < grid->rows; r++)
        for (uint32_t k = 0; k < grid->depth; k++) {
            size_t i = (size_t)r * grid->depth + k;
            float x = grid->w[i] / grid_scale(grid, r, k), below = floorf(x);
            bool up = random_unit(random) < (double)(x - below);
            grid->q[i] = (int32_t)clamped(grid, below + (float)up);
        }
}
