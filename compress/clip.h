/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The range of real values that a few bits shall stand for, chosen from how often each value occurs. Pure functions.
 */

#include <stdint.h>

#define CLIP_HALF 2048 /* bins of either sign */
#define CLIP_BINS (2 * CLIP_HALF)

/* Always min <= 0 <= max: zero has a code of its own. */
struct range {
    float min, max;
};

/* How often values occur: bins of equal width over [-limit, limit]. Zeros, which any range keeps, stand apart. */
struct density {
    struct range seen;
    float limit;     /* the larger magnitude of `seen` */
    double n, zeros; /* values in the bins; zeros, not among them */
    double counts[CLIP_BINS];
    double sums[CLIP_BINS]; /* of the values in each bin */
};

/* Begins a density of values in `seen`. */
void density_init(struct density *d, struct range seen);
void density_add(struct density *d, const float *values, uint64_t n);

/* Leaves out (100 - percentile) % of the values at either end. */
struct range clip_percentile(const struct density *d, double percentile);
/* The least squared error of `levels` codes, clipping included. */
struct range clip_mse(const struct density *d, unsigned levels);
/*
 * The least loss of information (Kullback-Leibler divergence) of `levels` codes, as TensorRT's calibration does it
 * (Migacz, 8-bit inference with TensorRT, 2017): magnitudes are clipped at one threshold.
 */
struct range clip_kl(const struct density *d, unsigned levels);
/* The squared error of `levels` codes over the range, summed. */
double clip_error(const struct density *d, struct range range, unsigned levels);
